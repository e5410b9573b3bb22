"""Modelled processor power: a line from idle to the thermal design power over the share of busy time.

``P = idle + (max - idle) * busy share``, with busy time from ``/proc/stat`` for the whole machine. Against 95 RAPL
readings of four processors the nearby rule max(load, 10 %) × TDP had a median ratio of 1.08 (10th to 90th percentile
0.57 to 1.85), a cubic 0.64, a constant half of TDP 0.98 (0.52 to 3.40); hence ×/÷ 2. A line adds up over windows.
Source: load profiles published with CodeCarbon (MIT), evaluated in the project's facts.
"""

from __future__ import annotations

import csv
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup
from joulemark.sensors.virtual import virtualised

KNOWN_FACTOR = 2.0
# Maxima of microarchitectures run from 1.69 to 8.58 W per virtual CPU, a factor of 2.3 either way, and the line adds.
UNKNOWN_FACTOR = 3.0

_CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class PowerLine:
    """The modelled power of all visible processors, idle and fully busy."""

    device: str
    idle_w: float
    max_w: float
    factor: float
    reasons: tuple[str, ...]


@contextmanager
def modelled_cpu(setup: Setup) -> Iterator[Found]:
    """One channel for all processors of the machine, from ``/proc/cpuinfo`` and ``/proc/stat``."""
    try:
        cpuinfo = (setup.proc / "cpuinfo").read_text(errors="replace")
        descriptor = os.open(setup.proc / "stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        yield Found(absences=(Absence("modelled-cpu", f"{error.filename}: {error.strerror}"),))
        return
    try:
        line = power_line(cpuinfo, virtualised(setup))
        cpus_n = max(1, len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)))
        yield Found((_channel(line, cpus_n, descriptor),))
    finally:
        os.close(descriptor)


def power_line(cpuinfo: str, virtual: bool | None) -> PowerLine:
    """The line for the processors of a ``/proc/cpuinfo``; ``virtual`` is ``None`` where that is not known.

    A processor in the catalogue counts once per socket; in a virtual machine, by its share of hardware threads. One
    that is not there counts an average per virtual CPU.
    """
    cpus_n = max(1, len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)))
    match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    name = match[1].strip() if match else "unknown processor"
    sockets_n = max(1, len(set(re.findall(r"^physical id\s*:\s*(\d+)", cpuinfo, re.MULTILINE))))
    reasons: tuple[str, ...] = ("modelled", "virtual-machine") if virtual else ("modelled",)
    for row in _rows("processors.csv"):
        if not row["tdp_w"] or re.search(row["match_regex"], name) is None:
            continue
        share = float(sockets_n)
        if virtual and row["cores_n"]:
            share = min(share, cpus_n / (2 * int(row["cores_n"])))
        return PowerLine(name, share * float(row["idle_w"]), share * float(row["tdp_w"]), KNOWN_FACTOR, reasons)
    row = _rows("virtual_processors.csv")[0]
    idle_w, max_w = cpus_n * float(row["idle_w_per_cpu"]), cpus_n * float(row["max_w_per_cpu"])
    return PowerLine(name, idle_w, max_w, UNKNOWN_FACTOR, (*reasons, "processor-not-in-table"))


def _channel(line: PowerLine, cpus_n: int, descriptor: int) -> Channel:
    tick_s = 1 / _CLOCK_TICKS_PER_S
    slope_w = (line.max_w - line.idle_w) / cpus_n
    return Channel(
        name="cpu",
        component=Component.CPU,
        provenance=Provenance.MODELLED,
        quantity=Quantity.ENERGY,
        read=_reader(descriptor, line.idle_w, slope_w),
        device=f"{line.device}, {cpus_n} CPUs, {line.idle_w:.3g} to {line.max_w:.3g} W",
        resolution_j=slope_w * tick_s,
        update_period_s=tick_s,
        model_factor=line.factor,
        reasons=line.reasons,
    )


def _reader(descriptor: int, idle_w: float, slope_w: float) -> Callable[[], float]:
    opened_ns = time.monotonic_ns()

    def read() -> float:
        try:
            line, _, _ = os.pread(descriptor, 256, 0).partition(b"\n")
        except OSError:
            raise ReadFailure("read-failed") from None
        # cpu user nice system idle iowait irq softirq steal guest guest_nice; guest time is inside user time, and
        # stolen time was another machine's.
        ticks = [int(part) for part in line.split()[1:8]]
        if len(ticks) < 7:
            raise ReadFailure("read-failed")
        busy_s = (sum(ticks) - ticks[3] - ticks[4]) / _CLOCK_TICKS_PER_S
        return idle_w * (time.monotonic_ns() - opened_ns) / 1e9 + slope_w * busy_s

    return read


def _rows(file: str) -> list[dict[str, str]]:
    text = files("joulemark").joinpath("catalogue", file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
