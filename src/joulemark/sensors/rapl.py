"""RAPL through the kernel's powercap tree (``/sys/class/powercap``): Intel and AMD processors.

A zone's ``name`` file says what it is; folder numbers do not. ``dram`` is a child of its package but not inside the
package's energy; ``core`` and ``uncore`` are inside; ``psys`` covers the platform, packages included. The ``mmio``
interface repeats packages of the ``msr`` one, and on some processors each die repeats the counter of the whole package.
Reading needs root since Linux 5.10 (CVE-2020-8694).
Source: https://www.kernel.org/doc/html/latest/power/powercap/powercap.html
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup

COUNT_J = 1e-6
RESOLUTION_J = 61e-6  # 2⁻¹⁴ J, the usual energy unit of the registers behind the file
UPDATE_PERIOD_S = 1e-3
POWER_MAX_W = 2000.0  # of a zone that states no limit

# Two dies of a package are compared over so many updates, for so long at most.
_SNAPSHOTS_N = 4
_COMPARISON_MAX_S = 0.05

_ZONE = re.compile(r"(?P<control>.*rapl.*?):(?P<path>\d+(?::\d+)*)$")
_DIE = re.compile(r"package-(?P<package>\d+)-die-(?P<die>\d+)")


_Key = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Zone:
    folder: Path
    control: str  # "intel-rapl", "intel-rapl-mmio"
    path: tuple[int, ...]
    name: str

    @property
    def key(self) -> _Key:
        """What is unique to the zone."""
        return self.control, self.path

    @property
    def parent_key(self) -> _Key:
        """The zone itself, or the package it is a child of."""
        return self.control, self.path[:1]


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
    labels = _labels(zones)
    opened: list[tuple[_Zone, int]] = []
    absences: list[Absence] = []
    with ExitStack() as stack:
        for zone in zones:
            file = zone.folder / "energy_uj"
            try:
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except PermissionError:
                absences.append(Absence(labels[zone.key], "permission denied", f"sudo chmod o+r {file}"))
                continue
            except OSError as error:
                absences.append(Absence(labels[zone.key], f"{file}: {error.strerror}"))
                continue
            stack.callback(os.close, descriptor)
            opened.append((zone, descriptor))
        repeated = mirrors((labels[zone.key], _reader(descriptor)) for zone, descriptor in opened if not zone.path[1:])
        again = {zone.key for zone, _ in opened if labels.get(zone.parent_key) in repeated}
        reasons = filter_reasons(setup)
        channels = [
            replace(_channel(zone, labels, descriptor), reasons=reasons)
            for zone, descriptor in opened
            if zone.key not in again
        ]
        absences += mirror_absences(repeated)
        yield Found(tuple(channels), tuple(absences), frozenset(labels[key] for key in again))


def filter_reasons(setup: Setup) -> tuple[str, ...]:
    """The reason code of counters that the processor blurs, which it does where SGX is enabled.

    A measure against reading secrets from power (CVE-2020-8694, INTEL-SA-00389); Intel calls it energy filtering.
    """
    try:
        with (setup.proc / "cpuinfo").open(errors="replace") as lines:
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return ()
    return ("energy-filtered",) if "sgx" in flags.split() else ()


def _zones(root: Path) -> list[_Zone]:
    """Zones listed flat (the kernel's way) or nested (a copied tree), once each, in order of their numbers."""
    found: dict[_Key, _Zone] = {}
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


def _labels(zones: list[_Zone]) -> dict[_Key, str]:
    """Names that are unique on the machine: a child carries the number of its package, a repeated name its folder's."""
    labels: dict[_Key, str] = {}
    for zone in zones:  # parents come before their children
        label = zone.name
        if len(zone.path) > 1:
            parent = labels.get(zone.parent_key, str(zone.path[0]))
            label = f"{zone.name}-{parent.removeprefix('package-')}"
        if label in labels.values():
            label = f"{label}-{zone.path[-1]}"
        labels[zone.key] = label
    return labels


def mirrors(packages: Iterable[tuple[str, Callable[[], float]]]) -> dict[str, str]:
    """Dies whose counter repeats that of a lower die of their package, by name, each with the die that is kept."""
    dies = [
        (int(match["package"]), int(match["die"]), name, read) for name, read in packages if (match := _DIE.match(name))
    ]
    first: dict[int, tuple[str, Callable[[], float]]] = {}
    repeated: dict[str, str] = {}
    for package, _, name, read in sorted(dies, key=lambda die: die[:2]):
        original, original_read = first.setdefault(package, (name, read))
        if original != name and same_counter(original_read, read):
            repeated[name] = original
    return repeated


def mirror_absences(repeated: Mapping[str, str]) -> list[Absence]:
    """What is said of counters that are left out because they show another one."""
    return [
        Absence(name, f"shows the same counter as {original}, which is counted once")
        for name, original in repeated.items()
    ]


def same_counter(first: Callable[[], float], second: Callable[[], float]) -> bool:
    """Whether two counters keep exactly the same distance while the first one moves.

    Dies that draw similar power do not: their counts differ by far more than one unit in every update.
    """
    distances: dict[float, float] = {}
    deadline_s = time.monotonic() + _COMPARISON_MAX_S
    while len(distances) < _SNAPSHOTS_N and time.monotonic() < deadline_s:
        try:
            before, other, after = first(), second(), first()
        except ReadFailure:
            continue
        if before == after:  # no update fell between the two: they were read at the same count
            distances[before] = other - before
    return len(distances) == _SNAPSHOTS_N and len(set(distances.values())) == 1


def _channel(zone: _Zone, labels: dict[_Key, str], descriptor: int) -> Channel:
    component, part_of = Component.CPU, None
    if zone.name == "dram":
        component = Component.DRAM
    elif zone.name == "psys":
        component = Component.SYSTEM
    elif len(zone.path) > 1:
        part_of = labels.get(zone.parent_key)
    return Channel(
        name=labels[zone.key],
        component=component,
        provenance=Provenance.COUNTER,
        quantity=Quantity.ENERGY,
        read=_reader(descriptor),
        device=f"{zone.name} (RAPL)",
        count_j=COUNT_J,
        resolution_j=RESOLUTION_J,
        update_period_s=UPDATE_PERIOD_S,
        wrap_n=_wrap_n(zone.folder),
        power_max_w=_power_max_w(zone.folder),
        part_of=part_of,
    )


def _wrap_n(folder: Path) -> int | None:
    try:
        range_uj = int((folder / "max_energy_range_uj").read_text())
    except (OSError, ValueError):
        return None
    return range_uj + 1 if range_uj > 0 else None


def _power_max_w(folder: Path) -> float:
    """Twice the greatest power or limit that the zone states for itself; short peaks stay below that."""
    stated_uw: list[int] = []
    for file in folder.glob("constraint_*_power*_uw"):
        try:
            stated_uw.append(int(file.read_text()))
        except (OSError, ValueError):
            continue  # some constraints exist without a value
    return 2e-6 * max(stated_uw) if stated_uw and max(stated_uw) > 0 else POWER_MAX_W


def _reader(descriptor: int) -> Callable[[], int]:
    def read(pread: Callable[[int, int, int], bytes] = os.pread) -> int:
        try:
            return int(pread(descriptor, 32, 0))
        except (OSError, ValueError):
            raise ReadFailure("read-failed") from None

    return read
