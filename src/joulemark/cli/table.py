"""Tables for a terminal, a narrow terminal and a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

NARROW_MIN_N = 20


def print_table(headings: Sequence[str], lines: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print ``lines`` under ``headings``; columns in ``right`` are right-aligned.

    Where a terminal is too narrow for the table, every line becomes a block of ``heading  value`` lines.
    """
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    in_terminal = sys.stdout.isatty()
    console = Console(width=None if in_terminal else 10_000, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, heading in enumerate(headings):
        table.add_column(Text(heading), justify="right" if index in right else "left", no_wrap=True)
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    if not in_terminal or Measurement.get(console, console.options, table).minimum <= console.width:
        for segment_line in console.render_lines(table, pad=False):
            print("".join(segment.text for segment in segment_line).rstrip())
        return
    label_n = max((len(heading) for heading in headings), default=0)
    for line in lines:
        for heading, cell in zip(headings, line, strict=True):
            if cell:
                console.print(Text(f"{heading:<{label_n}}  {cell}" if console.width > NARROW_MIN_N else cell))
        print()


def print_json(value: object) -> None:
    """Print one JSON object; what is not known is null."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))


def printable(text: str) -> str:
    """``text`` on one line without control characters, which a name from a file could carry."""
    return "".join(character if character.isprintable() else " " for character in text)
