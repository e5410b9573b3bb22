"""Sensors: functions that open hardware and hand out channels that can be read.

A sensor is named in the entry-point group ``joulemark.sensors``. It takes a :class:`Setup` and returns a context
manager over what it :class:`Found`: channels, and what it looked for in vain. Closing it releases the hardware.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

from joulemark.failures import MendableError, ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance

# These invent or repeat readings, or need an argument: only when asked for by name.
ON_REQUEST = frozenset({"fake", "modelled-dram", "replay", "system"})

# Sensors that may show the same counter: of two channels of one name, that of the sensor opened first is kept.
FIRST = ("rapl", "perf-event", "hwmon")

# Models that are opened only where nothing measures their component.
FALLBACKS = {"modelled-cpu": Component.CPU}

# Without these below the root of sysfs there is nothing for the sensor to open. Looking is quicker than loading it.
SIGNS = {
    "amdsmi": "module/amdgpu",
    "hwmon": "class/hwmon",
    "perf-event": "bus/event_source/devices/power",
    "rapl": "class/powercap",
}

GROUP = b"joulemark.sensors"

_STRENGTH = {Provenance.COUNTER: 0, Provenance.SAMPLED: 1, Provenance.MODELLED: 2, Provenance.ASSUMED: 3}


class SensorError(MendableError):
    """The sensors asked for cannot be opened; the message says what to do."""


def _visible_devices() -> str | None:
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@dataclass(frozen=True, slots=True)
class Setup:
    """Where to look. ``requests`` are sensor names with an optional argument (``replay:trace.json``); empty: all.

    With ``explain`` a sensor without any sign of its hardware is opened too, to say in full what it looked for.
    Where several processes open the sensors of one meter, the later ones are told what the first one has found:
    ``sampled`` are the channels that are gauges, and ``opened_ns`` (monotonic clock) is when a trace began to replay.
    """

    sysfs: Path = Path("/sys")
    proc: Path = Path("/proc")
    requests: tuple[str, ...] = ()
    visible_devices: str | None = field(default_factory=_visible_devices)
    explain: bool = False
    sampled: tuple[str, ...] = ()
    opened_ns: int | None = None

    def argument(self, sensor: str) -> str | None:
        """What follows the colon in the request for ``sensor``."""
        for request in self.requests:
            name, _, argument = request.partition(":")
            if name == sensor and argument:
                return argument
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """What a sensor offers, and what it looked for in vain.

    ``repeated`` are names of counters that show what one of ``channels`` shows: no other sensor need bring them.
    ``closed`` are counters that are there and cannot be opened, and without which a total would pass for whole: unless
    another sensor brings them, they belong to every total, as unknown.
    """

    channels: tuple[Channel, ...] = ()
    absences: tuple[Absence, ...] = ()
    repeated: frozenset[str] = frozenset()
    closed: tuple[Channel, ...] = ()


def no_reading() -> int:
    """The reading of a counter that is there and cannot be opened. Raises :class:`ReadFailure`."""
    raise ReadFailure("not-readable")


Sensor = Callable[[Setup], AbstractContextManager[Found]]


def setup_from_environment(sysfs: Path | None = None, requests: tuple[str, ...] = ()) -> Setup:
    """The setup of this process: ``sysfs`` if given, else ``JOULEMARK_SYSFS``, else ``/sys``.

    Raises :class:`SensorError` when the folder does not exist.
    """
    root = sysfs or Path(os.environ.get("JOULEMARK_SYSFS") or "/sys")
    if not root.is_dir():
        raise SensorError(f"no folder {root}: give the root of a sysfs tree with --sysfs or JOULEMARK_SYSFS")
    return Setup(sysfs=root, requests=requests)


def requests_in(text: str) -> tuple[str, ...]:
    """The requests in a list with commas: ``rapl,system:command=meter --format a,b,nvml`` are three.

    A comma inside an argument parts nothing, unless the name of a sensor follows it.
    """
    requests: list[str] = []
    names = sensor_points()
    for part in text.split(","):
        name = part.partition(":")[0].strip()
        if requests and ":" in requests[-1] and name not in names:
            requests[-1] += f",{part}"
        elif part.strip():
            requests.append(part)
    return tuple(request.strip() for request in requests)


def sensor_points() -> Mapping[str, str]:
    """All registered sensors, ours and third parties': name to ``module:function``.

    Reads the ``entry_points.txt`` of every installed distribution, as importlib.metadata does, whose import alone
    would take longer than all that joulemark does before its first window.
    Source: https://packaging.python.org/en/latest/specifications/entry-points/
    """
    found: dict[str, str] = {}
    for place in dict.fromkeys(sys.path):
        try:
            names = [name for name in os.listdir(place or ".") if name.endswith((".dist-info", ".egg-info"))]  # noqa: PTH208 - in the time budget
        except OSError:
            continue
        for name in names:
            for point, target in _points_of(f"{place or '.'}/{name}/entry_points.txt"):
                found.setdefault(point, target)
    return dict(sorted(found.items()))


def _points_of(file: str) -> Iterator[tuple[str, str]]:
    try:
        with open(file, "rb") as stream:
            content = stream.read()
    except OSError:
        return
    if b"[" + GROUP + b"]" not in content:
        return
    inside = False
    for line in content.decode().splitlines():
        if line.startswith("["):
            inside = line.strip() == f"[{GROUP.decode()}]"
        elif inside and "=" in line:
            name, _, target = line.partition("=")
            yield name.strip(), target.partition("[")[0].strip()


def _load(target: str) -> Sensor:
    module, _, function = target.partition(":")
    sensor: Sensor = getattr(import_module(module), function)
    return sensor


@contextmanager
def open_sensors(setup: Setup) -> Iterator[Found]:
    """Open the requested sensors (or all) and hand out their channels, strongest provenance first.

    A modelled channel is dropped where a component has a counter or a gauge. A sensor that raises becomes an
    :class:`~joulemark.measurement.Absence`. Raises :class:`SensorError` on an unknown name, or one that is there twice.
    """
    points = sensor_points()
    names = [request.partition(":")[0] for request in setup.requests]
    for name in names:
        if name not in points:
            raise SensorError(f"no sensor '{name}'; there are {', '.join(points)}")
        if names.count(name) > 1:
            raise SensorError(f"sensor '{name}' is asked for {names.count(name)} times: a sensor is opened once")
    chosen = names or [name for name in points if name not in ON_REQUEST and (setup.explain or _has_sign(name, setup))]
    channels: list[Channel] = []
    absences: list[Absence] = []
    closed: list[Channel] = []
    known: set[str] = set()
    with ExitStack() as stack:
        for name in sorted(chosen, key=_turn):
            if name in FALLBACKS and not names and FALLBACKS[name] in _measured(channels):
                continue
            try:
                found = stack.enter_context(_load(points[name])(setup))
            except SensorError:
                raise
            except Exception as error:  # one broken driver or plug-in must not take the others along
                absences.append(Absence(name, f"{type(error).__name__}: {error}"))
                continue
            absences.extend(found.absences)
            own: set[str] = set()
            for channel in found.channels:
                if channel.name in own:
                    absences.append(Absence(f"{channel.name} of {name}", "the sensor brings two channels of that name"))
                elif not _is_shown(channel.name, known):
                    channels.append(channel)
                own.add(channel.name)
            closed += found.closed
            known |= own | found.repeated
        yield Found(
            _strongest([*channels, *(one for one in closed if not _is_shown(one.name, known))]), tuple(absences)
        )


def _is_shown(name: str, known: set[str]) -> bool:
    """Whether a counter of that name is among the ``known`` ones: by itself, in its whole package, or as its dies.

    Some sensors name one counter by its package and others by a die, as where Linux has changed what one of its
    interfaces says and the other not (26096aed255f of 2024, for AMD's processors).
    """
    whole, die, _ = name.partition("-die-")
    if name in known or (die and whole in known):
        return True
    return not die and any(one.startswith(f"{name}-die-") for one in known)


def _has_sign(name: str, setup: Setup) -> bool:
    if name == "apple":
        return sys.platform == "darwin"
    if name == "nvml":
        return linker_finds(b"libnvidia-ml.so.1")
    return name not in SIGNS or (setup.sysfs / SIGNS[name]).exists()


def linker_finds(library: bytes) -> bool:
    """Whether the dynamic linker would find ``library``: in its cache, its path, or the folders it always searches."""
    try:
        with open("/etc/ld.so.cache", "rb") as cache:
            if library in cache.read():
                return True
    except OSError:
        pass  # a system without a cache has the folders
    places = [*os.environ.get("LD_LIBRARY_PATH", "").split(":"), "/lib", "/usr/lib", "/lib64", "/usr/lib64"]
    return any(place and Path(place, library.decode()).exists() for place in places)


def _turn(name: str) -> tuple[bool, int]:
    """When a sensor is opened: fallbacks last, those that repeat others after them."""
    return name in FALLBACKS, FIRST.index(name) if name in FIRST else len(FIRST)


def _measured(channels: list[Channel]) -> set[Component]:
    """The components that have a counter or a gauge of their own, or are inside that of another one."""
    names = {channel.name for channel in channels}
    return {
        part
        for channel in channels
        if channel.provenance in (Provenance.COUNTER, Provenance.SAMPLED) and channel.part_of not in names
        for part in (channel.component, *channel.covers)
    }


def _strongest(channels: list[Channel]) -> tuple[Channel, ...]:
    measured = _measured(channels)
    kept = [
        channel
        for channel in channels
        if channel.provenance in (Provenance.COUNTER, Provenance.SAMPLED) or channel.component not in measured
    ]
    names = {channel.name for channel in kept}
    sockets = [channel.name for channel in kept if _is_socket(channel) and channel.part_of not in names]
    kept = [replace(channel, part_of=_parent(channel, names, sockets)) for channel in kept]
    return tuple(sorted(kept, key=lambda channel: (_STRENGTH[channel.provenance], channel.component, channel.name)))


def _is_socket(channel: Channel) -> bool:
    """Whether it reads a processor together with the GPU in its socket."""
    return channel.component is Component.BOARD and {Component.CPU, Component.GPU} <= set(channel.covers)


def _parent(channel: Channel, names: set[str], sockets: list[str]) -> str | None:
    """The channel that contains this one, if it is there; a meter of the whole machine contains every other one.

    The package of a processor is inside the socket of its number, where one is read as a whole.
    """
    if channel.component is Component.SYSTEM and "system" in names and channel.name != "system":
        return "system"
    package = channel.name.removeprefix("package-")
    if package != channel.name and package.isdigit() and int(package) < len(sockets):
        return sockets[int(package)]
    return channel.part_of if channel.part_of in names else None
