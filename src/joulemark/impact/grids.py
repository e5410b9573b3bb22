"""Grids by name: countries, eGRID subregions, cloud regions, published figures, own values and files of hours."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from joulemark.failures import MendableError
from joulemark.impact.facts import nearest, optional, read_facts
from joulemark.impact.ranged import ImpactError, Ranged
from joulemark.impact.series import Series, read_series

FILES = ("grids.csv", "grids_electricitymaps.csv")
ENVIRONMENT = "JOULEMARK_GRID"
ALIASES = {"uk": "GBR", "south korea": "KOR", "usa": "USA"}
NOT_STATED = "not stated"
INTENSITY_MAX_G_PER_KWH = 10_000  # several times the worst fuel


class GridError(MendableError):
    """The grid is not known or not clear; the message lists the nearest ones."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The carbon intensity of a grid, with what it covers and where it is from.

    ``basis`` is "direct" (at the power stations), "lifecycle" (with fuel and construction) or "not stated"; ``kind``
    is "average", "marginal" or "not stated"; ``scope`` says it in the words of the source. ``low_g_per_kwh`` and
    ``high_g_per_kwh`` are the spread of figures of the same basis and kind. ``place`` is a US state, a zone inside a
    country, or the country; ``alpha3`` the country.
    """

    id: str
    name: str
    area: str
    intensity_g_per_kwh: float
    low_g_per_kwh: float | None
    high_g_per_kwh: float | None
    year: int | None
    basis: str
    kind: str
    scope: str
    source: str
    licence: str
    verification: str
    note: str = ""
    alpha3: str = ""
    place: str = ""

    @property
    def intensity(self) -> Ranged:
        """g/kWh with its range."""
        return Ranged(self.intensity_g_per_kwh, self.low_g_per_kwh, self.high_g_per_kwh)


def chosen_grid(*names: str | None) -> Grid | None:
    """The first name that is given, else what ``JOULEMARK_GRID`` says of this machine, else ``None``.

    A location is never guessed. Raises :class:`GridError`.
    """
    for name in names:
        if name:
            return find_grid(name)
    configured = os.environ.get(ENVIRONMENT, "").strip()
    if not configured:
        return None
    try:
        return find_grid(configured)
    except GridError as error:
        raise GridError(f"{ENVIRONMENT}: {error}") from None


def find_grid(name: str) -> Grid:
    """The grid that ``name`` says.

    ``FRA``, ``FR``, ``France``, ``World``; ``egrid:NWPP``; ``us-west-2``, ``aws:us-west-2``; a place with cloud regions
    (``oregon``); ``marginal:FRA``; ``paper:used``; ``138.75`` or ``own:138.75`` (g/kWh); a CSV or JSON file of hours.
    Raises :class:`GridError` with the nearest names, or with all that ``name`` can mean.
    """
    wanted = name.strip()
    own = re.fullmatch(
        r"(?:own:)?([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?nan|[+-]?inf(?:inity)?)", wanted.casefold()
    )
    if own:
        return _own(own[1], wanted)
    if wanted.casefold().startswith("own:"):
        raise GridError(f"'{name}' has no number: own:138.75 means 138.75 g/kWh")
    if wanted.startswith("series:") or Path(wanted).suffix.casefold() in (".csv", ".json"):
        return _series_grid(Path(wanted.removeprefix("series:")))
    found = _by_name().get(wanted.casefold(), ())
    if len(found) == 1:
        return found[0]
    if found:
        can_be = "; ".join(f"{grid.id} ({grid.name}, {grid.intensity_g_per_kwh:g} g/kWh)" for grid in found)
        raise GridError(f"'{name}' can be {can_be}. Choose one")
    raise GridError(
        f"no grid '{name}'{nearest(wanted, _suggestions())}. "
        "Countries, egrid:NWPP, cloud regions, 138.75 (g/kWh) or a file will do; joulemark impact --list grids"
    )


def during(grid: Grid, windows: Sequence[tuple[str, float]]) -> Grid:
    """``grid`` over windows of (start as ISO-8601, duration in s): the hours of a series count, else it stays as it is.

    Raises :class:`~joulemark.impact.ranged.ImpactError` where the series does not hold a window.
    """
    if grid.area != "series" or not windows:
        return grid
    series = read_series(Path(grid.id.removeprefix("series:")))
    mean = series.during(windows)
    return replace(
        grid,
        intensity_g_per_kwh=mean.value,
        low_g_per_kwh=mean.low,
        high_g_per_kwh=mean.high,
        scope="mean over the hours of the runs",
        note=series.gaps_note(windows),
    )


def alternatives(grid: Grid) -> tuple[Grid, ...]:
    """Other figures for the place and the country of ``grid``, smallest first: other boundaries, years and sources."""
    if not grid.place and not grid.alpha3:
        return ()
    others = [
        other
        for other in all_facts()
        if other.id not in (grid.id, _base_id(grid))
        and (
            (grid.place and other.place == grid.place)
            or (other.area in ("country", "country_marginal") and other.alpha3 == grid.alpha3)
        )
    ]
    others.sort(key=lambda other: other.area != "published")
    by_figure: dict[tuple[float, str, str], Grid] = {}
    for other in others:  # the same figure by way of several regions is one alternative
        by_figure.setdefault((other.intensity_g_per_kwh, other.basis, other.kind), other)
    return tuple(sorted(by_figure.values(), key=lambda other: other.intensity_g_per_kwh))


def is_of_country(grid: Grid) -> bool:
    """Whether the figure is of a whole country, not of a place in it."""
    return grid.area in ("country", "country_marginal")


@cache
def all_facts() -> tuple[Grid, ...]:
    """Every figure of the catalogue."""
    return tuple(_grid(row) for file in FILES for row in read_facts(file))


@cache
def all_grids() -> tuple[Grid, ...]:
    """Everything that has a name of its own: the figures of the catalogue and the cloud regions."""
    return (*all_facts(), *(_region(row) for row in read_facts("cloud_regions.csv")))


def _grid(row: Mapping[str, str]) -> Grid:
    return Grid(
        id=row["id"],
        name=row["name"],
        area=row["area"],
        intensity_g_per_kwh=float(row["intensity_g_per_kwh"]),
        low_g_per_kwh=optional(row, "low_g_per_kwh"),
        high_g_per_kwh=optional(row, "high_g_per_kwh"),
        year=int(row["year"]) if row["year"] else None,
        basis=row["basis"],
        kind=row["kind"],
        scope=row["scope"],
        source=row["source"],
        licence=row["licence"],
        verification=row["verification"],
        note=row["note"],
        alpha3=row["alpha3"],
        place=row["place"],
    )


def _region(row: Mapping[str, str]) -> Grid:
    label = f"{row['id']} ({row['location']})" if row["location"] else row["id"]
    return _placed(row, row["id"], label, "cloud_region")


def _placed(row: Mapping[str, str], id_: str, label: str, area: str) -> Grid:
    """The grid that a cloud region lies in, under another name, with the spread of like figures for its place."""
    base = next(grid for grid in all_facts() if grid.id == row["grid_id"])
    alike = [
        grid.intensity_g_per_kwh
        for grid in all_facts()
        if grid.place == row["place"] and (grid.basis, grid.kind) == (base.basis, base.kind)
    ]
    ends = [end for end in (base.low_g_per_kwh, base.high_g_per_kwh) if end is not None]
    spread = [base.intensity_g_per_kwh, *alike, *ends]
    inside = "" if base.area != "country" or row["place"] == base.alpha3 else "a country's mean misleads inside it"
    return replace(
        base,
        id=id_,
        name=f"{label}, {base.name}",
        area=area,
        low_g_per_kwh=min(spread) if len(spread) > 1 else None,
        high_g_per_kwh=max(spread) if len(spread) > 1 else None,
        scope=f"{base.scope}, of {base.id}",
        note="; ".join(part for part in (inside, row["note"]) if part),
        place=row["place"],
    )


def _base_id(grid: Grid) -> str | None:
    """The figure that a cloud region or a place stands on."""
    return grid.scope.rpartition(", of ")[2] if grid.area in ("cloud_region", "place") else None


def _own(number: str, text: str) -> Grid:
    try:
        intensity_g_per_kwh = float(number)
    except ValueError:  # "1.2.3"
        intensity_g_per_kwh = math.nan
    if not 0 <= intensity_g_per_kwh <= INTENSITY_MAX_G_PER_KWH:
        raise GridError(
            f"'{text}' is no carbon intensity: it is a number of g/kWh from 0 to {INTENSITY_MAX_G_PER_KWH:,}"
        )
    return Grid(
        id=f"own:{intensity_g_per_kwh:g}",
        name=f"own value, {intensity_g_per_kwh:g} g/kWh",
        area="own",
        intensity_g_per_kwh=intensity_g_per_kwh,
        low_g_per_kwh=None,
        high_g_per_kwh=None,
        year=None,
        basis=NOT_STATED,
        kind=NOT_STATED,
        scope="as given",
        source="given on the command line",
        licence="",
        verification="given by the user",
    )


def _series_grid(file: Path) -> Grid:
    try:
        series: Series = read_series(file.absolute())
    except ImpactError as error:
        raise GridError(str(error)) from None
    mean = series.whole()
    return Grid(
        id=f"series:{file.absolute()}",
        name=file.name,
        area="series",
        intensity_g_per_kwh=mean.value,
        low_g_per_kwh=mean.low,
        high_g_per_kwh=mean.high,
        year=series.year,
        basis=series.basis,
        kind=series.kind,
        scope="mean over all hours of the file",
        source=f"{file.name}, column '{series.column}'",
        licence="",
        verification="given by the user",
        note=series.gaps_note(),
    )


@cache
def _by_name() -> Mapping[str, tuple[Grid, ...]]:
    """Every name in lower case, with all that it can mean."""
    found: dict[str, dict[str, Grid]] = {}

    def add(name: str, grid: Grid) -> None:
        if name:
            found.setdefault(name.casefold(), {}).setdefault(grid.id, grid)

    for file in FILES:
        for row in read_facts(file):
            grid = _grid(row)
            for name in _names(row):
                add(name, grid)
    for alias, alpha3 in ALIASES.items():
        add(alias, next(grid for grid in all_facts() if grid.id == alpha3))
    places: dict[str, list[Mapping[str, str]]] = {}
    for row in read_facts("cloud_regions.csv"):
        region = _region(row)
        add(row["id"], region)
        add(row["region"], region)
        for name in _place_names(row):
            places.setdefault(name, []).append(row)
    for name, rows in places.items():
        grids = {row["grid_id"] for row in rows}
        if len(grids) == 1 and len({row["place"] for row in rows}) == 1:
            if rows[0]["grid_id"] not in found.get(name, ()):
                place = _placed(rows[0], f"place:{name}", name.title(), "place")
                add(name, place)
                add(place.id, place)
        else:
            for row in rows:
                add(name, _region(row))
    return {name: tuple(grids.values()) for name, grids in found.items()}


def _names(row: Mapping[str, str]) -> tuple[str, ...]:
    area, code = row["area"], row["id"].partition(":")[2]
    if area in ("country", "aggregate"):
        return (row["id"], row["alpha2"], row["alpha3"], row["name"], row["name"].partition(" (")[0])
    if area == "egrid_subregion":
        return (row["id"], f"egrid:{code}", code)
    if area == "us_state":
        return (row["id"], f"state:{code}")
    if area == "country_marginal":
        return (row["id"], f"marginal:{row['alpha3']}", f"marginal:{row['alpha2']}", f"marginal:{row['name']}")
    if row["id"].startswith("paper:"):
        return (row["id"], "paper")
    return (row["id"],)


def _place_names(row: Mapping[str, str]) -> set[str]:
    """``oregon`` from "US West (Oregon)" and from the state; ``frankfurt`` from "Europe (Frankfurt)"."""
    inside = re.fullmatch(r".*\((.+)\)", row["location"])
    names = {inside[1] if inside else row["location"], row["place"].replace("-", " ") if row["alpha3"] == "USA" else ""}
    return {name.casefold() for name in names if name and name not in ("Central", "US East", "US West")}


@cache
def _suggestions() -> tuple[str, ...]:
    """The names that are offered for an unknown one."""
    shown: list[str] = []
    for grid in all_grids():
        if grid.area in ("country", "aggregate"):
            shown += [grid.name, grid.alpha3]
        elif grid.area == "egrid_subregion":
            shown.append(f"egrid:{grid.id.partition(':')[2]}")
        elif grid.area == "us_state":
            shown.append(f"state:{grid.place}")
        elif grid.area in ("cloud_region", "published"):
            shown.append(grid.id)
    places = [name for name, grids in _by_name().items() if any(grid.area == "place" for grid in grids)]
    return (*(name for name in shown if name), *(name for name in places if not name.startswith("place:")))
