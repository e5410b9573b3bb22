"""From a gauge's samples to joules: the trapezoid, and what it may have missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from joulemark.measurement import Channel, ChannelEnergy, ErrorBudget
from joulemark.meter.energy import UPDATES_MIN_N, known_energy, unknown_energy

GAP_PERIODS_N = 5  # samples further apart than this many update periods are a gap


@dataclass(frozen=True, slots=True)
class Samples:
    """What a gauge said around a window: instants (ns of the monotonic clock) and power (W).

    ``failure`` is the reason code of its last reading that failed, if one did.
    """

    rows: Sequence[tuple[int, float]]
    failure: str | None = None


def gauge_energy(channel: Channel, began_ns: int, ended_ns: int, samples: Samples | None) -> ChannelEnergy:
    """The trapezoid over ``samples``, interpolated to the edges of the window.

    Outside the samples the nearest one holds. The error of a step is half its length times the step of power across it.
    A step of more than :data:`GAP_PERIODS_N` update periods is a gap, in which the device may have drawn anything from
    nothing to its most. Where gaps are more than half of the window, there are only these bounds, and no energy.
    """
    if samples is None:
        return unknown_energy(channel, "sampler-failed")
    points = gauge_points(began_ns, ended_ns, samples.rows)
    if not points:
        return unknown_energy(channel, samples.failure or "no-samples")
    update_period_s, found = channel.update_period_s or 0.0, _integral(channel, points)
    duration_s = (ended_ns - began_ns) / 1e9
    budget = ErrorBudget(
        update_j=update_period_s * (found.energy_j / duration_s if duration_s > 0 else 0.0),
        gap_j=found.step_j,
        accuracy_j=channel.accuracy_ratio * found.energy_j,
        unseen_below_j=found.gaps_j,
        unseen_above_j=found.gaps_max_j - found.gaps_j,
        model_factor=channel.model_factor,
    )
    reasons: tuple[str, ...] = ("window-too-short",) if duration_s < UPDATES_MIN_N * update_period_s else ()
    if found.gaps_s:
        reasons += ("sampling-gap", *([samples.failure] if samples.failure else []))
    known = known_energy(channel, found.energy_j, duration_s, budget, reasons)
    return replace(known, energy_j=None) if found.gaps_s > duration_s / 2 else known


def gauge_part_energy(channel: Channel, points: Sequence[tuple[int, float]]) -> ChannelEnergy:
    """The energy of a part of a window from some successive ones of its :func:`gauge_points`.

    That a gauge's value is up to an update period old shifts the part in time; its interval is that of the value.
    """
    found = _integral(channel, points)
    budget = ErrorBudget(
        gap_j=found.step_j,
        accuracy_j=channel.accuracy_ratio * found.energy_j,
        unseen_below_j=found.gaps_j,
        unseen_above_j=found.gaps_max_j - found.gaps_j,
        model_factor=channel.model_factor,
    )
    return known_energy(channel, found.energy_j, (points[-1][0] - points[0][0]) / 1e9, budget, ())


def gauge_points(began_ns: int, ended_ns: int, samples: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The samples (ns, W) inside a window, and before and after them the power at its edges; none if none is inside."""
    inside = [sample for sample in samples if began_ns <= sample[0] <= ended_ns]
    if not inside:
        return []
    before = [sample for sample in samples if sample[0] < began_ns][-1:]
    after = [sample for sample in samples if sample[0] > ended_ns][:1]
    return [
        (began_ns, _power_at(began_ns, before, inside[:1])),
        *inside,
        (ended_ns, _power_at(ended_ns, inside[-1:], after)),
    ]


@dataclass(frozen=True, slots=True)
class _Integral:
    """The trapezoid with the error of its steps; of it the part in gaps, and the most that may have been there."""

    energy_j: float
    step_j: float
    gaps_s: float
    gaps_j: float
    gaps_max_j: float


def _integral(channel: Channel, points: Sequence[tuple[int, float]]) -> _Integral:
    energy_j = step_square = gaps_s = gaps_j = gaps_max_j = 0.0
    gap_min_s = GAP_PERIODS_N * (channel.update_period_s or math.inf)
    for (from_ns, from_w), (to_ns, to_w) in pairwise(points):
        step_s = (to_ns - from_ns) / 1e9
        step_j = step_s * (from_w + to_w) / 2
        energy_j += step_j
        if step_s > gap_min_s:
            gaps_s, gaps_j = gaps_s + step_s, gaps_j + step_j
            gaps_max_j += max(step_j, channel.power_max_w * step_s)
        else:
            step_square += (step_s * abs(to_w - from_w) / 2) ** 2
    return _Integral(energy_j, step_square**0.5, gaps_s, gaps_j, gaps_max_j)


def _power_at(at_ns: int, left: Sequence[tuple[int, float]], right: Sequence[tuple[int, float]]) -> float:
    if not left:
        return right[0][1]
    if not right:
        return left[0][1]
    (left_ns, left_w), (right_ns, right_w) = left[0], right[0]
    return left_w + (right_w - left_w) * (at_ns - left_ns) / (right_ns - left_ns)
