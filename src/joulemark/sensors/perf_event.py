"""RAPL through the kernel's ``power`` performance-monitoring unit, for where powercap may not be read.

Each event below ``<sysfs>/bus/event_source/devices/power/events`` is opened once for every processor in ``cpumask``
(one per package or die). The kernel widens the registers to 64 bits and follows their wraps, so these counters do not
wrap; ``<event>.scale`` says how many joules a count is worth, which is 2⁻³² J whatever the register's own unit is.
Channels carry the names that the powercap zones have. The platform's counter is opened for every package, since it need
not be the first one that has it.
Sources: man 2 perf_event_open (structure, flags, permission); arch/x86/events/rapl.c in Linux (events, scale, mask).
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup, no_reading
from joulemark.sensors.rapl import (
    RESOLUTION_J,
    UPDATE_PERIOD_S,
    beside,
    filter_reasons,
    resolutions_j,
    vendor,
)
from joulemark.sensors.same_counter import die_repeats, platform_repeats

_SYSTEM_CALLS = {"x86_64": 298, "aarch64": 241}  # perf_event_open in the kernel's tables of system calls
_ATTRIBUTES_BYTE = 64  # PERF_ATTR_SIZE_VER0: type, size, config; all else zero
_CLOSE_ON_EXEC = 8  # PERF_FLAG_FD_CLOEXEC
_EVERY_PROCESS = -1
_NO_GROUP = -1

# Of a platform counter of which no powercap zone says the step: that of Sapphire Rapids, the coarsest that Linux knows.
PLATFORM_RESOLUTION_J = 1.0


@dataclass(frozen=True, slots=True)
class _Event:
    prefix: str
    component: Component
    inside_package: bool = False


_EVENTS = {
    "energy-pkg": _Event("package", Component.CPU),
    "energy-ram": _Event("dram", Component.DRAM),
    "energy-cores": _Event("core", Component.CPU, inside_package=True),
    "energy-gpu": _Event("uncore", Component.CPU, inside_package=True),
    "energy-psys": _Event("psys", Component.SYSTEM),
}


@contextmanager
def perf_event(setup: Setup) -> Iterator[Found]:
    """Open one counter for each event of the ``power`` unit and each processor of its mask; close them at the end."""
    root = setup.sysfs / "bus" / "event_source" / "devices" / "power"
    try:
        unit = int((root / "type").read_text())
        cpus = _numbers((root / "cpumask").read_text())
    except (OSError, ValueError):
        why = f"{root}: no power unit (usual in a virtual machine)"
        yield Found(absences=(Absence("perf-event", why, "bare metal: sudo modprobe rapl"),))
        return
    number = _SYSTEM_CALLS.get(platform.machine())
    if number is None:
        yield Found(absences=(Absence("perf-event", f"not known how to ask for it on {platform.machine()}"),))
        return
    places = _places(setup.sysfs, cpus)
    steps_j = resolutions_j(setup.sysfs)
    opened: list[tuple[str, Channel]] = []  # with its package or die, or itself if it covers the platform
    closed: list[Channel] = []
    absences: list[Absence] = []
    with ExitStack() as stack:
        for name, event in _EVENTS.items():
            described = _described(root / "events", name)
            if described is None:
                continue
            config, count_j = described
            for cpu, place in places.items():
                label = f"{event.prefix}-{place}"
                if event.component is Component.SYSTEM:
                    label = _platform_label(event.prefix, place, places.values())
                    if label in (name for name, _ in opened):
                        continue  # another die of the package
                whole = label if event.component is Component.SYSTEM else f"package-{place}"
                if event.inside_package and whole not in (name for name, _ in opened):
                    absences.append(Absence(label, f"it is a part of {whole}, which is not counted"))
                    continue
                try:
                    descriptor = _open(number, unit, config, cpu)
                except PermissionError:
                    yield Found(absences=(_denied(setup.proc),))
                    return
                except OSError as error:
                    absences.append(Absence(label, f"perf event {name} of CPU {cpu}: {error.strerror}"))
                    closed.append(_channel(event, name, label, whole, count_j, steps_j, None))
                    continue
                stack.callback(os.close, descriptor)
                opened.append((whole, _channel(event, name, label, whole, count_j, steps_j, descriptor)))
        wholes = [(whole, channel) for whole, channel in opened if channel.name == whole]
        dies = die_repeats(
            [(name, channel.read) for name, channel in wholes if channel.component is Component.CPU], vendor(setup)
        )
        platforms = platform_repeats(
            [(name, channel.read) for name, channel in wholes if channel.component is Component.SYSTEM]
        )
        left_out, unsure = {**dies.left_out, **platforms.left_out}, {**dies.unsure, **platforms.unsure}
        filtered = filter_reasons(setup)
        channels = [
            replace(channel, reasons=(*filtered, unsure[whole]) if whole in unsure else filtered)
            for whole, channel in opened
            if whole not in left_out
        ]
        again = frozenset(channel.name for whole, channel in opened if whole in left_out)
        yield Found(
            tuple(channels),
            (*absences, *dies.absences, *platforms.absences),
            again,
            beside(channels, closed, vendor(setup)),
        )


def _platform_label(prefix: str, place: str, places: Iterable[str]) -> str:
    """What powercap calls the platform's counter of a package: without a number in the first one."""
    package, *others = (int(one.partition("-")[0]) for one in (place, *places))
    return prefix if package == min(others) else f"{prefix}-{package}"


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers in a list such as ``0,28-29``, the kernel's way to write a set of processors."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)


