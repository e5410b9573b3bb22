"""Samples for a cell: made in code (``miniature:<name>``) or read from a ``.jsonl`` or ``.csv`` file of one's own."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulemark.records import Cell, digest
from joulemark.workloads.miniature import corpora
from joulemark.workloads.tasks import Task
from joulemark.workloads.workload import WorkloadError

MINIATURE = "miniature:"
FILE_SUFFIXES = (".jsonl", ".csv")

_LISTS = ("tokens", "tags", "answers", "boxes")  # columns that hold a list; all others hold one text
_WORD_LISTS = ("tokens", "tags")  # written in a CSV cell as words with blanks between them


@dataclass(frozen=True, slots=True)
class Samples:
    """The distinct samples of a cell, in memory. A row maps the task's columns to a text, a tuple or a PIL image.

    ``sha256`` covers the rows' ids and contents in order: two cells with the same samples have the same.
    """

    rows: tuple[Mapping[str, Any], ...]
    sha256: str


def load_samples(cell: Cell, task: Task, queries_n: int) -> Samples:
    """The first ``queries_n`` samples of the cell's dataset, or all of them where there are fewer.

    Miniature datasets have a split "train" and a split "test" (the default) of up to 4,000 samples each, the digits
    580 to test. A file has the columns of the task: its inputs, and the right answer if that is known. In a ``.csv``
    tokens and tags are separated by blanks; an image is a path relative to the file.

    Raises:
        WorkloadError: no such dataset, file, split or column, or nothing in it.
    """
    if cell.dataset.startswith(MINIATURE):
        rows = corpora.rows(cell.dataset.removeprefix(MINIATURE), cell.split or "test", queries_n)
        for column in task.inputs:
            if column not in rows[0]:
                raise WorkloadError(f"{cell.dataset} has no {column!r}, which {task.task_id} needs")
    else:
        path = file_of(cell)
        rows = tuple(itertools.islice(_file_rows(path, task), queries_n))
        if not rows:
            raise WorkloadError(f"{path} holds no samples")
    columns = (*task.inputs, *([task.gold] if task.gold else []))
    kept = tuple({"id": row.get("id", row_i), **{c: row.get(c) for c in columns}} for row_i, row in enumerate(rows))
    return Samples(kept, digest([{key: _content(value) for key, value in row.items()} for row in kept]))


def fill_in(template: str, row: Mapping[str, Any]) -> str:
    """A prompt: the template with the row's columns in the places of their names in braces.

    Raises:
        WorkloadError: the template names something that the row does not have.
    """
    try:
        return template.format_map(row)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        have = ", ".join(f"{{{column}}}" for column in row if column != "id")
        raise WorkloadError(f"the prompt {template!r} does not fit; it may use {have}") from error


def file_of(cell: Cell) -> Path:
    """The file that the cell names as its dataset.

    Raises:
        WorkloadError: it is no ``.jsonl`` or ``.csv`` file, it does not exist, or a split of it is asked for.
    """
    path = Path(cell.dataset).expanduser()
    if path.suffix not in FILE_SUFFIXES:
        raise WorkloadError(f"dataset {cell.dataset!r} is neither miniature:<name> nor a .jsonl or .csv file")
    if not path.is_file():
        raise WorkloadError(f"dataset file {path} does not exist")
    if cell.split is not None:
        raise WorkloadError(f"{path} is one file and has no split {cell.split!r}; leave split out")
    return path


def _file_rows(path: Path, task: Task) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8", newline="" if path.suffix == ".csv" else None) as lines:
        raw_rows = _csv_rows(lines) if path.suffix == ".csv" else _json_rows(path, lines)
        for line_i, raw in raw_rows:
            where = f"{path}, line {line_i}"
            row = {"id": raw["id"]} if raw.get("id") is not None else {}
            for column in task.inputs:
                if raw.get(column) is None:
                    have = ", ".join(raw) or "nothing"
                    raise WorkloadError(f"{where}: {task.task_id} needs a column {column!r}; there is {have}")
                row[column] = _value(raw[column], column, where, path.parent)
            if task.gold and raw.get(task.gold) not in (None, ""):
                row[task.gold] = _value(raw[task.gold], task.gold, where, path.parent)
            yield row


def _json_rows(path: Path, lines: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line_i, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise WorkloadError(f"{path}, line {line_i}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise WorkloadError(f"{path}, line {line_i}: not a JSON object")
            yield line_i, row


def _csv_rows(lines: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(lines)
    for row in reader:
        yield (
            reader.line_num,
            {
                key: cell.split() if key in _WORD_LISTS and cell is not None else cell
                for key, cell in row.items()
                if key is not None
            },
        )


def _value(value: Any, column: str, where: str, folder: Path) -> Any:
    if column == "image":
        return _image(folder / str(value), where)
    if column == "answers":
        # SQuAD keeps its answers as {"text": [...], "answer_start": [...]}; one answer may stand alone.
        value = value["text"] if isinstance(value, dict) and "text" in value else value
        value = [value] if isinstance(value, str) else value
    if column in _LISTS:
        if not isinstance(value, list):
            raise WorkloadError(f"{where}: {column!r} is {type(value).__name__}, not a list")
        return tuple(tuple(item) if isinstance(item, list) else item for item in value)
    if not isinstance(value, str | int):
        raise WorkloadError(f"{where}: {column!r} is {type(value).__name__}, not a text")
    return str(value)


def _image(path: Path, where: str) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise WorkloadError(f"{where}: cannot read the image {path}") from error


def _content(value: Any) -> Any:
    """What of a value goes into the hash: an image by its pixels."""
    if hasattr(value, "tobytes"):
        return [value.mode, *value.size, digest(value.tobytes().hex())]
    return value
