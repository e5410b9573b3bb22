"""A figure as SVG, PDF or PNG, without a browser and without the network."""

from __future__ import annotations

import re

from joulemark.analysis.figures.drawing import MISSING, Figure
from joulemark.failures import MendableError

FORMATS = ("svg", "pdf", "png")
PNG_SCALE = 2.0  # pixels per unit of the drawing


def as_svg(figure: Figure) -> str:
    """The figure as SVG; the same figure gives the same text. Raises :class:`~joulemark.failures.MendableError`."""
    try:
        import vl_convert
    except ImportError:
        raise MendableError(MISSING) from None
    version = re.search(r"/v(\d+\.\d+)", figure.spec["$schema"])
    svg: str = vl_convert.vegalite_to_svg(
        figure.spec, vl_version=version.group(1) if version else None, allowed_base_urls=[]
    )
    return svg


def rendered(svg: str, form: str) -> bytes:
    """What :func:`as_svg` gave, as the contents of a file in one of :data:`FORMATS`."""
    import vl_convert

    if form == "svg":
        return svg.encode()
    content: bytes = vl_convert.svg_to_pdf(svg) if form == "pdf" else vl_convert.svg_to_png(svg, scale=PNG_SCALE)
    return content
