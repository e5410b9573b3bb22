"""All impacts of one energy together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joulemark.impact.carbon import Carbon, carbon
from joulemark.impact.cost import Cost, Price, cost
from joulemark.impact.embodied import Device, Embodied, embodied
from joulemark.impact.equivalences import Equivalence, equivalences
from joulemark.impact.facilities import Facility
from joulemark.impact.grids import Grid
from joulemark.impact.ranged import Ranged
from joulemark.impact.water import Water, water


@dataclass(frozen=True, slots=True)
class Conditions:
    """Where and at what price: what an energy is multiplied by. ``None`` is not chosen."""

    grid: Grid | None
    pue: Facility
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Impact:
    """What an energy of the equipment causes; ``None`` is not known, and nothing here is added to anything else."""

    energy_j: Ranged
    carbon_g: Carbon | None
    water_l: Water | None
    embodied_g: Embodied | None
    cost: Cost | None
    equivalences: tuple[Equivalence, ...]


def assess(
    energy_j: Ranged,
    conditions: Conditions,
    devices: Sequence[Device] = (),
    device_s: float = 0.0,
    left_out: Sequence[str] = (),
) -> Impact:
    """Everything that follows from ``energy_j`` of the equipment and ``device_s`` seconds of each of ``devices``.

    ``left_out`` names devices that were used and of whose making nothing is known.
    """
    grid, pue, price = conditions.grid, conditions.pue, conditions.price
    grams = carbon(energy_j, grid, pue.amount) if grid else None
    return Impact(
        energy_j=energy_j,
        carbon_g=grams,
        water_l=water(energy_j, grid, pue) if grid else None,
        embodied_g=embodied(devices, device_s, left_out),
        cost=cost(energy_j, pue.amount, price) if price else None,
        equivalences=equivalences(energy_j, pue.amount, grams),
    )
