"""``joulemark measure`` over several boards of which nobody said which are ours: it looks who uses them."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from known_power import steady
from nvml_shim import Board, nvml_shim
from program import joulemark

pytest.importorskip("pynvml")
pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler"),
    pytest.mark.alone,
]

# On the first board for four seconds, then on the second one for two and a half.
IN_TURN = """
import os, sys, time
for path, seconds in zip(sys.argv[1:], (4.0, 2.5)):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(seconds)
    os.remove(path)
"""


def test_a_board_that_worked_for_some_seconds_late_in_a_run_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    files = [tmp_path / f"pid{index}" for index in range(3)]
    boards = [Board(steady(300.0), update_period_s=0.02, processes=((f"@{file}", 1),)) for file in files]
    shim = nvml_shim(tmp_path, boards)
    command = (sys.executable, "-c", IN_TURN, *files[:2])
    done = joulemark("measure", "--idle", 0, "--sensors", "nvml", "--json", "--", *command, **shim.environment)
    channels = {channel["name"]: channel["in_use"] for channel in json.loads(done.stdout)["channels"]}
    assert channels == {"gpu0": True, "gpu1": True, "gpu2": False}
