"""Files and folders of one's own, good and hostile."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.records import Cell, Purpose
from joulemark.workloads.datasets import Samples, load_samples, manifest_of, missing_samples
from joulemark.workloads.tasks import (
    IMAGE_CLASSIFICATION,
    IMAGE_TO_TEXT,
    QUESTION_ANSWERING,
    TEXT_CLASSIFICATION,
    TOKEN_CLASSIFICATION,
    Task,
)
from joulemark.workloads.workload import WorkloadError

ROWS = [
    {"id": f"r{row_i}", "text": f'text {row_i}, "quoted",\nü 漢 {row_i % 3}', "label": row_i % 2} for row_i in range(25)
]
ROWS[4] |= {"text": "  "}


def _read(dataset: Path, task: Task = TEXT_CLASSIFICATION, queries_n: int = 100, **fields: Any) -> Samples:
    return load_samples(Cell(task.task_id, "./model", str(dataset), **fields), task, queries_n)


def _write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=4)


WRITERS = {"jsonl": _write_jsonl, "csv": _write_csv, "parquet": _write_parquet}


@pytest.fixture(params=WRITERS)
def rows_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"rows.{request.param}"
    WRITERS[request.param](path, ROWS)
    return path


def test_the_kind_of_file_makes_no_difference(tmp_path: Path) -> None:
    hashes = set()
    for suffix, write in WRITERS.items():
        write(tmp_path / f"rows.{suffix}", ROWS)
        for sample in ("first", "first-nonempty", "random:3"):
            hashes.add((sample, _read(tmp_path / f"rows.{suffix}", queries_n=9, sample=sample).sha256))
    assert len(hashes) == 3


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1, max_size=5))
def test_whatever_the_texts_are(texts: list[str]) -> None:
    rows = [{"id": f"r{row_i}", "text": text, "label": row_i} for row_i, text in enumerate(texts)]
    samples = []
    with TemporaryDirectory() as folder:
        for suffix, write in WRITERS.items():
            write(Path(folder) / f"rows.{suffix}", rows)
            samples.append(_read(Path(folder) / f"rows.{suffix}"))
    assert samples[0] == samples[1] == samples[2]
    assert [row["text"] for row in samples[0].rows] == texts


def test_two_models_have_one_manifest() -> None:
    """The prompted and the fine-tuned model of the quickstart study get the same samples in the same order."""
    own = Cell("text-classification", "miniature:sentiment-encoder", "miniature:reviews")
    prompted = replace(own, model="miniature:prompted-decoder", purpose=Purpose.MULTI_PURPOSE)
    one, other = (
        manifest_of(cell, TEXT_CLASSIFICATION, load_samples(cell, TEXT_CLASSIFICATION, 50)) for cell in (own, prompted)
    )
    assert one == other
    assert len(one.ids) == 50


@pytest.mark.parametrize("sample", ["first", "first-nonempty", "random:1"])
def test_fewer_are_the_beginning_of_more(rows_file: Path, sample: str) -> None:
    more = _read(rows_file, queries_n=20, sample=sample)
    again = _read(rows_file, queries_n=20, sample=sample)
    fewer = _read(rows_file, queries_n=7, sample=sample)
    assert again == more
    assert fewer.rows == more.rows[:7]
    assert fewer.row_numbers == more.row_numbers[:7]
    assert fewer.sha256 != more.sha256


def test_which_rows_the_rules_take(rows_file: Path) -> None:
    first = _read(rows_file, queries_n=6)
    assert first.row_numbers == (0, 1, 2, 3, 4, 5)
    assert first.rows[4] == {"id": "r4", "text": "  ", "label": "0"}
    nonempty = _read(rows_file, queries_n=6, sample="first-nonempty")
    assert nonempty.row_numbers == (0, 1, 2, 3, 5, 6)
    assert (first.skipped_n, nonempty.skipped_n) == (0, 1)
    drawn, other = (_read(rows_file, queries_n=100, sample=f"random:{seed}") for seed in (1, 2))
    assert drawn.row_numbers != other.row_numbers
    assert sorted(drawn.row_numbers) == list(range(25))
    assert [row["id"] for row in drawn.rows] == [f"r{row_i}" for row_i in drawn.row_numbers]


def test_a_column_by_another_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("title,body\nA,first\nB,second\n")
    assert _read(path).rows[1]["text"] == "second"
    assert _read(path, columns={"text": "title"}).rows[1]["text"] == "B"


def test_the_answer_may_come_late(tmp_path: Path) -> None:
    _write_jsonl(tmp_path / "rows.jsonl", [{"text": "a"}, {"text": "b", "label": "x"}])
    assert [row["label"] for row in _read(tmp_path / "rows.jsonl").rows] == [None, "x"]


def test_parquet_names_its_classes(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    features = {"text": {"_type": "Value"}, "label": {"_type": "ClassLabel", "names": ["no", "yes"]}}
    table = pyarrow.table({"text": ["a", "b"], "label": [1, 0]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, tmp_path / "rows.parquet")
    assert [row["label"] for row in _read(tmp_path / "rows.parquet").rows] == ["yes", "no"]


def test_squad_and_conll_from_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    _write_parquet(path, [{"question": "q", "context": "c d", "answers": {"text": ["d"], "answer_start": [2]}}])
    assert _read(path, QUESTION_ANSWERING).rows[0]["answers"] == ("d",)
    _write_parquet(path, [{"tokens": ["Anna", "left"], "tags": ["B-PER", "O"]}])
    assert _read(path, TOKEN_CLASSIFICATION).rows[0] == {"id": 0, "tokens": ("Anna", "left"), "tags": ("B-PER", "O")}


def _picture(path: Path, size_px: tuple[int, int] = (3, 2)) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_px, (1, 2, 3)).save(path)


def test_images_inside_parquet(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    _write_parquet(
        tmp_path / "rows.parquet",
        [{"image": {"bytes": (tmp_path / "a.png").read_bytes(), "path": "a.png"}, "label": "x"}],
    )
    assert _read(tmp_path / "rows.parquet", IMAGE_CLASSIFICATION).rows[0]["image"].size == (3, 2)


def test_a_folder_of_classes(tmp_path: Path) -> None:
    for name in ("dog/2.png", "cat/1.png", "cat/0.jpg"):
        _picture(tmp_path / "test" / name)
    samples = _read(tmp_path, IMAGE_CLASSIFICATION, split="test")
    assert [row["label"] for row in samples.rows] == ["cat", "cat", "dog"]
    with pytest.raises(WorkloadError, match="has splits; say split = one of test"):
        _read(tmp_path, IMAGE_CLASSIFICATION)
    with pytest.raises(WorkloadError, match="has no split 'train'; it has test"):
        _read(tmp_path, IMAGE_CLASSIFICATION, split="train")


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_folder_with_metadata(tmp_path: Path, kind: str) -> None:
    _picture(tmp_path / "images" / "a.png")
    WRITERS[kind](tmp_path / f"metadata.{kind}", [{"file_name": "images/a.png", "caption": "nothing much"}])
    assert _read(tmp_path, IMAGE_TO_TEXT).rows[0]["text"] == "nothing much"


@pytest.mark.parametrize("name", ["../outside.png", "/etc/hostname", "images/../../outside.png"])
def test_metadata_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    _picture(tmp_path / "outside.png")
    folder = tmp_path / "folder"
    folder.mkdir()
    _write_jsonl(folder / "metadata.jsonl", [{"file_name": name}])
    with pytest.raises(WorkloadError, match="lies outside of"):
        _read(folder, IMAGE_TO_TEXT)


def test_a_folder_of_parquet_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for shard_i in range(2):
        _write_parquet(
            tmp_path / "data" / f"test-{shard_i:05}-of-00002.parquet", ROWS[shard_i * 10 : shard_i * 10 + 10]
        )
    assert [row["id"] for row in _read(tmp_path).rows] == [f"r{row_i}" for row_i in range(20)]
    assert (
        _read(tmp_path, sample="random:5", queries_n=4).row_numbers
        == _read(tmp_path, sample="random:5", queries_n=20).row_numbers[:4]
    )


def _big_cell(path: Path) -> None:
    path.write_text("text,label\nfine,x\n" + "a" * 10_000_000 + ",x\n")


def _big_value(path: Path) -> None:
    path.write_text(json.dumps({"text": "a" * 10_000_000}) + "\n")


def _utf16(path: Path) -> None:
    path.write_bytes("text,label\nü,x\n".encode("utf-16"))


def _latin1(path: Path) -> None:
    path.write_bytes('{"text": "ü"}\n'.encode("latin-1"))


def _nul(path: Path) -> None:
    path.write_bytes(b"text,label\nfi\0ne,x\n")


def _not_parquet(path: Path) -> None:
    path.write_bytes(b"PAR1" + b"nothing of the kind" * 9 + b"PAR1")


def _cut_parquet(path: Path) -> None:
    _write_parquet(path, ROWS)
    path.write_bytes(path.read_bytes()[:-30])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _header(path: Path) -> None:
    path.write_text("text,label\n")


def _deep(path: Path) -> None:
    path.write_text("[" * 100_000 + "\n")


@pytest.mark.parametrize(
    ("suffix", "write", "message"),
    [
        ("csv", _big_cell, "line 3: field larger than field limit"),
        ("jsonl", _big_value, "line 1: 'text' has 10,000,000 characters"),
        ("csv", _utf16, "not text in UTF-8"),
        ("jsonl", _latin1, "not text in UTF-8"),
        ("csv", _nul, "line 2: a NUL character"),
        ("jsonl", _nul, "NUL character|not JSON"),
        ("jsonl", _deep, "line 1: not JSON"),
        ("parquet", _not_parquet, "not a readable parquet file"),
        ("parquet", _cut_parquet, "not a readable parquet file"),
        ("parquet", _empty, "not a readable parquet file"),
        ("csv", _empty, "holds no samples"),
        ("csv", _header, "holds no samples"),
        ("jsonl", _empty, "holds no samples"),
    ],
)
def test_hostile_files_are_one_line(tmp_path: Path, suffix: str, write: Callable[[Path], None], message: str) -> None:
    path = tmp_path / f"rows.{suffix}"
    write(path)
    with pytest.raises(WorkloadError, match=message) as caught:
        _read(path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\nfine,x\nslow, but good,x\n", "line 3: 3 values under 2 columns; quote a text that holds a comma"),
        ("text,label\nfine,x,\n", "line 2: 3 values under 2 columns"),
        ('text,label\n\n"two\nlines",x,y\n', "line 3: 3 values under 2 columns"),
        ('text,label\nfine,x\n"dull,x\ngood,y\n', "line 3: its quotes do not pair up"),
        ('text,label\n"a "good" film",x\n', "line 2: its quotes do not pair up .* write a quote inside"),
        ("text,label,text\na,x,b\n", "line 1: two columns are called 'text'; rename one"),
        ("text,label, text\na,x,b\n", "line 1: two columns are called 'text'; rename one"),
        ("label,text\nx,fine\nx\n", "line 3: text-classification needs a value for 'text'; there is label"),
    ],
)
def test_a_malformed_csv_is_not_read_shifted(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(WorkloadError, match=message) as caught:
        _read(path)
    assert len(str(caught.value).splitlines()) == 1


def test_blanks_around_names_gaps_at_the_end_and_columns_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(',text, label ,\n0,c\n1,"a, b",x,\n\n2,,y,\n')
    assert _read(path).rows == (
        {"id": 0, "text": "c", "label": None},
        {"id": 1, "text": "a, b", "label": "x"},
        {"id": 2, "text": "", "label": "y"},
    )


@pytest.mark.parametrize("kind", WRITERS)
def test_a_kind_in_capitals(tmp_path: Path, kind: str) -> None:
    WRITERS[kind](tmp_path / "rows.x", ROWS)
    (tmp_path / "rows.x").rename(path := tmp_path / f"rows.{kind.upper()}")
    assert len(_read(path).rows) == len(ROWS)


@pytest.mark.parametrize("name", ["data/reviews.tsv", "data/reviews.json", "reviews.txt"])
def test_a_file_of_another_kind_is_no_name_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    Path(name).write_text("text\tlabel\nfine\tx\n")
    cell = Cell("text-classification", "./model", name)
    kinds = r"is neither a folder nor a file of a kind that is read \(\.jsonl, \.csv, \.parquet\)"
    with pytest.raises(WorkloadError, match=kinds):
        load_samples(cell, TEXT_CLASSIFICATION, 1)
    assert "of a kind that is read" in str(missing_samples(cell, TEXT_CLASSIFICATION))


@pytest.mark.parametrize(
    ("dataset", "fields"),
    [
        ("a" * 300, {}),
        (f"owner/{'a' * 300}", {}),
        (f"owner/{'a' * 250}", {}),  # short enough for a file, but not with what a cache adds
        (f"./{'a' * 300}.csv", {}),
        (f"{'a/' * 3000}rows.csv", {}),
        ("~nobody-of-this-name/rows.csv", {}),
        ("rows.csv", {"sample": f"manifest:{'a' * 300}"}),
        ("rows.csv", {"sample": "manifest:~nobody-of-this-name/a.json"}),
    ],
)
def test_paths_that_cannot_be_looked_at_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, fields: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOULEMARK_CACHE", str(tmp_path))
    Path("samples").mkdir()
    Path("rows.csv").write_text("text,label\nfine,x\n")
    cell = Cell("text-classification", "./model", dataset, **fields)
    with pytest.raises(WorkloadError, match=r"File name too long|home directory") as caught:
        load_samples(cell, TEXT_CLASSIFICATION, 1)
    assert len(str(caught.value).splitlines()) == 1
    assert str(missing_samples(cell, TEXT_CLASSIFICATION)) == str(caught.value)


def test_a_split_whose_name_no_folder_can_have(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="File name too long"):
        _read(tmp_path, IMAGE_CLASSIFICATION, split="a" * 300)


def test_excels_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\nfine,x\n", encoding="utf-8-sig")
    assert _read(path).rows[0]["text"] == "fine"


def test_an_image_bomb_is_one_line(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")  # 144 million pixels in 18 kB
    _write_jsonl(tmp_path / "rows.jsonl", [{"image": "bomb.png"}])
    with pytest.raises(WorkloadError, match="too many pixels") as caught:
        _read(tmp_path / "rows.jsonl", IMAGE_CLASSIFICATION)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\nbroken", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_images_that_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    _write_jsonl(tmp_path / "rows.jsonl", [{"image": "a.png"}])
    with pytest.raises(WorkloadError, match="cannot read the image"):
        _read(tmp_path / "rows.jsonl", IMAGE_CLASSIFICATION)


@pytest.mark.parametrize("name", ["/dev/zero", "", "a" * 5_000, "a\0b"])
def test_names_of_images_that_are_no_files(tmp_path: Path, name: str) -> None:
    _write_jsonl(tmp_path / "rows.jsonl", [{"image": name}])
    with pytest.raises(WorkloadError, match="cannot read the image") as caught:
        _read(tmp_path / "rows.jsonl", IMAGE_CLASSIFICATION)
    assert len(str(caught.value)) < 500


def test_what_a_file_does_not_have_is_refused(rows_file: Path) -> None:
    plain = Cell("text-classification", "./model", str(rows_file))
    for cell in (
        replace(plain, split="test"), replace(plain, dataset_config="en"), replace(plain, dataset_revision="main")
    ):  # fmt: skip
        assert "leave" in str(missing_samples(cell, TEXT_CLASSIFICATION))


def test_missing_is_said_without_reading(tmp_path: Path) -> None:
    def missing(dataset: str, **fields: Any) -> str | None:
        return missing_samples(Cell("text-classification", "./model", dataset, **fields), TEXT_CLASSIFICATION)

    (tmp_path / "rows.csv").write_text("nothing that could be used")
    assert missing(str(tmp_path / "rows.csv")) is None
    assert missing(str(tmp_path / "rows.txt")) is not None
    assert "does not exist" in str(missing(str(tmp_path / "absent")))
    assert "no dataset 'nowhere'" in str(missing("nowhere"))
    assert "there are first," in str(missing(str(tmp_path / "rows.csv"), sample="last"))
    assert "cannot read the manifest" in str(missing(str(tmp_path / "rows.csv"), sample="manifest:absent.json"))
    assert "no miniature dataset" in str(missing("miniature:absent"))
