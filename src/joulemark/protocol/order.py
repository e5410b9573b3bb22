"""Randomised complete blocks: each block holds every cell once, in an order of its own that the seed fixes.

In the paper's logs the index of the repetition explains 30 to 90 % of the variance within a model; blocks keep such
drift from being mistaken for a difference between models. The order as listed is for repeating the paper's protocol.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from joulemark.records import Cell, Study, run_id


@dataclass(frozen=True, slots=True)
class Job:
    """One repetition of one cell, and its place in the whole sequence."""

    cell: Cell
    repeat_i: int
    order_i: int
    run_id: str


def jobs(study: Study) -> tuple[Job, ...]:
    """All repetitions of ``study`` in order. A block's order does not depend on how many blocks there are."""
    sequence: list[Job] = []
    study_id, cell_ids = study.study_id, {id(cell): cell.cell_id for cell in study.cells}
    for repeat_i in range(study.protocol.repeats_n):
        block = list(study.cells)
        if study.protocol.order == "shuffled":
            random.Random(f"{study.protocol.seed} block {repeat_i}").shuffle(block)
        for cell in block:
            sequence.append(Job(cell, repeat_i, len(sequence), run_id(study_id, cell_ids[id(cell)], repeat_i)))
    return tuple(sequence)


def remaining(study: Study, cells: Collection[Cell], done: Collection[str]) -> tuple[Job, ...]:
    """The jobs of ``cells`` whose run is not in ``done``, in the study's order."""
    wanted = {cell.cell_id for cell in cells}
    return tuple(job for job in jobs(study) if job.cell.cell_id in wanted and job.run_id not in done)
