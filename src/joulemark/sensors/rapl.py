"""RAPL through the kernel's powercap tree (``/sys/class/powercap``): Intel and AMD processors.

A zone's ``name`` file says what it is; folder numbers do not. ``dram`` is a child of its package but not inside the
package's energy; ``core`` and ``uncore`` are inside; ``psys`` covers the platform, packages included. The ``mmio``
interface repeats packages of the ``msr`` one. Reading needs root since Linux 5.10 (CVE-2020-8694).
Source: https://www.kernel.org/doc/html/latest/power/powercap/powercap.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from joulemark.records import Absence, Channel, Component, Provenance, Quantity, ReadFailure
from joulemark.sensors import Found, Setup

COUNT_J = 1e-6
RESOLUTION_J = 61e-6  # 2⁻¹⁴ J, the usual energy unit of the registers behind the file
UPDATE_PERIOD_S = 1e-3

_ZONE = re.compile(r"(?P<control>.*rapl.*?):(?P<path>\d+(?::\d+)*)$")


@dataclass(frozen=True, slots=True)
class _Zone:
    folder: Path
    control: str  # "intel-rapl", "intel-rapl-mmio"
    path: tuple[int, ...]
    name: str


@contextmanager
def rapl(setup: Setup) -> Iterator[Found]:
    """Open every readable RAPL zone below ``setup.sysfs``; files stay open until the context ends."""
    root = setup.sysfs / "class" / "powercap"
    zones = _without_mirrors(_zones(root)) if root.is_dir() else []
    if not zones:
        why = "no RAPL zone below it" if root.is_dir() else "not there"
        remedy = "bare metal: sudo modprobe intel_rapl_msr; container: mount the host's /sys and use --sysfs"
        yield Found(absences=(Absence("rapl", f"{root}: {why} (usual in a virtual machine)", remedy),))
        return
    labels = {(zone.control, zone.path): zone.name for zone in zones}
    channels: list[Channel] = []
    absences: list[Absence] = []
    with ExitStack() as stack:
        for zone in zones:
            file = zone.folder / "energy_uj"
            try:
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except PermissionError:
                absences.append(Absence(_label(zone, labels), "permission denied", f"sudo chmod o+r {file}"))
                continue
            except OSError as error:
                absences.append(Absence(_label(zone, labels), f"{file}: {error.strerror}"))
                continue
            stack.callback(os.close, descriptor)
            channels.append(_channel(zone, labels, descriptor))
        yield Found(tuple(channels), tuple(absences))


def _zones(root: Path) -> list[_Zone]:
    """Zones listed flat (the kernel's way) or nested (a copied tree), once each, in order of their numbers."""
    found: dict[tuple[str, tuple[int, ...]], _Zone] = {}
    for folder in (*root.glob("*rapl*:*"), *root.glob("*rapl*/*rapl*:*"), *root.glob("*rapl*:*/*rapl*:*")):
        match = _ZONE.match(folder.name)
        if match is None:
            continue
        try:
            name = (folder / "name").read_text().strip()
        except OSError:
            continue  # the zone vanished while listing, or is a broken link
        path = tuple(int(part) for part in match["path"].split(":"))
        found.setdefault((match["control"], path), _Zone(folder, match["control"], path, name))
    return [found[key] for key in sorted(found)]


def _without_mirrors(zones: list[_Zone]) -> list[_Zone]:
    """Drop zones of the mmio interface whose package the msr interface shows as well."""
    names = {zone.name for zone in zones if "mmio" not in zone.control and len(zone.path) == 1}
    roots = {(zone.control, zone.path[0]): zone.name for zone in zones if len(zone.path) == 1}
    return [
        zone for zone in zones if "mmio" not in zone.control or roots.get((zone.control, zone.path[0])) not in names
    ]


def _label(zone: _Zone, labels: dict[tuple[str, tuple[int, ...]], str]) -> str:
    """A name that is unique on the machine: a child carries the number of its package."""
    if len(zone.path) == 1:
        return zone.name
    parent = labels.get((zone.control, zone.path[:1]), str(zone.path[0]))
    return f"{zone.name}-{parent.removeprefix('package-')}"


def _channel(zone: _Zone, labels: dict[tuple[str, tuple[int, ...]], str], descriptor: int) -> Channel:
    component, part_of = Component.CPU, None
    if zone.name == "dram":
        component = Component.DRAM
    elif zone.name == "psys":
        component = Component.SYSTEM
    elif len(zone.path) > 1:
        part_of = labels.get((zone.control, zone.path[:1]))
    return Channel(
        name=_label(zone, labels),
        component=component,
        provenance=Provenance.COUNTER,
        quantity=Quantity.ENERGY,
        read=_reader(descriptor),
        device=f"{zone.name} (RAPL)",
        count_j=COUNT_J,
        resolution_j=RESOLUTION_J,
        update_period_s=UPDATE_PERIOD_S,
        wrap_n=_wrap_n(zone.folder),
        part_of=part_of,
    )


def _wrap_n(folder: Path) -> int | None:
    try:
        return int((folder / "max_energy_range_uj").read_text()) + 1
    except (OSError, ValueError):
        return None


def _reader(descriptor: int) -> Callable[[], int]:
    def read(pread: Callable[[int, int, int], bytes] = os.pread) -> int:
        try:
            return int(pread(descriptor, 32, 0))
        except (OSError, ValueError):
            raise ReadFailure("read-failed") from None

    return read
