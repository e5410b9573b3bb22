"""The energy of the parts of queries, such as prefill and decode, from laps over whole queries.

A part is shorter than a counter's period, so it cannot be read alone. Laps differ in how much of each part they hold;
least squares on the time of each part gives its mean power. Where the parts always come in the same proportion, or laps
are few, their energies cannot be told apart and nothing is said: their times are known all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from joulemark.meter.lap import Lap
from joulemark.meter.lap_fit import fit_laps, known_laps
from joulemark.records import Phase


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
    known = known_laps(laps)
    if known is None:
        return None
    rests_s = [duration_s - math.fsum(parts.values()) for duration_s, parts in zip(durations_s, parts_s, strict=True)]
    columns = [[parts.get(name, 0.0) for parts in parts_s] for name in names]
    # Time outside of all parts counts only where it is more than what reading a clock takes.
    if math.fsum(rests_s) > 1e-3 * math.fsum(durations_s):
        columns.append(rests_s)
    fit = fit_laps(*known, columns)
    if fit is None:
        return None
    return {
        name: (
            fit.slopes_j[k],
            math.hypot(fit.quantile * math.sqrt(fit.variance * fit.inverse[k][k]), fit.sensor_ratio * fit.slopes_j[k]),
        )
        for k, name in enumerate(names)
    }
