"""The meter: bracket a block of work and turn readings into joules with an error bar.

Counters are read at both edges of a window: no thread, no polling. Only gauges need a sampler, which lives in a
process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from joulemark.measurement import Measurement
from joulemark.meter.window import Meter, Window
from joulemark.sensors import Setup, open_sensors

__all__ = ["Meter", "Window", "measure", "open_meter"]


@contextmanager
def open_meter(setup: Setup) -> Iterator[Meter]:
    """Open the sensors of ``setup``, and a sampler if any of them is a gauge."""
    setup = replace(setup, opened_ns=time.monotonic_ns())
    with open_sensors(setup) as found:
        meter = Meter(found.channels, found.absences)
        if not meter.gauges:
            yield meter
            return
        from joulemark.meter.sampler import open_sampler

        sampled = tuple(channel.name for channel in meter.gauges)
        with open_sampler(replace(setup, sampled=sampled)) as sampler:
            yield Meter(found.channels, found.absences, sample=sampler.collect)


def measure(work: Callable[[], object], meter: Meter, align: bool = False) -> Measurement:
    """Run ``work`` once and say what it took; ``align`` is for work of less than some twenty update periods."""
    window = meter.begin(align)
    work()
    return window.end()
