"""What scoring one kind of answers gives, before it becomes a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scored:
    """Metrics over all answers by name, and each answer's own score (``None`` where one alone has none)."""

    metrics: Mapping[str, float]
    each: Sequence[float | None]
