"""How good answers to questions are, by the rules of SQuAD.

The definitions are those of Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text" (2016) and
"Know What You Don't Know: Unanswerable Questions for SQuAD" (2018), as the evaluation published with the latter is.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

from joulemark.workloads.scored import Scored

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def spans(values: Sequence[Any], golds: Sequence[Any]) -> Scored:
    """``f1`` and ``exact_match``; with questions that have no answer also the F1 of either kind.

    The right answers to a question are several texts, of which the best match counts, or none: then only "" is
    right. ``f1_has_answer`` and ``f1_no_answer`` are given where some question has no answer. ``None`` is wrong.
    """
    f1 = [0.0 if value is None else squad_f1(str(value), answers) for value, answers in zip(values, golds, strict=True)]
    exact = [value is not None and exact_match(str(value), gold) for value, gold in zip(values, golds, strict=True)]
    metrics = {"f1": sum(f1) / len(f1), "exact_match": sum(exact) / len(exact)}
    answerable = [any(answer.strip() for answer in answers) for answers in golds]
    if not all(answerable):
        for name, kind in (("f1_has_answer", True), ("f1_no_answer", False)):
            of_kind = [own for own, has in zip(f1, answerable, strict=True) if has is kind]
            if of_kind:
                metrics[name] = sum(of_kind) / len(of_kind)
    return Scored(metrics, f1)


def squad_f1(prediction: str, answers: Sequence[str]) -> float:
    """The F1 of the words that prediction and answer share, for the best of the answers, from 0 to 1."""
    return max(_words_f1(squad_words(prediction), words) for words in _right(answers))


def exact_match(prediction: str, answers: Sequence[str]) -> bool:
    """Whether a prediction has the words of one of the answers, in their order."""
    return squad_words(prediction) in _right(answers)


def squad_words(text: str) -> list[str]:
    """Lower case, without ASCII punctuation and without the articles a, an and the."""
    return _ARTICLE.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split()


def _right(answers: Sequence[str]) -> list[list[str]]:
    """The words of each answer that has any; none at all where a question has no answer."""
    return [words for answer in answers if (words := squad_words(answer))] or [[]]


def _words_f1(given: list[str], wanted: list[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    shared_n = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared_n / (len(given) + len(wanted))
