"""Rules about repetitions: spread, shared drift, outliers, missing ones, and rankings of what cannot be told apart."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import fields

from joulemark.analysis.audit.findings import Evidence, Found, Rule, Severity, name_of, of_cells
from joulemark.analysis.interval import mean_interval
from joulemark.records import Cell, Run, Settings
from joulemark.student import t_probability, t_quantile
from joulemark.units import number

SPREAD_RATIO = 0.05
SIGNIFICANT = 0.01
SHUFFLES_N = 199
BLOCK_RATIO = 0.005  # standard deviation of the blocks, as a share of the energy, below which nobody needs to care
DRIFT_RATIO = 0.02
OUTLIER_DEVIATIONS, OUTLIER_RATIO, OUTLIER_RUNS_N = 6.0, 0.05, 5


def _spread(evidence: Evidence) -> Iterator[Found]:
    wide: list[tuple[float, str, int]] = []
    single = [name_of(cell) for cell, runs in evidence.comparable() if len(runs) == 1]
    if single:
        yield Found(
            of_cells(single, len(evidence.comparable())),
            "one repetition: how far another one would be from it is not known, and the interval is the sensors' alone",
        )
    unknown: list[str] = []
    for cell, runs in evidence.comparable():
        energies_j = evidence.cell_energies_j(runs)
        if len(energies_j) < 2:
            unknown += [name_of(cell)] if len(runs) > 1 else []
            continue
        repeats = mean_interval(energies_j)
        if repeats.high is not None and repeats.value > 0:
            half = (repeats.high - repeats.value) / repeats.value
            if half > SPREAD_RATIO:
                wide.append((half, name_of(cell), len(energies_j)))
    if unknown:
        yield Found(
            of_cells(unknown, len(evidence.comparable())),
            "the energy of fewer than two repetitions is known: how far another one would be from it is not",
        )
    if wide:
        half, name, repeats_n = max(wide)
        more_n = _repeats_needed(half, repeats_n) - repeats_n
        yield Found(
            of_cells([one for _, one, _ in wide], len(evidence.comparable())),
            f"by the repetitions alone the mean is known to ± {half:.0%} (limit {SPREAD_RATIO:.0%}; the widest is "
            f"{name}); {more_n:,} more repeats would make that ± {SPREAD_RATIO:.0%} there. The sensors' part "
            "of the interval comes on top and stays, however often it is repeated",
        )


def _repeats_needed(half: float, repeats_n: int) -> int:
    """How many repeats make a half-width of ``half`` as narrow as :data:`SPREAD_RATIO`, spread as they are now."""
    deviation = half * math.sqrt(repeats_n) / t_quantile(0.975, repeats_n - 1)

    def enough(more_n: int) -> bool:
        return deviation * t_quantile(0.975, more_n - 1) / math.sqrt(more_n) <= SPREAD_RATIO

    most_n = repeats_n
    while not enough(most_n):
        most_n *= 2
    return repeats_n + bisect_left(range(repeats_n, most_n), True, key=enough)


def _blocks(evidence: Evidence) -> Iterator[Found]:
    groups = [_deviations(evidence, group) for group in _measured_together(evidence)]
    groups = [rows for rows in groups if len(rows) >= 2 and len(rows[0]) >= 3]
    scales = [_block_scale(rows) for rows in groups]
    groups = [rows for rows, scale in zip(groups, scales, strict=True) if scale > 0]
    scales = [scale for scale in scales if scale > 0]
    seen = [
        (rows, _block_excess(rows) / scale)
        for rows, scale in zip(groups, scales, strict=True)
        if _block_size(rows) >= BLOCK_RATIO
    ]
    if not seen:
        return
    # Every group is held against the most that chance gives in any of them: many groups are no more often wrong.
    shuffled = random.Random(20240603)
    most = [
        max(
            _block_excess([shuffled.sample(row, len(row)) for row in rows]) / scale
            for rows, scale in zip(groups, scales, strict=True)
        )
        for _ in range(SHUFFLES_N)
    ]
    found = [
        rows for rows, excess in seen if (1 + sum(other >= excess for other in most)) / (1 + SHUFFLES_N) <= SIGNIFICANT
    ]
    if found:
        shares = [_block_share(rows) for rows in found]
        yield Found(
            "whole study" if len(groups) > 1 else "all cells",
            f"repetitions are not independent in {len(found)} of {len(groups)} groups measured together: which "
            f"repetition it was explains {min(shares):.0%} to {max(shares):.0%} of the variance within a model "
            f"({statistics.median(1 / len(rows) for rows in found):.0%} by chance)",
        )


def _measured_together(evidence: Evidence) -> list[list[tuple[Cell, Sequence[Run]]]]:
    """Cells whose repetitions share blocks: all of a shuffled study, those of one dataset where cells run as listed."""
    groups: dict[tuple[object, ...], list[tuple[Cell, Sequence[Run]]]] = {}
    for cell, runs in evidence.comparable():
        key: tuple[object, ...] = ()
        if evidence.study.protocol.order == "listed":
            key = (cell.task, cell.purpose, cell.dataset, cell.dataset_config)
        groups.setdefault(key, []).append((cell, runs))
    return list(groups.values())


def _deviations(evidence: Evidence, group: Sequence[tuple[Cell, Sequence[Run]]]) -> list[list[float]]:
    """Relative deviations from each cell's mean, by repetition, of the cells that have as many as most have."""
    rows: list[list[float]] = []
    for _, runs in group:
        energies_j = evidence.cell_energies_j(runs)
        mean_j = statistics.fmean(energies_j) if len(energies_j) == len(runs) and energies_j else 0.0
        if mean_j > 0:
            rows.append([energy_j / mean_j - 1 for energy_j in energies_j])
    if not rows:
        return []
    usual_n = statistics.mode(len(row) for row in rows)
    return [row for row in rows if len(row) == usual_n]


