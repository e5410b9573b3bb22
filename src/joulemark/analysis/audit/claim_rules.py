"""Rules that hold what is printed, or was logged, against the data: carbon factors, totals, typical figures, ratios."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

from joulemark.analysis.audit.findings import PER_N, Evidence, Found, Rule, Severity
from joulemark.analysis.claims import Claim
from joulemark.failures import MendableError
from joulemark.impact.carbon import find_grid
from joulemark.measurement import Measurement
from joulemark.records import LOGGED_MODEL, Cell, Purpose, Run
from joulemark.units import J_PER_KWH, number

FACTOR_RATIO = 0.01


def _factors(evidence: Evidence) -> list[float]:
    """Grams per kWh as logged, of every run that has both."""
    found: list[float] = []
    for run in evidence.runs:
        energy_j = sum(_sums_j(run.measurement).values())
        if run.carbon_logged_g and energy_j > 0:
            found.append(run.carbon_logged_g / energy_j * J_PER_KWH)
    return found


def _sums_j(window: Measurement | None) -> dict[str, float]:
    """The energy of a window by component."""
    sums_j: dict[str, float] = {}
    for channel in window.channels if window else ():
        if channel.part_of is None and channel.energy_j is not None:
            sums_j[str(channel.component)] = sums_j.get(str(channel.component), 0.0) + channel.energy_j
    return sums_j


def _grid(evidence: Evidence) -> Iterator[Found]:
    factors = _factors(evidence)
    if not factors:
        return
    used = statistics.median(factors)
    apart_n = sum(abs(factor - used) > FACTOR_RATIO * used for factor in factors)
    if apart_n:
        yield Found(
            f"{apart_n} of {len(factors)} runs",
            f"the grid factor in the numbers is not the same throughout: {number(min(factors))} to "
            f"{number(max(factors))} g/kWh",
        )
    for name, stated in _stated_factors(evidence):
        if abs(stated - used) > FACTOR_RATIO * used:
            yield Found(
                "whole study",
                f"{name} {number(stated, 4)} g/kWh; {number(used, 5)} is in the numbers: with the stated factor all "
                f"grams would be {number(stated / used)} times as many",
            )


def _stated_factors(evidence: Evidence) -> Iterator[tuple[str, float]]:
    for claim in evidence.claims:
        if claim.quantity == "intensity_g_per_kwh":
            yield f"{claim.source} states", claim.value
    if evidence.study.grid:
        try:
            yield f"the study's grid, {evidence.study.grid}, has", find_grid(evidence.study.grid).intensity_g_per_kwh
        except MendableError:  # no grid of that name: the report says so
            return


def _scopes(evidence: Evidence) -> Iterator[Found]:
    """Which parts a printed total is the sum of."""
    totals = [claim for claim in evidence.claims if claim.statistic == "sum"]
    if not totals:
        return
    parts_j: dict[str, float] = {}
    carbon_g = 0.0
    for run in evidence.runs:
        of_queries_j, of_load_j = _sums_j(run.measurement), _sums_j(run.load)
        for sums_j in (of_queries_j, of_load_j):
            for component, energy_j in sums_j.items():
                parts_j[component] = parts_j.get(component, 0.0) + energy_j
        if run.carbon_logged_g and (queries_j := sum(of_queries_j.values())) > 0:
            # What was logged is of the queries; loading has the same factor.
            carbon_g += run.carbon_logged_g * (1 + sum(of_load_j.values()) / queries_j)
    all_kwh = sum(parts_j.values()) / J_PER_KWH
    for claim in totals:
        if claim.quantity == "energy_kwh" and not claim.agrees(all_kwh):
            single = [component for component, energy_j in parts_j.items() if claim.agrees(energy_j / J_PER_KWH)]
            whole = any(other.quantity == "carbon_kg" and other.agrees(carbon_g / 1000) for other in totals)
            if single:
                beside = f", while the carbon printed beside it, {number(carbon_g / 1000, 5)} kg, is of all parts"
                yield Found(
                    claim.source,
                    f"{claim.text}: that is the {single[0]} alone; all parts are {number(all_kwh, 6)} kWh"
                    + (beside if whole else ""),
                )
            else:
                yield Found(claim.source, f"{claim.text}: the runs add up to {number(all_kwh, 6)} kWh")
        elif claim.quantity == "carbon_kg" and carbon_g > 0 and not claim.agrees(carbon_g / 1000):
            yield Found(claim.source, f"{claim.text}: the runs add up to {number(carbon_g / 1000, 5)} kg")


def _values(evidence: Evidence, claim: Claim, runs: tuple[Run, ...]) -> list[float]:
    """What a claim is about, of 1,000 queries, by run."""
    energies_kwh = [energy_j * PER_N / J_PER_KWH for energy_j in evidence.cell_energies_j(runs)]
    if claim.quantity == "energy_kwh":
        return energies_kwh
    factors = _factors(evidence)
    return [energy_kwh * statistics.median(factors) / 1000 for energy_kwh in energies_kwh] if factors else []


def _asked(evidence: Evidence, claim: Claim) -> list[tuple[Cell, tuple[Run, ...]]]:
    """The published cells that a claim is about."""
    published = {cell.cell_id for cell in evidence.study.cells}
    return [
        (cell, runs)
        for cell_id, (cell, runs) in evidence.cells.items()
        if cell_id in published
        and runs
        and claim.task in (None, cell.task)
        and claim.model in (None, cell.model)
        and claim.dataset in (None, cell.dataset)
        and (claim.model is not None or cell.purpose is Purpose.TASK_SPECIFIC)
    ]


def _maxima(evidence: Evidence) -> Iterator[Found]:
    for claim in evidence.claims:
        cells = _asked(evidence, claim) if claim.statistic == "typical" else []
        each = [values for _, runs in cells if (values := _values(evidence, claim, runs))]
        if not each:
            continue
        mean = statistics.fmean(statistics.fmean(values) for values in each)
        largest = max(max(values) for values in each)
        if claim.agrees(mean) or math.isclose(mean, largest):
            continue
        runs_n = sum(len(values) for values in each)
        if claim.agrees(largest):
            yield Found(
                claim.source, f"{claim.text}: that is the largest of {runs_n} runs; their mean is {number(mean, 4)}"
            )
        else:
            yield Found(claim.source, f"{claim.text}: the mean of the runs is {number(mean, 4)}")


def _left_out(evidence: Evidence) -> Iterator[Found]:
    published = {cell.cell_id for cell in evidence.study.cells}
    for claim in evidence.claims:
        if claim.models_n is None or claim.task is None:
            continue
        cells = _asked(evidence, claim)
        inside = {cell.model for cell, _ in cells}
        beside = {(cell.dataset, cell.dataset_config) for cell, _ in cells}
        left_out = {
            cell.model
            for cell_id, (cell, runs) in evidence.cells.items()
            if cell_id not in published
            and runs
            and cell.task == claim.task
            and (cell.dataset, cell.dataset_config) in beside
            and cell.purpose is Purpose.TASK_SPECIFIC
        } - inside
        if left_out and len(inside) == claim.models_n:
            yield Found(
                claim.source,
                f"{claim.text}: of {len(inside)} models; {len(inside) + len(left_out)} were measured on the same "
                f"datasets. Left out: {', '.join(sorted(left_out))}",
            )


def _unpublished(evidence: Evidence) -> Iterator[Found]:
    """Models that were measured for a task that was published, and are in no published cell."""
    published: dict[str, set[str]] = {}
    for cell in evidence.study.cells:
        published.setdefault(cell.task, set()).add(cell.model)
    left_out: dict[str, set[str]] = {}
    for cell, runs in evidence.cells.values():
        if runs and cell.task in published and cell.model not in published[cell.task]:
            left_out.setdefault(cell.task, set()).add(cell.model)
    if left_out:
        models = sorted({model for found in left_out.values() for model in found})
        yield Found(
            f"{len(left_out)} tasks" if len(left_out) > 1 else next(iter(left_out)),
            f"{len(models)} models were measured and are in no published figure: {', '.join(models[:3])}"
            + (", …" if len(models) > 3 else ""),
        )


def _all_left_out(evidence: Evidence) -> Iterator[Found]:
    yield from _left_out(evidence)
    yield from _unpublished(evidence)


def _elsewhere(evidence: Evidence) -> Iterator[Found]:
    for claim in evidence.claims:
        if claim.task is None or claim.model is None or _asked(evidence, claim):
            continue
        tasks = dict.fromkeys(cell.task for cell, runs in evidence.cells.values() if runs and cell.model == claim.model)
        if tasks:
            yield Found(claim.source, f"{claim.text}: {claim.model} was measured for {', '.join(tasks)} only")


def _renamed(evidence: Evidence) -> Iterator[Found]:
    """An import keeps what the log called a model beside the name under which its figures were published."""
    renamed: dict[tuple[str, str], int] = {}
    for run in evidence.runs:
        logged = run.versions.get(LOGGED_MODEL)
        if logged is not None and logged != run.cell.model:
            renamed[logged, run.cell.model] = renamed.get((logged, run.cell.model), 0) + 1
    for (logged, published), runs_n in renamed.items():
        yield Found(published, f"{runs_n} runs were logged as {logged}")


def _derived(evidence: Evidence) -> Iterator[Found]:
    for claim in evidence.claims:
        if claim.statistic != "derived":
            continue
        above = sum(value for name, value in claim.inputs.items() if name.startswith("+"))
        below = math.prod(value for name, value in claim.inputs.items() if name.startswith("/"))
        if below and not claim.agrees(above / below):
            yield Found(
                claim.source,
                f"{claim.text}: the figures printed beside it give {above / below:,.0f}, "
                f"{abs(above / below - claim.value):,.0f} away",
            )


RULES = (
    Rule(
        "JM105",
        Severity.ERROR,
        "grid factors that differ",
        "Grams divided by kilowatt-hours give the factor that was really used. It is compared between runs, with what "
        f"was stated, and with the study's grid; more than {FACTOR_RATIO:.0%} apart is told.",
        "state the factor that is in the numbers, or compute the grams again",
        _grid,
    ),
    Rule(
        "JM106",
        Severity.ERROR,
        "totals of mixed scope",
        "A printed total is held against the sum of all parts and against each part alone. Two totals printed side by "
        "side must be of the same parts.",
        "say which parts a total is of, or print both for the same parts",
        _scopes,
    ),
    Rule(
        "JM113",
        Severity.ERROR,
        "maxima quoted as typical",
        "A figure that is printed as what a model takes is held against the mean of its runs and against the largest.",
        "quote the mean with its interval",
        _maxima,
    ),
    Rule(
        "JM123",
        Severity.ERROR,
        "figures that do not follow from their inputs",
        "A printed ratio is computed again from the figures printed beside it.",
        "compute it again",
        _derived,
    ),
    Rule(
        "JM124",
        Severity.ERROR,
        "a model quoted for a task that it was not measured for",
        "A claim names a model and a task; the runs have the model for another task only.",
        "name the task that was measured",
        _elsewhere,
    ),
    Rule(
        "JM125",
        Severity.WARNING,
        "models that were measured and left out",
        "A mean is printed over fewer models than were measured on the same datasets, or models were measured for a "
        "task and are in none of its published cells. Choosing after measuring can make any point.",
        "say which were left out, and why",
        _all_left_out,
    ),
    Rule(
        "JM126",
        Severity.ERROR,
        "runs published under another model's name",
        "The log of a run names one model, the published figures another. Energy, size and quality may then belong to "
        "different models.",
        "find out which one ran, and name it",
        _renamed,
    ),
)
