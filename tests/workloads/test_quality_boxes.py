from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark.workloads.detection_quality import boxes
from joulemark.workloads.miniature.corpora import rows
from joulemark.workloads.pretrained.boxes import Box, Boxes
from joulemark.workloads.scored import Scored

NAMES = ("circle", "square")
PIXELS = st.integers(0, 40)
CORNERS = st.tuples(PIXELS, PIXELS, st.integers(1, 60), st.integers(1, 60)).map(
    lambda box: (float(box[0]), float(box[1]), float(box[0] + box[2]), float(box[1] + box[3]))
)
OBJECTS = st.lists(st.tuples(st.sampled_from(NAMES), CORNERS), max_size=4)


def _metrics(values: list[Boxes], golds: list[Any]) -> Any:
    found = boxes(values, golds)
    assert isinstance(found, Scored)
    assert found.each == [None] * len(values)
    return found.metrics


def test_overlap_decides_from_which_threshold_a_box_counts() -> None:
    # An overlap of 0.62 is enough for .50, .55 and .60 of the ten thresholds.
    found = _metrics([Boxes((Box("cat", 0.9, (0, 0, 100, 62)),))], [(("cat", 0, 0, 100, 100),)])
    assert found == {"map": pytest.approx(0.3), "map_50": pytest.approx(1), "map_75": 0}
    found = _metrics([Boxes((Box("cat", 0.9, (0, 0, 100, 72)),))], [(("cat", 0, 0, 100, 100),)])
    assert found == {"map": pytest.approx(0.5), "map_50": pytest.approx(1), "map_75": 0}


def test_precision_is_taken_at_101_recalls() -> None:
    # One of two objects is found: precision 1 at the recalls 0, .01, … .50, and 0 above.
    gold = (("cat", 0, 0, 10, 10), ("cat", 20, 20, 30, 30))
    found = _metrics([Boxes((Box("Cat", 0.9, (0, 0, 10, 10)),))], [gold])
    assert found["map"] == pytest.approx(51 / 101)
    # A box beside it with a better score halves the precision.
    wrong = Box("cat", 0.95, (50, 50, 60, 60))
    assert _metrics([Boxes((Box("cat", 0.9, (0, 0, 10, 10)), wrong))], [gold])["map"] == pytest.approx(51 / 101 / 2)


def test_an_image_without_objects_counts_when_something_is_found_in_it() -> None:
    right = Boxes((Box("cat", 0.5, (0, 0, 10, 10)),))
    wrong = Boxes((Box("cat", 0.9, (0, 0, 10, 10)),))
    gold = (("cat", 0, 0, 10, 10),)
    assert _metrics([right, wrong], [gold, ()])["map"] == pytest.approx(0.5)
    assert _metrics([right, Boxes(())], [gold, ()])["map"] == pytest.approx(1)


def test_classes_count_alike_and_others_not_at_all() -> None:
    golds = [(("cat", 0, 0, 9, 9), ("dog", 20, 20, 30, 30))]
    value = Boxes((Box("cat", 0.9, (0, 0, 9, 9)), Box("eel", 0.9, (0, 0, 9, 9))))
    assert _metrics([value], golds)["map"] == pytest.approx(0.5)


def test_nothing_found_is_zero() -> None:
    assert _metrics([Boxes(())], [(("cat", 0, 0, 9, 9),)]) == {"map": 0, "map_50": 0, "map_75": 0}


def test_boxes_that_cannot_be_compared() -> None:
    assert boxes([Boxes(())], [()]) == "no object is marked in any image"
    assert "upper left" in str(boxes([Boxes(())], [(("cat", 9, 9, 0, 0),)]))
    value = Boxes((Box("LABEL_3", 0.9, (0, 0, 9, 9)),))
    assert str(boxes([value], [(("cat", 0, 0, 9, 9),)])).startswith("the model says label_3, the dataset cat")


def test_the_boxes_of_the_miniature_scenes_find_themselves(capfd: pytest.CaptureFixture[str]) -> None:
    golds = [row["boxes"] for row in rows("scenes", "test", 8)]
    values = [Boxes(tuple(Box(name, 0.9, tuple(corners)) for name, *corners in objects)) for objects in golds]
    assert _metrics(values, golds) == {"map": pytest.approx(1), "map_50": pytest.approx(1), "map_75": pytest.approx(1)}
    assert capfd.readouterr().out == ""


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(OBJECTS, OBJECTS), min_size=1, max_size=4), st.data())
def test_the_same_files_given_to_pycocotools_have_the_same_result(
    tmp_path: Path, images: list[tuple[list[Any], list[Any]]], data: st.DataObject
) -> None:
    """The way that its users go: annotations and results as files, evaluate, accumulate, summarize."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    scores = st.floats(0.5, 1, width=32)
    values = [Boxes(tuple(Box(name, data.draw(scores), corners) for name, corners in found)) for found, _ in images]
    golds = [tuple((name, *corners) for name, corners in objects) for _, objects in images]
    found = boxes(values, golds)
    results = [
        {
            "image_id": image_i,
            "category_id": NAMES.index(box.label),
            "bbox": _placed(box.corners_px),
            "score": box.score,
        }
        for image_i, value in enumerate(values)
        for box in value.found
    ]
    if isinstance(found, str) or not results:
        return
    annotations: list[dict[str, Any]] = [
        {"image_id": image_i, "category_id": NAMES.index(name), "bbox": _placed(corners), "iscrowd": 0}
        for image_i, objects in enumerate(golds)
        for name, *corners in objects
    ]
    truth = {
        "info": {},
        "images": [{"id": image_i} for image_i in range(len(images))],
        "categories": [{"id": class_i, "name": name} for class_i, name in enumerate(NAMES)],
        "annotations": [
            {**one, "id": one_i, "area": one["bbox"][2] * one["bbox"][3]} for one_i, one in enumerate(annotations, 1)
        ],
    }
    for name, content in (("truth", truth), ("results", results)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    coco = COCO(tmp_path / "truth.json")
    evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "results.json")), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert list(found.metrics.values()) == pytest.approx(evaluation.stats[:3].tolist())


def _placed(corners: Any) -> list[float]:
    x0, y0, x1, y1 = corners
    return [x0, y0, x1 - x0, y1 - y0]
