"""A study on disk: a folder that is appended to, read back and merged.

::

    results/quickstart/
    ├── study.json              the frozen study
    ├── machines/ID.json        what the runs were measured on
    ├── runs.jsonl              one run a line; the last line about a repetition counts
    ├── logs/RUN.txt            what a repetition that failed had printed, its traceback last
    ├── inferences/RUN.parquet  one row a query
    └── traces/RUN.parquet      one row a step of a channel's power over time

A line is written in one call and synced; the rows of a run are on disk before its line is. Reading needs no lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import sys
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import msgspec

from joulemark.failures import MendableError
from joulemark.records import SCHEMA_VERSION, Cell, Inference, Machine, Run, Settings, Study, TraceStep

STUDY_FILE = "study.json"
RUNS_FILE = "runs.jsonl"
FAILED_FILE = "runs.jsonl.failed"
MACHINES_FOLDER = "machines"
INFERENCES_FOLDER = "inferences"
TRACES_FOLDER = "traces"
LOGS_FOLDER = "logs"
LOCK_FILE = ".lock"
UNFINISHED_S, UNFINISHED_TRIES_N = 0.02, 5
BLOCK_BYTE = 2**18

_Record = TypeVar("_Record")


class _HasVersion(Protocol):
    @property
    def schema_version(self) -> int: ...


_Line = TypeVar("_Line", bound=_HasVersion)


class StoreError(MendableError):
    """The results cannot be read or written; the message says what to do. Nothing that was stored is lost."""


@contextmanager
def open_for_writing(folder: Path, study: Study) -> Iterator[str | None]:
    """Create ``folder`` for ``study`` or continue it, and keep other writers out until the context ends.

    A torn last line, left by a machine that went down or a process that was killed, is moved aside. A folder of another
    study in which nothing was measured is taken over; the context's value says so in a line. A folder that was created
    here is removed again where the context ends with an error before any run was stored. Raises :class:`StoreError`
    when the folder holds another study, is in use, or cannot be written.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    with _plain_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise StoreError(f"{folder} is, or lies in, a file: give --out a folder, new or with results") from None
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{folder} is in use by another joulemark run: wait for it, or use another --out"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be locked against other runs ({error.strerror}), as on Lustre mounted without flock: "
                "use --out on another file system"
            ) from error
        with _plain_errors(folder):
            taken_over = _claim(folder, study)
            _move_torn_line_aside(folder)
        yield taken_over
    except BaseException:
        if made:
            _remove_unused(folder, made)
        raise
    finally:
        os.close(lock)


def append(
    folder: Path, run: Run, inferences: Sequence[Inference], trace: Sequence[TraceStep] = (), log: str = ""
) -> None:
    """Add one run with its queries, its trace and what it printed. Raises :class:`StoreError`.

    What was stored before is untouched.
    """
    with _plain_errors(folder):
        if log:
            file = log_file(folder, run.run_id)
            file.parent.mkdir(exist_ok=True)
            _replace(file, log.encode(errors="replace"))
        if trace:
            _write_trace(folder / TRACES_FOLDER / f"{run.run_id}.parquet", trace)
        if inferences:
            _write_inferences(folder / INFERENCES_FOLDER / f"{run.run_id}.parquet", inferences)
        _append_line(folder / RUNS_FILE, msgspec.json.encode(run) + b"\n")


def log_file(folder: Path, run_id: str) -> Path:
    """Where the log of a repetition that failed is kept."""
    return folder / LOGS_FOLDER / f"{run_id}.txt"


def append_all(folder: Path, runs: Iterable[Run]) -> int:
    """Add many runs that have no queries of their own, in a few writes and one sync; returns how many.

    What equals its default is left out of their lines. Raises :class:`StoreError`; what was stored before is untouched.
    """
    file = folder / RUNS_FILE
    runs_n = 0
    with _plain_errors(folder), file.open("ab") as stream:
        before_byte = stream.tell()
        try:
            for run in runs:
                stream.write(msgspec.json.encode(_chosen(run)) + b"\n")
                runs_n += 1
            stream.flush()
            os.fsync(stream.fileno())
        except BaseException:
            with suppress(OSError):
                stream.flush()
            os.ftruncate(stream.fileno(), before_byte)
            raise
    return runs_n


