from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.workloads.scored import Scored
from joulemark.workloads.text_quality import bleu, rouges

TEXTS = st.lists(st.sampled_from(("cat", "dog", "house", "tree", "stone")), min_size=4, max_size=8).map(" ".join)


def test_rouge_of_known_texts() -> None:
    # Lin (2004), section 3.1: "police killed the gunman" against two candidates; ROUGE-L 3/4 and 2/4.
    found = rouges(["police kill the gunman", "the gunman kill police"], ["police killed the gunman"] * 2)
    assert isinstance(found, Scored)
    # Stemmed, killed is kill: all four words in order, and "the gunman" as the longest common subsequence.
    assert found.each == [1, 0.5]
    assert found.metrics["rouge1"] == 1
    assert found.metrics["rouge2"] == pytest.approx((1 + 1 / 3) / 2)


def test_rouge_takes_the_best_of_several_and_nothing_is_worth_nothing() -> None:
    found = rouges(["a red cat", None], [("a dog", "a red cat"), "a dog"])
    assert isinstance(found, Scored)
    assert found.each == [1, 0]


def test_lines_are_sentences_for_rouge_lsum_alone() -> None:
    found = rouges(["red cats\nblue dogs"], ["blue dogs\nred cats"])
    assert isinstance(found, Scored)
    assert found.metrics["rougeL"] == 0.5
    assert found.metrics["rougeLsum"] == 1


def test_rouge_says_that_it_cannot_read_other_scripts() -> None:
    assert "a to z" in str(rouges(["кошка"], ["кошка"]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6))
def test_bounds_and_order(pairs: list[tuple[str, str]]) -> None:
    values, golds = [value for value, _ in pairs], [gold for _, gold in pairs]
    forth, back = rouges(values, golds), rouges(values[::-1], golds[::-1])
    assert isinstance(forth, Scored)
    assert isinstance(back, Scored)
    assert forth.metrics == pytest.approx(back.metrics)
    assert all(0 <= value <= 1 for value in forth.metrics.values())
    assert bleu(values, golds).metrics == pytest.approx(bleu(values[::-1], golds[::-1]).metrics)
    assert 0 <= bleu(values, golds).metrics["bleu"] <= 100


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_identical_texts_are_perfect(texts: list[str]) -> None:
    assert bleu(texts, texts).metrics["bleu"] == pytest.approx(100)
    found = rouges(texts, [(text, "something else") for text in texts])
    assert isinstance(found, Scored)
    assert all(value == pytest.approx(1) for value in found.metrics.values())


def test_bleu_of_a_known_text() -> None:
    # Papineni et al. (2002), section 2.1.1: seven times "the" has a clipped unigram precision of 2/7.
    # No bigram matches: exponential smoothing puts 1/2 · 1/6, 1/4 · 1/5 and 1/8 · 1/4 in their places.
    found = bleu(["the the the the the the the"], [("the cat is on the mat", "there is a cat on the mat")])
    expected = 100 * math.prod((2 / 7, 1 / 12, 1 / 20, 1 / 32)) ** 0.25
    assert found.metrics["bleu"] == pytest.approx(expected)
    assert found.each == [None]


def test_bleu_with_different_numbers_of_references() -> None:
    values = ["a cat sat on the mat", "a dog ran in the rain"]
    assert bleu(values, [("a bird", "a cat sat on the mat"), "a dog ran in the rain"]).metrics["bleu"] == pytest.approx(
        100
    )
    assert bleu([None, values[1]], values).metrics["bleu"] < 50  # the brevity penalty
