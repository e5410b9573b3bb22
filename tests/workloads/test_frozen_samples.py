"""A manifest names samples so that another machine can have the same, or says that it has others."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hub_server import HubServer, serving

from joulemark.records import Cell
from joulemark.workloads.datasets import fetch_samples, load_samples, manifest_of
from joulemark.workloads.frozen_samples import Manifest, freeze, read_manifest, thaw, write_manifest
from joulemark.workloads.samples import Row
from joulemark.workloads.tasks import OBJECT_DETECTION, TEXT_CLASSIFICATION, Task
from joulemark.workloads.workload import WorkloadError


def _write_rows(path: Path, rows_n: int = 30, word: str = "text") -> Path:
    path.write_text("".join(json.dumps({"text": f"{word} {row_i}", "label": "x"}) + "\n" for row_i in range(rows_n)))
    return path


def _cell(dataset: str | Path, sample: str, task: Task = TEXT_CLASSIFICATION) -> Cell:
    return Cell(task.task_id, "./model", str(dataset), sample=sample)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """The manifest of ten random rows of a file."""
    cell = _cell(_write_rows(tmp_path / "rows.jsonl"), "random:4")
    path = tmp_path / "ten.json"
    write_manifest(path, manifest_of(cell, TEXT_CLASSIFICATION, load_samples(cell, TEXT_CLASSIFICATION, 10)))
    return path


def test_the_same_rows_from_the_same_file(manifest: Path) -> None:
    rows = manifest.with_name("rows.jsonl")
    drawn = load_samples(_cell(rows, "random:4"), TEXT_CLASSIFICATION, 10)
    named = _cell(rows, f"manifest:{manifest}")
    assert load_samples(named, TEXT_CLASSIFICATION, 10) == drawn
    assert load_samples(named, TEXT_CLASSIFICATION, 1_000) == drawn
    assert load_samples(named, TEXT_CLASSIFICATION, 4).rows == drawn.rows[:4]


def test_other_contents_ids_or_rows_are_one_line(manifest: Path) -> None:
    named = _cell(manifest.with_name("rows.jsonl"), f"manifest:{manifest}")
    _write_rows(Path(named.dataset), word="other")
    with pytest.raises(WorkloadError, match="ids agree with the manifest, the contents do not") as contents:
        load_samples(named, TEXT_CLASSIFICATION, 10)
    _write_rows(Path(named.dataset), rows_n=5)
    with pytest.raises(WorkloadError, match="of the 10 samples that the manifest names") as rows:
        load_samples(named, TEXT_CLASSIFICATION, 10)
    changed = replace(read_manifest(manifest), ids=("a",) * 10)
    write_manifest(manifest, changed)
    _write_rows(Path(named.dataset))
    with pytest.raises(WorkloadError, match=r"sample 0 has the id .*, the manifest says 'a'") as ids:
        load_samples(named, TEXT_CLASSIFICATION, 10)
    assert all(len(str(caught.value).splitlines()) == 1 for caught in (contents, rows, ids))


def test_a_miniature_dataset_has_manifests_too(tmp_path: Path) -> None:
    cell = _cell("miniature:reviews", "random:1")
    samples = load_samples(cell, TEXT_CLASSIFICATION, 5)
    write_manifest(tmp_path / "five.json", manifest_of(cell, TEXT_CLASSIFICATION, samples))
    named = _cell("miniature:reviews", f"manifest:{tmp_path / 'five.json'}")
    assert load_samples(named, TEXT_CLASSIFICATION, 5) == samples


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"ids": 3}', "\x00", '{"dataset": "a"}'])
def test_what_is_no_manifest_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(WorkloadError, match="is not a manifest of samples") as caught:
        read_manifest(tmp_path / "a.json")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", ['{"dataset": "café"}'.encode("latin-1"), b'{"x": ' + b"[" * 100_000])
def test_bytes_that_are_no_manifest_are_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(WorkloadError, match="is not a manifest of samples") as caught:
        read_manifest(tmp_path / "a.json")
    assert len(str(caught.value).splitlines()) == 1


def test_a_manifest_of_nothing_or_of_rows_beyond_the_file_says_so(manifest: Path) -> None:
    named = _cell(manifest.with_name("rows.jsonl"), f"manifest:{manifest}")
    full = read_manifest(manifest)
    write_manifest(manifest, replace(full, row_numbers=tuple(range(100, 110))))
    with pytest.raises(WorkloadError, match=r"rows\.jsonl has 0 of the 10 samples that the manifest names"):
        load_samples(named, TEXT_CLASSIFICATION, 10)
    write_manifest(manifest, replace(full, ids=(), row_numbers=()))
    with pytest.raises(WorkloadError, match=r"the manifest .*ten\.json names no samples"):
        load_samples(named, TEXT_CLASSIFICATION, 10)


def _hub() -> HubServer:
    import io

    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": [f"review {row_i}" for row_i in range(50)]}), buffer)
    return HubServer({"stanfordnlp/imdb": {"refs/convert/parquet": {"default/test/0000.parquet": buffer.getvalue()}}})


def test_a_manifest_alone_fetches_the_same_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    with serving(_hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("JOULEMARK_CACHE", str(tmp_path / "here"))
        made = fetch_samples(_cell("imdb", "random:9"), TEXT_CLASSIFICATION, 12)
        assert made is not None
        here = load_samples(_cell("imdb", "random:9"), TEXT_CLASSIFICATION, 12)
        taken_along = tmp_path / "along.json"
        shutil.copy(made, taken_along)
        monkeypatch.setenv("JOULEMARK_CACHE", str(tmp_path / "there"))
        named = _cell("imdb", f"manifest:{taken_along}")
        fetch_samples(named, TEXT_CLASSIFICATION, 1_000)
        assert load_samples(named, TEXT_CLASSIFICATION, 1_000) == here
        write_manifest(taken_along, replace(read_manifest(taken_along), sha256="0" * 64))
        with pytest.raises(WorkloadError, match="the contents do not"):
            fetch_samples(named, TEXT_CLASSIFICATION, 12)
    # With its parquet file beside it a manifest needs neither hub nor cache.
    shutil.copy(made, taken_along)
    shutil.copy(made.with_suffix(".parquet"), taken_along.with_suffix(".parquet"))
    monkeypatch.setenv("JOULEMARK_CACHE", str(tmp_path / "nowhere"))
    assert load_samples(named, TEXT_CLASSIFICATION, 12) == here


def test_every_kind_of_value_survives_freezing(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"id": "a", "image": b"\x89PNG", "boxes": (("cat", 1, 2, 3.5, 4),), "tags": ("O", "B-PER"), "text": "ü\n"},
        {"id": 7, "image": b"", "boxes": None, "tags": (), "text": None},
    ]
    manifest = Manifest(
        dataset="d", task=OBJECT_DETECTION.task_id, sample="first", ids=("a", 7), row_numbers=(0, 1), sha256=""
    )
    freeze(tmp_path / "rows.parquet", rows, manifest)
    assert thaw(tmp_path / "rows.parquet", read_manifest(tmp_path / "rows.json"), 2) == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.json", "rows.parquet"]


@pytest.mark.parametrize("small_disk", ["64k"], indirect=True)
def test_a_full_disk_leaves_nothing_half_done(small_disk: Path) -> None:
    rows = [{"id": row_i, "text": random.Random(row_i).randbytes(400).hex()} for row_i in range(500)]
    ids = tuple(range(500))
    manifest = Manifest(dataset="d", task="t", sample="first", ids=ids, row_numbers=ids, sha256="")
    with pytest.raises(WorkloadError, match="cannot write"):
        freeze(small_disk / "rows.parquet", rows, manifest)
    assert list(small_disk.iterdir()) == []
