import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from joulemark.student import t_probability, t_quantile


@given(st.integers(1, 9000), st.floats(0.5, 0.9995))
def test_quantiles_are_those_of_scipy(freedom_n: int, probability: float) -> None:
    assert t_quantile(probability, freedom_n) == pytest.approx(stats.t.ppf(probability, freedom_n), rel=1e-5, abs=1e-9)


@given(st.integers(1, 9000), st.floats(0, 50))
def test_probabilities_are_those_of_scipy(freedom_n: int, t: float) -> None:
    assert t_probability(t, freedom_n) == pytest.approx(stats.t.cdf(t, freedom_n), abs=1e-7)


@pytest.mark.parametrize(("probability", "freedom_n"), [(0.4, 5), (1.0, 5), (0.9, 0)])
def test_nonsense_is_refused(probability: float, freedom_n: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        t_quantile(probability, freedom_n)


@given(st.floats(1, 4500), st.floats(-50, 50))
def test_degrees_may_be_fractions(freedom: float, t: float) -> None:
    assert t_probability(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), abs=1e-7)


@given(st.floats(1, 4500), st.floats(0.5, 0.9995))
def test_quantiles_of_fractions_are_those_of_scipy(freedom: float, probability: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-5, abs=1e-9)


@given(st.integers(1, 200), st.floats(0, 50))
def test_a_fraction_next_to_a_whole_number_gives_the_same(freedom_n: int, t: float) -> None:
    assert t_probability(t, freedom_n * (1 + 1e-12)) == pytest.approx(t_probability(t, freedom_n), abs=1e-10)
