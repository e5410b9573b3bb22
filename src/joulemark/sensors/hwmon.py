"""Hardware monitors (``<sysfs>/class/hwmon``) that know power or energy.

- NVIDIA Grace: ACPI power meters whose ``power1_oem_info`` says what they cover. The socket (``Grace``) contains its
  processor rail (``CPU``), its system rail (``SysIO``) and its memory; a Grace Hopper ``Module`` contains the socket
  and the GPU, so it is kept apart like a reading of the whole machine and never added to its parts.
- AMD processors under the ``amd_energy`` driver: 64-bit counters of sockets and cores. The cores are inside their
  socket and may be hundreds: only sockets are read, under the names that RAPL gives them.
- Intel GPUs (``i915``, ``xe``): a counter of the card, or of the package inside it. The driver follows a 32-bit
  register (262 kJ) and loses a turn of it when nobody reads for so long, so long windows read it in between. Nothing
  here tells which of several cards are ours: all count, and say so.
- Jetson boards: INA3221 monitors give the voltage and the current of each rail, or the power under the driver of
  JetPack 4 (``ina3221x``). ``VDD_IN`` contains the others, and the memory, which has no rail of its own on most boards.
  On Thor the whole, carrier board included, is ``VIN``, which an INA238 reads. A rail without load may read less than
  nothing: :mod:`joulemark.meter.gauge` says what becomes of that.

Sources: https://docs.nvidia.com/grace-perf-tuning-guide/power-thermals.html,
https://www.kernel.org/doc/html/v5.9/hwmon/amd_energy.html, Documentation/ABI/testing/sysfs-driver-intel-i915-hwmon and
-xe-hwmon in Linux, https://www.kernel.org/doc/html/latest/hwmon/ina3221.html,
https://forums.developer.nvidia.com/t/interpretation-of-jetson-nx-power-rail/200883 (rails),
https://forums.developer.nvidia.com/t/question-about-power-monitor-with-additional-load-on-jetson-thor/366461 (VIN),
https://www.kernel.org/doc/html/latest/hwmon/ina238.html, drivers/staging/iio/meter/ina3221.c in Linux for Tegra 32 and
https://github.com/energymon/energymon/blob/master/jetson/JetsonPowerRails.md (JetPack 4).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup

MICRO = 1e-6
MILLI = 1e-3
GRACE_INTERVAL_S = 0.05  # over which Grace takes its mean when it does not say
ACPI_RESOLUTION_W = 1e-3  # power meters count in mW (ACPI specification, _PMC), which the kernel turns into µW
AMD_RESOLUTION_J = 125e-6  # the coarser of the two units that the driver knows
AMD_UPDATE_PERIOD_S = 1e-3
INTEL_RESOLUTION_J = 61e-6  # 2⁻¹⁴ J, the unit of the register
INTEL_TURN_N = 2 ** (32 - 14) * 1_000_000  # µJ in a turn of the register: 2³² of its units
INTEL_UPDATE_PERIOD_S = 0.1  # not documented: the slow end of what GPUs do
POWER_MAX_W = 2000.0  # of a part that states no limit
INA_UPDATE_PERIOD_S = 0.1  # the chip converts in milliseconds; its averaging is set by the board

_GRACE = re.compile(r"(Module|Grace|CPU|SysIO) Power Socket (\d+)", re.IGNORECASE)
_WHOLE_RAILS = ("VIN", "VDD_IN", "POM_5V_IN")
# Where monitors of the module sit on their bus under JetPack 4. Others are on the carrier board of a TX1 or TX2 kit,
# which has a supply of its own beside the module's.
_MODULE_ADDRESSES = ("0040", "0041")
_RAIL_COVERS = (Component.CPU, Component.GPU, Component.DRAM)
_RAIL_PARENTS = {"VDDQ_VDD2_1V8AO": "VIN_SYS_5V0"}  # the memory of AGX Orin is fed from (and measured at) the 5 V rail


@dataclass(frozen=True, slots=True)
class _Monitor:
    """A channel that still needs its reading: the product of what ``files`` say, times ``scale``."""

    name: str
    channel: Callable[..., Channel]
    files: tuple[Path, ...]
    scale: float


@contextmanager
def hwmon(setup: Setup) -> Iterator[Found]:
    """Open every monitor that is known; files stay open until the context ends."""
    root = setup.sysfs / "class" / "hwmon"
    folders = sorted(root.glob("hwmon*"), key=lambda folder: (len(folder.name), folder.name))
    rails, absences = _tegra_rails(setup)
    rails |= _jetson_rails(folders)
    monitors = [*_grace(folders), *_amd_sockets(folders), *_intel_gpus(folders), *_jetson(rails)]
    if not monitors:
        absence = Absence("hwmon", f"{root}: no monitor of Grace, AMD, an Intel GPU or Jetson")
        yield Found(absences=(absence, *absences))
        return
    channels: list[Channel] = []
    with ExitStack() as stack:
        for monitor in monitors:
            try:
                descriptors = [_open(stack, file) for file in monitor.files]
            except OSError as error:
                remedy = f"sudo chmod o+r {error.filename}" if isinstance(error, PermissionError) else None
                absences.append(Absence(monitor.name, f"{error.filename}: {error.strerror}", remedy))
                continue
            channels.append(monitor.channel(read=_reader(descriptors, monitor.scale)))
        yield Found(tuple(channels), tuple(absences))


def _open(stack: ExitStack, file: Path) -> int:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return descriptor


def _reader(descriptors: list[int], scale: float) -> Callable[[], float]:
    def read() -> float:
        value = 1
        try:
            for descriptor in descriptors:
                value *= int(os.pread(descriptor, 32, 0))
        except (OSError, ValueError):
            raise ReadFailure("read-failed") from None
        return value if scale == 1 else value * scale  # a counter keeps its exact whole number

    return read


def _text(*files: Path) -> str:
    """The content of the first file that can be read; empty when none can."""
    for file in files:
        try:
            return file.read_text(errors="replace").strip()
        except OSError:
            continue
    return ""


def _gauge(
    name: str,
    component: Component,
    device: str,
    period_s: float,
    files: tuple[Path, ...],
    part_of: str | None = None,
    covers: tuple[Component, ...] = (),
    reasons: tuple[str, ...] = (),
    resolution_w: float | None = None,
    scale: float = MICRO,
) -> _Monitor:
    channel = partial(
        Channel,
        name=name,
        component=component,
        provenance=Provenance.SAMPLED,
        quantity=Quantity.POWER,
        device=device,
        resolution_w=resolution_w,
        update_period_s=period_s,
        part_of=part_of,
        covers=covers,
        reasons=reasons,
    )
    return _Monitor(name, channel, files, scale)


def _counter(
    name: str,
    component: Component,
    device: str,
    resolution_j: float,
    period_s: float,
    file: Path,
    turn_n: int | None = None,
    power_max_w: float = POWER_MAX_W,
    reasons: tuple[str, ...] = (),
) -> _Monitor:
    channel = partial(
        Channel,
        name=name,
        component=component,
        provenance=Provenance.COUNTER,
        quantity=Quantity.ENERGY,
        device=device,
        count_j=MICRO,
        resolution_j=resolution_j,
        update_period_s=period_s,
        turn_n=turn_n,
        power_max_w=power_max_w,
        reasons=reasons,
    )
    return _Monitor(name, channel, (file,), 1)


def _grace(folders: Iterable[Path]) -> Iterator[_Monitor]:
    acpi = partial(_gauge, resolution_w=ACPI_RESOLUTION_W)
    for folder in folders:
        for place in (folder, folder / "device"):
            match = _GRACE.fullmatch(_text(place / "power1_oem_info"))
            if match is None:
                continue
            part, socket = match[1].lower(), match[2]
            interval_ms = _text(place / "power1_average_interval")
            period_s = int(interval_ms) / 1000 if interval_ms.isdigit() else GRACE_INTERVAL_S
            device = f"{match[0]} (hwmon)"
            files = (place / "power1_average",)
            if part == "module":
                reasons = ("module-scope",)
                yield acpi(f"module-{socket}", Component.SYSTEM, device, period_s, files, reasons=reasons)
            elif part == "grace":
                name, covers = f"grace-{socket}", (Component.DRAM,)
                yield acpi(name, Component.CPU, f"{device}, memory included", period_s, files, covers=covers)
            else:
                component = Component.CPU if part == "cpu" else Component.BOARD
                yield acpi(f"grace-{part}-{socket}", component, device, period_s, files, f"grace-{socket}")
            break


def _amd_sockets(folders: Iterable[Path]) -> Iterator[_Monitor]:
    for folder in folders:
        if _text(folder / "name", folder / "device" / "name") != "amd_energy":
            continue
        for label in sorted(folder.glob("energy*_label")):
            match = re.fullmatch(r"Esocket(\d+)", _text(label))
            if match is not None:
                file = label.with_name(label.name.replace("_label", "_input"))
                name, device = f"package-{match[1]}", f"socket {match[1]} (amd_energy)"
                yield _counter(name, Component.CPU, device, AMD_RESOLUTION_J, AMD_UPDATE_PERIOD_S, file)


def _intel_gpus(folders: Iterable[Path]) -> Iterator[_Monitor]:
    cards = {
        (folder / "device").resolve().name: folder for folder in folders if _text(folder / "name") in ("i915", "xe")
    }
    # energy1 is the card and energy2 the package inside it; a platform may have either.
    files = {
        address: next((file for file in (folder / "energy1_input", folder / "energy2_input") if file.exists()), None)
        for address, folder in cards.items()
    }
    metered_n = sum(file is not None for file in files.values())
    for index, (address, file) in enumerate(sorted(files.items())):
        if file is not None:
            device = f"Intel GPU {address} ({_text(file.with_name('name'))})"
            yield _counter(
                f"intel-gpu{index}",
                Component.GPU,
                device,
                INTEL_RESOLUTION_J,
                INTEL_UPDATE_PERIOD_S,
                file,
                INTEL_TURN_N,
                _intel_power_max_w(file.parent),
                ("all-boards-counted",) if metered_n > 1 else (),
            )


def _intel_power_max_w(folder: Path) -> float:
    """Twice the greatest limit that the driver states (µW); short peaks stay below that."""
    limits = [_text(folder / f"power{number}_{kind}") for number in (1, 2) for kind in ("max", "rated_max", "crit")]
    stated_uw = [int(limit) for limit in limits if limit.isdigit() and int(limit) > 0]
    return 2 * MICRO * max(stated_uw) if stated_uw else POWER_MAX_W


_Rails = dict[str, tuple[tuple[Path, ...], float]]  # by label: files whose product is the power, and its unit in W


def _jetson_rails(folders: Iterable[Path]) -> _Rails:
    rails: _Rails = {}
    for folder in folders:
        chip = _text(folder / "name")
        if (
            chip == "ina238" and _text(folder / "label", folder / "power1_label") == "VIN"
        ):  # other boards have this chip too
            rails["VIN"] = ((folder / "power1_input",), MICRO)
        if not chip.startswith("ina3221"):
            continue
        for number in (1, 2, 3):  # beyond them are shunt voltages and sums
            label = _text(folder / f"in{number}_label")
            if label and label != "NC":
                rails[label] = ((folder / f"in{number}_input", folder / f"curr{number}_input"), MICRO)  # mV times mA
    return rails


def _tegra_rails(setup: Setup) -> tuple[_Rails, list[Absence]]:
    """The rails that the driver of JetPack 4 shows, in mW, and those that are not the module's."""
    rails: _Rails = {}
    absences: list[Absence] = []
    chips = setup.sysfs / "bus" / "i2c" / "drivers" / "ina3221x"
    for folder in sorted(chips.glob("*-*/iio:device*")):
        for number in (0, 1, 2):
            label = _text(folder / f"rail_name_{number}")
            if not label or label == "NC":
                continue
            if folder.parent.name.rpartition("-")[2] in _MODULE_ADDRESSES:
                rails[label] = ((folder / f"in_power{number}_input",), MILLI)
            else:
                absences.append(Absence(label.lower(), "a rail of the carrier board, beside those of the module"))
    return rails, absences


def _jetson(rails: _Rails) -> Iterator[_Monitor]:
    whole = next((label for label in _WHOLE_RAILS if label in rails), None)
    for label, (files, scale) in rails.items():
        parent = whole if whole not in (None, label) else _RAIL_PARENTS.get(label)
        part_of = parent.lower() if parent in rails else None
        part, covers = _rail_part(label), _RAIL_COVERS if label == whole else ()
        name, device = label.lower(), f"rail {label}"
        yield _gauge(name, part, device, INA_UPDATE_PERIOD_S, files, part_of, covers, scale=scale)


def _rail_part(label: str) -> Component:
    """What a rail feeds, by its name; rails that feed several parts are the board's."""
    if "VDDQ" in label or "DDR" in label:
        return Component.DRAM
    parts = [part for word, part in (("CPU", Component.CPU), ("GPU", Component.GPU)) if word in label]
    return parts[0] if len(parts) == 1 else Component.BOARD
