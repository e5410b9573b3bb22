"""Tables for a terminal, a narrow terminal and a pipe."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence

GAP = "  "


def print_table(headings: Sequence[str], lines: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print ``lines`` under ``headings``, control characters taken out; columns in ``right`` are right-aligned.

    Where a terminal is too narrow for the table, every line becomes a block of ``heading  value`` lines.
    """
    from rich.cells import cell_len

    table = table_lines(headings, lines, right)
    if not sys.stdout.isatty() or max(cell_len(line) for line in table) <= shutil.get_terminal_size().columns:
        print("\n".join(table))
        return
    label_n = max(cell_len(heading) for heading in headings)
    for line in lines:
        for heading, cell in zip(headings, line, strict=True):
            if cell:
                print(f"{heading}{' ' * (label_n - cell_len(heading))}{GAP}{printable(cell)}")
        print()


def table_lines(headings: Sequence[str], lines: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """The lines of a table, headings first, padded to the width of each column."""
    from rich.cells import cell_len

    clean = [[printable(cell) for cell in line] for line in (headings, *lines)]
    widths = [max(cell_len(line[index]) for line in clean) for index in range(len(headings))]
    table: list[str] = []
    for line in clean:
        cells: list[str] = []
        for index, cell in enumerate(line):
            space = " " * (widths[index] - cell_len(cell))
            cells.append(space + cell if index in right else cell + space)
        table.append(GAP.join(cells).rstrip())
    return table


def print_json(value: object) -> None:
    """Print one JSON object; what is not known is null."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))


def counted(n: int, noun: str) -> str:
    """A number of things: "1 run", "2 runs"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def printable(text: str) -> str:
    """``text`` on one line without control characters, which a name from a file could carry."""
    return "".join(character if character.isprintable() else " " for character in text)
