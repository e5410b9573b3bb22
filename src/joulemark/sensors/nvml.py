"""NVIDIA boards through NVML (nvidia-ml-py): the total-energy counter, or a power gauge where there is none.

The counter (mJ since the driver was loaded, Volta and later) covers a whole board, MIG instances included. It is
refreshed every 20 to 100 ms. The vendor states ±5 %. It is read by its own function: the same value as a field (83)
brings a time stamp of the wall clock, which an edge on the monotonic clock cannot use, and costs more to ask for.
The power gauge has an instant field on recent drivers; the older function is a mean over one second from Ampere on.
On a module with a processor the counter may be that of all the module: then the board's own gauge is sampled, see
:mod:`joulemark.sensors.nvml_module`.

``CUDA_VISIBLE_DEVICES`` says which boards are ours; the others are handed out too, as metered but not used. A
channel's number is the index in NVML, which follows the PCI bus, whether or not boards before it answer.
Sources: https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html (counter, gauge, MIG, violations),
https://docs.nvidia.com/deploy/nvml-api/group__nvmlFieldValueEnums.html (fields and the scopes of power),
https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables (what is visible, in which order).
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup, no_reading
from joulemark.sensors.nvml_module import counts_module

LIBRARY = "libnvidia-ml.so.1"
PACKAGE = "nvidia-ml-py>=12.550.52"  # the first release that has all of NEEDED; pyproject.toml asks for the same
INSTALL = "pip install 'joulemark[nvidia]'"
REPLACE = f"pip uninstall pynvml; pip install '{PACKAGE}'"
# What older releases lack, and the package of others that is called pynvml and hides the module of nvidia-ml-py.
NEEDED = ("NVMLLibraryMismatchError", "nvmlDeviceGetC2cModeInfoV", "nvmlDeviceGetCurrentClocksEventReasons")
COUNT_J = 1e-3
UPDATE_PERIOD_S = 0.1  # the slow end of what boards do
POWER_MAX_W = 2000.0  # of a board that does not state its limit
PART_TIME_RATIO = 0.25  # the share of the time at which the sensor of a part-time board looks
MEAN_POWER_PERIOD_S = 1.0  # over which the older power function takes its mean
ACCURACY_RATIO = 0.05
POWER_AVERAGE_FIELD, POWER_INSTANT_FIELD = 185, 186  # NVML_FI_DEV_POWER_AVERAGE and _INSTANT
GPU_SCOPE, MODULE_SCOPE = 0, 1  # NVML_POWER_SCOPE_GPU and _MODULE: what the fields of power are asked about
# NVML_FI_DEV_PERF_POLICY_POWER and _THERMAL: what nvmlDeviceGetViolationStatus tells, which CUDA 13 deprecates.
POWER_VIOLATION_FIELD, THERMAL_VIOLATION_FIELD = 74, 75
ARCHITECTURE_TURING = 6  # NVML_DEVICE_ARCH_TURING: up to here the power function is instantaneous

# Bits of nvmlClocksEventReasons, once called throttle reasons (nvml.h).
CLOCK_REASONS = {
    0x001: "idle",
    0x002: "clocks-setting",
    0x004: "power-cap",
    0x008: "hardware-slowdown",
    0x010: "sync-boost",
    0x020: "software-thermal",
    0x040: "hardware-thermal",
    0x080: "power-brake",
    0x100: "display-clocks",
}

# Boards whose sensor looks at about a quarter of the time only: Yang, Adamek, Armour, "Part-time Power Measurements:
# nvidia-smi's Lack of Attention" (2023, https://arxiv.org/abs/2312.02741), seen on A100 and H100. Of the others it is
# inferred from their chip: GA100 (A800, A30, CMP 170HX: https://pci-ids.ucw.cz/read/PC/10de) or GH100 (H800, H20, H200,
# GH200: device ids 23xx in https://github.com/NVIDIA/gpu-admin-tools/blob/main/gpu/devid_names.py).
PART_TIME = re.compile(r"\b(?:[AH][18]00(?!\d)|G?H200(?!\d)|A30\b|H20\b|CMP 170HX)")  # not the RTX A1000

# Process ids that no process has. Drivers 535.43 to 535.86 write entries of 32 bytes where nvidia-ml-py reads 24: with
# several processes their fields are taken for ids, and real ones are lost (https://github.com/XuehaiPan/nvitop/pull/79).
NO_PIDS = frozenset({0, 0xFFFFFFFF})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Board:
    """One GPU as NVML lists it."""

    index: int
    uuid: str
    name: str
    mig_uuids: tuple[str, ...] = ()  # of its instances
    mig: bool = False  # MIG mode is on


@dataclass(frozen=True, slots=True)
class Selection:
    """The boards that are ours, by NVML index; ``assumed``: numbers were taken for NVML's, which they may not be."""

    indices: frozenset[int]
    assumed: bool = False
    untold: bool = False  # nobody said which of several are ours, or the one asked for is not there: all count


