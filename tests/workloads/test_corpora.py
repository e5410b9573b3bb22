from __future__ import annotations

import random
from collections import Counter

import pytest

from joulemark.workloads import WorkloadError
from joulemark.workloads.miniature.corpora import CORPORA, MAX_SAMPLES_N, rows


@pytest.mark.parametrize("name", CORPORA)
def test_no_test_sample_occurs_in_training(name: str) -> None:
    key = CORPORA[name].key
    train, test = ([key(row) for row in rows(name, split, 2_000)] for split in ("train", "test"))
    assert not set(train) & set(test)
    assert len(set(train)) == len(train)
    assert len(set(test)) == len(test)


@pytest.mark.parametrize("name", sorted(set(CORPORA) - {"digits", "scenes"}))
def test_enough_samples_and_no_more_than_stated(name: str) -> None:
    assert len(rows(name, "test", MAX_SAMPLES_N + 1)) == MAX_SAMPLES_N


@pytest.mark.parametrize("name", CORPORA)
def test_more_samples_begin_like_fewer(name: str) -> None:
    key = CORPORA[name].key
    assert [key(row) for row in rows(name, "test", 5)] == [key(row) for row in rows(name, "test", 50)[:5]]


def test_a_third_of_the_real_digits_is_held_out() -> None:
    train_n, test_n = len(rows("digits", "train", 4_000)), len(rows("digits", "test", 4_000))
    assert train_n + test_n == 1_797
    assert test_n == 580


def test_labels_are_balanced() -> None:
    counts = Counter(row["label"] for row in rows("reviews", "test", 1_000))
    assert set(counts) == {"positive", "negative"}
    assert min(counts.values()) > 400


def test_answers_stand_in_their_context_and_fill_their_mask() -> None:
    assert all(row["context"].count(row["answers"][0]) == 1 for row in rows("questions", "test", 1_000))
    assert all(row["text"].replace("[MASK]", row["answer"]) == row["sentence"] for row in rows("cloze", "test", 1_000))


def test_tags_follow_their_words() -> None:
    for row in rows("entities", "test", 1_000):
        assert len(row["tokens"]) == len(row["tags"])
        pairs = zip(("O", *row["tags"]), row["tags"], strict=False)
        assert all(before[1:] == tag[1:] and before != "O" for before, tag in pairs if tag.startswith("I-"))


def test_unknown_corpus_and_split() -> None:
    with pytest.raises(WorkloadError, match="no miniature dataset 'nope'; there are reviews"):
        rows("nope", "test", 1)
    with pytest.raises(WorkloadError, match="no split 'validation'; it has train and test"):
        rows("reviews", "validation", 1)


def test_the_global_random_state_has_no_say() -> None:
    random.seed(1)
    first = rows("articles", "test", 3)
    random.seed(2)
    assert rows("articles", "test", 3) == first
