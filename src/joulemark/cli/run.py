"""``joulemark run``: measure a study, showing how it goes."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from joulemark import store
from joulemark.analysis.summary import PER_N, run_total
from joulemark.cli.study import StudyOptions, chosen_study
from joulemark.cli.table import print_json, printable
from joulemark.measurement import BoundaryName, Channel, Component
from joulemark.meter.window import Meter
from joulemark.protocol.execute import Prepared, execute, prepare_cells, samples_asked
from joulemark.protocol.order import Job, remaining
from joulemark.protocol.study import StudyError, select
from joulemark.protocol.worker import UNUSABLE, Outcome, has_changed
from joulemark.records import Cell, Run, Study
from joulemark.sensors import Found, Setup, open_sensors
from joulemark.sensors.machine import machine
from joulemark.units import show
from joulemark.workloads import missing

SPARKS = "▁▂▃▄▅▆▇█"
SPARKS_N = 24


def run_study(options: StudyOptions, out: Path | None, only: tuple[str, ...], setup: Setup, json_out: bool) -> None:
    """Measure what is not yet measured of a study. Exits with 1 if a repetition failed, 130 if it was stopped.

    Where a study goes on without a cell that cannot be measured, a cell of one's own is a mistake to mend.
    """
    study = chosen_study(options)
    cells = select(study, only)
    folder = out or Path("results") / study.name
    own = options.name is None
    if own and (why := missing(study.cells[0])) is not None:
        raise StudyError(why)
    say = _Lines(quiet=json_out)
    with (
        open_sensors(setup) as found,
        store.open_for_writing(folder, study) as taken_over,
        _stop_on_interrupt(say) as stopped,
    ):
        here = machine(setup, found.channels)
        before = store.read_runs(folder)
        if before and all(run.machine_id != here.machine_id for run in before):
            raise store.StoreError(f"{folder} was measured on another machine: use another --out")
        store.add_machine(folder, here)
        done = {run.run_id for run in before if run.failure is None and run.machine_id == here.machine_id}
        jobs = remaining(study, cells, done)
        say.start(study, cells, folder, found, len(jobs), taken_over)
        unfit = _prepare(study, _distinct_cells(jobs), before, say, stopped)
        if own and unfit:
            raise StudyError(*unfit.values())
        measured_n = failed_n = 0
        with say.watching(study, found, jobs) as watch:
            for outcome in execute(
                study, jobs, setup, here.machine_id, unfit=unfit, earlier=before, watch=watch, stopped=stopped
            ):
                store.append(folder, outcome.run, outcome.inferences, outcome.trace, outcome.log)
                measured_n += outcome.run.failure is None
                failed_n += outcome.run.failure is not None
                say.result(study, outcome, folder)
        was_stopped = stopped()
    runs = store.read_runs(folder)
    if json_out:
        print_json(
            {
                "study": study.name,
                "study_id": study.study_id,
                "out": str(folder),
                "jobs_n": len(jobs),
                "runs_n": sum(run.failure is None for run in runs),
                "failed_n": sum(run.failure is not None for run in runs),
                "stopped": was_stopped,
            }
        )
    else:
        say.end(folder, len(jobs), measured_n, failed_n, was_stopped)
    if was_stopped:
        sys.exit(130)
    sys.exit(1 if failed_n else 0)


def _distinct_cells(jobs: Sequence[Job]) -> tuple[Cell, ...]:
    return tuple({job.cell.cell_id: job.cell for job in jobs}.values())


def _prepare(
    study: Study, cells: Sequence[Cell], before: Sequence[Run], say: _Lines, stopped: Callable[[], bool]
) -> dict[str, str]:
    """Put models and samples in place before anything is measured; why that failed, by the cell's id.

    What can be seen to be missing is not tried, so that it is said at once. Raises :class:`StudyError` where a file of
    samples is not what it was when the runs ``before`` were measured.
    """
    started_s = time.monotonic()
    asked = samples_asked(before)
    unfit = {cell.cell_id: why for cell in cells if (why := missing(cell)) is not None}
    wanted = [cell for cell in cells if cell.cell_id not in unfit]
    prepared_cells = prepare_cells(study, wanted, processes_n=os.cpu_count() or 1)
    for prepared_n, prepared in enumerate(prepared_cells, start=1):
        if prepared.failure is not None:
            unfit[prepared.cell.cell_id] = prepared.failure
        _check_same_samples(prepared, asked)
        say.preparing(prepared_n, len(wanted))
        if stopped():
            return unfit
    if cells:
        say.prepared(len(cells) - len(unfit), len(cells), time.monotonic() - started_s)
    return unfit


def _check_same_samples(prepared: Prepared, asked: Mapping[str, str]) -> None:
    """Refuse to go on with other samples: the means would be over both."""
    cell, now = prepared.cell, prepared.samples_sha256
    if now is not None and asked.get(cell.cell_id, now) != now:
        raise StudyError(has_changed(cell))


@contextmanager
def _stop_on_interrupt(say: _Lines) -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks to stop after the current repetition, the second stops at once, with exit code 130."""
    asked: list[bool] = []

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)
        say.stopping()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(asked)
    except KeyboardInterrupt:
        say.given_up()
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, before)


