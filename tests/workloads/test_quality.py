from __future__ import annotations

import re
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.workloads.datasets import Samples
from joulemark.workloads.pretrained.boxes import Box, Boxes
from joulemark.workloads.pretrained.spans import SPAN_MAX_N, best_span
from joulemark.workloads.quality import LOWER_IS_BETTER, score
from joulemark.workloads.tasks import (
    FILL_MASK,
    IMAGE_CLASSIFICATION,
    IMAGE_TO_TEXT,
    OBJECT_DETECTION,
    QUESTION_ANSWERING,
    SUMMARIZATION,
    TEXT_CLASSIFICATION,
    TEXT_GENERATION,
    TEXT_TO_IMAGE,
    TOKEN_CLASSIFICATION,
    Task,
)
from joulemark.workloads.transformers_runner import show
from joulemark.workloads.workload import Answer, Score

# Per task right answers, and what a model says that gets everything right.
PERFECT: list[tuple[Task, list[Any], list[Any]]] = [
    (TEXT_CLASSIFICATION, ["positive", "negative", "negative"], ["Positive", "negative", "NEGATIVE"]),
    (TOKEN_CLASSIFICATION, [("B-PER", "O"), ("B-LOC", "I-LOC")], [("B-PER", "O"), ("B-LOC", "I-LOC")]),
    (QUESTION_ANSWERING, [("Rome", "the city"), (), ("in 1990",)], ["the Rome", "", "in 1990"]),
    (FILL_MASK, ["red", "blue"], [("red", "green"), ("Blue", "red")]),
    (SUMMARIZATION, ["the house is red", "it rains"], ["the house is red", "it rains"]),
    (IMAGE_CLASSIFICATION, ["cat", "dog"], [("cat", "dog"), ("dog", "cat")]),
    (IMAGE_TO_TEXT, [("a red cat on a mat", "a cat"), "a dog in it"], ["a red cat on a mat", "a dog in it"]),
    (
        OBJECT_DETECTION,
        [(("cat", 0, 0, 10, 10), ("dog", 20, 5, 60, 30)), ()],
        [Boxes((Box("cat", 0.9, (0, 0, 10, 10)), Box("dog", 0.8, (20, 5, 60, 30)))), Boxes(())],
    ),
]  # fmt: skip


def scored(task: Task, golds: list[Any], values: list[Any], **options: Any) -> Score:
    asked = dict.fromkeys(task.inputs, "")
    samples = Samples(tuple({"id": gold_i, **asked, task.gold or "": gold} for gold_i, gold in enumerate(golds)), "")
    return score(task, samples, [Answer(value) for value in values], None, **options)


def _less_sure(value: Any) -> Any:
    """COCO ranks boxes of equal scores by the order of their images, so that none may be equal here."""
    if not isinstance(value, Boxes):
        return value
    return Boxes(tuple(replace(box, score=box.score - 0.3) for box in value.found))


@pytest.mark.parametrize(("task", "golds", "values"), PERFECT, ids=[task.task_id for task, *_ in PERFECT])
def test_perfect_answers_have_the_best_value(task: Task, golds: list[Any], values: list[Any]) -> None:
    quality = scored(task, golds, values).quality
    assert quality.value == pytest.approx(1)
    assert set(quality.others) == set(task.other_metrics) - {"pseudo_perplexity"}
    assert all(value == pytest.approx(100 if name == "bleu" else 1) for name, value in quality.others.items())
    assert quality.scored_n == len(golds)


@pytest.mark.parametrize(("task", "golds", "values"), PERFECT, ids=[task.task_id for task, *_ in PERFECT])
def test_the_order_of_the_samples_does_not_matter_and_no_value_is_out_of_bounds(
    task: Task, golds: list[Any], values: list[Any]
) -> None:
    wrong = [_less_sure(value) for value in (*values[1:], values[0])]  # every answer at the next sample's place
    forth = scored(task, [*golds, *golds], [*values, *wrong])
    back = scored(task, [*golds, *golds][::-1], [*values, *wrong][::-1])
    assert forth.per_sample == back.per_sample[::-1]
    assert forth.quality.value == pytest.approx(back.quality.value)
    assert forth.quality.others == pytest.approx(back.quality.others)
    assert forth.quality.value is not None
    assert 0 <= forth.quality.value < 1
    assert all(0 <= value <= (100 if name == "bleu" else 1) for name, value in forth.quality.others.items())


@pytest.mark.parametrize(("task", "golds", "values"), PERFECT, ids=[task.task_id for task, *_ in PERFECT])
def test_a_sample_without_a_right_answer_is_left_out(task: Task, golds: list[Any], values: list[Any]) -> None:
    with_gap = scored(task, [*golds, None], [*values, values[0]])
    assert with_gap.quality == scored(task, golds, values).quality
    assert with_gap.per_sample[-1] is None
    assert scored(task, [None], values[:1]).quality.reason == f"the samples carry no {task.gold!r}"


