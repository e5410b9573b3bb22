"""The boards and processors that the runs of a cell used, with what is known of their making."""

from __future__ import annotations

import re
from collections.abc import Sequence

from joulemark.impact.embodied import Device, device_or_none
from joulemark.measurement import ChannelEnergy, Component
from joulemark.records import Machine, Run

NEVER_KNOWN = "memory, board, disks and power supply"
_SOCKET = re.compile(r"(?:package|grace)-\d+")  # what every die of it carries in its name


def used_devices(runs: Sequence[Run], machines: Sequence[Machine]) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """The devices that the first run used and whose making is known, and what is left out beside them."""
    first = runs[0] if runs else None
    machine = next((one for one in machines if first and one.machine_id == first.machine_id), None)
    if first is None or first.measurement is None or machine is None:
        return (), ()
    used = [channel for channel in first.measurement.channels if channel.in_use and channel.part_of is None]
    boards = [channel.name for channel in used if channel.component is Component.GPU]
    names = [_board(name, machine) for name in boards]
    unsure: list[str] = []
    if len(boards) < len(machine.gpus) and any(_index(name) is None for name in boards):
        unsure.append(f"other boards of its {len(machine.gpus):,} (how many were used is not recorded)")
    sockets_n = _sockets_n(used, machine)
    names += [machine.cpu] * (1 if sockets_n is None else sockets_n)
    devices = tuple(device for name in names if (device := device_or_none(name)) is not None)
    unknown = [name.strip() or "what has no name" for name in dict.fromkeys(names) if device_or_none(name) is None]
    if sockets_n is None and device_or_none(machine.cpu) is not None:
        unsure.append("other processors (how many there are is not recorded)")
    return devices, (*unknown, *unsure, NEVER_KNOWN)


def _sockets_n(used: Sequence[ChannelEnergy], machine: Machine) -> int | None:
    """How many processors the channels are of; ``None`` where one stands for all there are."""
    names = [channel.name for channel in used if channel.component is Component.CPU]
    sockets = {socket[0] for name in names if (socket := _SOCKET.match(name))}
    if sockets or not names:
        return len(sockets)
    return 1 if machine.cpu.startswith("Apple ") else None  # its dies are one chip


def _board(channel: str, machine: Machine) -> str:
    """The name of the board of a channel such as "gpu1" or "amd-gpu0"."""
    index = _index(channel)
    if index is not None and index < len(machine.gpus):
        return machine.gpus[index]
    return machine.gpus[0] if machine.gpus and len(set(machine.gpus)) == 1 else channel


def _index(channel: str) -> int | None:
    found = re.search(r"gpu(\d+)", channel)
    return int(found[1]) if found else None
