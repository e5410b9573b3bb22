"""What makes samples untypical: the same one again, none at all, right answers in order, a draw from a part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from joulemark.workloads.samples import Samples
from joulemark.workloads.tasks import Task

SHARE_MIN_RATIO = 0.01  # of the samples: fewer that are alike or empty are not told
SORTED_MIN_N = 20  # fewer samples may be in order by chance


def oddities(samples: Samples, task: Task) -> tuple[str, ...]:
    """Reason codes for samples that are alike, empty, sorted by their right answers, or drawn from a part of all."""
    rows = samples.rows
    inputs = [tuple(_plain(row.get(column)) for column in task.inputs) for row in rows]
    found = {
        "samples-alike": len(inputs) - len(set(inputs)) >= max(1, SHARE_MIN_RATIO * len(inputs)),
        "samples-empty": sum(all(not part for part in one) for one in inputs) >= max(1, SHARE_MIN_RATIO * len(inputs)),
        "samples-of-a-part": samples.drawn_from_part,
        "samples-sorted": _sorted([row.get(task.gold) for row in rows] if task.gold else []),
    }
    return tuple(code for code, odd in found.items() if odd)


def _plain(value: Any) -> str:
    """A value's content; an image by its pixels."""
    if hasattr(value, "tobytes"):
        return hashlib.blake2b(value.tobytes(), digest_size=16).hexdigest()
    return "" if value is None else str(value).strip() if not isinstance(value, tuple) else " ".join(map(str, value))


def _sorted(golds: Sequence[Mapping[str, Any] | object]) -> bool:
    """Whether the labels come in one stretch each: sorted, or all the same."""
    if len(golds) < SORTED_MIN_N or not all(isinstance(gold, str) for gold in golds):
        return False
    labels_n = len(set(golds))
    changes_n = sum(one != other for one, other in zip(golds[1:], golds, strict=False))
    return labels_n <= len(golds) // 5 and changes_n == labels_n - 1
