"""Samples that are read before the model is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.records import Cell
from joulemark.workloads import WorkloadError, open_workload, read_samples


def test_samples_that_were_read_ahead_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "told.py").write_text("def answer(sample):\n    return sample['text']\n")
    rows = tmp_path / "rows.csv"
    cell = Cell("text-classification", "told:answer", str(rows))
    for text in ("first", "second"):
        rows.write_text(f"text,label\n{text},positive\n")
        read_samples(cell, queries_n=5)
        rows.unlink()
        with open_workload(cell, queries_n=5) as workload:
            assert workload.infer(0).value == text
        with pytest.raises(WorkloadError, match=r"rows\.csv"), open_workload(cell, queries_n=5):
            pass


def test_samples_of_another_cell_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "told.py").write_text("def answer(sample):\n    return sample['text']\n")
    for name in ("one", "other"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{name},positive\n")
    read_samples(Cell("text-classification", "told:answer", "one.csv"), queries_n=5)
    with open_workload(Cell("text-classification", "told:answer", "other.csv"), queries_n=5) as workload:
        assert workload.infer(0).value == "other"
