import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.reasons import REASONS
from joulemark.sensors import Setup
from joulemark.sensors.conditions import Conditions, board_disturbances, conditions, disturbances
from joulemark.sensors.nvml import BoardProcess, BoardState

CALM = Conditions(0.0, 0.0, 0.0, 0.0, 0.0, 4, 0, ("performance",), ())


def later(**changes: object) -> Conditions:
    return replace(CALM, at_s=10.0, busy_s=1.0, own_s=1.0, **changes)  # type: ignore[arg-type]


def measured(harness_cpu_s: float = 0.0, **boards: bool) -> Measurement:
    """A window over boards that are in use or not."""
    channels = tuple(
        ChannelEnergy(name, Component.GPU, Provenance.COUNTER, 1.0, 1.0, 1.0, ErrorBudget(), in_use=in_use)
        for name, in_use in boards.items()
    )
    return Measurement("2026-11-21T00:00:00.000+00:00", 10.0, channels, harness_cpu_s)


def test_a_calm_window_has_no_reason() -> None:
    assert disturbances(CALM, later(), measured()) == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"busy_s": 8.0}, "foreign-load"),
        ({"stolen_s": 1.0}, "time-stolen"),
        ({"asleep_s": 5.0}, "suspended"),
        ({"throttled_n": 1}, "throttled"),
        ({"limits": ("powersave",)}, "clock-limits-changed"),
    ],
)
def test_each_disturbance_has_its_reason(changes: dict[str, object], reason: str) -> None:
    assert disturbances(CALM, replace(later(), **changes), measured()) == (reason,)  # type: ignore[arg-type]
    assert reason in REASONS


def test_nearly_a_disturbance_is_none() -> None:
    assert disturbances(CALM, replace(later(), busy_s=4.9), measured()) == ()  # 3.9 s of others in 40 s of capacity
    assert disturbances(CALM, later(), measured(0.09)) == ()
    assert disturbances(CALM, later(), measured(0.11)) == ("harness-heavy",)


def test_what_is_not_known_is_no_disturbance() -> None:
    blind = replace(CALM, busy_s=None, stolen_s=None, asleep_s=None, throttled_n=None)
    assert disturbances(blind, later(), measured()) == ()


BOARD = BoardState(0, (), 700.0, 40, (), power_violation_s=5.0, thermal_violation_s=2.0)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"clock_reasons": ("idle", "clocks-setting")}, []),
        ({"clock_reasons": ("hardware-thermal",)}, ["throttled"]),
        ({"power_violation_s": 5.2}, ["throttled"]),
        ({"thermal_violation_s": 2.2}, ["throttled"]),
        ({"power_violation_s": 5.05, "thermal_violation_s": 2.09}, []),  # less than 1 % of 10 s each
        ({"power_violation_s": None, "thermal_violation_s": None}, []),
        ({"power_violation_s": 0.0}, []),  # the driver was loaded anew
        ({"power_limit_w": 500.0}, ["power-limit-changed"]),
        ({"power_limit_w": None}, []),
        ({"temperature_c": 49}, []),
        ({"temperature_c": 55}, ["temperature-drift"]),
        ({"temperature_c": None}, []),
        ({"processes": (BoardProcess(os.getpid(), 1),)}, []),
        ({"processes": (BoardProcess(1, 1),)}, ["foreign-process-on-board"]),
        ({"processes": (BoardProcess(2**22 + 1, 1),)}, []),  # a number of the host: may be us
        ({"processes": (BoardProcess(2**22 + 1, 1), BoardProcess(2**22 + 2, 1))}, ["foreign-process-on-board"]),
        ({"processes": None}, []),
    ],
)
def test_boards(changes: dict[str, object], found: list[str]) -> None:
    after = replace(BOARD, **changes)  # type: ignore[arg-type]
    assert board_disturbances((BOARD,), (after,), 10.0, frozenset({os.getpid()})) == found
    assert set(found) <= set(REASONS)


def test_what_is_known_of_a_board_only_later_has_not_changed() -> None:
    assert board_disturbances((BoardState(0),), (BOARD,), 10.0, frozenset()) == []


