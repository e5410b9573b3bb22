"""A powercap tree in a folder whose counters really move, with a power that is known.

Two backends serve the counters (``rapl_counters.c``): ``fuse`` computes a count when it is read; ``files`` rewrites
plain files every millisecond, where this process may not mount. In both the zones are folders of plain files in which
``energy_uj`` is a link to the counter. Everything ends, and is unmounted, with the context.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from known_power import Profile, Steps, build_c, config_text, steady, true_energy_j

Backend = Literal["fuse", "files"]

RANGE_UJ = 262_143_328_850  # of many client processors
NOBODY = 65534

_SOURCE = Path(__file__).with_name("rapl_counters.c")


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone: ``folder`` is the kernel's name for it (``intel-rapl:0:1``), ``name`` what its ``name`` file says."""

    folder: str
    name: str
    steps: Steps
    range_uj: int | None = RANGE_UJ  # None: no file says the range, and the counter never wraps
    power_limit_w: float | None = None  # None: no file says a limit
    start_j: float = 0.0  # the count at the origin
    update_period_s: float = 1e-3
    resolution_uj: float = 61.0  # the smallest step
    read_s: float = 0.0  # how long a reading takes, under fuse
    readable: bool = True  # False: mode 0400 of another user; read it under :func:`without_override`
    reset_every_s: float | None = None  # the counter starts again at zero each time this has passed
    still_after_s: float | None = None  # the counter stands still from then on


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree that is being served."""

    sysfs: Path  # the folder to read instead of /sys
    backend: Backend
    origin_ns: int
    zones: tuple[Zone, ...]

    def true_energy_j(self, folder: str, t0_ns: int, t1_ns: int) -> float:
        """Joules that the zone in ``folder`` drew between two instants (ns of ``CLOCK_MONOTONIC``)."""
        (zone,) = (zone for zone in self.zones if zone.folder == folder)
        return true_energy_j(Profile(zone.steps, self.origin_ns), t0_ns, t1_ns)


@contextmanager
def rapl_tree(sysfs: Path, zones: Sequence[Zone], backend: Backend | None = None) -> Iterator[Tree]:
    """Serve ``zones`` below the folder ``sysfs``, by ``backend`` or the best there is.

    Raises :class:`OSError` where the backend cannot serve, or without a C compiler.
    """
    backend = backend or best_backend()
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as name:
        scratch, counters = Path(name), Path(name, "counters")
        scratch.chmod(0o755)
        counters.mkdir()
        _write_zones(sysfs, zones, counters)
        if backend == "files":
            for zone in zones:
                (counters / zone.folder).touch()
        origin_ns = time.monotonic_ns()
        config = scratch / "config"
        config.write_text("\n".join([f"origin {origin_ns}", *(_config_line(zone) for zone in zones), ""]))
        program = build_c(_SOURCE, scratch / "rapl_counters")
        with _serving([str(program), str(config), backend, str(counters)]):
            if backend == "files":
                for zone in zones:
                    _set_mode(counters / zone.folder, zone.readable)
            yield Tree(sysfs, backend, origin_ns, tuple(zones))


@cache
def best_backend() -> Backend:
    """``fuse`` where this process may mount, else ``files``."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with rapl_tree(Path(folder), [Zone("intel-rapl:0", "package-0", steady(1.0))], "fuse"):
                return "fuse"
        except OSError:
            return "files"


def without_override(command: Sequence[str]) -> list[str]:
    """``command`` without root's right to read everybody's files."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]


@contextmanager
def _serving(command: Sequence[str]) -> Iterator[None]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            if process.stdout.readline() != b"ready\n":
                raise OSError(f"the counters cannot be served: {process.stderr.read().decode().strip()}")
            yield
        finally:
            process.stdin.close()  # it unmounts and ends
            if process.wait() != 0 and command[2] == "fuse":
                subprocess.run(["umount", "--lazy", command[3]], check=False, capture_output=True)


def _memory_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _write_zones(sysfs: Path, zones: Sequence[Zone], counters: Path) -> None:
    powercap = sysfs / "class" / "powercap"
    for zone in zones:
        folder = powercap / zone.folder
        folder.mkdir(parents=True)
        (folder / "name").write_text(zone.name + "\n")
        (folder / "enabled").write_text("1\n")
        if zone.range_uj is not None:
            (folder / "max_energy_range_uj").write_text(f"{zone.range_uj}\n")
        if zone.power_limit_w is not None:
            (folder / "constraint_0_name").write_text("long_term\n")
            for file in ("constraint_0_power_limit_uw", "constraint_0_max_power_uw"):
                (folder / file).write_text(f"{round(zone.power_limit_w * 1e6)}\n")
        (folder / "energy_uj").symlink_to(counters / zone.folder)
        control = powercap / zone.folder.partition(":")[0]
        control.mkdir(exist_ok=True)
        (control / "enabled").write_text("1\n")
        if not (control / "subsystem").exists():
            (control / "subsystem").symlink_to(powercap)
    for zone in zones:  # the kernel shows each zone twice: flat, and inside its parent
        parent = powercap / zone.folder.rpartition(":")[0]
        (parent / zone.folder).symlink_to(powercap / zone.folder)


def _config_line(zone: Zone) -> str:
    mode, owner = ("444", 0) if zone.readable else ("400", NOBODY)
    words = {
        "file": zone.folder,
        "profile": config_text(zone.steps),
        "period_s": zone.update_period_s,
        "resolution_uj": zone.resolution_uj,
        "read_s": zone.read_s,
        "start_uj": zone.start_j * 1e6,
        "range_uj": zone.range_uj,
        "reset_s": zone.reset_every_s,
        "still_s": zone.still_after_s,
        "mode": mode,
        "owner": owner,
    }
    return " ".join(["counter", *(f"{key}={value}" for key, value in words.items() if value is not None)])


def _set_mode(file: Path, readable: bool) -> None:
    if not readable and os.geteuid() == 0:
        os.chown(file, NOBODY, NOBODY)
        file.chmod(0o400)
    else:
        file.chmod(0o444 if readable else 0)
