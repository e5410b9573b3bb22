"""Two folders beside each other, from the lines of their runs on: rates, coverage, what is matched, what is unknown."""

import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from made_folders import A100, H200, LATER, OTHER, REVIEWS, SUMMARY, Made, folder

from joulemark import store
from joulemark.analysis.circumstances import circumstances_of
from joulemark.analysis.comparison import Comparison, Row, Verdict, compare
from joulemark.analysis.comparison_conditions import conditions, findings
from joulemark.analysis.matching import Folder, matched
from joulemark.analysis.results import open_results, sums_of
from joulemark.measurement import BoundaryName, Component, Provenance
from joulemark.records import Cell, Purpose, Run, Settings

CELLS_N = 1000
NEXT_DAY = LATER + timedelta(days=1)
_places = count()


def opened(place: Path, boundary: BoundaryName = BoundaryName.DEVICE) -> Folder:
    results = open_results(place)
    sums = sums_of(results, boundary)
    return Folder(place.name, results, sums, circumstances_of(results, boundary, frozenset(sums)))


def compared(
    place: Path, first: Sequence[Made], second: Sequence[Made], boundary: BoundaryName = BoundaryName.DEVICE
) -> Comparison:
    i = next(_places)
    a, b = folder(place / f"a{i}", *first), folder(place / f"b{i}", *second, started=NEXT_DAY)
    return compare(opened(a, boundary), opened(b, boundary))


def only_row(place: Path, first: Made, second: Made, boundary: BoundaryName = BoundaryName.DEVICE) -> Row:
    (row,) = compared(place, [first], [second], boundary).rows
    return row


def said(place: Path, first: Made, second: Made) -> str:
    """All findings of a comparison of two cells."""
    i = next(_places)
    a, b = opened(folder(place / f"a{i}", first)), opened(folder(place / f"b{i}", second, started=NEXT_DAY))
    return "\n".join(f"{one.subject}: {one.message}" for one in findings(compare(a, b)))


def models() -> Iterator[Cell]:
    return (replace(SUMMARY, model=f"model-{i}") for i in range(CELLS_N))


def covered(rows: Sequence[Row], true_ratio: float) -> float:
    assert len(rows) == CELLS_N
    return sum(row.ratio_low <= true_ratio <= row.ratio_high for row in rows) / CELLS_N  # type: ignore[operator]


def log_half_width(rows: Sequence[Row]) -> float:
    return statistics.median(math.log(row.ratio_high / row.ratio_low) / 2 for row in rows)  # type: ignore[operator]


@pytest.mark.parametrize(("repeats_n", "width_max"), [(2, 3.3), (3, 1.65), (10, 1.12)])
def test_equal_folders_show_no_difference_at_the_stated_rate(tmp_path: Path, repeats_n: int, width_max: float) -> None:
    """In 1,000 pairs whose energies come from one distribution, and a width no larger than few repetitions need."""
    rng = random.Random(repeats_n)
    spread = 0.03
    sides = [
        [Made(cell, [500 * math.exp(rng.gauss(0, spread)) for _ in range(repeats_n)]) for cell in models()]
        for _ in range(2)
    ]
    rows = compared(tmp_path, sides[0], sides[1]).rows
    not_shown = sum(row.verdict is Verdict.NOT_SHOWN for row in rows) / CELLS_N
    assert 0.93 <= not_shown <= 0.985
    assert not_shown == covered(rows, 1.0)
    assert all((row.verdict is Verdict.NOT_SHOWN) is (row.p >= 0.05) for row in rows)  # type: ignore[operator]
    assert log_half_width(rows) <= width_max * 1.96 * spread * math.sqrt(2 / repeats_n)


