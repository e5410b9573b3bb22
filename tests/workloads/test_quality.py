from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.workloads.datasets import Samples
from joulemark.workloads.quality import names_differ, parse_label, score, squad_f1
from joulemark.workloads.tasks import (
    FILL_MASK,
    OBJECT_DETECTION,
    QUESTION_ANSWERING,
    SUMMARIZATION,
    TEXT_CLASSIFICATION,
    TOKEN_CLASSIFICATION,
    Task,
)
from joulemark.workloads.transformers_runner import SPAN_MAX_N, Box, Boxes, best_span, show
from joulemark.workloads.workload import Answer, Score

LABELS = ("positive", "negative")
WORDS = st.lists(st.sampled_from(["red", "blue", "green", "house", "1990"]), min_size=1, max_size=6)


def _scored(task: Task, golds: list[Any], values: list[Any]) -> Score:
    samples = Samples(tuple({"id": gold_i, task.gold or "": gold} for gold_i, gold in enumerate(golds)), "")
    return score(task, samples, [Answer(value) for value in values], None)


@given(st.sampled_from(LABELS), st.text(alphabet=" .,!?\n:;-\"'"), st.text())
def test_a_label_is_found_wherever_it_comes_first(label: str, before: str, after: str) -> None:
    assert parse_label(f"{before}{label.upper()} {after}", LABELS) == label


@given(st.text(alphabet="abcdefgh 123.,"))
def test_text_without_a_label_is_unparseable(text: str) -> None:
    assert parse_label(text, LABELS) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("It is not negative but positive", "negative"),
        ("nonpositive", None),
        ("positively", None),
        ("", None),
        ("very positive.", "very positive"),
    ],
)
def test_labels_are_whole_words_and_the_first_longest_counts(text: str, label: str | None) -> None:
    assert parse_label(text, (*LABELS, "very positive")) == label


@given(WORDS, WORDS)
def test_f1_is_symmetric_and_between_zero_and_one(one: list[str], other: list[str]) -> None:
    f1 = squad_f1(" ".join(one), [" ".join(other)])
    assert f1 == pytest.approx(squad_f1(" ".join(other), [" ".join(one)]))
    assert 0 <= f1 <= 1
    assert (f1 == pytest.approx(1)) == (sorted(one) == sorted(other))


def test_f1_of_known_answers() -> None:
    assert squad_f1("The Red House!", ["a red house"]) == 1
    assert squad_f1("red", ["red house", "green"]) == pytest.approx(2 / 3)
    assert squad_f1("blue", ["red"]) == 0
    assert squad_f1("", [""]) == 1


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


def test_accuracy_ignores_case_and_counts_no_answer_as_wrong() -> None:
    scored = _scored(TEXT_CLASSIFICATION, ["positive", "negative", "negative"], ["POSITIVE", None, "negative"])
    assert scored.quality.value == pytest.approx(2 / 3)
    assert scored.per_sample == (1, 0, 1)


def test_samples_without_gold_are_left_out() -> None:
    scored = _scored(TEXT_CLASSIFICATION, ["positive", None], ["positive", "negative"])
    assert (scored.quality.value, scored.quality.scored_n) == (1, 1)
    assert scored.per_sample == (1, None)


def test_label_names_without_anything_in_common_are_no_quality() -> None:
    scored = _scored(TEXT_CLASSIFICATION, ["pos", "neg"], ["LABEL_0", "LABEL_1"])
    assert scored.quality.value is None
    assert "the model says label_0, label_1, the dataset neg, pos" in str(scored.quality.reason)
    # A model that is wrong on samples of one label shares no name with them either.
    assert names_differ(["negative"], ["positive", "positive"]) is None


def test_entities_count_whole() -> None:
    gold = [("B-PER", "I-PER", "O"), ("B-LOC", "O", "O")]
    scored = _scored(TOKEN_CLASSIFICATION, gold, [("B-PER", "O", "O"), ("B-LOC", "O", "O")])
    assert scored.quality.value == pytest.approx(0.5)
    assert scored.per_sample == (0, 1)


def test_the_other_metrics() -> None:
    assert _scored(FILL_MASK, ["red", "blue"], [("green", "Red"), ("red",)]).quality.value == 0.5
    assert _scored(QUESTION_ANSWERING, [("Rome", "the city of Rome")], ["rome"]).quality.value == 1
    assert _scored(SUMMARIZATION, ["the house is red"], ["the house is red"]).quality.value == pytest.approx(1)


def test_what_cannot_be_scored_says_why() -> None:
    assert _scored(OBJECT_DETECTION, [()], [()]).quality.reason == "answers of object-detection are not scored"
    assert _scored(TEXT_CLASSIFICATION, [None], ["x"]).quality.reason == "the samples carry no 'label'"


def test_answers_are_shown_in_short() -> None:
    assert show(Answer("x" * 5_000)) == "x" * 2_000
    assert show(Answer(("B-PER", "O"))) == "B-PER O"
    assert show(Answer(Boxes(()))) == "0 boxes"
    assert show(Answer(Boxes((Box("cat", 0.914, (1.2, 2, 30, 40)),)))) == "1 boxes; cat 0.91 (1 2 30 40)"
