"""Where models come from, and what is said of those that cannot be used."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from joulemark.records import Cell, Settings
from joulemark.workloads import WorkloadError, missing, open_workload, preloads, prepare, task_ids
from joulemark.workloads.miniature import FACTS_FILE, build, folder_of


def _refusal(cell: Cell) -> str:
    """What ``open_workload`` says, which must be one line and quick."""
    started_s = time.monotonic()
    with pytest.raises(WorkloadError) as refused, open_workload(cell, queries_n=2):
        pass
    assert time.monotonic() - started_s < 2
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def encoder(reviews: Cell, tmp_path: Path) -> Path:
    """A copy of the sentiment encoder in a folder of one's own."""
    prepare(reviews)
    return Path(shutil.copytree(folder_of("sentiment-encoder"), tmp_path / "encoder"))


def test_missing_folder(reviews: Cell) -> None:
    cell = replace(reviews, model="./no/such/folder")
    assert _refusal(cell) == missing(cell) == "model folder ./no/such/folder does not exist"


@pytest.mark.parametrize("model", ["a" * 300, f"owner/{'a' * 300}", f"./{'a' * 300}", "~nobody-of-this-name/model"])
def test_a_path_that_cannot_be_looked_at(
    reviews: Cell, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    cell = replace(reviews, model=model)
    assert _refusal(cell) == missing(cell)
    assert _refusal(cell).startswith(f"cannot look at model {model}"[:200])
    with pytest.raises(WorkloadError, match=r"File name too long|home directory"):
        prepare(cell)


def test_pickled_weights(reviews: Cell, encoder: Path) -> None:
    (encoder / "model.safetensors").rename(encoder / "pytorch_model.bin")
    cell = replace(reviews, model=str(encoder))
    assert "only pickled weights, which could run any code; convert them to safetensors" in _refusal(cell)
    assert missing(cell) == _refusal(cell)


def test_folder_without_weights(reviews: Cell, tmp_path: Path) -> None:
    assert "holds no weights" in _refusal(replace(reviews, model=str(tmp_path)))


def test_hub_model_that_is_not_here(reviews: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    cell = replace(reviews, model="nobody/nothing", model_revision="v1")
    said = "model nobody/nothing at v1 is neither a folder nor in the hub's cache; `joulemark run` fetches it"
    assert _refusal(cell) == said
    cannot = "model nobody/nothing is not on this machine, and the hub cannot be asked for it (HF_HUB_OFFLINE is set)"
    assert missing(cell) == cannot


def test_hub_model_in_the_cache(reviews: Cell, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--someone--encoder"
    shutil.copytree(encoder, repository / "snapshots" / "0123abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")
    for revision in (None, "0123abc"):
        with open_workload(replace(reviews, model="someone/encoder", model_revision=revision), queries_n=2) as workload:
            assert workload.infer(0).value in ("positive", "negative")


def test_a_users_folder_counts_as_trained(reviews: Cell, encoder: Path) -> None:
    (encoder / FACTS_FILE).unlink()
    with open_workload(replace(reviews, model=str(encoder)), queries_n=20) as workload:
        quality = workload.score([workload.infer(sample_i) for sample_i in range(20)]).quality
    assert workload.model.weights == "trained"
    assert workload.model.weights_sha256 is None
    assert quality.value is not None
    assert quality.value > 0.8


def test_a_head_that_the_folder_lacks_has_random_weights(encoder: Path) -> None:
    cell = Cell("fill-mask", str(encoder), "miniature:cloze")
    with open_workload(cell, queries_n=2) as workload:
        quality = workload.score([workload.infer(0), workload.infer(1)]).quality
    assert workload.model.weights == "random"
    assert quality.reason is not None
    assert "tensors of BertForMaskedLM are not in the folder" in quality.reason


def test_a_miniature_that_was_made_for_another_task(reviews: Cell) -> None:
    other = replace(reviews, task="summarization", dataset="miniature:articles")
    assert "was made for text-classification, not for summarization" in str(missing(other))
    with pytest.raises(WorkloadError, match="was made for text-classification, not for summarization"):
        prepare(other)
    prepare(prompted := replace(reviews, model="miniature:prompted-decoder"))  # as a classifier, which it is not
    assert "has no weights for text-classification" in _refusal(prompted)


@pytest.mark.parametrize(
    ("architectures", "task", "refused"),
    [
        (["BertForSequenceClassification"], "text-classification", False),
        (["BertForSequenceClassification"], "token-classification", True),
        (["BertForSequenceClassification"], "summarization", True),
        (["BertForMaskedLM"], "text-classification", True),
        (["BertForMaskedLM"], "fill-mask", False),
        (["BertForPreTraining"], "fill-mask", False),
        (["GPT2LMHeadModel"], "text-generation", False),
        (["GPT2LMHeadModel"], "question-answering", True),
        (["ViTModel"], "image-classification", True),
        (["DeiTForImageClassificationWithTeacher"], "image-classification", False),
        (["VisionEncoderDecoderModel"], "image-to-text", False),
        (["SomebodysOwnThing"], "text-classification", False),  # whatever it may be
        (["BertForMaskedLM", "BertForSequenceClassification"], "text-classification", False),
        ([], "text-classification", False),
        (None, "text-classification", False),
        ("ForMaskedLM", "text-classification", False),  # not a list, as it should be
    ],
)
def test_what_a_folder_was_made_for_is_seen_before_it_is_loaded(
    architectures: object, task: str, refused: bool, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": architectures}))
    (tmp_path / "model.safetensors").touch()
    cell = Cell(task, str(tmp_path), "miniature:reviews")
    why = missing(cell) or ""
    assert ("has no weights for" in why) is refused
    if refused:
        assert isinstance(architectures, list)
        assert why == f"{tmp_path} has no weights for {task}: it was made for {architectures[0]}"
        with pytest.raises(WorkloadError, match="it was made for"):
            prepare(cell)
        assert missing(replace(cell, settings=Settings(weights="random"))) != why
    (tmp_path / "config.json").write_text(json.dumps({"architectures": architectures, "auto_map": {}}))
    assert "was made for" not in (missing(cell) or "")


def test_a_model_of_another_kind(encoder: Path) -> None:
    said = _refusal(Cell("image-classification", str(encoder), "miniature:digits"))
    assert f"{encoder} does not load for image-classification" in said


def test_a_miniature_is_built_before_it_is_opened(
    reviews: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOULEMARK_CACHE", str(tmp_path))
    assert missing(reviews) is None
    assert "is not built yet" in _refusal(reviews)


def test_unknown_miniature(reviews: Cell) -> None:
    cell = replace(reviews, model="miniature:giant")
    with pytest.raises(WorkloadError, match="no miniature model 'giant'; there are sentiment-encoder"):
        prepare(cell)
    assert str(missing(cell)).startswith("no miniature model 'giant'")


def test_a_cache_that_cannot_be_written(reviews: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JOULEMARK_CACHE", str(tmp_path / "file"))
    with pytest.raises(WorkloadError, match="cannot write the model cache"):
        prepare(reviews)


def test_two_processes_build_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOULEMARK_CACHE", str(tmp_path))
    code = "from joulemark.workloads.miniature import build; print(build('summarizer').stat().st_ino)"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    inodes = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert inodes[0] == inodes[1]
    folder = folder_of("summarizer")
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, f"{folder.name}.lock"]


def test_the_same_recipe_gives_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = []
    for place in ("one", "two"):
        monkeypatch.setenv("JOULEMARK_CACHE", str(tmp_path / place))
        facts.append((build("entity-tagger") / FACTS_FILE).read_text())
    assert facts[0] == facts[1]


def test_unknown_task_names_the_nearest(reviews: Cell) -> None:
    cell = replace(reviews, task="text-clasification")
    assert missing(cell) == "no task 'text-clasification'; did you mean 'text-classification'?"
    with pytest.raises(WorkloadError, match="did you mean 'text-classification'"):
        open_workload(cell, queries_n=1)
    with pytest.raises(WorkloadError, match="did you mean 'text-classification'"):
        prepare(cell)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"dtype": "float99"}, "dtype 'float99' is not"),
        ({"dtype": "int8"}, "dtype 'int8' is not"),
        ({"device": "nonsense"}, "no device 'nonsense' here"),
    ],
)
def test_unusable_settings(reviews: Cell, setting: dict[str, Any], message: str) -> None:
    prepare(reviews)
    assert message in _refusal(replace(reviews, settings=replace(reviews.settings, **setting)))


def test_lengths_and_prompts_that_cannot_be(reviews: Cell) -> None:
    cell = Cell("text-generation", "miniature:text-decoder", "miniature:openings", settings=reviews.settings)
    prepare(cell)
    for setting, message in (
        ({"new_tokens_max_n": 0}, "between 0 and 0 new tokens cannot be generated"),
        ({"new_tokens_min_n": 5, "new_tokens_max_n": 4}, "between 5 and 4 new tokens"),
        ({"new_tokens_max_n": 500}, "leave miniature:text-decoder no room for a prompt"),
        ({"prompt": "{question}"}, "does not fit"),
    ):
        assert message in _refusal(replace(cell, settings=replace(cell.settings, **setting)))


def test_an_empty_text_is_continued(tmp_path: Path, reviews: Cell) -> None:
    (tmp_path / "empty.jsonl").write_text('{"text": ""}\n')
    cell = Cell("text-generation", "miniature:text-decoder", str(tmp_path / "empty.jsonl"), settings=reviews.settings)
    prepare(cell)
    with open_workload(cell, queries_n=1) as workload:
        assert workload.infer(0).input_tokens_n == 1


def test_inputs_beyond_the_limit_are_cut_off(tmp_path: Path, reviews: Cell) -> None:
    long = " ".join(["the film was great."] * 200)
    rows = {"text": long, "question": "Where?", "context": long, "tokens": long.split()}
    (tmp_path / "long.jsonl").write_text(json.dumps(rows) + "\n")
    for task, model, limit_n in (
        ("text-classification", "sentiment-encoder", 64),
        ("token-classification", "entity-tagger", 64),
        ("text-generation", "text-decoder", 128 - 10),
        ("summarization", "summarizer", 256),
    ):
        cell = Cell(task, f"miniature:{model}", str(tmp_path / "long.jsonl"), settings=reviews.settings)
        prepare(cell)
        with open_workload(cell, queries_n=1) as workload:
            assert workload.infer(0).input_tokens_n == limit_n


def test_roberta_counts_positions_from_its_padding(tmp_path: Path, reviews: Cell) -> None:
    from transformers import RobertaConfig, RobertaForSequenceClassification

    from joulemark.workloads.miniature.text_models import byte_pairs

    text = " ".join(["the film was great."] * 200)
    tokenizer = byte_pairs([text], model_max_length=10**30)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=34,
        pad_token_id=1,
        type_vocab_size=2,
    )
    folder = tmp_path / "roberta"
    RobertaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (tmp_path / "long.jsonl").write_text(json.dumps({"text": text}) + "\n")
    cell = replace(reviews, model=str(folder), dataset=str(tmp_path / "long.jsonl"))
    with open_workload(cell, queries_n=1) as workload:
        assert workload.infer(0).input_tokens_n == 32


