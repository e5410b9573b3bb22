"""Zeus, through ZeusMonitor; there is no framework here to wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from accuracy.drivers.harness import Measure, Report, Said, main


@contextmanager
def open_tool() -> Iterator[Measure]:
    from zeus.monitor import ZeusMonitor  # type: ignore[import-not-found]

    monitor = ZeusMonitor()

    def measure(work: Callable[[], object]) -> Report:
        monitor.begin_window("window", sync_execution=False)
        work()
        return partial(_said, monitor.end_window("window", sync_execution=False))

    yield measure


def _said(result: Any) -> Said:
    parts = {"cpu": result.cpu_energy, "dram": result.dram_energy, "gpu": result.gpu_energy}
    energy_j = {part: sum(by_device_j.values()) for part, by_device_j in parts.items() if by_device_j}
    return Said(energy_j, notes=[] if result.cpu_energy else ["cpu_energy is None"])


if __name__ == "__main__":
    main(open_tool)
