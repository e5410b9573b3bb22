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

    lines = [[printable(cell) for cell in line] for line in lines]
    widths = [max(cell_len(line[index]) for line in (headings, *lines)) for index in range(len(headings))]

    def padded(line: Sequence[str], only: Sequence[int]) -> str:
        cells: list[str] = []
        for index in only:
            space = " " * (widths[index] - cell_len(line[index]))
            cells.append(space + line[index] if index in right else line[index] + space)
        return GAP.join(cells).rstrip()

    columns = range(len(headings))
    if not sys.stdout.isatty() or sum(widths) + len(GAP) * (len(widths) - 1) <= shutil.get_terminal_size().columns:
        for line in (headings, *lines):
            print(padded(line, columns))
        return
    label_n = max(cell_len(heading) for heading in headings)
    for line in lines:
        for heading, cell in zip(headings, line, strict=True):
            if cell:
                print(f"{heading}{' ' * (label_n - cell_len(heading))}{GAP}{cell}")
        print()


def print_json(value: object) -> None:
    """Print one JSON object; what is not known is null."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))


def printable(text: str) -> str:
    """``text`` on one line without control characters, which a name from a file could carry."""
    return "".join(character if character.isprintable() else " " for character in text)
