"""Inputs that are cut where a model stops reading."""

from __future__ import annotations

from pathlib import Path

import pytest
from program import joulemark

from joulemark import store


@pytest.mark.parametrize(
    ("words_n", "cut"),
    [(400, True), (3, False)],
)
def test_inputs_cut_where_the_model_ends_are_told(tmp_path: Path, words_n: int, cut: bool) -> None:
    (tmp_path / "d.csv").write_text("text,label\n" + f"{'good ' * words_n},positive\n" * 4)
    done = joulemark(
        "run", "--task", "text-classification", "--model", "miniature:sentiment-encoder", "--dataset",
        tmp_path / "d.csv", "--out", tmp_path / "r", "--queries", 4, "--repeats", 1, "--idle", 0, "--sensors", "fake",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = store.read_runs(tmp_path / "r")
    assert ("inputs-cut" in run.reasons) is cut
