"""What the runs of one cell on one machine add up to, in every boundary, with and without what is modelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from joulemark.analysis.cell_sums import PER_N, CellSums, Moments
from joulemark.boundary import outermost, total
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, Measurement, Provenance
from joulemark.reasons import made_up
from joulemark.records import Cell, Run

BOUNDARIES = (BoundaryName.DEVICE, BoundaryName.MARGINAL, BoundaryName.HOST)
MEASURED = (Provenance.COUNTER, Provenance.SAMPLED)


@dataclass(slots=True)
class CellRuns:
    """The sums of a cell's runs on a machine. Energies of moments are per 1,000 queries.

    ``sums`` holds a :class:`~joulemark.analysis.cell_sums.CellSums` per boundary, ``measured`` the same of what
    hardware counted or sampled; it says nothing where a run has no such channel (``unmeasured_n``).
    """

    cell: Cell
    machine_id: str
    sums: dict[BoundaryName, CellSums]
    measured: dict[BoundaryName, CellSums]
    unmeasured_n: int = 0
    host_low_j: Moments = field(default_factory=Moments)  # lower bounds
    components_j: dict[Component, Moments] = field(default_factory=dict)  # of devices in use
    phases_j: dict[str, Moments] = field(default_factory=dict)
    samples: set[str | None] = field(default_factory=set)
    model_class: str | None = None  # as loaded
    first_at: str | None = None
    last_at: str | None = None

    @property
    def queries_n(self) -> int:
        """Queries of all runs that have a measurement."""
        return self.sums[BoundaryName.DEVICE].queries_n

    def add(self, run: Run) -> None:
        """One more run."""
        self.first_at = min(self.first_at or run.started_at, run.started_at)
        self.last_at = max(self.last_at or run.started_at, run.started_at)
        self.sums[BoundaryName.DEVICE].add(run, BoundaryName.DEVICE)
        window = run.measurement
        if window is None:
            return
        self.samples.add(run.samples_sha256)
        if run.model is not None and self.model_class is None:
            self.model_class = run.model.architecture
        bare = bare_run(run, window)
        for boundary in BOUNDARIES[1:]:
            self.sums[boundary].add(bare, boundary, loading=False)
        part = measured_part(bare, window)
        if part is not None:
            for boundary in BOUNDARIES:
                self.measured[boundary].add(part, boundary, loading=False)
        else:
            self.unmeasured_n += 1
        low_j = total(window, BoundaryName.HOST).low_j
        if low_j is not None and low_j > 0:  # that it is not negative says nothing
            self.host_low_j.add(low_j * PER_N / run.queries_n)
        for component, energy_j in _by_component(window.channels).items():
            self.components_j.setdefault(component, Moments()).add(energy_j * PER_N / run.queries_n)
        for phase in run.phases:
            if phase.energy_j is not None:
                self.phases_j.setdefault(phase.name, Moments()).add(phase.energy_j * PER_N / run.queries_n)


def no_runs(cell: Cell, machine_id: str, is_compared: bool = False) -> CellRuns:
    """A cell before its first run; one that is compared with others keeps the energies of its repetitions."""
    one = CellRuns(
        cell,
        machine_id,
        {boundary: CellSums(cell) for boundary in BOUNDARIES},
        {boundary: CellSums(cell) for boundary in BOUNDARIES},
    )
    one.sums[BoundaryName.DEVICE].blocks = {} if is_compared else None
    return one


def bare_run(run: Run, window: Measurement) -> Run:
    """``run`` with another window and without what only one of its sums has to count."""
    return Run(
        run.run_id,
        run.cell,
        run.repeat_i,
        run.order_i,
        run.queries_n,
        run.machine_id,
        run.versions,
        run.started_at,
        measurement=window,
        idle_before=run.idle_before,
        idle_after=run.idle_after,
    )


def measured_part(run: Run, window: Measurement) -> Run | None:
    """``run`` with the channels of its window that hardware counted or sampled; ``None`` where there are none."""
    channels = measured_channels(window.channels)
    if len(channels) == len(window.channels):
        return run if channels else None
    return bare_run(run, replace(window, channels=channels)) if channels else None


def measured_channels(channels: Sequence[ChannelEnergy]) -> tuple[ChannelEnergy, ...]:
    """The channels that hardware counted or sampled; a part of one that is left out stands for itself."""
    kept = tuple(channel for channel in channels if channel.provenance in MEASURED and not made_up(channel.reasons))
    if len(kept) == len(channels):
        return kept
    names = {channel.name for channel in kept}
    return tuple(
        channel if channel.part_of is None or channel.part_of in names else replace(channel, part_of=None)
        for channel in kept
    )


def _by_component(channels: Sequence[ChannelEnergy]) -> dict[Component, float]:
    """The energy of the devices in use by component; a component is left out if one of its channels is not known."""
    found_j: dict[Component, float | None] = {}
    for channel in outermost(channels):
        if not channel.in_use or channel.component is Component.SYSTEM:
            continue
        before_j = found_j.get(channel.component, 0.0)
        known = before_j is not None and channel.energy_j is not None
        found_j[channel.component] = before_j + channel.energy_j if known else None  # type: ignore[operator]
    return {component: energy_j for component, energy_j in found_j.items() if energy_j is not None}
