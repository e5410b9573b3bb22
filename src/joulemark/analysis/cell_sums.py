"""The sums over a cell's runs from which every row is made, one run after the other, so that a million runs fit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from joulemark.analysis.interval import Interval, joined_moments
from joulemark.boundary import Total, baseline, outermost, total
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.reasons import made_up
from joulemark.records import Cell, Failure, Quality, Run

PER_N = 1000
PLANS_MAX_N = 1024


@dataclass(slots=True)
class Moments:
    """Number, mean, sum of squared differences from it, least and greatest of values that come one by one (Welford)."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf

    def add(self, value: float) -> None:
        """One more value."""
        self.n += 1
        step = value - self.mean
        self.mean += step / self.n
        self.squares += step * (value - self.mean)
        if value < self.least:
            self.least = value
        if value > self.greatest:
            self.greatest = value

    def merge(self, other: Moments) -> None:
        """The values of ``other`` as well (Chan, Golub and LeVeque 1979)."""
        if not other.n:
            return
        n = self.n + other.n
        step = other.mean - self.mean
        self.squares += other.squares + step * step * self.n * other.n / n
        self.mean += step * other.n / n
        self.n = n
        self.least = min(self.least, other.least)
        self.greatest = max(self.greatest, other.greatest)

    @property
    def sd(self) -> float | None:
        """The sample standard deviation; ``None`` below two values."""
        return math.sqrt(self.squares / (self.n - 1)) if self.n > 1 else None


class Block(NamedTuple):
    """What a comparison needs of one repetition. A tuple is sent to another process in half the time of a dataclass."""

    energy_per_query_j: float
    samples_sha256: str | None
    kinds: tuple[Provenance, ...]


@dataclass(slots=True)
class Part:
    """What one channel has of a compared cell's energy: sums over its runs, in joules per query."""

    energy_j: float = 0.0
    tolerance_log: float = 0.0  # the vendor's tolerance and the factor of a model, as a logarithm: the largest seen
    unseen_below_j: float = 0.0  # bounds of what a part-time sensor may not have seen
    unseen_above_j: float = 0.0

    def add(self, other: Part) -> None:
        """The runs of ``other`` as well."""
        self.energy_j += other.energy_j
        self.tolerance_log = max(self.tolerance_log, other.tolerance_log)
        self.unseen_below_j += other.unseen_below_j
        self.unseen_above_j += other.unseen_above_j


def counts(channel: Any, boundary: BoundaryName) -> bool:
    """Whether a channel is part of a known total, as in :func:`joulemark.boundary.total`."""
    if channel.part_of is not None:
        return False
    if boundary in (BoundaryName.HOST, BoundaryName.FACILITY):
        return channel.component is Component.SYSTEM and "module-scope" not in channel.reasons
    return bool(channel.in_use) and channel.component is not Component.SYSTEM


def tolerance_log(channel: Any, energy_j: float) -> float:
    """How wrong a channel may be by itself, in every window alike, as the logarithm of a factor."""
    budget = channel.budget
    return math.hypot(math.log1p(budget.accuracy_j / energy_j), math.log(budget.model_factor))


class _Plan(NamedTuple):
    """What all windows have in common whose channels are alike but for their energies."""

    used: tuple[tuple[int, ...], ...]  # the places of the channels that the device total adds up, by component
    missing: tuple[str, ...]  # from the device total
    kinds: tuple[Provenance, ...]
    unused: tuple[str, ...]
    reasons: tuple[str, ...]  # of channels


_Shape = tuple[str, Component, Provenance, bool, str | None, tuple[Component, ...], tuple[str, ...]]


