"""A Python function as a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.records import Cell, Settings
from joulemark.workloads import WorkloadError, missing, open_workload, preloads

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
    for settings, says in ((Settings(batch_n=2), "batch_n"), (Settings(weights="random"), "architecture")):
        with (
            pytest.raises(WorkloadError, match=says),
            open_workload(replace(cell, settings=settings), queries_n=1),
        ):
            pass
