"""Load a model and its samples, infer one after the other, score the answers.

A cell's task is looked up in the entry-point group ``joulemark.tasks``; the task names its runner, a context manager
in the group ``joulemark.workloads``. Our own tasks and runners are registered in the same way as anybody's.
Importing this package loads no heavy library.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from joulemark.records import Cell, Purpose
from joulemark.workloads.callable_runner import SETTINGS_READ, check_callable, is_callable_name, open_callable
from joulemark.workloads.catalogue import catalogue_models
from joulemark.workloads.cell_samples import keep_samples
from joulemark.workloads.dataset_choice import choose
from joulemark.workloads.datasets import MINIATURE, fetch_samples, load_samples, missing_samples
from joulemark.workloads.models import check_model, fetch_model, is_architecture_only, is_made_up
from joulemark.workloads.pretrained.loading import ATTENTIONS
from joulemark.workloads.quality import libraries
from joulemark.workloads.tasks import WRITTEN, Task
from joulemark.workloads.torch_setup import DEVICES, DTYPES
from joulemark.workloads.workload import Answer, Score, Workload, WorkloadError

OWN_RUNNERS = ("transformers", "diffusers")  # whose models are folders or names of the hub

__all__ = [
    "Answer",
    "Score",
    "Workload",
    "WorkloadError",
    "choices",
    "file_samples_sha256",
    "missing",
    "open_workload",
    "preloads",
    "prepare",
    "read_samples",
    "settings_read",
    "task_ids",
    "uses_one_device",
]


def open_workload(cell: Cell, *, queries_n: int) -> AbstractContextManager[Workload]:
    """The cell's model and up to ``queries_n`` samples, loaded from disk and ready to be asked.

    Raises:
        WorkloadError: the task, the model, the dataset or a setting cannot be used.
    """
    task = _task(cell.task)
    if _is_function(cell):
        return open_callable(cell, task, queries_n)
    _need_modules(task)
    runners = _entry_points("joulemark.workloads")
    if task.runner not in runners:
        raise WorkloadError(f"no runner {task.runner!r} for {cell.task}; there are {', '.join(sorted(runners))}")
    runner: Callable[[Cell, Task, int], AbstractContextManager[Workload]] = runners[task.runner].load()
    return runner(cell, task, queries_n)


def read_samples(cell: Cell, *, queries_n: int) -> None:
    """Read the samples that :func:`open_workload` will ask the cell's model, where that is up to us.

    Raises:
        WorkloadError: the task or the dataset cannot be used.
    """
    task = _task(cell.task)
    if _is_function(cell) or task.runner in OWN_RUNNERS:
        keep_samples(cell, task, queries_n)


def uses_one_device(cell: Cell) -> bool:
    """Whether the cell's model is known to run on the one device of its settings; a function may use several."""
    return not _is_function(cell) and _task(cell.task).runner in OWN_RUNNERS


def settings_read(cell: Cell) -> frozenset[str] | None:
    """The settings that change how the cell is run or measured; ``None`` where its runner is not ours.

    Raises:
        WorkloadError: there is no such task.
    """
    task = _task(cell.task)
    if _is_function(cell):
        return SETTINGS_READ
    if task.runner not in OWN_RUNNERS:
        return None
    reads_text, draws = task.inputs != ("image",), task.steps_n is not None
    prompted = cell.purpose is Purpose.MULTI_PURPOSE and task.prompt is not None
    writes = prompted or task.task_id in WRITTEN
    read = {"weights", "dtype", "device", "attention", "threads_n", "trust", "batch_n"}
    if writes:
        read |= {"new_tokens_min_n", "new_tokens_max_n", "beams_n"}
    if reads_text and not draws:
        read |= {"input_tokens_max_n"}
    if reads_text and (writes or draws):
        read |= {"prompt"}
    if draws:
        read |= {"steps_n", "image_px"}
    return frozenset(read)


def choices(cell: Cell) -> Mapping[str, tuple[str, ...]]:
    """The values that there are of settings with a closed list of them; of a device, what stands before its number.

    Nothing where the cell's runner is not ours: it may know others.

    Raises:
        WorkloadError: there is no such task.
    """
    if _task(cell.task).runner not in OWN_RUNNERS:
        return {}
    return {"dtype": DTYPES, "device": DEVICES, "attention": ATTENTIONS}


def prepare(cell: Cell, *, queries_n: int = 1000) -> None:
    """Make what the cell needs before it can be measured: builds or fetches its model and its samples.

    Raises:
        WorkloadError: they do not exist, cannot be had, or the cache cannot be written.
    """
    task = _task(cell.task)
    if _is_function(cell):
        check_callable(cell)
    else:
        _need_modules(task)
        if task.runner in OWN_RUNNERS:
            fetch_model(cell)
    fetch_samples(_asked_for_samples(cell), task, queries_n)


def file_samples_sha256(cell: Cell, *, queries_n: int) -> str | None:
    """The hash of the cell's samples where they are read from files of one's own, which may change from run to run.

    ``None`` where they are not, or are made up, or where their runner is not ours.

    Raises:
        WorkloadError: the files cannot be used.
    """
    task = _task(cell.task)
    if is_architecture_only(cell) or not (_is_function(cell) or task.runner in OWN_RUNNERS):
        return None
    return None if choose(cell, task).path is None else load_samples(cell, task, queries_n).sha256


def preloads(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Modules that import what ``cells`` will need; a server that has imported them forks ready processes.

    Nothing for a cell whose task is unknown or whose libraries are not installed: running it will say so.
    """
    known = _entry_points("joulemark.tasks")
    found: list[str] = []
    for cell in cells:
        if cell.task not in known:
            continue
        task = _task(cell.task)
        if not _is_function(cell) and task.preload and not _absent_modules(task):
            found.append(task.preload)
        if cell.settings.weights != "random":  # whose answers are not scored
            found += [module for module in libraries(task) if find_spec(module.partition(".")[0]) is not None]
    return tuple(dict.fromkeys(found))


def task_ids() -> tuple[str, ...]:
    """The names of all tasks, sorted."""
    return tuple(sorted(_entry_points("joulemark.tasks")))


def missing(cell: Cell) -> str | None:
    """Why the cell cannot run here as things are, found without loading anything; ``None`` where nothing is missing."""
    try:
        task = _task(cell.task)
        if _is_function(cell):
            check_callable(cell)
        else:
            _need_modules(task)
            if task.runner in OWN_RUNNERS:
                check_model(cell)
    except WorkloadError as error:
        return str(error)
    return missing_samples(_asked_for_samples(cell), task)


def _asked_for_samples(cell: Cell) -> Cell:
    """The cell as its samples are concerned: an architecture with a tokenizer of its own is asked real ones."""
    if cell.settings.weights == "random" and not is_made_up(cell):
        return replace(cell, settings=replace(cell.settings, weights="trained"))
    return cell


def _is_function(cell: Cell) -> bool:
    return not cell.model.startswith(MINIATURE) and is_callable_name(cell.model)


def paper_models(group: str) -> tuple[str, ...]:
    """The models that the paper used for a task, or its "multi-purpose" ones, in the catalogue's order.

    Raises:
        WorkloadError: there is no such group.
    """
    groups: dict[str, list[str]] = {}
    for model in catalogue_models():
        if model.in_paper:
            groups.setdefault(model.task or str(model.purpose), []).append(model.model)
    if group not in groups:
        raise WorkloadError(f"the catalogue has no models for {group!r}; there are {', '.join(groups)}")
    return tuple(groups[group])


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
