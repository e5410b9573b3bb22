"""Gauges: the integral over samples, and the process that takes them."""

import json
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.measurement import Channel, Component, Provenance, Quantity
from joulemark.meter import open_meter
from joulemark.meter.gauge import PERIOD_S, Samples, gauge_energy
from joulemark.meter.sampler import open_sampler
from joulemark.sensors import Setup

GAUGE = Channel("gpu0", Component.GPU, Provenance.SAMPLED, Quantity.POWER, lambda: 0.0, "a board", update_period_s=0.1)


def samples(power_w, count_n: int, step_s: float = 0.05):  # type: ignore[no-untyped-def]
    return [(round(index * step_s * 1e9), power_w(index * step_s)) for index in range(count_n)]


@given(st.floats(1, 700), st.floats(-5, 5), st.integers(1, 20_000_000), st.integers(60, 190))
def test_a_ramp_is_integrated_exactly_between_samples(
    start_w: float, slope: float, offset_ns: int, steps_n: int
) -> None:
    began_ns, ended_ns = offset_ns, offset_ns + steps_n * 10_000_000
    energy = gauge_energy(GAUGE, began_ns, ended_ns, Samples(samples(lambda t: 1000 + start_w + slope * t, 100)))
    from_s, to_s = began_ns / 1e9, ended_ns / 1e9
    truth_j = (to_s - from_s) * (1000 + start_w + slope * (from_s + to_s) / 2)
    assert energy.energy_j == pytest.approx(truth_j, rel=1e-9)


@given(st.lists(st.floats(0.001, 0.099), min_size=30, max_size=60, unique=True), st.floats(10, 500))
def test_jittered_samples_of_steady_power_give_the_same(steps_s: list[float], power_w: float) -> None:
    at_s, taken = 0.0, [(0, power_w)]
    for step_s in steps_s:
        at_s += step_s
        taken.append((round(at_s * 1e9), power_w))
    energy = gauge_energy(GAUGE, taken[0][0], taken[-1][0], Samples(taken))
    assert energy.energy_j == pytest.approx(power_w * taken[-1][0] / 1e9)


@pytest.mark.parametrize("period_s", [0.05, 0.1, 0.03])
def test_a_load_that_changes_faster_than_it_is_sampled_is_inside_the_interval(period_s: float) -> None:
    """5 W and 15 W in turn, as of a model that is shown 20 pictures a second, beside samples at random distances."""
    chance, inside_n = Random(5), 0
    for _ in range(400):
        phase_s, at_s, rows = chance.random() * period_s, 0.0, []
        while at_s < 5.1:
            rows.append((round(at_s * 1e9), 15.0 if (at_s + phase_s) % period_s < period_s / 2 else 5.0))
            at_s += chance.uniform(0.5, 1.5) * PERIOD_S
        energy = gauge_energy(replace(GAUGE, update_period_s=0.001), 0, 5 * 10**9, Samples(rows))
        assert energy.low_j is not None
        assert energy.high_j is not None
        inside_n += energy.low_j <= 50.0 <= energy.high_j
        assert energy.high_j - energy.low_j < 25.0
    assert inside_n >= 0.93 * 400


