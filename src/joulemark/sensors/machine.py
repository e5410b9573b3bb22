"""The machine as it describes itself: what a run was measured on."""

from __future__ import annotations

import platform
import re

from joulemark.measurement import Channel, Component
from joulemark.records import Machine
from joulemark.sensors import Setup
from joulemark.sensors.amdsmi import APU_PREFIX
from joulemark.sensors.virtual import virtualised


def machine(setup: Setup, channels: tuple[Channel, ...]) -> Machine:
    """Processor, memory and boards, from ``/proc`` and from the channels that were found."""
    cpuinfo = _text(setup, "cpuinfo")
    name = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _text(setup, "meminfo"), re.MULTILINE)
    return Machine(
        cpu=name[1].strip() if name else platform.processor() or platform.machine(),
        cpus_n=max(1, len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE))),
        memory_byte=int(memory[1]) * 1024 if memory else None,
        gpus=tuple(channel.device for channel in channels if _is_gpu(channel)),
        virtualised=virtualised(setup),
        kernel=platform.release(),
        system=platform.platform(aliased=True, terse=True),
    )


def _is_gpu(channel: Channel) -> bool:
    """Whether it is that of a board, or of a socket with one in it."""
    return channel.component is Component.GPU or channel.name.startswith(APU_PREFIX)


def _text(setup: Setup, file: str) -> str:
    try:
        return (setup.proc / file).read_text(errors="replace")
    except OSError:
        return ""
