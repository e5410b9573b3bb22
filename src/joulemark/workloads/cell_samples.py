"""The samples of a cell, read before its model is opened, so that reading them is no part of loading it."""

from __future__ import annotations

from joulemark.records import Cell
from joulemark.workloads.datasets import load_samples
from joulemark.workloads.models import is_architecture_only
from joulemark.workloads.pretrained.bare import bare_samples
from joulemark.workloads.samples import Samples
from joulemark.workloads.tasks import Task

_kept: tuple[Cell, int, Samples] | None = None


def keep_samples(cell: Cell, task: Task, queries_n: int) -> None:
    """Read up to ``queries_n`` samples of the cell, for the next call of :func:`samples_of`.

    Raises:
        WorkloadError: the dataset cannot be used, or the model cannot be asked for this task.
    """
    global _kept
    _kept = cell, queries_n, _read(cell, task, queries_n)


def samples_of(cell: Cell, task: Task, queries_n: int) -> Samples:
    """The samples that the cell is asked: those that are kept for it, which are given away, or else as they are now.

    Raises:
        WorkloadError: the dataset cannot be used, or the model cannot be asked for this task.
    """
    global _kept
    kept, _kept = _kept, None
    return kept[2] if kept is not None and kept[:2] == (cell, queries_n) else _read(cell, task, queries_n)


def _read(cell: Cell, task: Task, queries_n: int) -> Samples:
    return (bare_samples if is_architecture_only(cell) else load_samples)(cell, task, queries_n)
