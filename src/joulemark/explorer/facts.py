"""What the page computes with: grids, buildings, prices, things to picture, figures of the paper, quantiles of t."""

from __future__ import annotations

from functools import cache
from typing import Any

from joulemark.analysis.interval import CONFIDENCE
from joulemark.analysis.reference import PAPER, read_catalogue
from joulemark.impact.cost import find_price
from joulemark.impact.equivalences import ENERGY, OTHER_GRID, all_things
from joulemark.impact.facilities import all_facilities, figure, find_pue
from joulemark.impact.facts import read_facts
from joulemark.impact.grids import Grid, all_grids
from joulemark.impact.ranged import Ranged
from joulemark.impact.water import water
from joulemark.student import t_quantile
from joulemark.units import J_PER_KWH

FREEDOM_MAX_N = 200
PLACED = ("country", "aggregate", "egrid_subregion", "us_state", "zone", "provider", "cloud_region", "published")
_ROW_KEYS = {"2": "task", "3": "model", "5": "model"}  # what a row of a printed table is of

Json = Any


@cache
def facts() -> dict[str, Json]:
    """All of it, by the keys of the page's content. It comes with the package and never changes."""
    return {
        "training": _training(),
        "printed": _printed(),
        "grids": [_grid(grid) for grid in all_grids() if grid.area in PLACED],
        "pues": _pues(),
        "prices": _prices(),
        "things": _things(),
        "t": {
            "confidence": CONFIDENCE,
            "quantiles": [
                float(f"{t_quantile((1 + CONFIDENCE) / 2, freedom_n):.6g}") for freedom_n in range(1, FREEDOM_MAX_N + 1)
            ],
        },
    }


def grid_row(grid: Grid) -> dict[str, Json]:
    """A grid that has no name in the catalogue, such as a study's own value."""
    return _grid(grid)


def _training() -> list[dict[str, Json]]:
    return [
        row | {"training_kwh": float(row["training_kwh"]), "finetuning_kwh": float(row["finetuning_kwh"])}
        for row in read_catalogue("training.csv")
    ]


def _printed() -> dict[str, list[dict[str, Json]]]:
    """What the paper prints, by table; figures of no task or model are under their own name."""
    tables: dict[str, dict[str, dict[str, Json]]] = {}
    for row in read_catalogue(f"{PAPER}_tables.csv"):
        first = {_ROW_KEYS.get(row["table"], "row"): row["row"]}
        of_row = tables.setdefault(row["table"], {}).setdefault(row["row"], first)
        of_row[row["figure"]] = float(row["printed"])
    return {table: list(rows.values()) for table, rows in tables.items()}


def _grid(grid: Grid) -> dict[str, Json]:
    of_water = water(Ranged(J_PER_KWH), grid, find_pue(None))
    offsite = of_water.factors[-1].amount if of_water is not None else None
    return {
        "id": grid.id,
        "name": grid.name,
        "area": grid.area,
        "g_per_kwh": grid.intensity_g_per_kwh,
        "low": grid.low_g_per_kwh,
        "high": grid.high_g_per_kwh,
        "year": grid.year,
        "basis": grid.basis,
        "kind": grid.kind,
        "source": grid.source,
        "verification": grid.verification,
        "offsite_l_per_kwh": None if offsite is None else [_short(part) for part in _ends(offsite)],
        "price": _price(grid.alpha3),
    }


def _ends(amount: Ranged) -> tuple[float | None, float | None, float | None]:
    return (amount.value, amount.low, amount.high)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _price(alpha3: str) -> dict[str, Json] | None:
    """The price of a country; ``None`` where the catalogue has none."""
    if alpha3 not in {row["id"] for row in read_facts("electricity_prices.csv")}:
        return None
    price = find_price(alpha3)
    return {
        "per_kwh": price.per_kwh,
        "currency": price.currency,
        "year": price.year,
        "source": price.source,
        "verification": price.verification,
    }


def _prices() -> list[dict[str, Json]]:
    rows = read_facts("electricity_prices.csv")
    found = [(row, find_price(row["id"])) for row in rows]
    return [
        {
            "id": row["id"],
            "country": row["alpha3"],
            "per_kwh": price.per_kwh,
            "currency": price.currency,
            "basis": price.basis,
            "year": price.year,
            "source": price.source,
            "verification": price.verification,
        }
        for row, price in found
    ]


def _pues() -> list[dict[str, Json]]:
    rows: list[dict[str, Json]] = []
    for one in all_facilities():
        if one.metric != "pue" or not one.preferred:
            continue
        onsite = figure(one.id, "wue_onsite")
        rows.append(
            {
                "id": one.id,
                "label": f"{one.operator}, {one.region}" if one.region else one.operator,
                "pue": list(_ends(one.amount)),
                "onsite_l_per_kwh": None if onsite is None else onsite.amount.value,
                "year": one.year,
                "source": one.source,
                "verification": one.verification,
            }
        )
    return rows


def _things() -> list[dict[str, Json]]:
    """Things in joules or grams; those whose grams were made with another grid's factor are left out."""
    rows: list[dict[str, Json]] = []
    for thing in all_things():
        if thing.value is None or thing.basis == OTHER_GRID:
            continue
        unit, factor = ("unit_j", J_PER_KWH) if thing.basis == ENERGY else ("unit_g", 1.0)
        rows.append(
            {
                "id": thing.id,
                "label": thing.label,
                "category": thing.category,
                unit: thing.value * factor,
                "low": None if thing.low is None else thing.low * factor,
                "high": None if thing.high is None else thing.high * factor,
                "per": thing.per,
                "basis": thing.basis,
                "preferred": thing.preferred,
                "source": thing.source,
                "verification": thing.verification,
                "year": thing.year,
            }
        )
    return rows
