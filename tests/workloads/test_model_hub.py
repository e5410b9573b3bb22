"""Models of the hub: fetched in preparation from a real server on the loopback, refused in one line and at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hub_server import COMMIT, HubServer, serving

from joulemark.records import Cell, Settings
from joulemark.workloads import WorkloadError, missing, open_workload, prepare
from joulemark.workloads.hub import wanted_files
from joulemark.workloads.miniature import FACTS_FILE, build

STUDYS = "distilbert-base-uncased-finetuned-sst-2-english"  # as the study calls it
NAME = "someone/encoder"


@pytest.fixture
def files() -> dict[str, bytes]:
    """A model as the hub keeps it, with copies of its weights that are not needed."""
    folder = build("sentiment-encoder")
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != FACTS_FILE}
    return kept | {"pytorch_model.bin": b"pickle", "onnx/model.onnx": b"onnx", "model.fp16.safetensors": b"copy"}


@pytest.fixture
def hub(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    pickled = {name: content for name, content in files.items() if not name.endswith(".safetensors")}
    repositories = {
        NAME: {"main": files},
        "someone/pickled": {"main": pickled},
        "someone/gated": {"main": files},
        f"distilbert/{STUDYS}": {"main": files},
    }
    with serving(HubServer(repositories, gated=frozenset({"someone/gated"}))) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield server


def cell(model: str, **changes: object) -> Cell:
    blank = Cell("text-classification", model, "miniature:reviews", settings=Settings(device="cpu", threads_n=1))
    return replace(blank, **changes)  # type: ignore[arg-type]


def refusal(asked: Cell) -> str:
    """What preparing says, which must be one line and quick."""
    started_s = time.monotonic()
    with pytest.raises(WorkloadError) as refused:
        prepare(asked)
    assert time.monotonic() - started_s < 2
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_model_is_fetched_once_and_measured_without_the_hub(hub: HubServer) -> None:
    asked = cell(NAME)
    assert missing(asked) is None  # it can be had
    prepare(asked)
    fetched_byte = hub.served_byte
    assert missing(asked) is None
    requests_n = len(hub.requests)
    prepare(asked)
    with open_workload(asked, queries_n=20) as workload:
        answers = [workload.infer(sample_i) for sample_i in range(20)]
        score = workload.score(answers)
    assert score.quality.value is not None
    assert score.quality.value > 0.9
    assert workload.model.revision == COMMIT
    assert len(hub.requests) == requests_n
    assert hub.served_byte == fetched_byte
    fetched = {line.rpartition("/")[2] for line in hub.requests if line.startswith("GET") and "/resolve/" in line}
    assert "model.safetensors" in fetched
    assert not fetched & {"pytorch_model.bin", "model.onnx", "model.fp16.safetensors"}


def test_a_model_for_another_task_is_refused_before_its_weights_are_fetched(hub: HubServer) -> None:
    for revision in (None, COMMIT):
        other = cell(NAME, task="token-classification", dataset="miniature:entities", model_revision=revision)
        assert "was made for BertForSequenceClassification" in refusal(other)
        assert hub.served_byte < 10_000
        assert "model.safetensors" not in " ".join(hub.requests)
    prepare(cell(NAME, model_revision=COMMIT))  # nothing half of it was left in the cache
    assert missing(cell(NAME, model_revision=COMMIT)) is None


def test_a_model_of_the_study_is_found_where_the_hub_has_it_today(hub: HubServer) -> None:
    prepare(cell(STUDYS))
    assert any(f"distilbert/{STUDYS}" in line for line in hub.requests)
    assert missing(cell(STUDYS)) is None


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (cell("someone/gated"), "is gated: accept its terms"),
        (cell("nobody/nothing"), "has nothing of that name"),
        (cell(NAME, model_revision="no-such-branch"), "no such revision"),
        (cell("someone/pickled"), "only pickled weights, which could run any code"),
    ],
)
def test_what_the_hub_refuses_is_one_line(hub: HubServer, asked: Cell, says: str) -> None:
    assert says in refusal(asked)


def test_no_network_is_one_line(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    assert "the hub cannot be asked for it" in refusal(cell(NAME))
    # An address that swallows everything: no answer is an answer after a second.
    monkeypatch.setenv("HF_ENDPOINT", "http://192.0.2.1")
    assert "the hub cannot be asked for it" in refusal(cell(NAME))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in refusal(cell(NAME))


def test_only_one_copy_of_the_weights_is_wanted() -> None:
    pipeline = [
        "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.non_ema.safetensors", "v1-5-pruned.safetensors", "v1-5-pruned.ckpt",
        "tokenizer/vocab.json", "tokenizer/merges.txt", "code.py",
    ]  # fmt: skip
    assert set(wanted_files(pipeline, "it", trust=(), texts_only=False)) == {
        "model_index.json", "unet/config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
        "unet/diffusion_pytorch_model.safetensors",
    }  # fmt: skip
    shards = ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "code.py"]
    assert set(wanted_files(shards, "it", trust=(), texts_only=False)) == set(shards) - {"code.py"}
    assert "code.py" in wanted_files(shards, "it", trust=("remote-code",), texts_only=False)
    assert wanted_files(shards, "it", trust=(), texts_only=True) == ("config.json",)
    pickled = ["config.json", "pytorch_model.bin"]
    assert "pytorch_model.bin" in wanted_files(pickled, "it", trust=("pickled-weights",), texts_only=False)
    with pytest.raises(WorkloadError, match="pickled"):
        wanted_files(pickled, "it", trust=(), texts_only=False)
    with pytest.raises(WorkloadError, match="no weights"):
        wanted_files(["config.json"], "it", trust=(), texts_only=False)


def test_each_part_of_a_pipeline_has_its_own_kind_of_weights() -> None:
    safe = [
        "model_index.json", "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.bin",
        "vae_decoder/openvino_model.bin", "vae_decoder/openvino_model.xml",
    ]  # fmt: skip
    assert set(wanted_files(safe, "it", trust=(), texts_only=False)) == set(safe[:2])
    mixed = [*safe, "safety_checker/config.json", "safety_checker/pytorch_model.bin"]
    with pytest.raises(WorkloadError, match="it has only pickled weights in safety_checker, which could run any code"):
        wanted_files(mixed, "it", trust=(), texts_only=False)
    assert set(wanted_files(mixed, "it", trust=("pickled-weights",), texts_only=False)) == {*safe[:2], *mixed[-2:]}


@pytest.mark.parametrize("name", ["bpe.codes", "spm.model", "source.spm", "merges.txt", "sentencepiece.bpe.model"])
def test_what_tokenizers_read_is_wanted(name: str) -> None:
    files = ["config.json", name, "model.safetensors"]
    assert set(wanted_files(files, "it", trust=(), texts_only=False)) == set(files)
