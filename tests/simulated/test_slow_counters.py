"""Counters that are refreshed more seldom than is stated for their kind."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from known_power import steady
from nvml_shim import Board, nvml_shim

from joulemark.sensors.nvml import UPDATE_PERIOD_S

pytest.importorskip("pynvml")
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")

BINARY = Path(sys.executable).parent / "joulemark"


def measured(folder: Path, update_period_s: float) -> dict[str, Any]:
    folder.mkdir()
    shim = nvml_shim(folder, [Board(steady(100.0), update_period_s=update_period_s)])
    done = subprocess.run(
        [BINARY, "measure", "--json", "--idle", "0.5", "--sensors", "nvml", "--", "sleep", "2"],
        env=os.environ | dict(shim.environment) | {"CUDA_VISIBLE_DEVICES": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    (channel,) = json.loads(done.stdout)["channels"]
    found: dict[str, Any] = channel
    return found


def test_the_period_that_is_seen_enters_the_error_if_it_is_longer_than_the_stated_one(tmp_path: Path) -> None:
    slow, usual = (measured(tmp_path / str(period_s), period_s) for period_s in (0.4, UPDATE_PERIOD_S / 5))
    assert slow["budget"]["update_j"] == pytest.approx(0.4 * 100, rel=0.3)
    assert "window-too-short" in slow["reasons"]
    assert usual["budget"]["update_j"] == pytest.approx(UPDATE_PERIOD_S * 100, rel=0.3)
    assert "window-too-short" not in usual["reasons"]
