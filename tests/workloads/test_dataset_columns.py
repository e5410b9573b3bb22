from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.workloads.dataset_columns import columns_of, match_columns, task_row
from joulemark.workloads.tasks import (
    IMAGE_CLASSIFICATION,
    IMAGE_TO_TEXT,
    OBJECT_DETECTION,
    QUESTION_ANSWERING,
    SUMMARIZATION,
    TEXT_CLASSIFICATION,
    TOKEN_CLASSIFICATION,
    Task,
)
from joulemark.workloads.workload import WorkloadError

TASKS = (
    IMAGE_CLASSIFICATION, IMAGE_TO_TEXT, OBJECT_DETECTION, QUESTION_ANSWERING, SUMMARIZATION, TEXT_CLASSIFICATION,
    TOKEN_CLASSIFICATION,
)  # fmt: skip


@pytest.mark.parametrize(
    ("task", "have", "matched"),
    [
        (TEXT_CLASSIFICATION, ("idx", "sentence", "label"), {"text": "sentence", "label": "label"}),
        (TEXT_CLASSIFICATION, ("Review", "Sentiment"), {"text": "Review", "label": "Sentiment"}),
        (TEXT_CLASSIFICATION, ("text", "review"), {"text": "text"}),
        (SUMMARIZATION, ("article", "highlights", "id"), {"text": "article", "summary": "highlights"}),
        (
            QUESTION_ANSWERING,
            ("question", "support", "correct_answer", "distractor1"),
            {"question": "question", "context": "support", "answers": "correct_answer"},
        ),
        (TOKEN_CLASSIFICATION, ("tokens", "pos", "ner_tags"), {"tokens": "tokens", "tags": "ner_tags"}),
        (IMAGE_CLASSIFICATION, ("img", "label"), {"image": "img", "label": "label"}),
        (IMAGE_TO_TEXT, ("file_name", "caption"), {"image": "file_name", "text": "caption"}),
    ],
)
def test_columns_of_other_names(task: Task, have: tuple[str, ...], matched: dict[str, str]) -> None:
    assert match_columns(task, have, {}, "data") == matched


def test_what_the_user_says_counts() -> None:
    assert match_columns(TEXT_CLASSIFICATION, ("text", "title", "label"), {"text": "title"}, "data") == {
        "text": "title",
        "label": "label",
    }


@pytest.mark.parametrize(
    ("have", "chosen", "message"),
    [
        (("a", "b"), {}, r'there is a, b. Say which it is: columns = \{ text = "a" \} in a study, --column text=a'),
        (("review", "comment"), {}, "'text' could be review or comment; say which"),
        (("text", "category", "sentiment"), {}, "'label' could be category or sentiment"),
        (("text",), {"text": "absent"}, "there is no column 'absent'; there is text"),
        (("text",), {"words": "text"}, "text-classification has no column 'words' to map; it has text, label"),
        (("text;label",), {}, "separated by commas"),
    ],
)
def test_columns_that_cannot_be_matched(have: tuple[str, ...], chosen: dict[str, str], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        match_columns(TEXT_CLASSIFICATION, have, chosen, "data")


def _row(task: Task, raw: Mapping[str, Any], **names: tuple[str, ...]) -> Mapping[str, Any]:
    columns = match_columns(task, tuple(raw), {}, "data")
    return task_row(raw, 0, columns, task, {key.replace("__", "."): value for key, value in names.items()}, "data")


def test_class_numbers_get_their_names() -> None:
    names = ("negative", "positive")
    assert _row(TEXT_CLASSIFICATION, {"text": "a", "label": 1}, label=names)["label"] == "positive"
    assert _row(TEXT_CLASSIFICATION, {"text": "a", "label": 1.0}, label=names)["label"] == "positive"
    assert _row(TEXT_CLASSIFICATION, {"text": "a", "label": -1}, label=names)["label"] is None
    assert _row(TEXT_CLASSIFICATION, {"text": "a", "label": 3})["label"] == "3"
    with pytest.raises(WorkloadError, match="class 2, but only 2 classes have names"):
        _row(TEXT_CLASSIFICATION, {"text": "a", "label": 2}, label=names)
    tagged = _row(TOKEN_CLASSIFICATION, {"tokens": ["Anna", "left"], "ner_tags": [1, 0]}, ner_tags=("O", "B-PER"))
    assert tagged["tags"] == ("B-PER", "O")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["bbox", "label", "x", "text"]), inner),
)


@given(st.sampled_from(TASKS), st.data())
def test_any_value_is_used_or_refused(task: Task, data: st.DataObject) -> None:
    raw = {column: data.draw(JSON) for column in columns_of(task)} | {"id": data.draw(JSON)}
    with suppress(WorkloadError):
        row = task_row(raw, 0, {column: column for column in columns_of(task)}, task, {"label": ("a", "b")}, "data")
        assert set(row) == {"id", *columns_of(task)}
        assert isinstance(row["id"], int | str)


@pytest.mark.parametrize(
    "objects",
    [
        [["cat", 1, 2, 4, 6]],
        {"bbox": [[1.0, 2.0, 3.0, 4.0]], "category": [0], "area": [12]},
        [{"bbox": [1, 2, 3, 4], "label": "cat"}],
        [{"x": 1, "y": 2, "w": 3, "h": 4, "names": ["cat", "kitten"]}],
    ],
)
def test_boxes_in_all_their_spellings(objects: object) -> None:
    row = _row(OBJECT_DETECTION, {"image": b"", "objects": objects}, objects__category=("cat", "dog"))
    assert row["boxes"] == (("cat", 1, 2, 4, 6),)


@pytest.mark.parametrize("objects", ["cat", [1], [["cat", 1, 2, 3]], {"bbox": [[1, 2, 3, 4]], "label": []}, [{}]])
def test_boxes_that_are_none(objects: object) -> None:
    with pytest.raises(WorkloadError, match="box"):
        _row(OBJECT_DETECTION, {"image": b"", "objects": objects})
