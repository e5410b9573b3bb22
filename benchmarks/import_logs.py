"""What importing and reporting cost: the paper's whole archive, and a store of a million runs beside pandas.

    python benchmarks/import_logs.py [--logs paper-logs.tar.xz] [--runs 1000000] [--pandas PYTHON] [--folder DIR]
    python benchmarks/import_logs.py --logs paper-logs.tar.xz --reference luccioni2024.csv

The archive (emissions, lengths and performance of github.com/sashavor/co2_inference, MIT) does not come with the
project: without it only the synthetic store is measured. ``--pandas`` is an interpreter that has pandas; with it the
same files are read by it. ``--reference`` writes the figures per cell that the package ships instead of measuring.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from joulemark import store
from joulemark.interchange.importing import import_logs
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Machine, Protocol, Quality, Run, Study
from joulemark.units import J_PER_KWH

JOULEMARK = Path(sys.executable).with_name("joulemark")
PARTS = {"gpu": Component.GPU, "cpu": Component.CPU, "dram": Component.DRAM}
CELLS_N = 500

PANDAS = """
import sys, pandas
runs = pandas.read_json(sys.argv[1], lines=True)
window = pandas.json_normalize(runs["measurement"])
energy = window["channels"].map(lambda channels: sum(one["energy_j"] for one in channels))
model = runs["cell"].map(lambda cell: cell["model"])
print(energy.groupby(model).agg(["mean", "std", "count"]).shape)
"""


def main() -> None:
    arguments = _arguments()
    if arguments.reference is not None:
        _write_reference(arguments.logs, arguments.reference)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        folder = Path(place)
        print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
        print(f"{'':58}  {'wall':>8}  {'CPU':>8}  {'peak memory':>12}")
        if arguments.logs is not None:
            out = folder / "paper"
            _time("import the paper's archive", [JOULEMARK, "import", arguments.logs, "--out", out])
            _time("report --table 2", [JOULEMARK, "report", out, "--table", "2"])
            _time("report --totals", [JOULEMARK, "report", out, "--totals"])
        big = folder / "big"
        _synthetic(big, arguments.runs)
        size_mib = (big / store.RUNS_FILE).stat().st_size / 2**20
        print(f"\na store of {arguments.runs:,} runs of {CELLS_N} cells, {size_mib:,.0f} MiB")
        _time("report", [JOULEMARK, "report", big])
        _time("report --table 2", [JOULEMARK, "report", big, "--table", "2"])
        if arguments.pandas is not None:
            _time("pandas: read, mean and deviation per model", [arguments.pandas, "-c", PANDAS, big / store.RUNS_FILE])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--logs", type=Path)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--pandas", type=Path)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--reference", type=Path)
    return parser.parse_args()


def _time(what: str, command: list[object]) -> None:
    """Wall and processor seconds of a program with its children, and the largest memory of one of them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started_s = time.perf_counter()
    done = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(done.pid, 0)
    wall_s = time.perf_counter() - started_s
    cpu_s = usage.ru_utime + usage.ru_stime
    assert before is not None
    failed = "" if status == 0 else f"  failed: {os.waitstatus_to_exitcode(status)}"
    print(f"{what:58}  {wall_s:6.2f} s  {cpu_s:6.2f} s  {usage.ru_maxrss / 1024:8.0f} MiB{failed}", flush=True)