def _block_excess(deviations: Sequence[Sequence[float]]) -> float:
    """The squares of the sums over each repetition, less the squares of the values: zero is expected by chance."""
    sums = [math.fsum(column) for column in zip(*deviations, strict=True)]
    return math.fsum(one * one for one in sums) - math.fsum(_squares(deviations))


def _block_scale(deviations: Sequence[Sequence[float]]) -> float:
    """The standard deviation of the excess over all orders of the repetitions; zero where fewer than two cells vary.

    Products of two rows in random order have the mean zero, for each row's own mean is zero, are not correlated
    between pairs of rows, and have as variance the product of the rows' squares by (repetitions - 1).
    """
    squares = _squares(deviations)
    all_squares = math.fsum(squares)
    variance = 2 * math.fsum(one * (all_squares - one) for one in squares) / (len(deviations[0]) - 1)
    return math.sqrt(max(0.0, variance))


def _block_share(deviations: Sequence[Sequence[float]]) -> float:
    """The share of the sum of squares within cells that the means of the repetitions explain."""
    return (1 + _block_excess(deviations) / math.fsum(_squares(deviations))) / len(deviations)


def _squares(deviations: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(value * value for value in row) for row in deviations]


def _block_size(deviations: Sequence[Sequence[float]]) -> float:
    """The standard deviation of the means of the repetitions."""
    return statistics.stdev(statistics.fmean(column) for column in zip(*deviations, strict=True))


def _drift(evidence: Evidence) -> Iterator[Found]:
    """One slope for all cells through their relative deviations, by the order in which the runs were measured.

    Order and energy are both taken from their cell's mean: cells that were measured early or late, as all are in listed
    order, and whose own energies say nothing of drift, would else hide it. Each mean takes a degree of freedom.
    """
    points: list[tuple[float, float]] = []  # (order, energy), both from the means of their cell
    spans_n: list[int] = []  # by cell
    orders: list[int] = []
    for _, runs in evidence.comparable():
        energies_j = evidence.cell_energies_j(runs)
        if len(energies_j) < 2 or len(energies_j) < len(runs):
            continue
        mean_j = statistics.fmean(energies_j)
        if mean_j > 0:
            places = [run.order_i for run in runs]
            middle = statistics.fmean(places)
            points += [
                (place - middle, energy_j / mean_j - 1) for place, energy_j in zip(places, energies_j, strict=True)
            ]
            spans_n.append(max(places) - min(places))
            orders += places
    squares = math.fsum(order * order for order, _ in points)
    if len(points) < 6 or squares == 0:
        return
    freedom_n = len(points) - len(spans_n) - 1
    slope = math.fsum(order * value for order, value in points) / squares
    residual = math.fsum((value - slope * order) ** 2 for order, value in points) / freedom_n
    whole = slope * (max(orders) - min(orders))
    t = math.inf if residual == 0 else abs(slope) / math.sqrt(residual / squares)
    if abs(whole) > DRIFT_RATIO and 2 * (1 - t_probability(min(t, 1e6), freedom_n)) < SIGNIFICANT:
        of_cell = abs(slope) * statistics.fmean(spans_n)
        yield Found(
            "whole study",
            f"energies {'rise' if whole > 0 else 'fall'} by {of_cell:.1%} from the first to the last run of a cell: at "
            f"that rate by {abs(whole):.0%} from the first to the last run of all",
        )


