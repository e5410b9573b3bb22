"""The energy of single queries, from laps: windows inside the window, each as long as the sensor needs.

Where every lap holds one query, its energy is that of the lap. Where a lap holds several, energy is regressed on the
time and the tokens of the laps, and a query gets what its own time and tokens predict, with an error bar. Where there
are too few laps, or the error bar is as large as the energy, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from joulemark.boundary import Total, total
from joulemark.measurement import BoundaryName
from joulemark.meter.lap import Lap
from joulemark.meter.lap_fit import dot, fit_laps, known_laps


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


def per_query(laps: Sequence[Lap], durations_s: Sequence[float], tokens_n: Sequence[int | None]) -> PerQuery:
    """The energy of each query from laps that cover all of them, their durations and their output tokens."""
    nothing = PerQuery(None, (None,) * len(durations_s), (None,) * len(durations_s))
    if not laps:
        return nothing
    if all(lap.end_i - lap.first_i == 1 for lap in laps) and len(laps) == len(durations_s):
        totals = [total(lap.measurement, BoundaryName.DEVICE) for lap in laps]
        halves_j = [_half_j(found) for found in totals]
        if all(half_j is None for half_j in halves_j):
            return nothing
        return PerQuery("counter", tuple(found.energy_j for found in totals), tuple(halves_j))
    known = known_laps(laps)
    if known is None:
        return nothing
    return _regressed(*known, durations_s, _tokens(tokens_n)) or nothing


def _half_j(found: Total) -> float | None:
    """The larger side of the interval."""
    if found.energy_j is None or found.low_j is None or found.high_j is None:
        return None
    return max(found.high_j - found.energy_j, found.energy_j - found.low_j)


def _tokens(tokens_n: Sequence[int | None]) -> list[float] | None:
    """Tokens as a second cause, if every query has them and they differ."""
    known = [float(count_n) for count_n in tokens_n if count_n is not None]
    return known if len(known) == len(tokens_n) and len(set(known)) > 1 else None


def _regressed(
    laps: Sequence[Lap], energies_j: Sequence[float], durations_s: Sequence[float], tokens: Sequence[float] | None
) -> PerQuery | None:
    """By time and tokens where laps tell these apart, else by time alone."""
    causes = [list(durations_s)] if tokens is None else [list(durations_s), list(tokens)]
    fit = fit_laps(laps, energies_j, causes)
    if fit is None:
        return _regressed(laps, energies_j, durations_s, None) if tokens is not None else None
    queries_per_lap = sum(lap.end_i - lap.first_i for lap in laps) / len(laps)
    found: list[tuple[float | None, float | None]] = []
    for query in zip(*causes, strict=True):
        energy_j = dot(query, fit.slopes_j)
        of_slopes = dot(query, [dot(line, query) for line in fit.inverse])
        by_chance_j = fit.quantile * math.sqrt(fit.variance * (of_slopes + 1 / queries_per_lap))
        half_j = math.hypot(by_chance_j, fit.sensor_ratio * energy_j)
        honest = energy_j > 0 and half_j < energy_j
        found.append((energy_j, half_j) if honest else (None, None))
    if all(energy_j is None for energy_j, _ in found):
        return None
    return PerQuery("regression", tuple(energy_j for energy_j, _ in found), tuple(half_j for _, half_j in found))
