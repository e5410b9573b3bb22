"""An impact as lines for people."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from joulemark.analysis.comparison_conditions import of_rows
from joulemark.cli.impact_subject import Subject
from joulemark.cli.table import print_table, printable
from joulemark.impact.assess import Conditions, Impact
from joulemark.impact.cost import Cost
from joulemark.impact.equivalences import Equivalence
from joulemark.impact.facts import is_unverified
from joulemark.impact.ranged import Ranged
from joulemark.reasons import REASONS
from joulemark.units import J_PER_KWH, UNKNOWN, Unit, number, show, show_range, unit_for

LEFT = ("task", "model", "dataset", "95 % interval", "known by", "range")  # columns of words and ranges


def print_impact(subject: Subject, impact: Impact, conditions: Conditions) -> None:
    """One energy: its impacts with their ranges, then the preferred things that it equals."""
    print(f"{_heading(subject, impact)}   {where(conditions)}")
    if subject.model is not None:
        interval = _energy_range(impact)
        print(f"{f'95 % interval {interval} · ' if interval else ''}known by {known_by(subject)}")
    print()
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


def print_overview(found: Sequence[tuple[Subject, Conditions, Impact | None]]) -> None:
    """A row per cell, a unit per column: energy and carbon with their ranges, water, and hours of streamed video.

    What is the same for all cells stands above them.
    """
    known = [(subject, conditions, impact) for subject, conditions, impact in found if impact is not None]
    impacts = [impact for _, _, impact in known]
    names = {name: {getattr(subject, name) or "" for subject, _, _ in found} for name in ("task", "model", "dataset")}
    several = [name for name, values in names.items() if len(values) > 1]
    of_all = " × ".join("".join(values) for name, values in names.items() if name not in several)
    of_n = f"for {found[0][0].queries_n:,.6g} queries each"
    conditions_known = [conditions for _, conditions, _ in known or found]
    print(f"{printable(f'{of_all}, {of_n}' if of_all else of_n)}   {where(*conditions_known)}\n")
    is_apart = len(_intensities(conditions_known)) > 1
    energy = _common_unit([impact.energy_j.value for impact in impacts], "j")
    carbon = _common_unit([impact.carbon_g.value for impact in impacts if impact.carbon_g], "g")
    litre, litre_symbol = _litre_unit(_median([impact.water_l.value for impact in impacts if impact.water_l]))
    headings = (
        *several, f"energy, {energy.symbol}", "95 % interval", "known by", *(("g/kWh",) if is_apart else ()),
        f"carbon, {carbon.symbol}", "range", f"water, {litre_symbol}", "hours of video",
    )  # fmt: skip
    lines = [
        (
            *(getattr(subject, name) or "" for name in several),
            number(impact.energy_j.value / energy.size),
            _range(impact.energy_j, energy.size) or UNKNOWN,
            known_by(subject),
            *((number(conditions.grid.intensity_g_per_kwh) if conditions.grid else UNKNOWN,) if is_apart else ()),
            number(impact.carbon_g.value / carbon.size) if impact.carbon_g else UNKNOWN,
            (_range(impact.carbon_g.amount, carbon.size) if impact.carbon_g else "") or UNKNOWN,
            number(impact.water_l.value / litre) if impact.water_l else UNKNOWN,
            number(next(one.count for one in impact.equivalences if one.id == "stream_hour")),
        )
        for subject, conditions, impact in known
    ]
    if lines:
        print_table(headings, lines, right=[index for index, name in enumerate(headings) if name not in LEFT])
    unknown: dict[str, list[str]] = {}
    for subject, _, impact in found:
        if impact is None:
            unknown.setdefault(subject.why_unknown or "", []).append(f"{subject.model} × {subject.dataset}")
    for why, cells in unknown.items():
        print(printable(f"energy not known, {why}: {', '.join(cells)}"))


def print_notes(notes: Iterable[str]) -> None:
    """Print them below a table, each once."""
    unique = list(dict.fromkeys(notes))
    if unique:
        print()
    for note in unique:
        print(printable(note))


def energy_notes(found: Sequence[Subject]) -> list[str]:
    """What a report says of the energies: how far they are modelled, what they do not hold, and what weakens them."""
    notes: list[str] = []
    shares = [one.provenance["modelled"] + one.provenance["assumed"] for one in found if one.provenance]
    if max(shares, default=0.0) > 0:
        most = "up to " if len(found) > 1 else ""
        notes.append(f"◐ {most}{max(shares) * 100:.0f} % of the energy is modelled, not measured")
    if missing := dict.fromkeys(name for one in found for name in one.missing):
        said = "because no sensor covers it or what it said is not known"
        notes.append(f"not counted, {said}: {', '.join(missing)}")
    for code in dict.fromkeys(code for one in found for code in one.reasons):
        if code in REASONS and code != "modelled":
            with_it_n = sum(code in one.reasons for one in found)
            rows = f" ({of_rows(with_it_n, len(found))})" if len(found) > 1 else ""
            notes.append(f"{code}{rows}: {REASONS[code].meaning}")
    return notes


def known_by(subject: Subject) -> str:
    """How the energy is known, in shares, and first of all whether nobody measured it."""
    shares = (f"{kind} {share * 100:.0f} %" for kind, share in (subject.provenance or {}).items() if share > 0)
    return ": ".join(part for part in (*subject.made_up, ", ".join(shares)) if part) or UNKNOWN


def where(*conditions: Conditions) -> str:
    """The grid and the PUE in a few words, marked where they are only recalled; of several cells those of all."""
    grid, pue = conditions[0].grid, conditions[0].pue
    place = "no grid"
    if grid is not None:
        shown = _intensities(conditions)
        figures = " to ".join(dict.fromkeys((shown[0], shown[-1])))
        place = f"grid {grid.name}, {figures} g/kWh{_mark(grid.verification)}"
    named = f" ({pue.id}){_mark(pue.verification)}" if pue.year else ""
    return printable(f"{place} · PUE {pue.amount.value:g}{named}")


def _intensities(conditions: Sequence[Conditions]) -> list[str]:
    """Those that look different, smallest first."""
    return list(dict.fromkeys(map(number, sorted(one.grid.intensity_g_per_kwh for one in conditions if one.grid))))


def _common_unit(values: Sequence[float], quantity: str) -> Unit:
    return unit_for(_median(values), quantity)


def _median(values: Sequence[float]) -> float:
    """A value in the middle of those above zero, by which a column chooses its unit."""
    return statistics.median_low([value for value in values if value > 0] or [0.0])


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


def _energy_range(impact: Impact) -> str:
    energy = impact.energy_j
    if energy.low is None or energy.high is None:
        return ""
    return show_range(energy.low, energy.high, "j", energy.value)


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
        parts = f"on site {litres(water.onsite_l)} ({water.factors[0].id}), {parts}"
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
        f"making {counted_names(made.devices)}, not in the carbon above{without}, {word(made.verification)}",
    )


def counted_names(names: Sequence[str]) -> str:
    """Names of which one can be there several times: "2 × NVIDIA L4, AMD EPYC 7763"."""
    return ", ".join(f"{n:,} × {name}" if n > 1 else name for name, n in Counter(names).items())


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
