import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.analysis.cell_sums import fold, merged
from joulemark.analysis.interval import Interval
from joulemark.analysis.summary import compared_cells, comparisons, rows, rows_of
from joulemark.impact.carbon import find_grid
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Failure, Protocol, Purpose, Quality, Run, Study

SPECIFIC = Cell("text-classification", "small", "reviews")
PROMPTED = replace(SPECIFIC, model="large", purpose=Purpose.MULTI_PURPOSE)
STUDY = Study("s", (SPECIFIC, PROMPTED), Protocol(queries_n=10, repeats_n=3))


def run(cell: Cell, repeat_i: int, energy_j: float | None, factor: float = 1.0, **changes: object) -> Run:
    known = energy_j is not None
    channel = ChannelEnergy(
        "cpu",
        Component.CPU,
        Provenance.MODELLED if factor > 1 else Provenance.COUNTER,
        energy_j,
        energy_j / factor if known else None,  # type: ignore[operator]
        energy_j * factor if known else None,  # type: ignore[operator]
        ErrorBudget(model_factor=factor),
    )
    window = Measurement("2024-01-01T00:00:00.000+00:00", 2.0, (channel,), 0.0)
    blank = Run(STUDY.run_id(cell, repeat_i), cell, repeat_i, 0, 10, "m", {}, window.started_at)
    filled = replace(blank, measurement=window, quality=Quality("accuracy", 0.9, 10), samples_sha256="x", samples_n=10)
    return replace(filled, **changes)  # type: ignore[arg-type]


def first(runs: Sequence[Run]):  # type: ignore[no-untyped-def]
    return rows(STUDY, runs, BoundaryName.DEVICE, find_grid("World"))[0]


def test_energy_is_per_thousand_queries() -> None:
    row = first([run(SPECIFIC, repeat_i, energy_j) for repeat_i, energy_j in enumerate((9.0, 10.0, 11.0))])
    assert row.energy_per_1000_j == pytest.approx(1000.0)
    assert row.repeats_half_width_ratio == pytest.approx(4.3027 / 3**0.5 / 10, rel=1e-4)
    assert row.energy_low_j == pytest.approx(1000 * 0.78, rel=0.01)
    assert row.energy_high_j == pytest.approx(1000 * 1.28, rel=0.01)
    assert row.duration_per_query_s == pytest.approx(0.2)
    assert row.carbon_per_1000_g == pytest.approx(1000 / 3.6e6 * 472.94)
    assert row.provenance == {"counter": 1.0, "sampled": 0.0, "modelled": 0.0, "assumed": 0.0}


def test_repeating_does_not_make_a_model_surer() -> None:
    few = first([run(SPECIFIC, repeat_i, 10.0, factor=2.0) for repeat_i in range(2)])
    many = first([run(SPECIFIC, repeat_i, 10.0, factor=2.0) for repeat_i in range(9)])
    for row in (few, many):
        assert row.energy_low_j == pytest.approx(500.0)
        assert row.energy_high_j == pytest.approx(2000.0)


def test_one_unknown_repetition_leaves_the_mean_unknown() -> None:
    row = first([run(SPECIFIC, 0, 10.0), run(SPECIFIC, 1, None)])
    assert row.energy_per_1000_j is None
    assert row.provenance is None
    assert row.carbon_per_1000_g is None
    assert row.runs_n == 2


def test_what_is_not_known_has_bounds() -> None:
    """One repetition of 10 J within times and divided by 2, one whose energy lies between 4 and 30 J."""
    unknown = run(SPECIFIC, 1, None)
    assert unknown.measurement is not None
    bounded = replace(unknown.measurement.channels[0], low_j=4.0, high_j=30.0)
    bounded_run = replace(unknown, measurement=replace(unknown.measurement, channels=(bounded,)))
    known = run(SPECIFIC, 0, 10.0, factor=2.0)
    row = first([known, bounded_run])
    assert row.energy_per_1000_j is None
    assert row.energy_low_j == pytest.approx(100 * (5 + 4) / 2)
    assert row.energy_high_j == pytest.approx(100 * (20 + 30) / 2)
    parts = merged([fold([one], BoundaryName.DEVICE, frozenset()) for one in (known, bounded_run)])
    assert rows_of(STUDY, parts, None)[0].energy_low_j == pytest.approx(row.energy_low_j)
    boundless = first([known, unknown])
    assert (boundless.energy_low_j, boundless.energy_high_j) == (pytest.approx(100 * (5 + 0) / 2), None)
    nothing = first([unknown])
    assert (nothing.energy_low_j, nothing.energy_high_j) == (None, None)


