"""RAPL through the kernel's powercap tree (``/sys/class/powercap``): Intel and AMD processors.

A zone's ``name`` file says what it is; folder numbers do not. ``dram`` is a child of its package but not inside the
package's energy; ``core`` and ``uncore`` are inside; ``psys`` covers the platform, packages included, and is called
``psys-1`` where another package than the first has it. The ``mmio`` interface repeats packages of the ``msr`` one, and
on some processors each die repeats the counter of the whole package. Reading needs root since Linux 5.10
(CVE-2020-8694).
Sources: https://www.kernel.org/doc/html/latest/power/powercap/powercap.html; drivers/powercap/intel_rapl_common.c in
Linux (names, and a range of 2³² - 1 energy units).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup, no_reading
from joulemark.sensors.same_counter import PACKAGE_SCOPE_VENDORS, die_repeats, platform_repeats

COUNT_J = 1e-6
REGISTER_MAX_N = 2**32 - 1  # energy units that the registers behind the files hold
RESOLUTION_J = 61e-6  # 2⁻¹⁴ J, the usual energy unit, of a zone that states no range
UPDATE_PERIOD_S = 1e-3
# Of zones that state no limit, as AMD's: twice the thermal design power of the largest processors (500 W of an EPYC
# 9965 or a Xeon 6980P), and what a machine draws.
PACKAGE_POWER_MAX_W, PLATFORM_POWER_MAX_W = 1000.0, 2000.0

# The kernel writes the numbers of zones in hexadecimal ("%s:%x" in drivers/powercap/powercap_sys.c).
_ZONE = re.compile(r"(?P<control>.*rapl.*?):(?P<path>[0-9a-f]+(?::[0-9a-f]+)*)")
_PACKAGE = re.compile(r"package-\d+(-die-\d+)?")
_PLATFORM = re.compile(r"psys(-\d+)?")
_UNKNOWN_NAME = "a zone of RAPL whose name says nothing that is known: neither a package nor psys nor dram"

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
    listed = _listed(setup.sysfs)
    if not listed:
        why = "no RAPL zone below it" if root.is_dir() else "not there"
        remedy = "bare metal: sudo modprobe intel_rapl_msr; container: mount the host's /sys and use --sysfs"
        yield Found(absences=(Absence("rapl", f"{root}: {why} (usual in a virtual machine)", remedy),))
        return
    labels = _labels(listed)
    unknown = {zone.key for zone in listed if not zone.path[1:] and not _is_known(zone.name)}
    zones = [zone for zone in listed if zone.parent_key not in unknown]
    opened: list[tuple[_Zone, int]] = []
    absences = [Absence(labels[key], _UNKNOWN_NAME) for key in sorted(unknown)]
    shut: list[_Zone] = []
    with ExitStack() as stack:
        for zone in zones:
            file = zone.folder / "energy_uj"
            try:
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                denied = isinstance(error, PermissionError)
                said = "permission denied" if denied else f"{file}: {error.strerror}"
                command = f"sudo chmod o+r {setup.sysfs}/class/powercap/*/energy_uj" if denied else None
                absences.append(Absence(labels[zone.key], said, command))
                shut.append(zone)
                continue
            stack.callback(os.close, descriptor)
            opened.append((zone, descriptor))
        roots = [(zone, _reader(descriptor)) for zone, descriptor in opened if not zone.path[1:]]
        dies = die_repeats(
            [(labels[zone.key], read) for zone, read in roots if _PACKAGE.fullmatch(zone.name)], vendor(setup)
        )
        platforms = platform_repeats(
            [(labels[zone.key], read) for zone, read in roots if _PLATFORM.fullmatch(zone.name)]
        )
        left_out, unsure = {**dies.left_out, **platforms.left_out}, {**dies.unsure, **platforms.unsure}
        filtered = filter_reasons(setup)
        channels: list[Channel] = []
        again: set[str] = set()
        for zone, descriptor in opened:
            root_label = labels.get(zone.parent_key, "")
            if root_label in left_out:
                again.add(labels[zone.key])
                continue
            reasons = (*filtered, unsure[root_label]) if root_label in unsure else filtered
            channels.append(replace(_channel(zone, labels, descriptor), reasons=reasons))
        closed = [_channel(zone, labels, None) for zone in shut]
        yield Found(
            tuple(channels),
            (*absences, *dies.absences, *platforms.absences),
            frozenset(again),
            beside(channels, closed, vendor(setup)),
        )


def beside(channels: Sequence[Channel], closed: Sequence[Channel], made_by: str) -> tuple[Channel, ...]:
    """Those of ``closed`` without which ``channels`` are not all of a component: one package of several, one's memory.

    A die whose package shows one counter in each of them adds nothing.
    """
    counted = {channel.component for channel in channels if channel.component is not Component.SYSTEM}
    packages = (
        {channel.name.partition("-die-")[0] for channel in channels} if made_by in PACKAGE_SCOPE_VENDORS else set()
    )
    return tuple(
        channel
        for channel in closed
        if channel.component in counted and channel.part_of is None
        if channel.name.partition("-die-")[0] not in packages
    )


def resolutions_j(sysfs: Path) -> dict[str, float]:
    """The smallest step of each zone's counter, by the name of its channel; its files need no permission."""
    zones = _listed(sysfs)
    labels = _labels(zones)
    return {labels[zone.key]: _resolution_j(zone.folder) for zone in zones}


