"""A study as a TOML file, or one of ours by name.

::

    name = "mine"
    grid = "FRA"

    [protocol]
    queries_n = 100

    [settings]          # defaults of all cells
    dtype = "float32"

    [[cells]]
    task = "text-classification"
    model = "./my-model"
    dataset = "reviews.jsonl"
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from joulemark.records import Cell, MendableError, Protocol, Settings, Study
from joulemark.workloads import task_ids

_TOP_KEYS = ("name", "description", "grid", "protocol", "settings", "cells")
_Record = TypeVar("_Record")


class StudyError(MendableError):
    """The study cannot be read; the message says what is wrong and what to do."""


def study_names() -> tuple[str, ...]:
    """The studies that come with joulemark."""
    folder = files("joulemark").joinpath("catalogue", "studies")
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_study(name_or_path: str) -> Study:
    """Read one of our studies by name, or a TOML file by path. Raises :class:`StudyError`."""
    path = Path(name_or_path)
    if name_or_path in study_names():
        text = files("joulemark").joinpath("catalogue", "studies", f"{name_or_path}.toml").read_text(encoding="utf-8")
        return parse_study(text, name_or_path)
    if not path.is_file():
        raise StudyError(f"no study '{name_or_path}': give a TOML file, or one of {', '.join(study_names())}")
    try:
        return parse_study(path.read_text(encoding="utf-8"), name_or_path)
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read ({error})") from error


def parse_study(text: str, where: str) -> Study:
    """A study from the text of a TOML file; ``where`` names it in errors. Raises :class:`StudyError`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{where}: not TOML: {error}") from error
    _known_keys(content, _TOP_KEYS, where)
    shared: dict[str, Any] = content.get("settings", {})
    _known_keys(shared, _names(Settings), f"{where} [settings]")
    entries = content.get("cells", [])
    if not isinstance(entries, list) or not entries:
        raise StudyError(f"{where}: no [[cells]]: a study needs at least one, with task, model and dataset")
    cells = tuple(_cell(entry, shared, f"{where} cell {number}") for number, entry in enumerate(entries, start=1))
    seen: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        if cell.cell_id in seen:
            raise StudyError(f"{where} cell {number} is there twice: {cell.task}, {cell.model}, {cell.dataset}")
        seen.add(cell.cell_id)
    protocol = content.get("protocol", {})
    _known_keys(protocol, _names(Protocol), f"{where} [protocol]")
    plain: dict[str, Any] = {key: content[key] for key in ("name", "description", "grid") if key in content}
    plain.setdefault("name", Path(where).stem)
    study = _convert({**plain, "cells": [], "protocol": protocol}, Study, where)
    return replace(study, cells=cells, protocol=checked_protocol(study.protocol, where))


def checked_protocol(protocol: Protocol, where: str) -> Protocol:
    """The protocol itself, if its numbers make sense. Raises :class:`StudyError`."""
    for key, least in (("queries_n", 1), ("repeats_n", 1), ("warmup_n", 0), ("idle_s", 0)):
        if not getattr(protocol, key) >= least:
            raise StudyError(f"{where}: {key} = {getattr(protocol, key)} must be at least {least}")
    return protocol


def select(study: Study, patterns: Collection[str]) -> tuple[Cell, ...]:
    """The cells whose task, model or dataset matches one of ``patterns`` (``*`` and ``?``); all without patterns.

    Raises :class:`StudyError` when a pattern matches none.
    """
    if not patterns:
        return study.cells
    for pattern in patterns:
        if not any(_matches(cell, pattern) for cell in study.cells):
            words = sorted({word for cell in study.cells for word in (cell.task, cell.model, cell.dataset)})
            raise StudyError(f"--only '{pattern}' matches no cell{_nearest(pattern, words)}")
    return tuple(cell for cell in study.cells if any(_matches(cell, pattern) for pattern in patterns))


def _matches(cell: Cell, pattern: str) -> bool:
    words = (cell.task, cell.model, cell.dataset, str(cell.purpose), cell.model.rpartition(":")[2])
    return any(fnmatchcase(word, pattern) for word in words)


def _cell(entry: Any, shared: Mapping[str, Any], where: str) -> Cell:
    if not isinstance(entry, dict):
        raise StudyError(f"{where}: must be a [[cells]] table")
    _known_keys(entry, _names(Cell), where)
    own: dict[str, Any] = entry.get("settings", {})
    _known_keys(own, _names(Settings), f"{where} settings")
    for key in ("task", "model", "dataset"):
        if key not in entry:
            raise StudyError(f"{where}: '{key}' is missing")
    cell = _convert({**entry, "settings": {**shared, **own}}, Cell, where)
    if cell.task not in task_ids():
        raise StudyError(f"{where}: unknown task '{cell.task}'{_nearest(cell.task, task_ids())}")
    return cell


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _known_keys(table: Any, known: Collection[str], where: str) -> None:
    if not isinstance(table, dict):
        raise StudyError(f"{where}: must be a table")
    for key in table:
        if key not in known:
            raise StudyError(f"{where}: unknown key '{key}'{_nearest(key, known)}")


def _nearest(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return f"; did you mean '{close[0]}'?" if close else f"; there are {', '.join(known)}"


def _convert(value: object, kind: type[_Record], where: str) -> _Record:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise StudyError(f"{where}: {error}") from error
