"""Rows of CodeCarbon's CSV files, of any version from 1.0 to 3.3, with a report of every row that makes no sense.

Sources: ``codecarbon/output.py`` and ``codecarbon/output_methods/emissions_data.py`` of releases 1.0.0, 1.2.0, 2.0.0,
2.1.4, 2.3.1, 2.4.2, 2.8.3, 3.0.8, 3.2.0 and 3.3.2 (MIT licence), read for the names and order of the columns.

Its append mode writes rows without looking at names: a newer release under an older header, or a row from which the
columns that had no value were dropped, so that all later ones are shifted. A row is therefore read under the columns
that its values fit, and skipped where no columns or several that differ fit it.
"""

from __future__ import annotations

import codecs
import csv
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from itertools import combinations
from sys import intern

from joulemark.interchange.log_files import LogFile, Problem, cut, whole_lines

LINE_MAX_BYTE = 64 * 2**10
WORDS_MAX_N = 200  # characters of a name that are kept
PROBLEMS_MAX_N = 100  # of one file; the rest is counted
SUM_TOLERANCE = 1e-3  # the parts of an energy and their sum
AMOUNT_MAX = 1e9  # seconds, watts, kWh or kg of one row: 30 years, a power station; more is no figure of a run
DROPPED_MAX_N = 5  # columns that an append can have dropped

_START = "timestamp project_name run_id"
_FIGURES = (
    "duration emissions emissions_rate cpu_power gpu_power ram_power cpu_energy gpu_energy ram_energy energy_consumed"
)
_FIGURES_1 = "duration emissions energy_consumed"
_PLACE_1 = "country_name country_iso_code region on_cloud cloud_provider cloud_region"
_PLACE = "country_name country_iso_code region cloud_provider cloud_region os python_version"
_MACHINE = "cpu_count cpu_model gpu_count gpu_model longitude latitude ram_total_size tracking_mode"
_LOAD = "cpu_utilization_percent gpu_utilization_percent ram_utilization_percent ram_used_gb"

