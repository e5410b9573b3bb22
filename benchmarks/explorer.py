"""What a million single queries cost the explorer's page: its size, its first view, and a change of a filter.

    python benchmarks/explorer.py [--queries 1000000] [--folder DIR]

Two stores of the same runs are made, one with the queries of all runs and, as the baseline, one with those of the first
alone. Both pages are opened in headless Chromium in turn. The first view is counted from the start of the navigation
to the mark that the page sets when it is on the screen; a change from the event of a control until two animation frames
after the drawing is done. Without Chromium nothing is measured.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "explorer" / "support"))
from browser import MISSING, chromium, context_of, open_browser
from playwright.sync_api import Browser, Page
from visits import Visit

from joulemark import store
from joulemark.analysis.paper_tables import MODALITIES
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Inference, Machine, ModelFacts, Protocol, Purpose, Quality, Run, Study

JOULEMARK = Path(sys.executable).with_name("joulemark")
FILE_BAR_BYTE, FIRST_VIEW_BAR_S, CHANGE_BAR_S = 15e6, 1.0, 0.1
QUERIES_N, REPEATS_N, LOADS_N = 1000, 10, 7
SECTIONS = ("tasks", "queries")
CHANGES = (  # some narrow the view and some widen it; the last puts all back
    ("task", "summarization"),
    ("unit", "J"),
    ("task", ""),
    ("kind", "task-specific"),
    ("per", "1"),
    ("kind", ""),
    ("known", "measured"),
    ("per", "1000"),
    ("boundary", "marginal"),
    ("modality", "text-to-text"),
    ("known", "all"),
    ("modality", ""),
    ("boundary", "device"),
    ("q", "model-3"),
    ("unit", "Wh"),
    ("q", ""),
    ("quantity", "carbon"),
    ("task", "text-classification"),
    ("quantity", "energy"),
    ("q", "set-1"),
    ("task", "image-to-text"),
    ("q", ""),
    ("per", "tokens"),
    ("task", ""),
    ("per", "1000"),
)

CHANGE = """async ([name, value]) => {
    const control = document.querySelector(`#bar [name=${name}]`)
    const before = document.body.dataset.painted
    const painted = new Promise(done => {
        const watch = new MutationObserver(() => {
            if (document.body.dataset.painted === before) return
            watch.disconnect()
            done(performance.now())
        })
        watch.observe(document.body, { attributes: true, attributeFilter: ["data-painted"] })
    })
    control.value = value
    if (control.value !== value) throw new Error(`${name} has no ${value}`)
    const started = performance.now()
    control.dispatchEvent(new Event("change", { bubbles: true }))
    return ((await painted) - started) / 1000
}"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured of one page: seconds of every load, and of every change by section."""

    size_byte: int
    first_view_s: list[float]
    changes_s: dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--queries", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to make the stores and pages, and to leave them")
    arguments = parser.parse_args()
    if chromium() is None:
        print(f"explorer: {MISSING}")
        return
    if arguments.folder is not None:
        measure(arguments.folder, arguments.queries)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments.queries)


