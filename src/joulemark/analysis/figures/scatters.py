"""Figures of marks between two axes: 2, 4 and 6."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from joulemark.analysis.figures.layout import Axis, linear_axis, log_axis
from joulemark.analysis.figures.looks import GREY, INK, KINDS, MODALITY_LOOKS, PALE, TASK_LOOKS, Look, present
from joulemark.analysis.figures.marks import (
    BILLIONS,
    LABELS_MAX_N,
    Record,
    bound_of,
    chart_of,
    grey_marks,
    interval_lines,
    labels_of,
    marks,
    range_of,
    record_of,
    scale_of,
    ticks_of,
)
from joulemark.analysis.figures.points import (
    TASK_SPECIFIC,
    Material,
    Point,
    by_model,
    cheapest_for_quality,
)
from joulemark.analysis.figures.scale import Scale
from joulemark.analysis.figures.wording import (
    LABEL_MAX_N,
    PANELS_MAX_N,
    Drawn,
    NothingToDraw,
    about,
    more_panels,
    name_of,
    notes,
    panel_of,
    paper_note,
    short_name,
)
from joulemark.workloads.quality import LOWER_IS_BETTER

if TYPE_CHECKING:
    import altair as alt

QUALITY_PX = (230, 190)  # width and height of a panel
DISC_PX2 = 900.0  # the area of the largest disc


def size_and_carbon(material: Material) -> Drawn:
    """Figure 2: parameters against carbon, both logarithmic, a mark per model and task."""
    import altair as alt

    scale = Scale.of(material)
    models = by_model(material.points)
    known = scale.positive(models)
    shown = [point for point in known if point.parameters_n]
    if not shown:
        raise NothingToDraw(f"figure 2: no model in these results has both a known size and a known {scale.noun}")
    shown = _extremes_first(shown, scale)
    theirs = [point for point in scale.positive(by_model(material.paper)) if point.parameters_n]
    sizes = log_axis([float(point.parameters_n or 0) for point in (*shown, *theirs)])
    amounts = log_axis(scale.extent(shown) + [scale.value(point) for point in theirs])
    width, height = 560, 380
    x = alt.X("size:Q", title="parameters of the model", scale=scale_of(sizes), axis=ticks_of(sizes, BILLIONS))
    records = [
        {**record_of(scale, point, amounts), "size": point.parameters_n, "look": point.modality} for point in shown
    ]
    y = alt.Y("amount:Q", title=scale.title, scale=scale_of(amounts), axis=ticks_of(amounts))
    grey: list[Record] = [
        {"size": point.parameters_n, "amount": scale.value(point), "about": f"Luccioni et al. (2024): {about(point)}"}
        for point in theirs
    ]
    layers = [grey_marks(grey, x, y, "circle", 14)] if grey else []
    layers += [
        interval_lines(records).encode(x=x, y=bound_of(y, "low"), y2="high:Q"),
        marks(records, present(MODALITY_LOOKS, (point.modality for point in shown)), "modality").encode(x=x, y=y),
    ]
    texts = [short_name(point.model) for point in shown]
    layers += labels_of(records, texts, ("size", sizes), ("amount", amounts), (width, height), x, y, beside=grey)
    return Drawn(
        f"Model size and {scale.noun}",
        (
            "A mark is a model on a task (mean over its datasets); its line is the 95 % interval of the measurement.",
            *paper_note(material, "each model"),
            *notes(material, models, shown, scale, sizes_n=len(known) - len(shown), cells=material.points),
        ),
        alt.layer(*layers).properties(width=width, height=height),
        width,
    )


def quality_for_carbon(material: Material) -> Drawn:
    """Figure 4: per dataset, size against quality; the area is the carbon, and the Pareto front is ringed."""
    import altair as alt

    scale = Scale.of(material)
    known = scale.positive(material.points)
    scored = [point for point in known if point.quality is not None and point.parameters_n]
    panels: dict[tuple[str, str], list[Point]] = {}
    for point in scored:
        panels.setdefault((panel_of(point), name_of(point.quality_metric or "", LABEL_MAX_N)), []).append(point)
    panels = {panel: points for panel, points in panels.items() if len(points) > 1}
    if not panels:
        raise NothingToDraw(
            f"figure 4 needs a dataset with two models whose size, quality and {scale.noun} are known; there is none"
        )
    shown = [point for points in list(panels.values())[:PANELS_MAX_N] for point in points]
    sizes = log_axis([float(point.parameters_n or 0) for point in shown], 5)
    greatest = max(scale.value(point) for point in shown)
    seen = present(KINDS, (point.kind for point in shown))
    charts = [
        _quality_panel(scale, points, panel, sizes, greatest, seen)
        for panel, points in list(panels.items())[:PANELS_MAX_N]
    ]
    return Drawn(
        f"Quality for {scale.noun}: size, quality and {scale.noun} of every model",
        (
            f"The area of a disc is the {scale.noun}. Ringed, and named where there is room: no other model "
            f"of the panel is as good for less {scale.noun}, or better for no more (Pareto front of the means).",
            *_other_samples(shown),
            *more_panels(list(panels)),
            *notes(
                material,
                material.points,
                shown,
                scale,
                unscored=len(known) - sum(map(len, panels.values())),
                as_fill=False,
            ),
        ),
        alt.concat(*charts, columns=3, bounds="flush", spacing={"row": 80, "column": 66}),
        3 * QUALITY_PX[0],
    )


def _quality_panel(
    scale: Scale,
    points: Sequence[Point],
    panel: tuple[str, str],
    sizes: Axis,
    greatest: float,
    seen: Mapping[str, Look],
) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    width, height = QUALITY_PX
    name, metric = panel
    lower = metric in LOWER_IS_BETTER
    front = cheapest_for_quality([(scale.value(point), point.quality or 0.0) for point in points], lower)
    qualities = linear_axis([point.quality or 0.0 for point in points])
    records: list[Record] = [
        {
            **record_of(scale, point, None),
            "size": point.parameters_n,
            "quality": point.quality,
            "look": point.kind,
            "front": is_front,
        }
        for point, is_front in zip(points, front, strict=True)
    ]
    x = alt.X("size:Q", title="parameters", scale=scale_of(sizes), axis=ticks_of(sizes, BILLIONS))
    y = alt.Y(
        "quality:Q",
        title=metric + (" (less is better)" if lower else ""),
        scale=scale_of(qualities),
        axis=ticks_of(qualities),
    )
    colour = alt.Color("look:N", title="kind of model", scale=range_of(seen, 0), legend=alt.Legend(symbolOpacity=1))
    area = alt.Size(
        "amount:Q",
        title=scale.title.replace(" per 1,000 queries", ""),
        scale=alt.Scale(type="linear", domain=[0, greatest], range=[0, DISC_PX2]),
        legend=alt.Legend(values=_area_ticks(greatest), symbolFillColor=PALE, symbolStrokeColor=GREY, format=",~r"),
    )
    discs = (
        chart_of(records)
        .mark_circle(opacity=0.3, strokeWidth=0)
        .encode(x=x, y=y, size=area, color=colour, description="about:N", tooltip=alt.Tooltip("about:N", title=" "))
    )
    shape = alt.Shape("look:N", title="kind of model", scale=range_of(seen, 1))
    hearts = (
        chart_of([record for record in records if not record["front"]])
        .mark_point(filled=True, size=24, opacity=1, aria=False)
        .encode(x=x, y=y, color=colour, shape=shape)
    )
    rings = (
        chart_of([record for record in records if record["front"]])
        .mark_point(filled=True, size=64, opacity=1, stroke=INK, strokeWidth=1.8, aria=False)
        .encode(x=x, y=y, color=colour, shape=shape)
    )
    texts = [short_name(point.model, 22) if is_front else None for point, is_front in zip(points, front, strict=True)]
    radii_px = [math.sqrt(DISC_PX2 * scale.value(point) / greatest / math.pi) for point in points]
    labels = labels_of(records, texts, ("size", sizes), ("quality", qualities), (width, height), x, y, radii_px)
    title = alt.TitleParams(name, fontSize=12, anchor="middle", limit=width + 40)
    return alt.layer(discs, hearts, rings, *labels).properties(width=width, height=height, title=title)


def length_and_carbon(material: Material) -> Drawn:
    """Figure 6: how long the answers of prompted models are, against their carbon; a panel per architecture."""
    import altair as alt

    scale = Scale.of(material)
    prompted = [point for point in material.points if point.kind != TASK_SPECIFIC]
    known = scale.positive(prompted)
    shown = [point for point in known if point.output_n]
    if not shown:
        raise NothingToDraw(
            "figure 6 needs prompted (multi-purpose) models with known lengths of their answers and known "
            f"{scale.noun}: there are none in these results"
        )
    unit = Counter(point.output_unit for point in shown).most_common(1)[0][0]
    other_n = sum(point.output_unit != unit for point in shown)
    shown = [point for point in shown if point.output_unit == unit]
    lengths = linear_axis([point.output_n or 0.0 for point in shown], from_zero=True)
    amounts = log_axis(scale.extent(shown))
    tasks = list(dict.fromkeys(name_of(point.task) for point in shown))
    looks = {task: TASK_LOOKS[i % len(TASK_LOOKS)] for i, task in enumerate(tasks)}
    kinds = list(present(KINDS, (point.kind for point in shown)))
    width, height = (300 if len(kinds) > 1 else 520), 320
    charts: list[alt.LayerChart | alt.FacetChart] = []
    for kind in kinds:
        points = [point for point in shown if point.kind == kind]
        records = [
            {**record_of(scale, point, amounts), "length": point.output_n, "look": name_of(point.task)}
            for point in points
        ]
        x = alt.X(
            "length:Q", title=f"mean length of an answer, {unit}", scale=scale_of(lengths), axis=ticks_of(lengths)
        )
        y = alt.Y("amount:Q", title=scale.title, scale=scale_of(amounts), axis=ticks_of(amounts))
        spots = marks(records, looks, "task").encode(x=x, y=y)
        lines = interval_lines(records).encode(x=x, y=bound_of(y, "low"), y2="high:Q")
        labels = []
        if len(points) <= LABELS_MAX_N:
            texts = [short_name(point.model) for point in points]
            labels = labels_of(records, texts, ("length", lengths), ("amount", amounts), (width, height), x, y)
        charts.append(alt.layer(lines, spots, *labels).properties(width=width, height=height, title=kind))
    differing = [f"{other_n} with lengths in another unit than {unit}"] if other_n else []
    return Drawn(
        f"Multi-purpose models: length of the answers and {scale.noun}",
        (
            "A mark is a model on a dataset; its line is the 95 % interval of the measurement."
            + (" Words are split at white space." if unit == "words" else ""),
            *notes(
                material,
                prompted,
                shown,
                scale,
                lengths_n=len(known) - len(shown) - other_n,
                others=differing,
            ),
        ),
        alt.concat(*charts, columns=2, spacing=30),
        width * min(2, len(charts)),
    )


def _other_samples(points: Sequence[Point]) -> list[str]:
    other_n = sum(point.scored_n == 0 for point in points)
    if not other_n:
        return []
    which = "all" if other_n == len(points) else f"{other_n} of {len(points)} models"
    return [f"Quality of {which}: from other samples than the energy."]


def _extremes_first(points: Sequence[Point], scale: Scale) -> list[Point]:
    """By amount, greatest first, but the ends of both axes before the others: they are named first."""
    ordered = sorted(points, key=lambda point: (-scale.value(point), point.task, point.model))
    by_size = sorted(ordered, key=lambda point: point.parameters_n or 0)
    ends = [ordered[0], ordered[-1], by_size[0], by_size[-1]]
    return [ordered[i] for i in dict.fromkeys([*map(ordered.index, ends), *range(len(ordered))])]


def _area_ticks(greatest: float) -> list[float]:
    ticks = [tick for tick in linear_axis([0.0, greatest], from_zero=True).ticks if 0 < tick <= greatest]
    return [ticks[0] / 5, ticks[0], *ticks[-1:]] if len(ticks) > 1 else [greatest]
