"""How good the boxes around objects are, by the rules of COCO."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from numbers import Real
from typing import Any

from joulemark.workloads.label_quality import folded, names_differ
from joulemark.workloads.scored import Scored

BOXES_MAX_N = 100  # boxes of an image and a class that count, those with the best scores


@dataclass(frozen=True, slots=True)
class _Found:
    """An object that a model has found: corners are (x0, y0, x1, y1) in pixels."""

    label: str
    score: float
    corners_px: Sequence[float]


def are_boxes(value: Any) -> bool:
    """Whether an answer is one that :func:`boxes` reads."""
    return value is None or hasattr(value, "found") or (isinstance(value, list | tuple) and all(map(_is_box, value)))


def boxes(values: Sequence[Any], golds: Sequence[Any]) -> Scored | str:
    """``map``, ``map_50`` and ``map_75``: the mean average precision of COCO (Lin et al., 2014), by pycocotools.

    Precision is averaged over recall and over the classes that occur among the right answers; for ``map`` also over
    the overlaps (intersection over union) .50, .55, … .95 from which on a box counts as found. An image alone has no
    score.

    Args:
        values: per image what was found: boxes as the right answers are, with a score at the end or without (which
            counts as 1); or something with a sequence ``found`` of boxes with label, score and corners_px. ``None`` is
            no box.
        golds: per image its objects as (name, x0, y0, x1, y1) in pixels.

    Returns:
        The metrics, or why they cannot be computed.
    """
    found = [_found(value) for value in values]
    wanted_names = [name for objects in golds for name, *_ in objects]
    if not wanted_names:
        return "no object is marked in any image"
    if reason := names_differ([box.label for several in found for box in several], wanted_names):
        return reason
    if any(x1 < x0 or y1 < y0 for objects in golds for _, x0, y0, x1, y1 in objects):
        return "an object's corners are not (x0, y0, x1, y1) from the upper left to the lower right"
    class_ids = {name: class_i for class_i, name in enumerate(sorted({folded(name) for name in wanted_names}), start=1)}
    truth = _coco(
        [[_annotation(class_ids[folded(name)], corners) for name, *corners in objects] for objects in golds], class_ids
    )
    predicted = _coco(
        [
            [
                {**_annotation(class_ids[folded(box.label)], box.corners_px), "score": box.score}
                for box in several
                if folded(box.label) in class_ids
            ]
            for several in found
        ],
        class_ids,
    )
    return Scored(_average_precision(truth, predicted), [None] * len(values))


def _found(value: Any) -> Sequence[Any]:
    if hasattr(value, "found"):
        boxes_found: Sequence[Any] = value.found
        return boxes_found
    return [_Found(box[0], box[5] if len(box) > 5 else 1.0, box[1:5]) for box in value or ()]


def _is_box(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) not in (5, 6):
        return False
    return isinstance(value[0], str) and all(isinstance(one, Real) and math.isfinite(one) for one in value[1:])


def _annotation(class_id: int, corners_px: Sequence[float]) -> dict[str, Any]:
    x0, y0, x1, y1 = corners_px
    width, height = x1 - x0, y1 - y0
    return {"category_id": class_id, "bbox": [x0, y0, width, height], "area": width * height, "iscrowd": 0}


def _coco(images: Sequence[Sequence[Mapping[str, Any]]], class_ids: Mapping[str, int]) -> Any:
    """Boxes per image as pycocotools wants them. Its numbers begin at 1: to it, 0 is no box."""
    from pycocotools.coco import COCO

    placed = [(image_i, box) for image_i, several in enumerate(images) for box in several]
    index = COCO()
    index.dataset = {
        "images": [{"id": image_i} for image_i in range(len(images))],
        "categories": [{"id": class_id, "name": name} for name, class_id in class_ids.items()],
        "annotations": [
            {**box, "id": box_i, "image_id": image_i} for box_i, (image_i, box) in enumerate(placed, start=1)
        ],
    }
    with redirect_stdout(io.StringIO()):
        index.createIndex()
    return index


def _average_precision(truth: Any, predicted: Any) -> dict[str, float]:
    from pycocotools.cocoeval import COCOeval

    with redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, predicted, "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, float("inf")]], ["all"]
        evaluation.params.maxDets = [BOXES_MAX_N]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, 0]  # overlap × recall × class
    overlaps = [round(float(overlap), 2) for overlap in evaluation.params.iouThrs]
    return {
        "map": float(precision.mean()),
        "map_50": float(precision[overlaps.index(0.5)].mean()),
        "map_75": float(precision[overlaps.index(0.75)].mean()),
    }
