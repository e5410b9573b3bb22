"""From a dataset's own columns to those of a task: which is which, and what its values mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from joulemark.workloads.samples import Row
from joulemark.workloads.tasks import Task
from joulemark.workloads.workload import WorkloadError

TEXT_MAX_N = 1_000_000  # characters of one text: a longer one is a mistake, and no model reads it

ClassNames = Mapping[str, Sequence[str]]  # a column, or column.part, → the names of its class numbers

# What a column is called elsewhere. A name that stands for two columns of a task is the first one's.
_OTHER_NAMES = {
    "text": (
        "sentence", "review", "content", "document", "article", "dialogue", "passage", "prompt", "comment", "body",
    ),
    "label": ("labels", "sentiment", "category", "class", "fine_label"),
    "tokens": ("words",),
    "tags": ("ner_tags", "labels"),
    "question": ("query",),
    "context": ("passage", "support", "paragraph", "document"),
    "answers": ("answer", "correct_answer"),
    "summary": ("highlights", "abstract"),
    "image": ("img", "picture", "file_name", "image_path"),
    "boxes": ("objects", "annotations"),
}  # fmt: skip
_CAPTIONS = ("caption", "captions", "description")  # of an image, whose right answer is a text

LISTS = ("tokens", "tags", "answers", "boxes")  # columns that hold a list; all others hold one text


def columns_of(task: Task) -> tuple[str, ...]:
    """The task's columns: its inputs and its right answer, if it has one."""
    return (*task.inputs, *([task.gold] if task.gold else []))


def match_columns(task: Task, have: Sequence[str], chosen: Mapping[str, str], where: str) -> dict[str, str]:
    """For each of the task's columns the dataset's; the right answer may be missing.

    What is ``chosen`` counts; then a column of the same name; then, if there is exactly one, a usual other name.

    Args:
        task: what the columns are for.
        have: the dataset's columns.
        chosen: the task's column → the dataset's, as far as the user or the catalogue says.
        where: the dataset, for messages.

    Raises:
        WorkloadError: an input is missing or could be either of two columns, or a column is chosen that is not there.
    """
    wanted = columns_of(task)
    for column, other in chosen.items():
        if column not in wanted:
            raise WorkloadError(f"{task.task_id} has no column {column!r} to map; it has {', '.join(wanted)}")
        if other not in have:
            raise WorkloadError(f"{where}: there is no column {other!r}; there is {_listed(have)}")
    matched: dict[str, str] = {}
    for column in wanted:
        if column in chosen:
            matched[column] = chosen[column]
            continue
        found = [column] if column in have else _candidates(column, task, have, [*chosen.values(), *matched.values()])
        if len(found) > 1:
            raise WorkloadError(
                f"{where}: {column!r} could be {' or '.join(found)}; say which: {_how_to_map(column, found[0])}"
            )
        if found:
            matched[column] = found[0]
        elif column in task.inputs:
            raise WorkloadError(
                f"{where}: {task.task_id} needs a column {column!r}; there is {_listed(have)}. "
                f"Say which it is: {_how_to_map(column, next(iter(have), '…'))}"
            )
    return matched


def task_row(raw: Row, row_i: int, columns: Mapping[str, str], task: Task, names: ClassNames, where: str) -> Row:
    """A row with the task's columns: texts, tuples, class names instead of numbers; ``None`` for an unknown answer.

    An image stays what the dataset has: encoded bytes, the name of a file, or a picture.

    Raises:
        WorkloadError: a value is missing or of the wrong kind.
    """
    row: dict[str, Any] = {"id": row_i if raw.get("id") in (None, "") else str(raw["id"])}
    for column in columns_of(task):
        value = raw.get(columns[column]) if column in columns else None
        if column in task.inputs and value is None:
            have = ", ".join(key for key in raw if raw[key] is not None) or "nothing"
            raise WorkloadError(f"{where}: {task.task_id} needs a value for {columns[column]!r}; there is {have}")
        absent = value == "" or (isinstance(value, float) and math.isnan(value))  # as CSV and pandas write it
        if value is None or (column not in task.inputs and absent):
            row[column] = None
        else:
            row[column] = _value(value, column, _names_of(columns[column], names), where)
    return row


def is_empty(row: Row, task: Task) -> bool:
    """Whether one of the inputs has nothing in it."""
    return any(not (row[column].strip() if isinstance(row[column], str) else row[column]) for column in task.inputs)


def missing_input(raw: Row, columns: Mapping[str, str], task: Task) -> bool:
    """Whether one of the inputs has no value at all."""
    return any(raw.get(columns[column]) is None for column in task.inputs)


def empty_for_missing(raw: Row, columns: Mapping[str, str], task: Task) -> Row:
    """The row with an empty text where an input that is a text has no value, as a file that went through CSV has it."""
    texts = {columns[column] for column in task.inputs if column not in LISTS and column != "image"}
    return {**raw, **{column: "" for column in texts if raw.get(column) is None}}


