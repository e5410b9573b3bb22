"""How far off each tool is, on simulated machines whose truth is known.

``python benchmarks/accuracy/run.py [--peers] [--windows 0.1,1,4,30] [--scenarios wrap,psys] [--repeats N]``

Each cell is one fresh process, or several, that measures one window of sleep. Windows begin at random phases of the
sensors, the same ones for every tool, since a slow sensor's error is mostly its phase. The truth is that of the work
alone, from the instants around it; what a tool adds before and after is its error. ``--peers`` needs root: the tools
find the tree at ``/sys/class/powercap`` in a mount namespace of their own, without a network.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "simulated"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from nvml_shim import Boards, nvml_shim
from rapl_tree import Tree, best_backend, rapl_tree, without_override

from accuracy.scenarios import SCENARIOS, Scenario
from accuracy.tools import TOOLS, Installed, Tool, installed, run_driver

ATTEMPTS_N = 4
PHASE_S = 0.25  # longer than any sensor's refresh, and than the bursts of the boards
SHOWN_P = 0.05  # of a sign test, below which a tool is called nearer than another
NOTES_N = 4  # printed for each tool and scenario; all are in the JSON
_LOUD = re.compile(r"warn|error|critical|denied|fail|too short|unable|cannot|could not", re.IGNORECASE)
_STAMPS = re.compile(r"\x1b?\[[0-9;]*m|\[?\d{4}-\d\d-\d\d[ T][\d:,.]+\]?|@ [\d:]+|/[\w./-]*tmp[\w./-]+")


@dataclass(frozen=True, slots=True)
class Result:
    """One tool in one window of one scenario."""

    scenario: str
    tool: str
    window_s: float
    truth_j: dict[str, float] = field(default_factory=dict)
    phase_s: float = 0.0
    energy_j: dict[str, float | None] = field(default_factory=dict)
    interval_j: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failure: str | None = None
    begin_s: float | None = None  # from the call to the work
    end_s: float | None = None
    attempts_n: int = 1

    def error_ratio(self, part: str) -> float | None:
        """The relative error of a part; ``None`` where the tool gives no number."""
        energy_j = self.energy_j.get(part)
        return None if energy_j is None else energy_j / self.truth_j[part] - 1

    def covers(self, part: str) -> bool | None:
        """Whether the truth is inside the interval that the tool states; ``None`` where it states none."""
        if part not in self.interval_j:
            return None
        low_j, high_j = self.interval_j[part]
        return low_j <= self.truth_j[part] <= high_j


def main() -> None:
    options = _options()
    tools = [installed(tool) for tool in TOOLS if options.peers or tool.pins is None]
    scenarios = [one for one in SCENARIOS if not options.scenarios or one.name in options.scenarios]
    jobs = [
        (scenario, one, window_s, _phase_s(scenario, window_s, repeat))
        for repeat in range(options.repeats)
        for scenario in scenarios
        for window_s in options.windows
        for one in tools
    ]
    print(f"RAPL tree served by {best_backend()}; {len(jobs)} cells", file=sys.stderr)
    with tempfile.TemporaryDirectory() as homes, ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda job: _cell(job[0], job[1], job[2], job[3], Path(homes)), jobs))
    _print_tables(scenarios, [one.tool for one in tools], options.windows, results)
    if options.json:
        document = {"rapl_backend": best_backend(), "results": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(document, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How far off each tool is, where the truth is known.")
    parser.add_argument("--peers", action="store_true", help="run the other tools as well (installs them once)")
    parser.add_argument("--windows", type=_numbers, default=_numbers("0.1,1,4,30"), help="lengths in s")
    parser.add_argument("--scenarios", type=lambda text: text.split(","), default=[], help="names; default: all")
    parser.add_argument("--repeats", type=int, default=1, help="processes a cell; the table has the median one")
    parser.add_argument("--jobs", type=int, default=2, help="cells at a time: they sleep most of the time")
    parser.add_argument("--json", type=Path, help="file for all results")
    options = parser.parse_args()
    unknown = set(options.scenarios) - {scenario.name for scenario in SCENARIOS}
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(s.name for s in SCENARIOS)}")
    return options


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _phase_s(scenario: Scenario, window_s: float, repeat: int) -> float:
    """How much later a window begins; where something happens inside it, so little that it still does."""
    longest_s = min(PHASE_S, window_s / 4) if scenario.event else PHASE_S
    return random.Random(f"{scenario.name} {window_s} {repeat}").uniform(0, longest_s)


def _cell(scenario: Scenario, one: Installed, window_s: float, phase_s: float, homes: Path) -> Result:
    """Run one cell; again when the scenario's event missed the window, with the lead that the tool needed."""
    if one.python is None:
        return Result(scenario.name, one.tool.name, window_s, failure=one.failure)
    lead_s = 0.0
    for attempt in range(1, ATTEMPTS_N + 1):
        with tempfile.TemporaryDirectory() as folder:
            home = homes / one.tool.name
            result, event_inside = _run(scenario, one, window_s, phase_s, Path(folder), home, lead_s, attempt)
        if event_inside or result.failure:
            break
        lead_s = result.begin_s or 0.0
    else:
        result = Result(scenario.name, one.tool.name, window_s, failure="the event missed the window each time")
    print(f"{scenario.name} {window_s:g} s {one.tool.name} {result.failure or ''}", file=sys.stderr)
    return result


