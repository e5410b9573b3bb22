"""AMD GPUs: the energy accumulator of AMD SMI (its own ``amdsmi`` package), or the driver's power gauge without it.

The accumulator counts in steps of 2⁻¹⁶ J, which some versions of the library round to 15.3 µJ. It comes with a time
stamp of its own (ns), which is not used: edges are taken on this machine's clock, and the update period enters the
error instead. On cards with two dies (MI250) one die shows the energy of both and the other reads zero: the card is one
channel. So is one in partitions (MI300X in DPX or CPX), which share their place on the PCI bus. An accumulator that
does not move while it is opened (MI100 has frozen ones) is left aside. Virtual machines have none. Without the package,
``power1_average`` or ``power1_input`` (µW) of the driver's hardware monitor is sampled.

In an APU these are readings of the whole socket, processor included: its channel is the board's, covers both, and is
never added to the processor's own counter.

``ROCR_VISIBLE_DEVICES`` and then ``HIP_VISIBLE_DEVICES`` (or, in its place, ``CUDA_VISIBLE_DEVICES`` where there is no
NVIDIA driver whose boards it may mean) say which boards are ours; their numbers are taken for the order of AMD SMI.
Where none is set, the processes on each of several cards tell; without the package all cards count.
Sources: https://rocm.docs.amd.com/projects/amdsmi/en/latest/reference/amdsmi-py-api.html,
https://github.com/ROCm/rocm_smi_lib/issues/160 (secondary dies),
https://github.com/ROCm/rocm-systems/pull/8396, https://github.com/ROCm/legacy-rocm-build/issues/2292 (processes),
https://rocm.docs.amd.com/en/latest/conceptual/gpu-isolation.html and amd_filter_device.h in ROCm's runtime (visible
devices), drivers/gpu/drm/amd/pm/amdgpu_pm.c in Linux (unique_id),
https://docs.kernel.org/gpu/amdgpu/thermal.html (gauge; what it covers on APUs),
https://github.com/ROCm/amdsmi/issues/22 and /38 (frozen accumulators), gpu_metrics_v1_5 in
drivers/gpu/drm/amd/include/kgd_pp_interface.h of Linux ("Energy (15.259uJ (2^-16) units)").
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup

UPDATE_PERIOD_S = 0.1  # not documented for all boards: the slow end of what GPUs do
# The gauge counts whole watts: below this, one of them is more than the tenth by which a counter may differ from it.
COMPARED_POWER_MIN_W = 10.0

APU_PREFIX = "amd-apu"  # of the names of channels of sockets with a GPU in them

COUNT_J = 2.0**-16  # the kernel's unit of the accumulator
COUNT_ROUNDED_RATIO = 0.01  # the library says 15.3 or 15.259 µJ for it, by its version
UNSUPPORTED_N = 2**64 - 1  # all bits set: the board has no accumulator
# Inferred, for lack of a statement by AMD: NVIDIA states ± 5 % for sensors of this kind.
ACCURACY_RATIO = 0.05

MOVES_WITHIN_S = 0.3  # three update periods: an idle board draws watts, which are 10⁵ counts a second
MOVES_LOOK_S = 0.01

# Of the header of gpu_metrics: structure_size (two bytes), format_revision, content_revision. Formats 2 and 3 are those
# of APUs (kgd_pp_interface.h). The other sign is the label of the northbridge's voltage, which the driver shows on APUs
# only (amdgpu_pm.c: "only APUs have vddnb"). MI300A has neither. KFD's topology is none: since Linux 6.6 an APU is two
# nodes in it, a processor and a board, as two devices are.
APU_METRICS_FORMATS = (2, 3)
MI300A_DEVICE = "0x74a0"  # of vendor 0x1002


@dataclass(frozen=True, slots=True)
class _Board:
    index: int
    name: str
    uuid: str
    handle: Any
    place: str  # on the PCI bus, "0000:c1:00" (domain, bus, device); empty where that is not told
    reading: tuple[int, float] | None  # of the accumulator: the count, and J per count
    scope: _Scope | None  # of its readings, where that is an APU's socket

    @property
    def label(self) -> str:
        """The name of its channel."""
        return _label(self.index, self.scope)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the readings of an APU cover, and which channel already contains them."""

    covers: tuple[Component, ...]
    part_of: str | None


def _label(index: int, scope: _Scope | None) -> str:
    return f"amd-gpu{index}" if scope is None else f"{APU_PREFIX}{index}"


