"""A row per cell: what 1,000 queries cost, how sure that is, how it is known, and how good the answers were."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from joulemark.analysis.cell_sums import PER_N as PER_N
from joulemark.analysis.cell_sums import CellSums, Moments, fold
from joulemark.analysis.interval import CONFIDENCE, Interval, ratio_interval
from joulemark.boundary import Total, total
from joulemark.impact.carbon import Grid, carbon_g
from joulemark.measurement import BoundaryName, Provenance
from joulemark.reasons import made_up
from joulemark.records import Cell, Purpose, Run, Study
from joulemark.student import t_quantile


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of a report. ``None`` is not known; energies are per 1,000 queries inside the report's boundary.

    Where the energy is not known, ``energy_low_j`` and ``energy_high_j`` are bounds of it, as far as there are any.
    """

    task: str
    model: str
    dataset: str
    purpose: Purpose
    parameters_n: int | None
    runs_n: int
    failed_n: int
    queries_n: int
    energy_per_1000_j: float | None
    energy_low_j: float | None
    energy_high_j: float | None
    repeats_half_width_ratio: float | None  # of the 95 % interval over repetitions alone, as a share of the mean
    provenance: Mapping[str, float] | None
    duration_per_query_s: float | None
    quality: float | None
    quality_metric: str | None
    quality_reason: str | None
    quality_others: Mapping[str, float]  # further metrics of the same answers
    weights: str | None  # "random": energy and time are the architecture's, and there is no quality
    phases_per_query_s: Mapping[str, float]  # how long the parts of a query take: "prefill", "decode", …
    carbon_per_1000_g: float | None
    missing: tuple[str, ...]
    unused: tuple[str, ...]  # channels that were metered, but belong to devices that are not ours
    reasons: tuple[str, ...]
    failure: str | None
    dataset_config: str | None
    carbon_logged_per_1000_g: float | None  # what the tool made of it from whose log the runs are
    imported: bool  # another tool measured all of its runs


@dataclass(frozen=True, slots=True)
class Comparison:
    """A prompted and a task-specific model on the same samples."""

    task: str
    dataset: str
    prompted: str
    specific: str
    energy_ratio: Interval
    repeats_n: int
    samples_n: int | None
    prompted_quality: float | None
    specific_quality: float | None
    quality_metric: str | None
    provenance: tuple[str, ...]
    made_up: tuple[str, ...]  # "fake" or "replayed": of energies that nobody measured here


def rows(study: Study, runs: Iterable[Run], boundary: BoundaryName, grid: Grid | None) -> tuple[Row, ...]:
    """One row per cell of ``study``, in its order; a cell without runs has a row too."""
    return rows_of(study, fold(runs, boundary, frozenset()), grid)


def rows_of(study: Study, sums: Mapping[str, CellSums], grid: Grid | None, pue_ratio: float = 1.0) -> tuple[Row, ...]:
    """The same from the sums of every cell, by its id. Carbon is of the energy times ``pue_ratio``."""
    return tuple(_row(sums.get(cell.cell_id) or CellSums(cell), grid, pue_ratio) for cell in study.cells)


def in_facility(row: Row, pue_ratio: float) -> Row:
    """A row of the host's energy as one of the building's. The ratio is taken as exact."""

    def of_building(energy_j: float | None) -> float | None:
        return None if energy_j is None else energy_j * pue_ratio

    return replace(
        row,
        energy_per_1000_j=of_building(row.energy_per_1000_j),
        energy_low_j=of_building(row.energy_low_j),
        energy_high_j=of_building(row.energy_high_j),
    )


def comparisons(study: Study, runs: Iterable[Run], boundary: BoundaryName) -> tuple[Comparison, ...]:
    """Every prompted model beside every task-specific one of the same task that got the same samples."""
    return comparisons_of(study, fold(runs, boundary, compared_cells(study)))


def comparisons_of(study: Study, sums: Mapping[str, CellSums]) -> tuple[Comparison, ...]:
    """The same from the sums of every cell, by its id; those of :func:`compared_cells` must have kept their blocks."""
    pairs = (comparison(*ids, sums) for ids in compared_pairs(study))
    return tuple(pair for pair in pairs if pair is not None)


def compared_cells(study: Study) -> frozenset[str]:
    """The ids of the cells that have a counterpart."""
    return frozenset(cell_id for pair in compared_pairs(study) for cell_id in pair)


def compared_pairs(study: Study) -> list[tuple[str, str]]:
    """The ids of each prompted cell and each task-specific one that asks the same."""
    ids: dict[tuple[Purpose, tuple[str | None, ...]], list[str]] = {}
    for cell in study.cells:
        ids.setdefault((cell.purpose, _source(cell)), []).append(cell.cell_id)
    return [
        (prompted_id, specific_id)
        for (purpose, source), prompted in ids.items()
        if purpose is Purpose.MULTI_PURPOSE
        for prompted_id in prompted
        for specific_id in ids.get((Purpose.TASK_SPECIFIC, source), ())
    ]


