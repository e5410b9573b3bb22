"""The CSV files inside a file, a folder or an archive, as streams, whoever made them.

Nothing is unpacked to disk, no name from an archive is ever used as a path, links are not followed, and what an archive
may expand to is bounded. Whatever is left out is said in a line.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from joulemark.failures import MendableError

MEMBERS_MAX_N = 50_000
EXPANDED_MAX_BYTE = 2 * 2**30  # of one archive
RATIO_MAX = 250  # expanded ÷ packed, above the next figure; logs pack 10 to 30 to 1
RATIO_FROM_BYTE = 64 * 2**20
EXTENSION_MAX_BYTE = 2**20  # a tar header of its own for a long name: more is no name
DIRECTORY_MAX_BYTE = 64 * 2**20  # the table of contents of a zip file, which has to be held in memory
LINES_MAX_N = 1_000_000  # of one file
CHUNK_BYTE = 2**20

_PACKED: tuple[tuple[bytes, Callable[[BinaryIO], object]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
_DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)


class LogError(MendableError):
    """What was to be imported cannot be; the message says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was left out of an import: ``line_n`` is ``None`` where it is the whole file."""

    file: str
    line_n: int | None
    what: str


@dataclass(frozen=True, slots=True)
class LogFile:
    """One CSV file; ``stream`` can be read until the next one is asked for."""

    name: str  # below the folder or in the archive
    stream: BinaryIO


def log_files(path: Path, problems: list[Problem]) -> Iterator[LogFile]:
    """The CSV files of ``path``, in the order of an archive or sorted; what is left out is added to ``problems``.

    Raises :class:`LogError` where ``path`` cannot be read at all.
    """
    try:
        if path.is_dir():
            yield from _of_folder(path, problems)
        elif path.is_file():
            yield from _of_file(path, problems)
        else:
            raise LogError(f"no file or folder {path}")
    except _DAMAGED as error:
        problems.append(Problem(str(path), None, f"cannot be read further: {_plain(error)}"))


def _plain(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]


def _of_folder(folder: Path, problems: list[Problem]) -> Iterator[LogFile]:
    others_n = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(place, name)
            inside = str(file.relative_to(folder))
            if not name.lower().endswith(".csv"):
                others_n += 1
                continue
            try:
                # A pipe would wait for ever, a link may lead anywhere.
                descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                problems.append(Problem(inside, None, f"skipped: {_plain(error)}"))
                continue
            with os.fdopen(descriptor, "rb") as stream:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    yield LogFile(inside, stream)
                else:
                    problems.append(Problem(inside, None, "skipped: not a regular file"))
    _tell_others(str(folder), others_n, problems)


def _tell_others(where: str, others_n: int, problems: list[Problem]) -> None:
    if others_n:
        what = "1 file in it is no CSV and was" if others_n == 1 else f"{others_n:,} files in it are no CSV and were"
        problems.append(Problem(where, None, f"{what} not read"))


def _of_file(path: Path, problems: list[Problem]) -> Iterator[LogFile]:
    with ExitStack() as opened:
        raw = opened.enter_context(path.open("rb"))
        start = raw.read(512)
        raw.seek(0)
        if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from _of_zip(path.name, raw, problems)
            return
        stream: BinaryIO = raw
        for magic, unpack in _PACKED:
            if start.startswith(magic):
                unpacked = opened.enter_context(cast(BinaryIO, unpack(raw)))
                stream = cast(BinaryIO, io.BufferedReader(_Bounded(path.name, raw, unpacked), CHUNK_BYTE))
                start = cast(io.BufferedReader, stream).peek(512)[:512]
        if start[257:262] == b"ustar":
            yield from _of_tar(path.name, stream, problems)
        else:
            yield LogFile(path.name, stream)


class _Bounded(io.RawIOBase):
    """What a packed file expands to, refused beyond the bounds at the top of this module."""

    def __init__(self, name: str, raw: BinaryIO, unpacked: BinaryIO) -> None:
        self._name, self._raw, self._unpacked = name, raw, unpacked
        self._expanded_byte = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        content = self._unpacked.read(len(view))
        view[: len(content)] = content
        self._expanded_byte += len(content)
        _check_expansion(self._name, self._expanded_byte, self._raw.tell())
        return len(content)


def _check_expansion(name: str, expanded_byte: int, packed_byte: int) -> None:
    if expanded_byte > EXPANDED_MAX_BYTE or (
        expanded_byte > RATIO_FROM_BYTE and expanded_byte > RATIO_MAX * max(packed_byte, 1)
    ):
        raise LogError(
            f"{name} expands to more than {expanded_byte / 2**20:,.0f} MiB from {packed_byte / 2**20:,.1f} MiB: "
            "refused. If that is what it should hold, unpack it and import the folder"
        )


class _Member(tarfile.TarInfo):
    """A tar member whose extension headers, which tarfile reads into memory, are of a bounded size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)
        extensions = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, b"X")
        if member.type in extensions and member.size > EXTENSION_MAX_BYTE:
            raise tarfile.ReadError(f"a header of {member.size:,} bytes")
        return member


