"""Carry out the jobs of a study on this machine, one at a time, each in a fresh process.

The parent sleeps in ``poll`` while a child measures: it never spins. It wakes up a few times a second where somebody
watches, else every few seconds, to see whether the child has died and left others that hold its connection open.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from joulemark.failures import MendableError, signal_name
from joulemark.protocol.order import Job
from joulemark.protocol.worker import (
    PHASES,
    SPOILT,
    UNUSABLE,
    Assignment,
    Outcome,
    empty_run,
    start_child,
    storable,
    work,
)
from joulemark.records import Cell, Failure, Run, Study
from joulemark.sensors import Setup
from joulemark.workloads import file_samples_sha256, preloads, prepare

WATCH_PERIOD_S = 0.25
END_S = 5.0  # for a child to end once its outcome is here
PREPARE = "prepare"  # the phase before all others
LOG_MAX_BYTE = 100_000  # of what a failed repetition printed: its end is kept

# (job, phase, queries done): called a few times a second while a job runs
Watch = Callable[[Job, str, int], None]


def execute(
    study: Study,
    jobs: Sequence[Job],
    setup: Setup,
    machine_id: str,
    *,
    unfit: Mapping[str, str] | None = None,
    earlier: Sequence[Run] = (),
    watch: Watch | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Measure ``jobs`` in order and yield each outcome; ``stopped`` is asked before each.

    ``earlier`` are the runs that are stored already: a cell is asked the samples that they were asked, or fails.
    ``unfit`` says of cells, by their id, why they cannot be measured. Such a cell fails once, without a process, as
    does one whose model or data turn out to be unusable: its other repetitions would fail in the same way.
    """
    context: ForkServerContext | SpawnContext = _context(study.cells)
    given_up: set[str] = set()
    asked = samples_asked(earlier)
    with tempfile.TemporaryDirectory(prefix="joulemark-") as folder:
        for job in jobs:
            if stopped():
                return
            if job.cell.cell_id in given_up:
                continue
            assignment = Assignment(job, study.protocol, setup, machine_id, asked.get(job.cell.cell_id))
            why = (unfit or {}).get(job.cell.cell_id)
            if why is not None:
                outcome = Outcome(replace(empty_run(assignment), failure=Failure(PREPARE, UNUSABLE, why)))
            else:
                while (measured := _one(context, assignment, Path(folder, "log"), watch)) is None:
                    context = multiprocessing.get_context("spawn")  # slower to start; such a process can use a board
                outcome = measured
            asked = {**samples_asked([outcome.run]), **asked}
            if outcome.run.failure is not None and outcome.run.failure.kind == UNUSABLE:
                given_up.add(job.cell.cell_id)
            yield outcome


def samples_asked(runs: Iterable[Run]) -> dict[str, str]:
    """The hash of the samples that the measured runs of every cell were asked, by the cell's id: of the first of them.

    Where there is none, or the runner has not said, the cell is left out.
    """
    asked: dict[str, str] = {}
    for run in runs:
        if run.measurement is not None and run.samples_sha256:
            asked.setdefault(run.cell.cell_id, run.samples_sha256)
    return asked


@dataclass(frozen=True, slots=True)
class Prepared:
    """A cell whose model and data are in place, or why they are not; of samples in files of one's own, their hash."""

    cell: Cell
    failure: str | None
    samples_sha256: str | None = None


def prepare_cells(study: Study, cells: Sequence[Cell], processes_n: int) -> Iterator[Prepared]:
    """Build or fetch what ``cells`` need, before anything is measured; ``processes_n`` at a time."""
    context = _context(study.cells)
    waiting = list(cells)
    running: dict[Connection, tuple[Cell, ForkServerProcess]] = {}
    with tempfile.TemporaryDirectory(prefix="joulemark-") as folder, ExitStack() as stack:
        stack.callback(_kill, running)
        while waiting or running:
            while waiting and len(running) < processes_n:
                cell = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                log, queries_n = str(Path(folder, cell.cell_id)), study.protocol.queries_n
                process = context.Process(target=_prepare, args=(cell, queries_n, log, theirs))
                process.start()
                theirs.close()
                running[ours] = (cell, process)
            ended = [ours for ours, (_, process) in running.items() if process.exitcode is not None]
            for ready in ended or wait(list(running), END_S):
                assert isinstance(ready, Connection)
                cell, process = running.pop(ready)
                otherwise = f"preparing it ended the process{_last_line(Path(folder, cell.cell_id))}"
                yield Prepared(cell, *_received(ready, process, (otherwise, None)))


