"""Energy and carbon as things people can picture: computer tasks, things at home, travel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from joulemark.impact.carbon import Carbon
from joulemark.impact.facts import is_unverified, optional, read_facts
from joulemark.impact.ranged import Ranged, kwh, over, times

ENERGY = "energy"
OTHER_GRID = "other grid"  # grams that were made with another grid's factor: shown in lists, never counted in


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing with its energy in kWh or its carbon in grams; ``basis`` tells which, and what the grams hold."""

    id: str
    label: str
    category: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    per: str
    basis: str
    year: int | None
    preferred: bool
    scope: str
    source: str
    licence: str
    verification: str
    note: str


@dataclass(frozen=True, slots=True)
class Equivalence:
    """How many of a thing: ``low`` for the largest published thing, ``high`` for the smallest."""

    id: str
    label: str
    category: str
    per: str
    preferred: bool
    count: float
    low: float | None
    high: float | None
    unit_value: float
    unit: str
    basis: str
    scope: str
    year: int | None
    source: str
    verification: str
    unverified: bool
    caveat: str | None


@cache
def all_things() -> tuple[Thing, ...]:
    """Everything in the catalogue: preferred things first, computer tasks before cars."""
    return tuple(
        Thing(
            id=row["id"],
            label=row["label"],
            category=row["category"],
            value=optional(row, "value"),
            low=optional(row, "low"),
            high=optional(row, "high"),
            unit=row["unit"],
            per=row["per"],
            basis=row["basis"],
            year=int(row["year"]) if row["year"] else None,
            preferred=row["preferred"] == "1",
            scope=row["scope"],
            source=row["source"],
            licence=row["licence"],
            verification=row["verification"],
            note=row["note"],
        )
        for row in read_facts("equivalences.csv")
    )


def equivalences(energy_j: Ranged, pue_ratio: Ranged, grams: Carbon | None) -> tuple[Equivalence, ...]:
    """Counts of all things: those in kWh from E_IT × PUE, those in grams from ``grams``, left out where it is ``None``.

    A thing whose grams are of another basis than ``grams`` says so in ``caveat``.
    """
    energy_kwh = times(kwh(energy_j), pue_ratio)
    found: list[Equivalence] = []
    for thing in all_things():
        if thing.value is None or thing.basis == OTHER_GRID or (thing.basis != ENERGY and grams is None):
            continue
        amount = energy_kwh if thing.basis == ENERGY or grams is None else grams.amount
        count = over(amount, Ranged(thing.value, thing.low, thing.high))
        found.append(
            Equivalence(
                id=thing.id,
                label=thing.label,
                category=thing.category,
                per=thing.per,
                preferred=thing.preferred,
                count=count.value,
                low=count.low,
                high=count.high,
                unit_value=thing.value,
                unit=thing.unit,
                basis=thing.basis,
                scope=thing.scope,
                year=thing.year,
                source=thing.source,
                verification=thing.verification,
                unverified=is_unverified(thing.verification),
                caveat=_caveat(thing, grams),
            )
        )
    return tuple(found)


def _caveat(thing: Thing, grams: Carbon | None) -> str | None:
    """The word without which grams of different basis are not compared."""
    if thing.basis == ENERGY or grams is None or (thing.basis == grams.basis and grams.kind != "marginal"):
        return None
    kind = ", marginal" if grams.kind == "marginal" else ""
    return f"the thing's grams are {_worded(thing.basis)}, the electricity's {_worded(grams.basis)}{kind}"


def _worded(basis: str) -> str:
    return "of a basis that is not stated" if basis == "not stated" else basis
