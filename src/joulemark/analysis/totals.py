"""The sums over all runs of a store, whatever cells they are of, loading included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from joulemark.analysis.cell_sums import CellSums, made_up_notes
from joulemark.analysis.reference import PAPER, read_catalogue
from joulemark.impact.carbon import Grid, carbon_g
from joulemark.measurement import Component
from joulemark.records import Study
from joulemark.units import J_PER_KWH

LOGGED = "as logged"


@dataclass(frozen=True, slots=True)
class Totals:
    """Energy of all components and of each, work and loading; ``None`` is not known. Sums name what they leave out."""

    study: str
    runs_n: int
    failed_n: int
    unknown_n: int  # runs whose energy is not known: of them the sums hold the parts that are
    energy_kwh: float | None
    gpu_energy_kwh: float | None
    cpu_energy_kwh: float | None
    dram_energy_kwh: float | None
    other_energy_kwh: float | None
    load_energy_kwh: float | None
    runs_outside_study_n: int
    carbon_kg: float | None
    carbon_basis: str | None
    printed: Mapping[str, float]
    notes: tuple[str, ...]


def totals(study: Study, sums: Mapping[str, CellSums], grid: Grid | None) -> Totals:
    """The totals of a store. Carbon as it was logged where every run has it, else by ``grid``."""
    cells = tuple(sums.values())
    by_component_kwh: dict[Component, float] = {}
    for one in cells:
        for by_component_j in (one.by_component_j, one.load_by_component_j):
            for component, energy_j in by_component_j.items():
                by_component_kwh[component] = by_component_kwh.get(component, 0.0) + energy_j / J_PER_KWH
    unsplit_kwh = sum(one.unsplit_j for one in cells) / J_PER_KWH
    load_kwh = sum(one.load_all_j for one in cells) / J_PER_KWH
    # The meter of a whole machine has all of it; the parts beside it are not added.
    energy_kwh = sum(one.all_j for one in cells) / J_PER_KWH + load_kwh or None
    runs_n = sum(one.runs_n for one in cells)
    in_study = {cell.cell_id for cell in study.cells}
    carbon_kg, basis = _carbon(cells, runs_n, energy_kwh, grid)
    others = [c for c in by_component_kwh if c not in (Component.GPU, Component.CPU, Component.DRAM)]
    other_kwh = sum(by_component_kwh[component] for component in others) + unsplit_kwh
    gpu_kwh = by_component_kwh.get(Component.GPU)
    printed = _printed() if study.name == PAPER else {}
    return Totals(
        study=study.name,
        runs_n=runs_n,
        failed_n=sum(one.failed_n for one in cells),
        unknown_n=sum(one.unknown_n for one in cells),
        energy_kwh=energy_kwh,
        gpu_energy_kwh=gpu_kwh,
        cpu_energy_kwh=by_component_kwh.get(Component.CPU),
        dram_energy_kwh=by_component_kwh.get(Component.DRAM),
        other_energy_kwh=other_kwh or None,
        load_energy_kwh=load_kwh if any(one.load_n for one in cells) else None,
        runs_outside_study_n=sum(one.runs_n for cell_id, one in sums.items() if cell_id not in in_study),
        carbon_kg=carbon_kg,
        carbon_basis=basis,
        printed=printed,
        notes=(*made_up_notes(cells), *_notes(printed, energy_kwh, gpu_kwh, carbon_kg)),
    )


def _carbon(
    cells: Iterable[CellSums], runs_n: int, energy_kwh: float | None, grid: Grid | None
) -> tuple[float | None, str | None]:
    cells = tuple(cells)
    if grid is None and runs_n and sum(one.carbon_g.n for one in cells) == runs_n:
        return sum(one.carbon_all_g for one in cells) / 1000, LOGGED
    if grid is None or energy_kwh is None:
        return None, None
    return carbon_g(energy_kwh * J_PER_KWH, grid) / 1000, grid.name


def _printed() -> dict[str, float]:
    return {
        row["figure"]: float(row["printed"])
        for row in read_catalogue(f"{PAPER}_tables.csv")
        if row["table"] == "totals"
    }


def _notes(
    printed: Mapping[str, float], energy_kwh: float | None, gpu_kwh: float | None, carbon_kg: float | None
) -> tuple[str, ...]:
    """Where a printed total is that of a part, say so."""
    total_kwh = printed.get("energy_kwh")
    if total_kwh is None or energy_kwh is None or gpu_kwh is None:
        return ()
    if round(gpu_kwh, 2) == total_kwh and round(energy_kwh, 2) != total_kwh:
        carbon = f", while the printed {printed['carbon_kg']} kg belong to all of it" if carbon_kg is not None else ""
        return (
            f"the printed total of {total_kwh} kWh is the boards' part alone: with processor and memory it is "
            f"{energy_kwh:.2f} kWh{carbon}",
        )
    return ()
