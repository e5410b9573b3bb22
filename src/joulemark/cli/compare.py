"""``joulemark compare``: two results beside each other, and whether they differ."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from joulemark.analysis.circumstances import circumstances_of
from joulemark.analysis.comparison import Comparison, Row, Side, Summary, Verdict, compare
from joulemark.analysis.comparison_conditions import Agreement, Finding, conditions, findings
from joulemark.analysis.matching import Change, Folder, matched
from joulemark.analysis.results import open_results, sums_of
from joulemark.cli.report import chosen_boundary
from joulemark.cli.table import counted, print_json, print_table, printable
from joulemark.failures import MendableError
from joulemark.measurement import BoundaryName
from joulemark.protocol.study import StudyError, select
from joulemark.records import Cell, Purpose
from joulemark.units import UNKNOWN, number, unit_for

NAMES_MAX_N = 5  # of cells that only one has
TASKS_MAX_N, MODELS_MAX_N = 4, 2  # in an error
VALUE_MAX_N = 40  # characters of a condition's value; longer ones are left to --json
PLUS_MINUS_MAX_RATIO = 0.25  # a wider or a lopsided interval is told by its bounds


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What was given on the command line; no tasks and no patterns leave all cells."""

    a: str
    b: str
    boundary: str = "device"
    tasks: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    json_out: bool = False


def show_compare(options: CompareOptions) -> None:
    """Print what both have, by how much it differs, and what else differs. Raises ``MendableError``."""
    boundary = chosen_boundary(options.boundary)
    if boundary is BoundaryName.FACILITY:
        raise MendableError(
            "the building's share (PUE) is not measured and is the same factor for all: --boundary host"
        )
    names = _names(options.a, options.b)
    a = _folder(options.a, names[0], boundary)
    b = a if options.a == options.b else _folder(options.b, names[1], boundary)
    b = replace(b, name=names[1])
    wanted = _wanted(a, b, options.tasks, options.only)
    pairs, _, _ = matched(a.cells(wanted), b.cells(wanted))
    if not pairs:
        raise MendableError(_nothing_in_common(a, b, wanted))
    of_a = circumstances_of(a.results, boundary, frozenset(one.cell_id for one, _ in pairs))
    of_b = of_a
    if options.a != options.b:
        of_b = circumstances_of(b.results, boundary, frozenset(other.cell_id for _, other in pairs))
    a, b = replace(a, circumstances=of_a), replace(b, circumstances=of_b)
    comparison = compare(a, b, wanted)
    different, same = conditions(a, b, comparison)
    found = findings(comparison)
    if options.json_out:
        _print_json(a, b, boundary, comparison, different, same, found)
        return
    print(f"energy per 1,000 queries   boundary {boundary}   95 % intervals over repetitions and sensors\n")
    _print_rows(comparison.rows, names)
    _print_only(names[0], comparison.only_in_a)
    _print_only(names[1], comparison.only_in_b)
    _print_conditions(different, same, len(comparison.rows))
    for finding in found:
        print(printable(f"! {finding.subject}: {finding.message}"))
    print(f"\nSummary: {printable(summary_sentence(comparison.summary, names))}")


def _folder(place: str, name: str, boundary: BoundaryName) -> Folder:
    results = open_results(place)
    return Folder(name, results, sums_of(results, boundary), {})


def _names(a: str, b: str) -> tuple[str, str]:
    """What to call the two: the ends of their paths, as short as they differ."""
    parts = [[part for part in Path(place).parts if part not in ("/", ".")] or [place] for place in (a, b)]
    for n in range(1, max(map(len, parts)) + 1):
        one, other = ("/".join(part[-n:]) for part in parts)
        if one != other:
            return printable(one), printable(other)
    return f"{printable(parts[0][-1])} (a)", f"{printable(parts[1][-1])} (b)"


