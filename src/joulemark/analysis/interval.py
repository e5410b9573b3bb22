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


def joined_interval(values: Sequence[tuple[float, float, float]]) -> Interval:
    """The mean of repetitions that are each (value, low, high) by their own sensors' error.

    The spread of repetitions (Student's t) is joined with the sensors' error, which is common to all repetitions, so
    that it does not shrink with their number. Both are joined as factors, since a model is right within a factor; for
    small errors that is the same as joining differences. Where a bound is not positive, differences are joined. With
    one repetition only the sensors' part is known. Needs at least one value.
    """
    mean = statistics.fmean(value for value, _, _ in values)
    if all(low > 0 for _, low, _ in values):
        spread = _half_width([math.log(value) for value, _, _ in values])
        below = statistics.fmean(math.log(value / low) for value, low, _ in values)
        above = statistics.fmean(math.log(high / value) for value, _, high in values)
        return Interval(mean, mean * math.exp(-math.hypot(spread, below)), mean * math.exp(math.hypot(spread, above)))
    spread = _half_width([value for value, _, _ in values])
    low = mean - math.hypot(spread, statistics.fmean(value - low for value, low, _ in values))
    high = mean + math.hypot(spread, statistics.fmean(high - value for value, _, high in values))
    return Interval(mean, max(0.0, low) if all(low >= 0 for _, low, _ in values) else low, high)


def _half_width(values: Sequence[float]) -> float:
    repeats = mean_interval(values)
    return 0.0 if repeats.high is None else repeats.high - repeats.value


def ratio_interval(pairs: Sequence[tuple[float, float]]) -> Interval:
    """The geometric mean of first ÷ second over paired repetitions, with its 95 % interval. Values must be positive."""
    logs = mean_interval([math.log(first / second) for first, second in pairs])
    low = None if logs.low is None else math.exp(logs.low)
    high = None if logs.high is None else math.exp(logs.high)
    return Interval(math.exp(logs.value), low, high)
