"""How good the answers are, computed after the window by the libraries that the field uses for it.

Which metrics a task has is said in :mod:`joulemark.workloads.tasks`, what they mean in ``docs/quality.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

from joulemark.records import Quality
from joulemark.workloads import detection_quality, label_quality, span_quality, text_quality
from joulemark.workloads.datasets import Samples, fill_in
from joulemark.workloads.likelihood_quality import perplexity
from joulemark.workloads.parsing import parse_label, parse_span, parse_summary
from joulemark.workloads.scored import Scored
from joulemark.workloads.tasks import Task
from joulemark.workloads.workload import Answer, Score

LOWER_IS_BETTER = frozenset({"perplexity", "pseudo_perplexity", "unparsed_ratio"})

Likelihoods = Callable[[], Sequence[tuple[float, int] | None]]
Family = Callable[[Sequence[Any], Sequence[Any]], Scored | str]

# What computes a metric, together with its kin, from answers and right answers.
_FAMILIES: Mapping[str, Family] = {
    "accuracy": label_quality.labels,
    "macro_f1": label_quality.labels,
    "top5_accuracy": label_quality.guesses,
    "top1_accuracy": label_quality.guesses,
    "entity_f1": label_quality.tags,
    "macro_entity_f1": label_quality.tags,
    "tag_accuracy": label_quality.tags,
    "f1": span_quality.spans,
    "exact_match": span_quality.spans,
    "f1_has_answer": span_quality.spans,
    "f1_no_answer": span_quality.spans,
    "rouge1": text_quality.rouges,
    "rouge2": text_quality.rouges,
    "rougeL": text_quality.rouges,
    "rougeLsum": text_quality.rouges,
    "bleu": text_quality.bleu,
    "map": detection_quality.boxes,
    "map_50": detection_quality.boxes,
    "map_75": detection_quality.boxes,
}


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_label(value: Any) -> bool:
    """A number of a class is one as well: files have them, and they become texts."""
    return _is_text(value) or isinstance(value, Integral) or _are_labels(value)


def _are_labels(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str | Integral) for one in value)


_TEXT = (_is_text, "a text")
_LABEL = (_is_label, "a label or a list of labels, best first")
# Which answers a family can score, and what they are called: of others it would score what Python prints.
_ANSWERS: Mapping[Family, tuple[Callable[[Any], bool], str]] = {
    label_quality.labels: _LABEL,
    label_quality.guesses: _LABEL,
    label_quality.tags: (_are_labels, "a list of tags"),
    span_quality.spans: _TEXT,
    text_quality.rouges: _TEXT,
    text_quality.bleu: _TEXT,
    detection_quality.boxes: (detection_quality.are_boxes, "a list of boxes (name, x0, y0, x1, y1[, score])"),
}
# What a family imports when it scores, where that takes more than a moment.
_LIBRARIES: Mapping[Family, str] = {
    label_quality.labels: "sklearn.metrics",
    label_quality.tags: "seqeval.metrics",
    text_quality.rouges: "rouge_score.rouge_scorer",
    text_quality.bleu: "sacrebleu.metrics.bleu",
    detection_quality.boxes: "pycocotools.cocoeval",
}
_OF_LIKELIHOODS = ("perplexity", "pseudo_perplexity")  # a task has one of them at most


def libraries(task: Task) -> tuple[str, ...]:
    """The modules that scoring the task's answers imports, for a server that forks processes which need not then."""
    families = [_FAMILIES[name] for name in (task.metric or "", *task.other_metrics) if name in _FAMILIES]
    return tuple(dict.fromkeys(_LIBRARIES[family] for family in families if family in _LIBRARIES))


