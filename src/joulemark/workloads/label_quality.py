"""How good labels are: of a text, of an image, of a masked word, of each word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from joulemark.workloads.scored import Scored

TOP_N = 5  # guesses that count for top5_accuracy

# Two spellings of the same two labels: of datasets and models of sentiment, some use the one and some the other.
_SENTIMENTS = (("negative", "positive"), ("neg", "pos"))
_NEUTRAL = "neutral"

_NUMBERED = re.compile(r"label_\d+")  # what transformers calls the labels of a model that names none


def labels(values: Sequence[Any], golds: Sequence[Any]) -> Scored | str:
    """``accuracy`` and ``macro_f1`` of single labels; of several, best first, the first counts. ``None`` is wrong.

    ``macro_f1`` is the mean F1 of the labels that occur among the right answers, each alike (scikit-learn).

    Returns:
        The metrics, or why model and dataset cannot be compared.
    """
    from sklearn.metrics import f1_score

    same = spellings(golds)
    wanted = [folded(gold) for gold in golds]
    given = ["" if (best := _best(value)) is None else same.get(folded(best), folded(best)) for value in values]
    if reason := names_differ([guess for value in values for guess in _several(value)], golds):
        return reason
    each = [float(one == other) for one, other in zip(given, wanted, strict=True)]
    macro_f1 = f1_score(wanted, given, labels=sorted(set(wanted)), average="macro", zero_division=0)
    return Scored({"accuracy": sum(each) / len(each), "macro_f1": float(macro_f1)}, each)


def guesses(values: Sequence[Any], golds: Sequence[Any]) -> Scored | str:
    """``top5_accuracy`` and ``top1_accuracy`` of guesses, best first: the right answer is among them, or the first.

    Returns:
        The metrics, or why there are none: a single label is no list of guesses.
    """
    if any(isinstance(value, str) for value in values):
        return "the answers are single labels; top5_accuracy needs a tuple of up to five, best first"
    same = spellings(golds)
    hits = []
    for value, gold in zip(values, golds, strict=True):
        named = [same.get(folded(guess), folded(guess)) for guess in _several(value)[:TOP_N]]
        hits.append((float(named[:1] == [folded(gold)]), float(folded(gold) in named)))
    top1_n, top5_n = (sum(column) for column in zip(*hits, strict=True))
    return Scored({"top5_accuracy": top5_n / len(hits), "top1_accuracy": top1_n / len(hits)}, [hit for _, hit in hits])


def tags(values: Sequence[Any], golds: Sequence[Any]) -> Scored | str:
    """``entity_f1`` and ``macro_entity_f1`` of whole entities (seqeval), ``tag_accuracy`` of words.

    An entity is right where its words and its kind are. ``entity_f1`` takes all entities together (Tjong Kim Sang and
    De Meulder, "Introduction to the CoNLL-2003 Shared Task", 2003); ``macro_entity_f1`` is the mean over kinds. A
    tag without a place, "PER", is inside of an entity. A sentence's own score is 1 where all of its tags are right.

    Returns:
        The metrics, or why they cannot be computed.
    """
    from seqeval.metrics import accuracy_score, f1_score

    given, wanted = ([[_tag(tag) for tag in sentence] for sentence in side] for side in (values, golds))
    for one, other in zip(given, wanted, strict=True):
        if len(one) != len(other):
            return f"an answer has {len(one)} tags where the dataset has {len(other)}"
    kinds = {_kind(tag) for sentence in wanted for tag in sentence if tag != "O"}
    if not kinds:
        return "no word of the samples belongs to an entity"
    if reason := names_differ([_kind(tag) for sentence in given for tag in sentence if tag != "O"], sorted(kinds)):
        return reason
    return Scored(
        {
            "entity_f1": float(f1_score(wanted, given, zero_division=0)),
            "macro_entity_f1": float(f1_score(wanted, given, average="macro", zero_division=0)),
            "tag_accuracy": float(accuracy_score(wanted, given)),
        },
        [float(one == other) for one, other in zip(given, wanted, strict=True)],
    )


def names_differ(values: Sequence[Any], golds: Sequence[Any]) -> str | None:
    """Why model and dataset cannot be compared, where they share no label name at all; ``None`` where they do.

    A model that is wrong on samples of one label shares no name with them either, so that numbered names alone
    ("LABEL_0") tell there. Which number stands for which label is never guessed.
    """
    same = spellings(golds)
    given = {folded(value) for value in values if value is not None}
    wanted = {folded(gold) for gold in golds}
    if not given or {same.get(name, name) for name in given} & wanted:
        return None
    if len(wanted) == 1 and not all(_NUMBERED.fullmatch(name) for name in given):
        return None
    return f"the model says {_some(given)}, the dataset {_some(wanted)}: give the labels the model's names"


def spellings(golds: Sequence[Any]) -> Mapping[str, str]:
    """How a dataset's labels may be written: folded spelling → the dataset's own, folded.

    "pos" and "positive" are the same where a dataset's labels are sentiments and nothing else.
    """
    own = {folded(gold) for gold in golds}
    same = {name: name for name in own}
    for names in _SENTIMENTS:
        if own & set(names) and own <= {*names, _NEUTRAL}:
            for other_names in _SENTIMENTS:
                same |= dict(zip(other_names, names, strict=True))
    return same


def folded(value: Any) -> str:
    """A name without regard to case and white space around it."""
    return str(value).strip().casefold()


def _several(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _best(value: Any) -> Any:
    return next(iter(_several(value)), None)


def _tag(value: Any) -> str:
    """A tag as seqeval reads it: in upper case, and "I-PER" for a bare "PER", which it would take for a kind "ER"."""
    tag = str(value).upper()
    return tag if tag == "O" or "-" in tag else f"I-{tag}"


def _kind(tag: str) -> str:
    """What an entity is, of the tag of one of its words: "PER" of "B-PER"."""
    return tag.partition("-")[2] or tag


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:4]) + (", …" if len(names) > 4 else "")
