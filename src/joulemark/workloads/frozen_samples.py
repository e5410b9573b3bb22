"""Samples kept on disk: a parquet file with the rows as the dataset has them, and a manifest that says which they are.

With its manifest alone the same samples can be had again on another machine: the row numbers say which to take, the
ids and the hash whether they are the same.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from joulemark.workloads.dataset_columns import LISTS, plain_number
from joulemark.workloads.samples import Row, content_sha256
from joulemark.workloads.workload import WorkloadError

MANIFEST_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Which samples a cell has. ``ids`` and ``row_numbers`` run parallel; ``sha256`` is that of :class:`Samples`."""

    dataset: str  # as the cell names it
    task: str
    sample: str
    ids: tuple[int | str, ...]
    row_numbers: tuple[int, ...]
    sha256: str
    skipped_n: int = 0
    all_rows: bool = False  # the dataset has no further rows that this rule could take
    drawn_from_part: bool = (
        False  # a draw at random from the beginning of the split, the rest of which was not to be had
    )
    repository: str | None = None  # the dataset's id on the hub
    revision: str | None = None  # the commit that was read
    config: str | None = None
    split: str | None = None
    columns: Mapping[str, str] | None = None
    preprocessing: tuple[str, ...] = ()
    file_sha256: str | None = None  # of the parquet file beside the manifest
    schema_version: int = MANIFEST_VERSION


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        WorkloadError: there is no such file, or it is no manifest, or one of a later version.
    """
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise WorkloadError(f"cannot read the manifest {path}: {os.strerror(error.errno or 0)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WorkloadError(f"{path} is not a manifest of samples: {error}") from error
    if manifest.schema_version > MANIFEST_VERSION:
        raise WorkloadError(f"{path} was written by a later joulemark (manifest version {manifest.schema_version})")
    if len(manifest.ids) != len(manifest.row_numbers) or min(manifest.row_numbers, default=0) < 0:
        raise WorkloadError(f"{path} is not a manifest of samples: its ids and row numbers do not belong together")
    if not manifest.ids:
        raise WorkloadError(f"the manifest {path} names no samples; write one of the samples that you mean")
    return manifest


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write it as JSON, whole or not at all."""
    _write(path, lambda scratch: scratch.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1)))


def check_against(manifest: Manifest, rows: Sequence[Row], where: str) -> str:
    """The hash of the rows, which are all of those of the manifest.

    Raises:
        WorkloadError: they are not.
    """
    if len(rows) < len(manifest.ids):
        raise WorkloadError(f"{where} has {len(rows)} of the {len(manifest.ids)} samples that the manifest names")
    for sample_i, (row, wanted_id) in enumerate(zip(rows, manifest.ids, strict=True)):
        if row["id"] != wanted_id:
            raise WorkloadError(
                f"{where}: sample {sample_i} has the id {row['id']!r}, the manifest says {wanted_id!r}: "
                "another dataset, revision or split"
            )
    if (found := content_sha256(rows)) != manifest.sha256:
        raise WorkloadError(
            f"{where}: the ids agree with the manifest, the contents do not (sha256 {found[:12]}…, "
            f"not {manifest.sha256[:12]}…): another revision or preprocessing"
        )
    return found


def freeze(path: Path, rows: Sequence[Row], manifest: Manifest) -> None:
    """Write rows (images as encoded bytes) to ``path``, a ``.parquet`` file, and the manifest beside it, ``.json``.

    The manifest comes last, so that samples are there as a whole or not at all.
    """
    import pyarrow
    from pyarrow import parquet

    columns = [column for column in rows[0] if column != "id"]
    table = pyarrow.table(
        {
            column: pyarrow.array([_storable(row[column], column) for row in rows], _kind(pyarrow, column))
            for column in columns
        }
    )
    _write(path, lambda scratch: parquet.write_table(table, scratch, compression="zstd", row_group_size=100))
    write_manifest(path.with_suffix(".json"), replace(manifest, file_sha256=_file_sha256(path)))


def thaw(path: Path, manifest: Manifest, rows_n: int) -> list[Row]:
    """The first rows of a frozen file, with the manifest's ids.

    Raises:
        WorkloadError: the file is gone or is not the one that the manifest was written for.
    """
    from pyarrow import parquet

    try:
        if _file_sha256(path) != manifest.file_sha256:
            raise WorkloadError(f"{path} is not the file of its manifest: remove both to fetch them again")
        rows: list[Row] = []
        with parquet.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=100)
            while len(rows) < rows_n and (batch := next(batches, None)) is not None:
                rows += batch.to_pylist()
    except OSError as error:
        raise WorkloadError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
    return [
        {"id": own_id} | {column: _restored(value, column) for column, value in row.items()}
        for own_id, row in zip(manifest.ids[:rows_n], rows[:rows_n], strict=True)
    ]


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file under another name and rename it, so that nobody reads half of one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as folder:
            scratch = Path(folder) / path.name
            write(scratch)
            scratch.replace(path)
    except OSError as error:
        raise WorkloadError(f"cannot write {path}: {error.strerror or error}") from error


def _kind(pyarrow: Any, column: str) -> Any:
    text, number = pyarrow.string(), pyarrow.float64()
    if column == "image":
        return pyarrow.binary()
    if column == "boxes":
        return pyarrow.list_(pyarrow.struct({"label": text, "x0": number, "y0": number, "x1": number, "y1": number}))
    return pyarrow.list_(text) if column in LISTS else text


def _storable(value: Any, column: str) -> Any:
    if column == "boxes" and value is not None:
        return [dict(zip(("label", "x0", "y0", "x1", "y1"), box, strict=True)) for box in value]
    return value


def _restored(value: Any, column: str) -> Any:
    if value is None or column not in LISTS:
        return value
    if column == "boxes":
        return tuple((box["label"], *(plain_number(box[key]) for key in ("x0", "y0", "x1", "y1"))) for box in value)
    return tuple(value)
