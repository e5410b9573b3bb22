"""``joulemark report --table``: a table of the paper, of any results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joulemark.analysis.paper_tables import Projection, Table, paper_table
from joulemark.analysis.parity import Training
from joulemark.analysis.results import open_results, sums_of
from joulemark.cli.report import chosen_boundary, chosen_grid
from joulemark.cli.table import print_json, print_table, printable
from joulemark.cli.table_formats import as_csv, as_latex, as_markdown, cells, numeric_columns
from joulemark.failures import MendableError
from joulemark.impact.facilities import find_pue
from joulemark.impact.facts import listed, nearest
from joulemark.measurement import BoundaryName
from joulemark.units import J_PER_KWH


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Which table, in which form, and what a user adds to Table 5."""

    number: int
    form: str  # "text", "json", "markdown", "csv" or "latex"
    boundary: str
    grid: str | None
    training: tuple[str, ...]
    queries_per_day: float | None
    pue: str | None


def show_table(place: str, options: TableOptions) -> None:
    """Print one of the tables 1 to 6 for the results at ``place``."""
    projection = _projection(options)
    boundary = chosen_boundary(options.boundary)
    results = open_results(place)
    grid = chosen_grid(options.grid, results.study)
    sums = sums_of(results, boundary)
    known = [cell.model for cell in results.study.cells if (one := sums.get(cell.cell_id)) and one.energy]
    for model in projection.training:
        if model not in known:
            raise MendableError(
                f"--training {printable(model)}: these results have no known energy of such a model"
                f"{nearest(model, known) or listed(known)}"
            )
    table = paper_table(options.number, results.study, sums, grid, projection)
    if options.form == "json":
        print_json(
            {
                "study": results.study.name,
                "table": table.number,
                "title": table.title,
                "boundary": str(boundary),
                "grid": grid.name if grid else None,
                "rows": [dict(row) for row in table.rows],
                "notes": list(table.notes),
            }
        )
    elif options.form == "text":
        _print(table, results.study.name, boundary)
    else:
        forms = {"markdown": as_markdown, "csv": as_csv, "latex": as_latex}
        print(forms[options.form](table), end="")


def _print(table: Table, study: str, boundary: BoundaryName) -> None:
    print(f"Table {table.number}   {table.title}   {printable(study)} · boundary {boundary}\n")
    if not table.rows:
        print("nothing in these results belongs in this table")
        return
    print_table([column.heading for column in table.columns], cells(table), right=numeric_columns(table))
    if table.notes:
        print()
    for note in table.notes:
        print(printable(note))


def _projection(options: TableOptions) -> Projection:
    if options.queries_per_day is not None and not 0 < options.queries_per_day < 1e15:
        raise MendableError("--queries-per-day is a number above zero")
    training: dict[str, Training] = {}
    for text in options.training:
        model, sign, energies = text.rpartition("=")
        parts_kwh = _numbers(energies.split("+"))
        if not sign or not model or not 1 <= len(parts_kwh) <= 2:
            raise MendableError(f"--training {text}: write MODEL=KWH, or MODEL=KWH+KWH with fine-tuning")
        training[model] = Training(*(part_kwh * J_PER_KWH for part_kwh in parts_kwh))
    return Projection(training, options.queries_per_day, find_pue(options.pue).amount.value)


def _numbers(texts: Sequence[str]) -> list[float]:
    """The texts as amounts; none where one is none."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        return []
    return values if all(0 <= value < 1e15 for value in values) else []
