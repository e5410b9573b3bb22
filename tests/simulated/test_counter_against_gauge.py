"""A counter that is not what the gauge of the same board says: in an idle window, and when calibrating."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from known_power import steady
from nvml_shim import Board, Boards, nvml_shim

pytest.importorskip("pynvml")
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")

WAVE = ((0.065, 350.0), (0.1487, 80.0))
BOARDS = (
    Board(steady(100.0), update_period_s=0.02),
    Board(steady(100.0), update_period_s=0.02, counter_scale=1.3),
    Board(steady(100.0), update_period_s=0.02, counter_scale=0.8),
    Board(steady(100.0), update_period_s=0.02, counter_scale=1.3, instant=None),
    Board(WAVE, update_period_s=0.02),
)

IDLE = """
    import json, os, time
    from joulemark.meter import open_meter
    from joulemark.sensors import Setup
    with open_meter(Setup(requests=("nvml",))) as meter:
        before = meter.begin().end()
        idle = meter.idle(1.2)
        window = meter.begin()
        time.sleep(0.3)
        after = window.end()
        threads = len(os.listdir("/proc/self/task"))
    marked = [[c.name for c in m.channels if "counter-disagrees" in c.reasons] for m in (before, idle, after)]
    print(json.dumps([marked, threads, idle.duration_s]))
"""


def run(shim: Boards, *command: str) -> Any:
    done = subprocess.run(
        [sys.executable, *command], env=os.environ | shim.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_idle_window_finds_it_and_later_windows_say_it(tmp_path: Path) -> None:
    marked, threads_n, duration_s = run(nvml_shim(tmp_path, BOARDS), "-c", textwrap.dedent(IDLE))
    assert marked == [[], ["gpu1", "gpu2"], ["gpu1", "gpu2"]]
    assert threads_n == 1
    assert duration_s == pytest.approx(1.2, abs=0.1)


def test_calibrating_shows_the_ratio_and_says_what_it_means(tmp_path: Path) -> None:
    shim = nvml_shim(tmp_path, BOARDS)
    joulemark = (str(Path(sys.executable).parent / "joulemark"),)
    said = run(shim, *joulemark, "sensors", "--calibrate", "--sensors", "nvml", "--json")
    seen = {channel["name"]: channel["calibration"] for channel in said["channels"]}
    assert seen["gpu0"]["counter_ratio"] == pytest.approx(1.0, abs=0.05)
    assert seen["gpu1"]["counter_ratio"] == pytest.approx(1.3, abs=0.06)
    assert seen["gpu2"]["counter_ratio"] == pytest.approx(0.8, abs=0.04)
    assert seen["gpu3"]["counter_ratio"] is None
    assert {name for name, one in seen.items() if one["disagrees"]} == {"gpu1", "gpu2"}
    printed = subprocess.run(
        [sys.executable, *joulemark, "sensors", "--calibrate", "--sensors", "nvml"],
        env=os.environ | shim.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "gpu1, gpu2: the counter and the power gauge of the device differ by more than 10 %" in printed