def _places(sysfs: Path, cpus: tuple[int, ...]) -> dict[int, str]:
    """What each processor of the mask stands for: a package (``0``), or one of its dies (``0-die-1``)."""
    packages: dict[int, int] = {}
    dies: dict[int, int] = {}
    for index, cpu in enumerate(cpus):
        topology = sysfs / "devices" / "system" / "cpu" / f"cpu{cpu}" / "topology"
        packages[cpu] = _number(topology / "physical_package_id", index)
        dies[cpu] = _number(topology / "die_id", index)
    shared_n = Counter(packages.values())
    return {
        cpu: f"{package}-die-{dies[cpu]}" if shared_n[package] > 1 else str(package)
        for cpu, package in packages.items()
    }


def _number(file: Path, otherwise: int) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return otherwise


def _described(events: Path, name: str) -> tuple[int, float] | None:
    """The configuration of an event and the joules of one count; ``None`` where the unit does not have it."""
    try:
        match = re.fullmatch(r"event=(0x[0-9a-fA-F]+|\d+)", (events / name).read_text().strip())
        return (int(match[1], 0), float((events / f"{name}.scale").read_text())) if match else None
    except (OSError, ValueError):
        return None


def _open(number: int, unit: int, config: int, cpu: int) -> int:
    """The descriptor of a counter of one processor, over all processes. Raises :class:`OSError`."""
    attributes = ctypes.create_string_buffer(
        struct.pack("=IIQ", unit, _ATTRIBUTES_BYTE, config).ljust(_ATTRIBUTES_BYTE, b"\0"), _ATTRIBUTES_BYTE
    )
    arguments = [ctypes.c_long(value) for value in (_EVERY_PROCESS, cpu, _NO_GROUP, _CLOSE_ON_EXEC)]
    descriptor = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), attributes, *arguments)
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))  # EACCES and EPERM become PermissionError
    return int(descriptor)


def _denied(proc: Path) -> Absence:
    try:
        level = (proc / "sys" / "kernel" / "perf_event_paranoid").read_text().strip()
    except OSError:
        level = "not known"
    remedy = (
        "sudo sysctl kernel.perf_event_paranoid=0 (until the next start), or give the interpreter the capability "
        "CAP_PERFMON; in a container: --cap-add PERFMON"
    )
    return Absence("perf-event", f"permission denied (kernel.perf_event_paranoid is {level})", remedy)


def _channel(
    event: _Event,
    name: str,
    label: str,
    whole: str,
    count_j: float,
    steps_j: Mapping[str, float],
    descriptor: int | None,
) -> Channel:
    usual_j = PLATFORM_RESOLUTION_J if event.component is Component.SYSTEM else RESOLUTION_J
    return Channel(
        name=label,
        component=event.component,
        provenance=Provenance.COUNTER,
        quantity=Quantity.ENERGY,
        read=no_reading if descriptor is None else _reader(descriptor),
        device=f"{name} (perf)",
        count_j=count_j,
        resolution_j=max(steps_j.get(label, usual_j), count_j),  # the registers move in coarser steps than the counts
        update_period_s=UPDATE_PERIOD_S,
        part_of=whole if event.inside_package else None,
        rests=event.prefix == "uncore",
    )


def _reader(descriptor: int) -> Callable[[], int]:
    # The descriptor of an event has no position: pread() fails on it, read() always gives the count of now.
    def read(descriptor_read: Callable[[int, int], bytes] = os.read) -> int:
        try:
            count = descriptor_read(descriptor, 8)
        except OSError:
            raise ReadFailure("read-failed") from None
        if len(count) != 8:  # the kernel gives an event that ended, as of a processor taken offline, an empty answer
            raise ReadFailure("device-lost")
        return int.from_bytes(count, "little")

    return read