def test_the_interval_holds_the_true_ratio_where_spreads_and_numbers_differ(tmp_path: Path) -> None:
    rng = random.Random(5)
    first = [Made(cell, [650 * math.exp(rng.gauss(0, 0.01)) for _ in range(4)]) for cell in models()]
    second = [Made(cell, [500 * math.exp(rng.gauss(0, 0.05)) for _ in range(8)]) for cell in models()]
    rows = compared(tmp_path, first, second).rows
    assert 0.93 <= covered(rows, 1.3) <= 0.975
    assert all(row.verdict is Verdict.LESS for row in rows)
    assert statistics.median(row.ratio for row in rows) == pytest.approx(1.3, rel=0.005)  # type: ignore[type-var]


@pytest.mark.parametrize("one_machine", [False, True])
def test_a_tolerance_counts_between_machines_and_cancels_on_one(tmp_path: Path, one_machine: bool) -> None:
    """Every pair has sensors that are wrong by a factor of their own, within ± 5 % in 95 % of all cases."""
    rng = random.Random(11)
    tolerance, spread = 0.05, 0.01

    def made(cell: Cell, true_j: float, gain: float, place: int) -> Made:
        energies_j = [true_j * gain * math.exp(rng.gauss(0, spread)) for _ in range(5)]
        return Made(cell, energies_j, accuracy_ratio=tolerance, machine=A100 if one_machine or not place else H200)

    first, second = [], []
    for cell in models():
        gains = [math.exp(rng.gauss(0, tolerance / 1.96)) for _ in range(2)]
        if one_machine:
            gains[1] = gains[0]
        first.append(made(cell, 500, gains[0], 0))
        second.append(made(cell, 400, gains[1], 1))
    rows = compared(tmp_path, first, second).rows
    assert 0.93 <= covered(rows, 1.25) <= 0.98
    assert {row.apart_log is not None for row in rows} == {one_machine}
    if one_machine:
        assert log_half_width(rows) <= 1.25 * 1.96 * spread * math.sqrt(2 / 5)
    else:
        assert log_half_width(rows) >= tolerance * math.sqrt(2)


def test_a_common_factor_counts_as_far_as_the_shares_differ(tmp_path: Path) -> None:
    """Memory is modelled within ×/÷ 3 and a tenth of one side's energy, but half of the other's."""
    rng = random.Random(13)
    first: list[Made] = []
    second: list[Made] = []
    for cell in models():
        factor = math.exp(rng.gauss(0, math.log(3) / 1.96))  # the model says 1/factor of the truth
        for cells, gpu_j, dram_j in ((first, 900.0, 100.0), (second, 500.0, 500.0)):
            energies_j = [gpu_j * math.exp(rng.gauss(0, 0.01)) for _ in range(5)]
            cells.append(Made(cell, energies_j, others=[(Component.DRAM, dram_j / factor, 3.0)]))
    rows = compared(tmp_path, first, second).rows
    assert 0.93 <= covered(rows, 1.0) <= 0.98
    assert all(row.apart_log is not None for row in rows)


def test_equal_shares_of_a_modelled_part_cancel(tmp_path: Path) -> None:
    first = Made(SUMMARY, [100, 101, 99], others=[(Component.DRAM, 50, 3.0)])
    second = Made(SUMMARY, [80, 80.8, 79.2], others=[(Component.DRAM, 40, 3.0)])
    row = only_row(tmp_path, first, second)
    assert row.verdict is Verdict.LESS
    assert row.sensors_above_log == pytest.approx(0, abs=0.001)
    assert "one machine and the same sensors are taken for granted" in said(tmp_path, first, second)
    elsewhere = only_row(tmp_path, first, replace(second, machine=H200))
    assert elsewhere.verdict is Verdict.NOT_SHOWN
    assert elsewhere.why == "within the sensors' error"
    assert elsewhere.apart_log is None


def test_resolution_does_not_cancel_on_one_machine(tmp_path: Path) -> None:
    coarse = replace(Made(SUMMARY, [100.0, 100.0, 100.0]), resolution_j=10.0, accuracy_ratio=0.05)
    row = only_row(tmp_path, coarse, replace(coarse, energies_j=[105.0, 105.0, 105.0]))
    assert row.verdict is Verdict.NOT_SHOWN
    assert row.sensors_below_log == pytest.approx(math.hypot(0.1054, 0.0909), rel=0.01)


