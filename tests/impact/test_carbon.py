import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.impact.carbon import GridError, carbon_g, find_grid


@pytest.mark.parametrize("name", ["FRA", "FR", "France", "france", " fra "])
def test_a_country_has_many_names(name: str) -> None:
    assert find_grid(name).name == "France"


def test_a_grid_says_what_it_is() -> None:
    world = find_grid("World")
    assert world.intensity_g_per_kwh == 472.94
    assert world.year == 2024
    assert "lifecycle" in world.basis
    assert world.source
    assert world.verification
    assert find_grid("egrid:NWPP").basis.startswith("direct")


def test_an_unknown_grid_lists_the_nearest() -> None:
    with pytest.raises(GridError, match="france"):
        find_grid("Frence")


@given(st.floats(0, 1e15), st.floats(1, 3))
def test_carbon_is_energy_times_intensity(energy_j: float, pue_ratio: float) -> None:
    grid = find_grid("World")
    assert carbon_g(energy_j, grid, pue_ratio) == pytest.approx(energy_j / 3.6e6 * pue_ratio * 472.94)
