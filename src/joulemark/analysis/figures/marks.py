"""The parts that charts are layered from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from joulemark.analysis.figures.layout import MARK_PX, Axis, place_labels
from joulemark.analysis.figures.looks import FILLS, GREY, INK, Look, fill
from joulemark.analysis.figures.points import Point
from joulemark.analysis.figures.scale import Scale
from joulemark.analysis.figures.wording import about

if TYPE_CHECKING:
    import altair as alt

LABELS_MAX_N = 16  # that are placed in a panel
NAMES_TRIED_MAX_N = 200  # for which a free place is looked for
BILLIONS = "replace(format(datum.value, '~s'), 'G', 'B')"  # of parameters, in Vega's language
Record = dict[str, Any]


def chart_of(records: Sequence[Record]) -> alt.Chart:
    """A chart of records, which stand in its definition."""
    import altair as alt

    return alt.Chart(alt.Data(values=list(records)))  # type: ignore[no-untyped-call]


def record_of(scale: Scale, point: Point, axis: Axis | None) -> Record:
    """What is drawn of a point; a bound that is not positive lies at the end of ``axis``."""
    found = scale.interval(point)
    assert found is not None
    low, high = (None if end is None else end / scale.unit.size for end in (found.low, found.high))
    if low is not None and axis is not None:
        low = max(low, axis.low)
    return {
        "amount": scale.value(point),
        "low": low if high is not None else None,
        "high": high if low is not None else None,
        "fill": fill(point),
        "about": about(point),
    }


def marks(records: list[Record], looks: Mapping[str, Look], title: str, size: int = 60) -> alt.Chart:
    """Marks in colour and shape; how they are filled says how much of the energy was measured."""
    import altair as alt

    chart: alt.Chart = (
        chart_of(records)
        .mark_point(filled=True, size=size, strokeWidth=1.3, opacity=1)
        .encode(
            fill=alt.Fill("look:N", title=title, scale=range_of(looks, 0)),
            stroke=alt.Stroke("look:N", title=title, scale=range_of(looks, 0)),
            shape=alt.Shape("look:N", title=title, scale=range_of(looks, 1)),
            fillOpacity=alt.FillOpacity(
                "fill:N",
                scale=alt.Scale(type="ordinal", domain=list(FILLS), range=list(FILLS.values())),
                legend=None,  # Vega-Lite draws none for this channel: the caption says it
            ),
            description="about:N",
            tooltip=alt.Tooltip("about:N", title=" "),
        )
    )
    return chart


def interval_lines(records: list[Record]) -> alt.Chart:
    """The thin lines of intervals; a record without bounds has none."""
    known = [record for record in records if record.get("low", 0) is not None]
    chart: alt.Chart = chart_of(known).mark_rule(color=GREY, strokeWidth=0.8, opacity=0.7, aria=False)
    return chart


def grey_marks(records: list[Record], x: alt.X, y: alt.Y, shape: str, size: int) -> alt.Chart:
    """The paper's figures beside ours."""
    import altair as alt

    chart: alt.Chart = (
        chart_of(records)
        .mark_point(shape=shape, filled=True, color=GREY, size=size, opacity=0.55)
        .encode(x=x, y=y, description="about:N", tooltip=alt.Tooltip("about:N", title=" "))
    )
    return chart


def labels_of(
    records: Sequence[Record],
    texts: Sequence[str | None],
    x_of: tuple[str, Axis],
    y_of: tuple[str, Axis],
    size_px: tuple[int, int],
    x: alt.X,
    y: alt.Y,
    radii_px: Sequence[float] | None = None,
    beside: Sequence[Record] = (),
) -> list[alt.Chart]:
    """Text beside some marks, where there is room, earlier ones first.

    ``x_of`` and ``y_of`` are field and axis. ``radii_px`` are those of the marks where they are large; ``beside`` are
    other marks, which no text may cover.
    """
    (x_name, x_axis), (y_name, y_axis), (width, height) = x_of, y_of, size_px

    def y_px(value: float) -> float:
        return (1 - y_axis.place(value)) * height

    spots = [(x_axis.place(record[x_name]) * width, y_px(record[y_name])) for record in records]
    others = [(x_axis.place(record[x_name]) * width, y_px(record[y_name])) for record in beside]
    kept_free = [(across - 2, down - 2, across + 2, down + 2) for across, down in others]
    kept_free += [
        (spot[0] - 1, y_px(record["high"]), spot[0] + 1, y_px(record["low"]))
        for record, spot in zip(records, spots, strict=True)
        if y_name == "amount" and record["low"] is not None
    ]
    placed = place_labels(
        spots, texts[:NAMES_TRIED_MAX_N], width, height, radii_px or [MARK_PX] * len(spots), kept_free, LABELS_MAX_N
    )
    charts = []
    for label in placed:
        record = records[label.point_i]
        value = {x_name: record[x_name], y_name: record[y_name], "text": label.text}
        style: Record = {"align": label.align, "baseline": label.baseline, "dx": label.dx, "dy": label.dy}
        text = chart_of([value]).mark_text(fontSize=10, color=INK, aria=False, **style)
        charts.append(text.encode(x=x, y=y, text="text:N"))
    return charts


def scale_of(axis: Axis) -> alt.Scale:
    """The scale of an axis, with its own bounds."""
    import altair as alt

    return alt.Scale(type="log" if axis.is_log else "linear", domain=[axis.low, axis.high], nice=False, zero=False)


def ticks_of(axis: Axis, expression: str | None = None) -> alt.Axis:
    """The ticks of an axis, by an expression of Vega or as plain numbers."""
    import altair as alt

    if expression:
        return alt.Axis(values=list(axis.ticks), labelExpr=expression, labelFlush=False)
    return alt.Axis(values=list(axis.ticks), format=",~r", labelFlush=False)


def bound_of(channel: Any, name: str) -> Any:
    """The same axis for the lower end of an interval."""
    copied = channel.copy()
    copied.shorthand = f"{name}:Q"
    return copied


def range_of(looks: Mapping[str, Look], part_i: int) -> alt.Scale:
    """The scale of colours (``part_i`` 0) or shapes (1)."""
    import altair as alt

    return alt.Scale(domain=list(looks), range=[look[part_i] for look in looks.values()])


def rows_of(names: Sequence[str]) -> tuple[alt.Y, alt.YOffset]:
    """Rows in the order of ``names``, and the lanes inside them."""
    import altair as alt

    y = alt.Y(
        "row:N",
        title=None,
        sort=None,
        scale=alt.Scale(domain=list(names), paddingInner=0.15, paddingOuter=0.1),
        axis=alt.Axis(labelLimit=260, ticks=False, domain=False, grid=False, labelPadding=8),
    )
    return y, alt.YOffset("lane:Q", scale=alt.Scale(domain=[0, 1]))