def _outliers(evidence: Evidence) -> Iterator[Found]:
    outliers: list[tuple[float, str]] = []
    for cell, runs in evidence.comparable():
        energies_j = evidence.cell_energies_j(runs)
        if len(energies_j) < OUTLIER_RUNS_N:
            continue
        median_j = statistics.median(energies_j)
        deviation_j = 1.4826 * statistics.median(abs(energy_j - median_j) for energy_j in energies_j)
        for energy_j in energies_j:
            beyond_j = abs(energy_j - median_j)
            if beyond_j > OUTLIER_DEVIATIONS * deviation_j and beyond_j > OUTLIER_RATIO * median_j > 0:
                outliers.append((energy_j / median_j, name_of(cell)))
    if outliers:
        ratio, name = max(outliers, key=lambda one: abs(math.log(one[0])) if one[0] > 0 else math.inf)
        yield Found(
            of_cells(list(dict.fromkeys(one for _, one in outliers)), len(evidence.comparable())),
            f"{len(outliers)} runs lie far from the others of their cell; the farthest has {number(ratio)} times the "
            f"median ({name})",
        )


def _within_noise(evidence: Evidence) -> Iterator[Found]:
    pairs_n, close_n, example = 0, 0, ""
    groups: dict[tuple[object, ...], list[tuple[float, float, str]]] = {}
    for cell, runs in evidence.comparable():
        energies_j = evidence.cell_energies_j(runs)
        if len(energies_j) > 1:
            repeats = mean_interval(energies_j)
            if repeats.high is not None:
                key = (cell.task, cell.dataset, cell.dataset_config)
                groups.setdefault(key, []).append((repeats.value, repeats.high - repeats.value, cell.model))
    for group in groups.values():
        ranked = sorted(group)
        for (first_j, first_half_j, first), (second_j, second_half_j, second) in itertools.pairwise(ranked):
            pairs_n += 1
            if second_j - first_j <= math.hypot(first_half_j, second_half_j):
                close_n += 1
                example = example or f"{first} and {second}"
    if close_n:
        yield Found(
            f"{close_n} of {pairs_n} neighbours in a ranking",
            f"no difference is shown between them, for example between {example}",
        )


def _failed(evidence: Evidence) -> Iterator[Found]:
    failed = [run for run in evidence.runs if run.failure is not None]
    if failed:
        first = failed[0]
        what = f"{first.failure.kind}: {first.failure.message}" if first.failure else ""
        cells = list(dict.fromkeys(name_of(run.cell) for run in failed))
        yield Found(
            of_cells(cells, len(evidence.comparable())),
            f"{len(failed)} failed runs are not in the means ({what[:120]})",
        )


