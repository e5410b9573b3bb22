"""What a study will take, from runs that there are."""

from dataclasses import replace

import pytest

from joulemark.analysis.forecast import OWN_RUNS, forecast
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Protocol, Run

CELL = Cell("fill-mask", "./m", "d.jsonl")


def window(duration_s: float, energy_j: float) -> Measurement:
    channel = ChannelEnergy(
        "package-0", Component.CPU, Provenance.COUNTER, energy_j, energy_j, energy_j, ErrorBudget(),
        covers=(Component.DRAM,),
    )  # fmt: skip
    return Measurement("2026-01-01T00:00:00+00:00", duration_s, (channel,), 0.0)


RUN = replace(
    Run("r", CELL, 0, 0, 10, "m", {}, "2026-01-01T00:00:00+00:00"),
    measurement=window(20.0, 60.0),
    load=window(3.0, 9.0),
    warmup_n=5,
)


def test_time_has_loading_warming_up_and_idling_in_it() -> None:
    found = forecast(CELL, Protocol(queries_n=100, repeats_n=2, idle_s=10.0), (RUN,))
    # 2 s a query: twice 100 and 5 to warm up, 3 s to load and 10 s idle on both sides.
    assert found.duration_s == pytest.approx(2 * (105 * 2.0 + 3.0 + 20.0))
    assert found.energy_j == pytest.approx(2 * 100 * 6.0)
    assert found.basis == OWN_RUNS


def test_runs_of_other_cells_and_failed_ones_say_nothing() -> None:
    other = replace(RUN, cell=replace(CELL, model="./n"))
    found = forecast(CELL, Protocol(), (other, replace(RUN, measurement=None)))
    assert (found.duration_s, found.energy_j, found.basis) == (None, None, None)
