"""Rules about repetitions: spread, shared drift, outliers, missing ones, and rankings of what cannot be told apart."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Iterator, Sequence

from joulemark.analysis.audit.findings import Evidence, Found, Rule, Severity, name_of, of_cells
from joulemark.analysis.interval import mean_interval
from joulemark.records import Cell, Run
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
    for cell, runs in evidence.comparable():
        energies_j = evidence.cell_energies_j(runs)
        if len(energies_j) < 2:
            continue
        repeats = mean_interval(energies_j)
        if repeats.high is not None and repeats.value > 0:
            half = (repeats.high - repeats.value) / repeats.value
            if half > SPREAD_RATIO:
                wide.append((half, name_of(cell), len(energies_j)))
    if wide:
        half, name, repeats_n = max(wide)
        more_n = repeats_n
        for more_n in range(repeats_n, 100 * repeats_n):
            narrower = half * math.sqrt(repeats_n / more_n)
            narrower *= t_quantile(0.975, more_n - 1) / t_quantile(0.975, repeats_n - 1)
            if narrower <= SPREAD_RATIO:
                break
        yield Found(
            of_cells([one for _, one, _ in wide], len(evidence.comparable())),
            f"by the repetitions alone the mean is known to ± {half:.0%} (limit {SPREAD_RATIO:.0%}; the widest is "
            f"{name}); {more_n - repeats_n} more repeats would make that ± {SPREAD_RATIO:.0%} there. The sensors' part "
            "of the interval comes on top and stays, however often it is repeated",
        )


def _blocks(evidence: Evidence) -> Iterator[Found]:
    found: list[tuple[float, float]] = []
    groups_n = 0
    for group in _measured_together(evidence):
        deviations = _deviations(evidence, group)
        if len(deviations) < 2 or len(deviations[0]) < 3:
            continue
        groups_n += 1
        share = _block_share(deviations)
        if share is None or _block_size(deviations) < BLOCK_RATIO:
            continue
        shuffled = random.Random(20240603)
        as_large_n = 0
        for _ in range(SHUFFLES_N):
            other = _block_share([shuffled.sample(row, len(row)) for row in deviations])
            as_large_n += other is not None and other >= share
        if (1 + as_large_n) / (1 + SHUFFLES_N) <= SIGNIFICANT:
            found.append((share, 1 / len(deviations)))
    if found:
        shares = [share for share, _ in found]
        yield Found(
            "whole study" if groups_n > 1 else "all cells",
            f"repetitions are not independent in {len(found)} of {groups_n} groups measured together: which repetition "
            f"it was explains {min(shares):.0%} to {max(shares):.0%} of the variance within a model "
            f"({statistics.median(chance for _, chance in found):.0%} by chance)",
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


def _block_share(deviations: Sequence[Sequence[float]]) -> float | None:
    """The share of the sum of squares within cells that the means of the repetitions explain."""
    all_squares = math.fsum(value * value for row in deviations for value in row)
    if all_squares <= 0:
        return None
    means = [math.fsum(column) / len(deviations) for column in zip(*deviations, strict=True)]
    return len(deviations) * math.fsum(mean * mean for mean in means) / all_squares


def _block_size(deviations: Sequence[Sequence[float]]) -> float:
    """The standard deviation of the means of the repetitions."""
    return statistics.stdev(statistics.fmean(column) for column in zip(*deviations, strict=True))


def _drift(evidence: Evidence) -> Iterator[Found]:
    """A straight line through the relative deviations of all cells, by the order in which the runs were measured."""
    points: list[tuple[int, float]] = []
    for _, runs in evidence.comparable():
        energies_j = evidence.cell_energies_j(runs)
        if len(energies_j) < 2 or len(energies_j) < len(runs):
            continue
        mean_j = statistics.fmean(energies_j)
        if mean_j > 0:
            points += [(run.order_i, energy_j / mean_j - 1) for run, energy_j in zip(runs, energies_j, strict=True)]
    if len(points) < 6 or len({order_i for order_i, _ in points}) < 3:
        return
    middle = statistics.fmean(order_i for order_i, _ in points)
    squares = math.fsum((order_i - middle) ** 2 for order_i, _ in points)
    slope = math.fsum((order_i - middle) * value for order_i, value in points) / squares
    residual = math.fsum((value - slope * (order_i - middle)) ** 2 for order_i, value in points) / (len(points) - 2)
    whole = slope * (max(order_i for order_i, _ in points) - min(order_i for order_i, _ in points))
    t = math.inf if residual == 0 else abs(slope) / math.sqrt(residual / squares)
    if abs(whole) > DRIFT_RATIO and 2 * (1 - t_probability(min(t, 1e6), len(points) - 2)) < SIGNIFICANT:
        yield Found(
            "whole study", f"energies {'rise' if whole > 0 else 'fall'} by {abs(whole):.0%} from first to last run"
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
    """A model without runs on a dataset that its neighbours have, or with fewer than they have."""
    groups: dict[tuple[object, ...], dict[tuple[str, str | None], dict[str, int]]] = {}
    for cell, runs in evidence.comparable():
        datasets = groups.setdefault((cell.task, cell.purpose), {})
        datasets.setdefault((cell.dataset, cell.dataset_config), {})[cell.model] = len(runs)
    holes: list[str] = []
    for (task, _), datasets in groups.items():
        models = dict.fromkeys(model for found in datasets.values() for model in found)
        for (dataset, config), found in datasets.items():
            usual_n = statistics.mode(found.values())
            for model in models:
                # A hole is a model that most other datasets of the task have.
                elsewhere_n = sum(model in other for other in datasets.values())
                if model not in found and elsewhere_n * 2 > len(datasets):
                    holes.append(f"{model} × {dataset}{f' ({config})' if config else ''}: no run ({task})")
                elif found.get(model, usual_n) < usual_n:
                    holes.append(f"{model} × {dataset}: {found[model]} runs, its neighbours {usual_n}")
    if holes:
        yield Found(
            "whole study" if len(holes) > 1 else holes[0].partition(":")[0],
            "; ".join(holes[:3]) + (f"; and {len(holes) - 3} more" if len(holes) > 3 else ""),
        )


RULES = (
    Rule(
        "JM104",
        Severity.WARNING,
        "repetitions differ, or there is one",
        f"The 95 % interval of a cell's mean over its repetitions alone, without the sensors' part, is wider than "
        f"± {SPREAD_RATIO:.0%}, or is not known, because there is a single repetition.",
        "more repeats: the same command with a larger --repeats goes on",
        _spread,
    ),
    Rule(
        "JM110",
        Severity.WARNING,
        "repetitions that are not independent",
        "Cells that were measured together rise and fall together: the machine's state, not chance, moves them. The "
        "spread of repetitions then says little about another day. The share of the variance within cells that the "
        f"number of the repetition explains is compared with {SHUFFLES_N} random orders of each cell's repetitions. "
        f"Blocks that differ by less than {BLOCK_RATIO:.1%} are not told.",
        "shuffled blocks, a settled machine, repetitions on several days",
        _blocks,
    ),
    Rule(
        "JM111",
        Severity.WARNING,
        "drift",
        f"A straight line through the runs in the order they were measured changes by more than {DRIFT_RATIO:.0%}, "
        f"which chance would do less often than once in {1 / SIGNIFICANT:.0f} times.",
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
        "A model has no runs on a dataset that it is compared on elsewhere, or fewer than its neighbours: means over "
        "datasets or models are then of different things.",
        "run what is missing, or leave the model out everywhere",
        _incomplete,
    ),
)
