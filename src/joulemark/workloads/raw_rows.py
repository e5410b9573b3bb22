"""The rows of a dataset as they lie on disk or on the hub, before a task sees them: ``.jsonl``, ``.csv``, ``.parquet``.

Every reader yields (number of the row from 0, where it is for a message, the row).
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from joulemark.workloads.dataset_columns import TEXT_MAX_N, ClassNames
from joulemark.workloads.samples import Row
from joulemark.workloads.workload import WorkloadError

Numbered = tuple[int, str, Row]

_LOOKED_AT_N = 1_000  # lines of a .jsonl file whose keys are taken for its columns


@dataclass(frozen=True, slots=True)
class RawRows:
    """A dataset that can be read from the start or at given rows, which come in the order in which they are asked for.

    ``read`` and ``pick`` are told the columns that will be used.
    """

    where: str  # what messages call it
    columns: tuple[str, ...]
    read: Callable[[Sequence[str]], Iterator[Numbered]]
    pick: Callable[[Sequence[str], Sequence[int]], Iterator[Numbered]]
    count: Callable[[], int]
    class_names: ClassNames = field(default_factory=dict)
    folder: Path | None = None  # in which images lie that are given by name
    inside: bool = False  # whether they have to lie in it


def rows_in_memory(where: str, rows: Sequence[Row]) -> RawRows:
    """A dataset that is a sequence already."""

    def pick(_: Sequence[str], row_numbers: Sequence[int]) -> Iterator[Numbered]:
        return ((row_i, f"{where}, row {row_i}", rows[row_i]) for row_i in row_numbers if row_i < len(rows))

    return RawRows(
        where,
        tuple(dict.fromkeys(key for row in rows for key in row)),
        lambda columns: pick(columns, range(len(rows))),
        pick,
        lambda: len(rows),
    )


def rows_of_lines(path: Path) -> RawRows:
    """The rows of a ``.jsonl`` or ``.csv`` file in UTF-8, whose blank lines do not count.

    Raises:
        WorkloadError: a line cannot be read.
    """
    is_csv = path.suffix.lower() == ".csv"
    numbered = _csv_rows if is_csv else _json_rows

    def read(_: Sequence[str]) -> Iterator[Numbered]:
        for row_i, (line_i, row) in enumerate(numbered(path)):
            yield row_i, f"{path}, line {line_i}", row

    def pick(columns: Sequence[str], row_numbers: Sequence[int]) -> Iterator[Numbered]:
        wanted = set(row_numbers)
        found = {row_i: (row_i, where, row) for row_i, where, row in read(columns) if row_i in wanted}
        return (found[row_i] for row_i in row_numbers if row_i in found)

    first = [row for _, _, row in islice(read(()), 1 if is_csv else _LOOKED_AT_N)]
    keys = tuple(dict.fromkeys(key for row in first for key in row))
    return RawRows(str(path), keys, read, pick, lambda: sum(1 for _ in read(())), folder=path.parent)


@contextmanager
def rows_of_parquet(where: str, openers: Sequence[Callable[[], Any]], folder: Path | None = None) -> Iterator[RawRows]:
    """The rows of parquet files that follow each other; row groups that are not asked for are not read.

    Args:
        where: what messages call the dataset.
        openers: each gives the path of one file, or a file object that can seek.
        folder: in which images lie that are given by name.

    Raises:
        WorkloadError: a file is not parquet, or pyarrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise WorkloadError("parquet files need pyarrow: pip install 'joulemark[transformers]'") from error
    opened: list[Any] = []

    def file_at(file_i: int) -> Any:
        while len(opened) <= file_i:
            with _readable(where):
                opened.append(parquet.ParquetFile(openers[len(opened)](), pre_buffer=True))
        return opened[file_i]

    def groups() -> Iterator[tuple[int, int, int, int]]:
        """File, row group, its first row, and the row after its last."""
        start_i = 0
        for file_i in range(len(openers)):
            file = file_at(file_i)
            for group_i in range(file.metadata.num_row_groups):
                rows_n = file.metadata.row_group(group_i).num_rows
                yield file_i, group_i, start_i, start_i + rows_n
                start_i += rows_n

    def rows_of(file_i: int, group_i: int, columns: Sequence[str]) -> list[Row]:
        with _readable(where):
            rows: list[Row] = file_at(file_i).read_row_group(group_i, columns=list(columns)).to_pylist()
        return rows

    def read(columns: Sequence[str]) -> Iterator[Numbered]:
        for file_i, group_i, start_i, _ in groups():
            for row_i, row in enumerate(rows_of(file_i, group_i, columns), start=start_i):
                yield row_i, f"{where}, row {row_i}", row

    def pick(columns: Sequence[str], row_numbers: Sequence[int]) -> Iterator[Numbered]:
        found: dict[int, Row] = {}
        ascending = sorted(row_numbers)
        for file_i, group_i, start_i, end_i in groups():
            inside = [row_i for row_i in ascending if start_i <= row_i < end_i]
            if inside:
                rows = rows_of(file_i, group_i, columns)
                found |= {row_i: rows[row_i - start_i] for row_i in inside}
            if not ascending or end_i > ascending[-1]:
                break
        return ((row_i, f"{where}, row {row_i}", found[row_i]) for row_i in row_numbers if row_i in found)

    def count() -> int:
        return sum(end_i - start_i for _, _, start_i, end_i in groups())

    try:
        schema = file_at(0).schema_arrow
        yield RawRows(where, tuple(schema.names), read, pick, count, _class_names(schema.metadata or {}), folder)
    finally:
        for file in opened:
            file.close()


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """pyarrow's own errors are ValueError and OSError."""
    try:
        yield
    except (ValueError, OSError) as error:
        if type(error).__module__.startswith("pyarrow") or type(error) in (ValueError, OSError):
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise WorkloadError(f"{where} is not a readable parquet file: {reason[:200]}") from error
        raise


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """The names of class numbers that the ``datasets`` library keeps in a parquet file, by column or column.part."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    names: dict[str, tuple[str, ...]] = {}

    def walk(feature: Any, path: str) -> None:
        if isinstance(feature, list):
            for one in feature:
                walk(one, path)
        elif isinstance(feature, dict):
            kind = feature.get("_type")
            if kind == "ClassLabel":
                names[path] = tuple(str(name) for name in feature.get("names") or ())
            elif isinstance(kind, str):
                walk(feature.get("feature"), path)
            else:
                for key, part in feature.items():
                    walk(part, f"{path}.{key}" if path else key)

    walk(features, "")
    return {column: listed for column, listed in names.items() if listed}


def _lines(path: Path, newline: str | None) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", newline=newline) as lines:
            for line_i, line in enumerate(lines, start=1):
                if "\0" in line:
                    raise WorkloadError(f"{path}, line {line_i}: a NUL character; this is not a text file")
                yield line
    except UnicodeDecodeError as error:
        raise WorkloadError(f"{path} is not text in UTF-8 ({error.reason}); save it as UTF-8") from error
    except OSError as error:
        raise WorkloadError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error


def _json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    for line_i, line in enumerate(_lines(path, None), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise WorkloadError(f"{path}, line {line_i}: not JSON ({str(error)[:200]})") from error
            if not isinstance(row, dict):
                raise WorkloadError(f"{path}, line {line_i}: not a JSON object")
            yield line_i, row


def _csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Rows by the line that they begin in. Cells that a row lacks at its end have no value; too many are an error."""
    header: list[str] | None = None
    for line_i, cells in _csv_cells(path):
        if header is None:
            header = [name.strip() for name in cells]
            named = [name for name in header if name]
            if doubled := sorted({name for name in named if named.count(name) > 1}):
                raise WorkloadError(f"{path}, line {line_i}: two columns are called {doubled[0]!r}; rename one")
            continue
        if len(cells) > len(header):
            counts = f"{len(cells)} values under {len(header)} columns"
            raise WorkloadError(f"{path}, line {line_i}: {counts}; quote a text that holds a comma")
        yield line_i, {name: cell for name, cell in zip_longest(header, cells) if name}


def _csv_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that is not blank, and the line that it begins in."""
    limit_n = csv.field_size_limit(TEXT_MAX_N)
    reader = csv.reader(_lines(path, ""), strict=True)
    line_i = 1
    try:
        for cells in reader:
            if cells:
                yield line_i, cells
            line_i = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise WorkloadError(
                f"{path}, line {line_i}: {error}; a cell has at most {TEXT_MAX_N:,} characters (is a quote not closed?)"
            ) from error
        raise WorkloadError(
            f"{path}, line {line_i}: its quotes do not pair up ({error}); write a quote inside of a quoted text twice"
        ) from error
    finally:
        csv.field_size_limit(limit_n)
