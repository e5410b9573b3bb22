"""Runs any Python function as a model: ``module:function``, named where a model's name would stand.

The function is given a sample: its id and the task's inputs, in a copy that it may change. It returns its answer: a
label, a text, a tuple of labels with the best first, whatever the task scores. The module is imported when the model is
loaded, so what it sets up on import counts as loading. It is found on the path, or in the folder that one is in.
Its source is no part of a cell's name: who changes it measures into another folder.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from joulemark.records import Cell, ModelFacts, Purpose
from joulemark.workloads import quality
from joulemark.workloads.cell_samples import samples_of
from joulemark.workloads.sample_oddities import oddities
from joulemark.workloads.tasks import Task
from joulemark.workloads.workload import Answer, Score, Workload, WorkloadError

_NAME = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<function>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)")
_SHOWN_MAX_N = 2_000  # characters
_MADE_UNSEEN = re.compile(r"import\s*\*|\b(__getattr__|globals|vars|exec|setattr)\b")  # names that no text shows

# ``device`` says which boards are measured. The two others are read to be refused, each for its own reason.
SETTINGS_READ = frozenset({"device", "batch_n", "weights"})


def is_callable_name(model: str) -> bool:
    """Whether a model's name has the form ``module:function``."""
    return _NAME.fullmatch(model) is not None


@contextmanager
def open_callable(cell: Cell, task: Task, queries_n: int) -> Iterator[Workload]:
    """Import the function that the cell names as its model, and load the samples.

    Raises:
        WorkloadError: the module or the function does not exist, or is not callable; the samples cannot be read; a
            setting is given that a function cannot follow.
    """
    _check_settings(cell)
    samples = samples_of(cell, task, queries_n)
    function = _find(cell.model)
    prompted = cell.purpose is Purpose.MULTI_PURPOSE
    pictures = "image" in task.inputs  # which can be changed where they are, as PIL's thumbnail does
    asked = [{column: row[column] for column in ("id", *task.inputs)} for row in samples.rows]

    def infer(sample_i: int) -> Answer:
        sample = asked[sample_i].copy()
        if pictures:
            sample["image"] = sample["image"].copy()
        value = function(sample)
        if hasattr(value, "__next__") or hasattr(value, "__await__") or hasattr(value, "__anext__"):
            if isinstance(value, Coroutine):
                value.close()  # or Python prints, some time later, that nobody waited for it
            raise WorkloadError(
                f"{cell.model} returned a {type(value).__name__}, which has not run: return the finished answer"
            )
        return Answer(value)

    def score(answers: Sequence[Answer]) -> Score:
        return quality.score(task, samples, answers, None, prompted=prompted)

    yield Workload(
        infer=infer,
        samples_n=len(samples.rows),
        score=score,
        show=lambda answer: str(answer.value)[:_SHOWN_MAX_N],
        model=ModelFacts(None, f"{cell.model} (Python)", "trained", "unknown", "unknown"),
        samples_sha256=samples.sha256,
        oddities=partial(oddities, samples, task),
    )


def check_callable(cell: Cell) -> None:
    """Make sure, without importing anything, that the cell's function seems to be there and can follow its settings.

    Raises:
        WorkloadError: there is no such module, its text names no such function, or a setting does not fit.
    """
    _check_settings(cell)
    match = _NAME.fullmatch(cell.model)
    if match is None:
        raise WorkloadError(f"{cell.model} is not module:function")
    here = str(Path.cwd())
    top, *parts = match["module"].split(".")
    spec = PathFinder.find_spec(top, [here]) or _spec_on_path(top)
    name = top
    for part in parts:
        name, inside = f"{name}.{part}", spec.submodule_search_locations if spec is not None else None
        spec = PathFinder.find_spec(name, list(inside)) if inside is not None else None
    if spec is None:
        raise WorkloadError(f"{cell.model}: there is no module {match['module']} on the path or in {here}")
    if spec.origin is None or not spec.origin.endswith(".py"):
        return
    try:
        text = Path(spec.origin).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    first = match["function"].partition(".")[0]
    if not re.search(rf"\b{first}\b", text) and not _MADE_UNSEEN.search(text):
        raise WorkloadError(f"{cell.model}: {match['module']} has no {match['function']} ({spec.origin})")


def _spec_on_path(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except ValueError:  # a module that is imported and has none, such as __main__
        return None


def _check_settings(cell: Cell) -> None:
    settings = cell.settings
    if settings.batch_n != 1:
        raise WorkloadError(f"{cell.model} is a function of one sample; leave batch_n out")
    if settings.weights == "random":
        raise WorkloadError(f"{cell.model} is a function and has no architecture to draw weights for")
    if cell.model_revision is not None:
        raise WorkloadError(f"model_revision is for models of the hub; {cell.model} has none: leave it out")


def _find(name: str) -> Callable[[dict[str, Any]], object]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise WorkloadError(f"{name} is not module:function")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(match["module"])
    except ModuleNotFoundError as error:
        raise WorkloadError(f"{name}: there is no module {error.name} on the path or in {here}") from error
    for part in match["function"].split("."):
        if not hasattr(found, part):
            raise WorkloadError(f"{name}: {match['module']} has no {match['function']}")
        found = getattr(found, part)
    if not callable(found):
        raise WorkloadError(f"{name} is a {type(found).__name__}, not a function")
    function: Callable[[dict[str, Any]], object] = found
    return function