def _candidates(column: str, task: Task, have: Sequence[str], taken: Sequence[str]) -> list[str]:
    captions = column == task.gold == "text"
    known = {column, *(_CAPTIONS if captions else _OTHER_NAMES.get(column, ()))}
    return [name for name in have if name.casefold() in known and name not in taken]


def _how_to_map(column: str, other: str) -> str:
    return f'columns = {{ {column} = "{other}" }} in a study, --column {column}={other} in a command'


def _listed(have: Sequence[str]) -> str:
    shown = ", ".join(have[:20]) or "nothing"
    hint = "" if len(have) != 1 or ";" not in have[0] else " (a CSV file here is separated by commas)"
    return shown + (", …" if len(have) > 20 else "") + hint


def _names_of(column: str, names: ClassNames) -> dict[str, Sequence[str]]:
    """The class names of a column under "", and those of its parts under the part's name."""
    own = {"": names[column]} if column in names else {}
    return own | {key.removeprefix(f"{column}."): value for key, value in names.items() if key.startswith(f"{column}.")}


def _value(value: Any, column: str, names: Mapping[str, Sequence[str]], where: str) -> Any:
    if column == "image":
        return value
    if column == "boxes":
        return _boxes(value, names, where)
    if column in ("tokens", "tags") and isinstance(value, str):
        value = value.split()
    if column == "answers":
        # SQuAD keeps its answers as {"text": [...], "answer_start": [...]}; one answer may stand alone.
        value = value["text"] if isinstance(value, Mapping) and "text" in value else value
        value = [value] if isinstance(value, str) else value
    if column in LISTS:
        if not isinstance(value, list | tuple):
            raise WorkloadError(f"{where}: {column!r} is {type(value).__name__}, not a list")
        return tuple(_named(item, column, names.get(""), where) for item in value)
    return _named(value, column, names.get(""), where)


def _named(value: Any, column: str, names: Sequence[str] | None, where: str) -> str | None:
    """A text; or the name of a class number, where a negative one says that the class is not known."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes class numbers with a gap among them as 1.0
    if not isinstance(value, str | int):
        raise WorkloadError(f"{where}: {column!r} is {type(value).__name__}, not a text")
    if names is not None and not isinstance(value, str | bool):
        if value >= len(names):
            raise WorkloadError(f"{where}: {column!r} is class {value}, but only {len(names)} classes have names")
        return None if value < 0 else names[value]
    text = str(value)
    if len(text) > TEXT_MAX_N:
        raise WorkloadError(f"{where}: {column!r} has {len(text):,} characters; at most {TEXT_MAX_N:,} are read")
    return text


def _boxes(value: Any, names: Mapping[str, Sequence[str]], where: str) -> tuple[Any, ...]:
    """Boxes as (name, x0, y0, x1, y1) in pixels.

    They may be so already; or be as COCO has them, (x, y, width, height) under "bbox" and the class under "category" or
    "label"; or as Visual Genome has them, under "x", "y", "w", "h" and "names".
    """
    if isinstance(value, Mapping):  # lists side by side instead of a list of objects
        lists = {key: items for key, items in value.items() if isinstance(items, list)}
        try:
            value = [dict(zip(lists, items, strict=True)) for items in zip(*lists.values(), strict=True)]
        except ValueError as error:
            raise WorkloadError(f"{where}: the lists of 'boxes' differ in length") from error
    if not isinstance(value, list | tuple):
        raise WorkloadError(f"{where}: 'boxes' is {type(value).__name__}, not a list")
    try:
        return tuple(_box(item, names) for item in value)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise WorkloadError(
            f"{where}: a box is neither (name, x0, y0, x1, y1) nor one with bbox and category"
        ) from error


def _box(item: Any, names: Mapping[str, Sequence[str]]) -> tuple[Any, ...]:
    if not isinstance(item, Mapping):
        label, x0, y0, x1, y1 = item
        return str(label), *(plain_number(corner) for corner in (x0, y0, x1, y1))
    x, y, width, height = item["bbox"] if "bbox" in item else (item["x"], item["y"], item["w"], item["h"])
    part = next((key for key in ("category", "label", "labels", "categories", "names") if key in item), "label")
    label = item[part][0] if part == "names" else item[part]
    if not isinstance(label, str | int):
        raise TypeError(label)
    if isinstance(label, int) and part in names:
        if label < 0:
            raise IndexError(label)
        label = names[part][label]
    return str(label), plain_number(x), plain_number(y), plain_number(x + width), plain_number(y + height)


def plain_number(value: Any) -> float:
    """Whole numbers stay whole, so that a box has one spelling whatever file it comes from."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return int(value) if value == int(value) else float(value)
