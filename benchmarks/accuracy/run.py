"""How far off each tool is, on simulated machines whose truth is known.

``python benchmarks/accuracy/run.py [--peers] [--windows 0.1,1,4,30] [--scenarios wrap,psys] [--repeats N]``

Each cell is one fresh process, or several, that measures one window of sleep. The truth is that of the work alone,
from the instants around it; what a tool adds before and after is its error. ``--peers`` needs root: the tools find the
tree at ``/sys/class/powercap`` in a mount namespace of their own, without a network.
"""

from __future__ import annotations

import argparse
import json
import os
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
        (scenario, one, window_s)
        for _ in range(options.repeats)
        for scenario in scenarios
        for window_s in options.windows
        for one in tools
    ]
    print(f"RAPL tree served by {best_backend()}; {len(jobs)} cells", file=sys.stderr)
    with tempfile.TemporaryDirectory() as homes, ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda job: _cell(job[0], job[1], job[2], Path(homes)), jobs))
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


def _cell(scenario: Scenario, one: Installed, window_s: float, homes: Path) -> Result:
    """Run one cell; again when the scenario's event missed the window, with the lead that the tool needed."""
    if one.python is None:
        return Result(scenario.name, one.tool.name, window_s, failure=one.failure)
    lead_s = 0.0
    for attempt in range(1, ATTEMPTS_N + 1):
        with tempfile.TemporaryDirectory() as folder:
            result, event_inside = _run(scenario, one, window_s, Path(folder), homes / one.tool.name, lead_s, attempt)
        if event_inside or result.failure:
            break
        lead_s = result.begin_s or 0.0
    else:
        result = Result(scenario.name, one.tool.name, window_s, failure="the event missed the window each time")
    print(f"{scenario.name} {window_s:g} s {one.tool.name} {result.failure or ''}", file=sys.stderr)
    return result


def _run(
    scenario: Scenario, one: Installed, window_s: float, folder: Path, home: Path, lead_s: float, attempt: int
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
            ["window", str(window_s), str(event_ns), str(lead_s)],
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
    behind: list[str] = []
    for scenario in scenarios:
        for part in (*scenario.zones_of, *scenario.boards_of):
            for window_s in windows_s:
                cells = [found[scenario.name, tool.name, window_s] for tool in tools]
                texts = [_cell_text(cell, part, scenario.denied) for cell in cells]
                rows.append((scenario.name, part, f"{window_s:g} s", *texts))
                errors = {
                    tool: abs(ratio)
                    for tool, cell in zip(tools, cells, strict=True)
                    if (ratio := _median_error_ratio(cell, part)) is not None
                }
                text = _behind_text(errors)
                behind += [f"  {scenario.name}, {part}, {window_s:g} s: {text}"] if text else []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    if any(tool.pins is not None for tool in tools):
        print(f"\nNearer to the truth than joulemark without a variant, in {len(behind)} of {len(rows) - 1} rows:")
        print("\n".join(behind) or "  no tool")
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


def _behind_text(errors: Mapping[Tool, float]) -> str | None:
    """Which other tools were nearer than joulemark, and how near its variants were; ``None`` if none was."""
    own = next((error for tool, error in errors.items() if tool.pins is None and not tool.variant), None)
    peers = {tool.name: error for tool, error in errors.items() if tool.pins is not None}
    nearer = {name: error for name, error in peers.items() if own is None or error < own}
    if not nearer:
        return None
    variants = {tool.name: error for tool, error in errors.items() if tool.variant}
    texts = [f"{name} {error:.2%}" for name, error in sorted(nearer.items(), key=lambda item: item[1])]
    beside = "".join(f", {name} {error:.2%}" for name, error in variants.items())
    return f"{', '.join(texts)}; joulemark {'gives no number' if own is None else f'{own:.2%}'}{beside}"


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
