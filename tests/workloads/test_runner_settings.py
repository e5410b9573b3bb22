"""Attention, batches, likelihoods and heads: what a cell's settings do, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusion_families
import pytest
import text_families
import vision_families
from diffusion_families import DIFFUSION_FAMILIES
from text_families import DATASETS, TEXT_FAMILIES
from vision_families import VISION_FAMILIES

from joulemark.records import Cell, Settings
from joulemark.workloads import WorkloadError, open_workload
from joulemark.workloads.miniature import corpora

TEXT = {family.name: family for family in TEXT_FAMILIES}
VISION = {family.name: family for family in VISION_FAMILIES}


def _cell(name: str, folder: Path, task: str | None = None) -> Cell:
    settings = Settings(device="cpu", threads_n=1)
    if name in VISION:
        family = VISION[name]
        vision_families.build(family, folder)
        dataset = "miniature:digits" if family.task == "image-classification" else "miniature:scenes"
        return Cell(family.task, str(folder), dataset, settings=settings)
    task = task or TEXT[name].tasks[0]
    text_families.build(TEXT[name], task, folder)
    return Cell(task, str(folder), DATASETS[task], settings=settings)


def _set(cell: Cell, **settings: Any) -> Cell:
    return replace(cell, settings=replace(cell.settings, **settings))


def _refusal(cell: Cell) -> str:
    with pytest.raises(WorkloadError) as refused, open_workload(cell, queries_n=4):
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", ["bert", "gpt2", "vit", "yolos"])
def test_the_attention_that_is_asked_for_is_used(name: str, tmp_path: Path) -> None:
    cell, said = _cell(name, tmp_path), []
    for attention in ("eager", "sdpa"):
        with open_workload(_set(cell, attention=attention), queries_n=4) as workload:
            assert workload.model.attention == attention
            said.append([workload.show(workload.infer(sample_i))[:9] for sample_i in range(4)])
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("name", "attention", "message"),
    [
        ("bert", "flash", "attention 'flash' is not eager, sdpa or flash_attention_2"),
        ("deberta", "sdpa", "does not load for fill-mask"),
        ("bloom", "sdpa", "does not load for text-generation"),
        ("resnet", "eager", "which has no attention; leave attention out"),
        ("mobilenet-v1", "eager", "which has no attention; leave attention out"),
        ("convnextv2", "sdpa", "does not load for image-classification"),
    ],
)
def test_attention_that_a_family_does_not_have(name: str, attention: str, message: str, tmp_path: Path) -> None:
    assert message in _refusal(_set(_cell(name, tmp_path), attention=attention))


def test_attention_whose_library_is_not_here(tmp_path: Path) -> None:
    from transformers.utils import is_flash_attn_2_available

    if is_flash_attn_2_available():
        pytest.skip("it is here")
    assert "does not load" in _refusal(_set(_cell("bert", tmp_path), attention="flash_attention_2"))


def test_attention_of_a_pipeline(tmp_path: Path) -> None:
    family = next(family for family in DIFFUSION_FAMILIES if family.name == "stable-diffusion-2")
    diffusion_families.build(family, tmp_path)
    settings = Settings(device="cpu", threads_n=1, steps_n=1)
    cell = Cell("text-to-image", str(tmp_path), "miniature:picture-prompts", settings=settings)
    for attention in ("eager", "sdpa"):
        with open_workload(_set(cell, attention=attention), queries_n=1) as workload:
            assert workload.model.attention == attention
            assert workload.infer(0).value is not None
    assert "eager or sdpa" in _refusal(_set(cell, attention="flash_attention_2"))


def test_images_of_several_sizes_in_one_batch(tmp_path: Path) -> None:
    """DETR is told where the padding is; YOLOS would look at it."""
    scenes = corpora.rows("scenes", "test", 2)
    lines = []
    for size_px in ((64, 64), (90, 64)):
        scenes[0]["image"].resize(size_px).save(tmp_path / f"{size_px[0]}.png")
        lines.append(json.dumps({"image": f"{size_px[0]}.png"}))
    (tmp_path / "images.jsonl").write_text("\n".join(lines))
    yolos = replace(_cell("yolos", tmp_path / "yolos"), dataset=str(tmp_path / "images.jsonl"))
    detr = replace(_cell("detr", tmp_path / "detr"), dataset=str(tmp_path / "images.jsonl"))
    refusal = _refusal(_set(yolos, batch_n=2))
    assert "answers one sample at a time: its images have 2 sizes, and it knows no padding" in refusal
    with open_workload(yolos, queries_n=2) as workload:
        assert workload.infer_batch is None
    with open_workload(_set(detr, batch_n=2), queries_n=2) as workload:
        assert workload.infer_batch is not None
        assert len(workload.infer_batch([0, 1])) == 2


@pytest.mark.parametrize("name", ["gpt2", "opt", "llama", "bloom"])
def test_perplexity_is_that_of_the_library(name: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    cell = _set(_cell(name, tmp_path), new_tokens_max_n=2)
    with open_workload(cell, queries_n=5) as workload:
        quality = workload.score([workload.infer(sample_i) for sample_i in range(5)]).quality
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    total_nats, tokens_n = 0.0, 0
    for row in corpora.rows("openings", "test", 5):
        pieces = tokenizer(row["text"], return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            mean_nats = float(model.eval()(pieces, labels=pieces).loss)
        total_nats += mean_nats * (pieces.shape[-1] - 1)
        tokens_n += pieces.shape[-1] - 1
    assert quality.value == pytest.approx(math.exp(total_nats / tokens_n), rel=1e-4)


@pytest.mark.parametrize("name", ["bert", "roberta", "albert", "deberta"])
def test_pseudo_perplexity_masks_each_token_in_turn(name: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    cell = _cell(name, tmp_path, "fill-mask")
    with open_workload(cell, queries_n=3) as workload:
        quality = workload.score([workload.infer(sample_i) for sample_i in range(3)]).quality
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    total_nats, tokens_n = 0.0, 0
    for row in corpora.rows("cloze", "test", 3):
        inputs = tokenizer(row["text"].replace("[MASK]", row["answer"]), return_tensors="pt")
        for piece_i, piece in enumerate(inputs["input_ids"][0].tolist()):
            if piece not in tokenizer.all_special_ids:
                masked = inputs["input_ids"].clone()
                masked[0, piece_i] = tokenizer.mask_token_id
                with torch.inference_mode():
                    logits = model.eval()(**{**inputs, "input_ids": masked}).logits[0, piece_i]
                total_nats -= float(logits.log_softmax(-1)[piece])
                tokens_n += 1
    assert quality.others["pseudo_perplexity"] == pytest.approx(math.exp(total_nats / tokens_n), rel=1e-3)


def test_a_text_without_a_likelihood(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": ""}\n{"text": "the film was great"}\n')
    cell = replace(_cell("gpt2", tmp_path / "gpt2"), dataset=str(tmp_path / "texts.jsonl"))
    with open_workload(_set(cell, new_tokens_max_n=2), queries_n=2) as workload:
        score = workload.score([workload.infer(0), workload.infer(1)])
    assert score.per_sample[0] is None
    assert score.per_sample[1] is not None


def test_a_masked_word_that_was_cut_off(tmp_path: Path) -> None:
    text = " ".join(["great"] * 90)
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": f"{text} [MASK]"}) + "\n" + '{"text": "so [MASK]"}\n')
    cell = replace(_cell("bert", tmp_path / "bert", "fill-mask"), dataset=str(tmp_path / "texts.jsonl"))
    with open_workload(cell, queries_n=2) as workload:
        assert workload.infer_batch is not None
        far, near = workload.infer_batch([0, 1])
    assert far.value == ()
    assert isinstance(near.value, tuple)
    assert len(near.value) == 5


@pytest.mark.parametrize(
    ("made_for", "asked_for"),
    [
        ("text-classification", "question-answering"),
        ("text-classification", "token-classification"),
        ("fill-mask", "question-answering"),
        ("question-answering", "fill-mask"),
    ],
)
def test_a_head_that_a_folder_lacks_is_refused(made_for: str, asked_for: str, tmp_path: Path) -> None:
    cell = _cell("roberta", tmp_path, made_for)
    message = _refusal(replace(cell, task=asked_for, dataset=DATASETS[asked_for]))
    class_name = json.loads((tmp_path / "config.json").read_text())["architectures"][0]
    assert f"has no weights for {asked_for}: " in message
    assert message.endswith(f"missing; it was made for {class_name}")


def test_a_captioner_may_lack_the_pooler_that_it_does_not_use(tmp_path: Path) -> None:
    from transformers import VisionEncoderDecoderModel, ViTModel

    cell = _cell("vit-gpt2", tmp_path)
    # In the checkpoints of the study the encoder was saved without a pooler; the class that loads it makes one.
    model = VisionEncoderDecoderModel.from_pretrained(tmp_path)
    assert isinstance(model.encoder, ViTModel)
    assert model.encoder.pooler is not None
    with open_workload(_set(cell, new_tokens_max_n=3), queries_n=1) as workload:
        assert workload.infer(0).output_tokens_n == 3
    assert workload.model.weights == "trained"


def test_sinusoids_may_be_missing(tmp_path: Path) -> None:
    """The hub's Pegasus models hold none; transformers computes them."""
    import torch
    from safetensors.torch import load_file, save_file

    cell = _set(_cell("pegasus", tmp_path), new_tokens_min_n=0, new_tokens_max_n=8)
    weights = load_file(tmp_path / "model.safetensors")
    for name, tensor in weights.items():
        if "embed_positions" in name:
            angles = torch.arange(len(tensor))[:, None] / 10_000 ** (torch.arange(0, 32, 2) / 32)
            tensor.copy_(torch.cat([angles.sin(), angles.cos()], dim=-1))
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with open_workload(cell, queries_n=4) as workload:
        before = [workload.infer(sample_i).value for sample_i in range(4)]
    kept = {name: tensor for name, tensor in weights.items() if "embed_positions" not in name}
    assert len(kept) == len(weights) - 2
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with open_workload(cell, queries_n=4) as workload:
        assert [workload.infer(sample_i).value for sample_i in range(4)] == before
        assert workload.model.weights == "trained"
    # Positions that were learned are missed.
    cell = _cell("bart", tmp_path / "bart")
    weights = load_file(tmp_path / "bart" / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "encoder.embed_positions" not in name}
    save_file(kept, tmp_path / "bart" / "model.safetensors", metadata={"format": "pt"})
    assert "1 tensors of BartForConditionalGeneration missing" in _refusal(cell)


