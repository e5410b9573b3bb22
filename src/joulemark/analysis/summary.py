"""A row per cell: what 1,000 queries cost, how sure that is, how it is known, and how good the answers were."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joulemark.analysis.interval import Interval, joined_interval, mean_interval, ratio_interval
from joulemark.boundary import Total, total
from joulemark.impact.carbon import Grid, carbon_g
from joulemark.records import BoundaryName, Cell, Measurement, Provenance, Purpose, Run, Study

PER_N = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of a report. ``None`` is not known; energies are per 1,000 queries inside the report's boundary."""

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
    spread_ratio: float | None  # half-width of the interval over repetitions alone, as a share of the mean
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


def rows(study: Study, runs: Sequence[Run], boundary: BoundaryName, grid: Grid | None) -> tuple[Row, ...]:
    """One row per cell of ``study``, in its order; a cell without runs has a row too."""
    by_cell = _by_cell(runs)
    return tuple(_row(cell, by_cell.get(cell.cell_id, ()), boundary, grid) for cell in study.cells)


def comparisons(study: Study, runs: Sequence[Run], boundary: BoundaryName) -> tuple[Comparison, ...]:
    """Every prompted model beside every task-specific one of the same task that got the same samples."""
    by_cell = _by_cell(runs)
    found: list[Comparison] = []
    for prompted in study.cells:
        for specific in study.cells:
            if prompted.purpose is not Purpose.MULTI_PURPOSE or specific.purpose is not Purpose.TASK_SPECIFIC:
                continue
            if _source(prompted) == _source(specific):
                pair = _comparison(
                    prompted,
                    specific,
                    by_cell.get(prompted.cell_id, ()),
                    by_cell.get(specific.cell_id, ()),
                    boundary,
                )
                if pair is not None:
                    found.append(pair)
    return tuple(found)


def _source(cell: Cell) -> tuple[str | None, ...]:
    """What a cell's samples come from."""
    return (cell.task, cell.dataset, cell.dataset_revision, cell.dataset_config, cell.split, cell.sample)


def run_total(run: Run, boundary: BoundaryName) -> Total | None:
    """The energy of a run's window inside ``boundary``; ``None`` for a failed run."""
    if run.measurement is None:
        return None
    idle = [window for window in (run.idle_before, run.idle_after) if window is not None]
    return total(run.measurement, boundary, idle)


def _by_cell(runs: Sequence[Run]) -> dict[str, list[Run]]:
    by_cell: dict[str, list[Run]] = {}
    for run in runs:
        by_cell.setdefault(run.cell.cell_id, []).append(run)
    return by_cell


def _row(cell: Cell, runs: Sequence[Run], boundary: BoundaryName, grid: Grid | None) -> Row:
    measured = [run for run in runs if run.measurement is not None]
    failed = [run for run in runs if run.failure is not None]
    totals = [found for run in measured if (found := run_total(run, boundary)) is not None]
    energy = _energy(totals, [run.queries_n for run in measured])
    model = next((run.model for run in measured if run.model is not None), None)
    qualities = [run.quality for run in measured if run.quality is not None]
    known = [quality.value for quality in qualities if quality.value is not None]
    durations_s = [run.measurement.duration_s / run.queries_n for run in measured if run.measurement is not None]
    return Row(
        task=cell.task,
        model=cell.model,
        dataset=cell.dataset,
        purpose=cell.purpose,
        parameters_n=model.parameters_n if model else None,
        runs_n=len(measured),
        failed_n=len(failed),
        queries_n=sum(run.queries_n for run in measured),
        energy_per_1000_j=energy.value if energy else None,
        energy_low_j=energy.low if energy else None,
        energy_high_j=energy.high if energy else None,
        spread_ratio=_spread_ratio(totals, [run.queries_n for run in measured]),
        provenance=_shares(totals),
        duration_per_query_s=statistics.fmean(durations_s) if durations_s else None,
        quality=statistics.fmean(known) if known else None,
        quality_metric=qualities[0].metric if qualities else None,
        quality_reason=next((quality.reason for quality in qualities if quality.reason), None),
        quality_others=_means([quality.others for quality in qualities]),
        weights=model.weights if model else None,
        phases_per_query_s=_means(
            [{phase.name: phase.duration_s / run.queries_n for phase in run.phases} for run in measured]
        ),
        carbon_per_1000_g=carbon_g(energy.value, grid) if energy and grid else None,
        missing=tuple(dict.fromkeys(name for found in totals for name in found.missing)),
        unused=_unused(measured),
        reasons=_reasons(measured),
        failure=f"{failed[0].failure.kind}: {failed[0].failure.message}" if failed and failed[0].failure else None,
    )


