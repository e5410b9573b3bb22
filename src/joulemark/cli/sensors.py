"""``joulemark sensors``: what this machine can measure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from joulemark.cli.table import print_json, print_table, printable
from joulemark.failures import MendableError
from joulemark.measurement import Absence, Channel, Provenance, Quantity
from joulemark.meter import Meter
from joulemark.meter.energy import shortest_window_s
from joulemark.reasons import REASONS
from joulemark.sensors import Setup, open_sensors
from joulemark.sensors.calibrate import Calibration, calibrate
from joulemark.sensors.machine import machine
from joulemark.sensors.record import record
from joulemark.units import WAIT_MAX_S, show

WORTH_SAYING_S = 0.5
WANTED_RATIO = 0.01
WINDOWS_N = 500


def show_sensors(setup: Setup, json_out: bool, *, calibrating: bool = False, costing: bool = False) -> None:
    """Print the channels of this machine, and what was looked for in vain and why.

    ``calibrating`` adds the period and step that were seen, ``costing`` what reading takes.
    """
    with open_sensors(replace(setup, explain=True)) as found:
        here = machine(setup, found.channels)
        seen = {channel.name: _seen(channel) for channel in found.channels} if calibrating or costing else {}
        window_s = _window_cost_s(found.channels) if costing else None
        if json_out:
            print_json(
                {
                    "machine": asdict(here) | {"machine_id": here.machine_id},
                    "channels": [_as_json(channel, seen.get(channel.name)) for channel in found.channels],
                    "window_cost_s": window_s,
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
        if calibrating:
            _print_seen(found.channels, seen)
        if costing:
            print("\nWhat reading costs:")
            print_table(
                ("channel", "one reading"),
                [(channel.name, show(seen[channel.name].read_cost_s, "s")) for channel in found.channels],
            )
            print(f"A window, begin and end, over all counters: {show(window_s, 's')}")
        for note in _notes(tuple(_with_disagreement(channel, seen.get(channel.name)) for channel in found.channels)):
            print(note)
        if found.absences:
            print("\nLooked for in vain:")
            for absence in found.absences:
                print(f"  {_absence(absence)}")


def _print_seen(channels: Sequence[Channel], seen: Mapping[str, Calibration]) -> None:
    """What calibrating shows of sensors, and which channels are none."""
    print("\nSeen while reading for up to a second:")
    if read := [channel for channel in channels if not _is_formula(channel)]:
        print_table(
            ("channel", "updates", "stated", "smallest step", "changes", "counter / gauge"),
            [_seen_line(channel, seen[channel.name]) for channel in read],
        )
    if formulas := [channel.name for channel in channels if _is_formula(channel)]:
        print(f"{', '.join(formulas)}: a formula, of which there is nothing to calibrate")


def _is_formula(channel: Channel) -> bool:
    return channel.provenance in (Provenance.MODELLED, Provenance.ASSUMED)


def record_channels(setup: Setup, path: Path, duration_s: float) -> None:
    """Write every channel to a trace that ``--sensors replay:FILE`` plays back."""
    if not 0 < duration_s <= WAIT_MAX_S:
        raise MendableError(f"--seconds must be more than 0 and at most {WAIT_MAX_S:.0f}")
    with open_sensors(setup) as found:
        if not found.channels:
            raise MendableError("nothing to record here: joulemark sensors says what was looked for")
        try:
            record(found.channels, path, duration_s)
        except OSError as error:
            raise MendableError(f"{path}: {error.strerror}") from error
    print(f"{path}: {len(found.channels)} channels, {show(duration_s, 's')}.   --sensors replay:{path}")


def _window_cost_s(channels: tuple[Channel, ...]) -> float:
    """Median time of an empty window over the counters."""
    meter = Meter([channel for channel in channels if channel.quantity is Quantity.ENERGY])
    costs_s: list[float] = []
    for _ in range(WINDOWS_N):
        before_s = time.perf_counter()
        meter.begin().end()
        costs_s.append(time.perf_counter() - before_s)
    return statistics.median(costs_s)


def _seen(channel: Channel) -> Calibration:
    """What calibrating shows; a formula moves with the clock, so that of it only the cost of reading says anything."""
    seen = calibrate(channel)
    if _is_formula(channel):
        return replace(seen, update_period_s=None, resolution_j=None, ticks_n=0)
    return seen


def _seen_line(channel: Channel, seen: Calibration) -> tuple[str, ...]:
    return (
        channel.name,
        show(seen.update_period_s, "s"),
        show(channel.update_period_s, "s"),
        show(seen.resolution_j, "step") if channel.quantity is Quantity.ENERGY else "power only",
        str(seen.ticks_n),
        "" if seen.counter_ratio is None else f"{seen.counter_ratio:.2f}",
    )


def _line(channel: Channel) -> tuple[str, ...]:
    resolution = show(channel.resolution_j, "step") if channel.quantity is Quantity.ENERGY else "power only"
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


def _with_disagreement(channel: Channel, seen: Calibration | None) -> Channel:
    """The channel, with the reason code that calibrating found for it."""
    if seen is None or not seen.disagrees:
        return channel
    return replace(channel, reasons=(*channel.reasons, "counter-disagrees"))


def _notes(channels: tuple[Channel, ...]) -> list[str]:
    notes: list[str] = []
    for channel in channels:
        shortest_s = shortest_window_s(channel, WANTED_RATIO)
        if shortest_s >= WORTH_SAYING_S and channel.model_factor == 1:
            notes.append(f"A window shorter than {show(shortest_s, 's')} gives more than 1 % error on {channel.name}.")
    for code in dict.fromkeys(code for channel in channels for code in channel.reasons):
        reason = REASONS.get(code)
        if reason is not None:
            names = ", ".join(channel.name for channel in channels if code in channel.reasons)
            notes.append(f"{names}: {reason.meaning}.")
    return ["", *notes] if notes else []


def _absence(absence: Absence) -> str:
    remedy = f". {absence.remedy}" if absence.remedy else ""
    return printable(f"{absence.source}: {absence.why}{remedy}")


def _as_json(channel: Channel, seen: Calibration | None) -> dict[str, object]:
    functions = ("read", "gauge", "users")
    fields: dict[str, object] = {name: getattr(channel, name) for name in Channel.__slots__ if name not in functions}
    fields |= {"reasons": list(channel.reasons), "covers": list(channel.covers)}
    return fields | ({"calibration": asdict(seen)} if seen else {})
