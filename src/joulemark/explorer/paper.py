"""The publication that comes with the package, as the runs of a folder would be added up."""

from __future__ import annotations

import math

from joulemark.analysis.cell_sums import Moments
from joulemark.analysis.reference import PAPER, read_catalogue, reference_runs, reference_study, reference_sums
from joulemark.explorer.cell_runs import BOUNDARIES, CellRuns, no_runs
from joulemark.measurement import BoundaryName
from joulemark.records import Run
from joulemark.units import J_PER_KWH


def paper_cells() -> tuple[list[CellRuns], int, int]:
    """Its cells, and how many cells and runs more were logged that it does not publish."""
    listed = {cell.cell_id for cell in reference_study().cells}
    sums = {boundary: reference_sums(boundary, frozenset()) for boundary in BOUNDARIES}
    found: list[CellRuns] = []
    outside: list[int] = []
    for run, row in zip(reference_runs(), read_catalogue(f"{PAPER}.csv"), strict=True):
        cell_id, n = run.cell.cell_id, int(row["runs_n"])
        if cell_id not in listed:
            outside.append(n)
            continue
        one = no_runs(run.cell, run.machine_id)
        one.add(run)
        one.sums = {boundary: sums[boundary][cell_id] for boundary in BOUNDARIES}
        one.host_low_j.n = n if one.host_low_j.n else 0
        _repeat_boards(one, run, row, n)
        found.append(one)
    return found, len(outside), sum(outside)


def _repeat_boards(one: CellRuns, run: Run, row: dict[str, str], n: int) -> None:
    """The measured energy, which is that of the boards, with the spread over the repetitions that the run joins."""
    mean_j, sd_j = float(row["gpu_energy_kwh"]) * J_PER_KWH, float(row["gpu_energy_sd_kwh"] or 0) * J_PER_KWH
    device = one.measured[BoundaryName.DEVICE]
    device.runs_n = n
    device.energy_j = Moments(n, mean_j, sd_j**2 * (n - 1))
    if device.low_positive:
        spread = math.sqrt(math.log1p((sd_j / mean_j) ** 2))
        device.energy_logs = Moments(n, math.log(mean_j), spread**2 * (n - 1))
    device.below = [part * n for part in device.below]
    device.above = [part * n for part in device.above]
