"""Calibrate: what a channel's sensor really does, seen by reading it as fast as it can be read.

The period and the step that drivers state are often not what boards do; both enter every error bar. Reading is work
for the machine: calibrate before measuring, never in a window.

Where a device has a counter and a gauge, both are compared over the same seconds. They have disagreed on real boards:
https://github.com/ROCm/amdsmi/issues/38 is one case.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from joulemark.failures import ReadFailure
from joulemark.measurement import Channel, Quantity

DURATION_S = 1.0
TICKS_ENOUGH_N = 20
COMPARED_TICKS_MIN_N = 5
EDGE_UNSURE_RATIO = 0.02  # of the time compared: a first or last tick that was seen less surely is left aside
MISSED_UPDATE_RATIO = 1.5  # an update that much longer than usual holds one that was not seen
LATE_RATIO = 0.5  # of an update
DISAGREEMENT_RATIO = 0.1  # more than that between counter and gauge is no tolerance any more


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was seen of a channel; ``None`` is what was not."""

    update_period_s: float | None  # median time between changes of the reading; not below the cost of a reading
    resolution_j: float | None  # smallest step of an energy channel
    read_cost_s: float | None  # median time that a reading takes
    ticks_n: int  # changes of the reading
    counter_ratio: float | None = None  # what the counter moved, over the integral of the gauge at the same time
    disagrees: bool = False  # that ratio is further from 1 than the two can be by tolerance and by their periods


def counter_disagrees(counted_j: float, gauged_j: float, slack_j: float) -> bool:
    """Whether a counter and a gauge differ by more than 10 % and ``slack_j``, by which they may be out of step."""
    return abs(counted_j - gauged_j) > DISAGREEMENT_RATIO * gauged_j + slack_j


def calibrate(
    channel: Channel, duration_s: float = DURATION_S, clock: Callable[[], int] = time.monotonic_ns
) -> Calibration:
    """Read ``channel`` until it has changed often enough, for ``duration_s`` at most; ``clock`` counts ns."""
    costs_ns: list[int] = []
    ticks: list[tuple[int, float]] = []  # when the reading changed, and by how much
    unsure_ns: list[int] = []  # before each tick, since the last reading without it was asked for
    gauged_w: list[float] = []  # at each tick
    late_ns: list[int] = []  # until then, from the same instant
    last: float | None = None
    last_ns = before_ns = clock()
    ends_ns = before_ns + round(duration_s * 1e9)
    while len(ticks) < TICKS_ENOUGH_N and before_ns < ends_ns:
        try:
            value = channel.read()
        except ReadFailure:
            before_ns = clock()
            continue
        after_ns = clock()
        costs_ns.append(after_ns - before_ns)
        if last is not None and value != last:
            ticks.append((after_ns, value - last))
            unsure_ns.append(after_ns - last_ns)
            if channel.gauge is not None:
                with suppress(ReadFailure):
                    gauged_w.append(channel.gauge())
        done_ns = clock() if channel.gauge is not None else after_ns
        if len(late_ns) < len(ticks):
            late_ns.append(done_ns - last_ns)
        last, last_ns, before_ns = value, before_ns, done_ns
    distances_ns = [later_ns - earlier_ns for (earlier_ns, _), (later_ns, _) in pairwise(ticks)]
    sure = _surely_seen(ticks, unsure_ns)
    ratio, disagrees = None, False
    if len(gauged_w) == len(ticks):
        ratio, disagrees = _compared(channel, ticks[sure], gauged_w[sure], late_ns[sure])
    steps = [step for _, step in ticks if step > 0]  # a negative one is a wrap or a driver loaded anew
    return Calibration(
        update_period_s=median(distances_ns) / 1e9 if distances_ns else None,
        resolution_j=min(steps) * channel.count_j if steps and channel.quantity is Quantity.ENERGY else None,
        read_cost_s=median(costs_ns) / 1e9 if costs_ns else None,
        ticks_n=len(ticks),
        counter_ratio=ratio,
        disagrees=disagrees,
    )


def _surely_seen(ticks: Sequence[tuple[int, float]], unsure_ns: Sequence[int]) -> slice:
    """The ticks from the first to the last whose time is known well: where the program had to wait, it is not."""
    if not ticks:
        return slice(0)
    most_ns = EDGE_UNSURE_RATIO * (ticks[-1][0] - ticks[0][0])
    sure = [place for place, one_ns in enumerate(unsure_ns) if one_ns <= most_ns]
    return slice(sure[0], sure[-1] + 1) if sure else slice(0)


def _compared(
    channel: Channel, ticks: Sequence[tuple[int, float]], gauged_w: Sequence[float], late_ns: Sequence[int]
) -> tuple[float | None, bool]:
    """The counter from its first tick to its last, over the gauge, each reading held for the update before it."""
    steps = [step for _, step in ticks[1:]]
    if len(ticks) <= COMPARED_TICKS_MIN_N or min(steps) < 0:
        return None, False
    updates_s = [(later_ns - earlier_ns) / 1e9 for (earlier_ns, _), (later_ns, _) in pairwise(ticks)]
    counted_j = sum(steps) * channel.count_j
    gauged_j = sum(power_w * update_s for power_w, update_s in zip(gauged_w[1:], updates_s, strict=True))
    if gauged_j <= 0:
        return None, False
    late_s = [one_ns / 1e9 for one_ns in late_ns]
    return counted_j / gauged_j, counter_disagrees(counted_j, gauged_j, _slack_j(updates_s, gauged_w, late_s))


def _slack_j(updates_s: Sequence[float], gauged_w: Sequence[float], late_s: Sequence[float]) -> float:
    """How far ``gauged_w`` (at each tick) held over ``updates_s`` (between them) can be from the power that was drawn.

    A gauge may have updates of its own and be the mean of one: it is behind by two of them at most. A reading says
    nothing of when within its update the power changed: all rises may have come late, or all falls. Where an update was
    missed, or the gauge asked so late that it may tell of the next one, nothing is known but the powers that were seen.
    """
    usual_s = median(updates_s)
    range_w = max(gauged_w) - min(gauged_w)
    stood_s = longest_s = above_j = below_j = 0.0
    for update_s, one_late_s, (earlier_w, later_w) in zip(updates_s, late_s[1:], pairwise(gauged_w), strict=True):
        stood_s = update_s if later_w != earlier_w else stood_s + update_s
        longest_s = max(longest_s, stood_s)
        unknown = update_s > MISSED_UPDATE_RATIO * usual_s or one_late_s > LATE_RATIO * usual_s
        above_j += update_s * (range_w if unknown else max(0.0, later_w - earlier_w))
        below_j += update_s * (range_w if unknown else max(0.0, earlier_w - later_w))
    return 2 * longest_s * range_w + max(above_j, below_j)
