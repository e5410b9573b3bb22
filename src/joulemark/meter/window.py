"""A window: what every channel said when it began and when it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from joulemark.failures import ReadFailure
from joulemark.measurement import (
    Absence,
    Channel,
    ChannelEnergy,
    Component,
    ErrorBudget,
    Measurement,
    Provenance,
    Quantity,
)
from joulemark.meter.device_work import wait_for_devices
from joulemark.meter.energy import Edge, Moved, counter_energy
from joulemark.sensors.own_processes import in_use_by_us

TYPE_CHECKING = False  # what type checkers take for true
if TYPE_CHECKING:
    from joulemark.meter.gauge import Samples
    from joulemark.meter.ticks import Ticks
    from joulemark.meter.trace import Readings

Clock = Callable[[], int]
# (begin, end) in ns of the monotonic clock -> samples by channel name, and the sampler's own CPU seconds
Sample = Callable[[int, int], "tuple[dict[str, Samples], float]"]

DISAGREES = "counter-disagrees"
CALIBRATION_MAX_S = 2.0
IDLE_READINGS_N = 10  # of a gauge in an idle window
IDLE_ERRORS_N = 4.3  # standard errors of their mean: one in a thousand is further off, on either side (Student, 9)

UNMETERED = "board-not-metered"  # the reason code of a board that is used and that no sensor reads
SUSPENDED = "suspended"
SUSPENDED_NS = 100_000_000
UNTOLD = "all-boards-counted"  # the reason code of boards of which nobody said whether they are ours

# A counter that wraps is read again at the latest when this share of its range may have passed.
KEEP_ALIVE_SHARE = 0.25


def _asleep_ns() -> int:
    """How long the machine has been suspended since it started: the boot-time clock goes on then (clock_gettime(2))."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return 0 if boottime is None else time.clock_gettime_ns(boottime) - time.monotonic_ns()


