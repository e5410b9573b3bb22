"""The sampler: a process that reads power gauges, so that a busy interpreter does not delay it.

``python -m joulemark.meter.sampler`` takes the setup as one JSON line on standard input and opens the sensors itself.
Each further line ``begin_ns end_ns`` is answered with one JSON line: the samples around that window and the CPU time
spent so far. It ends when its standard input does, so it cannot outlive the program that started it.
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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from joulemark.records import Channel, Quantity, ReadFailure
from joulemark.sensors import Setup, open_sensors

PERIOD_S = 0.05
SAMPLES_MAX_N = 2_000_000  # more than a day of one gauge, in 32 MB
DROPPED_N = SAMPLES_MAX_N // 10  # at once, the oldest, when there are more


@dataclass(frozen=True, slots=True)
class _Samples:
    """The samples of one gauge in order of time: ns of the monotonic clock, and W."""

    at_ns: array[int] = field(default_factory=lambda: array("q"))
    power_w: array[float] = field(default_factory=lambda: array("d"))


class Sampler:
    """The parent's end of the sampler."""

    __slots__ = ("_cpu_s", "_process")

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._cpu_s = 0.0

    def collect(self, began_ns: int, ended_ns: int) -> tuple[dict[str, list[tuple[int, float]]], float]:
        """Samples of each gauge around a window, and the sampler's CPU seconds since the last call.

        A sampler that has ended gives none.
        """
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:
            return {}, 0.0
        try:
            requests.write(f"{began_ns} {ended_ns}\n")
            requests.flush()
            answer = json.loads(answers.readline() or "{}")
        except (OSError, ValueError):
            return {}, 0.0
        cpu_s = float(answer.get("cpu_s", self._cpu_s))
        used_s, self._cpu_s = cpu_s - self._cpu_s, cpu_s
        samples = {
            name: [(at_ns, power_w) for at_ns, power_w in rows] for name, rows in answer.get("samples", {}).items()
        }
        return samples, used_s


@contextmanager
def open_sampler(setup: Setup) -> Iterator[Sampler]:
    """Start a sampler on the gauges of ``setup`` and end it with the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "joulemark.meter.sampler"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(_encode(setup) + "\n")
        process.stdin.flush()
        process.stdout.readline()  # it has opened its sensors and taken the first sample
        yield Sampler(process)
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def _encode(setup: Setup) -> str:
    return json.dumps([str(setup.sysfs), str(setup.proc), setup.requests, setup.visible_devices])


def _decode(line: str) -> Setup:
    sysfs, proc, requests, visible_devices = json.loads(line)
    return Setup(Path(sysfs), Path(proc), tuple(requests), visible_devices)


def _take(gauges: list[Channel], samples: dict[str, _Samples]) -> None:
    for channel in gauges:
        before_ns = time.monotonic_ns()
        try:
            power_w = channel.read()
        except ReadFailure:
            continue  # the gap it leaves enters the error of the window
        taken = samples[channel.name]
        if len(taken.at_ns) == SAMPLES_MAX_N:
            del taken.at_ns[:DROPPED_N], taken.power_w[:DROPPED_N]
        taken.at_ns.append((before_ns + time.monotonic_ns()) // 2)
        taken.power_w.append(power_w)


def _around(taken: _Samples, began_ns: int, ended_ns: int) -> list[tuple[int, float]]:
    """The samples inside a window, with the last before and the first after it."""
    first_i = max(0, bisect_left(taken.at_ns, began_ns) - 1)
    end_i = bisect_right(taken.at_ns, ended_ns) + 1
    return list(zip(taken.at_ns[first_i:end_i], taken.power_w[first_i:end_i], strict=True))


def serve(requests: IO[bytes], answers: IO[str]) -> None:
    """Sample until ``requests`` ends; answer each window asked for."""
    setup = _decode(requests.readline().decode())
    with open_sensors(setup) as found:
        gauges = [channel for channel in found.channels if channel.quantity is Quantity.POWER]
        samples = {channel.name: _Samples() for channel in gauges}
        _take(gauges, samples)
        print("ready", file=answers, flush=True)
        due_ns, pending = time.monotonic_ns(), b""
        while True:
            due_ns = max(due_ns + round(PERIOD_S * 1e9), time.monotonic_ns())
            wait_s = max(0.0, (due_ns - time.monotonic_ns()) / 1e9)
            readable, _, _ = select.select([requests], [], [], wait_s)
            _take(gauges, samples)
            if not readable:
                continue
            chunk = os.read(requests.fileno(), 65536)
            if not chunk:
                return
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                began_ns, ended_ns = (int(part) for part in line.split())
                rows = {name: _around(taken, began_ns, ended_ns) for name, taken in samples.items()}
                answer = {"samples": rows, "cpu_s": time.process_time()}
                print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
        serve(stdin, sys.stdout)
