"""Intervals for means and ratios of a few repetitions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from joulemark.student import t_quantile

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value between its bounds; the bounds are ``None`` where one repetition cannot give any."""

    value: float
    low: float | None
    high: float | None


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of independent repetitions with its 95 % interval by Student's t. Needs at least one value."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, None, None)
    half = t_quantile((1 + CONFIDENCE) / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def joined_moments(mean: float, sd: float | None, n: int, below: float, above: float) -> Interval:
    """The interval of a mean of ``n`` repetitions with their standard deviation and their sensors' mean error.

    The spread of repetitions (Student's t) is joined with the sensors' error, which is common to all repetitions, so
    that it does not shrink with their number. With one repetition only the sensors' part is known.
    """
    half = 0.0 if sd is None else t_quantile((1 + CONFIDENCE) / 2, n - 1) * sd / math.sqrt(n)
    return Interval(mean, mean - math.hypot(half, below), mean + math.hypot(half, above))


def joined_interval(values: Sequence[tuple[float, float, float]]) -> Interval:
    """The mean of repetitions that are each (value, low, high) by their own sensors' error.

    Both parts of :func:`joined_moments` are joined as factors, since a model is right within a factor; for small errors
    that is the same as joining differences. Where a bound is not positive, differences are joined. Needs at least one
    value.
    """
    mean = statistics.fmean(value for value, _, _ in values)
    if all(low > 0 for _, low, _ in values):
        below = statistics.fmean(math.log(value / low) for value, low, _ in values)
        above = statistics.fmean(math.log(high / value) for value, _, high in values)
        factors = joined_moments(0.0, _sd([math.log(value) for value, _, _ in values]), len(values), below, above)
        assert factors.low is not None
        assert factors.high is not None
        return Interval(mean, mean * math.exp(factors.low), mean * math.exp(factors.high))
    below = statistics.fmean(value - low for value, low, _ in values)
    above = statistics.fmean(high - value for value, _, high in values)
    found = joined_moments(mean, _sd([value for value, _, _ in values]), len(values), below, above)
    if found.low is not None and all(low >= 0 for _, low, _ in values):
        return Interval(mean, max(0.0, found.low), found.high)
    return found


def _sd(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
