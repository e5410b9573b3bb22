"""The fake sensor: channels over a known power, for tests and for trying the program out.

:func:`known_energy_channel` is a counter over a piecewise constant power on any clock, with its own update period,
resolution and wrap: the simulated truth against which the meter is tested. ``--sensors fake`` hands out one such
channel on the real clock; every joule from it says that it is fake.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from joulemark.measurement import Channel, Component, Provenance, Quantity
from joulemark.sensors import Found, Setup

Clock = Callable[[], int]  # nanoseconds, monotonic

FAKE_POWER_W = 35.0


class VirtualClock:
    """A monotonic clock that moves only when told to."""

    def __init__(self) -> None:
        self._now_ns = 0

    def __call__(self) -> int:
        """The time in ns."""
        return self._now_ns

    def sleep(self, duration_s: float) -> None:
        """Move the clock on."""
        self._now_ns += round(duration_s * 1e9)


def energy_until_j(profile: Sequence[tuple[float, float]], time_s: float) -> float:
    """The true energy from 0 to ``time_s`` of a profile of (duration in s, power in W) steps that repeats for ever."""
    period_s = sum(duration_s for duration_s, _ in profile)
    period_j = sum(duration_s * power_w for duration_s, power_w in profile)
    periods_n = math.floor(time_s / period_s)
    energy_j, rest_s = periods_n * period_j, time_s - periods_n * period_s
    for duration_s, power_w in profile:
        part_s = min(duration_s, rest_s)
        energy_j += part_s * power_w
        rest_s -= part_s
    return energy_j


def known_energy_channel(
    clock: Clock,
    profile: Sequence[tuple[float, float]],
    *,
    name: str = "fake-cpu",
    component: Component = Component.CPU,
    update_period_s: float = 1e-3,
    count_j: float = 1e-6,
    wrap_n: int | None = None,
    seen_ratio: float = 1.0,
    power_max_w: float = 2000.0,
    accuracy_ratio: float = 0.0,
    in_use: bool = True,
    part_of: str | None = None,
) -> Channel:
    """A counter over ``profile`` on ``clock`` that is refreshed every ``update_period_s`` and wraps at ``wrap_n``.

    With a ``seen_ratio`` below 1 it looks only at the end of each update, and takes the mean power there for all of it.
    """
    period_ns = round(update_period_s * 1e9)

    def accumulated_j(updates_n: int) -> float:
        if seen_ratio == 1:
            return energy_until_j(profile, updates_n * period_ns / 1e9)
        period_s = period_ns / 1e9
        return math.fsum(
            (energy_until_j(profile, n * period_s) - energy_until_j(profile, (n - seen_ratio) * period_s)) / seen_ratio
            for n in range(1, updates_n + 1)
        )

    def read() -> int:
        counts = math.floor(accumulated_j(clock() // period_ns) / count_j)
        return counts if wrap_n is None else counts % wrap_n

    return Channel(
        name=name,
        component=component,
        provenance=Provenance.COUNTER,
        quantity=Quantity.ENERGY,
        read=read,
        device="fake",
        count_j=count_j,
        resolution_j=count_j,
        update_period_s=update_period_s,
        wrap_n=wrap_n,
        seen_ratio=seen_ratio,
        power_max_w=power_max_w,
        accuracy_ratio=accuracy_ratio,
        in_use=in_use,
        part_of=part_of,
        reasons=("fake-sensor",),
    )


@contextmanager
def fake(setup: Setup) -> Iterator[Found]:
    """One processor that draws 35 W whatever it does."""
    yield Found((known_energy_channel(time.monotonic_ns, ((1.0, FAKE_POWER_W),)),))
