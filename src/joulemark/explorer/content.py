"""The content of the page: one object with everything that it shows, and the packed columns of single queries.

Energies are joules per 1,000 queries, an interval is [value, low, high], and ``None`` is not known. Paths are left out
but for their last part: a page is made to be passed on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from joulemark import __version__, store
from joulemark.analysis.audit import find_rule
from joulemark.analysis.audit.findings import name_of
from joulemark.analysis.summary import compared_pairs, comparison
from joulemark.explorer.cells import cell_row, row_without_runs
from joulemark.explorer.facts import facts, grid_row
from joulemark.explorer.gathering import RUNS_MAX_N, Gathered
from joulemark.explorer.machines import machine_rows
from joulemark.explorer.queries import Stored, latest_of_every_cell_first, pack_queries
from joulemark.explorer.runs import run_row
from joulemark.explorer.traces import trace_row
from joulemark.impact.carbon import GridError, find_grid
from joulemark.impact.grids import Grid
from joulemark.measurement import BoundaryName
from joulemark.reasons import REASONS
from joulemark.records import Cell, Run
from joulemark.workloads.quality import LOWER_IS_BETTER

SCHEMA_VERSION = 1
TRACE_STEPS_MAX_N = 100_000  # in the whole page; beyond them runs have no trace
WHOLE_STEPS_MAX_N = TRACE_STEPS_MAX_N // 2  # beyond them a trace is the mean power of each window
SERIES_PREFIX = "series:"  # of a grid that is a file of hours, as are names that end so
SERIES_SUFFIXES = (".csv", ".json")

Json = Any


@dataclass(frozen=True, slots=True)
class Content:
    """What one page is made of: ``data`` for its scripts, ``queries`` the packed columns by their names."""

    data: dict[str, Json]
    queries: Mapping[str, bytes]


def content_of(sources: Sequence[Gathered], made_at: datetime | None = None) -> Content:
    """The content for results side by side, read now or at ``made_at``.

    Raises :class:`~joulemark.store.StoreError` where the queries or the trace of a run cannot be read.
    """
    machines, machine_places = machine_rows(sources)
    cells: list[dict[str, Json]] = []
    cell_places: dict[tuple[int, str, str], int] = {}
    for source_i, source in enumerate(sources):
        with_runs: dict[str, list[int]] = {}
        for found_i, one in enumerate(source.cells):
            with_runs.setdefault(one.cell.cell_id, []).append(found_i)
        for cell in source.study.cells:
            cell_id = cell.cell_id
            for found_i in with_runs.get(cell_id, ()):
                one = source.cells[found_i]
                cell_places[source_i, cell_id, one.machine_id] = len(cells)
                cells.append(cell_row(source_i, machine_places[one.machine_id], one))
            if cell_id not in with_runs:
                cells.append(row_without_runs(source_i, cell))
    shown, left_out_n = _latest(sources)
    stored = _stored(sources, shown, cell_places)
    versions: dict[tuple[tuple[str, str], ...], int] = {}
    runs = [
        run_row(one.run, one.cell_i, versions.setdefault(tuple(one.run.versions.items()), len(versions)))
        for one in stored
    ]
    packed = pack_queries(stored, _queries_elsewhere_n(sources, shown))
    for run_i, (first, n) in packed.places.items():
        runs[run_i]["queries"] = {"first": first, "n": n}
    for cell_i, latency_s in packed.latencies_s.items():
        cells[cell_i]["latency_s"] = latency_s
    traces = _add_traces(runs, stored)
    names = _names(sources)
    grids, source_grids, grid_notes = _grids(sources)
    data = {
        "schema": SCHEMA_VERSION,
        "version": f"joulemark {__version__}",
        "made_at": (made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        "sources": [
            _source_row(source, names[source_i], source_grids[source_i], left_out_n[source_i], grid_notes[source_i])
            for source_i, source in enumerate(sources)
        ],
        "machines": machines,
        "cells": cells,
        "runs": runs,
        "comparisons": list(_comparisons(sources, cell_places)),
        "versions": [dict(one) for one in versions],
        "lower_is_better": sorted(LOWER_IS_BETTER),
        "findings": [row for source_i, source in enumerate(sources) for row in _findings(source_i, source)],
        "reasons": _reasons(cells, runs),
        **facts(),
        "grids": grids,
        "queries": packed.description,
        "traces": traces,
    }
    return Content(data, packed.columns)


def _latest(sources: Sequence[Gathered]) -> tuple[list[tuple[int, Run]], list[int]]:
    """The latest runs of all sources with the place of their source, and how many each source has more."""
    all_runs = [(source_i, run) for source_i, source in enumerate(sources) for run in source.held]
    left_out_n = [0] * len(sources)
    if len(all_runs) <= RUNS_MAX_N:
        return all_runs, left_out_n
    newest = sorted(range(len(all_runs)), key=lambda place: all_runs[place][1].started_at, reverse=True)
    kept = set(newest[:RUNS_MAX_N])
    for place, (source_i, _) in enumerate(all_runs):
        left_out_n[source_i] += place not in kept
    return [one for place, one in enumerate(all_runs) if place in kept], left_out_n


def _stored(
    sources: Sequence[Gathered],
    shown: Sequence[tuple[int, Run]],
    cell_places: Mapping[tuple[int, str, str], int],
) -> list[Stored]:
    """The runs with their folders and cells; a publication has none."""
    names = Counter((source_i, run.run_id) for source_i, run in shown)
    return [
        Stored(folder, run, cell_places[source_i, run.cell.cell_id, run.machine_id], names[source_i, run.run_id] == 1)
        for source_i, run in shown
        if (folder := sources[source_i].folder) is not None
    ]


def _queries_elsewhere_n(sources: Sequence[Gathered], shown: Sequence[tuple[int, Run]]) -> int:
    """Queries that are stored for runs that are not shown one by one."""
    shown_n = [0] * len(sources)
    for source_i, run in shown:
        shown_n[source_i] += run.queries_n if run.measurement is not None else 0
    return sum(
        sum(cell.queries_n for cell in source.cells) - shown_n[source_i]
        for source_i, source in enumerate(sources)
        if source.folder is not None and (source.folder / store.INFERENCES_FOLDER).is_dir()
    )


def _add_traces(runs: Sequence[dict[str, Json]], stored: Sequence[Stored]) -> dict[str, int]:
    """Traces for as many runs as there is room for, the latest of every cell first; how many are short or left out.

    Where there is no room for what was stored, there may be for the mean power of each window.
    """
    steps_n = short_n = left_out_n = 0
    for run_i in latest_of_every_cell_first([(run_i, one.cell_i) for run_i, one in enumerate(stored)]):
        one = stored[run_i]
        if steps_n >= TRACE_STEPS_MAX_N:
            left_out_n += one.run.measurement is not None
            continue
        whole = one.own_files and steps_n < WHOLE_STEPS_MAX_N
        trace = trace_row(one.folder if whole else None, one.run)
        if trace is not None:
            short_n += not whole
            steps_n += len(trace["steps"])
            runs[run_i]["trace"] = trace
    return {"short_n": short_n, "left_out_n": left_out_n}


def _names(sources: Sequence[Gathered]) -> list[str]:
    """A name for each source: its study's; where several share that, with the folder's, and a number if need be."""
    studies = [source.study.name for source in sources]
    names: list[str] = []
    for source in sources:
        name = source.study.name
        if studies.count(name) > 1:
            name = f"{name} ({source.place})"
        wanted, number = name, 1
        while name in names:
            number += 1
            name = f"{wanted} {number}"
        names.append(name)
    return names


def _grids(sources: Sequence[Gathered]) -> tuple[list[dict[str, Json]], list[str | None], list[str | None]]:
    """The grids to choose from, the one of each source, and what hinders where there is none."""
    rows = list(facts()["grids"])
    known = {row["id"] for row in rows}
    chosen: list[str | None] = []
    notes: list[str | None] = []
    for source in sources:
        grid, note = _grid_of(source)
        if grid is not None and grid.id not in known:
            known.add(grid.id)
            rows.append(grid_row(grid))
        chosen.append(grid.id if grid is not None else None)
        notes.append(note)
    return rows, chosen, notes


def _grid_of(source: Gathered) -> tuple[Grid | None, str | None]:
    name = (source.study.grid or "").strip()
    if not name:
        return None, None
    if name.startswith(SERIES_PREFIX) or PurePath(name).suffix.casefold() in SERIES_SUFFIXES:
        # Not read: what is said of a file that cannot be read has its whole path, and here it would not be applied.
        file = PurePath(name.removeprefix(SERIES_PREFIX)).name
        told = "which joulemark impact applies; here a grid is one figure"
        return None, f"the study's grid is a series of hours ({file}), {told}"
    try:
        return find_grid(name), None
    except GridError as error:
        return None, f"the study's grid is left aside: {error}".replace(name, PurePath(name).name)


def _source_row(
    source: Gathered, name: str, grid: str | None, left_out_n: int, grid_note: str | None
) -> dict[str, Json]:
    study = source.study
    starts = [at for one in source.cells for at in (one.first_at, one.last_at) if at is not None]
    details = source.details
    if left_out_n:
        told = f"details of {left_out_n:,} earlier runs are left out, so that the page stays small"
        details = f"{details}; {told}" if details else told
    return {
        "name": name,
        "study": study.name,
        "place": source.place,
        "description": study.description,
        "published": source.folder is None,
        "grid": grid,
        "protocol": asdict(study.protocol),
        "study_id": study.study_id,
        "cells_n": len(study.cells),
        "runs_n": source.runs_n,
        "failed_n": source.failed_n,
        "first_at": min(starts, default=None),
        "last_at": max(starts, default=None),
        "details": details,
        "notes": [*source.notes, *([grid_note] if grid_note else [])],
    }


def _comparisons(
    sources: Sequence[Gathered], cell_places: Mapping[tuple[int, str, str], int]
) -> Iterable[dict[str, Json]]:
    """Prompted against task-specific models on the same samples, repetition by repetition, as ``report`` has them."""
    for source_i, source in enumerate(sources):
        for machine_id in dict.fromkeys(one.machine_id for one in source.cells):
            sums = {
                one.cell.cell_id: one.sums[BoundaryName.DEVICE] for one in source.cells if one.machine_id == machine_id
            }
            for ids in compared_pairs(source.study):
                found = comparison(*ids, sums)
                if found is None:
                    continue
                prompted_i, specific_i = (cell_places[source_i, cell_id, machine_id] for cell_id in ids)
                ratio = found.energy_ratio
                yield {
                    "prompted_i": prompted_i,
                    "specific_i": specific_i,
                    "ratio": [ratio.value, ratio.low, ratio.high],
                    "repeats_n": found.repeats_n,
                    "samples_known": found.samples_known,
                    "provenance": list(found.provenance),
                    "made_up": list(found.made_up),
                }


def _findings(source_i: int, source: Gathered) -> Iterable[dict[str, Json]]:
    named = _named(source.study.cells)
    for finding in source.findings:
        rule = find_rule(finding.code)
        yield {
            "source_i": source_i,
            "code": finding.code,
            "severity": str(finding.severity),
            "title": rule.title if rule is not None else finding.code,
            "subject": finding.subject,
            "cell_ids": named(f"{finding.subject}\n{finding.message}"),
            "message": finding.message,
            "remedy": finding.remedy,
            "explanation": rule.explanation if rule is not None else None,
        }


def _named(cells: Sequence[Cell]) -> Callable[[str], list[str]]:
    """Gives the ids of the cells that a text names whole: the name of one can be a part of another's."""
    ids: dict[str, list[str]] = {}
    for cell in cells:
        ids.setdefault(name_of(cell), []).append(cell.cell_id)
    longest_first = "|".join(re.escape(name) for name in sorted(ids, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w./-])(?:{longest_first})(?![\w/-])")
    return lambda text: [cell_id for name in dict.fromkeys(pattern.findall(text)) for cell_id in ids.get(name, ())]


def _reasons(cells: Sequence[dict[str, Json]], runs: Sequence[dict[str, Json]]) -> dict[str, dict[str, str]]:
    """The words behind every code that occurs; a code of a newer joulemark has none."""
    codes: dict[str, None] = {}
    for cell in cells:
        codes.update(dict.fromkeys(cell["reasons"]))
    for run in runs:
        codes.update(dict.fromkeys(run["reasons"]))
        for channel in run["channels"]:
            codes.update(dict.fromkeys(channel["reasons"]))
    known = ((code, REASONS.get(code)) for code in sorted(codes))
    return {code: {"meaning": found.meaning, "remedy": found.remedy} for code, found in known if found is not None}
