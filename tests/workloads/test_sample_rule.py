from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.workloads.sample_rule import SampleRule, draw, sample_rule
from joulemark.workloads.workload import WorkloadError


def test_the_four_rules() -> None:
    assert sample_rule("first") == SampleRule("first")
    assert sample_rule("first-nonempty") == SampleRule("first-nonempty")
    assert sample_rule("random:7") == SampleRule("random", seed=7)
    assert sample_rule("manifest:a/b.json") == SampleRule("manifest", manifest=Path("a/b.json"))


@pytest.mark.parametrize("text", ["", "last", "random", "random:", "random:-1", "random:1.5", "manifest:", "first:3"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(WorkloadError, match="there are first, first-nonempty, random:SEED, manifest:FILE"):
        sample_rule(text)


@given(st.integers(0, 2**32), st.integers(0, 300), st.integers(0, 400), st.integers(0, 400))
def test_a_draw_is_without_replacement_and_grows_at_its_end(seed: int, total_n: int, few_n: int, many_n: int) -> None:
    few_n, many_n = sorted((few_n, many_n))
    few, many = draw(seed, total_n, few_n), draw(seed, total_n, many_n)
    assert many[: len(few)] == few
    assert len(set(many)) == len(many) == min(many_n, total_n)
    assert all(0 <= row_i < total_n for row_i in many)


def test_every_row_is_as_likely() -> None:
    counts = [0] * 10
    for seed in range(2_000):
        for row_i in draw(seed, 10, 3):
            counts[row_i] += 1
    # 600 expected, with a standard deviation of √(2000 × 0.3 × 0.7) = 20.5: within five of them.
    assert all(abs(count - 600) < 103 for count in counts)


def test_seeds_differ() -> None:
    assert draw(1, 10_000, 5) != draw(2, 10_000, 5)
