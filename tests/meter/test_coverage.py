"""Stated 95 % intervals, checked against a known truth in randomised windows."""

import random
import statistics

import pytest

from joulemark.meter import Meter
from joulemark.records import ChannelEnergy
from joulemark.sensors.fake import VirtualClock, energy_until_j, known_energy_channel

WINDOWS_N = 1000
Profile = tuple[tuple[float, float], ...]


def steady(rng: random.Random, _: float) -> Profile:
    return ((1.0, rng.uniform(20, 700)),)


def square_wave(rng: random.Random, update_period_s: float) -> Profile:
    high_w = rng.uniform(20, 700)
    return (
        (update_period_s * rng.uniform(0.2, 5), high_w),
        (update_period_s * rng.uniform(0.2, 5), high_w * rng.uniform(0.05, 1)),
    )


def from_idle(rng: random.Random, _: float) -> Profile:
    high_w = rng.uniform(20, 700)
    return ((rng.uniform(3, 7), high_w * rng.uniform(0.05, 0.3)), (60.0, high_w))


def window(rng: random.Random, load: str) -> tuple[ChannelEnergy, float]:
    """One window of 10 to 300 updates at a random phase of the sensor, and its true energy in J."""
    clock, update_period_s = VirtualClock(), 10 ** rng.uniform(-3, -1)
    profile = {"steady": steady, "square wave": square_wave, "from idle": from_idle}[load](rng, update_period_s)
    channel = known_energy_channel(clock, profile, update_period_s=update_period_s, count_j=1e-3)
    clock.sleep(profile[0][0] if load == "from idle" else rng.uniform(1, 3))
    began_s, span_s = clock() / 1e9, update_period_s * rng.uniform(10, 300)
    opened = Meter([channel], clock=clock).begin()
    clock.sleep(span_s)
    (energy,) = opened.end().channels
    return energy, energy_until_j(profile, began_s + span_s) - energy_until_j(profile, began_s)


@pytest.mark.parametrize("load", ["steady", "square wave", "from idle"])
def test_intervals_cover_the_truth_and_are_not_much_wider_than_the_spread(load: str) -> None:
    rng = random.Random(load)
    covered_n, errors = 0, []
    for _ in range(WINDOWS_N):
        energy, truth_j = window(rng, load)
        assert energy.energy_j is not None
        assert energy.low_j is not None
        assert energy.high_j is not None
        covered_n += energy.low_j <= truth_j <= energy.high_j
        errors.append((energy.energy_j - truth_j) / ((energy.high_j - energy.low_j) / 2))
    assert covered_n >= 0.93 * WINDOWS_N
    errors.sort()
    # Half-widths in units of the stated one: the central 95 % of what really happened.
    actual = (errors[round(0.975 * WINDOWS_N) - 1] - errors[round(0.025 * WINDOWS_N)]) / 2
    assert actual > 1 / 3
    assert statistics.fmean(errors) < 0.05  # never biased upwards
