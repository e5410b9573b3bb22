"""How steady the power of an idle window was, from readings of its counters in between.

The idle power that is taken off what a model drew is that of another time. Where it goes up and down, a window of some
seconds shows one stretch of that: the standard error of its mean says how far the next one may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, sqrt
from statistics import fmean, stdev

from joulemark.measurement import Channel
from joulemark.meter.energy import UPDATES_MIN_N, Edge, unwrapped
from joulemark.student import t_quantile

PARTS_MIN_N = 3  # fewer do not tell
CORRELATION_MAX = 0.8  # from so few parts it is known no better than that
PROBABILITY = 0.975  # 95 % to both sides


def noise_j(channel: Channel, readings: Sequence[Edge], duration_s: float) -> float:
    """The half-width at 95 % of the energy of ``duration_s``, by the powers between ``readings``.

    Parts of the window hold ten updates of the counter at least; zero where there are too few of them to tell.
    Successive parts that are alike count for fewer: by (1 + r) / (1 - r) of their correlation r.
    """
    known = [edge for edge in readings if edge.value is not None]
    if len(known) <= PARTS_MIN_N:
        return 0.0
    part_s = (known[-1].at_ns - known[0].at_ns) / (len(known) - 1) / 1e9
    if part_s <= 0:
        return 0.0
    together_n = max(1, ceil(UPDATES_MIN_N * (channel.update_period_s or 0.0) / part_s))
    powers_w: list[float] = []
    for before, after in pairwise(known[::together_n]):
        moved, between_s = unwrapped(channel, before, after), (after.at_ns - before.at_ns) / 1e9
        if moved is not None and between_s > 0:
            powers_w.append(moved * channel.count_j / between_s)
    if len(powers_w) < PARTS_MIN_N:
        return 0.0
    spread_w = stdev(powers_w)
    if spread_w == 0:
        return 0.0
    mean_w = fmean(powers_w)
    alike = sum((one_w - mean_w) * (next_w - mean_w) for one_w, next_w in pairwise(powers_w))
    correlation = min(CORRELATION_MAX, max(0.0, alike / ((len(powers_w) - 1) * spread_w**2)))
    fewer = sqrt((1 + correlation) / (1 - correlation))
    return t_quantile(PROBABILITY, len(powers_w) - 1) * spread_w / sqrt(len(powers_w)) * fewer * duration_s
