"""joulemark, through its public meter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from accuracy.drivers.harness import Measure, Report, Said, Work, main

if TYPE_CHECKING:
    from joulemark.measurement import Absence, Measurement


def open_tool() -> AbstractContextManager[Measure]:
    """A meter for any window."""
    return _open(align=False)


def open_aligned() -> AbstractContextManager[Measure]:
    """The same, which waits for the refreshes of slow counters around each window."""
    return _open(align=True)


@contextmanager
def open_queries() -> Iterator[Measure]:
    """The public API, told where each query begins and ends, which lets it read counters in between."""
    import joulemark

    def measured(work: Work) -> Report:
        with joulemark.measure() as session:
            work(session.query)
        return lambda: _said(session.measurement, ())

    yield measured


@contextmanager
def _open(align: bool) -> Iterator[Measure]:
    from joulemark.meter import measure, open_meter
    from joulemark.sensors import setup_from_environment

    with open_meter(setup_from_environment()) as meter:

        def measured(work: Work) -> Report:
            return partial(_said, measure(work, meter, align), meter.absences)

        yield measured


def _said(measurement: Measurement, absences: tuple[Absence, ...]) -> Said:
    from joulemark.boundary import total
    from joulemark.measurement import BoundaryName

    notes = [f"{absence.source}: {absence.why}" for absence in absences]
    notes.extend(f"{channel.name}: {reason}" for channel in measurement.channels for reason in channel.reasons)
    notes.extend(f"{c.name}: {c.provenance}" for c in measurement.channels if c.provenance != "counter")
    notes.extend(f"missing: {name}" for name in total(measurement, BoundaryName.DEVICE).missing)
    energy_j: dict[str, float | None] = {}
    interval_j: dict[str, tuple[float, float]] = {}
    ours = [channel for channel in measurement.channels if channel.in_use and channel.part_of is None]
    for part in dict.fromkeys(str(channel.component) for channel in ours):
        channels = [channel for channel in ours if channel.component == part]
        known = [(c.energy_j, c.low_j, c.high_j) for c in channels if c.energy_j is not None]
        energy_j[part] = None
        if len(known) == len(channels):
            energy_j[part] = sum(energy for energy, _, _ in known)
            interval_j[part] = (sum(low or 0.0 for _, low, _ in known), sum(high or 0.0 for _, _, high in known))
    return Said(energy_j, interval_j, notes)


if __name__ == "__main__":
    main(open_tool)