class Meter:
    """Open channels, ready to measure windows; windows may nest and overlap."""

    __slots__ = (
        "_asleep",
        "_clock",
        "_sample",
        "absences",
        "board_metered",
        "channels",
        "counters",
        "disagreeing",
        "gauges",
        "keep_alive_ns",
        "untold",
    )

    def __init__(
        self,
        channels: Sequence[Channel],
        absences: Sequence[Absence] = (),
        *,
        sample: Sample | None = None,
        clock: Clock = time.monotonic_ns,
        asleep: Clock = _asleep_ns,
    ) -> None:
        self.channels = tuple(channels)
        self.absences = tuple(absences)
        self.counters = tuple(channel for channel in channels if channel.quantity is Quantity.ENERGY)
        self.gauges = tuple(channel for channel in channels if channel.quantity is Quantity.POWER)
        self.disagreeing: set[str] = set()
        self.untold = tuple(channel for channel in channels if channel.users is not None)
        self.board_metered = any(
            Component.GPU in (channel.component, *channel.covers) and (channel.in_use or channel.users is not None)
            for channel in channels
        )
        wraps_s = [
            turn_n * channel.count_j / channel.power_max_w
            for channel in self.counters
            if (turn_n := channel.wrap_n or channel.turn_n)
        ]
        self.keep_alive_ns = round(min(wraps_s) * KEEP_ALIVE_SHARE * 1e9) if wraps_s else None
        self._sample = sample
        self._clock = clock
        self._asleep = asleep

    def without(self, component: Component) -> Meter:
        """The same channels, those of ``component`` as metered but not ours."""
        channels = [
            replace(channel, in_use=False, users=None, reasons=_told(channel.reasons))
            if channel.component is component
            else channel
            for channel in self.channels
        ]
        return Meter(channels, self.absences, sample=self._sample, clock=self._clock, asleep=self._asleep)

    def calibrated(self, sleep: Callable[[float], None] = time.sleep) -> Meter:
        """The same channels, those slow counters with a longer update period that are seen to be slower than stated.

        What is stated for a kind of device holds for most of it. A counter that is seen to be faster now may be slower
        later, so that the stated period remains. Takes some tenths of a second where there are slow counters, else no
        time.
        """
        from joulemark.meter.ticks import watch

        ours = [channel for channel in self.counters if channel.in_use]
        seen = watch(ours, self._clock, sleep, CALIBRATION_MAX_S)
        channels = [
            replace(channel, update_period_s=max(channel.update_period_s or 0.0, seen[channel.name].period_s))
            if channel.name in seen
            else channel
            for channel in self.channels
        ]
        return Meter(channels, self.absences, sample=self._sample, clock=self._clock, asleep=self._asleep)

    def begin(
        self, align: bool = False, sleep: Callable[[float], None] = time.sleep, readings: Readings | None = None
    ) -> Window:
        """Open a window: read every counter.

        With ``align`` slow counters are watched for up to three of their update periods before it begins, and again
        after it has ended, so that a window shorter than some twenty of them is measured better; see
        :mod:`joulemark.meter.ticks`. What is read in the window anyway is kept in ``readings``, for its trace.
        """
        return Window(self, self._clock, self._asleep, self._sample, sleep if align else None, readings)

    def idle(
        self, duration_s: float, sleep: Callable[[float], None] = time.sleep, readings: Readings | None = None
    ) -> Measurement:
        """Measure ``duration_s`` of doing nothing, and compare counters with gauges where a device has both.

        Power is steady then, so that a few readings of a gauge are enough. A counter that disagrees is marked in this
        window and in all later ones. Counters are read as often, which tells how steady power was.
        """
        window = self.begin(readings=readings)
        checked = [channel for channel in self.counters if channel.gauge is not None]
        gauged_w: dict[str, list[float]] = {channel.name: [] for channel in checked}
        counted: dict[str, list[Edge]] = {channel.name: [] for channel in self.counters}
        ends_ns = window.began_ns + round(duration_s * 1e9)
        for reading_i in range(IDLE_READINGS_N if self.counters else 0):
            due_ns = window.began_ns + round((reading_i + 0.5) / IDLE_READINGS_N * duration_s * 1e9)
            sleep(max(0.0, (due_ns - self._clock()) / 1e9))
            for channel in checked:
                if channel.gauge is not None:
                    with suppress(ReadFailure):
                        gauged_w[channel.name].append(channel.gauge())
            for channel in self.counters:
                counted[channel.name].append(_read(channel, self._clock))
        sleep(max(0.0, (ends_ns - self._clock()) / 1e9))
        measurement = window.end()
        for energy in measurement.channels:
            if _disagrees(energy, gauged_w.get(energy.name, []), measurement.duration_s):
                self.disagreeing.add(energy.name)
        from joulemark.meter.steadiness import noise_j

        noises_j = {one.name: noise_j(one, counted[one.name], measurement.duration_s) for one in self.counters}
        channels = [_marked(one) if one.name in self.disagreeing else one for one in measurement.channels]
        steady = (replace(one, budget=replace(one.budget, noise_j=noises_j.get(one.name, 0.0))) for one in channels)
        return replace(measurement, channels=tuple(steady))


