"""What ``joulemark measure`` says about a command: as one JSON object and as text."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from joulemark.analysis.interval import Interval, joined_interval
from joulemark.boundary import Total, total
from joulemark.cli.table import table_lines
from joulemark.failures import signal_name
from joulemark.measurement import BoundaryName, ChannelEnergy, ErrorBudget, Measurement
from joulemark.reasons import REASONS
from joulemark.units import number, show, show_range, unit_for

LEAST_OF_INTERVAL = 20  # a value that is a smaller part of its interval is shown in a unit of that
ALIKE_RATIO = 0.05  # sides of an interval that differ by less are shown as one half-width


@dataclass(frozen=True, slots=True)
class Repeat:
    """One run of the command, and the idle windows around it."""

    measurement: Measurement
    idle: tuple[Measurement, ...]
    code: int
    reasons: tuple[str, ...]
    cut: bool  # a signal asked joulemark to stop while it ran
    idle_cut: bool  # so that the idle window after it is missing


@dataclass(frozen=True, slots=True)
class Series:
    """The runs that are reported, and how it came that they are not all that were asked for."""

    repeats: tuple[Repeat, ...]
    asked_n: int
    begun_n: int
    stopped_by: int | None  # the number of a signal


@dataclass(frozen=True, slots=True)
class _Joined:
    """A channel or a boundary over all runs: the mean and its interval, or the bounds that all runs have."""

    energy_j: float | None
    low_j: float | None
    high_j: float | None

    @property
    def uncertainty_j(self) -> float | None:
        """The larger side of the interval; ``None`` where it has no bound."""
        if self.energy_j is None or self.low_j is None or self.high_j is None:
            return None
        return max(self.energy_j - self.low_j, self.high_j - self.energy_j)


def code_of(repeats: Sequence[Repeat]) -> int:
    """The last exit code that tells of a failure, or 0; below zero, the number of a signal."""
    return next((repeat.code for repeat in reversed(repeats) if repeat.code), 0)


def as_json(command: Sequence[str], series: Series) -> dict[str, object]:
    """What was measured, ready for JSON."""
    repeats = series.repeats
    boundaries: dict[str, object] = {}
    for boundary in BoundaryName:
        totals = _totals(repeats, boundary)
        joined = _joined(totals)
        boundaries[str(boundary)] = {
            "energy_j": joined.energy_j,
            "low_j": joined.low_j,
            "high_j": joined.high_j,
            "missing": list(dict.fromkeys(name for found in totals for name in found.missing)),
            "reasons": list(dict.fromkeys(code for found in totals for code in found.reasons)),
        }
    duration = _duration(repeats)
    return {
        "command": list(command),
        "exit_code": code_of(repeats),
        "repeats_n": len(repeats),
        "failed_n": sum(repeat.code != 0 for repeat in repeats),
        "stopped_by": None if series.stopped_by is None else signal_name(series.stopped_by),
        "cut_n": sum(repeat.cut for repeat in repeats),
        "duration_s": duration.value,
        "duration_low_s": duration.low,
        "duration_high_s": duration.high,
        "harness_cpu_s": statistics.fmean(repeat.measurement.harness_cpu_s for repeat in repeats),
        "channels": [_channel_json(every) for every in _channels(repeats)],
        "boundaries": boundaries,
        "reasons": list(dict.fromkeys(code for repeat in repeats for code in repeat.reasons)),
    }


def as_text(command: Sequence[str], series: Series) -> str:
    """What was measured, for people."""
    repeats = series.repeats
    out: list[str] = ["", f"{shlex.join(command)}   {_times(repeats)}", *_stopped(series), ""]
    rows = [_channel_row(every) for every in _channels(repeats)]
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
    return "\n".join(out)


def _totals(repeats: Sequence[Repeat], boundary: BoundaryName) -> list[Total]:
    return [total(repeat.measurement, boundary, repeat.idle) for repeat in repeats]


def _channels(repeats: Sequence[Repeat]) -> list[tuple[ChannelEnergy, ...]]:
    """Each channel, in all runs."""
    return list(zip(*(repeat.measurement.channels for repeat in repeats), strict=True))


def _joined(runs: Sequence[Total | ChannelEnergy]) -> _Joined:
    """Mean energy and its interval over the runs; only the bounds that all of them have where it is not known."""
    known = [
        (one.energy_j, one.low_j, one.high_j)
        for one in runs
        if one.energy_j is not None and one.low_j is not None and one.high_j is not None
    ]
    if len(known) == len(runs):
        joined = joined_interval(known)
        return _Joined(joined.value, joined.low, joined.high)
    lows = [one.low_j for one in runs if one.low_j is not None]
    highs = [one.high_j for one in runs if one.high_j is not None]
    least_j = min(lows) if len(lows) == len(runs) else None
    return _Joined(None, least_j, max(highs) if len(highs) == len(runs) else None)


def _duration(repeats: Sequence[Repeat]) -> Interval:
    """Mean duration and its interval over the runs, in factors as that of energies; a single one has no error."""
    durations_s = [repeat.measurement.duration_s for repeat in repeats]
    joined = joined_interval([(duration_s, duration_s, duration_s) for duration_s in durations_s])
    return joined if len(repeats) > 1 else Interval(joined.value, None, None)


def _channel_json(every: Sequence[ChannelEnergy]) -> dict[str, object]:
    channel, joined = every[0], _joined(every)
    return {
        "name": channel.name,
        "component": str(channel.component),
        "provenance": str(channel.provenance),
        "energy_j": joined.energy_j,
        "uncertainty_j": joined.uncertainty_j,
        "low_j": joined.low_j,
        "high_j": joined.high_j,
        "budget": _budget([one.budget for one in every]),
        "in_use": any(one.in_use for one in every),
        "part_of": channel.part_of,
        "reasons": list(dict.fromkeys(code for one in every for code in one.reasons)),
    }


def _budget(budgets: Sequence[ErrorBudget]) -> dict[str, float]:
    """Each term of the sensor's error in a run, on average: more runs do not make it smaller."""
    every = [asdict(budget) for budget in budgets]
    return {term: statistics.fmean(budget[term] for budget in every) for term in every[0]}


