"""Which processes are ours: this one and its descendants, a measured command among them.

A driver names the processes on a board by numbers, which mean something only in the namespace of processes that it
counts in. In a container these may be the host's: numbers are believed there only if every one of them is the number
of a process here as well.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

FIRST_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO in include/linux/proc_ns.h: the namespace of the host
DEPTH_MAX_N = 64  # of a family; a loop of parents, seen while processes come and go, ends here


def in_use_by_us(listed: Mapping[str, Collection[int] | None], proc: Path = Path("/proc")) -> frozenset[str]:
    """The devices, by name, on which a process of ours is among those ``listed``; none where numbers mean nothing."""
    pids = {pid for some in listed.values() for pid in some or ()}
    if not _first_namespace(proc) and any(not (proc / str(pid)).exists() for pid in pids):
        return frozenset()
    ours = {pid for pid in pids if is_ours(pid, proc)}
    return frozenset(name for name, some in listed.items() if ours.intersection(some or ()))


def is_ours(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether ``pid`` is this process or a descendant of it that has not been orphaned."""
    for _ in range(DEPTH_MAX_N):
        if pid == os.getpid():
            return True
        if pid <= 1:
            return False
        try:
            stat = (proc / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            return False
        pid = int(stat.rpartition(")")[2].split()[1])
    return False


def _first_namespace(proc: Path) -> bool:
    try:
        return (proc / "self" / "ns" / "pid").stat().st_ino == FIRST_NAMESPACE
    except OSError:
        return False
