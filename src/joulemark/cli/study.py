"""The study that the command line asks for: one by name or file, or a single cell given by its parts."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from typing import Any

from joulemark.protocol.study import StudyError, checked_protocol, load_study, single_cell_study, with_settings
from joulemark.records import Study


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What was given on the command line; ``None`` and empty leave the study's own choice."""

    name: str | None = None
    task: str | None = None
    model: str | None = None
    dataset: str | None = None
    split: str | None = None
    columns: tuple[str, ...] = ()  # "text=review"
    queries: int | None = None
    repeats: int | None = None
    seed: int | None = None
    warmup: int | None = None
    idle_s: float | None = None
    weights: str | None = None
    settings: tuple[str, ...] = ()  # "batch_n=8"


def chosen_study(options: StudyOptions) -> Study:
    """The study with the options in place of its own values.

    Raises:
        StudyError: there is no such study or grid, or an option does not fit.
    """
    study = _study(options)
    _check_grid(study, options)
    given = {
        "queries_n": ("--queries", options.queries),
        "repeats_n": ("--repeats", options.repeats),
        "seed": ("--seed", options.seed),
        "warmup_n": ("--warmup", options.warmup),
        "idle_s": ("--idle", options.idle_s),
    }
    changes: dict[str, Any] = {key: value for key, (_, value) in given.items() if value is not None}
    flags = {key: flag for key, (flag, value) in given.items() if value is not None}
    study = replace(study, protocol=checked_protocol(replace(study.protocol, **changes), study.name, flags))
    settings = {key: _value(text) for key, text in _pairs("--set", options.settings).items()}
    if "trust" in settings:
        settings["trust"] = str(settings["trust"]).split(",")
    if options.weights is not None:
        settings["weights"] = options.weights
    return with_settings(study, settings, "--set") if settings else study


def _check_grid(study: Study, options: StudyOptions) -> None:
    """Refuse a grid that no report would know, before hours are spent on measuring."""
    if study.grid:
        from joulemark.impact.grids import GridError, find_grid

        try:
            find_grid(study.grid)
        except GridError as error:
            raise StudyError(f"{options.name}: grid: {error}") from error


def _study(options: StudyOptions) -> Study:
    parts = {"task": options.task, "model": options.model, "dataset": options.dataset}
    if options.name is not None:
        own = {**parts, "split": options.split, "column": options.columns}
        if given := [f"--{key}" for key, value in own.items() if value]:
            raise StudyError(f"{given[0]} is for a cell of your own; leave out '{options.name}', or use --only")
        return load_study(options.name)
    if absent := [key for key, value in parts.items() if value is None]:
        if len(absent) == len(parts):
            raise StudyError("name a study, or give --task, --model and --dataset")
        raise StudyError(f"--{absent[0]} is missing: a cell of your own has a task, a model and a dataset")
    return single_cell_study({**parts, "split": options.split, "columns": _pairs("--column", options.columns)})


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise StudyError(f"{option} '{pair}' is not KEY=VALUE")
        pairs[key] = value
    return pairs


def _value(text: str) -> Any:
    """A number, a truth value or a text, as TOML reads them."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
