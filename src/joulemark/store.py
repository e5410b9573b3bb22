"""A study on disk: a folder that is appended to, read back and merged.

::

    results/quickstart/
    ├── study.json              the frozen study
    ├── machines/ID.json        what the runs were measured on
    ├── runs.jsonl              one run a line; the last line about a repetition counts
    └── inferences/RUN.parquet  one row a query

A line is written in one call and synced; the rows of a run are on disk before its line is. Reading needs no lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from joulemark.records import SCHEMA_VERSION, Inference, Machine, MendableError, Run, Study

STUDY_FILE = "study.json"
RUNS_FILE = "runs.jsonl"
MACHINES_FOLDER = "machines"
INFERENCES_FOLDER = "inferences"
LOCK_FILE = ".lock"
UNFINISHED_S, UNFINISHED_TRIES_N = 0.02, 5

_Record = TypeVar("_Record")


class StoreError(MendableError):
    """The results cannot be read or written; the message says what to do. Nothing that was stored is lost."""


@contextmanager
def open_for_writing(folder: Path, study: Study) -> Iterator[None]:
    """Create ``folder`` for ``study`` or continue it, and keep other writers out until the context ends.

    A torn last line, left by a machine that went down, is moved aside. Raises :class:`StoreError` when the folder
    holds another study, is in use, or cannot be written.
    """
    with _plain_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{folder} is in use by another joulemark run: wait for it, or use another --out"
            ) from None
        with _plain_errors(folder):
            _claim(folder, study)
            _move_torn_line_aside(folder)
        yield
    finally:
        os.close(lock)


def append(folder: Path, run: Run, inferences: Sequence[Inference]) -> None:
    """Add one run with its queries. Raises :class:`StoreError`; what was stored before is untouched."""
    with _plain_errors(folder):
        if inferences:
            _write_inferences(folder / INFERENCES_FOLDER / f"{run.run_id}.parquet", inferences)
        _append_line(folder / RUNS_FILE, msgspec.json.encode(run) + b"\n")


def add_machine(folder: Path, machine: Machine) -> None:
    """Write down the machine, once."""
    with _plain_errors(folder):
        file = folder / MACHINES_FOLDER / f"{machine.machine_id}.json"
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            _replace(file, _pretty(machine))


def read_study(folder: Path) -> Study:
    """The study of a folder. Raises :class:`StoreError`."""
    if not folder.is_dir():
        raise StoreError(f"no results in {folder}: joulemark run STUDY --out {folder} makes them")
    if not (folder / STUDY_FILE).is_file():
        raise StoreError(f"{folder} holds no results: there is no {STUDY_FILE} in it")
    with _plain_errors(folder):
        return _decode((folder / STUDY_FILE).read_bytes(), Study, str(folder / STUDY_FILE))


def read_machines(folder: Path) -> tuple[Machine, ...]:
    """All machines of a folder. Raises :class:`StoreError`."""
    with _plain_errors(folder):
        files = sorted((folder / MACHINES_FOLDER).glob("*.json"))
        return tuple(_decode(file.read_bytes(), Machine, str(file)) for file in files)


def read_runs(folder: Path) -> tuple[Run, ...]:
    """The latest run of every repetition, in the order they were measured. Raises :class:`StoreError`."""
    file = folder / RUNS_FILE
    latest: dict[tuple[str, str], Run] = {}
    decoder = msgspec.json.Decoder(Run)
    with _plain_errors(folder):
        for line_n, line in enumerate(_whole_lines(file), start=1):
            try:
                run = decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise StoreError(
                    f"{file} line {line_n} is not a run ({error}). Move that line elsewhere; the others are kept"
                ) from error
            if run.schema_version > SCHEMA_VERSION:
                raise StoreError(f"{file} line {line_n} was written by a newer joulemark: upgrade to read it")
            latest.pop((run.run_id, run.machine_id), None)
            latest[run.run_id, run.machine_id] = run
    return tuple(latest.values())


def _whole_lines(file: Path) -> list[bytes]:
    """The lines of a file that may be growing: a last line without an end is given a moment to be finished."""
    lines: list[bytes] = []
    for _ in range(UNFINISHED_TRIES_N):
        lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
        if not lines or lines[-1].endswith(b"\n"):
            return lines
        time.sleep(UNFINISHED_S)
    raise StoreError(
        f"{file} line {len(lines)} is cut short. The same joulemark run command puts it aside and "
        "measures that repetition again; all other runs are kept"
    )


def read_inferences(folder: Path, run_id: str) -> tuple[Inference, ...]:
    """The queries of one run; empty if it failed. Raises :class:`StoreError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = folder / INFERENCES_FOLDER / f"{run_id}.parquet"
    if not file.exists():
        return ()
    try:
        rows = pq.read_table(file).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{file} cannot be read: {error}") from error
    return tuple(Inference(**{**row, "phases_s": dict(row.get("phases_s") or ())}) for row in rows)


def _claim(folder: Path, study: Study) -> None:
    """Write the study down, or see that the folder is this study's."""
    file = folder / STUDY_FILE
    if file.exists():
        there = _decode(file.read_bytes(), Study, str(file))
        if there.study_id != study.study_id:
            raise StoreError(
                f"{folder} holds another study: {_difference(there, study)}. "
                "Use another --out, or the options it was made with"
            )
        if there.protocol.repeats_n >= study.protocol.repeats_n:
            return
    elif any(entry.name != LOCK_FILE for entry in folder.iterdir()):
        raise StoreError(f"{folder} is not empty and holds no joulemark results: use another --out")
    _replace(file, _pretty(study))


def _difference(there: Study, here: Study) -> str:
    """What tells two studies apart, in a few words."""
    if there.name != here.name:
        return f"'{there.name}', not '{here.name}'"
    for key in ("queries_n", "order", "seed", "warmup_n", "idle_s"):
        before, now = getattr(there.protocol, key), getattr(here.protocol, key)
        if before != now:
            return f"{key} was {before} and is now {now}"
    return f"'{there.name}' with other cells"


def _move_torn_line_aside(folder: Path) -> None:
    file = folder / RUNS_FILE
    if not file.exists():
        return
    with file.open("r+b") as runs:
        content = runs.read()
        if not content or content.endswith(b"\n"):
            return
        whole_byte = content.rfind(b"\n") + 1
        with (folder / f"{RUNS_FILE}.torn").open("ab") as torn:
            torn.write(content[whole_byte:] + b"\n")
            torn.flush()
            os.fsync(torn.fileno())
        runs.truncate(whole_byte)
        runs.flush()
        os.fsync(runs.fileno())


def _append_line(file: Path, line: bytes) -> None:
    """Append in one write and sync; a write that falls short is taken back."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        before_byte = os.fstat(descriptor).st_size
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before_byte)
            raise
    finally:
        os.close(descriptor)


def _write_inferences(file: Path, inferences: Sequence[Inference]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise StoreError("writing results needs pyarrow: pip install 'joulemark[transformers]'") from None

    schema = pa.schema(
        [
            ("sample_i", pa.int64()),
            ("duration_s", pa.float64()),
            ("input_tokens_n", pa.int64()),
            ("output_tokens_n", pa.int64()),
            ("output", pa.string()),
            ("score", pa.float64()),
            ("energy_j", pa.float64()),
            ("uncertainty_j", pa.float64()),
            ("phases_s", pa.map_(pa.string(), pa.float64())),
        ]
    )
    columns = {name: [getattr(row, name) for row in inferences] for name in schema.names}
    columns["phases_s"] = [tuple(phases_s.items()) for phases_s in columns["phases_s"]]
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=schema), buffer, compression="zstd")
    file.parent.mkdir(exist_ok=True)
    _replace(file, buffer.getvalue().to_pybytes())


def _replace(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _pretty(record: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def _decode(content: bytes, kind: type[_Record], where: str) -> _Record:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(f"{where} is damaged: {error}") from error


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the operating system into one line that says what to do."""
    try:
        yield
    except OSError as error:
        what = error.filename or folder
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"no space left for {what}. All finished runs are kept; make room and give the same command again"
            ) from error
        raise StoreError(f"{what}: {error.strerror or error}") from error
