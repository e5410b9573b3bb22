"""How good the answers are, computed after the window by the libraries that the field uses for it."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from joulemark.records import Quality
from joulemark.workloads.datasets import Samples
from joulemark.workloads.tasks import Task
from joulemark.workloads.workload import Answer, Score

Scored = tuple[float, list[float]]  # the headline, and each answer's own score


def score(task: Task, samples: Samples, answers: Sequence[Answer], random_because: str | None) -> Score:
    """Compare answer ``q`` with the right answer of sample ``q`` modulo the number of samples.

    Answers to samples without a right answer are left out. ``random_because`` says why the weights are random.
    """

    def unknown(reason: str) -> Score:
        return Score(Quality(task.metric, None, reason=reason), (None,) * len(answers))

    if random_because is not None:
        return unknown(f"random weights: {random_because}")
    if task.metric is None or task.gold is None:
        return unknown(f"answers of {task.task_id} are not scored")
    golds = [samples.rows[answer_i % len(samples.rows)][task.gold] for answer_i in range(len(answers))]
    known = [answer_i for answer_i, gold in enumerate(golds) if gold is not None]
    if not known:
        return unknown(f"the samples carry no {task.gold!r}")
    values, golds = [answers[answer_i].value for answer_i in known], [golds[answer_i] for answer_i in known]
    if task.metric == "accuracy" and (reason := names_differ(values, golds)):
        return unknown(reason)
    headline, each = _METRICS[task.metric](values, golds)
    per_sample: list[float | None] = [None] * len(answers)
    for answer_i, own_score in zip(known, each, strict=True):
        per_sample[answer_i] = own_score
    return Score(Quality(task.metric, headline, scored_n=len(known)), tuple(per_sample))


def parse_label(text: str, labels: Sequence[str]) -> str | None:
    """The label that a generated text names first, as a whole word and in any case; ``None`` where it names none."""
    found = [
        (match.start(), -len(label), label)
        for label in labels
        if (match := re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, flags=re.IGNORECASE))
    ]
    return min(found)[2] if found else None


def names_differ(values: Sequence[Any], golds: Sequence[Any]) -> str | None:
    """Why model and dataset cannot be compared, where they share no label name at all; ``None`` where they do."""
    given, wanted = {_folded(value) for value in values if value is not None}, {_folded(gold) for gold in golds}
    if not given or given & wanted or len(wanted) == 1:
        return None
    return f"the model says {_some(given)}, the dataset {_some(wanted)}: give the labels the model's names"


def squad_f1(prediction: str, answers: Sequence[str]) -> float:
    """The F1 of the words that prediction and answer share, for the best of the answers (Rajpurkar et al., 2016)."""
    return max((_words_f1(_squad_words(prediction), _squad_words(answer)) for answer in answers), default=0.0)


def _accuracy(values: Sequence[Any], golds: Sequence[Any]) -> Scored:
    from sklearn.metrics import accuracy_score

    given = ["" if value is None else _folded(value) for value in values]
    wanted = [_folded(gold) for gold in golds]
    each = [float(one == other) for one, other in zip(given, wanted, strict=True)]
    return float(accuracy_score(wanted, given)), each


def _entity_f1(values: Sequence[Any], golds: Sequence[Any]) -> Scored:
    """Micro-averaged F1 of whole entities; a sentence's own score is 1 where all of its tags are right."""
    from seqeval.metrics import f1_score

    given, wanted = [list(tags) for tags in values], [list(tags) for tags in golds]
    each = [float(one == other) for one, other in zip(given, wanted, strict=True)]
    return float(f1_score(wanted, given, zero_division=0)), each


def _f1(values: Sequence[Any], golds: Sequence[Any]) -> Scored:
    return _mean([squad_f1(str(value), answers) for value, answers in zip(values, golds, strict=True)])


def _top5(values: Sequence[Any], golds: Sequence[Any]) -> Scored:
    return _mean(
        [
            float(_folded(gold) in [_folded(guess) for guess in guesses])
            for guesses, gold in zip(values, golds, strict=True)
        ]
    )


def _rouge_l(values: Sequence[Any], golds: Sequence[Any]) -> Scored:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    return _mean(
        [
            float(scorer.score(str(gold), str(value))["rougeL"].fmeasure)
            for value, gold in zip(values, golds, strict=True)
        ]
    )


_METRICS: Mapping[str, Callable[[Sequence[Any], Sequence[Any]], Scored]] = {
    "accuracy": _accuracy,
    "entity_f1": _entity_f1,
    "f1": _f1,
    "top5_accuracy": _top5,
    "rougeL": _rouge_l,
}


def _mean(each: list[float]) -> Scored:
    return sum(each) / len(each), each


def _folded(value: Any) -> str:
    return str(value).strip().casefold()


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:4]) + (", …" if len(names) > 4 else "")


def _squad_words(text: str) -> list[str]:
    """Lower case, without punctuation and articles."""
    kept = "".join(character for character in text.lower() if character not in string.punctuation)
    return [word for word in kept.split() if word not in ("a", "an", "the")]


def _words_f1(given: list[str], wanted: list[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    shared_n = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared_n / (len(given) + len(wanted))
