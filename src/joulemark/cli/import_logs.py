"""``joulemark import``: logs of other tools become a results folder."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from joulemark import store
from joulemark.cli.table import print_json, printable
from joulemark.failures import MendableError
from joulemark.interchange.importing import Imported, import_logs
from joulemark.interchange.log_files import LogError, Problem
from joulemark.interchange.paper_logs import NAME

LINES_MAX_N = 40


def import_command(sources: Sequence[Path], out: Path, queries_n: int | None, json_out: bool) -> int:
    """Read ``sources``, write ``out`` and say what was read and what was not. The exit code: 1 if there was nothing."""
    if queries_n is not None and queries_n < 1:
        raise MendableError("--queries is how many queries each run made: at least 1")
    try:
        found = import_logs(sources, queries_n)
    except LogError as error:
        print(f"joulemark: {printable(str(error))}", file=sys.stderr)
        return 1
    with store.open_for_writing(out, found.study):
        for machine in found.machines:
            store.add_machine(out, machine)
        runs_n = store.append_all(out, found.runs)
    if json_out:
        print_json(_summary(found, out, runs_n))
        return 0
    for line in _lines(found.problems):
        print(printable(line), file=sys.stderr)
    cells = f"{len(found.study.cells)} cells"
    if found.is_paper:
        print(f"The paper's logs: {runs_n:,} runs from {found.files_n:,} files, {cells} as published, in {out}")
    else:
        print(f"{runs_n:,} runs from {found.files_n:,} files, {cells}, in {out}")
        if queries_n is None:
            print("Each run counts as one query, since CodeCarbon does not say how many it made: --queries N says it.")
    print(f"joulemark report {out}")
    return 0


def _lines(problems: Sequence[Problem]) -> list[str]:
    """A line each; where many files have the same one, the first of them and their number."""
    alike = Counter(problem.what for problem in problems)
    told: set[str] = set()
    lines: list[str] = []
    for problem in problems:
        if alike[problem.what] > 3 and problem.what in told:
            continue
        told.add(problem.what)
        where = problem.file if problem.line_n is None else f"{problem.file} line {problem.line_n}"
        more = (
            f" (and {alike[problem.what] - 1:,} more like it; --json has them all)" if alike[problem.what] > 3 else ""
        )
        lines.append(f"{where}: {problem.what}{more}")
    if len(lines) > LINES_MAX_N:
        return [*lines[:LINES_MAX_N], f"and {len(lines) - LINES_MAX_N:,} more lines; --json has them all"]
    return lines


def _summary(found: Imported, out: Path, runs_n: int) -> dict[str, object]:
    return {
        "out": str(out),
        "study": found.study.name,
        "recognised_as": NAME if found.is_paper else "codecarbon",
        "files_n": found.files_n,
        "runs_n": runs_n,
        "cells_n": len({cell.cell_id for cell in found.study.cells}),
        "machines_n": len(found.machines),
        "problems": [{"file": one.file, "line_n": one.line_n, "what": one.what} for one in found.problems],
    }