def test_a_tag_that_is_not_known_makes_its_sentence_unknown() -> None:
    values = [("B-PER", "O"), ("O", "O")]
    assert scored(TOKEN_CLASSIFICATION, [("B-PER", "O"), ("B-LOC", None)], values).per_sample == (1, None)


def test_samples_that_are_asked_twice_count_twice() -> None:
    quality = scored(TEXT_CLASSIFICATION, ["positive", "negative"], ["positive", "positive", "positive"]).quality
    assert quality.value == pytest.approx(2 / 3)
    assert quality.scored_n == 3


def test_prompted_labels_are_parsed_and_what_says_none_is_wrong() -> None:
    values = ["The sentiment is positive.", "NEGATIVE\npositive", "I do not know", ""]
    found = scored(TEXT_CLASSIFICATION, ["positive", "negative", "negative", "positive"], values, prompted=True)
    assert list(found.per_sample) == [1, 1, 0, 0]
    assert found.quality.value == 0.5
    assert found.quality.others["unparsed_ratio"] == 0.5
    # Each label: one of two found, nothing else taken for it.
    assert found.quality.others["macro_f1"] == pytest.approx(2 / 3)


def test_a_prompted_model_can_name_a_label_that_no_sample_has() -> None:
    # The first 1,000 reviews of IMDB's test split are all negative.
    quality = scored(TEXT_CLASSIFICATION, ["neg", "neg"], ["positive", "negative"], prompted=True).quality
    assert (quality.value, quality.others["unparsed_ratio"]) == (0.5, 0)


def test_prompted_answers_and_summaries_are_parsed_without_a_repeated_prompt() -> None:
    rows = ({"question": "Where", "context": "In Rome.", "answers": ("Rome",)},) * 3
    echo = 'where? Find the answer to the question in the following text: "In Rome.". Answer: Rome.\nWhere'
    answers = [Answer(echo), Answer("unanswerable"), Answer(" ")]
    found = score(QUESTION_ANSWERING, Samples(rows, ""), answers, None, prompted=True)
    assert list(found.per_sample) == [1, 0, 0]
    assert found.quality.others == {"exact_match": pytest.approx(1 / 3), "unparsed_ratio": pytest.approx(1 / 3)}

    text_rows = ({"text": "It rains a lot.", "summary": "rain"},)
    task = replace(SUMMARIZATION, prompt="{text} TL;DR:")
    summary = [Answer("It rains a lot. TL;DR: Rain\n\nThe end")]
    assert score(task, Samples(text_rows, ""), summary, None, prompted=True).quality.value == 1


def test_an_empty_text_is_no_statement_that_there_is_no_answer() -> None:
    quality = scored(QUESTION_ANSWERING, [(), ()], ["", "No answer."], prompted=True).quality
    assert (quality.value, quality.others["unparsed_ratio"]) == (0.5, 0.5)
    assert quality.others["f1_no_answer"] == 0.5
    assert "f1_has_answer" not in quality.others


def test_a_single_label_of_an_image_has_no_top_five() -> None:
    quality = scored(IMAGE_CLASSIFICATION, ["cat", "dog"], ["cat", "cat"]).quality
    assert quality.value == 0.5
    assert set(quality.others) == {"macro_f1"}


def test_perplexity_is_over_all_tokens() -> None:
    # Two texts of 4 and 6 tokens at 1 and 2 nats each: (4 + 12) / 10 nats a token; the third has no tokens.
    samples = Samples(({"text": "a"}, {"text": "b"}, {"text": ""}), "")
    answers = [Answer("x")] * 3
    found = score(TEXT_GENERATION, samples, answers, None, likelihoods=lambda: [(4.0, 4), (12.0, 6), None])
    assert found.quality.value == pytest.approx(np.exp(1.6))
    assert found.per_sample[:2] == pytest.approx((np.e, np.e**2))
    assert found.per_sample[2] is None
    assert found.quality.scored_n == 2


