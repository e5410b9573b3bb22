"""One of the figures with its title and caption."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joulemark.analysis.figures.dot_rows import (
    carbon_by_architecture,
    energy_by_task,
    one_task_many_ways,
    spread_of_repetitions,
)
from joulemark.analysis.figures.points import Material
from joulemark.analysis.figures.scatters import length_and_carbon, quality_for_carbon, size_and_carbon
from joulemark.analysis.figures.wording import Drawn, NothingToDraw, name_of
from joulemark.failures import MendableError

DRAWINGS: Mapping[int, Callable[[Material], Drawn]] = {
    1: energy_by_task,
    2: size_and_carbon,
    3: one_task_many_ways,
    4: quality_for_carbon,
    5: carbon_by_architecture,
    6: length_and_carbon,
    7: spread_of_repetitions,
}
MISSING = "figures need Altair and vl-convert: pip install 'joulemark[figures]'"
FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
STUDY_MAX_N = 50  # letters of a study's name
LETTER_PX, LINE_LETTERS_MIN_N = 5.3, 96  # of a caption


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: what it shows, what has to be known to read it, and its Vega-Lite form as plain JSON."""

    number: int
    title: str
    caption: tuple[str, ...]
    spec: dict[str, Any]


def draw(figure_number: int, material: Material) -> Figure:
    """One of the figures 1 to 7 (:data:`DRAWINGS`).

    Raises:
        NothingToDraw: nothing in the results belongs in it.
        MendableError: Altair is not installed.
    """
    try:
        import altair as alt
    except ImportError:
        raise MendableError(MISSING) from None
    if not material.points:
        raise NothingToDraw(f"figure {figure_number}: there are no runs in these results yet")
    drawn = DRAWINGS[figure_number](material)
    caption = (
        f"{name_of(material.study, STUDY_MAX_N)} · per 1,000 queries · boundary {material.boundary}",
        *drawn.caption,
    )
    letters_n = max(LINE_LETTERS_MIN_N, int(drawn.width_px / LETTER_PX))
    title = alt.TitleParams(
        drawn.title,
        subtitle=[line for sentence in caption for line in textwrap.wrap(sentence, letters_n)],
        anchor="start",
        offset=14,
        fontSize=15,
        subtitleFontSize=11,
        subtitleLineHeight=14,
        subtitleColor="#444444",
    )
    chart: Any = drawn.chart
    chart = (
        chart.properties(title=title, background="white", padding=12)
        .configure(font=FONT)
        .configure_axis(labelFontSize=11, titleFontSize=12, titleFontWeight="normal", gridColor="#e6e6e6")
        .configure_legend(labelFontSize=11, titleFontSize=11, labelLimit=300, symbolSize=70)
        .configure_view(stroke="#bbbbbb")
    )
    return Figure(figure_number, drawn.title, caption, chart.to_dict())
