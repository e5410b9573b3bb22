"""Published results that come with the package, as figures per cell.

``catalogue/reference/NAME.csv`` has a row per cell: means, spreads and extremes over its repetitions, made from the
study's raw logs by ``benchmarks/import_logs.py --reference``. ``NAME_tables.csv`` has what the publication prints.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from joulemark.analysis.cell_sums import PER_N, CellSums, Moments
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Machine, ModelFacts, Protocol, Purpose, Quality, Run, Study
from joulemark.units import J_PER_KWH

PAPER = "luccioni2024"
BOARD_IDLE_W, BOARDS_N = 55.4, 8
ACCURACY_RATIO, CPU_FACTOR, DRAM_FACTOR = 0.05, 2.0, 3.0  # as in joulemark.interchange.logged_energy
MACHINE = Machine(
    cpu="Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz",
    cpus_n=1,
    memory_byte=1233448035418,
    gpus=("NVIDIA A100-SXM4-80GB",) * BOARDS_N,
    virtualised=None,
    kernel="Linux-5.15.0-1023-aws-x86_64-with-glibc2.17",
    system="Linux",
)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a publication says about 1,000 queries to a model on a dataset: means over its repetitions.

    ``energy_j`` is what was published. ``one_gpu_energy_j`` is an estimate by us from the published logs: the metered
    boards less seven idle ones at 55.4 W each, an upper bound of their idle power, so it is a lower bound.
    """

    purpose: Purpose
    task: str
    model: str
    dataset: str
    runs_n: int
    duration_s: float
    energy_j: float
    one_gpu_energy_j: float | None


@cache
def references(name: str = PAPER) -> tuple[Reference, ...]:
    """The published cells of a publication that comes with the package: so far :data:`PAPER`."""
    return tuple(
        Reference(
            purpose=Purpose(row["purpose"]),
            task=row["task"],
            model=row["model"],
            dataset=row["dataset"],
            runs_n=int(row["runs_n"]),
            duration_s=float(row["duration_s"]),
            energy_j=float(row["energy_kwh"]) * J_PER_KWH,
            one_gpu_energy_j=_one_gpu_j(row),
        )
        for row in _rows(name)
        if row["published"] == "yes"
    )


def _one_gpu_j(row: dict[str, str]) -> float | None:
    energy_j = float(row["gpu_energy_kwh"]) * J_PER_KWH
    alone_j = energy_j - (BOARDS_N - 1) * BOARD_IDLE_W * float(row["duration_s"])
    return alone_j if alone_j > 0 else None


def reference_study(name: str = PAPER) -> Study:
    """The publication as a study: its published cells, in its order."""
    cells = tuple(_cell(row) for row in _rows(name) if row["published"] == "yes")
    return Study(name, cells, Protocol(PER_N, 10, "listed", 0, 0, 0.0), "Means of its repetitions, from its raw logs.")


@cache
def reference_runs(name: str = PAPER) -> tuple[Run, ...]:
    """All cells that were logged, published or not, each as one run that joins its repetitions."""
    return tuple(_run(row, order_i) for order_i, row in enumerate(_rows(name)))


def reference_sums(boundary: BoundaryName, compared: frozenset[str], name: str = PAPER) -> dict[str, CellSums]:
    """The sums of every cell, by its id: what its repetitions would give, as far as means and spreads say it."""
    sums: dict[str, CellSums] = {}
    for row, run in zip(_rows(name), reference_runs(name), strict=True):
        cell_id = run.cell.cell_id
        one = CellSums(run.cell, blocks={} if cell_id in compared else None)
        one.add(run, boundary)
        sums[cell_id] = _repeated(one, row)
    return sums


