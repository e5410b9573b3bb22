import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from joulemark.analysis.log_ratio import Spread, common_tolerance, mean_ratio, sensors_apart, unpaired_ratio

LOGS = st.lists(st.floats(-1, 1), min_size=2, max_size=12).filter(lambda logs: statistics.stdev(logs) > 1e-6)
SENSORS = st.floats(0, 0.5)


def of_logs(logs: list[float]) -> Spread:
    return Spread(math.exp(statistics.fmean(logs)), statistics.stdev(logs), len(logs))


@given(LOGS, LOGS)
def test_without_sensors_it_is_welchs_test_of_the_logarithms(first: list[float], second: list[float]) -> None:
    found = unpaired_ratio(of_logs(first), of_logs(second))
    known = stats.ttest_ind(first, second, equal_var=False)
    assert found.p == pytest.approx(known.pvalue, rel=1e-4, abs=1e-7)
    low, high = known.confidence_interval(0.95)
    assert found.low is not None
    assert found.high is not None
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((low, high), rel=1e-5, abs=1e-7)


@given(LOGS, LOGS, SENSORS, SENSORS)
def test_the_other_way_round_is_the_inverse(
    first: list[float], second: list[float], below: float, above: float
) -> None:
    there = unpaired_ratio(of_logs(first), of_logs(second), below, above)
    back = unpaired_ratio(of_logs(second), of_logs(first), above, below)
    assert there.low is not None
    assert back.high is not None
    assert there.value * back.value == pytest.approx(1)
    assert there.low * back.high == pytest.approx(1)
    assert there.p == pytest.approx(back.p, abs=1e-9)
    assert there.differs is back.differs


@given(LOGS, LOGS, SENSORS, SENSORS)
def test_the_interval_and_p_say_the_same(first: list[float], second: list[float], below: float, above: float) -> None:
    found = unpaired_ratio(of_logs(first), of_logs(second), below, above)
    assert found.p is not None
    if abs(found.p - 0.05) > 1e-6:
        assert found.differs is (found.p < 0.05)


@given(LOGS, LOGS, SENSORS)
def test_sensors_alone_are_never_beaten_by_repeating(first: list[float], second: list[float], half: float) -> None:
    found = unpaired_ratio(of_logs(first), of_logs(second), half, half)
    assert found.low is not None
    assert math.log(found.value / found.low) >= half * (1 - 1e-6)


def test_exact_repetitions_leave_the_sensors() -> None:
    found = unpaired_ratio(Spread(2.0, 0.0, 3), Spread(1.0, 0.0, 3), 0.1, 0.2)
    assert (found.low, found.high) == pytest.approx((2 * math.exp(-0.1), 2 * math.exp(0.2)), rel=1e-4)
    same = unpaired_ratio(Spread(2.0, 0.0, 3), Spread(2.0, 0.0, 3))
    assert (same.value, same.low, same.high, same.p) == (1.0, 1.0, 1.0, 1.0)
    other = unpaired_ratio(Spread(2.0, 0.0, 3), Spread(1.0, 0.0, 3))
    assert other.differs
    assert other.p == 0.0


@pytest.mark.parametrize(("first_n", "second_n"), [(1, 1), (1, 10), (10, 1)])
def test_one_repetition_gives_no_interval(first_n: int, second_n: int) -> None:
    found = unpaired_ratio(Spread(2.0, 0.1, first_n), Spread(1.0, 0.1, second_n), 0.1, 0.1)
    assert (found.value, found.low, found.high, found.p, found.differs) == (2.0, None, None, None, False)


@given(LOGS)
def test_over_models_it_is_one_sample_t(logs: list[float]) -> None:
    found = mean_ratio(Spread(statistics.fmean(logs), statistics.stdev(logs), len(logs)))
    known = stats.ttest_1samp(logs, 0.0)
    assert found.p == pytest.approx(known.pvalue, rel=1e-4, abs=1e-7)
    assert found.value == pytest.approx(stats.gmean([math.exp(log) for log in logs]))


def test_over_models_the_sensors_do_not_shrink() -> None:
    few, many = (mean_ratio(Spread(0.0, 0.01, n), 0.1, 0.1) for n in (3, 1000))
    assert few.high is not None
    assert many.high is not None
    assert many.high >= math.exp(0.1) * 0.9999
    assert few.high > many.high


def test_a_ratio_is_low_where_the_first_is_low_or_the_second_high() -> None:
    assert sensors_apart((0.3, 0.0), (0.0, 0.4)) == pytest.approx((0.5, 0.0))
    assert sensors_apart((0.0, 0.3), (0.4, 0.0)) == pytest.approx((0.0, 0.5))


@given(st.floats(0, 1), st.floats(0, 2))
def test_a_common_tolerance_cancels_where_shares_are_equal(share: float, tolerance_log: float) -> None:
    found = common_tolerance([(share, share, tolerance_log), (1 - share, 1 - share, 0.05)])
    assert found == pytest.approx((0.0, 0.0), abs=1e-12)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 2), st.floats(-1, 1))
def test_a_common_tolerance_bounds_what_the_sensor_does(a: float, b: float, tolerance_log: float, part: float) -> None:
    """Whatever the factor, within its tolerance, the ratio of the true energies is inside."""
    found = common_tolerance([(a, b, tolerance_log), (1 - a, 1 - b, 0.0)])
    assert found is not None
    factor = math.exp(part * tolerance_log)
    off = math.log((1 + a * (factor - 1)) / (1 + b * (factor - 1)))
    assert -found[0] - 1e-9 <= off <= found[1] + 1e-9


def test_one_sensor_against_none_of_it_is_its_whole_tolerance() -> None:
    assert common_tolerance([(1.0, 0.0, 0.7), (0.0, 1.0, 0.0)]) == pytest.approx((0.7, 0.7))
    assert common_tolerance([(-3.0, 1.0, 1.0), (4.0, 0.0, 0.0)]) is None
