"""From a gauge's samples to joules: the trapezoid, and what it may have missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from joulemark.measurement import Channel, ChannelEnergy, ErrorBudget
from joulemark.meter.energy import UPDATES_MIN_N, edge_power_w, known_energy, unknown_energy

PERIOD_S = 0.05  # between the samples that are taken of a gauge, in the mean
GAP_PERIODS_N = 5  # samples further apart than this many update periods, and samples, are a gap
# No device draws the same power to a thousandth of it for so many updates, nor does its sensor read it without noise.
STILL_PERIODS_N = 100
STILL_SAMPLES_N = 20
STILL_STEPS_N = 1000
RESTLESS_STEPS_N = 8  # fewer do not tell
ERRORS_N = 1.96  # standard errors to either side at 95 %


@dataclass(frozen=True, slots=True)
class Samples:
    """What a gauge said around a window: instants (ns of the monotonic clock) and power (W).

    ``failure`` is the reason code of its last reading that failed, if one did.
    """

    rows: Sequence[tuple[int, float]]
    failure: str | None = None


def gauge_energy(channel: Channel, began_ns: int, ended_ns: int, samples: Samples | None) -> ChannelEnergy:
    """The trapezoid over ``samples``, interpolated to the edges of the window.

    Outside the samples the nearest one holds. The error of a step is half its length times the step of power across it,
    and more where power goes up and down from sample to sample: see :func:`_restless`.
    A step of more than :data:`GAP_PERIODS_N` update periods is a gap, in which the device may have drawn anything from
    nothing to its most. Where gaps are more than half of the window, there are only these bounds, and no energy.

    Power below zero is an offset of the sensor: it counts as zero, and the device may have drawn as much as was missing
    to zero. A gauge that stood still, or was not updated in the window for sure, may have shown what it read before:
    the interval holds all that the device can draw.
    """
    if samples is None:
        return unknown_energy(channel, "sampler-failed")
    points = gauge_points(began_ns, ended_ns, samples.rows)
    if not points:
        return unknown_energy(channel, samples.failure or "no-samples")
    update_period_s, found = channel.update_period_s or 0.0, _integral(channel, points)
    duration_s = (ended_ns - began_ns) / 1e9
    below_j, above_j = found.gaps_j, found.gaps_max_j - found.gaps_j
    stood_still = _stood_still(channel, points[1:-1], duration_s)
    if stood_still or duration_s <= update_period_s:
        below_j, above_j = found.energy_j, max(above_j, channel.power_max_w * duration_s - found.energy_j)
    budget = ErrorBudget(
        update_j=update_period_s * edge_power_w(channel, found.energy_j, duration_s),
        gap_j=found.step_j,
        accuracy_j=channel.accuracy_ratio * found.energy_j,
        unseen_below_j=below_j,
        unseen_above_j=above_j + found.below_zero_j,
        model_factor=channel.model_factor,
    )
    reasons: tuple[str, ...] = ("window-too-short",) if duration_s < UPDATES_MIN_N * update_period_s else ()
    reasons += ("gauge-stood-still",) if stood_still else ()
    reasons += ("gauge-below-zero",) if found.below_zero_j else ()
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
        unseen_above_j=found.gaps_max_j - found.gaps_j + found.below_zero_j,
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
    below_zero_j: float  # what power below zero would have taken away


def _integral(channel: Channel, points: Sequence[tuple[int, float]]) -> _Integral:
    steps_w: list[float] = []
    energy_j = step_square = gaps_s = gaps_j = gaps_max_j = below_zero_j = 0.0
    gap_min_s = GAP_PERIODS_N * max(PERIOD_S, channel.update_period_s or math.inf)
    for (from_ns, read_from_w), (to_ns, read_to_w) in pairwise(points):
        from_w, to_w = max(0.0, read_from_w), max(0.0, read_to_w)
        step_s = (to_ns - from_ns) / 1e9
        step_j = step_s * (from_w + to_w) / 2
        below_zero_j += step_j - step_s * (read_from_w + read_to_w) / 2
        energy_j += step_j
        if step_s > gap_min_s:
            gaps_s, gaps_j = gaps_s + step_s, gaps_j + step_j
            gaps_max_j += max(step_j, channel.power_max_w * step_s)
        else:
            step_square += (step_s * abs(to_w - from_w) / 2) ** 2
            steps_w.append(to_w - from_w)
    return _Integral(energy_j, (step_square * _restless(steps_w)) ** 0.5, gaps_s, gaps_j, gaps_max_j, below_zero_j)


def _restless(steps_w: Sequence[float]) -> float:
    """How many times larger the square of the error is than that of steps which each happened between two samples.

    Where each sample tells of itself only, as of a load that changes faster than it is sampled, successive steps of
    power have the correlation -1/2, and n samples of standard deviation s leave an error of 1.96 s T / sqrt(n) at 95 %,
    of which the steps by themselves would make s T / sqrt(2 n). Steps that stay have none.
    """
    square = sum(step_w**2 for step_w in steps_w)
    if len(steps_w) < RESTLESS_STEPS_N or square == 0:
        return 1.0
    turning = -sum(before_w * after_w for before_w, after_w in pairwise(steps_w)) / square
    return 1 + (2 * ERRORS_N**2 - 1) * min(1.0, max(0.0, 2 * turning))


def _stood_still(channel: Channel, samples: Sequence[tuple[int, float]], duration_s: float) -> bool:
    """Whether every sample of a long window is the very same, of a gauge that is known to have finer steps than that.

    Linux' ``acpi_power_meter`` goes on printing its last value when the firmware fails. A gauge of coarse steps (whole
    watts of a plug), or one whose steps are not known, may well repeat itself.
    """
    if channel.resolution_w is None or channel.update_period_s is None or len(samples) < STILL_SAMPLES_N:
        return False
    powers_w = {power_w for _, power_w in samples}
    return (
        len(powers_w) == 1
        and min(powers_w) >= STILL_STEPS_N * channel.resolution_w
        and duration_s >= STILL_PERIODS_N * channel.update_period_s
    )


def _power_at(at_ns: int, left: Sequence[tuple[int, float]], right: Sequence[tuple[int, float]]) -> float:
    if not left:
        return right[0][1]
    if not right:
        return left[0][1]
    (left_ns, left_w), (right_ns, right_w) = left[0], right[0]
    return left_w + (right_w - left_w) * (at_ns - left_ns) / (right_ns - left_ns)
