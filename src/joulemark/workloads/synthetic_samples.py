"""Samples without a dataset: made-up words and noise of the usual lengths and sizes, for models with random weights.

What a query costs hangs on how long its input is and not on what it says, so that a model of the true size can be
asked such samples where neither its weights nor its dataset are. There is no right answer to them.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from joulemark.workloads.dataset_catalogue import QUANTILES, KnownDataset, Words
from joulemark.workloads.preprocessing import MASK, preprocessed, size_px, words_max_n
from joulemark.workloads.samples import Row
from joulemark.workloads.tasks import Task
from joulemark.workloads.workload import WorkloadError

# English text has about 100 tokens to 75 words: OpenAI's help page "What are tokens and how to count them?"; not
# measured here, and other tokenizers and languages have other ratios. A word of a made-up text is one token.
TOKENS_PER_WORD = 100 / 75

VOCABULARY_MAX_N = 5_000  # words that are used, so that models with larger vocabularies are asked the same
IMAGES_N = 64  # distinct images; a thousand of 640 × 480 would fill 1.2 GB


def samples_like(
    known: KnownDataset, words: Mapping[str, Words], rules: Sequence[str], task: Task, seed: str, rows_n: int,
    vocabulary_n: int,
) -> list[Row]:  # fmt: skip
    """Rows as long as those of a dataset of the catalogue.

    Args:
        known: the dataset.
        words: for each of the task's text columns how many words it has.
        rules: the preprocessing of the dataset; what cuts a text cuts its words, before they are counted in tokens.
        task: whose columns the rows have.
        seed: what the draw starts from; row i is the same whatever ``rows_n`` is.
        rows_n: how many rows.
        vocabulary_n: words are w0 … w<vocabulary_n - 1>, or the first 5,000 of these.

    Raises:
        WorkloadError: the catalogue does not say how long the task's inputs are.
    """
    cut_n = words_max_n(rules)
    other_rules = [rule for rule in rules if not rule.startswith(("first-words:", "resize:"))]
    images: dict[int, Any] = {}
    rows: list[Row] = []
    for row_i in range(rows_n):
        rng = random.Random(f"{seed}/{row_i}")
        row: dict[str, Any] = {"id": row_i}
        for column in task.inputs:
            if column == "image":
                width_px, height_px = _known_size(known, rules)
                image_i = row_i % IMAGES_N
                if image_i not in images:
                    images[image_i] = noise(width_px, height_px, f"{seed}/image {image_i}")
                row[column] = images[image_i]
            elif column in words:
                words_n = _drawn(words[column], rng)
                row[column] = _made_up(words_n if cut_n is None else min(words_n, cut_n), column, rng, vocabulary_n)
            else:
                raise WorkloadError(f"the catalogue does not say how long {column!r} of {known.name} is")
        rows.append({**preprocessed(row, other_rules), **({task.gold: None} if task.gold else {})})
    return rows


def samples_as_long_as(rows: Sequence[Row], task: Task, vocabulary_n: int) -> list[Row]:
    """Rows whose texts have the lengths of the given ones; images stay, a mask keeps its place, no answer is known."""
    made: list[Row] = []
    for row_i, row in enumerate(rows):
        rng = random.Random(f"row {row_i}")
        inputs = {column: row[column] for column in task.inputs}
        for column, value in inputs.items():
            if isinstance(value, str):
                before, masked, after = value.partition(MASK)
                parts = [_made_up(len(part.split()), column, rng, vocabulary_n) for part in (before, after)]
                inputs[column] = " ".join(part for part in (parts[0], masked, parts[1]) if part)
            elif isinstance(value, tuple):
                inputs[column] = _made_up(len(value), column, rng, vocabulary_n)
        made.append({"id": row["id"], **inputs, **({task.gold: None} if task.gold else {})})
    return made


def noise(width_px: int, height_px: int, seed: str) -> Any:
    """An RGB image whose every pixel is drawn."""
    from PIL import Image

    return Image.frombytes("RGB", (width_px, height_px), random.Random(seed).randbytes(width_px * height_px * 3))


def _drawn(words: Words, rng: random.Random) -> float:
    """A length between the quantiles, which are joined by straight lines."""
    share = rng.random()
    above_i = bisect_right(QUANTILES, share)
    low, high = QUANTILES[above_i - 1 : above_i + 1]
    low_n, high_n = words.quantiles_n[above_i - 1 : above_i + 1]
    return low_n + (high_n - low_n) * (share - low) / (high - low)


def _made_up(words_n: float, column: str, rng: random.Random, vocabulary_n: int) -> Any:
    tokens_n = round(words_n * TOKENS_PER_WORD)
    made = [f"w{rng.randrange(min(VOCABULARY_MAX_N, vocabulary_n))}" for _ in range(tokens_n)]
    return tuple(made) if column == "tokens" else " ".join(made)


def _known_size(known: KnownDataset, rules: Sequence[str]) -> tuple[int, int]:
    size = size_px(rules) or known.size_px
    if size is None:
        raise WorkloadError(f"the catalogue does not say how large the images of {known.name} are")
    return size
