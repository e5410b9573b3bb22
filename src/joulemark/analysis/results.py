"""Results to look at: a folder on disk, or a publication that comes with the package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from joulemark import store
from joulemark.analysis.cell_sums import CellSums, fold, merged, sums_for
from joulemark.analysis.reference import MACHINE, PAPER, reference_runs, reference_study, reference_sums
from joulemark.measurement import BoundaryName, Component, Provenance
from joulemark.records import Cell, Failure, Machine, Run, Study

PARALLEL_FROM_BYTE = 64 * 2**20
PARTS_MAX_N = 8


@dataclass(frozen=True, slots=True)
class Results:
    """A study with its machines; ``folder`` is ``None`` for a publication, whose runs are joined repetitions."""

    study: Study
    machines: tuple[Machine, ...]
    folder: Path | None


def open_results(place: str | Path) -> Results:
    """The results of a folder, or ``luccioni2024``. A folder of that name comes first.

    Raises :class:`~joulemark.store.StoreError`.
    """
    folder = Path(place)
    if str(place) == PAPER and not folder.is_dir():
        return Results(reference_study(), (MACHINE,), None)
    return Results(store.read_study(folder), store.read_machines(folder), folder)


def runs_of(results: Results) -> tuple[Run, ...]:
    """All runs. Raises :class:`~joulemark.store.StoreError`."""
    return reference_runs() if results.folder is None else store.read_runs(results.folder)


def sums_of(
    results: Results, boundary: BoundaryName, compared: frozenset[str] = frozenset(), loading: bool = False
) -> dict[str, CellSums]:
    """The sums of every cell that has runs, by its id, without holding the runs; a large store is read in parallel.

    Cells in ``compared`` keep what a comparison needs of each repetition; ``loading`` is for totals, which count it.
    Raises :class:`~joulemark.store.StoreError`.
    """
    if results.folder is None:
        return reference_sums(boundary, compared)
    file = results.folder / store.RUNS_FILE
    size_byte = file.stat().st_size if file.exists() else 0
    parts_n = 1 if size_byte < PARALLEL_FROM_BYTE else min(os.cpu_count() or 1, PARTS_MAX_N)
    spans = store.spans(results.folder, parts_n)
    jobs = [(results.folder, span, boundary, compared, loading) for span in spans]
    if len(jobs) > 1:
        import gc
        import multiprocessing

        # Lines hold no cycles, and looking for some takes a tenth of the time.
        with multiprocessing.get_context("fork").Pool(len(jobs), initializer=gc.disable) as pool:
            parts = pool.map(_span_sums, jobs, chunksize=1)
    else:
        parts = [_span_sums(job) for job in jobs]
    names: set[int] = set()
    for _, keys in parts:
        names.update(keys)
    if len(names) < sum(len(keys) for _, keys in parts):
        # Some repetition has several lines, of which the last counts: then all runs have to be held.
        return fold(store.read_runs(results.folder), boundary, compared)
    return merged([sums for sums, _ in parts])


def _span_sums(
    job: tuple[Path, tuple[int, int], BoundaryName, frozenset[str], bool],
) -> tuple[dict[str, CellSums], list[int]]:
    """The sums of a span of lines, and a hash of each line's repetition."""
    folder, span, boundary, compared, loading = job
    keys: list[int] = []
    if boundary is BoundaryName.MARGINAL:  # needs the idle windows and each channel's error as well

        def whole() -> Iterator[Run]:
            for run in store.run_lines(folder, Run, span):
                keys.append(hash((run.run_id, run.machine_id)))
                yield run

        return fold(whole(), boundary, compared), keys
    sums: dict[str, CellSums] = {}
    by_cell: dict[bytes, CellSums] = {}
    for line in store.run_lines(folder, _Line, span):
        keys.append(hash((line.run_id, line.machine_id)))
        written = bytes(line.cell)
        found = by_cell.get(written)
        if found is None:
            found = by_cell[written] = sums_for(sums, msgspec.json.decode(written, type=Cell), compared)
        found.add(line, boundary, loading)  # type: ignore[arg-type]  # it has the fields of a run that are summed
    return sums, keys


class _Budget(msgspec.Struct, gc=False):
    """The fields of a :class:`~joulemark.measurement.ErrorBudget` that do not cancel in a ratio by themselves."""

    accuracy_j: float = 0.0
    unseen_below_j: float = 0.0
    unseen_above_j: float = 0.0
    model_factor: float = 1.0


class _Channel(msgspec.Struct, gc=False):
    """The fields of a :class:`~joulemark.measurement.ChannelEnergy` that a total and a comparison need."""

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
    """The fields of a :class:`~joulemark.measurement.Measurement` that sums need."""

    duration_s: float
    channels: list[_Channel]
    reasons: tuple[str, ...] = ()


class _Model(msgspec.Struct, gc=False):
    parameters_n: int | None
    weights: str


class _Quality(msgspec.Struct, gc=False):
    """A :class:`~joulemark.records.Quality`; a struct is read in a seventh of the time."""

    metric: str | None
    value: float | None
    scored_n: int = 0
    reason: str | None = None
    others: dict[str, float] = {}


class _Phase(msgspec.Struct, gc=False):
    name: str
    duration_s: float


class _Line(msgspec.Struct, gc=False):
    """The fields of a :class:`~joulemark.records.Run` that sums need; its cell undecoded, since few differ."""

    run_id: str
    machine_id: str
    cell: msgspec.Raw
    repeat_i: int
    queries_n: int
    failure: Failure | None = None
    measurement: _Window | None = None
    written_load: msgspec.Raw = msgspec.field(name="load", default=msgspec.Raw(b"null"))
    quality: _Quality | None = None
    model: _Model | None = None
    samples_sha256: str | None = None
    samples_n: int | None = None
    input_tokens_n: int | None = None
    output_tokens_n: int | None = None
    phases: list[_Phase] = []
    reasons: tuple[str, ...] = ()
    source: str | None = None
    carbon_logged_g: float | None = None
    schema_version: int = 1

    @property
    def load(self) -> _Window | None:
        """Decoded only where it is asked for."""
        load: _Window | None = _decode_load(self.written_load)
        return load

    @property
    def idle_before(self) -> None:
        """Not read: no total but the marginal one needs it."""

    @property
    def idle_after(self) -> None:
        """Not read."""


_decode_load = msgspec.json.Decoder(_Window | None).decode