@given(st.integers(2, 50_000), st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_a_model_that_knows_nothing_is_as_perplexed_as_it_has_tokens(vocabulary_n: int, lengths_n: list[int]) -> None:
    samples = Samples(tuple({"text": "a"} for _ in lengths_n), "")
    told = [(length_n * float(np.log(vocabulary_n)), length_n) for length_n in lengths_n]
    found = score(TEXT_GENERATION, samples, [Answer("")] * len(lengths_n), None, likelihoods=lambda: told)
    assert found.quality.value == pytest.approx(vocabulary_n)


@pytest.mark.parametrize("nats", [float("nan"), float("inf"), 1e9])
def test_likelihoods_that_are_no_numbers_are_no_quality(nats: float) -> None:
    samples, answers = Samples(({"text": "a"},), ""), [Answer("x")]
    quality = score(TEXT_GENERATION, samples, answers, None, likelihoods=lambda: [(nats, 2)]).quality
    assert (quality.value, quality.reason) == (None, "the likelihood of a text is not a finite number")
    quality = score(TEXT_GENERATION, samples, answers, None, likelihoods=lambda: [None]).quality
    assert quality.reason == "no text of the samples has a token to predict"


def test_pseudo_perplexity_stands_beside_the_guesses() -> None:
    samples = Samples(({"answer": "red"}, {"answer": None}), "")
    answers = [Answer(("blue", "red")), Answer(("red",))]
    quality = score(FILL_MASK, samples, answers, None, likelihoods=lambda: [(3.0, 3), (90.0, 3)]).quality
    assert quality.value == 1
    assert quality.others == {"top1_accuracy": 0, "pseudo_perplexity": pytest.approx(np.e)}


def test_likelihoods_are_not_asked_for_in_vain() -> None:
    def likelihoods() -> list[tuple[float, int] | None]:
        raise AssertionError("asked")

    assert scored(TEXT_CLASSIFICATION, ["a", "b"], ["a", "b"], likelihoods=likelihoods).quality.value == 1
    assert scored(FILL_MASK, [None], [("red",)], likelihoods=likelihoods).quality.value is None
    assert score(TEXT_GENERATION, Samples((), ""), [], "drawn", likelihoods=likelihoods).quality.value is None


def test_what_cannot_be_scored_says_why() -> None:
    because = "answers of text-to-image are not scored: a second large model would have to judge them"
    assert scored(TEXT_TO_IMAGE, [None], ["x"]).quality.reason == because
    assert "likelihood of a text" in str(scored(TEXT_GENERATION, [None], ["x"]).quality.reason)
    odd = replace(TEXT_CLASSIFICATION, metric="cider")
    assert str(scored(odd, ["x"], ["x"]).quality.reason).startswith("'cider' of 'label' is no metric; there are acc")
    single = scored(FILL_MASK, ["red"], ["red"]).quality
    assert single.reason == "the answers are single labels; top5_accuracy needs a tuple of up to five, best first"


def test_random_weights_have_no_quality() -> None:
    quality = score(TEXT_CLASSIFICATION, Samples(({"label": "a"},), ""), [Answer("a")], "drawn").quality
    assert (quality.metric, quality.value, quality.reason) == ("accuracy", None, "random weights: drawn")


def test_the_documentation_names_every_metric_of_every_task() -> None:
    page = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")}
    for entry in entry_points(group="joulemark.tasks"):
        task = entry.load()
        named = re.findall(r"`(\w+)`", lines[task.task_id])
        assert named == [name for name in (task.metric, *task.other_metrics) if name]
        assert all(f"**`{name}`**" in page for name in named)
    assert all(f"`{name}`" in page for name in LOWER_IS_BETTER)


@given(
    st.lists(st.floats(-5, 5, width=16), min_size=1, max_size=50).flatmap(
        lambda starts: st.tuples(
            st.just(starts), st.lists(st.floats(-5, 5, width=16), min_size=len(starts), max_size=len(starts))
        )
    ),
    st.data(),
)
def test_best_span_is_the_best_of_all(logits: tuple[list[float], list[float]], data: st.DataObject) -> None:
    starts, ends = (np.asarray(side, dtype=np.float64) for side in logits)
    first_i = data.draw(st.integers(0, len(starts) - 1))
    last_i = data.draw(st.integers(first_i, len(starts) - 1))
    from_i, to_i = best_span(starts, ends, first_i, last_i)
    assert first_i <= from_i <= to_i <= last_i
    assert to_i - from_i < SPAN_MAX_N
    assert starts[from_i] + ends[to_i] == max(
        starts[one_i] + ends[other_i]
        for one_i in range(first_i, last_i + 1)
        for other_i in range(one_i, min(one_i + SPAN_MAX_N, last_i + 1))
    )


def test_answers_are_shown_in_short() -> None:
    assert show(Answer("x" * 5_000)) == "x" * 2_000
    assert show(Answer(("B-PER", "O"))) == "B-PER O"
    assert show(Answer(Boxes(()))) == "0 boxes"
    assert show(Answer(Boxes((Box("cat", 0.914, (1.2, 2, 30, 40)),)))) == "1 boxes; cat 0.91 (1 2 30 40)"
