"""Energy of prefill and decode against a known truth."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.meter.lap import Lap
from joulemark.meter.per_query import per_query
from joulemark.meter.phases import phases

PREFILL_W, DECODE_W, REST_W = 320.0, 140.0, 60.0


def queries(n: int, seed: int = 1, rest_s: float = 0.0) -> tuple[list[float], list[dict[str, float]]]:
    """Prompts and answers of differing lengths."""
    chance = random.Random(seed)
    parts = [{"prefill": chance.uniform(0.01, 0.2), "decode": chance.uniform(0.05, 0.5)} for _ in range(n)]
    return [sum(part.values()) + rest_s for part in parts], parts


def laps(durations_s: list[float], parts_s: list[dict[str, float]], per_lap_n: int, noise: float = 0.0) -> list[Lap]:
    chance = random.Random(5)
    found = []
    for first_i in range(0, len(parts_s), per_lap_n):
        end_i = min(first_i + per_lap_n, len(parts_s))
        energy_j = 0.0
        for duration_s, part in zip(durations_s[first_i:end_i], parts_s[first_i:end_i], strict=True):
            rest_s = duration_s - sum(part.values())
            energy_j += PREFILL_W * part["prefill"] + DECODE_W * part["decode"] + REST_W * rest_s
        energy_j *= chance.gauss(1, noise)
        channel = ChannelEnergy("gpu0", Component.GPU, Provenance.COUNTER, energy_j, energy_j, energy_j, ErrorBudget())
        window = Measurement("2026-01-01T00:00:00+00:00", sum(durations_s[first_i:end_i]), (channel,), 0.0)
        found.append(Lap(first_i, end_i, window))
    return found


def test_the_parts_get_what_they_drew() -> None:
    durations_s, parts_s = queries(400)
    prefill, decode = phases(laps(durations_s, parts_s, 5), durations_s, parts_s)
    assert (prefill.name, decode.name) == ("prefill", "decode")
    assert prefill.duration_s == pytest.approx(sum(part["prefill"] for part in parts_s))
    assert prefill.energy_j == pytest.approx(PREFILL_W * prefill.duration_s, rel=1e-6)
    assert decode.energy_j == pytest.approx(DECODE_W * decode.duration_s, rel=1e-6)


def test_time_outside_of_the_parts_is_not_theirs() -> None:
    chance = random.Random(9)
    durations_s, parts_s = queries(400)
    durations_s = [duration_s + chance.uniform(0.0, 0.1) for duration_s in durations_s]
    prefill, decode = phases(laps(durations_s, parts_s, 5), durations_s, parts_s)
    assert prefill.energy_j == pytest.approx(PREFILL_W * prefill.duration_s, rel=1e-6)
    assert decode.energy_j == pytest.approx(DECODE_W * decode.duration_s, rel=1e-6)


def test_the_interval_covers_the_truth() -> None:
    covered_n, all_n = 0, 0
    for seed in range(100):
        durations_s, parts_s = queries(200, seed=seed)
        for part, power_w in zip(
            phases(laps(durations_s, parts_s, 5, noise=0.01), durations_s, parts_s), (PREFILL_W, DECODE_W), strict=True
        ):
            assert part.energy_j is not None
            assert part.uncertainty_j is not None
            covered_n += abs(part.energy_j - power_w * part.duration_s) <= part.uncertainty_j
            all_n += 1
    assert covered_n >= 0.9 * all_n


def test_what_laps_cannot_tell_is_not_said() -> None:
    durations_s, parts_s = queries(400)
    known = [part.duration_s for part in phases([], durations_s, parts_s)]
    assert known == pytest.approx([sum(part[name] for part in parts_s) for name in ("prefill", "decode")])
    assert all(part.energy_j is None for part in phases([], durations_s, parts_s))
    few = laps(durations_s, parts_s, 100)  # four laps for two parts
    assert all(part.energy_j is None for part in phases(few, durations_s, parts_s))
    # Always in the same proportion: no regression can tell them apart.
    alike = [{"prefill": 0.1 * k, "decode": 0.3 * k} for k in range(1, 101)]
    spent_s = [sum(part.values()) for part in alike]
    assert all(part.energy_j is None for part in phases(laps(spent_s, alike, 2), spent_s, alike))


def test_queries_without_parts_have_none() -> None:
    assert phases([], [0.1, 0.2], [{}, {}]) == ()


def test_what_a_part_time_sensor_may_have_missed_is_in_the_interval() -> None:
    durations_s, parts_s = queries(400)
    seen = laps(durations_s, parts_s, 5)
    for unseen, told in ((0.3, True), (1.5, False)):
        blind = [
            replace(
                lap,
                measurement=replace(
                    lap.measurement,
                    channels=tuple(
                        replace(one, budget=ErrorBudget(unseen_above_j=unseen * (one.energy_j or 0.0)))
                        for one in lap.measurement.channels
                    ),
                ),
            )
            for lap in seen
        ]
        for part in phases(blind, durations_s, parts_s):
            assert (part.energy_j is not None) is told
            if part.energy_j is not None:
                assert part.uncertainty_j == pytest.approx(unseen * part.energy_j, rel=1e-3)
        energies_j = per_query(blind, durations_s, [None] * len(durations_s)).energies_j
        assert (energies_j[0] is not None) is told