def _channel_row(every: Sequence[ChannelEnergy]) -> tuple[str, ...]:
    channel, joined = every[0], _joined(every)
    in_use = any(one.in_use for one in every)
    return (
        f"{channel.name}{'' if in_use else ' (not ours)'}",
        str(channel.provenance),
        show(joined.energy_j, "j"),
        _interval(joined),
        ", ".join(dict.fromkeys(code for one in every for code in one.reasons)),
    )


def _interval(joined: _Joined) -> str:
    """The interval of a channel: one half-width where its sides are alike, else both ends, or the one there is."""
    energy_j, low_j, high_j = joined.energy_j, joined.low_j, joined.high_j
    if low_j is None:
        return ""
    if high_j is None:
        return f"at least {show(low_j, 'j')}"
    if energy_j is not None and _are_alike(energy_j, low_j, high_j):
        unit = unit_for(energy_j, "j")
        return f"± {number((high_j - low_j) / 2 / unit.size)} {unit.symbol}"
    return show_range(low_j, high_j, "j", energy_j)


def _are_alike(value: float, low: float, high: float) -> bool:
    return abs(high + low - 2 * value) <= ALIKE_RATIO * (high - low)


def _boundary_line(boundary: BoundaryName, totals: Sequence[Total]) -> str:
    joined = _joined(totals)
    energy_j, low_j, high_j = joined.energy_j, joined.low_j, joined.high_j
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
    duration = _duration(repeats)
    code, failed_n = code_of(repeats), sum(repeat.code != 0 for repeat in repeats)
    parts = [show(duration.value, "s", 4)]
    if duration.low is not None and duration.high is not None:
        if _are_alike(duration.value, duration.low, duration.high):
            parts[0] += f" ± {number((duration.high - duration.low) / 2 / duration.value * 100, 2)} %"
        else:
            parts[0] += f" ({show_range(duration.low, duration.high, 's', duration.value)})"
        parts.append(f"mean of {len(repeats)} runs, as all energies below")
    if code:
        how = f"exit code {code}" if code > 0 else f"ended by {signal_name(-code)}"
        parts.append(how if len(repeats) == 1 else f"{how} in {failed_n} of {len(repeats)} runs")
    return ", ".join(parts)


def _stopped(series: Series) -> list[str]:
    """What a signal left of the runs that were asked for."""
    if series.stopped_by is None:
        return []
    name, last = signal_name(series.stopped_by), series.repeats[-1]
    if last.cut:
        return [f"stopped by {name} while it ran: this is what it took until it ended"]
    if series.begun_n > len(series.repeats):
        return [f"stopped by {name} in run {series.begun_n} of {series.asked_n}, which is left out"]
    rest = ", whose idle power is that before it alone" if last.idle_cut else ""
    return [f"stopped by {name} after run {series.begun_n} of {series.asked_n}{rest}"]
