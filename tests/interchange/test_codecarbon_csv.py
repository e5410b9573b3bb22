import io

import pytest
from codecarbon_rows import VALUES, row, text
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.interchange.codecarbon_csv import HEADERS, LoggedRow, read_rows
from joulemark.interchange.log_files import LINES_MAX_N, LogFile, Problem


def read(content: str | bytes) -> tuple[list[LoggedRow], list[Problem]]:
    problems: list[Problem] = []
    data = content.encode() if isinstance(content, str) else content
    rows, _ = read_rows(LogFile("emissions.csv", io.BytesIO(data)), problems)
    return rows, problems


def file_of(version: str, **changes: object) -> str:
    return text(HEADERS[version], row(version, **changes))


@pytest.mark.parametrize("version", HEADERS)
def test_every_release_is_read(version: str) -> None:
    (found,), problems = read(file_of(version))
    assert problems == []
    assert (found.duration_s, found.energy_consumed_kwh, found.emissions_kg) == (10.0, 0.0031, 0.001)
    assert found.ended_at == "2024-05-01T12:00:10"
    assert found.gpu_energy_kwh == (None if version == "1.0" else 0.002)
    assert found.gpus_n == (None if version == "1.0" else 2)
    assert found.task_name == ("query model" if "task" in version else None)


def test_columns_may_be_missing_added_or_in_another_order() -> None:
    whole = row("2.3")
    short = {name: whole[name] for name in ("energy_consumed", "duration", "timestamp")}
    (found,), problems = read(text([*short, "mine"], [*short.values(), "x"]))
    assert (found.energy_consumed_kwh, found.project_name, found.gpu_energy_kwh) == (0.0031, "", None)
    assert problems == []


def test_a_newer_release_under_an_older_header_is_read_and_told() -> None:
    (old, new), (problem,) = read(text(HEADERS["2.3"], row("2.3"), row("3.3", energy_consumed=0.0031, duration=7)))
    assert (old.duration_s, new.duration_s, new.gpus_n) == (10.0, 7.0, 2)
    assert problem.line_n == 3
    assert "read as the columns of CodeCarbon 3.3" in problem.what


def test_a_row_from_which_empty_columns_were_dropped_is_read_and_told() -> None:
    shifted = {name: value for name, value in row("3.0").items() if name not in ("cloud_provider", "cloud_region")}
    (_, found), (problem,) = read(text(HEADERS["3.0"], row("3.0"), shifted))
    assert (found.gpus_n, found.gpu_model, found.memory_gib, found.tracking_mode) == (
        2,
        "2 x Some Board",
        96.0,
        "machine",
    )
    assert "37" not in problem.what
    assert "read as a row" in problem.what


def test_what_several_readings_dispute_is_not_known() -> None:
    dropped = {name: value for name, value in row("3.0").items() if name not in ("longitude", "latitude")}
    # Without its place, "2 | 2 x Some Board" could not be anything else; one number less could be either coordinate.
    one_less = {name: value for name, value in row("3.0").items() if name != "longitude"}
    rows, problems = read(text(HEADERS["3.0"], dropped, one_less))
    assert [found.gpu_energy_kwh for found in rows] == [0.002, 0.002]
    assert len(problems) == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"energy_consumed": "nan"}, "energy_consumed is 'nan'"),
        ({"energy_consumed": "inf"}, "energy_consumed is 'inf'"),
        ({"energy_consumed": ""}, "energy_consumed is ''"),
        ({"gpu_energy": "-1e-3"}, "gpu_energy is '-1e-3'"),
        ({"duration": "1e300"}, "duration is '1e300'"),
        ({"timestamp": "yesterday"}, "timestamp is 'yesterday'"),
        ({"timestamp": "0001-01-01T00:00:00"}, "timestamp is"),
        ({"energy_consumed": 31.0}, "its parts add up to 0.0031 kWh, not to 31"),
        ({"on_cloud": "=HYPERLINK(1)"}, "on_cloud is '=HYPERLINK(1)'"),
    ],
)
def test_a_row_that_makes_no_sense_is_named_and_skipped(changes: dict[str, object], why: str) -> None:
    good = row("2.3")
    rows, (problem,) = read(text(HEADERS["2.3"], row("2.3", **changes), good))
    assert [found.line_n for found in rows] == [3]
    assert (problem.file, problem.line_n) == ("emissions.csv", 2)
    assert problem.what.startswith(why)
    assert problem.what.endswith("skipped")


