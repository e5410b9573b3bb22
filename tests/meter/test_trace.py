"""The power trace of windows against a known truth, on a virtual clock."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.failures import ReadFailure
from joulemark.measurement import Channel, Component, Measurement, Provenance, Quantity
from joulemark.meter import Meter
from joulemark.meter.gauge import Samples
from joulemark.meter.trace import STEPS_MAX_N, Readings
from joulemark.records import TraceStep
from joulemark.sensors.fake import VirtualClock, energy_until_j, known_energy_channel

Profile = tuple[tuple[float, float], ...]
WAVE: Profile = ((0.7, 40.0), (0.4, 200.0), (1.3, 90.0))
GAUGE = Channel("gpu0", Component.GPU, Provenance.SAMPLED, Quantity.POWER, lambda: 0.0, "a board", update_period_s=0.1)
profiles = st.lists(st.tuples(st.floats(0.01, 3.0), st.floats(1.0, 700.0)), min_size=1, max_size=4).map(tuple)
laps_s = st.lists(st.integers(1, 400).map(lambda ms: ms / 1000), min_size=1, max_size=40)


def traced(meter: Meter, clock: VirtualClock, laps: Sequence[float]) -> tuple[Measurement, list[TraceStep]]:
    """A window with laps in it, as the worker takes them."""
    readings = Readings()
    window = meter.begin(readings=readings)
    lap = meter.begin()
    for lap_s in laps:
        clock.sleep(lap_s)
        lap.end()
        window.follow(lap)
        lap = meter.begin()
    measurement = window.end()
    return measurement, readings.steps("queries", measurement, window.began_ns)


def energy_j(steps: Sequence[TraceStep]) -> float:
    return math.fsum((step.power_w or 0.0) * step.duration_s for step in steps)


def assert_filled(measurement: Measurement, steps: Sequence[TraceStep]) -> None:
    """The steps follow one another from the beginning of the window to its end."""
    assert steps[0].start_s == pytest.approx(0, abs=1e-9)
    for step, following in pairwise(steps):
        assert following.start_s == pytest.approx(step.start_s + step.duration_s, abs=1e-9)
    assert steps[-1].start_s + steps[-1].duration_s == pytest.approx(measurement.duration_s, abs=1e-9)


def slowly(channel: Channel, clock: VirtualClock, read_s: float) -> Channel:
    """A channel that takes its time to read."""

    def read() -> float:
        clock.sleep(read_s)
        return channel.read()

    return replace(channel, read=read)


@given(
    profiles,
    laps_s,
    st.sampled_from((1e-3, 0.01, 0.1)),
    st.sampled_from((None, 10**9)),
    st.sampled_from((0.0, 0.002)),
)
def test_the_steps_of_a_counter_fill_the_window_and_add_up_to_its_energy(
    profile: Profile, laps: list[float], update_period_s: float, wrap_n: int | None, read_s: float
) -> None:
    clock = VirtualClock()
    channel = slowly(
        known_energy_channel(clock, profile, update_period_s=update_period_s, wrap_n=wrap_n), clock, read_s
    )
    clock.sleep(1.2345)
    measurement, steps = traced(Meter([channel], clock=clock), clock, laps)
    (whole,) = measurement.channels
    assert_filled(measurement, steps)
    assert all(step.duration_s >= 10 * update_period_s - read_s - 1e-9 for step in steps) or len(steps) == 1
    if whole.energy_j is None:
        assert [step.power_w for step in steps] == [None]
    else:
        assert energy_j(steps) == pytest.approx(whole.energy_j, rel=1e-9)


def test_each_step_holds_the_truth_of_its_own_time() -> None:
    clock = VirtualClock()
    clock.sleep(3.0)
    channel = known_energy_channel(clock, WAVE)
    _, steps = traced(Meter([channel], clock=clock), clock, [0.05] * 200)
    assert len(steps) == 200
    for step in steps:
        from_s = 3.0 + step.start_s
        truth_w = energy_until_j(WAVE, from_s + step.duration_s) - energy_until_j(WAVE, from_s)
        truth_w /= step.duration_s
        assert step.low_w is not None
        assert step.high_w is not None
        assert step.low_w <= truth_w <= step.high_w
        assert step.high_w - step.low_w <= 0.05 * truth_w


def test_what_is_kept_of_a_long_run_has_a_bound_and_loses_no_energy() -> None:
    clock = VirtualClock()
    channel = known_energy_channel(clock, ((1.0, 500.0),), wrap_n=10**9)  # wraps every 2 s
    laps = [0.05] * 20_000
    measurement, steps = traced(Meter([channel], clock=clock), clock, laps)
    (whole,) = measurement.channels
    assert STEPS_MAX_N / 2 <= len(steps) <= STEPS_MAX_N
    assert_filled(measurement, steps)
    assert energy_j(steps) == pytest.approx(whole.energy_j, rel=1e-9)
    assert len({round(step.duration_s, 6) for step in steps[:-1]}) == 1  # none coarser than the others
    assert all(step.power_w == pytest.approx(500.0, rel=1e-6) for step in steps)


def test_a_counter_too_slow_for_the_laps_has_longer_steps() -> None:
    clock = VirtualClock()
    fast = known_energy_channel(clock, WAVE)
    slow = known_energy_channel(clock, WAVE, name="gpu0", update_period_s=0.1, in_use=False)
    measurement, steps = traced(Meter([fast, slow], clock=clock), clock, [0.05] * 130)
    of_slow = [step for step in steps if step.channel == "gpu0"]
    assert len(steps) - len(of_slow) == 130
    assert [round(step.duration_s, 6) for step in of_slow] == [1.0] * 5 + [1.5]
    assert_filled(measurement, of_slow)


def test_a_counter_that_was_read_at_the_edges_only_has_the_mean_of_the_window() -> None:
    clock = VirtualClock()
    meter, readings = Meter([known_energy_channel(clock, WAVE)], clock=clock), Readings()
    measurement = meter.idle(4.0, clock.sleep, readings)
    (whole,) = measurement.channels
    assert whole.energy_j is not None
    assert whole.low_j is not None
    assert whole.high_j is not None
    assert readings.steps("idle-before", measurement, 10**10) == [
        TraceStep("fake-cpu", "idle-before", -10.0, 4.0, whole.energy_j / 4, whole.low_j / 4, whole.high_j / 4)
    ]


def test_readings_against_wraps_are_steps_too() -> None:
    clock = VirtualClock()
    meter = Meter([known_energy_channel(clock, WAVE, wrap_n=262_143_328_851)], clock=clock)
    readings = Readings()
    window = meter.begin(readings=readings)
    for _ in range(600):
        clock.sleep(1.0)
        window.refresh()
    measurement = window.end()
    steps = readings.steps("queries", measurement, window.began_ns)
    assert 10 < len(steps) < 30  # a quarter of the time in which it may wrap: 33 s
    assert energy_j(steps) == pytest.approx(measurement.channels[0].energy_j, rel=1e-9)


def test_windows_keep_their_places_in_time() -> None:
    clock = VirtualClock()
    clock.sleep(7.0)
    meter = Meter([known_energy_channel(clock, WAVE)], clock=clock)
    before, within, after = Readings(), Readings(), Readings()
    idle_before = meter.idle(2.0, clock.sleep, before)
    clock.sleep(3.217)  # warming up
    window = meter.begin(readings=within)
    clock.sleep(5.0)
    measurement = window.end()
    clock.sleep(0.311)
    idle_after = meter.idle(2.0, clock.sleep, after)
    windows = ((before, idle_before), (within, measurement), (after, idle_after))
    steps = [step for readings, one in windows for step in readings.steps("a window", one, within.began_ns)]
    assert [(step.start_s, step.duration_s) for step in steps] == [(-5.217, 2.0), (0.0, 5.0), (5.311, 2.0)]


def failing(channel: Channel, on: Sequence[int]) -> Channel:
    counted = itertools.count(1)

    def read() -> float:
        if next(counted) in on:
            raise ReadFailure("read-failed")
        return channel.read()

    return replace(channel, read=read)


def test_a_reading_that_fails_on_the_way_leaves_a_longer_step() -> None:
    clock = VirtualClock()
    # Readings: the window's first, the first lap's first and last, the second lap's first and last, …
    channel = failing(known_energy_channel(clock, ((1.0, 50.0),)), on=[5])
    measurement, steps = traced(Meter([channel], clock=clock), clock, [0.1] * 4)
    assert [round(step.duration_s, 6) for step in steps] == [0.1, 0.2, 0.1]
    assert_filled(measurement, steps)
    assert all(step.power_w == pytest.approx(50.0) for step in steps)


@pytest.mark.parametrize(("reading_n", "unknown_i"), [(1, 0), (12, 5)])  # the window's first and last
def test_an_edge_that_fails_leaves_the_rest_known(reading_n: int, unknown_i: int) -> None:
    clock = VirtualClock()
    channel = failing(known_energy_channel(clock, ((1.0, 50.0),)), on=[reading_n])
    readings, meter = Readings(), Meter([channel], clock=clock)
    window = meter.begin(readings=readings)
    lap = meter.begin()
    for lap_i in range(5):
        clock.sleep(0.1)
        lap.end()
        window.follow(lap)
        if lap_i < 4:
            lap = meter.begin()
    clock.sleep(0.1)
    measurement = window.end()
    steps = readings.steps("queries", measurement, window.began_ns)
    assert measurement.channels[0].energy_j is None
    assert_filled(measurement, steps)
    assert [step_i for step_i, step in enumerate(steps) if step.power_w is None] == [unknown_i]
    assert len(steps) == 6


@pytest.mark.parametrize("update_period_s", [1e-3, 0.02])  # the slower one needs two laps a step
def test_a_counter_that_was_set_back_is_bounded_in_the_step_where_it_was(update_period_s: float) -> None:
    clock = VirtualClock()
    true = known_energy_channel(clock, ((1.0, 50.0),), update_period_s=update_period_s)
    reset = math.floor(50.0 * 0.94 / true.count_j)
    channel = replace(true, power_max_w=60.0, read=lambda: true.read() + (10**9 if clock() < 0.94e9 else -reset))
    _, steps = traced(Meter([channel], clock=clock), clock, [0.1] * 20)
    (odd,) = (step for step in steps if step.power_w is None or step.high_w is None or step.high_w > 58)
    assert odd.start_s == pytest.approx(0.9 if update_period_s < 0.01 else 0.8)
    assert odd.low_w is not None
    assert odd.high_w is not None
    assert odd.low_w <= 50.0 <= odd.high_w
    assert len(steps) == (20 if update_period_s < 0.01 else 10)


def test_steps_may_be_asked_for_again() -> None:
    clock = VirtualClock()
    meter, readings = Meter([known_energy_channel(clock, WAVE, update_period_s=0.02)], clock=clock), Readings()
    window = meter.begin(readings=readings)
    for _ in range(9):
        lap = meter.begin()
        clock.sleep(0.05)
        lap.end()
        window.follow(lap)
    measurement = window.end()
    assert readings.steps("queries", measurement, 0) == readings.steps("queries", measurement, 0)


def gauged(
    power_w: Sequence[float], steps_s: Sequence[float], span: tuple[int, int]
) -> tuple[Measurement, list[TraceStep]]:
    """A window over samples of a gauge, which come as from the sampler."""
    clock = VirtualClock()
    at_ns = [round(at_s * 1e9) for at_s in itertools.accumulate(steps_s)]
    samples = list(zip(at_ns, power_w, strict=True))
    meter = Meter([GAUGE], sample=lambda *_: ({"gpu0": Samples(samples)}, 0.0), clock=clock)
    clock.sleep(span[0] / 1e9)
    readings = Readings()
    window = meter.begin(readings=readings)
    clock.sleep((span[1] - span[0]) / 1e9)
    measurement = window.end()
    return measurement, readings.steps("queries", measurement, window.began_ns)


@given(
    st.lists(st.tuples(st.floats(0, 700), st.floats(0.001, 0.2)), min_size=3, max_size=60),
    st.floats(0.0, 0.4),
    st.floats(0.6, 1.0),
)
def test_the_steps_of_a_gauge_fill_the_window_and_add_up_to_its_energy(
    taken: list[tuple[float, float]], from_share: float, to_share: float
) -> None:
    power_w, steps_s = zip(*taken, strict=True)
    all_s = sum(steps_s)
    span = (round(from_share * all_s * 1e9), round(to_share * all_s * 1e9))
    measurement, steps = gauged(power_w, steps_s, span)
    (whole,) = measurement.channels
    assert_filled(measurement, steps)
    if whole.energy_j is None:
        assert [step.power_w for step in steps] == [None]
    else:
        assert energy_j(steps) == pytest.approx(whole.energy_j, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("samples_n", [900, 1001, 5000, 72_000])
def test_samples_of_hours_become_a_thousand_steps_of_the_same_energy(samples_n: int) -> None:
    power_w = [100 + 80 * math.sin(index / 500) for index in range(samples_n)]
    span = (60_000_000, round(samples_n * 0.05e9) - 60_000_000)
    measurement, steps = gauged(power_w, [0.05] * samples_n, span)
    assert min(samples_n, STEPS_MAX_N) / 2 <= len(steps) <= STEPS_MAX_N
    assert_filled(measurement, steps)
    assert energy_j(steps) == pytest.approx(measurement.channels[0].energy_j, rel=1e-9)
    for step in steps:
        middle_s = step.start_s + step.duration_s / 2 + 0.06
        assert step.power_w == pytest.approx(100 + 80 * math.sin((middle_s / 0.05 - 1) / 500), rel=0.02)


def test_a_gauge_without_samples_is_one_step_that_is_not_known() -> None:
    measurement, steps = gauged([5.0, 5.0], [0.001, 10.0], (10**9, 2 * 10**9))
    assert measurement.channels[0].reasons == ("no-samples",)
    assert steps == [TraceStep("gpu0", "queries", 0.0, 1.0, None, None, None)]


def test_steps_of_a_gauge_have_the_tolerance_of_the_vendor_and_the_error_of_gaps() -> None:
    clock = VirtualClock()
    samples = [(round(index * 0.05e9), 100.0 if index < 20 else 300.0) for index in range(41) if not 15 < index < 25]
    meter = Meter(
        [replace(GAUGE, accuracy_ratio=0.05)], sample=lambda *_: ({"gpu0": Samples(samples)}, 0.0), clock=clock
    )
    readings = Readings()
    window = meter.begin(readings=readings)
    clock.sleep(2.0)
    measurement = window.end()
    steps = readings.steps("queries", measurement, 0)
    across = max(steps, key=lambda step: step.duration_s)
    for step in steps:
        assert step.power_w is not None
        assert step.low_w is not None
        assert step.high_w is not None
        if step is across:
            assert step.low_w <= 100
            assert step.high_w >= 300
        else:
            assert step.low_w == pytest.approx(0.95 * step.power_w)
            assert step.high_w == pytest.approx(1.05 * step.power_w)