# Of a Ryzen the readings are those of the package that RAPL counts (inferred: both are stated to be of the socket), and
# there is one. What RAPL counts on MI300A is not stated: it is taken to be inside the socket, which has the memory too.
_RYZEN = _Scope((Component.CPU, Component.GPU), "package-0")
_RYZEN_BESIDE_NVIDIA = _Scope((Component.CPU,), "package-0")  # does not stand for the GPU that a model may use
_MI300A = _Scope((Component.CPU, Component.GPU, Component.DRAM), None)


@dataclass(frozen=True, slots=True)
class _Selection:
    """The boards that are ours, by index.

    With ``ask_processes`` nobody has said it in so many words: a process of ours on a board makes it ours.
    """

    indices: frozenset[int]
    reasons: tuple[str, ...]
    ask_processes: bool


@contextmanager
def amdsmi(setup: Setup) -> Iterator[Found]:
    """One channel for each AMD card, through AMD SMI if it can be imported and started, else through sysfs."""
    if not (setup.sysfs / "module" / "amdgpu").is_dir():
        yield Found(absences=(Absence("amdsmi", "the amdgpu driver is not loaded", None),))
        return
    try:
        smi = importlib.import_module("amdsmi")
        smi.amdsmi_init()
    except Exception as error:  # the package loads its library on import and fails in many ways without it
        why = f"AMD SMI cannot be used ({type(error).__name__}: {error}): power is sampled instead of counted"
        absence = Absence("amdsmi", why, "install the amdsmi package that came with the ROCm of this machine")
        with _gauges(setup) as found:
            yield Found(found.channels, (absence, *found.absences))
        return
    try:
        with _found_or_gauges(smi, setup) as found:
            yield found
    finally:
        with suppress(Exception):  # what was measured is whole without it
            smi.amdsmi_shut_down()


@contextmanager
def _found_or_gauges(smi: Any, setup: Setup) -> Iterator[Found]:
    """The boards of AMD SMI, or the driver's gauges where it starts and then does not list them."""
    try:
        found = _found(smi, setup)
    except Exception as error:
        why = f"AMD SMI lists no boards ({type(error).__name__}: {error}): power is sampled instead of counted"
        with _gauges(setup) as sampled:
            yield Found(sampled.channels, (Absence("amdsmi", why), *sampled.absences))
        return
    yield found


def boards_in_use(uuids: Sequence[str], rocr: str | None, hip: str | None) -> frozenset[int]:
    """The indices that are visible: ``rocr`` selects among all boards, ``hip`` among those that are left.

    Entries are indices, or for ``rocr`` UUIDs (``GPU-`` and the first letters of the board's id) too. The first one
    that means no board, several, or one that is chosen already hides all that follow. ``None`` selects all.
    """
    visible = list(range(len(uuids)))
    for selection in (rocr, hip):
        if selection is None:
            continue
        chosen: list[int] = []
        for entry in selection.split(","):
            text = entry.strip().casefold()
            matches = [index for index in visible if _is_uuid(text) and uuids[index].casefold().startswith(text)]
            if _is_index(text) and int(text) < len(visible):
                matches = [visible[int(text)]]
            if len(matches) != 1 or matches[0] in chosen:
                break
            chosen.append(matches[0])
        visible = chosen
    return frozenset(visible)


def _is_uuid(entry: str) -> bool:
    return entry.casefold().startswith("gpu-") and len(entry) > len("gpu-")


def _is_index(entry: str) -> bool:
    return entry.isascii() and entry.isdigit()


def _ours(uuids: Sequence[str], cards_n: int, setup: Setup) -> _Selection:
    rocr, hip = (os.environ.get(f"{name}_VISIBLE_DEVICES") for name in ("ROCR", "HIP"))
    if rocr is None and hip is None and setup.visible_devices and _has_nvidia(setup):
        # It names NVIDIA's boards, for a model that runs on these unless a process of ours is seen here.
        return _Selection(frozenset(), (), ask_processes=True)
    hip = setup.visible_devices if hip is None else hip
    entries = [part.strip() for text in (rocr, hip) if text for part in text.split(",")]
    by_number = any(map(_is_index, entries))
    # An id may be that of a board of which no id is known.
    unmatched = any(map(_is_uuid, entries)) and not all(uuids)
    untold = ((rocr is None and hip is None) or unmatched) and cards_n > 1
    reasons: tuple[str, ...] = ("device-order-assumed",) if by_number and len(uuids) > 1 else ()
    reasons += ("all-boards-counted",) if untold else ()
    chosen = frozenset(range(len(uuids))) if unmatched else boards_in_use(uuids, rocr, hip)
    return _Selection(chosen, reasons, ask_processes=untold)


