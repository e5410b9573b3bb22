"""``joulemark plan``: the cells of a study, and what is missing here."""

from __future__ import annotations

from dataclasses import asdict, replace

from joulemark.cli.table import print_json, print_table, printable
from joulemark.protocol.study import checked_protocol, load_study, select
from joulemark.records import Study
from joulemark.workloads import missing


def study_with_options(name: str, queries: int | None, repeats: int | None, seed: int | None) -> Study:
    """A study with the options of the command line in place of its own."""
    study = load_study(name)
    given = {"queries_n": queries, "repeats_n": repeats, "seed": seed}
    changes = {key: value for key, value in given.items() if value is not None}
    return replace(study, protocol=checked_protocol(replace(study.protocol, **changes), name))


def show_plan(
    name: str, only: tuple[str, ...], queries: int | None, repeats: int | None, seed: int | None, json_out: bool
) -> None:
    """Print the cells that ``run`` would measure."""
    study = study_with_options(name, queries, repeats, seed)
    cells = select(study, only)
    absent = [missing(cell) for cell in cells]
    if json_out:
        print_json(
            {
                "study": study.name,
                "study_id": study.study_id,
                "protocol": asdict(study.protocol),
                "cells_n": len(cells),
                "cells": [
                    {"cell_id": cell.cell_id, **asdict(cell), "status": "missing" if why else "ready", "missing": why}
                    for cell, why in zip(cells, absent, strict=True)
                ],
            }
        )
        return
    protocol = study.protocol
    print(
        f"{printable(study.name)}   {len(cells)} cells × {protocol.repeats_n} repeats × {protocol.queries_n:,} queries"
        f"   seed {protocol.seed}"
    )
    print()
    print_table(
        ("task", "model", "dataset", "purpose", "status"),
        [
            (cell.task, cell.model, cell.dataset, str(cell.purpose), why or "ready")
            for cell, why in zip(cells, absent, strict=True)
        ],
    )
