from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.workloads.parsing import parse_label, parse_span, parse_summary, without_echo

LABELS = ("positive", "negative")
WORDS = st.lists(st.text(alphabet="abcdeäß", min_size=1, max_size=8), min_size=1, max_size=8).map(" ".join)


@given(st.sampled_from(LABELS), st.text(alphabet=" .,!?\n:;-\"'"), st.text(alphabet="xyz .,!?\n"))
def test_a_label_is_found_wherever_it_comes_first(label: str, before: str, after: str) -> None:
    assert parse_label(f"{before}{label.upper()} {after}", LABELS) == label


@given(st.text(alphabet="abcdefgh 123.,\n"))
def test_text_without_a_label_is_unparseable(text: str) -> None:
    assert parse_label(text, LABELS) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("positive", "positive"),
        ("“Positive.”", "positive"),
        ("**Negative**", "negative"),
        ("label: NEGATIVE", "negative"),
        ("It has negative moments. Sentiment: positive", "positive"),
        ("It has negative moments, but the answer is 'positive'.", "positive"),
        (
            "positive\n\nSentence: awful. Sentiment: negative",
            "positive",
        ),  # a decoder that asks itself the next question
        ("\n\nnegative", "negative"),
        ("positive, positive, negative", "positive"),
        ("positive and positive", "positive"),
        ("very positive.", "very positive"),
        ("very-positive", "very positive"),
        ("very_positive", "very positive"),
    ],
)
def test_labels_that_are_given(text: str, label: str) -> None:
    assert parse_label(text, (*LABELS, "very positive")) == label


@pytest.mark.parametrize(
    "text",
    ["", "nonpositive", "positively", "positive1", "pos", "very_positive", "I cannot say", "positive or negative?",
     "positive/negative", "positive, or negative", "neither positive nor negative", "the answer is not positive"],
)  # fmt: skip
def test_labels_that_are_not_given(text: str) -> None:
    assert parse_label(text, LABELS) is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("It is not negative but positive", "positive"),
        ("not positive", None),
        ("isn't really positive", None),
        ("isn’t a very positive", None),
        ("non-positive", None),
        ("No, positive", "positive"),
        ("not sure. positive", "positive"),
        ("There is nothing wrong, it is positive", "positive"),
    ],
)
def test_a_negated_label_is_not_turned_round(text: str, label: str | None) -> None:
    assert parse_label(text, LABELS) == label


def test_choices_that_repeat_the_question_are_passed_over() -> None:
    assert parse_label("positive or negative? negative", LABELS) == "negative"
    assert parse_label("Is the following positive or negative: good film. positive", LABELS) == "positive"
    prompt = "is this positive film good?"
    assert parse_label("Is this  positive film\ngood? negative", LABELS, prompt) == "negative"


def test_labels_with_odd_characters_are_taken_literally() -> None:
    assert parse_label("It is C++.", ("C", "C++")) == "C++"
    assert parse_label("Sci/Tech", ("World", "Sci/Tech")) == "Sci/Tech"
    assert parse_label("not entailment", ("entailment", "not_entailment")) == "not_entailment"
    assert parse_label("anything", ("", " ")) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Rome", "Rome"),
        (" Rome.\nQuestion: Where?", "Rome"),
        ("“Rome.”", "Rome"),
        ('"Rome".', "Rome"),
        ("Answer: Rome", "Rome"),
        ("Answer:\nRome", "Rome"),
        ("The answer is Rome.", "Rome"),
        ("A: Rome", "Rome"),
        ("A cat", "A cat"),
        ("answering machines", "answering machines"),
        ("in 1990 (or so)", "in 1990 (or so)"),
        ("Unanswerable.", ""),
        ("No answer", ""),
        ("no answer was given by him", "no answer was given by him"),
        ("", None),
        (" .\n", None),
    ],
)
def test_spans(text: str, answer: str | None) -> None:
    assert parse_span(text) == answer


@given(WORDS)
def test_decoration_does_not_change_an_answer(words: str) -> None:
    plain = parse_span(words)
    assert plain == words
    assert parse_span(f'Answer: "{words}."\nQuestion: what?') == plain


@given(WORDS, WORDS)
def test_a_repeated_prompt_is_removed_and_nothing_else(prompt: str, text: str) -> None:
    assert without_echo(f"{prompt.upper()}\n {text}", prompt) == text
    assert without_echo(text, f"{prompt} !") == text
    assert without_echo(prompt, prompt) == ""


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("One.\nTwo.\n\nThree.", "One.\nTwo."),
        ("Summary: One.\n \nTwo", "One."),
        ("TL;DR:\n\nOne.", "One."),
        ("Summaries are short", "Summaries are short"),
        (" \n", None),
    ],
)
def test_summaries(text: str, summary: str | None) -> None:
    assert parse_summary(text) == summary
