"""What the electricity costs, at the user's price."""

from __future__ import annotations

import re
from dataclasses import dataclass

from joulemark.impact.facts import nearest, read_facts
from joulemark.impact.ranged import ImpactError, Ranged, kwh, times

PRICE_MAX_PER_KWH = 1e6
_PRICE = re.compile(r"([+-]?(?:[\d.]+(?:e[+-]?\d+)?|nan|inf))\s*([a-z]{3}|[€$£¥])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Price:
    """Money per kWh at the meter of the building."""

    per_kwh: float
    currency: str | None
    basis: str
    year: int | None
    source: str
    verification: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Money for electricity alone: no hardware, no staff."""

    value: float
    low: float | None
    high: float | None
    currency: str | None
    price_per_kwh: float
    source: str
    verification: str


def find_price(text: str) -> Price:
    """``0.30``, ``0.30EUR`` per kWh, or a country of the catalogue (``FRA``), whose prices are weak.

    Raises :class:`ImpactError`.
    """
    text = text.strip()
    match = _PRICE.fullmatch(text)
    if match is None:
        rows = read_facts("electricity_prices.csv")
        row = next((row for row in rows if row["id"].casefold() == text.casefold()), None)
        if row is None:
            known = nearest(text, [row["id"] for row in rows])
            raise ImpactError(f"'{text}' is no price: write 0.30EUR, for money per kWh, or a country{known}")
        return Price(
            per_kwh=float(row["value"]),
            currency=row["unit"].partition("/")[0],
            basis=row["basis"],
            year=int(row["year"]),
            source=row["source"],
            verification=row["verification"],
        )
    try:
        per_kwh = float(match[1])
    except ValueError:
        raise ImpactError(f"'{text}' is no price: '{match[1]}' is not a number") from None
    if not 0 <= per_kwh <= PRICE_MAX_PER_KWH:
        raise ImpactError(f"'{text}' is no price: money per kWh is a number from 0 to {PRICE_MAX_PER_KWH:,.0f}")
    currency = match[2].upper() if match[2] else None
    return Price(per_kwh, currency, "as given", None, "given on the command line", "given by the user")


def cost(energy_j: Ranged, pue_ratio: Ranged, price: Price) -> Cost:
    """Energy of the equipment × PUE × price."""
    money = times(kwh(energy_j), pue_ratio, Ranged(price.per_kwh))
    return Cost(
        value=money.value,
        low=money.low,
        high=money.high,
        currency=price.currency,
        price_per_kwh=price.per_kwh,
        source=price.source,
        verification=price.verification,
    )