def _of_tar(name: str, stream: BinaryIO, problems: list[Problem]) -> Iterator[LogFile]:
    others_n = 0
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
        for member_n, member in enumerate(archive, start=1):
            archive.members = []  # type: ignore[attr-defined]  # tarfile keeps every member it has seen
            _check_members(name, member_n)
            if member.isdir():
                continue
            why = _unsafe_name(member.name)
            if not member.isreg() or member.issparse():
                why = "a link or a special file"
            if why:
                problems.append(Problem(member.name, None, f"skipped: {why}"))
            elif not member.name.lower().endswith(".csv"):
                others_n += 1
            elif (content := archive.extractfile(member)) is not None:
                yield LogFile(member.name, cast(BinaryIO, content))
    _tell_others(name, others_n, problems)


def _of_zip(name: str, raw: BinaryIO, problems: list[Problem]) -> Iterator[LogFile]:
    _check_zip_directory(name, raw)
    others_n = expanded_byte = 0
    packed_byte = raw.seek(0, os.SEEK_END)
    with zipfile.ZipFile(raw) as archive:
        members = archive.infolist()
        _check_members(name, len(members))
        for member in members:
            mode = member.external_attr >> 16
            why = _unsafe_name(member.filename)
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                why = "a link or a special file"
            if member.flag_bits & 1:
                why = "encrypted"
            if member.is_dir():
                continue
            if why:
                problems.append(Problem(member.filename, None, f"skipped: {why}"))
            elif not member.filename.lower().endswith(".csv"):
                others_n += 1
            else:
                # zipfile never yields more than the stated size, so that the stated sizes bound the sum.
                expanded_byte += member.file_size
                _check_expansion(name, expanded_byte, packed_byte)
                with archive.open(member) as content:
                    yield LogFile(member.filename, cast(BinaryIO, content))
    _tell_others(name, others_n, problems)


def _check_zip_directory(name: str, raw: BinaryIO) -> None:
    """Refuse a zip file whose table of contents is too large, before zipfile reads it whole."""
    end_byte = raw.seek(0, os.SEEK_END)
    raw.seek(max(0, end_byte - 22 - 65535))
    tail = raw.read()
    raw.seek(0)
    record_i = tail.rfind(b"PK\x05\x06")
    if record_i < 0 or len(tail) < record_i + 22:
        raise zipfile.BadZipFile("no table of contents")
    directory_byte = int.from_bytes(tail[record_i + 12 : record_i + 16], "little")
    if directory_byte > DIRECTORY_MAX_BYTE:
        raise LogError(f"{name} has a table of contents of more than {DIRECTORY_MAX_BYTE >> 20} MiB: refused")


def _check_members(name: str, members_n: int) -> None:
    if members_n > MEMBERS_MAX_N:
        raise LogError(f"{name} holds more than {MEMBERS_MAX_N:,} files: refused. Unpack it and import the folder")


def _unsafe_name(name: str) -> str | None:
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts:
        return "its name leads out of the archive"
    return None


def cut(problems: list[Problem], most_n: int) -> int:
    """Leave the first ``most_n`` problems; returns how many were dropped, for the caller to tell."""
    dropped_n = max(0, len(problems) - most_n)
    del problems[most_n:]
    return dropped_n


def whole_lines(file: LogFile, line_max_byte: int, problems: list[Problem]) -> Iterable[tuple[int, bytes]]:
    """Number and content of each line; one longer than ``line_max_byte`` is passed over and reported."""
    line_n = 0
    read = file.stream.readline
    while line := read(line_max_byte):
        line_n += 1
        if line_n > LINES_MAX_N:
            problems.append(Problem(file.name, line_n, f"more than {LINES_MAX_N:,} lines: the rest was not read"))
            return
        if len(line) == line_max_byte and not line.endswith(b"\n"):
            while (rest := read(CHUNK_BYTE)) and not rest.endswith(b"\n"):
                pass
            problems.append(Problem(file.name, line_n, f"longer than {line_max_byte >> 10} KiB: skipped"))
            continue
        yield line_n, line
