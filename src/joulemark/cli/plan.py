"""``joulemark plan``: the cells of a study, what is missing here, and what they will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from joulemark import store
from joulemark.analysis.forecast import Forecast, forecast
from joulemark.analysis.results import open_results, runs_of
from joulemark.cli.study import StudyOptions, chosen_study
from joulemark.cli.table import print_json, print_table, printable
from joulemark.protocol.study import select
from joulemark.records import Cell, Run, Study
from joulemark.units import show
from joulemark.workloads import missing


def show_plan(options: StudyOptions, only: tuple[str, ...], results: Path | None, json_out: bool) -> None:
    """Print the cells that ``run`` would measure."""
    study = chosen_study(options)
    cells = select(study, only)
    absent = [missing(cell) for cell in cells]
    runs = _runs(study, results)
    forecasts = [forecast(cell, study.protocol, runs) for cell in cells]
    if json_out:
        print_json(
            {
                "study": study.name,
                "study_id": study.study_id,
                "protocol": asdict(study.protocol),
                "cells_n": len(cells),
                "ready_n": absent.count(None),
                "cells": [
                    _cell(cell) | {"status": "missing" if why else "ready", "missing": why, "forecast": asdict(ahead)}
                    for cell, why, ahead in zip(cells, absent, forecasts, strict=True)
                ],
                "forecasts": _sums(forecasts),
            }
        )
        return
    kinds, statuses = _statuses(cells, absent)
    protocol = study.protocol
    print(
        f"{printable(study.name)}   {len(cells)} cells × {protocol.repeats_n} repeats × {protocol.queries_n:,} queries"
        f"   seed {protocol.seed}"
    )
    print()
    print_table(
        ("task", "model", "dataset", "purpose", "time", "energy", "status"),
        [
            (cell.task, cell.model, cell.dataset, str(cell.purpose), *_ahead(ahead), status)
            for cell, status, ahead in zip(cells, statuses, forecasts, strict=True)
        ],
    )
    print()
    for number, kind in enumerate(kinds, 1):
        print(f"missing {number}: {printable(kind)}")
    if missing_n := len(cells) - absent.count(None):
        print(f"{missing_n} of {len(cells)} cells lack something here; `joulemark run` fetches what the hub has.")
    for line in _summary(forecasts):
        print(line)


def _runs(study: Study, results: Path | None) -> Sequence[Run]:
    folder = results or Path("results") / study.name
    if results is None and not (folder / store.STUDY_FILE).is_file():
        return ()
    return runs_of(open_results(folder))


def _cell(cell: Cell) -> dict[str, object]:
    settings = asdict(cell.settings)
    generation = ("new_tokens_min_n", "new_tokens_max_n", "beams_n", "input_tokens_max_n", "steps_n", "image_px")
    return {
        "cell_id": cell.cell_id,
        **asdict(cell),
        "prompt": cell.settings.prompt,
        "generation": {key: settings[key] for key in generation},
    }


def _statuses(cells: Sequence[Cell], absent: Sequence[str | None]) -> tuple[list[str], list[str]]:
    """What is missing, each kind once with "…" for the names of models and datasets, and each cell's status."""
    kinds: dict[str, int] = {}
    statuses: list[str] = []
    for cell, why in zip(cells, absent, strict=True):
        if why is None:
            statuses.append("ready")
            continue
        kind = why.replace(cell.model, "…").replace(cell.dataset, "…")
        statuses.append(f"missing {kinds.setdefault(kind, len(kinds) + 1)}")
    return list(kinds), statuses


def _ahead(ahead: Forecast) -> tuple[str, str]:
    return (
        "unknown" if ahead.duration_s is None else show(ahead.duration_s, "s"),
        "unknown" if ahead.energy_j is None else show(ahead.energy_j, "j"),
    )


def _sums(forecasts: Sequence[Forecast]) -> list[dict[str, object]]:
    """One sum per basis: what was measured here and what was published elsewhere are never added."""
    sums: list[dict[str, object]] = []
    for basis in dict.fromkeys(ahead.basis for ahead in forecasts):
        of_basis = [ahead for ahead in forecasts if ahead.basis == basis]
        durations_s = [ahead.duration_s for ahead in of_basis if ahead.duration_s is not None]
        energies_j = [ahead.energy_j for ahead in of_basis if ahead.energy_j is not None]
        sums.append(
            {
                "basis": basis,
                "cells_n": len(of_basis),
                "duration_s": sum(durations_s) if durations_s else None,
                "energy_j": sum(energies_j) if energies_j else None,
                "energy_cells_n": len(energies_j),
            }
        )
    return sums


def _summary(forecasts: Sequence[Forecast]) -> list[str]:
    lines: list[str] = []
    for basis in dict.fromkeys(ahead.basis for ahead in forecasts):
        of_basis = [ahead for ahead in forecasts if ahead.basis == basis]
        if basis is None:
            lines.append(f"Forecast: nothing is known of {len(of_basis)} cells yet; a first run will tell.")
            continue
        durations_s = [ahead.duration_s for ahead in of_basis if ahead.duration_s is not None]
        energies_j = [ahead.energy_j for ahead in of_basis if ahead.energy_j is not None]
        energy = f", {show(sum(energies_j), 'j')}" if len(energies_j) == len(of_basis) else ", energy unknown"
        lines.append(f"Forecast for {len(of_basis)} cells: {show(sum(durations_s), 's')}{energy} ({basis}).")
    return lines
