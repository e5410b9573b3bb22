"""Bare architectures: the true size, random weights, nothing to download."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import text_families
from text_families import DATASETS, TEXT_FAMILIES

from joulemark.records import Cell, Purpose, Settings
from joulemark.workloads import WorkloadError, open_workload
from joulemark.workloads.catalogue import find_catalogue_model
from joulemark.workloads.torch_setup import device_of, free_byte

SETTINGS = Settings(device="cpu", threads_n=1, weights="random")


@pytest.mark.parametrize(
    ("task", "model", "dataset", "settings"),
    [
        ("fill-mask", "albert-base-v2", "c4", {}),
        ("image-classification", "google/mobilenet_v1_0.75_192", "cifar10", {}),
        ("text-generation", "distilgpt2", "wikitext", {"new_tokens_max_n": 3}),
        ("summarization", "ainize/bart-base-cnn", "samsum", {"new_tokens_max_n": 3, "beams_n": 2}),
    ],
)
def test_a_model_of_the_catalogue(task: str, model: str, dataset: str, settings: dict[str, Any]) -> None:
    cell = Cell(task, model, dataset, settings=replace(SETTINGS, input_tokens_max_n=64, **settings))
    with open_workload(cell, queries_n=2) as workload:
        answers = [workload.infer(sample_i) for sample_i in range(2)]
        again = workload.infer(0)
        quality = workload.score(answers).quality
    assert again == answers[0]
    assert quality.value is None
    assert quality.reason == "random weights: architecture only"
    assert workload.model.weights == "random"
    known = find_catalogue_model(model)
    assert known is not None
    assert workload.model.parameters_n is not None
    # The study counted another class, as a rule without the head.
    assert 0.9 * known.parameters_n < workload.model.parameters_n < 1.5 * known.parameters_n
    if "new_tokens_max_n" in settings:
        assert [answer.output_tokens_n for answer in answers] == [3, 3]
    if task != "image-classification":
        assert all(answer.input_tokens_n for answer in answers)


@pytest.mark.parametrize(
    ("task", "dataset", "settings", "written_n"),
    [
        ("text-classification", "rotten_tomatoes", {"new_tokens_max_n": 19}, 2),  # 1.01 words
        ("text-classification", "imdb:first-50-words", {"new_tokens_max_n": 1}, 1),
        ("question-answering", "squad", {"new_tokens_max_n": 65}, 3),  # 2.045 words
        ("question-answering", "sciq", {"new_tokens_min_n": 7, "new_tokens_max_n": 19}, 7),
        ("summarization", "samsum", {"new_tokens_min_n": 0, "new_tokens_max_n": 19}, 14),  # 10.23 words
        ("summarization", "samsum", {"new_tokens_min_n": 15, "new_tokens_max_n": 15}, 15),
    ],
)
def test_a_prompted_architecture_writes_as_much_as_the_studys_did(
    task: str, dataset: str, settings: dict[str, Any], written_n: int
) -> None:
    settings = {"input_tokens_max_n": 64, **settings}
    cell = Cell(task, "google/flan-t5-base", dataset, Purpose.MULTI_PURPOSE, settings=replace(SETTINGS, **settings))
    with open_workload(cell, queries_n=1) as workload:
        assert workload.infer(0).output_tokens_n == written_n


def test_a_folder_with_a_configuration_and_no_weights(tmp_path: Path) -> None:
    family = next(family for family in TEXT_FAMILIES if family.name == "gpt2")
    text_families.build(family, "text-generation", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    cell = Cell("text-generation", str(tmp_path), DATASETS["text-generation"], settings=SETTINGS)
    with open_workload(cell, queries_n=3) as workload:
        answers = [workload.infer(sample_i) for sample_i in range(3)]
        quality = workload.score(answers).quality
    assert [answer.output_tokens_n for answer in answers] == [10, 10, 10]
    assert quality.reason == "random weights: architecture only"
    with open_workload(cell, queries_n=3) as workload:
        assert [workload.infer(sample_i) for sample_i in range(3)] == answers


def test_attention_and_number_type_of_a_bare_model() -> None:
    cell = Cell("fill-mask", "albert-base-v2", "c4", settings=replace(SETTINGS, attention="eager", dtype="bfloat16"))
    with open_workload(cell, queries_n=1) as workload:
        assert workload.model.attention == "eager"
        assert workload.model.dtype == "bfloat16"
        assert workload.infer(0).value


def test_a_model_that_does_not_fit_is_refused_before_it_is_built() -> None:
    free = free_byte(device_of("cpu"))
    if free is None or free > 100e9:
        pytest.skip("88 GB of weights might fit here, or nobody knows")
    cell = Cell("text-classification", "google/flan-t5-xxl", "imdb", settings=replace(SETTINGS, dtype="float64"))
    with (
        pytest.raises(WorkloadError, match=r"flan-t5-xxl needs .* its weights in float64 and a fifth more; cpu has"),
        open_workload(replace(cell, task="summarization", dataset="samsum"), queries_n=1),
    ):
        pass


@pytest.mark.parametrize(
    ("task", "model", "dataset"),
    [
        ("image-classification", "albert-base-v2", "cifar10"),
        ("text-generation", "stabilityai/stable-diffusion-2-1", "wikitext"),
        ("fill-mask", "microsoft/resnet-18", "c4"),
        ("text-to-image", "./no/such/folder", "miniature:picture-prompts"),
    ],
)
def test_a_task_that_the_architecture_cannot_do(task: str, model: str, dataset: str) -> None:
    with (
        pytest.raises(WorkloadError) as refused,
        open_workload(Cell(task, model, dataset, settings=SETTINGS), queries_n=1),
    ):
        pass
    assert "\n" not in str(refused.value)
    assert model in str(refused.value)