def _wanted(a: Folder, b: Folder, tasks: Sequence[str], only: Sequence[str]) -> Collection[str] | None:
    """The ids of the cells that the options leave; ``None`` for all.

    Raises :class:`~joulemark.failures.MendableError` where an option leaves none of either.
    """
    cells = tuple({cell.cell_id: cell for folder in (a, b) for cell in folder.cells()}.values())
    if not cells or not (tasks or only):
        return None
    for task in tasks:
        if not any(fnmatchcase(cell.task, task) for cell in cells):
            known = ", ".join(dict.fromkeys(cell.task for cell in cells))
            raise StudyError(f"--task '{printable(task)}': neither has such a task; there are {known}")
    chosen = select(replace(a.results.study, cells=cells), only)
    return frozenset(
        cell.cell_id for cell in chosen if not tasks or any(fnmatchcase(cell.task, task) for task in tasks)
    )


def _nothing_in_common(a: Folder, b: Folder, wanted: Collection[str] | None) -> str:
    chosen = "of those asked for, no" if wanted is not None else "no"
    return (
        f"{chosen} cell is in both, by task, model, dataset, configuration, split and purpose: {_has(a, wanted)};\n"
        f"{_has(b, wanted)}"
    )


def _has(folder: Folder, wanted: Collection[str] | None) -> str:
    models: dict[str, dict[str, None]] = {}
    for cell in folder.cells(wanted):
        models.setdefault(cell.task, {})[f"{cell.model} on {cell.dataset}"] = None
    if not models:
        return f"{folder.name} has no runs of any"
    told = [f"{task} ({_some(list(of_task), MODELS_MAX_N)})" for task, of_task in models.items()]
    return printable(f"{folder.name} has {_some(told, TASKS_MAX_N)}")


def _some(words: Sequence[str], most_n: int = NAMES_MAX_N) -> str:
    more_n = len(words) - most_n
    return ", ".join(words[:most_n]) + (f" and {more_n:,} more" if more_n > 0 else "")


def _print_rows(rows: Sequence[Row], names: tuple[str, str]) -> None:
    """A line a row; a column only where it says something."""
    shared = _shared_changes(rows)
    optional = {
        "task": [row.task for row in rows],
        "dataset": [f"{row.dataset} ({row.dataset_config})" if row.dataset_config else row.dataset for row in rows],
        "per query": [_durations(row) for row in rows],
        "quality": [_qualities(row) for row in rows],
        "but": ["; ".join([*row.remarks, *_own_changes(row, shared)]) for row in rows],
    }
    several_models = len({(row.task, row.model, row.purpose) for row in rows}) < len(rows)
    told = {
        "task": len(set(optional["task"])) > 1,
        "dataset": several_models,
        "per query": any(optional["per query"]),
        "quality": any(optional["quality"]),
        "but": any(optional["but"]),
    }
    columns = [("task", optional["task"])] if told["task"] else []
    columns.append(
        ("model", [row.model + (" (prompted)" if row.purpose is Purpose.MULTI_PURPOSE else "") for row in rows])
    )
    columns += [("dataset", optional["dataset"])] if told["dataset"] else []
    energies = [_energies(row) for row in rows]
    columns.append((names[0], [one for one, _ in energies]))
    columns.append((names[1], [other for _, other in energies]))
    columns.append(("difference", [difference(row) for row in rows]))
    columns += [(name, optional[name]) for name in ("per query", "quality", "but") if told[name]]
    print_table([name for name, _ in columns], list(zip(*(values for _, values in columns), strict=True)))


def _energies(row: Row) -> tuple[str, str]:
    """Both energies in one unit, with their intervals."""
    known = [side.energy_per_1000_j for side in (row.a, row.b) if side.energy_per_1000_j is not None]
    unit = unit_for(max(map(abs, known)), "j") if known else unit_for(0.0, "j")
    return _energy(row.a, unit.symbol, unit.size), _energy(row.b, unit.symbol, unit.size)


