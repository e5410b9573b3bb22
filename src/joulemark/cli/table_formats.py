"""A table as text for other programs: Markdown, CSV, LaTeX. Names come from files, so that each is made harmless."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from decimal import Decimal

from joulemark.analysis.paper_tables import Column, Table, Value
from joulemark.cli.table import printable
from joulemark.units import UNKNOWN, number

PLAIN_MIN, PLAIN_MAX = 1e-7, 1e12  # numbers that can be read without an exponent
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "₂": r"\textsubscript{2}",
}


def shown(value: Value, digits: int | None, plain: bool = False, as_given: bool = False) -> str:
    """A value as people read it; ``plain``: without an exponent, ``as_given``: with its own digits."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{Decimal(f'{value:.12g}').normalize():,f}" if as_given else number(value, digits or 3, plain)
    return printable(value)


def cells(table: Table) -> list[list[str]]:
    """All rows as people read them, the numbers of a column in one style."""
    columns = [
        [shown(row.get(column.key), column.digits, _is_mixed(table, column), column.as_given) for row in table.rows]
        for column in table.columns
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _is_mixed(table: Table, column: Column) -> bool:
    """Whether some numbers of a column would have an exponent and others none."""
    values = [value for row in table.rows if isinstance(value := row.get(column.key), float) and value]
    exponents = {"e" in number(value, column.digits or 3) for value in values}
    return len(exponents) > 1 and all(PLAIN_MIN <= abs(value) < PLAIN_MAX for value in values)


def numeric_columns(table: Table) -> tuple[int, ...]:
    """The places of the columns with numbers, which are aligned to the right."""
    return tuple(place for place, column in enumerate(table.columns) if column.digits is not None)


def as_csv(table: Table) -> str:
    """All keys of the rows, in full precision; what is not known is empty."""
    keys = list(dict.fromkeys([column.key for column in table.columns] + [key for row in table.rows for key in row]))
    return csv_text(keys, [[row.get(key) for key in keys] for row in table.rows])


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Value]]) -> str:
    """Rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_csv_value(value) for value in row])
    return stream.getvalue()


def _csv_value(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        text = printable(value)
        return f"'{text}" if text.lstrip().startswith(FORMULA_STARTS) else text
    return repr(value) if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def as_markdown(table: Table) -> str:
    """A GitHub-flavoured table with its notes."""
    right = numeric_columns(table)
    lines = [
        f"**Table {table.number}.** {_markdown(table.title)}",
        "",
        _markdown_line([_markdown(column.heading) for column in table.columns]),
        _markdown_line(["---:" if place in right else "---" for place in range(len(table.columns))]),
        *[_markdown_line([_markdown(cell) for cell in row]) for row in cells(table)],
    ]
    if table.notes:
        lines += ["", *[f"- {_markdown(note)}" for note in table.notes]]
    return "\n".join(lines) + "\n"


def _markdown_line(parts: Sequence[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _markdown(text: str) -> str:
    """Text whose signs mean nothing in Markdown or HTML."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~!#])", r"\\\1", text)


def as_latex(table: Table) -> str:
    """A ``tabular`` in a ``table``, with the notes under it."""
    right = numeric_columns(table)
    layout = "".join("r" if place in right else "l" for place in range(len(table.columns)))
    lines = [
        r"\begin{table}",
        rf"\caption{{{_latex(table.title)}}}",
        rf"\begin{{tabular}}{{{layout}}}",
        r"\hline",
        _latex_line([_latex(column.heading) for column in table.columns]),
        r"\hline",
        *[_latex_line([_latex(cell) for cell in row]) for row in cells(table)],
        r"\hline",
        r"\end{tabular}",
        *[rf"\par {_latex(note)}" for note in table.notes],
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_line(parts: Sequence[str]) -> str:
    return f"{' & '.join(parts)} \\\\"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
