"""Power over time, from what is read in a window anyway: nothing is read for a trace alone.

A counter is read at both edges of a window, at the end of each lap, and before it could wrap twice: from reading to
reading its energy is known, so that these steps fill the window and their energies add up to the window's. The samples
of a gauge are joined to at most :data:`STEPS_MAX_N` steps, each the integral over its samples. A channel that was read
at the edges only, or has no reading that can be used, has one step: the mean power of the window.

What is kept of a window has a bound: where there are more readings of a counter, neighbours are joined on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from joulemark.measurement import Channel, ChannelEnergy, Measurement
from joulemark.meter.energy import (
    UPDATES_MIN_N,
    Edge,
    Moved,
    counter_energy,
)
from joulemark.meter.gauge import gauge_part_energy, gauge_points
from joulemark.records import TraceStep

STEPS_MAX_N = 1000  # of a channel in a window; even


@dataclass(slots=True)
class _Stretch:
    """What a counter moved between two readings."""

    begin: Edge
    end: Edge
    moved: Moved

    def join(self, later: _Stretch) -> None:
        self.end = later.end
        self.moved.join(later.moved)


@dataclass(slots=True)
class _Counted:
    """A counter from reading to reading, ``joined_n`` of them in every stretch but the last, which has ``last_n``."""

    channel: Channel
    stretches: list[_Stretch] = field(default_factory=list)
    joined_n: int = 1
    last_n: int = 0

    def add(self, stretch: _Stretch) -> None:
        if self.stretches and self.last_n < self.joined_n:
            self.stretches[-1].join(stretch)
            self.last_n += 1
            return
        if len(self.stretches) == STEPS_MAX_N:
            for first, second in zip(self.stretches[::2], self.stretches[1::2], strict=True):
                first.join(second)
            del self.stretches[1::2]
            self.joined_n *= 2
        self.stretches.append(stretch)
        self.last_n = 1


@dataclass(frozen=True, slots=True)
class _Part:
    """The energy of a channel between two instants of the monotonic clock."""

    begin_ns: int
    end_ns: int
    energy: ChannelEnergy


@dataclass(slots=True)
class Readings:
    """What was read in one window; give an empty one to the window that shall fill it."""

    began_ns: int = 0
    ended_ns: int = 0
    _counted: dict[str, _Counted] = field(default_factory=dict)
    _sampled: dict[str, list[_Part]] = field(default_factory=dict)

    def keep_counter(self, channel: Channel, before: Edge, now: Edge) -> None:
        """Keep what a counter moved between two readings that follow one another."""
        moved = Moved()
        moved.advance(channel, before, now)
        self._counted.setdefault(channel.name, _Counted(channel)).add(_Stretch(before, now, moved))

    def keep_samples(self, channel: Channel, samples: Sequence[tuple[int, float]]) -> None:
        """Keep the power of a gauge over the window, which has ended, from its samples (ns, W)."""
        points = gauge_points(self.began_ns, self.ended_ns, samples)
        intervals_n = len(points) - 1
        joined_n = -(-intervals_n // STEPS_MAX_N)
        parts: list[_Part] = []
        for first_i in range(0, intervals_n, max(1, joined_n)):
            some = points[first_i : first_i + joined_n + 1]
            if some[-1][0] > some[0][0]:  # a sample may fall on an edge
                parts.append(_Part(some[0][0], some[-1][0], gauge_part_energy(channel, some)))
        self._sampled[channel.name] = parts

    def steps(self, window: str, measurement: Measurement, origin_ns: int) -> list[TraceStep]:
        """The power of every channel of ``measurement``, step by step; ``origin_ns`` is what time is counted from."""
        found: list[TraceStep] = []
        for energy in measurement.channels:
            counted = self._counted.get(energy.name)
            parts = self._sampled.get(energy.name, []) if counted is None else _counter_parts(counted)
            if len(parts) < 2:
                parts = [_Part(self.began_ns, self.ended_ns, energy)]
            # Reading took a moment around the window, whose edges are the same for all channels.
            parts[0] = replace(parts[0], begin_ns=self.began_ns)
            parts[-1] = replace(parts[-1], end_ns=self.ended_ns)
            found += [_step(window, part, origin_ns) for part in parts if part.end_ns > part.begin_ns]
        return found


def _counter_parts(counted: _Counted) -> list[_Part]:
    """Stretches of at least ten updates: what is left over at the end is joined to the last."""
    least_ns = max(1, round(UPDATES_MIN_N * (counted.channel.update_period_s or 0.0) * 1e9))
    joined: list[_Stretch] = []
    long_enough = True
    for stretch in counted.stretches:
        if long_enough:
            joined.append(replace(stretch, moved=replace(stretch.moved)))
        else:
            joined[-1].join(stretch)
        long_enough = joined[-1].end.at_ns - joined[-1].begin.at_ns >= least_ns
    if not long_enough and len(joined) > 1:
        joined[-2].join(joined.pop())
    return [
        _Part(one.begin.at_ns, one.end.at_ns, counter_energy(counted.channel, one.begin, one.end, one.moved))
        for one in joined
    ]


def _step(window: str, part: _Part, origin_ns: int) -> TraceStep:
    duration_s = (part.end_ns - part.begin_ns) / 1e9

    def power_w(energy_j: float | None) -> float | None:
        return None if energy_j is None else energy_j / duration_s

    energy = part.energy
    return TraceStep(
        channel=energy.name,
        window=window,
        start_s=(part.begin_ns - origin_ns) / 1e9,
        duration_s=duration_s,
        power_w=power_w(energy.energy_j),
        low_w=power_w(energy.low_j),
        high_w=power_w(energy.high_j),
    )