def _energy(side: Side, symbol: str, size_j: float) -> str:
    value_j, low_j, high_j = side.energy_per_1000_j, side.energy_low_j, side.energy_high_j
    if value_j is None:
        return UNKNOWN
    told = f"{number(value_j / size_j)} {symbol}"
    if low_j is None or high_j is None:
        return told
    if low_j > 0 and high_j / value_j - 1 <= PLUS_MINUS_MAX_RATIO:
        half_ratio = max(high_j - value_j, value_j - low_j) / value_j
        return f"{told} ± {number(half_ratio * 100, 2)} %" if half_ratio > 0 else told
    return f"{told} ({number(low_j / size_j)} to {number(high_j / size_j)})"


def difference(row: Row) -> str:
    """The second against the first in words; what is not significant is never put in an order."""
    if row.ratio is None:
        return row.why or UNKNOWN
    if row.verdict is Verdict.NOT_TESTED:
        return f"ratio {number(row.ratio)}, {row.why}"
    if row.verdict is Verdict.NOT_SHOWN:
        return f"no difference shown ({', '.join(part for part in (p_words(row.p), row.why) if part)})"
    return f"{_times(row.ratio, row.ratio_low, row.ratio_high)} {_direction(row.ratio)}"


def _direction(ratio: float) -> str:
    return "less" if ratio >= 1 else "more"


def _times(ratio: float, low: float | None, high: float | None) -> str:
    """A ratio above 1 with its interval, the other way round where it is below: "1.59 ± 0.02 times"."""
    if ratio < 1:
        ratio, low, high = 1 / ratio, None if high is None else 1 / high, None if low is None else 1 / low
    if low is None or high is None:
        return f"{number(ratio)} times"
    half = max(high - ratio, ratio - low)
    if half <= PLUS_MINUS_MAX_RATIO / 2 * ratio:
        magnitude = math.floor(math.log10(max(half, 1e-4)))
        # One digit of the half-width, two where it begins with a 1.
        decimals_n = max(0, (1 if half < 2 * 10**magnitude else 0) - magnitude)
        return f"{ratio:,.{decimals_n}f} ± {half:,.{decimals_n}f} times"
    return f"{number(ratio)} times ({number(low)} to {number(high)})"


def p_words(p: float | None) -> str:
    """A p-value with as many digits as it deserves."""
    if p is None:
        return ""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _durations(row: Row) -> str:
    if row.duration_ratio is None:
        return ""
    a_s, b_s = row.a.duration_per_query_s, row.b.duration_per_query_s
    assert a_s is not None
    assert b_s is not None
    unit = unit_for(max(a_s, b_s), "s")
    told = f"{number(a_s / unit.size)} → {number(b_s / unit.size)} {unit.symbol}"
    if row.duration_p is None or row.duration_low is None or row.duration_high is None:
        return told
    if row.duration_low <= 1 <= row.duration_high:
        return f"{told} (no difference shown)"
    return f"{told} ({number(max(row.duration_ratio, 1 / row.duration_ratio))} times {_direction(row.duration_ratio)})"


def _qualities(row: Row) -> str:
    a, b = row.a, row.b
    if a.quality is None or b.quality is None:
        return ""
    if a.quality_metric == b.quality_metric:
        return f"{a.quality_metric} {number(a.quality)} → {number(b.quality)}"
    return f"{a.quality_metric} {number(a.quality)} → {b.quality_metric} {number(b.quality)}"


def _shared_changes(rows: Sequence[Row]) -> set[Change]:
    """Changes that all rows have: told once below the table."""
    return set.intersection(*(set(row.differing) for row in rows)) if len(rows) > 1 else set()


def _own_changes(row: Row, shared: Collection[Change]) -> list[str]:
    return [
        f"{change.what} {_arrow(change)}"
        for change in row.differing
        if change not in shared and change.what != "samples"
    ]


def _arrow(change: Change) -> str:
    return f"{change.a or 'not stated'} → {change.b or 'not stated'}"


def _print_only(name: str, cells: Sequence[Cell]) -> None:
    if cells:
        told = _some([f"{cell.task}: {cell.model} × {cell.dataset}" for cell in cells])
        print("\n" + printable(f"Only in {name}, {counted(len(cells), 'cell')}: {told}"))


