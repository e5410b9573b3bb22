"""pyJoules, through its energy meter on every device it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from accuracy.drivers.harness import Measure, Report, Said, main

# Prefix of a domain's name -> part, joules per count. Core and uncore are inside the package.
DOMAINS = {"package": ("cpu", 1e-6), "dram": ("dram", 1e-6), "nvidia": ("gpu", 1e-3)}


@contextmanager
def open_tool() -> Iterator[Measure]:
    from pyJoules.device import DeviceFactory  # type: ignore[import-not-found]
    from pyJoules.energy_meter import EnergyMeter  # type: ignore[import-not-found]

    meter = EnergyMeter(DeviceFactory.create_devices())

    def measure(work: Callable[[], object]) -> Report:
        meter.start(tag="window")
        work()
        meter.stop()
        (sample,) = meter.get_trace()
        return lambda: _said(sample.energy)

    yield measure


def _said(counts: Mapping[str, float]) -> Said:
    energy_j: dict[str, float] = {}
    for domain, count in counts.items():
        for prefix, (part, count_j) in DOMAINS.items():
            if domain.startswith(prefix):
                energy_j[part] = energy_j.get(part, 0.0) + count * count_j
    return Said(energy_j)


if __name__ == "__main__":
    main(open_tool)
