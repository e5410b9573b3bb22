"""Runs nine of the ten tasks on transformers, 4.57 or 5, without its pipelines, half of which version 5 removed.

A model comes from a folder, or, in a cell whose weights are "random", is built at its true size from the catalogue,
with samples of the length of the task's. Inputs that are too long are cut off on the right; only the context of a
question is read on, in windows. Text is generated greedily or with beams, never sampled, so that the same query does
the same work each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from joulemark.records import Cell, ModelFacts, Purpose
from joulemark.workloads import quality
from joulemark.workloads.cell_samples import samples_of
from joulemark.workloads.datasets import MINIATURE
from joulemark.workloads.models import find_model, is_architecture_only
from joulemark.workloads.pretrained.bare import BECAUSE, build
from joulemark.workloads.pretrained.boxes import Boxes, boxes
from joulemark.workloads.pretrained.generation import captions, text
from joulemark.workloads.pretrained.labels import image_labels, text_labels, word_tags
from joulemark.workloads.pretrained.loading import NO_LIMIT_N, Loaded, Opened, attention_used, load, text_model
from joulemark.workloads.pretrained.masks import guesses
from joulemark.workloads.pretrained.spans import spans
from joulemark.workloads.sample_oddities import oddities
from joulemark.workloads.samples import Samples
from joulemark.workloads.tasks import Task
from joulemark.workloads.torch_setup import quietly, tf32_of, threads
from joulemark.workloads.workload import Answer, Score, Workload, WorkloadError

_SHOWN_MAX_N = 2_000  # characters


@contextmanager
def open_transformers(cell: Cell, task: Task, queries_n: int) -> Iterator[Workload]:
    """Load the cell's samples and model.

    Raises:
        WorkloadError: the dataset, the model or a setting cannot be used.
    """
    bare = is_architecture_only(cell)
    samples = samples_of(cell, task, queries_n)
    folder = None if bare else find_model(cell)
    prompted = cell.purpose is Purpose.MULTI_PURPOSE and task.prompt is not None
    with quietly("transformers"), threads(cell.settings.threads_n):
        import torch

        model_class, open_task = _TASKS["text-generation" if prompted else task.task_id]
        if folder is None:
            loaded = build(model_class, cell, task)
        else:
            # A folder that says itself what its weights are is opened for its cost alone where they do not fit.
            loaded = load(
                model_class or text_model(cell, folder.path),
                cell,
                task,
                folder.path,
                complete=folder.weights_sha256 is None or cell.model.startswith(MINIATURE),
            )
        attention = attention_used(cell, loaded.model)
        opened = open_task(loaded, samples)
        if cell.settings.batch_n > 1 and opened.alone:
            raise WorkloadError(f"{cell.model} answers one sample at a time: {opened.alone}; leave batch_n out")

        def ask(sample_is: Sequence[int]) -> Sequence[Answer]:
            with torch.inference_mode():
                return opened.ask([samples.rows[sample_i] for sample_i in sample_is])

        random_because = None
        if folder is None:
            random_because = BECAUSE
        elif folder.weights == "random":
            random_because = "this miniature is not trained"
        elif loaded.missing_n:
            random_because = f"{loaded.missing_n} tensors of {loaded.model.__class__.__name__} are not in the folder"

        def score(answers: Sequence[Answer]) -> Score:
            asked = replace(task, prompt=cell.settings.prompt or task.prompt)
            with torch.inference_mode():
                return quality.score(
                    asked, samples, answers, random_because, prompted=prompted, likelihoods=opened.likelihoods
                )

        yield Workload(
            infer=lambda sample_i: ask([sample_i])[0],
            samples_n=len(samples.rows),
            score=score,
            show=show,
            model=ModelFacts(
                parameters_n=sum(parameter.numel() for parameter in loaded.model.parameters()),
                architecture=loaded.model.__class__.__name__,
                weights="random" if random_because else "trained",
                dtype=str(loaded.dtype).removeprefix("torch."),
                device=str(loaded.device),
                weights_sha256=None if folder is None else folder.weights_sha256,
                attention=attention,
                revision=None if folder is None else folder.revision,
                tf32=tf32_of(loaded.device, loaded.dtype),
            ),
            samples_sha256=samples.sha256,
            oddities=partial(oddities, samples, task),
            infer_batch=None if opened.alone else ask,
            input_limit_n=None if opened.limit_n == NO_LIMIT_N else opened.limit_n,
        )


def show(answer: Answer) -> str:
    """An answer as a short text: the labels, the generated text, the words' tags, the guesses, or the boxes found."""
    value = answer.value
    if isinstance(value, Boxes):
        shown = f"{len(value.found)} boxes" + "".join(f"; {box}" for box in value.found)
    else:
        shown = " ".join(value) if isinstance(value, tuple) else str(value)
    return shown[:_SHOWN_MAX_N]


# For every task the class that loads its model (None: a writer of text, see text_model), and what makes it answer.
_TASKS: Mapping[str, tuple[str | None, Callable[[Loaded, Samples], Opened]]] = {
    "text-classification": ("AutoModelForSequenceClassification", text_labels),
    "token-classification": ("AutoModelForTokenClassification", word_tags),
    "question-answering": ("AutoModelForQuestionAnswering", spans),
    "fill-mask": ("AutoModelForMaskedLM", guesses),
    "text-generation": (None, text),
    "summarization": (None, text),
    "image-classification": ("AutoModelForImageClassification", image_labels),
    "object-detection": ("AutoModelForObjectDetection", boxes),
    "image-to-text": ("AutoModelForImageTextToText", captions),
}