def _repeated(one: CellSums, row: dict[str, str]) -> CellSums:
    """``one`` with the numbers and spreads of the repetitions that its run joins."""
    n = int(row["runs_n"])
    one.runs_n = n
    if one.energy_j.n:
        # Inside another boundary than the published one the spread is scaled with the energy.
        scale = one.energy_j.mean / (float(row["energy_kwh"]) * J_PER_KWH) * J_PER_KWH
        one.energy_j = _moments(row, "energy", "_kwh", scale)
        sd = one.energy_j.sd or 0.0
        spread = math.sqrt(math.log1p((sd / one.energy_j.mean) ** 2)) if one.energy_j.mean > 0 else 0.0
        one.energy_logs = (
            Moments(n, math.log(one.energy_j.mean), spread**2 * (n - 1)) if one.low_positive else Moments()
        )
        one.below = [part * n for part in one.below]
        one.above = [part * n for part in one.above]
    if one.carbon_g.n:
        one.carbon_g = _moments(row, "carbon", "_g", 1.0)
    one.imported_n = n
    one.durations_per_query_s = float(row["duration_s"]) / PER_N * n
    one.load_n = int(row["load_n"])
    return one


def _moments(row: dict[str, str], name: str, unit: str, scale: float) -> Moments:
    n = int(row["runs_n"])
    mean, sd = float(row[f"{name}{unit}"]) * scale, float(row[f"{name}_sd{unit}"] or 0) * scale
    return Moments(
        n, mean, sd**2 * (n - 1), float(row[f"{name}_min{unit}"]) * scale, float(row[f"{name}_max{unit}"]) * scale
    )


def _cell(row: dict[str, str]) -> Cell:
    purpose = Purpose(row["purpose"])
    return Cell(row["task"], row["model"], row["dataset"], purpose, dataset_config=row["dataset_config"] or None)


def _run(row: dict[str, str], order_i: int) -> Run:
    n = int(row["runs_n"])
    cell = _cell(row)
    others = {name: float(row[name]) for name in ("input_words", "output_words") if row[name]}
    quality = None
    if row["quality_metric"]:
        quality = Quality(row["quality_metric"], float(row["quality"]), others=others)
    elif others:
        quality = Quality(None, None, reason="not logged", others=others)
    facts = None
    if row["parameters_n"]:
        facts = ModelFacts(int(row["parameters_n"]), "not stated", "trained", "float32", "cuda:0")
    return Run(
        run_id=f"{PAPER}-{order_i}",
        cell=cell,
        repeat_i=0,
        order_i=order_i,
        queries_n=PER_N * n,
        machine_id=MACHINE.machine_id,
        versions={"codecarbon": "2.3.1", "python": "3.8.16"},
        started_at=row["started_at"],
        measurement=_window(row, "", float(n), float(row["duration_s"]) * n),
        load=_window(row, "load_", 1.0, float(row["load_s"])) if int(row["load_n"]) else None,
        quality=quality,
        model=facts,
        source=f"{PAPER}: {n} repetitions joined",
        carbon_logged_g=float(row["carbon_g"]) * n,
    )


def _window(row: dict[str, str], prefix: str, factor: float, duration_s: float) -> Measurement:
    gpu_j, cpu_j, dram_j = (
        float(row[f"{prefix}{part}_energy_kwh"]) * J_PER_KWH * factor for part in ("gpu", "cpu", "dram")
    )
    half_j = ACCURACY_RATIO * gpu_j
    boards = ChannelEnergy(
        "gpu",
        Component.GPU,
        Provenance.SAMPLED,
        gpu_j,
        gpu_j - half_j,
        gpu_j + half_j,
        ErrorBudget(accuracy_j=half_j),
        reasons=("all-boards-counted",),
    )
    constants = tuple(
        ChannelEnergy(
            str(component),
            component,
            Provenance.ASSUMED,
            energy_j,
            energy_j / model_factor,
            energy_j * model_factor,
            ErrorBudget(model_factor=model_factor),
            reasons=("assumed-constant",),
        )
        for component, energy_j, model_factor in (
            (Component.CPU, cpu_j, CPU_FACTOR),
            (Component.DRAM, dram_j, DRAM_FACTOR),
        )
    )
    return Measurement(row["started_at"], duration_s, (boards, *constants), 0.0, ("idle-not-measured",))


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    return read_catalogue(f"{name}.csv")


def read_catalogue(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a CSV file of ``catalogue/reference``."""
    text = files("joulemark").joinpath("catalogue", "reference", name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))
