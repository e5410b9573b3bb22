import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.units import LADDERS, number, show, show_range, unit_for


@pytest.mark.parametrize(
    ("value", "quantity", "shown"),
    [
        (5400.0, "j", "1.50 Wh"),
        (3.6e6, "j", "1.00 kWh"),
        (0.0, "j", "0 Wh"),
        (0.0, "g", "0 g"),
        (61e-6, "j", "16.9 nWh"),
        (61e-6, "step", "61.0 µJ"),
        (0.25, "s", "250 ms"),
        (7200.0, "s", "2.00 h"),
        (1594.0, "g", "1.59 kg"),
        (None, "j", "–"),
        (-5400.0, "j", "-1.50 Wh"),
    ],
)
def test_quantities_read_well(value: float | None, quantity: str, shown: str) -> None:
    assert show(value, quantity) == shown


def test_a_value_and_its_range_have_one_unit() -> None:
    assert show(86.3 * 3.6e-3, "j") == "86.3 µWh"
    assert show_range(2207e-6, 511 * 3.6e-3, "j", 86.3 * 3.6e-3) == "0.613 to 511 µWh"
    assert show_range(0.0, 511 * 3.6e-3, "j") == "0 to 511 µWh"


def test_one_style_of_writing_a_number() -> None:
    assert number(9.29e-4) == "9.29e-04"
    assert number(9.29e-4, plain=True) == "0.000929"


@given(st.floats(1e-9, 1e18), st.sampled_from(sorted(LADDERS)))
def test_the_unit_fits_the_value(value: float, quantity: str) -> None:
    unit, ladder = unit_for(value, quantity), LADDERS[quantity]
    assert value >= unit.size or unit == ladder[-1]
    assert unit == ladder[0] or value < ladder[ladder.index(unit) - 1].size


@given(st.floats(1e-12, 1e15))
def test_three_digits_are_kept(value: float) -> None:
    assert math.isclose(float(number(value).replace(",", "")), value, rel_tol=0.0051)