def score(
    task: Task,
    samples: Samples,
    answers: Sequence[Answer],
    random_because: str | None,
    *,
    prompted: bool = False,
    likelihoods: Likelihoods | None = None,
) -> Score:
    """Compare answer ``q`` with the right answer of sample ``q`` modulo the number of samples.

    Answers to samples without a right answer are left out.

    Args:
        task: its metrics; and its prompt, which has to be the one that was used, so that a repetition is recognised.
        samples: the rows with the right answers.
        answers: in the order in which they were asked for.
        random_because: why the weights are random; then there is no quality.
        prompted: the answers are the text of a multi-purpose model, and are parsed. What cannot be is wrong, and its
            share is told as ``unparsed_ratio``.
        likelihoods: per sample the negative log-likelihood of its text in nats, and over how many tokens that is
            summed; ``None`` for a text without any. Asked only where the task has a metric of it.
    """

    def unknown(reason: str) -> Score:
        return Score(Quality(task.metric, None, reason=reason), (None,) * len(answers))

    if random_because is not None:
        return unknown(f"random weights: {random_because}")
    if task.metric is None:
        because = f": {task.unscored_because}" if task.unscored_because else ""
        return unknown(f"answers of {task.task_id} are not scored{because}")
    if task.metric in _OF_LIKELIHOODS:
        if likelihoods is None:
            return unknown(f"this model does not tell the likelihood of a text, which {task.metric} needs")
        told = _in_order(likelihoods(), range(len(answers)))
        found = perplexity(task.metric, list(told.values()))
        return unknown(found) if isinstance(found, str) else _record(task, len(answers), list(told), found, {})
    if task.metric not in _FAMILIES or task.gold is None:
        return unknown(f"{task.metric!r} of {task.gold!r} is no metric; there are {', '.join(_FAMILIES)}")

    rows = [samples.rows[answer_i % len(samples.rows)] for answer_i in range(len(answers))]
    known = [answer_i for answer_i, row in enumerate(rows) if _is_known(row[task.gold])]
    if not known:
        return unknown(f"the samples carry no {task.gold!r}")
    rows, golds = [rows[answer_i] for answer_i in known], [rows[answer_i][task.gold] for answer_i in known]
    values: Sequence[object] = [answers[answer_i].value for answer_i in known]
    others: dict[str, float] = {}
    template = task.prompt if prompted and task.metric in _PARSERS else None
    fits, wanted = _ANSWERS[_FAMILIES[task.metric]] if template is None else _TEXT
    if unfit := [value for value in values if not fits(value)]:
        return unknown(f"an answer is {_kind(unfit[0])}, not {wanted}")
    if template is not None:
        prompts = [fill_in(template, row) for row in rows]
        values = _PARSERS[task.metric](values, prompts, golds)
        others["unparsed_ratio"] = sum(value is None for value in values) / len(values)

    found = _FAMILIES[task.metric](values, golds)
    if isinstance(found, str):
        return unknown(found)
    kin = [family(values, golds) for family in _further_families(task)]
    if likelihoods is not None:
        told = _in_order(likelihoods(), known) if set(_OF_LIKELIHOODS) & set(task.other_metrics) else {}
        kin += [perplexity(name, list(told.values())) for name in _OF_LIKELIHOODS if name in task.other_metrics]
    for one in kin:
        others |= {} if isinstance(one, str) else one.metrics
    return _record(task, len(answers), known, found, others)


def _record(task: Task, answers_n: int, known: Sequence[int], found: Scored, others: Mapping[str, float]) -> Score:
    """The metrics that the task names, in its order, and how much could not be parsed."""
    metrics = {**others, **found.metrics}
    shown = [name for name in (*task.other_metrics, "unparsed_ratio") if name in metrics]
    per_sample: list[float | None] = [None] * answers_n
    for answer_i, own_score in zip(known, found.each, strict=True):
        per_sample[answer_i] = own_score
    headline = metrics[str(task.metric)]
    quality = Quality(task.metric, headline, scored_n=len(known), others={name: metrics[name] for name in shown})
    return Score(quality, tuple(per_sample))


def _further_families(task: Task) -> list[Family]:
    """What computes those of the task's other metrics that do not come along with its headline."""
    of_others = dict.fromkeys(_FAMILIES[name] for name in task.other_metrics if name in _FAMILIES)
    return [family for family in of_others if family is not _FAMILIES[str(task.metric)]]


def _in_order(likelihoods: Sequence[tuple[float, int] | None], known: Sequence[int]) -> dict[int, tuple[float, int]]:
    """The likelihood of the text of each answer, where it has one, by the answer's number."""
    told = {answer_i: likelihoods[answer_i % len(likelihoods)] for answer_i in known}
    return {answer_i: one for answer_i, one in told.items() if one is not None}


def _parsed_labels(values: Sequence[Any], prompts: Sequence[str], golds: Sequence[Any]) -> list[str | None]:
    names = list(label_quality.spellings(golds))
    return _parsed(lambda text, prompt: parse_label(text, names, prompt), values, prompts)


def _parsed(parse: Callable[[str, str], str | None], values: Sequence[Any], prompts: Sequence[str]) -> list[str | None]:
    return [None if value is None else parse(str(value), prompt) for value, prompt in zip(values, prompts, strict=True)]


# What becomes of the texts of a prompted model, by the headline that they are scored with.
_PARSERS: Mapping[str, Callable[[Sequence[Any], Sequence[str], Sequence[Any]], list[str | None]]] = {
    "accuracy": _parsed_labels,
    "f1": lambda values, prompts, _: _parsed(parse_span, values, prompts),
    "rougeL": lambda values, prompts, _: _parsed(parse_summary, values, prompts),
}


def _kind(value: Any) -> str:
    """What an answer is, in Python's words; of a list also what is in it."""
    inside = f" of {type(value[0]).__name__}" if isinstance(value, list | tuple) and value else ""
    return type(value).__name__ + inside


def _is_known(gold: Any) -> bool:
    """A gap inside a list, such as a word whose tag is not known, makes the whole unknown."""
    return gold is not None and not (isinstance(gold, list | tuple) and None in gold)