def filter_reasons(setup: Setup) -> tuple[str, ...]:
    """The reason code of counters that the processor blurs, which it does where SGX is enabled.

    A measure against reading secrets from power (CVE-2020-8694, INTEL-SA-00389); Intel calls it energy filtering.
    """
    return ("energy-filtered",) if "sgx" in _processor_line(setup, "flags").split() else ()


def vendor(setup: Setup) -> str:
    """Who made the processor, as its ``vendor_id`` says it; empty where that is not told."""
    return _processor_line(setup, "vendor_id").strip()


def _processor_line(setup: Setup, key: str) -> str:
    """What ``/proc/cpuinfo`` says of the first processor behind ``key``; empty where it does not."""
    try:
        with (setup.proc / "cpuinfo").open(errors="replace") as lines:
            return next((line.partition(":")[2] for line in lines if line.startswith(key)), "")
    except OSError:
        return ""


def _is_known(name: str) -> bool:
    """Whether a zone that is no part of another one is called as the kernel calls those that are to be added up."""
    return bool(_PACKAGE.fullmatch(name) or _PLATFORM.fullmatch(name)) or name == "dram"


def _listed(sysfs: Path) -> list[_Zone]:
    """The zones below ``sysfs``, each counter of the msr and mmio interfaces once."""
    root = sysfs / "class" / "powercap"
    return _without_mirrors(_zones(root)) if root.is_dir() else []


def _zones(root: Path) -> list[_Zone]:
    """Zones listed flat (the kernel's way) or nested (a copied tree), once each, in order of their numbers."""
    found: dict[_Key, _Zone] = {}
    for folder in (*root.glob("*rapl*:*"), *root.glob("*rapl*/*rapl*:*"), *root.glob("*rapl*:*/*rapl*:*")):
        match = _ZONE.fullmatch(folder.name)
        if match is None:
            continue
        try:
            name = (folder / "name").read_text().strip()
        except OSError:
            continue  # the zone vanished while listing, or is a broken link
        path = tuple(int(part, 16) for part in match["path"].split(":"))
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


def _channel(zone: _Zone, labels: dict[_Key, str], descriptor: int | None) -> Channel:
    """The channel of a zone; without a ``descriptor`` every reading fails."""
    component, part_of = Component.CPU, None
    if zone.name == "dram":
        component = Component.DRAM
    elif _PLATFORM.fullmatch(zone.name):
        component = Component.SYSTEM
    elif len(zone.path) > 1:
        part_of = labels.get(zone.parent_key)
    return Channel(
        name=labels[zone.key],
        component=component,
        provenance=Provenance.COUNTER,
        quantity=Quantity.ENERGY,
        read=no_reading if descriptor is None else _reader(descriptor),
        device=f"{zone.name} (RAPL)",
        count_j=COUNT_J,
        resolution_j=_resolution_j(zone.folder),
        update_period_s=UPDATE_PERIOD_S,
        wrap_n=_wrap_n(zone.folder),
        power_max_w=_power_max_w(zone.folder)
        or (PLATFORM_POWER_MAX_W if component is Component.SYSTEM else PACKAGE_POWER_MAX_W),
        part_of=part_of,
        rests=zone.name == "uncore",  # a graphics unit that draws nothing while nothing is drawn
    )


def _range_uj(folder: Path) -> int | None:
    try:
        range_uj = int((folder / "max_energy_range_uj").read_text())
    except (OSError, ValueError):
        return None
    return range_uj if range_uj > 0 else None


def _wrap_n(folder: Path) -> int | None:
    range_uj = _range_uj(folder)
    return None if range_uj is None else range_uj + 1


def _resolution_j(folder: Path) -> float:
    """The energy unit of the register: 61 µJ of most, 15.3 µJ of memory, 1 J of the platform on Sapphire Rapids."""
    range_uj = _range_uj(folder)
    return RESOLUTION_J if range_uj is None else max(COUNT_J, range_uj * COUNT_J / REGISTER_MAX_N)


def _power_max_w(folder: Path) -> float | None:
    """Twice the greatest power or limit that the zone states for itself; short peaks stay below that."""
    stated_uw: list[int] = []
    for file in folder.glob("constraint_*_power*_uw"):
        try:
            stated_uw.append(int(file.read_text()))
        except (OSError, ValueError):
            continue  # some constraints exist without a value
    return 2e-6 * max(stated_uw) if stated_uw and max(stated_uw) > 0 else None


def _reader(descriptor: int) -> Callable[[], int]:
    def read(pread: Callable[[int, int, int], bytes] = os.pread) -> int:
        try:
            return int(pread(descriptor, 32, 0))
        except (OSError, ValueError):
            raise ReadFailure("read-failed") from None

    return read