@dataclass(frozen=True, slots=True)
class BoardProcess:
    """A process that computes on a board; inside a container, those of others may be missing or without memory."""

    pid: int
    memory_byte: int | None


@dataclass(frozen=True, slots=True)
class BoardState:
    """What besides the work decides a board's power at this moment; ``None`` where the board does not say."""

    index: int
    processes: tuple[BoardProcess, ...] | None = None
    power_limit_w: float | None = None
    temperature_c: int | None = None
    clock_reasons: tuple[str, ...] | None = None  # why clocks are not higher now, in the words of CLOCK_REASONS
    power_violation_s: float | None = None  # how long a power limit has held clocks down so far: a count, to subtract
    thermal_violation_s: float | None = None  # and how long heat has


@dataclass(frozen=True, slots=True)
class _Open:
    """Boards that answer, their handles, and those that do not."""

    boards: Mapping[int, Board]
    handles: Mapping[int, Any]
    absences: tuple[Absence, ...]


def channel_name(index: int) -> str:
    """The name of the channel of the board with this index in NVML."""
    return f"gpu{index}"


@contextmanager
def nvml(setup: Setup) -> Iterator[Found]:
    """Open NVML and one channel for each board; shut NVML down when the context ends."""
    with opened_nvml() as pynvml:
        if isinstance(pynvml, Absence):
            # Without a library or a driver that starts nobody can use the boards either.
            closed = _closed(setup) if pynvml.remedy in (INSTALL, REPLACE) else ()
            yield Found(absences=(pynvml,), closed=closed)
        else:
            yield _found(pynvml, setup)


def _closed(setup: Setup) -> tuple[Channel, ...]:
    """The boards that the driver drives, where nobody can ask NVML for their energy, and a model may use them.

    The driver lists them below ``/proc/driver/nvidia/gpus`` (its README, "PROC interface").
    """
    boards = sorted((setup.proc / "driver" / "nvidia" / "gpus").glob("*"))
    return tuple(
        Channel(
            name=channel_name(index),
            component=Component.GPU,
            provenance=Provenance.COUNTER,
            quantity=Quantity.ENERGY,
            read=no_reading,
            device=f"NVIDIA board {board.name}",
            in_use=setup.visible_devices not in ("", "-1"),
        )
        for index, board in enumerate(boards)
    )


@contextmanager
def opened_nvml() -> Iterator[Any]:
    """The module of nvidia-ml-py with NVML open, or the :class:`Absence` that says why there is none.

    NVML is shut down when the context ends. A board that is gone by then makes that fail, which costs nothing.
    """
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        yield Absence("nvml", f"no {LIBRARY}", "an NVIDIA board needs its driver installed")
        return
    try:
        import pynvml
    except ImportError:
        yield Absence("nvml", "there is a driver but not the nvidia-ml-py package", INSTALL)
        return
    if not all(hasattr(pynvml, name) for name in NEEDED):
        why = f"{pynvml.__file__} is not of {PACKAGE}: it is older, or of another package called pynvml"
        yield Absence("nvml", why, REPLACE)
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        yield Absence("nvml", f"NVML does not start: {error}", "is the driver loaded? nvidia-smi")
        return
    try:
        yield pynvml
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def boards_state(pynvml: Any) -> tuple[BoardState, ...]:
    """The state of every board, in order of NVML indices, to compare before and after a window.

    NVML must be open (:func:`opened_nvml`); there are none where it does not even count them any more. Takes several
    calls to the driver for each board: not for hot paths.
    """
    return tuple(_state(pynvml, index) for index in range(_asked(pynvml, pynvml.nvmlDeviceGetCount) or 0))


