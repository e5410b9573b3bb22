"""Rows of the catalogue's data files, with the words that say how far they were verified."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from joulemark.impact.ranged import Ranged

WORDS = ("primary", "derived", "secondary", "secondary-weak", "unverified")  # strongest first
LISTED_MAX_N = 12  # names in a message


@cache
def read_facts(name: str) -> tuple[Mapping[str, str], ...]:
    """All rows of ``catalogue/NAME``, a CSV file in UTF-8."""
    text = files("joulemark").joinpath("catalogue", name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def optional(row: Mapping[str, str], column: str) -> float | None:
    """A number, or ``None`` where the cell is empty."""
    return float(row[column]) if row[column] else None


def ranged(row: Mapping[str, str], value: str = "value", low: str = "low", high: str = "high") -> Ranged:
    """The figure of a row with its range."""
    return Ranged(float(row[value]), optional(row, low), optional(row, high))


def is_unverified(verification: str) -> bool:
    """Whether a figure, or a part of it, is recalled only: it must be shown as such."""
    return "unverified" in verification or "recalled" in verification


def weakest(*verifications: str) -> str:
    """The weakest of several verification words, for a figure that is made of several."""
    words = [next((word for word in reversed(WORDS) if word in one), WORDS[-1]) for one in verifications]
    return max(words, key=WORDS.index)


def listed(names: Iterable[str]) -> str:
    """The known names, as the end of a message; empty when there are none."""
    known = list(dict.fromkeys(names))
    more = f" and {len(known) - LISTED_MAX_N:,} more" if len(known) > LISTED_MAX_N else ""
    return f"; there are {', '.join(known[:LISTED_MAX_N])}{more}" if known else ""


def nearest(wanted: str, names: Iterable[str]) -> str:
    """The known names that ``wanted`` may have meant, as the end of a message; empty when there are none."""
    wanted = wanted.casefold()
    known = sorted(set(names))
    holding = [name for name in known if len(wanted) > 2 and wanted in name.casefold()]
    by_name = {name.casefold(): name for name in known}
    close = [by_name[name] for name in difflib.get_close_matches(wanted, by_name, n=4, cutoff=0.5)]
    found = list(dict.fromkeys([*holding[:4], *close]))[:4]
    return f"; nearest: {', '.join(found)}" if found else ""
