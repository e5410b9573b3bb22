"""carbontracker, one epoch for one window; its parts are taken before it multiplies by its PUE."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from accuracy.drivers.harness import Measure, Report, Said, main

J_PER_KWH = 3.6e6


@contextmanager
def open_tool() -> Iterator[Measure]:
    from carbontracker import constants  # type: ignore[import-not-found]
    from carbontracker.tracker import CarbonTracker  # type: ignore[import-not-found]

    tracker = CarbonTracker(epochs=1_000_000, epochs_before_pred=0, monitor_epochs=-1, verbose=2)
    thread = tracker.tracker

    def said() -> Said:
        energy_j = {
            component.name: float(component.energy_usage(thread.epoch_times)[-1]) * J_PER_KWH
            for component in thread.components
        }
        return Said(energy_j, notes=[f"the total it prints is ×{constants.PUE_2023} (PUE)"])

    def measure(work: Callable[[], object]) -> Report:
        tracker.epoch_start()
        work()
        tracker.epoch_end()
        return said

    yield measure
    tracker.stop()


if __name__ == "__main__":
    main(open_tool)