def boards_in_use(
    boards: Mapping[int, Board],
    visible_devices: str | None,
    device_order: str | None = None,
    framework_uuids: tuple[str, ...] | None = None,
    boards_n: int | None = None,
) -> Selection:
    """The boards that ``CUDA_VISIBLE_DEVICES`` selects; as in CUDA, an invalid entry hides it and all that follow.

    Entries are indices, prefixes of a UUID (``GPU-…``) or instances (``MIG-…``), which stand for their board. ``None``
    (unset) selects all, an empty string none. CUDA numbers boards by speed unless ``device_order``
    (``CUDA_DEVICE_ORDER``) is ``PCI_BUS_ID``: with different boards numbers are only assumed to be NVML's. CUDA numbers
    those that it can open, so that a number is that of a board among ``boards``, which answer; with one that does not,
    of ``boards_n`` in all, that is only assumed too, and where no board is left to be meant, all are.
    ``framework_uuids`` are the boards that a framework has opened, which settles it.
    """
    if visible_devices is None:
        return Selection(frozenset(boards), untold=len(boards) > 1)
    answering = sorted(boards)
    chosen: list[int] = []
    by_number = moved = False  # a number that is not the board's in NVML, because one before it does not answer
    for entry in visible_devices.split(","):
        text = entry.strip()
        if text.isascii() and text.isdigit():
            number = int(text)
            matches = answering[number : number + 1]
            moved |= matches != [number] and number < (boards_n or len(boards))
            by_number = True
        else:
            matches = [
                index for index, board in boards.items() for uuid in _uuids(text, board) if uuid.startswith(text)
            ]
        if len(matches) != 1:
            break
        if matches[0] in chosen:  # the same board twice, of which CUDA then shows none
            return Selection(frozenset())
        chosen.append(matches[0])
    mixed = len({board.name for board in boards.values()}) > 1 and device_order != "PCI_BUS_ID"
    if not moved and not (by_number and mixed):
        return Selection(frozenset(chosen))
    if framework_uuids is not None:
        return Selection(frozenset(index for index, board in boards.items() if board.uuid in framework_uuids))
    if not chosen and moved:
        return Selection(frozenset(boards), untold=True)
    return Selection(frozenset(chosen), assumed=True)


def _uuids(text: str, board: Board) -> tuple[str, ...]:
    """The UUIDs of a board, or of its instances, of the kind that ``text`` begins."""
    if text.startswith("GPU-"):
        return (board.uuid,)
    if text.startswith("MIG-GPU-"):  # as drivers before R470 write it: the board's UUID and two numbers
        return (text,) if text.removeprefix("MIG-").partition("/")[0] == board.uuid else ()
    return board.mig_uuids if text.startswith("MIG-") else ()


def _framework_uuids() -> tuple[str, ...] | None:
    """UUIDs of the boards that torch has opened in this process; ``None`` unless it has."""
    torch = sys.modules.get("torch")
    try:
        if torch is None or not torch.cuda.is_initialized():
            return None
        boards_n = torch.cuda.device_count()
        uuids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(boards_n)]
    except (AttributeError, RuntimeError):  # a version without UUIDs
        return None
    return tuple(f"GPU-{uuid.removeprefix('GPU-')}" for uuid in uuids)


