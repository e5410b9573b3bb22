from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.records import Cell
from joulemark.workloads import WorkloadError, missing, open_workload, prepare
from joulemark.workloads.datasets import Samples, fill_in, load_samples
from joulemark.workloads.tasks import (
    FILL_MASK,
    IMAGE_CLASSIFICATION,
    QUESTION_ANSWERING,
    TEXT_CLASSIFICATION,
    TOKEN_CLASSIFICATION,
    Task,
)


def _read(path: Path, task: Task, queries_n: int = 100) -> Samples:
    return load_samples(Cell(task.task_id, "./model", str(path)), task, queries_n)


def _jsonl(folder: Path, *rows: Any) -> Path:
    path = folder / "samples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_jsonl(tmp_path: Path) -> None:
    samples = _read(
        _jsonl(tmp_path, {"text": "a", "label": "x", "more": 1}, {"text": "b", "id": "q7"}), TEXT_CLASSIFICATION
    )
    assert samples.rows == ({"id": 0, "text": "a", "label": "x"}, {"id": "q7", "text": "b", "label": None})


def test_csv_with_words_and_tags(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text('tokens,tags\n"Anna left Rome","B-PER O B-LOC"\n')
    assert _read(path, TOKEN_CLASSIFICATION).rows[0]["tags"] == ("B-PER", "O", "B-LOC")


def test_csv_without_a_gold_label(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("text,label\nfine,\n")
    assert _read(path, TEXT_CLASSIFICATION).rows[0]["label"] is None


@pytest.mark.parametrize("answers", ["Rome", ["Rome"], {"text": ["Rome"], "answer_start": [8]}])
def test_answers_in_all_their_spellings(tmp_path: Path, answers: object) -> None:
    row = {"question": "Where?", "context": "Anna in Rome", "answers": answers}
    assert _read(_jsonl(tmp_path, row), QUESTION_ANSWERING).rows[0]["answers"] == ("Rome",)


def test_images_lie_beside_the_file(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (3, 2), 7).save(tmp_path / "seven.png")
    path = _jsonl(tmp_path, {"image": "seven.png", "label": "7"})
    assert _read(path, IMAGE_CLASSIFICATION).rows[0]["image"].size == (3, 2)
    with pytest.raises(WorkloadError, match="line 1: cannot read the image"):
        _read(_jsonl(tmp_path, {"image": "eight.png"}), IMAGE_CLASSIFICATION)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"satz": "a"}', "text-classification needs a column 'text'; there is satz"),
        ('{"text": null}', "line 1: text-classification needs a value for 'text'"),
        ('{"text": ["a"]}', "line 1: 'text' is list, not a text"),
        ("text", "line 1: not JSON"),
        ("[1]", "line 1: not a JSON object"),
        ("", "holds no samples"),
    ],
)
def test_unusable_lines(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(WorkloadError, match=message):
        _read(path, TEXT_CLASSIFICATION)


def test_files_that_cannot_be_meant(tmp_path: Path, reviews: Cell) -> None:
    absent = replace(reviews, dataset=str(tmp_path / "absent.jsonl"))
    assert missing(absent) == f"dataset file {tmp_path / 'absent.jsonl'} does not exist"
    assert "did you mean 'imdb'" in str(missing(replace(reviews, dataset="imbd")))
    split = replace(reviews, dataset=str(_jsonl(tmp_path, {"text": "a"})), split="test")
    assert "leave split out" in str(missing(split))


def test_a_dataset_of_another_task() -> None:
    with pytest.raises(WorkloadError, match="miniature:entities: fill-mask needs a column 'text'; there is tokens"):
        load_samples(Cell("fill-mask", "./model", "miniature:entities"), FILL_MASK, 3)


def test_the_hash_covers_content_and_order(tmp_path: Path) -> None:
    one, two = {"text": "a", "label": "x"}, {"text": "b", "label": "x"}
    hashes = [
        _read(_jsonl(tmp_path, *rows), TEXT_CLASSIFICATION, queries_n).sha256
        for rows, queries_n in (((one, two), 2), ((two, one), 2), ((one, two), 1), ((one,), 5))
    ]
    assert len(set(hashes)) == 3
    assert hashes[2] == hashes[3]


def test_fewer_samples_than_queries_are_asked_again(tmp_path: Path, reviews: Cell) -> None:
    rows = [{"text": "the film was great.", "label": "positive"}, {"text": "the film was awful.", "label": "negative"}]
    cell = replace(reviews, dataset=str(_jsonl(tmp_path, *rows)))
    prepare(cell)
    with open_workload(cell, queries_n=5) as workload:
        assert workload.samples_n == 2
        score = workload.score([workload.infer(query_i % workload.samples_n) for query_i in range(5)])
    assert score.quality.scored_n == 5
    assert len(score.per_sample) == 5


def test_without_gold_there_is_no_quality(tmp_path: Path, reviews: Cell) -> None:
    cell = replace(reviews, dataset=str(_jsonl(tmp_path, {"text": "the film was great."})))
    prepare(cell)
    with open_workload(cell, queries_n=1) as workload:
        score = workload.score([workload.infer(0)])
    assert score.quality.value is None
    assert score.quality.reason == "the samples carry no 'label'"


@given(st.text(), st.text())
def test_a_prompt_keeps_its_text_as_it_is(before: str, text: str) -> None:
    template = before.replace("{", "{{").replace("}", "}}") + "{text}"
    assert fill_in(template, {"text": text}) == before + text


def test_a_prompt_that_asks_for_what_is_not_there() -> None:
    for template in ("{question}", "{", "{0}", "{text.nothing}"):
        with pytest.raises(WorkloadError, match=r"does not fit; it may use \{text\}"):
            fill_in(template, {"id": 0, "text": "a"})
