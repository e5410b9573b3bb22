"""Colours with their shapes: those of Okabe and Ito (2008), told apart by colour-blind readers, and fixed for print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from joulemark.analysis.figures.points import (
    DECODER_ONLY,
    OTHER_MODALITY,
    SEQ2SEQ,
    TASK_SPECIFIC,
    UNKNOWN_KIND,
    Point,
)

Look = tuple[str, str]  # colour, shape

INK, PALE, GREY = "#222222", "#dddddd", "#8c8c8c"
KINDS: Mapping[str, Look] = {
    TASK_SPECIFIC: ("#0072B2", "circle"),
    SEQ2SEQ: ("#D55E00", "square"),
    DECODER_ONLY: ("#009E73", "triangle-up"),
    UNKNOWN_KIND: ("#CC79A7", "diamond"),
}
MODALITY_LOOKS: Mapping[str, Look] = {
    "text-to-category": ("#0072B2", "circle"),
    "text-to-text": ("#D55E00", "square"),
    "image-to-category": ("#009E73", "triangle-up"),
    "image-to-text": ("#CC79A7", "diamond"),
    "text-to-image": ("#E69F00", "cross"),
    OTHER_MODALITY: ("#000000", "triangle-down"),
}
TASK_LOOKS: tuple[Look, ...] = (
    ("#0072B2", "circle"),
    ("#D55E00", "square"),
    ("#009E73", "triangle-up"),
    ("#CC79A7", "diamond"),
    ("#E69F00", "cross"),
    ("#56B4E9", "triangle-down"),
    ("#000000", "triangle-right"),
)
FILLS: Mapping[str, float] = {"measured": 0.8, "measured in part": 0.35, "not measured": 0.0, "not known": 0.1}


def present(looks: Mapping[str, Look], names: Iterable[str]) -> dict[str, Look]:
    """Those of ``looks`` that occur among ``names``, in their order."""
    there = set(names)
    return {name: look for name, look in looks.items() if name in there}


def fill(point: Point) -> str:
    """How much of a point's energy hardware counted or sampled, as one of :data:`FILLS`."""
    measured = point.measured_ratio
    if measured is None:
        return "not known"
    return "measured" if measured > 0.995 else "not measured" if measured < 0.005 else "measured in part"
