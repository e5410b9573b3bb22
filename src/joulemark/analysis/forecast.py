"""How long a study will take and what it will use, from runs that there are already or from a publication."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from joulemark.analysis.reference import PAPER, references
from joulemark.analysis.summary import PER_N, run_total
from joulemark.measurement import BoundaryName
from joulemark.records import Cell, Protocol, Run

OWN_RUNS = "runs of this folder"
PUBLISHED = f"{PAPER}: one A100, as published; this machine is another, and loading comes on top"


@dataclass(frozen=True, slots=True)
class Forecast:
    """All repetitions of one cell; ``basis`` says where it comes from, ``None`` that nothing is known.

    From runs of one's own, time has loading, warming up and idling in it; from published ones, only queries and idling.
    Energy is that of the queries, inside the device boundary.
    """

    duration_s: float | None
    energy_j: float | None
    basis: str | None


def forecast(cell: Cell, protocol: Protocol, runs: Sequence[Run]) -> Forecast:
    """What the cell will take under ``protocol``, judged by ``runs`` of the same cell, else by the paper's figures."""
    queries_n = protocol.queries_n * protocol.repeats_n
    pauses_s = 2 * protocol.idle_s * protocol.repeats_n
    measured = [run for run in runs if run.cell.cell_id == cell.cell_id and run.measurement is not None]
    if measured:
        durations_s = [run.measurement.duration_s / run.queries_n for run in measured if run.measurement is not None]
        totals = [found for run in measured if (found := run_total(run, BoundaryName.DEVICE)) is not None]
        energies_j = [
            found.energy_j / run.queries_n
            for found, run in zip(totals, measured, strict=True)
            if found.energy_j is not None
        ]
        energy_j = statistics.fmean(energies_j) * queries_n if energies_j else None
        loads_s = [run.load.duration_s for run in measured if run.load is not None]
        warmups_n = [run.warmup_n for run in measured if run.warmup_n is not None]
        asked_n = queries_n + protocol.repeats_n * (statistics.fmean(warmups_n) if warmups_n else protocol.warmup_n)
        loading_s = protocol.repeats_n * statistics.fmean(loads_s) if loads_s else 0.0
        return Forecast(statistics.fmean(durations_s) * asked_n + loading_s + pauses_s, energy_j, OWN_RUNS)
    for reference in references():
        if (reference.purpose, reference.task, reference.model, reference.dataset) == (
            cell.purpose,
            cell.task,
            cell.model,
            cell.dataset,
        ):
            share = queries_n / PER_N
            energy_j = None if reference.one_gpu_energy_j is None else reference.one_gpu_energy_j * share
            return Forecast(reference.duration_s * share + pauses_s, energy_j, PUBLISHED)
    return Forecast(None, None, None)
