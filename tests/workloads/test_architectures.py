"""The catalogue's models, built from their architectures: as large as published, and fit to answer."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from joulemark.records import Purpose
from joulemark.workloads import WorkloadError
from joulemark.workloads.architectures import build_model, build_pipeline, parameters_n, weights_byte
from joulemark.workloads.catalogue import CatalogueModel, architecture_of, catalogue_models, find_catalogue_model
from joulemark.workloads.synthetic_processor import synthetic_processor
from joulemark.workloads.synthetic_tokenizer import synthetic_tokenizer, synthetic_vocabulary_n

DESCRIBED = tuple(model for model in catalogue_models() if model.architecture)
PAPER = tuple(model for model in catalogue_models() if model.in_paper)

AUTO_CLASSES = {
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
    "text-generation": "AutoModelForCausalLM",
    "summarization": "AutoModelForSeq2SeqLM",
    "image-classification": "AutoModelForImageClassification",
    "object-detection": "AutoModelForObjectDetection",
    "image-to-text": "AutoModelForImageTextToText",
}
LAYER_COUNTS = (
    "num_hidden_layers",
    "n_layers",
    "n_layer",
    "num_layers",
    "num_decoder_layers",
    "encoder_layers",
    "decoder_layers",
)


def _known(name: str) -> CatalogueModel:
    model = find_catalogue_model(name)
    assert model is not None
    return model


def _by_shape(text: str) -> list[Any]:
    """One described model for every architecture that has ``text``: "tokenizer", "image_processor"."""
    first = {model.architecture: model for model in DESCRIBED if text in architecture_of(model)}
    return [pytest.param(model, id=stem) for stem, model in first.items()]


@cache
def _counted(architecture: str, counted_class: str) -> int:
    wanted = (architecture, counted_class)
    return parameters_n(next(model for model in DESCRIBED if (model.architecture, model.counted_class) == wanted))


def _count(model: CatalogueModel) -> int:
    assert model.architecture
    return _counted(model.architecture, model.counted_class)


def _shrunk(model: CatalogueModel, folder: Path, change: Callable[[dict[str, Any]], None]) -> CatalogueModel:
    """The model with a changed copy of its architecture."""
    architecture = json.loads(json.dumps(architecture_of(model)))
    change(architecture)
    (folder / "small.json").write_text(json.dumps(architecture))
    return replace(model, architecture=str(folder / "small"))


def _fewer_layers(fields: dict[str, Any]) -> None:
    """Two layers where there are many, and images of 128 pixels where there are 800."""
    for key, value in fields.items():
        if isinstance(value, dict):
            _fewer_layers(value)
        elif key in LAYER_COUNTS:
            fields[key] = 2
        elif key == "depths":
            fields[key] = [1] * len(value)
        elif key == "attention_types":
            fields[key] = [[["global", "local"], 1]]
        elif key == "attention_window":
            fields[key] = [64, 64]
        elif key == "shortest_edge" and value > 400:
            fields[key] = 128
        elif key == "two_stage_num_proposals":
            fields[key] = 50


def _words(model: CatalogueModel, words_n: int = 24) -> str:
    """Words from the whole vocabulary, its first and last among them."""
    known_n = synthetic_vocabulary_n(model)
    return " ".join(f"w{(word_i * (known_n - 1)) // (words_n - 1)}" for word_i in range(words_n))


def _picture() -> Any:
    from PIL import Image

    return Image.effect_noise((96, 64), 60).convert("RGB")


def _outputs(model: CatalogueModel, built: Any) -> Any:
    """What the model puts out for one query of its task, all logits as one flat tensor."""
    import torch

    if "image_processor" in architecture_of(model):
        pixels = synthetic_processor(model)(images=_picture(), return_tensors="pt")["pixel_values"].to(built.dtype)
        if model.task == "image-to-text":
            return _written(built, pixel_values=pixels)
        return built(pixel_values=pixels).logits.flatten()
    tokenizer = synthetic_tokenizer(model)
    texts = ("w1 w2", _words(model)) if model.task == "question-answering" else (_words(model),)
    batch = tokenizer(*texts, return_tensors="pt")
    if built.can_generate() and model.task in (None, "text-generation", "summarization"):
        return _written(built, **batch)
    output = built(**batch)
    if model.task == "question-answering":
        return torch.cat([output.start_logits, output.end_logits]).flatten()
    return output.logits.flatten()


def _written(built: Any, **query: Any) -> Any:
    import torch

    made = built.generate(
        **query, max_new_tokens=3, min_new_tokens=3, num_beams=1, output_logits=True, return_dict_in_generate=True
    )
    assert len(made.logits) == 3
    return torch.cat(made.logits).flatten()


def test_the_catalogue_has_the_papers_models() -> None:
    specific = Counter(model.task for model in PAPER if model.purpose is Purpose.TASK_SPECIFIC)
    assert sorted(specific.values()) == [8] * 10
    assert sum(model.purpose is Purpose.MULTI_PURPOSE for model in PAPER) == 8
    assert len({model.model for model in catalogue_models()}) == len(catalogue_models())
    assert all(model.note for model in catalogue_models() if not model.in_paper)


def test_a_model_is_found_by_either_name_letter_for_letter() -> None:
    assert find_catalogue_model("gpt2") is find_catalogue_model("openai-community/gpt2")
    assert _known("gpt2").hub_id == "openai-community/gpt2"
    assert find_catalogue_model("GPT2") is None


def test_parameters_are_as_many_as_published() -> None:
    off = {model.model for model in PAPER if abs(_count(model) / model.parameters_n - 1) > 0.01}
    assert len(PAPER) - len(off) >= 80
    assert off == {model.model for model in PAPER if model.parameters_note}
    rounded_or_replaced = {"bigscience/bloomz-1b7", "bigscience/bloomz-3b", "bigscience/bloomz-7b1"} | {
        "jozhang97/deta-swin-large"
    }
    inexact = {model.model for model in DESCRIBED if _count(model) != model.parameters_n}
    assert inexact == off | rounded_or_replaced


def test_counting_takes_no_memory() -> None:
    import torch

    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert parameters_n(_known("google/flan-t5-xxl")) == 11_003_736_064
    assert weights_byte(_known("bigscience/bloomz-7b1"), torch.float16) == 2 * 7_069_016_064
    assert weights_byte(_known("stabilityai/stable-diffusion-xl-base-1.0"), torch.float16) == 2 * 3_468_837_867
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 500_000


@pytest.mark.parametrize(
    "name", ["google/flan-t5-xxl", "facebook/opt-6.7b", "bigscience/bloomz-7b1", "Salesforce/blip2-flan-t5-xl"]
)
def test_the_large_models_can_be_built_empty(name: str) -> None:
    import torch

    built = build_model(_known(name), _known(name).model_class, device="meta", dtype=torch.bfloat16)
    assert all(parameter.is_meta and parameter.dtype is torch.bfloat16 for parameter in built.parameters())


def test_the_weights_of_some_modules_stay_in_float32() -> None:
    import torch

    t5 = _known("google/flan-t5-base")
    heads_n = 247_577_856  # with the output layer, which the study did not count
    assert weights_byte(t5, torch.bfloat16) == 2 * heads_n
    assert weights_byte(t5, torch.float16) == 2 * heads_n + 2 * 24 * 768 * 2048  # of 24 layers the second half


def test_the_model_has_its_own_settings_for_generating() -> None:
    import torch

    bart = _known("facebook/bart-large-cnn")
    own = build_model(bart, "AutoModelForSeq2SeqLM", device="meta", dtype=torch.float32).generation_config
    assert (own.num_beams, own.decoder_start_token_id, own.eos_token_id, own.pad_token_id) == (4, 2, 2, 1)
    assert (own.no_repeat_ngram_size, own.length_penalty) == (3, 2.0)


@pytest.mark.parametrize(
    "name",
    [
        "distilbert-base-uncased-finetuned-sst-2-english",
        "albert-base-v2",
        "distilgpt2",
        "hustvl/yolos-tiny",
        "google/mobilenet_v1_0.75_192",
        "microsoft/resnet-18",
        "facebook/convnextv2-tiny-1k-224",
    ],
)
def test_small_models_answer_at_their_true_size(name: str) -> None:
    import torch

    model = _known(name)
    assert model.task
    built = build_model(model, AUTO_CLASSES[model.task], device="cpu", dtype=torch.float32)
    assert not built.training
    with torch.inference_mode():
        outputs = _outputs(model, built)
    assert outputs.isfinite().all()
    assert outputs.std() > 0


@pytest.mark.parametrize(
    "name",
    [
        "bert-base-cased",
        "deepset/tinyroberta-squad2",
        "cardiffnlp/twitter-xlm-roberta-base-sentiment",
        "finiteautomata/bertweet-base-sentiment-analysis",
        "deepset/electra-base-squad2",
        "microsoft/deberta-base",
        "timpal0l/mdeberta-v3-base-squad2",
        "EleutherAI/gpt-neo-125m",
        "bigscience/bloom-560m",
        "facebook/opt-1.3b",
        "ainize/bart-base-cnn",
        "google/pegasus-xsum",
        "pszemraj/led-large-book-summary",
        "google/flan-t5-base",
        "google/vit-base-patch16-224",
        "microsoft/beit-base-patch16-224-pt22k-ft22k",
        "facebook/detr-resnet-50",
        "SenseTime/deformable-detr",
        "jozhang97/deta-swin-large",
        "Salesforce/blip-image-captioning-base",
        "Salesforce/blip2-opt-2.7b",
        "Salesforce/blip2-flan-t5-xl",
        "microsoft/git-base",
        "nlpconnect/vit-gpt2-image-captioning",
    ],
)
def test_families_answer_with_fewer_layers(name: str, tmp_path: Path) -> None:
    import torch

    small = _shrunk(_known(name), tmp_path, _fewer_layers)
    automatic = AUTO_CLASSES[small.task or "summarization"]
    built = build_model(small, automatic, device="cpu", dtype=torch.float32)
    assert type(built).__name__ == small.model_class
    with torch.inference_mode():
        outputs = _outputs(small, built)
    assert outputs.isfinite().all()
    assert outputs.std() > 0


@pytest.mark.parametrize(
    ("name", "number_type"),
    [
        ("microsoft/resnet-50", "float16"),  # 50 layers of activations, kept in range by the statistics of its norms
        ("google/flan-t5-base", "float16"),  # float16 with modules in float32
        ("microsoft/deberta-base", "bfloat16"),  # its constructor makes biases in float32
        ("EleutherAI/gpt-neo-125m", "float16"),
        ("nlpconnect/vit-gpt2-image-captioning", "bfloat16"),
    ],
)
def test_half_precision_answers(name: str, number_type: str, tmp_path: Path) -> None:
    import torch

    dtype = getattr(torch, number_type)
    model = _known(name)
    small = model if name == "microsoft/resnet-50" else _shrunk(model, tmp_path, _fewer_layers)
    built = build_model(small, small.model_class, device="cpu", dtype=dtype)
    number_types = {parameter.dtype for parameter in built.parameters()}
    assert number_types == ({dtype, torch.float32} if name == "google/flan-t5-base" else {dtype})
    with torch.inference_mode():
        assert _outputs(small, built).isfinite().all()


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    import torch

    model = _shrunk(_known("distilbert-base-uncased"), tmp_path, _fewer_layers)
    once, again, other = (
        build_model(model, "AutoModelForMaskedLM", device="cpu", dtype=torch.float32, seed=seed).state_dict()
        for seed in (3, 3, 4)
    )
    assert all(torch.equal(once[name], again[name]) for name in once)
    embedding = "distilbert.embeddings.word_embeddings.weight"
    assert not torch.equal(once[embedding], other[embedding])
    # The numbers repeat, the rows of a matrix do not.
    assert len(torch.unique(once[embedding], dim=0)) >= len(once[embedding]) - 1  # that of the padding is zero
    assert once[embedding].std().item() == pytest.approx(0.02, rel=0.02)


def test_shared_weights_are_shared(tmp_path: Path) -> None:
    import torch

    bare = build_model(_known("gpt2"), "AutoModelForCausalLM", device="meta", dtype=torch.float32)
    assert bare.lm_head.weight is bare.transformer.wte.weight
    t5 = _shrunk(_known("google/flan-t5-base"), tmp_path, _fewer_layers)
    built = build_model(t5, "AutoModelForSeq2SeqLM", device="cpu", dtype=torch.bfloat16)
    assert built.encoder.embed_tokens.weight is built.decoder.embed_tokens.weight is built.shared.weight
    assert not torch.equal(built.lm_head.weight, built.shared.weight)


def test_attention_is_what_was_asked_for() -> None:
    import torch

    for attention in ("eager", "sdpa"):
        built = build_model(
            _known("gpt2"), "AutoModelForCausalLM", device="meta", dtype=torch.float32, attention=attention
        )
        assert built.config._attn_implementation == attention


@pytest.mark.parametrize("model", _by_shape("tokenizer"))
def test_tokens_are_in_the_models_vocabulary(model: CatalogueModel) -> None:
    architecture = architecture_of(model)
    config = architecture.get("config") or architecture["parts"]["text_encoder"]
    config = config.get("decoder") or config.get("text_config") or config
    described = architecture["tokenizer"]
    tokenizer = synthetic_tokenizer(model)
    assert len(tokenizer) == described["vocabulary_n"] <= config["vocab_size"]
    assert all(tokenizer.convert_tokens_to_ids(token) == i for token, i in described["special_tokens"].values())

    text = _words(model)
    batch = tokenizer(text)
    assert set(batch) == set(described["inputs"])
    assert max(batch["input_ids"]) < config["vocab_size"]
    assert tokenizer.unk_token_id not in batch["input_ids"][1:-1]
    assert tokenizer.decode(batch["input_ids"], skip_special_tokens=True) == text
    added_n = len(tokenizer("")["input_ids"])
    assert len(batch["input_ids"]) == added_n + 24

    cut = tokenizer("w1 " * (described["input_max_n"] + 5), truncation=True)
    assert len(cut["input_ids"]) == described["input_max_n"]
    assert tokenizer("Oh!")["input_ids"].count(tokenizer.unk_token_id) >= 2


@pytest.mark.parametrize("name", ["bert-base-cased", "roberta-base", "albert-base-v2", "microsoft/deberta-base"])
def test_the_mask_is_one_token(name: str) -> None:
    tokenizer = synthetic_tokenizer(_known(name))
    tokens = tokenizer(f"w5 w6{tokenizer.mask_token} w7")["input_ids"]
    assert tokens.count(tokenizer.mask_token_id) == 1
    assert len(tokens) == 6


def test_a_pair_has_parts_and_places() -> None:
    context = "w9 w10 w11 w12"
    for name in ("deepset/roberta-base-squad2", "distilbert-base-cased-distilled-squad", "deepset/electra-base-squad2"):
        tokenizer = synthetic_tokenizer(_known(name))
        batch = tokenizer("w1 w2", context, truncation="only_second", max_length=8, return_offsets_mapping=True)
        assert len(batch["input_ids"]) == 8
        places = [
            place for place, part in zip(batch["offset_mapping"], batch.sequence_ids(0), strict=True) if part == 1
        ]
        assert [context[first:last] for first, last in places] == context.split()[: len(places)]
        assert len(places) >= 2
    segments = batch["token_type_ids"]
    assert segments == sorted(segments)
    assert set(segments) == {0, 1}


@pytest.mark.parametrize("model", _by_shape("image_processor"))
def test_images_have_the_models_size(model: CatalogueModel) -> None:
    described = architecture_of(model)["image_processor"]
    pixels = synthetic_processor(model)(images=_picture(), return_tensors="pt")["pixel_values"]
    size = described.get("crop_size") or described["size"]
    if "longest_edge" in size:
        width_px = size["shortest_edge"] * 96 // 64
        assert tuple(pixels.shape) == (1, 3, size["shortest_edge"], width_px)
    else:
        side_px = size.get("height") or size["shortest_edge"]
        assert tuple(pixels.shape) == (1, 3, side_px, side_px)
    assert pixels.min() < 0 < pixels.max()


@pytest.mark.parametrize("name", ["runwayml/stable-diffusion-v1-5", "stabilityai/stable-diffusion-xl-base-1.0"])
def test_a_pipeline_draws(name: str, tmp_path: Path) -> None:
    import torch

    def narrower(architecture: dict[str, Any]) -> None:
        parts = architecture["parts"]
        parts["unet"]["block_out_channels"] = [32] * len(parts["unet"]["block_out_channels"])
        parts["unet"].update(attention_head_dim=4, layers_per_block=1, sample_size=8)
        if "transformer_layers_per_block" in parts["unet"]:
            parts["unet"]["transformer_layers_per_block"] = 1
        parts["vae"].update(block_out_channels=[32] * 4, layers_per_block=1)
        parts["text_encoder"]["num_hidden_layers"] = 2
        for other in ("text_encoder_2", "safety_checker"):
            _fewer_layers(parts.get(other, {}))

    small = _shrunk(_known(name), tmp_path, narrower)
    pipeline = build_pipeline(small, device="cpu", dtype=torch.float32)
    assert type(pipeline).__name__ == small.model_class
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline("w1 w2 w3", num_inference_steps=2, output_type="np", generator=torch.Generator().manual_seed(0))
    (image,) = made.images
    assert image.shape == (64, 64, 3)
    assert image.std() > 0  # no black image of the safety checker's


def test_what_cannot_be_built_is_refused() -> None:
    import torch

    options: dict[str, Any] = {"device": "meta", "dtype": torch.float32}
    for refused, said in (
        (lambda: parameters_n(_known("warp-ai/wuerstchen")), "does not describe"),
        (lambda: build_model(_known("segmind/tiny-sd"), "AutoModel", **options), "build_pipeline"),
        (lambda: build_model(_known("gpt2"), "AutoModelForObjectDetection", **options), "does not build as"),
        (lambda: build_model(_known("gpt2"), "AutoModelForNothing", **options), "has no class"),
        (lambda: build_pipeline(_known("gpt2"), **options), "build_model"),
        (lambda: synthetic_tokenizer(_known("microsoft/resnet-18")), "has no tokenizer"),
        (lambda: synthetic_processor(_known("gpt2")), "looks at no images"),
    ):
        with pytest.raises(WorkloadError, match=said) as error:
            refused()
        assert len(str(error.value).splitlines()) <= 2


def test_importing_it_imports_nothing_heavy() -> None:
    program = (
        "import sys, joulemark.workloads.architectures, joulemark.workloads.synthetic_processor\n"
        "print(sorted({'torch', 'transformers', 'diffusers', 'tokenizers', 'PIL', 'numpy'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
