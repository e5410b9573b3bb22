"""Results folders with known energies, written as a run writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from joulemark import store
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Failure, Machine, ModelFacts, Protocol, Quality, Run, Study, run_id

A100 = Machine("Xeon", 96, 2**40, ("NVIDIA A100-SXM4-80GB",), False, "5.15", "Linux")
H200 = Machine("Xeon", 96, 2**40, ("NVIDIA H200",), False, "6.8", "Linux")
SUMMARY = Cell("summarization", "flan-t5-base", "xsum")
OTHER = Cell("summarization", "bart-large-cnn", "xsum")
REVIEWS = Cell("text-classification", "bert", "imdb")
LATER = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """How the runs of one cell came out. Energies and durations are of a run, one for each repetition."""

    cell: Cell
    energies_j: Sequence[float | None]
    duration_s: float = 10.0
    accuracy_ratio: float = 0.0
    model_factor: float = 1.0
    provenance: Provenance = Provenance.COUNTER
    component: Component = Component.GPU
    resolution_j: float = 0.0
    idle_w: float | None = None
    quality: float | None = None
    samples: str | None = "5a" * 32
    weights: str = "trained"
    failed_n: int = 0
    reasons: tuple[str, ...] = ()  # of the channel
    others: Sequence[tuple[Component, float, float]] = ()  # further modelled channels: energy, factor
    machine: Machine = A100
    versions: dict[str, str] = field(default_factory=lambda: {"python": "3.11.7", "torch": "2.1.0"})


def channel(made: Made, energy_j: float | None) -> ChannelEnergy:
    """One channel with the interval that the meter gives it."""
    if energy_j is None:
        return ChannelEnergy("gpu0", made.component, made.provenance, None, None, None, ErrorBudget())
    budget = ErrorBudget(
        resolution_j=made.resolution_j, accuracy_j=made.accuracy_ratio * energy_j, model_factor=made.model_factor
    )
    return ChannelEnergy(
        "gpu0",
        made.component,
        made.provenance,
        energy_j,
        (energy_j - budget.half_width_j) / made.model_factor,
        (energy_j + budget.half_width_j) * made.model_factor,
        budget,
        reasons=made.reasons,
    )


def runs(study: Study, study_id: str, made: Made, started: datetime) -> list[Run]:
    """The repetitions of one cell, failed ones last."""
    found = []
    cell_id = made.cell.cell_id
    for repeat_i in range(len(made.energies_j) + made.failed_n):
        started_at = (started + timedelta(minutes=repeat_i)).isoformat(timespec="milliseconds")
        blank = Run(
            run_id(study_id, cell_id, repeat_i), made.cell, repeat_i, repeat_i, study.protocol.queries_n,
            made.machine.machine_id, made.versions, started_at,
        )  # fmt: skip
        if repeat_i >= len(made.energies_j):
            found.append(replace(blank, failure=Failure("query", "OutOfMemoryError", "no room")))
            continue
        energy_j = made.energies_j[repeat_i]
        others = tuple(
            ChannelEnergy(
                str(part), part, Provenance.MODELLED, part_j, part_j / factor, part_j * factor,
                ErrorBudget(model_factor=factor),
            )
            for part, part_j, factor in made.others
        )  # fmt: skip
        duration_s = made.duration_s * (1 + 0.001 * repeat_i)
        idle = None
        if made.idle_w is not None:
            idle = Measurement(started_at, 10.0, (channel(made, made.idle_w * 10.0),), 0.0)
        found.append(
            replace(
                blank,
                measurement=Measurement(started_at, duration_s, (channel(made, energy_j), *others), 0.0),
                idle_before=idle,
                idle_after=idle,
                quality=None if made.quality is None else Quality("accuracy", made.quality, 100),
                model=ModelFacts(10**6, "Bert", made.weights, made.cell.settings.dtype, "cuda:0", "ab" * 32),
                samples_sha256=made.samples,
            )
        )
    return found


def folder(place: Path, *cells: Made, started: datetime = LATER, **protocol: int) -> Path:
    """A results folder of these cells; one in which nothing was measured has no runs."""
    study = Study("made", tuple(made.cell for made in cells), replace(Protocol(queries_n=100), **protocol))  # type: ignore[arg-type]
    study_id = study.study_id
    with store.open_for_writing(place, study):
        for made in cells:
            store.add_machine(place, made.machine)
        store.append_all(place, [run for made in cells for run in runs(study, study_id, made, started)])
    return place
