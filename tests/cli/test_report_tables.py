"""``report --table`` and ``--totals`` of the results that come with the package, through the installed program."""

import csv
import io
import json
from pathlib import Path

import pytest
from made_folders import REVIEWS, SUMMARY, Made, folder
from program import complains, joulemark


def test_the_published_results_are_results() -> None:
    found = json.loads(joulemark("report", "luccioni2024", "--json").stdout)
    assert len(found["rows"]) == 312
    assert {row["runs_n"] for row in found["rows"]} == {10}
    assert all(row["energy_low_j"] < row["energy_per_1000_j"] < row["energy_high_j"] for row in found["rows"])
    assert all(row["repeats_half_width_ratio"] > 0 for row in found["rows"])
    shown = joulemark("report", "luccioni2024").stdout
    assert "3,393 runs of 163 cells that the study does not list" in shown
    assert "imagenet_1k (resized)" in shown


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "luccioni2024").mkdir()
    assert "no study.json" in complains(joulemark("report", "luccioni2024"))


def test_totals_as_text_and_json() -> None:
    found = json.loads(joulemark("report", "luccioni2024", "--totals", "--json").stdout)
    assert (found["runs_n"], round(found["gpu_energy_kwh"], 2), round(found["carbon_kg"], 2)) == (6513, 754.66, 178.98)
    shown = joulemark("report", "luccioni2024", "--totals").stdout
    assert "1,290.04 kWh" in shown
    assert "is the boards' part alone" in shown
    other = json.loads(joulemark("report", "luccioni2024", "--totals", "--json", "--grid", "FRA").stdout)
    assert other["carbon_basis"] == "France"


def test_small_totals_are_no_zeros(tmp_path: Path) -> None:
    """Three runs of 10 J: 8.33 mWh, and milligrams of carbon."""
    place = folder(tmp_path / "r", Made(REVIEWS, [10, 10, 10], idle_w=1))
    shown = joulemark("report", place, "--totals", "--grid", "World").stdout
    assert "8.33 mWh" in shown
    assert "3.94 mg" in shown
    assert "0.00" not in shown


def test_tables_and_totals_say_that_nobody_measured(tmp_path: Path) -> None:
    fake = Made(REVIEWS, [10, 10, 10], reasons=("fake-sensor",))
    place = folder(tmp_path / "r", fake, Made(SUMMARY, [10, 10, 10]))
    for options in (("--table", 2), ("--table", 2, "--markdown"), ("--totals",)):
        assert "the energy of 1 of 2 cells is fake: nobody measured it" in joulemark("report", place, *options).stdout
    assert "nobody measured" not in joulemark("report", place, "--table", 6).stdout


def test_inside_another_boundary_there_is_a_lower_bound_and_no_carbon_of_the_devices() -> None:
    options = ("report", "luccioni2024", "--boundary", "facility", "--pue", "1.2")
    found = json.loads(joulemark(*options, "--json").stdout)["rows"][0]
    host = json.loads(joulemark("report", "luccioni2024", "--boundary", "host", "--json").stdout)["rows"][0]
    assert (found["energy_per_1000_j"], found["energy_high_j"], found["carbon_logged_per_1000_g"]) == (None, None, None)
    assert found["energy_low_j"] == pytest.approx(1.2 * host["energy_low_j"])
    shown = joulemark(*options).stdout
    first = next(line for line in shown.splitlines() if "twitter-roberta" in line)
    assert "≥ 2.14" in first
    assert first.endswith("–")
    assert "as logged" not in shown
    assert "PUE 1.20" in shown


def test_the_rows_as_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(joulemark("report", "luccioni2024", "--csv").stdout)))
    found = json.loads(joulemark("report", "luccioni2024", "--json").stdout)["rows"]
    assert len(rows) == len(found) == 312
    for name in ("energy_per_1000_j", "energy_low_j", "energy_high_j", "duration_per_query_s", "quality"):
        assert float(rows[0][name]) == found[0][name]
    assert float(rows[0]["carbon_per_1000_g"]) == found[0]["carbon_logged_per_1000_g"]
    assert rows[0]["known_by"].startswith("sampled ")


def test_notes_on_published_logs_advise_nothing() -> None:
    shown = joulemark("report", "luccioni2024").stdout
    assert "all-boards-counted (312 of 312 rows): several boards" in shown
    assert "CUDA_VISIBLE_DEVICES" not in shown
    assert "joulemark sensors" not in shown
    assert "on the same dataset, though the runs do not record which samples (geometric mean of 192 pairs" in shown
    assert "pairs, ranging from 2.02 to 35.4" in shown


