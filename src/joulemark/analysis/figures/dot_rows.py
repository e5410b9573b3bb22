"""Figures of rows with a dot per model or cell: 1, 3, 5 and 7."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joulemark.analysis.figures.layout import log_axis
from joulemark.analysis.figures.looks import INK, KINDS, MODALITY_LOOKS, Look, fill, present
from joulemark.analysis.figures.marks import (
    Record,
    bound_of,
    chart_of,
    grey_marks,
    interval_lines,
    marks,
    record_of,
    rows_of,
    scale_of,
    ticks_of,
)
from joulemark.analysis.figures.points import TASK_SPECIFIC, Material, Point, by_model
from joulemark.analysis.figures.scale import Scale
from joulemark.analysis.figures.wording import (
    MEAN_MARK,
    PANELS_MAX_N,
    Drawn,
    NothingToDraw,
    about,
    known_by,
    more_panels,
    name_of,
    notes,
    panel_of,
    paper_note,
    task_row,
)
from joulemark.analysis.interval import joined_interval
from joulemark.units import number

if TYPE_CHECKING:
    import altair as alt

WIDE_PX, NARROW_PX = 520, 250  # a panel alone, and one of three
DOTS_SHARE, MEAN_LANE = 0.8, 0.91  # of a row's height: above the models, below their mean
LANE_PX, CELL_PX, ROW_MIN_PX, ROW_MAX_PX = 5.0, 2.6, 30.0, 260.0


def energy_by_task(material: Material) -> Drawn:
    """Figure 1: a row per task, a dot per model, the mean of the models with its interval."""
    scale = Scale.of(material, is_energy=True)
    models = by_model(material.points)
    shown = scale.positive(models)
    if not shown:
        raise NothingToDraw("figure 1: no model in these results has a known energy above zero")
    rows = {task_row(point) for point in shown}
    theirs = [point for point in scale.positive(by_model(material.paper)) if task_row(point) in rows]
    return Drawn(
        "Energy by task",
        (
            "A dot is a model (mean over its datasets); its line is the 95 % interval of the measurement. " + MEAN_MARK,
            *paper_note(material, "mean of the same task", drawn=bool(theirs)),
            *notes(material, models, shown, scale, cells=material.points, stands_for_carbon=False),
        ),
        _dot_rows(
            scale,
            [_Dot("", task_row(point), point) for point in shown],
            [_Dot("", task_row(point), point) for point in theirs],
            MODALITY_LOOKS,
            lambda point: point.modality,
            "modality",
        ),
        WIDE_PX,
    )


def one_task_many_ways(material: Material) -> Drawn:
    """Figure 3: per dataset, task-specific models beside prompted ones of either architecture."""
    scale = Scale.of(material)
    known = scale.positive(material.points)
    kinds: dict[str, set[str]] = {}
    for point in known:
        kinds.setdefault(panel_of(point), set()).add(point.kind)
    panels = [panel for panel, found in kinds.items() if len(found) > 1]
    if not panels:
        raise NothingToDraw(
            f"figure 3 compares ways to do one task: no dataset here has a known {scale.noun} of both "
            "task-specific and prompted (multi-purpose) models"
        )
    shown = [point for point in known if panel_of(point) in panels[:PANELS_MAX_N]]
    dots = [_Dot(panel_of(point), point.kind, point) for point in shown]
    rows = {(dot.panel, dot.row) for dot in dots}
    theirs = [
        _Dot(panel_of(point), point.kind, point)
        for point in scale.positive(material.paper)
        if (panel_of(point), point.kind) in rows
    ]
    return Drawn(
        f"One task, many ways: {scale.noun} by dataset and kind of model",
        (
            "A dot is a model; its line is the 95 % interval of the measurement. " + MEAN_MARK,
            *paper_note(material, "mean of the same dataset and kind", drawn=bool(theirs)),
            *more_panels(panels),
            *notes(
                material, material.points, shown, scale, beside=sum(panel_of(point) not in panels for point in known)
            ),
        ),
        _dot_rows(scale, dots, theirs, KINDS, lambda point: point.kind, "kind of model", columns=3),
        NARROW_PX * min(3, len(panels)),
    )


def carbon_by_architecture(material: Material) -> Drawn:
    """Figure 5: prompted models by task and architecture."""
    scale = Scale.of(material)
    prompted = [point for point in material.points if point.kind != TASK_SPECIFIC]
    models = by_model(prompted)
    shown = scale.positive(models)
    if not shown:
        raise NothingToDraw(
            f"figure 5 is about prompted (multi-purpose) models: none in these results has a known {scale.noun}"
        )
    theirs = scale.positive(by_model(point for point in material.paper if point.kind != TASK_SPECIFIC))
    rows = {(point.task, point.kind) for point in shown}
    beside = [_Dot(name_of(point.task), point.kind, point) for point in theirs if (point.task, point.kind) in rows]
    return Drawn(
        f"Multi-purpose models: {scale.noun} by task and architecture",
        (
            "A dot is a model (mean over the task's datasets); its line is the 95 % interval of the measurement. "
            + MEAN_MARK,
            *paper_note(material, "mean of the same task and architecture", drawn=bool(beside)),
            *notes(material, models, shown, scale, cells=prompted),
        ),
        _dot_rows(
            scale,
            [_Dot(name_of(point.task), point.kind, point) for point in shown],
            beside,
            {kind: look for kind, look in KINDS.items() if kind != TASK_SPECIFIC},
            lambda point: point.kind,
            "architecture",
        ),
        WIDE_PX,
    )


def spread_of_repetitions(material: Material) -> Drawn:
    """Figure 7: how far the repetitions of a cell lie from their mean."""
    import altair as alt

    several = [point for point in material.points if point.runs_n > 1 and point.sd_ratio is not None]
    shown = [point for point in several if point.sd_ratio and point.farthest_ratio]
    if not shown:
        raise NothingToDraw("figure 7 needs cells with two repetitions or more that differ: there are none here")
    rows: dict[str, list[Point]] = {}
    for point in sorted(shown, key=lambda point: point.sd_ratio or 0.0):
        rows.setdefault(task_row(point), []).append(point)
    names = sorted(rows, key=lambda row: statistics.median(point.sd_ratio or 0.0 for point in rows[row]))
    records: list[Record] = [
        {
            "row": row,
            "lane": (i + 0.5) / len(points),
            "sd": (point.sd_ratio or 0.0) * 100,
            "farthest": (point.farthest_ratio or 0.0) * 100,
            "look": point.kind,
            "fill": fill(point),
            "about": f"{about(point)}; standard deviation {number((point.sd_ratio or 0.0) * 100)} %, farthest "
            f"{number((point.farthest_ratio or 0.0) * 100)} % from the mean of {point.runs_n} repetitions",
        }
        for row, points in rows.items()
        for i, point in enumerate(points)
    ]
    axis = log_axis([float(record[key]) for record in records for key in ("sd", "farthest")])
    x = alt.X("sd:Q", title="distance from the cell's mean energy, %", scale=scale_of(axis), axis=ticks_of(axis))
    y, lane = rows_of(names)
    step = min(ROW_MAX_PX, max(ROW_MIN_PX, CELL_PX * max(len(points) for points in rows.values())))
    seen = present(KINDS, (point.kind for point in shown))
    medians = [
        {"row": row, "sd": 100 * statistics.median(point.sd_ratio or 0.0 for point in points), "lane": 0.5}
        for row, points in rows.items()
    ]
    chart = alt.layer(
        interval_lines(records).encode(x=x, x2="farthest:Q", y=y, yOffset=lane),
        marks(records, seen, "kind of model", size=22).encode(x=x, y=y, yOffset=lane),
        chart_of(medians)
        .mark_tick(color=INK, thickness=2.5, size=step * 0.8, aria=False)
        .encode(x=x, y=y, yOffset=lane),
    ).properties(width=WIDE_PX, height=_step(step))
    alone_n = sum(point.runs_n == 1 for point in material.points)
    unknown_n = len(material.points) - alone_n - len(several)
    left = [
        f"{count} {why}"
        for count, why in (
            (material.without_runs_n, "without runs"),
            (alone_n, "with one repetition"),
            (unknown_n, "with unknown or no energy"),
            (len(several) - len(shown), "whose repetitions do not differ"),
        )
        if count
    ]
    return Drawn(
        "Spread of the repetitions",
        (
            "A mark is a cell (model × dataset): the standard deviation of its repetitions, as a share of their mean; "
            "its line reaches to the repetition farthest from the mean. Upright: median of the row.",
            *known_by(shown),
            *([f"Cells left out: {', '.join(left)}."] if left else []),
        ),
        chart,
        WIDE_PX,
    )


@dataclass(frozen=True, slots=True)
class _Dot:
    """A point in a row of a panel."""

    panel: str
    row: str
    point: Point


def _dot_rows(
    scale: Scale,
    dots: Sequence[_Dot],
    theirs: Sequence[_Dot],
    looks: Mapping[str, Look],
    look: Callable[[Point], str],
    legend: str,
    columns: int = 1,
) -> alt.TopLevelMixin:
    """Rows of dots on one logarithmic axis, with the mean of each row; ``theirs``, of the same rows, give grey ones."""
    import altair as alt

    groups: dict[tuple[str, str], list[Point]] = {}
    for dot in dots:
        groups.setdefault((dot.panel, dot.row), []).append(dot.point)
    beside: dict[tuple[str, str], list[float]] = {}
    for dot in theirs:
        beside.setdefault((dot.panel, dot.row), []).append(scale.value(dot.point))
    means = {
        key: joined_interval([(value, value, value) for value in map(scale.value, points)])
        for key, points in groups.items()
    }  # intervals as factors, since models differ by factors
    their_means = {key: statistics.fmean(values) for key, values in beside.items()}
    ends = [end for mean in means.values() for end in (mean.low, mean.high) if end is not None]
    amounts = log_axis([*scale.extent([dot.point for dot in dots]), *their_means.values(), *ends], 6)
    most_n = max(len(points) for points in groups.values())
    step = min(ROW_MAX_PX, max(ROW_MIN_PX, LANE_PX * (most_n + 2)))
    panels = list(dict.fromkeys(panel for panel, _ in groups))
    rows = list(dict.fromkeys(row for _, row in groups))
    if set(rows) <= set(looks):
        rows = [row for row in looks if row in rows]
    else:
        rows.sort(key=lambda row: means["", row].value)
    records: list[Record] = []
    summaries: list[Record] = []
    for (panel, row), points in groups.items():
        ordered = sorted(points, key=lambda point: (scale.value(point), point.model))
        records += [
            {
                **record_of(scale, point, amounts),
                "panel": panel,
                "row": row,
                "lane": 0.5 if len(ordered) == 1 else (i + 0.5) / len(ordered) * DOTS_SHARE,
                "look": look(point),
            }
            for i, point in enumerate(ordered)
        ]
        if len(points) == 1:
            continue
        mean = means[panel, row]
        summaries.append(
            {
                "panel": panel,
                "row": row,
                "lane": MEAN_LANE,
                "amount": mean.value,
                "low": mean.low,
                "high": mean.high,
                "about": f"mean of {len(points)}: {number(mean.value)} {scale.unit.symbol}",
            }
        )
    greys = [
        {
            "panel": panel,
            "row": row,
            "lane": MEAN_LANE,
            "amount": mean_value,
            "about": f"Luccioni et al. (2024): {number(mean_value)} {scale.unit.symbol}",
        }
        for (panel, row), mean_value in their_means.items()
    ]
    y, lane = rows_of(rows)
    seen = present(looks, (str(record["look"]) for record in records))
    width_px = WIDE_PX if columns == 1 else NARROW_PX
    charts: list[alt.LayerChart | alt.FacetChart] = []
    for panel_i, panel in enumerate(panels):
        title = scale.title if panel_i >= len(panels) - columns else None
        x = alt.X("amount:Q", title=title, scale=scale_of(amounts), axis=ticks_of(amounts))

        def of(some: list[Record], panel: str = panel) -> list[Record]:
            return [record for record in some if record["panel"] == panel]

        bars = (
            chart_of(of(summaries))
            .mark_rule(color=INK, strokeWidth=2.5, opacity=0.85, aria=False)
            .encode(x=bound_of(x, "low"), x2="high:Q", y=y, yOffset=lane)
        )
        diamonds = (
            chart_of(of(summaries))
            .mark_point(shape="diamond", filled=True, fill="white", stroke=INK, strokeWidth=1.6, size=85, opacity=1)
            .encode(x=x, y=y, yOffset=lane, description="about:N", tooltip=alt.Tooltip("about:N", title=" "))
        )
        layers = [
            interval_lines(of(records)).encode(x=bound_of(x, "low"), x2="high:Q", y=y, yOffset=lane),
            marks(of(records), seen, legend, size=34).encode(x=x, y=y, yOffset=lane),
        ]
        if of(greys):
            layers.append(grey_marks(of(greys), x, y, "diamond", 85).encode(yOffset=lane))
        chart = alt.layer(*layers, bars, diamonds).properties(width=width_px, height=_step(step))
        if panel:
            chart = chart.properties(title=alt.TitleParams(panel, fontSize=12, anchor="middle", limit=width_px + 60))
        charts.append(chart)
    if panels == [""]:
        return charts[0]
    return alt.concat(*charts, columns=columns, spacing=18)


def _step(step_px: float) -> Any:
    """The height of a row, its lanes together."""
    import altair as alt

    return alt.Step(step_px, **{"for": "position"})
