import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.impact.carbon import carbon, carbon_g, find_grid
from joulemark.impact.grids import Grid, all_facts, all_grids
from joulemark.impact.ranged import Ranged

KWH_J = 3.6e6
GRIDS = st.sampled_from(all_grids())


@given(st.floats(0, 1e15), st.floats(1, 3))
def test_carbon_is_energy_times_intensity(energy_j: float, pue_ratio: float) -> None:
    grid = find_grid("World")
    assert carbon_g(energy_j, grid, pue_ratio) == pytest.approx(energy_j / 3.6e6 * pue_ratio * 472.94)


@given(GRIDS, st.floats(0, 1e20), st.floats(1, 3))
def test_one_figure_and_one_with_its_range_agree(grid: Grid, energy_j: float, pue_ratio: float) -> None:
    found = carbon(Ranged(energy_j), grid, Ranged(pue_ratio))
    assert found.value == pytest.approx(carbon_g(energy_j, grid, pue_ratio))
    assert (found.basis, found.kind, found.year, found.source) == (grid.basis, grid.kind, grid.year, grid.source)
    assert (found.low is None) == (grid.low_g_per_kwh is None and grid.high_g_per_kwh is None)
    if found.low is not None and found.high is not None:
        assert found.low <= found.value <= found.high


@given(GRIDS, st.floats(0, 1e15), st.floats(0, 1e15), st.floats(1, 3))
def test_more_energy_is_never_less_carbon(grid: Grid, first_j: float, second_j: float, pue_ratio: float) -> None:
    less, more = sorted((first_j, second_j))
    assert carbon_g(less, grid, pue_ratio) <= carbon_g(more, grid, pue_ratio)
    both = carbon_g(less, grid, pue_ratio) + carbon_g(more, grid, pue_ratio)
    assert carbon_g(less + more, grid, pue_ratio) == pytest.approx(both)


@given(st.floats(0, 1e15), st.floats(1, 3), st.floats(1, 3))
def test_more_losses_are_never_less_carbon(energy_j: float, first: float, second: float) -> None:
    grid = find_grid("FRA")
    assert carbon_g(energy_j, grid, min(first, second)) <= carbon_g(energy_j, grid, max(first, second))


def test_the_energy_s_own_range_is_in_the_grams() -> None:
    found = carbon(Ranged(KWH_J, 0.9 * KWH_J, 1.2 * KWH_J), find_grid("own:100"), Ranged(1.5))
    assert (found.value, found.low, found.high) == pytest.approx((150, 135, 180))
    spread = carbon(Ranged(KWH_J, 0.9 * KWH_J, 1.2 * KWH_J), find_grid("FRA"), Ranged(1.0))
    assert (spread.low, spread.high) == pytest.approx((0.9 * 44.18, 1.2 * 56.04))


def test_the_study_s_two_intensities_are_there_by_name_and_say_which_was_used() -> None:
    """Luccioni et al. (2024): 11.49 kWh gave 1,594 g in the logs; what the text prints would have given 3,419 g."""
    used, printed = find_grid("paper:used"), find_grid("paper:printed")
    assert (used.intensity_g_per_kwh, printed.intensity_g_per_kwh) == (138.75, 297.6)
    assert carbon_g(11.49 * KWH_J, used) == pytest.approx(1594, abs=0.5)
    assert carbon_g(11.49 * KWH_J, printed) == pytest.approx(3419, abs=1)
    assert used.note.startswith("used, not printed")
    assert printed.note.startswith("printed, not used")
    assert used.intensity_g_per_kwh == pytest.approx(305.891 * 0.45359237, abs=0.001)  # lb/MWh in CodeCarbon 2.3.1
    # The study's totals: its energy is that of the boards alone, its carbon of all parts, so that neither figure fits.
    assert carbon_g(1290.04 * KWH_J, used) == pytest.approx(178.98e3, rel=1e-3)


def test_every_figure_says_what_it_is() -> None:
    for grid in all_facts():
        assert grid.basis in ("direct", "lifecycle", "not stated")
        assert grid.kind in ("average", "marginal", "not stated")
        assert grid.source
        assert grid.licence
        assert grid.verification
        assert grid.intensity_g_per_kwh >= 0
