"""From a counter's readings to joules, and what the energy of any channel has in common.

The interval of a window at 95 % is built from the resolution (one count at each edge), the update period (at each
edge the reading is stale by an unknown part of it), gaps between samples, the vendor's tolerance, and the factor of a
model. A reading is stale by U(0, u) at each edge: the window gets the energy of up to u before it began, and lacks that
of up to u before it ended. The term is u times the power P of the window. With steady power the error is P times a
triangular variable on (-u, u), so that u P bounds it; a window that starts from idle is low by up to u P. What was
counted is then the energy of a part of the window only, of T - u at least: P is taken over that.

A sensor that looks only at a share s of the time says nothing about the rest, in which a load that keeps step with it
may draw anything from nothing to the most that the device can. These two bounds are added to the interval: they do
not shrink with the length of the window, since readings cannot tell such a load from a steady one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from joulemark.measurement import Channel, ChannelEnergy, ErrorBudget

UPDATES_MIN_N = 10  # a window with fewer updates of its sensor is marked
LONE_SHARE = 0.25  # of a turn at the greatest power: in less time few resets look like a wrap
UNLIKE_RATIO = 2.0  # a wrap that makes that much more power of the time around it than was ever seen may be a reset
LEAST_POWER_W = 10.0  # of a device whose counter moves in steps so coarse that it may seem to stand still
EDGES_RATIO, EDGES_S = 0.005, 1e-3  # of a window, and at all: where reading around it takes longer, it is marked


@dataclass(slots=True)
class Edge:
    """One reading of a counter: when, what, or why not."""

    at_ns: int
    value: float | None
    reason: str | None


# Two readings of which the later one is lower: counts that were moved between them if that was a wrap, and if the
# counter was set back, and the seconds. No dataclass: making one takes a hundredth of what importing the meter may.
Wrap = tuple[float, float, float]


@dataclass(slots=True)
class Moved:
    """How far a counter has moved since a window began, from reading to reading."""

    counts: float | None = 0.0  # that were seen; None where a reading at an edge failed
    lost_s: float = 0.0  # between the readings around a reset to zero
    lost_counts: float = 0.0  # of ``counts``, those of that time: what the counter had counted again at its end
    lost_max_j: float = 0.0  # at most drawn in that time, beyond these
    ambiguous: bool = False  # it may have wrapped more often
    wraps: tuple[Wrap, ...] = ()
    peak_w: float = 0.0  # the greatest between two readings that surely were of one count
    doubtful_counts: float = 0.0  # that it moved less if a wrap was none

    def advance(self, channel: Channel, before: Edge, now: Edge) -> None:
        """Add what ``channel`` moved between two readings."""
        if self.counts is None:
            return
        step = unwrapped(channel, before, now)
        if step is not None:
            self.ambiguous |= may_have_wrapped_more(channel, before, now, step)
            between_s = (now.at_ns - before.at_ns) / 1e9
            if before.value is not None and now.value is not None and now.value < before.value:
                self.wraps += ((step, now.value, between_s),)
            elif between_s >= UPDATES_MIN_N * (channel.update_period_s or 0.0) and between_s > 0:
                self.peak_w = max(self.peak_w, step * channel.count_j / between_s)
        elif before.value is not None and now.value is not None:
            step = self._set_back(channel, now.value, (now.at_ns - before.at_ns) / 1e9)
        self.counts = None if step is None else self.counts + step

    def _set_back(self, channel: Channel, since_zero: float, between_s: float) -> float | None:
        """The counts of a counter that started anew from zero; ``None`` where that is more than can be drawn."""
        longest_s = between_s + (channel.update_period_s or 0.0)
        lost_max_j = channel.power_max_w * longest_s - since_zero * channel.count_j
        if lost_max_j < 0:
            return None
        self.lost_s += between_s
        self.lost_counts += since_zero
        self.lost_max_j += lost_max_j
        return since_zero

    def doubt(self, channel: Channel, suspended: bool) -> None:
        """Look again at what was taken for a wrap.

        The registers of a machine that was ``suspended`` start anew. Else a wrap shows a power as others are, and a
        counter that was set back any power at all. Where no other was seen, and so much time went by that most of the
        counts may follow from one that can be drawn, it may be either.
        """
        for counts, since_zero, between_s in self.wraps:
            if self.counts is None:
                break
            if suspended:
                step = self._set_back(channel, since_zero, between_s)
                self.counts = None if step is None else self.counts - counts + step
                continue
            if self.peak_w:
                unlike = counts * channel.count_j > UNLIKE_RATIO * self.peak_w * between_s
            else:
                turn_j = (channel.wrap_n or 0) * channel.count_j
                unlike = channel.power_max_w * between_s > LONE_SHARE * turn_j
            if unlike:
                self.doubtful_counts += counts - since_zero
        self.wraps = ()

    def join(self, later: Moved) -> None:
        """Add what was moved after this."""
        self.counts = None if self.counts is None or later.counts is None else self.counts + later.counts
        self.lost_s += later.lost_s
        self.lost_counts += later.lost_counts
        self.lost_max_j += later.lost_max_j
        self.ambiguous |= later.ambiguous
        self.wraps += later.wraps
        self.peak_w = max(self.peak_w, later.peak_w)
        self.doubtful_counts += later.doubtful_counts


def unwrapped(channel: Channel, before: Edge, after: Edge) -> float | None:
    """Counts between two readings less than one wrap apart; ``None`` when that cannot be known."""
    if before.value is None or after.value is None:
        return None
    moved = after.value - before.value
    if moved >= 0:
        return moved
    if channel.wrap_n is None:
        return None
    moved += channel.wrap_n
    # It was set back, if taking it for a wrap would mean more power than there is.
    longest_s = (after.at_ns - before.at_ns) / 1e9 + (channel.update_period_s or 0.0)
    return moved if moved * channel.count_j <= channel.power_max_w * longest_s else None


def shortest_window_s(channel: Channel, relative_error: float) -> float:
    """How long a window must be for the update period to cost at most ``relative_error`` L: u (1 + 1 / L)."""
    return (channel.update_period_s or 0.0) * (1 + 1 / relative_error)


def may_have_wrapped_more(channel: Channel, before: Edge, after: Edge, moved: float) -> bool:
    """Whether the time between two readings leaves room for one more wrap than was taken for granted."""
    turn_n = channel.wrap_n or channel.turn_n
    if turn_n is None:
        return False
    return (moved + turn_n) * channel.count_j <= channel.power_max_w * (after.at_ns - before.at_ns) / 1e9


def counter_energy(channel: Channel, begin: Edge, end: Edge, moved: Moved, edges_s: float = 0.0) -> ChannelEnergy:
    """The energy of a counter that has ``moved`` between ``begin`` and ``end``.

    ``edges_s`` is the time that reading took around the window: a busy machine can delay it by milliseconds, whose
    energy is counted though it is not the window's, so that it lowers the lower end, and the window is marked where it
    is a noticeable part of it. Where the counter may have wrapped more often, its energy is only bounded by the most
    that it can draw; where a wrap may be none, the interval holds both. Where it was set back, what it drew until then
    is known up to the last reading before, and afterwards from the first one on: the time between them is taken to have
    drawn what the rest of the window did on average, and the interval reaches from what was counted to the most that
    can have been drawn. Where these readings are more than half of the window apart, there are only the bounds, and no
    energy. A count that has not moved yet is no zero but of a device that may rest: it has an upper bound. A counter of
    coarse steps (1 J on some platforms) has
    to move only in a window that is longer than a step at 10 W.
    """
    if moved.counts is None:
        return unknown_energy(channel, begin.reason or end.reason or "counter-went-back")
    duration_s = (end.at_ns - begin.at_ns) / 1e9
    energy_j = moved.counts * channel.count_j
    update_period_s = channel.update_period_s or 0.0
    if moved.lost_s > duration_s / 2:
        least_j = max(0.0, energy_j * (1 - channel.accuracy_ratio) - channel.resolution_j)
        most_j = energy_j * (1 + channel.accuracy_ratio) + moved.lost_max_j
        return unknown_energy(channel, "counter-went-back", least_j, most_j)
    if moved.counts == 0 and channel.rests:
        return known_energy(channel, 0.0, duration_s, ErrorBudget(resolution_j=channel.resolution_j), ())
    if moved.counts == 0 and duration_s > max(2 * update_period_s, channel.resolution_j / LEAST_POWER_W):
        return unknown_energy(channel, "counter-stood-still")
    if moved.counts == 0:
        most_j = channel.power_max_w * (duration_s + update_period_s) * channel.model_factor
        if duration_s > 2 * update_period_s:  # it was updated, but by less than one step
            step_j = channel.resolution_j * (1 + channel.accuracy_ratio) + channel.power_max_w * update_period_s
            most_j = min(most_j, step_j * channel.model_factor)
        return unknown_energy(channel, "window-too-short", 0.0, most_j)
    power_w = energy_j / duration_s if duration_s > 0 else 0.0
    budget = ErrorBudget(
        resolution_j=channel.resolution_j,
        update_j=update_period_s * edge_power_w(channel, energy_j, duration_s),
        edge_j=edges_s * power_w,
        accuracy_j=channel.accuracy_ratio * energy_j,
        model_factor=channel.model_factor,
    )
    few_steps = energy_j < UPDATES_MIN_N * channel.resolution_j and not channel.rests
    short = few_steps or duration_s < UPDATES_MIN_N * update_period_s
    reasons: tuple[str, ...] = ("window-too-short",) if short else ()
    reasons += ("edges-delayed",) if edges_s > max(EDGES_S, EDGES_RATIO * duration_s) else ()
    known = known_energy(channel, energy_j, duration_s, budget, reasons)
    if moved.lost_s:
        seen_w = (moved.counts - moved.lost_counts) * channel.count_j / (duration_s - moved.lost_s)
        lacking_j = min(max(0.0, seen_w * moved.lost_s - moved.lost_counts * channel.count_j), moved.lost_max_j)
        most_j = (known.high_j or 0.0) + moved.lost_max_j
        reasons = (*known.reasons, "counter-went-back")
        known = replace(known, energy_j=energy_j + lacking_j, high_j=most_j, reasons=reasons)
    if moved.ambiguous:
        most_j = max(known.high_j or 0.0, channel.power_max_w * duration_s)
        known = replace(known, high_j=most_j, reasons=(*known.reasons, "wrap-ambiguous"))
    if moved.doubtful_counts:
        least_j = max(0.0, (known.low_j or 0.0) - moved.doubtful_counts * channel.count_j)
        known = replace(known, low_j=least_j, reasons=tuple(dict.fromkeys((*known.reasons, "wrap-ambiguous"))))
    return known


def edge_power_w(channel: Channel, energy_j: float, duration_s: float) -> float:
    """The power to reckon with in an update that is not in a reading: that of the time that surely is.

    It is the most that the device can draw where there is no such time.
    """
    counted_s = duration_s - (channel.update_period_s or 0.0)
    return min(channel.power_max_w, energy_j / counted_s) if counted_s > 0 else channel.power_max_w


def known_energy(
    channel: Channel, energy_j: float, duration_s: float, budget: ErrorBudget, reasons: tuple[str, ...]
) -> ChannelEnergy:
    """An energy with the interval of its budget, and the bounds of what its sensor did not see."""
    share = 1 - channel.seen_ratio
    if share:
        below_j = budget.unseen_below_j + share * energy_j
        above_j = budget.unseen_above_j + share * max(0.0, channel.power_max_w * duration_s - energy_j)
        budget = replace(budget, unseen_below_j=below_j, unseen_above_j=above_j)
    half_width_j = budget.half_width_j
    return ChannelEnergy(
        name=channel.name,
        component=channel.component,
        provenance=channel.provenance,
        energy_j=energy_j,
        low_j=max(0.0, energy_j - half_width_j - budget.edge_j - budget.unseen_below_j) / budget.model_factor,
        high_j=(energy_j + half_width_j + budget.unseen_above_j) * budget.model_factor,
        budget=budget,
        in_use=channel.in_use,
        part_of=channel.part_of,
        covers=channel.covers,
        reasons=channel.reasons + reasons,
    )


def unknown_energy(
    channel: Channel, reason: str, low_j: float | None = None, high_j: float | None = None
) -> ChannelEnergy:
    """No energy, why, and the bounds that are left."""
    return ChannelEnergy(
        name=channel.name,
        component=channel.component,
        provenance=channel.provenance,
        energy_j=None,
        low_j=low_j,
        high_j=high_j,
        budget=ErrorBudget(model_factor=channel.model_factor),
        in_use=channel.in_use,
        part_of=channel.part_of,
        covers=channel.covers,
        reasons=(*channel.reasons, reason),
    )
