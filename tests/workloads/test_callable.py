"""A Python function as a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.records import Cell, Purpose, Quality, Settings
from joulemark.workloads import WorkloadError, missing, open_workload, preloads, settings_read

MODULE = '''
"""Counts words; what stands here runs when the model is loaded."""
LOADED = True

class Answers:
    @staticmethod
    def always_good(sample):
        return "positive"

def sentiment(sample):
    return "positive" if "good" in sample["text"] else "negative"

NOT_CALLABLE = 3
'''


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    (tmp_path / "my_words.py").write_text(MODULE)
    (tmp_path / "r.jsonl").write_text(
        '{"text": "a good film", "label": "positive"}\n{"text": "dull", "label": "negative"}\n'
        '{"text": "no good at all", "label": "negative"}\n'
    )
    monkeypatch.chdir(tmp_path)
    return Cell("text-classification", "my_words:sentiment", "r.jsonl")


def test_a_function_answers_and_is_scored(cell: Cell) -> None:
    with open_workload(cell, queries_n=10) as workload:
        assert workload.samples_n == 3
        answers = [workload.infer(sample_i) for sample_i in range(3)]
        score = workload.score(answers)
    assert [answer.value for answer in answers] == ["positive", "negative", "positive"]
    assert score.quality.value == pytest.approx(2 / 3)
    assert workload.model.parameters_n is None  # not known is not zero
    assert missing(cell) is None
    assert preloads([cell]) == ("sklearn.metrics",)  # what scores it, and no library for models


def test_a_function_inside_a_class(cell: Cell) -> None:
    with open_workload(replace(cell, model="my_words:Answers.always_good"), queries_n=2) as workload:
        assert workload.infer(1).value == "positive"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("no_such_module:answer", "no module no_such_module"),
        ("my_words:nothing", "my_words has no nothing"),
        ("my_words:NOT_CALLABLE", "is a int, not a function"),
    ],
)
def test_what_is_no_function_is_named(cell: Cell, model: str, says: str) -> None:
    with pytest.raises(WorkloadError) as refused, open_workload(replace(cell, model=model), queries_n=1):
        pass
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_settings_that_a_function_cannot_follow_are_refused(cell: Cell) -> None:
    for asked, says in (
        (replace(cell, settings=Settings(batch_n=2)), "batch_n"),
        (replace(cell, settings=Settings(weights="random")), "architecture"),
        (replace(cell, model_revision="main"), "model_revision is for models of the hub; my_words:sentiment has none"),
    ):
        with pytest.raises(WorkloadError, match=says), open_workload(asked, queries_n=1):
            pass
        assert says in str(missing(asked))
    assert settings_read(cell) == frozenset({"device", "batch_n", "weights"})
    assert settings_read(replace(cell, task="summarization", purpose=Purpose.MULTI_PURPOSE)) == settings_read(cell)


def _own(folder: Path, task: str, rows: Sequence[Mapping[str, Any]], source: str) -> Cell:
    """A function of its own module, which stays imported, on samples of its own."""
    name = f"own_{abs(hash((str(folder), source)))}"
    (folder / f"{name}.py").write_text(source)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Cell(task, f"{name}:answer", f"{name}.jsonl")


def _quality(cell: Cell, queries_n: int = 1) -> Quality:
    with open_workload(cell, queries_n=queries_n) as workload:
        return workload.score([workload.infer(query_i % workload.samples_n) for query_i in range(queries_n)]).quality


def test_a_function_sees_the_inputs_alone_and_changes_no_other_query(cell: Cell, tmp_path: Path) -> None:
    spoils = (
        "def answer(sample):\n    seen = sorted(sample), sample['text']\n"
        "    sample.clear(); sample.update(text='spoilt', label='spoilt')\n    return seen\n"
    )
    own = _own(tmp_path, cell.task, [{"id": "a", "text": "fine", "label": "good"}], spoils)
    with open_workload(own, queries_n=1) as workload:
        assert [workload.infer(0).value for _ in range(3)] == [(["id", "text"], "fine")] * 3


def test_a_function_may_change_its_image(cell: Cell, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 6), (9, 9, 9)).save(tmp_path / "a.png")
    shrinks = (
        "def answer(sample):\n    image = sample['image']\n    seen = *image.size, image.getpixel((0, 0))[0]\n"
        "    image.putpixel((0, 0), (1, 1, 1)); image.thumbnail((2, 2))\n    return seen\n"
    )
    own = _own(tmp_path, "image-classification", [{"image": "a.png", "label": "x"}], shrinks)
    with open_workload(own, queries_n=1) as workload:
        assert [workload.infer(0).value for _ in range(2)] == [(8, 6, 9)] * 2


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("async def answer(sample):\n    return 'positive'", "coroutine"),
        ("def answer(sample):\n    yield 'positive'", "generator"),
        ("def answer(sample):\n    return map(str.upper, ['positive'])", "map"),
        ("async def answer(sample):\n    yield 'positive'", "async_generator"),
        ("class Later:\n    def __await__(self):\n        yield\ndef answer(sample):\n    return Later()", "Later"),
    ],
)
def test_what_has_not_run_is_no_answer(cell: Cell, tmp_path: Path, source: str, kind: str) -> None:
    own = _own(tmp_path, cell.task, [{"text": "a"}], source)
    with open_workload(own, queries_n=1) as workload, pytest.raises(WorkloadError) as refused:
        workload.infer(0)
    assert str(refused.value) == f"{own.model} returned a {kind}, which has not run: return the finished answer"


ROWS: dict[str, dict[str, Any]] = {
    "text-classification": {"text": "t", "label": 1},
    "token-classification": {"tokens": ["Bob", "left"], "tags": ["B-PER", "O"]},
    "question-answering": {"question": "who?", "context": "Bob", "answers": ["Bob"]},
    "fill-mask": {"text": "a [MASK]", "answer": "Bob"},
    "summarization": {"text": "t", "summary": "Bob"},
}


@pytest.mark.parametrize(
    ("task", "answer", "says"),
    [
        ("question-answering", "{'answer': 'Bob'}", "an answer is dict, not a text"),
        ("question-answering", "b'Bob'", "an answer is bytes, not a text"),
        ("summarization", "[{'summary_text': 'Bob'}]", "an answer is list of dict, not a text"),
        ("summarization", "'Bob'", None),
        ("summarization", "None", None),
        (
            "text-classification",
            "[{'label': '1', 'score': 0.9}]",
            "an answer is list of dict, not a label or a list of",
        ),
        ("text-classification", "1.0", "an answer is float, not a label"),
        ("text-classification", "1", None),
        ("text-classification", "__import__('numpy').array([1])[0]", None),
        ("fill-mask", "{'Bob'}", "an answer is set, not a label or a list of labels, best first"),
        ("fill-mask", "__import__('numpy').array(['Bob'])", "an answer is ndarray, not a label"),
        ("fill-mask", "['Bob', 'Al']", None),
        ("token-classification", "'OO'", "an answer is str, not a list of tags"),
        ("token-classification", "None", "an answer is NoneType, not a list of tags"),
        ("token-classification", "['B-PER', 'O']", None),
    ],
)
def test_an_answer_of_another_type_is_not_scored_as_it_prints(
    cell: Cell, tmp_path: Path, task: str, answer: str, says: str | None
) -> None:
    found = _quality(_own(tmp_path, task, [ROWS[task]], f"def answer(sample):\n    return {answer}\n"))
    if says is None:
        assert found.value == (0 if answer == "None" else 1), found
    else:
        assert found.value is None
        assert says in str(found.reason)


def test_a_prompted_function_answers_with_a_text(cell: Cell, tmp_path: Path) -> None:
    own = _own(tmp_path, cell.task, [ROWS[cell.task]], "def answer(sample):\n    return ['1']\n")
    assert _quality(own).value == 1
    assert _quality(replace(own, purpose=Purpose.MULTI_PURPOSE)).reason == "an answer is list of str, not a text"


@pytest.mark.parametrize(
    ("answer", "map_50", "says"),
    [
        ("[('cat', 0, 0, 4, 4)]", 1, None),
        ("[['cat', 0, 0, 4, 4, 0.8]]", 1, None),
        ("[('cat', 0, 0, 4, 4, 0.8), ('cat', 5, 5, 6, 6, 0.9)]", 0.5, None),
        ("[('cat', 0, 0, 4, 4, 0.8), ('cat', 5, 5, 6, 6, 0.7)]", 1, None),
        ("[]", 0, None),
        ("None", 0, None),
        ("[{'label': 'cat', 'score': 0.9}]", None, "an answer is list of dict, not a list of boxes (name, x0, y0, x1"),
        ("[('cat', 0, 0, 4, float('nan'))]", None, "an answer is list of tuple, not a list of boxes"),
        ("['cat']", None, "an answer is list of str, not a list of boxes"),
    ],
)
def test_boxes_as_the_dataset_has_them(
    cell: Cell, tmp_path: Path, answer: str, map_50: float | None, says: str | None
) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    rows = [{"image": "a.png", "boxes": [["cat", 0, 0, 4, 4]]}]
    found = _quality(_own(tmp_path, "object-detection", rows, f"def answer(sample):\n    return {answer}\n"))
    assert found.others.get("map_50") == (None if map_50 is None else pytest.approx(map_50)), found
    assert (says or "") in (found.reason or "")