def _print_conditions(different: Sequence[Change], same: Sequence[Agreement], rows_n: int) -> None:
    """Both in a line; machine, versions and protocol in one word where they are the same throughout."""
    print()
    told = []
    for change in different:
        values = _arrow(change)
        where = "" if change.rows_n in (None, rows_n) else f" in {change.rows_n} of {rows_n} rows"
        short = len(values) <= 2 * VALUE_MAX_N and change.what != "samples"
        told.append(f"{change.what}{f' ({values})' if short else ''}{where}")
    print(printable(f"Different: {', '.join(told) or 'nothing that is recorded'}."))
    apart = {"cells", *(change.of for change in different)}
    alike = dict.fromkeys(one.what if one.of in apart else one.of for one in same)
    print(printable(f"The same: {', '.join(alike) or 'nothing that is recorded'}."))


def summary_sentence(summary: Summary, names: tuple[str, str]) -> str:
    """What all rows of known energy say together."""
    a, b = names
    counts = _counts(summary)
    if summary.ratio is None:
        return f"nothing can be said of {a} and {b}; {counts}."
    mean = f"geometric mean of {counted(summary.models_n, 'model')}"
    if summary.verdict is Verdict.NOT_TESTED:
        if summary.models_n == 1:
            return (
                f"one model, so that nothing is said beyond its {'row' if summary.rows_n == 1 else 'rows'}; {counts}."
            )
        return f"{a} ÷ {b} is {number(summary.ratio)} ({mean}; no interval, since one row has none); {counts}."
    assert summary.ratio_low is not None
    assert summary.ratio_high is not None
    if summary.verdict is Verdict.NOT_SHOWN:
        bounds = f"{number(summary.ratio_low)} to {number(summary.ratio_high)}"
        return (
            f"no difference shown between {a} and {b} ({mean} {number(summary.ratio)}, {bounds}, "
            f"{p_words(summary.p)}); {counts}."
        )
    times = _times(summary.ratio, summary.ratio_low, summary.ratio_high)
    return f"{b} needs {times} {_direction(summary.ratio)} energy than {a} ({mean}); {counts}."


def _counts(summary: Summary) -> str:
    """Of how many rows nothing is shown, in words."""
    told = [(summary.not_shown_n, "not significant"), (summary.not_tested_n, "not tested")]
    told.append((summary.unknown_n, "without a known energy"))
    if summary.rows_n == 1:
        return next((f"the only row is {what}" for n, what in told if n), "the only row is significant")
    parts = [f"{summary.not_shown_n:,} of {summary.rows_n:,} rows not significant"]
    return ", ".join([*parts, *(f"{n:,} {what}" for n, what in told[1:] if n)])


def _print_json(
    a: Folder,
    b: Folder,
    boundary: BoundaryName,
    comparison: Comparison,
    different: Sequence[Change],
    same: Sequence[Agreement],
    found: Sequence[Finding],
) -> None:
    names = a.name, b.name

    def who(folder: Folder) -> dict[str, object]:
        study = folder.results.study
        place = None if folder.results.folder is None else str(folder.results.folder)
        return {"name": folder.name, "folder": place, "study": study.name, "study_id": study.study_id}

    print_json(
        {
            "a": who(a),
            "b": who(b),
            "boundary": str(boundary),
            "rows": [asdict(row) | {"sentence": difference(row)} for row in comparison.rows],
            "only_in_a": [_cell_words(cell) for cell in comparison.only_in_a],
            "only_in_b": [_cell_words(cell) for cell in comparison.only_in_b],
            "different": [asdict(change) for change in different],
            "same": [asdict(one) for one in same],
            "summary": asdict(comparison.summary) | {"sentence": summary_sentence(comparison.summary, names)},
            "findings": [asdict(finding) for finding in found],
        }
    )


def _cell_words(cell: Cell) -> dict[str, object]:
    return {
        "task": cell.task,
        "model": cell.model,
        "dataset": cell.dataset,
        "dataset_config": cell.dataset_config,
        "split": cell.split,
        "purpose": str(cell.purpose),
        "cell_id": cell.cell_id,
    }