@lru_cache(PLANS_MAX_N)  # few stores have more than one kind of run
def _plan(shapes: tuple[_Shape, ...]) -> _Plan:
    channels = tuple(
        ChannelEnergy(name, component, provenance, 0.0, 0.0, 0.0, ErrorBudget(), in_use, part_of, covers, reasons)
        for name, component, provenance, in_use, part_of, covers, reasons in shapes
    )
    found = total(Measurement("", 0.0, channels, 0.0), BoundaryName.DEVICE)
    used: dict[Component, tuple[int, ...]] = {}
    # What joins channels, as those that may be one counter, leaves an energy that is not known.
    joined = any(channel.energy_j is None for channel in outermost(channels))
    for place, channel in enumerate(() if joined else channels):
        if channel.part_of is None and channel.in_use and channel.component is not Component.SYSTEM:
            used[channel.component] = (*used.get(channel.component, ()), place)
    return _Plan(
        used=tuple(used.values()),
        missing=found.missing,
        kinds=tuple(dict.fromkeys(channel.provenance for channel in channels if channel.in_use)),
        unused=tuple(channel.name for channel in channels if not channel.in_use),
        reasons=tuple(dict.fromkeys(code for channel in channels for code in channel.reasons)),
    )


@dataclass(slots=True)
class CellSums:
    """What is known of all runs of one cell inside one boundary. Energies of ``energy_j`` are per 1,000 queries."""

    cell: Cell
    runs_n: int = 0  # that have a measurement
    failed_n: int = 0
    queries_n: int = 0
    failure: Failure | None = None  # the first
    energy_j: Moments = field(default_factory=Moments)
    unknown_n: int = 0  # runs whose energy is not known
    unknown_low_j: Moments = field(default_factory=Moments)  # the bounds of their energies, of those that have one
    unknown_high_j: Moments = field(default_factory=Moments)
    energy_logs: Moments = field(default_factory=Moments)  # logarithms, where all bounds are positive
    below: list[float] = field(default_factory=lambda: [0.0, 0.0])  # sums of value − low, log(value ÷ low)
    above: list[float] = field(default_factory=lambda: [0.0, 0.0])
    low_positive: bool = True
    low_not_negative: bool = True
    by_provenance_j: dict[Provenance, float] = field(default_factory=dict)
    by_component_j: dict[Component, float] = field(default_factory=dict)  # of the work, over all runs and boards
    load_by_component_j: dict[Component, float] = field(default_factory=dict)
    unsplit_j: float = 0.0  # energy of channels that cover several components, loading included
    all_j: float = 0.0  # of the work: of the whole machine where that is known, else of all that is metered
    load_all_j: float = 0.0
    load_s: float = 0.0
    load_n: int = 0
    durations_per_query_s: float = 0.0  # the sum
    imported_n: int = 0  # runs that another tool measured
    carbon_g: Moments = field(default_factory=Moments)  # as logged by it, of the devices, per 1,000 queries
    carbon_all_g: float = 0.0  # the same with loading, all runs
    quality: Moments = field(default_factory=Moments)
    quality_metric: str | None = None
    quality_reason: str | None = None
    quality_seen: bool = False
    quality_scored_n: int = 0
    others: dict[str, Moments] = field(default_factory=dict)
    phases_s: dict[str, Moments] = field(default_factory=dict)
    input_tokens_per_query: Moments = field(default_factory=Moments)
    output_tokens_per_query: Moments = field(default_factory=Moments)
    parameters_n: int | None = None
    weights: str | None = None
    samples_n: int | None = None
    missing: dict[str, None] = field(default_factory=dict)
    unused: dict[str, None] = field(default_factory=dict)
    reasons: dict[str, None] = field(default_factory=dict)
    # By machine and repetition, and by channel: kept only for cells that are compared with others.
    blocks: dict[tuple[str, int], Block] | None = None
    parts: dict[str, Part] = field(default_factory=dict)

    def add(self, run: Run, boundary: BoundaryName, loading: bool = True) -> None:
        """One more run; without ``loading`` what only totals need is left aside: loading, energy by component."""
        if run.failure is not None:
            self.failed_n += 1
            self.failure = self.failure or run.failure
        load = run.load if loading else None
        if load is not None:
            self.load_n += 1
            self.load_s += load.duration_s
            self.load_all_j += _all_j(load)
            self._add_channels(load, self.load_by_component_j)
        window = run.measurement
        if window is None:
            return
        self.runs_n += 1
        self.queries_n += run.queries_n
        self.imported_n += run.source is not None
        self.durations_per_query_s += window.duration_s / run.queries_n
        plan = _plan(
            tuple(
                [(c.name, c.component, c.provenance, c.in_use, c.part_of, c.covers, c.reasons) for c in window.channels]
            )
        )
        energy_j = None
        if boundary is BoundaryName.DEVICE and plan.used:
            energy_j = self._add_device(window.channels, plan, run.queries_n)
        if energy_j is None:
            idle = [one for one in (run.idle_before, run.idle_after) if one is not None]
            found = total(window, boundary, idle)
            energy_j = self._add_total(found, run.queries_n)
        if self.blocks is not None and energy_j is not None:
            block = Block(energy_j / run.queries_n, run.samples_sha256, plan.kinds)
            self.blocks[run.machine_id, run.repeat_i] = block
            self.samples_n = self.samples_n or run.samples_n
            self._add_parts(run, boundary)
        if run.carbon_logged_g is not None and boundary is BoundaryName.DEVICE:
            self.carbon_g.add(run.carbon_logged_g * PER_N / run.queries_n)
            self.carbon_all_g += run.carbon_logged_g * _with_load(window, load)
        if run.quality is not None:
            self._add_quality(run.quality)
        if run.model is not None and self.weights is None:
            self.parameters_n, self.weights = run.model.parameters_n, run.model.weights
        if run.input_tokens_n is not None:
            self.input_tokens_per_query.add(run.input_tokens_n / run.queries_n)
        if run.output_tokens_n is not None:
            self.output_tokens_per_query.add(run.output_tokens_n / run.queries_n)
        for phase in run.phases:
            self.phases_s.setdefault(phase.name, Moments()).add(phase.duration_s / run.queries_n)
        for code in window.reasons:
            self.reasons[code] = None
        if loading:
            self.all_j += _all_j(window)
            self._add_channels(window, self.by_component_j)
        for code in plan.reasons:
            self.reasons[code] = None
        for name in plan.unused:
            self.unused[name] = None
        for code in run.reasons:
            self.reasons[code] = None

    def _add_device(self, channels: Sequence[ChannelEnergy], plan: _Plan, queries_n: int) -> float | None:
        """The energy of a device total all of whose channels are known, added; ``None`` where it is left to ``total``.

        What :func:`joulemark.boundary.total` does, but which channels count is looked up.
        """
        energy_j = low_square = high_square = 0.0
        parts: list[tuple[Provenance, float]] = []
        for places in plan.used:
            below_j = above_j = 0.0
            for place in places:
                channel = channels[place]
                part_j, low_j, high_j = channel.energy_j, channel.low_j, channel.high_j
                if part_j is None or low_j is None or high_j is None:
                    return None
                energy_j += part_j
                below_j += part_j - low_j
                above_j += high_j - part_j
                parts.append((channel.provenance, part_j))
            low_square += below_j * below_j
            high_square += above_j * above_j
        by_provenance_j = self.by_provenance_j
        for kind, part_j in parts:
            by_provenance_j[kind] = by_provenance_j.get(kind, 0.0) + part_j
        for name in plan.missing:
            self.missing[name] = None
        self._add_energy(energy_j, energy_j - low_square**0.5, energy_j + high_square**0.5, queries_n)
        return energy_j

    def _add_total(self, found: Total, queries_n: int) -> float | None:
        for name in found.missing:
            self.missing[name] = None
        for code in found.reasons:
            self.reasons[code] = None
        if found.energy_j is None or found.low_j is None or found.high_j is None:
            self.unknown_n += 1
            for bound_j, seen in ((found.low_j, self.unknown_low_j), (found.high_j, self.unknown_high_j)):
                if bound_j is not None:
                    seen.add(bound_j * PER_N / queries_n)
            return None
        for kind, energy_j in found.by_provenance_j.items():
            self.by_provenance_j[kind] = self.by_provenance_j.get(kind, 0.0) + energy_j
        self._add_energy(found.energy_j, found.low_j, found.high_j, queries_n)
        return found.energy_j

    def _add_energy(self, energy_j: float, low_j: float, high_j: float, queries_n: int) -> None:
        share = PER_N / queries_n
        value, low, high = energy_j * share, low_j * share, high_j * share
        self.energy_j.add(value)
        self.below[0] += value - low
        self.above[0] += high - value
        if low > 0:
            self.energy_logs.add(math.log(value))
            self.below[1] += math.log(value / low)
            self.above[1] += math.log(high / value)
        else:
            self.low_positive = False
            self.low_not_negative &= low >= 0

    def _add_channels(self, window: Measurement, sums_j: dict[Component, float]) -> None:
        for channel in outermost(window.channels):
            if channel.energy_j is None or channel.component is Component.SYSTEM:
                continue
            if channel.covers:
                self.unsplit_j += channel.energy_j
            else:
                sums_j[channel.component] = sums_j.get(channel.component, 0.0) + channel.energy_j

    def _add_parts(self, run: Run, boundary: BoundaryName) -> None:
        window = run.measurement
        assert window is not None
        idle: list[Measurement] = []
        if boundary is BoundaryName.MARGINAL:
            idle = [one for one in (run.idle_before, run.idle_after) if one is not None]
        for channel in window.channels:
            energy_j = channel.energy_j
            if energy_j is None or not counts(channel, boundary):
                continue
            part = self.parts.setdefault(channel.name, Part())
            rest = baseline(channel.name, idle) if idle else None
            rest_j = 0.0 if rest is None else rest.power_w * window.duration_s
            part.energy_j += (energy_j - rest_j) / run.queries_n
            part.unseen_below_j += channel.budget.unseen_below_j / run.queries_n
            part.unseen_above_j += channel.budget.unseen_above_j / run.queries_n
            if energy_j > 0:
                part.tolerance_log = max(part.tolerance_log, tolerance_log(channel, energy_j))

    def _add_quality(self, quality: Quality) -> None:
        if not self.quality_seen:
            self.quality_seen, self.quality_metric = True, quality.metric
        self.quality_reason = self.quality_reason or quality.reason
        self.quality_scored_n += quality.scored_n
        if quality.value is not None:
            self.quality.add(quality.value)
        for name, value in quality.others.items():
            self.others.setdefault(name, Moments()).add(value)

    def merge(self, other: CellSums) -> None:
        """The runs of ``other``, which came later, as well."""
        for name in (
            "runs_n", "failed_n", "queries_n", "unknown_n", "imported_n", "unsplit_j", "all_j", "load_all_j",
            "load_s", "load_n", "carbon_all_g", "quality_scored_n", "durations_per_query_s",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("failure", "quality_reason", "samples_n"):
            setattr(self, name, getattr(self, name) or getattr(other, name))
        if self.weights is None:
            self.weights, self.parameters_n = other.weights, other.parameters_n
        if not self.quality_seen:
            self.quality_seen, self.quality_metric = other.quality_seen, other.quality_metric
        for name in (
            "energy_j", "energy_logs", "unknown_low_j", "unknown_high_j", "carbon_g", "quality",
            "input_tokens_per_query", "output_tokens_per_query",
        ):  # fmt: skip
            getattr(self, name).merge(getattr(other, name))
        for name in ("others", "phases_s"):
            for key, moments in getattr(other, name).items():
                getattr(self, name).setdefault(key, Moments()).merge(moments)
        for name in ("by_provenance_j", "by_component_j", "load_by_component_j"):
            sums_j: dict[Any, float] = getattr(self, name)
            for key, energy_j in getattr(other, name).items():
                sums_j[key] = sums_j.get(key, 0.0) + energy_j
        for name in ("below", "above"):
            setattr(
                self, name, [mine + more for mine, more in zip(getattr(self, name), getattr(other, name), strict=True)]
            )
        self.low_positive &= other.low_positive
        self.low_not_negative &= other.low_not_negative
        for name in ("missing", "unused", "reasons"):
            getattr(self, name).update(getattr(other, name))
        if self.blocks is not None and other.blocks is not None:
            self.blocks.update(other.blocks)
        for key, part in other.parts.items():
            self.parts.setdefault(key, Part()).add(part)

    @property
    def energy(self) -> Interval | None:
        """Mean energy per 1,000 queries with its interval, known only if every repetition's is."""
        if self.unknown_n or not self.energy_j.n:
            return None
        n = self.energy_j.n
        if self.low_positive:
            logs = self.energy_logs
            factors = joined_moments(0.0, logs.sd, n, self.below[1] / n, self.above[1] / n)
            mean = self.energy_j.mean
            assert factors.low is not None
            assert factors.high is not None
            return Interval(mean, mean * math.exp(factors.low), mean * math.exp(factors.high))
        found = joined_moments(self.energy_j.mean, self.energy_j.sd, n, self.below[0] / n, self.above[0] / n)
        if self.low_not_negative and found.low is not None:
            return Interval(found.value, max(0.0, found.low), found.high)
        return found

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Least and greatest mean energy per 1,000 queries where it is not known, as far as every repetition has one.

        Another set of repetitions may have others: their spread is not in it. Zero bounds nothing.
        """
        known_j = self.energy_j.mean * self.energy_j.n
        low_j, high_j = self.unknown_low_j, self.unknown_high_j
        n = self.energy_j.n + self.unknown_n
        least_j = (known_j - self.below[0] + low_j.mean * low_j.n) / n if low_j.n == self.unknown_n > 0 else 0.0
        most_j = (known_j + self.above[0] + high_j.mean * high_j.n) / n if high_j.n == self.unknown_n > 0 else None
        return least_j if least_j > 0 else None, most_j


def _with_load(window: Measurement, load: Measurement | None) -> float:
    """Work and load as a multiple of the work: a tool uses one factor for both, and logs them apart."""
    if load is None:
        return 1.0
    work_j, load_j = _all_j(window), _all_j(load)
    return 1.0 + load_j / work_j if work_j > 0 else 1.0


def _all_j(window: Measurement) -> float:
    """The energy of the whole machine where it is known, else of all of its parts that are."""
    parts_j = 0.0
    metered = False
    for channel in outermost(window.channels):
        if channel.component is Component.SYSTEM:
            metered = True
        elif channel.energy_j is not None:
            parts_j += channel.energy_j
    found_j = total(window, BoundaryName.HOST).energy_j if metered else None
    return parts_j if found_j is None else found_j


def sums_for(sums: dict[str, CellSums], cell: Cell, compared: frozenset[str]) -> CellSums:
    """The entry of a cell in ``sums``, made where there is none; a cell in ``compared`` (ids) keeps its blocks."""
    cell_id = cell.cell_id
    if cell_id not in sums:
        sums[cell_id] = CellSums(cell, blocks={} if cell_id in compared else None)
    return sums[cell_id]


def fold(runs: Iterable[Run], boundary: BoundaryName, compared: frozenset[str]) -> dict[str, CellSums]:
    """The sums of every cell among ``runs``, by its id."""
    sums: dict[str, CellSums] = {}
    by_cell: dict[Cell, CellSums] = {}
    for run in runs:
        found = None if run.cell.columns is not None else by_cell.get(run.cell)  # a mapping cannot be a key
        if found is None:
            found = sums_for(sums, run.cell, compared)
            if run.cell.columns is None:
                by_cell[run.cell] = found
        found.add(run, boundary)
    return sums


def merged(parts: Sequence[Mapping[str, CellSums]]) -> dict[str, CellSums]:
    """The sums of several parts of a store, in their order."""
    whole: dict[str, CellSums] = {}
    for part in parts:
        for cell_id, sums in part.items():
            if cell_id in whole:
                whole[cell_id].merge(sums)
            else:
                whole[cell_id] = sums
    return whole


def made_up_notes(cells: Sequence[CellSums]) -> list[str]:
    """Of how many cells with runs nobody measured the energy, a sentence for each way."""
    with_runs = [one for one in cells if one.runs_n]
    words = [word for one in with_runs for word in made_up(one.reasons)]
    return [
        f"the energy of {words.count(word)} of {len(with_runs)} cells is {word}: nobody measured it"
        for word in dict.fromkeys(words)
    ]
