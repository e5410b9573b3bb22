"""Names, descriptions and captions of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulemark.analysis.figures.looks import fill
from joulemark.analysis.figures.points import TASK_SPECIFIC, Material, Point
from joulemark.analysis.figures.scale import Scale
from joulemark.failures import MendableError
from joulemark.units import number, show, show_range

if TYPE_CHECKING:
    import altair as alt

NAME_MAX_N, LABEL_MAX_N = 120, 30  # letters of a name that are kept in a description and in a label
PANELS_MAX_N = 24
MEAN_MARK = "Diamond: mean of two models or more; bar: its 95 % interval (Student's t on logarithms)."


class NothingToDraw(MendableError):
    """The results hold nothing that belongs in this figure; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart without its title, and the sentences of its caption."""

    title: str
    caption: tuple[str, ...]
    chart: alt.TopLevelMixin
    width_px: float  # without rows' names and legend


def about(point: Point) -> str:
    """All that is known of a point, in words: every mark carries it."""
    parts = [f"{name_of(point.model)}, {name_of(point.task)}, {name_of(point.dataset)}"]
    for interval, quantity, after in ((point.energy_j, "j", ""), (point.carbon_g, "g", " CO2e")):
        if interval is not None:
            text = show(interval.value, quantity) + after
            if interval.low is not None and interval.high is not None:
                text += f" (95 %: {show_range(interval.low, interval.high, quantity, interval.value)})"
            parts.append(text)
    if point.shares:
        shares = ", ".join(f"{kind} {share:.0%}" for kind, share in point.shares.items() if share > 0)
        parts.append(": ".join((*point.made_up, shares)))
    if point.quality is not None:
        parts.append(f"{name_of(point.quality_metric or 'quality')} {number(point.quality)}")
    parts.append(f"{point.runs_n} runs" if point.runs_n != 1 else "1 run")
    return "; ".join(parts)


def notes(
    material: Material,
    asked: Sequence[Point],
    shown: Sequence[Point],
    scale: Scale,
    *,
    sizes_n: int = 0,
    lengths_n: int = 0,
    unscored: int = 0,
    beside: int = 0,
    others: Sequence[str] = (),
    cells: Sequence[Point] = (),
    stands_for_carbon: bool = True,
    as_fill: bool = True,
) -> list[str]:
    """How the energy is known, on what the carbon rests, and what is not in the figure, by count.

    ``cells`` are those that the points of ``asked`` are means of, where they are.
    """
    notes = known_by(shown, as_fill)
    if not scale.is_energy:
        basis = (material.carbon_basis or "").removeprefix("carbon: ").removeprefix("carbon ")
        notes.append(f"Carbon: {basis}; its interval is that of the energy.")
    elif stands_for_carbon:
        notes.append("No grid is chosen: energy, to which carbon is proportional (--grid FRA, World, egrid:NWPP …).")
    unknown_n = sum(scale.interval(point) is None for point in cells or asked)
    negative_n = sum(scale.interval(point) is not None for point in asked) - len(scale.positive(asked))
    left = [
        f"{count} {why}"
        for count, why in (
            (material.without_runs_n, "cells without runs"),
            (unknown_n, f"of unknown {scale.noun}"),
            (negative_n, "at or below zero, which a logarithmic axis cannot show"),
            (sizes_n, "of unknown size"),
            (lengths_n, "of unknown length of answers"),
            (unscored, "without known size and quality, or alone on their dataset"),
            (beside, "on datasets with one kind of model"),
        )
        if count
    ]
    left += others
    if left:
        notes.append(f"Left out: {', '.join(left)}.")
    return notes


def known_by(points: Sequence[Point], as_fill: bool = True) -> list[str]:
    """How much of the energy was measured, over the points that are shown."""
    ratios = [ratio for point in points if (ratio := point.measured_ratio) is not None]
    if not ratios:
        return ["How the energy is known is not said."]
    filling = ""
    if as_fill and len({fill(point) for point in points}) > 1:
        filling = " Full marks are measured, pale ones in part, hollow ones not."
    words = list(dict.fromkeys(word for point in points for word in point.made_up))
    *others, last = "modelled", "assumed", *words
    otherwise = f"{', '.join(others)} or {last}"
    least, greatest = round(min(ratios) * 100), round(max(ratios) * 100)
    share = f"{least} %" if least == greatest else f"{least} to {greatest} %"
    if least == 100:
        return ["All of the energy was measured by counters or gauges."]
    if greatest == 0:
        if all(point.made_up for point in points):
            return [f"The energy is {' or '.join(words)}: nobody measured it."]
        return [f"None of the energy was measured: it is {otherwise}."]
    return [f"Measured by counters or gauges: {share} of a mark's energy; the rest is {otherwise}.{filling}"]


def paper_note(material: Material, what: str, drawn: bool = True) -> list[str]:
    """What the grey marks are."""
    return (
        [f"Grey: Luccioni et al. (2024), {what}: eight boards, processor and memory."]
        if material.paper and drawn
        else []
    )


def more_panels(panels: Sequence[object]) -> list[str]:
    """How many panels there was no room for."""
    if len(panels) <= PANELS_MAX_N:
        return []
    return [f"{len(panels) - PANELS_MAX_N} further datasets are not shown."]


def task_row(point: Point) -> str:
    """The row of a task; prompted models have one of their own."""
    return name_of(point.task) + ("" if point.kind == TASK_SPECIFIC else " (multi-purpose)")


def panel_of(point: Point) -> str:
    """The panel of a dataset."""
    return f"{name_of(point.task)} · {name_of(point.dataset)}"


def name_of(text: str, letters_n: int = NAME_MAX_N) -> str:
    """A name from a file on one line, without control characters, and not longer than a picture can bear."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text[: letters_n + 1])
    return clean if len(clean) <= letters_n else clean[: letters_n - 1] + "…"


def short_name(model: str, letters_n: int = LABEL_MAX_N) -> str:
    """A model's name without its owner."""
    return name_of(model.rsplit("/", 1)[-1] or model, letters_n)
