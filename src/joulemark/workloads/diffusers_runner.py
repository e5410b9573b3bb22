"""Runs text-to-image on diffusers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from joulemark.records import Cell, ModelFacts
from joulemark.workloads import quality
from joulemark.workloads.datasets import fill_in, load_samples
from joulemark.workloads.models import find_model
from joulemark.workloads.tasks import Task
from joulemark.workloads.torch_setup import device_of, dtype_of, first_line, quietly, threads
from joulemark.workloads.workload import Answer, Score, Workload, WorkloadError


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
    samples = load_samples(cell, task, queries_n)
    folder = find_model(cell)
    template = cell.settings.prompt or "{text}"
    prompts = [fill_in(template, row) for row in samples.rows]
    with quietly("transformers", "diffusers"), threads(cell.settings.threads_n):
        import torch
        from diffusers import AutoPipelineForText2Image

        device, dtype = device_of(cell.settings.device), dtype_of(cell.settings.dtype)
        try:
            pipeline = AutoPipelineForText2Image.from_pretrained(
                folder.path, torch_dtype=dtype, use_safetensors=True, local_files_only=True
            ).to(device)
        except (OSError, ValueError) as error:
            raise WorkloadError(f"{cell.model} does not load for {task.task_id}: {first_line(error)}") from error
        pipeline.set_progress_bar_config(disable=True)
        # The pipeline does not tell how many tokens a prompt has; they are counted here, before any query.
        input_tokens_n = [len(pipeline.tokenizer(prompt, truncation=True).input_ids) for prompt in prompts]
        size_px = {"height": cell.settings.image_px, "width": cell.settings.image_px}
        steps_n = cell.settings.steps_n or task.steps_n

        def infer(sample_i: int) -> Answer:
            noise = torch.Generator().manual_seed(sample_i)
            with torch.inference_mode():
                image = pipeline(prompts[sample_i], num_inference_steps=steps_n, generator=noise, **size_px).images[0]
            drawing = Drawing(image.width, image.height, hashlib.sha256(image.convert("RGB").tobytes()).hexdigest())
            return Answer(drawing, input_tokens_n[sample_i])

        def score(answers: Sequence[Answer]) -> Score:
            return quality.score(task, samples, answers, _random_because(folder.weights))

        modules = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
        yield Workload(
            infer=infer,
            samples_n=len(samples.rows),
            score=score,
            show=lambda answer: str(answer.value),
            model=ModelFacts(
                parameters_n=sum(parameter.numel() for module in modules for parameter in module.parameters()),
                architecture=pipeline.__class__.__name__,
                weights=folder.weights,
                dtype=str(dtype).removeprefix("torch."),
                device=str(device),
                weights_sha256=folder.weights_sha256,
            ),
            samples_sha256=samples.sha256,
        )


def _random_because(weights: str) -> str | None:
    return "this miniature is not trained" if weights == "random" else None
