"""``joulemark export``: the runs for other tools."""

from __future__ import annotations

import sys
from pathlib import Path

from joulemark.analysis.results import open_results, runs_of
from joulemark.cli.report import chosen_grid
from joulemark.cli.table_formats import csv_text
from joulemark.failures import MendableError
from joulemark.interchange.export_codecarbon import COLUMNS, codecarbon_rows

FORMATS = ("codecarbon",)


def export_command(place: str, form: str, out: Path | None, grid_name: str | None) -> None:
    """Write the runs at ``place`` in ``form`` to ``out``, or to standard output."""
    if form not in FORMATS:
        raise MendableError(f"no format '{form}'; there is {', '.join(FORMATS)}")
    results = open_results(place)
    runs = runs_of(results)
    rows = [
        [row[column] for column in COLUMNS]
        for row in codecarbon_rows(runs, results.machines, chosen_grid(grid_name, results.study))
    ]
    text = csv_text(COLUMNS, rows)
    if out is None:
        print(text, end="")
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise MendableError(f"{out} cannot be written: {error.strerror or error}") from error
    without = len(runs) - len(rows)
    left_out = f", {without} without a measurement left out" if without else ""
    print(f"{len(rows):,} runs{left_out}{f', in {out}' if out else ''}", file=sys.stderr)