def _run(
    scenario: Scenario,
    one: Installed,
    window_s: float,
    phase_s: float,
    folder: Path,
    home: Path,
    lead_s: float,
    attempt: int,
) -> tuple[Result, bool]:
    event_s = scenario.event_s(window_s)
    environment = dict(scenario.environment)
    boards: Boards | None = None
    if scenario.boards is not None:
        boards = nvml_shim(folder, scenario.boards(event_s or 0.0))
        environment |= {**boards.environment, "PATH": f"{_nvidia_smi(folder)}:{os.environ['PATH']}"}
    with rapl_tree(folder / "sys", scenario.zones(event_s or 0.0)) as tree:
        origin_ns = boards.origin_ns if boards is not None else tree.origin_ns
        event_ns = 0 if event_s is None else origin_ns + round(event_s * 1e9)
        answer, log = run_driver(
            one,
            ["window", str(window_s), str(event_ns), str(lead_s), str(phase_s)],
            sysfs=tree.sysfs,
            home=home,
            environment=environment,
            prefix=without_override([]) if scenario.denied else [],
            timeout_s=window_s + 60,
        )
    result = Result(
        scenario=scenario.name,
        tool=one.tool.name,
        window_s=window_s,
        phase_s=phase_s,
        truth_j=_truth_j(scenario, tree, boards, answer.get("edges_ns", [])),
        energy_j=answer.get("energy_j", {}),
        interval_j=answer.get("interval_j", {}),
        notes=(*answer.get("notes", ()), *_loud_lines(log)),
        failure=answer.get("failure"),
        begin_s=answer.get("begin_s"),
        end_s=answer.get("end_s"),
        attempts_n=attempt,
    )
    edges_ns = answer.get("edges_ns", [])
    return result, event_s is None or (len(edges_ns) == 2 and edges_ns[0] < event_ns < edges_ns[1])


def _truth_j(scenario: Scenario, tree: Tree, boards: Boards | None, edges_ns: Sequence[int]) -> dict[str, float]:
    if len(edges_ns) != 2:
        return {}
    begin_ns, end_ns = edges_ns
    truth_j = {
        part: sum(tree.true_energy_j(zone, begin_ns, end_ns) for zone in zones)
        for part, zones in scenario.zones_of.items()
    }
    if boards is not None:
        for part, indices in scenario.boards_of.items():
            truth_j[part] = sum(boards.true_energy_j(index, begin_ns, end_ns) for index in indices)
    return truth_j


def _nvidia_smi(folder: Path) -> Path:
    """A folder with an ``nvidia-smi`` that does nothing: some tools take a driver for missing without one."""
    programs = folder / "bin"
    programs.mkdir()
    program = programs / "nvidia-smi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return programs


def _loud_lines(log: str) -> list[str]:
    """What a tool printed that sounds like a warning, without time stamps."""
    lines = (_STAMPS.sub("", line).strip() for line in log.splitlines() if not line.startswith((" ", "\t")))
    return list(dict.fromkeys(line for line in lines if _LOUD.search(line)))


