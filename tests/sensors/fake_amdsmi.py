"""What the ``amdsmi`` package offers, over boards described in a file: copied to a path as ``amdsmi.py`` by the tests.

``boards.json`` beside it lists ``{"name", "bdf", "energy": {…} or null, "power": {…} or null}``; null raises.
An accumulator above zero has moved by one count whenever it is read, unless its board is ``"frozen"``.
"""

import json
from pathlib import Path
from typing import Any


class AmdSmiException(Exception):
    pass


class AmdSmiLibraryException(AmdSmiException):
    pass


STARTED: list[bool] = []
READ_N: dict[int, int] = {}


def _boards() -> list[dict[str, Any]]:
    boards: list[dict[str, Any]] = json.loads(Path(__file__).with_name("boards.json").read_text())
    return boards


def _field(handle: int, name: str) -> Any:
    if not STARTED:
        raise AmdSmiLibraryException("not initialised")
    value = _boards()[handle][name]
    if value is None:
        raise AmdSmiLibraryException("not supported")
    return value


def amdsmi_init() -> None:
    if not _boards():
        raise AmdSmiLibraryException("no driver")
    STARTED.append(True)


def amdsmi_shut_down() -> None:
    STARTED.pop()


def amdsmi_get_processor_handles() -> list[int]:
    return list(range(len(_boards())))


def amdsmi_get_gpu_asic_info(handle: int) -> dict[str, Any]:
    return {"market_name": _field(handle, "name")}


def amdsmi_get_gpu_device_bdf(handle: int) -> Any:
    return _field(handle, "bdf")


def amdsmi_get_energy_count(handle: int) -> Any:
    energy = _field(handle, "energy")
    for name in {"energy_accumulator", "power"} & set(energy):
        if isinstance(energy[name], int) and energy[name] > 0 and not _field(handle, "frozen"):
            READ_N[handle] = READ_N.get(handle, 0) + 1
            energy[name] += READ_N[handle]
    return energy


def amdsmi_get_power_info(handle: int) -> Any:
    return _field(handle, "power")
