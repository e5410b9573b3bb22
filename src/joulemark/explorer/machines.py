"""The machines of all sources, each once, with a short name that is its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from joulemark.explorer.gathering import Gathered
from joulemark.records import Machine

_CLUTTER = re.compile(r"\((?:R|TM|C)\)|\bCPU\b|\bProcessor\b|@.*$|^NVIDIA\s+|^AMD Instinct\s+", re.IGNORECASE)

LABEL_MAX_N = 60  # characters

Json = Any


def machine_rows(sources: Sequence[Gathered]) -> tuple[list[dict[str, Json]], dict[str, int]]:
    """A row per machine, and its place by the machine's id. A machine that only runs name is known by its id alone."""
    known: dict[str, Machine | None] = {}
    for source in sources:
        for machine in source.machines:
            known.setdefault(machine.machine_id, machine)
    for source in sources:
        for machine_id in [cell.machine_id for cell in source.cells]:
            known.setdefault(machine_id, None)
    rows: list[dict[str, Json]] = []
    labels: set[str] = set()
    for machine_id, found in known.items():
        label = _cut(_label(found)) if found is not None else machine_id
        if label in labels:
            label = f"{label} ({machine_id[:6]})"
        labels.add(label)
        rows.append(_row(machine_id, label, found))
    return rows, {machine_id: place for place, machine_id in enumerate(known)}


def _label(machine: Machine) -> str:
    """The boards, or the processor of a machine without any."""
    if not machine.gpus:
        return _short(machine.cpu)
    counts = {name: machine.gpus.count(name) for name in machine.gpus}
    return ", ".join(f"{n} × {_short(name)}" if n > 1 else _short(name) for name, n in counts.items())


def _short(name: str) -> str:
    return " ".join(_CLUTTER.sub(" ", name).split()) or name


def _cut(label: str) -> str:
    return label if len(label) <= LABEL_MAX_N else f"{label[: LABEL_MAX_N - 1]}…"


def _row(machine_id: str, label: str, machine: Machine | None) -> dict[str, Json]:
    return {
        "id": machine_id,
        "label": label,
        "cpu": machine and machine.cpu,
        "cpus_n": machine and machine.cpus_n,
        "memory_byte": machine and machine.memory_byte,
        "gpus": list(machine.gpus) if machine is not None else [],
        "virtualised": machine and machine.virtualised,
        "kernel": machine and machine.kernel,
        "system": machine and machine.system,
    }
