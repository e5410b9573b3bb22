"""Embodied carbon: what making a device emitted, charged to the hours in which it worked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joulemark.impact.facts import nearest, optional, ranged, read_facts, weakest
from joulemark.impact.quantity_text import DAYS_PER_YEAR
from joulemark.impact.ranged import ImpactError, Ranged, over, plus, times

S_PER_YEAR = DAYS_PER_YEAR * 86400.0
# A part of a board, or another board under the same name: the whole desktop board's row says nothing of it.
OTHER_BOARD = re.compile(r"\bMIG\b|\blaptop\b|\bmobile\b|\bmax-q\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Device:
    """A device with what making it emitted, in grams of CO2e, and the most power it draws."""

    id: str
    made_g: Ranged
    lifetime_s: Ranged
    power_max_w: float | None
    source: str
    licence: str
    verification: str


@dataclass(frozen=True, slots=True)
class Embodied:
    """Grams of CO2e of making the devices, for the time they were used. Never part of the grid's grams."""

    value: float
    low: float | None
    high: float | None
    basis: str
    year: int | None
    devices: tuple[str, ...]
    device_s: float
    source: str
    licence: str
    verification: str
    left_out: tuple[str, ...]


def find_device(name: str) -> Device:
    """A device by its name in the catalogue, or as its driver reports it. Raises :class:`ImpactError`."""
    found = device_or_none(name)
    if found is None:
        names = [row["id"] for row in read_facts("embodied.csv")]
        raise ImpactError(f"nothing known of what making '{name}' emitted{_nearest(name.strip(), names)}")
    return found


def _nearest(wanted: str, names: Sequence[str]) -> str:
    """The devices that a name may have meant: by the whole, else by the word that tells models apart ("A100")."""
    words = {word for name in names for word in name.casefold().split() if any(map(str.isdigit, word))}
    close = difflib.get_close_matches(wanted.casefold(), words, n=1)
    return nearest(wanted, names) or (nearest(close[0], names) if close else "")


def device_or_none(name: str) -> Device | None:
    """:func:`find_device`, or ``None`` where nothing is known of the device."""
    wanted = name.strip().casefold()
    if not wanted:
        return None
    rows = read_facts("embodied.csv")
    exact = [row for row in rows if wanted in (row["id"].casefold(), row["id"].partition(" ")[2].casefold())]
    reported = [row for row in rows if row["match_regex"] and re.search(row["match_regex"], name, re.IGNORECASE)]
    if OTHER_BOARD.search(name):
        reported = []
    partial = [row for row in rows if len(wanted) > 2 and wanted in row["id"].casefold()]
    found = exact or reported or (partial if len(partial) == 1 else [])
    return _device(found[0]) if found else None


def embodied(devices: Sequence[Device], device_s: float, left_out: Sequence[str] = ()) -> Embodied | None:
    """Grams for ``device_s`` seconds of each device; ``None`` without a device.

    Formula: made × time ÷ (lifetime × utilisation): idle hours are charged to the busy ones.
    """
    if not devices:
        return None
    utilisation = _amortisation("utilisation")
    grams = Ranged(0.0)
    for device in devices:
        busy_s = times(device.lifetime_s, utilisation)
        grams = plus(grams, over(times(device.made_g, Ranged(device_s)), busy_s))
    words = dict.fromkeys(device.verification for device in devices)
    utilisation_word = amortisation_row("utilisation")["verification"]
    return Embodied(
        value=grams.value,
        low=grams.low,
        high=grams.high,
        basis="lifecycle (made, without use)",
        year=None,
        devices=tuple(device.id for device in devices),
        device_s=device_s,
        source="; ".join(dict.fromkeys(device.source for device in devices)),
        licence="; ".join(dict.fromkeys(device.licence for device in devices)),
        verification=f"{weakest(*words, utilisation_word)} ({'; '.join(words)}; utilisation {utilisation_word})",
        left_out=tuple(left_out),
    )


def amortisation_row(id_: str) -> Mapping[str, str]:
    """The row of the catalogue about "lifetime" or "utilisation"."""
    return next(row for row in read_facts("amortisation.csv") if row["id"] == id_)


def _amortisation(id_: str) -> Ranged:
    return ranged(amortisation_row(id_))


def _device(row: Mapping[str, str]) -> Device:
    years = _amortisation("lifetime")
    own = optional(row, "lifetime_years")
    if own is not None:
        years = Ranged(own, min(own, years.low or own), max(own, years.high or own))
    return Device(
        id=row["id"],
        made_g=times(ranged(row), Ranged(1000.0)),
        lifetime_s=times(years, Ranged(S_PER_YEAR)),
        power_max_w=optional(row, "power_max_w"),
        source=row["source"],
        licence=row["licence"],
        verification=row["verification"],
    )
