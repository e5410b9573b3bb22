"""``joulemark sensors``: what this machine can measure."""

from __future__ import annotations

from dataclasses import asdict

from joulemark.cli.table import print_json, print_table, printable
from joulemark.meter.energy import UPDATES_MIN_N
from joulemark.reasons import REASONS
from joulemark.records import Absence, Channel, Quantity
from joulemark.sensors import Setup, open_sensors
from joulemark.sensors.machine import machine
from joulemark.units import show

WORTH_SAYING_S = 0.5


def show_sensors(setup: Setup, json_out: bool) -> None:
    """Print the channels of this machine, and what was looked for in vain and why."""
    with open_sensors(setup) as found:
        here = machine(setup, found.channels)
        if json_out:
            print_json(
                {
                    "machine": asdict(here) | {"machine_id": here.machine_id},
                    "channels": [_as_json(channel) for channel in found.channels],
                    "absences": [asdict(absence) for absence in found.absences],
                }
            )
            return
        print(f"{printable(here.cpu)}, {here.cpus_n} CPUs, {show(here.memory_byte, 'byte')} of memory")
        if found.channels:
            print()
            print_table(
                ("channel", "part", "provenance", "resolution", "updates", "device"),
                [_line(channel) for channel in found.channels],
            )
        else:
            print("Nothing can be measured here: energies will be unknown.")
        for note in _notes(found.channels):
            print(note)
        if found.absences:
            print("\nLooked for in vain:")
            for absence in found.absences:
                print(f"  {_absence(absence)}")


def _line(channel: Channel) -> tuple[str, ...]:
    resolution = show(channel.resolution_j, "j") if channel.quantity is Quantity.ENERGY else "power only"
    if channel.model_factor != 1:
        resolution = f"×/÷ {channel.model_factor:g}"
    elif channel.accuracy_ratio:
        resolution += f", ± {channel.accuracy_ratio:.0%}"
    return (
        channel.name,
        str(channel.component),
        str(channel.provenance),
        resolution,
        f"~{show(channel.update_period_s, 's')}" if channel.update_period_s else "",
        channel.device + ("" if channel.in_use else " (not ours)"),
    )


def _notes(channels: tuple[Channel, ...]) -> list[str]:
    notes: list[str] = []
    for channel in channels:
        shortest_s = UPDATES_MIN_N * (channel.update_period_s or 0.0)
        if shortest_s >= WORTH_SAYING_S:
            notes.append(f"A window shorter than {show(shortest_s, 's')} is too short for {channel.name}.")
    for code in dict.fromkeys(code for channel in channels for code in channel.reasons):
        reason = REASONS.get(code)
        if reason is not None:
            names = ", ".join(channel.name for channel in channels if code in channel.reasons)
            notes.append(f"{names}: {reason.meaning}.")
    return ["", *notes] if notes else []


def _absence(absence: Absence) -> str:
    remedy = f". {absence.remedy}" if absence.remedy else ""
    return printable(f"{absence.source}: {absence.why}{remedy}")


def _as_json(channel: Channel) -> dict[str, object]:
    fields: dict[str, object] = {name: getattr(channel, name) for name in Channel.__slots__ if name != "read"}
    return {**fields, "reasons": list(channel.reasons)}
