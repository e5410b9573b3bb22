"""A window: what every channel said when it began and when it ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from joulemark.meter.energy import Edge, counter_energy, gauge_energy, may_have_wrapped_more, unwrapped
from joulemark.records import Absence, Channel, ChannelEnergy, Measurement, Quantity, ReadFailure

Clock = Callable[[], int]
# (begin, end) in ns of the monotonic clock -> samples by channel name (ns, W), and the sampler's own CPU seconds
Sample = Callable[[int, int], tuple[dict[str, list[tuple[int, float]]], float]]

# A counter that wraps is read again at the latest when this share of its range may have passed.
KEEP_ALIVE_SHARE = 0.25


class Meter:
    """Open channels, ready to measure windows; windows may nest and overlap."""

    __slots__ = ("_clock", "_sample", "absences", "channels", "counters", "gauges", "keep_alive_ns")

    def __init__(
        self,
        channels: Sequence[Channel],
        absences: Sequence[Absence] = (),
        *,
        sample: Sample | None = None,
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self.channels = tuple(channels)
        self.absences = tuple(absences)
        self.counters = tuple(channel for channel in channels if channel.quantity is Quantity.ENERGY)
        self.gauges = tuple(channel for channel in channels if channel.quantity is Quantity.POWER)
        wraps_s = [
            channel.wrap_n * channel.count_j / channel.power_max_w for channel in self.counters if channel.wrap_n
        ]
        self.keep_alive_ns = round(min(wraps_s) * KEEP_ALIVE_SHARE * 1e9) if wraps_s else None
        self._sample = sample
        self._clock = clock

    def begin(self) -> Window:
        """Open a window: read every counter."""
        return Window(self, self._clock, self._sample)


class Window:
    """One open window. :meth:`refresh` may be called as often as one likes; :meth:`end` closes it."""

    __slots__ = (
        "_ambiguous",
        "_begin",
        "_clock",
        "_counts",
        "_cpu_ns",
        "_last",
        "_meter",
        "_next_ns",
        "_opened_ns",
        "_sample",
        "_started_at",
        "began_ns",
    )

    def __init__(self, meter: Meter, clock: Clock, sample: Sample | None) -> None:
        cpu_ns = time.thread_time_ns()
        self._meter = meter
        self._clock = clock
        self._sample = sample
        self._started_at = time.time()
        _synchronise_devices()
        self._opened_ns = clock()
        self._begin = self._last = [_read(channel, clock) for channel in meter.counters]
        self._counts: list[float | None] = [0] * len(meter.counters)
        self._ambiguous: set[int] = set()
        self.began_ns = clock()
        self._next_ns = None if meter.keep_alive_ns is None else self.began_ns + meter.keep_alive_ns
        self._cpu_ns = time.thread_time_ns() - cpu_ns

    def refresh(self) -> None:
        """Read counters that could wrap more than once before the window ends, when that is due."""
        if self._next_ns is not None and self._clock() >= self._next_ns:
            cpu_ns = time.thread_time_ns()
            edges = [_read(channel, self._clock) for channel in self._meter.counters]
            # A reading that fails here is made up for by the next one.
            self._advance([last if now.value is None else now for last, now in zip(self._last, edges, strict=True)])
            self._next_ns = self._clock() + (self._meter.keep_alive_ns or 0)
            self._cpu_ns += time.thread_time_ns() - cpu_ns

    def end(self) -> Measurement:
        """Close the window and say what every channel measured."""
        _synchronise_devices()
        ended_ns = self._clock()
        cpu_ns = time.thread_time_ns()
        counters = self._meter.counters
        ends: list[Edge] = [_read(channel, self._clock) for channel in reversed(counters)]
        ends.reverse()
        edges_s = ((self._clock() - self._opened_ns) - (ended_ns - self.began_ns)) / 1e9
        self._cpu_ns += time.thread_time_ns() - cpu_ns
        self._advance(ends)
        energies = {
            channel.name: counter_energy(channel, begin, end, counts, index in self._ambiguous, edges_s)
            for index, (channel, begin, end, counts) in enumerate(
                zip(counters, self._begin, ends, self._counts, strict=True)
            )
        }
        sampler_cpu_s = self._add_gauges(energies, ended_ns)
        return Measurement(
            started_at=_iso_time(self._started_at),
            duration_s=(ended_ns - self.began_ns) / 1e9,
            channels=tuple(energies[channel.name] for channel in self._meter.channels),
            harness_cpu_s=self._cpu_ns / 1e9 + sampler_cpu_s,
        )

    def _add_gauges(self, energies: dict[str, ChannelEnergy], ended_ns: int) -> float:
        if not self._meter.gauges:
            return 0.0
        samples, sampler_cpu_s = self._sample(self.began_ns, ended_ns) if self._sample else ({}, 0.0)
        for channel in self._meter.gauges:
            energies[channel.name] = gauge_energy(channel, self.began_ns, ended_ns, samples.get(channel.name))
        return sampler_cpu_s

    def _advance(self, edges: list[Edge]) -> None:
        """Add what each counter moved since it was last read."""
        for index, (channel, before, now) in enumerate(zip(self._meter.counters, self._last, edges, strict=True)):
            so_far, moved = self._counts[index], unwrapped(channel, before, now)
            self._counts[index] = None if so_far is None or moved is None else so_far + moved
            if moved is not None and may_have_wrapped_more(channel, before, now, moved):
                self._ambiguous.add(index)
        self._last = edges


def _iso_time(since_epoch_s: float) -> str:
    """An instant as ISO 8601 in UTC, to the millisecond."""
    whole_s, part_s = divmod(since_epoch_s, 1)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole_s)) + f".{int(part_s * 1000):03d}+00:00"


def _read(channel: Channel, clock: Clock) -> Edge:
    try:
        value: float | None = channel.read()
        reason = None
    except ReadFailure as failure:
        value, reason = None, failure.reason
    return Edge(clock(), value, reason)


def _synchronise_devices() -> None:
    """Wait for work queued on a GPU, through whichever framework the program has loaded already."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()
