"""Carbon: energy times the carbon intensity of a named grid."""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from joulemark.records import MendableError
from joulemark.units import J_PER_KWH


class GridError(MendableError):
    """The grid is not known; the message lists the nearest ones."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The carbon intensity of a grid, with what it covers and where it is from."""

    id: str
    name: str
    kind: str
    intensity_g_per_kwh: float
    low_g_per_kwh: float | None
    high_g_per_kwh: float | None
    year: int | None
    basis: str
    source: str
    licence: str
    verification: str


def carbon_g(energy_j: float, grid: Grid, pue_ratio: float = 1.0) -> float:
    """Grams of CO2e: energy of the equipment × power usage effectiveness × intensity."""
    return energy_j / J_PER_KWH * pue_ratio * grid.intensity_g_per_kwh


def find_grid(name: str) -> Grid:
    """A country (``FRA``, ``FR``, ``France``), an aggregate (``World``) or a US subregion (``egrid:NWPP``).

    Raises :class:`GridError` with the nearest names.
    """
    wanted = name.strip().casefold()
    for names, grid in _grids():
        if wanted in names:
            return grid
    known = sorted({name for names, _ in _grids() for name in names if len(name) > 3})
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    nearest = f"; nearest: {', '.join(close)}" if close else ""
    raise GridError(f"no grid '{name}'{nearest}. A country (FRA, FR, France), World or egrid:NWPP will do")


@cache
def _grids() -> tuple[tuple[frozenset[str], Grid], ...]:
    text = files("joulemark").joinpath("catalogue", "grids.csv").read_text(encoding="utf-8")
    grids: list[tuple[frozenset[str], Grid]] = []
    for row in csv.DictReader(text.splitlines()):
        if row["kind"] in ("country", "aggregate"):
            names = {row["id"], row["alpha2"], row["alpha3"], row["name"]}
        elif row["kind"] == "egrid_subregion":
            names = {f"egrid:{row['id'].partition(':')[2]}"}
        else:
            continue
        grid = Grid(
            id=row["id"],
            name=row["name"],
            kind=row["kind"],
            intensity_g_per_kwh=float(row["intensity_g_per_kwh"]),
            low_g_per_kwh=float(row["low_g_per_kwh"]) if row["low_g_per_kwh"] else None,
            high_g_per_kwh=float(row["high_g_per_kwh"]) if row["high_g_per_kwh"] else None,
            year=int(row["year"]) if row["year"] else None,
            basis=row["basis"],
            source=row["source"],
            licence=row["licence"],
            verification=row["verification"],
        )
        grids.append((frozenset(name.casefold() for name in names if name), grid))
    return tuple(grids)
