"""``joulemark measure -- COMMAND``: the energy of any command, as ``perf stat`` has it for cycles."""

from __future__ import annotations

import math
import os
import select
import shlex
import signal
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from joulemark.analysis.interval import joined_interval, mean_interval
from joulemark.boundary import Total, idle_drifted, total
from joulemark.cli.table import print_json, table_lines
from joulemark.failures import MendableError, signal_name
from joulemark.measurement import BoundaryName, ChannelEnergy, Measurement
from joulemark.meter import Meter, Window, open_meter
from joulemark.reasons import REASONS
from joulemark.sensors import Setup
from joulemark.sensors.conditions import conditions, disturbances
from joulemark.units import UNKNOWN, WAIT_MAX_S, number, show, show_range, unit_for

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as a shell says it
BY_SIGNAL = 128

LEAST_OF_INTERVAL = 20  # a value that is a smaller part of its interval is shown in a unit of that
ALIKE_RATIO = 0.05  # sides of an interval that differ by less are shown as one half-width

# Where nobody said which boards are ours, one looks who uses them: after so long, then at twice the distance each time.
FIRST_LOOK_S, LAST_LOOK_S = 0.25, 60.0


@dataclass(frozen=True, slots=True)
class Repeat:
    """One run of the command, and the idle windows around it."""

    measurement: Measurement
    idle: tuple[Measurement, ...]
    code: int
    reasons: tuple[str, ...]


def measure_command(command: Sequence[str], repeats_n: int, idle_s: float, setup: Setup, json_out: bool) -> int:
    """Run ``command`` ``repeats_n`` times and say what it took; returns the last exit code that was not 0, or 0.

    The command keeps its own input and output; what is measured is printed on standard error. With ``json_out`` the
    object goes to standard output, and what the command prints to standard error.
    """
    if not command:
        raise MendableError("no command: joulemark measure -- COMMAND …")
    if repeats_n < 1 or not 0 <= idle_s <= WAIT_MAX_S:
        raise MendableError(f"--repeats must be at least 1, and --idle from 0 to {WAIT_MAX_S:.0f} seconds")
    repeats: list[Repeat] = []
    with open_meter(setup) as opened:
        meter = opened.calibrated() if idle_s else opened
        for _ in range(repeats_n):
            try:
                repeats.append(_once(meter, command, idle_s, setup, json_out))
            except OSError as error:
                print(f"joulemark: '{command[0]}' cannot be run: {error.strerror}", file=sys.stderr)
                return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            if repeats[-1].code < 0:
                break
    code = _code(repeats)
    if json_out:
        print_json(_as_json(command, repeats))
    else:
        _print(command, repeats)
    return BY_SIGNAL - code if code < 0 else code


def _code(repeats: Sequence[Repeat]) -> int:
    """The last code that tells of a failure; below zero, the number of a signal."""
    return next((repeat.code for repeat in reversed(repeats) if repeat.code), 0)


def _once(meter: Meter, command: Sequence[str], idle_s: float, setup: Setup, json_out: bool) -> Repeat:
    idle = [meter.idle(idle_s)] if idle_s else []
    before = conditions(setup)
    window = meter.begin()
    code = _run(command, window, meter, json_out)
    measurement = window.end()
    disturbed = disturbances(before, conditions(setup), measurement)
    idle += [meter.idle(idle_s)] if idle_s else []
    if not idle:
        disturbed += ("idle-not-measured",)
    elif idle_drifted(*idle):
        disturbed += ("idle-drift",)
    return Repeat(measurement, tuple(idle), code, disturbed)


