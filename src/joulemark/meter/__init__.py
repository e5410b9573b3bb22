"""The meter: bracket a block of work and turn readings into joules with an error bar.

Counters are read at both edges of a window: no thread, no polling. Only gauges need a sampler, which lives in a
process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from joulemark.measurement import Measurement
from joulemark.meter.window import Meter, Window
from joulemark.sensors import Setup, open_sensors

__all__ = ["Meter", "Window", "measure", "open_meter"]


@contextmanager
def open_meter(setup: Setup) -> Iterator[Meter]:
    """Open the sensors of ``setup``, and a sampler if any of them is a gauge."""
    with open_sensors(setup) as found:
        meter = Meter(found.channels, found.absences)
        if not meter.gauges:
            yield meter
            return
        from joulemark.meter.sampler import open_sampler

        with open_sampler(setup) as sampler:
            yield Meter(found.channels, found.absences, sample=sampler.collect)


def measure(work: Callable[[], object], meter: Meter, align: bool = False) -> Measurement:
    """Run ``work`` once and say what it took; ``align`` is for work of less than some twenty update periods."""
    window = meter.begin(align)
    work()
    return window.end()
