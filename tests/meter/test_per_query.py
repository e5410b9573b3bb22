"""Energy of single queries against a known truth, on a virtual clock."""

import random
from dataclasses import replace

import pytest

from joulemark.measurement import Provenance, Quantity
from joulemark.meter import Meter
from joulemark.meter.lap import Lap, lap_s
from joulemark.meter.per_query import PerQuery, per_query
from joulemark.sensors.fake import VirtualClock, known_energy_channel

POWER_W = 80.0


def run(durations_s: list[float], per_lap_n: int, update_period_s: float = 1e-3) -> list[Lap]:
    clock = VirtualClock()
    meter = Meter([known_energy_channel(clock, ((1.0, POWER_W),), update_period_s=update_period_s)], clock=clock)
    clock.sleep(1.2345)
    laps = []
    for first_i in range(0, len(durations_s), per_lap_n):
        end_i = min(first_i + per_lap_n, len(durations_s))
        opened = meter.begin()
        clock.sleep(sum(durations_s[first_i:end_i]))
        laps.append(Lap(first_i, end_i, opened.end()))
    return laps


def covered(found: PerQuery, truth_j: list[float]) -> float:
    inside = [
        abs(energy_j - true_j) <= half_j
        for energy_j, half_j, true_j in zip(found.energies_j, found.uncertainties_j, truth_j, strict=True)
        if energy_j is not None and half_j is not None
    ]
    return sum(inside) / len(truth_j)


def test_long_queries_are_counted_one_by_one() -> None:
    durations_s = [0.5 + 0.1 * index for index in range(10)]
    found = per_query(run(durations_s, 1), durations_s, [None] * 10)
    assert found.method == "counter"
    assert found.energies_j == pytest.approx([POWER_W * duration_s for duration_s in durations_s], rel=3e-3)
    assert covered(found, [POWER_W * duration_s for duration_s in durations_s]) == 1


def test_short_queries_are_regressed_on_their_time() -> None:
    rng = random.Random(1)
    durations_s = [rng.uniform(0.002, 0.02) for _ in range(400)]
    found = per_query(run(durations_s, 10), durations_s, [None] * 400)
    assert found.method == "regression"
    truth_j = [POWER_W * duration_s for duration_s in durations_s]
    assert found.energies_j == pytest.approx(truth_j, rel=0.02)
    assert covered(found, truth_j) > 0.95


def test_tokens_are_a_second_cause() -> None:
    rng = random.Random(2)
    durations_s = [rng.uniform(0.005, 0.02) for _ in range(300)]
    tokens_n: list[int | None] = [rng.randint(1, 30) for _ in range(300)]
    laps = run(durations_s, 10)
    more = []
    for lap in laps:  # each token costs another 0.1 J
        (channel,) = lap.measurement.channels
        assert channel.energy_j is not None
        extra_j = 0.1 * sum(count_n or 0 for count_n in tokens_n[lap.first_i : lap.end_i])
        channel = replace(channel, energy_j=channel.energy_j + extra_j)
        more.append(replace(lap, measurement=replace(lap.measurement, channels=(channel,))))
    found = per_query(more, durations_s, tokens_n)
    truth_j = [POWER_W * time_s + 0.1 * (count_n or 0) for time_s, count_n in zip(durations_s, tokens_n, strict=True)]
    assert found.method == "regression"
    assert found.energies_j == pytest.approx(truth_j, rel=0.05)


def test_few_laps_say_nothing() -> None:
    durations_s = [0.01] * 30
    found = per_query(run(durations_s, 10), durations_s, [None] * 30)
    assert found == PerQuery(None, (None,) * 30, (None,) * 30)
    assert per_query([], durations_s, [None] * 30).method is None


def test_laps_that_are_all_noise_say_nothing() -> None:
    rng = random.Random(3)
    durations_s = [0.01] * 200
    noisy = []
    for lap in run(durations_s, 10):
        (channel,) = lap.measurement.channels
        channel = replace(channel, energy_j=rng.choice((0.0, 60.0)))
        noisy.append(replace(lap, measurement=replace(lap.measurement, channels=(channel,))))
    assert per_query(noisy, durations_s, [None] * 200).method is None


def unknown(lap: Lap) -> Lap:
    (channel,) = lap.measurement.channels
    lost = replace(channel, energy_j=None, low_j=None, high_j=None)
    return replace(lap, measurement=replace(lap.measurement, channels=(lost,)))


def test_a_lap_that_is_not_known_costs_its_own_query() -> None:
    durations_s = [0.5] * 10
    laps = run(durations_s, 1)
    found = per_query([*laps[:3], unknown(laps[3]), *laps[4:]], durations_s, [None] * 10)
    assert found.method == "counter"
    assert [energy_j is None for energy_j in found.energies_j] == [index == 3 for index in range(10)]
    assert [half_j is None for half_j in found.uncertainties_j] == [index == 3 for index in range(10)]
    assert per_query([unknown(lap) for lap in laps], durations_s, [None] * 10).method is None


@pytest.mark.parametrize("lost", [(9,), (4, 9)])
def test_what_the_laps_that_are_known_say_holds_for_all_queries(lost: tuple[int, ...]) -> None:
    durations_s = [0.5 + 0.1 * (index % 4) for index in range(100)]
    laps = run(durations_s, 10)
    left = [unknown(lap) if index in lost else lap for index, lap in enumerate(laps)]
    whole, found = (per_query(some, durations_s, [None] * 100) for some in (laps, left))
    assert found.method == whole.method == "regression"
    for energy_j, true_j in zip(found.energies_j, whole.energies_j, strict=True):
        assert energy_j == pytest.approx(true_j, rel=0.02)


def test_where_many_laps_are_not_known_nothing_is_said() -> None:
    durations_s = [0.5] * 100
    laps = [unknown(lap) if index < 3 else lap for index, lap in enumerate(run(durations_s, 10))]
    assert per_query(laps, durations_s, [None] * 100).method is None


def test_laps_are_as_long_as_the_slowest_counter_needs() -> None:
    clock = VirtualClock()
    fast = known_energy_channel(clock, ((1.0, 1.0),))
    slow = replace(fast, name="gpu0", update_period_s=0.1)
    assert lap_s(Meter([fast])) == pytest.approx(0.05)
    assert lap_s(Meter([fast, slow])) == pytest.approx(1.0)
    assert lap_s(Meter([fast, replace(slow, in_use=False)])) == pytest.approx(0.05)
    assert lap_s(Meter([fast, replace(slow, provenance=Provenance.MODELLED)])) is None
    assert lap_s(Meter([fast, replace(slow, quantity=Quantity.POWER)])) is None
    assert lap_s(Meter([])) is None
