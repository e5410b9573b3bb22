"""``joulemark impact --list``: what the catalogue knows, each figure with its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from joulemark.cli.impact_text import word
from joulemark.cli.table import print_json, print_table
from joulemark.impact.equivalences import Thing, all_things
from joulemark.impact.facilities import Facility, all_facilities
from joulemark.impact.facts import nearest
from joulemark.impact.grids import Grid, all_grids
from joulemark.impact.ranged import ImpactError
from joulemark.units import UNKNOWN, number

LISTS = ("grids", "facilities", "equivalences")
GRID_HEADINGS = ("grid", "g/kWh", "range", "basis", "kind", "year", "name", "known by", "source")
FACILITY_HEADINGS = ("facility", "region", "metric", "value", "unit", "range", "basis", "year", "known by", "source")
THING_HEADINGS = ("id", "thing", "value", "unit", "range", "per", "year", "known by", "source")


def show_list(name: str, search: str | None, json_out: bool) -> None:
    """Print the rows of a list in which every word of ``search`` occurs. Raises :class:`ImpactError`."""
    if name not in LISTS:
        raise ImpactError(f"no list '{name}'{nearest(name, LISTS)}; there are {', '.join(LISTS)}")
    words = (search or "").casefold().split()
    if name == "grids":
        grids = [one for one in all_grids() if _holds(words, one.id, one.name, one.alpha3, one.place, one.source)]
        _show(name, grids, [_grid_line(one) for one in grids], GRID_HEADINGS, search, json_out)
    elif name == "facilities":
        facilities = [one for one in all_facilities() if _holds(words, one.id, one.region, one.metric, one.operator)]
        _show(name, facilities, [_facility_line(one) for one in facilities], FACILITY_HEADINGS, search, json_out)
    else:
        things = [one for one in all_things() if _holds(words, one.id, one.label, one.category, one.source)]
        _show(name, things, [_thing_line(one) for one in things], THING_HEADINGS, search, json_out)


def _holds(words: Sequence[str], *texts: str) -> bool:
    text = " ".join(texts).casefold()
    return all(part in text for part in words)


def _show(
    name: str,
    rows: Sequence[Grid] | Sequence[Facility] | Sequence[Thing],
    lines: Sequence[tuple[str, ...]],
    headings: Sequence[str],
    search: str | None,
    json_out: bool,
) -> None:
    if json_out:
        print_json({name: [asdict(row) for row in rows]})
    elif lines:
        print_table(headings, lines, right=(headings.index("year"),))
    else:
        print(f"none of the {name} has '{search}': leave out --search for all of them")


def _grid_line(grid: Grid) -> tuple[str, ...]:
    return (
        grid.id,
        number(grid.intensity_g_per_kwh),
        _range(grid.low_g_per_kwh, grid.high_g_per_kwh),
        grid.basis,
        grid.kind,
        _year(grid.year),
        grid.name,
        word(grid.verification),
        grid.source,
    )


def _facility_line(facility: Facility) -> tuple[str, ...]:
    return (
        facility.id,
        facility.region,
        facility.metric,
        number(facility.amount.value),
        facility.unit,
        _range(facility.amount.low, facility.amount.high),
        facility.basis,
        _year(facility.year),
        word(facility.verification),
        facility.source,
    )


def _thing_line(thing: Thing) -> tuple[str, ...]:
    return (
        thing.id,
        thing.label,
        UNKNOWN if thing.value is None else number(thing.value),
        thing.unit,
        _range(thing.low, thing.high),
        thing.per,
        _year(thing.year),
        word(thing.verification),
        thing.source,
    )


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    return f"{UNKNOWN if low is None else number(low)} to {UNKNOWN if high is None else number(high)}"


def _year(year: int | None) -> str:
    return UNKNOWN if year is None else str(year)