def measure(folder: Path, queries_n: int) -> None:
    """Make both pages, look at them in turn, and print a table."""
    print(f"explorer: {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
    cells_n = max(1, queries_n // (QUERIES_N * REPEATS_N))
    full_n = cells_n * REPEATS_N * QUERIES_N
    pages = [page_of(folder / name, cells_n, one) for name, one in (("full", False), ("baseline", True))]
    with open_browser() as browser:
        full, baseline = look(browser, pages)
    print(f"\n{'':34}{full_n:>12,}{'1,000':>10}  queries")
    row("file, MB", [full.size_byte / 1e6, baseline.size_byte / 1e6], FILE_BAR_BYTE / 1e6)
    row("first view, s (median)", [statistics.median(one.first_view_s) for one in (full, baseline)], FIRST_VIEW_BAR_S)
    for section in SECTIONS:
        for name, of in (("median", statistics.median), ("worst", max)):
            values = [1000 * of(one.changes_s[section]) for one in (full, baseline)]
            row(f"change in section {section}, ms ({name})", values, 1000 * CHANGE_BAR_S)
    print(f"{LOADS_N} loads, {len(full.changes_s[SECTIONS[0]])} changes a section; load now {os.getloadavg()[0]:.1f}")


def row(what: str, values: list[float], bar: float) -> None:
    full, baseline = values
    verdict = "met" if full <= bar else "MISSED"
    print(f"  {what:<38}{full:8.2f}{baseline:10.2f}   {full / baseline:5.2f} ×   at most {bar:g}: {verdict}")


def look(browser: Browser, pages: list[Path]) -> list[Seen]:
    """Both pages in turn, so that a busy moment touches both."""
    first_view_s: list[list[float]] = [[] for _ in pages]
    for _ in range(LOADS_N):
        for place, file in enumerate(pages):
            page = opened(browser, file, "tasks")
            first_view_s[place].append(page.evaluate("performance.getEntriesByName('first-view')[0].startTime / 1000"))
            page.context.close()
    changes_s: list[dict[str, list[float]]] = [{} for _ in pages]
    for section in SECTIONS:
        for place, file in enumerate(pages):
            page = opened(browser, file, section)
            changes_s[place][section] = [page.evaluate(CHANGE, list(change)) for change in CHANGES]
            page.context.close()
    sizes_byte = [file.stat().st_size for file in pages]
    return [Seen(*one) for one in zip(sizes_byte, first_view_s, changes_s, strict=True)]


def opened(browser: Browser, file: Path, section: str) -> Page:
    visit = Visit(context_of(browser).new_page())
    visit.listen()
    return visit.to(file, section)


def page_of(folder: Path, cells_n: int, is_baseline: bool) -> Path:
    """A store and its page, made by the installed program, which is timed."""
    started_s = time.perf_counter()
    if not folder.exists():
        write_store(folder, cells_n, is_baseline)
    stored_s = time.perf_counter() - started_s
    file = folder.with_suffix(".html").absolute()
    started_s = time.perf_counter()
    subprocess.run([JOULEMARK, "explore", folder, "--out", file], check=True, stdout=subprocess.DEVNULL)
    print(
        f"  {folder.name}: store made in {stored_s:.1f} s, page in {time.perf_counter() - started_s:.1f} s", flush=True
    )
    return file


def write_store(folder: Path, cells_n: int, is_baseline: bool) -> None:
    """Ten tasks, as many models on each as it takes, two kinds; what the queries take scatters as real ones do."""
    tasks = list(MODALITIES)
    cells = tuple(
        Cell(
            tasks[i % len(tasks)],
            f"maker/model-{i // len(tasks)}",
            f"set-{i % len(tasks)}",
            Purpose.MULTI_PURPOSE if i // len(tasks) % 4 == 3 else Purpose.TASK_SPECIFIC,
        )
        for i in range(cells_n)
    )
    study = Study("million", cells, Protocol(QUERIES_N, REPEATS_N), "made for a benchmark")
    machine = Machine("a processor", 8, 64 * 2**30, ("a board",), None, "6.1", "Linux")
    rng = random.Random(1)
    with store.open_for_writing(folder, study):
        store.add_machine(folder, machine)
        for repeat_i in range(REPEATS_N):
            for cell_i, cell in enumerate(cells):
                queries = queries_of(cell_i, rng)
                run = run_of(study, cell, cell_i, repeat_i, machine, queries)
                store.append(folder, run, queries if not is_baseline or cell_i == repeat_i == 0 else ())


def queries_of(cell_i: int, rng: random.Random) -> list[Inference]:
    middle_s, power_w = 0.004 * 1.06**cell_i, 80 + 3 * (cell_i % 50)
    found = []
    for sample_i in range(QUERIES_N):
        output_n = rng.randint(1, 5 + cell_i)
        duration_s = middle_s * rng.lognormvariate(0.0, 0.25) * (1 + output_n / 20)
        energy_j = duration_s * power_w * rng.lognormvariate(0.0, 0.05)
        score = float(rng.random() < 0.9)
        found.append(
            Inference(sample_i, duration_s, rng.randint(8, 512), output_n, "an answer", score, energy_j, energy_j / 20)
        )
    return found


def run_of(study: Study, cell: Cell, cell_i: int, repeat_i: int, machine: Machine, queries: list[Inference]) -> Run:
    energy_j = math.fsum(query.energy_j or 0.0 for query in queries)
    duration_s = math.fsum(query.duration_s for query in queries)
    started_at = f"2026-01-{1 + repeat_i:02}T{cell_i // 60 % 24:02}:{cell_i % 60:02}:00.000+00:00"
    idle = window(started_at, 10.0, 200.0, 100.0)
    return Run(
        run_id=study.run_id(cell, repeat_i),
        cell=cell,
        repeat_i=repeat_i,
        order_i=repeat_i * len(study.cells) + cell_i,
        queries_n=QUERIES_N,
        machine_id=machine.machine_id,
        versions={"joulemark": "0", "python": "3.11", "torch": "2.6"},
        started_at=started_at,
        measurement=window(started_at, duration_s, energy_j, energy_j / 3),
        idle_before=idle,
        idle_after=idle,
        load=window(started_at, 4.0, 300.0, 200.0),
        warmup_n=10,
        quality=Quality("accuracy", 0.9 - cell_i / 1000, QUERIES_N),
        model=ModelFacts(int(1e7 * 1.07**cell_i), "SomeModel", "trained", "float16", "cuda"),
        samples_sha256=f"{cell_i % len(MODALITIES):064x}",
        samples_n=QUERIES_N,
        input_tokens_n=sum(query.input_tokens_n or 0 for query in queries),
        output_tokens_n=sum(query.output_tokens_n or 0 for query in queries),
        per_query="counter",
    )


def window(started_at: str, duration_s: float, board_j: float, processor_j: float) -> Measurement:
    parts = (
        ("gpu0", Component.GPU, Provenance.COUNTER, board_j, 1.05),
        ("package-0", Component.CPU, Provenance.COUNTER, processor_j, 1.01),
        ("dram-0", Component.DRAM, Provenance.MODELLED, processor_j / 5, 3.0),
    )
    channels = tuple(
        ChannelEnergy(
            name,
            component,
            provenance,
            energy_j,
            energy_j / factor,
            energy_j * factor,
            ErrorBudget(model_factor=factor),
        )
        for name, component, provenance, energy_j, factor in parts
    )
    return Measurement(started_at, duration_s, channels, 0.01)


if __name__ == "__main__":
    main()