def test_an_hour_with_one_digit_is_a_spreadsheets_way_of_writing() -> None:
    (found,), problems = read(file_of("2.3", timestamp="2023-10-06 0:05:27"))
    assert found.ended_at == "2023-10-06T00:05:27"
    assert problems == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (file_of("2.3").encode("utf-16"), "UTF-16"),
        (file_of("2.3").encode("utf-16-le"), "not text"),
        (b"\x00\x01\x02\x03\n\n", "not text"),
        (b"", ""),
    ],
)
def test_a_file_that_is_no_text_gives_no_rows(content: bytes, why: str) -> None:
    rows, problems = read(content)
    assert rows == []
    assert [problem.what[: len(why)] for problem in problems] == ([why] if why else [])


def test_a_line_in_another_encoding_is_skipped_alone() -> None:
    latin = text(HEADERS["2.3"], row("2.3"), row("2.3", region="île")).encode("latin-1", "replace")
    good = latin.splitlines(keepends=True)
    content = good[0] + file_of("2.3").splitlines(keepends=True)[1].encode() + good[2]
    rows, (problem,) = read(content)
    assert len(rows) == 1
    assert (problem.line_n, problem.what) == (3, "not UTF-8: skipped")


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter() -> None:
    rows, problems = read(b"\xef\xbb\xbf" + file_of("2.3").replace("\n", "\r\n").encode())
    assert (len(rows), problems) == (1, [])


def test_an_open_quote_costs_one_line_not_the_rest() -> None:
    lines = file_of("2.3").splitlines(keepends=True)
    rows, (problem,) = read(lines[0] + '"2024-05-01,x\n' + lines[1] + lines[1])
    assert len(rows) == 2
    assert problem.line_n == 2


def test_a_very_long_line_is_passed_over() -> None:
    lines = file_of("2.3").splitlines(keepends=True)
    rows, (problem,) = read(lines[0] + "x" * 5_000_000 + "\n" + lines[1])
    assert [found.line_n for found in rows] == [3]
    assert problem.what == "longer than 64 KiB: skipped"


def test_a_file_full_of_rubbish_is_told_in_a_bounded_number_of_lines() -> None:
    rows, problems = read(file_of("2.3") + "rubbish\n" * 5000)
    assert len(rows) == 1
    assert len(problems) == 101
    assert problems[-1].what == "4,900 further lines of it were skipped or read otherwise"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([*map(str, VALUES.values()), "", "nan", "-1", "1e400", "x,\x1b[31m", "2 x y"]), max_size=45
    )
)
def test_no_row_whatsoever_breaks_the_reader(values: list[str]) -> None:
    rows, problems = read(text(HEADERS["3.3"], values))
    assert len(rows) + len(problems) >= (1 if any(values) else 0)
    for found in rows:
        assert 0 <= found.energy_consumed_kwh < 1e10


def test_lines_without_end_are_not_read_to_the_end() -> None:
    rows, problems = read(file_of("2.3").encode() + b"\n" * (LINES_MAX_N + 10))
    assert len(rows) == 1
    assert problems[-1].what == "more than 1,000,000 lines: the rest was not read"


def test_known_parts_may_be_less_than_the_sum_and_not_more() -> None:
    less, more = row("2.3", gpu_energy=""), row("2.3", gpu_energy="", energy_consumed=0.001)
    (found,), (problem,) = read(text(HEADERS["2.3"], less, more))
    assert (found.line_n, found.gpu_energy_kwh) == (2, None)
    assert (problem.line_n, problem.what) == (3, "its parts add up to 0.0011 kWh, not to 0.001: skipped")
