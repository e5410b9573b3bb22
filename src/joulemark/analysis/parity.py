"""When inference has used as much energy as training did, and what a deployment will use.

Pure functions over intervals in base units. An :class:`~joulemark.analysis.interval.Interval` without bounds is a value
whose uncertainty is not known; whatever is computed from it has none either.
"""

from __future__ import annotations

from dataclasses import dataclass

from joulemark.analysis.interval import Interval

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Training:
    """The energy that making a model took, before any query."""

    training_j: float
    finetuning_j: float = 0.0


def exact(value: float) -> Interval:
    """A figure that is taken as it is."""
    return Interval(value, value, value)


def parity_queries(training: Training, per_query_j: Interval, pue_ratio: float = 1.0) -> Interval:
    """Queries after which inference has used as much as training: (training + fine-tuning) ÷ energy per query.

    The formula of Luccioni et al. (2024), Table 5. ``pue_ratio`` multiplies the energy of a query: 1 where training is
    counted at the machines too. The sure end of the energy gives the far end of the queries; an energy that may be zero
    gives no upper bound. Raises :class:`ValueError` where the energy of a query is not above zero.
    """
    upfront_j = training.training_j + training.finetuning_j
    if per_query_j.value <= 0 or pue_ratio <= 0 or upfront_j < 0:
        raise ValueError("energy per query and PUE must be above zero, training not below")
    low = upfront_j / (per_query_j.high * pue_ratio) if per_query_j.high is not None else None
    high = upfront_j / (per_query_j.low * pue_ratio) if per_query_j.low is not None and per_query_j.low > 0 else None
    return Interval(upfront_j / (per_query_j.value * pue_ratio), low, high)


def days(queries: Interval, queries_per_day: float) -> Interval:
    """How long so many queries take at a steady rate. Raises :class:`ValueError` unless the rate is above zero."""
    if queries_per_day <= 0:
        raise ValueError("queries per day must be above zero")
    return _scaled(queries, 1 / queries_per_day)


def switch_queries(
    extra_upfront_j: float, first_per_query_j: Interval, second_per_query_j: Interval
) -> Interval | None:
    """Queries after which the second model, which takes ``extra_upfront_j`` more to make, has saved that again.

    ``None`` where it saves nothing per query. A bound is ``None`` where at that end nothing is saved.
    """
    saved = first_per_query_j.value - second_per_query_j.value
    if saved <= 0:
        return None
    low = high = None
    if None not in (first_per_query_j.high, second_per_query_j.low):
        low = extra_upfront_j / (first_per_query_j.high - second_per_query_j.low)  # type: ignore[operator]
    if None not in (first_per_query_j.low, second_per_query_j.high):
        least = first_per_query_j.low - second_per_query_j.high  # type: ignore[operator]
        high = extra_upfront_j / least if least > 0 else None
    return Interval(extra_upfront_j / saved, low, high)


def year_j(per_query_j: Interval, queries_per_day: float, pue_ratio: float = 1.0) -> Interval:
    """The energy of a year at a steady rate, the building's share included where ``pue_ratio`` is above 1."""
    if queries_per_day < 0 or pue_ratio < 1:
        raise ValueError("queries per day must not be below zero, PUE not below 1")
    return _scaled(per_query_j, queries_per_day * DAYS_PER_YEAR * pue_ratio)


def _scaled(interval: Interval, factor: float) -> Interval:
    low = None if interval.low is None else interval.low * factor
    high = None if interval.high is None else interval.high * factor
    return Interval(interval.value * factor, low, high)
