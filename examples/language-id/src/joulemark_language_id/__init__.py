"""A task of one's own, and what runs it: tell the language of a sentence from its triples of letters.

The model is a JSON file with a text in each language. Two profiles are compared by the ranks of their most frequent
triples (Cavnar & Trenkle, "N-Gram-Based Text Categorization", 1994).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from joulemark.records import Cell, ModelFacts
from joulemark.workloads import Answer, Score, Workload, WorkloadError, quality
from joulemark.workloads.datasets import load_samples
from joulemark.workloads.tasks import Task

PROFILE_N = 300  # triples that make up a profile

LANGUAGE_IDENTIFICATION = Task(
    task_id="language-identification",
    runner="letter-triples",  # the name in the entry-point group joulemark.workloads
    requires=(),
    preload="",
    inputs=("text",),
    gold="label",
    metric="accuracy",
)


@contextmanager
def open_letter_triples(cell: Cell, task: Task, queries_n: int) -> Iterator[Workload]:
    """Load the profiles and the samples. What happens here is measured as loading, ``infer`` as the queries.

    Raises:
        WorkloadError: the model or the samples cannot be read.
    """
    samples = load_samples(cell, task, queries_n)
    try:
        texts = json.loads(Path(cell.model).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{cell.model} is no JSON file with a text for each language ({error})") from error
    profiles = {language: profile(text) for language, text in texts.items()}

    def infer(sample_i: int) -> Answer:
        asked = profile(samples.rows[sample_i]["text"])
        return Answer(min(profiles, key=lambda language: distance(asked, profiles[language])))

    def score(answers: Sequence[Answer]) -> Score:
        return quality.score(task, samples, answers, None)

    yield Workload(
        infer=infer,
        samples_n=len(samples.rows),
        score=score,
        show=lambda answer: str(answer.value),
        model=ModelFacts(
            parameters_n=sum(len(ranks) for ranks in profiles.values()),
            architecture="letter triples",
            weights="trained",
            dtype="int",
            device="cpu",
        ),
        samples_sha256=samples.sha256,
    )


def profile(text: str) -> dict[str, int]:
    """The most frequent triples of letters of a text, each with its rank from 0 on."""
    letters = " ".join(text.lower().split())
    counts = Counter(letters[first_i : first_i + 3] for first_i in range(len(letters) - 2))
    return {triple: rank_i for rank_i, (triple, _) in enumerate(counts.most_common(PROFILE_N))}


def distance(asked: dict[str, int], known: dict[str, int]) -> int:
    """How far the ranks of two profiles lie apart; a triple that is not known counts as the last."""
    return sum(abs(rank_i - known.get(triple, PROFILE_N)) for triple, rank_i in asked.items())
