"""Rules that hold what is printed, or was logged, against the data: carbon factors, totals, typical figures, ratios."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from joulemark.analysis.audit.findings import NOT_STATED, PER_N, Evidence, Found, Rule, Severity
from joulemark.analysis.audit.scope_rules import ALL_BOARDS
from joulemark.analysis.claims import Claim
from joulemark.boundary import outermost, total
from joulemark.failures import MendableError
from joulemark.impact.carbon import find_grid
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, Measurement
from joulemark.records import LOGGED_MODEL, Cell, Purpose, Run
from joulemark.units import J_PER_KWH, number

FACTOR_RATIO = 0.01


def _factors(evidence: Evidence) -> list[float]:
    """Grams per kWh as logged, of every run that has both."""
    found: list[float] = []
    for run in evidence.runs:
        energy_j, known = _whole_j(run.measurement)
        if run.carbon_logged_g and known and energy_j > 0:
            found.append(run.carbon_logged_g / energy_j * J_PER_KWH)
    return found


def _whole_j(window: Measurement | None) -> tuple[float, bool]:
    """The energy of the whole machine where a meter tells it, else of all its parts; false: it is at least that."""
    if window is None:
        return 0.0, True
    outer = outermost(window.channels)
    metered = [channel for channel in outer if channel.component is Component.SYSTEM]
    parts = [channel for channel in outer if channel.component is not Component.SYSTEM]
    parts_j = sum(_least_j(channel) for channel in parts)
    if not metered:
        return parts_j, bool(parts) and all(channel.energy_j is not None for channel in parts)
    whole_j = total(window, BoundaryName.HOST).energy_j
    if whole_j is not None:
        return whole_j, True
    return max(parts_j, *(_least_j(channel) for channel in metered)), False


def _least_j(channel: ChannelEnergy) -> float:
    return channel.energy_j if channel.energy_j is not None else channel.low_j or 0.0


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


@dataclass(frozen=True, slots=True)
class _Sums:
    """What runs add up to. Where a part of it is not known, ``…_known`` is false and the sum is the least it can be."""

    energy_kwh: float
    energy_known: bool
    carbon_kg: float
    carbon_known: bool
    parts_kwh: Mapping[str, float]  # of the components of which all is known


def _sums(runs: Iterable[Run]) -> _Sums:
    energy_j = carbon_g = 0.0
    energy_known = carbon_known = True
    parts_j: dict[str, float] = {}
    unknown: set[str] = set()
    metered = False
    for run in runs:
        (queries_j, queries_known), (load_j, load_known) = _whole_j(run.measurement), _whole_j(run.load)
        energy_j += queries_j + load_j
        known = queries_known and load_known
        energy_known &= known
        # What was logged is of the queries; loading has the same factor.
        scaled = known and queries_j > 0
        carbon_g += (run.carbon_logged_g or 0.0) * (1 + load_j / queries_j if scaled else 1)
        carbon_known &= run.measurement is None or (run.carbon_logged_g is not None and (scaled or run.load is None))
        for window in (run.measurement, run.load):
            for channel in outermost(window.channels) if window else ():
                component = str(channel.component)
                if channel.component is Component.SYSTEM:
                    metered = True
                elif channel.energy_j is None:
                    unknown.add(component)
                else:
                    parts_j[component] = parts_j.get(component, 0.0) + channel.energy_j
    parts_kwh = {component: of_it_j / J_PER_KWH for component, of_it_j in parts_j.items() if component not in unknown}
    if metered and len(parts_kwh) > 1 and not unknown:
        parts_kwh[", ".join(parts_kwh)] = sum(parts_kwh.values())
    return _Sums(energy_j / J_PER_KWH, energy_known, carbon_g / 1000, carbon_known, parts_kwh)


def _contradicts(claim: Claim, value: float, known: bool) -> bool:
    return not claim.agrees(value) and (known or value > claim.value)


def _scopes(evidence: Evidence) -> Iterator[Found]:
    """Which parts a printed total is the sum of."""
    totals = [claim for claim in evidence.claims if claim.statistic == "sum"]
    for claim in totals:
        runs = [run for run in evidence.runs if _is_of(claim, run.cell)]
        if not any(run.measurement is not None for run in runs):
            continue
        sums = _sums(runs)
        energy = ("" if sums.energy_known else "at least ") + number(sums.energy_kwh, 6)
        carbon = ("" if sums.carbon_known else "at least ") + number(sums.carbon_kg, 5)
        if claim.quantity == "energy_kwh" and _contradicts(claim, sums.energy_kwh, sums.energy_known):
            single = [component for component, energy_kwh in sums.parts_kwh.items() if claim.agrees(energy_kwh)]
            whole = any(
                other.quantity == "carbon_kg" and _scope(other) == _scope(claim) and other.agrees(sums.carbon_kg)
                for other in totals
            )
            if single:
                beside = f", while the carbon printed beside it, {carbon} kg, is of all parts"
                yield Found(
                    claim.source,
                    f"{claim.text}: that is the {single[0]} alone; all parts are {energy} kWh"
                    + (beside if whole and sums.carbon_known else ""),
                )
            else:
                yield Found(claim.source, f"{claim.text}: the runs add up to {energy} kWh")
        elif (
            claim.quantity == "carbon_kg"
            and sums.carbon_kg > 0
            and _contradicts(claim, sums.carbon_kg, sums.carbon_known)
        ):
            yield Found(claim.source, f"{claim.text}: the runs add up to {carbon} kg")


def _scope(claim: Claim) -> tuple[str | None, ...]:
    """What of the results a claim is about."""
    return (claim.task, claim.model, claim.dataset)


def _is_of(claim: Claim, cell: Cell) -> bool:
    return all(
        said in (None, own) for said, own in zip(_scope(claim), (cell.task, cell.model, cell.dataset), strict=True)
    )


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
        and _is_of(claim, cell)
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
        if claim.agrees(mean):
            continue
        runs_n = sum(len(values) for values in each)
        if runs_n == 1:
            yield Found(claim.source, f"{claim.text}: the one run gives {number(mean, 4)}")
        elif claim.agrees(largest) and not math.isclose(mean, largest):
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
        if claim.task is None or claim.model is None:
            continue
        measured = [cell for cell, runs in evidence.cells.values() if runs and cell.model == claim.model]
        tasks = dict.fromkeys(cell.task for cell in measured)
        datasets = dict.fromkeys(cell.dataset for cell in measured if cell.task == claim.task)
        if tasks and not {claim.task, NOT_STATED} & tasks.keys():
            yield Found(claim.source, f"{claim.text}: {claim.model} was measured for {', '.join(tasks)} only")
        elif datasets and claim.dataset is not None and not {claim.dataset, NOT_STATED} & datasets.keys():
            yield Found(
                claim.source,
                f"{claim.text}: {claim.model} was measured for {claim.task} on {', '.join(datasets)} only",
                "name the dataset that was measured",
            )


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
                f"{claim.text}: the figures printed beside it give {number(above / below, plain=True)}, "
                f"{number(abs(above / below - claim.value), plain=True)} away",
            )


def _boards(evidence: Evidence) -> Iterator[Found]:
    for claim in evidence.claims:
        if claim.quantity != "gpus_n" or claim.statistic != "stated":
            continue
        counts = [
            boards_n
            for cell, runs in evidence.cells.values()
            if _is_of(claim, cell)
            for run in runs
            if (boards_n := _boards_counted(evidence, run)) is not None
        ]
        other = [boards_n for boards_n in counts if boards_n != claim.value]
        if other:
            told = str(min(other)) + ("" if min(other) == max(other) else f" to {max(other)}")
            yield Found(
                claim.source,
                f"{claim.text}: in {len(other)} of {len(counts)} runs the energy of {told} board"
                + ("" if told == "1" else "s")
                + " is counted",
            )


def _boards_counted(evidence: Evidence, run: Run) -> int | None:
    """Of how many boards a run's energy is; ``None`` where a channel holds them that does not say how many."""
    channels = run.measurement.channels if run.measurement else ()
    boards = [channel for channel in outermost(channels) if channel.component is Component.GPU and channel.in_use]
    if len(boards) == 1 and ALL_BOARDS in boards[0].reasons:  # logs have one channel for all boards of the machine
        machine = evidence.machines.get(run.machine_id)
        return len(machine.gpus) if machine else None
    if not boards and any(Component.GPU in (channel.component, *channel.covers) for channel in channels):
        return None
    return len(boards)


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
        "A printed total is held against what the runs that it is about add up to: the whole machine where a meter "
        "tells it, else the sum of all parts; and against each part alone. Where a part is not known the sum is the "
        "least that it can be, and only a smaller figure is told. Two totals printed side by side must be of the same "
        "parts.",
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
        "a model quoted for a task or dataset that it was not measured for",
        "A claim names a model and a task, and perhaps a dataset; the runs have the model for other tasks only, or for "
        "that task on other datasets only.",
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
    Rule(
        "JM131",
        Severity.ERROR,
        "boards stated that are not those counted",
        "A printed number of boards is held against how many boards' energy the runs hold. Where more are counted than "
        "were used, the model is charged with idle ones; where fewer are, a part of its energy is missing.",
        "say how many boards the energy is of, or measure those alone that are in use",
        _boards,
    ),
)
