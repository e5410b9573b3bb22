"""Runs nine of the ten tasks on transformers, 4.57 or 5, without its pipelines, half of which version 5 removed.

Every query goes the whole way that a user's would: preprocess, model, decode. Inputs longer than the model's limit
are cut off on the right (for questions, only their context); a prompt leaves room for the answer. Text is generated
greedily, whatever the model's own configuration says, so that the same query does the same work each time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from joulemark.records import Cell, ModelFacts, Purpose
from joulemark.workloads import quality
from joulemark.workloads.datasets import Samples, fill_in, load_samples
from joulemark.workloads.models import find_model
from joulemark.workloads.tasks import Task
from joulemark.workloads.torch_setup import device_of, dtype_of, first_line, quietly, threads
from joulemark.workloads.workload import Answer, Score, Workload, WorkloadError

MASK = "[MASK]"  # how a sample marks the missing word; the tokenizer's own mask takes its place
GUESSES_N = 5  # words that a masked model puts forward
BOX_SCORE_MIN = 0.5  # boxes below it are left out
SPAN_MAX_N = 30  # tokens of the longest span that can be an answer

_SHOWN_MAX_N = 2_000  # characters
_NO_LIMIT_N = 1_000_000  # tokens; tokenizers without a limit say 10 to the 30

Row = Mapping[str, Any]
Infer = Callable[[Row], Answer]


@dataclass(frozen=True, slots=True)
class Box:
    """Something found in an image: (x0, y0, x1, y1) in pixels from the upper left corner."""

    label: str
    score: float
    corners_px: tuple[float, float, float, float]

    def __str__(self) -> str:
        return f"{self.label} {self.score:.2f} ({' '.join(f'{corner:.0f}' for corner in self.corners_px)})"


@dataclass(frozen=True, slots=True)
class Boxes:
    """All that was found in an image."""

    found: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model on its device, as one cell of one task uses it."""

    cell: Cell
    task: Task
    path: Path
    model: Any
    device: Any
    dtype: Any
    missing_n: int  # tensors that the files lack, so that they were drawn at random


@contextmanager
def open_transformers(cell: Cell, task: Task, queries_n: int) -> Iterator[Workload]:
    """Load the cell's samples and model.

    Raises:
        WorkloadError: the dataset, the model or a setting cannot be used.
    """
    samples = load_samples(cell, task, queries_n)
    folder = find_model(cell)
    prompted = cell.purpose is Purpose.MULTI_PURPOSE and task.prompt is not None
    with quietly("transformers"), threads(cell.settings.threads_n):
        import torch

        model_class, open_infer = _OPENERS["text-generation" if prompted else task.task_id]
        loaded = _load(model_class or _text_model(folder.path), cell, task, folder.path)
        infer_row = open_infer(loaded, samples)

        def infer(sample_i: int) -> Answer:
            with torch.inference_mode():
                return infer_row(samples.rows[sample_i])

        random_because = None
        if folder.weights == "random":
            random_because = "this miniature is not trained"
        elif loaded.missing_n:
            random_because = f"{loaded.missing_n} tensors of {loaded.model.__class__.__name__} are not in the folder"
        yield Workload(
            infer=infer,
            samples_n=len(samples.rows),
            score=partial(_score, task, samples, random_because, prompted),
            show=show,
            model=ModelFacts(
                parameters_n=sum(parameter.numel() for parameter in loaded.model.parameters()),
                architecture=loaded.model.__class__.__name__,
                weights="random" if random_because else "trained",
                dtype=str(loaded.dtype).removeprefix("torch."),
                device=str(loaded.device),
                weights_sha256=folder.weights_sha256,
            ),
            samples_sha256=samples.sha256,
        )


def show(answer: Answer) -> str:
    """An answer as a short text: a label, the generated text, the words' tags, the guesses, or the boxes found."""
    value = answer.value
    if isinstance(value, Boxes):
        text = f"{len(value.found)} boxes" + "".join(f"; {box}" for box in value.found)
    else:
        text = " ".join(value) if isinstance(value, tuple) else str(value)
    return text[:_SHOWN_MAX_N]


