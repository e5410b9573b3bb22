import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.analysis.interval import Interval
from joulemark.analysis.parity import Training, days, exact, parity_queries, switch_queries, year_j

KWH = 3.6e6


def test_the_papers_formula() -> None:
    found = parity_queries(Training(51686 * KWH, 7571 * KWH), exact(0.0001 * KWH))
    assert found.value == pytest.approx(592_570_000)
    assert (found.low, found.high) == (found.value, found.value)


def test_a_query_that_may_cost_more_breaks_even_sooner() -> None:
    found = parity_queries(Training(100.0), Interval(2.0, 1.0, 4.0))
    assert (found.value, found.low, found.high) == (50.0, 25.0, 100.0)


def test_no_bound_comes_from_no_bound() -> None:
    assert parity_queries(Training(100.0), Interval(2.0, None, None)) == Interval(50.0, None, None)
    assert parity_queries(Training(100.0), Interval(2.0, -1.0, 4.0)).high is None


def test_the_building_takes_its_share() -> None:
    assert parity_queries(Training(100.0), exact(2.0), pue_ratio=1.25).value == pytest.approx(40.0)
    assert year_j(exact(2.0), 1000, 1.5).value == pytest.approx(2 * 1000 * 365.25 * 1.5)


def test_days_at_a_rate() -> None:
    assert days(Interval(50.0, 25.0, None), 5) == Interval(10.0, 5.0, None)


def test_switching_pays_only_where_a_query_costs_less() -> None:
    assert switch_queries(100.0, exact(2.0), exact(2.5)) is None
    found = switch_queries(100.0, Interval(3.0, 2.0, 4.0), Interval(1.0, 0.5, 2.5))
    assert found is not None
    assert (found.value, found.high) == (50.0, None)
    assert found.low == pytest.approx(100 / 3.5)


@pytest.mark.parametrize(("energy_j", "pue_ratio"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)])
def test_nonsense_is_refused(energy_j: float, pue_ratio: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        parity_queries(Training(1.0), exact(energy_j), pue_ratio)


@given(st.floats(1, 1e9), st.floats(1e-6, 1e6), st.floats(1, 1e6))
def test_at_parity_inference_has_used_what_training_used(upfront_j: float, per_query_j: float, rate: float) -> None:
    queries = parity_queries(Training(upfront_j), exact(per_query_j))
    assert queries.value * per_query_j == pytest.approx(upfront_j)
    assert days(queries, rate).value * rate == pytest.approx(queries.value)