class Window:
    """One open window. :meth:`refresh` may be called as often as one likes; :meth:`end` closes it."""

    __slots__ = (
        "_asleep",
        "_before",
        "_begin",
        "_clock",
        "_cpu_ns",
        "_last",
        "_meter",
        "_moved",
        "_next_ns",
        "_opened_ns",
        "_readings",
        "_sample",
        "_sleep",
        "_slept_ns",
        "_started_at",
        "_used",
        "began_ns",
    )

    def __init__(
        self,
        meter: Meter,
        clock: Clock,
        asleep: Clock,
        sample: Sample | None,
        sleep: Callable[[float], None] | None,
        readings: Readings | None,
    ) -> None:
        self._sleep = sleep  # None: edges are not aligned
        self._before: dict[str, Ticks] = {}
        if sleep is not None:
            from joulemark.meter.ticks import watch

            wait_for_devices()
            self._before = watch(meter.counters, clock, sleep)
        cpu_ns = time.thread_time_ns()
        self._meter = meter
        self._clock = clock
        self._asleep = asleep
        self._slept_ns = asleep()
        self._sample = sample
        self._started_at = time.time()
        wait_for_devices()
        self._opened_ns = clock()
        self._begin = self._last = [_read(channel, clock) for channel in meter.counters]
        self._moved = [Moved() for _ in meter.counters]
        self._used: frozenset[str] = frozenset()
        self._readings = readings
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
            self._look()
            self._cpu_ns += time.thread_time_ns() - cpu_ns

    def follow(self, inner: Window) -> None:
        """Take the last readings of a window that has ended inside this one, on the same thread, for one's own.

        It costs no reading, and leaves less to guess when a counter is set back later.
        """
        readings = zip(self._last, inner._last, strict=True)
        self._advance([last if now.value is None or now.at_ns <= last.at_ns else now for last, now in readings])

    def look(self) -> None:
        """See which boards are used by this process and its children now, where nobody has said which are ours.

        :meth:`end` looks by itself; this is for processes that have ended by then.
        """
        cpu_ns = time.thread_time_ns()
        self._look()
        self._cpu_ns += time.thread_time_ns() - cpu_ns

    def _look(self) -> frozenset[str]:
        """The boards that told who uses them."""
        listed = {channel.name: channel.users() for channel in self._meter.untold if channel.users is not None}
        if listed:
            self._used |= in_use_by_us(listed)
        return frozenset(name for name, pids in listed.items() if pids is not None)

    def end(self) -> Measurement:
        """Close the window and say what every channel measured.

        A board that this process uses and that no channel reads is among them, with an unknown energy.
        """
        board_used = wait_for_devices()
        ended_ns = self._clock()
        cpu_ns = time.thread_time_ns()
        counters = self._meter.counters
        ends: list[Edge] = [_read(channel, self._clock) for channel in reversed(counters)]
        ends.reverse()
        edges_s = ((self._clock() - self._opened_ns) - (ended_ns - self.began_ns)) / 1e9
        self._cpu_ns += time.thread_time_ns() - cpu_ns
        self._advance(ends)
        suspended = self._asleep() - self._slept_ns > SUSPENDED_NS
        for channel, moved in zip(counters, self._moved, strict=True):
            if moved.wraps:
                moved.doubt(channel, suspended)
        if self._readings is not None:
            self._readings.began_ns, self._readings.ended_ns = self.began_ns, ended_ns
        aligned = self._aligned(ends, ended_ns)
        energies = {
            channel.name: counter_energy(channel, begin, end, moved, edges_s)
            for channel, begin, end, moved in zip(counters, self._begin, ends, self._moved, strict=True)
        }
        energies |= aligned
        if suspended:
            energies = {
                channel.name: _over_sleep(channel, energies[channel.name], (ended_ns - self.began_ns) / 1e9)
                for channel in counters
            }
        sampler_cpu_s = self._add_gauges(energies, ended_ns)
        if self._meter.untold:
            self._tell_apart(energies)
        for name in self._meter.disagreeing:
            energies[name] = _marked(energies[name])
        unmetered = (_unmetered_board(),) if board_used and not self._meter.board_metered else ()
        return Measurement(
            started_at=_iso_time(self._started_at),
            duration_s=(ended_ns - self.began_ns) / 1e9,
            channels=tuple(energies[channel.name] for channel in self._meter.channels) + unmetered,
            harness_cpu_s=self._cpu_ns / 1e9 + sampler_cpu_s,
        )

    def _aligned(self, ends: list[Edge], ended_ns: int) -> dict[str, ChannelEnergy]:
        """The energies of slow counters whose ticks were seen around the window."""
        if not self._before or self._sleep is None:
            return {}
        from joulemark.meter.ticks import energy_between, watch

        counters = self._meter.counters
        after = watch([channel for channel in counters if channel.name in self._before], self._clock, self._sleep)
        span, found = (self.began_ns, ended_ns), {}
        for channel, begin, end, moved in zip(counters, self._begin, ends, self._moved, strict=True):
            if channel.name in after:
                ticks = self._before[channel.name], after[channel.name]
                energy = energy_between(channel, span, (begin, end), moved, *ticks)
                if energy is not None:
                    found[channel.name] = energy
        return found

    def _add_gauges(self, energies: dict[str, ChannelEnergy], ended_ns: int) -> float:
        if not self._meter.gauges:
            return 0.0
        from joulemark.meter.gauge import gauge_energy

        samples, sampler_cpu_s = self._sample(self.began_ns, ended_ns) if self._sample else ({}, 0.0)
        for channel in self._meter.gauges:
            taken = samples.get(channel.name)
            energies[channel.name] = gauge_energy(channel, self.began_ns, ended_ns, taken)
            if self._readings is not None and taken is not None:
                self._readings.keep_samples(channel, taken.rows)
        return sampler_cpu_s

    def _tell_apart(self, energies: dict[str, ChannelEnergy]) -> None:
        """Where boards are used by processes of ours, those that told of none are not ours."""
        told = self._look()
        if not self._used:
            return
        for name in told | self._used:
            energy = energies[name]
            energies[name] = replace(energy, in_use=name in self._used, reasons=_told(energy.reasons))

    def _advance(self, edges: list[Edge]) -> None:
        """Add what each counter moved since it was last read."""
        for channel, moved, before, now in zip(self._meter.counters, self._moved, self._last, edges, strict=True):
            if now is not before:
                moved.advance(channel, before, now)
                if self._readings is not None:
                    self._readings.keep_counter(channel, before, now)
        self._last = edges


