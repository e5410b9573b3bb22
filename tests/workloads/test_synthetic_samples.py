from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from joulemark.records import Cell, Purpose, Settings
from joulemark.workloads.dataset_catalogue import known_datasets
from joulemark.workloads.datasets import Samples, synthetic_samples
from joulemark.workloads.synthetic_samples import TOKENS_PER_WORD
from joulemark.workloads.tasks import (
    FILL_MASK,
    IMAGE_CLASSIFICATION,
    IMAGE_TO_TEXT,
    OBJECT_DETECTION,
    QUESTION_ANSWERING,
    SUMMARIZATION,
    TEXT_CLASSIFICATION,
    TEXT_GENERATION,
    TEXT_TO_IMAGE,
    TOKEN_CLASSIFICATION,
    Task,
)
from joulemark.workloads.workload import WorkloadError

TASKS = {
    task.task_id: task
    for task in (
        FILL_MASK, IMAGE_CLASSIFICATION, IMAGE_TO_TEXT, OBJECT_DETECTION, QUESTION_ANSWERING, SUMMARIZATION,
        TEXT_CLASSIFICATION, TEXT_GENERATION, TEXT_TO_IMAGE, TOKEN_CLASSIFICATION,
    )
}  # fmt: skip
PAIRS = [(task_id, name) for name, known in known_datasets().items() for task_id in known.tasks]


def _made(task: Task, dataset: str, rows_n: int = 20, vocabulary_n: int = 30_000, **fields: str) -> Samples:
    cell = Cell(task.task_id, "any", dataset, settings=Settings(weights="random"), **fields)  # type: ignore[arg-type]
    return synthetic_samples(cell, task, rows_n, vocabulary_n)


@pytest.mark.parametrize(("task_id", "name"), PAIRS)
def test_every_pair_of_the_study_can_be_made_up(task_id: str, name: str) -> None:
    task = TASKS[task_id]
    samples = _made(task, name, rows_n=3)
    assert len(samples.rows) == 3
    assert samples == _made(task, name, rows_n=3)
    for row in samples.rows:
        assert all(row[column] for column in task.inputs)
        assert task.gold is None or row[task.gold] is None
        if task is FILL_MASK:
            assert row["text"].count("[MASK]") == 1
        if "image" in row:
            assert row["image"].size == (640, 480)


def test_words_come_from_the_vocabulary() -> None:
    words = {word for row in _made(TEXT_CLASSIFICATION, "imdb", vocabulary_n=7).rows for word in row["text"].split()}
    assert words == {f"w{word_i}" for word_i in range(7)}


def test_every_usual_model_is_asked_the_same() -> None:
    hashes = {_made(SUMMARIZATION, "xsum", vocabulary_n=size_n).sha256 for size_n in (5_000, 28_996, 250_002)}
    assert len(hashes) == 1
    assert _made(SUMMARIZATION, "xsum", vocabulary_n=4_999).sha256 not in hashes


def test_prompted_and_fine_tuned_models_are_asked_the_same() -> None:
    own = Cell("question-answering", "a", "squad", settings=Settings(weights="random"))
    prompted = Cell(
        "question-answering",
        "b",
        "squad",
        Purpose.MULTI_PURPOSE,
        settings=Settings(prompt="{question}", weights="random"),
    )
    one, other = (synthetic_samples(cell, QUESTION_ANSWERING, 9, 30_000) for cell in (own, prompted))
    assert one == other


def test_fewer_are_the_beginning_of_more_and_seeds_differ() -> None:
    assert _made(TEXT_CLASSIFICATION, "sst2", 5).rows == _made(TEXT_CLASSIFICATION, "sst2", 50).rows[:5]
    seeds = {_made(TEXT_CLASSIFICATION, "sst2", sample=f"random:{seed}").sha256 for seed in range(3)}
    assert len(seeds) == 3


@pytest.mark.parametrize(
    ("task", "dataset", "column", "logged_mean_n"),
    [
        # The length files' means over 1,000 inputs, less the words of the prompt.
        (TEXT_CLASSIFICATION, "sst2", "text", 28.35 - 9),
        (TEXT_CLASSIFICATION, "rotten_tomatoes", "text", 30.08 - 9),
        (TEXT_CLASSIFICATION, "imdb:first-50-words", "text", 58.73 - 9),
        (SUMMARIZATION, "samsum:first-50-words", "text", 47.81 - 4),
        (SUMMARIZATION, "cnn_dailymail:first-50-words", "text", 50),
        (SUMMARIZATION, "xsum:first-50-words", "text", 53.85 - 4),
        (QUESTION_ANSWERING, "squad", "context", 134.0 - 11 - 10),
        (QUESTION_ANSWERING, "squad_v2", "context", 115.85 - 11 - 10),
        (QUESTION_ANSWERING, "sciq", "context", 113.12 - 11 - 10),
    ],
)
def test_lengths_are_those_of_the_logs(task: Task, dataset: str, column: str, logged_mean_n: float) -> None:
    lengths_n = [len(row[column].split()) for row in _made(task, dataset, 2_000).rows]
    assert statistics.mean(lengths_n) == pytest.approx(logged_mean_n * TOKENS_PER_WORD, rel=0.05)


def test_a_cut_comes_before_words_become_tokens() -> None:
    lengths_n = {len(row["text"].split()) for row in _made(TEXT_GENERATION, "oscar").rows}
    assert lengths_n == {round(20 * TOKENS_PER_WORD)}
    words = _made(FILL_MASK, "c4").rows[0]["text"].split()
    assert len(words) == round(20 * TOKENS_PER_WORD)
    assert words[-1] == "[MASK]"


def test_images_in_their_own_size() -> None:
    rows = _made(IMAGE_CLASSIFICATION, "cifar10:native", 3).rows
    assert {row["image"].size for row in rows} == {(32, 32)}
    assert rows[0]["image"].tobytes() != rows[1]["image"].tobytes()


def test_a_file_of_ones_own_keeps_its_lengths(tmp_path: Path) -> None:
    texts = ["one", "one two three", "", "a [MASK] b c"]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": text, "answer": "x"}) + "\n" for text in texts))
    samples = _made(FILL_MASK, str(tmp_path / "rows.jsonl"))
    assert [len(row["text"].split()) for row in samples.rows] == [1, 4, 0, 1 + 1 + 3]
    assert samples.rows[3]["text"].split()[1] == "[MASK]"
    assert all(row["answer"] is None for row in samples.rows)
    assert samples.row_numbers == (0, 1, 2, 3)


def test_a_miniature_dataset_keeps_its_lengths() -> None:
    rows = _made(TOKEN_CLASSIFICATION, "miniature:entities").rows
    assert all(word.startswith("w") for row in rows for word in row["tokens"])
    assert _made(OBJECT_DETECTION, "miniature:scenes", 2).rows[0]["image"].size == (64, 64)


def test_lengths_that_nobody_knows() -> None:
    with pytest.raises(WorkloadError, match="does not say how long 'question' of imdb is"):
        _made(QUESTION_ANSWERING, "imdb")
    with pytest.raises(WorkloadError, match="does not say how large the images of imdb are"):
        _made(IMAGE_CLASSIFICATION, "imdb")
