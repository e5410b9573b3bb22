"""What disturbs a board is a reason of the run of the whole program that uses it, and of no other one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from known_power import steady
from nvml_shim import Board, nvml_shim
from program import joulemark

from joulemark import store

pytest.importorskip("pynvml")
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")

CALM = Board(steady(100.0), update_period_s=0.02)
HELD = replace(CALM, held_by_power_ratio=0.3)  # with no reason left at the instant after the window


@pytest.mark.parametrize("first", ["held", "calm"])
def test_a_board_that_is_throttled_while_it_works_says_so_on_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # a run uses the first board then
    Path("prompt.py").write_text("def answer(sample):\n    return 'positive'\n")
    Path("mine.csv").write_text("text,label\na good film,positive\nso dull,negative\n")
    Path("sys").mkdir()  # of a processor that is never throttled
    boards = nvml_shim(tmp_path, [HELD, CALM] if first == "held" else [CALM, replace(HELD, throttle_bits=0x40)])
    done = joulemark(
        "run", "--task", "text-classification", "--model", "prompt:answer", "--dataset", "mine.csv", "--out", "r",
        "--queries", 20, "--repeats", 1, "--idle", 0, "--sensors", "nvml", "--sysfs", "sys", **boards.environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = store.read_runs(Path("r"))
    assert run.measurement is not None
    assert [channel.in_use for channel in run.measurement.channels] == [True, False]
    assert ("throttled" in run.reasons) == (first == "held")
