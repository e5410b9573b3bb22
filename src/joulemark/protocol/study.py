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
    model = "./my-model"        # or a list: every model with every dataset is a cell
    dataset = "reviews.jsonl"
"""

from __future__ import annotations

import difflib
import itertools
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from joulemark.failures import MendableError
from joulemark.records import Cell, Protocol, Settings, Study
from joulemark.units import WAIT_MAX_S
from joulemark.workloads import WorkloadError, choices, paper_models, settings_read, task_ids

CATALOGUE = "catalogue:"  # before a task, or "multi-purpose", where a model's name would stand
ORDERS = ("shuffled", "listed")
WEIGHTS = ("trained", "random")
TRUST = ("pickled-weights", "remote-code")

# A name is a folder's, and is printed in commands: nothing that leads elsewhere or that hides.
_NAME = re.compile(r"\w([\w .,+=()-]{0,98}[\w.,+=()-])?")
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
    cells: list[Cell] = []
    seen: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        for one in _each(entry, f"{where} cell {number}"):
            cell = _cell(one, shared, f"{where} cell {number}")
            _need_readers(one.get("settings", {}), [cell], f"{where} cell {number}")
            if cell.cell_id in seen:
                raise StudyError(f"{where} cell {number} is there twice: {cell.task}, {cell.model}, {cell.dataset}")
            seen.add(cell.cell_id)
            cells.append(cell)
    _need_readers(shared, cells, f"{where} [settings]")
    protocol = content.get("protocol", {})
    _known_keys(protocol, _names(Protocol), f"{where} [protocol]")
    plain: dict[str, Any] = {key: content[key] for key in ("name", "description", "grid") if key in content}
    plain.setdefault("name", Path(where).stem)
    study = _convert({**plain, "cells": [], "protocol": protocol}, Study, where)
    if not _NAME.fullmatch(study.name):
        raise StudyError(
            f"{where}: name = {study.name!r} cannot name a folder: give it up to 100 letters, digits, spaces and "
            "any of . _ - + = , ( ), a letter or digit first"
        )
    return replace(study, cells=tuple(cells), protocol=checked_protocol(study.protocol, where))


def with_settings(study: Study, changes: Mapping[str, Any], where: str) -> Study:
    """The study with the same changes to the settings of all of its cells. Raises :class:`StudyError`."""
    _known_keys(changes, _names(Settings), where)
    cells = tuple(
        replace(cell, settings=_settings({**msgspec.to_builtins(cell.settings), **changes}, where))
        for cell in study.cells
    )
    for cell in cells:
        _check_choices(cell, where)
    _need_readers(changes, cells, where)
    return replace(study, cells=cells)


def single_cell_study(entry: Mapping[str, Any]) -> Study:
    """A study of one cell, given by the keys that a [[cells]] table has. Raises :class:`StudyError`."""
    where = "the command line"
    cell = _cell({key: value for key, value in entry.items() if value}, {}, where)
    words = [re.sub(r"[^\w.-]+", "-", word).strip("-.") for word in (cell.task, cell.model, cell.dataset)]
    return Study(name="-".join(word for word in words if word)[:100], cells=(cell,))


def checked_protocol(protocol: Protocol, where: str, options: Mapping[str, str] | None = None) -> Protocol:
    """The protocol itself, if its numbers make sense. Raises :class:`StudyError`.

    ``options`` names, by key, the options of the command line that gave some of them.
    """

    def said(key: str) -> str:
        option, value = (options or {}).get(key), getattr(protocol, key)
        return f"{where}: {key} = {value}" if option is None else f"{option} {value}"

    for key, least in (("queries_n", 1), ("repeats_n", 1), ("warmup_n", 0), ("idle_s", 0)):
        if not getattr(protocol, key) >= least:
            raise StudyError(f"{said(key)} must be at least {least}")
    if protocol.idle_s > WAIT_MAX_S:
        raise StudyError(f"{said('idle_s')} must be at most {WAIT_MAX_S:.0f}")
    if protocol.order not in ORDERS:
        raise StudyError(f"{where}: order = '{protocol.order}' must be one of {', '.join(ORDERS)}")
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


def _each(entry: Any, where: str) -> Iterator[Any]:
    """The entry itself, or one for every pair of its models and its datasets."""
    if not isinstance(entry, dict):
        yield entry
        return
    # An empty list is as good as none at all.
    models, datasets = (
        (entry[key] or [None]) if isinstance(entry.get(key), list) else [entry.get(key)] for key in ("model", "dataset")
    )
    for model, dataset in itertools.product(_expanded(models, where), datasets):
        pair = {key: value for key, value in (("model", model), ("dataset", dataset)) if value is not None}
        yield {**{key: value for key, value in entry.items() if key not in ("model", "dataset")}, **pair}


def _expanded(models: list[Any], where: str) -> Iterator[Any]:
    """The names themselves; "catalogue:TASK" becomes the models that the paper used for the task."""
    for model in models:
        if isinstance(model, str) and model.startswith(CATALOGUE):
            try:
                yield from paper_models(model.removeprefix(CATALOGUE))
            except WorkloadError as error:
                raise StudyError(f"{where}: {error}") from error
        else:
            yield model


def _cell(entry: Any, shared: Mapping[str, Any], where: str) -> Cell:
    if not isinstance(entry, dict):
        raise StudyError(f"{where}: must be a [[cells]] table")
    _known_keys(entry, _names(Cell), where)
    own: dict[str, Any] = entry.get("settings", {})
    _known_keys(own, _names(Settings), f"{where} settings")
    for key in ("task", "model", "dataset"):
        if key not in entry:
            raise StudyError(f"{where}: '{key}' is missing")
    cell = replace(_convert({**entry, "settings": {}}, Cell, where), settings=_settings({**shared, **own}, where))
    if cell.task not in task_ids():
        raise StudyError(f"{where}: unknown task '{cell.task}'{_nearest(cell.task, task_ids())}")
    _check_choices(cell, where)
    for key, value in entry.items():
        if isinstance(value, str) and value != value.encode(errors="replace").decode():
            raise StudyError(f"{where}: {key} is no text in UTF-8: give the file or folder another name")
    return cell


def _check_choices(cell: Cell, where: str) -> None:
    """Refuse a value that a setting cannot have, before anything is measured or written."""
    for key, known in choices(cell).items():
        given = getattr(cell.settings, key)
        word = re.sub(r"(?<=[a-z]):\d+$", "", given) if key == "device" and given else given  # cuda:1 is a cuda
        if word is not None and word not in known:
            raise StudyError(f"{where}: {key} = '{given}'{_nearest(word, known)}")


def _need_readers(given: Mapping[str, Any], cells: Sequence[Cell], where: str) -> None:
    """Refuse settings that change nothing: the results would say that something was done which was not."""
    left = {key for key, value in given.items() if value != getattr(Settings(), key)}
    for cell in cells:
        if not left:
            return
        read = settings_read(cell)
        left = set() if read is None else left - read
    if left:
        one = cells[0].model if ":" in cells[0].model else cells[0].task  # a function uses less than its task
        whose = f"{one} does not use" if len(cells) == 1 else "no cell uses"
        raise StudyError(f"{where}: {whose} {', '.join(sorted(left))}; leave it out")


def _settings(values: Mapping[str, Any], where: str) -> Settings:
    settings = _convert(values, Settings, where)
    for key, known in (("weights", WEIGHTS), ("trust", TRUST)):
        given = getattr(settings, key)
        for word in given if isinstance(given, tuple) else (given,):
            if word not in known:
                raise StudyError(f"{where}: {key} = '{word}'{_nearest(word, known)}")
    for key in ("batch_n", "beams_n", "threads_n", "input_tokens_max_n", "steps_n", "image_px", "new_tokens_max_n"):
        count_n = getattr(settings, key)
        if count_n is not None and count_n < 1:
            raise StudyError(f"{where}: {key} = {count_n} must be at least 1")
    return settings


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