def test_logged_carbon_is_of_the_devices() -> None:
    logged = run(SPECIFIC, 0, 10.0, carbon_logged_g=0.5)
    assert first([logged]).carbon_logged_per_1000_g == pytest.approx(50.0)
    for boundary in (BoundaryName.HOST, BoundaryName.FACILITY, BoundaryName.MARGINAL):
        assert rows(STUDY, [logged], boundary, None)[0].carbon_logged_per_1000_g is None


def test_failed_runs_are_counted_and_left_out_of_means() -> None:
    failed = run(SPECIFIC, 1, None, measurement=None, quality=None, failure=Failure("load", "OSError", "gone"))
    row = first([run(SPECIFIC, 0, 10.0), failed])
    assert (row.runs_n, row.failed_n, row.queries_n) == (1, 1, 10)
    assert row.energy_per_1000_j == pytest.approx(1000.0)
    assert row.failure == "OSError: gone"
    assert row.repeats_half_width_ratio is None


def test_a_cell_without_runs_has_a_row() -> None:
    found = rows(STUDY, [run(SPECIFIC, 0, 10.0)], BoundaryName.DEVICE, None)
    assert [row.runs_n for row in found] == [1, 0]
    assert found[1].energy_per_1000_j is None
    assert found[0].carbon_per_1000_g is None


def test_a_comparison_is_paired_by_block_and_the_models_factor_cancels() -> None:
    runs = [run(SPECIFIC, repeat_i, 10.0 + repeat_i, factor=3.0) for repeat_i in range(3)]
    runs += [run(PROMPTED, repeat_i, 4 * (10.0 + repeat_i), factor=3.0) for repeat_i in range(3)]
    (pair,) = comparisons(STUDY, runs, BoundaryName.DEVICE)
    assert pair.energy_ratio.value == pytest.approx(4.0)
    assert pair.energy_ratio.low == pytest.approx(4.0)
    assert pair.repeats_n == 3
    assert pair.provenance == ("modelled",)


pairs_j = st.lists(st.tuples(st.floats(0.1, 1000), st.floats(0.1, 1000)), min_size=2, max_size=8)


@given(pairs_j)
def test_the_other_way_round_is_the_inverse(pairs: list[tuple[float, float]]) -> None:
    there, back = (
        ratio_of([run(PROMPTED, i, pair[one]) for i, pair in enumerate(pairs)],
                 [run(SPECIFIC, i, pair[1 - one]) for i, pair in enumerate(pairs)])
        for one in (0, 1)
    )  # fmt: skip
    assert there.low is not None
    assert back.high is not None
    assert there.value * back.value == pytest.approx(1, rel=1e-9)
    assert there.low * back.high == pytest.approx(1, rel=1e-6)


def test_without_sensors_errors_the_interval_is_students_of_the_logarithms() -> None:
    ratios = (2.0, 2.5, 3.0, 2.2)
    found = ratio_of([run(PROMPTED, i, 10 * one) for i, one in enumerate(ratios)], specific_runs(4))
    logs = [math.log(one) for one in ratios]
    half = 3.1824 * statistics.stdev(logs) / 2  # t(0.975, 3)
    assert found.low == pytest.approx(math.exp(statistics.fmean(logs) - half), rel=1e-4)
    assert found.high == pytest.approx(math.exp(statistics.fmean(logs) + half), rel=1e-4)


def specific_runs(n: int) -> list[Run]:
    return [run(SPECIFIC, repeat_i, 10.0) for repeat_i in range(n)]


def ratio_of(prompted: Sequence[Run], specific: Sequence[Run]) -> Interval:
    (pair,) = comparisons(STUDY, (*specific, *prompted), BoundaryName.DEVICE)
    return pair.energy_ratio


def with_board(one: Run, energy_j: float, budget: ErrorBudget, reaches_j: float) -> Run:
    """The run with a board beside its processor."""
    assert one.measurement is not None
    low_j = max(0.0, energy_j - budget.accuracy_j - budget.unseen_below_j)
    board = ChannelEnergy("gpu0", Component.GPU, Provenance.COUNTER, energy_j, low_j, reaches_j, budget)
    return replace(one, measurement=replace(one.measurement, channels=(*one.measurement.channels, board)))


