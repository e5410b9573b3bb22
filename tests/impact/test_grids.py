import re
from pathlib import Path

import pytest

from joulemark.impact.grids import GridError, all_grids, alternatives, chosen_grid, during, find_grid, is_of_country


@pytest.mark.parametrize("name", ["FRA", "FR", "France", "france", " fra "])
def test_a_country_has_many_names(name: str) -> None:
    assert find_grid(name).name == "France"


def test_a_grid_says_what_it_is() -> None:
    world = find_grid("World")
    assert world.intensity_g_per_kwh == 472.94
    assert world.year == 2024
    assert world.basis == "lifecycle"
    assert world.kind == "average"
    assert world.source
    assert world.verification
    assert find_grid("egrid:NWPP").basis == "direct"
    assert find_grid("marginal:FRA").kind == "marginal"


@pytest.mark.parametrize(
    ("name", "id_", "g_per_kwh"),
    [
        ("us-west-2", "aws:us-west-2", 288.15),
        ("aws:us-west-2", "aws:us-west-2", 288.15),
        ("AWS:US-WEST-2", "aws:us-west-2", 288.15),
        ("westeurope", "azure:westeurope", 252.7),
        ("gcp:us-west1", "gcp:us-west1", 288.15),
        ("egrid:nwpp", "eGRID2023:NWPP", 288.15),
        ("oregon", "place:oregon", 288.15),
        ("place:georgia", "place:georgia", 383.74),
        ("state:oregon", "CodeCarbon:oregon", 138.75),
        ("marginal:fr", "FRA:OM", 158),
        ("uk", "GBR", 215.79),
        ("hong kong", "HKG", 681.99),
        ("Singapore", "SGP", 498.74),
        ("frankfurt", "place:frankfurt", 342.06),
    ],
)
def test_names_of_places(name: str, id_: str, g_per_kwh: float) -> None:
    grid = find_grid(name)
    assert (grid.id, grid.intensity_g_per_kwh) == (id_, g_per_kwh)


def test_every_id_finds_its_grid() -> None:
    for grid in all_grids():
        assert find_grid(grid.id) == grid


@pytest.mark.parametrize("name", ["138.75", "own:138.75", " 138.75 ", "1.3875e2"])
def test_an_own_value(name: str) -> None:
    grid = find_grid(name)
    assert grid.intensity_g_per_kwh == 138.75
    assert (grid.basis, grid.kind, grid.year, grid.low_g_per_kwh) == ("not stated", "not stated", None, None)


@pytest.mark.parametrize(
    "name", ["nan", "-1", "inf", "-inf", "own:nan", "1e99", "1.2.3", "own:-0.5", "own:", "own:much"]
)
def test_an_own_value_that_is_none(name: str) -> None:
    with pytest.raises(GridError, match=re.escape(name)) as caught:
        find_grid(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Frence", "France"),
        ("egrid:NWPQ", "egrid:NWPP"),
        ("us-west-9", "aws:us-west-2"),
        ("aws:us-west2", "aws:us-west-2"),
        ("orgon", "oregon"),
        ("Germny", "Germany"),
        ("new york", "state:new-york"),
    ],
)
def test_an_unknown_grid_lists_the_nearest(name: str, near: str) -> None:
    with pytest.raises(GridError, match=f"nearest: .*{near}"):
        find_grid(name)


def test_nothing_near() -> None:
    with pytest.raises(GridError, match=r"no grid 'xyzzyqq'\. Countries"):
        find_grid("xyzzyqq")


def test_a_name_of_two_places_is_not_guessed() -> None:
    with pytest.raises(GridError, match=r"GEO \(Georgia.*place:georgia.*Choose one"):
        find_grid("georgia")
    with pytest.raises(GridError, match=r"paper:used.*138\.75.*paper:printed.*297\.6"):
        find_grid("paper")


def test_a_cloud_region_has_the_spread_of_like_figures_for_its_place() -> None:
    grid = find_grid("aws:us-west-2")
    assert (grid.low_g_per_kwh, grid.high_g_per_kwh) == (79.23, 322.167)
    alike = [other for other in alternatives(grid) if (other.basis, other.kind) == (grid.basis, grid.kind)]
    assert min(other.intensity_g_per_kwh for other in alike) == 79.23
    france = find_grid("aws:eu-west-3")
    assert (france.low_g_per_kwh, france.high_g_per_kwh) == (44.18, 56.04)


def test_oregon_is_anywhere_from_79_to_477() -> None:
    grid = find_grid("oregon")
    others = alternatives(grid)
    inside = [round(other.intensity_g_per_kwh) for other in others if not is_of_country(other)]
    assert (min(inside), max(inside)) == (79, 477)
    ids = {other.id for other in others}
    assert {"paper:used", "paper:printed", "ccf:WECC", "watttime2023:oregon", "google2024:us-west1"} <= ids
    assert {"electricitymaps2024:US-NW-PACW", "USA", "USA:OM"} <= ids
    bases = {(other.basis, other.kind) for other in others}
    assert bases >= {("direct", "average"), ("lifecycle", "average"), ("direct", "marginal")}
    assert [other.intensity_g_per_kwh for other in others] == sorted(other.intensity_g_per_kwh for other in others)


def test_alternatives_of_a_country_are_its_own() -> None:
    assert {other.id for other in alternatives(find_grid("FRA"))} >= {"FRA:OM", "google2024:europe-west9"}
    assert all(other.alpha3 == "FRA" for other in alternatives(find_grid("FRA")))
    assert alternatives(find_grid("own:5")) == ()
    assert alternatives(find_grid("World")) == ()


def test_a_mean_of_a_large_country_is_told_to_mislead_inside_it() -> None:
    montreal = find_grid("aws:ca-central-1")
    assert "misleads" in montreal.note
    assert min(other.intensity_g_per_kwh for other in alternatives(montreal)) == 5.48  # Google's Montréal
    assert "misleads" not in find_grid("aws:eu-west-3").note


def test_nothing_is_chosen_unless_somebody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOULEMARK_GRID", raising=False)
    assert chosen_grid(None, None) is None
    monkeypatch.setenv("JOULEMARK_GRID", "FRA")
    for names, expected in (((None, None), "FRA"), (("DEU", "World"), "DEU"), ((None, "World"), "World")):
        grid = chosen_grid(*names)
        assert grid is not None
        assert grid.id == expected
    monkeypatch.setenv("JOULEMARK_GRID", "Frence")
    with pytest.raises(GridError, match="JOULEMARK_GRID: no grid 'Frence'; nearest: France"):
        chosen_grid()


def test_a_file_of_hours_is_a_grid(tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text(
        "datetime,intensity_g_per_kwh\n2024-05-01T00:00Z,100\n2024-05-01T01:00Z,400\n2024-05-01T02:00Z,100\n"
    )
    grid = find_grid(str(file))
    assert (grid.intensity_g_per_kwh, grid.low_g_per_kwh, grid.high_g_per_kwh) == (200, 100, 400)
    assert (grid.year, grid.basis, grid.kind) == (2024, "not stated", "not stated")
    hour = during(grid, [("2024-05-01T01:10:00+00:00", 600.0)])
    assert (hour.intensity_g_per_kwh, hour.low_g_per_kwh, hour.high_g_per_kwh) == (400, 400, 400)
    assert during(grid, ()) == grid
    world = find_grid("World")
    assert during(world, [("2024-05-01T01:10:00+00:00", 600.0)]) == world
    with pytest.raises(GridError, match="cannot be read"):
        find_grid(str(tmp_path / "nothing.csv"))
