"""Data centres: power usage effectiveness, on-site water, and the water behind a kilowatt-hour of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from joulemark.impact.facts import nearest, ranged, read_facts
from joulemark.impact.ranged import ImpactError, Ranged

PUE_MAX_RATIO = 10.0  # published values end at about 3


@dataclass(frozen=True, slots=True)
class Facility:
    """One figure of a data centre, an operator's fleet or a grid.

    ``metric`` is "pue" (ratio), "wue_onsite" (litres per kWh of the equipment) or "water_offsite" (litres per kWh from
    the grid).
    """

    id: str
    metric: str
    operator: str
    region: str
    amount: Ranged
    unit: str
    basis: str
    year: int | None
    preferred: bool
    source: str
    licence: str
    verification: str
    note: str


@cache
def all_facilities() -> tuple[Facility, ...]:
    """Every figure of the catalogue."""
    return tuple(
        Facility(
            id=row["id"],
            metric=row["metric"],
            operator=row["operator"],
            region=row["region"],
            amount=ranged(row),
            unit=row["unit"],
            basis=row["basis"],
            year=int(row["year"]) if row["year"] else None,
            preferred=row["preferred"] == "1",
            source=row["source"],
            licence=row["licence"],
            verification=row["verification"],
            note=row["note"],
        )
        for row in read_facts("facilities.csv")
    )


def figure(id_: str, metric: str) -> Facility | None:
    """The preferred figure of a facility or a grid; ``None`` where there is none."""
    wanted = id_.casefold()
    preferred = (one for one in all_facilities() if one.preferred and one.metric == metric)
    return next((one for one in preferred if one.id.casefold() == wanted), None)


def find_pue(text: str | None) -> Facility:
    """The power usage effectiveness that ``text`` says: a number of at least 1, or a facility (``aws:us-west-2``).

    ``None`` is 1.0: the equipment alone, which leaves out cooling and losses. Raises :class:`ImpactError`.
    """
    if text is None:
        return _given(1.0, "equipment alone", "no PUE chosen: cooling and losses of the building are left out")
    try:
        ratio = float(text)
    except ValueError:
        return _published(text)
    if not 1 <= ratio <= PUE_MAX_RATIO:
        raise ImpactError(
            f"--pue {text}: a PUE is at least 1 (facility ÷ equipment) and below {PUE_MAX_RATIO:g}, such as 1.2"
        )
    return _given(ratio, "own value", "")


def _published(name: str) -> Facility:
    wanted = name.strip()
    found = figure(wanted, "pue")
    if found is None:  # a region without its provider, as grids have it
        code = f":{wanted.casefold()}"
        regions = [one.id for one in all_facilities() if one.metric == "pue" and one.id.casefold().endswith(code)]
        found = figure(regions[0], "pue") if regions else None
    if found is None:
        names = [one.id for one in all_facilities() if one.metric == "pue"]
        raise ImpactError(
            f"no PUE of '{name}'{nearest(wanted, names)}. A number will do; joulemark impact --list facilities"
        )
    return found


def _given(ratio: float, name: str, note: str) -> Facility:
    return Facility(
        id=name,
        metric="pue",
        operator="",
        region="",
        amount=Ranged(ratio),
        unit="ratio",
        basis="as given",
        year=None,
        preferred=True,
        source="given on the command line" if not note else "the default",
        licence="",
        verification="given by the user" if not note else "definition",
        note=note,
    )