def test_swapped_folders_say_the_inverse(tmp_path: Path) -> None:
    first = Made(SUMMARY, [100, 104, 99], model_factor=1.5, accuracy_ratio=0.1)
    second = Made(SUMMARY, [41, 40, 39.5, 43], machine=H200)
    there, back = only_row(tmp_path, first, second), only_row(tmp_path, second, first)
    assert (there.verdict, back.verdict) == (Verdict.LESS, Verdict.MORE)
    assert there.ratio * back.ratio == pytest.approx(1)  # type: ignore[operator]
    assert there.ratio_low * back.ratio_high == pytest.approx(1)  # type: ignore[operator]
    assert there.ratio_high * back.ratio_low == pytest.approx(1)  # type: ignore[operator]
    assert there.p == pytest.approx(back.p)
    assert there.duration_low * back.duration_high == pytest.approx(1)  # type: ignore[operator]


def test_the_ratio_is_that_of_the_means_that_are_shown(tmp_path: Path) -> None:
    row = only_row(tmp_path, Made(SUMMARY, [100, 300]), Made(SUMMARY, [90, 110]))
    assert row.ratio == pytest.approx(2.0)
    assert row.a.energy_per_1000_j == pytest.approx(2000.0)  # of 100 queries each


def test_one_repetition_has_a_ratio_and_no_interval(tmp_path: Path) -> None:
    row = only_row(tmp_path, Made(SUMMARY, [100]), Made(SUMMARY, [50, 51]))
    assert (row.ratio_low, row.ratio_high, row.p, row.verdict) == (None, None, None, Verdict.NOT_TESTED)
    assert row.ratio == pytest.approx(100 / 50.5)
    assert row.why is not None
    assert "one repetition" in row.why


def test_an_unknown_energy_is_in_no_ratio_and_no_mean(tmp_path: Path) -> None:
    known = Made(OTHER, [100, 101, 102]), Made(OTHER, [50, 50.5, 51])
    found = compared(tmp_path, [Made(SUMMARY, [1000, None]), known[0]], [Made(SUMMARY, [10, 10]), known[1]])
    row = found.rows[0]
    assert (row.verdict, row.ratio, row.a.energy_per_1000_j) == (Verdict.UNKNOWN, None, None)
    assert row.why is not None
    assert "in 1 of 2 runs" in row.why
    assert (found.summary.models_n, found.summary.unknown_n) == (1, 1)
    assert found.summary.ratio == pytest.approx(2.0)


def test_nothing_is_known_above_an_idle_that_was_not_measured(tmp_path: Path) -> None:
    first, second = Made(SUMMARY, [1000, 1010]), Made(SUMMARY, [1500, 1510], idle_w=50.0)
    row = only_row(tmp_path, first, second, BoundaryName.MARGINAL)
    assert row.verdict is Verdict.UNKNOWN
    assert row.why is not None
    assert "idle was not measured" in row.why
    # 10 s at 50 W are idle: 500 of 1,000 and of 1,500 joules.
    above = only_row(tmp_path, replace(first, idle_w=50.0), second, BoundaryName.MARGINAL)
    assert above.ratio == pytest.approx(0.5, rel=0.01)


def test_failed_cells_have_a_row_without_a_ratio(tmp_path: Path) -> None:
    row = only_row(tmp_path, Made(SUMMARY, [], failed_n=3), Made(SUMMARY, [1, 1]))
    assert row.verdict is Verdict.UNKNOWN
    assert row.why is not None
    assert "all 3 runs" in row.why
    some = only_row(tmp_path, Made(SUMMARY, [1, 1], failed_n=1), Made(SUMMARY, [1, 1]))
    assert some.ratio == 1.0
    assert any("1 of 3 failed" in remark for remark in some.remarks)


