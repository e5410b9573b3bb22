"""Runs text-to-image on diffusers."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from joulemark.records import Cell, ModelFacts
from joulemark.workloads import quality
from joulemark.workloads.cell_samples import samples_of
from joulemark.workloads.models import find_model, is_architecture_only
from joulemark.workloads.pretrained.bare import BECAUSE, build_drawing_pipeline
from joulemark.workloads.sample_oddities import oddities
from joulemark.workloads.samples import fill_in
from joulemark.workloads.tasks import Task
from joulemark.workloads.torch_setup import device_of, dtype_of, first_line, quietly, synchronise, tf32_of, threads
from joulemark.workloads.workload import Answer, Workload, WorkloadError

# What takes noise away, by its name in a pipeline: in Würstchen there are two, one after the other.
_DENOISERS = ("unet", "transformer", "prior_prior", "decoder")
# How diffusers names its implementations of attention.
_ATTENTIONS = {"AttnProcessor": "eager", "AttnProcessor2_0": "sdpa"}


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is kept of an image that was made: a thousand of them as pixels would fill gigabytes."""

    width_px: int
    height_px: int
    sha256: str  # of the pixels, RGB

    def __str__(self) -> str:
        return f"{self.width_px} × {self.height_px} pixels, sha256 {self.sha256}"


@contextmanager
def open_diffusers(cell: Cell, task: Task, queries_n: int) -> Iterator[Workload]:
    """Load the cell's prompts and pipeline. Sample ``i`` starts from the noise of seed ``i``: the same image each time.

    Raises:
        WorkloadError: the dataset, the model or a setting cannot be used.
    """
    bare = is_architecture_only(cell)
    samples = samples_of(cell, task, queries_n)
    folder = None if bare else find_model(cell)
    template = cell.settings.prompt or "{text}"
    prompts = [fill_in(template, row) for row in samples.rows]
    with quietly("transformers", "diffusers"), threads(cell.settings.threads_n):
        import torch

        device, dtype = device_of(cell.settings.device), dtype_of(cell.settings.dtype)
        if folder is None:
            pipeline = build_drawing_pipeline(cell, device, dtype)
        else:
            pipeline = _load(cell, task, folder.path, dtype).to(device)
        pipeline.set_progress_bar_config(disable=True)
        attention = _attention(cell, pipeline)
        # The pipeline does not tell how many tokens a prompt has; they are counted here, before any query.
        input_tokens_n = [len(pipeline.tokenizer(prompt, truncation=True).input_ids) for prompt in prompts]
        clock = _Clock(device)
        options = _options(cell, task, pipeline, clock)
        for name in _DENOISERS:
            if isinstance(denoiser := getattr(pipeline, name, None), torch.nn.Module):
                denoiser.register_forward_pre_hook(clock.before_denoiser)

        def ask(sample_is: Sequence[int]) -> Sequence[Answer]:
            noises = [torch.Generator().manual_seed(sample_i) for sample_i in sample_is]
            clock.start()
            with torch.inference_mode():
                images = pipeline([prompts[sample_i] for sample_i in sample_is], generator=noises, **options).images
            phases_s = clock.stop()
            return [
                Answer(_drawing(image), input_tokens_n[sample_i], phases_s=phases_s)
                for image, sample_i in zip(images, sample_is, strict=True)
            ]

        modules = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
        random_because = None
        if folder is None:
            random_because = BECAUSE
        elif folder.weights == "random":
            random_because = "this miniature is not trained"
        yield Workload(
            infer=lambda sample_i: ask([sample_i])[0],
            samples_n=len(samples.rows),
            score=partial(quality.score, task, samples, random_because=random_because),
            show=lambda answer: str(answer.value),
            model=ModelFacts(
                parameters_n=sum(parameter.numel() for module in modules for parameter in module.parameters()),
                architecture=pipeline.__class__.__name__,
                weights="random" if random_because else "trained",
                dtype=str(dtype).removeprefix("torch."),
                device=str(device),
                weights_sha256=None if folder is None else folder.weights_sha256,
                attention=attention,
                revision=None if folder is None else folder.revision,
                tf32=tf32_of(device, dtype),
            ),
            samples_sha256=samples.sha256,
            oddities=partial(oddities, samples, task),
            infer_batch=ask,
        )


