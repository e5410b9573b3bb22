"""The energy of the parts of queries, such as prefill and decode, from laps over whole queries.

A part is shorter than a counter's period, so it cannot be read alone. Laps differ in how much of each part they hold;
least squares on the time of each part gives its mean power. Where the parts always come in the same proportion, or laps
are few, their energies cannot be told apart and nothing is said: their times are known all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from joulemark.boundary import total
from joulemark.meter.per_query import CONFIDENCE, FREEDOM_MIN_N, Lap
from joulemark.records import BoundaryName, Phase
from joulemark.student import t_quantile

PIVOT_MIN = 1e-6  # of a column's own square: what is left of it beside the others


def phases(
    laps: Sequence[Lap], durations_s: Sequence[float], parts_s: Sequence[Mapping[str, float]]
) -> tuple[Phase, ...]:
    """Time and energy of each part over all queries.

    Args:
        laps: windows that together cover all queries, or none.
        durations_s: of each query.
        parts_s: of each query, how long its parts took; what is left of its duration is a part without a name.
    """
    names = list(dict.fromkeys(name for parts in parts_s for name in parts))
    spent_s = {name: math.fsum(parts.get(name, 0.0) for parts in parts_s) for name in names}
    powers_w = _powers_w(laps, durations_s, parts_s, names) if laps and names else None
    if powers_w is None:
        return tuple(Phase(name, spent_s[name]) for name in names)
    found: list[Phase] = []
    for name in names:
        power_w, half_w = powers_w[name]
        honest = power_w > 0 and half_w < power_w
        energies_j = (power_w * spent_s[name], half_w * spent_s[name]) if honest else (None, None)
        found.append(Phase(name, spent_s[name], *energies_j))
    return tuple(found)


def _powers_w(
    laps: Sequence[Lap], durations_s: Sequence[float], parts_s: Sequence[Mapping[str, float]], names: Sequence[str]
) -> dict[str, tuple[float, float]] | None:
    """Mean power of each part with its half-width at 95 %; ``None`` where the laps do not tell."""
    totals = [total(lap.measurement, BoundaryName.DEVICE) for lap in laps]
    energies_j = [found.energy_j for found in totals if found.energy_j is not None]
    rests_s = [duration_s - math.fsum(parts.values()) for duration_s, parts in zip(durations_s, parts_s, strict=True)]
    columns = [[parts.get(name, 0.0) for parts in parts_s] for name in names]
    # Time outside of all parts counts only where it is more than what reading a clock takes.
    if math.fsum(rests_s) > 1e-3 * math.fsum(durations_s):
        columns.append(rests_s)
    freedom_n = len(laps) - len(columns)
    if len(energies_j) < len(laps) or freedom_n < FREEDOM_MIN_N:
        return None
    rows = [[math.fsum(column[lap.first_i : lap.end_i]) for column in columns] for lap in laps]
    inverse = _inverse(
        [[math.fsum(row[j] * row[k] for row in rows) for k in range(len(columns))] for j in range(len(columns))]
    )
    if inverse is None:
        return None
    products = [
        math.fsum(row[k] * energy_j for row, energy_j in zip(rows, energies_j, strict=True))
        for k in range(len(columns))
    ]
    slopes = [math.fsum(line[k] * products[k] for k in range(len(columns))) for line in inverse]
    squares = math.fsum(
        (energy_j - math.fsum(row[k] * slopes[k] for k in range(len(columns)))) ** 2
        for row, energy_j in zip(rows, energies_j, strict=True)
    )
    quantile = t_quantile((1 + CONFIDENCE) / 2, freedom_n)
    sensor_ratio = _sensor_ratio(laps)
    return {
        name: (
            slopes[k],
            math.hypot(quantile * math.sqrt(squares / freedom_n * inverse[k][k]), sensor_ratio * slopes[k]),
        )
        for k, name in enumerate(names)
    }


def _sensor_ratio(laps: Sequence[Lap]) -> float:
    """The sensors' tolerance, which is common to all laps, as a share of their energy."""
    tolerances_j = [
        (channel.budget.accuracy_j, channel.energy_j)
        for lap in laps
        for channel in lap.measurement.channels
        if channel.in_use and channel.part_of is None and channel.energy_j is not None
    ]
    all_j = math.fsum(energy_j for _, energy_j in tolerances_j)
    return math.fsum(tolerance_j for tolerance_j, _ in tolerances_j) / all_j if all_j > 0 else 0.0


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
