"""CodeCarbon, offline, as its documentation shows: a tracker around the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from accuracy.drivers.harness import Measure, Report, Said, main

J_PER_KWH = 3.6e6


@contextmanager
def open_tracker() -> Iterator[Measure]:
    """A tracker for one window."""
    from codecarbon import OfflineEmissionsTracker  # type: ignore[import-not-found]

    tracker = OfflineEmissionsTracker(country_iso_code="FRA")

    def measure(work: Callable[[], object]) -> Report:
        tracker.start()
        work()
        tracker.stop()
        return lambda: _said(tracker.final_emissions_data)

    yield measure


@contextmanager
def open_tasks() -> Iterator[Measure]:
    """A tracker for many windows, which it calls tasks."""
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(country_iso_code="FRA")

    def measure(work: Callable[[], object]) -> Report:
        tracker.start_task()
        work()
        data = tracker.stop_task()
        return lambda: _said(data)

    yield measure
    tracker.stop()


def _said(data: Any) -> Said:
    # Its memory is a formula, whatever the counters say; it is compared all the same, since it is in its total.
    energy_j = {"cpu": data.cpu_energy * J_PER_KWH, "dram": data.ram_energy * J_PER_KWH}
    if data.gpu_count:
        energy_j["gpu"] = data.gpu_energy * J_PER_KWH
    return Said(energy_j)


if __name__ == "__main__":
    main(open_tracker, open_tasks)
