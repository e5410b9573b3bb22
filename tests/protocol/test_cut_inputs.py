"""Inputs that are cut where a model stops reading."""

from __future__ import annotations

from pathlib import Path

from program import joulemark

from joulemark import store


def test_inputs_cut_where_the_model_ends_are_told(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("text,label\n" + f"{'good ' * 400},positive\n" * 4)
    done = joulemark(
        "run", "--task", "text-classification", "--model", "miniature:sentiment-encoder", "--dataset",
        tmp_path / "d.csv", "--out", tmp_path / "r", "--queries", 4, "--repeats", 1, "--idle", 0, "--sensors", "fake",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = store.read_runs(tmp_path / "r")
    assert "inputs-cut" in run.reasons
