"""Load a model and its samples, infer one after the other, score the answers.

A cell's task is looked up in the entry-point group ``joulemark.tasks``; the task names its runner, a context manager
in the group ``joulemark.workloads``. Our own tasks and runners are registered in the same way as anybody's.
Importing this package loads no heavy library.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from joulemark.records import Cell
from joulemark.workloads import miniature
from joulemark.workloads.datasets import MINIATURE, file_of
from joulemark.workloads.miniature import corpora
from joulemark.workloads.models import find_model, path_of
from joulemark.workloads.tasks import Task
from joulemark.workloads.workload import Answer, Score, Workload, WorkloadError

__all__ = [
    "Answer",
    "Score",
    "Workload",
    "WorkloadError",
    "missing",
    "open_workload",
    "preloads",
    "prepare",
    "task_ids",
]


def open_workload(cell: Cell, *, queries_n: int) -> AbstractContextManager[Workload]:
    """The cell's model and up to ``queries_n`` samples, loaded from disk and ready to be asked.

    Raises:
        WorkloadError: the task, the model, the dataset or a setting cannot be used.
    """
    task = _task(cell.task)
    _need_modules(task)
    runners = _entry_points("joulemark.workloads")
    if task.runner not in runners:
        raise WorkloadError(f"no runner {task.runner!r} for {cell.task}; there are {', '.join(sorted(runners))}")
    opened: AbstractContextManager[Workload] = runners[task.runner].load()(cell, task, queries_n)
    return opened


def prepare(cell: Cell) -> None:
    """Make what the cell needs before it can be measured: builds its miniature model, unless it is in the cache.

    Raises:
        WorkloadError: the task or the miniature does not exist, or the cache cannot be written.
    """
    _need_modules(_task(cell.task))
    if cell.model.startswith(MINIATURE):
        miniature.build(cell.model.removeprefix(MINIATURE))


def preloads(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Modules that import what ``cells`` will need; a server that has imported them forks ready processes.

    Nothing for a cell whose task is unknown or whose libraries are not installed: running it will say so.
    """
    known = _entry_points("joulemark.tasks")
    tasks = [_task(cell.task) for cell in cells if cell.task in known]
    return tuple(dict.fromkeys(task.preload for task in tasks if not _absent_modules(task)))


def task_ids() -> tuple[str, ...]:
    """The names of all tasks, sorted."""
    return tuple(sorted(_entry_points("joulemark.tasks")))


def missing(cell: Cell) -> str | None:
    """Why the cell cannot run here, found without loading anything; ``None`` where nothing is missing."""
    try:
        _need_modules(_task(cell.task))
        if cell.dataset.startswith(MINIATURE):
            corpora.check(cell.dataset.removeprefix(MINIATURE), cell.split)
        else:
            file_of(cell)
        if cell.model.startswith(MINIATURE):
            path_of(cell)
        else:
            find_model(cell)
    except WorkloadError as error:
        return str(error)
    return None


def paper_models(group: str) -> tuple[str, ...]:
    """The models that the paper used for a task, or its "multi-purpose" ones, in the catalogue's order.

    Raises:
        WorkloadError: there is no such group.
    """
    from joulemark.workloads.architectures import catalogue_models

    groups = dict.fromkeys(model.task for model in catalogue_models() if model.in_paper)
    if group not in groups:
        raise WorkloadError(f"the catalogue has no models for {group!r}; there are {', '.join(groups)}")
    return tuple(model.model for model in catalogue_models() if model.in_paper and model.task == group)


@cache
def _entry_points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def _task(task_id: str) -> Task:
    known = _entry_points("joulemark.tasks")
    if task_id not in known:
        near = difflib.get_close_matches(task_id, known, n=1, cutoff=0)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise WorkloadError(f"no task {task_id!r}{hint}")
    task: Any = known[task_id].load()
    if not isinstance(task, Task):
        raise WorkloadError(f"entry point {task_id!r} of joulemark.tasks is a {type(task).__name__}, not a Task")
    return task


def _absent_modules(task: Task) -> list[str]:
    return [module for module in task.requires if find_spec(module) is None]


def _need_modules(task: Task) -> None:
    if absent := _absent_modules(task):
        raise WorkloadError(f"{task.task_id} needs {', '.join(absent)}: pip install 'joulemark[{task.runner}]'")