def _run(command: Sequence[str], window: Window, meter: Meter, json_out: bool) -> int:
    """Wait for the command without polling. Raises OSError.

    One wakes up only to read counters that would wrap twice, and to see which of several boards the command uses.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's; we report what it took
    try:
        process = subprocess.Popen(
            command,
            stdout=sys.stderr if json_out else None,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        if meter.keep_alive_ns is not None or meter.untold:
            keep_alive_s = math.inf if meter.keep_alive_ns is None else meter.keep_alive_ns / 1e9
            look_s = FIRST_LOOK_S if meter.untold else math.inf
            while not _ended(process, min(keep_alive_s, look_s)):
                window.refresh()
                window.look()
                look_s = min(2 * look_s, LAST_LOOK_S) if meter.untold else look_s
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _ended(process: subprocess.Popen[bytes], within_s: float) -> bool:
    """Whether the command ends within so many seconds; waiting for that takes no time where the kernel tells."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # an old kernel, or one that does not allow it
        try:
            process.wait(None if within_s == math.inf else within_s)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        return bool(select.select([descriptor], [], [], None if within_s == math.inf else within_s)[0])
    finally:
        os.close(descriptor)


def _totals(repeats: Sequence[Repeat], boundary: BoundaryName) -> list[Total]:
    return [total(repeat.measurement, boundary, repeat.idle) for repeat in repeats]


def _joined(totals: Sequence[Total]) -> tuple[float | None, float | None, float | None]:
    """Mean energy and its interval over the repeats; only the bounds that all of them have where it is not known."""
    known = [
        (found.energy_j, found.low_j, found.high_j)
        for found in totals
        if found.energy_j is not None and found.low_j is not None and found.high_j is not None
    ]
    if len(known) == len(totals):
        joined = joined_interval(known)
        return joined.value, joined.low, joined.high
    lows = [found.low_j for found in totals if found.low_j is not None]
    highs = [found.high_j for found in totals if found.high_j is not None]
    least_j = min(lows) if len(lows) == len(totals) else None
    return None, least_j, max(highs) if len(highs) == len(totals) else None


def _channels(repeats: Sequence[Repeat]) -> list[dict[str, object]]:
    """Each channel: its mean over the repeats, known only if every repeat knows it."""
    lines: list[dict[str, object]] = []
    for index, channel in enumerate(repeats[0].measurement.channels):
        every: list[ChannelEnergy] = [repeat.measurement.channels[index] for repeat in repeats]
        energies = [one.energy_j for one in every if one.energy_j is not None]
        halves = [one.uncertainty_j for one in every if one.uncertainty_j is not None]
        lows = [one.low_j for one in every if one.low_j is not None]
        highs = [one.high_j for one in every if one.high_j is not None]
        known = len(energies) == len(every)
        lines.append(
            {
                "name": channel.name,
                "component": str(channel.component),
                "provenance": str(channel.provenance),
                "energy_j": statistics.fmean(energies) if known else None,
                "uncertainty_j": statistics.fmean(halves) if len(halves) == len(every) else None,
                "low_j": statistics.fmean(lows) if len(lows) == len(every) else None,
                "high_j": statistics.fmean(highs) if len(highs) == len(every) else None,
                "budget": asdict(every[0].budget),
                "in_use": any(one.in_use for one in every),
                "part_of": channel.part_of,
                "reasons": list(dict.fromkeys(code for one in every for code in one.reasons)),
            }
        )
    return lines


def _as_json(command: Sequence[str], repeats: Sequence[Repeat]) -> dict[str, object]:
    boundaries: dict[str, object] = {}
    for boundary in BoundaryName:
        totals = _totals(repeats, boundary)
        energy_j, low_j, high_j = _joined(totals)
        boundaries[str(boundary)] = {
            "energy_j": energy_j,
            "low_j": low_j,
            "high_j": high_j,
            "missing": list(dict.fromkeys(name for found in totals for name in found.missing)),
            "reasons": list(dict.fromkeys(code for found in totals for code in found.reasons)),
        }
    durations = mean_interval([repeat.measurement.duration_s for repeat in repeats])
    return {
        "command": list(command),
        "exit_code": _code(repeats),
        "repeats_n": len(repeats),
        "failed_n": sum(repeat.code != 0 for repeat in repeats),
        "duration_s": durations.value,
        "duration_low_s": durations.low,
        "duration_high_s": durations.high,
        "harness_cpu_s": statistics.fmean(repeat.measurement.harness_cpu_s for repeat in repeats),
        "channels": _channels(repeats),
        "boundaries": boundaries,
        "reasons": list(dict.fromkeys(code for repeat in repeats for code in repeat.reasons)),
    }


