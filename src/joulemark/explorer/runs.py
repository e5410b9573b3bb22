"""A row of the page per run: its energies, its channels, what stood around it, and what weakens it."""

from __future__ import annotations

from typing import Any

from joulemark.analysis.cell_sums import PER_N
from joulemark.analysis.summary import run_total
from joulemark.boundary import total
from joulemark.explorer.cell_runs import BOUNDARIES, measured_part
from joulemark.explorer.cells import rounded
from joulemark.measurement import BoundaryName, ChannelEnergy, Measurement
from joulemark.reasons import made_up
from joulemark.records import Run

Json = Any


def run_row(run: Run, cell_i: int, versions_i: int) -> dict[str, Json]:
    """The row of a run; its trace and the place of its queries are added by who knows them."""
    window = run.measurement
    measured = None if window is None else measured_part(run, window)
    return {
        "id": run.run_id,
        "cell_i": cell_i,
        "repeat_i": run.repeat_i,
        "order_i": run.order_i,
        "started_at": run.started_at,
        "queries_n": run.queries_n,
        "energy": {
            str(boundary): {"all": _energy(run, boundary), "measured": _energy(measured, boundary)}
            for boundary in BOUNDARIES
        },
        "duration_s": None if window is None else rounded(window.duration_s),
        "channels": [] if window is None else [_channel(channel, run) for channel in window.channels],
        "idle_before_s": None if run.idle_before is None else rounded(run.idle_before.duration_s),
        "idle_after_s": None if run.idle_after is None else rounded(run.idle_after.duration_s),
        "load": _load(run.load),
        "harness_cpu_s": None if window is None else rounded(window.harness_cpu_s),
        "warmup_n": run.warmup_n,
        "per_query": run.per_query,
        "phases": [
            {
                "name": phase.name,
                "duration_s": rounded(phase.duration_s),
                "energy_j": rounded(phase.energy_j),
                "uncertainty_j": rounded(phase.uncertainty_j),
            }
            for phase in run.phases
        ],
        "quality": rounded(run.quality.value) if run.quality is not None else None,
        "versions_i": versions_i,
        "reasons": list(dict.fromkeys(_reasons(run))),
        "failure": None
        if run.failure is None
        else {"phase": run.failure.phase, "kind": run.failure.kind, "message": run.failure.message},
        "trace": None,
        "source_file": run.source,
        "queries": None,
    }


def _reasons(run: Run) -> tuple[str, ...]:
    """What weakens the run, beside what its channels say of themselves."""
    if run.measurement is None:
        return run.reasons
    return (*run.reasons, *run.measurement.reasons, *total(run.measurement, BoundaryName.HOST).reasons)


def _energy(run: Run | None, boundary: BoundaryName) -> list[float | None] | None:
    """Per 1,000 queries, with the sensors' interval."""
    found = None if run is None else run_total(run, boundary)
    if run is None or found is None or found.energy_j is None:
        return None
    share = PER_N / run.queries_n
    return [None if part is None else rounded(part * share) for part in (found.energy_j, found.low_j, found.high_j)]


def _channel(channel: ChannelEnergy, run: Run) -> dict[str, Json]:
    return {
        "name": channel.name,
        "component": str(channel.component),
        "provenance": " and ".join(made_up(channel.reasons)) or str(channel.provenance),
        "energy_j": rounded(channel.energy_j),
        "low_j": rounded(channel.low_j),
        "high_j": rounded(channel.high_j),
        "in_use": channel.in_use,
        "part_of": channel.part_of,
        "reasons": list(channel.reasons),
        "idle_before_w": _power_w(run.idle_before, channel.name),
        "idle_after_w": _power_w(run.idle_after, channel.name),
    }


def _power_w(window: Measurement | None, name: str) -> float | None:
    if window is None or window.duration_s <= 0:
        return None
    found = next((channel.energy_j for channel in window.channels if channel.name == name), None)
    return None if found is None else rounded(found / window.duration_s)


def _load(load: Measurement | None) -> dict[str, Json] | None:
    if load is None:
        return None
    found = total(load, BoundaryName.DEVICE)
    return {"duration_s": rounded(load.duration_s), "energy_j": rounded(found.energy_j)}
