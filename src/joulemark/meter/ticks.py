"""Windows shorter than their sensor: what its refreshes tell, instead of readings that are stale by up to one of them.

A counter that is refreshed every 100 ms says little about 100 ms of work. But the instant at which its reading changes
is known as well as it is polled, and so is the power between two such ticks. So the counter is watched until it has
ticked twice before the work begins, and twice after it has ended: between the last tick before and the first after,
the energy is exact, and of it are taken the short times outside the work, at the power that was seen just before and
just after. The work itself is neither delayed at its end nor prolonged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joulemark.failures import ReadFailure
from joulemark.measurement import Channel, ChannelEnergy, ErrorBudget
from joulemark.meter.energy import Edge, Moved, known_energy, unwrapped

SLOW_S = 0.01  # a counter that is refreshed more often needs no help
POLL_S = 0.001
WAIT_PERIODS_N = 3  # for two ticks


@dataclass(frozen=True, slots=True)
class Ticks:
    """Two refreshes of a counter, one after the other, and by how much later each may have been seen."""

    first: Edge
    second: Edge
    late_s: float

    @property
    def period_s(self) -> float:
        """The time between them, at most."""
        return (self.second.at_ns - self.first.at_ns) / 1e9 + self.late_s

    def power_w(self, channel: Channel) -> float | None:
        """The mean power between them; ``None`` where the counter was set back."""
        moved = unwrapped(channel, self.first, self.second)
        duration_s = (self.second.at_ns - self.first.at_ns) / 1e9
        return None if moved is None or duration_s <= 0 else moved * channel.count_j / duration_s


def is_slow(channel: Channel) -> bool:
    """Whether watching the counter is worth its time."""
    return (channel.update_period_s or 0.0) >= SLOW_S


def watch(
    channels: Sequence[Channel],
    clock: Callable[[], int],
    sleep: Callable[[float], None] = time.sleep,
    longest_s: float | None = None,
) -> dict[str, Ticks]:
    """Read the slow ones of ``channels`` until each has ticked twice, for ``longest_s`` (else three periods) at most.

    Those that have not ticked twice by then, or fail, are left out.
    """
    slow = [channel for channel in channels if is_slow(channel)]
    last: dict[str, float] = {}
    ticks: dict[str, list[Edge]] = {channel.name: [] for channel in slow}
    late_ns: dict[str, int] = {channel.name: 0 for channel in slow}
    read_ns: dict[str, int] = {}
    if longest_s is None:
        longest_s = WAIT_PERIODS_N * max((channel.update_period_s or 0.0 for channel in slow), default=0.0)
    ends_ns = clock() + round(longest_s * 1e9)
    waiting = list(slow)
    while waiting and clock() < ends_ns:
        for channel in tuple(waiting):
            try:
                value = channel.read()
            except ReadFailure:
                waiting.remove(channel)
                continue
            now_ns, name = clock(), channel.name
            if name in last and value != last[name]:
                ticks[name].append(Edge(now_ns, value, None))
                late_ns[name] = max(late_ns[name], now_ns - read_ns[name])
                if len(ticks[name]) == 2:
                    waiting.remove(channel)
            last[name], read_ns[name] = value, now_ns
        if waiting:
            sleep(POLL_S)
    return {name: Ticks(two[0], two[1], late_ns[name] / 1e9) for name, two in ticks.items() if len(two) == 2}


def energy_between(
    channel: Channel,
    span: tuple[int, int],
    edges: tuple[Edge, Edge],
    moved: Moved,
    before: Ticks,
    after: Ticks,
) -> ChannelEnergy | None:
    """The energy of the work in ``span`` (ns), whose counter has ``moved`` between the readings ``edges``.

    How the energy of the last update parts into work and what came after is estimated from the power after it, and
    bounded by what was counted and by the most that can be drawn in either part. Before the work it is the time since
    the tick, a millisecond unless several counters were waited for. ``None`` where the counter was set back: then the
    plain rules hold.
    """
    lead = unwrapped(channel, before.second, edges[0])
    tail = unwrapped(channel, edges[1], after.first)
    before_w, after_w = before.power_w(channel), after.power_w(channel)
    unsure = moved.lost_s or moved.ambiguous or moved.doubtful_counts
    if moved.counts is None or unsure or None in (lead, tail, before_w, after_w):
        return None
    assert lead is not None
    assert tail is not None
    assert before_w is not None
    assert after_w is not None
    duration_s = (span[1] - span[0]) / 1e9
    lead_s = (span[0] - before.second.at_ns) / 1e9
    tail_s = (after.first.at_ns - span[1]) / 1e9
    tail_j = tail * channel.count_j
    inside_s = max(0.0, (after.second.at_ns - after.first.at_ns) / 1e9 - tail_s)
    after_most_j = min(tail_j, channel.power_max_w * tail_s)
    after_least_j = max(0.0, tail_j - channel.power_max_w * inside_s)
    after_j = min(max(after_w * tail_s, after_least_j), after_most_j)
    energy_j = (lead + moved.counts) * channel.count_j + tail_j - after_j - before_w * lead_s
    if energy_j <= 0 or duration_s <= 0:
        return None
    mean_w = energy_j / duration_s
    update_period_s = channel.update_period_s or 0.0
    budget = ErrorBudget(
        resolution_j=channel.resolution_j,
        update_j=max(mean_w, before_w) * lead_s + (before.late_s + after.late_s) * mean_w,
        accuracy_j=channel.accuracy_ratio * energy_j,
        unseen_below_j=after_most_j - after_j,
        unseen_above_j=after_j - after_least_j,
        model_factor=channel.model_factor,
    )
    short: tuple[str, ...] = ("window-too-short",) if duration_s < update_period_s else ()
    return known_energy(channel, energy_j, duration_s, budget, short)
