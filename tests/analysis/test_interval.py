import random

import pytest

from joulemark.analysis.interval import mean_interval


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
