"""No tool: every counter of the tree read at both edges with one bare system call, on files that stay open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from accuracy.drivers.harness import Measure, Report, Said, main


@contextmanager
def open_tool() -> Iterator[Measure]:
    root = Path(os.environ.get("JOULEMARK_SYSFS", "/sys")) / "class" / "powercap"
    with ExitStack() as stack:
        files = [os.open(file, os.O_RDONLY) for file in sorted(root.glob("*rapl:*/energy_uj"))]
        for file in files:
            stack.callback(os.close, file)

        def measure(work: Callable[[], object]) -> Report:
            begin = [os.pread(file, 32, 0) for file in files]
            work()
            end = [os.pread(file, 32, 0) for file in files]
            return lambda: Said({}, notes=[str((begin, end))])

        yield measure


if __name__ == "__main__":
    main(open_tool)
