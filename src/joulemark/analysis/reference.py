"""Published results that come with the package, as figures per cell."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from joulemark.records import Purpose
from joulemark.units import J_PER_KWH

PAPER = "luccioni2024"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a publication says about 1,000 queries to a model on a dataset: means over its repetitions.

    ``energy_j`` is what was published. ``one_gpu_energy_j`` is an estimate by us from the published logs: the metered
    boards less seven idle ones at 55.4 W each, an upper bound of their idle power, so it is a lower bound.
    """

    purpose: Purpose
    task: str
    model: str
    dataset: str
    runs_n: int
    duration_s: float
    energy_j: float
    one_gpu_energy_j: float | None


@cache
def references(name: str = PAPER) -> tuple[Reference, ...]:
    """All figures of a publication that comes with the package: so far :data:`PAPER`."""
    text = files("joulemark").joinpath("catalogue", "reference", f"{name}.csv").read_text(encoding="utf-8")
    return tuple(
        Reference(
            purpose=Purpose(row["purpose"]),
            task=row["task"],
            model=row["model"],
            dataset=row["dataset"],
            runs_n=int(row["runs_n"]),
            duration_s=float(row["duration_s"]),
            energy_j=float(row["energy_kwh"]) * J_PER_KWH,
            one_gpu_energy_j=float(row["one_gpu_energy_kwh"]) * J_PER_KWH if row["one_gpu_energy_kwh"] else None,
        )
        for row in csv.DictReader(text.splitlines())
    )
