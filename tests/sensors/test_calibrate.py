import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from moving import moving
from powercap import zone

from joulemark.failures import ReadFailure
from joulemark.measurement import Quantity
from joulemark.sensors import Setup
from joulemark.sensors.calibrate import TICKS_ENOUGH_N, calibrate
from joulemark.sensors.fake import VirtualClock, energy_until_j, known_energy_channel
from joulemark.sensors.rapl import rapl

STEADY = ((1.0, 40.0),)
COUNTER_PERIOD_S = 0.02
SQUARE = ((0.065, 350.0), (0.1487, 20.0))


def ticking(clock: VirtualClock) -> Callable[[], int]:
    """A clock on which looking at it takes a millisecond."""

    def now_ns() -> int:
        clock.sleep(0.001)
        return clock()

    return now_ns


@pytest.mark.parametrize("period_s", [0.02, 0.04])
def test_period_and_step_of_a_counter(period_s: float) -> None:
    clock = ticking(VirtualClock())
    seen = calibrate(known_energy_channel(clock, STEADY, update_period_s=period_s), clock=clock)
    assert seen.update_period_s == pytest.approx(period_s)
    assert seen.resolution_j == pytest.approx(40.0 * period_s)
    assert seen.read_cost_s == pytest.approx(0.002)
    assert seen.ticks_n == TICKS_ENOUGH_N


def test_a_counter_on_the_real_clock() -> None:
    seen = calibrate(known_energy_channel(time.monotonic_ns, STEADY, update_period_s=0.005))
    assert seen.update_period_s is not None
    assert 0.004 < seen.update_period_s < 0.05  # a busy machine misses some of them
    assert seen.resolution_j is not None
    assert seen.resolution_j / 0.2 == pytest.approx(round(seen.resolution_j / 0.2), rel=0.01)  # whole updates
    assert seen.read_cost_s is not None
    assert 0 < seen.read_cost_s < 0.005


@pytest.mark.parametrize("waiting_s", [0.0, 0.15])
def test_a_counter_is_compared_between_ticks_that_were_surely_seen(waiting_s: float) -> None:
    """A program that has to wait before its last reading sees the tick late; what it counted is right all the same."""
    clock = VirtualClock()
    channel = known_energy_channel(ticking(clock), STEADY, update_period_s=0.02)
    seen: list[float] = []

    def read() -> float:
        if len(set(seen)) == TICKS_ENOUGH_N and waiting_s not in waited:
            clock.sleep(waiting_s)
            waited.append(waiting_s)
        seen.append(channel.read())
        return seen[-1]

    waited: list[float] = []
    found = calibrate(replace(channel, read=read, gauge=lambda: 40.0), clock=ticking(clock))
    assert found.ticks_n == TICKS_ENOUGH_N
    assert found.counter_ratio == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("gauge_period_s", [COUNTER_PERIOD_S, 0.1])
@pytest.mark.parametrize("waits", [False, True])
def test_a_power_that_varies_is_no_disagreement(gauge_period_s: float, waits: bool) -> None:
    """Neither are a gauge with updates of its own and a program that has to wait, before the counter or the gauge."""
    ratios = []
    for seed in range(20):
        counter_ratio, disagrees = compared(seed, SQUARE, gauge_period_s, waits=waits)
        assert not disagrees, seed
        ratios.append(counter_ratio)
    assert max(ratios) - min(ratios) > 0.1  # the two really are out of step


@pytest.mark.parametrize("waits", [False, True])
def test_a_counter_that_counts_something_else_is_found(waits: bool) -> None:
    for seed in range(20):
        counter_ratio, disagrees = compared(seed, STEADY, 0.1, scale=1.3, waits=waits)
        assert disagrees, seed
        assert counter_ratio == pytest.approx(1.3, abs=0.05)


def compared(
    seed: int, steps: Sequence[tuple[float, float]], gauge_period_s: float, *, scale: float = 1.0, waits: bool
) -> tuple[float, bool]:
    """A counter of ``scale`` times the energy beside a gauge, asked by a program that may have to ``wait``.

    The gauge is the mean power of its own last update, or the power at its end where that is as short as the counter's.
    """
    clock = VirtualClock()
    chance = Random(seed)
    clock.sleep(1 + chance.random())
    wait_share = 3e-4 if waits else 0.0

    def wait() -> None:
        clock.sleep(chance.uniform(0.0, 0.06) if chance.random() < wait_share else 20e-6)

    def now_ns() -> int:
        wait()
        return clock()

    def gauge() -> float:
        wait()
        ends_s = clock() / 1e9 // gauge_period_s * gauge_period_s
        mean_s = gauge_period_s if gauge_period_s > COUNTER_PERIOD_S else 1e-3
        return (energy_until_j(steps, ends_s) - energy_until_j(steps, ends_s - mean_s)) / mean_s

    counter = known_energy_channel(clock, steps, update_period_s=COUNTER_PERIOD_S)
    found = calibrate(replace(counter, count_j=scale * counter.count_j, gauge=gauge), clock=now_ns)
    assert found.counter_ratio is not None
    return found.counter_ratio, found.disagrees


def test_files_that_move(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0") / "energy_uj"
    with moving({file: 61_000}, period_s=0.01), rapl(Setup(sysfs=tmp_path)) as found:
        seen = calibrate(found.channels[0])
    assert seen.update_period_s is not None
    assert 0.004 < seen.update_period_s < 0.1
    assert seen.resolution_j == pytest.approx(0.061)


def test_what_is_not_seen_is_unknown() -> None:
    still = calibrate(known_energy_channel(time.monotonic_ns, ((1.0, 0.0),)), duration_s=0.05)
    assert (still.update_period_s, still.resolution_j, still.ticks_n) == (None, None, 0)
    assert still.read_cost_s is not None


def test_one_tick_has_a_step_but_no_period() -> None:
    clock = ticking(VirtualClock())
    channel = known_energy_channel(clock, STEADY, update_period_s=0.06)
    seen = calibrate(channel, duration_s=0.1, clock=clock)
    assert seen.ticks_n == 1
    assert seen.update_period_s is None
    assert seen.resolution_j == pytest.approx(2.4)
    assert seen.read_cost_s == pytest.approx(0.002)


def test_a_wrap_is_not_a_step() -> None:
    clock = ticking(VirtualClock())
    channel = known_energy_channel(clock, STEADY, update_period_s=0.01, wrap_n=900_000)
    assert calibrate(channel, clock=clock).resolution_j == pytest.approx(0.4)


def test_a_gauge_has_a_period_but_no_resolution() -> None:
    clock = ticking(VirtualClock())
    gauge = replace(known_energy_channel(clock, STEADY, update_period_s=0.01), quantity=Quantity.POWER)
    seen = calibrate(gauge, clock=clock)
    assert seen.resolution_j is None
    assert seen.update_period_s == pytest.approx(0.01)


def test_a_sensor_that_fails_ends_in_time() -> None:
    def read() -> float:
        raise ReadFailure("device-lost")

    began_s = time.monotonic()
    seen = calibrate(replace(known_energy_channel(time.monotonic_ns, STEADY), read=read), duration_s=0.05)
    assert time.monotonic() - began_s < 1
    assert (seen.update_period_s, seen.resolution_j, seen.read_cost_s, seen.ticks_n) == (None, None, None, 0)