@given(st.floats(0.05, 3), st.floats(0, 1), st.floats(0, 100), st.floats(100, 500), st.booleans())
def test_what_a_gauge_has_not_shown_yet_is_inside_the_interval(
    updates_n: float, phase: float, rest_w: float, work_w: float, averages: bool
) -> None:
    """Work that begins from rest, on a gauge that shows its last update, or the mean of the time of one."""
    update_s = 0.5
    gauge = replace(GAUGE, update_period_s=update_s, power_max_w=500.0)

    def shown_w(at_s: float) -> float:
        share = min(1.0, max(0.0, at_s / update_s))
        if not averages:
            share = float(((at_s / update_s + phase) // 1 - phase) >= 0)
        return share * work_w + (1 - share) * rest_w

    duration_s = updates_n * update_s
    rows = [(at_ms * 1_000_000, shown_w(at_ms / 1e3)) for at_ms in range(-1000, 2000, 5)]
    energy = gauge_energy(gauge, 0, round(duration_s * 1e9), Samples(rows))
    assert energy.low_j is not None
    assert energy.high_j is not None
    assert energy.low_j <= work_w * duration_s <= energy.high_j + 5e-3 * work_w  # a sample's worth
    assert "window-too-short" in energy.reasons


def test_a_gap_is_marked_and_widens_the_interval() -> None:
    whole = samples(lambda t: 100.0 if t < 2 else 300.0, 100)
    gapped = [sample for sample in whole if not 1.5e9 < sample[0] < 2.6e9]
    full, holed = (gauge_energy(GAUGE, 0, 4_000_000_000, Samples(rows)) for rows in (whole, gapped))
    assert "sampling-gap" not in full.reasons
    assert "sampling-gap" in holed.reasons
    assert (holed.uncertainty_j or 0) > (full.uncertainty_j or 0)
    assert holed.low_j is not None
    assert holed.high_j is not None
    assert holed.low_j <= 100 * 2 + 300 * 2 <= holed.high_j


@given(st.floats(0, 500), st.floats(0.6, 4.4), st.sampled_from(["begin", "middle", "end"]))
def test_what_a_silent_gauge_may_have_missed_is_in_the_interval(silent_w: float, silent_s: float, where: str) -> None:
    gauge, span_s = replace(GAUGE, power_max_w=500.0), 10.0
    from_s = {"begin": 0.0, "middle": 3.0, "end": span_s - silent_s}[where]
    rows = [row for row in samples(lambda _: 100.0, 201) if not from_s <= row[0] / 1e9 <= from_s + silent_s]
    energy = gauge_energy(gauge, 0, round(span_s * 1e9), Samples(rows, "device-lost"))
    truth_j = 100.0 * (span_s - silent_s) + silent_w * silent_s
    assert energy.reasons == ("sampling-gap", "device-lost")
    assert energy.low_j is not None
    assert energy.high_j is not None
    assert energy.low_j <= truth_j <= energy.high_j + 1e-6
    assert energy.energy_j == pytest.approx(100.0 * span_s)


def test_a_gauge_that_was_silent_for_most_of_the_window_has_bounds_only() -> None:
    energy = gauge_energy(replace(GAUGE, power_max_w=500.0), 0, 10**10, Samples(samples(lambda _: 300.0, 80)))
    assert energy.energy_j is None
    assert energy.reasons == ("sampling-gap",)
    assert energy.low_j == pytest.approx(300 * 3.95, rel=0.05)
    assert energy.high_j == pytest.approx(300 * 3.95 + 500 * 6.05, rel=0.05)


def test_no_sample_in_the_window_is_unknown() -> None:
    assert gauge_energy(GAUGE, 10, 20, Samples([(0, 5.0), (100, 5.0)])).energy_j is None
    assert "no-samples" in gauge_energy(GAUGE, 10, 20, Samples([])).reasons
    assert "device-lost" in gauge_energy(GAUGE, 10, 20, Samples([], "device-lost")).reasons
    assert "sampler-failed" in gauge_energy(GAUGE, 10, 20, None).reasons


def trace(tmp_path: Path, power_w: list[float], step_s: float) -> Path:
    channel = {
        "name": "gpu0", "component": "gpu", "provenance": "sampled", "quantity": "power", "device": "recorded",
        "update_period_s": 0.1, "samples": [[index * step_s, watts] for index, watts in enumerate(power_w)],
    }  # fmt: skip
    file = tmp_path / "trace.json"
    file.write_text(json.dumps({"schema_version": 1, "channels": [channel]}))
    return file


def test_samples_are_taken_at_random_distances(tmp_path: Path) -> None:
    with open_sampler(Setup(requests=(f"replay:{trace(tmp_path, [5.0] * 600, 0.1)}",), sampled=("gpu0",))) as sampler:
        began_ns = time.monotonic_ns()
        time.sleep(2.0)
        rows = sampler.collect(began_ns, time.monotonic_ns())[0]["gpu0"].rows
    steps_s = [(later_ns - earlier_ns) / 1e9 for (earlier_ns, _), (later_ns, _) in pairwise(rows)]
    assert len(steps_s) > 20
    assert max(steps_s) - min(steps_s) > 0.02


def test_the_sampler_process_integrates_a_replayed_gauge(tmp_path: Path) -> None:
    file = trace(tmp_path, [120.0] * 600, 0.1)
    with open_meter(Setup(requests=(f"replay:{file}",))) as meter:
        window = meter.begin()
        time.sleep(1.2)
        measurement = window.end()
    (energy,) = measurement.channels
    assert energy.energy_j == pytest.approx(120.0 * measurement.duration_s, rel=1e-6)
    assert energy.provenance is Provenance.SAMPLED
    assert "replayed" in energy.reasons
    assert measurement.harness_cpu_s > 0


def test_a_trace_that_ends_leaves_the_energy_unknown(tmp_path: Path) -> None:
    file = trace(tmp_path, [120.0, 120.0], 0.05)
    with open_meter(Setup(requests=(f"replay:{file}",))) as meter:
        time.sleep(0.3)
        window = meter.begin()
        time.sleep(0.3)
        (energy,) = window.end().channels
    assert energy.energy_j is None
    assert energy.reasons == ("replayed", "trace-ended")


def test_the_sampler_tells_the_sample_before_and_the_one_after(tmp_path: Path) -> None:
    file = trace(tmp_path, [float(index) for index in range(600)], 0.1)
    with open_sampler(Setup(requests=(f"replay:{file}",), sampled=("gpu0",))) as sampler:
        began_ns = time.monotonic_ns()
        time.sleep(1.0)
        ended_ns = time.monotonic_ns()
        all_rows = sampler.collect(began_ns, ended_ns)[0]["gpu0"].rows
        assert all_rows == sorted(all_rows)
        for (at_ns, _), (following_ns, _) in pairwise(all_rows[1:-1]):
            between_ns = (at_ns + following_ns) // 2
            rows = sampler.collect(between_ns, between_ns)[0]["gpu0"].rows
            assert [row_ns for row_ns, _ in rows] == [at_ns, following_ns]
    assert len(all_rows) > 3
    assert all_rows[0][0] < began_ns
    assert all_rows[-1][0] > ended_ns


def test_the_sampler_ends_with_its_parent(tmp_path: Path) -> None:
    import subprocess

    file = trace(tmp_path, [1.0] * 1000, 0.1)
    program = (
        "import os, sys\n"
        "from joulemark.meter import open_meter\n"
        "from joulemark.sensors import Setup\n"
        "with open_meter(Setup(requests=(f'replay:{sys.argv[1]}',))) as meter:\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    started_s = time.monotonic()
    # The sampler holds the other end of our pipe: read() returns only when it is gone too.
    subprocess.run([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, check=False, timeout=20)
    assert time.monotonic() - started_s < 15


def test_modelled_gauges_keep_their_factor() -> None:
    energy = gauge_energy(replace(GAUGE, model_factor=2.0), 0, 10**9, Samples(samples(lambda _: 50.0, 30)))
    assert energy.high_j == pytest.approx((50 + 0.1 * 50 / 0.9) * 2, rel=0.01)


FINE = replace(GAUGE, resolution_w=1e-3, power_max_w=500.0)


@pytest.mark.parametrize(
    ("gauge", "power_w", "still_s", "stood_still"),
    [
        (FINE, 84.321, 10.5, True),
        (FINE, 84.321, 9.0, False),  # not a hundred updates
        (FINE, 0.9, 10.5, False),  # its noise may be less than a step
        (FINE, 0.0, 10.5, False),
        (replace(FINE, resolution_w=1.0), 84.0, 10.5, False),  # of whole watts
        (replace(FINE, resolution_w=None), 84.321, 10.5, False),
    ],
)
def test_a_fine_gauge_that_stands_still_has_a_wide_interval(
    gauge: Channel, power_w: float, still_s: float, stood_still: bool
) -> None:
    rows = samples(lambda _: power_w, 300)
    energy = gauge_energy(gauge, 0, round(still_s * 1e9), Samples(rows))
    assert energy.energy_j == pytest.approx(power_w * still_s)
    assert ("gauge-stood-still" in energy.reasons) is stood_still
    if stood_still:
        assert energy.low_j == 0.0
        assert (energy.high_j or 0) >= 500 * still_s
    moved = gauge_energy(gauge, 0, round(still_s * 1e9), Samples([*rows[:50], (rows[50][0], power_w + 1), *rows[51:]]))
    assert "gauge-stood-still" not in moved.reasons


def test_power_below_zero_is_an_offset_and_no_energy() -> None:
    energy = gauge_energy(GAUGE, 0, 4 * 10**9, Samples(samples(lambda t: -0.4 if t < 2 else 10.0, 100)))
    assert energy.reasons == ("gauge-below-zero",)
    assert energy.energy_j == pytest.approx(20, rel=0.02)
    assert energy.budget.unseen_above_j == pytest.approx(0.8, rel=0.02)
    assert energy.budget.unseen_below_j == 0.0