def _means(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of every name over the mappings that have it."""
    names = dict.fromkeys(name for one in each for name in one)
    return {name: statistics.fmean(one[name] for one in each if name in one) for name in names}


def _energy(totals: Sequence[Total], queries_n: Sequence[int]) -> Interval | None:
    """Mean energy per 1,000 queries with its interval, known only if every repetition's is."""
    known = [
        (found.energy_j * PER_N / n, found.low_j * PER_N / n, found.high_j * PER_N / n)
        for found, n in zip(totals, queries_n, strict=True)
        if found.energy_j is not None and found.low_j is not None and found.high_j is not None
    ]
    return joined_interval(known) if known and len(known) == len(totals) else None


def _spread_ratio(totals: Sequence[Total], queries_n: Sequence[int]) -> float | None:
    known = [found.energy_j / n for found, n in zip(totals, queries_n, strict=True) if found.energy_j is not None]
    if len(known) < 2 or len(known) < len(totals):
        return None
    repeats = mean_interval(known)
    if repeats.high is None or repeats.value <= 0:
        return None
    return (repeats.high - repeats.value) / repeats.value


def _shares(totals: Sequence[Total]) -> dict[str, float] | None:
    """Shares of the energy by provenance over all repetitions, every kind named, adding up to 1."""
    if any(found.energy_j is None for found in totals):
        return None
    sums_j = {kind: sum(found.by_provenance_j.get(kind, 0.0) for found in totals) for kind in Provenance}
    all_j = sum(sums_j.values())
    return {str(kind): energy_j / all_j for kind, energy_j in sums_j.items()} if all_j > 0 else None


def _unused(measured: Sequence[Run]) -> tuple[str, ...]:
    windows = [run.measurement for run in measured if run.measurement is not None]
    return tuple(dict.fromkeys(c.name for window in windows for c in window.channels if not c.in_use))


def _reasons(measured: Sequence[Run]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for run in measured:
        windows: tuple[Measurement, ...] = (run.measurement,) if run.measurement else ()
        for window in windows:
            found.update(dict.fromkeys(window.reasons))
            found.update(dict.fromkeys(code for channel in window.channels for code in channel.reasons))
        found.update(dict.fromkeys(run.reasons))
    return tuple(found)


def _comparison(
    prompted: Cell, specific: Cell, prompted_runs: Sequence[Run], specific_runs: Sequence[Run], boundary: BoundaryName
) -> Comparison | None:
    """Paired by block: repetition i of one beside repetition i of the other."""
    blocks = {run.repeat_i: run for run in specific_runs if run.measurement is not None}
    pairs: list[tuple[float, float]] = []
    kinds: dict[str, None] = {}
    both: list[tuple[Run, Run]] = []
    for run in prompted_runs:
        other = blocks.get(run.repeat_i)
        if other is None or run.samples_sha256 != other.samples_sha256:
            continue
        first, second = run_total(run, boundary), run_total(other, boundary)
        if first is None or second is None or not first.energy_j or not second.energy_j:
            continue
        if first.energy_j > 0 and second.energy_j > 0:
            pairs.append((first.energy_j / run.queries_n, second.energy_j / other.queries_n))
            both.append((run, other))
            kinds.update(dict.fromkeys(str(kind) for kind in (*first.by_provenance_j, *second.by_provenance_j)))
    if not pairs:
        return None
    run, other = both[0]
    return Comparison(
        task=prompted.task,
        dataset=prompted.dataset,
        prompted=prompted.model,
        specific=specific.model,
        energy_ratio=ratio_interval(pairs),
        repeats_n=len(pairs),
        samples_n=run.samples_n,
        prompted_quality=run.quality.value if run.quality else None,
        specific_quality=other.quality.value if other.quality else None,
        quality_metric=run.quality.metric if run.quality else None,
        provenance=tuple(kinds),
    )
