"""``report --table`` and ``--totals`` of the results that come with the package, through the installed program."""

import csv
import io
import json
from pathlib import Path

import pytest
from program import complains, joulemark


def test_the_published_results_are_results() -> None:
    found = json.loads(joulemark("report", "luccioni2024", "--json").stdout)
    assert len(found["rows"]) == 312
    assert {row["runs_n"] for row in found["rows"]} == {10}
    assert all(row["energy_low_j"] < row["energy_per_1000_j"] < row["energy_high_j"] for row in found["rows"])
    assert all(row["spread_ratio"] > 0 for row in found["rows"])
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
