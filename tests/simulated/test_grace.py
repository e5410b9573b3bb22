"""Boards beside a processor on one module, whose energy counter may be that of the module: nothing is counted twice."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from known_power import steady
from nvml_shim import Board, nvml_shim

from joulemark.reasons import REASONS
from joulemark.sensors.nvml_module import decided

pytest.importorskip("pynvml")
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")

BOARD_W, GRACE_W, OTHER_W = 100.0, 140.0, 10.0  # the last: what neither the board nor the processor's socket has
MODULE_W = BOARD_W + GRACE_W + OTHER_W
HOPPER = Board(
    ((0.03, 130.0), (0.03, 70.0)),  # BOARD_W on average
    name="NVIDIA GH200 480GB",
    update_period_s=0.02,
    c2c=True,
    rest=steady(GRACE_W + OTHER_W),
    counts_module=True,
)

WINDOW = """
    import json, sys, time
    from dataclasses import asdict
    from pathlib import Path
    from joulemark.boundary import total
    from joulemark.measurement import BoundaryName, Component
    from joulemark.meter import open_meter
    from joulemark.sensors import Setup
    with open_meter(Setup(sysfs=Path(sys.argv[1]), requests=("nvml", "hwmon"))) as meter:
        idle = meter.idle(0.3)
        window = meter.begin()
        time.sleep(0.6)
        used = window.end()
        window = meter.without(Component.GPU).begin()
        time.sleep(0.2)
        unused = window.end()
    def bounds_w(measurement, name, idle=()):
        found = total(measurement, name, idle)
        values = (found.energy_j, found.low_j, found.high_j)
        return [value if value is None else value / measurement.duration_s for value in values]
    print(json.dumps({
        "channels": {
            c.name: {"provenance": c.provenance, "reasons": c.reasons,
                     "power_w": [value / used.duration_s for value in (c.energy_j, c.low_j, c.high_j)]}
            for c in used.channels
        },
        "device": bounds_w(used, BoundaryName.DEVICE),
        "host": bounds_w(used, BoundaryName.HOST),
        "marginal": bounds_w(used, BoundaryName.MARGINAL, (idle,)),
        "on the processor": bounds_w(unused, BoundaryName.DEVICE),
    }))
"""


def said(folder: Path, board: Board) -> Any:
    """What a window says beside a Grace processor: the kernel's gauge of its socket, memory included."""
    shim = nvml_shim(folder, [board])
    gauge = folder / "sys" / "class" / "hwmon" / "hwmon0" / "device"
    gauge.mkdir(parents=True)
    (gauge / "power1_oem_info").write_text("Grace Power Socket 0\n")
    (gauge / "power1_average").write_text(f"{round(GRACE_W * 1e6)}\n")
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WINDOW), str(folder / "sys")],
        env=environment | dict(shim.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_counter_of_the_module_is_not_added_to_its_processor(tmp_path: Path) -> None:
    found = said(tmp_path, HOPPER)
    board = found["channels"]["gpu0"]
    assert set(found["channels"]) == {"gpu0", "grace-0"}
    assert board["provenance"] == "sampled"
    assert "counter-of-module" in board["reasons"]
    assert board["power_w"][0] == pytest.approx(BOARD_W, rel=0.1)
    assert found["device"][0] == pytest.approx(BOARD_W + GRACE_W, rel=0.05)
    assert found["host"][1] < MODULE_W  # what is known of the machine is no more than it draws
    assert found["marginal"][0] == pytest.approx(0.0, abs=15.0)
    assert found["on the processor"][0] == pytest.approx(GRACE_W, rel=0.01)


OTHERS = {
    # As GB10: no field tells the power of the module.
    "answers for itself only": (replace(HOPPER, rest=None, counts_module=False), "counter", None),
    "its own counter": (replace(HOPPER, counts_module=False), "counter", None),
    "too much alike to tell": (replace(HOPPER, rest=steady(15.0)), "sampled", "counter-scope-unknown"),
    "neither of the two": (replace(HOPPER, counter_scale=2.0), "sampled", "counter-scope-unknown"),
    "a counter that stands still": (replace(HOPPER, still_after_s=0.0), "sampled", "counter-scope-unknown"),
    "no counter": (replace(HOPPER, counter=False), "sampled", None),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_board_beside_a_processor_tells_what_it_draws_itself(tmp_path: Path, kind: str) -> None:
    board, provenance, reason = OTHERS[kind]
    found = said(tmp_path, board)
    assert found["channels"]["gpu0"]["provenance"] == provenance
    assert set(found["channels"]["gpu0"]["reasons"]) - {"part-time-sensor", "window-too-short"} == (
        {reason} if reason else set()
    )
    assert reason is None or reason in REASONS
    assert found["channels"]["gpu0"]["power_w"][0] == pytest.approx(BOARD_W, rel=0.1)
    assert found["device"][0] == pytest.approx(BOARD_W + GRACE_W, rel=0.05)


@pytest.mark.parametrize("counter", [True, False])
def test_without_a_power_of_the_board_alone_the_interval_holds_it(tmp_path: Path, counter: bool) -> None:
    # The name is not that of a board whose sensor looks part of the time: its interval would hold anything.
    found = said(tmp_path, replace(HOPPER, name="NVIDIA GB999", gpu_scope=False, counter=counter))
    board = found["channels"]["gpu0"]
    assert "counter-scope-unknown" in board["reasons"]
    assert board["power_w"][1] <= BOARD_W <= board["power_w"][2]
    assert board["power_w"][1] == 0.0
    assert found["device"][1] <= BOARD_W + GRACE_W <= found["device"][2]


@pytest.mark.parametrize(
    ("counted_w", "board_w", "module_w", "of_module"),
    [
        (100.0, 100.0, 250.0, False),
        (124.0, 100.0, 250.0, False),
        (126.0, 100.0, 250.0, None),
        (250.0, 100.0, 250.0, True),
        (290.0, 100.0, 250.0, None),
        (195.0, 60.0, 600.0, None),  # three times what the board draws is not the board
        (600.0, 600.0, 740.0, None),
        (600.0, 600.0, 760.0, False),
        (100.0, 100.0, None, False),
        (250.0, 100.0, None, None),
    ],
)
def test_a_counter_is_that_of_what_it_is_clearly_near(
    counted_w: float, board_w: float, module_w: float | None, of_module: bool | None
) -> None:
    assert decided(counted_w, board_w, module_w) is of_module