def _found(pynvml: Any, setup: Setup) -> Found:
    opened = _opened(pynvml)
    order = os.environ.get("CUDA_DEVICE_ORDER")
    boards_n = len(opened.boards) + len(opened.absences)
    ours = boards_in_use(opened.boards, setup.visible_devices, order, _framework_uuids(), boards_n)
    channels: list[Channel] = []
    absences = list(opened.absences)
    for index, board in opened.boards.items():
        try:
            channel = _channel(pynvml, opened.handles[index], board, ours, setup.sampled)
        except ReadFailure:
            absences.append(_lost(index, "it was lost while its sensors were tried"))
            continue
        if channel is None:
            absences.append(
                Absence(channel_name(index), f"{board.name} has neither an energy counter nor a power gauge")
            )
        else:
            channels.append(channel)
    return Found(tuple(channels), tuple(absences))


def _opened(pynvml: Any) -> _Open:
    boards: dict[int, Board] = {}
    handles: dict[int, Any] = {}
    absences: list[Absence] = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            boards[index] = _board(pynvml, index, handle)
        except pynvml.NVMLError as error:
            absences.append(_not_opened(pynvml, index, error))
            continue
        handles[index] = handle
    return _Open(boards, handles, tuple(absences))


def _board(pynvml: Any, index: int, handle: Any) -> Board:
    mode = _asked(pynvml, lambda: pynvml.nvmlDeviceGetMigMode(handle))
    mig = mode is not None and mode[0] == 1
    return Board(
        index=index,
        uuid=_text(pynvml.nvmlDeviceGetUUID(handle)),
        name=_text(pynvml.nvmlDeviceGetName(handle)),
        mig_uuids=_mig_uuids(pynvml, handle) if mig else (),
        mig=mig,
    )


def _not_opened(pynvml: Any, index: int, error: Exception) -> Absence:
    if isinstance(error, pynvml.NVMLError_NoPermission):  # as of a board that the container was not given
        return Absence(channel_name(index), f"NVML: {error}", "if it is yours, give the process access to it")
    return _lost(index, f"NVML: {error}")


def _lost(index: int, why: str) -> Absence:
    return Absence(channel_name(index), why, "reset the board (nvidia-smi --gpu-reset) or leave it out")


def _mig_uuids(pynvml: Any, handle: Any) -> tuple[str, ...]:
    uuids: list[str] = []
    for instance_i in range(_asked(pynvml, lambda: pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)) or 0):
        try:
            instance = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, instance_i)
            uuids.append(_text(pynvml.nvmlDeviceGetUUID(instance)))
        except pynvml.NVMLError:
            continue  # a place without an instance
    return tuple(uuids)