def _source(cell: Cell) -> tuple[str | None, ...]:
    """What a cell's samples come from."""
    return (cell.task, cell.dataset, cell.dataset_revision, cell.dataset_config, cell.split, cell.sample)


def run_total(run: Run, boundary: BoundaryName) -> Total | None:
    """The energy of a run's window inside ``boundary``; ``None`` for a failed run."""
    if run.measurement is None:
        return None
    idle = [window for window in (run.idle_before, run.idle_after) if window is not None]
    return total(run.measurement, boundary, idle)


def _row(sums: CellSums, grid: Grid | None, pue_ratio: float) -> Row:
    cell, energy = sums.cell, sums.energy
    low_j, high_j = (energy.low, energy.high) if energy else sums.bounds
    return Row(
        task=cell.task,
        model=cell.model,
        dataset=cell.dataset,
        purpose=cell.purpose,
        parameters_n=sums.parameters_n,
        runs_n=sums.runs_n,
        failed_n=sums.failed_n,
        queries_n=sums.queries_n,
        energy_per_1000_j=energy.value if energy else None,
        energy_low_j=low_j,
        energy_high_j=high_j,
        repeats_half_width_ratio=_repeats_half_width_ratio(sums),
        provenance=_shares(sums),
        duration_per_query_s=sums.durations_per_query_s / sums.runs_n if sums.runs_n else None,
        quality=_mean(sums.quality),
        quality_metric=sums.quality_metric,
        quality_reason=sums.quality_reason,
        quality_others={name: moments.mean for name, moments in sums.others.items()},
        weights=sums.weights,
        phases_per_query_s={name: moments.mean for name, moments in sums.phases_s.items()},
        carbon_per_1000_g=carbon_g(energy.value, grid, pue_ratio) if energy and grid else None,
        missing=tuple(sums.missing),
        unused=tuple(sums.unused),
        reasons=tuple(sums.reasons),
        failure=f"{sums.failure.kind}: {sums.failure.message}" if sums.failure else None,
        dataset_config=cell.dataset_config,
        carbon_logged_per_1000_g=sums.carbon_g.mean if sums.carbon_g.n == sums.runs_n > 0 else None,
        imported=sums.imported_n == sums.runs_n > 0,
    )


def _mean(moments: Moments) -> float | None:
    return moments.mean if moments.n else None


def _repeats_half_width_ratio(sums: CellSums) -> float | None:
    energy = sums.energy_j
    if sums.unknown_n or energy.sd is None or energy.mean <= 0:
        return None
    return t_quantile((1 + CONFIDENCE) / 2, energy.n - 1) * energy.sd / math.sqrt(energy.n) / energy.mean


def _shares(sums: CellSums) -> dict[str, float] | None:
    """Shares of the energy by provenance over all repetitions, every kind named, adding up to 1."""
    all_j = sum(sums.by_provenance_j.values())
    if sums.unknown_n or all_j <= 0:
        return None
    return {str(kind): sums.by_provenance_j.get(kind, 0.0) / all_j for kind in Provenance}


def comparison(prompted_id: str, specific_id: str, sums: Mapping[str, CellSums]) -> Comparison | None:
    """Paired by block: repetition i of one beside repetition i of the other."""
    prompted, specific = sums.get(prompted_id), sums.get(specific_id)
    if prompted is None or specific is None or not prompted.blocks or not specific.blocks:
        return None
    pairs: list[tuple[float, float]] = []
    kinds: dict[tuple[Provenance, ...], None] = {}  # few differ
    for repeat_i in sorted(prompted.blocks.keys() & specific.blocks.keys()):
        one, other = prompted.blocks[repeat_i], specific.blocks[repeat_i]
        if one.samples_sha256 == other.samples_sha256:
            pairs.append((one.energy_per_query_j, other.energy_per_query_j))
            kinds[one.kinds] = kinds[other.kinds] = None
    if not pairs:
        return None
    return Comparison(
        task=prompted.cell.task,
        dataset=prompted.cell.dataset,
        prompted=prompted.cell.model,
        specific=specific.cell.model,
        energy_ratio=ratio_interval(pairs),
        repeats_n=len(pairs),
        samples_n=prompted.samples_n,
        prompted_quality=_mean(prompted.quality),
        specific_quality=_mean(specific.quality),
        quality_metric=prompted.quality_metric,
        provenance=tuple(dict.fromkeys(str(kind) for some in kinds for kind in some)),
        made_up=made_up((*prompted.reasons, *specific.reasons)),
    )
