import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.analysis.interval import mean_interval, ratio_interval


def test_one_repetition_has_no_interval() -> None:
    assert mean_interval([3.0]).low is None


@pytest.mark.parametrize("repeats_n", [2, 3, 10])
def test_intervals_cover_the_mean_at_their_rate(repeats_n: int) -> None:
    rng = random.Random(7)
    covered_n = 0
    for _ in range(4000):
        found = mean_interval([rng.gauss(10, 2) for _ in range(repeats_n)])
        assert found.low is not None
        assert found.high is not None
        covered_n += found.low <= 10 <= found.high
    assert 0.94 < covered_n / 4000 < 0.96


@given(st.floats(0.01, 100), st.lists(st.floats(0.1, 1000), min_size=2, max_size=8))
def test_a_constant_ratio_is_found_without_error(ratio: float, values: list[float]) -> None:
    found = ratio_interval([(ratio * value, value) for value in values])
    assert found.value == pytest.approx(ratio)
    assert found.low == pytest.approx(ratio)


@given(st.lists(st.tuples(st.floats(0.1, 1000), st.floats(0.1, 1000)), min_size=2, max_size=8))
def test_the_other_way_round_is_the_inverse(pairs: list[tuple[float, float]]) -> None:
    there, back = ratio_interval(pairs), ratio_interval([(second, first) for first, second in pairs])
    assert there.low is not None
    assert back.high is not None
    assert math.isclose(there.value * back.value, 1, rel_tol=1e-9)
    assert math.isclose(there.low * back.high, 1, rel_tol=1e-6)
