"""One repetition of one cell, in a process of its own: load, idle, warm up, measure, idle, score.

The process is forked from a server that has imported the heavy libraries once, so repetitions are independent and a
crash costs one run.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import platform
import re
import signal
import statistics
import sys
import sysconfig
import threading
import time
import traceback
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Protocol as Shape

import msgspec

from joulemark.boundary import idle_drifted
from joulemark.measurement import Component, Measurement
from joulemark.meter import Meter, open_meter
from joulemark.meter.lap import Lap, lap_s
from joulemark.meter.per_query import per_query
from joulemark.meter.phases import phases
from joulemark.meter.trace import Readings
from joulemark.meter.window import not_ours
from joulemark.protocol.order import Job
from joulemark.protocol.own_board import see_own_board
from joulemark.records import Cell, Failure, Inference, Phase, Protocol, Quality, Run, Settings, TraceStep
from joulemark.sensors import Setup
from joulemark.sensors.conditions import conditions, disturbances
from joulemark.workloads import open_workload, preloads, read_samples
from joulemark.workloads.workload import Answer, Workload, WorkloadError

PACKAGES = ("joulemark", "torch", "transformers", "diffusers", "tokenizers", "numpy", "nvidia-ml-py")
PHASES = ("start", "open sensors", "load", "idle", "warm up", "query", "score")
UNUSABLE = "WorkloadError"  # the kind of a failure that would come again: the model or its data cannot be used
WARMUP_LIMIT = 10  # at most so many times the warm-up asked for
SETTLED_RATIO = 0.95  # warm when the latest queries are not faster than this share of those before
OUTPUT_MAX_N = 2000  # characters of an answer that are kept
MESSAGE_MAX_N = 500
SPOILT = "spoilt"


class Progress(Shape):
    """Two shared numbers: the index of the phase, and how many queries are done."""

    def __setitem__(self, index: int, value: int, /) -> None: ...

    def __getitem__(self, index: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Assignment:
    """All that a worker needs to know."""

    job: Job
    protocol: Protocol
    setup: Setup
    machine_id: str
    samples_sha256: str | None = None  # of what earlier repetitions were asked


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run, its queries, its power over time, and, where it failed with an error, what it had printed."""

    run: Run
    inferences: tuple[Inference, ...] = ()
    trace: tuple[TraceStep, ...] = ()
    log: str = ""


def start_child(log: str) -> None:
    """Settle a child: it ends with the program that started it, leaves Ctrl-C to it, and prints into ``log``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _end_with(sentinel: int) -> None:
    """End this process as soon as the one of ``sentinel`` has ended; until then the thread sleeps in the kernel.

    The kernel's own way, a signal at the parent's death, does not serve: the parent is the fork server, which lives as
    long as this process does.
    """
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def work(assignment: Assignment, progress: Progress, log: str, answer: Connection) -> None:
    """Entry point of the child: measure, and send the outcome; :data:`SPOILT` where it could use no board."""
    start_child(log)
    answer.send(SPOILT if _spoilt() else measure_job(assignment, progress))


def _spoilt() -> bool:
    """Whether CUDA was asked by the process that forked this one: it refuses to work here then."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda._is_in_bad_fork())


def has_changed(cell: Cell) -> str:
    """What is said of a cell whose samples are no longer those of its earlier repetitions."""
    return f"{cell.dataset} has changed since it was measured: use another --out"


def measure_job(assignment: Assignment, progress: Progress) -> Outcome:
    """Measure one repetition. Whatever the model raises becomes the run's failure."""
    blank = empty_run(assignment)
    try:
        return _measure(assignment, blank, progress)
    except Exception as error:  # a failed model is a result: it is recorded and the study goes on
        return Outcome(replace(blank, failure=_failure(PHASES[progress[0]], error)))


