"""The smallest workload: a function that is given a sample and returns its answer.

joulemark run --task text-classification --model keyword_sentiment:answer --dataset reviews.csv
"""

from __future__ import annotations

from collections.abc import Mapping

GOOD = {"good", "great", "wonderful", "fine", "lovely", "excellent"}
BAD = {"bad", "poor", "terrible", "dull", "awful", "boring"}


def answer(sample: Mapping[str, str]) -> str:
    """The sentiment of the text, by counting words."""
    words = sample["text"].lower().split()
    good_n, bad_n = (sum(word.strip(".,!?") in known for word in words) for known in (GOOD, BAD))
    return "positive" if good_n >= bad_n else "negative"
