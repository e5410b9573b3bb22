"""Water: what a data centre takes on site, and what the power stations behind the grid consume.

Formula: E_IT × WUE + E_IT × PUE × off-site water (Li et al., Making AI Less "Thirsty", arXiv:2304.03271). WUE is per
kWh of the equipment, so PUE is not in its term.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from joulemark.impact.facilities import Facility, figure
from joulemark.impact.facts import weakest
from joulemark.impact.grids import Grid
from joulemark.impact.ranged import Ranged, kwh, plus, times

# How much of a reservoir's evaporation is charged to its electricity changes the factor of the USA from 1.8 to 4.52
# L/kWh (NREL 2003, LBNL 2024), 2.5 times; other grids have one source. All get a band of a factor of three.
OFFSITE_BAND_RATIO = 3.0


@dataclass(frozen=True, slots=True)
class Water:
    """Litres. ``onsite_l`` is ``None`` where no facility is named: then ``value`` is the off-site part alone."""

    value: float
    low: float | None
    high: float | None
    onsite_l: float | None
    offsite_l: float
    basis: str
    year: int | None
    source: str
    verification: str
    left_out: tuple[str, ...]
    factors: tuple[Facility, ...]


def water(energy_j: Ranged, grid: Grid, pue: Facility) -> Water | None:
    """Litres of water for the energy of the equipment; ``None`` where nothing is known of the grid's water.

    The facility is the one the PUE is of, else the cloud region that the grid is of.
    """
    offsite = _offsite(grid)
    if offsite is None:
        return None
    energy_kwh = kwh(energy_j)
    offsite_l = times(energy_kwh, pue.amount, offsite.amount)
    onsite = figure(pue.id, "wue_onsite") or figure(grid.id, "wue_onsite")
    if onsite is None:
        return Water(
            value=offsite_l.value,
            low=offsite_l.low,
            high=offsite_l.high,
            onsite_l=None,
            offsite_l=offsite_l.value,
            basis=offsite.basis,
            year=offsite.year,
            source=offsite.source,
            verification=offsite.verification,
            left_out=("on-site water: no facility is named, --pue aws:us-west-2 would name one",),
            factors=(offsite,),
        )
    onsite_l = times(energy_kwh, onsite.amount)
    both_l = plus(onsite_l, offsite_l)
    return Water(
        value=both_l.value,
        low=both_l.low,
        high=both_l.high,
        onsite_l=onsite_l.value,
        offsite_l=offsite_l.value,
        basis=f"on site: {onsite.basis}; off site: {offsite.basis}",
        year=offsite.year,
        source=f"on site: {onsite.source} ({onsite.year}); off site: {offsite.source}",
        verification=f"{weakest(onsite.verification, offsite.verification)} "
        f"(on site: {onsite.verification}; off site: {offsite.verification})",
        left_out=(),
        factors=(onsite, offsite),
    )


def _offsite(grid: Grid) -> Facility | None:
    for name in (grid.place, grid.alpha3, grid.id if grid.area == "aggregate" else ""):
        found = figure(name, "water_offsite") if name else None
        if found is not None:
            amount = found.amount
            if amount.low is None and amount.high is None:
                half = OFFSITE_BAND_RATIO**0.5
                amount = Ranged(amount.value, amount.value / half, amount.value * half)
            return replace(found, amount=amount)
    return None