def test_a_quality_that_one_side_lacks_is_not_made_up(tmp_path: Path) -> None:
    row = only_row(tmp_path, Made(SUMMARY, [1, 1], quality=0.9), Made(SUMMARY, [1, 1]))
    assert (row.a.quality, row.b.quality, row.b.quality_metric) == (0.9, None, None)


def test_settings_that_differ_are_named(tmp_path: Path) -> None:
    half = replace(SUMMARY, settings=Settings(dtype="float16", batch_n=8))
    row = only_row(tmp_path, Made(SUMMARY, [1, 1]), Made(half, [1, 1]))
    assert {(change.what, change.a, change.b) for change in row.differing} == {
        ("dtype", "float32", "float16"),
        ("batch_n", "1", "8"),
    }


def test_a_series_is_matched_by_what_differs_least() -> None:
    def cell(batch_n: int, dtype: str = "float32") -> Cell:
        return replace(REVIEWS, settings=Settings(batch_n=batch_n, dtype=dtype))

    pairs, only_first, only_second = matched(
        [cell(1), cell(8), cell(32)], [cell(8, "float16"), cell(64, "float16"), cell(1, "float16"), cell(32)]
    )
    assert [(one.settings.batch_n, other.settings.batch_n) for one, other in pairs] == [(1, 1), (8, 8), (32, 32)]
    assert only_first == []
    assert only_second == [cell(64, "float16")]


@pytest.mark.parametrize(
    "other",
    [
        replace(REVIEWS, task="fill-mask"),
        replace(REVIEWS, model="bert-2"),
        replace(REVIEWS, dataset="sst2"),
        replace(REVIEWS, dataset_config="plain"),
        replace(REVIEWS, split="test"),
        replace(REVIEWS, purpose=Purpose.MULTI_PURPOSE),
    ],
)
def test_another_thing_is_not_matched(other: Cell) -> None:
    assert matched([REVIEWS], [other]) == ([], [REVIEWS], [other])


def test_cells_that_were_not_run_are_only_in_the_other(tmp_path: Path) -> None:
    found = compared(tmp_path, [Made(SUMMARY, [1, 1]), Made(OTHER, [1, 1])], [Made(SUMMARY, [1, 1]), Made(OTHER, [])])
    assert [row.model for row in found.rows] == [SUMMARY.model]
    assert found.only_in_a == (OTHER,)
    assert found.only_in_b == ()


def test_what_is_not_the_same_thing_is_told(tmp_path: Path) -> None:
    plain = Made(SUMMARY, [100, 101, 102])
    assert said(tmp_path, plain, plain) == ""
    told = said(tmp_path, plain, replace(plain, samples="6b" * 32))
    assert "the only row: other samples were asked" in told
    assert "not recorded which samples" in said(tmp_path, plain, replace(plain, samples=None))
    assert "loaded models are not the same" in said(tmp_path, plain, replace(plain, weights="random"))
    told = said(
        tmp_path, plain, replace(plain, component=Component.CPU, provenance=Provenance.MODELLED, model_factor=2.0)
    )
    assert "different parts of the machine" in told
    assert "not known in the same way" in told


def test_provenance_is_told_in_the_row(tmp_path: Path) -> None:
    modelled = Made(SUMMARY, [1, 1], provenance=Provenance.MODELLED, model_factor=2.0)
    row = only_row(tmp_path, Made(SUMMARY, [1, 1]), modelled)
    assert row.remarks == ("counter against modelled",)
    assert row.apart_log is None  # another sensor, although it is the same machine and channel
    assert row.sensors_above_log == pytest.approx(math.log(2))


def test_runs_that_are_in_both_are_told(tmp_path: Path) -> None:
    place = folder(tmp_path / "once", Made(SUMMARY, [100, 101, 102]))
    (first, *_) = findings(compare(opened(place), opened(place)))
    assert first.message.startswith("the same runs are in both (3)")


