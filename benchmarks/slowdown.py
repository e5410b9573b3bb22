"""What measuring costs the measured: a loop of queries inside a window against the same loop without one.

All variants run in one process, in rounds of random order; each is set against the plain loop of its own round. The
plain loop against itself shows the noise of the machine. Prints median ratios with 95 % intervals (order statistics).
"""

from __future__ import annotations

import hashlib
import math
import random
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from joulemark.meter import Meter, open_meter
from joulemark.sensors import Setup

ROUNDS_N = 200
QUERIES_N = 100
TARGET_RATIO = 1.01


def query(block: bytes = bytes(2**20)) -> bytes:
    """About half a millisecond of work outside the interpreter, as a small model's query is.

    Pure Python would not do: CPython 3.11 maps and unmaps memory at each call that happens to lie on the edge of a
    chunk of its frame stack, and another loop around the call moves that edge.
    """
    return hashlib.sha256(block).digest()


def plain() -> float:
    """The loop alone, in seconds."""
    started_s = time.perf_counter()
    for _ in range(QUERIES_N):
        query()
    return time.perf_counter() - started_s


def measured(meter: Meter) -> float:
    """The same loop as joulemark's worker runs it: window, time of each query, progress, keep-alive."""
    durations_s, progress = array("d", bytes(8 * QUERIES_N)), array("q", [0])
    started_s = time.perf_counter()
    window = meter.begin()
    refresh, clock = window.refresh, time.perf_counter
    before_s = clock()
    for index in range(QUERIES_N):
        query()
        now_s = clock()
        durations_s[index] = now_s - before_s
        before_s = now_s
        progress[0] = index + 1
        refresh()
    window.end()
    return time.perf_counter() - started_s


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and the order statistics whose binomial coverage of it is at least 95 %."""
    ordered, margin_n = sorted(values), math.ceil(0.98 * len(values) ** 0.5)
    return statistics.median(ordered), ordered[len(values) // 2 - margin_n], ordered[len(values) // 2 + margin_n]


def four_counters(root: Path) -> Setup:
    """A powercap tree with two packages and their memory."""
    for folder, name in (("0", "package-0"), ("0:0", "dram"), ("1", "package-1"), ("1:0", "dram")):
        zone = root / "class" / "powercap" / f"intel-rapl:{folder}"
        zone.mkdir(parents=True)
        (zone / "name").write_text(name)
        (zone / "energy_uj").write_text("1000")
        (zone / "max_energy_range_uj").write_text("262143328850")
    return Setup(sysfs=root, requests=("rapl",))


def main() -> None:
    print(f"slowdown of {QUERIES_N} measured queries: medians of {ROUNDS_N} rounds")
    rng = random.Random(1)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_meter(Setup()) as here,
        open_meter(four_counters(Path(folder))) as files,
    ):
        variants: dict[str, Callable[[], float]] = {
            "plain": plain,
            "plain again": plain,
            "this machine's sensors": lambda: measured(here),
            "four RAPL files": lambda: measured(files),
        }
        ratios: dict[str, list[float]] = {name: [] for name in variants}
        baselines_s: list[float] = []
        for _ in range(ROUNDS_N):
            taken_s = {name: variants[name]() for name in rng.sample(list(variants), len(variants))}
            baselines_s.append(taken_s["plain"])
            for name in variants:
                ratios[name].append(taken_s[name] / taken_s["plain"])
    print(f"  baseline, plain loop     {statistics.median(baselines_s) * 1e3:.2f} ms")
    for name in list(variants)[1:]:
        median, low, high = median_interval(ratios[name])
        verdict = (
            ""
            if variants[name] is plain
            else f"   target ≤ {TARGET_RATIO}: {'met' if median <= TARGET_RATIO else 'MISSED'}"
        )
        print(f"  {name:<24} {median:.4f} ({low:.4f} to {high:.4f}){verdict}")


if __name__ == "__main__":
    main()
