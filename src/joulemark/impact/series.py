"""Carbon intensity that changes over time: a file with a row per time stamp, and its mean over given hours."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from joulemark.impact.facts import listed
from joulemark.impact.intensity_unit import unit_g_per_kwh
from joulemark.impact.ranged import ImpactError, Ranged

TIME_NAMES = ("datetime", "timestamp", "time", "date", "from", "start", "started_at", "point_time")
SPAN_MIN_S = 1e-3  # a window without a length has the value that holds at its start
VALUE_WORDS = ("intensity", "g_per_kwh", "gco2", "g/kwh")
GAP_RATIO = 1.5  # of the usual step: what is longer lacks a value; months differ by less
END_MAX_S = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
SHOWN_MAX_N = 40  # letters of a wrong value in a message


@dataclass(frozen=True, slots=True)
class Series:
    """``values_g_per_kwh[i]`` holds from ``starts_s[i]`` (Unix time in s) to the next start, the last to ``end_s``.

    ``column`` is the heading of the values, which often tells their basis.
    """

    starts_s: tuple[float, ...]
    values_g_per_kwh: tuple[float, ...]
    end_s: float
    column: str

    @property
    def basis(self) -> str:
        """What the heading says: "lifecycle", "direct" or "not stated"."""
        if re.search(r"\blca\b|life[ -_]?cycle", self.column, re.IGNORECASE):
            return "lifecycle"
        return "direct" if "direct" in self.column.casefold() else "not stated"

    @property
    def kind(self) -> str:
        """What the heading says: "marginal", "average" or "not stated"."""
        return next((word for word in ("marginal", "average") if word in self.column.casefold()), "not stated")

    @property
    def year(self) -> int | None:
        """The year of all values; ``None`` where they are of several."""
        years = {datetime.fromtimestamp(start_s, UTC).year for start_s in self.starts_s}
        return years.pop() if len(years) == 1 else None

    def whole(self) -> Ranged:
        """The mean over all of its time, with the least and the greatest value."""
        return self._mean([(self.starts_s[0], self.end_s)])

    def during(self, windows: Sequence[tuple[str, float]]) -> Ranged:
        """The mean over windows of (start as ISO-8601, duration in s), and the least and greatest value in them.

        Power is taken as even over the windows. Raises :class:`ImpactError` for a window outside the series.
        """
        spans_s = _spans_s(windows)
        for (started_at, _), (start_s, end_s) in zip(windows, spans_s, strict=True):
            if start_s < self.starts_s[0] or end_s > self.end_s:
                raise ImpactError(
                    f"the run at {started_at} is outside the hours of the series, {_iso(self.starts_s[0])} to "
                    f"{_iso(self.end_s)}: give one that holds it"
                )
        return self._mean(spans_s)

    def gaps_note(self, windows: Sequence[tuple[str, float]] = ()) -> str:
        """Which of the time of ``windows``, or without any of all the time, has no value of its own; empty for none."""
        spans_s = _spans_s(windows) or [(self.starts_s[0], self.end_s)]
        usual_s = _usual_step_s(self.starts_s)
        gaps_s = [
            (start_s + usual_s, next_s)
            for start_s, next_s in itertools.pairwise(self.starts_s)
            if next_s - start_s > GAP_RATIO * usual_s
            and any(first_s < next_s and last_s > start_s + usual_s for first_s, last_s in spans_s)
        ]
        if not gaps_s:
            return ""
        start_s, end_s = max(gaps_s, key=lambda gap_s: gap_s[1] - gap_s[0])
        more = f", nor in {len(gaps_s) - 1:,} other gaps" if len(gaps_s) > 1 else ""
        return f"there is no value from {_iso(start_s)} to {_iso(end_s)}{more}: the one before was taken"

    def _mean(self, spans_s: Sequence[tuple[float, float]]) -> Ranged:
        ends_s = (*self.starts_s[1:], self.end_s)
        parts: list[tuple[float, float]] = []
        for value, start_s, end_s in zip(self.values_g_per_kwh, self.starts_s, ends_s, strict=True):
            for first_s, last_s in spans_s:
                overlap_s = min(end_s, last_s) - max(start_s, first_s)
                if overlap_s > 0:
                    parts.append((value, overlap_s))
        values = [value for value, _ in parts]
        mean = math.fsum(value * share_s for value, share_s in parts) / math.fsum(share_s for _, share_s in parts)
        return Ranged(min(max(mean, min(values)), max(values)), min(values), max(values))


@cache
def read_series(file: Path) -> Series:
    """A series from CSV with headings or JSON with a list of objects. Raises :class:`ImpactError`.

    One column holds time stamps in ISO-8601 (without an offset they are UTC), exactly one other a carbon intensity in
    the unit of its heading, g/kWh where that names none. The last value holds as long as the one before it, but no
    longer than is usual.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImpactError(f"the series {file} cannot be read: {error}") from None
    rows = _json_rows(file, text) if file.suffix.casefold() == ".json" else _csv_rows(file, text)
    if len(rows) < 2:
        raise ImpactError(f"{file} has fewer than two rows: a series needs two time stamps at least")
    at, column = _columns(file, list(rows[0]))
    try:
        factor = unit_g_per_kwh(column) or 1.0
    except ImpactError as error:
        raise ImpactError(f"{file}: {error}") from None
    pairs: list[tuple[float, float]] = []
    for row_n, row in enumerate(rows, start=1):
        try:
            value = _number(row[column]) * factor
            pairs.append((_seconds(str(row[at])), value))
        except (KeyError, TypeError, ValueError, OverflowError):
            shown = f"{_shown(row.get(at))}, {_shown(row.get(column))}"
            raise ImpactError(f"{file} row {row_n} is no time stamp with a number: {shown}") from None
        if not (math.isfinite(value) and value >= 0):
            raise ImpactError(f"{file} row {row_n}: an intensity is 0 or more, not {value:g}")
    pairs.sort()
    if any(first[0] == second[0] for first, second in itertools.pairwise(pairs)):
        raise ImpactError(f"{file} has a time stamp twice: keep one row of each")
    starts_s, values_g_per_kwh = tuple(start_s for start_s, _ in pairs), tuple(value for _, value in pairs)
    last_step_s = min(starts_s[-1] - starts_s[-2], _usual_step_s(starts_s))
    return Series(starts_s, values_g_per_kwh, min(starts_s[-1] + last_step_s, END_MAX_S), column)


