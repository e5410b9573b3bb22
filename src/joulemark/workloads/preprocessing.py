"""What is done to a sample before it is asked: rules with a name, applied in order, before any measurement.

``first-words:N``, ``remove-dots``, ``mask-last-word``, ``mask-appended`` and ``resize:WxH:nearest`` are the steps of
the scripts released with Luccioni et al., "Power Hungry Processing" (FAccT 2024).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from joulemark.workloads.samples import Row
from joulemark.workloads.workload import WorkloadError

MASK = "[MASK]"  # how a sample marks the missing word; a runner puts the tokenizer's own mask in its place


def preprocessed(row: Row, rules: Sequence[str]) -> Row:
    """The row after all rules.

    Raises:
        WorkloadError: there is no such rule, or the row has nothing that it could be applied to.
    """
    for rule in rules:
        name, _, argument = rule.partition(":")
        if name not in _RULES:
            raise WorkloadError(f"no preprocessing rule {rule!r}; there are {', '.join(_RULES)}")
        try:
            row = _RULES[name](row, argument)
        except KeyError as error:
            raise WorkloadError(f"the rule {rule!r} needs a column {error}; the sample has {', '.join(row)}") from error
    return row


def words_max_n(rules: Sequence[str]) -> int | None:
    """To how many words the rules cut a text; ``None`` where they do not."""
    limits_n = [int(rule.removeprefix("first-words:")) for rule in rules if rule.startswith("first-words:")]
    return min(limits_n, default=None)


def size_px(rules: Sequence[str]) -> tuple[int, int] | None:
    """Width and height to which the rules bring an image; ``None`` where they leave it as it is."""
    sizes = [_resize_argument(rule.removeprefix("resize:")) for rule in rules if rule.startswith("resize:")]
    return sizes[-1] if sizes else None


def _first_words(row: Row, argument: str) -> Row:
    return {**row, "text": " ".join(row["text"].split()[: int(argument)])}


def _remove_dots(row: Row, _: str) -> Row:
    return {**row, "text": row["text"].replace(".", "")}


def _mask_last_word(row: Row, _: str) -> Row:
    """The word that is hidden is the right answer."""
    words = row["text"].split()
    return {**row, "text": " ".join((*words[:-1], MASK)), "answer": words[-1] if words else None}


def _mask_appended(row: Row, _: str) -> Row:
    """No answer is right: the text ended there."""
    return {**row, "text": row["text"] + MASK}


def _resize(row: Row, argument: str) -> Row:
    """Without interpolation, as the scripts do; boxes move along."""
    from PIL import Image

    image, (width_px, height_px) = row["image"], _resize_argument(argument)
    changed: dict[str, Any] = {"image": image.resize((width_px, height_px), Image.Resampling.NEAREST)}
    if row.get("boxes") is not None:
        across, down = width_px / image.width, height_px / image.height
        changed["boxes"] = tuple(
            (label, x0 * across, y0 * down, x1 * across, y1 * down) for label, x0, y0, x1, y1 in row["boxes"]
        )
    return {**row, **changed}


def _resize_argument(argument: str) -> tuple[int, int]:
    size = re.fullmatch(r"(\d+)x(\d+):nearest", argument)
    if size is None:
        raise WorkloadError(f"the rule 'resize:{argument}' is not of the form resize:640x480:nearest")
    return int(size[1]), int(size[2])


_RULES: dict[str, Callable[[Row, str], Row]] = {
    "first-words": _first_words,
    "remove-dots": _remove_dots,
    "mask-last-word": _mask_last_word,
    "mask-appended": _mask_appended,
    "resize": _resize,
}