def test_the_last_line_of_a_repetition_counts(tmp_path: Path) -> None:
    a = folder(tmp_path / "a", Made(SUMMARY, [100, 101, 102], duration_s=10))
    b = folder(tmp_path / "b", Made(SUMMARY, [100, 101, 102], duration_s=10), started=NEXT_DAY)
    replaced = [replace(run, versions={"torch": "9"}) for run in store.read_runs(b)]
    store.append_all(b, replaced)
    (pair,) = compare(opened(a), opened(b)).pairs
    assert pair.b.under.runs_n == 3
    assert pair.b.under.versions == {"torch": {"9": None}}


def test_conditions_that_differ_and_that_are_the_same(tmp_path: Path) -> None:
    a = opened(folder(tmp_path / "a", Made(SUMMARY, [1, 1]), repeats_n=2))
    b = folder(
        tmp_path / "b", Made(SUMMARY, [1, 1], machine=H200, versions={"torch": "2.6", "numpy": "2"}), repeats_n=3
    )
    other = opened(b)
    different, same = conditions(a, other, compare(a, other))
    told = {change.what: (change.a, change.b) for change in different}
    assert told == {
        "GPU": ("NVIDIA A100-SXM4-80GB", "NVIDIA H200"),
        "kernel": ("5.15", "6.8"),
        "python": ("3.11.7", None),
        "torch": ("2.1.0", "2.6"),
        "numpy": (None, "2"),
        "repetitions": ("2", "3"),
    }
    alike = {one.what: one.value for one in same}
    assert alike["processor"] == "Xeon"
    assert alike["seed"] == "0"
    assert {"datasets", "samples", "settings", "inferences per run"} <= set(alike)


def test_the_summary_is_over_models(tmp_path: Path) -> None:
    """Ratios of 2 and 8 on two datasets of one model are one 4 of that model."""
    elsewhere = replace(SUMMARY, dataset="samsum")
    first = [Made(SUMMARY, [200, 201]), Made(elsewhere, [800, 801]), Made(OTHER, [100, 100.5])]
    second = [Made(SUMMARY, [100, 100.5]), Made(elsewhere, [100, 100.125]), Made(OTHER, [100, 100.5])]
    found = compared(tmp_path, first, second).summary
    assert found.models_n == 2
    assert found.ratio == pytest.approx(2.0, rel=0.01)
    assert (found.less_n, found.not_shown_n, found.verdict) == (2, 1, Verdict.NOT_SHOWN)


def test_a_shared_sensor_limits_the_summary_too(tmp_path: Path) -> None:
    """All models differ by 3 %, which two boards within 5 % cannot show, however many models there are."""
    rng = random.Random(17)
    cells = [replace(SUMMARY, model=f"model-{i}") for i in range(40)]
    first = [Made(cell, [103 * rng.gauss(1, 0.002) for _ in range(5)], accuracy_ratio=0.05) for cell in cells]
    second = [
        Made(cell, [100 * rng.gauss(1, 0.002) for _ in range(5)], accuracy_ratio=0.05, machine=H200) for cell in cells
    ]
    apart = compared(tmp_path, first, second).summary
    assert (apart.verdict, apart.not_shown_n) == (Verdict.NOT_SHOWN, 40)
    together = compared(tmp_path, first, [replace(made, machine=A100) for made in second]).summary
    assert (together.verdict, together.less_n) == (Verdict.LESS, 40)


def test_runs_of_several_machines_are_not_taken_for_one(tmp_path: Path) -> None:
    place = folder(tmp_path / "a", Made(SUMMARY, [100, 101], accuracy_ratio=0.05))
    moved: list[Run] = [replace(run, machine_id=H200.machine_id) for run in store.read_runs(place)]
    store.append_all(place, moved)
    other = folder(tmp_path / "b", Made(SUMMARY, [100, 101], accuracy_ratio=0.05), started=NEXT_DAY)
    (row,) = compare(opened(place), opened(other)).rows
    assert row.apart_log is None
