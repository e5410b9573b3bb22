"""perun, through its decorator; it starts anew for each function call that it watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from accuracy.drivers.harness import Measure, Report, Said, main

PARTS = {"CPU_ENERGY": "cpu", "DRAM_ENERGY": "dram", "GPU_ENERGY": "gpu"}


@contextmanager
def open_tool() -> Iterator[Measure]:
    from perun import perun, register_callback  # type: ignore[import-not-found]

    def measure(work: Callable[[], object]) -> Report:
        energy_j: dict[str, float | None] = {}

        def keep(node: Any) -> None:
            for kind, metric in node.metrics.items():
                if kind.name in PARTS:
                    energy_j[PARTS[kind.name]] = float(getattr(metric, "sum", None) or metric.value)

        @perun()  # type: ignore[untyped-decorator]
        def window() -> None:
            register_callback(keep)
            work()

        window()
        return lambda: Said(energy_j)

    yield measure


if __name__ == "__main__":
    main(open_tool)
