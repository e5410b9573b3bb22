"""The sampler: a process that reads power gauges, so that a busy interpreter does not delay it.

It takes the setup as one JSON line on standard input and opens the sensors itself, to read what the setup says is
sampled. Each further line ``begin_ns end_ns`` is answered with one JSON line: that window, the samples around it, why a
gauge gave none, and the CPU time spent in it. It ends at an empty line, when its standard input does, or when the
program that started it is gone: a fork of that program may hold the input open for longer.

The time between samples varies at random about :data:`~joulemark.meter.gauge.PERIOD_S`: at equal steps a load that
keeps step with them (20 or 40 pictures a second) would show one of its phases for ever.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import uniform
from typing import IO

from joulemark.failures import ReadFailure
from joulemark.measurement import Channel, Quantity
from joulemark.meter.gauge import PERIOD_S, Samples
from joulemark.sensors import Setup, open_sensors

JITTER_RATIO = 0.5  # of the period, to either side
SAMPLES_MAX_N = 2_000_000  # more than a day of one gauge, in 32 MB
DROPPED_N = SAMPLES_MAX_N // 10  # at once, the oldest, when there are more
ANSWER_MAX_S = 8.0  # of silence: longer than any gauge takes to answer
END_MAX_S = 2.0  # for closing the sensors

# With -m or a plain -c the folder it starts in would come first, and modules of any name be taken from there.
PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from joulemark.meter.sampler import main; main()"


@dataclass(slots=True)
class _Taken:
    """The samples of one gauge in order of time: ns of the monotonic clock, and W; and its last failure."""

    at_ns: array[int] = field(default_factory=lambda: array("q"))
    power_w: array[float] = field(default_factory=lambda: array("d"))
    failed_ns: int = 0
    failure: str | None = None


class Sampler:
    """The parent's end of the sampler."""

    __slots__ = ("_asking", "_owner", "_pending", "_process")

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._asking = threading.Lock()  # windows of several threads may end at once
        self._owner = os.getpid()
        self._process = process
        self._pending = bytearray()

    def ready(self) -> bool:
        """Wait until it has opened its sensors and taken the first sample; whether it has."""
        return self._line() is not None

    def collect(self, began_ns: int, ended_ns: int) -> tuple[dict[str, Samples], float]:
        """Samples of each gauge around a window, and the sampler's CPU seconds in it.

        A sampler that has ended, or does not answer and is ended for that, gives none; nor does one of the process
        that this one is a fork of.
        """
        if os.getpid() != self._owner:
            return {}, 0.0
        with self._asking:
            try:
                os.write(self._input(), b"%d %d\n" % (began_ns, ended_ns))
                answer = json.loads(self._line() or "{}")
                # One that was interrupted as it waited has left an answer that nobody wants any more.
                while answer and answer["window"] != [began_ns, ended_ns]:
                    answer = json.loads(self._line() or "{}")
            except (OSError, ValueError):
                return {}, 0.0
        samples = {
            name: Samples([(at_ns, power_w) for at_ns, power_w in rows], answer["failures"].get(name))
            for name, rows in answer.get("samples", {}).items()
        }
        return samples, float(answer.get("cpu_s", 0.0))

    def end(self) -> None:
        """Let it close its sensors and end; it is killed if it takes too long over that. A fork leaves it alone."""
        if os.getpid() != self._owner:
            return
        with suppress(OSError, ValueError):  # it has ended already
            os.write(self._input(), b"\n")
        try:
            self._process.wait(END_MAX_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _input(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    def _line(self) -> str | None:
        """The next line it says; ``None`` if it ends instead, or says nothing for too long and is killed."""
        assert self._process.stdout is not None
        answers = self._process.stdout.fileno()
        told = select.poll()  # select() takes no descriptor beyond 1023
        told.register(answers, select.POLLIN)
        searched_n = 0
        while (end_i := self._pending.find(b"\n", searched_n)) < 0:
            searched_n = len(self._pending)
            if not told.poll(ANSWER_MAX_S * 1000):
                self._process.kill()  # a late answer would be taken for that of the next window
                return None
            chunk = os.read(answers, 1 << 20)
            if not chunk:
                return None
            self._pending += chunk
        line = self._pending[:end_i].decode()
        del self._pending[: end_i + 1]
        return line


@contextmanager
def open_sampler(setup: Setup) -> Iterator[Sampler]:
    """Start a sampler on the gauges that ``setup`` names, and end it with the context."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        process_group=0,  # Ctrl-C is not for it: the window that it interrupts is still to be measured
    )
    sampler = Sampler(process)
    try:
        assert process.stdin is not None
        with suppress(OSError):  # one that has ended leaves its gauges without samples, which says so
            process.stdin.write(_encode(setup).encode() + b"\n")
            sampler.ready()
        yield sampler
    finally:
        sampler.end()


def _encode(setup: Setup) -> str:
    told = [setup.requests, setup.visible_devices, setup.sampled, setup.opened_ns]
    return json.dumps([str(setup.sysfs), str(setup.proc), *told])


def _decode(line: str) -> Setup:
    sysfs, proc, requests, visible_devices, sampled, opened_ns = json.loads(line)
    return Setup(Path(sysfs), Path(proc), tuple(requests), visible_devices, sampled=tuple(sampled), opened_ns=opened_ns)


def _take(gauges: list[Channel], samples: dict[str, _Taken]) -> None:
    for channel in gauges:
        taken, before_ns = samples[channel.name], time.monotonic_ns()
        try:
            power_w = channel.read()
        except ReadFailure as failure:  # the gap it leaves enters the error of the window
            taken.failed_ns, taken.failure = before_ns, failure.reason
            continue
        if len(taken.at_ns) == SAMPLES_MAX_N:
            del taken.at_ns[:DROPPED_N], taken.power_w[:DROPPED_N]
        taken.at_ns.append((before_ns + time.monotonic_ns()) // 2)
        taken.power_w.append(power_w)


def _around(taken: _Taken, began_ns: int, ended_ns: int) -> list[tuple[int, float]]:
    """The samples inside a window, with the last before and the first after it."""
    first_i = max(0, bisect_left(taken.at_ns, began_ns) - 1)
    end_i = bisect_right(taken.at_ns, ended_ns) + 1
    return list(zip(taken.at_ns[first_i:end_i], taken.power_w[first_i:end_i], strict=True))


@dataclass(slots=True)
class _Spent:
    """The sampler's CPU time at instants of the monotonic clock, in order."""

    at_ns: array[int] = field(default_factory=lambda: array("q"))
    cpu_ns: array[int] = field(default_factory=lambda: array("q"))

    def note(self) -> None:
        """Keep what has been spent by now."""
        if len(self.at_ns) == SAMPLES_MAX_N:
            del self.at_ns[:DROPPED_N], self.cpu_ns[:DROPPED_N]
        self.at_ns.append(time.monotonic_ns())
        self.cpu_ns.append(time.process_time_ns())

    def within_s(self, began_ns: int, ended_ns: int) -> float:
        """CPU seconds between two instants, to within a sample at each."""
        first_i = max(0, bisect_right(self.at_ns, began_ns) - 1)
        last_i = min(len(self.at_ns) - 1, bisect_left(self.at_ns, ended_ns))
        return max(0, self.cpu_ns[last_i] - self.cpu_ns[first_i]) / 1e9


def _answer(samples: dict[str, _Taken], spent: _Spent, began_ns: int, ended_ns: int) -> Iterator[str]:
    """The answer in pieces, gauge by gauge: those of a day take seconds to write."""
    failures = {name: taken.failure for name, taken in samples.items() if taken.failed_ns >= began_ns}
    told = {"window": [began_ns, ended_ns], "failures": failures, "cpu_s": spent.within_s(began_ns, ended_ns)}
    yield json.dumps(told)[:-1] + ', "samples": {'
    for index, (name, taken) in enumerate(samples.items()):
        yield f"{', ' if index else ''}{json.dumps(name)}: {json.dumps(_around(taken, began_ns, ended_ns))}"
    yield "}}\n"


def serve(requests: IO[bytes], answers: IO[str]) -> None:
    """Sample until ``requests`` ends, or whoever sends them; answer each window asked for."""
    parent = os.getppid()
    setup = _decode(requests.readline().decode())
    with open_sensors(setup) as found:
        gauges = [one for one in found.channels if one.quantity is Quantity.POWER and one.name in setup.sampled]
        samples, spent = {channel.name: _Taken() for channel in gauges}, _Spent()
        spent.note()
        _take(gauges, samples)
        print("ready", file=answers, flush=True)
        due_ns, pending = time.monotonic_ns(), b""
        while True:
            if time.monotonic_ns() >= due_ns:  # what was asked for in between puts off nothing
                step_s = PERIOD_S * uniform(1 - JITTER_RATIO, 1 + JITTER_RATIO)
                due_ns = max(due_ns + round(step_s * 1e9), time.monotonic_ns())
            wait_s = max(0.0, (due_ns - time.monotonic_ns()) / 1e9)
            readable, _, _ = select.select([requests], [], [], wait_s)
            if os.getppid() != parent:
                return
            _take(gauges, samples)
            spent.note()
            if not readable:
                continue
            chunk = os.read(requests.fileno(), 65536)
            if not chunk:
                return
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                if not line:
                    return
                began_ns, ended_ns = (int(part) for part in line.split())
                for piece in _answer(samples, spent, began_ns, ended_ns):
                    print(piece, end="", file=answers, flush=True)


def main() -> None:
    """Serve the program at the other end of standard input and output."""
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
        serve(stdin, sys.stdout)
