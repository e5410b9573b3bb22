"""Where joulemark keeps what it made or fetched, and how processes take turns in there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """``JOULEMARK_CACHE``, else ``joulemark`` in the user's cache folder (XDG Base Directory Specification)."""
    if own := os.environ.get("JOULEMARK_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "joulemark"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file; the kernel lets go of it when the process ends, however it ends."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
