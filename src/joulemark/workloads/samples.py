"""The samples of a cell in memory, their hash, and prompts made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulemark.records import digest
from joulemark.workloads.workload import WorkloadError

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Samples:
    """The distinct samples of a cell, in memory. A row maps the task's columns to a text, a tuple or a PIL image.

    ``sha256`` covers the rows' ids and contents in order: two cells with the same samples have the same.
    """

    rows: tuple[Row, ...]
    sha256: str
    row_numbers: tuple[int, ...] = ()  # where each lies in its dataset, from 0
    skipped_n: int = 0  # rows before the last of these that were passed over because an input was empty
    revision: str | None = None  # the commit of a dataset of the hub
    drawn_from_part: bool = False  # at random, but from the beginning of the dataset only


def content_sha256(rows: Sequence[Row]) -> str:
    """The hash of ids and contents in order; an image counts by its pixels."""
    pictures: dict[int, list[Any]] = {}  # several rows may hold the same image object

    def content(value: Any) -> Any:
        if not hasattr(value, "tobytes"):
            return value
        if id(value) not in pictures:
            pixels = hashlib.sha256(b'"%s"' % value.tobytes().hex().encode()).hexdigest()
            pictures[id(value)] = [value.mode, *value.size, pixels]
        return pictures[id(value)]

    return digest([{key: content(value) for key, value in row.items()} for row in rows])


def fill_in(template: str, row: Row) -> str:
    """A prompt: the template with the row's columns in the places of their names in braces.

    Raises:
        WorkloadError: the template names something that the row does not have.
    """
    try:
        return template.format_map(row)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        have = ", ".join(f"{{{column}}}" for column in row if column != "id")
        raise WorkloadError(f"the prompt {template!r} does not fit; it may use {have}") from error
