"""Text that is written token by token: a continuation, a summary, the answer to a prompt, a caption."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from math import ceil
from string import Formatter
from typing import Any

from joulemark.records import Cell, Purpose
from joulemark.workloads.dataset_catalogue import known_datasets
from joulemark.workloads.pretrained.loading import (
    Loaded,
    Opened,
    Row,
    image_processor_of,
    input_limit_n,
    parameters_of,
    tokenizer_of,
    unpadded_n,
)
from joulemark.workloads.samples import Samples, fill_in
from joulemark.workloads.synthetic_samples import TOKENS_PER_WORD
from joulemark.workloads.torch_setup import synchronise
from joulemark.workloads.workload import Answer, WorkloadError


def text(loaded: Loaded, samples: Samples) -> Opened:
    """Text from text. The prompt is the sample's text, or the cell's or the task's template filled with the sample.

    Of a prompt that is too long, the longest of the sample's columns is cut; what the template says after it stays.

    Raises:
        WorkloadError: the template asks for what the samples do not have, or the lengths cannot be.
    """
    settings, task, model = loaded.cell.settings, loaded.task, loaded.model
    multi_purpose = loaded.cell.purpose is Purpose.MULTI_PURPOSE
    template = settings.prompt or (task.prompt if multi_purpose else None) or "{text}"
    fill_in(template, samples.rows[0])
    decoder_only = not model.config.is_encoder_decoder  # it shares its positions with its prompt
    tokenizer = tokenizer_of(loaded, padding_side="left" if decoder_only else "right")
    writer = _writer(loaded, tokenizer)
    new_n = writer.generation.max_new_tokens
    limit_n = input_limit_n(loaded, tokenizer, reserved_n=new_n if decoder_only else 0)
    if limit_n < 1:
        raise WorkloadError(f"{new_n} new tokens leave {loaded.cell.model} no room for a prompt")
    # LED sees the whole of a long text only from tokens with global attention; by custom that is the first one.
    looks_around = "global_attention_mask" in parameters_of(model)
    beginning = tokenizer.bos_token or tokenizer.eos_token  # an empty text is continued from the token that begins one
    # Cut before any query, as a dataset would be; what ends with its only column is cut as well by the tokenizer.
    columns = [name for _, name, _, _ in Formatter().parse(template) if name]
    ends_with_it = len(columns) == 1 and template.endswith(f"{{{columns[0]}}}")
    shortened = {} if ends_with_it else {id(row): _shortened(tokenizer, template, row, limit_n) for row in samples.rows}

    def read(rows: Sequence[Row]) -> Any:
        return tokenizer(
            [fill_in(template, shortened.get(id(row), row)) or beginning for row in rows],
            padding=True,
            truncation=True,
            max_length=limit_n,
            return_token_type_ids=False,
            return_tensors="pt",
        )

    def ask(rows: Sequence[Row]) -> list[Answer]:
        batch = read(rows)
        inputs_n = unpadded_n(batch)
        inputs = dict(batch.to(loaded.device))
        if looks_around:
            inputs["global_attention_mask"] = inputs["input_ids"].new_zeros(inputs["input_ids"].shape)
            inputs["global_attention_mask"][:, 0] = 1
        return _write(loaded, writer, inputs, inputs_n)

    def likelihoods() -> list[tuple[float, int] | None]:
        return [_likelihood(loaded, tokenizer, row["text"], limit_n) for row in samples.rows]

    shortest_n = min(unpadded_n(read([row]))[0] for row in samples.rows) if _sparse(model) else 0
    return Opened(
        ask,
        likelihoods if task.task_id == "text-generation" and decoder_only else None,
        "its sparse attention would depend on the padding" if _stays_sparse(model, shortest_n) else None,
        limit_n,
    )


def captions(loaded: Loaded, _: Samples) -> Opened:
    """What is to be seen in an image, in words.

    Raises:
        WorkloadError: the model has to be asked in words too, or the lengths cannot be.
    """
    if _asks_for_words(loaded.model):
        raise WorkloadError(
            f"{loaded.cell.model} is a {type(loaded.model).__name__}, which has to be told in words what to do with an "
            "image; image-to-text asks without any: name a captioner such as BLIP, BLIP-2, GIT or ViT-GPT2"
        )
    processor, tokenizer = image_processor_of(loaded), tokenizer_of(loaded, padding_side="right")
    writer = _writer(loaded, tokenizer)

    def ask(rows: Sequence[Row]) -> list[Answer]:
        batch = processor(images=[row["image"] for row in rows], return_tensors="pt")
        pixels = batch["pixel_values"].to(loaded.device, loaded.dtype)
        return _write(loaded, writer, {"pixel_values": pixels}, [None] * len(rows))

    return Opened(ask)


@dataclass(frozen=True, slots=True)
class _Writer:
    """How texts are written. With ``runs_on`` generation knows no end: each text has the greatest length."""

    tokenizer: Any
    generation: Any
    ends: frozenset[int]  # the tokens that end a text
    runs_on: bool


class _FirstToken:
    """Notes when the scores of the first token are there. Generation calls it for every token, beams or not."""

    __slots__ = ("at_s", "device", "prompt_n")

    def __init__(self, device: Any) -> None:
        self.device = device
        self.at_s: float | None = None
        self.prompt_n = 0  # tokens that the written text begins with: the prompt, or the decoder's start

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        if self.at_s is None:
            synchronise(self.device)
            self.at_s, self.prompt_n = time.perf_counter(), input_ids.shape[-1]
        return scores


# Generation looks the signature up at every token, which takes longer than the call; here it lies ready.
_FirstToken.__call__.__dict__["__signature__"] = signature(_FirstToken.__call__)


def _write(loaded: Loaded, writer: _Writer, inputs: Mapping[str, Any], inputs_n: Sequence[int | None]) -> list[Answer]:
    """Generate, and time it: "prefill" until the first token's scores are there, "decode" from then on.

    In an encoder with a decoder, the encoder is part of "prefill". Of samples that are asked together, each has the
    time of all. A text goes to the first token that ends it. Its tokens are counted up to that one, which counts; in
    texts of a fixed length all are, since all were computed.
    """
    first_token, begun_s = _FirstToken(loaded.device), time.perf_counter()
    written = loaded.model.generate(**inputs, generation_config=writer.generation, logits_processor=[first_token])
    texts = written[:, first_token.prompt_n :].tolist()
    done_s = time.perf_counter()
    first_s = done_s if first_token.at_s is None else first_token.at_s
    phases_s = {"prefill": first_s - begun_s, "decode": done_s - first_s}
    answers = []
    for pieces, input_n in zip(texts, inputs_n, strict=True):
        text_n = next((piece_i + 1 for piece_i, piece in enumerate(pieces) if piece in writer.ends), len(pieces))
        words = writer.tokenizer.decode(pieces[:text_n], skip_special_tokens=True).strip()
        answers.append(Answer(words, input_n, len(pieces) if writer.runs_on else text_n, phases_s))
    return answers


def _writer(loaded: Loaded, tokenizer: Any) -> _Writer:
    """The model's own generation configuration, but never sampling, and as long and as broad as the cell says.

    What else the model was made with stays: tokens that begin or end its texts, words that may not be repeated. Where
    a greedy text has a fixed length, the token that ends it is no end, but is not forbidden either: the answer is the
    model's own, and what follows it costs as much as any other token. Beams need an end to compare their texts.

    Raises:
        WorkloadError: the numbers of tokens or beams cannot be.
    """
    settings, task, model = loaded.cell.settings, loaded.task, loaded.model
    max_n = task.new_tokens_max_n if settings.new_tokens_max_n is None else settings.new_tokens_max_n
    min_n = settings.new_tokens_min_n
    if min_n is None:
        min_n = min(task.new_tokens_min_n, max_n or 0)
    if not max_n or not 0 <= min_n <= max_n:
        raise WorkloadError(f"between {min_n} and {max_n} new tokens cannot be generated")
    if settings.weights == "random":
        # Random weights would end their texts at random.
        min_n = max_n = min(max(_usual_answer_n(loaded.cell) or max_n, min_n, 1), max_n)
    if settings.beams_n < 1:
        raise WorkloadError(f"beams_n is {settings.beams_n}; 1 is greedy, more are beams")
    room_n = _written_limit_n(model)
    if room_n is not None and max_n > room_n:
        raise WorkloadError(f"{loaded.cell.model} writes {room_n} tokens at most; new_tokens_max_n is {max_n}")
    # A captioner hands over to a model of language, with tokens of its own.
    language = getattr(model, "text_decoder", None) or getattr(model, "language_model", None) or model
    own = copy.deepcopy(model.generation_config)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"):
        for source in (language.generation_config, language.config, tokenizer):
            if getattr(own, name) is None:
                setattr(own, name, getattr(source, name, None))
    if hasattr(model, "text_decoder"):
        own.eos_token_id = model.config.text_config.sep_token_id  # BLIP ends its captions so, whatever it is told
    ends = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
    if own.pad_token_id is None:
        own.pad_token_id = ends[0]
    runs_on = min_n == max_n and settings.beams_n == 1
    if runs_on and hasattr(model, "text_decoder"):
        model.config.text_config.sep_token_id = None
    own.update(
        eos_token_id=None if runs_on else own.eos_token_id,
        do_sample=False,
        num_beams=settings.beams_n,
        num_return_sequences=1,
        temperature=None,
        top_k=None,
        top_p=None,
        max_new_tokens=max_n,
        min_new_tokens=min_n,
        max_length=None,
        min_length=0,
    )
    # Version 4 takes the model's own value for whatever is left at the library's default, such as one beam.
    model.generation_config = language.generation_config = own
    return _Writer(tokenizer, own, frozenset(end for end in ends if end is not None), runs_on)


def _usual_answer_n(cell: Cell) -> int | None:
    """How many tokens a prompted model writes about a dataset of the catalogue; ``None`` where that is not known.

    The middle of what the study's eight prompted models wrote on average, ``output_words`` in the catalogue.
    """
    known = known_datasets().get(cell.dataset.partition(":")[0])
    if cell.purpose is not Purpose.MULTI_PURPOSE or known is None or known.output_words is None:
        return None
    least, greatest = known.output_words
    return ceil((least + greatest) / 2 * TOKENS_PER_WORD)


def _shortened(tokenizer: Any, template: str, row: Row, limit_n: int) -> Row:
    """The row, its longest column in the template cut so that the prompt has ``limit_n`` tokens at most.

    As it is where nothing has to be cut, or where the template alone is too long: the tokenizer cuts that.
    """

    def excess_n(candidate: Row) -> int:
        return len(tokenizer(fill_in(template, candidate))["input_ids"]) - limit_n

    named = [name for _, name, _, _ in Formatter().parse(template) if name and isinstance(row.get(name), str)]
    over_n = excess_n(row)
    if over_n <= 0 or not named:
        return row
    ends = {name: _piece_ends(tokenizer, row[name]) for name in named}
    longest = max(named, key=lambda name: len(ends[name]))
    kept_n = len(ends[longest])
    while (kept_n := kept_n - over_n) > 0:
        cut = {**row, longest: row[longest][: ends[longest][kept_n - 1]]}
        # Where the cut parts a word, its pieces may be others than before.
        if (over_n := excess_n(cut)) <= 0:
            return cut
    return row


def _piece_ends(tokenizer: Any, text: str) -> list[int]:
    """Behind which character each token of a text ends; spread evenly by a tokenizer that does not tell."""
    if tokenizer.is_fast:
        pieces = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return [end for _, end in pieces["offset_mapping"]]
    pieces_n = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    return [len(text) * (piece_i + 1) // pieces_n for piece_i in range(pieces_n)]


def _asks_for_words(model: Any) -> bool:
    """Whether a model looks for an image's place among the words of its prompt, which a captioner fills in itself."""
    from transformers import GenerationMixin

    placed = any(getattr(model.config, name, None) is not None for name in ("image_token_id", "image_token_index"))
    own_way = type(model).generate is not GenerationMixin.generate
    return (placed and not own_way) or "qformer_input_ids" in parameters_of(model)