def _print_tables(
    scenarios: Sequence[Scenario], tools: Sequence[Tool], windows_s: Sequence[float], results: Sequence[Result]
) -> None:
    found: dict[tuple[str, str, float], list[Result]] = {}
    for result in results:
        found.setdefault((result.scenario, result.tool, result.window_s), []).append(result)
    print("\nRelative error of one window in a fresh process, of several windows the one of median size.")
    print("✓ ✗: the truth is inside all stated intervals, or not inside so many of them; nothing where none is stated.")
    print("none: no number for this part; unknown: the tool says that it does not know; failed: see below;")
    print("model: a formula for the processor of this machine, which knows nothing of the simulated one.\n")
    rows = [("scenario", "part", "window", *(tool.name for tool in tools))]
    nearer: list[str] = []
    for scenario in scenarios:
        for part in (*scenario.zones_of, *scenario.boards_of):
            for window_s in windows_s:
                cells = {tool: found[scenario.name, tool.name, window_s] for tool in tools}
                texts = [_cell_text(cell, part, scenario.denied) for cell in cells.values()]
                rows.append((scenario.name, part, f"{window_s:g} s", *texts))
                where = f"{scenario.name}, {part}, {window_s:g} s"
                nearer += [f"  {where}: {text}" for text in _nearer_texts(cells, part)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    if any(tool.pins is not None for tool in tools):
        print("\nWhere another tool's median error was smaller than joulemark's without a variant: in how many of the")
        print(f"windows of equal phase it was nearer, and p of a two-sided sign test ({SHOWN_P:g} or less: shown):")
        print("\n".join(nearer) or "  nowhere")
    print("\nWhat each says about it, beyond what it says on a healthy machine (one-socket):")
    for scenario in scenarios:
        print(f"\n{scenario.name}: {scenario.what}")
        for tool in tools:
            healthy = () if scenario.name == "one-socket" else windows_s
            usual = {note for w in healthy for note in _notes(found.get(("one-socket", tool.name, w), ()))}
            all_notes = dict.fromkeys(note for w in windows_s for note in _notes(found[scenario.name, tool.name, w]))
            notes = [note for note in all_notes if note not in usual]
            shown = [_shortened(note) for note in notes[:NOTES_N]] or ["nothing"]
            if len(notes) > NOTES_N:
                shown.append(f"and {len(notes) - NOTES_N} more")
            print(f"  {tool.name}: {'; '.join(shown)}")


def _median_error_ratio(cell: Sequence[Result], part: str) -> float | None:
    """The error of median size; ``None`` unless the tool gave a number each time."""
    ratios = [None if result.failure else result.error_ratio(part) for result in cell]
    known = sorted((ratio for ratio in ratios if ratio is not None), key=abs)
    return known[len(known) // 2] if len(known) == len(cell) else None


def _nearer_texts(cells: Mapping[Tool, Sequence[Result]], part: str) -> list[str]:
    """For each other tool whose median error is smaller than joulemark's: in how many windows it was nearer."""
    own = next(cell for tool, cell in cells.items() if tool.pins is None and not tool.variant)
    variants = {tool.name: _median_error_ratio(cell, part) for tool, cell in cells.items() if tool.variant}
    beside = "".join(f", {name} {abs(error):.2%}" for name, error in variants.items() if error is not None)
    own_error = _median_error_ratio(own, part)
    texts = []
    for tool, cell in cells.items():
        error = _median_error_ratio(cell, part)
        if tool.pins is None or error is None or (own_error is not None and abs(error) >= abs(own_error)):
            continue
        if own_error is None:
            texts.append(f"{tool.name} {abs(error):.2%}; joulemark gives no number{beside}")
            continue
        pairs = [(theirs.error_ratio(part), ours.error_ratio(part)) for theirs, ours in zip(cell, own, strict=True)]
        known = [(abs(theirs), abs(ours)) for theirs, ours in pairs if theirs is not None and ours is not None]
        nearer_n = sum(theirs < ours for theirs, ours in known)
        p = sign_test_p(nearer_n, len(known))
        shown = "shown" if p <= SHOWN_P else "not shown"
        ours = f"joulemark {abs(own_error):.2%}{beside}"
        texts.append(f"{tool.name} {abs(error):.2%}; {ours}; {nearer_n} of {len(known)}, p {p:.2g}, {shown}")
    return texts


def sign_test_p(nearer_n: int, pairs_n: int) -> float:
    """How likely so uneven a count is where both sides are equally likely."""
    fewer_n = min(nearer_n, pairs_n - nearer_n)
    return min(1.0, 2 * sum(math.comb(pairs_n, k) for k in range(fewer_n + 1)) * 0.5**pairs_n)


def _cell_text(cell: Sequence[Result], part: str, modelled: bool) -> str:
    failures = [result.failure for result in cell if result.failure is not None]
    if failures:
        return failures[0].partition(":")[0] if failures[0].startswith("not ") else "failed"
    if any(part not in result.energy_j for result in cell):
        return "none"
    ratio = _median_error_ratio(cell, part)
    if ratio is None:
        return "unknown"
    percent = f"{ratio:+.2%}" if abs(ratio) < 1 else f"{ratio:+.0%}"
    if modelled:
        return f"{percent} (model)"
    covered = [covers for result in cell if (covers := result.covers(part)) is not None]
    missed_n = covered.count(False)
    mark = "" if not covered else " ✓" if not missed_n else " ✗" if len(cell) == 1 else f" ✗{missed_n}"
    return percent + mark


def _notes(results: Sequence[Result]) -> tuple[str, ...]:
    return tuple(
        note
        for result in results
        for note in ((f"failed: {result.failure}", *result.notes) if result.failure else result.notes)
    )


def _shortened(note: str) -> str:
    return note if len(note) <= 160 else note[:157] + "..."


if __name__ == "__main__":
    main()
