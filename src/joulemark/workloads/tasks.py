"""The ten tasks: what a sample must have, which runner runs it, how its answers are scored, what it does by default.

Task names are those of the Hugging Face Hub. The prompts are the templates of the zero-shot scripts released with
Luccioni et al., "Power Hungry Processing" (FAccT 2024), word for word; the numbers of new tokens follow its scripts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """One task, named in the entry-point group ``joulemark.tasks``.

    ``runner`` is a name in the group ``joulemark.workloads``. ``requires`` are modules that must be installed; the
    package's extra of the runner's name installs them. ``preload`` is a module whose import brings along the heavy
    ones, for a server that forks processes.
    """

    task_id: str
    runner: str
    requires: tuple[str, ...]
    preload: str
    inputs: tuple[str, ...]  # columns every sample has
    gold: str | None  # the column with the right answer, which may be missing
    metric: str | None  # the headline of its quality; None: nothing here can score it
    other_metrics: tuple[str, ...] = ()  # further ones, as far as its answers have them
    unscored_because: str | None = None  # why there is no metric
    prompt: str | None = None  # told to a multi-purpose model that names no prompt of its own
    new_tokens_max_n: int | None = None  # at most so many are generated for an answer
    new_tokens_min_n: int = 0
    steps_n: int | None = None  # diffusion steps


WRITTEN = ("text-generation", "summarization", "image-to-text")  # by every model; others write if they are prompted

_TEXT = ("torch", "transformers")
_PICTURES = (*_TEXT, "PIL")
_PRELOAD = "joulemark.workloads.preload_transformers"

TEXT_CLASSIFICATION = Task(
    task_id="text-classification",
    runner="transformers",
    requires=_TEXT,
    preload=_PRELOAD,
    inputs=("text",),
    gold="label",
    metric="accuracy",
    other_metrics=("macro_f1",),
    prompt="what is the binary sentiment of the following sentence? {text}",
    new_tokens_max_n=10,
)
TOKEN_CLASSIFICATION = Task(
    task_id="token-classification",
    runner="transformers",
    requires=_TEXT,
    preload=_PRELOAD,
    inputs=("tokens",),
    gold="tags",
    metric="entity_f1",
    other_metrics=("macro_entity_f1", "tag_accuracy"),
)
QUESTION_ANSWERING = Task(
    task_id="question-answering",
    runner="transformers",
    requires=_TEXT,
    preload=_PRELOAD,
    inputs=("question", "context"),
    gold="answers",
    metric="f1",
    other_metrics=("exact_match", "f1_has_answer", "f1_no_answer"),
    prompt='{question}? Find the answer to the question in the following text: "{context}". Answer:',
    new_tokens_max_n=20,
)
FILL_MASK = Task(
    task_id="fill-mask",
    runner="transformers",
    requires=_TEXT,
    preload=_PRELOAD,
    inputs=("text",),
    gold="answer",
    metric="top5_accuracy",
    other_metrics=("top1_accuracy", "pseudo_perplexity"),
)
TEXT_GENERATION = Task(
    task_id="text-generation",
    runner="transformers",
    requires=_TEXT,
    preload=_PRELOAD,
    inputs=("text",),
    gold=None,
    metric="perplexity",
    new_tokens_max_n=10,
)
SUMMARIZATION = Task(
    task_id="summarization",
    runner="transformers",
    requires=_TEXT,
    preload=_PRELOAD,
    inputs=("text",),
    gold="summary",
    metric="rougeL",
    other_metrics=("rouge1", "rouge2", "rougeLsum"),
    prompt="summarize the following text: {text}",
    new_tokens_max_n=15,
    new_tokens_min_n=10,
)
IMAGE_CLASSIFICATION = Task(
    task_id="image-classification",
    runner="transformers",
    requires=_PICTURES,
    preload=_PRELOAD,
    inputs=("image",),
    gold="label",
    metric="accuracy",
    other_metrics=("top5_accuracy", "macro_f1"),
)
OBJECT_DETECTION = Task(
    task_id="object-detection",
    runner="transformers",
    requires=_PICTURES,
    preload=_PRELOAD,
    inputs=("image",),
    gold="boxes",
    metric="map",
    other_metrics=("map_50", "map_75"),
)
IMAGE_TO_TEXT = Task(
    task_id="image-to-text",
    runner="transformers",
    requires=_PICTURES,
    preload=_PRELOAD,
    inputs=("image",),
    gold="text",
    metric="rougeL",
    other_metrics=("bleu",),
    new_tokens_max_n=20,
)
TEXT_TO_IMAGE = Task(
    task_id="text-to-image",
    runner="diffusers",
    requires=(*_PICTURES, "diffusers"),
    preload="joulemark.workloads.preload_diffusers",
    inputs=("text",),
    gold=None,
    metric=None,
    unscored_because="a second large model would have to judge them",
    steps_n=50,
)