class _Clock:
    """The phases of a query: "encode" the prompt, "denoise", and "decode" into images that are checked and copied.

    Every denoiser announces its steps, every stage the end of its own. Only the first announcement and the last end
    are kept, and a device is waited for only there.
    """

    __slots__ = ("begun_s", "denoised_s", "denoising_s", "device")

    def __init__(self, device: Any) -> None:
        self.device = device
        self.start()

    def start(self) -> None:
        self.begun_s = time.perf_counter()
        self.denoising_s: float | None = None
        self.denoised_s: float | None = None

    def before_denoiser(self, *_: Any) -> None:
        if self.denoising_s is None:
            synchronise(self.device)
            self.denoising_s = time.perf_counter()

    def after_step(self, stage: Any, step_i: int, _: Any, __: Mapping[str, Any]) -> dict[str, Any]:
        if step_i + 1 == stage.num_timesteps:
            synchronise(self.device)
            self.denoised_s = time.perf_counter()
        return {}

    def stop(self) -> dict[str, float]:
        """Images are on the processor by now, so that the device has done its work."""
        done_s = time.perf_counter()
        if self.denoising_s is None or self.denoised_s is None:
            return {}
        return {
            "encode": self.denoising_s - self.begun_s,
            "denoise": self.denoised_s - self.denoising_s,
            "decode": done_s - self.denoised_s,
        }


def _load(cell: Cell, task: Task, folder: Path, dtype: Any) -> Any:
    from diffusers import AutoPipelineForText2Image

    try:
        return AutoPipelineForText2Image.from_pretrained(
            folder,
            torch_dtype=dtype,
            use_safetensors=None if "pickled-weights" in cell.settings.trust else True,
            local_files_only=True,
        )
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{cell.model} does not load for {task.task_id}: {first_line(error)}") from error


def _options(cell: Cell, task: Task, pipeline: Any, clock: _Clock) -> dict[str, Any]:
    """What every call of the pipeline is given.

    A pipeline in two stages takes the cell's steps for both; without such a number, each takes its own default.
    """
    settings, known = cell.settings, signature(pipeline.__call__).parameters
    options: dict[str, Any] = {}
    two_stages = "prior_num_inference_steps" in known
    steps_n = settings.steps_n or (None if two_stages else task.steps_n)
    if steps_n is not None:
        options["num_inference_steps"] = steps_n
        if two_stages:
            options["prior_num_inference_steps"] = steps_n
    if settings.image_px is not None:
        options |= {"height": settings.image_px, "width": settings.image_px}
    if "callback_on_step_end" in known:
        options["callback_on_step_end"] = clock.after_step
    return options


def _attention(cell: Cell, pipeline: Any) -> str | None:
    """Make the denoisers use the attention that the cell asks for, and say what they use.

    Raises:
        WorkloadError: diffusers does not have it for this pipeline.
    """
    from diffusers.models import attention_processor

    wanted = cell.settings.attention
    parts: list[Any] = [getattr(pipeline, name, None) for name in _DENOISERS]
    denoisers = [part for part in parts if hasattr(part, "attn_processors")]
    if wanted is not None:
        named = {name: class_name for class_name, name in _ATTENTIONS.items()}
        if wanted not in named or not denoisers:
            raise WorkloadError(f"{cell.model} runs with attention {' or '.join(named)} on diffusers, not {wanted!r}")
        for denoiser in denoisers:
            denoiser.set_attn_processor(getattr(attention_processor, named[wanted])())
    used = {type(processor).__name__ for part in denoisers for processor in part.attn_processors.values()}
    return "+".join(sorted(_ATTENTIONS.get(name, name) for name in used)) or None


def _drawing(image: Any) -> Drawing:
    return Drawing(image.width, image.height, hashlib.sha256(image.convert("RGB").tobytes()).hexdigest())
