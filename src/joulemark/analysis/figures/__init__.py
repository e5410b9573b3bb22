"""Figures 1 to 7 after Luccioni et al., "Power Hungry Processing" (FAccT 2024), of any results: points → chart.

Each is one Altair definition whose Vega-Lite form is plain JSON, from which SVG, PDF and PNG are made. Colours are
fixed (Okabe and Ito, 2008) and every colour has its shape, so that print and colour-blind readers lose nothing. What is
not known is left out and counted in the caption. ``docs/figures.md`` says what each figure shows.
"""

from joulemark.analysis.figures.drawing import DRAWINGS as DRAWINGS
from joulemark.analysis.figures.drawing import Figure as Figure
from joulemark.analysis.figures.drawing import draw as draw
from joulemark.analysis.figures.points import Material as Material
from joulemark.analysis.figures.points import material as material
from joulemark.analysis.figures.rendering import FORMATS as FORMATS
from joulemark.analysis.figures.rendering import as_svg as as_svg
from joulemark.analysis.figures.rendering import rendered as rendered
from joulemark.analysis.figures.wording import NothingToDraw as NothingToDraw