def _has_nvidia(setup: Setup) -> bool:
    return (setup.sysfs / "module" / "nvidia").is_dir()


def _found(smi: Any, setup: Setup) -> Found:
    listed: list[_Board] = []
    absences: list[Absence] = []
    handles = smi.amdsmi_get_processor_handles()
    for index, handle in enumerate(handles):
        try:
            listed.append(_board(smi, index, handle, setup))
        except (smi.AmdSmiException, KeyError, TypeError) as error:
            absences.append(Absence(f"amd-gpu{index}", f"AMD SMI: {type(error).__name__}: {error}"))
    parts = _parts(listed)
    second = _second_dies([board for board in listed if board.index not in parts])
    cards = [board for board in listed if board.index not in (*parts, *second)]
    apus = frozenset(board.index for board in cards if board.scope is not None)
    uuids = [next((board.uuid for board in listed if board.index == index), "") for index in range(len(handles))]
    ours = _ours(uuids, len(cards) - len(apus) or len(apus), setup)
    still = _still(smi, [board for board in cards if board.label not in setup.sampled])
    still |= frozenset(board.index for board in cards if board.label in setup.sampled)
    channels: list[Channel] = []
    for board in cards:
        channel = _channel(smi, board, board.index not in still)
        if channel is None:
            why = f"{board.name} has neither an energy counter that counts nor a power gauge"
            absences.append(Absence(board.label, why))
            continue
        if board.index in still:
            why = f"it did not move within {MOVES_WITHIN_S} s: power is sampled instead of counted"
            absences.append(Absence(f"energy counter of {board.label}", why, "reboot: it has set frozen ones going"))
        same = [one for one in listed if board.index in (one.index, parts.get(one.index), second.get(one.index))]
        channel = _selected(channel, board.scope, frozenset(one.index for one in same), apus, ours)
        reasons: tuple[str, ...] = ("two-dies",) if board.index in second.values() else ()
        reasons += ("partitions-share-counter",) if board.index in parts.values() else ()
        asked = ours.ask_processes and (board.scope is None or len(apus) > 1)
        users = partial(_users, smi, [one.handle for one in same]) if asked else None
        channels.append(replace(channel, reasons=channel.reasons + reasons, users=users))
    labels = {board.index: board.label for board in listed}
    for index, first in second.items():
        why = f"second die of the card of {labels[first]}, whose counter covers both"
        absences.append(Absence(labels[index], why))
    for index, first in parts.items():
        why = f"a partition of the board of {labels[first]}, whose counter covers all of it and is counted once"
        absences.append(Absence(labels[index], why))
    return Found(tuple(channels), tuple(absences), frozenset(labels[index] for index in parts))


def _board(smi: Any, index: int, handle: Any, setup: Setup) -> _Board:
    name = str(smi.amdsmi_get_gpu_asic_info(handle)["market_name"])
    try:
        address = str(smi.amdsmi_get_gpu_device_bdf(handle)).strip().lower()
    except (smi.AmdSmiException, AttributeError):
        address = ""
    device = setup.sysfs / "bus" / "pci" / "devices" / address
    scope = _scope(device, setup) if address else None
    return _Board(
        index=index,
        name=name,
        uuid=_uuid(device) if address else "",
        handle=handle,
        # The function of a partition's address is its number.
        place=address.rpartition(".")[0],
        reading=_accumulated(smi, handle),
        scope=_MI300A if "MI300A" in name else scope,
    )


def _parts(boards: Sequence[_Board]) -> dict[int, int]:
    """Boards at the place of an earlier one on the PCI bus, each with that one.

    Whether a partition's accumulator is that of the package is not documented. There is one package to count.
    """
    first: dict[str, int] = {}
    return {
        board.index: first[board.place]
        for board in boards
        if board.place and first.setdefault(board.place, board.index) != board.index
    }


def _second_dies(boards: Sequence[_Board]) -> dict[int, int]:
    """Boards whose counter reads zero, each with the die of the same card that shows the energy of both."""
    counts = {board.index: (board.name, board.reading[0]) for board in boards if board.reading is not None}
    second: dict[int, int] = {}
    for index, (name, count) in counts.items():
        first_name, first_count = counts.get(index ^ 1, ("", 0))  # dies of a card are listed one after the other
        if count == 0 and first_count > 0 and first_name == name:
            second[index] = index ^ 1
    return second


