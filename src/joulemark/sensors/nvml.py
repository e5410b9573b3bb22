"""NVIDIA boards through NVML (nvidia-ml-py): the total-energy counter, or instant power where there is none.

The counter (mJ since the driver was loaded, Volta and later) covers a whole board, MIG instances included. It is
refreshed every 20 to 100 ms. The vendor states ±5 %. ``CUDA_VISIBLE_DEVICES`` says which boards are ours; the others
are handed out too, as metered but not used.
Source: https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from joulemark.records import Absence, Channel, Component, Provenance, Quantity, ReadFailure
from joulemark.sensors import Found, Setup

LIBRARY = "libnvidia-ml.so.1"
COUNT_J = 1e-3
UPDATE_PERIOD_S = 0.1  # the slow end of what boards do
ACCURACY_RATIO = 0.05
POWER_INSTANT_FIELD = 186  # NVML_FI_DEV_POWER_INSTANT; power usage itself is a one-second mean on recent boards


@dataclass(frozen=True, slots=True)
class Board:
    """One GPU as NVML lists it."""

    index: int
    uuid: str
    name: str
    in_use: bool


@contextmanager
def nvml(setup: Setup) -> Iterator[Found]:
    """Open NVML and one channel for each board; shut NVML down when the context ends."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        yield Found(absences=(Absence("nvml", f"no {LIBRARY}", "an NVIDIA board needs its driver installed"),))
        return
    try:
        import pynvml
    except ImportError:
        remedy = "pip install 'joulemark[nvidia]'"
        yield Found(absences=(Absence("nvml", "there is a driver but not the nvidia-ml-py package", remedy),))
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        yield Found(absences=(Absence("nvml", f"NVML does not start: {error}", "is the driver loaded? nvidia-smi"),))
        return
    try:
        yield _found(pynvml, setup)
    finally:
        pynvml.nvmlShutdown()


def boards_in_use(uuids: tuple[str, ...], visible_devices: str | None) -> frozenset[int]:
    """The indices that ``CUDA_VISIBLE_DEVICES`` selects; as in CUDA, an invalid entry hides it and all that follow.

    Entries are indices or prefixes of a UUID (``GPU-…``). ``None`` (unset) selects all, an empty string none.
    """
    if visible_devices is None:
        return frozenset(range(len(uuids)))
    chosen: list[int] = []
    for entry in visible_devices.split(","):
        text = entry.strip()
        if text.isdigit() and int(text) < len(uuids):
            chosen.append(int(text))
            continue
        matches = [index for index, uuid in enumerate(uuids) if text.startswith("GPU-") and uuid.startswith(text)]
        if len(matches) != 1:
            break
        chosen.append(matches[0])
    return frozenset(chosen)


def _found(pynvml: Any, setup: Setup) -> Found:
    handles: list[Any] = []
    absences: list[Absence] = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handles.append(pynvml.nvmlDeviceGetHandleByIndex(index))
        except pynvml.NVMLError as error:
            absences.append(Absence(f"gpu{index}", f"NVML: {error}", "reset the board or leave it out"))
    uuids = tuple(_text(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles)
    ours = boards_in_use(uuids, setup.visible_devices)
    channels: list[Channel] = []
    for index, handle in enumerate(handles):
        board = Board(index, uuids[index], _text(pynvml.nvmlDeviceGetName(handle)), index in ours)
        channel = _channel(pynvml, handle, board)
        if channel is None:
            absences.append(Absence(f"gpu{index}", f"{board.name} has neither an energy counter nor a power gauge"))
        else:
            channels.append(channel)
    return Found(tuple(channels), tuple(absences))


def _channel(pynvml: Any, handle: Any, board: Board) -> Channel | None:
    counter = _reader(pynvml, lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    if _answers(counter):
        return Channel(
            name=f"gpu{board.index}",
            component=Component.GPU,
            provenance=Provenance.COUNTER,
            quantity=Quantity.ENERGY,
            read=counter,
            device=board.name,
            count_j=COUNT_J,
            resolution_j=COUNT_J,
            update_period_s=UPDATE_PERIOD_S,
            accuracy_ratio=ACCURACY_RATIO,
            in_use=board.in_use,
        )
    gauges = (
        _reader(pynvml, lambda: _instant_power_w(pynvml, handle)),
        _reader(pynvml, lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000),
    )
    gauge = next((gauge for gauge in gauges if _answers(gauge)), None)
    if gauge is None:
        return None
    return Channel(
        name=f"gpu{board.index}",
        component=Component.GPU,
        provenance=Provenance.SAMPLED,
        quantity=Quantity.POWER,
        read=gauge,
        device=board.name,
        update_period_s=UPDATE_PERIOD_S,
        accuracy_ratio=ACCURACY_RATIO,
        in_use=board.in_use,
    )


def _instant_power_w(pynvml: Any, handle: Any) -> float:
    field = pynvml.nvmlDeviceGetFieldValues(handle, [POWER_INSTANT_FIELD])[0]
    if field.nvmlReturn != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(field.nvmlReturn)
    return float(field.value.uiVal) / 1000


def _reader(pynvml: Any, query: Callable[[], float]) -> Callable[[], float]:
    def read() -> float:
        try:
            return query()
        except pynvml.NVMLError as error:
            lost = error.value in (pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_UNINITIALIZED)
            raise ReadFailure("device-lost" if lost else "read-failed") from None

    return read


def _answers(read: Callable[[], float]) -> bool:
    try:
        read()
    except ReadFailure:
        return False
    return True


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
