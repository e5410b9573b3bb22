"""Where things lie in a figure: the bounds and ticks of its axes, and labels that do not run into each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MARGIN = 0.08  # of an axis, kept free at each end
SPAN_MIN = 1e-300  # below it steps have no logarithm
LETTER_PX, WIDE_LETTER_PX, LABEL_HEIGHT_PX = 5.4, 10.5, 11.0
MARK_PX = 5.0  # the least radius of a mark

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from ``low`` to ``high`` with its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool

    def place(self, value: float) -> float:
        """Where ``value`` lies, from 0 at the low end to 1."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def log_axis(values: Sequence[float], ticks_max_n: int = 8) -> Axis:
    """An axis for positive values, with ticks at whole powers of ten and, where that leaves room, between them."""
    least, greatest = math.log10(min(values)), math.log10(max(values))
    room = max(MARGIN * (greatest - least), 0.06)
    low, high = least - room, greatest + room
    ticks: list[float] = []
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**exponent for exponent in range(math.floor(low), math.ceil(high) + 1) for step in steps]
        ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
        if len(ticks) <= ticks_max_n:
            break
    return Axis(10**low, 10**high, tuple(float(f"{tick:.12g}") for tick in ticks), is_log=True)


def linear_axis(values: Sequence[float], from_zero: bool = False) -> Axis:
    """An axis with about five round ticks."""
    least, greatest = min(values), max(values)
    if from_zero:
        least = min(0.0, least)
    span = greatest - least or abs(greatest)
    if span < SPAN_MIN:
        span = 1.0
    low, high = least - MARGIN * span, greatest + MARGIN * span
    if from_zero and least == 0:
        low = 0.0
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    ticks = tuple(float(f"{i * step:.12g}") for i in range(math.ceil(low / step), math.floor(high / step) + 1))
    return Axis(low, high, ticks, is_log=False)


@dataclass(frozen=True, slots=True)
class Label:
    """A label of the point with the number ``point_i``: how it is aligned, and how many pixels from the point."""

    point_i: int
    text: str
    align: str
    baseline: str
    dx: float
    dy: float


_ACROSS = {"left": 0.0, "right": -1.0, "center": -0.5}  # where a text begins, in its own lengths
_DOWN = {"middle": -0.5, "bottom": -1.0, "top": 0.0}


def place_labels(
    spots_px: Sequence[tuple[float, float]],
    texts: Sequence[str | None],
    width_px: float,
    height_px: float,
    radii_px: Sequence[float],
    kept_free_px: Sequence[Box] = (),
    most_n: int = 1000,
) -> tuple[Label, ...]:
    """Labels for points whose text is given, earlier ones first; one that has no free place is left out.

    ``spots_px`` are all points that are drawn, from the upper left corner, with their radii; ``kept_free_px`` are boxes
    with something else. No label lies on one of them, on another label or outside; no text is repeated.
    """
    marks = [max(MARK_PX, radius) for radius in radii_px]
    taken = [(x - r, y - r, x + r, y + r) for (x, y), r in zip(spots_px, marks, strict=True)]
    taken += kept_free_px
    placed: list[Label] = []
    for point_i, text in enumerate(texts):
        if text is None or len(placed) == most_n or any(label.text == text for label in placed):
            continue
        long_px = sum(WIDE_LETTER_PX if ord(letter) >= 0x1100 else LETTER_PX for letter in text)
        (x, y), away = spots_px[point_i], marks[point_i] + 2
        near = away * 0.7
        for align, baseline, dx, dy in (
            ("left", "middle", away, 0.0),
            ("right", "middle", -away, 0.0),
            ("center", "bottom", 0.0, -away),
            ("center", "top", 0.0, away),
            ("left", "bottom", near, -near),
            ("left", "top", near, near),
            ("right", "bottom", -near, -near),
            ("right", "top", -near, near),
        ):
            left, top = x + dx + _ACROSS[align] * long_px, y + dy + _DOWN[baseline] * LABEL_HEIGHT_PX
            box = (left, top, left + long_px, top + LABEL_HEIGHT_PX)
            inside = left >= 0 and top >= 0 and box[2] <= width_px and box[3] <= height_px
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                placed.append(Label(point_i, text, align, baseline, round(dx, 2), round(dy, 2)))
                break
    return tuple(placed)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
