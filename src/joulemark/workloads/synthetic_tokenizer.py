"""Tokenizers made in memory for the catalogue's models, which know the words "w0", "w1", … and one token for each."""

from __future__ import annotations

from typing import Any

from joulemark.workloads.catalogue import CatalogueModel, architecture_of
from joulemark.workloads.workload import WorkloadError


def synthetic_tokenizer(model: CatalogueModel, name: str = "tokenizer") -> Any:
    """A fast tokenizer with the size, the special tokens and their numbers, and the limit of the model's own.

    Its words are "w0", "w1", …, numbered in order, around the special tokens. All other words and signs are the
    unknown token.

    Args:
        model: a model with text on one side.
        name: "tokenizer", or "tokenizer_2" of a pipeline that has two.

    Returns:
        A ``transformers.PreTrainedTokenizerFast``.

    Raises:
        WorkloadError: the model has no such tokenizer.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    described = _description(model, name)
    specials: dict[str, tuple[str, int]] = described["special_tokens"]
    number_of = dict(specials.values())
    taken = set(number_of.values())
    free = (number for number in range(described["vocabulary_n"]) if number not in taken)
    vocabulary = {**number_of, **{f"w{word_i}": number for word_i, number in enumerate(free)}}
    tokenizer = Tokenizer(models.WordLevel(vocab=vocabulary, unk_token=specials["unk"][0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=described["single"], pair=described["pair"], special_tokens=list(number_of.items())
    )
    roles = {"bos", "eos", "unk", "sep", "pad", "cls", "mask"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=described["input_max_n"],
        model_input_names=list(described["inputs"]),
        clean_up_tokenization_spaces=False,
        **{f"{role}_token": token for role, (token, _) in specials.items() if role in roles},
    )


def synthetic_vocabulary_n(model: CatalogueModel) -> int:
    """How many words "w0", "w1", … the model's synthetic tokenizer knows.

    Raises:
        WorkloadError: the model has no tokenizer.
    """
    described = _description(model, "tokenizer")
    words_n: int = described["vocabulary_n"] - len({number for _, number in described["special_tokens"].values()})
    return words_n


def _description(model: CatalogueModel, name: str) -> Any:
    described = architecture_of(model).get(name)
    if described is None:
        raise WorkloadError(f"{model.model} reads and writes no text: it has no {name}")
    return described
