"""Builds the catalogue's models at their true size with random weights: for what they cost, without what they know.

Nothing is read but the catalogue, nothing fetched. What a query costs depends on a model's shape and number type
and on the sizes of its inputs and outputs; the weights' values matter little to that and decide every answer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from joulemark.workloads.catalogue import CatalogueModel, architecture_of
from joulemark.workloads.random_weights import repeated_random_numbers, set_norm_statistics
from joulemark.workloads.synthetic_processor import processor_of
from joulemark.workloads.synthetic_tokenizer import synthetic_tokenizer
from joulemark.workloads.torch_setup import first_line
from joulemark.workloads.workload import WorkloadError


def parameters_n(model: CatalogueModel) -> int:
    """The parameters of the model's ``counted_class``, shared ones once; built on the meta device, without memory.

    Raises:
        WorkloadError: the catalogue does not describe the model.
    """
    return sum(parameter.numel() for parameter in _parameters(_empty(model, model.counted_class)))


def weights_byte(model: CatalogueModel, dtype: Any) -> int:
    """The memory that the weights of the model or pipeline take, in bytes, with those that stay in float32.

    Args:
        model: any model of the catalogue that is described.
        dtype: a ``torch.dtype``.

    Raises:
        WorkloadError: the catalogue does not describe the model.
    """
    return sum(parameter.nbytes for parameter in _parameters(_empty(model, model.model_class, dtype)))


def build_model(
    model: CatalogueModel, model_class: str, *, device: Any, dtype: Any, attention: str | None = None, seed: int = 0
) -> Any:
    """The model at its true size with random weights, ready to infer.

    The tensors are made on the device in their own number type; there is never a second copy. Some models keep a few
    of their modules in float32 when float16 is asked for, as they do when they are loaded from files.

    Args:
        model: a model of the catalogue that is no pipeline.
        model_class: a class of transformers, such as "AutoModelForCausalLM" or "GPT2LMHeadModel".
        device: a ``torch.device`` or its name.
        dtype: a ``torch.dtype``.
        attention: "eager", "sdpa" or another implementation; ``None`` leaves the choice to transformers.
        seed: other weights for another seed, the same for the same one.

    Returns:
        A ``transformers.PreTrainedModel`` in evaluation mode, with its generation configuration where it generates.

    Raises:
        WorkloadError: the catalogue does not describe the model, it is a pipeline, or it has no such class.
    """
    import torch

    with repeated_random_numbers(seed), torch.device(device):
        built = _transformers_model(model, model_class, dtype, attention)
    set_norm_statistics(built, seed)
    return built


def build_pipeline(model: CatalogueModel, *, device: Any, dtype: Any, seed: int = 0) -> Any:
    """The diffusers pipeline at its true size with random weights and synthetic tokenizers, ready to draw.

    Args:
        model: a model of the catalogue that is a pipeline.
        device: a ``torch.device`` or its name.
        dtype: a ``torch.dtype``.
        seed: other weights for another seed.

    Raises:
        WorkloadError: the catalogue does not describe the model, or it is no pipeline.
    """
    import diffusers
    import torch

    architecture = architecture_of(model)
    if "parts" not in architecture:
        raise WorkloadError(f"{model.model} is a {model.model_class}, no pipeline: build_model builds it")
    with repeated_random_numbers(seed), torch.device(device):
        parts = _pipeline_modules(architecture, dtype)
    scheduler = dict(architecture["parts"]["scheduler"])
    parts["scheduler"] = getattr(diffusers, scheduler.pop("class"))(**scheduler)
    for name in ("tokenizer", "tokenizer_2"):
        if name in architecture:
            parts[name] = synthetic_tokenizer(model, name)
    if architecture["pipeline"] == "StableDiffusionPipeline":
        described = architecture.get("image_processor")
        parts["feature_extractor"] = processor_of(described) if described else None
        parts.setdefault("safety_checker", None)
        parts["requires_safety_checker"] = described is not None
    return getattr(diffusers, architecture["pipeline"])(**parts)


def _empty(model: CatalogueModel, model_class: str, dtype: Any = None) -> tuple[Any, ...]:
    """The model or the pipeline's modules on the meta device."""
    import torch

    with torch.device("meta"):
        if "parts" in architecture_of(model):
            return tuple(_pipeline_modules(architecture_of(model), dtype or torch.float32).values())
        return (_transformers_model(model, model_class, dtype or torch.float32, None),)