def test_printed_figures_have_the_digits_that_were_printed() -> None:
    lines = {
        line.split()[0]: line.split()
        for line in joulemark("report", "luccioni2024", "--table", 2).stdout.split("\n")
        if line
    }
    assert lines["text-classification"][-2:] == ["0.002", "0.001"]
    assert lines["object-detection"][-2:] == ["0.038", "0.02"]
    assert [lines[task][2] for task in ("text-classification", "question-answering")] == ["0.000929", "0.00155"]
    fifth = joulemark("report", "luccioni2024", "--table", 5).stdout
    assert all(f" {figure} " in fifth for figure in ("51,686", "7,571", "543", "0.000054"))


def test_table_5_follows_from_its_columns_and_its_note() -> None:
    options = ("report", "luccioni2024", "--table", 5, "--pue", "1.2", "--json")
    found = json.loads(joulemark(*options).stdout)
    assert "÷ (kWh a query × PUE 1.2)" in found["notes"][0]
    for row in found["rows"]:
        upfront_kwh = row["training_kwh"] + row["finetuning_kwh"]
        assert row["parity_n"] == pytest.approx(upfront_kwh / (row["inference_kwh"] * 1.2))
    plain = json.loads(joulemark("report", "luccioni2024", "--table", 5, "--json").stdout)
    assert "÷ kWh a query;" in plain["notes"][0]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--table", "2", "--figure", "1"), "--table and --figure show different things"),
        (("--table", "2", "--totals"), "--totals and --table show different things"),
        (("--table", "2", "--csv", "--markdown"), "--markdown and --csv are two forms"),
        (("--markdown",), "name one with --table"),
        (("--latex",), "name one with --table"),
        (("--totals", "--csv"), "--csv is a form of a table"),
        (("--totals", "--boundary", "host"), "leave out --boundary"),
        (("--totals", "--pue", "1.2"), "--pue is for the rows"),
        (("--table", "2", "--queries-per-day", "10"), "add --table 5"),
        (("--training", "m=1"), "add --table 5"),
        (("--to", "figures"), "add --figure N"),
        (("--figure", "1"), "--to DIR"),
        (("--table", "5", "--training", "bloomz-3b=10"), "nearest: bigscience/bloomz-3b"),
        (("--pue", "1.2"), "--pue does not change"),
    ],
)
def test_no_option_is_ignored(options: tuple[str, ...], why: str) -> None:
    assert why in complains(joulemark("report", "luccioni2024", *options))


@pytest.mark.parametrize("number", range(1, 7))
def test_every_table_has_every_form(number: int) -> None:
    forms = {form: joulemark("report", "luccioni2024", "--table", number, *form.split()) for form in
             ("", "--json", "--markdown", "--csv", "--latex")}  # fmt: skip
    assert {done.returncode for done in forms.values()} == {0}
    rows = json.loads(forms["--json"].stdout)["rows"]
    assert len(list(csv.DictReader(io.StringIO(forms["--csv"].stdout)))) == len(rows)
    in_markdown = [line for line in forms["--markdown"].stdout.splitlines() if line.startswith("| ")]
    assert len(in_markdown) == len(rows) + 2
    assert forms["--latex"].stdout.count(r" \\") == len(rows) + 1
    assert forms[""].stdout.startswith(f"Table {number}")


def test_table_5_with_ones_own_figures() -> None:
    done = joulemark(
        "report", "luccioni2024", "--table", 5, "--json", "--training", "google/flan-t5-base=500+20",
        "--queries-per-day", "1e6", "--pue", "1.2",
    )  # fmt: skip
    row = json.loads(done.stdout)["rows"][-1]
    assert (row["model"], row["training_kwh"], row["finetuning_kwh"]) == ("google/flan-t5-base", 500.0, 20.0)
    assert row["days"] == pytest.approx(520 / row["inference_kwh"] / 1.2 / 1e6)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--training", "m"), "MODEL=KWH"),
        (("--training", "m=nan"), "MODEL=KWH"),
        (("--training", "m=1+2+3"), "MODEL=KWH"),
        (("--pue", "0.5"), "--pue 0.5"),
        (("--queries-per-day", "0"), "above zero"),
        (("--boundary", "devise"), "did you mean device?"),
    ],
)
def test_a_mistake_is_one_line(options: tuple[str, ...], why: str) -> None:
    assert why in complains(joulemark("report", "luccioni2024", "--table", 5, *options))
