import statistics
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import store
from joulemark.analysis.cell_sums import CellSums, Moments, fold, merged
from joulemark.analysis.interval import joined_interval
from joulemark.analysis.results import open_results, sums_of
from joulemark.boundary import total
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Failure, Quality, Run, Study

CELL = Cell("fill-mask", "m", "d", columns={"text": "sentence"})
DEVICE = BoundaryName.DEVICE


def run(repeat_i: int, energy_j: float, low_j: float | None = None) -> Run:
    low_j = energy_j / 2 if low_j is None else low_j
    channel = ChannelEnergy(
        "cpu", Component.CPU, Provenance.MODELLED, energy_j, low_j, energy_j * 3, ErrorBudget(model_factor=2.0)
    )
    window = Measurement("2024-01-01T00:00:00+00:00", 2.0 + repeat_i, (channel,), 0.0, ("throttled",))
    quality = Quality("accuracy", 0.1 * repeat_i, 10, others={"macro_f1": 0.5})
    cell = replace(CELL, model=f"m{repeat_i % 2}")
    return Run(
        str(repeat_i), cell, repeat_i, repeat_i, 10, "m", {}, window.started_at, None, window,
        load=replace(window, duration_s=1.0), quality=quality, carbon_logged_g=energy_j / 100,
    )  # fmt: skip


values = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=30)


@given(values, values)
def test_moments_are_those_of_all_values_however_they_come(first: list[float], second: list[float]) -> None:
    whole, part = Moments(), Moments()
    for value in first:
        whole.add(value)
    for value in second:
        part.add(value)
    whole.merge(part)
    both = first + second
    assert (whole.n, whole.least, whole.greatest) == (len(both), min(both), max(both))
    assert whole.mean == pytest.approx(statistics.fmean(both), rel=1e-9)
    assert whole.sd == pytest.approx(statistics.stdev(both), rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(0.5, 1e4), min_size=1, max_size=9), st.sampled_from([-0.5, -0.1, 0.0, 0.05, 0.9]))
def test_the_interval_is_that_of_the_values(energies_j: list[float], low_share: float) -> None:
    sums = CellSums(CELL)
    for repeat_i, energy_j in enumerate(energies_j):
        sums.add(run(repeat_i, energy_j, energy_j * low_share), DEVICE)
    expected = joined_interval([(100 * e, 100 * e * low_share, 300 * e) for e in energies_j])
    found = sums.energy
    assert found is not None
    assert found.value == pytest.approx(expected.value)
    assert found.low == pytest.approx(expected.low, rel=1e-6, abs=1e-6)
    assert found.high == pytest.approx(expected.high, rel=1e-6, abs=1e-6)


PART = st.builds(
    lambda name, component, provenance, energy_j, in_use, part_of, covers, reasons: ChannelEnergy(
        name, component, provenance, energy_j, energy_j and energy_j * 0.9, energy_j and energy_j * 1.2, ErrorBudget(),
        in_use, part_of, covers, reasons,
    ),
    st.sampled_from(["gpu0", "gpu1", "cpu", "dram", "package-0-die-0", "package-0-die-1"]),
    st.sampled_from(Component), st.sampled_from(Provenance),
    st.none() | st.floats(0.1, 1e3), st.booleans(), st.none() | st.just("cpu"),
    st.sampled_from([(), (Component.CPU,), (Component.DRAM,)]),
    st.sampled_from([(), ("module-scope",), ("dies-unsure",)]),
)  # fmt: skip