def _still(smi: Any, boards: Sequence[_Board]) -> frozenset[int]:
    """The boards whose accumulator holds a count that does not move, as it does even when they idle."""
    waiting = {board.index: board for board in boards if board.reading is not None and board.reading[0] > 0}
    ends_s = time.monotonic() + MOVES_WITHIN_S
    while waiting and time.monotonic() < ends_s:
        for index, board in tuple(waiting.items()):
            now = _accumulated(smi, board.handle)
            if now is not None and now != board.reading:
                del waiting[index]
        if waiting:
            time.sleep(MOVES_LOOK_S)
    return frozenset(waiting)


def _channel(smi: Any, board: _Board, counts: bool) -> Channel | None:
    """The board's accumulator if it ``counts``, or else its gauge; ``None`` when it has neither."""
    if counts and board.reading is not None and board.reading[0] > 0:
        count_j = board.reading[1]
        gauge = _reader(smi, lambda: _compared_power_w(smi, board.handle))
        return Channel(
            name=board.label,
            component=Component.GPU,
            provenance=Provenance.COUNTER,
            quantity=Quantity.ENERGY,
            read=_reader(smi, lambda: _count(smi, board.handle)),
            device=board.name,
            count_j=count_j,
            resolution_j=count_j,
            update_period_s=UPDATE_PERIOD_S,
            accuracy_ratio=ACCURACY_RATIO,
            gauge=gauge if _answers(gauge) else None,
        )
    gauge = _reader(smi, lambda: _power_w(smi, board.handle))
    return _gauge(board.label, board.name, gauge) if _answers(gauge) else None


def _gauge(name: str, device: str, read: Callable[[], float]) -> Channel:
    return Channel(
        name=name,
        component=Component.GPU,
        provenance=Provenance.SAMPLED,
        quantity=Quantity.POWER,
        read=read,
        device=device,
        update_period_s=UPDATE_PERIOD_S,
        accuracy_ratio=ACCURACY_RATIO,
    )


def _selected(
    channel: Channel, scope: _Scope | None, indices: frozenset[int], apus: frozenset[int], ours: _Selection
) -> Channel:
    """The channel as ours or not, by the ``indices`` that stand for it; that of an APU for what it covers."""
    in_use = not indices.isdisjoint(ours.indices)
    if scope is None:
        return replace(channel, in_use=in_use, reasons=ours.reasons)
    return replace(
        channel,
        component=Component.BOARD,
        covers=scope.covers,
        part_of=scope.part_of,
        # Whatever runs here runs on a processor: an APU is left out only where the choice fell on another one.
        in_use=in_use or ours.indices.isdisjoint(apus),
        reasons=(*(ours.reasons if len(apus) > 1 else ()), "socket-scope"),
    )


def _scope(device: Path, setup: Setup) -> _Scope | None:
    """What the readings of a board cover if it is an APU, by its folder in sysfs; ``None`` if nothing there says so."""
    if _text(device / "device") == MI300A_DEVICE:
        return _MI300A
    labels = {_text(file) for file in device.glob("hwmon/hwmon*/in1_label")}
    if "vddnb" not in labels and _metrics_format(device) not in APU_METRICS_FORMATS:
        return None
    return _RYZEN_BESIDE_NVIDIA if _has_nvidia(setup) else _RYZEN


def _metrics_format(device: Path) -> int | None:
    try:
        with (device / "gpu_metrics").open("rb") as file:
            header = file.read(4)
    except OSError:  # not there, or the board sleeps
        return None
    return header[2] if len(header) == 4 else None


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


def _accumulated(smi: Any, handle: Any) -> tuple[int, float] | None:
    try:
        answer = smi.amdsmi_get_energy_count(handle)
        return _counted(answer), _count_j(float(answer["counter_resolution"]) * 1e-6)
    except (smi.AmdSmiException, KeyError, TypeError, ValueError):  # what it cannot tell, it may call "N/A"
        return None


def _count(smi: Any, handle: Any) -> int:
    return _counted(smi.amdsmi_get_energy_count(handle))


