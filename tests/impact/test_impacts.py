"""Water, embodied carbon, cost and equivalences."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.impact.assess import Conditions, assess
from joulemark.impact.carbon import carbon
from joulemark.impact.cost import cost, find_price
from joulemark.impact.embodied import device_or_none, embodied, find_device
from joulemark.impact.equivalences import ENERGY, Equivalence, all_things, equivalences
from joulemark.impact.facilities import all_facilities, find_pue
from joulemark.impact.facts import is_unverified
from joulemark.impact.grids import find_grid
from joulemark.impact.ranged import ImpactError, Ranged, over, plus, times
from joulemark.impact.water import water

KWH_J = 3.6e6
ONE = Ranged(1.0)


def counts(kwh: float, grid: str = "paper:used", pue_ratio: float = 1.0) -> dict[str, Equivalence]:
    energy_j, pue = Ranged(kwh * KWH_J), Ranged(pue_ratio)
    return {one.id: one for one in equivalences(energy_j, pue, carbon(energy_j, find_grid(grid), pue))}


def test_the_study_s_own_comparisons_come_out() -> None:
    """Luccioni et al. (2024): 11.49 kWh is 950 charges, its 1,594 g are 4.1 miles, 0.002 kWh is 16 % of a charge."""
    most = counts(11.49)
    assert most["smartphone_charge"].unit_value == 0.012
    assert most["smartphone_charge"].count == pytest.approx(950, rel=0.01)
    assert round(most["car_mile"].count, 1) == 4.1
    assert most["car_km_us"].count == pytest.approx(most["car_mile"].count * 1.609344, rel=1e-3)
    assert int(100 * counts(0.002)["smartphone_charge"].count) == 16


def test_computer_tasks_come_before_cars_and_preferred_things_first() -> None:
    found = list(counts(1.0).values())
    preferred = [one.preferred for one in found]
    assert preferred == sorted(preferred, reverse=True)
    shown = [one.category for one in found if one.preferred]
    assert shown[0] == "computer"
    assert max(i for i, name in enumerate(shown) if name == "computer") < shown.index("transport")
    assert {"computer", "device", "home", "transport"} <= set(shown)
    ids = {one.id for one in found}
    assert {"stream_hour", "game_hour_pc", "laptop_hour", "video_call_hour", "web_search", "smartphone_charge"} <= ids
    assert {"kettle_boil_litre", "led_bulb_hour", "uk_home_year", "car_mile", "car_km_us"} <= ids


def test_a_seat_and_an_aircraft_never_share_a_label() -> None:
    flights = [thing for thing in all_things() if "flight" in thing.id]
    per = {thing.label: thing.per for thing in flights}
    assert len(per) == len(flights)
    assert {thing.per for thing in flights if "aircraft" in thing.label} == {"flight"}
    assert {thing.per for thing in flights if "seat" in thing.label} == {"passenger"}
    assert all("seat" in thing.label or "aircraft" in thing.label for thing in flights)
    assert not any("aircraft" in thing.label for thing in flights if thing.preferred)
    labels = [thing.label for thing in all_things()]
    assert len(labels) == len(set(labels))


def test_grams_of_another_basis_are_not_compared_without_a_word() -> None:
    assert counts(1.0, "paper:used")["car_mile"].caveat is None  # both direct
    lifecycle = counts(1.0, "FRA")["car_mile"].caveat
    assert lifecycle is not None
    assert "direct" in lifecycle
    assert "lifecycle" in lifecycle
    assert "marginal" in str(counts(1.0, "marginal:FRA")["car_mile"].caveat)
    assert "not stated" in str(counts(1.0, "own:100")["car_mile"].caveat)
    assert all(one.caveat is None for one in counts(1.0, "FRA").values() if one.basis == ENERGY)


def test_things_that_hold_another_grid_s_factor_are_never_counted_in() -> None:
    found = counts(1.0)
    assert {"smartphone_charge_g", "stream_hour_g", "email_g"} <= {thing.id for thing in all_things()}
    assert not {"smartphone_charge_g", "stream_hour_g", "email_g"} & set(found)


def test_without_a_grid_only_things_in_kilowatt_hours_are_counted() -> None:
    found = equivalences(Ranged(KWH_J), ONE, None)
    assert found
    assert {one.basis for one in found} == {ENERGY}


def test_what_is_only_recalled_is_marked() -> None:
    assert counts(1.0)["laptop_hour"].unverified
    assert not counts(1.0)["game_hour_console"].unverified
    assert is_unverified("derived; low unverified")
    assert is_unverified("recalled")
    assert not is_unverified("primary (file)")


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(1, 3))
def test_counts_grow_with_energy_and_losses(first: float, second: float, pue_ratio: float) -> None:
    less, more = sorted((first, second))
    small, large, alone = counts(less, "FRA", pue_ratio), counts(more, "FRA", pue_ratio), counts(more, "FRA")
    for id_, one in small.items():
        assert one.count <= large[id_].count
        assert alone[id_].count <= large[id_].count
        for each in (one, large[id_]):
            assert each.low is None or each.low <= each.count
            assert each.high is None or each.count <= each.high


def test_water_is_what_the_site_takes_and_what_the_power_stations_consume() -> None:
    found = water(Ranged(2 * KWH_J), find_grid("aws:us-west-2"), find_pue("1.2"))
    assert found is not None
    assert found.onsite_l == pytest.approx(2 * 0.16)  # per kWh of the equipment: no PUE in it
    assert found.offsite_l == pytest.approx(2 * 1.2 * 3.1321)
    assert found.value == pytest.approx(2 * 0.16 + 2 * 1.2 * 3.1321)
    assert found.low == pytest.approx(2 * (0.16 + 1.2 * 1.8))
    assert found.high == pytest.approx(2 * (0.16 + 1.2 * 4.52))


def test_water_without_a_facility_is_the_off_site_part_and_says_so() -> None:
    found = water(Ranged(KWH_J), find_grid("FRA"), find_pue(None))
    assert found is not None
    assert found.onsite_l is None
    assert "on-site water" in found.left_out[0]
    assert found.low is not None
    assert found.high is not None
    assert found.high / found.low == pytest.approx(3)
    assert water(Ranged(KWH_J), find_grid("own:5"), find_pue(None)) is None
    with_fleet = water(Ranged(KWH_J), find_grid("FRA"), find_pue("aws"))
    assert with_fleet is not None
    assert with_fleet.onsite_l == pytest.approx(0.12)


def test_water_of_a_state_goes_before_that_of_the_country() -> None:
    found = water(Ranged(KWH_J), find_grid("arizona"), find_pue(None))
    assert found is not None
    assert found.value == pytest.approx(4.959)


@pytest.mark.parametrize(
    ("text", "ratio"), [(None, 1.0), ("1", 1.0), ("1.2", 1.2), ("aws:us-west-2", 1.12), ("us-west-2", 1.12)]
)
def test_pue(text: str | None, ratio: float) -> None:
    assert find_pue(text).amount.value == ratio


def test_a_pue_by_name_is_the_newest_that_is_verified() -> None:
    world = find_pue("world")
    assert (world.amount.value, world.year) == (1.56, 2024)
    assert any(one.id == "world" and one.year == 2025 and is_unverified(one.verification) for one in all_facilities())


@pytest.mark.parametrize("text", ["0.99", "0", "-1", "nan", "inf", "11", "awss", "us-west-9"])
def test_what_is_no_pue(text: str) -> None:
    with pytest.raises(ImpactError) as caught:
        find_pue(text)
    assert "\n" not in str(caught.value)


def test_embodied_carbon_is_spread_over_the_hours_that_a_device_works() -> None:
    found = embodied([find_device("A100 SXM4 80GB")], 3600.0)
    assert found is not None
    hours = 365.25 * 24
    assert found.value == pytest.approx(141_000 / (4 * hours * 0.85))
    assert found.low == pytest.approx(127_600 / (6 * hours * 1.0))
    assert found.high == pytest.approx(273_000 / (3 * hours * 0.3))
    assert is_unverified(found.verification)  # the utilisation is
    assert embodied([], 3600.0) is None
    two = embodied([find_device("A100 SXM4 80GB")] * 2, 1800.0)
    assert two is not None
    assert two.value == pytest.approx(found.value)


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 SXM4 80GB"),
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100 SXM5 80GB"),
        ("Tesla T4", "NVIDIA T4"),
        ("AMD EPYC 7763 64-Core Processor", "AMD EPYC 7763"),
        ("l40s", "NVIDIA L40S"),
    ],
)
def test_devices_by_the_names_that_drivers_report(name: str, id_: str) -> None:
    assert find_device(name).id == id_


def test_an_unknown_device() -> None:
    with pytest.raises(ImpactError, match=r"nearest: .*A100"):
        find_device("A100 SXM5 80GB")


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_a_device_without_a_name_is_none(name: str) -> None:
    assert device_or_none(name) is None
    with pytest.raises(ImpactError):
        find_device(name)


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 3080 with Max-Q Design",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA T400 4GB",
        "Quadro P1000",
        "NVIDIA A400",
    ],
)
def test_another_board_or_a_part_of_one_is_not_the_board_in_the_catalogue(name: str) -> None:
    assert device_or_none(name) is None


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_longer_use_is_never_less_embodied(first: float, second: float) -> None:
    device = find_device("NVIDIA L4")
    less, more = embodied([device], min(first, second)), embodied([device], max(first, second))
    assert less is not None
    assert more is not None
    assert less.value <= more.value
    assert less.low is not None
    assert less.high is not None
    assert less.low <= less.value <= less.high


@pytest.mark.parametrize(
    ("text", "per_kwh", "currency"),
    [("0.3", 0.3, None), ("0.30EUR", 0.3, "EUR"), ("0.1 usd", 0.1, "USD"), ("0", 0.0, None), ("GBR", 0.35, "USD")],
)
def test_prices(text: str, per_kwh: float, currency: str | None) -> None:
    price = find_price(text)
    assert (price.per_kwh, price.currency) == (per_kwh, currency)


@pytest.mark.parametrize("text", ["-0.1", "€", "nan", "inf", "0.1.2EUR", "dear", "1e9"])
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(ImpactError) as caught:
        find_price(text)
    assert "\n" not in str(caught.value)


def test_cost_is_at_the_meter_of_the_building() -> None:
    found = cost(Ranged(2 * KWH_J), Ranged(1.5), find_price("0.30EUR"))
    assert found.value == pytest.approx(0.9)
    assert (found.currency, found.low) == ("EUR", None)
    assert is_unverified(find_price("US_commercial").verification)


def around(values: st.SearchStrategy[float]) -> st.SearchStrategy[Ranged]:
    def ranged(value: float, less: float, more: float) -> Ranged:
        return Ranged(value, value * less, value * more)

    return st.builds(ranged, values, st.floats(0.1, 1), st.floats(1, 10))


AMOUNTS, POSITIVE = around(st.floats(0, 1e100)), around(st.floats(1e-100, 1e100))


@given(AMOUNTS, AMOUNTS, POSITIVE)
def test_ranges_stay_around_their_value(first: Ranged, second: Ranged, unit: Ranged) -> None:
    for found in (times(first, second), plus(first, second), over(first, unit)):
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high


def test_what_nobody_states_a_range_of_has_none() -> None:
    assert times(Ranged(2), Ranged(3)) == Ranged(6)
    assert over(Ranged(6), Ranged(3)) == Ranged(2)
    assert plus(Ranged(6), Ranged(3)) == Ranged(9)
    assert times(Ranged(2), Ranged(3, 1, 4)) == Ranged(6, 2, 8)
    assert over(Ranged(6), Ranged(3, 2, 6)) == Ranged(2, 1, 3)
    with pytest.raises(ImpactError, match="finite"):
        Ranged(float("nan"))
    with pytest.raises(ImpactError, match="finite"):
        times(Ranged(1e200), Ranged(1e200))


@pytest.mark.parametrize("energy_j", [0.0, 5e-324, 1e-30, 1.0, 1e30])
def test_nothing_a_little_and_very_much(energy_j: float) -> None:
    conditions = Conditions(find_grid("aws:us-west-2"), find_pue("1.2"), find_price("0.3"))
    found = assess(Ranged(energy_j), conditions, [find_device("NVIDIA L4")], energy_j / 72)
    assert found.carbon_g is not None
    assert found.carbon_g.value == pytest.approx(energy_j / KWH_J * 1.2 * 288.15)
    assert found.water_l is not None
    assert found.cost is not None
    assert found.embodied_g is not None
    assert all(one.count >= 0 for one in found.equivalences)


def test_dimensions() -> None:
    """Twice the energy, or half the unit and twice the number of it, is twice of everything."""
    conditions = Conditions(find_grid("aws:us-west-2"), find_pue("1.2"), find_price("0.3"))
    device = find_device("NVIDIA L4")
    one, two = (assess(Ranged(n * KWH_J), conditions, [device], n * 60.0) for n in (1, 2))
    for name in ("carbon_g", "water_l", "embodied_g", "cost"):
        assert getattr(two, name).value == pytest.approx(2 * getattr(one, name).value)
    for first, second in zip(one.equivalences, two.equivalences, strict=True):
        assert second.count == pytest.approx(2 * first.count)
    grid = find_grid("aws:us-west-2")
    dirty = replace(conditions, grid=replace(grid, intensity_g_per_kwh=2 * 288.15, high_g_per_kwh=999.0))
    worse = assess(Ranged(KWH_J), dirty)
    assert worse.carbon_g is not None
    assert one.carbon_g is not None
    assert worse.carbon_g.value == pytest.approx(2 * one.carbon_g.value)
    assert worse.embodied_g is None