@given(st.lists(st.lists(PART, max_size=4), min_size=1, max_size=6))
def test_the_sums_are_those_of_the_device_totals(windows: list[list[ChannelEnergy]]) -> None:
    sums, totals_ = CellSums(CELL), []
    for channels in windows:
        one = run(0, 1.0)
        window = Measurement("2024-01-01T00:00:00+00:00", 2.0, tuple(channels), 0.0)
        sums.add(replace(one, measurement=window), DEVICE)
        totals_.append(total(window, DEVICE))
    known = [found for found in totals_ if found.energy_j is not None]
    assert sums.unknown_n == len(totals_) - len(known)
    assert sums.energy_j.n == len(known)
    assert sums.energy_j.mean * len(known) == pytest.approx(sum(100 * (found.energy_j or 0) for found in known))
    assert sums.below[0] == pytest.approx(sum(100 * ((found.energy_j or 0) - (found.low_j or 0)) for found in known))
    assert set(sums.missing) == {name for found in totals_ for name in found.missing}
    parts = [channel for channels in windows for channel in channels]
    assert set(sums.unused) == {channel.name for channel in parts if not channel.in_use}
    assert set(sums.reasons) == {code for channel in parts for code in channel.reasons}
    for kind in Provenance:
        expected_j = sum(found.by_provenance_j.get(kind, 0.0) for found in known)
        assert sums.by_provenance_j.get(kind, 0.0) == pytest.approx(expected_j)


def test_what_a_channel_covers_is_not_missing_in_its_windows_alone() -> None:
    sums = CellSums(CELL)
    bare = run(0, 1.0)
    assert bare.measurement is not None
    covering = replace(bare.measurement.channels[0], covers=(Component.DRAM,))
    sums.add(replace(bare, measurement=replace(bare.measurement, channels=(covering,))), DEVICE)
    assert not sums.missing
    sums.add(bare, DEVICE)
    assert list(sums.missing) == ["dram"]


def test_the_sums_of_a_folder_are_those_of_its_runs(tmp_path: Path) -> None:
    runs = [replace(run(repeat_i, 5.0 + repeat_i), samples_sha256="a", samples_n=10) for repeat_i in range(8)]
    runs[2] = replace(runs[2], quality=Quality(None, None, reason="no-metric"))
    runs[3] = replace(runs[3], measurement=None, failure=Failure("load", "OSError", "gone"))
    cells = tuple(dict.fromkeys(one.cell.model for one in runs))
    study = Study("s", tuple(replace(CELL, model=model) for model in cells))
    with store.open_for_writing(tmp_path, study):
        store.append_all(tmp_path, runs[:4])
        for one in runs[4:]:
            store.append(tmp_path, one, [])
    ids = frozenset(one.cell.cell_id for one in runs)
    assert sums_of(open_results(tmp_path), DEVICE, ids, loading=True) == fold(runs, DEVICE, ids)


@given(st.integers(0, 12))
def test_parts_merged_are_the_whole(cut: int) -> None:
    runs = [run(repeat_i, 5.0 + repeat_i, -1.0 if repeat_i == 7 else None) for repeat_i in range(12)]
    runs[3] = replace(runs[3], measurement=None, failure=Failure("load", "OSError", "gone"))
    ids = frozenset(one.cell.cell_id for one in runs)
    whole = fold(runs, DEVICE, ids)
    parts = merged([fold(runs[:cut], DEVICE, ids), fold(runs[cut:], DEVICE, ids)])
    assert parts.keys() == whole.keys()
    for cell_id, expected in whole.items():
        found = parts[cell_id]
        for name in CellSums.__slots__:
            mine, theirs = getattr(found, name), getattr(expected, name)
            if isinstance(theirs, Moments):
                assert (mine.n, mine.least) == (theirs.n, theirs.least)
                assert (mine.mean, mine.squares) == (pytest.approx(theirs.mean), pytest.approx(theirs.squares))
            elif name in ("others", "phases_s"):
                assert mine.keys() == theirs.keys()
            elif name == "parts":
                assert mine.keys() == theirs.keys()
                assert all(astuple(mine[key]) == pytest.approx(astuple(theirs[key])) for key in theirs)
            elif isinstance(theirs, float | list) or name.endswith("_j"):
                assert mine == pytest.approx(theirs), name
            else:
                assert mine == theirs, name
