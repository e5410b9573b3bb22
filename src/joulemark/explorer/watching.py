"""Whether results have changed on disk, by the times and sizes of their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from joulemark import store
from joulemark.analysis.claims import CLAIMS_FILE

PERIOD_S = 1.0  # how often to look

Signature = tuple[tuple[str, int, int], ...]


def signature(places: Sequence[str]) -> Signature:
    """What changes when runs, studies, machines or claims do. A file that is not there has no part in it."""
    found: list[tuple[str, int, int]] = []
    for place in places:
        folder = Path(place)
        for name in (store.RUNS_FILE, store.STUDY_FILE, store.MACHINES_FOLDER, CLAIMS_FILE):
            try:
                status = (folder / name).stat()
            except OSError:
                continue
            found.append((str(folder / name), status.st_mtime_ns, status.st_size))
    return tuple(found)
