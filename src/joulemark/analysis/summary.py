"""A row per cell: what 1,000 queries cost, how sure that is, how it is known, and how good the answers were."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from joulemark.analysis.cell_sums import PER_N as PER_N
from joulemark.analysis.cell_sums import CellSums, Moments, Part, fold
from joulemark.analysis.interval import CONFIDENCE, Interval
from joulemark.analysis.log_ratio import Spread, common_tolerance, mean_ratio, sensors_apart
from joulemark.boundary import Total, total
from joulemark.impact.carbon import Grid, carbon_g
from joulemark.measurement import BoundaryName, Provenance
from joulemark.reasons import made_up
from joulemark.records import Cell, Purpose, Run, Study
from joulemark.student import t_quantile

NEGATIVE_MOST_RATIO = 1e-9  # of a sum: what is further below zero than this is no error of rounding


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
    samples_known: bool  # false: the runs do not say what was asked, so that only the dataset is known to be the same
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
    """Shares of the energy by provenance over all repetitions, every kind named, adding up to 1.

    ``None`` where they are not known, or a part is below zero, as it can be above idle.
    """
    all_j = sum(sums.by_provenance_j.values())
    if sums.unknown_n or all_j <= 0 or min(sums.by_provenance_j.values()) < -NEGATIVE_MOST_RATIO * all_j:
        return None
    return {str(kind): sums.by_provenance_j.get(kind, 0.0) / all_j for kind in Provenance}


def comparison(prompted_id: str, specific_id: str, sums: Mapping[str, CellSums]) -> Comparison | None:
    """Paired by block: repetition i of one beside repetition i of the other, on the same machine.

    The spread of the pairs is joined with what the sensors may do to the ratio. ``None`` without pairs, and where an
    energy (above idle) is not above zero, of which there is no ratio.
    """
    prompted, specific = sums.get(prompted_id), sums.get(specific_id)
    if prompted is None or specific is None or not prompted.blocks or not specific.blocks:
        return None
    logs: list[float] = []
    kinds: dict[tuple[Provenance, ...], None] = {}  # few differ
    samples_known = True
    for key in sorted(prompted.blocks.keys() & specific.blocks.keys()):
        one, other = prompted.blocks[key], specific.blocks[key]
        if one.samples_sha256 != other.samples_sha256:
            continue
        if one.energy_per_query_j <= 0 or other.energy_per_query_j <= 0:
            return None
        logs.append(math.log(one.energy_per_query_j / other.energy_per_query_j))
        kinds[one.kinds] = kinds[other.kinds] = None
        samples_known &= one.samples_sha256 is not None
    if not logs:
        return None
    return Comparison(
        task=prompted.cell.task,
        dataset=prompted.cell.dataset,
        prompted=prompted.cell.model,
        specific=specific.cell.model,
        energy_ratio=_paired_ratio(logs, _sensors(prompted.parts, specific.parts)),
        repeats_n=len(logs),
        samples_known=samples_known,
        samples_n=prompted.samples_n,
        prompted_quality=_mean(prompted.quality),
        specific_quality=_mean(specific.quality),
        quality_metric=prompted.quality_metric,
        provenance=tuple(dict.fromkeys(str(kind) for some in kinds for kind in some)),
        made_up=made_up((*prompted.reasons, *specific.reasons)),
    )


def _paired_ratio(logs: Sequence[float], sensors: tuple[float, float] | None) -> Interval:
    """The geometric mean of ratios; no interval for one pair, or where the sensors leave none."""
    mean = statistics.fmean(logs)
    if len(logs) < 2 or sensors is None:
        return Interval(math.exp(mean), None, None)
    found = mean_ratio(Spread(mean, statistics.stdev(logs), len(logs)), *sensors)
    return Interval(found.value, found.low, found.high)


def _sensors(first: Mapping[str, Part], second: Mapping[str, Part]) -> tuple[float, float] | None:
    """How far down and up the ratio of two energies may be off by sensors of one machine, as logarithms.

    A channel's tolerance or factor is the same for both and cancels where it has the same share of either energy; what
    a part-time sensor did not see does not. ``None``: they do not exclude that an energy is zero.
    """
    all_j = [math.fsum(part.energy_j for part in parts.values()) for parts in (first, second)]
    if min(all_j) <= 0:
        return None
    none = Part()
    shares = []
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name, none), second.get(name, none)
        tolerance = max(one.tolerance_log, other.tolerance_log)
        shares.append((one.energy_j / all_j[0], other.energy_j / all_j[1], tolerance))
    common = common_tolerance(shares)
    unseen = []
    for parts, whole_j in zip((first, second), all_j, strict=True):
        below = math.fsum(part.unseen_below_j for part in parts.values()) / whole_j
        above = math.fsum(part.unseen_above_j for part in parts.values()) / whole_j
        if below >= 1:
            return None
        unseen.append((-math.log1p(-below), math.log1p(above)))
    if common is None:
        return None
    below, above = sensors_apart(*unseen)
    return math.hypot(below, common[0]), math.hypot(above, common[1])
