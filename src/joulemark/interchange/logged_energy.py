"""From logged rows to measurements: every imported joule keeps how it came about, as far as the log tells.

CodeCarbon's rows do not say how an energy was found. Where several ways are possible, the weaker one is kept:

- GPU: what NVML says of all boards of the machine, read about once a second: ``sampled``, ± 5 % (NVIDIA's tolerance).
- Processor: where the power is the same figure in every row, a constant: ``assumed``. Where it differs it was modelled
  or read from RAPL, which the log does not tell apart: ``modelled``. Within times or divided by 2.
- Memory: a formula on its size, 0.375 W per GB in releases 1 and 2: ``assumed``, or ``modelled`` where only the
  process's own memory is followed. Within times or divided by 3: 1.15 TB are 42 W or 431 W by formula.
- Release 1 logs one figure for all of them. It is ``assumed``, within times or divided by 3, and so is the rest of the
  sum where a later row's part is empty: the parts without a figure of their own have it together.

Its energies are multiplied by the building's power usage effectiveness where one was set, and its emissions are made of
these; both are divided by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from joulemark.interchange.codecarbon_csv import SUM_TOLERANCE, LoggedRow
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Machine
from joulemark.units import J_PER_KWH

BOARD_ACCURACY_RATIO = 0.05
CPU_FACTOR, DRAM_FACTOR = 2.0, 3.0
BOARDS_MAX_N = 1024
NOT_STATED = "not stated"

# What one release logged of one processor.
CpuKind = tuple[str, str]


def constant_processors(rows: Sequence[LoggedRow]) -> frozenset[CpuKind]:
    """The processors whose power is not seen to differ between any two rows of a release."""
    seen: dict[CpuKind, set[float | None]] = {}
    for row in rows:
        powers = seen.setdefault(cpu_kind(row), set())
        if len(powers) < 2:
            powers.add(row.cpu_power_w)
    return frozenset(kind for kind, powers in seen.items() if len(powers) == 1)


def cpu_kind(row: LoggedRow) -> CpuKind:
    """Release and processor of a row."""
    return (row.codecarbon_version, row.cpu_model)


def measurement(rows: Sequence[LoggedRow], constant: frozenset[CpuKind]) -> Measurement:
    """One window of ``rows`` that follow one another, their energies added. Needs at least one."""
    first = rows[0]
    return Measurement(
        started_at=_started_at(first),
        duration_s=sum(row.duration_s for row in rows),
        channels=_channels(rows, constant),
        harness_cpu_s=0.0,
        reasons=("idle-not-measured",),
    )


def _started_at(row: LoggedRow) -> str:
    """The row's time stamp less its duration. It has no time zone; it is taken as UTC."""
    ended = datetime.fromisoformat(row.ended_at)
    ended = ended.replace(tzinfo=UTC) if ended.tzinfo is None else ended.astimezone(UTC)
    return (ended - timedelta(seconds=row.duration_s)).isoformat(timespec="milliseconds")


def _channels(rows: Sequence[LoggedRow], constant: frozenset[CpuKind]) -> tuple[ChannelEnergy, ...]:
    first = rows[0]
    channels: list[ChannelEnergy] = []
    boards_n = max(row.gpus_n or 0 for row in rows)
    boards = ("all-boards-counted",) if boards_n > 1 else ()
    gpu_j = _sum_j([(row.gpu_energy_kwh, row.pue_ratio) for row in rows])
    if gpu_j is not None and (gpu_j > 0 or boards_n):
        half_j = BOARD_ACCURACY_RATIO * gpu_j
        budget = ErrorBudget(accuracy_j=half_j)
        low_j, high_j = gpu_j - half_j, gpu_j + half_j
        channels.append(
            ChannelEnergy("gpu", Component.GPU, Provenance.SAMPLED, gpu_j, low_j, high_j, budget, reasons=boards)
        )
    cpu_j = _sum_j([(row.cpu_energy_kwh, row.pue_ratio) for row in rows])
    if cpu_j is not None:
        channels.append(_formula("cpu", Component.CPU, cpu_j, CPU_FACTOR, cpu_kind(first) in constant))
    ram_j = _sum_j([(row.ram_energy_kwh, row.pue_ratio) for row in rows])
    if ram_j is not None:
        channels.append(_formula("dram", Component.DRAM, ram_j, DRAM_FACTOR, first.tracking_mode != "process"))
    parts_j = {Component.CPU: cpu_j, Component.DRAM: ram_j, Component.GPU: gpu_j}
    absent = tuple(component for component, energy_j in parts_j.items() if energy_j is None)
    all_j = sum(row.energy_consumed_kwh / row.pue_ratio for row in rows) * J_PER_KWH
    rest_j = all_j - sum(channel.energy_j or 0.0 for channel in channels)
    if not channels or (absent and rest_j > SUM_TOLERANCE * all_j):
        channels.append(_rest(rest_j, absent, boards if Component.GPU in absent else ()))
    elif Component.GPU in absent and boards_n:
        channels.append(_boards_not_logged())
    return tuple(channels)


def _rest(energy_j: float, covers: tuple[Component, ...], boards: tuple[str, ...]) -> ChannelEnergy:
    """What the sum of a row holds beyond its parts: the energy of the parts without a figure, all together."""
    return ChannelEnergy(
        name="codecarbon",
        component=Component.BOARD,
        provenance=Provenance.ASSUMED,
        energy_j=energy_j,
        low_j=energy_j / DRAM_FACTOR,
        high_j=energy_j * DRAM_FACTOR,
        budget=ErrorBudget(model_factor=DRAM_FACTOR),
        covers=covers,
        reasons=("modelled", *boards),
    )


def _boards_not_logged() -> ChannelEnergy:
    """There are boards, and neither their part nor the sum has anything of them: what they drew is not known."""
    return ChannelEnergy(
        "gpu", Component.GPU, Provenance.SAMPLED, None, None, None, ErrorBudget(), reasons=("board-not-metered",)
    )


def _sum_j(parts: Sequence[tuple[float | None, float]]) -> float | None:
    known = [energy_kwh / pue_ratio for energy_kwh, pue_ratio in parts if energy_kwh is not None]
    return sum(known) * J_PER_KWH if len(known) == len(parts) else None


def _formula(name: str, component: Component, energy_j: float, factor: float, constant: bool) -> ChannelEnergy:
    return ChannelEnergy(
        name=name,
        component=component,
        provenance=Provenance.ASSUMED if constant else Provenance.MODELLED,
        energy_j=energy_j,
        low_j=energy_j / factor,
        high_j=energy_j * factor,
        budget=ErrorBudget(model_factor=factor),
        reasons=("assumed-constant",) if constant else ("modelled",),
    )


def carbon_g(row: LoggedRow) -> float | None:
    """The emissions of a row, without those of the building."""
    return None if row.emissions_kg is None else row.emissions_kg * 1000 / row.pue_ratio


def machine(row: LoggedRow) -> Machine:
    """The machine of a row, as far as it was logged."""
    boards_n = min(row.gpus_n or 0, BOARDS_MAX_N)
    several = re.fullmatch(r"\d+ x (.*)", row.gpu_model)
    board = several[1] if several else row.gpu_model
    return Machine(
        cpu=row.cpu_model or NOT_STATED,
        cpus_n=row.cpus_n or 0,
        memory_byte=None if row.memory_gib is None else round(row.memory_gib * 2**30),
        gpus=(board or NOT_STATED,) * boards_n,
        virtualised=None,
        kernel=row.os or NOT_STATED,
        system=row.os.partition("-")[0] or NOT_STATED,
    )
