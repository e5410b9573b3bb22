import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.analysis.parity import DAYS_PER_YEAR
from joulemark.impact.embodied import find_device
from joulemark.impact.quantity_text import ENERGY_UNITS_J, energy_j, looks_like_energy, queries_per_year_n
from joulemark.impact.ranged import ImpactError


@pytest.mark.parametrize(
    ("text", "joules"),
    [
        ("1.35kWh", 4.86e6),
        ("1.35 kWh", 4.86e6),
        ("1350Wh", 4.86e6),
        ("4860000 J", 4.86e6),
        ("0.00135MWh", 4.86e6),
        ("4.86MJ", 4.86e6),
        ("5mWh", 18.0),
        ("1e-3kwh", 3600.0),
        (".5Wh", 1800.0),
        ("2.kJ", 2000.0),
        ("+1J", 1.0),
        ("0J", 0.0),
        ("1e-300J", 1e-300),
    ],
)
def test_energies_as_people_type_them(text: str, joules: float) -> None:
    assert looks_like_energy(text)
    assert energy_j(text) == pytest.approx(joules)


@given(st.floats(0, 1e12), st.sampled_from(sorted(ENERGY_UNITS_J)), st.sampled_from(sorted(ENERGY_UNITS_J)))
def test_units_go_round(amount: float, one: str, other: str) -> None:
    joules = energy_j(f"{amount!r}{one}")
    assert joules == pytest.approx(amount * ENERGY_UNITS_J[one])
    assert energy_j(f"{joules / ENERGY_UNITS_J[other]!r} {other}") == pytest.approx(joules)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nankWh", "not a number"),
        ("-5kWh", "negative"),
        (" -5kWh", "'-5kWh' is negative"),
        ("infJ", "too large"),
        ("1e400J", "too large"),
        ("1e31J", "too large"),
        ("5", "has no unit"),
        ("5mwh", "mWh or MWh"),
        ("5MJh", "no unit of energy"),
        ("5kW", "no unit of energy: there are J, kJ"),
        ("1,35kWh", "no unit of energy|no energy"),
        ("kWh", "no energy"),
    ],
)
def test_what_is_no_energy_is_said_in_a_line(text: str, message: str) -> None:
    with pytest.raises(ImpactError, match=message) as caught:
        energy_j(text)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_energy() -> None:
    assert not looks_like_energy("results/quickstart")
    assert not looks_like_energy("luccioni2024")


@pytest.mark.parametrize(
    ("text", "per_year_n"),
    [
        ("1000000/day", 3.6525e8),
        ("1/s", 31_557_600),
        ("1/week", 365.25 / 7),
        ("2/year", 2),
        ("0/day", 0),
        ("10/hour", 87_660),
    ],
)
def test_rates_of_a_julian_year(text: str, per_year_n: float) -> None:
    assert queries_per_year_n(text) == pytest.approx(per_year_n)


def test_a_year_is_as_long_as_elsewhere() -> None:
    assert queries_per_year_n("1/day") == DAYS_PER_YEAR
    assert find_device("NVIDIA L4").lifetime_s.value == 4 * DAYS_PER_YEAR * 86400


@pytest.mark.parametrize("text", ["1000", "many/day", "5/fortnight", "-1/day", "nan/day", "1e300/s", "/day"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ImpactError) as caught:
        queries_per_year_n(text)
    assert "\n" not in str(caught.value)