def _incomplete(evidence: Evidence) -> Iterator[Found]:
    """A model without runs on a dataset that its neighbours have, or a cell with fewer than they have."""
    groups: dict[tuple[object, ...], dict[tuple[str, str | None], dict[str, list[tuple[Cell, int]]]]] = {}
    for cell, runs in evidence.comparable():
        datasets = groups.setdefault((cell.task, cell.purpose), {})
        models = datasets.setdefault((cell.dataset, cell.dataset_config), {})
        models.setdefault(cell.model, []).append((cell, len(runs)))
    holes: list[tuple[str, str]] = []
    for (task, _), datasets in groups.items():
        names = dict.fromkeys(model for found in datasets.values() for model in found)
        for (dataset, config), found in datasets.items():
            # Where as many cells have one number of runs as another, the larger one is what was meant.
            usual_n = max(statistics.multimode(n for cells in found.values() for _, n in cells if n), default=0)
            for model in names:
                # A hole is a model that most other datasets of the task have.
                elsewhere_n = sum(model in other for other in datasets.values())
                if model not in found and elsewhere_n * 2 > len(datasets):
                    holes.append((f"{model} × {dataset}{f' ({config})' if config else ''}", f"no run ({task})"))
                variants = found.get(model, [])
                for cell, runs_n in variants:
                    name = name_of(cell) + _settings_apart(cell, [other for other, _ in variants])
                    if not runs_n:
                        holes.append((name, f"no run ({task})"))
                    elif runs_n < usual_n:
                        runs_told = f"{runs_n} run" + ("" if runs_n == 1 else "s")
                        holes.append((name, f"{runs_told}, its neighbours {usual_n}"))
    if holes and any(runs for _, runs in evidence.comparable()):
        told = "; ".join(f"{name}: {what}" for name, what in holes[:3])
        yield Found(
            "whole study" if len(holes) > 1 else holes[0][0],
            told + (f"; and {len(holes) - 3} more" if len(holes) > 3 else ""),
        )


def _settings_apart(cell: Cell, variants: Sequence[Cell]) -> str:
    """The settings of a cell that not all of ``variants`` have."""
    apart: list[str] = []
    for field in fields(Settings):
        value = getattr(cell.settings, field.name)
        if any(getattr(other.settings, field.name) != value for other in variants):
            apart.append(f"{field.name} = {value!s:.40}")
    return f" [{', '.join(apart)}]" if apart else ""


RULES = (
    Rule(
        "JM104",
        Severity.WARNING,
        "repetitions differ, or there is one",
        f"The 95 % interval of a cell's mean over its repetitions alone, without the sensors' part, is wider than "
        f"± {SPREAD_RATIO:.0%}, or is not known, because the energy of fewer than two repetitions is.",
        "more repeats: the same command with a larger --repeats goes on",
        _spread,
    ),
    Rule(
        "JM110",
        Severity.WARNING,
        "repetitions that are not independent",
        "Cells that were measured together rise and fall together: the machine's state, not chance, moves them. The "
        "spread of repetitions then says little about another day. The share of the variance within cells that the "
        f"number of the repetition explains is compared with {SHUFFLES_N} random orders of each cell's repetitions; "
        "where several groups of cells were measured together, with the most that a random order gives in any of them, "
        f"so that chance alone would make it fire in one study in {1 / SIGNIFICANT:.0f}. Blocks that differ by less "
        f"than {BLOCK_RATIO:.1%} are not told.",
        "shuffled blocks, a settled machine, repetitions on several days",
        _blocks,
    ),
    Rule(
        "JM111",
        Severity.WARNING,
        "drift",
        "Within their cells energies rise or fall with the order in which the runs were measured: on a straight line, "
        f"at one rate for all cells, by more than {DRIFT_RATIO:.0%} from the first run of all to the last, which "
        f"chance would do less often than once in {1 / SIGNIFICANT:.0f} times. Where cells run as listed, what each "
        "cell does from its own first repetition to its last looks the same.",
        "warm the machine up; keep shuffled blocks, which spread drift over all cells",
        _drift,
    ),
    Rule(
        "JM112",
        Severity.NOTE,
        "outliers",
        f"A run is more than {OUTLIER_DEVIATIONS:g} times the median deviation, and {OUTLIER_RATIO:.0%}, from its "
        "cell's median. It stays in the mean: leaving it out would need a reason.",
        "look at the run's reasons; report the median beside the mean",
        _outliers,
    ),
    Rule(
        "JM119",
        Severity.NOTE,
        "differences within noise",
        "Two models that stand beside each other in a ranking have means that their repetitions cannot tell apart.",
        "do not rank them; joulemark compare says which differ",
        _within_noise,
    ),
    Rule(
        "JM120",
        Severity.WARNING,
        "failed runs left out of means",
        "A model that fails on hard inputs or for lack of memory looks cheaper than it is.",
        "say how many failed, and why",
        _failed,
    ),
    Rule(
        "JM122",
        Severity.WARNING,
        "incomplete comparisons",
        "A cell of the study has no runs, or fewer than its neighbours, or a model none on a dataset that it is "
        "compared on elsewhere: means over datasets or models are then of different things.",
        "run what is missing, or leave the model out everywhere",
        _incomplete,
    ),
)
