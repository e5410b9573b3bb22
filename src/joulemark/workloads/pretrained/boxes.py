"""Boxes around what is seen in an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joulemark.workloads.pretrained.loading import Loaded, Opened, Row, image_processor_of, parameters_of, takes
from joulemark.workloads.samples import Samples
from joulemark.workloads.workload import Answer

BOX_SCORE_MIN = 0.5  # boxes below it are left out


@dataclass(frozen=True, slots=True)
class Box:
    """Something found in an image: (x0, y0, x1, y1) in pixels from the upper left corner."""

    label: str
    score: float
    corners_px: tuple[float, float, float, float]

    def __str__(self) -> str:
        return f"{self.label} {self.score:.2f} ({' '.join(f'{corner:.0f}' for corner in self.corners_px)})"


@dataclass(frozen=True, slots=True)
class Boxes:
    """All that was found in an image."""

    found: tuple[Box, ...]


def boxes(loaded: Loaded, samples: Samples) -> Opened:
    """All boxes with a score of ``BOX_SCORE_MIN`` or more, in pixels of the image as it was given.

    Images of several sizes are padded to one when they are asked together, and a mask says where; a model without
    that mask (YOLOS) would take the padding for a part of the picture.
    """
    processor, names = image_processor_of(loaded), loaded.model.config.id2label

    def ask(rows: Sequence[Row]) -> list[Answer]:
        images = [row["image"] for row in rows]
        batch = processor(images=images, return_tensors="pt").to(loaded.device, loaded.dtype)
        found_in = processor.post_process_object_detection(
            loaded.model(**takes(loaded.model, batch)),
            threshold=BOX_SCORE_MIN,
            target_sizes=[(image.height, image.width) for image in images],
        )
        answers = []
        for found in found_in:
            columns = zip(*(found[key].tolist() for key in ("labels", "scores", "boxes")), strict=True)
            answers.append(Answer(Boxes(tuple(Box(names[label], score, tuple(box)) for label, score, box in columns))))
        return answers

    sizes_n = len({row["image"].size for row in samples.rows})
    masked = "pixel_mask" in parameters_of(loaded.model)
    alone = None if masked or sizes_n == 1 else f"its images have {sizes_n} sizes, and it knows no padding"
    return Opened(ask, alone=alone)
