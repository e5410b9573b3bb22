"""Runs as rows of CodeCarbon's ``emissions.csv``, in the columns of release 3.3, for programs made for it.

Energies are those of the window that CodeCarbon would log: work without loading, all boards in one figure, and their
number and names are of those that were used. What is not known is left empty, the sum too where a part of it is not
known, and what CodeCarbon has no column for is lost: intervals, provenance, idle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from joulemark.boundary import outermost, total
from joulemark.impact.carbon import Grid, carbon_g
from joulemark.interchange.codecarbon_csv import HEADERS
from joulemark.interchange.logged_energy import NOT_STATED
from joulemark.measurement import BoundaryName, Component, Measurement
from joulemark.records import Machine, Run
from joulemark.sensors.amdsmi import APU_PREFIX
from joulemark.units import J_PER_KWH

COLUMNS = HEADERS["3.3"]


def codecarbon_rows(
    runs: Iterable[Run], machines: Iterable[Machine], grid: Grid | None
) -> Iterator[Mapping[str, str | float | int]]:
    """A row per run with a measurement; carbon as it was logged, else by ``grid``, else empty."""
    by_id = {machine.machine_id: machine for machine in machines}
    for run in runs:
        if run.measurement is not None:
            yield _row(run, run.measurement, by_id.get(run.machine_id), grid)


def _row(run: Run, window: Measurement, machine: Machine | None, grid: Grid | None) -> dict[str, str | float | int]:
    parts_kwh = {
        "cpu": _kwh(window, Component.CPU),
        "gpu": _kwh(window, Component.GPU),
        "ram": _kwh(window, Component.DRAM),
    }
    whole_j = total(window, BoundaryName.HOST).energy_j
    if whole_j is None:
        whole_j = total(window, BoundaryName.DEVICE).energy_j
    all_kwh = None if whole_j is None else whole_j / J_PER_KWH
    emissions_kg = None if run.carbon_logged_g is None else run.carbon_logged_g / 1000
    if emissions_kg is None and grid is not None and all_kwh is not None:
        emissions_kg = carbon_g(all_kwh * J_PER_KWH, grid) / 1000
    ended = datetime.fromisoformat(window.started_at) + timedelta(seconds=window.duration_s)
    hours = window.duration_s / 3600
    row: dict[str, str | float | int | None] = {
        "timestamp": ended.replace(tzinfo=None).isoformat(timespec="seconds"),
        "project_name": run.cell.model,
        "run_id": run.run_id,
        "experiment_id": run.cell.cell_id,
        "duration": window.duration_s,
        "emissions": emissions_kg,
        "emissions_rate": emissions_kg / window.duration_s if emissions_kg is not None and hours else None,
        **{
            f"{part}_power": kwh / hours * 1000 if kwh is not None and hours else None
            for part, kwh in parts_kwh.items()
        },
        **{f"{part}_energy": kwh for part, kwh in parts_kwh.items()},
        "energy_consumed": all_kwh,
        "python_version": run.versions.get("python"),
        "codecarbon_version": run.versions.get("codecarbon"),
        "tracking_mode": "machine",
        "on_cloud": "N",
        "pue": 1.0,
    }
    if grid is not None:
        row |= {"country_name": grid.name}
    if machine is not None:
        gpus = _counted_boards(run, window, machine)
        row |= {
            "os": _os(machine),
            "cpu_count": machine.cpus_n or None,
            "cpu_model": machine.cpu,
            "gpu_count": len(gpus) or None,
            "gpu_model": _boards(gpus),
            "ram_total_size": None if machine.memory_byte is None else machine.memory_byte / 2**30,
        }
    return {column: "" if (value := row.get(column)) is None else value for column in COLUMNS}


def _os(machine: Machine) -> str:
    """What Python calls the platform: an import keeps all of it as the kernel, and its beginning as the system."""
    return machine.kernel if machine.kernel.startswith(f"{machine.system}-") else machine.system


def _counted_boards(run: Run, window: Measurement, machine: Machine) -> tuple[str, ...]:
    """The boards whose energy the row holds: those in use, for it would be read as that of all that it names."""
    if run.source is not None:
        return machine.gpus  # an import has one figure for all
    channels = [c for c in window.channels if c.component is Component.GPU or c.name.startswith(APU_PREFIX)]
    names = machine.gpus
    if len(channels) != len(names):  # they were found anew for the run: which is which is only known of boards alike
        alike = len(set(names)) == 1 and len(channels) < len(names)
        names = (names[0] if alike else NOT_STATED,) * len(channels)
    return tuple(name for name, channel in zip(names, channels, strict=True) if channel.in_use)


def _boards(gpus: tuple[str, ...]) -> str:
    """As CodeCarbon writes it: ``8 x NVIDIA A100-SXM4-80GB``."""
    return "".join(f"{gpus.count(name)} x {name}" for name in dict.fromkeys(gpus))


def _kwh(window: Measurement, component: Component) -> float | None:
    found = [channel for channel in outermost(window.channels) if channel.component is component and channel.in_use]
    known_j = [c.energy_j for c in found if c.energy_j is not None]
    return sum(known_j) / J_PER_KWH if found and len(known_j) == len(found) else None
