"""How every figure of an impact was made: formula, factors, sources, and other figures for the same place."""

from __future__ import annotations

from dataclasses import dataclass

from joulemark.cli.impact_subject import Subject
from joulemark.cli.impact_text import counted_names, energy_kwh, litres, word
from joulemark.cli.table import print_table, printable
from joulemark.impact.assess import Conditions, Impact
from joulemark.impact.carbon import carbon_g
from joulemark.impact.embodied import S_PER_YEAR, amortisation_row
from joulemark.impact.grids import Grid, alternatives, is_of_country
from joulemark.units import UNKNOWN, number, show


@dataclass(frozen=True, slots=True)
class Factor:
    """One figure of a formula."""

    name: str
    value: str
    basis: str
    year: int | None
    source: str
    licence: str
    verification: str
    note: str


@dataclass(frozen=True, slots=True)
class Part:
    """One formula with the numbers put in."""

    name: str
    formula: str
    filled: str
    factors: tuple[Factor, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another figure for the same place or country, and the grams it would give."""

    id: str
    name: str
    g_per_kwh: float
    carbon_g: float
    basis: str
    kind: str
    year: int | None
    whole_country: bool
    same_basis: bool
    source: str
    verification: str
    note: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All formulae, and the alternatives to the grid's figure with a sentence on how far they go."""

    parts: tuple[Part, ...]
    alternatives: tuple[Alternative, ...]
    spread: str | None


def explanation(subject: Subject, impact: Impact, conditions: Conditions) -> Explanation:
    """What ``--explain`` shows."""
    makers = (_carbon_part, _water_part, _embodied_part, _cost_part)
    parts = [part for make in makers if (part := make(subject, impact, conditions)) is not None]
    grid = conditions.grid
    others: tuple[Alternative, ...] = ()
    if grid is not None:
        others = tuple(_alternative(other, grid, impact, conditions) for other in alternatives(grid))
    return Explanation((*parts, _things_part(impact)), others, _spread(grid, others) if grid else None)


def print_explanation(found: Explanation) -> None:
    """Print it, a formula after the other."""
    for part in found.parts:
        print(f"\n{part.name}: {part.formula}")
        if part.filled:
            print(f"  {printable(part.filled)}")
        for factor in part.factors:
            words = (
                factor.basis,
                str(factor.year or ""),
                factor.source,
                factor.licence,
                word(factor.verification),
                factor.note,
            )
            print(printable(f"  {factor.name} {factor.value}: {'; '.join(part for part in words if part)}"))
    if not found.alternatives:
        return
    print(f"\n{found.spread}")
    print_table(
        ("g/kWh", "carbon", "basis", "kind", "year", "grid", "name", "known by"),
        [
            (
                number(one.g_per_kwh),
                show(one.carbon_g, "g"),
                one.basis,
                one.kind,
                UNKNOWN if one.year is None else str(one.year),
                one.id,
                one.name,
                word(one.verification),
            )
            for one in found.alternatives
        ],
        right=(0, 1, 4),
    )


def _carbon_part(subject: Subject, impact: Impact, conditions: Conditions) -> Part | None:
    grid, grams = conditions.grid, impact.carbon_g
    if grid is None or grams is None:
        return None
    intensity = Factor(
        name="intensity",
        value=f"{grid.intensity_g_per_kwh:g} g/kWh{_between(grid.low_g_per_kwh, grid.high_g_per_kwh)}",
        basis=f"{grid.basis}, {grid.kind} ({grid.scope})",
        year=grid.year,
        source=grid.source,
        licence=grid.licence,
        verification=grid.verification,
        note=grid.note,
    )
    return Part(
        name="carbon",
        formula="E_IT × PUE × intensity (GHG Protocol Scope 2, location-based)",
        filled=f"{energy_kwh(impact.energy_j.value)} × {conditions.pue.amount.value:g} × "
        f"{grid.intensity_g_per_kwh:g} g/kWh = {show(grams.value, 'g', 4)}",
        factors=(intensity, _pue(conditions)),
    )


def _water_part(subject: Subject, impact: Impact, conditions: Conditions) -> Part | None:
    water = impact.water_l
    if water is None:
        return None
    onsite = "not known" if water.onsite_l is None else litres(water.onsite_l)
    return Part(
        name="water",
        formula="E_IT × on-site WUE + E_IT × PUE × off-site water (Li et al., arXiv:2304.03271)",
        filled=f"on site {onsite} + off site {litres(water.offsite_l)} = {litres(water.value)}",
        factors=tuple(
            Factor(
                name=factor.metric,
                value=f"{factor.amount.value:g} {factor.unit}{_between(factor.amount.low, factor.amount.high)}",
                basis=factor.basis,
                year=factor.year,
                source=factor.source,
                licence=factor.licence,
                verification=factor.verification,
                note=factor.note,
            )
            for factor in water.factors
        ),
    )


def _embodied_part(subject: Subject, impact: Impact, conditions: Conditions) -> Part | None:
    made = impact.embodied_g
    if made is None:
        return None
    factors = [
        Factor(
            name=device.id,
            value=f"{number(device.made_g.value / 1000)} kg{_between(device.made_g.low, device.made_g.high, 1e-3)}, "
            f"lifetime {device.lifetime_s.value / S_PER_YEAR:g} years"
            f"{_between(device.lifetime_s.low, device.lifetime_s.high, 1 / S_PER_YEAR)}",
            basis="made, without use",
            year=None,
            source=device.source,
            licence=device.licence,
            verification=device.verification,
            note="",
        )
        for device in dict.fromkeys(subject.devices)
    ]
    for id_ in ("utilisation", "lifetime"):
        row = amortisation_row(id_)
        factors.append(
            Factor(
                name=id_,
                value=f"{row['value']} {row['unit']} ({row['low']} to {row['high']})",
                basis=row["basis"],
                year=int(row["year"]) if row["year"] else None,
                source=row["source"],
                licence=row["licence"],
                verification=row["verification"],
                note=row["note"],
            )
        )
    return Part(
        name="embodied",
        formula="made × time ÷ (lifetime × utilisation), for each device (Green Software Foundation, SCI)",
        filled=f"{counted_names(made.devices)} for {show(made.device_s, 's')} = {show(made.value, 'g', 4)}",
        factors=tuple(factors),
    )


def _cost_part(subject: Subject, impact: Impact, conditions: Conditions) -> Part | None:
    price = conditions.price
    if impact.cost is None or price is None:
        return None
    value = f"{price.per_kwh:g} {price.currency or ''}".rstrip()
    return Part(
        name="cost",
        formula="E_IT × PUE × price",
        filled=f"{energy_kwh(impact.energy_j.value)} × {conditions.pue.amount.value:g} × {value}/kWh "
        f"= {number(impact.cost.value)}",
        factors=(Factor("price", f"{value}/kWh", price.basis, price.year, price.source, "", price.verification, ""),),
    )


def _things_part(impact: Impact) -> Part:
    factors = tuple(
        Factor(
            name=one.label,
            value=f"{one.unit_value:g} {one.unit}",
            basis=one.scope,
            year=one.year,
            source=one.source,
            licence="",
            verification=one.verification,
            note=one.caveat or "",
        )
        for one in impact.equivalences
        if one.preferred
    )
    return Part(
        "things", "E_IT × PUE ÷ energy of one, or carbon ÷ grams of one; its range is that of both", "", factors
    )


def _pue(conditions: Conditions) -> Factor:
    pue = conditions.pue
    return Factor(
        "PUE",
        f"{pue.amount.value:g}{_between(pue.amount.low, pue.amount.high)}",
        pue.basis,
        pue.year,
        pue.source,
        pue.licence,
        pue.verification,
        pue.note,
    )


def _alternative(other: Grid, grid: Grid, impact: Impact, conditions: Conditions) -> Alternative:
    return Alternative(
        id=other.id,
        name=other.name,
        g_per_kwh=other.intensity_g_per_kwh,
        carbon_g=carbon_g(impact.energy_j.value, other, conditions.pue.amount.value),
        basis=other.basis,
        kind=other.kind,
        year=other.year,
        whole_country=is_of_country(other),
        same_basis=(other.basis, other.kind) == (grid.basis, grid.kind),
        source=other.source,
        verification=other.verification,
        note=other.note,
    )


def _spread(grid: Grid, others: tuple[Alternative, ...]) -> str:
    """How far the figures go: a country's for a country, those of the place itself for a place in it."""
    whole = is_of_country(grid)
    figures = [grid.intensity_g_per_kwh, *(one.g_per_kwh for one in others if whole or not one.whole_country)]
    state = grid.alpha3 == "USA" and grid.place != "USA"
    whose = grid.place.replace("-", " ").title() if state else grid.name
    return (
        f"Figures for {whose} go from {number(min(figures))} to {number(max(figures))} g/kWh, depending on the "
        "boundary. Those of another basis or kind answer another question: never add or compare them."
    )


def _between(low: float | None, high: float | None, scale: float = 1.0) -> str:
    return "" if low is None or high is None else f" ({number(low * scale)} to {number(high * scale)})"