def best_span(start_logits: Any, end_logits: Any, first_i: int, last_i: int) -> tuple[int, int]:
    """The span of tokens within ``first_i`` … ``last_i`` whose start and end logits have the greatest sum.

    A span is as long as ``SPAN_MAX_N`` tokens at most. Of equal sums the shortest, then the leftmost wins. This is the
    decoding of Devlin et al., "BERT" (2019), section 4.2, without its no-answer option.

    Args:
        start_logits: one per token, as a numpy array.
        end_logits: likewise.
        first_i: the first token that may belong to the answer.
        last_i: the last one.

    Returns:
        The indices of the span's first and last token.
    """
    starts, ends = start_logits[first_i : last_i + 1], end_logits[first_i : last_i + 1]
    best: tuple[float, int, int] | None = None
    for extra_n in range(min(SPAN_MAX_N, len(starts))):
        sums = starts[: len(starts) - extra_n] + ends[extra_n:]
        start_i = int(sums.argmax())
        if best is None or sums[start_i] > best[0]:
            best = float(sums[start_i]), first_i + start_i, first_i + start_i + extra_n
    if best is None:
        raise ValueError(f"no token between {first_i} and {last_i}")
    return best[1], best[2]


def _load(model_class: str, cell: Cell, task: Task, path: Path) -> _Loaded:
    import transformers

    device, dtype = device_of(cell.settings.device), dtype_of(cell.settings.dtype)
    try:
        model, told = getattr(transformers, model_class).from_pretrained(
            path,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{cell.model} does not load for {task.task_id}: {first_line(error)}") from error
    return _Loaded(cell, task, path, model.to(device).eval(), device, dtype, len(told["missing_keys"]))


def _part(loaded: _Loaded, auto_class: str, **options: Any) -> Any:
    """The tokenizer or image processor that belongs to the model."""
    import transformers

    try:
        return getattr(transformers, auto_class).from_pretrained(
            loaded.path, local_files_only=True, trust_remote_code=False, **options
        )
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{loaded.cell.model} has no usable {auto_class[4:]}: {first_line(error)}") from error


def _text_model(path: Path) -> str:
    """A model that writes text is a decoder, or an encoder with a decoder."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{path} has no usable config.json: {first_line(error)}") from error
    return "AutoModelForSeq2SeqLM" if config.is_encoder_decoder else "AutoModelForCausalLM"


def _text_label(loaded: _Loaded, _: Samples) -> Infer:
    tokenizer = _part(loaded, "AutoTokenizer")
    limit_n, names = _limit_n(tokenizer, loaded.model), loaded.model.config.id2label

    def infer(row: Row) -> Answer:
        batch = tokenizer(row["text"], truncation=True, max_length=limit_n, return_tensors="pt").to(loaded.device)
        logits = loaded.model(**batch).logits
        return Answer(names[int(logits.argmax(-1))], batch["input_ids"].shape[-1])

    return infer


def _word_tags(loaded: _Loaded, _: Samples) -> Infer:
    """A word has the tag of its first piece. Words that were cut off are outside of every entity."""
    tokenizer = _part(loaded, "AutoTokenizer", add_prefix_space=True)
    limit_n, names = _limit_n(tokenizer, loaded.model), loaded.model.config.id2label

    def infer(row: Row) -> Answer:
        batch = tokenizer(
            list(row["tokens"]), is_split_into_words=True, truncation=True, max_length=limit_n, return_tensors="pt"
        )
        label_of_piece = loaded.model(**batch.to(loaded.device)).logits[0].argmax(-1).tolist()
        tags = ["O"] * len(row["tokens"])
        # Backwards, so that a word's first piece has the last say.
        for word_i, label_i in zip(reversed(batch.word_ids(0)), reversed(label_of_piece), strict=True):
            if word_i is not None:
                tags[word_i] = names[label_i]
        return Answer(tuple(tags), batch["input_ids"].shape[-1])

    return infer


def _span(loaded: _Loaded, _: Samples) -> Infer:
    tokenizer = _part(loaded, "AutoTokenizer")
    limit_n = _limit_n(tokenizer, loaded.model)

    def infer(row: Row) -> Answer:
        batch = tokenizer(
            row["question"],
            row["context"],
            truncation="only_second",
            max_length=limit_n,
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        characters = batch.pop("offset_mapping")[0].tolist()
        in_context = [piece_i for piece_i, text_i in enumerate(batch.sequence_ids(0)) if text_i == 1]
        output = loaded.model(**batch.to(loaded.device))
        start_logits, end_logits = (
            logits[0].float().cpu().numpy() for logits in (output.start_logits, output.end_logits)
        )
        first_i, last_i = best_span(start_logits, end_logits, in_context[0], in_context[-1])
        return Answer(row["context"][characters[first_i][0] : characters[last_i][1]], batch["input_ids"].shape[-1])

    return infer


def _guesses(loaded: _Loaded, samples: Samples) -> Infer:
    """The most likely pieces for the masked word, best first."""
    tokenizer = _part(loaded, "AutoTokenizer")
    limit_n = _limit_n(tokenizer, loaded.model)
    for row in samples.rows:
        if row["text"].count(MASK) != 1:
            raise WorkloadError(f"a text to fill has {MASK} exactly once; sample {row['id']} has not")

    def infer(row: Row) -> Answer:
        text = row["text"].replace(MASK, tokenizer.mask_token)
        batch = tokenizer(text, truncation=True, max_length=limit_n, return_tensors="pt").to(loaded.device)
        at_mask = loaded.model(**batch).logits[batch["input_ids"] == tokenizer.mask_token_id]
        pieces = at_mask.topk(GUESSES_N).indices.flatten().tolist()
        return Answer(tuple(tokenizer.decode([piece]).strip() for piece in pieces), batch["input_ids"].shape[-1])

    return infer


def _text(loaded: _Loaded, samples: Samples) -> Infer:
    """Text from text: a continuation, a summary, or the answer to a prompt."""
    settings, task, model = loaded.cell.settings, loaded.task, loaded.model
    multi_purpose = loaded.cell.purpose is Purpose.MULTI_PURPOSE
    template = settings.prompt or (task.prompt if multi_purpose else None) or "{text}"
    fill_in(template, samples.rows[0])
    tokenizer = _part(loaded, "AutoTokenizer")
    generation = _greedy(loaded, tokenizer)
    prompt_counts = not model.config.is_encoder_decoder  # a decoder repeats its prompt and shares its limit with it
    limit_n = _limit_n(tokenizer, model) - (generation.max_new_tokens if prompt_counts else 0)
    if limit_n < 1:
        raise WorkloadError(f"{generation.max_new_tokens} new tokens leave {loaded.cell.model} no room for a prompt")

    def infer(row: Row) -> Answer:
        # An empty text is continued from the token that begins one.
        prompt = fill_in(template, row) or tokenizer.bos_token or tokenizer.eos_token
        batch = tokenizer(
            prompt, truncation=True, max_length=limit_n, return_token_type_ids=False, return_tensors="pt"
        ).to(loaded.device)
        input_n = batch["input_ids"].shape[-1]
        pieces = model.generate(**batch, generation_config=generation)[0, input_n if prompt_counts else 1 :]
        return Answer(tokenizer.decode(pieces, skip_special_tokens=True).strip(), input_n, len(pieces))

    return infer


def _image_label(loaded: _Loaded, _: Samples) -> Infer:
    processor, names = _part(loaded, "AutoImageProcessor"), loaded.model.config.id2label

    def infer(row: Row) -> Answer:
        batch = processor(images=row["image"], return_tensors="pt").to(loaded.device, loaded.dtype)
        return Answer(names[int(loaded.model(**batch).logits.argmax(-1))])

    return infer


def _boxes(loaded: _Loaded, _: Samples) -> Infer:
    processor, names = _part(loaded, "AutoImageProcessor"), loaded.model.config.id2label

    def infer(row: Row) -> Answer:
        image = row["image"]
        batch = processor(images=image, return_tensors="pt").to(loaded.device, loaded.dtype)
        found = processor.post_process_object_detection(
            loaded.model(**batch), threshold=BOX_SCORE_MIN, target_sizes=[(image.height, image.width)]
        )[0]
        columns = zip(*(found[key].tolist() for key in ("labels", "scores", "boxes")), strict=True)
        return Answer(Boxes(tuple(Box(names[label_i], score, tuple(box)) for label_i, score, box in columns)))

    return infer


def _caption(loaded: _Loaded, _: Samples) -> Infer:
    processor, tokenizer = _part(loaded, "AutoImageProcessor"), _part(loaded, "AutoTokenizer")
    generation = _greedy(loaded, tokenizer)

    def infer(row: Row) -> Answer:
        batch = processor(images=row["image"], return_tensors="pt").to(loaded.device, loaded.dtype)
        pieces = loaded.model.generate(pixel_values=batch["pixel_values"], generation_config=generation)[0, 1:]
        return Answer(tokenizer.decode(pieces, skip_special_tokens=True).strip(), None, len(pieces))

    return infer


# For every task the class that loads its model (None: a writer of text, see _text_model), and what makes a function of
# one sample out of the model.
_OPENERS: Mapping[str, tuple[str | None, Callable[[_Loaded, Samples], Infer]]] = {
    "text-classification": ("AutoModelForSequenceClassification", _text_label),
    "token-classification": ("AutoModelForTokenClassification", _word_tags),
    "question-answering": ("AutoModelForQuestionAnswering", _span),
    "fill-mask": ("AutoModelForMaskedLM", _guesses),
    "text-generation": (None, _text),
    "summarization": (None, _text),
    "image-classification": ("AutoModelForImageClassification", _image_label),
    "object-detection": ("AutoModelForObjectDetection", _boxes),
    "image-to-text": ("AutoModelForImageTextToText", _caption),
}


def _greedy(loaded: _Loaded, tokenizer: Any) -> Any:
    """The model's own generation configuration, made greedy and as long as the cell says."""
    settings, task = loaded.cell.settings, loaded.task
    max_n = task.new_tokens_max_n if settings.new_tokens_max_n is None else settings.new_tokens_max_n
    min_n = settings.new_tokens_min_n
    if min_n is None:
        min_n = min(task.new_tokens_min_n, max_n or 0)
    if not max_n or not 0 <= min_n <= max_n:
        raise WorkloadError(f"between {min_n} and {max_n} new tokens cannot be generated")
    own = copy.deepcopy(loaded.model.generation_config)
    end = own.eos_token_id if own.eos_token_id is not None else tokenizer.eos_token_id
    padding = own.pad_token_id if own.pad_token_id is not None else tokenizer.pad_token_id
    own.update(
        do_sample=False,
        num_beams=1,
        temperature=None,
        top_k=None,
        top_p=None,
        max_new_tokens=max_n,
        min_new_tokens=min_n,
        max_length=None,
        min_length=0,
        eos_token_id=end,
        pad_token_id=padding if padding is not None else end[0] if isinstance(end, list) else end,
    )
    return own


def _limit_n(tokenizer: Any, model: Any) -> int:
    """How many tokens the model takes."""
    tokenizer_n: int = tokenizer.model_max_length
    positions_n: int = getattr(model.config, "max_position_embeddings", None) or _NO_LIMIT_N
    # RoBERTa and its kin count positions from the padding index on.
    padding_i: int | None = getattr(getattr(model.base_model, "embeddings", None), "padding_idx", None)
    return min(tokenizer_n, positions_n - (0 if padding_i is None else padding_i + 1), _NO_LIMIT_N)


def _score(
    task: Task, samples: Samples, random_because: str | None, prompted: bool, answers: Sequence[Answer]
) -> Score:
    if prompted and task.metric == "accuracy":
        # What the model wrote counts as the label that it names.
        labels = sorted({str(row[task.gold]) for row in samples.rows if task.gold and row[task.gold] is not None})
        answers = [replace(answer, value=quality.parse_label(str(answer.value), labels)) for answer in answers]
    return quality.score(task, samples, answers, random_because)
