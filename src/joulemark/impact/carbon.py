"""Carbon: energy times the power usage effectiveness times the carbon intensity of a named grid."""

from __future__ import annotations

from dataclasses import dataclass

from joulemark.impact.grids import Grid, GridError, find_grid
from joulemark.impact.ranged import Ranged, kwh, times
from joulemark.units import J_PER_KWH

__all__ = ["Carbon", "Grid", "GridError", "carbon", "carbon_g", "find_grid"]


@dataclass(frozen=True, slots=True)
class Carbon:
    """Grams of CO2e with the words without which they cannot be compared."""

    value: float
    low: float | None
    high: float | None
    basis: str
    kind: str
    scope: str
    year: int | None
    grid: str
    source: str
    licence: str
    verification: str

    @property
    def amount(self) -> Ranged:
        """The grams with their range."""
        return Ranged(self.value, self.low, self.high)


def carbon_g(energy_j: float, grid: Grid, pue_ratio: float = 1.0) -> float:
    """Grams of CO2e: energy of the equipment × power usage effectiveness × intensity (location-based method)."""
    return energy_j / J_PER_KWH * pue_ratio * grid.intensity_g_per_kwh


def carbon(energy_j: Ranged, grid: Grid, pue_ratio: Ranged) -> Carbon:
    """:func:`carbon_g` with the ranges of all three factors, and what the grid says of itself."""
    grams = times(kwh(energy_j), pue_ratio, grid.intensity)
    return Carbon(
        value=grams.value,
        low=grams.low,
        high=grams.high,
        basis=grid.basis,
        kind=grid.kind,
        scope=grid.scope,
        year=grid.year,
        grid=grid.id,
        source=grid.source,
        licence=grid.licence,
        verification=grid.verification,
    )
