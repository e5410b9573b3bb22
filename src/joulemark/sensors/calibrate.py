"""Calibrate: what a channel's sensor really does, seen by reading it as fast as it can be read.

The period and the step that drivers state are often not what boards do; both enter every error bar. Reading is work
for the machine: calibrate before measuring, never in a window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from joulemark.records import Channel, Quantity, ReadFailure

DURATION_S = 1.0
TICKS_ENOUGH_N = 20


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was seen of a channel; ``None`` is what was not."""

    update_period_s: float | None  # median time between changes of the reading; not below the cost of a reading
    resolution_j: float | None  # smallest step of an energy channel
    read_cost_s: float | None  # median time that a reading takes
    ticks_n: int  # changes of the reading


def calibrate(
    channel: Channel, duration_s: float = DURATION_S, clock: Callable[[], int] = time.monotonic_ns
) -> Calibration:
    """Read ``channel`` until it has changed often enough, for ``duration_s`` at most; ``clock`` counts ns."""
    costs_ns: list[int] = []
    ticks: list[tuple[int, float]] = []  # when the reading changed, and by how much
    last: float | None = None
    before_ns = clock()
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
        last, before_ns = value, after_ns
    distances_ns = [later_ns - earlier_ns for (earlier_ns, _), (later_ns, _) in pairwise(ticks)]
    steps = [step for _, step in ticks if step > 0]  # a negative one is a wrap or a driver loaded anew
    return Calibration(
        update_period_s=median(distances_ns) / 1e9 if distances_ns else None,
        resolution_j=min(steps) * channel.count_j if steps and channel.quantity is Quantity.ENERGY else None,
        read_cost_s=median(costs_ns) / 1e9 if costs_ns else None,
        ticks_n=len(ticks),
    )