def test_a_factor_cancels_only_as_far_as_it_has_the_same_share() -> None:
    """A prompted model on a counted board, a specific one on the processor alone, which is modelled."""
    prompted = [
        with_board(run(PROMPTED, i, 100.0, factor=2.0), 1000.0, ErrorBudget(accuracy_j=50.0), 1050.0) for i in range(5)
    ]
    specific = [run(SPECIFIC, i, 900.0, factor=2.0) for i in range(5)]
    found = ratio_of(prompted, specific)
    assert found.value == pytest.approx(1100 / 900)
    assert found.low is not None
    assert found.high is not None
    # With the factor at its ends: (1000 + 200) ÷ 1800 and (1000 + 50) ÷ 450, and the board's 5 % beside it.
    assert 0.63 < found.low < (1000 + 200) / 1800
    assert (1000 + 50) / 450 < found.high < 2.4
    for part in (prompted, specific):  # whichever way the runs are read
        sums = merged([fold(half, BoundaryName.DEVICE, compared_cells(STUDY)) for half in (part[:2], part[2:])])
        assert sum(one.parts["cpu"].energy_j for one in sums.values()) == pytest.approx(
            sum(one.measurement.channels[0].energy_j or 0.0 for one in part if one.measurement) / 10
        )


def test_what_a_part_time_sensor_did_not_see_does_not_cancel() -> None:
    def runs(cell: Cell, energy_j: float) -> list[Run]:
        budget = ErrorBudget(unseen_below_j=0.75 * energy_j, unseen_above_j=energy_j)
        return [with_board(run(cell, i, 0.0), energy_j, budget, 2 * energy_j) for i in range(5)]

    found = ratio_of(runs(PROMPTED, 40.0), runs(SPECIFIC, 10.0))
    apart = math.hypot(math.log(4), math.log(2))
    assert found.low == pytest.approx(4 * math.exp(-apart), rel=1e-3)
    assert found.high == pytest.approx(4 * math.exp(apart), rel=1e-3)


def test_pairs_are_of_one_machine() -> None:
    """Both models on one machine; on another, ten times as frugal, only the prompted one went well."""
    here = [*specific_runs(5), *(run(PROMPTED, i, 100.0 + i) for i in range(5))]
    there = [run(PROMPTED, i, 10.0 + i, machine_id="other") for i in range(5)]
    for runs in ([*here, *there], [*there, *here]):
        (pair,) = comparisons(STUDY, runs, BoundaryName.DEVICE)
        assert pair.energy_ratio.value == pytest.approx(10.2, rel=0.01)
        assert pair.repeats_n == 5


def test_where_nothing_is_left_above_idle_there_is_no_ratio() -> None:
    runs = [*specific_runs(3), *(run(PROMPTED, i, energy_j) for i, energy_j in enumerate((20.0, 30.0, -1.0)))]
    assert comparisons(STUDY, runs, BoundaryName.DEVICE) == ()


def test_samples_that_are_not_recorded_are_not_the_same_for_sure() -> None:
    runs = [run(cell, i, 10.0, samples_sha256=None) for cell in (SPECIFIC, PROMPTED) for i in range(2)]
    (pair,) = comparisons(STUDY, runs, BoundaryName.DEVICE)
    assert not pair.samples_known
    (known,) = comparisons(STUDY, [replace(one, samples_sha256="x") for one in runs], BoundaryName.DEVICE)
    assert known.samples_known


def test_shares_below_zero_are_not_known() -> None:
    above_idle = [with_board(run(SPECIFIC, i, -20.0), 100.0, ErrorBudget(), 100.0) for i in range(2)]
    modelled = [
        replace(one, measurement=replace(one.measurement, channels=(
            replace(one.measurement.channels[0], provenance=Provenance.MODELLED), one.measurement.channels[1])))
        for one in above_idle if one.measurement
    ]  # fmt: skip
    assert first(modelled).energy_per_1000_j is not None
    assert first(modelled).provenance is None


def test_other_samples_are_not_compared() -> None:
    runs = [run(SPECIFIC, 0, 10.0), run(PROMPTED, 0, 40.0, samples_sha256="y")]
    assert comparisons(STUDY, runs, BoundaryName.DEVICE) == ()


def test_only_blocks_that_both_have_are_compared() -> None:
    runs = [run(SPECIFIC, 0, 10.0), run(SPECIFIC, 1, 10.0), run(PROMPTED, 1, 30.0), run(PROMPTED, 2, 99.0)]
    (pair,) = comparisons(STUDY, runs, BoundaryName.DEVICE)
    assert pair.repeats_n == 1
    assert pair.energy_ratio.value == pytest.approx(3.0)
    assert pair.energy_ratio.low is None


def test_devices_that_were_metered_but_not_used_are_named() -> None:
    one = run(SPECIFIC, 0, 10.0)
    assert one.measurement is not None
    other = replace(one.measurement.channels[0], name="gpu3", component=Component.GPU, in_use=False)
    both = replace(one, measurement=replace(one.measurement, channels=(*one.measurement.channels, other)))
    assert first([both]).unused == ("gpu3",)
    assert first([both]).energy_per_1000_j == pytest.approx(1000.0)
