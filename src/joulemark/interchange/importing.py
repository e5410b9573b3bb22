"""From log files to a results folder that every verb reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from joulemark.interchange import paper_logs
from joulemark.interchange.codecarbon_csv import LoggedRow, is_codecarbon, not_codecarbon, read_rows
from joulemark.interchange.log_files import LogError, Problem, cut, log_files
from joulemark.interchange.logged_energy import NOT_STATED, carbon_g, constant_processors, machine, measurement
from joulemark.interchange.paper_logs import PaperLogs
from joulemark.records import LOGGED_MODEL, Cell, Machine, ModelFacts, Protocol, Run, Study, digest

ROWS_MAX_N = 200_000
PROBLEMS_MAX_N = 10_000
MACHINES_MAX_N = 1000
# Tasks of CodeCarbon's users that come before the work itself.
_PREPARES = ("load", "transfer", "download", "init", "warm")


@dataclass(frozen=True, slots=True)
class Imported:
    """A study made from logs. ``runs`` are made as they are asked for."""

    study: Study
    runs: Iterator[Run]
    runs_n: int
    files_n: int
    machines: tuple[Machine, ...]
    problems: tuple[Problem, ...]  # what was left out, or read in another way than it says
    is_paper: bool


@dataclass(frozen=True, slots=True)
class _Logged:
    """The rows of one run, and what it is a run of."""

    cell: Cell
    work: LoggedRow
    before: tuple[LoggedRow, ...]  # what came before the work: loading, transfer


def import_logs(paths: Sequence[Path], queries_n: int | None) -> Imported:
    """Everything that can be read in ``paths``: files, folders and archives of CodeCarbon's CSV or the paper's logs.

    ``queries_n`` is how many queries a run made, which CodeCarbon does not say; without it a run counts as one, with a
    reason code. The paper's are known.
    Raises :class:`LogError` where nothing can be read.
    """
    problems: list[Problem] = []
    logs = PaperLogs()
    rows, files_n = _read(paths, logs, problems)
    if logs.recognised:
        logged = [*_paper_runs(logs, problems), *_plain_runs(rows, problems)]
    else:
        logged = list(_plain_runs([*rows, *logs.base, *logs.joined_rows], problems))
    if not logged:
        first = f": {problems[0].file}: {problems[0].what}" if problems else ""
        raise LogError(f"nothing that could be imported{first}")
    machines = {made.machine_id: made for made in dict.fromkeys(machine(one.work) for one in logged)}
    if len(machines) > MACHINES_MAX_N:
        raise LogError(f"logs of more than {MACHINES_MAX_N:,} machines: import them in parts")
    study = _study(paths, logs, logged, queries_n or 1)
    return Imported(
        study=study,
        runs=_runs(study, logged, logs, () if queries_n or logs.recognised else ("queries-not-stated",)),
        runs_n=len(logged),
        files_n=files_n,
        machines=tuple(machines.values()),
        problems=tuple(problems),
        is_paper=logs.recognised,
    )


def _read(paths: Sequence[Path], logs: PaperLogs, problems: list[Problem]) -> tuple[list[LoggedRow], int]:
    rows: list[LoggedRow] = []
    files_n = rows_n = dropped_n = 0
    for path in paths:
        for file in log_files(path, problems):
            files_n += 1
            dropped_n += cut(problems, PROBLEMS_MAX_N)
            place = paper_logs.place_of(file.name)
            if place in ("lengths", "tables"):
                paper_logs.add_table(logs, place, file, problems)
                continue
            found, header = read_rows(file, problems)
            if not is_codecarbon(header):
                problems.append(Problem(file.name, None, not_codecarbon(header)))
            rows_n += len(found)
            if rows_n > ROWS_MAX_N:
                raise LogError(f"more than {ROWS_MAX_N:,} rows: import them in parts, each with its own --out")
            if place == "base":
                logs.base.extend(found)
            elif place == "joined":
                paper_logs.add_joined(logs, found, problems)
            else:
                rows.extend(found)
    if dropped_n:
        problems.append(Problem("all files", None, f"{dropped_n:,} further files or lines were skipped"))
    return rows, files_n


def _paper_runs(logs: PaperLogs, problems: list[Problem]) -> Iterator[_Logged]:
    tasks = paper_logs.tasks_of_models(logs)
    by_run: dict[str, list[LoggedRow]] = {}
    for row in logs.base:
        by_run.setdefault(row.run_id or row.file, []).append(row)
    for phases in by_run.values():
        work = [row for row in phases if row.task_name == "query model"]
        if len(work) != 1:
            problems.append(Problem(phases[0].file, None, f"{len(work)} phases 'query model', not one: skipped"))
            continue
        cell, _ = paper_logs.cell_of(logs, work[0], tasks)
        if cell.model != work[0].project_name:
            published = f"logged as {work[0].project_name}, published as {cell.model}: kept as published"
            problems.append(Problem(work[0].file, work[0].line_n, published))
        yield _Logged(cell, work[0], tuple(row for row in phases if row is not work[0]))
    for row in logs.joined_rows:
        if row.run_id not in by_run:
            problems.append(Problem(row.file, row.line_n, "its run has no base file: skipped"))


def _plain_runs(rows: Sequence[LoggedRow], problems: list[Problem]) -> Iterator[_Logged]:
    """A run per row, or per task of a run, the tasks that load something going with the first that does not."""
    whole: dict[str, LoggedRow] = {}
    tasks: dict[str, dict[tuple[str, str], LoggedRow]] = {}
    for row in rows:
        run = row.run_id or f"{row.file}:{row.line_n}"
        if row.task_name is not None:
            of_run = tasks.setdefault(run, {})
            if (row.task_name, row.ended_at) in of_run:
                problems.append(Problem(row.file, row.line_n, "the same task of the same run again: skipped"))
            else:
                of_run[row.task_name, row.ended_at] = row
            continue
        other = whole.get(run)
        if other is not None:
            # CodeCarbon appends a row each time it is flushed, with the sums so far.
            earlier = min(row, other, key=lambda one: one.duration_s)
            problems.append(
                Problem(earlier.file, earlier.line_n, "an earlier state of a run with a later row: skipped")
            )
        if other is None or row.duration_s > other.duration_s:
            whole[run] = row
    for run, row in whole.items():
        if run in tasks:
            problems.append(Problem(row.file, row.line_n, "the sum of a run whose tasks are imported: skipped"))
        else:
            yield _Logged(_plain_cell(row), row, ())
    for of_run in tasks.values():
        before = tuple(row for row in of_run.values() if _prepares(row))
        work = [row for row in of_run.values() if not _prepares(row)]
        if not work:
            work, before = list(before), ()
        for row in work:
            yield _Logged(_plain_cell(row), row, before)
            before = ()


def _prepares(row: LoggedRow) -> bool:
    return (row.task_name or "").casefold().startswith(_PREPARES)


def _plain_cell(row: LoggedRow) -> Cell:
    return Cell(row.task_name or NOT_STATED, row.project_name or NOT_STATED, NOT_STATED)


def _study(paths: Sequence[Path], logs: PaperLogs, logged: Sequence[_Logged], queries_n: int) -> Study:
    if logs.recognised:
        tasks = paper_logs.tasks_of_models(logs)
        published = {one.cell: None for one in logged if paper_logs.cell_of(logs, one.work, tasks)[1]}
        order = {entry: place for place, entry in enumerate(dict.fromkeys(paper_logs.JOINED.values()))}
        cells = sorted(
            published,
            key=lambda cell: (
                cell.purpose.value != "task-specific",
                order.get((cell.task, cell.dataset, cell.dataset_config), len(order)),
                cell.model.casefold(),
            ),
        )
        protocol = Protocol(paper_logs.QUERIES_N, paper_logs.REPEATS_N, "listed", 0, 0, 0.0)
        return Study(paper_logs.NAME, tuple(cells), protocol, paper_logs.DESCRIPTION)
    counts: dict[Cell, int] = {}
    for one in logged:
        counts[one.cell] = counts.get(one.cell, 0) + 1
    protocol = Protocol(queries_n, max(counts.values()), "listed", 0, 0, 0.0)
    sources = ", ".join(path.name for path in paths)
    return Study(paths[0].stem[:80] or "logs", tuple(counts), protocol, f"Imported from CodeCarbon: {sources}")


def _runs(study: Study, logged: Sequence[_Logged], logs: PaperLogs, reasons: tuple[str, ...]) -> Iterator[Run]:
    """The runs in the order in which they were measured, repetitions counted per cell."""
    constant = constant_processors([row for one in logged for row in (one.work, *one.before)])
    study_id = study.study_id
    cell_id = cache(lambda cell: cell.cell_id)
    machine_id = cache(lambda made: made.machine_id)
    repeats: dict[Cell, int] = {}
    in_order = sorted(logged, key=lambda one: (one.work.ended_at, one.work.file, one.work.line_n))
    quality = cache(lambda cell: paper_logs.quality_of(logs, cell))
    for order_i, one in enumerate(in_order):
        repeat_i = repeats.get(one.cell, 0)
        repeats[one.cell] = repeat_i + 1
        window = measurement((one.work,), constant)
        yield Run(
            run_id=digest({"study": study_id, "cell": cell_id(one.cell), "repeat_i": repeat_i})[:20],
            cell=one.cell,
            repeat_i=repeat_i,
            order_i=order_i,
            queries_n=study.protocol.queries_n,
            machine_id=machine_id(machine(one.work)),
            versions=_versions(one),
            started_at=window.started_at,
            measurement=window,
            load=measurement(one.before, constant) if one.before else None,
            quality=quality(one.cell),
            model=_facts(one, logs.parameters_n),
            reasons=(*paper_logs.reasons_of(logs, one.cell), *reasons),
            source=one.work.file[:500],
            carbon_logged_g=carbon_g(one.work),
        )


def _versions(one: _Logged) -> Mapping[str, str]:
    known = {"codecarbon": one.work.codecarbon_version, "python": one.work.python_version}
    if one.cell.model not in (one.work.project_name, NOT_STATED):
        known[LOGGED_MODEL] = one.work.project_name
    return {name: version for name, version in known.items() if version}


def _facts(one: _Logged, parameters_n: Mapping[str, int]) -> ModelFacts | None:
    """What is known of the model; the paper's scripts load it as the library does by default, in full precision."""
    if one.cell.model not in parameters_n:
        return None
    return ModelFacts(parameters_n[one.cell.model], NOT_STATED, "trained", "float32", "cuda:0")
