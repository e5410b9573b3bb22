"""The trace of a run of the whole program on the simulated machine, whose power at every instant is known."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from known_power import Profile, Steps, steady, true_energy_j
from nvml_shim import INSTANT, Board, nvml_shim
from program import joulemark
from rapl_tree import Zone, rapl_tree

from joulemark import store
from joulemark.measurement import Measurement
from joulemark.records import Run, TraceStep

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler"),
]

WAVE: Steps = ((0.5, 100.0), (0.5, 20.0))
WAVE_S = 1.0
MODEL = """
import time

def answer(sample):
    time.sleep(0.02)
    return "positive"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "unhurried.py").write_text(MODEL)
    (tmp_path / "mine.csv").write_text("text,label\na good film,positive\nso dull,negative\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measured(sensors: str, *options: object, **environment: str) -> tuple[Run, tuple[TraceStep, ...]]:
    done = joulemark(
        "run", "--task", "text-classification", "--model", "unhurried:answer", "--dataset", "mine.csv", "--out", "r",
        "--queries", 120, "--repeats", 1, "--sensors", sensors, *options, **environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = store.read_runs(Path("r"))
    return run, store.read_trace(Path("r"), run.run_id)


def windows(run: Run) -> dict[str, Measurement]:
    found = {"idle-before": run.idle_before, "queries": run.measurement, "idle-after": run.idle_after}
    return {name: measurement for name, measurement in found.items() if measurement is not None}


def assert_adds_up(run: Run, trace: Sequence[TraceStep]) -> None:
    """Each window is filled by the steps of each of its channels, which hold its energy; windows do not overlap."""
    ends_s = -math.inf
    for name, measurement in windows(run).items():
        for channel in measurement.channels:
            steps = [step for step in trace if (step.window, step.channel) == (name, channel.name)]
            for step, following in pairwise(steps):
                assert following.start_s == pytest.approx(step.start_s + step.duration_s, abs=1e-6)
            assert sum(step.duration_s for step in steps) == pytest.approx(measurement.duration_s, abs=1e-6)
            assert steps[0].start_s > ends_s
            energy_j = math.fsum((step.power_w or 0.0) * step.duration_s for step in steps)
            assert energy_j == pytest.approx(channel.energy_j, rel=1e-6)
            for step in steps:
                assert step.power_w is not None
                assert step.low_w is not None
                assert step.high_w is not None
                assert step.low_w <= step.power_w <= step.high_w
        ends_s = steps[-1].start_s + steps[-1].duration_s
    assert {(step.window, step.channel) for step in trace} == {
        (name, channel.name) for name, one in windows(run).items() for channel in one.channels
    }


def off(steps: Sequence[TraceStep], offset_s: float) -> float:
    """How far steps are from the wave, as a share of its energy, if the trace began ``offset_s`` into a period."""
    wave, shift_s = Profile(WAVE, 0), offset_s + 100 * WAVE_S  # windows before the queries are at negative times
    found = [step for step in steps if step.power_w is not None]
    truths_j = [
        true_energy_j(wave, *(round((at_s + shift_s) * 1e9) for at_s in (step.start_s, step.start_s + step.duration_s)))
        for step in found
    ]
    apart_j = [
        abs((step.power_w or 0.0) * step.duration_s - truth_j) for step, truth_j in zip(found, truths_j, strict=True)
    ]
    return math.fsum(apart_j) / math.fsum(truths_j)


def best_offset_s(steps: Sequence[TraceStep]) -> float:
    return min((index * 0.005 for index in range(round(WAVE_S / 0.005))), key=lambda offset_s: off(steps, offset_s))


def test_laps_of_counters_show_the_power_inside_the_window(here: Path) -> None:
    zones = (Zone("intel-rapl:0", "package-0", WAVE), Zone("intel-rapl:1", "package-1", steady(40.0)))
    with rapl_tree(here / "sys", zones) as tree:
        run, trace = measured("rapl", "--idle", 1, "--sysfs", tree.sysfs)
    assert_adds_up(run, trace)
    waving = [step for step in trace if (step.window, step.channel) == ("queries", "package-0")]
    assert len(waving) > 10
    assert off(waving, best_offset_s(waving)) < 0.1
    assert max(step.power_w or 0.0 for step in waving) > 80
    assert min(step.power_w or 100.0 for step in waving) < 40
    idle = [step for step in trace if step.window == "idle-before"]
    assert [step.channel for step in idle] == ["package-0", "package-1"]  # read at the edges only


def test_samples_of_a_gauge_show_idle_and_queries_in_one_time(here: Path) -> None:
    pytest.importorskip("pynvml")
    boards = nvml_shim(here, [Board(WAVE, counter=False, power=INSTANT, instant=INSTANT)])
    zones = (Zone("intel-rapl:0", "package-0", steady(40.0)),)
    with rapl_tree(here / "sys", zones) as tree:
        run, trace = measured("nvml,rapl", "--idle", 2, "--sysfs", tree.sysfs, **boards.environment)
    assert_adds_up(run, trace)
    of_board = [step for step in trace if step.channel == "gpu0"]
    offset_s = best_offset_s([step for step in of_board if step.window == "queries"])
    for name in windows(run):
        steps = [step for step in of_board if step.window == name]
        assert len(steps) > 20
        assert off(steps, offset_s) < 0.1
    # A counter beside a gauge is not read from lap to lap.
    assert [step.window for step in trace if step.channel == "package-0"] == ["idle-before", "queries", "idle-after"]
    idle_before, within = (one for one in windows(run).values() if one is not run.idle_after)
    assert of_board[0].start_s < -idle_before.duration_s < 0 < within.duration_s


def test_a_run_without_idle_and_without_laps_has_its_mean_power(here: Path) -> None:
    run, trace = measured("modelled-cpu", "--idle", 0)
    assert_adds_up(run, trace)
    assert run.measurement is not None
    (step,) = trace
    assert (step.window, step.start_s, step.duration_s) == ("queries", 0.0, run.measurement.duration_s)


def test_a_run_that_fails_has_no_trace(here: Path) -> None:
    (here / "unhurried.py").write_text("def answer(sample):\n    raise ArithmeticError('no answer')\n")
    done = joulemark(
        "run", "--task", "text-classification", "--model", "unhurried:answer", "--dataset", "mine.csv", "--out", "r",
        "--queries", 3, "--repeats", 1, "--sensors", "fake", "--idle", 0,
    )  # fmt: skip
    assert done.returncode == 1
    (run,) = store.read_runs(Path("r"))
    assert run.failure is not None
    assert store.read_trace(Path("r"), run.run_id) == ()
    assert not (here / "r" / store.TRACES_FOLDER).exists()
