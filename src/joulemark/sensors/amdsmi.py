"""AMD GPUs: the energy accumulator of AMD SMI (its own ``amdsmi`` package), or the driver's power gauge without it.

The accumulator counts in steps of ``counter_resolution`` µJ (about 15.26, 2⁻¹⁶ J). It comes with a time stamp of its
own (ns), which is not used: edges are taken on this machine's clock, and the update period enters the error instead.
On cards with two dies (MI250) one die shows the energy of both and the other reads zero: the card is one channel.
Virtual machines have no accumulator. Without the package, ``power1_average`` or ``power1_input`` (µW) of the driver's
hardware monitor is sampled.

``ROCR_VISIBLE_DEVICES`` and then ``HIP_VISIBLE_DEVICES`` (or, in its place, ``CUDA_VISIBLE_DEVICES``) say which boards
are ours; their numbers are taken for the order of AMD SMI. Where none is set, the processes on each of several cards
tell; without the package all cards count.
Sources: https://rocm.docs.amd.com/projects/amdsmi/en/latest/reference/amdsmi-py-api.html,
https://github.com/ROCm/rocm_smi_lib/issues/160 (secondary dies),
https://github.com/ROCm/rocm-systems/pull/8396, https://github.com/ROCm/legacy-rocm-build/issues/2292 (processes),
https://rocm.docs.amd.com/en/latest/conceptual/gpu-isolation.html (visible devices),
https://docs.kernel.org/gpu/amdgpu/thermal.html (gauge).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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


@dataclass(frozen=True, slots=True)
class _Board:
    index: int
    name: str
    uuid: str
    handle: Any
    reading: Any  # (count, µJ per count) of the accumulator, or None


@dataclass(frozen=True, slots=True)
class _Selection:
    """The boards that are ours, by index; ``untold``: several cards, and nobody said which are ours: all count."""

    indices: frozenset[int]
    reasons: tuple[str, ...]
    untold: bool


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
        yield _found(smi, setup)
    finally:
        smi.amdsmi_shut_down()


def boards_in_use(uuids: Sequence[str], rocr: str | None, hip: str | None) -> frozenset[int]:
    """The indices that are visible: ``rocr`` selects among all boards, ``hip`` among those that are left.

    Entries are indices, or for ``rocr`` UUIDs (``GPU-…``) too; the first invalid one hides all that follow. ``None``
    selects all.
    """
    visible = list(range(len(uuids)))
    for selection in (rocr, hip):
        if selection is None:
            continue
        chosen: list[int] = []
        for entry in selection.split(","):
            text = entry.strip()
            matches = [index for index in visible if text.startswith("GPU-") and uuids[index] == text]
            if text.isdigit() and int(text) < len(visible):
                matches = [visible[int(text)]]
            if not matches:
                break
            chosen.append(matches[0])
        visible = chosen
    return frozenset(visible)


def _ours(uuids: Sequence[str], cards_n: int, setup: Setup) -> _Selection:
    rocr = os.environ.get("ROCR_VISIBLE_DEVICES")
    hip = os.environ.get("HIP_VISIBLE_DEVICES", setup.visible_devices)
    by_number = any(part.strip().isdigit() for text in (rocr, hip) if text for part in text.split(","))
    untold = rocr is None and hip is None and cards_n > 1
    reasons: tuple[str, ...] = ("device-order-assumed",) if by_number and len(uuids) > 1 else ()
    reasons += ("all-boards-counted",) if untold else ()
    return _Selection(boards_in_use(uuids, rocr, hip), reasons, untold)


def _found(smi: Any, setup: Setup) -> Found:
    boards: list[_Board] = []
    absences: list[Absence] = []
    handles = smi.amdsmi_get_processor_handles()
    for index, handle in enumerate(handles):
        try:
            name = smi.amdsmi_get_gpu_asic_info(handle)["market_name"]
            boards.append(_Board(index, name, _uuid(smi, handle), handle, _accumulated(smi, handle)))
        except smi.AmdSmiException as error:
            absences.append(Absence(f"amd-gpu{index}", f"AMD SMI: {error}"))
    uuids = [next((board.uuid for board in boards if board.index == index), "") for index in range(len(handles))]
    second = _second_dies(boards)
    ours = _ours(uuids, len(boards) - len(second), setup)
    channels: list[Channel] = []
    for board in boards:
        if board.index in second:
            why = f"second die of the card of amd-gpu{second[board.index]}, whose counter covers both"
            absences.append(Absence(f"amd-gpu{board.index}", why))
            continue
        dies = [die for die in boards if second.get(die.index, die.index) == board.index]
        reasons = (*ours.reasons, "two-dies") if len(dies) > 1 else ours.reasons
        channel = _channel(smi, board, any(die.index in ours.indices for die in dies), reasons)
        if channel is None:
            why = f"{board.name} has neither an energy counter that counts nor a power gauge"
            absences.append(Absence(f"amd-gpu{board.index}", why))
        else:
            users = partial(_users, smi, [die.handle for die in dies]) if ours.untold else None
            channels.append(replace(channel, users=users))
    return Found(tuple(channels), tuple(absences))


def _second_dies(boards: Sequence[_Board]) -> dict[int, int]:
    """Boards whose counter reads zero, each with the die of the same card that shows the energy of both."""
    counts = {board.index: (board.name, board.reading[0]) for board in boards if board.reading is not None}
    second: dict[int, int] = {}
    for index, (name, count) in counts.items():
        first_name, first_count = counts.get(index ^ 1, ("", 0))  # dies of a card are listed one after the other
        if count == 0 and first_count > 0 and first_name == name:
            second[index] = index ^ 1
    return second


def _channel(smi: Any, board: _Board, in_use: bool, reasons: tuple[str, ...]) -> Channel | None:
    if board.reading is not None and board.reading[0] > 0:
        count_j = board.reading[1] * 1e-6
        gauge = _reader(smi, lambda: _compared_power_w(smi, board.handle))
        return Channel(
            name=f"amd-gpu{board.index}",
            component=Component.GPU,
            provenance=Provenance.COUNTER,
            quantity=Quantity.ENERGY,
            read=_reader(smi, lambda: _count(smi, board.handle)),
            device=board.name,
            count_j=count_j,
            resolution_j=count_j,
            update_period_s=UPDATE_PERIOD_S,
            in_use=in_use,
            reasons=reasons,
            gauge=gauge if _answers(gauge) else None,
        )
    gauge = _reader(smi, lambda: _power_w(smi, board.handle))
    return _gauge(board.index, board.name, gauge, in_use, reasons) if _answers(gauge) else None


def _gauge(index: int, device: str, read: Callable[[], float], in_use: bool, reasons: tuple[str, ...]) -> Channel:
    return Channel(
        name=f"amd-gpu{index}",
        component=Component.GPU,
        provenance=Provenance.SAMPLED,
        quantity=Quantity.POWER,
        read=read,
        device=device,
        update_period_s=UPDATE_PERIOD_S,
        in_use=in_use,
        reasons=reasons,
    )


def _accumulated(smi: Any, handle: Any) -> tuple[int, float] | None:
    try:
        answer = smi.amdsmi_get_energy_count(handle)
        return int(_counted(answer)), float(answer["counter_resolution"])
    except (smi.AmdSmiException, KeyError, TypeError, ValueError):  # what it cannot tell, it may call "N/A"
        return None


def _count(smi: Any, handle: Any) -> int:
    return int(_counted(smi.amdsmi_get_energy_count(handle)))


def _counted(answer: Any) -> Any:
    return answer["energy_accumulator"] if "energy_accumulator" in answer else answer["power"]  # its name until 2024


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


def _uuid(smi: Any, handle: Any) -> str:
    try:
        return str(smi.amdsmi_get_gpu_device_uuid(handle))
    except smi.AmdSmiException:
        return ""


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
        if file is not None and _is_amd(folder):
            monitors.append(file)
    ours = _ours([""] * len(monitors), len(monitors), setup)
    channels: list[Channel] = []
    absences: list[Absence] = []
    with ExitStack() as stack:
        for index, file in enumerate(monitors):
            try:
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                absences.append(Absence(f"amd-gpu{index}", f"{file}: {error.strerror}"))
                continue
            stack.callback(os.close, descriptor)
            read = _file_reader(descriptor)
            channels.append(_gauge(index, f"AMD GPU {file.parents[3].name}", read, index in ours.indices, ours.reasons))
        yield Found(tuple(channels), tuple(absences))


def _card(folder: Path) -> tuple[int, str]:
    number = folder.parents[2].name.removeprefix("card")
    return (int(number) if number.isdigit() else -1, folder.name)


def _is_amd(folder: Path) -> bool:
    try:
        return (folder / "name").read_text().strip() == "amdgpu"
    except OSError:
        return False


def _file_reader(descriptor: int) -> Callable[[], float]:
    def read() -> float:
        try:
            return int(os.pread(descriptor, 32, 0)) / 1e6
        except (OSError, ValueError):
            raise ReadFailure("read-failed") from None

    return read
