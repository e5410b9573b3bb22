"""Results folders with what real ones seldom have, written through the store as a run writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from joulemark import store
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import (
    Cell,
    Failure,
    Inference,
    Machine,
    ModelFacts,
    Protocol,
    Purpose,
    Quality,
    Run,
    Settings,
    Study,
)

QUERIES_N = 20
MACHINE = Machine("Some CPU @ 3.00GHz", 8, 64 * 2**30, ("Some GPU",), False, "6.1.0", "Linux")
START = datetime(2026, 1, 1, tzinfo=UTC)

CELL = Cell("text-classification", "maker/small-encoder", "reviews")
PROMPTED = replace(CELL, model="maker/large-decoder", purpose=Purpose.MULTI_PURPOSE)
OTHER_SET = replace(CELL, dataset="letters")
OTHER_TASK = replace(CELL, task="summarization", model="maker/summarizer", dataset="articles")
CELLS = (CELL, PROMPTED, OTHER_SET, OTHER_TASK)

HOSTILE_CELLS = (
    Cell("text-classification", "<script>alert(1)</script>", '"onload="alert(2)'),
    Cell("text-classification", "javascript:alert(3)", "</script><img src=x onerror=alert(4)>", Purpose.MULTI_PURPOSE),
    Cell("text-classification", "\u202eevil\u202c \u2066rtl\u200f", '=HYPERLINK("http://example.invalid","x")'),
    Cell("text-classification", "w" * 10_000, "x" * 10_000),
    Cell("text-classification", "long words " * 900, "@SUM(1+1)"),
    Cell("<svg onload=alert(5)>", "+cmd|' /C calc'!A0", "-2+3", dataset_config="'; alert(6); '", split="\r\n\t=1"),
    Cell("y" * 10_000, "{{constructor.constructor('alert(7)')()}}", "${alert(8)}"),
    Cell("__proto__", "constructor", "toString", settings=Settings(prompt="<b>{text}</b>&amp;\x00\x1b[31m")),
    Cell("", " ", "#run?run=1&theme=dark~%3Cscript%3E"),
    Cell("image-classification", "مرحبا بالعالم", "模型 🦊 e\u0301\u0301\u0301" + "\u0301" * 60),
)
HOSTILE_MACHINE = Machine(
    "<img src=x onerror=alert(9)> " + "q" * 3_000, 2, None, ('"><script>alert(10)</script>',) * 3, None, "=1+1", "<b>"
)
HOSTILE_NAME = "</title><script>alert(11)</script> \u202e study"


def window(
    watts: float | None, duration_s: float, at: datetime, has_dram: bool = True, gpu: bool = True
) -> Measurement:
    """A window with a processor, its memory and, by itself, a board; ``watts`` is the board's or the processor's."""

    def channel(name: str, component: Component, provenance: Provenance, power_w: float | None) -> ChannelEnergy:
        energy_j = None if power_w is None else power_w * duration_s
        factor = 2.0 if provenance is Provenance.MODELLED else 1.05
        return ChannelEnergy(
            name,
            component,
            provenance,
            energy_j,
            None if energy_j is None else energy_j / factor,
            None if energy_j is None else energy_j * factor,
            ErrorBudget(model_factor=2.0) if provenance is Provenance.MODELLED else ErrorBudget(accuracy_j=1.0),
            reasons=("modelled-formula",) if provenance is Provenance.MODELLED else (),
        )

    share = None if watts is None else watts / 4
    channels = [channel("package-0", Component.CPU, Provenance.COUNTER, share)]
    if gpu:
        channels.append(channel("gpu0", Component.GPU, Provenance.COUNTER, watts))
    if has_dram:
        channels.append(channel("dram-0", Component.DRAM, Provenance.MODELLED, share))
    return Measurement(at.isoformat(timespec="milliseconds"), duration_s, tuple(channels), 0.01)


def run(
    study: Study,
    cell: Cell,
    repeat_i: int,
    watts: float | None = 80.0,
    idle: bool = True,
    quality: Quality | None = None,
    machine: Machine = MACHINE,
    has_dram: bool = True,
) -> Run:
    """A repetition that went well."""
    order_i = repeat_i * len(study.cells) + study.cells.index(cell)
    at = START + timedelta(minutes=order_i)
    power_w = None if watts is None else watts * (1 + 0.02 * repeat_i) * (1 + study.cells.index(cell))
    rest = window(12.0, 2.0, at - timedelta(seconds=3), has_dram)
    return Run(
        run_id=study.run_id(cell, repeat_i),
        cell=cell,
        repeat_i=repeat_i,
        order_i=order_i,
        queries_n=QUERIES_N,
        machine_id=machine.machine_id,
        versions={"joulemark": "0", "python": "3.11", "torch": "2.0"},
        started_at=at.isoformat(timespec="milliseconds"),
        measurement=window(power_w, 5.0 + repeat_i / 10, at, has_dram),
        idle_before=rest if idle else None,
        idle_after=replace(rest, started_at=(at + timedelta(seconds=6)).isoformat()) if idle else None,
        load=window(30.0, 1.0, at - timedelta(seconds=5), has_dram),
        warmup_n=5,
        quality=quality or Quality("accuracy", 0.8 + study.cells.index(cell) / 100, QUERIES_N),
        model=ModelFacts(66_000_000 * (1 + study.cells.index(cell)), "SomeModel", "trained", "float32", "cpu"),
        samples_sha256="5" * 64,
        samples_n=QUERIES_N,
        input_tokens_n=QUERIES_N * 12,
        output_tokens_n=QUERIES_N * 3,
    )


def failed(study: Study, cell: Cell, repeat_i: int, message: str = "tried to allocate 2.00 GiB") -> Run:
    """A repetition that came to nothing."""
    whole = run(study, cell, repeat_i)
    return replace(
        whole, measurement=None, idle_after=None, quality=None, failure=Failure("load", "OutOfMemoryError", message)
    )


def queries(one: Run) -> list[Inference]:
    """Its single queries."""
    if one.measurement is None:
        return []
    duration_s = one.measurement.duration_s / QUERIES_N
    return [
        Inference(i, duration_s * (0.5 + i / QUERIES_N), 10 + i, 3, f"answer {i}", float(i % 4 != 0))
        for i in range(QUERIES_N)
    ]


def study_of(cells: Sequence[Cell], name: str = "made", repeats_n: int = 3) -> Study:
    return Study(name, tuple(cells), Protocol(QUERIES_N, repeats_n, idle_s=2.0), f"{name}: made for a test")


def write(folder: Path, study: Study, runs: Iterable[Run], machines: Sequence[Machine] = (MACHINE,)) -> Path:
    """The folder, made anew or continued."""
    with store.open_for_writing(folder, study):
        for machine in machines:
            store.add_machine(folder, machine)
        for one in runs:
            store.append(folder, one, queries(one))
    return folder


def empty(folder: Path) -> Path:
    """Not even a study."""
    folder.mkdir()
    return folder


def nothing_measured(folder: Path) -> Path:
    return write(folder, study_of(CELLS, "nothing-measured"), ())


def only_failed(folder: Path) -> Path:
    study = study_of(CELLS, "only-failed")
    return write(folder, study, (failed(study, cell, i) for i in range(2) for cell in CELLS))


def one_run(folder: Path) -> Path:
    study = study_of(CELLS, "one-run")
    return write(folder, study, [run(study, CELL, 0)])


def one_model(folder: Path) -> Path:
    study = study_of([CELL], "one-model")
    return write(folder, study, (run(study, CELL, i) for i in range(3)))


def no_quality(folder: Path) -> Path:
    study = study_of(CELLS, "no-quality")
    unknown = Quality(None, None, reason="this task has no metric here")
    return write(folder, study, (run(study, cell, i, quality=unknown) for i in range(3) for cell in CELLS))


def mixed_boundaries(folder: Path) -> Path:
    """The marginal boundary is known for some cells alone, one has a repetition without energy, hosts are bounded."""
    study = study_of(CELLS, "mixed-boundaries")
    runs = [
        run(study, cell, i, idle=cell is not PROMPTED, watts=None if (cell, i) == (OTHER_SET, 1) else 80.0)
        for i in range(3)
        for cell in CELLS
    ]
    return write(folder, study, runs)


def unknown_energy(folder: Path) -> Path:
    """Every run ended well and no sensor could be read."""
    study = study_of(CELLS, "unknown-energy")
    blind = []
    for i in range(2):
        for cell in CELLS:
            one = run(study, cell, i, watts=None, idle=False, has_dram=False)
            blind.append(replace(one, load=None))
    return write(folder, study, blind)


def fake_energy(folder: Path) -> Path:
    """Every channel is a fake counter, whose energy nobody measured; of the last cell, real ones."""
    study = study_of(CELLS, "fake-energy")
    runs = []
    for one in (run(study, cell, i, has_dram=False) for i in range(2) for cell in CELLS):
        if one.cell != CELLS[-1] and one.measurement is not None:
            fake = tuple(replace(channel, reasons=("fake-sensor",)) for channel in one.measurement.channels)
            one = replace(one, measurement=replace(one.measurement, channels=fake))
        runs.append(one)
    return write(folder, study, runs)


SPARSE = {
    made.__name__: made
    for made in (empty, nothing_measured, only_failed, one_run, one_model, no_quality, mixed_boundaries, unknown_energy)
}


def hostile(folder: Path) -> Path:
    study = study_of(HOSTILE_CELLS, HOSTILE_NAME, 2)
    runs = [run(study, cell, i, machine=HOSTILE_MACHINE) for i in range(2) for cell in HOSTILE_CELLS[:-2]]
    runs += [failed(study, HOSTILE_CELLS[-2], i, "<script>alert(12)</script>\u202e" + "z" * 10_000) for i in range(2)]
    runs += [
        replace(run(study, HOSTILE_CELLS[-1], i), quality=Quality("<i>m</i>", 0.5, 9, others={"=a": 1.0, "<u>": 2.0}))
        for i in range(2)
    ]
    return write(folder, study, runs, (MACHINE, HOSTILE_MACHINE))
