"""A figure with the range that goes with it, and how ranges multiply and divide."""

from __future__ import annotations

import math
from dataclasses import dataclass

from joulemark.failures import MendableError
from joulemark.units import J_PER_KWH


class ImpactError(MendableError):
    """What was given cannot be turned into an impact; the message says why."""


@dataclass(frozen=True, slots=True)
class Ranged:
    """``value`` between ``low`` and ``high``: a spread between sources or stated ranges, no confidence interval.

    ``None`` as ``low`` or ``high`` means that nobody states one. Raises :class:`ImpactError` for what is not finite.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not all(math.isfinite(part) for part in (self.value, self.low, self.high) if part is not None):
            raise ImpactError("that is too much to calculate with: an impact must be a finite number")


def times(*factors: Ranged) -> Ranged:
    """The product; a factor without a range is taken as exact, and without any range the product has none.

    All factors must be non-negative, or low and high would change places.
    """
    stated = [factor for factor in factors if factor.low is not None or factor.high is not None]
    return Ranged(
        math.prod(factor.value for factor in factors),
        math.prod(_low(factor) for factor in factors) if stated else None,
        math.prod(_high(factor) for factor in factors) if stated else None,
    )


def over(amount: Ranged, unit: Ranged) -> Ranged:
    """How many times ``unit``, which is positive, goes into ``amount``: fewest where the unit is largest."""
    if amount.low is None and amount.high is None and unit.low is None and unit.high is None:
        return Ranged(amount.value / unit.value)
    return Ranged(amount.value / unit.value, _low(amount) / _high(unit), _high(amount) / _low(unit))


def kwh(energy_j: Ranged) -> Ranged:
    """Joules as kilowatt-hours."""
    return over(energy_j, Ranged(J_PER_KWH))


def plus(first: Ranged, second: Ranged) -> Ranged:
    """The sum; one without a range is taken as exact."""
    value = first.value + second.value
    if first.low is None and first.high is None and second.low is None and second.high is None:
        return Ranged(value)
    return Ranged(value, _low(first) + _low(second), _high(first) + _high(second))


def _low(amount: Ranged) -> float:
    return amount.value if amount.low is None else amount.low


def _high(amount: Ranged) -> float:
    return amount.value if amount.high is None else amount.high
