"""The sampler: a process that reads power gauges, so that a busy interpreter does not delay it.

``python -m joulemark.meter.sampler`` takes the setup as one JSON line on standard input and opens the sensors itself.
Each further line ``begin_ns end_ns`` is answered with one JSON line: the samples around that window, why a gauge gave
none, and the CPU time spent so far. It ends at an empty line, when its standard input does, or when the program that
started it is gone: a fork of that program may hold the input open for longer.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from joulemark.failures import ReadFailure
from joulemark.measurement import Channel, Quantity
from joulemark.meter.gauge import Samples
from joulemark.sensors import Setup, open_sensors

PERIOD_S = 0.05
SAMPLES_MAX_N = 2_000_000  # more than a day of one gauge, in 32 MB
DROPPED_N = SAMPLES_MAX_N // 10  # at once, the oldest, when there are more
ANSWER_MAX_S = 8.0  # longer than any gauge takes to answer
END_MAX_S = 2.0  # for closing the sensors


@dataclass(slots=True)
class _Taken:
    """The samples of one gauge in order of time: ns of the monotonic clock, and W; and its last failure."""

    at_ns: array[int] = field(default_factory=lambda: array("q"))
    power_w: array[float] = field(default_factory=lambda: array("d"))
    failed_ns: int = 0
    failure: str | None = None


class Sampler:
    """The parent's end of the sampler."""

    __slots__ = ("_cpu_s", "_pending", "_process")

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._pending = b""
        self._cpu_s = 0.0

    def ready(self) -> bool:
        """Wait until it has opened its sensors and taken the first sample; whether it has."""
        return self._line() is not None

    def collect(self, began_ns: int, ended_ns: int) -> tuple[dict[str, Samples], float]:
        """Samples of each gauge around a window, and the sampler's CPU seconds since the last call.

        A sampler that has ended, or does not answer and is ended for that, gives none.
        """
        try:
            os.write(self._input(), b"%d %d\n" % (began_ns, ended_ns))
            answer = json.loads(self._line() or "{}")
        except (OSError, ValueError):
            return {}, 0.0
        cpu_s = float(answer.get("cpu_s", self._cpu_s))
        used_s, self._cpu_s = cpu_s - self._cpu_s, cpu_s
        samples = {
            name: Samples([(at_ns, power_w) for at_ns, power_w in rows], answer["failures"].get(name))
            for name, rows in answer.get("samples", {}).items()
        }
        return samples, used_s

    def end(self) -> None:
        """Let it close its sensors and end; it is killed if it takes too long over that."""
        with suppress(OSError):  # it has ended already
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
        answers, deadline_s = self._process.stdout.fileno(), time.monotonic() + ANSWER_MAX_S
        while b"\n" not in self._pending:
            if not select.select([answers], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
                self._process.kill()  # a late answer would be taken for that of the next window
                return None
            chunk = os.read(answers, 1 << 20)
            if not chunk:
                return None
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()


@contextmanager
def open_sampler(setup: Setup) -> Iterator[Sampler]:
    """Start a sampler on the gauges of ``setup`` and end it with the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "joulemark.meter.sampler"],
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
    return json.dumps([str(setup.sysfs), str(setup.proc), setup.requests, setup.visible_devices])


def _decode(line: str) -> Setup:
    sysfs, proc, requests, visible_devices = json.loads(line)
    return Setup(Path(sysfs), Path(proc), tuple(requests), visible_devices)


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


def _answer(samples: dict[str, _Taken], began_ns: int, ended_ns: int) -> dict[str, object]:
    return {
        "samples": {name: _around(taken, began_ns, ended_ns) for name, taken in samples.items()},
        "failures": {name: taken.failure for name, taken in samples.items() if taken.failed_ns >= began_ns},
        "cpu_s": time.process_time(),
    }


def serve(requests: IO[bytes], answers: IO[str]) -> None:
    """Sample until ``requests`` ends, or whoever sends them; answer each window asked for."""
    parent = os.getppid()
    setup = _decode(requests.readline().decode())
    with open_sensors(setup) as found:
        gauges = [channel for channel in found.channels if channel.quantity is Quantity.POWER]
        samples = {channel.name: _Taken() for channel in gauges}
        _take(gauges, samples)
        print("ready", file=answers, flush=True)
        due_ns, pending = time.monotonic_ns(), b""
        while True:
            due_ns = max(due_ns + round(PERIOD_S * 1e9), time.monotonic_ns())
            wait_s = max(0.0, (due_ns - time.monotonic_ns()) / 1e9)
            readable, _, _ = select.select([requests], [], [], wait_s)
            if os.getppid() != parent:
                return
            _take(gauges, samples)
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
                print(json.dumps(_answer(samples, began_ns, ended_ns)), file=answers, flush=True)


if __name__ == "__main__":
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
        serve(stdin, sys.stdout)
