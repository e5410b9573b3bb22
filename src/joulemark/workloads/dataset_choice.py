"""Which dataset a cell names, and how its task uses it: found out without reading any of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from joulemark.records import Cell
from joulemark.workloads.dataset_catalogue import KnownDataset, TaskUse, known_datasets
from joulemark.workloads.sample_rule import SampleRule, sample_rule
from joulemark.workloads.tasks import Task
from joulemark.workloads.workload import WorkloadError, path_errors

MINIATURE = "miniature:"
FILE_SUFFIXES = (".jsonl", ".csv", ".parquet")

_PATHS = ("/", "./", "../", "~")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Choice:
    """A cell's dataset: exactly one of ``miniature``, ``path`` and ``hub_id`` is given."""

    where: str  # what messages call it
    rule: SampleRule
    columns: Mapping[str, str]  # the task's column → the dataset's, as the user says
    miniature: str | None = None
    path: Path | None = None  # a file or a folder
    hub_id: str | None = None
    revision: str | None = None
    config: str | None = None
    split: str | None = None
    known: KnownDataset | None = None
    variant: str | None = None
    usual_columns: Mapping[str, str] = field(default_factory=dict)  # … as the catalogue says
    preprocessing: tuple[str, ...] = ()


def choose(cell: Cell, task: Task) -> Choice:
    """What the cell's dataset is.

    Raises:
        WorkloadError: it is none of the kinds that there are, or something is asked of it that its kind does not have.
    """
    with path_errors(f"dataset {cell.dataset}"):
        return _chosen(cell, task)


def _chosen(cell: Cell, task: Task) -> Choice:
    rule, columns, dataset = sample_rule(cell.sample), dict(cell.columns or {}), cell.dataset
    name, _, variant = dataset.partition(":")
    if known := known_datasets().get(name):
        use = known.tasks.get(task.task_id, TaskUse({}, ()))
        if variant and variant not in known.variants:
            have = ", ".join(known.variants) or "none"
            raise WorkloadError(f"dataset {name} has no variant {variant!r}; there are: {have}")
        return Choice(
            f"{name} ({known.hub_id})",
            rule,
            columns,
            hub_id=known.hub_id,
            revision=cell.dataset_revision,
            config=cell.dataset_config or known.config,
            split=cell.split or known.split,
            known=known,
            variant=variant or None,
            usual_columns=use.columns,
            preprocessing=known.variants[variant].preprocessing if variant else use.preprocessing,
        )
    path = Path(dataset).expanduser()
    is_path = _is_read(path) or dataset.startswith(_PATHS) or path.exists()
    if dataset.startswith(MINIATURE) or is_path:
        _refuse(cell, "dataset_revision")
        if dataset.startswith(MINIATURE) or not path.is_dir():
            _refuse(cell, "dataset_config")
        if dataset.startswith(MINIATURE):
            return Choice(dataset, rule, columns, miniature=dataset.removeprefix(MINIATURE), split=cell.split)
        if not path.is_dir():
            path = file_of(cell)
        return Choice(str(path), rule, columns, path=path, config=cell.dataset_config, split=cell.split)
    if _HUB_ID.fullmatch(dataset):
        return Choice(
            dataset, rule, columns, hub_id=dataset, revision=cell.dataset_revision, config=cell.dataset_config,
            split=cell.split,
        )  # fmt: skip
    raise WorkloadError(_unknown(dataset))


def file_of(cell: Cell) -> Path:
    """The file that the cell names as its dataset.

    Raises:
        WorkloadError: it is no file of a known kind, it does not exist, or a split of it is asked for.
    """
    path = Path(cell.dataset).expanduser()
    if not _is_read(path):
        raise WorkloadError(_unknown(cell.dataset))
    if not path.is_file():
        raise WorkloadError(f"dataset file {path} does not exist")
    if cell.split is not None:
        raise WorkloadError(f"{path} is one file and has no split {cell.split!r}; leave split out")
    return path


def _is_read(path: Path) -> bool:
    """Whether a file's name says that it is of a kind that is read."""
    return path.suffix.lower() in FILE_SUFFIXES


def _refuse(cell: Cell, key: str) -> None:
    if getattr(cell, key) is not None:
        raise WorkloadError(f"{key} is for datasets of the hub; {cell.dataset} has none: leave it out")


def _unknown(dataset: str) -> str:
    if Path(dataset).expanduser().exists():
        kinds = ", ".join(FILE_SUFFIXES)
        return f"dataset {dataset!r} is neither a folder nor a file of a kind that is read ({kinds})"
    if dataset.startswith(_PATHS):
        return f"dataset {dataset} does not exist"
    near = difflib.get_close_matches(dataset.casefold(), known_datasets(), n=1)
    return (
        f"no dataset {dataset!r}{f'; did you mean {near[0]!r}?' if near else '.'} It can be a name of the catalogue, "
        f"owner/name on the hub, a file ({', '.join(FILE_SUFFIXES)}), a folder of images, or miniature:<name>"
    )
