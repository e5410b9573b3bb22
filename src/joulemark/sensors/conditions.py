"""What besides the work decides the energy of a window: compared before and after it, they give reason codes.

A snapshot reads a few files and asks NVML about its boards; it belongs beside a window, not inside.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from joulemark.measurement import Absence, Measurement
from joulemark.sensors import Setup
from joulemark.sensors.nvml import BoardState, boards_state, channel_name, opened_nvml
from joulemark.sensors.own_processes import is_ours

FOREIGN_LOAD_RATIO = 0.10  # of all processors
STOLEN_RATIO = 0.01
HARNESS_RATIO = 0.01  # of the window
TEMPERATURE_STEP_C = 10
SUSPENDED_S = 0.1
THROTTLED_RATIO = 0.01  # of the time, for which a limit held the clocks of a board down
LIMITING = frozenset({"power-cap", "hardware-slowdown", "software-thermal", "hardware-thermal", "power-brake"})

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Conditions:
    """One snapshot. Counts run since boot; ``None`` is not known."""

    at_s: float
    asleep_s: float | None  # time that the machine was suspended
    busy_s: float | None  # of all processors together
    stolen_s: float | None  # taken by the host of a virtual machine
    own_s: float  # processor time of this process and the children it has waited for
    cpus_n: int
    throttled_n: int | None  # thermal throttling events of the processors
    limits: tuple[str, ...]  # governor and highest frequency of each frequency domain
    boards: tuple[BoardState, ...]


def conditions(setup: Setup) -> Conditions:
    """The conditions of this moment."""
    busy_s, stolen_s = _busy(setup)
    used = os.times()
    return Conditions(
        at_s=time.monotonic(),
        asleep_s=_asleep_s(),
        busy_s=busy_s,
        stolen_s=stolen_s,
        own_s=used.user + used.system + used.children_user + used.children_system,
        cpus_n=os.cpu_count() or 1,
        throttled_n=_throttled_n(setup),
        limits=_limits(setup),
        boards=_boards(),
    )


def disturbances(
    before: Conditions, after: Conditions, measurement: Measurement, own_pids: Collection[int] = ()
) -> tuple[str, ...]:
    """Reason codes for whatever disturbed ``measurement``, which lies between the two snapshots.

    Only boards that it counts as in use are looked at: what happens on others is not in its energy. ``own_pids`` are
    processes that may use the boards: ours, and those that we measure.
    """
    found: list[str] = []
    duration_s = after.at_s - before.at_s
    capacity_s = duration_s * after.cpus_n
    rounding_s = after.cpus_n / _TICKS_PER_S
    foreign_s = _more(before.busy_s, after.busy_s) - (after.own_s - before.own_s) - rounding_s
    if foreign_s > FOREIGN_LOAD_RATIO * capacity_s:
        found.append("foreign-load")
    if _more(before.stolen_s, after.stolen_s) - rounding_s > STOLEN_RATIO * capacity_s:
        found.append("time-stolen")
    if _more(before.asleep_s, after.asleep_s) > SUSPENDED_S:
        found.append("suspended")
    if _more(before.throttled_n, after.throttled_n) > 0:
        found.append("throttled")
    if before.limits != after.limits:
        found.append("clock-limits-changed")
    if measurement.harness_cpu_s > HARNESS_RATIO * duration_s:
        found.append("harness-heavy")
    in_use = {channel.name for channel in measurement.channels if channel.in_use}
    ours = tuple(board for board in after.boards if channel_name(board.index) in in_use)
    gone = {board.index for board in before.boards} - {board.index for board in after.boards}
    if any(channel_name(index) in in_use for index in gone):
        found.append("device-lost")
    found += board_disturbances(before.boards, ours, duration_s, frozenset(own_pids) | {os.getpid()})
    return tuple(dict.fromkeys(found))


def board_disturbances(
    before: tuple[BoardState, ...], after: tuple[BoardState, ...], duration_s: float, own_pids: frozenset[int]
) -> list[str]:
    """Reason codes from the states of the boards in ``after``, against what they were ``duration_s`` earlier."""
    found: list[str] = []
    earlier = {board.index: board for board in before}
    for board in after:
        if _foreign({process.pid for process in board.processes or ()}, own_pids):
            found.append("foreign-process-on-board")
        if LIMITING & set(board.clock_reasons or ()):
            found.append("throttled")
        past = earlier.get(board.index)
        if past is None:
            continue
        # A board that idles again has no reason any more to hold its clocks down: the time that it did so is left.
        by_power_s = _more(past.power_violation_s, board.power_violation_s)
        by_heat_s = _more(past.thermal_violation_s, board.thermal_violation_s)
        if max(by_power_s, by_heat_s) > THROTTLED_RATIO * duration_s:
            found.append("throttled")
        if _more(past.power_limit_w, board.power_limit_w) != 0:
            found.append("power-limit-changed")
        if abs(_more(past.temperature_c, board.temperature_c)) > TEMPERATURE_STEP_C:
            found.append("temperature-drift")
    return found


def _foreign(pids: set[int], own_pids: frozenset[int]) -> bool:
    """Whether a process on a board is neither ours nor a descendant of ours.

    In a container NVML names processes by the numbers of the host, which mean nothing here: one such number may be
    our own process, if that is not among the others.
    """
    others = {pid for pid in pids - own_pids if not is_ours(pid)}
    unknown = {pid for pid in others if not Path("/proc", str(pid)).exists()}
    return bool(others - unknown) or len(unknown) > (0 if pids - others else 1)


def _more(before: float | None, after: float | None) -> float:
    """The growth of a count; 0 where it is not known, which no rule takes for a disturbance."""
    return 0.0 if before is None or after is None else after - before


def _busy(setup: Setup) -> tuple[float | None, float | None]:
    """Busy and stolen seconds of all processors since boot."""
    try:
        with (setup.proc / "stat").open() as lines:
            ticks = [int(part) for part in lines.readline().split()[1:9]]
    except (OSError, ValueError):
        return None, None
    if len(ticks) < 8:
        return None, None
    return (sum(ticks[:7]) - ticks[3] - ticks[4]) / _TICKS_PER_S, ticks[7] / _TICKS_PER_S


def _asleep_s() -> float | None:
    """How much further the clock that counts suspension has come than the one that does not."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def _throttled_n(setup: Setup) -> int | None:
    counts: list[int] = []
    for file in (setup.sysfs / "devices" / "system" / "cpu").glob("cpu*/thermal_throttle/*_throttle_count"):
        try:
            counts.append(int(file.read_text()))
        except (OSError, ValueError):
            continue
    return sum(counts) if counts else None


def _limits(setup: Setup) -> tuple[str, ...]:
    found: list[str] = []
    for policy in sorted((setup.sysfs / "devices" / "system" / "cpu" / "cpufreq").glob("policy*")):
        for name in ("scaling_governor", "scaling_max_freq"):
            try:
                found.append((policy / name).read_text().strip())
            except OSError:
                continue
    return tuple(found)


def _boards() -> tuple[BoardState, ...]:
    with opened_nvml() as pynvml:
        return () if isinstance(pynvml, Absence) else boards_state(pynvml)
