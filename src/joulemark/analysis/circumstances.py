"""What the runs of each cell were measured under, and how much of their error is that of the sensors themselves."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from joulemark import store
from joulemark.analysis.cell_sums import Moments, counts, tolerance_log
from joulemark.analysis.reference import reference_runs
from joulemark.analysis.results import Results
from joulemark.boundary import Baseline, baseline, joined_sides
from joulemark.measurement import BoundaryName, Component, Measurement, Provenance
from joulemark.records import Cell, Run

# What is kept of the loaded model, and the words in which a difference is told.
_FACTS = {
    "weights": "weights",
    "weights_sha256": "hash of the weights",
    "revision": "model revision",
    "architecture": "architecture",
    "dtype": "dtype",
    "device": "device",
    "attention": "attention",
    "tf32": "TF32",
}


@dataclass(slots=True)
class Share:
    """What one channel has of a cell's energy, and how wrong it may be by itself, in every run alike."""

    component: Component
    provenance: Provenance
    covers: tuple[Component, ...]
    energy_j: float = 0.0  # per query, the sum over runs
    tolerance_log: float = 0.0  # the vendor's tolerance and the factor of a model, as a logarithm: the largest seen


@dataclass(slots=True)
class Circumstances:
    """Of the measured runs of one cell. Keys are kept in the order in which they were first seen.

    ``rest_below`` and ``rest_above`` are sums over runs of how far the energy may be off, as logarithms, by everything
    but each channel's own tolerance: what is left of the sensors' error between two runs on one machine.
    """

    runs_n: int = 0
    machine_ids: dict[str, None] = field(default_factory=dict)
    versions: dict[str, dict[str, None]] = field(default_factory=dict)
    facts: dict[str, dict[str, None]] = field(default_factory=dict)
    queries_n: dict[int, None] = field(default_factory=dict)
    samples: dict[str | None, None] = field(default_factory=dict)  # hashes
    duration_s: Moments = field(default_factory=Moments)  # per query
    duration_logs: Moments = field(default_factory=Moments)
    channels: dict[str, Share] = field(default_factory=dict)  # those that count inside the boundary, by name
    alike: bool = True  # every run counts the same channels, and their energies are known
    rest_below: float = 0.0
    rest_above: float = 0.0
    rest_known: bool = True  # false: without a lower bound above zero
    marks: array[int] = field(default_factory=lambda: array("q"))  # one a run, which a copy of it has too


def circumstances_of(results: Results, boundary: BoundaryName, wanted: Collection[str]) -> dict[str, Circumstances]:
    """Those of the cells in ``wanted``, by their ids, without holding the runs.

    Raises :class:`~joulemark.store.StoreError`.
    """
    if results.folder is None:
        return _fold(reference_runs(), boundary, wanted)[0]
    # Only a marginal energy needs the idle windows, which take most of the time to decode.
    kind: type[Run] | type[_Line] = Run if boundary is BoundaryName.MARGINAL else _Line
    found, names = _fold(store.run_lines(results.folder, kind), boundary, wanted)
    if len(set(names)) < len(names):
        # Some repetition has several lines, of which the last counts: then all runs have to be held.
        return _fold(store.read_runs(results.folder), boundary, wanted)[0]
    return found


def _fold(
    runs: Iterable[Run | _Line], boundary: BoundaryName, wanted: Collection[str]
) -> tuple[dict[str, Circumstances], array[int]]:
    """The circumstances by cell, and a hash of the name of every line's repetition."""
    by_id: dict[str, Circumstances] = {}
    by_text: dict[bytes, str] = {}  # few cells differ, so that few are decoded
    names = array("q")
    for run in runs:
        if isinstance(run, Run):
            cell_id = run.cell.cell_id
        else:
            written = bytes(run.cell)
            known = by_text.get(written)
            if known is None:
                known = by_text[written] = msgspec.json.decode(written, type=Cell).cell_id
            cell_id = known
        if cell_id not in wanted:
            continue
        names.append(hash((run.run_id, run.machine_id)))
        if run.measurement is not None:
            _add(by_id.setdefault(cell_id, Circumstances()), run, boundary)
    return by_id, names


