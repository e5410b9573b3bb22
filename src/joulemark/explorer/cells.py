"""A row of the page per source, machine and cell: what 1,000 queries cost, and all that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from joulemark.analysis.cell_sums import CellSums, Moments
from joulemark.analysis.figures.points import OTHER_MODALITY, kind_of
from joulemark.analysis.interval import Interval
from joulemark.analysis.paper_tables import MODALITIES
from joulemark.analysis.summary import NEGATIVE_MOST_RATIO
from joulemark.explorer.cell_runs import BOUNDARIES, CellRuns, no_runs
from joulemark.measurement import BoundaryName, Provenance
from joulemark.reasons import made_up
from joulemark.records import Cell, Settings
from joulemark.workloads.catalogue import find_catalogue_model

DIGITS_N = 7  # of every number in the page
SAMPLES_DIGITS_N = 12  # of a hash

Json = Any


def rounded(value: float | None) -> float | None:
    """``value`` with the digits that the page keeps."""
    return None if value is None else float(f"{value:.{DIGITS_N}g}")


def cell_row(source_i: int, machine_i: int | None, one: CellRuns) -> dict[str, Json]:
    """The row of a cell's runs on a machine."""
    cell, sums = one.cell, one.sums[BoundaryName.DEVICE]
    asked, answered, unit = sums.input_tokens_per_query, sums.output_tokens_per_query, "tokens"
    if not answered.n and "output_words" in sums.others:
        asked, answered, unit = sums.others.get("input_words", Moments()), sums.others["output_words"], "words"
    answers = answered.n > 0 and answered.greatest > 0
    energy = {str(boundary): _energies(one, boundary) for boundary in BOUNDARIES}
    energy["host"]["all_low"] = rounded(one.host_low_j.mean) if one.host_low_j.n == sums.runs_n > 0 else None
    n = sums.runs_n
    return {
        "source_i": source_i,
        "machine_i": machine_i,
        "cell_id": cell.cell_id,
        "task": cell.task,
        "model": cell.model,
        "dataset": cell.dataset,
        "dataset_config": cell.dataset_config,
        "split": cell.split,
        "purpose": str(cell.purpose),
        "kind": kind_of(cell.purpose, _model_class(one)),
        "modality": MODALITIES.get(cell.task, OTHER_MODALITY),
        "parameters_n": sums.parameters_n,
        "weights": sums.weights,
        "settings": _settings(cell),
        "runs_n": n,
        "failed_n": sums.failed_n,
        "failure": f"{sums.failure.kind}: {sums.failure.message}" if sums.failure else None,
        "queries_n": sums.queries_n,
        "energy": energy,
        "spread": _spread(sums),
        "shares": {str(boundary): _shares(one.sums[boundary]) for boundary in BOUNDARIES},
        "by_component": {str(part): rounded(found.mean) for part, found in one.components_j.items()},
        "duration_s": rounded(sums.durations_per_query_s / n) if n else None,
        "latency_s": None,
        "quality": _mean(sums.quality),
        "metric": sums.quality_metric,
        "quality_reason": sums.quality_reason,
        "scored_n": sums.quality_scored_n,
        "others": {name: rounded(found.mean) for name, found in sums.others.items()},
        "input_n": _mean(asked),
        "output_n": _mean(answered) if answers else None,
        "output_unit": unit if answers or asked.n else None,
        "phases_s": {name: rounded(found.mean) for name, found in sums.phases_s.items()},
        "phases_j": {name: rounded(found.mean) for name, found in one.phases_j.items() if found.n == n},
        "carbon_logged_g": rounded(sums.carbon_g.mean) if sums.carbon_g.n == n > 0 else None,
        "missing": list(sums.missing),
        "unused": list(sums.unused),
        "reasons": list(sums.reasons | one.sums[BoundaryName.HOST].reasons),
        "samples": _samples(one),
    }


def row_without_runs(source_i: int, cell: Cell) -> dict[str, Json]:
    """The row of a cell of the study that has no run on any machine."""
    return cell_row(source_i, None, no_runs(cell, ""))


def interval_row(interval: Interval | None) -> list[float | None] | None:
    """An interval as the page has it: value, low, high."""
    return None if interval is None else [rounded(part) for part in (interval.value, interval.low, interval.high)]


def _energies(one: CellRuns, boundary: BoundaryName) -> dict[str, Json]:
    measured = None if one.unmeasured_n else one.measured[boundary].energy
    return {"all": interval_row(one.sums[boundary].energy), "measured": interval_row(measured)}


def _model_class(one: CellRuns) -> str | None:
    """As the catalogue of models has it, else as loaded."""
    known = find_catalogue_model(one.cell.model)
    return one.model_class if known is None else known.model_class


def _settings(cell: Cell) -> dict[str, Json]:
    """What differs from the defaults."""
    chosen = {field.name: getattr(cell.settings, field.name) for field in fields(Settings)}
    defaults = Settings()
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in chosen.items()
        if value != getattr(defaults, name)
    }


def _spread(sums: CellSums) -> dict[str, Json] | None:
    """How the repetitions scatter; those that differ in none of the page's digits do not."""
    energy = sums.energy_j
    if sums.unknown_n or not energy.n:
        return None
    least_j, greatest_j = rounded(energy.least), rounded(energy.greatest)
    return {
        "sd_j": 0.0 if energy.n > 1 and least_j == greatest_j else rounded(energy.sd),
        "n": energy.n,
        "least_j": least_j,
        "greatest_j": greatest_j,
    }


def _shares(sums: CellSums) -> Mapping[str, float | None] | None:
    """How the energy is known; ``None`` also where a part of it is below zero, as it can be above idle.

    What nobody measured is known as "fake" or "replayed", whatever its channels call themselves.
    """
    if words := made_up(sums.reasons):
        return dict.fromkeys(map(str, Provenance), 0.0) | {" and ".join(words): 1.0}
    parts_j = {kind: sums.by_provenance_j.get(kind, 0.0) for kind in Provenance}
    all_j = sum(parts_j.values())
    if sums.unknown_n or all_j <= 0 or min(parts_j.values()) < -NEGATIVE_MOST_RATIO * all_j:
        return None
    return {str(kind): rounded(max(0.0, part_j) / all_j) for kind, part_j in parts_j.items()}


def _samples(one: CellRuns) -> str | None:
    """A short hash of what was asked; ``None`` where it is not known, or differs from run to run."""
    known = one.samples
    only = next(iter(known)) if len(known) == 1 else None
    return only[:SAMPLES_DIGITS_N] if only else None


def _mean(moments: Moments) -> float | None:
    return rounded(moments.mean) if moments.n else None
