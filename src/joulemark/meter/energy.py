"""From readings to joules: pure functions, one for counters and one for gauges.

The interval of a window at 95 % is built from the resolution (one count at each edge), the update period (at each
edge the reading is stale by an unknown part of it), gaps between samples, the vendor's tolerance, and the factor of a
model. A reading is stale by U(0, u) at each edge: the window gets the energy of up to u before it began, and lacks that
of up to u before it ended. The term is u times the window's mean power P. With steady power the error is P times a
triangular variable on (-u, u), so that u P bounds it; a window that starts from idle is low by up to u P.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from joulemark.records import Channel, ChannelEnergy, ErrorBudget

UPDATES_MIN_N = 10  # a window with fewer updates of its sensor is marked
GAP_PERIODS_N = 5  # samples further apart than this many update periods are a gap


@dataclass(slots=True)
class Edge:
    """One reading of a counter: when, what, or why not."""

    at_ns: int
    value: float | None
    reason: str | None


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
    """How long a window must be for the update period to cost at most ``relative_error``: u / L at steady power."""
    return (channel.update_period_s or 0.0) / relative_error


def may_have_wrapped_more(channel: Channel, before: Edge, after: Edge, moved: float) -> bool:
    """Whether the time between two readings leaves room for one more wrap than was taken for granted."""
    if channel.wrap_n is None:
        return False
    return (moved + channel.wrap_n) * channel.count_j <= channel.power_max_w * (after.at_ns - before.at_ns) / 1e9


def counter_energy(
    channel: Channel, begin: Edge, end: Edge, counts: float | None, ambiguous: bool = False, edges_s: float = 0.0
) -> ChannelEnergy:
    """The energy of a counter that moved by ``counts`` between ``begin`` and ``end``.

    ``edges_s`` is the time that reading took around the window: a busy machine can delay it by milliseconds, whose
    energy is counted though it is not the window's. With ``ambiguous`` the counter may have wrapped more often: then
    its energy is only bounded by the most that it can draw.
    """
    if counts is None:
        return _unknown(channel, begin.reason or end.reason or "counter-went-back")
    duration_s = (end.at_ns - begin.at_ns) / 1e9
    energy_j = counts * channel.count_j
    update_period_s = channel.update_period_s or 0.0
    if counts == 0 and duration_s > 2 * update_period_s:
        return _unknown(channel, "counter-stood-still")
    power_w = energy_j / duration_s if duration_s > 0 else 0.0
    budget = ErrorBudget(
        resolution_j=channel.resolution_j,
        update_j=update_period_s * power_w,
        edge_j=edges_s * power_w,
        accuracy_j=channel.accuracy_ratio * energy_j,
        model_factor=channel.model_factor,
    )
    short: tuple[str, ...] = ("window-too-short",) if duration_s < UPDATES_MIN_N * update_period_s else ()
    known = _known(channel, energy_j, budget, short)
    if not ambiguous:
        return known
    most_j = max(known.high_j or 0.0, channel.power_max_w * duration_s)
    return replace(known, high_j=most_j, reasons=(*known.reasons, "wrap-ambiguous"))


def gauge_energy(
    channel: Channel, began_ns: int, ended_ns: int, samples: Sequence[tuple[int, float]] | None
) -> ChannelEnergy:
    """The trapezoid over ``samples`` (ns, W), interpolated to the edges of the window.

    Outside the samples the nearest one holds. The error of a gap is half its length times the step of power across it.
    """
    if samples is None:
        return _unknown(channel, "sampler-failed")
    inside = [sample for sample in samples if began_ns <= sample[0] <= ended_ns]
    if not inside:
        return _unknown(channel, "no-samples")
    before = [sample for sample in samples if sample[0] < began_ns][-1:]
    after = [sample for sample in samples if sample[0] > ended_ns][:1]
    points = [
        (began_ns, _power_at(began_ns, before, inside[:1])),
        *inside,
        (ended_ns, _power_at(ended_ns, inside[-1:], after)),
    ]
    update_period_s = channel.update_period_s or 0.0
    energy_j, gap_square, gap_max_s = 0.0, 0.0, 0.0
    for (from_ns, from_w), (to_ns, to_w) in pairwise(points):
        step_s = (to_ns - from_ns) / 1e9
        energy_j += step_s * (from_w + to_w) / 2
        gap_square += (step_s * abs(to_w - from_w) / 2) ** 2
        gap_max_s = max(gap_max_s, step_s)
    duration_s = (ended_ns - began_ns) / 1e9
    budget = ErrorBudget(
        update_j=update_period_s * (energy_j / duration_s if duration_s > 0 else 0.0),
        gap_j=gap_square**0.5,
        accuracy_j=channel.accuracy_ratio * energy_j,
        model_factor=channel.model_factor,
    )
    reasons: tuple[str, ...] = ("window-too-short",) if duration_s < UPDATES_MIN_N * update_period_s else ()
    if update_period_s and gap_max_s > GAP_PERIODS_N * update_period_s:
        reasons += ("sampling-gap",)
    return _known(channel, energy_j, budget, reasons)


def _power_at(at_ns: int, left: Sequence[tuple[int, float]], right: Sequence[tuple[int, float]]) -> float:
    if not left:
        return right[0][1]
    if not right:
        return left[0][1]
    (left_ns, left_w), (right_ns, right_w) = left[0], right[0]
    return left_w + (right_w - left_w) * (at_ns - left_ns) / (right_ns - left_ns)


def _known(channel: Channel, energy_j: float, budget: ErrorBudget, reasons: tuple[str, ...]) -> ChannelEnergy:
    half_width_j = budget.half_width_j
    return ChannelEnergy(
        name=channel.name,
        component=channel.component,
        provenance=channel.provenance,
        energy_j=energy_j,
        low_j=max(0.0, energy_j - half_width_j) / budget.model_factor,
        high_j=(energy_j + half_width_j) * budget.model_factor,
        budget=budget,
        in_use=channel.in_use,
        part_of=channel.part_of,
        reasons=channel.reasons + reasons,
    )


def _unknown(channel: Channel, reason: str) -> ChannelEnergy:
    return ChannelEnergy(
        name=channel.name,
        component=channel.component,
        provenance=channel.provenance,
        energy_j=None,
        low_j=None,
        high_j=None,
        budget=ErrorBudget(model_factor=channel.model_factor),
        in_use=channel.in_use,
        part_of=channel.part_of,
        reasons=(*channel.reasons, reason),
    )