def _print(command: Sequence[str], repeats: Sequence[Repeat]) -> None:
    """What was measured, on standard error: standard output is the command's."""
    out: list[str] = ["", f"{shlex.join(command)}   {_times(repeats)}", ""]
    rows = [
        (
            f"{channel['name']}{'' if channel['in_use'] else ' (not ours)'}",
            str(channel["provenance"]),
            _show(channel["energy_j"]),
            _interval(channel["energy_j"], channel["low_j"], channel["high_j"]),
            ", ".join(str(code) for code in _list(channel["reasons"])),
        )
        for channel in _channels(repeats)
    ]
    if rows:
        out += table_lines(("channel", "known by", "energy", "95 %", "because"), rows, right=(2,))
    else:
        out.append("Nothing can be measured here; joulemark sensors says what was looked for.")
    out.append("")
    codes = dict.fromkeys(code for repeat in repeats for code in repeat.reasons)
    for boundary in BoundaryName:
        if boundary is BoundaryName.FACILITY:
            continue  # needs a PUE, which a command does not have
        totals = _totals(repeats, boundary)
        out.append(_boundary_line(boundary, totals))
        codes |= dict.fromkeys(code for found in totals for code in found.reasons)
    codes |= dict.fromkeys(
        code for repeat in repeats for channel in repeat.measurement.channels for code in channel.reasons
    )
    out += [f"{code}: {REASONS[code].meaning}; {REASONS[code].remedy}" for code in codes if code in REASONS]
    print("\n".join(out), file=sys.stderr)


def _interval(energy_j: object, low_j: object, high_j: object) -> str:
    """The interval of a channel: one half-width where its sides are alike, else both ends, or the one there is."""
    if not isinstance(low_j, float):
        return ""
    if not isinstance(high_j, float):
        return f"at least {show(low_j, 'j')}"
    if isinstance(energy_j, float) and abs(high_j + low_j - 2 * energy_j) <= ALIKE_RATIO * (high_j - low_j):
        unit = unit_for(energy_j, "j")
        return f"± {number((high_j - low_j) / 2 / unit.size)} {unit.symbol}"
    return show_range(low_j, high_j, "j", energy_j if isinstance(energy_j, float) else None)


def _boundary_line(boundary: BoundaryName, totals: Sequence[Total]) -> str:
    energy_j, low_j, high_j = _joined(totals)
    missing = ", ".join(dict.fromkeys(name for found in totals for name in found.missing))
    rest = f"   not counted: {missing}" if missing else ""
    if energy_j is None:
        bounds = [f"at least {show(low_j, 'j')}"] if low_j else []
        bounds += [f"at most {show(high_j, 'j')}"] if high_j is not None else []
        return f"{boundary!s:<9} {', '.join(bounds) or 'unknown'}{rest}"
    if low_j is None or high_j is None:
        return f"{boundary!s:<9} {show(energy_j, 'j')}{rest}"
    # Above idle nearly nothing may be left, whose unit would make large numbers of its bounds.
    like_j = max(abs(energy_j), (high_j - low_j) / LEAST_OF_INTERVAL)
    unit = unit_for(like_j, "j")
    ends = show_range(low_j, high_j, "j", like_j)
    return f"{boundary!s:<9} {number(energy_j / unit.size)} {unit.symbol} ({ends}){rest}"


def _times(repeats: Sequence[Repeat]) -> str:
    durations = mean_interval([repeat.measurement.duration_s for repeat in repeats])
    code, failed_n = _code(repeats), sum(repeat.code != 0 for repeat in repeats)
    parts = [show(durations.value, "s", 4)]
    if durations.high is not None:
        parts[0] += f" ± {number((durations.high - durations.value) / durations.value * 100, 2)} %"
        parts.append(f"mean of {len(repeats)} runs, as all energies below")
    if code:
        how = f"exit code {code}" if code > 0 else f"ended by {signal_name(-code)}"
        parts.append(how if len(repeats) == 1 else f"{how} in {failed_n} of {len(repeats)} runs")
    return ", ".join(parts)


def _show(value: object) -> str:
    return show(value, "j") if isinstance(value, float) else UNKNOWN


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
