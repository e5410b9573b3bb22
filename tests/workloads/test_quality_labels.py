from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.workloads.label_quality import guesses, labels, names_differ, tags
from joulemark.workloads.scored import Scored

NAMES = ("cat", "dog", "cow")


def test_accuracy_and_macro_f1_of_known_answers() -> None:
    found = labels(["Cat", "cat", "dog", None, "eel"], ["cat", "cat", "cat", "dog", "dog"])
    assert isinstance(found, Scored)
    assert found.each == [1, 1, 0, 0, 0]
    # cat: precision 2/2, recall 2/3, F1 0.8. dog: never right, F1 0. An eel occurs in no right answer.
    assert found.metrics == {"accuracy": 0.4, "macro_f1": pytest.approx(0.4)}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1, max_size=30))
def test_macro_f1_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    values, golds = [value for value, _ in pairs], [gold for _, gold in pairs]
    found = labels(values, golds)
    if isinstance(found, str):
        assert not set(values) & set(golds)
        return
    *_, f1, support_n = precision_recall_fscore_support(golds, values, labels=NAMES, average=None, zero_division=0)
    assert found.metrics["macro_f1"] == pytest.approx(fmean(f1[support_n > 0]))
    assert found.metrics["accuracy"] == pytest.approx(fmean(found.each[i] or 0 for i in range(len(pairs))))


def test_two_spellings_of_sentiment_are_the_same_and_others_are_not() -> None:
    found = labels(["POSITIVE", "negative", "pos"], ["pos", "pos", "neg"])
    assert isinstance(found, Scored)
    assert found.each == [1, 0, 0]
    other_way = labels(["neg", "POS"], ["negative", "positive"])
    assert isinstance(other_way, Scored)
    assert other_way.each == [1, 1]
    # Beside other labels, pos may be anything: part of speech, position.
    mixed = labels(["positive", "lemma"], ["pos", "lemma"])
    assert isinstance(mixed, Scored)
    assert mixed.each == [0, 1]


def test_label_names_without_anything_in_common_are_no_quality() -> None:
    reason = labels(["LABEL_0", "LABEL_1"], ["pos", "neg"])
    assert reason == "the model says label_0, label_1, the dataset neg, pos: give the labels the model's names"
    assert names_differ([str(n) for n in range(9)], ["x", "y"]) is not None
    # A model that is wrong on samples of one label shares no name with them either.
    assert names_differ(["negative"], ["positive", "positive"]) is None
    assert names_differ([None, None], ["a", "b"]) is None
    # But a number is no name, however few labels the samples have.
    assert "label_0" in str(names_differ(["LABEL_0"], ["positive"]))
    assert names_differ(["LABEL_0"], ["LABEL_1"]) == names_differ(["LABEL_0"], ["label_1 "])


def test_top_one_and_top_five() -> None:
    values = [("green", "Red"), ("blue",), (), ("a", "b", "c", "d", "e", "red")]
    found = guesses(values, ["red", "blue", "red", "red"])
    assert isinstance(found, Scored)
    assert found.metrics == {"top5_accuracy": 0.5, "top1_accuracy": 0.25}
    assert found.each == [1, 1, 0, 0]


@given(st.lists(st.tuples(st.permutations(NAMES), st.sampled_from(NAMES)), min_size=1, max_size=20))
def test_more_guesses_are_never_worse(pairs: list[tuple[list[str], str]]) -> None:
    found = guesses([tuple(value) for value, _ in pairs], [gold for _, gold in pairs])
    assert isinstance(found, Scored)
    assert 0 <= found.metrics["top1_accuracy"] <= found.metrics["top5_accuracy"] == 1


def test_entities_count_whole_and_by_kind() -> None:
    golds = [("B-PER", "I-PER", "O", "B-LOC"), ("B-LOC", "O", "B-LOC", "O")]
    values = [("B-PER", "O", "O", "B-LOC"), ("B-LOC", "O", "B-LOC", "B-LOC")]
    found = tags(values, golds)
    assert isinstance(found, Scored)
    # Four entities are marked, five are found, three of them right; PER 0; LOC 3 of 3 with one too many.
    assert found.metrics["entity_f1"] == pytest.approx(2 * 3 / (4 + 5))
    assert found.metrics["macro_entity_f1"] == pytest.approx((0 + 2 * 3 / (3 + 4)) / 2)
    assert found.metrics["tag_accuracy"] == 6 / 8
    assert found.each == [0, 0]


def test_tags_without_a_place_are_inside_of_an_entity() -> None:
    golds = [("B-PER", "I-PER", "O", "B-LOC"), ("I-MISC", "O")]
    bare = tags([("PER", "PER", "O", "LOC"), ("ORG", "O")], golds)
    spelled = tags([("I-PER", "I-PER", "O", "I-LOC"), ("I-ORG", "O")], golds)
    assert isinstance(bare, Scored)
    assert bare == spelled
    assert bare.metrics["entity_f1"] == pytest.approx(2 / 3)
    other_way = tags([("B-PER", "I-PER", "O", "B-LOC")], [("per", "per", "o", "loc")])
    assert isinstance(other_way, Scored)
    assert other_way.metrics["entity_f1"] == 1


def test_tags_that_cannot_be_compared() -> None:
    assert tags([("O",)], [("O",)]) == "no word of the samples belongs to an entity"
    assert tags([("O",)], [("B-PER", "O")]) == "an answer has 1 tags where the dataset has 2"
    reason = tags([("LABEL_1", "LABEL_3")], [("B-PER", "B-LOC")])
    assert str(reason).startswith("the model says label_1, label_3, the dataset loc, per")


def test_a_model_that_finds_no_entity_has_the_quality_zero() -> None:
    found = tags([("O", "O")], [("B-PER", "o")])
    assert isinstance(found, Scored)
    assert found.metrics == {"entity_f1": 0, "macro_entity_f1": 0, "tag_accuracy": 0.5}