def _prepare(cell: Cell, queries_n: int, log: str, answer: Connection) -> None:
    start_child(log)
    try:
        prepare(cell, queries_n=queries_n)
        samples_sha256 = file_samples_sha256(cell, queries_n=queries_n)
    except MendableError as error:
        answer.send((storable(str(error)), None))
    except Exception as error:  # told to the user now, and again as the run's failure
        answer.send((storable(f"{type(error).__name__}: {error}"), None))
    else:
        answer.send((None, samples_sha256))


def _kill(running: Mapping[Connection, tuple[Cell, ForkServerProcess]]) -> None:
    for _, process in running.values():
        process.kill()


def _context(cells: Sequence[Cell]) -> ForkServerContext:
    """A fork server that has imported what the cells need, once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["joulemark.protocol.worker", *preloads(cells)])
    with _ctrl_c_ignored():
        ensure_running()
    return context


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """What is started inside, and what it forks, ignores Ctrl-C from its first moment on.

    The terminal sends it to every process, also to one that has not come as far as ignoring it: its repetition would
    fail, instead of being the last one.
    """
    if threading.current_thread() is not threading.main_thread():  # where handlers cannot be set, none is asked
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _one(
    context: ForkServerContext | SpawnContext, assignment: Assignment, log: Path, watch: Watch | None
) -> Outcome | None:
    """The outcome of one process; ``None`` where one that is forked could use no board."""
    ours, theirs = context.Pipe(duplex=False)
    progress = context.RawArray("q", 2)
    log.write_bytes(b"")
    blank = empty_run(assignment)
    process = context.Process(target=work, args=(assignment, progress, str(log), theirs))
    with nullcontext() if isinstance(context, ForkServerContext) else _ctrl_c_ignored():
        process.start()
    theirs.close()
    try:
        while not ours.poll(WATCH_PERIOD_S if watch else END_S) and process.exitcode is None:
            if watch is not None:
                watch(assignment.job, PHASES[progress[0]], progress[1])
        outcome = _received(ours, process, None)
    except BaseException:
        process.kill()
        raise
    if outcome == SPOILT:
        return None
    if not isinstance(outcome, Outcome):
        outcome = Outcome(replace(blank, failure=Failure(PHASES[progress[0]], *_death(process, log))))
    if outcome.run.failure is None or outcome.run.failure.kind == UNUSABLE:
        return outcome
    return replace(outcome, log=_end_of(log))


def _received(connection: Connection, process: BaseProcess, otherwise: object) -> Any:
    """What the child sent, or ``otherwise`` if it ended without a word.

    One that has ended is asked no longer: children of its own may hold its end of the connection open.
    """
    try:
        return connection.recv() if process.exitcode is None or connection.poll() else otherwise
    except EOFError:
        return otherwise
    finally:
        connection.close()
        process.join(END_S)
        if process.exitcode is None:  # the driver of a board that is gone can hold a process up for ever
            process.kill()
            process.join(END_S)


def _death(process: BaseProcess, log: Path) -> tuple[str, str]:
    code = process.exitcode or 0
    if code < 0:
        name = signal_name(-code)
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return "Killed", f"the process was ended by {name}{hint}{_last_line(log)}"
    return "Exited", f"the process ended with code {code} and no result{_last_line(log)}"


def _end_of(log: Path) -> str:
    """The last that a child printed."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - LOG_MAX_BYTE))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def _last_line(log: Path) -> str:
    """The last thing a child printed, which often says why it died."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f": {lines[-1][:300]}" if lines else ""