class _Lines:
    """What the run says: plain lines in a pipe, a live line below them on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, quiet=quiet)
        self._live = self._console.is_terminal and not quiet
        self._done: dict[str, int] = {}

    def _line(self, text: str, style: str | None = None) -> None:
        if self._live:
            from rich.text import Text

            self._console.print(Text(text, style=style or ""))
        elif not self._console.quiet:
            print(text, flush=True)

    def start(
        self, study: Study, cells: Sequence[Cell], folder: Path, found: Found, jobs_n: int, taken_over: str | None
    ) -> None:
        """The study, the channels, and where it goes on."""
        protocol = study.protocol
        all_n = len(cells) * protocol.repeats_n
        self._line(
            f"{printable(study.name)}   {len(cells)} cells × {protocol.repeats_n} repeats × "
            f"{protocol.queries_n:,} queries   {_channels(found.channels)}",
        )
        state = f"continuing: {all_n - jobs_n} of {all_n} runs are done" if jobs_n < all_n else f"{all_n} runs to do"
        if taken_over is not None:
            self._line(printable(taken_over))
        self._line(f"{folder}   {state if jobs_n else 'all runs are done'}")
        for absence in found.absences:
            if absence.remedy and "permission" in absence.why:
                self._line(f"! {absence.source}: {absence.why}. {absence.remedy}")

    def preparing(self, prepared_n: int, cells_n: int) -> None:
        """One more model is in place, or is not: its run will say so."""
        if self._live:
            self._console.print(f"preparing models {prepared_n}/{cells_n}", end="\r")

    def prepared(self, ready_n: int, cells_n: int, duration_s: float) -> None:
        """All models are in place, or as many as can be."""
        of_all = "" if ready_n == cells_n else f" of {cells_n}"
        self._line(f"{ready_n}{of_all} models and datasets ready after {show(duration_s, 's')}")

    def result(self, study: Study, outcome: Outcome, folder: Path) -> None:
        """One repetition."""
        run = outcome.run
        at = f"{run.repeat_i + 1}/{study.protocol.repeats_n}"
        if run.failure is not None:
            left_n = study.protocol.repeats_n - run.repeat_i - 1
            unusable = run.failure.kind == UNUSABLE
            why = printable(run.failure.message if unusable else f"{run.failure.kind}: {run.failure.message}")
            after = f"recorded, its {left_n} other repeats left out" if unusable and left_n else "recorded, going on"
            log = f"   all it printed: {store.log_file(folder, run.run_id)}" if outcome.log else ""
            self._line(f"✗ {_name(run.cell)}   {at}   {run.failure.phase}: {why}   {after}{log}", "red")
            return
        found = run_total(run, BoundaryName.DEVICE)
        energy = "energy unknown"
        if found is not None and found.energy_j is not None:
            energy = f"{show(found.energy_j * PER_N / run.queries_n, 'j')} per 1,000"
        quality = (
            f"{run.quality.metric} {run.quality.value:.2f}" if run.quality and run.quality.value is not None else ""
        )
        duration_s = run.measurement.duration_s if run.measurement else 0.0
        time_each = f"{show(duration_s / run.queries_n, 's')} per query"
        self._line(f"✓ {_name(run.cell)}   {at}   {energy}   {time_each}   {quality}".rstrip())

    def stopping(self) -> None:
        """Ctrl-C was pressed."""
        self._line("stopping after this repetition; Ctrl-C again stops at once")

    def given_up(self) -> None:
        """Ctrl-C was pressed again."""
        self._line("stopped: this repetition is given up, all others are kept; the same command goes on")

    def end(self, folder: Path, jobs_n: int, measured_n: int, failed_n: int, stopped: bool) -> None:
        """The last line."""
        if stopped:
            self._line("stopped: nothing is lost, the same command goes on")
            return
        if not jobs_n:
            self._line(f"nothing to do.   joulemark report {shlex.quote(str(folder))}")
            return
        failed = f", {failed_n} failed (the same command tries them again)" if failed_n else ""
        self._line(f"done: {measured_n} runs measured{failed}.   joulemark report {shlex.quote(str(folder))}")

    @contextmanager
    def watching(
        self, study: Study, found: Found, jobs: Sequence[Job]
    ) -> Iterator[Callable[[Job, str, int], None] | None]:
        """A live line with progress and power on a terminal, nothing elsewhere."""
        if not self._live or not jobs:
            yield None
            return
        from rich.live import Live
        from rich.text import Text

        power = _LivePower(found.channels)
        places = {job.run_id: place_n for place_n, job in enumerate(jobs, start=1)}
        with Live(Text(), console=self._console, transient=True, auto_refresh=False) as live:

            def watch(job: Job, phase: str, queries_n: int) -> None:
                progress = f"{queries_n:,}/{study.protocol.queries_n:,}" if phase == "query" else phase
                watts, sparks = power.now()
                # What moves stands first: a narrow terminal cuts the end off.
                parts = [f"run {places[job.run_id]:,} of {len(jobs):,}", progress, *([watts] if watts else [])]
                line = f"▸ {' · '.join(parts)}  {_name(job.cell)}  {sparks}"
                live.update(Text(line.rstrip(), no_wrap=True), refresh=True)

            yield watch


class _LivePower:
    """The power of the devices in use over the last seconds as a spark line, read at the pace of the screen."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        outer = [channel for channel in channels if channel.in_use and channel.part_of is None]
        # A meter of the whole machine holds the devices already: it stands alone, where there is no other.
        devices = [channel for channel in outer if channel.component is not Component.SYSTEM]
        self._meter = Meter(devices or outer)
        self._window = self._meter.begin()
        self._history_w: list[float] = []

    def now(self) -> tuple[str, str]:
        """Watts of what the counters moved since the last call, and the spark line; empty where they are unknown."""
        measurement = self._window.end()
        self._window = self._meter.begin()
        energies_j = [channel.energy_j for channel in measurement.channels if channel.energy_j is not None]
        if not energies_j or measurement.duration_s <= 0:
            return "", ""
        self._history_w = [*self._history_w, sum(energies_j) / measurement.duration_s][-SPARKS_N:]
        highest_w = max(self._history_w) or 1.0
        sparks = "".join(SPARKS[min(7, int(power_w / highest_w * 8))] for power_w in self._history_w)
        return show(self._history_w[-1], "w"), sparks


def _name(cell: Cell) -> str:
    return printable(f"{cell.task} · {cell.model} × {cell.dataset}")


def _channels(channels: Sequence[Channel]) -> str:
    outer = [channel for channel in channels if channel.part_of is None]
    if not outer:
        return "no sensor: energies will be unknown"
    return " · ".join(f"{channel.name} {channel.provenance}" for channel in outer)
