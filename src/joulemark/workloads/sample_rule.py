"""Which rows of a dataset are asked: the first, the first that are not empty, a seeded draw, or those of a manifest."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

from joulemark.workloads.workload import WorkloadError

FIRST = "first"
FIRST_NONEMPTY = "first-nonempty"
RANDOM = "random"
MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class SampleRule:
    """What ``Cell.sample`` says, taken apart."""

    kind: str  # one of the four above
    seed: int | None = None  # of "random"
    manifest: Path | None = None  # of "manifest"


def sample_rule(text: str) -> SampleRule:
    """Read ``first``, ``first-nonempty``, ``random:SEED`` or ``manifest:FILE``.

    Raises:
        WorkloadError: it is none of these.
    """
    if text in (FIRST, FIRST_NONEMPTY):
        return SampleRule(text)
    kind, _, rest = text.partition(":")
    if kind == RANDOM and re.fullmatch(r"\d{1,18}", rest):
        return SampleRule(RANDOM, seed=int(rest))
    if kind == MANIFEST and rest:
        return SampleRule(MANIFEST, manifest=Path(rest).expanduser())
    raise WorkloadError(f"sample = {text!r} is not known; there are first, first-nonempty, random:SEED, manifest:FILE")


def draw(seed: int, total_n: int, wanted_n: int) -> list[int]:
    """Row numbers drawn without replacement; fewer of the same seed are the beginning of more.

    The shuffle of Fisher and Yates, cut off after ``wanted_n`` steps; a table holds only the places that have changed.
    """
    rng = random.Random(seed)
    moved: dict[int, int] = {}
    drawn = []
    for place_i in range(min(wanted_n, total_n)):
        taken_i = rng.randrange(place_i, total_n)
        drawn.append(moved.get(taken_i, taken_i))
        moved[taken_i] = moved.get(place_i, place_i)
    return drawn
