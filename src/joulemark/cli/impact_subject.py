"""What ``joulemark impact`` is asked about: an energy, or the cells of a study with what they ran on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from joulemark.analysis.reference import PAPER
from joulemark.analysis.results import open_results, runs_of
from joulemark.analysis.summary import rows
from joulemark.cli.impact_devices import used_devices
from joulemark.impact.embodied import Device, find_device
from joulemark.impact.facts import listed, nearest
from joulemark.impact.quantity_text import energy_j, looks_like_energy
from joulemark.impact.ranged import ImpactError, Ranged, times
from joulemark.measurement import BoundaryName
from joulemark.reasons import made_up
from joulemark.records import Run

S_PER_HOUR = 3600.0
PER_N = 1000  # rows of a report are per so many queries


@dataclass(frozen=True, slots=True)
class Subject:
    """One energy with all that is known of where and on what it was used; ``None`` is not known.

    ``energy_j`` and ``device_s`` are of ``queries_n`` queries, or of something that was not counted in queries.
    """

    energy_j: Ranged | None
    queries_n: float | None
    task: str | None = None
    model: str | None = None
    dataset: str | None = None
    grid: str | None = None  # what the study itself chooses
    devices: tuple[Device, ...] = ()
    device_s: float = 0.0
    left_out: tuple[str, ...] = ()
    windows: tuple[tuple[str, float], ...] = ()  # start and duration of the runs
    why_unknown: str | None = None
    provenance: Mapping[str, float] | None = None  # shares of the energy by how they are known
    made_up: tuple[str, ...] = ()  # "fake" or "replayed": of an energy that nobody measured here
    missing: tuple[str, ...] = ()  # what the energy does not hold
    reasons: tuple[str, ...] = ()  # codes of what weakens it
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which cells of a study: the whole name, or a part of it."""

    task: str | None
    model: str | None
    dataset: str | None


def subjects(what: str, choice: Choice, per_n: float | None) -> tuple[Subject, ...]:
    """The energy that ``what`` says, or one subject per chosen cell of a results folder or a published study.

    Raises :class:`~joulemark.failures.MendableError`.
    """
    if looks_like_energy(what) and not Path(what).is_dir():
        if given := [name for name in ("task", "model", "dataset") if getattr(choice, name)]:
            raise ImpactError(f"--{given[0]} chooses cells of a results folder; {what} is an energy")
        return (Subject(Ranged(energy_j(what)), per_n),)
    if "/" not in what and not Path(what).is_dir() and what != PAPER:
        raise ImpactError(f"'{what}' is no energy (1.35kWh), no results folder and no published study ({PAPER})")
    results = open_results(what)
    every_run = runs_of(results)
    runs_by_cell: dict[str, list[Run]] = {}
    for run in every_run:
        runs_by_cell.setdefault(run.cell.cell_id, []).append(run)
    queries_n = PER_N if per_n is None else per_n
    found: list[Subject] = []
    for cell, row in zip(results.study.cells, rows(results.study, every_run, BoundaryName.DEVICE, None), strict=True):
        runs = [run for run in runs_by_cell.get(cell.cell_id, ()) if run.measurement is not None]
        devices, left_out = used_devices(runs, results.machines)
        energy = None
        if row.energy_per_1000_j is not None:
            low_j = None if row.energy_low_j is None else max(row.energy_low_j, 0.0)  # a wide interval goes below 0
            energy = Ranged(row.energy_per_1000_j, low_j, row.energy_high_j)
        found.append(
            Subject(
                energy_j=None if energy is None else _scaled(energy, queries_n / PER_N),
                queries_n=queries_n,
                task=row.task,
                model=row.model,
                dataset=row.dataset,
                grid=results.study.grid,
                devices=devices,
                device_s=(row.duration_per_query_s or 0.0) * queries_n,
                left_out=left_out,
                windows=_windows(runs) if results.folder is not None else (),
                why_unknown=row.failure or (", ".join(row.missing) if row.missing else "no run"),
                provenance=row.provenance,
                made_up=made_up(row.reasons),
                missing=row.missing,
                reasons=row.reasons,
                notes=() if results.folder else ("the energy is as published",),
            )
        )
    return _chosen(found, choice)


def with_device(subject: Subject, name: str | None, hours: float | None) -> Subject:
    """``subject`` with the device that the user names; unchanged where its energy is not known.

    Busy for ``hours``, else for the time of the runs, else for the least time in which it can use the energy.
    """
    if name is None:
        if hours is not None:
            raise ImpactError("--hours says how long a device worked: name it with --device")
        return subject
    if not name.strip():
        raise ImpactError("--device has no name: write --device 'NVIDIA L4', or leave it out")
    device = find_device(name)
    if hours is not None and not 0 <= hours < float("inf"):
        raise ImpactError(f"--hours {hours:g}: a time is 0 hours or more")
    if subject.energy_j is None:
        return subject
    if hours is not None:
        return replace(subject, devices=(device,), device_s=hours * S_PER_HOUR, left_out=())
    if subject.device_s:
        return replace(subject, devices=(device,), left_out=())
    if device.power_max_w is None:
        raise ImpactError(f"say how long {device.id} worked: --hours 2")
    note = f"embodied: {device.id} is taken to work at its full {device.power_max_w:g} W; --hours says a longer time"
    busy_s = subject.energy_j.value / device.power_max_w
    return replace(subject, devices=(device,), device_s=busy_s, left_out=(), notes=(*subject.notes, note))


def for_a_year(subject: Subject, per_year_n: float) -> Subject:
    """``subject`` for all queries of a year; an energy without a number of queries is one of 1,000."""
    of_n, notes = subject.queries_n, subject.notes
    if of_n is None:
        of_n, notes = PER_N, (*notes, f"the energy was taken as that of {PER_N:,} queries: --per says of how many")
    factor = per_year_n / of_n
    energy = None if subject.energy_j is None else _scaled(subject.energy_j, factor)
    return replace(subject, energy_j=energy, queries_n=per_year_n, device_s=subject.device_s * factor, notes=notes)


def _scaled(energy: Ranged, factor: float) -> Ranged:
    return times(energy, Ranged(factor))


def _chosen(found: Sequence[Subject], choice: Choice) -> tuple[Subject, ...]:
    left = list(found)
    for name in ("task", "model", "dataset"):
        wanted: str | None = getattr(choice, name)
        if wanted is None:
            continue
        names = [getattr(one, name) for one in left]
        exact = [one for one in left if getattr(one, name) == wanted]
        part = [one for one in left if wanted.casefold() in getattr(one, name).casefold()]
        if not exact and not part:
            raise ImpactError(f"no {name} '{wanted}' among these results{nearest(wanted, names)}{listed(names)}")
        left = exact or part
    return tuple(left)


def _windows(runs: Sequence[Run]) -> tuple[tuple[str, float], ...]:
    return tuple((run.measurement.started_at, run.measurement.duration_s) for run in runs if run.measurement)
