"""What a figure shows of every point, energy or carbon, in one unit."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from joulemark.analysis.figures.points import Material, Point
from joulemark.analysis.interval import Interval
from joulemark.units import Unit, unit_for


@dataclass(frozen=True, slots=True)
class Scale:
    """What is drawn, energy or carbon, in one unit for all marks."""

    is_energy: bool
    unit: Unit

    @staticmethod
    def of(material: Material, is_energy: bool = False) -> Scale:
        """Carbon where it is known, else energy; the unit suits the median."""
        scale = Scale(is_energy or material.carbon_basis is None, Unit("", 1.0))
        values = [scale.value(point) for point in material.points if scale.interval(point) is not None]
        middle = statistics.median_low(values) if values else 0.0
        return Scale(scale.is_energy, unit_for(middle, "j" if scale.is_energy else "g"))

    @property
    def noun(self) -> str:
        """Energy or carbon."""
        return "energy" if self.is_energy else "carbon"

    @property
    def title(self) -> str:
        """Of its axis."""
        return f"{self.noun} per 1,000 queries, {self.unit.symbol}{'' if self.is_energy else ' CO2e'}"

    def interval(self, point: Point) -> Interval | None:
        """In joules or grams."""
        return point.energy_j if self.is_energy else point.carbon_g

    def value(self, point: Point) -> float:
        """In the scale's unit; the point's value has to be known."""
        found = self.interval(point)
        assert found is not None
        return found.value / self.unit.size

    def positive(self, points: Iterable[Point]) -> list[Point]:
        """The points that a logarithmic axis can show."""
        return [point for point in points if (found := self.interval(point)) is not None and found.value > 0]

    def extent(self, points: Sequence[Point]) -> list[float]:
        """The values and the positive bounds of ``points``."""
        ends = [self.value(point) for point in points]
        for point in points:
            found = self.interval(point)
            ends += [end / self.unit.size for end in (found.low, found.high) if end and end > 0] if found else []
        return ends
