"""The datasets that are known by a short name, from ``catalogue/datasets.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Words:
    """How many whitespace words a column of a sample has, at each of ``QUANTILES`` of the samples."""

    quantiles_n: tuple[float, ...]
    basis: str  # "logged", "published", "derived" or "assumed"
    source: str


@dataclass(frozen=True, slots=True)
class TaskUse:
    """How a task uses a dataset: its column → the dataset's, and the rules that a sample goes through."""

    columns: Mapping[str, str]
    preprocessing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """Another preprocessing of the same rows; ``words`` takes the place of the dataset's where it is known."""

    preprocessing: tuple[str, ...]
    words: Mapping[str, Words] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """A dataset of the hub as a study uses it."""

    name: str
    hub_id: str
    hub_id_2023: str
    split: str
    config: str | None
    gated: bool
    tasks: Mapping[str, TaskUse]
    variants: Mapping[str, Variant]
    class_names: Mapping[str, tuple[str, ...]]  # the dataset's column → the names of its class numbers
    words: Mapping[str, Words]  # the task's column → its length
    output_words: tuple[float, float] | None
    size_px: tuple[int, int] | None  # width and height of an image before preprocessing
    size_basis: str | None
    unfetchable: str | None  # why it cannot be had from the hub
    empty_rows: str
    long_inputs: str
    caveats: tuple[str, ...]
    source: str
    verification: str


@cache
def known_datasets() -> Mapping[str, KnownDataset]:
    """All datasets of the catalogue by name."""
    text = files("joulemark").joinpath("catalogue", "datasets.toml").read_text(encoding="utf-8")
    return {name: _known(name, entry) for name, entry in tomllib.loads(text).items()}


def _known(name: str, entry: Mapping[str, Any]) -> KnownDataset:
    return KnownDataset(
        name=name,
        hub_id=entry["hub_id"],
        hub_id_2023=entry["hub_id_2023"],
        split=entry["split"],
        config=entry.get("config"),
        gated=entry.get("gated", False),
        tasks={
            task_id: TaskUse(use["columns"], tuple(use["preprocessing"])) for task_id, use in entry["tasks"].items()
        },
        variants={
            variant: Variant(tuple(one["preprocessing"]), _words(one.get("words", {})))
            for variant, one in entry.get("variants", {}).items()
        },
        class_names={column: tuple(names) for column, names in entry.get("class_names", {}).items()},
        words=_words(entry.get("words", {})),
        output_words=tuple(entry["output_words"]) if "output_words" in entry else None,
        size_px=tuple(entry["size_px"]) if "size_px" in entry else None,
        size_basis=entry.get("size_basis"),
        unfetchable=entry.get("unfetchable"),
        empty_rows=entry["empty_rows"],
        long_inputs=entry["long_inputs"],
        caveats=tuple(entry["caveats"]),
        source=entry["source"],
        verification=entry["verification"],
    )


def _words(entries: Mapping[str, Any]) -> dict[str, Words]:
    """A mean alone says nothing of a spread, so every quantile is the mean."""
    return {
        column: Words(tuple(one.get("quantiles") or [one["mean"]] * len(QUANTILES)), one["basis"], one["source"])
        for column, one in entries.items()
    }