DISTURBED = replace(
    BOARD,
    processes=(BoardProcess(1, 1),),
    power_limit_w=500.0,
    temperature_c=80,
    clock_reasons=("hardware-thermal",),
    power_violation_s=9.0,
)


@pytest.mark.parametrize(
    ("in_use", "found"),
    [
        ({"gpu0": True, "gpu1": False}, set()),
        ({"gpu0": False, "gpu1": False}, set()),
        ({}, set()),
        (
            {"gpu0": True, "gpu1": True},
            {"foreign-process-on-board", "throttled", "power-limit-changed", "temperature-drift"},
        ),
    ],
)
def test_only_boards_in_use_can_disturb(in_use: dict[str, bool], found: set[str]) -> None:
    before = replace(CALM, boards=(BOARD, replace(BOARD, index=1)))
    after = later(boards=(BOARD, replace(DISTURBED, index=1)))
    assert set(disturbances(before, after, measured(**in_use))) == found


@pytest.mark.parametrize(("ours", "found"), [("gpu0", ()), ("gpu1", ("device-lost",))])
def test_a_board_of_ours_that_is_not_listed_any_more_is_lost(ours: str, found: tuple[str, ...]) -> None:
    before = replace(CALM, boards=(BOARD, replace(BOARD, index=1)))
    assert disturbances(before, later(boards=(BOARD,)), measured(**{ours: True})) == found


def test_a_child_on_a_board_is_not_foreign() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    unknown = BoardProcess(2**22 + 1, 1)
    own = frozenset({os.getpid()})
    alone, beside = ((replace(BOARD, processes=(BoardProcess(child.pid, 1), *more)),) for more in ((), (unknown,)))
    assert board_disturbances((BOARD,), alone, 10.0, own) == []
    assert board_disturbances((BOARD,), beside, 10.0, own) == ["foreign-process-on-board"]
    child.communicate(b"\n")


def test_a_real_foreign_load_is_seen() -> None:
    before = conditions(Setup())
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    time.sleep(1.0)
    after = conditions(Setup())
    for burner in burners:
        burner.kill()
        burner.wait()
    assert "foreign-load" in disturbances(before, after, measured())


def test_our_own_load_is_not_foreign() -> None:
    before = conditions(Setup())
    busy_until_s = time.process_time() + 0.5
    while time.process_time() < busy_until_s:
        pass
    after = conditions(Setup())
    own_s = after.own_s - before.own_s
    assert own_s >= 0.45  # in ticks; else nothing of ours would be told apart
    assert before.busy_s is not None
    assert after.busy_s is not None
    # The kernel has counted ours among all; what others did at the same time is taken out, to the tick.
    assert after.busy_s - before.busy_s >= own_s - 0.02 * after.cpus_n
    alone = replace(after, busy_s=before.busy_s + own_s)
    assert "foreign-load" not in disturbances(before, alone, measured())
    nobody = replace(alone, own_s=before.own_s, cpus_n=1)
    assert "foreign-load" in disturbances(before, nobody, measured())


def test_throttling_and_limits_are_read_from_files(tmp_path: Path) -> None:
    cpu = tmp_path / "devices" / "system" / "cpu"
    (cpu / "cpu0" / "thermal_throttle").mkdir(parents=True)
    (cpu / "cpu0" / "thermal_throttle" / "core_throttle_count").write_text("3\n")
    (cpu / "cpufreq" / "policy0").mkdir(parents=True)
    (cpu / "cpufreq" / "policy0" / "scaling_governor").write_text("powersave\n")
    before = conditions(Setup(sysfs=tmp_path))
    assert before.throttled_n == 3
    assert before.limits == ("powersave",)
    (cpu / "cpu0" / "thermal_throttle" / "core_throttle_count").write_text("4\n")
    (cpu / "cpufreq" / "policy0" / "scaling_governor").write_text("performance\n")
    found = disturbances(before, conditions(Setup(sysfs=tmp_path)), measured())
    assert {"throttled", "clock-limits-changed"} <= set(found)
