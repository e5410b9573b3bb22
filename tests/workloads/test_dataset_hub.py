"""Fetching from a hub on the loopback, and what is said where it refuses or is not there."""

from __future__ import annotations

import io
import json
import random
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_server import COMMIT, HubServer, serving

from joulemark.records import Cell, Purpose, Settings
from joulemark.workloads import open_workload, prepare
from joulemark.workloads.dataset_hub import split_files
from joulemark.workloads.datasets import fetch_samples, load_samples, missing_samples
from joulemark.workloads.sample_oddities import oddities
from joulemark.workloads.tasks import (
    FILL_MASK,
    IMAGE_CLASSIFICATION,
    IMAGE_TO_TEXT,
    QUESTION_ANSWERING,
    SUMMARIZATION,
    TEXT_CLASSIFICATION,
    TEXT_GENERATION,
    Task,
)
from joulemark.workloads.workload import WorkloadError

ROWS_N = 3_000
GROUP_N = 250  # rows of a row group
CONVERTED = "refs/convert/parquet"


def _parquet(rows: list[dict[str, Any]], features: Mapping[str, Any] | None = None) -> bytes:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(rows)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, row_group_size=GROUP_N)
    return buffer.getvalue()


def _png(size_px: tuple[int, int]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size_px, (9, 8, 7)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def repositories() -> dict[str, dict[str, dict[str, bytes]]]:
    reviews = [
        {
            "text": f"review {row_i} " + f"{row_i * 7919} " * 40,
            "label": row_i % 2,
            "more": random.Random(row_i).randbytes(400),
        }
        for row_i in range(ROWS_N)
    ]
    names = {"label": {"_type": "ClassLabel", "names": ["neg", "pos"]}}
    shards = {
        f"plain_text/test/{shard_i:04}.parquet": _parquet(reviews[shard_i * 1_000 : (shard_i + 1) * 1_000], names)
        for shard_i in range(3)
    }
    stories = _parquet([{"text": f"it was the story number {row_i} ."} for row_i in range(20)])
    wiki = _parquet([{"text": "" if row_i % 3 else f"= {'word ' * 30}{row_i} ="} for row_i in range(30)])
    dialogues = [{"dialogue": text, "summary": "s"} for text in ("Amy: hi", None, "Bob: bye")]
    pictures = [{"img": {"bytes": _png((32, 32)), "path": None}, "label": row_i} for row_i in range(3)]
    return {
        "stanfordnlp/imdb": {CONVERTED: {**shards, "plain_text/train/0000.parquet": stories}},
        "bookcorpus/bookcorpus": {CONVERTED: {"plain_text/train/0000.parquet": stories}},
        "allenai/c4": {CONVERTED: {"en/partial-train/0000.parquet": stories}},
        "Salesforce/wikitext": {"main": {"wikitext-103-raw-v1/test-00000-of-00001.parquet": wiki}},
        "knkarthick/samsum": {CONVERTED: {"default/train/0000.parquet": _parquet(dialogues)}},
        "uoft-cs/cifar10": {CONVERTED: {"plain_text/test/0000.parquet": _parquet(pictures)}},
        "ILSVRC/imagenet-1k": {CONVERTED: {"default/test/0000.parquet": _parquet(pictures)}},
        "somebody/script": {"main": {"script.py": b"print()", "README.md": b""}},
        "somebody/own": {
            "main": {"data/test.parquet": _parquet([{"title": "a", "body": "b", "stars": 3}])},
        },
    }


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOULEMARK_CACHE", str(tmp_path / "joulemark"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    for name in (
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "HF_TOKEN",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def hub(
    cache: Path, repositories: dict[str, dict[str, dict[str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    with serving(HubServer(repositories, gated=frozenset({"ILSVRC/imagenet-1k"}))) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def no_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")


def _cell(task: Task, dataset: str, **fields: Any) -> Cell:
    return Cell(task.task_id, "./model", dataset, **fields)


def test_fetched_once_and_then_read_without_a_network(hub: HubServer) -> None:
    cell = _cell(TEXT_CLASSIFICATION, "imdb")
    with pytest.raises(WorkloadError, match=r"imdb \(stanfordnlp/imdb\) is not fetched yet"):
        load_samples(cell, TEXT_CLASSIFICATION, 20)
    manifest = fetch_samples(cell, TEXT_CLASSIFICATION, 100)
    asked_n = len(hub.requests)
    samples = load_samples(cell, TEXT_CLASSIFICATION, 100)
    fewer = load_samples(cell, TEXT_CLASSIFICATION, 20)
    assert fetch_samples(cell, TEXT_CLASSIFICATION, 60) == manifest
    assert len(hub.requests) == asked_n
    assert samples.revision == COMMIT[::-1]
    assert samples.row_numbers == tuple(range(100))
    # The catalogue's names: the file's own, "neg" and "pos", are not what models and people say.
    assert [row["label"] for row in samples.rows[:2]] == ["negative", "positive"]
    assert fewer.rows == samples.rows[:20]


def test_only_what_is_needed_is_read(hub: HubServer, repositories: dict[str, dict[str, dict[str, bytes]]]) -> None:
    fetch_samples(_cell(TEXT_CLASSIFICATION, "imdb"), TEXT_CLASSIFICATION, GROUP_N)
    whole = repositories["stanfordnlp/imdb"][CONVERTED]["plain_text/test/0000.parquet"]
    assert hub.served_byte < len(whole) / 3
    parts = [request for request in hub.requests if "/resolve/" in request]
    assert len(parts) == 2  # the footer, and one row group
    assert not any("0001.parquet" in request for request in parts)


def test_more_are_fetched_when_more_are_asked(hub: HubServer) -> None:
    cell = _cell(TEXT_CLASSIFICATION, "imdb")
    fetch_samples(cell, TEXT_CLASSIFICATION, 10)
    with pytest.raises(WorkloadError, match=r"only 10 samples of imdb .* are fetched, not 1500"):
        load_samples(cell, TEXT_CLASSIFICATION, 1_500)
    fetch_samples(cell, TEXT_CLASSIFICATION, 1_500)
    assert load_samples(cell, TEXT_CLASSIFICATION, 1_500).row_numbers[-1] == 1_499
    whole = _cell(FILL_MASK, "bookcorpus")
    fetch_samples(whole, FILL_MASK, 100)
    assert len(load_samples(whole, FILL_MASK, 100).rows) == 20


def test_a_random_draw_is_from_all_shards(hub: HubServer) -> None:
    cells = [_cell(TEXT_CLASSIFICATION, "imdb", sample=f"random:{seed}") for seed in (1, 2)]
    for cell in cells:
        fetch_samples(cell, TEXT_CLASSIFICATION, 30)
    one, other = (load_samples(cell, TEXT_CLASSIFICATION, 30) for cell in cells)
    assert one.row_numbers != other.row_numbers
    assert len({row_i // 1_000 for row_i in one.row_numbers}) == 3
    assert all(row["text"].startswith(f"review {row_i} ") for row_i, row in zip(one.row_numbers, one.rows, strict=True))


@pytest.mark.parametrize(("sample", "of_a_part"), [("random:1", True), ("first", False)])
def test_a_draw_from_what_the_hub_has_of_a_large_dataset_says_so(hub: HubServer, sample: str, of_a_part: bool) -> None:
    cell = _cell(FILL_MASK, "c4", sample=sample)
    manifest = fetch_samples(cell, FILL_MASK, 5)
    samples = load_samples(cell, FILL_MASK, 5)
    assert samples.drawn_from_part is of_a_part
    assert ("samples-of-a-part" in oddities(samples, FILL_MASK)) is of_a_part
    assert manifest is not None
    elsewhere = _cell(FILL_MASK, "c4", sample=f"manifest:{manifest}")
    assert load_samples(elsewhere, FILL_MASK, 5).drawn_from_part is of_a_part


def test_a_manifest_outlives_the_commit_it_was_taken_from(
    hub: HubServer, cache: Path, repositories: dict[str, dict[str, dict[str, bytes]]]
) -> None:
    """The hub makes its conversions anew and forgets the old ones."""
    taken = fetch_samples(_cell(TEXT_CLASSIFICATION, "imdb"), TEXT_CLASSIFICATION, 5)
    assert taken is not None
    manifest = json.loads(taken.read_text()) | {"revision": "f" * 40, "file_sha256": None}
    elsewhere = cache / "taken.json"
    elsewhere.write_text(json.dumps(manifest))
    named = _cell(TEXT_CLASSIFICATION, "imdb", sample=f"manifest:{elsewhere}")
    fetch_samples(named, TEXT_CLASSIFICATION, 5)
    samples = load_samples(named, TEXT_CLASSIFICATION, 5)
    assert (samples.sha256, samples.revision) == (manifest["sha256"], COMMIT[::-1])
    # Rows that are other ones than those of the manifest are refused all the same, and a person's own choice is kept.
    elsewhere.write_text(json.dumps(manifest | {"sha256": "0" * 64}))
    with pytest.raises(WorkloadError, match="the contents do not"):
        fetch_samples(named, TEXT_CLASSIFICATION, 5)
    with pytest.raises(WorkloadError, match="no such revision"):
        fetch_samples(_cell(TEXT_CLASSIFICATION, "imdb", dataset_revision="f" * 40), TEXT_CLASSIFICATION, 5)


def test_a_text_that_is_missing_in_a_known_dataset_is_empty(hub: HubServer) -> None:
    cell = _cell(SUMMARIZATION, "samsum")
    fetch_samples(cell, SUMMARIZATION, 3)
    assert [row["text"] for row in load_samples(cell, SUMMARIZATION, 3).rows] == ["Amy: hi", "", "Bob: bye"]
    full = replace(cell, sample="first-nonempty")
    fetch_samples(full, SUMMARIZATION, 2)
    assert load_samples(full, SUMMARIZATION, 2).row_numbers == (0, 2)


def test_prompted_and_fine_tuned_models_get_the_same(hub: HubServer) -> None:
    own = _cell(TEXT_CLASSIFICATION, "imdb:first-50-words")
    prompted = Cell("text-classification", "other", own.dataset, Purpose.MULTI_PURPOSE)
    fetch_samples(own, TEXT_CLASSIFICATION, 10)
    one, other = (load_samples(cell, TEXT_CLASSIFICATION, 10) for cell in (own, prompted))
    assert one == other
    assert len(one.rows[0]["text"].split()) == 42  # fewer than 50: not cut
    fetch_samples(_cell(TEXT_CLASSIFICATION, "imdb"), TEXT_CLASSIFICATION, 10)


def test_the_published_rules(hub: HubServer) -> None:
    masked = _cell(FILL_MASK, "bookcorpus")
    fetch_samples(masked, FILL_MASK, 2)
    assert load_samples(masked, FILL_MASK, 2).rows[1]["text"] == "it was the story number 1 [MASK]"
    hidden = _cell(FILL_MASK, "c4")
    fetch_samples(hidden, FILL_MASK, 1)
    assert load_samples(hidden, FILL_MASK, 1).rows[0] == {
        "id": 0, "text": "it was the story number 0 [MASK]", "answer": "."
    }  # fmt: skip
    wiki = _cell(TEXT_GENERATION, "wikitext")
    fetch_samples(wiki, TEXT_GENERATION, 6)
    assert [len(row["text"].split()) for row in load_samples(wiki, TEXT_GENERATION, 6).rows] == [20, 0, 0, 20, 0, 0]
    full = _cell(TEXT_GENERATION, "wikitext", sample="first-nonempty")
    fetch_samples(full, TEXT_GENERATION, 6)
    samples = load_samples(full, TEXT_GENERATION, 6)
    assert samples.row_numbers == (0, 3, 6, 9, 12, 15)
    assert samples.skipped_n == 10


def test_images_are_resized_as_published_or_left(hub: HubServer) -> None:
    for dataset, size_px in (("cifar10", (640, 480)), ("cifar10:native", (32, 32))):
        cell = _cell(IMAGE_CLASSIFICATION, dataset)
        fetch_samples(cell, IMAGE_CLASSIFICATION, 3)
        row = load_samples(cell, IMAGE_CLASSIFICATION, 3).rows[2]
        assert row["image"].size == size_px
        assert row["label"] == "bird"


def test_a_dataset_that_is_not_in_the_catalogue(hub: HubServer) -> None:
    cell = _cell(TEXT_CLASSIFICATION, "somebody/own", columns={"label": "stars"})
    fetch_samples(cell, TEXT_CLASSIFICATION, 3)
    assert load_samples(cell, TEXT_CLASSIFICATION, 3).rows == ({"id": 0, "text": "b", "label": "3"},)


@pytest.mark.parametrize(
    ("task", "dataset", "fields", "message"),
    [
        (IMAGE_CLASSIFICATION, "imagenet_1k", {}, "gated"),
        (TEXT_CLASSIFICATION, "nobody/nothing", {}, "nothing of that name"),
        (TEXT_CLASSIFICATION, "imdb", {"dataset_config": "xx"}, "has no configuration 'xx'; there is plain_text"),
        (TEXT_CLASSIFICATION, "imdb", {"split": "xx"}, "has no split 'xx'; there are test, train"),
        (TEXT_CLASSIFICATION, "imdb", {"dataset_revision": "v9"}, "no such revision"),
        (TEXT_CLASSIFICATION, "imdb", {"columns": {"text": "xx"}}, "there is no column 'xx'; there is text, label"),
        (QUESTION_ANSWERING, "imdb", {}, "needs a column 'question'; there is text"),
        (SUMMARIZATION, "somebody/script", {}, "no parquet files"),
        (IMAGE_TO_TEXT, "red_caps", {}, "cannot be fetched: it holds only the addresses"),
        (TEXT_CLASSIFICATION, "imdb:all-words", {}, "no variant 'all-words'; there are: first-50-words"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    hub: HubServer, task: Task, dataset: str, fields: dict[str, Any], message: str
) -> None:
    started_s = time.perf_counter()
    with pytest.raises(WorkloadError, match=message) as caught:
        fetch_samples(_cell(task, dataset, **fields), task, 5)
    assert len(str(caught.value).splitlines()) == 1
    assert time.perf_counter() - started_s < 10


def test_a_token_opens_what_is_gated(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "granted")
    cell = _cell(IMAGE_CLASSIFICATION, "imagenet_1k", columns={"image": "img"})
    fetch_samples(cell, IMAGE_CLASSIFICATION, 3)
    assert len(load_samples(cell, IMAGE_CLASSIFICATION, 3).rows) == 3


def test_without_a_network_it_says_so_at_once(no_hub: None) -> None:
    cell = _cell(TEXT_CLASSIFICATION, "imdb")
    started_s = time.perf_counter()
    with pytest.raises(WorkloadError, match="not on this machine, and the hub cannot be asked") as caught:
        fetch_samples(cell, TEXT_CLASSIFICATION, 5)
    assert time.perf_counter() - started_s < 2
    assert len(str(caught.value).splitlines()) == 1
    assert "not fetched yet, and the hub cannot be asked" in str(missing_samples(cell, TEXT_CLASSIFICATION))
    random_weights = _cell(TEXT_CLASSIFICATION, "imdb", settings=Settings(weights="random"))
    assert missing_samples(random_weights, TEXT_CLASSIFICATION) is None
    assert fetch_samples(random_weights, TEXT_CLASSIFICATION, 5) is None


def test_nothing_is_missing_where_the_hub_answers(hub: HubServer) -> None:
    assert missing_samples(_cell(TEXT_CLASSIFICATION, "imdb"), TEXT_CLASSIFICATION) is None
    assert "cannot be fetched" in str(missing_samples(_cell(IMAGE_TO_TEXT, "red_caps"), IMAGE_TO_TEXT))


def test_offline_by_wish(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WorkloadError, match="HF_HUB_OFFLINE is set"):
        fetch_samples(_cell(TEXT_CLASSIFICATION, "imdb"), TEXT_CLASSIFICATION, 5)
    assert not hub.requests


def test_the_hubs_own_cache_needs_no_network(
    no_hub: None, cache: Path, repositories: dict[str, dict[str, dict[str, bytes]]]
) -> None:
    cell = _cell(TEXT_CLASSIFICATION, "imdb")
    repository = cache / "huggingface" / "hub" / "datasets--stanfordnlp--imdb"
    shard = repository / "snapshots" / COMMIT / "plain_text" / "test-00000-of-00002.parquet"
    shard.parent.mkdir(parents=True)
    shard.write_bytes(repositories["stanfordnlp/imdb"][CONVERTED]["plain_text/test/0000.parquet"])
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    assert missing_samples(cell, TEXT_CLASSIFICATION) is None
    fetch_samples(cell, TEXT_CLASSIFICATION, 10)
    samples = load_samples(cell, TEXT_CLASSIFICATION, 10)
    assert samples.revision == COMMIT
    # There are 1,000 rows in the first of two files.
    with pytest.raises(WorkloadError, match="the hub cannot be asked"):
        fetch_samples(cell, TEXT_CLASSIFICATION, 1_001)
    # A draw from the first of two files would be another draw.
    with pytest.raises(WorkloadError, match="the hub cannot be asked"):
        fetch_samples(_cell(TEXT_CLASSIFICATION, "imdb", sample="random:1"), TEXT_CLASSIFICATION, 10)


def test_from_the_hub_to_a_quality(
    repositories: dict[str, dict[str, dict[str, bytes]]], reviews: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cache of the whole session, so that the model need not be built again."""
    cell = replace(reviews, dataset="imdb", sample="random:3")
    with serving(HubServer(repositories)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", "/nonexistent")
        prepare(cell, queries_n=8)
    with open_workload(cell, queries_n=8) as workload:
        score = workload.score([workload.infer(sample_i) for sample_i in range(workload.samples_n)])
    assert workload.samples_sha256 == load_samples(cell, TEXT_CLASSIFICATION, 8).sha256
    assert score.quality.scored_n == 8
    assert score.quality.value is not None


def test_a_damaged_frozen_file_is_not_used(hub: HubServer) -> None:
    cell = _cell(TEXT_CLASSIFICATION, "imdb")
    manifest = fetch_samples(cell, TEXT_CLASSIFICATION, 10)
    assert manifest is not None
    frozen = manifest.with_suffix(".parquet")
    frozen.write_bytes(frozen.read_bytes()[:-100])
    with pytest.raises(WorkloadError, match="is not the file of its manifest: remove both"):
        load_samples(cell, TEXT_CLASSIFICATION, 10)


@pytest.mark.parametrize(
    ("names", "config", "split", "chosen"),
    [
        (["a/test/0000.parquet", "a/test/0001.parquet", "a/train/0000.parquet"], None, None, 2),
        (["default/test/0000.parquet", "b/test/0000.parquet"], None, "test", 1),
        (["en/partial-train/0000.parquet"], "en", "train", 1),
        (["data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet"], None, "test", 2),
        (["test.parquet", "train.parquet"], None, "train", 1),
        (["20220301.en/train/0000.parquet"], "20220301.en", None, 1),
    ],
)
def test_where_a_split_lies(names: list[str], config: str | None, split: str | None, chosen: int) -> None:
    found = split_files(names, config, split, "data")
    assert len(found) == chosen
    assert found == sorted(found)


def test_a_split_that_could_be_either() -> None:
    with pytest.raises(WorkloadError, match="more than one configuration; say dataset_config = one of a, b"):
        split_files(["a/test/0000.parquet", "b/test/0000.parquet"], None, "test", "data")
