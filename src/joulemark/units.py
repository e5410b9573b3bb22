"""Quantities: the suffix a name carries, its base unit, and how to print it for people."""

from __future__ import annotations

import math
from dataclasses import dataclass

J_PER_WH = 3600.0
J_PER_KWH = 3.6e6
WAIT_MAX_S = 1e6  # eleven days: the longest that anything is asked to wait


@dataclass(frozen=True, slots=True)
class Unit:
    """A display unit: ``size`` of it in base units."""

    symbol: str
    size: float


# Largest first; the first unit that the magnitude reaches is used. Base units: joule, watt, second, gram, byte.
LADDERS: dict[str, tuple[Unit, ...]] = {
    "j": (
        Unit("GWh", 3.6e12),
        Unit("MWh", 3.6e9),
        Unit("kWh", J_PER_KWH),
        Unit("Wh", J_PER_WH),
        Unit("mWh", 3.6),
        Unit("µWh", 3.6e-3),
        Unit("nWh", 3.6e-6),
    ),
    # Steps of counters, which their makers state in joules.
    "step": (Unit("J", 1.0), Unit("mJ", 1e-3), Unit("µJ", 1e-6)),
    "w": (Unit("MW", 1e6), Unit("kW", 1e3), Unit("W", 1.0), Unit("mW", 1e-3)),
    "s": (Unit("h", 3600.0), Unit("min", 60.0), Unit("s", 1.0), Unit("ms", 1e-3), Unit("µs", 1e-6)),
    "g": (Unit("t", 1e6), Unit("kg", 1e3), Unit("g", 1.0), Unit("mg", 1e-3), Unit("µg", 1e-6)),
    "byte": (Unit("GiB", 2**30), Unit("MiB", 2**20), Unit("KiB", 2**10), Unit("B", 1.0)),
}

# The unit of zero, and of a column in which nothing is known.
_AT_ZERO = {"j": "Wh", "step": "J", "w": "W", "s": "s", "g": "g", "byte": "B"}

UNKNOWN = "–"


def unit_for(value: float, quantity: str) -> Unit:
    """The display unit in which ``value`` (in base units of ``quantity``) reads best."""
    ladder = LADDERS[quantity]
    if value == 0:
        return next(unit for unit in ladder if unit.symbol == _AT_ZERO[quantity])
    return next((unit for unit in ladder if abs(value) >= unit.size), ladder[-1])


def number(value: float, digits: int = 3, plain: bool = False) -> str:
    """``value`` rounded to significant digits, without an exponent between 0.001 and 10⁶, or nowhere (``plain``)."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    magnitude = math.floor(math.log10(abs(value)))
    if not plain and (magnitude < -3 or magnitude >= 6):
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def show(value: float | None, quantity: str, digits: int = 3) -> str:
    """``value`` in base units, printed with a unit that suits it; ``None`` is shown as unknown.

    >>> show(5400.0, "j")
    '1.50 Wh'
    """
    if value is None:
        return UNKNOWN
    unit = unit_for(value, quantity)
    return f"{number(value / unit.size, digits)} {unit.symbol}"


def show_range(low: float, high: float, quantity: str, value: float | None = None) -> str:
    """Both ends of a range in one unit: that of the ``value`` they belong to, else the one of the upper end.

    >>> show_range(4.0, 2400.0, "j", 1800.0)
    '2.22 to 1,333 mWh'
    """
    unit = unit_for(value or high, quantity)
    return f"{number(low / unit.size)} to {number(high / unit.size)} {unit.symbol}"