def empty_run(assignment: Assignment) -> Run:
    """The run that an assignment becomes, before anything is known of it but when it started."""
    job = assignment.job
    return Run(
        run_id=job.run_id,
        cell=job.cell,
        repeat_i=job.repeat_i,
        order_i=job.order_i,
        queries_n=assignment.protocol.queries_n,
        machine_id=assignment.machine_id,
        versions=versions(assignment.setup.proc),
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def storable(text: str) -> str:
    """A text that can be written in UTF-8: names of files that are not in it come up in messages."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _failure(phase: str, error: Exception) -> Failure:
    message = storable(" ".join(str(error).split())) or "no message"
    if isinstance(error, WorkloadError):
        return Failure(phase, UNUSABLE, message[:MESSAGE_MAX_N])
    if phase == "load" and type(error).__name__ == "OutOfMemoryError":  # torch's, of a board
        return Failure(phase, UNUSABLE, f"it does not fit on its device: {message}"[:MESSAGE_MAX_N])
    traceback.print_exc()
    where = _users_line(error)
    return Failure(phase, type(error).__name__, message[:MESSAGE_MAX_N] + where)


def _users_line(error: Exception) -> str:
    """Where in code of the user's own an error came up, in brackets; empty where no such code was on the way."""
    paths = sysconfig.get_paths()
    ours = str(Path(__file__).parents[1])
    libraries = (paths[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
    not_users = [Path(folder).resolve() for folder in (ours, *libraries)]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        if file.is_file() and not any(file.is_relative_to(folder) for folder in not_users):
            return storable(f" ({file} line {frame.lineno})")
    return ""


def _measure(assignment: Assignment, blank: Run, progress: Progress) -> Outcome:
    protocol = assignment.protocol
    cell = assignment.job.cell
    for module in preloads([cell]):  # where the server that forked us has not
        import_module(module)
    setup = see_own_board(assignment.setup, cell)
    progress[0] = PHASES.index("open sensors")
    read_before, read_within, read_after = Readings(), Readings(), Readings()
    with open_meter(setup) as opened:
        meter = opened.calibrated()
        progress[0] = PHASES.index("load")
        read_samples(cell, queries_n=protocol.queries_n)
        window = meter.begin()
        with open_workload(cell, queries_n=protocol.queries_n) as workload:
            load = window.end()
            if assignment.samples_sha256 not in (None, workload.samples_sha256):
                raise WorkloadError(has_changed(cell))
            if workload.model.device == "cpu":  # what "auto" has come to
                meter, load = meter.without(Component.GPU), not_ours(load, Component.GPU)
            progress[0] = PHASES.index("idle")
            idle_before = _idle(meter, protocol.idle_s, read_before)
            progress[0] = PHASES.index("warm up")
            batch_n = cell.settings.batch_n
            ask = _ask(workload, batch_n)
            warmup_n = _warm_up(ask, protocol.warmup_n, batch_n)
            progress[0] = PHASES.index("query")
            before = conditions(setup)
            queried = _query(meter, ask, protocol.queries_n, batch_n, progress, read_within)
            disturbed = disturbances(before, conditions(setup), queried.measurement)
            answers, durations_s = queried.answers, queried.durations_s
            progress[0] = PHASES.index("idle")
            idle_after = _idle(meter, protocol.idle_s, read_after)
            progress[0] = PHASES.index("score")
            quality, scores = _score(workload, answers)
            single = per_query(queried.laps, durations_s, [answer.output_tokens_n for answer in answers])
            run = replace(
                blank,
                measurement=queried.measurement,
                idle_before=idle_before,
                idle_after=idle_after,
                load=load,
                warmup_n=warmup_n,
                quality=quality,
                model=workload.model,
                samples_sha256=workload.samples_sha256,
                samples_n=min(workload.samples_n, protocol.queries_n),
                input_tokens_n=_sum(answer.input_tokens_n for answer in answers),
                output_tokens_n=_sum(answer.output_tokens_n for answer in answers),
                phases=_phases(queried, batch_n),
                per_query=single.method,
                reasons=_reasons(workload, durations_s, idle_before, idle_after)
                + _cut(answers, cell.settings, workload.input_limit_n)
                + disturbed,
            )
            inferences = tuple(
                Inference(
                    sample_i=index % workload.samples_n,
                    duration_s=durations_s[index],
                    input_tokens_n=answer.input_tokens_n,
                    output_tokens_n=answer.output_tokens_n,
                    output=workload.show(answer)[:OUTPUT_MAX_N],
                    score=scores[index],
                    energy_j=single.energies_j[index],
                    uncertainty_j=single.uncertainties_j[index],
                    phases_s=answer.phases_s,
                )
                for index, answer in enumerate(answers)
            )
            windows = (
                ("idle-before", read_before, idle_before),
                ("queries", read_within, queried.measurement),
                ("idle-after", read_after, idle_after),
            )
            trace = tuple(
                step
                for name, readings, measurement in windows
                if measurement is not None
                for step in readings.steps(name, measurement, read_within.began_ns)
            )
            return _readable(Outcome(run, inferences, trace))


def _readable(outcome: Outcome) -> Outcome:
    """The same outcome, if it reads back from what would be stored: a runner of one's own may answer anything."""
    try:
        msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome)
        msgspec.msgpack.encode(outcome)  # which has 64 bits for a number, as tables have
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise WorkloadError(f"the runner's answers cannot be stored: {error}") from error
    return outcome


def _idle(meter: Meter, idle_s: float, readings: Readings) -> Measurement | None:
    """What the channels say while nothing is asked, with the model loaded."""
    if idle_s <= 0:
        return None
    return meter.idle(idle_s, readings=readings)


Ask = Callable[[int, int], Sequence[Answer]]


def _ask(workload: Workload, batch_n: int) -> Ask:
    """A function that answers the queries from its first argument up to, but not including, its second, at once."""
    infer, infer_batch, samples_n = workload.infer, workload.infer_batch, workload.samples_n
    if batch_n == 1:
        return lambda first_i, _: (infer(first_i % samples_n),)
    if infer_batch is None:
        raise WorkloadError(f"{workload.model.architecture} answers one sample at a time; leave batch_n out")

    def ask(first_i: int, end_i: int) -> Sequence[Answer]:
        answers = infer_batch([index % samples_n for index in range(first_i, end_i)])
        if len(answers) != end_i - first_i:
            raise WorkloadError(f"{len(answers)} answers came back for {end_i - first_i} samples")
        return answers

    return ask


def _warm_up(ask: Ask, warmup_n: int, batch_n: int) -> int:
    """Query until the time per call has stopped falling, at least ``warmup_n`` times; how many queries it took."""
    durations_s: list[float] = []
    part_n = max(3, warmup_n // 2)
    while len(durations_s) < warmup_n * WARMUP_LIMIT:
        first_i = len(durations_s) * batch_n
        before_s = time.perf_counter()
        ask(first_i, first_i + batch_n)
        durations_s.append(time.perf_counter() - before_s)
        if len(durations_s) >= max(warmup_n, 2 * part_n):
            latest_s = statistics.median(durations_s[-part_n:])
            if latest_s >= SETTLED_RATIO * statistics.median(durations_s[-2 * part_n : -part_n]):
                break
    return len(durations_s) * batch_n


@dataclass(frozen=True, slots=True)
class _Queried:
    """What came out of the window over all queries."""

    measurement: Measurement
    durations_s: array[float]
    answers: list[Answer]
    laps: tuple[Lap, ...]


def _query(meter: Meter, ask: Ask, queries_n: int, batch_n: int, progress: Progress, readings: Readings) -> _Queried:
    """The heart: ``queries_n`` queries inside one window, ``batch_n`` at once.

    Nothing else happens on the way, but that counters which resolve it are read from lap to lap. A query of a batch
    takes as long as its batch.
    """
    clock = time.perf_counter
    answers: list[Answer] = [Answer(None)] * queries_n
    durations_s = array("d", bytes(8 * queries_n))
    laps: list[Lap] = []
    lap_length_s, lap_first_i = lap_s(meter), 0
    gc.collect()
    gc.freeze()
    window = meter.begin(readings=readings)
    refresh, lap = window.refresh, meter.begin() if lap_length_s else None
    before_s = clock()
    lap_due_s = before_s + (lap_length_s or math.inf)
    for first_i in range(0, queries_n, batch_n):
        end_i = min(first_i + batch_n, queries_n)
        answers[first_i:end_i] = ask(first_i, end_i)
        now_s = clock()
        durations_s[first_i] = now_s - before_s
        before_s = now_s
        progress[1] = end_i
        refresh()
        if now_s >= lap_due_s and lap is not None:
            laps.append(Lap(lap_first_i, end_i, lap.end()))
            window.follow(lap)
            lap, lap_first_i, before_s = meter.begin(), end_i, clock()
            lap_due_s = before_s + (lap_length_s or math.inf)
    measurement = window.end()
    if lap is not None and lap_first_i < queries_n:
        laps.append(Lap(lap_first_i, queries_n, lap.end()))
    gc.unfreeze()
    for index in range(queries_n):
        durations_s[index] = durations_s[index - index % batch_n]
    return _Queried(measurement, durations_s, answers, tuple(laps))


def _phases(queried: _Queried, batch_n: int) -> tuple[Phase, ...]:
    """Time and energy of the parts of the queries. Every answer of a batch tells the times of the whole batch."""
    queries_n = len(queried.answers)
    shares = [1 / min(batch_n, queries_n - index + index % batch_n) for index in range(queries_n)]
    return phases(
        queried.laps,
        [duration_s * share for duration_s, share in zip(queried.durations_s, shares, strict=True)],
        [
            {name: part_s * share for name, part_s in answer.phases_s.items()}
            for answer, share in zip(queried.answers, shares, strict=True)
        ],
    )


def _score(workload: Workload, answers: list[Answer]) -> tuple[Quality, Sequence[float | None]]:
    """Quality of the answers; a scorer that fails costs the quality, not the measurement."""
    try:
        score = workload.score(answers)
    except Exception as error:
        traceback.print_exc()
        return Quality(None, None, reason=f"scoring failed: {type(error).__name__}: {error}"), [None] * len(answers)
    return score.quality, score.per_sample


def _reasons(
    workload: Workload, durations_s: array[float], before: Measurement | None, after: Measurement | None
) -> tuple[str, ...]:
    reasons: list[str] = list(workload.oddities())
    queries_n = len(durations_s)
    if workload.samples_n < queries_n:
        reasons.append("samples-repeated")
    tenth_n = queries_n // 10
    if tenth_n and statistics.median(durations_s[:tenth_n]) > 1.1 * statistics.median(durations_s[tenth_n:]):
        reasons.append("warm-up-inside")
    if before is None or after is None:
        reasons.append("idle-not-measured")
    elif idle_drifted(before, after):
        reasons.append("idle-drift")
    return tuple(reasons)


def _cut(answers: Sequence[Answer], settings: Settings, models_limit_n: int | None) -> tuple[str, ...]:
    """Whether the cell's own limit of input tokens, or the model's where that is lower, cut most of the inputs."""
    limits_n = [limit_n for limit_n in (settings.input_tokens_max_n, models_limit_n) if limit_n is not None]
    if not limits_n:
        return ()
    limit_n = min(limits_n)
    cut_n = sum(answer.input_tokens_n is not None and answer.input_tokens_n >= limit_n for answer in answers)
    return ("inputs-cut",) if 2 * cut_n >= len(answers) else ()


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum, known only if every part is."""
    total_n = 0
    for count in counts:
        if count is None:
            return None
        total_n += count
    return total_n


@cache
def versions(proc: Path) -> Mapping[str, str]:
    """Versions of what the numbers depend on. ``proc`` is where the kernel tells of itself, /proc."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    driver = _nvidia_driver(proc)
    return found if driver is None else {**found, "nvidia driver": driver}


def _nvidia_driver(proc: Path) -> str | None:
    """The version of the kernel module, as it says itself: "NVRM version: NVIDIA … Kernel Module  535.54.03  …"."""
    try:
        text = (proc / "driver" / "nvidia" / "version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    line = next((line for line in text.splitlines() if line.startswith("NVRM version")), "")
    return next((word for word in line.split() if re.fullmatch(r"\d+(\.\d+)+", word)), None)