def _transformers_model(model: CatalogueModel, model_class: str, dtype: Any, attention: str | None) -> Any:
    """The model on the current default device."""
    import transformers

    architecture = architecture_of(model)
    if "config" not in architecture:
        raise WorkloadError(f"{model.model} is a pipeline of several models: build_pipeline builds it")
    built_class = getattr(transformers, model_class, None)
    if built_class is None:
        raise WorkloadError(f"transformers {transformers.__version__} has no class {model_class}")
    fields = copy.deepcopy(architecture["config"])
    if model.labels_n is not None:
        fields["num_labels"] = model.labels_n
    config = transformers.AutoConfig.for_model(fields.pop("model_type"), **fields)
    options = {"dtype": dtype} | ({"attn_implementation": attention} if attention else {})
    try:
        # The automatic classes have this under a public name, the others under a private one only.
        build = built_class.from_config if model_class.startswith("Auto") else built_class._from_config
        built = build(config, **options).eval()
    except ValueError as error:
        raise WorkloadError(f"{model.model} does not build as {model_class}: {first_line(error)}") from error
    _untie(built, fields)
    _set_number_types(built, dtype)
    if "generation" in architecture:
        generation = transformers.GenerationConfig(**architecture["generation"], num_beams=model.beams_n)
        # Captioning models generate with a language model inside of them, which has a configuration of its own.
        for part in built.modules():
            if getattr(part, "generation_config", None) is not None:
                part.generation_config = copy.deepcopy(generation)
    return built


def _untie(built: Any, fields: Mapping[str, Any]) -> None:
    """Give the T5 whose configuration says so an output layer of its own, as Flan-T5 has.

    The T5 of transformers 5 is built with both tied whatever its configuration says; on loading, the files decide.
    """
    import torch
    from transformers import T5ForConditionalGeneration

    if fields.get("text_config", fields).get("tie_word_embeddings") is False:
        for part in built.modules():
            if isinstance(part, T5ForConditionalGeneration) and part.lm_head.weight is part.shared.weight:
                head = torch.empty_like(part.shared.weight, requires_grad=False)
                part.lm_head.weight = torch.nn.Parameter(head.normal_(0.0, part.model_dim**-0.5))


def _set_number_types(built: Any, dtype: Any) -> None:
    """Give every parameter the number type that it has when it is loaded from files.

    What a model names to be too delicate for half precision is float32 then, and nothing else is: some constructors
    make single parameters in float32.
    """
    import torch

    kept = set(getattr(built, "_keep_in_fp32_modules_strict", None) or ())
    if dtype is torch.float16:
        kept |= set(built._keep_in_fp32_modules or ())
    for name, parameter in built.named_parameters():
        parameter.data = parameter.data.to(torch.float32 if kept.intersection(name.split(".")) else dtype)


def _pipeline_modules(architecture: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """The modules of a pipeline by name, on the current default device."""
    import diffusers
    import transformers
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

    modules = {}
    for name, described in architecture["parts"].items():
        fields = copy.deepcopy(described)
        part = fields.pop("class")
        if name == "scheduler":
            continue
        if name.startswith("text_encoder"):
            module = getattr(transformers, part)._from_config(transformers.CLIPTextConfig(**fields), dtype=dtype)
        elif name == "safety_checker":
            module = StableDiffusionSafetyChecker._from_config(transformers.CLIPConfig(**fields), dtype=dtype)
        else:
            with _default_dtype(dtype):
                module = getattr(diffusers, part)(**fields)
        modules[name] = module.eval()
    return modules


@contextmanager
def _default_dtype(dtype: Any) -> Iterator[None]:
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _parameters(modules: tuple[Any, ...]) -> Iterator[Any]:
    for module in modules:
        yield from module.parameters()