@pytest.mark.parametrize("pickled", [False, True])
def test_the_head_of_microsofts_deberta_is_read(pickled: bool, tmp_path: Path) -> None:
    """Its tensors are called lm_predictions, and its configuration does not say so."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    text_families.build(TEXT["deberta"], "fill-mask", tmp_path, legacy=False, tie_word_embeddings=False)
    model = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    config = json.loads((tmp_path / "config.json").read_text())
    assert config.pop("legacy") is False
    config.pop("tie_word_embeddings")
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = load_file(tmp_path / "model.safetensors")
    assert any(name.startswith("lm_predictions.lm_head.") for name in weights)
    if pickled:
        torch.save(weights, tmp_path / "pytorch_model.bin")
        (tmp_path / "model.safetensors").unlink()
    trust = ("pickled-weights",) if pickled else ()
    settings = Settings(device="cpu", threads_n=1, trust=trust)
    cell = Cell("fill-mask", str(tmp_path), DATASETS["fill-mask"], settings=settings)
    with open_workload(cell, queries_n=3) as workload:
        answers = [workload.infer(sample_i) for sample_i in range(3)]
        quality = workload.score(answers).quality
    assert workload.model.weights == "trained"
    assert quality.value is not None
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for row, answer in zip(corpora.rows("cloze", "test", 3), answers, strict=True):
        inputs = tokenizer(row["text"].replace("[MASK]", tokenizer.mask_token), return_tensors="pt")
        with torch.inference_mode():
            logits = model(**inputs).logits[inputs["input_ids"] == tokenizer.mask_token_id]
        assert answer.value == tuple(tokenizer.decode([piece]).strip() for piece in logits[0].topk(5).indices)


@pytest.mark.parametrize(
    ("name", "own_n"), [("bert", 64), ("roberta", 64), ("bart", 96), ("gpt2", 96 - 10), ("t5", None), ("bloom", None)]
)
def test_the_limit_of_inputs_is_told(name: str, own_n: int | None, tmp_path: Path) -> None:
    cell = _cell(name, tmp_path)
    for asked_n, limit_n in ((None, own_n), (32, 32), (512, min(512, own_n or 512))):
        with open_workload(_set(cell, input_tokens_max_n=asked_n), queries_n=1) as workload:
            assert workload.input_limit_n == limit_n


def test_what_reads_no_text_or_all_of_it_has_no_limit(tmp_path: Path) -> None:
    for name, task in (("vit", None), ("bert", "question-answering")):
        with open_workload(_cell(name, tmp_path / name, task), queries_n=1) as workload:
            assert workload.input_limit_n is None


def test_pickled_weights_that_are_trusted(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    cell = _cell("bert", tmp_path)
    with open_workload(cell, queries_n=4) as workload:
        before = [workload.infer(sample_i).value for sample_i in range(4)]
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    assert "trust=pickled-weights" in _refusal(cell)
    with open_workload(_set(cell, trust=("pickled-weights",)), queries_n=4) as workload:
        assert [workload.infer(sample_i).value for sample_i in range(4)] == before
