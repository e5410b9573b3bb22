"""What the explorer takes from one place of results, in one pass over its runs, so that a large store fits."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from joulemark import store
from joulemark.analysis.audit import Finding, audit, evidence
from joulemark.analysis.claims import claims_of
from joulemark.analysis.reference import PAPER
from joulemark.analysis.results import open_results
from joulemark.analysis.summary import compared_cells
from joulemark.explorer.cell_runs import CellRuns, no_runs
from joulemark.explorer.paper import paper_cells
from joulemark.measurement import BoundaryName
from joulemark.records import Cell, Machine, Run, Study

RUNS_MAX_N = 20_000  # runs of one place that are held: shown one by one, and audited


@dataclass(frozen=True, slots=True)
class Gathered:
    """The results of one place. ``folder`` is ``None`` for a publication, of which there are no single runs."""

    study: Study
    machines: tuple[Machine, ...]
    folder: Path | None
    place: str  # the last part of its path
    cells: tuple[CellRuns, ...]  # with runs, in the study's order
    held: tuple[Run, ...]  # the latest runs, in the order they were measured
    runs_n: int  # with a measurement
    failed_n: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]  # what is left out, and why
    details: str | None  # why there are no details of single runs, or not of all


def gather(place: str | Path) -> Gathered:
    """Read the results of a folder, or of ``luccioni2024``.

    A folder that is empty gives a study without cells, so that a page can be opened before a run has begun.
    Raises :class:`~joulemark.store.StoreError`, :class:`~joulemark.failures.MendableError`.
    """
    folder = Path(place)
    if _is_empty(folder):
        note = f"the folder is empty: joulemark run STUDY --out {folder.name} fills it"
        return Gathered(Study(_name(folder), ()), (), folder, _name(folder), (), (), 0, 0, (), (note,), None)
    results = open_results(place)
    if results.folder is None:
        return _published(results.study, results.machines)
    with _no_collection():
        return _stored(results.study, results.machines, results.folder)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Runs hold no cycles, and looking for some takes a third of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _is_empty(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    try:
        return all(entry.name == store.LOCK_FILE for entry in folder.iterdir())
    except OSError as error:
        raise store.StoreError(f"{folder}: {error.strerror}") from error


def _name(folder: Path) -> str:
    return folder.resolve().name or "results"


def _published(study: Study, machines: tuple[Machine, ...]) -> Gathered:
    cells, outside_n, outside_runs_n = paper_cells()
    notes = (
        _outside(outside_n, outside_runs_n),
        "no findings: the package holds means of the repetitions, and the audit reads single runs; import the logs",
    )
    details = "the package holds means of the repetitions; import the logs to see single runs"
    runs_n = sum(one.sums[BoundaryName.DEVICE].runs_n for one in cells)
    return Gathered(study, machines, None, PAPER, tuple(cells), (), runs_n, 0, (), notes, details)


def _stored(study: Study, machines: tuple[Machine, ...], folder: Path) -> Gathered:
    listed = {cell.cell_id: place for place, cell in enumerate(study.cells)}
    compared = compared_cells(study)
    cells: dict[tuple[str, str], CellRuns] = {}
    held: deque[Run] = deque(maxlen=RUNS_MAX_N)
    counted_n = outside_runs_n = runs_n = failed_n = 0
    outside: set[str] = set()
    ids: dict[Cell, str] = {}
    for run in _latest_runs(folder):
        counted_n += 1
        held.append(run)
        runs_n += run.measurement is not None
        failed_n += run.failure is not None
        cell_id = _cell_id(run.cell, ids)
        if cell_id not in listed:
            outside.add(cell_id)
            outside_runs_n += 1
            continue
        key = (cell_id, run.machine_id)
        if key not in cells:
            cells[key] = no_runs(run.cell, run.machine_id, cell_id in compared)
        cells[key].add(run)
    notes = [_outside(len(outside), outside_runs_n)] if outside else []
    details = None
    findings: tuple[Finding, ...] = ()
    if counted_n > RUNS_MAX_N:
        details = f"details of the latest {RUNS_MAX_N:,} of {counted_n:,} runs; the figures are of all of them"
        notes.append(f"no findings: {counted_n:,} runs are too many to audit here; joulemark audit {folder.name}")
    else:
        findings = audit(evidence(study, tuple(held), machines, claims_of(study.name, folder)))
    if not counted_n:
        notes.append("no run has been stored yet: joulemark run adds them")
    elif not runs_n:
        notes.append(f"all {counted_n:,} runs failed, so there is no energy to show: {_why(tuple(held))}")
    elif counted_n == 1:
        notes.append("one run: no spread over repetitions is known, so intervals are those of the sensors alone")
    return Gathered(
        study=study,
        machines=machines,
        folder=folder,
        place=_name(folder),
        cells=tuple(sorted(cells.values(), key=lambda one: (listed[one.cell.cell_id], one.machine_id))),
        held=tuple(run for run in held if _cell_id(run.cell, ids) in listed),
        runs_n=runs_n,
        failed_n=failed_n,
        findings=findings,
        notes=tuple(notes),
        details=details,
    )


def _cell_id(cell: Cell, ids: dict[Cell, str]) -> str:
    """The id of a cell, which is a hash, computed once where the cell can be a key: one with a mapping cannot."""
    if cell.columns is not None:
        return cell.cell_id
    found = ids.get(cell)
    if found is None:
        found = ids[cell] = cell.cell_id
    return found


def _outside(cells_n: int, runs_n: int) -> str:
    return f"{runs_n:,} runs of {cells_n:,} cells that the study does not list are left out"


def _why(runs: Sequence[Run]) -> str:
    """The commonest failure."""
    failures = [f"{run.failure.kind}: {run.failure.message}" for run in runs if run.failure is not None]
    return max(failures, key=failures.count) if failures else "no reason was stored"


class _Key(msgspec.Struct, gc=False):
    """The fields of a :class:`~joulemark.records.Run` that name a repetition."""

    run_id: str
    machine_id: str
    schema_version: int = 1


def _latest_runs(folder: Path) -> Iterator[Run]:
    """The latest run of every repetition, in the order they were measured, without holding them.

    Lines that are added meanwhile are left for the next time.
    """
    last: dict[int, int] = {}
    lines_n = 0
    for lines_n, line in enumerate(store.run_lines(folder, _Key), start=1):
        last[hash((line.run_id, line.machine_id))] = lines_n
    counting = None if len(last) == lines_n else set(last.values())
    del last
    if not lines_n:
        return
    for line_n, run in enumerate(store.run_lines(folder, Run), start=1):
        if counting is None or line_n in counting:
            yield run
        if line_n == lines_n:
            return
