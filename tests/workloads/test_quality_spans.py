from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.workloads.span_quality import exact_match, spans, squad_f1, squad_words

WORDS = st.lists(st.sampled_from(["red", "blue", "green", "house", "1990"]), min_size=1, max_size=6)


@given(WORDS, WORDS)
def test_f1_is_symmetric_and_between_zero_and_one(one: list[str], other: list[str]) -> None:
    f1 = squad_f1(" ".join(one), [" ".join(other)])
    assert f1 == pytest.approx(squad_f1(" ".join(other), [" ".join(one)]))
    assert 0 <= f1 <= 1
    assert (f1 == pytest.approx(1)) == (sorted(one) == sorted(other))


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_the_best_of_several_answers_counts(given_words: list[str], answers: list[list[str]]) -> None:
    prediction, texts = " ".join(given_words), [" ".join(answer) for answer in answers]
    assert squad_f1(prediction, texts) == max(squad_f1(prediction, [text]) for text in texts)
    assert exact_match(prediction, texts) == any(exact_match(prediction, [text]) for text in texts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Red  House!", ["red", "house"]),
        ("a-an-the", ["aanthe"]),  # punctuation goes first and leaves no blank
        ("theatre, Ann", ["theatre", "ann"]),
        ("U.S.A.", ["usa"]),
        ("$5,000.50", ["500050"]),
        ("“Rome”", ["“rome”"]),  # ASCII punctuation only
        ("the—end", ["—end"]),  # yet an article ends at any
        ("war—the—end", ["war—", "—end"]),  # and leaves a blank
        ("l’État", ["l’état"]),
        ("the", []),
        ("...", []),
    ],
)
def test_what_counts_as_a_word(text: str, words: list[str]) -> None:
    assert squad_words(text) == words


@pytest.mark.parametrize(
    ("prediction", "answers", "f1", "exact"),
    [
        ("Denver Broncos", ["Denver Broncos", "the Denver Broncos"], 1, True),
        ("the Denver Broncos team", ["Denver Broncos", "Broncos"], 0.8, False),  # precision 2/3, recall 1
        ("red", ["red house", "green"], 2 / 3, False),
        ("house red", ["red house"], 1, False),
        ("red red", ["red"], 2 / 3, False),  # a word counts as often as it occurs
        ("blue", ["red"], 0, False),
        ("", ["red"], 0, False),
        ("the", ["red"], 0, False),
        ("", [], 1, True),
        ("the", [], 1, True),  # nothing is left of it
        ("red", [], 0, False),
        ("", ["the"], 1, True),  # nothing is left of the only answer
        ("", ["the", "red"], 0, False),  # nothing is left of one; the other counts
    ],
)
def test_f1_and_exact_match_of_known_answers(prediction: str, answers: list[str], f1: float, exact: bool) -> None:
    assert squad_f1(prediction, answers) == pytest.approx(f1)
    assert exact_match(prediction, answers) is exact


def test_questions_with_and_without_an_answer_are_told_apart() -> None:
    golds = [("red house",), ("Rome", "the city"), (), ()]
    found = spans(["red", "rome", "", "guess"], golds)
    assert found.each == [pytest.approx(2 / 3), 1, 1, 0]
    assert found.metrics == {
        "f1": pytest.approx((2 / 3 + 2) / 4),
        "exact_match": 0.5,
        "f1_has_answer": pytest.approx(5 / 6),
        "f1_no_answer": 0.5,
    }
    assert set(spans(["red"], [("red",)]).metrics) == {"f1", "exact_match"}


def test_no_answer_at_all_is_wrong_even_where_there_is_none() -> None:
    assert spans([None, None], [(), ("None",)]).metrics == {
        "f1": 0,
        "exact_match": 0,
        "f1_has_answer": 0,
        "f1_no_answer": 0,
    }
