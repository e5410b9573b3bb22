import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.impact.ranged import ImpactError
from joulemark.impact.series import Series, read_series

START = datetime(2024, 5, 1, tzinfo=UTC)
VALUES = st.lists(st.floats(0, 2000), min_size=2, max_size=48)


def hourly(values: list[float]) -> Series:
    starts_s = tuple(START.timestamp() + 3600 * hour for hour in range(len(values)))
    return Series(starts_s, tuple(values), starts_s[-1] + 3600, "intensity")


def stamp(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat()


@given(VALUES, st.floats(0, 1), st.floats(0, 1))
def test_a_mean_is_between_the_values_of_its_hours(values: list[float], first: float, second: float) -> None:
    start, end = sorted((first * len(values), second * len(values)))
    start = min(start, len(values) - 0.01)
    mean = hourly(values).during([(stamp(start), max(end - start - 0.001, 0) * 3600)])
    assert mean.low is not None
    assert mean.high is not None
    assert mean.low <= mean.value <= mean.high
    assert {mean.low, mean.high} <= set(values)


@given(VALUES)
def test_all_hours_give_the_mean_of_all(values: list[float]) -> None:
    series = hourly(values)
    expected = sum(values) / len(values)
    assert series.whole().value == pytest.approx(expected)
    assert series.during([(stamp(hour), 3600.0) for hour in range(len(values))]).value == pytest.approx(expected)


def test_hours_count_for_as_long_as_the_run_was_in_them() -> None:
    series = hourly([100, 400, 1000])
    assert series.during([(stamp(0.75), 3600.0)]).value == pytest.approx(0.25 * 100 + 0.75 * 400)
    assert series.during([(stamp(0), 60.0), (stamp(2), 180.0)]).value == pytest.approx(775)
    assert series.during([(stamp(1), 0.0)]).value == 400


@pytest.mark.parametrize("window", [(stamp(-0.1), 60.0), (stamp(2.9), 3600.0), (stamp(500), 1.0)])
def test_a_run_outside_the_series_is_refused(window: tuple[str, float]) -> None:
    with pytest.raises(ImpactError, match="outside the hours of the series, 2024-05-01T00:00Z to 2024-05-01T03:00Z"):
        hourly([1, 2, 3]).during([window])


def test_other_time_zones_and_the_order_of_rows_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "timestamp,gco2\n2024-05-01T03:00:00+02:00,300\n2024-05-01T00:00:00,100\n2024-04-30T22:00:00-04:00,500\n"
    )
    series = read_series(file)
    assert list(series.values_g_per_kwh) == [100, 300, 500]
    assert series.starts_s[0] == START.timestamp()
    assert series.end_s == START.timestamp() + 3 * 3600


def test_the_heading_tells_the_basis(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "Datetime (UTC),Country,Carbon intensity gCO₂eq/kWh (LCA)\n"
        "2024-05-01 00:00:00,France,20\n2024-05-01 01:00:00,France,40\n"
    )
    series = read_series(file)
    assert (series.basis, series.kind, series.year) == ("lifecycle", "not stated", 2024)
    other = tmp_path / "b.json"
    rows = [{"point_time": stamp(hour), "marginal_direct_intensity": 9} for hour in (0, 1)]
    other.write_text(json.dumps({"zone": "X", "data": rows}))
    assert (read_series(other).basis, read_series(other).kind) == ("direct", "marginal")


def test_the_unit_of_the_heading_counts(tmp_path: Path) -> None:
    for name, heading, value in (
        ("lb", "carbon_intensity_lb_per_mwh", 635),
        ("kg", "carbon intensity (kg/kWh)", 0.28803115),
        ("bare", "carbon intensity", 288.03115),
        ("wattless", "lbs_co2_per_mwh", 635),
    ):
        file = tmp_path / f"{name}.csv"
        file.write_text(f"datetime,{heading}\n2024-05-01T00:00Z,{value}\n2024-05-01T01:00Z,{value}\n")
        assert read_series(file).whole().value == pytest.approx(288.03115)