def _chosen(record: Any) -> dict[str, object]:
    """The fields of a record that differ from their defaults."""
    chosen: dict[str, object] = {}
    for name, default in _defaults(cast(Hashable, type(record))):
        value = getattr(record, name)
        if value == default:
            continue
        if is_dataclass(value):
            chosen[name] = _chosen(value)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            chosen[name] = [_chosen(part) for part in value]
        else:
            chosen[name] = value
    return chosen


@cache
def _defaults(kind: Any) -> tuple[tuple[str, object], ...]:
    """The fields of a kind of record and their defaults; ``MISSING``, which equals nothing, where there is none."""
    return tuple(
        (one.name, one.default if one.default_factory is MISSING else one.default_factory()) for one in fields(kind)
    )


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
        raise StoreError(f"no results in {folder}: joulemark run STUDY --out {shlex.quote(str(folder))} makes them")
    if not (folder / STUDY_FILE).is_file():
        raise StoreError(f"{folder} holds no results: there is no {STUDY_FILE} in it")
    with _plain_errors(folder):
        return _decode_study(folder / STUDY_FILE)


def read_machines(folder: Path) -> tuple[Machine, ...]:
    """All machines of a folder. Raises :class:`StoreError`."""
    with _plain_errors(folder):
        files = sorted((folder / MACHINES_FOLDER).glob("*.json"))
        return tuple(_decode(file.read_bytes(), Machine, str(file)) for file in files)


def read_runs(folder: Path) -> tuple[Run, ...]:
    """The latest run of every repetition, in the order they were measured. Raises :class:`StoreError`."""
    latest: dict[tuple[str, str], Run] = {}
    for run in run_lines(folder, Run):
        latest.pop((run.run_id, run.machine_id), None)
        latest[run.run_id, run.machine_id] = run
    return tuple(latest.values())


def run_lines(folder: Path, kind: type[_Line], span: tuple[int, int] | None = None) -> Iterator[_Line]:
    """Every line of the runs as ``kind``: :class:`Run`, or a struct of some of its fields, which is faster to read.

    Later lines about a repetition replace earlier ones, which is left to the caller. ``span`` is one of
    :func:`spans`. Raises :class:`StoreError`.
    """
    file = folder / RUNS_FILE
    decoder = msgspec.json.Decoder(kind)
    before_n = 0
    with _plain_errors(folder):
        for block in _whole_lines(file, span):
            lines_n = block.count(b"\n")
            try:
                runs = decoder.decode_lines(block)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                runs = []
            if len(runs) < lines_n or any(run.schema_version > SCHEMA_VERSION for run in runs):
                raise _line_error(file, span, before_n, block, decoder)
            before_n += lines_n
            yield from runs


def _line_error(
    file: Path, span: tuple[int, int] | None, before_n: int, block: bytes, decoder: msgspec.json.Decoder[_Line]
) -> StoreError:
    """What is wrong with the first bad line of ``block``, before which the span has ``before_n`` lines."""
    for line_n, line in enumerate(block.split(b"\n")[:-1], start=before_n + 1):
        where = f"{file} line {_line_n(file, span, line_n)}"
        try:
            run = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return StoreError(f"{where} is not a run ({error}). Move that line elsewhere; the others are kept")
        if run.schema_version > SCHEMA_VERSION:
            return StoreError(f"{where} was written by a newer joulemark: upgrade to read it")
    return StoreError(f"{file} changed while it was read: give the same command again")


