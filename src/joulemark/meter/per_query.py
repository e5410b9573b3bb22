"""The energy of single queries, from laps: windows inside the window, each as long as the sensor needs.

Where every lap holds one query, its energy is that of the lap. Where a lap holds several, energy is regressed on the
time and the tokens of the laps, and a query gets what its own time and tokens predict, with an error bar. Where there
are too few laps, or the error bar is as large as the energy, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from joulemark.boundary import total
from joulemark.meter.energy import UPDATES_MIN_N
from joulemark.meter.window import Meter
from joulemark.records import BoundaryName, Measurement, Provenance, Quantity
from joulemark.student import t_quantile

LAP_MIN_S = 0.05  # a shorter lap would cost the work more than one part in a thousand
FREEDOM_MIN_N = 5
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Lap:
    """A window over the queries from ``first_i`` up to, but not including, ``end_i``."""

    first_i: int
    end_i: int
    measurement: Measurement


@dataclass(frozen=True, slots=True)
class PerQuery:
    """Energy in J and its half-width at 95 % for each query; ``method`` is ``None`` where nothing can be said."""

    method: str | None
    energies_j: tuple[float | None, ...]
    uncertainties_j: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class QueryEnergy:
    """One query: its energy in J with the half-width at 95 %, or ``None``; ``method`` says how it is known.

    ``"counter"``: counters were read around it alone. ``"regression"``: from its time and its tokens, by what counters
    said of several queries together. ``None``: nothing can be said.
    """

    duration_s: float
    output_tokens_n: int | None
    energy_j: float | None
    uncertainty_j: float | None
    method: str | None


def lap_s(meter: Meter) -> float | None:
    """How long a lap must be for ten updates of the slowest counter of ours; ``None`` where only models or gauges are.

    A gauge would have to be asked in another process each time, which a lap must not wait for.
    """
    ours = [channel for channel in meter.channels if channel.in_use and channel.part_of is None]
    if not ours or meter.gauges or any(channel.provenance is not Provenance.COUNTER for channel in ours):
        return None
    periods_s = [channel.update_period_s or 0.0 for channel in ours if channel.quantity is Quantity.ENERGY]
    return max(LAP_MIN_S, UPDATES_MIN_N * max(periods_s))


def per_query(laps: Sequence[Lap], durations_s: Sequence[float], tokens_n: Sequence[int | None]) -> PerQuery:
    """The energy of each query from laps that cover all of them, their durations and their output tokens."""
    nothing = PerQuery(None, (None,) * len(durations_s), (None,) * len(durations_s))
    totals = [total(lap.measurement, BoundaryName.DEVICE) for lap in laps]
    energies_j = [found.energy_j for found in totals]
    known_j = [energy_j for energy_j in energies_j if energy_j is not None]
    if not laps or len(known_j) < len(laps):
        return nothing
    if all(lap.end_i - lap.first_i == 1 for lap in laps) and len(laps) == len(durations_s):
        halves = [
            max(found.high_j - found.energy_j, found.energy_j - found.low_j)
            for found in totals
            if found.energy_j is not None and found.low_j is not None and found.high_j is not None
        ]
        return PerQuery("counter", tuple(known_j), tuple(halves)) if len(halves) == len(laps) else nothing
    return _regressed(laps, known_j, durations_s, _tokens(tokens_n)) or nothing


def _tokens(tokens_n: Sequence[int | None]) -> list[float] | None:
    """Tokens as a second cause, if every query has them and they differ."""
    known = [float(count_n) for count_n in tokens_n if count_n is not None]
    return known if len(known) == len(tokens_n) and len(set(known)) > 1 else None


def _regressed(
    laps: Sequence[Lap], energies_j: Sequence[float], durations_s: Sequence[float], tokens: Sequence[float] | None
) -> PerQuery | None:
    """Least squares through the origin on time, and on tokens where that leaves enough freedom and is not collinear."""
    causes = [list(durations_s), list(tokens)] if tokens is not None else [list(durations_s)]
    if len(laps) - len(causes) < FREEDOM_MIN_N:
        causes = causes[:1]
    freedom_n = len(laps) - len(causes)
    if freedom_n < FREEDOM_MIN_N:
        return None
    rows = [[math.fsum(cause[lap.first_i : lap.end_i]) for cause in causes] for lap in laps]
    inverse = _inverse_of_squares(rows)
    if inverse is None:
        return _regressed(laps, energies_j, durations_s, None) if tokens is not None else None
    products = [
        math.fsum(row[k] * energy_j for row, energy_j in zip(rows, energies_j, strict=True)) for k in range(len(causes))
    ]
    slopes = [math.fsum(line[k] * products[k] for k in range(len(causes))) for line in inverse]
    residuals = [energy_j - _dot(row, slopes) for row, energy_j in zip(rows, energies_j, strict=True)]
    variance = math.fsum(residual**2 for residual in residuals) / freedom_n
    queries_per_lap = len(durations_s) / len(laps)
    quantile = t_quantile((1 + CONFIDENCE) / 2, freedom_n)
    found: list[tuple[float | None, float | None]] = []
    for query in zip(*causes, strict=True):
        energy_j = _dot(query, slopes)
        of_slopes = math.fsum(query[j] * inverse[j][k] * query[k] for j in range(len(query)) for k in range(len(query)))
        half_j = quantile * math.sqrt(variance * (of_slopes + 1 / queries_per_lap))
        honest = energy_j > 0 and half_j < energy_j
        found.append((energy_j, half_j) if honest else (None, None))
    if all(energy_j is None for energy_j, _ in found):
        return None
    return PerQuery("regression", tuple(energy_j for energy_j, _ in found), tuple(half_j for _, half_j in found))


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return math.fsum(one * other for one, other in zip(first, second, strict=True))


def _inverse_of_squares(rows: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """The inverse of X'X for one or two columns; ``None`` where the columns are as good as one."""
    squares = [[math.fsum(row[j] * row[k] for row in rows) for k in range(len(rows[0]))] for j in range(len(rows[0]))]
    if len(squares) == 1:
        return [[1 / squares[0][0]]] if squares[0][0] > 0 else None
    (a, b), (_, d) = squares
    determinant = a * d - b * b
    if determinant <= 1e-6 * a * d:
        return None
    return [[d / determinant, -b / determinant], [-b / determinant, a / determinant]]