def _over_sleep(channel: Channel, energy: ChannelEnergy, duration_s: float) -> ChannelEnergy:
    """The energy of a counter over a suspension, before which it may have counted what nobody read any more."""
    high_j = None if energy.high_j is None else max(energy.high_j, channel.power_max_w * duration_s)
    return replace(energy, high_j=high_j, reasons=(*energy.reasons, SUSPENDED))


def _unmetered_board() -> ChannelEnergy:
    return ChannelEnergy(
        "gpu", Component.GPU, Provenance.ASSUMED, None, None, None, ErrorBudget(), reasons=(UNMETERED,)
    )


def not_ours(measurement: Measurement, component: Component) -> Measurement:
    """The measurement with the channels of ``component`` as metered but not ours."""
    channels = tuple(
        replace(channel, in_use=False, reasons=_told(channel.reasons)) if channel.component is component else channel
        for channel in measurement.channels
    )
    return replace(measurement, channels=channels)


def _told(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """The reasons of a board of which it is known whether it is ours."""
    return tuple(code for code in reasons if code != UNTOLD)


def _disagrees(energy: ChannelEnergy, gauged_w: Sequence[float], duration_s: float) -> bool:
    """Whether the counter of an idle window and the gauge differ by more than 10 % and by what the window leaves open.

    Open are the update period at each edge, and the mean of a few readings of a power that varies.
    """
    if energy.energy_j is None or len(gauged_w) < IDLE_READINGS_N:
        return False
    from statistics import fmean, stdev  # with the next one half as much to load as all of the meter

    from joulemark.sensors.calibrate import counter_disagrees

    mean_w = fmean(gauged_w)
    slack_j = energy.budget.update_j + IDLE_ERRORS_N * stdev(gauged_w) / len(gauged_w) ** 0.5 * duration_s
    return counter_disagrees(energy.energy_j, mean_w * duration_s, slack_j)


def _marked(energy: ChannelEnergy) -> ChannelEnergy:
    """The energy of a counter that has been seen to disagree with its gauge."""
    return energy if DISAGREES in energy.reasons else replace(energy, reasons=(*energy.reasons, DISAGREES))


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
