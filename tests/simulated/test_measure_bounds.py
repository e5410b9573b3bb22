"""``joulemark measure`` over boards whose energy has bounds only, or an interval with one long side."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from known_power import steady
from nvml_shim import Board, Boards, nvml_shim

pytest.importorskip("pynvml")
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")

BINARY = Path(sys.executable).parent / "joulemark"
RESET_EVERY_S = 4.0

# A command that goes on until the counter has been set back, so that the window around it holds that moment.
UNTIL_RESET = """
import sys, time
origin_s, every_s = (float(word) for word in sys.argv[1:])
time.sleep(every_s - (time.monotonic() - origin_s) % every_s + 0.2)
"""


def measure(shim: Boards, *options: str, command: Sequence[str] = ("sleep", "1")) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BINARY, "measure", "--idle", "0", "--sensors", "nvml", *options, "--", *command],
        env=os.environ | dict(shim.environment) | {"CUDA_VISIBLE_DEVICES": "0"},
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_counter_that_was_set_back_shows_the_bounds_that_are_left(tmp_path: Path) -> None:
    board = Board(steady(100.0), update_period_s=0.02, reset_every_s=RESET_EVERY_S, start_j=1e5, power_limit_w=300.0)
    shim = nvml_shim(tmp_path, [board])
    until_reset = (sys.executable, "-c", UNTIL_RESET, repr(shim.origin_ns / 1e9), str(RESET_EVERY_S))
    done = measure(shim, "--json", command=until_reset)
    said = json.loads(done.stdout)
    (channel,) = said["channels"]
    assert "counter-went-back" in channel["reasons"]
    assert channel["energy_j"] is None
    duration_s = said["duration_s"]
    for found in (channel, said["boundaries"]["device"]):
        assert found["energy_j"] is None
        assert found["low_j"] <= 100.0 * duration_s <= found["high_j"]
        assert found["high_j"] <= 300.0 * duration_s * 1.2
    assert said["boundaries"]["host"]["high_j"] is None


def test_an_interval_with_one_long_side_shows_both_ends(tmp_path: Path) -> None:
    boards = [Board(steady(100.0), name="NVIDIA H100", update_period_s=0.02, power_limit_w=700.0)]
    printed = measure(nvml_shim(tmp_path, boards)).stderr
    (line,) = (line for line in printed.splitlines() if line.startswith("gpu0"))
    assert " to " in line
    assert "±" not in line
    assert "part-time-sensor" in line
