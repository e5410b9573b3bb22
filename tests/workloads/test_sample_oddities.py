"""Samples that are untypical are told."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from joulemark.workloads.sample_oddities import oddities
from joulemark.workloads.samples import Samples
from joulemark.workloads.tasks import IMAGE_CLASSIFICATION, QUESTION_ANSWERING, TEXT_CLASSIFICATION, Task


def told(task: Task, *rows: dict[str, Any]) -> set[str]:
    return set(oddities(Samples(rows, "hash"), task))


def reviews(labels: str, texts: list[str] | None = None) -> list[dict[str, Any]]:
    return [{"text": texts[row_i] if texts else f"text {row_i}", "label": label} for row_i, label in enumerate(labels)]


def test_mixed_samples_are_not_odd() -> None:
    assert told(TEXT_CLASSIFICATION, *reviews("ab" * 50)) == set()


@pytest.mark.parametrize(
    ("labels", "sorted_"),
    [
        ("a" * 50 + "b" * 50, True),
        ("a" * 100, True),
        ("a" * 50 + "b" * 49 + "a", False),
        ("ab" * 5, False),
        ("a" * 19, False),  # too few to say
        ("abcdefghijklmnopqrstuvwxy", False),  # every one another
    ],
)
def test_sorted_labels(labels: str, sorted_: bool) -> None:
    assert ("samples-sorted" in told(TEXT_CLASSIFICATION, *reviews(labels))) is sorted_


def test_alike_and_empty() -> None:
    texts = [f"text {row_i}" for row_i in range(100)]
    texts[7] = texts[3]
    assert told(TEXT_CLASSIFICATION, *reviews("ab" * 50, texts)) == {"samples-alike"}
    texts[7] = "  "
    assert told(TEXT_CLASSIFICATION, *reviews("ab" * 50, texts)) == {"samples-empty"}
    texts = [f"text {row_i}" for row_i in range(250)]
    texts[7] = texts[3]  # fewer than a hundredth
    assert told(TEXT_CLASSIFICATION, *reviews("ab" * 125, texts)) == set()


def test_all_inputs_count() -> None:
    rows = [{"question": "where?", "context": f"in {row_i}", "answers": (f"{row_i}",)} for row_i in range(50)]
    assert told(QUESTION_ANSWERING, *rows) == set()


def test_images_by_their_pixels() -> None:
    images = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in range(40)]
    labels = ["a", "b"] * 20
    rows = [{"image": image, "label": label} for image, label in zip(images, labels, strict=True)]
    assert told(IMAGE_CLASSIFICATION, *rows) == set()
    rows[1]["image"] = Image.new("RGB", (4, 4), (0, 0, 0))
    assert told(IMAGE_CLASSIFICATION, *rows) == {"samples-alike"}
