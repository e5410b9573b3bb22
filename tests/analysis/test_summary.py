from collections.abc import Sequence
from dataclasses import replace

import pytest

from joulemark.analysis.cell_sums import fold, merged
from joulemark.analysis.summary import comparisons, rows, rows_of
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