def _counted(answer: Any) -> int:
    """The count in an answer of the library; raises ``ValueError`` where that says that there is none."""
    name = "energy_accumulator" if "energy_accumulator" in answer else "power"  # its name until 2024
    count = int(answer[name])
    if count >= UNSUPPORTED_N:
        raise ValueError("the board has no accumulator")
    return count


def _count_j(stated_j: float) -> float:
    """The joules of a count: the kernel's unit where the library says a number that was rounded from it."""
    return COUNT_J if abs(stated_j / COUNT_J - 1) < COUNT_ROUNDED_RATIO else stated_j


def _power_w(smi: Any, handle: Any) -> float:
    """The power of the socket in watts; which of the fields is filled depends on the generation of the board."""
    answer = smi.amdsmi_get_power_info(handle)
    for name in ("socket_power", "current_socket_power", "average_socket_power"):
        value = answer.get(name)
        if isinstance(value, int | float) and 0 < value < 0xFFFF:  # all bits set stands for "not supported"
            return float(value)
    raise ValueError("no field holds a power")


def _compared_power_w(smi: Any, handle: Any) -> float:
    power_w = _power_w(smi, handle)
    if power_w < COMPARED_POWER_MIN_W:
        raise ValueError("too coarse to compare a counter with")
    return power_w


def _users(smi: Any, handles: Sequence[Any]) -> frozenset[int] | None:
    """The processes that hold memory of a card, on any of its dies; ``None`` if it does not tell.

    Until 2026 AMD SMI listed a process of ROCm on every board that it could use; on those that it does not, it holds
    no memory. Releases before 6 list handles in place of processes, which tell nothing.
    """
    try:
        processes = [process for handle in handles for process in smi.amdsmi_get_gpu_process_list(handle)]
        return frozenset(int(process["pid"]) for process in processes if process["memory_usage"]["vram_mem"] != 0)
    except (smi.AmdSmiException, AttributeError, KeyError, TypeError, ValueError):
        return None


def _uuid(device: Path) -> str:
    """The board's id as ROCm's runtime writes it, by its folder in sysfs; empty where the driver tells none.

    The UUID that AMD SMI gives is another one: the same number, made longer.
    """
    unique_id = _text(device / "unique_id")
    return f"GPU-{unique_id}" if unique_id else ""


def _reader(smi: Any, query: Callable[[], float]) -> Callable[[], float]:
    def read() -> float:
        try:
            return query()
        except (smi.AmdSmiException, KeyError, TypeError, ValueError):
            raise ReadFailure("read-failed") from None

    return read


def _answers(read: Callable[[], float]) -> bool:
    try:
        read()
    except ReadFailure:
        return False
    return True


@contextmanager
def _gauges(setup: Setup) -> Iterator[Found]:
    """Power gauges of the amdgpu driver, in order of cards; files stay open until the context ends."""
    monitors: list[Path] = []
    for folder in sorted((setup.sysfs / "class" / "drm").glob("card*/device/hwmon/hwmon*"), key=_card):
        names = ("power1_average", "power1_input")
        file = next((folder / name for name in names if (folder / name).exists()), None)
        if file is not None and _text(folder / "name") == "amdgpu":
            monitors.append(file)
    scopes = [_scope(file.parents[2], setup) for file in monitors]
    apus = frozenset(index for index, scope in enumerate(scopes) if scope is not None)
    uuids = [_uuid(file.parents[2]) for file in monitors]
    ours = _ours(uuids, len(monitors) - len(apus) or len(apus), setup)
    channels: list[Channel] = []
    absences: list[Absence] = []
    with ExitStack() as stack:
        for index, (file, scope) in enumerate(zip(monitors, scopes, strict=True)):
            name = _label(index, scope)
            try:
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                absences.append(Absence(name, f"{file}: {error.strerror}"))
                continue
            stack.callback(os.close, descriptor)
            channel = _gauge(name, f"AMD GPU {file.parents[3].name}", _file_reader(descriptor))
            channels.append(_selected(channel, scope, frozenset((index,)), apus, ours))
        yield Found(tuple(channels), tuple(absences))


def _card(folder: Path) -> tuple[int, str]:
    number = folder.parents[2].name.removeprefix("card")
    return (int(number) if number.isdigit() else -1, folder.name)


def _file_reader(descriptor: int) -> Callable[[], float]:
    def read() -> float:
        try:
            return int(os.pread(descriptor, 32, 0)) / 1e6
        except (OSError, ValueError):
            raise ReadFailure("read-failed") from None

    return read
