"""Amounts as people type them: ``1.35kWh``, ``1000000/day``."""

from __future__ import annotations

import math
import re

from joulemark.impact.ranged import ImpactError

ENERGY_UNITS_J = {
    "J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9, "mJ": 1e-3,
    "mWh": 3.6, "Wh": 3.6e3, "kWh": 3.6e6, "MWh": 3.6e9, "GWh": 3.6e12, "TWh": 3.6e15,
}  # fmt: skip
DAYS_PER_YEAR = 365.25  # the Julian year of the International Astronomical Union, as on the explorer's pages
PER_YEAR_N = {
    "s": DAYS_PER_YEAR * 86400, "min": DAYS_PER_YEAR * 1440, "h": DAYS_PER_YEAR * 24,
    "hour": DAYS_PER_YEAR * 24, "day": DAYS_PER_YEAR, "week": DAYS_PER_YEAR / 7, "month": 12, "year": 1,
}  # fmt: skip
ENERGY_MAX_J = 1e30  # more than the Sun sends out in half an hour
COUNT_MAX_N = 1e18

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_AMOUNT = re.compile(rf"({_NUMBER}|[+-]?nan|[+-]?inf(?:inity)?)\s*([^\d\s].*)?", re.IGNORECASE)


def looks_like_energy(text: str) -> bool:
    """Whether ``text`` begins with a number, as an energy does and a folder's name seldom."""
    return _AMOUNT.fullmatch(text.strip()) is not None


def energy_j(text: str) -> float:
    """Joules of ``1.35kWh``, ``500 Wh``, ``3 MJ``. Raises :class:`ImpactError` with one clear line.

    Upper and lower case count only where they must: mWh is not MWh, mJ is not MJ.
    """
    text = text.strip()
    match = _AMOUNT.fullmatch(text)
    known = ", ".join(ENERGY_UNITS_J)
    if match is None:
        raise ImpactError(f"'{text}' is no energy: give a number and a unit, such as 1.35kWh")
    number, unit = float(match[1]), (match[2] or "").strip()
    if not unit:
        raise ImpactError(f"'{text}' has no unit: 1.35kWh, 500Wh or 3600J ({known})")
    scale_j = ENERGY_UNITS_J.get(unit)
    if scale_j is None:
        folded = [name for name in ENERGY_UNITS_J if name.casefold() == unit.casefold()]
        if len(folded) > 1:
            raise ImpactError(f"'{unit}' can be {' or '.join(folded)}: write it as one of them")
        if not folded:
            raise ImpactError(f"'{unit}' is no unit of energy: there are {known}")
        scale_j = ENERGY_UNITS_J[folded[0]]
    return _within(number * scale_j, text, "an energy", ENERGY_MAX_J)


def queries_per_year_n(text: str) -> float:
    """Queries in a year of 365.25 days from ``1000000/day``, ``20/s``. Raises :class:`ImpactError`."""
    text = text.strip()
    number, slash, period = text.partition("/")
    if not slash or period.strip() not in PER_YEAR_N:
        raise ImpactError(f"'{text}' is no rate: write 1000000/day ({', '.join(PER_YEAR_N)})")
    try:
        per_year_n = float(number) * PER_YEAR_N[period.strip()]
    except ValueError:
        raise ImpactError(f"'{text}' is no rate: '{number}' is not a number; write 1000000/day") from None
    return _within(per_year_n, text, "a rate", COUNT_MAX_N)


def _within(value: float, text: str, what: str, most: float) -> float:
    if math.isnan(value):
        raise ImpactError(f"'{text}' is not a number: {what} is 0 or more")
    if value < 0:
        raise ImpactError(f"'{text}' is negative: {what} is 0 or more")
    if value > most:
        raise ImpactError(f"'{text}' is too large: check the unit")
    return value
