"""Measure one window with joulemark's own meter and print what it says, as JSON; run as a program.

The instants around both edges (ns of ``CLOCK_MONOTONIC``) let the caller say what the window truly took. Given an
origin (ns) and a period (s), the window begins half a period off its start, so that it surely spans the next one.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from joulemark.meter import open_meter
from joulemark.sensors import Setup


def main(sysfs: str, sensors: str, duration_s: str, origin_ns: str = "0", period_s: str = "0") -> None:
    with open_meter(Setup(sysfs=Path(sysfs), requests=tuple(sensors.split(",")))) as meter:
        if float(period_s):
            elapsed_s = (time.monotonic_ns() - int(origin_ns)) / 1e9
            time.sleep((float(period_s) / 2 - elapsed_s) % float(period_s))
        before_begin_ns = time.monotonic_ns()
        window = meter.begin()
        after_begin_ns = time.monotonic_ns()
        while time.monotonic_ns() < after_begin_ns + float(duration_s) * 1e9:
            time.sleep(0.005)
            window.refresh()
        before_end_ns = time.monotonic_ns()
        measurement = window.end()
        after_end_ns = time.monotonic_ns()
    print(
        json.dumps(
            {
                "outer_ns": [before_begin_ns, after_end_ns],
                "inner_ns": [after_begin_ns, before_end_ns],
                "energy_j": {channel.name: channel.energy_j for channel in measurement.channels},
                "provenance": {channel.name: channel.provenance for channel in measurement.channels},
                "reasons": {channel.name: channel.reasons for channel in measurement.channels},
                "in_use": {channel.name: channel.in_use for channel in measurement.channels},
                "part_of": {channel.name: channel.part_of for channel in measurement.channels},
                "absences": {absence.source: absence.why for absence in meter.absences},
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