def spans(folder: Path, parts_n: int) -> list[tuple[int, int]]:
    """The runs of ``folder`` in at most ``parts_n`` spans of whole lines, as first byte and byte after the last.

    The last one has no end: a file that grows is read as far as it goes. Raises :class:`StoreError`.
    """
    file = folder / RUNS_FILE
    if not file.exists():
        return []
    with _plain_errors(folder), file.open("rb") as stream:
        size_byte = os.fstat(stream.fileno()).st_size
        starts = [0]
        for part_i in range(1, parts_n):
            stream.seek(size_byte * part_i // parts_n)
            stream.readline()
            if starts[-1] < stream.tell() < size_byte:
                starts.append(stream.tell())
    return list(zip(starts, [*starts[1:], sys.maxsize], strict=True))


def _line_n(file: Path, span: tuple[int, int] | None, line_n: int) -> int:
    """The number of a line in its file, where it is the ``line_n``-th of a span."""
    before_n = 0
    if span is not None:
        with file.open("rb") as stream:
            while stream.tell() < span[0] and stream.readline():
                before_n += 1
    return before_n + line_n


def _whole_lines(file: Path, span: tuple[int, int] | None) -> Iterator[bytes]:
    """Blocks of whole lines of a file that may be growing: a last line without an end is given a moment to be finished.

    A span begins at the start of a line and ends at the end of one.
    """
    if not file.exists():
        return
    at_byte, end_byte = span or (0, sys.maxsize)
    for tried_n in range(UNFINISHED_TRIES_N):
        with file.open("rb") as stream:
            stream.seek(at_byte)
            while at_byte < end_byte and (block := stream.read(min(BLOCK_BYTE, end_byte - at_byte))):
                block += stream.readline() if not block.endswith(b"\n") else b""
                whole_byte = block.rfind(b"\n") + 1
                if whole_byte:
                    at_byte += whole_byte
                    yield block[:whole_byte]
                if whole_byte < len(block):
                    break
            else:
                return
        if tried_n < UNFINISHED_TRIES_N - 1:
            time.sleep(UNFINISHED_S)
    raise StoreError(
        f"{file} line {_line_n(file, (at_byte, 0), 1)} is cut short. The same joulemark run command puts it aside "
        "and measures that repetition again; all other runs are kept"
    )


def read_inferences(folder: Path, run_id: str) -> tuple[Inference, ...]:
    """The queries of one run; empty if it failed. Raises :class:`StoreError`."""
    rows = _read_rows(folder / INFERENCES_FOLDER / f"{run_id}.parquet")
    return tuple(Inference(**{**row, "phases_s": dict(row.get("phases_s") or ())}) for row in rows)


def read_trace(folder: Path, run_id: str) -> tuple[TraceStep, ...]:
    """The power of one run over time, window by window and channel by channel; empty where none was kept.

    Raises :class:`StoreError`.
    """
    file = folder / TRACES_FOLDER / f"{run_id}.parquet"
    try:
        return tuple(TraceStep(**row) for row in _read_rows(file))
    except TypeError as error:
        raise StoreError(f"{file} cannot be read: its columns are not those of a trace ({error})") from error


def _read_rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a table; none where there is no file. Raises :class:`StoreError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not file.exists():
        return []
    try:
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{file} cannot be read: {error}") from error
    return rows


def _claim(folder: Path, study: Study) -> str | None:
    """Write the study down, or see that the folder is this study's; a line about another one that gave way to it."""
    file = folder / STUDY_FILE
    taken_over = None
    if file.exists():
        there = _decode_study(file)
        if there.study_id == study.study_id:
            # What is no part of the id follows the study as it is given now; repeats are never taken away.
            repeats_n = max(there.protocol.repeats_n, study.protocol.repeats_n)
            study = replace(study, protocol=replace(study.protocol, repeats_n=repeats_n))
            if study == there:
                return None
        elif _may_hold_measured(folder):
            raise StoreError(
                f"{folder} holds another study: {_difference(there, study)}. "
                "Use another --out, or the options it was made with"
            )
        else:
            taken_over = f"{folder} held another study ({_difference(there, study)}), of which nothing was measured"
            if _put_failed_aside(folder):
                taken_over += f"; its failed runs are in {FAILED_FILE}"
    elif any(entry.name != LOCK_FILE for entry in folder.iterdir()):
        raise StoreError(f"{folder} is not empty and holds no joulemark results: use another --out")
    _replace(file, _pretty(study))
    return taken_over


def _may_hold_measured(folder: Path) -> bool:
    """Whether a run was measured, or a line cannot be read, which may have been one."""
    try:
        return any(run.failure is None for run in run_lines(folder, Run))
    except StoreError:
        return True


def _put_failed_aside(folder: Path) -> bool:
    """Move all runs out of the way, behind those that were moved before; whether there were any."""
    file = folder / RUNS_FILE
    if not file.exists():
        return False
    with (folder / FAILED_FILE).open("ab") as failed:
        failed.write(file.read_bytes())
        failed.flush()
        os.fsync(failed.fileno())
    file.unlink()
    return True


def _remove_unused(folder: Path, made: Sequence[Path]) -> None:
    """Remove a folder that holds nothing of a run, and those above it that were made for it."""
    with suppress(OSError):
        if {entry.name for entry in folder.iterdir()} - {STUDY_FILE, MACHINES_FOLDER, LOCK_FILE}:
            return
        for file in (folder / STUDY_FILE, *(folder / MACHINES_FOLDER).glob("*.json"), folder / LOCK_FILE):
            file.unlink(missing_ok=True)
        for place in (folder / MACHINES_FOLDER, *made):
            if place.is_dir():
                place.rmdir()


def _difference(there: Study, here: Study) -> str:
    """What tells two studies apart, in a few words."""
    if there.name != here.name:
        return f"'{there.name}', not '{here.name}'"
    for key in ("queries_n", "order", "seed", "warmup_n", "idle_s"):
        before, now = getattr(there.protocol, key), getattr(here.protocol, key)
        if before != now:
            return f"{key} was {before} and is now {now}"
    gone = [cell for cell in there.cells if cell not in here.cells]
    new = [cell for cell in here.cells if cell not in there.cells]
    if len(gone) == len(new):
        changes = dict.fromkeys(change for pair in zip(gone, new, strict=True) for change in _changes(*pair))
        if len(changes) == 1:
            ((key, before, now),) = changes
            return f"{key} was {before} and is now {now}"
    return f"'{there.name}' with other cells"


def _changes(there: Cell, here: Cell) -> Iterator[tuple[str, str, str]]:
    """The fields in which two cells differ, with both values as text."""
    for kind, before, now, prefix in (
        (Cell, there, here, ""),
        (Settings, there.settings, here.settings, "settings."),
    ):
        for one in fields(kind):
            values = getattr(before, one.name), getattr(now, one.name)
            if one.name != "settings" and values[0] != values[1]:
                yield f"{prefix}{one.name}", str(values[0]), str(values[1])


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
    pa = _arrow()
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
    _write_table(file, pa.table(columns, schema=schema))


def _write_trace(file: Path, trace: Sequence[TraceStep]) -> None:
    pa = _arrow()
    schema = pa.schema(
        [
            ("channel", pa.string()),
            ("window", pa.string()),
            ("start_s", pa.float64()),
            ("duration_s", pa.float64()),
            ("power_w", pa.float64()),
            ("low_w", pa.float64()),
            ("high_w", pa.float64()),
        ]
    )
    columns = {name: [getattr(row, name) for row in trace] for name in schema.names}
    _write_table(file, pa.table(columns, schema=schema))


def _arrow() -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise StoreError("writing results needs pyarrow: pip install 'joulemark[transformers]'") from None
    return pa


def _write_table(file: Path, table: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
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


def _decode_study(file: Path) -> Study:
    study = _decode(file.read_bytes(), Study, str(file))
    if study.schema_version > SCHEMA_VERSION:
        raise StoreError(f"{file} was written by a newer joulemark: upgrade to read it")
    return study


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