HEADERS: dict[str, tuple[str, ...]] = {
    "1.0": tuple(f"timestamp experiment_id project_name {_FIGURES_1} {_PLACE_1}".split()),
    "2.0": tuple(f"{_START} {_FIGURES} {_PLACE} {_MACHINE} on_cloud".split()),
    "2.3": tuple(f"{_START} {_FIGURES} {_PLACE} codecarbon_version {_MACHINE} on_cloud pue".split()),
    "2.5": tuple(f"{_START} experiment_id {_FIGURES} {_PLACE} codecarbon_version {_MACHINE} on_cloud pue".split()),
    "3.0": tuple(
        f"{_START} experiment_id {_FIGURES} water_consumed {_PLACE} codecarbon_version {_MACHINE} "
        "on_cloud pue wue".split()
    ),
    "3.3": tuple(
        f"{_START} experiment_id {_FIGURES} water_consumed {_PLACE} codecarbon_version {_MACHINE} {_LOAD} "
        "on_cloud pue wue".split()
    ),
    "2.3 task": tuple(f"task_name {_START} {_FIGURES} {_PLACE} codecarbon_version {_MACHINE} on_cloud".split()),
    "3.0 task": tuple(
        f"task_name {_START} {_FIGURES} water_consumed {_PLACE} codecarbon_version {_MACHINE} on_cloud".split()
    ),
    "3.3 task": tuple(
        f"task_name {_START} {_FIGURES} water_consumed {_PLACE} codecarbon_version {_MACHINE} {_LOAD} on_cloud".split()
    ),
}
REQUIRED = ("timestamp", "duration", "energy_consumed")
# Columns without a value on many machines, the ones that an append drops.
_DROPPABLE = (
    "experiment_id", "country_name", "country_iso_code", "region", "cloud_provider", "cloud_region", "gpu_count",
    "gpu_model", "cpu_model", "longitude", "latitude",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoggedRow:
    """One row: a run, or a task of a run. Energies as they were logged, in kWh; ``None`` is not known.

    ``ended_at`` is the row's time stamp, which CodeCarbon takes when it stops, without a time zone.
    """

    file: str
    line_n: int
    task_name: str | None
    ended_at: str
    project_name: str
    run_id: str
    duration_s: float
    emissions_kg: float | None
    cpu_power_w: float | None
    cpu_energy_kwh: float | None
    gpu_energy_kwh: float | None
    ram_energy_kwh: float | None
    energy_consumed_kwh: float
    os: str
    python_version: str
    codecarbon_version: str
    cpus_n: int | None
    cpu_model: str
    gpus_n: int | None
    gpu_model: str
    memory_gib: float | None
    tracking_mode: str
    pue_ratio: float


def read_rows(file: LogFile, problems: list[Problem]) -> tuple[list[LoggedRow], tuple[str, ...]]:
    """The rows of a file and its header. A file that is not CodeCarbon's gives none; the caller says so."""
    found: list[Problem] = []
    rows: list[LoggedRow] = []
    header: tuple[str, ...] = ()
    dropped_n = 0
    for line_n, line in whole_lines(file, LINE_MAX_BYTE, found):
        dropped_n += cut(found, PROBLEMS_MAX_N)
        if line.isspace():
            continue
        values = _values(line, first=not header)
        if isinstance(values, str):
            found.append(Problem(file.name, line_n, values))
            if not header:
                break
            continue
        if not header:
            header = tuple(name.strip() for name in values)
            if not is_codecarbon(header):
                break
            continue
        row = _row(file.name, line_n, header, values, found)
        if row is not None:
            rows.append(row)
    dropped_n += cut(found, PROBLEMS_MAX_N)
    problems.extend(found)
    if dropped_n:
        problems.append(Problem(file.name, None, f"{dropped_n:,} further lines of it were skipped or read otherwise"))
    return rows, header


def is_codecarbon(header: Sequence[str]) -> bool:
    """Whether these are the columns of a CodeCarbon file."""
    return set(REQUIRED) <= set(header) and len(set(header)) == len(header)


def _values(line: bytes, first: bool) -> list[str] | str:
    """The values of one line, or why it has none."""
    if first and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16, not UTF-8: skipped; save it as UTF-8"
    if b"\0" in line:
        return "not text: skipped"
    try:
        text = line.decode("utf-8-sig" if first else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return "not UTF-8: skipped"
    try:
        return next(csv.reader((text,), strict=True), [])
    except csv.Error as error:
        return f"not CSV ({error}): skipped"


def _row(
    name: str, line_n: int, header: tuple[str, ...], values: list[str], problems: list[Problem]
) -> LoggedRow | None:
    if len(values) == len(header):
        fitting = dict(zip(header, values, strict=True))
        why = misfit(fitting)
        if why is None:
            return _logged(name, line_n, fitting)
    else:
        why = f"{len(values)} values under {len(header)} columns"
    read: dict[LoggedRow, str] = {}  # the ways to read it, and whose each is
    for columns, whose in _other_columns(header, len(values)):
        candidate = dict(zip(columns, values, strict=True))
        if misfit(candidate) is None:
            read.setdefault(_logged(name, line_n, candidate), whose)
    alike = {(row.ended_at, row.duration_s, row.energy_consumed_kwh, row.gpu_energy_kwh) for row in read}
    if len(alike) == 1:
        whose = next(iter(read.values())) if len(read) == 1 else "a row with some columns dropped"
        problems.append(Problem(name, line_n, f"{why}: read as {whose}"))
        return _agreed(tuple(read))
    if read:
        why = f"{why}, and several ways to read it"
    problems.append(Problem(name, line_n, f"{why}: skipped"))
    return None


def _agreed(rows: Sequence[LoggedRow]) -> LoggedRow:
    """What all ways to read a row agree on; the rest is not known."""
    disputed = {
        field.name: "" if isinstance(getattr(rows[0], field.name), str) else None
        for field in fields(LoggedRow)
        if len({getattr(row, field.name) for row in rows}) > 1
    }
    if "pue_ratio" in disputed:
        disputed["pue_ratio"] = min(row.pue_ratio for row in rows)  # type: ignore[assignment]
    return replace(rows[0], **disputed)  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _other_columns(header: tuple[str, ...], values_n: int) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Columns of so many values that a row under ``header`` may have, and whose they are."""
    found = [
        (columns, f"the columns of CodeCarbon {version}")
        for version, columns in HEADERS.items()
        if len(columns) == values_n and columns != header
    ]
    for whole in (header, *HEADERS.values()):
        droppable = [column for column in whole if column in _DROPPABLE]
        if 0 < len(whole) - values_n <= DROPPED_MAX_N:
            for dropped in combinations(droppable, len(whole) - values_n):
                left = tuple(column for column in whole if column not in dropped)
                found.append((left, f"a row without {', '.join(dropped)}"))
    return tuple(found)


def _number(text: str) -> float | None:
    """A finite number; ``None`` for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _amount(text: str) -> bool:
    value = _number(text)
    return value is not None and 0 <= value <= AMOUNT_MAX


def _instant(text: str) -> datetime | None:
    """A time stamp after 1970, so that a duration can be taken from it. A spreadsheet writes hours with one digit."""
    try:
        instant = datetime.fromisoformat(re.sub(r"[T ](\d):", r"T0\1:", text))
    except ValueError:
        return None
    return instant if instant.year > 1970 else None


def _maybe(kind: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: text == "" or kind(text)


def _words(text: str) -> bool:
    return text == "" or (_number(text) is None and text.lower() not in ("nan", "inf", "-inf"))


def _like(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _degrees(text: str) -> bool:
    value = _number(text)
    return value is not None and abs(value) <= 180


_KINDS: dict[str, Callable[[str], bool]] = {
    "timestamp": lambda text: _instant(text) is not None,
    "duration": _amount,
    "emissions": _maybe(_amount),
    "emissions_rate": _maybe(_amount),
    "cpu_power": _maybe(_amount),
    "gpu_power": _maybe(_amount),
    "ram_power": _maybe(_amount),
    "cpu_energy": _maybe(_amount),
    "gpu_energy": _maybe(_amount),
    "ram_energy": _maybe(_amount),
    "energy_consumed": _amount,
    "water_consumed": _maybe(_amount),
    "country_name": _words,
    "country_iso_code": _like(r"([A-Z]{2,3})?"),
    "region": _words,
    "cloud_provider": _words,
    "cloud_region": _words,
    "os": _words,
    "python_version": _like(r"(\d+\.\d+\S*)?"),
    "codecarbon_version": _like(r"(\d+\.\d+\S*)?"),
    "cpu_count": _maybe(_amount),
    "cpu_model": _words,
    "gpu_count": _maybe(_amount),
    "gpu_model": _words,
    "longitude": _maybe(_degrees),
    "latitude": _maybe(_degrees),
    "ram_total_size": _maybe(_amount),
    "tracking_mode": _like(r"(machine|process)?"),
    "on_cloud": _like(r"[YN]?"),
    "pue": _maybe(_amount),
    "wue": _maybe(_amount),
}


def misfit(values: dict[str, str]) -> str | None:
    """Why these values cannot be what their columns say; ``None`` if they can."""
    for column, fits in _KINDS.items():
        text = values.get(column)
        if text is not None and not fits(text):
            return f"{column} is {text[:40]!r}"
    parts = [_number(values.get(f"{part}_energy", "")) for part in ("cpu", "gpu", "ram")]
    parts_kwh = math.fsum(part for part in parts if part is not None)
    whole_kwh = float(values["energy_consumed"])
    # A part that is empty may have what the others leave of the sum, but they cannot have more than it.
    apart_kwh = parts_kwh - whole_kwh if None in parts else abs(parts_kwh - whole_kwh)
    if apart_kwh > SUM_TOLERANCE * max(parts_kwh, whole_kwh):
        return f"its parts add up to {parts_kwh:.6g} kWh, not to {whole_kwh:.6g}"
    return None


def _logged(name: str, line_n: int, values: dict[str, str]) -> LoggedRow:
    def number(column: str) -> float | None:
        return _number(values.get(column, ""))

    def count(column: str) -> int | None:
        value = number(column)
        return None if value is None else int(min(value, 2**31))

    def words(column: str) -> str:
        return intern(values.get(column, "")[:WORDS_MAX_N])

    ended = _instant(values["timestamp"])
    assert ended is not None  # it fits
    return LoggedRow(
        file=name,
        line_n=line_n,
        task_name=words("task_name") or None,
        ended_at=ended.isoformat(),
        project_name=words("project_name"),
        run_id=values.get("run_id", "")[:100],  # experiment_id is the same for all runs of 1.x
        duration_s=float(values["duration"]),
        emissions_kg=number("emissions"),
        cpu_power_w=number("cpu_power"),
        cpu_energy_kwh=number("cpu_energy"),
        gpu_energy_kwh=number("gpu_energy"),
        ram_energy_kwh=number("ram_energy"),
        energy_consumed_kwh=float(values["energy_consumed"]),
        os=words("os"),
        python_version=words("python_version"),
        codecarbon_version=words("codecarbon_version"),
        cpus_n=count("cpu_count"),
        cpu_model=words("cpu_model"),
        gpus_n=count("gpu_count"),
        gpu_model=words("gpu_model"),
        memory_gib=number("ram_total_size"),
        tracking_mode=words("tracking_mode"),
        pue_ratio=max(number("pue") or 1.0, 1.0),
    )


def not_codecarbon(header: Sequence[str]) -> str:
    """Why a file with this header is left out."""
    if not header:
        return "skipped: no header"
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        return f"skipped: not a CodeCarbon file, it has no column {', '.join(missing)}"
    return "skipped: a column is there twice"