def _written_limit_n(model: Any) -> int | None:
    """How many tokens a decoder behind an encoder can write, by its table of positions; ``None`` without limit."""
    config = model.config
    if not config.is_encoder_decoder:
        return None
    config = getattr(config, "decoder", None) or config
    for name in ("max_decoder_position_embeddings", "max_position_embeddings"):
        if limit_n := getattr(config, name, None):
            return int(limit_n)
    return None


def _sparse(model: Any) -> bool:
    """Whether the model is a BigBird that reads with sparse attention."""
    return getattr(model.config, "attention_type", None) == "block_sparse"


def _stays_sparse(model: Any, shortest_n: int) -> bool:
    """Whether a BigBird can read all texts sparsely, of which the shortest has so many tokens.

    At the first text that is too short for that, transformers turns its attention into a full one, for good. Done
    here, before the first query, all queries are treated alike.
    """
    if not _sparse(model):
        return False
    config = model.config
    if shortest_n > (5 + 2 * config.num_random_blocks) * config.block_size:
        return True
    model.get_encoder().set_attention_type("original_full")
    return False


def _likelihood(loaded: Loaded, tokenizer: Any, words: str, limit_n: int) -> tuple[float, int] | None:
    """Minus the log-likelihood of a text's tokens in nats, each after those before it; the first is not predicted."""
    import torch

    pieces = tokenizer(words, truncation=True, max_length=limit_n, return_tensors="pt")["input_ids"].to(loaded.device)
    if pieces.shape[-1] < 2:
        return None
    logits = loaded.model(input_ids=pieces).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(logits, pieces[0, 1:], reduction="sum")), pieces.shape[-1] - 1