def _usual_step_s(starts_s: Sequence[float]) -> float:
    """How long a value mostly holds."""
    return statistics.median_low(end_s - start_s for start_s, end_s in itertools.pairwise(starts_s))


def _columns(file: Path, names: Sequence[str]) -> tuple[str, str]:
    """The names of the columns of time stamps and of intensities."""
    at = next((name for name in names if _is_time(name)), None)
    others = [name for name in names if name != at]
    values = [name for name in others if any(word in name.casefold() for word in VALUE_WORDS)]
    values = values or [name for name in others if _has_unit(name)]
    shown = [" ".join(name.split()) for name in names]
    if at is None or not values:
        raise ImpactError(f"{file} needs a column 'datetime' and a column 'intensity_g_per_kwh'{listed(shown)}")
    if len(values) > 1:
        raise ImpactError(f"{file} has {len(values)} columns of intensities{listed(values)}: keep one of them")
    return at, values[0]


def _has_unit(name: str) -> bool:
    try:
        return unit_g_per_kwh(name) is not None
    except ImpactError:
        return False


def _number(value: Any) -> float:
    if isinstance(value, bool):  # JSON's true is no 1
        raise TypeError
    return float(value)


def _shown(value: Any) -> str:
    return (
        repr(value)[:SHOWN_MAX_N] if isinstance(value, str | int | float) else "nothing" if value is None else "a list"
    )


def _is_time(name: str) -> bool:
    return re.split(r"[ (\[]", name.strip().casefold())[0] in TIME_NAMES


def _csv_rows(file: Path, text: str) -> Sequence[Mapping[str, Any]]:
    try:
        rows = [row for row in csv.DictReader(io.StringIO(text), strict=True) if any(row.values())]
    except csv.Error as error:
        raise ImpactError(f"{file} is no CSV: {error}") from None
    for row_n, row in enumerate(rows, start=1):
        if None in row:  # a value with a decimal comma would be read as two
            raise ImpactError(f"{file} row {row_n} has more values than the heading: write decimals with a point")
    return rows


def _json_rows(file: Path, text: str) -> Sequence[Mapping[str, Any]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImpactError(f"{file} is no JSON that can be read: {error}") from None
    if isinstance(content, dict):  # the list inside an answer of an interface
        lists = [value for value in content.values() if isinstance(value, list)]
        content = lists[0] if len(lists) == 1 else None
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise ImpactError(f'{file} is no list of objects such as {{"datetime": "2025-01-01T00:00Z", "intensity": 250}}')
    return content


def _spans_s(windows: Sequence[tuple[str, float]]) -> list[tuple[float, float]]:
    """Start and end of windows of (start as ISO-8601, duration in s)."""
    spans_s: list[tuple[float, float]] = []
    for started_at, duration_s in windows:
        try:
            start_s = _seconds(started_at)
        except (ValueError, OverflowError):
            raise ImpactError(f"{started_at!r} is no time at which a run can have started") from None
        spans_s.append((start_s, start_s + max(duration_s, SPAN_MIN_S)))
    return spans_s


def _seconds(stamp: str) -> float:
    moment = datetime.fromisoformat(stamp.strip())
    # To UTC before all else: an offset can lead out of the years that there are.
    return (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _iso(seconds: float) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="minutes").replace("+00:00", "Z")
