"""What every driver shares: it runs a window of work inside one tool and writes what the tool said, as JSON.

A driver is run with the interpreter of its tool's own environment, so nothing but the standard library is imported
here. Modes (``python DRIVER MODE RESULT ARGUMENTS…``):

``window DURATION_S EVENT_NS LEAD_S PHASE_S``  one window of queries that sleep; EVENT_NS (of ``CLOCK_MONOTONIC``; 0:
    none) is to fall into its middle, LEAD_S being what the tool needs before its window really begins, PHASE_S how much
    later it begins than it would, so that it meets the sensors in another phase
``cost WINDOWS_N``    the cost of empty windows
``background DURATION_S``  what the tool takes while it waits: CPU time and memory
``workload PAIRS_N``  a fixed work outside and inside of the tool, in turns
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

QUERY_S = 0.1  # of the work that sleeps
WORK_BLOCKS_N = 2000  # of half a millisecond or so


@dataclass(frozen=True)
class Said:
    """What a tool says about one window, in joules by part (``cpu``, ``dram``, ``gpu``, ``system``)."""

    energy_j: Mapping[str, float | None]  # None: the tool says that it does not know
    interval_j: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    notes: Sequence[str] = ()


# The work takes what a tool may want to put around each of its queries; without an argument, nothing.
Work = Callable[..., object]
Report = Callable[[], Said]  # after the window, so that translating a tool's answer is no part of its cost
Measure = Callable[[Work], Report]
Open = Callable[[], AbstractContextManager[Measure]]


def main(open_tool: Open, open_for_many: Open | None = None) -> None:
    """Run the mode that the command line asks for. What goes wrong in the tool is part of the result.

    ``open_for_many`` is for a tool that has another way to measure one window after the other.
    """
    mode, result, *arguments = sys.argv[1:]
    modes: dict[str, Callable[..., dict[str, object]]] = {
        "window": _window,
        "cost": _cost,
        "background": _background,
        "workload": _workload,
    }
    try:
        answer = modes[mode]((mode == "cost" and open_for_many) or open_tool, *arguments)
    except BaseException as error:  # SystemExit too: some tools end the program
        traceback.print_exc()
        answer = {"failure": f"{type(error).__name__}: {error}"}
    Path(result).write_text(json.dumps(answer))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads and helpers that a tool left behind must not hold up the benchmark


def _window(open_tool: Open, duration_s: str, event_ns: str, lead_s: str, phase_s: str) -> dict[str, object]:
    edges_ns: list[int] = []

    def work(query: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        edges_ns.append(time.monotonic_ns())
        ends_s = time.monotonic() + float(duration_s)
        while (left_s := ends_s - time.monotonic()) > 0:
            with query():
                time.sleep(min(QUERY_S, left_s))
        edges_ns.append(time.monotonic_ns())

    with open_tool() as measure:
        if int(event_ns):
            start_ns = int(event_ns) - (float(duration_s) / 2 + float(lead_s)) * 1e9
            time.sleep(max(0.0, (start_ns - time.monotonic_ns()) / 1e9))
        time.sleep(float(phase_s))
        called_ns = time.monotonic_ns()
        report = measure(work)
        returned_ns = time.monotonic_ns()
        said = report()
    return {
        **asdict(said),
        "edges_ns": edges_ns,
        "begin_s": (edges_ns[0] - called_ns) / 1e9,
        "end_s": (returned_ns - edges_ns[1]) / 1e9,
    }


def _cost(open_tool: Open, windows_n: str) -> dict[str, object]:
    before_s = time.perf_counter()
    durations_s = []
    with open_tool() as measure:
        opened_s = time.perf_counter()
        for _ in range(int(windows_n)):
            begin_s = time.perf_counter()
            report = measure(_nothing)
            durations_s.append(time.perf_counter() - begin_s)
            report()
    return {"open_s": opened_s - before_s, "windows_s": durations_s}


def _background(open_tool: Open, duration_s: str) -> dict[str, object]:
    edges: list[tuple[float, int]] = []
    bare_byte = session_byte()

    def wait() -> None:
        edges.append((session_cpu_s(), session_byte()))
        time.sleep(float(duration_s))
        edges.append((session_cpu_s(), session_byte()))

    with open_tool() as measure:
        measure(wait)
    (before_s, _), (after_s, after_byte) = edges
    return {"cpu_s": after_s - before_s, "added_byte": after_byte - bare_byte, "bare_byte": bare_byte}


def _workload(open_tool: Open, pairs_n: str) -> dict[str, object]:
    pairs_s = []
    for index in range(int(pairs_n)):
        timed: dict[str, float] = {}
        for where in ("outside", "inside") if index % 2 == 0 else ("inside", "outside"):
            if where == "outside":
                timed[where] = fixed_work_s()
                continue
            with open_tool() as measure:
                measure(lambda timed=timed: timed.update(inside=fixed_work_s()))
        pairs_s.append((timed["outside"], timed["inside"]))
    return {"pairs_s": pairs_s}


def _nothing() -> None:
    pass


def fixed_work_s(block: bytes = bytes(2**20)) -> float:
    """Seconds of a fixed amount of work, in pieces outside the interpreter as a small model's queries are.

    Not pure Python: CPython 3.11 maps and unmaps memory at calls on the edge of a chunk of its frame stack, which the
    frames of a tool may move, and so its time depends on how deep it is called.
    """
    begin_s = time.perf_counter()
    for _ in range(WORK_BLOCKS_N):
        hashlib.sha256(block).digest()
    return time.perf_counter() - begin_s


def session_cpu_s() -> float:
    """CPU seconds of this process, of its ended children, and of whoever else lives in its session."""
    seconds = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        seconds += usage.ru_utime + usage.ru_stime
    for pid in _session_pids():
        for schedule in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                seconds += int(schedule.read_text().split()[0]) / 1e9
            except (OSError, IndexError):
                continue  # the thread ended meanwhile
    return seconds


def session_byte() -> int:
    """Resident memory of this process and of whoever else lives in its session."""
    total_byte = 0
    for pid in (os.getpid(), *_session_pids()):
        try:
            total_byte += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            continue  # it ended meanwhile
    return total_byte


def _session_pids() -> list[int]:
    """The other processes of this session."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
        except (OSError, IndexError):
            continue
        if session == os.getsid(0) and int(folder.name) != os.getpid():
            pids.append(int(folder.name))
    return pids
