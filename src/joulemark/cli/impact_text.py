"""An impact as lines for people."""

from __future__ import annotations

from collections.abc import Sequence

from joulemark.cli.impact_subject import Subject
from joulemark.cli.table import print_table, printable
from joulemark.impact.assess import Conditions, Impact
from joulemark.impact.cost import Cost
from joulemark.impact.equivalences import Equivalence
from joulemark.impact.facts import is_unverified
from joulemark.impact.ranged import Ranged
from joulemark.units import J_PER_KWH, UNKNOWN, number, show, unit_for


def print_impact(subject: Subject, impact: Impact, conditions: Conditions) -> None:
    """One energy: its impacts with their ranges, then the preferred things that it equals."""
    print(f"{_heading(subject, impact)}   {where(conditions)}\n")
    lines = [_carbon_line(impact), _water_line(impact), _embodied_line(impact), _cost_line(impact)]
    print_table(("", "amount", "range", "what it is"), lines, right=(1,))
    print()
    things = [one for one in impact.equivalences if one.preferred]
    print_table(
        ("as much as", "count", "range", "known by"),
        [
            (
                one.label,
                *_counts(one),
                "; ".join(part for part in (word(one.verification), one.caveat or "") if part),
            )
            for one in things
        ],
        right=(1,),
    )


def print_overview(
    found: Sequence[tuple[Subject, Impact | None]], conditions: Conditions, notes: Sequence[str]
) -> None:
    """A row per cell: energy, carbon, water, and hours of streamed video."""
    queries_n = found[0][0].queries_n
    unknown: dict[str, list[str]] = {}
    print(f"for {queries_n:,.6g} queries each   {where(conditions)}\n")
    lines = []
    for subject, impact in found:
        names = (subject.task or "", subject.model or "", subject.dataset or "")
        if impact is None:
            unknown.setdefault(subject.why_unknown or "", []).append(f"{subject.model} × {subject.dataset}")
            continue
        hours = next(one for one in impact.equivalences if one.id == "stream_hour")
        lines.append(
            (
                *names,
                show(impact.energy_j.value, "j"),
                show(impact.carbon_g.value, "g") if impact.carbon_g else UNKNOWN,
                litres(impact.water_l.value) if impact.water_l else UNKNOWN,
                number(hours.count),
            )
        )
    print_table(
        ("task", "model", "dataset", "energy", "carbon", "water", "hours of streamed video"), lines, right=(3, 4, 5, 6)
    )
    for why, cells in unknown.items():
        print(printable(f"energy not known, {why}: {', '.join(cells)}"))
    for index, note in enumerate(notes):
        print(note if index else f"\n{note}")


def where(conditions: Conditions) -> str:
    """The grid and the PUE in a few words, marked where they are only recalled."""
    grid, pue = conditions.grid, conditions.pue
    place = "no grid"
    if grid is not None:
        place = f"grid {grid.name}, {number(grid.intensity_g_per_kwh)} g/kWh{_mark(grid.verification)}"
    named = f" ({pue.id}){_mark(pue.verification)}" if pue.year else ""
    return printable(f"{place} · PUE {pue.amount.value:g}{named}")


def _mark(verification: str) -> str:
    return f" {word(verification).rpartition(', ')[2]}" if is_unverified(verification) else ""


def word(verification: str) -> str:
    """How far a figure was verified, in a word or two; what is only recalled is marked."""
    first = verification.replace(";", " ").replace(",", " ").split(" ")[0] if verification else UNKNOWN
    if first == "unverified":
        return "◌ unverified"
    return f"{first}, ◌ partly unverified" if is_unverified(verification) else first


def _counts(one: Equivalence) -> tuple[str, str]:
    """How many and the range; very few of a thing as fractions with 1 on top."""
    few = 0 < one.count < 0.01

    def count(value: float) -> str:
        return f"1/{number(1 / value)}" if few and value > 1e-300 else number(value)

    return count(one.count), "" if one.low is None or one.high is None else f"{count(one.low)} to {count(one.high)}"


