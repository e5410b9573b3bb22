"""Queries through the public API, on a simulated counter of known power; each program is a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from known_power import steady
from rapl_tree import Zone, best_backend, rapl_tree

import joulemark
from joulemark.meter.session import NotMeasured, Overlapping

POWER_W = 40.0
PREFIX = """
    import json, sys, time
    from dataclasses import asdict
    import joulemark
    def busy(duration_s):
        until_s = time.perf_counter() + duration_s
        while time.perf_counter() < until_s:
            pass
"""
SHOW = """
    print(json.dumps([m.measurement.duration_s, [asdict(query) for query in m.queries]]))
"""


def run(folder: Path, program: str) -> Any:
    with rapl_tree(folder, (Zone("intel-rapl:0", "package-0", steady(POWER_W)),), best_backend()) as tree:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PREFIX) + textwrap.dedent(program) + textwrap.dedent(SHOW)],
            env=os.environ | {"JOULEMARK_SYSFS": str(tree.sysfs)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


needs_simulator = pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")


@needs_simulator
def test_long_queries_are_counted_one_by_one(tmp_path: Path) -> None:
    # Time between them is in none of them.
    program = """
        with joulemark.measure() as m:
            for length in (1, 2, 3, 4):
                with m.query() as query:
                    busy(0.06 * length)
                    query.output_tokens_n = length
                time.sleep(0.1)
    """
    duration_s, queries = run(tmp_path, program)
    assert duration_s > 0.06 * 10 + 0.4
    assert [query["method"] for query in queries] == ["counter"] * 4
    assert [query["output_tokens_n"] for query in queries] == [1, 2, 3, 4]
    for length, query in enumerate(queries, start=1):
        assert query["duration_s"] >= 0.06 * length  # more where others take the processor
        assert query["energy_j"] == pytest.approx(POWER_W * query["duration_s"], rel=0.1, abs=0.1)
        assert query["uncertainty_j"] > 0


@needs_simulator
def test_short_queries_are_regressed_and_add_up(tmp_path: Path) -> None:
    program = """
        with joulemark.measure() as m:
            for i in range(150):
                with m.query():
                    busy(0.006 + 0.0001 * (i % 40))
    """
    _, queries = run(tmp_path, program)
    assert len(queries) == 150
    known = [query for query in queries if query["method"] == "regression"]
    assert len(known) >= 0.8 * 150  # on a busy machine an error bar may be as large as a short query
    truth_j = POWER_W * sum(query["duration_s"] for query in known)
    assert sum(query["energy_j"] for query in known) == pytest.approx(truth_j, rel=0.15)
    inside = [abs(q["energy_j"] - POWER_W * q["duration_s"]) <= q["uncertainty_j"] for q in known]
    assert sum(inside) >= 0.9 * len(known)


@needs_simulator
def test_queries_that_leave_most_of_the_time_to_others_have_no_energy(tmp_path: Path) -> None:
    program = """
        with joulemark.measure() as m:
            for i in range(60):
                with m.query():
                    busy(0.003)
                busy(0.003)
    """
    _, queries = run(tmp_path, program)
    assert len(queries) == 60
    assert {(query["method"], query["energy_j"], query["uncertainty_j"]) for query in queries} == {(None, None, None)}


def test_queries_that_overlap_or_are_asked_for_too_early_say_so() -> None:
    with joulemark.measure() as m:
        with pytest.raises(Overlapping, match="inside another one"), m.query(), m.query():
            pass
        with m.query():
            pass
        with pytest.raises(NotMeasured):
            _ = m.queries
    assert len(m.queries) == 2


def test_a_query_that_raises_is_one_all_the_same() -> None:
    with joulemark.measure() as m:
        with pytest.raises(ZeroDivisionError), m.query():
            1 / 0  # noqa: B018
        with m.query() as query:
            query.output_tokens_n = 3
    assert [one.output_tokens_n for one in m.queries] == [None, 3]
    assert all(one.duration_s > 0 for one in m.queries)


@needs_simulator
def test_a_query_that_was_stopped_as_it_began_holds_up_no_other(tmp_path: Path) -> None:
    program = """
        from types import ModuleType, SimpleNamespace
        with joulemark.measure() as m:
            torch = sys.modules["torch"] = ModuleType("torch")
            torch.version = SimpleNamespace(hip="6.2")
            def stopped():
                raise KeyboardInterrupt
            torch.cuda = SimpleNamespace(is_initialized=lambda: True, synchronize=stopped)
            try:
                with m.query():
                    raise AssertionError("it has not begun")
            except KeyboardInterrupt:
                pass
            del sys.modules["torch"]
            with m.query() as query:
                query.output_tokens_n = 3
                busy(0.1)
    """
    _, queries = run(tmp_path, program)
    assert [(query["output_tokens_n"], query["method"]) for query in queries] == [(3, "counter")]