def test_a_gap_is_told_where_it_counts(tmp_path: Path) -> None:
    """Hours in March, then none until the last two of May."""
    file = tmp_path / "a.csv"
    stamps = [*(f"2024-03-01T{hour:02d}:00Z" for hour in range(24)), "2024-05-31T22:00Z", "2024-05-31T23:00Z"]
    file.write_text("\n".join(["datetime,intensity", *(f"{at},100" for at in stamps)]))
    series = read_series(file)
    told = "there is no value from 2024-03-02T00:00Z to 2024-05-31T22:00Z: the one before was taken"
    assert series.gaps_note() == told
    assert series.gaps_note([("2024-04-01T00:00Z", 60.0)]) == told
    assert series.gaps_note([("2024-03-01T23:00Z", 3600.0), ("2024-05-31T22:30Z", 60.0)]) == ""
    assert hourly([1, 2, 3]).gaps_note() == ""
    file.write_text("\n".join(["datetime,intensity", *(f"2024-{month:02d}-01,100" for month in range(1, 13))]))
    read_series.cache_clear()
    assert read_series(file).gaps_note() == ""


def test_the_last_value_does_not_hold_through_a_gap(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("datetime,intensity\n2024-05-01T00:00Z,1\n2024-05-01T01:00Z,2\n2024-05-31T00:00Z,3\n")
    series = read_series(file)
    assert series.end_s == series.starts_s[-1] + 3600


def test_the_last_year_there_is_ends_a_series(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("datetime,intensity\n9999-12-30T00:00Z,1\n9999-12-31T23:00Z,2\n")
    with pytest.raises(ImpactError, match="outside the hours of the series, 9999-12-30T00:00Z to 9999-12-31T23:59Z"):
        read_series(file).during([("2024-05-01T00:00Z", 60.0)])


def test_a_run_whose_start_is_no_time_is_refused() -> None:
    with pytest.raises(ImpactError, match="'yesterday' is no time"):
        hourly([1, 2, 3]).during([("yesterday", 60.0)])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "fewer than two rows"),
        ("a.csv", "datetime,intensity\n2024-05-01,1\n", "fewer than two rows"),
        ("a.csv", "when,intensity\n2024-05-01,1\n2024-05-02,1\n", "needs a column 'datetime'"),
        ("a.csv", "datetime,price\n2024-05-01,1\n2024-05-02,1\n", "needs a column 'datetime'"),
        (
            "a.csv",
            "datetime,intensity,other intensity\n2024-05-01,1,2\n2024-05-02,1,2\n",
            "has 2 columns of intensities",
        ),
        ("a.csv", "datetime,intensity\n2024-05-01,1\nyesterday,1\n", "row 2 is no time stamp"),
        ("a.csv", "datetime,intensity\n2024-05-01,1\n2024-05-02,much\n", "row 2 is no time stamp with a number"),
        ("a.csv", "datetime,intensity\n2024-05-01,1\n2024-05-02\n", "row 2 is no time stamp with a number"),
        ("a.csv", "datetime,intensity\n2024-05-01,nan\n2024-05-02,1\n", "row 1: an intensity is 0 or more"),
        ("a.csv", "datetime,intensity\n2024-05-01,-4\n2024-05-02,1\n", "row 1: an intensity is 0 or more"),
        ("a.csv", "datetime,intensity\n2024-05-01,4\n2024-05-01,1\n", "a time stamp twice"),
        ("a.csv", "datetime,intensity\n2024-05-01,0,635\n2024-05-02,1\n", "row 1 has more values than the heading"),
        ("a.csv", "datetime,intensity\n2024-05-01,1\n2024-05-02,0,635\n", "row 2 has more values than the heading"),
        ("a.csv", "datetime,intensity\n0001-01-01T00:00+05:00,1\n2024-05-02,1\n", "row 1 is no time stamp"),
        ("a.csv", "datetime,intensity_tons_per_mwh\n2024-05-01,1\n2024-05-02,1\n", "a.csv: the unit of the column"),
        ("a.csv", 'datetime,"price\nof it"\n2024-05-01,1\n2024-05-02,1\n', "there are datetime, price of it"),
        ("a.json", "[" * 100_000, "no JSON"),
        ("a.json", '[{"datetime": "2024-05-01", "intensity": true}, {}]', "row 1 is no time stamp with a number"),
        ("a.json", f'[{{"datetime": "2024-05-01", "intensity": 1{"0" * 400}}}, {{}}]', "row 1 is no time stamp"),
        ("a.json", '[{"datetime": "2024-05-01", "intensity": [[]]}, {}]', "row 1 is no time stamp"),
        ("a.json", "{", "no JSON"),
        ("a.json", "3", "no list of objects"),
        ("a.json", "[1, 2]", "no list of objects"),
    ],
)
def test_a_file_that_is_no_series(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ImpactError, match=message) as caught:
        read_series(file)
    assert "\n" not in str(caught.value)
