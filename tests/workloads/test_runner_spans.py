"""Questions to texts that are too long to be read at once, and questions without an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import text_families
from text_families import TEXT_FAMILIES

from joulemark.records import Cell, Settings
from joulemark.workloads import WorkloadError, open_workload
from joulemark.workloads.miniature import corpora
from joulemark.workloads.pretrained.spans import SPAN_MAX_N

FAMILIES = {family.name: family for family in TEXT_FAMILIES}
QUESTIONS = corpora.rows("questions", "test", 12)
LONG = " ".join(row["context"] for row in QUESTIONS)
WINDOW_N = 64  # what the tiny models read at once


def _cell(name: str, folder: Path, rows: Sequence[Mapping[str, Any]]) -> Cell:
    text_families.build(FAMILIES[name], "question-answering", folder)
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Cell("question-answering", str(folder), str(path), settings=Settings(device="cpu", threads_n=1))


def _reference(folder: Path, question: str, context: str, stride_n: int) -> tuple[float, str, float, int]:
    """Logits' sum and text of the best span, the sum of no answer, and the tokens read, by trying every span."""
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForQuestionAnswering.from_pretrained(folder)
    windows = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=WINDOW_N,
        stride=stride_n,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    best, none, read_n = (-1e9, ""), 1e9, 0
    for window_i, pieces in enumerate(windows["input_ids"]):
        with torch.inference_mode():
            output = model.eval()(input_ids=torch.tensor([pieces]), **_types(windows, window_i, model))
        starts, ends = output.start_logits[0].tolist(), output.end_logits[0].tolist()
        read_n += len(pieces)
        none = min(none, starts[0] + ends[0])
        inside = [i for i, text_i in enumerate(windows.sequence_ids(window_i)) if text_i == 1]
        offsets = windows["offset_mapping"][window_i]
        for first_i in inside:
            for last_i in range(first_i, min(first_i + SPAN_MAX_N, inside[-1] + 1)):
                if starts[first_i] + ends[last_i] > best[0]:
                    span = context[offsets[first_i][0] : offsets[last_i][1]].strip()
                    best = starts[first_i] + ends[last_i], span
    return *best, none, read_n


def _types(windows: Any, window_i: int, model: Any) -> dict[str, Any]:
    import torch

    known = "token_type_ids" in windows and model.config.type_vocab_size > 0
    return {"token_type_ids": torch.tensor([windows["token_type_ids"][window_i]])} if known else {}


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2"])
def test_the_best_span_of_all_windows(name: str, tmp_path: Path) -> None:
    rows = [{"question": row["question"], "context": LONG, "answers": ["no"]} for row in QUESTIONS[:2]]
    rows += [{"question": "Where?", "context": "In Rome.", "answers": ["Rome"]}]
    cell = _cell(name, tmp_path, rows)
    stride_n = (WINDOW_N - (4 if name == "roberta" else 3)) // 3
    with open_workload(cell, queries_n=3) as workload:
        answers = [workload.infer(sample_i) for sample_i in range(3)]
        assert workload.infer_batch is not None
        together = workload.infer_batch([0, 1, 2])
    assert [answer.value for answer in together] == [answer.value for answer in answers]
    for row, answer in zip(rows, answers, strict=True):
        _, span, _, read_n = _reference(tmp_path, str(row["question"]), str(row["context"]), stride_n)
        assert answer.value == span
        assert answer.input_tokens_n == read_n
    assert answers[0].input_tokens_n is not None
    assert answers[0].input_tokens_n > 4 * WINDOW_N


def test_no_answer_where_the_samples_have_questions_without_one(tmp_path: Path) -> None:
    # Of short contexts, so that with random weights having no answer wins now and then.
    rows: list[dict[str, Any]] = [
        {"question": row["question"], "context": " ".join(row["context"].split()[-2:]), "answers": []}
        for row in QUESTIONS
    ]
    cell = _cell("bert", tmp_path, rows)
    with open_workload(cell, queries_n=len(rows)) as workload:
        said = [workload.infer(sample_i).value for sample_i in range(len(rows))]
        score = workload.score([workload.infer(sample_i) for sample_i in range(len(rows))])
    references = [_reference(tmp_path, str(row["question"]), str(row["context"]), 20) for row in rows]
    assert said == ["" if none > worth else span for worth, span, none, _ in references]
    assert 0 < said.count("") < len(said)
    assert score.quality.value is not None
    assert score.quality.value >= said.count("") / len(said)  # more, as a lone "the" or "." counts as nothing

    answerable = [{**row, "answers": ["Rome"]} for row in rows]
    with open_workload(_cell("bert", tmp_path, answerable), queries_n=len(rows)) as workload:
        assert [workload.infer(sample_i).value for sample_i in range(len(rows))] == [
            span for _, span, _, _ in references
        ]


def test_empty_contexts_and_long_questions(tmp_path: Path) -> None:
    rows = [
        {"question": "Where?", "context": "", "answers": ["Rome"]},
        {"question": LONG, "context": "In Rome.", "answers": ["Rome"]},
    ]
    with open_workload(_cell("bert", tmp_path, rows), queries_n=2) as workload:
        nothing, something = workload.infer(0), workload.infer(1)
    assert nothing.value == ""
    assert something.value
    assert str(something.value) in "In Rome."
    assert something.input_tokens_n is not None
    assert something.input_tokens_n <= WINDOW_N


@pytest.mark.parametrize("read_n", [30, 100])
def test_a_context_is_cut_where_the_cell_says(read_n: int, tmp_path: Path) -> None:
    """Inside one window, and after several."""
    from transformers import AutoTokenizer

    cell = _cell("bert", tmp_path, [{"question": "Where?", "context": LONG, "answers": ["Rome"]}])
    with open_workload(
        replace(cell, settings=replace(cell.settings, input_tokens_max_n=read_n)), queries_n=1
    ) as workload:
        cut = workload.infer(0)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    pieces = tokenizer("Where?", LONG, truncation="only_second", max_length=read_n, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    beginning = LONG[: pieces[-2][1]]
    with open_workload(
        _cell("bert", tmp_path, [{"question": "Where?", "context": beginning, "answers": ["Rome"]}]), queries_n=1
    ) as workload:
        assert workload.infer(0).value == cut.value if read_n > WINDOW_N else str(cut.value) in beginning
    assert cut.input_tokens_n is not None
    assert cut.input_tokens_n == read_n if read_n <= WINDOW_N else read_n <= cut.input_tokens_n < 3 * read_n


def test_no_room_for_a_context(tmp_path: Path) -> None:
    cell = _cell("bert", tmp_path, [{"question": "Where?", "context": LONG, "answers": ["Rome"]}])
    tight = replace(cell, settings=replace(cell.settings, input_tokens_max_n=5))
    with (
        pytest.raises(WorkloadError, match=r"windows of 5 tokens leave .* no room for question and context"),
        open_workload(tight, queries_n=1),
    ):
        pass