def test_half_precision(reviews: Cell) -> None:
    prepare(reviews)
    cell = replace(reviews, settings=replace(reviews.settings, dtype="bfloat16"))
    with open_workload(cell, queries_n=20) as workload:
        quality = workload.score([workload.infer(sample_i) for sample_i in range(20)]).quality
    assert workload.model.dtype == "bfloat16"
    assert quality.value is not None
    assert quality.value > 0.8


def test_threads_are_put_back(reviews: Cell) -> None:
    import torch

    prepare(reviews)
    with open_workload(replace(reviews, settings=replace(reviews.settings, threads_n=2)), queries_n=1):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1


def test_the_package_is_light() -> None:
    code = (
        "import sys, joulemark.workloads as w; from joulemark.records import Cell;"
        "w.missing(Cell('text-to-image', 'miniature:picture-maker', 'miniature:picture-prompts')); w.task_ids();"
        "sys.exit(', '.join({'torch', 'transformers', 'diffusers', 'sklearn', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == ""


def test_preloading_is_silent_and_leaves_nothing_to_import(reviews: Cell) -> None:
    modules = preloads([reviews, Cell("text-to-image", "", ""), Cell("nonsense", "", "")])
    assert len(modules) == 3
    code = f"import {', '.join(modules)}, sys; assert 'transformers.modeling_utils' in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_scores_is_imported_ahead() -> None:
    """Every repetition is a process of its own, and would import it again."""
    code = """
        import sys
        from importlib import import_module
        from joulemark.records import Cell
        from joulemark.workloads import label_quality, preloads, text_quality
        tasks = ("text-classification", "token-classification", "summarization", "object-detection")
        for module in preloads([Cell(task, "m:f", "d.csv") for task in tasks]):
            import_module(module)
        before = set(sys.modules)
        label_quality.labels(["a", "b"], ["a", "a"])
        label_quality.tags([("B-X", "O")], [("B-X", "O")])
        text_quality.rouges(["a word"], ["some words"])
        print("torch" in sys.modules, "pycocotools.cocoeval" in sys.modules)
        heavy = {"sklearn", "scipy", "seqeval", "rouge_score", "nltk", "sacrebleu"}
        print(sorted({name.partition(".")[0] for name in set(sys.modules) - before} & heavy))
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["False True", "[]"], done.stderr


def test_ten_tasks() -> None:
    assert len(task_ids()) == 10


def test_a_revision_where_there_can_be_none_is_refused(reviews: Cell) -> None:
    assert "leave it out" in (missing(replace(reviews, model_revision="main")) or "")


def _drawn(cell: Cell) -> Cell:
    return replace(cell, settings=replace(cell.settings, weights="random"))


def test_what_a_detector_of_the_study_needs_is_said_before_it_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = Cell("object-detection", "", "miniature:scenes", settings=Settings(device="cpu", threads_n=1))
    needs_timm = [
        "SenseTime/deformable-detr", "facebook/detr-resnet-101", "facebook/detr-resnet-50",
        "polejowska/detr-r50-cd45rb-1ah-6l", "polejowska/detr-r50-cd45rb-8ah-6l-gelu-corrected",
    ]  # fmt: skip
    for model in needs_timm if find_spec("timm") is None else ():
        cell = replace(asked, model=model)
        said = str(missing(cell))
        assert said.startswith(f"{model} has a backbone of timm, which is not installed: pip install")
        assert "\n" not in said
        with pytest.raises(WorkloadError, match="backbone of timm"):
            prepare(cell)
        assert missing(_drawn(cell)) is None
        assert "timm" not in str(missing(replace(cell, model_revision="no_timm")))
    deta = replace(asked, model="jozhang97/deta-swin-large")
    assert ("can no longer load" in str(missing(deta))) == (int(version("transformers").split(".")[0]) >= 5)
    assert missing(_drawn(deta)) is None
    assert "the hub cannot be asked" in str(missing(replace(asked, model="hustvl/yolos-tiny")))


def test_an_architecture_alone_needs_no_weights(reviews: Cell, encoder: Path) -> None:
    (encoder / "model.safetensors").unlink()
    (encoder / FACTS_FILE).unlink()
    asked = replace(reviews, model=str(encoder))
    assert "holds no weights" in str(missing(asked))
    drawn = replace(asked, settings=replace(asked.settings, weights="random"))
    assert missing(drawn) is None
    prepare(drawn)
    with open_workload(drawn, queries_n=3) as workload:
        assert workload.infer(2).value in ("positive", "negative")
        assert workload.model.weights == "random"


def test_a_model_with_a_tokenizer_of_its_own_is_asked_real_samples(
    reviews: Cell, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made-up words would be split by it: without the dataset it cannot run, where a model of the catalogue can."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    drawn = replace(reviews, model=str(encoder), dataset="imdb", settings=replace(reviews.settings, weights="random"))
    assert "HF_HUB_OFFLINE is set" in str(missing(drawn))
    assert missing(replace(drawn, model="lvwerra/distilbert-imdb")) is None