def _add(found: Circumstances, run: Run | _Line, boundary: BoundaryName) -> None:
    window = run.measurement
    assert window is not None
    found.runs_n += 1
    found.marks.append(hash((run.run_id, run.machine_id, run.started_at)))
    found.machine_ids[run.machine_id] = None
    found.queries_n[run.queries_n] = None
    found.samples[run.samples_sha256] = None
    for name, version in run.versions.items():
        found.versions.setdefault(name, {})[version] = None
    if run.model is not None:
        for name, words in _FACTS.items():
            value = getattr(run.model, name)
            if value is not None:
                found.facts.setdefault(words, {})[value] = None
    if window.duration_s > 0:
        found.duration_s.add(window.duration_s / run.queries_n)
        found.duration_logs.add(math.log(window.duration_s / run.queries_n))
    idle: list[Measurement] = []
    if boundary is BoundaryName.MARGINAL:
        assert isinstance(run, Run)
        idle = [one for one in (run.idle_before, run.idle_after) if one is not None]
    _add_channels(found, window, run.queries_n, boundary, idle)


def _add_channels(
    found: Circumstances,
    window: Measurement | _Window,
    queries_n: int,
    boundary: BoundaryName,
    idle: Sequence[Measurement],
) -> None:
    """Split the sensors' error of one run into each channel's tolerance and the rest, joined as in ``boundary``."""
    counted = [channel for channel in window.channels if counts(channel, boundary)]
    names = [channel.name for channel in counted]
    if found.runs_n > 1 and names != list(found.channels):
        found.alike = False
    all_j = 0.0
    sides: list[tuple[Component, float, float]] = []
    for channel in counted:
        share = found.channels.setdefault(
            channel.name, Share(channel.component, channel.provenance, tuple(channel.covers))
        )
        if channel.provenance is not share.provenance:
            found.alike = False
        rest = Baseline(0.0, 0.0) if boundary is not BoundaryName.MARGINAL else baseline(channel.name, idle)
        energy_j, low_j, high_j = channel.energy_j, channel.low_j, channel.high_j
        if energy_j is None or low_j is None or high_j is None or rest is None:
            found.alike = False
            return
        budget = channel.budget
        factor = budget.model_factor
        # What would be the interval without tolerance and factor.
        read_j = math.hypot(budget.resolution_j, budget.update_j, budget.gap_j)
        others_j = math.hypot(read_j, rest.half_width_j(window.duration_s))
        change_j = others_j - math.hypot(read_j, budget.accuracy_j)
        below_j = max(0.0, energy_j - low_j * factor + change_j + rest.more_w * window.duration_s)
        above_j = max(0.0, high_j / factor - energy_j + change_j + rest.less_w * window.duration_s)
        sides.append((channel.component, below_j, above_j))
        above_idle_j = energy_j - rest.power_w * window.duration_s
        all_j += above_idle_j
        share.energy_j += above_idle_j / queries_n
        if energy_j > 0:
            share.tolerance_log = max(share.tolerance_log, tolerance_log(channel, energy_j))
    below_j, above_j = joined_sides(sides)
    if not counted or below_j >= all_j:
        found.rest_known = False
        return
    found.rest_below -= math.log1p(-below_j / all_j)
    found.rest_above += math.log1p(above_j / all_j)


class _Budget(msgspec.Struct, gc=False):
    """The fields of a :class:`~joulemark.measurement.ErrorBudget` that tell a tolerance from the rest."""

    resolution_j: float = 0.0
    update_j: float = 0.0
    gap_j: float = 0.0
    accuracy_j: float = 0.0
    model_factor: float = 1.0


class _Channel(msgspec.Struct, gc=False):
    name: str
    component: Component
    provenance: Provenance
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    budget: _Budget
    in_use: bool = True
    part_of: str | None = None
    covers: tuple[Component, ...] = ()
    reasons: tuple[str, ...] = ()


class _Window(msgspec.Struct, gc=False):
    duration_s: float
    channels: list[_Channel]


class _Model(msgspec.Struct, gc=False):
    architecture: str
    weights: str
    dtype: str
    device: str
    weights_sha256: str | None = None
    attention: str | None = None
    tf32: str | None = None
    revision: str | None = None


class _Line(msgspec.Struct, gc=False):
    """The fields of a :class:`~joulemark.records.Run` that are its circumstances; its cell undecoded."""

    run_id: str
    machine_id: str
    cell: msgspec.Raw
    queries_n: int
    versions: dict[str, str]
    started_at: str
    measurement: _Window | None = None
    model: _Model | None = None
    samples_sha256: str | None = None
    schema_version: int = 1