def _channel(pynvml: Any, handle: Any, board: Board, ours: Selection, sampled: Sequence[str]) -> Channel | None:
    """The board's counter or else its gauge; ``None`` when it has neither. Raises :class:`ReadFailure` when lost.

    Of a channel in ``sampled`` it has been found out that its counter is not to be read.
    """
    reasons: tuple[str, ...] = ("mig-shared",) if board.mig else ()
    reasons += ("device-order-assumed",) if ours.assumed else ()
    reasons += ("all-boards-counted",) if ours.untold else ()
    part_time = PART_TIME.search(board.name) is not None
    reasons += ("part-time-sensor",) if part_time else ()
    counter = _reader(pynvml, lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    instant = _reader(pynvml, lambda: _power_w(pynvml, handle, POWER_INSTANT_FIELD, GPU_SCOPE))
    channel = Channel(
        name=channel_name(board.index),
        component=Component.GPU,
        provenance=Provenance.COUNTER,
        quantity=Quantity.ENERGY,
        read=counter,
        device=board.name,
        count_j=COUNT_J,
        resolution_j=COUNT_J,
        update_period_s=UPDATE_PERIOD_S,
        seen_ratio=PART_TIME_RATIO if part_time else 1.0,
        accuracy_ratio=ACCURACY_RATIO,
        power_max_w=_power_limit_w(pynvml, handle) or POWER_MAX_W,
        in_use=board.index in ours.indices,
        reasons=reasons,
        gauge=instant if _answers(instant) else None,
        users=partial(_users, pynvml, handle) if ours.untold else None,
    )
    counted = channel.name not in sampled and _answers(counter)
    if _beside_processor(pynvml, handle):
        return _channel_on_module(pynvml, handle, channel, counted)
    if counted:
        return channel
    return _by_usage(pynvml, handle, channel) if channel.gauge is None else _sampled(channel, channel.gauge)


def _beside_processor(pynvml: Any, handle: Any) -> bool:
    """Whether a link from chip to chip is on, which joins the GPU with the processor of its module."""
    mode = _asked(pynvml, lambda: pynvml.nvmlDeviceGetC2cModeInfoV(handle))
    return mode is not None and mode.isC2cEnabled == 1


def _channel_on_module(pynvml: Any, handle: Any, channel: Channel, counted: bool) -> Channel | None:
    """The channel of a board beside a processor, whose counter, if ``counted``, may be that of their module.

    Where it is, the board's own gauge is sampled: the processor has sensors of its own, which the counter would hold
    once more, and which also count where the board is not used. So it is where that does not show. Without a gauge, the
    board has drawn anything up to what was counted.
    """
    board_w, period_s = _scoped_gauge(pynvml, handle, GPU_SCOPE)
    module_w, _ = _scoped_gauge(pynvml, handle, MODULE_SCOPE)
    of_module = None
    if counted and board_w is not None:
        try:
            of_module = counts_module(lambda: channel.read() * channel.count_j, board_w, module_w)
        except ReadFailure as failure:
            if failure.reason == "device-lost":
                raise
    if of_module is False:
        return channel
    if board_w is not None and not counted:
        return _sampled(channel, board_w, period_s)
    reason = "counter-of-module" if of_module else "counter-scope-unknown"
    channel = replace(channel, reasons=(*channel.reasons, reason))
    if board_w is not None:
        return _sampled(channel, board_w, period_s)
    widest = replace(channel, accuracy_ratio=1.0, gauge=None)
    return widest if counted else _by_usage(pynvml, handle, widest)


def _scoped_gauge(pynvml: Any, handle: Any, scope: int) -> tuple[Callable[[], float] | None, float]:
    """A gauge of the board or of its module, and its period in s; ``None`` where neither field tells more than 0 W."""
    for field, period_s in ((POWER_INSTANT_FIELD, UPDATE_PERIOD_S), (POWER_AVERAGE_FIELD, MEAN_POWER_PERIOD_S)):
        gauge = _reader(pynvml, partial(_power_w, pynvml, handle, field, scope))
        if _first(gauge):
            return gauge, period_s
    return None, UPDATE_PERIOD_S


def _by_usage(pynvml: Any, handle: Any, channel: Channel) -> Channel | None:
    """The channel with the older power function for its gauge, where that answers."""
    usage = _reader(pynvml, lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000)
    if not _answers(usage):
        return None
    architecture = _asked(pynvml, lambda: pynvml.nvmlDeviceGetArchitecture(handle))
    instantaneous = architecture is not None and architecture <= ARCHITECTURE_TURING
    return _sampled(channel, usage, UPDATE_PERIOD_S if instantaneous else MEAN_POWER_PERIOD_S)


def _sampled(channel: Channel, gauge: Callable[[], float], period_s: float = UPDATE_PERIOD_S) -> Channel:
    """The channel with a gauge in place of its counter."""
    return replace(
        channel,
        provenance=Provenance.SAMPLED,
        quantity=Quantity.POWER,
        read=gauge,
        count_j=1.0,
        resolution_j=0.0,
        update_period_s=period_s,
        gauge=None,
    )


def _users(pynvml: Any, handle: Any) -> frozenset[int] | None:
    """The processes that compute on a board, through the multi-process service too; ``None`` if it does not tell."""
    processes = _asked(pynvml, lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    if processes is None:
        return None
    shared = _asked(pynvml, lambda: pynvml.nvmlDeviceGetMPSComputeRunningProcesses(handle)) or []
    believed = _believed((*processes, *shared))
    return None if believed is None else frozenset(process.pid for process in believed)


def _believed(processes: Sequence[Any] | None) -> Sequence[Any] | None:
    """The processes, unless one has an id that no process has: then none of them is known."""
    return None if processes is None or any(process.pid in NO_PIDS for process in processes) else processes


def _power_limit_w(pynvml: Any, handle: Any) -> float | None:
    """The limit that the board holds its mean power to."""
    limit_mw = _asked(pynvml, lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    return limit_mw / 1000 if limit_mw else None


def _power_w(pynvml: Any, handle: Any, field: int, scope: int) -> float:
    """A power, which NVML tells in mW."""
    return float(_field(pynvml, handle, field, scope).value.uiVal) / 1000


def _field(pynvml: Any, handle: Any, field: int, scope: int = 0) -> Any:
    answer = pynvml.nvmlDeviceGetFieldValues(handle, [(field, scope)])[0]
    if answer.nvmlReturn != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(answer.nvmlReturn)
    return answer


def _reader(pynvml: Any, query: Callable[[], float]) -> Callable[[], float]:
    def read() -> float:
        try:
            return query()
        except pynvml.NVMLError as error:
            lost = error.value in (pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_UNINITIALIZED)
            raise ReadFailure("device-lost" if lost else "read-failed") from None

    return read


def _answers(read: Callable[[], float]) -> bool:
    return _first(read) is not None


def _first(read: Callable[[], float]) -> float | None:
    """What a reader says now; ``None`` where it does not. Raises :class:`ReadFailure` when the board is lost."""
    try:
        return read()
    except ReadFailure as failure:
        if failure.reason == "device-lost":
            raise
        return None


def _state(pynvml: Any, index: int) -> BoardState:
    handle = _asked(pynvml, lambda: pynvml.nvmlDeviceGetHandleByIndex(index))
    if handle is None:
        return BoardState(index)
    processes = _believed(_asked(pynvml, lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle)))
    limit_mw = _asked(pynvml, lambda: pynvml.nvmlDeviceGetPowerManagementLimit(handle))
    bits = _asked(pynvml, lambda: pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    if bits is None:  # drivers before R535 know the older name only
        bits = _asked(pynvml, lambda: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
    return BoardState(
        index=index,
        processes=None
        if processes is None
        else tuple(BoardProcess(process.pid, process.usedGpuMemory) for process in processes),
        power_limit_w=None if limit_mw is None else limit_mw / 1000,
        temperature_c=_asked(pynvml, lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)),
        clock_reasons=None if bits is None else _words(bits),
        power_violation_s=_violation_s(pynvml, handle, pynvml.NVML_PERF_POLICY_POWER, POWER_VIOLATION_FIELD),
        thermal_violation_s=_violation_s(pynvml, handle, pynvml.NVML_PERF_POLICY_THERMAL, THERMAL_VIOLATION_FIELD),
    )


def _violation_s(pynvml: Any, handle: Any, policy: int, field: int) -> float | None:
    """How long a policy has held the clocks down so far; NVML counts it in ns, in the call and in the field."""
    status = _asked(pynvml, lambda: pynvml.nvmlDeviceGetViolationStatus(handle, policy))
    if status is not None:
        return float(status.violationTime) / 1e9
    answer = _asked(pynvml, lambda: _field(pynvml, handle, field))
    return None if answer is None else float(answer.value.ullVal) / 1e9


def _words(bits: int) -> tuple[str, ...]:
    """The words for the bits that are set; one that has no word keeps its number."""
    set_bits = (1 << place for place in range(bits.bit_length()) if bits >> place & 1)
    return tuple(CLOCK_REASONS.get(bit, f"bit-{bit:#x}") for bit in set_bits)


def _asked(pynvml: Any, query: Callable[[], _T]) -> _T | None:
    """The answer to ``query``, or ``None`` where the board or the driver does not support it."""
    try:
        return query()
    except (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError):  # the latter: the driver has another version of it
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
