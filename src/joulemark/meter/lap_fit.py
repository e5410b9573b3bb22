"""Least squares of the energy of laps on what happened in them: seconds, tokens, seconds of a part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from joulemark.boundary import total
from joulemark.measurement import BoundaryName
from joulemark.meter.lap import Lap
from joulemark.student import t_quantile

CONFIDENCE = 0.95
FREEDOM_MIN_N = 5
KNOWN_RATIO = 0.75  # of the laps
PIVOT_MIN = 1e-6  # of a column's own square: what is left of it beside the others


@dataclass(frozen=True, slots=True)
class LapFit:
    """``slopes_j``: joules for one of each cause. ``quantile`` widens a standard error to 95 %.

    ``sensor_ratio`` is what the sensors may be off, as a share of the energy: it is common to all laps, so that no
    number of laps makes it smaller.
    """

    slopes_j: tuple[float, ...]
    inverse: tuple[tuple[float, ...], ...]  # of the causes' sums of squares
    variance: float  # of a lap's energy about the fit, J²
    quantile: float
    sensor_ratio: float


def known_laps(laps: Sequence[Lap]) -> tuple[list[Lap], list[float]] | None:
    """The laps whose energy is known, and their energies in J inside the device boundary.

    The last lap is what is left, and may be shorter than its counter needs; a counter may be set back in any. Where
    these are more than a few, something is wrong with the sensor: ``None``.
    """
    found = [(lap, total(lap.measurement, BoundaryName.DEVICE).energy_j) for lap in laps]
    known = [(lap, energy_j) for lap, energy_j in found if energy_j is not None]
    if len(known) < KNOWN_RATIO * len(laps):
        return None
    return [lap for lap, _ in known], [energy_j for _, energy_j in known]


def fit_laps(laps: Sequence[Lap], energies_j: Sequence[float], causes: Sequence[Sequence[float]]) -> LapFit | None:
    """Fit through the origin; ``causes`` hold a value for each query.

    ``None`` where there are too few laps, or a cause is as good as the others together.
    """
    causes_n = len(causes)
    freedom_n = len(laps) - causes_n
    if freedom_n < FREEDOM_MIN_N:
        return None
    rows = [[math.fsum(cause[lap.first_i : lap.end_i]) for cause in causes] for lap in laps]
    inverse = _inverse([[math.fsum(row[j] * row[k] for row in rows) for k in range(causes_n)] for j in range(causes_n)])
    if inverse is None:
        return None
    products = [
        math.fsum(row[k] * energy_j for row, energy_j in zip(rows, energies_j, strict=True)) for k in range(causes_n)
    ]
    slopes_j = [dot(line, products) for line in inverse]
    squares = math.fsum((energy_j - dot(row, slopes_j)) ** 2 for row, energy_j in zip(rows, energies_j, strict=True))
    return LapFit(
        slopes_j=tuple(slopes_j),
        inverse=tuple(tuple(line) for line in inverse),
        variance=squares / freedom_n,
        quantile=t_quantile((1 + CONFIDENCE) / 2, freedom_n),
        sensor_ratio=_sensor_ratio(laps),
    )


def dot(first: Sequence[float], second: Sequence[float]) -> float:
    """The sum of the products."""
    return math.fsum(one * other for one, other in zip(first, second, strict=True))


def _sensor_ratio(laps: Sequence[Lap]) -> float:
    """The sensors' tolerance and what a part-time one may not have seen, as a share of the energy."""
    known = [
        (channel.budget, channel.energy_j)
        for lap in laps
        for channel in lap.measurement.channels
        if channel.in_use and channel.part_of is None and channel.energy_j is not None
    ]
    all_j = math.fsum(energy_j for _, energy_j in known)
    off_j = math.fsum(budget.accuracy_j + max(budget.unseen_below_j, budget.unseen_above_j) for budget, _ in known)
    return off_j / all_j if all_j > 0 else 0.0


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """The inverse of a symmetric positive matrix by elimination; ``None`` where a column is as good as the others."""
    size = len(matrix)
    work = [[*row, *(float(k == j) for k in range(size))] for j, row in enumerate(matrix)]
    for k in range(size):
        if matrix[k][k] <= 0 or work[k][k] <= PIVOT_MIN * matrix[k][k]:
            return None
        work[k] = [value / work[k][k] for value in work[k]]
        for j in range(size):
            if j != k:
                factor = work[j][k]
                work[j] = [value - factor * pivot for value, pivot in zip(work[j], work[k], strict=True)]
    return [row[size:] for row in work]