def litres(value_l: float) -> str:
    """Litres, or millilitres where they read better."""
    size, symbol = _litre_unit(value_l)
    return f"{number(value_l / size)} {symbol}"


def _litre_unit(value_l: float) -> tuple[float, str]:
    return (1e-3, "mL") if 0 < value_l < 0.1 else (1.0, "L")


def _heading(subject: Subject, impact: Impact) -> str:
    energy = show(impact.energy_j.value, "j")
    if subject.queries_n is not None:
        energy = f"{energy} for {subject.queries_n:,.6g} queries"
    if subject.model is not None:
        energy = f"{subject.model} × {subject.dataset}, {subject.task}: {energy}"
    return printable(energy)


def _carbon_line(impact: Impact) -> tuple[str, ...]:
    grams = impact.carbon_g
    if grams is None:
        return ("carbon", UNKNOWN, "", "no grid")
    unit = unit_for(grams.value, "g")
    year = str(grams.year) if grams.year else "year not stated"
    what = f"{_basis(grams.basis, grams.kind)}, {year}, {word(grams.verification)}"
    return (
        "carbon",
        f"{number(grams.value / unit.size)} {unit.symbol}",
        _range(grams.amount, unit.size, unit.symbol),
        what,
    )


def _basis(basis: str, kind: str) -> str:
    if basis == kind == "not stated":
        return "basis not stated"
    return ", ".join(
        f"{name} not stated" if text == "not stated" else text for name, text in (("basis", basis), ("kind", kind))
    )


def _water_line(impact: Impact) -> tuple[str, ...]:
    water = impact.water_l
    if water is None:
        return ("water", UNKNOWN, "", "no grid whose water is known")
    parts = f"off site {litres(water.offsite_l)}"
    if water.onsite_l is not None:
        parts = f"on site {litres(water.onsite_l)}, {parts}"
    return (
        "water",
        litres(water.value),
        _range(Ranged(water.value, water.low, water.high), *_litre_unit(water.value)),
        "; ".join((f"{parts}, {word(water.verification)}", *water.left_out)),
    )


def _embodied_line(impact: Impact) -> tuple[str, ...]:
    made = impact.embodied_g
    if made is None:
        return ("embodied", UNKNOWN, "", "no device named (--device), or nothing known of it")
    unit = unit_for(made.value, "g")
    amount = Ranged(made.value, made.low, made.high)
    without = f"; without {', '.join(made.left_out)}" if made.left_out else ""
    return (
        "embodied",
        f"{number(made.value / unit.size)} {unit.symbol}",
        _range(amount, unit.size, unit.symbol),
        f"making {', '.join(made.devices)}, not in the carbon above{without}, {word(made.verification)}",
    )


def _cost_line(impact: Impact) -> tuple[str, ...]:
    money = impact.cost
    if money is None:
        return ("cost", UNKNOWN, "", "no price (--price 0.30EUR)")
    known = "" if money.verification == "given by the user" else f", {word(money.verification)}"
    price = f"electricity at {money.price_per_kwh:g} {money.currency or ''}".rstrip()
    return ("cost", _money(money, money.value), _money_range(money), f"{price} per kWh{known}")


def _money(money: Cost, value: float) -> str:
    return f"{number(value)} {money.currency or ''}".rstrip()


def _money_range(money: Cost) -> str:
    return _range(Ranged(money.value, money.low, money.high), 1.0, money.currency or "")


def _range(amount: Ranged, size: float = 1.0, symbol: str = "") -> str:
    if amount.low is None or amount.high is None:
        return ""
    return f"{number(amount.low / size)} to {number(amount.high / size)} {symbol}".rstrip()


def energy_kwh(energy_j: float) -> str:
    """Joules as kWh, for formulae."""
    return f"{number(energy_j / J_PER_KWH, 4)} kWh"
