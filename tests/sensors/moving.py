"""Files whose number moves: the count of a counter, kept up by a thread."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def moving(files: dict[Path, int], period_s: float = 1e-3) -> Iterator[None]:
    """Add its step to the number in each file every ``period_s``; one write at a time, so that no reader sees half."""
    stopped = threading.Event()
    descriptors = {file: os.open(file, os.O_RDWR) for file in files}

    def move() -> None:
        counts = {file: int(file.read_text()) for file in files}
        due_s = time.monotonic()
        while not stopped.is_set():
            for file, step in files.items():
                counts[file] += step
                os.pwrite(descriptors[file], f"{counts[file]:020d}\n".encode(), 0)
            due_s = max(due_s + period_s, time.monotonic())
            time.sleep(max(0.0, due_s - time.monotonic()))

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        for descriptor in descriptors.values():
            os.close(descriptor)