def _synthetic(folder: Path, runs_n: int) -> None:
    """A store as ``joulemark import`` writes it: three channels a run, loading, quality."""
    cells = tuple(Cell("text-classification", f"model-{i % 50}", f"dataset-{i // 50}") for i in range(CELLS_N))
    study = Study("synthetic", cells, Protocol(1000, runs_n // CELLS_N, "listed", 0, 0, 0.0))
    machine = Machine("a processor", 8, 64 * 2**30, ("a board",), None, "6.1", "Linux")

    def window(watts: float, duration_s: float) -> Measurement:
        channels = tuple(
            ChannelEnergy(
                name,
                component,
                Provenance.SAMPLED,
                watts * share * duration_s,
                watts * share * duration_s * 0.95,
                watts * share * duration_s * 1.05,
                ErrorBudget(accuracy_j=watts * share * duration_s * 0.05),
            )
            for (name, component), share in zip(PARTS.items(), (0.6, 0.3, 0.1), strict=True)
        )
        return Measurement("2026-01-01T00:00:00.000+00:00", duration_s, channels, 0.01)

    def runs() -> Iterator[Run]:
        for order_i in range(runs_n):
            cell = cells[order_i % CELLS_N]
            yield Run(
                run_id=f"{order_i:020x}",
                cell=cell,
                repeat_i=order_i // CELLS_N,
                order_i=order_i,
                queries_n=1000,
                machine_id=machine.machine_id,
                versions={"joulemark": "0"},
                started_at="2026-01-01T00:00:00.000+00:00",
                measurement=window(300 + order_i % 97, 10 + order_i % 7),
                load=window(200, 5.0),
                quality=Quality("accuracy", 0.9, 1000),
            )

    with store.open_for_writing(folder, study):
        store.add_machine(folder, machine)
        store.append_all(folder, runs())


def _write_reference(logs: Path, file: Path) -> None:
    """The means, spreads and extremes of every cell of the archive, published or not."""
    found = import_logs([logs], 1)
    assert found.is_paper
    by_cell: dict[Cell, list[Run]] = {cell: [] for cell in found.study.cells}
    for run in found.runs:
        by_cell.setdefault(run.cell, []).append(run)
    unpublished = [cell for cell in by_cell if cell not in set(found.study.cells)]
    unpublished.sort(key=lambda cell: (cell.purpose, cell.task, cell.dataset, cell.dataset_config or "", cell.model))
    rows = [_reference_row(cell, by_cell[cell], published=True) for cell in found.study.cells]
    rows += [_reference_row(cell, by_cell[cell], published=False) for cell in unpublished]
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} cells, {sum(len(runs) for runs in by_cell.values())} runs, in {file}")


def _reference_row(cell: Cell, runs: list[Run], published: bool) -> dict[str, object]:
    windows = [run.measurement for run in runs if run.measurement is not None]
    loads = [run.load for run in runs if run.load is not None]
    quality, model = runs[0].quality, runs[0].model
    words = quality.others if quality else {}
    row: dict[str, object] = {
        "purpose": cell.purpose,
        "task": cell.task,
        "model": cell.model,
        "dataset": cell.dataset,
        "dataset_config": cell.dataset_config or "",
        "published": "yes" if published else "no",
        "runs_n": len(runs),
        "started_at": min(run.started_at for run in runs),
    }
    row |= _spread("duration", "_s", [window.duration_s for window in windows])
    row |= _spread("energy", "_kwh", [sum(_kwh(window, part) for part in PARTS.values()) for window in windows])
    for name, part in PARTS.items():
        row |= _spread(f"{name}_energy", "_kwh", [_kwh(window, part) for window in windows], extremes=False)
    row |= _spread("carbon", "_g", [run.carbon_logged_g for run in runs if run.carbon_logged_g is not None])
    row |= {"load_n": len(loads), "load_s": _digits(sum(load.duration_s for load in loads))}
    for name, part in PARTS.items():
        row[f"load_{name}_energy_kwh"] = _digits(sum(_kwh(load, part) for load in loads))
    row |= {
        "parameters_n": model.parameters_n if model else "",
        "quality_metric": quality.metric or "" if quality else "",
        "quality": quality.value if quality and quality.value is not None else "",
        "input_words": words.get("input_words", ""),
        "output_words": words.get("output_words", ""),
    }
    return row


def _kwh(window: Measurement, part: Component) -> float:
    return sum(c.energy_j or 0.0 for c in window.channels if c.component is part) / J_PER_KWH


def _spread(name: str, unit: str, values: list[float], extremes: bool = True) -> dict[str, object]:
    found: dict[str, object] = {
        f"{name}{unit}": _digits(statistics.fmean(values)),
        f"{name}_sd{unit}": _digits(statistics.stdev(values)) if len(values) > 1 else "",
    }
    if extremes:
        found |= {f"{name}_min{unit}": _digits(min(values)), f"{name}_max{unit}": _digits(max(values))}
    return found


def _digits(value: float) -> str:
    return f"{value:.12g}"


if __name__ == "__main__":
    main()
