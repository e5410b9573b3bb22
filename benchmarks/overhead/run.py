"""What each tool costs the program that uses it, beside the same thing without a tool.

``python benchmarks/overhead/run.py [--peers] [--pairs 21] [--background 30] [--json FILE]``

All on a simulated machine of two packages with DRAM: four counters, in plain files that change every millisecond. The
row ``nothing`` is the baseline of the same run: the four counters read at both edges with bare system calls, and for
background, memory and slowdown no tool at all, so it shows the noise of this machine. ``--peers`` needs root.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "simulated"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from accuracy.scenarios import TWO_SOCKETS
from accuracy.tools import TOOLS, Installed, Tool, installed, run_driver
from rapl_tree import rapl_tree

NOTHING = Tool("nothing", "nothing_driver.py", "pass")
IMPORTS_N = 11
WINDOWS_N = {"carbontracker": 100, "codecarbon": 300, "perun": 3}  # perun starts anew for each
WINDOWS_DEFAULT_N = 3000


@dataclass(slots=True)
class Cost:
    """What one tool costs; ``None`` where that could not be measured."""

    tool: str
    import_s: float | None = None  # median of imports, less that of a bare start of the same interpreter
    bare_start_s: float | None = None
    open_s: float | None = None  # import and construct
    first_window_s: float | None = None
    window_s: float | None = None  # median of later windows, begin and end
    window_p95_s: float | None = None
    background_s: float | None = None  # CPU seconds over the whole background window
    added_byte: int | None = None  # proportional memory, helpers included
    slowdown: tuple[float, float, float] | None = None  # median ratio and its interval
    failures: list[str] = field(default_factory=list)


def main() -> None:
    options = _options()
    own = (NOTHING, *(tool for tool in TOOLS if not tool.variant))
    tools = [installed(tool) for tool in own if options.peers or tool.pins is None]
    with tempfile.TemporaryDirectory() as folder, rapl_tree(Path(folder, "sys"), TWO_SOCKETS, "files") as tree:
        costs = [_cost(one, tree.sysfs, Path(folder), options) for one in tools]
    _print_table(costs, options)
    if options.json:
        options.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What each tool costs, beside the same thing without a tool.")
    parser.add_argument("--peers", action="store_true", help="run the other tools as well (installs them once)")
    parser.add_argument("--pairs", type=int, default=21, help="of the fixed work, outside and inside of the tool")
    parser.add_argument("--background", type=float, default=30.0, help="length of the background window in s")
    parser.add_argument("--json", type=Path, help="file for all results")
    return parser.parse_args()


def _cost(one: Installed, sysfs: Path, folder: Path, options: argparse.Namespace) -> Cost:
    cost = Cost(one.tool.name)
    if one.python is None:
        cost.failures.append(one.failure or "not installed")
        return cost

    def driven(mode: str, *arguments: object) -> dict[str, Any]:
        print(f"{one.tool.name} {mode}", file=sys.stderr)
        answer, _ = run_driver(
            one,
            [mode, *(str(argument) for argument in arguments)],
            sysfs=sysfs,
            home=folder / one.tool.name,
            environment={},
            timeout_s=1200,
        )
        if "failure" in answer:
            cost.failures.append(f"{mode}: {answer['failure']}")
        return answer

    bare_s, imported_s = _imports_s(one.python, one.tool.imports)
    cost.bare_start_s, cost.import_s = bare_s, imported_s - bare_s
    answer = driven("cost", WINDOWS_N.get(one.tool.name, WINDOWS_DEFAULT_N))
    if windows_s := answer.get("windows_s"):
        later_s = sorted(windows_s[1:])
        cost.open_s, cost.first_window_s = answer["open_s"], windows_s[0]
        cost.window_s, cost.window_p95_s = statistics.median(later_s), later_s[int(0.95 * len(later_s))]
    answer = driven("background", options.background)
    cost.background_s, cost.added_byte = answer.get("cpu_s"), answer.get("added_byte")
    if pairs_s := driven("workload", options.pairs).get("pairs_s"):
        cost.slowdown = median_interval([inside_s / outside_s for outside_s, inside_s in pairs_s])
    return cost


def _imports_s(python: str, statement: str) -> tuple[float, float]:
    """Median seconds of a bare start of the interpreter and of one that imports, started in turns."""
    runs: dict[str, list[float]] = {"pass": [], f"{statement}\n": []}
    for _ in range(IMPORTS_N):
        for code, durations_s in runs.items():
            begin_s = time.perf_counter()
            subprocess.run([python, "-c", code], check=False, capture_output=True, cwd="/")
            durations_s.append(time.perf_counter() - begin_s)
    bare_s, imported_s = (statistics.median(durations_s[1:]) for durations_s in runs.values())
    return bare_s, imported_s


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and an interval that covers the true one in at least 95 % of cases, from order statistics alone."""
    ordered, count = sorted(values), len(values)
    outside = 0
    while 2 * sum(math.comb(count, k) for k in range(outside + 1)) / 2**count <= 0.05:
        outside += 1
    below = max(0, outside - 1)
    return statistics.median(ordered), ordered[below], ordered[count - 1 - below]


def _print_table(costs: Sequence[Cost], options: argparse.Namespace) -> None:
    print(f"\nFour RAPL counters; {os.cpu_count()} CPUs.")
    print("import: beyond a bare start of the same interpreter, which is beside it in brackets")
    print("open: import and construct, in a program that has the usual modules of the standard library already")
    print("first, window, p95: begin and end of an empty window; the first, and median and 95th percentile of the rest")
    print(f"background: CPU time in a window of {options.background:g} s; memory: resident, added; both with helpers")
    print(f"slowdown: fixed work inside over outside, median of {options.pairs} pairs and its 95 % interval\n")
    head = "tool,import,(bare),open,first,window,p95,background,memory,slowdown,interval"
    rows = [tuple(head.split(","))]
    for cost in costs:
        slowdown = interval = "–"
        if cost.slowdown is not None:
            ratio, low, high = cost.slowdown
            slowdown, interval = f"{ratio - 1:+.2%}", f"[{low - 1:+.2%}, {high - 1:+.2%}]"
        rows.append(
            (
                cost.tool,
                _ms(cost.import_s),
                _ms(cost.bare_start_s),
                _ms(cost.open_s),
                _ms(cost.first_window_s),
                _ms(cost.window_s),
                _ms(cost.window_p95_s),
                _ms(cost.background_s),
                "–" if cost.added_byte is None else f"{cost.added_byte / 1e6:.1f} MB",
                slowdown,
                interval,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))
    for cost in costs:
        for failure in cost.failures:
            print(f"{cost.tool}: {failure}")


def _ms(duration_s: float | None) -> str:
    if duration_s is None:
        return "–"
    return f"{duration_s * 1e6:.1f} µs" if abs(duration_s) < 1e-3 else f"{duration_s * 1e3:.1f} ms"


if __name__ == "__main__":
    main()
