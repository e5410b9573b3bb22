"""Every fact in the catalogue has a source and a verification word. A new file needs a rule here."""

import csv
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import joulemark
from joulemark.impact.facts import WORDS

CATALOGUE = Path(joulemark.__file__).parent / "catalogue"
# Columns of (source, verification, the figure they are about; None: the whole row), and the words that are allowed.
Rule = tuple[str, str, str | None]
ROW: list[Rule] = [("source", "verification", None)]
RULES: dict[str, list[Rule]] = {
    "amortisation.csv": ROW,
    "cloud_regions.csv": ROW,
    "electricity_prices.csv": ROW,
    "embodied.csv": [*ROW, ("power_source", "power_verification", "power_max_w")],
    "equivalences.csv": ROW,
    "facilities.csv": ROW,
    "grids.csv": ROW,
    "grids_electricitymaps.csv": ROW,
    "models.csv": ROW,
    "processors.csv": [*ROW, ("idle_source", "idle_verification", "idle_w")],
    "reference/training.csv": ROW,
    "virtual_processors.csv": ROW,
    "datasets.toml": ROW,  # a table per dataset
}
# All rows are from one source, which README.md names with its word, in a line that begins with the file.
WHOLE_FILES = ("reference/luccioni2024.csv", "reference/luccioni2024_tables.csv", "reference/luccioni2024_claims.toml")
NO_FACTS = ("studies/",)  # what to measure, and how
MORE_WORDS = {"models.csv": ("verified", "recalled")}  # explained in README.md
LICENSED = (
    "amortisation.csv",
    "electricity_prices.csv",
    "embodied.csv",
    "equivalences.csv",
    "facilities.csv",
    "grids.csv",
    "grids_electricitymaps.csv",
)


def files() -> list[str]:
    found = sorted(
        path.relative_to(CATALOGUE).as_posix() for path in CATALOGUE.rglob("*") if path.suffix in (".csv", ".toml")
    )
    assert "grids.csv" in found
    return [name for name in found if not name.startswith(NO_FACTS)]


def rows(name: str, folder: Path = CATALOGUE) -> Iterator[tuple[str, Mapping[str, str]]]:
    path = folder / name
    if path.suffix == ".toml":
        for key, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            yield f"[{key}]", {column: str(table.get(column, "")) for column in ("source", "verification")}
        return
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            assert None not in row, f"{name} line {number} has too many cells"
            assert None not in row.values(), f"{name} line {number} has too few cells"
            yield f"line {number}", row


def lacking(name: str, rules: list[Rule], folder: Path = CATALOGUE) -> list[str]:
    words = (*WORDS, *MORE_WORDS.get(name, ()))
    found = []
    for where, row in rows(name, folder):
        for source, verification, about in rules:
            if about is not None and not row[about]:
                continue
            if not row.get(source, "").strip():
                found.append(f"{name} {where}: no {source}")
            first = row.get(verification, "").replace(";", " ").replace(",", " ").split(" ")[0]
            if first not in words:
                found.append(
                    f"{name} {where}: {verification} begins with '{first}', not with one of {', '.join(words)}"
                )
    return found


@pytest.mark.parametrize("name", files())
def test_every_fact_has_a_source_and_a_verification_word(name: str) -> None:
    if name in WHOLE_FILES:
        lines = (CATALOGUE / "README.md").read_text(encoding="utf-8").splitlines()
        line = next((line for line in lines if line.startswith(f"| `{name}`")), "")
        assert line, f"README.md does not say where {name} is from"
        assert any(word in line for word in WORDS), f"README.md does not say how far {name} was verified"
        return
    assert name in RULES, f"say in RULES which columns of {name} hold source and verification"
    assert lacking(name, RULES[name]) == []


def test_a_row_without_a_source_or_a_word_is_found(tmp_path: Path) -> None:
    (tmp_path / "grids.csv").write_text(
        "id,source,verification\na,EPA,primary (file)\nb,,primary\nc,EPA,\nd,EPA,certain\n"
    )
    assert [line.partition(":")[0] for line in lacking("grids.csv", ROW, tmp_path)] == [
        f"grids.csv line {n}" for n in (3, 4, 5)
    ]


@pytest.mark.parametrize("name", LICENSED)
def test_data_files_carry_their_licence(name: str) -> None:
    assert all(row["licence"].strip() for _, row in rows(name))
    assert f"`{name}`" in (CATALOGUE / "README.md").read_text(encoding="utf-8")


def test_share_alike_data_are_told_apart_from_the_code() -> None:
    ember = [row for _, row in rows("grids.csv") if "Ember" in row["source"]]
    assert len(ember) > 200
    assert all("CC BY-SA" in row["licence"] and "attribute" in row["licence"] for row in ember)
    assert all(row["licence"].startswith("ODbL") for _, row in rows("grids_electricitymaps.csv"))
    assert not any("Electricity Maps" in row["source"] for _, row in rows("grids.csv"))
    text = (CATALOGUE / "README.md").read_text(encoding="utf-8")
    assert "CC BY-SA 4.0" in text
    assert "ODbL" in text


@pytest.mark.parametrize("name", sorted({*LICENSED}))
def test_low_and_high_enclose_the_value(name: str) -> None:
    columns = ("value", "low", "high")
    if name.startswith("grids"):
        columns = ("intensity_g_per_kwh", "low_g_per_kwh", "high_g_per_kwh")
    for where, row in rows(name):
        value, low, high = (float(row[column]) if row[column] else None for column in columns)
        if value is not None:
            assert low is None or low <= value, (name, where)
            assert high is None or value <= high, (name, where)
            assert value >= 0


def test_ids_are_unique_and_figures_are_chosen_once() -> None:
    grids = [row["id"] for name in ("grids.csv", "grids_electricitymaps.csv") for _, row in rows(name)]
    assert len(grids) == len(set(grids))
    for name in ("cloud_regions.csv", "equivalences.csv", "embodied.csv", "electricity_prices.csv"):
        ids = [row["id"] for _, row in rows(name)]
        assert len(ids) == len(set(ids)), name
    preferred = [(row["id"], row["metric"]) for _, row in rows("facilities.csv") if row["preferred"] == "1"]
    assert len(preferred) == len(set(preferred))
    assert set(preferred) == {(row["id"], row["metric"]) for _, row in rows("facilities.csv")}


def test_words_of_basis_and_kind_are_few() -> None:
    grids = [row for name in ("grids.csv", "grids_electricitymaps.csv") for _, row in rows(name)]
    assert {row["basis"] for row in grids} == {"direct", "lifecycle", "not stated"}
    assert {row["kind"] for row in grids} == {"average", "marginal", "not stated"}


def test_every_cloud_region_lies_in_a_grid_that_is_known() -> None:
    grids = {row["id"] for _, row in rows("grids.csv")}
    assert [row["id"] for _, row in rows("cloud_regions.csv") if row["grid_id"] not in grids] == []
