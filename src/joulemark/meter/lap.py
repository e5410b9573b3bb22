"""Laps: windows inside a window, each over some queries and as long as the counters need."""

from __future__ import annotations

from dataclasses import dataclass

from joulemark.measurement import Measurement, Provenance, Quantity
from joulemark.meter.energy import UPDATES_MIN_N
from joulemark.meter.window import Meter

LAP_MIN_S = 0.05  # a shorter lap would cost the work more than one part in a thousand


@dataclass(frozen=True, slots=True)
class Lap:
    """A window over the queries from ``first_i`` up to, but not including, ``end_i``."""

    first_i: int
    end_i: int
    measurement: Measurement


def lap_s(meter: Meter) -> float | None:
    """How long a lap must be for ten updates of the slowest counter of ours; ``None`` where only models or gauges are.

    A gauge would have to be asked in another process each time, which a lap must not wait for.
    """
    ours = [channel for channel in meter.channels if channel.in_use and channel.part_of is None]
    if not ours or meter.gauges or any(channel.provenance is not Provenance.COUNTER for channel in ours):
        return None
    periods_s = [channel.update_period_s or 0.0 for channel in ours if channel.quantity is Quantity.ENERGY]
    return max(LAP_MIN_S, UPDATES_MIN_N * max(periods_s))
