"""Tiny fast tokenizers of the kinds that the study's models have, made of the samples that they will read."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from joulemark.workloads.miniature import corpora

PIECES_N = 500  # of byte pairs
WORDS_N = 400


@cache
def texts() -> tuple[str, ...]:
    """What is trained on: texts of every task."""
    found: list[str] = []
    for name in ("reviews", "questions", "cloze", "openings", "articles", "entities", "scenes", "picture-prompts"):
        for row in corpora.rows(name, "train", 60):
            found += [value for key, value in row.items() if isinstance(value, str) and key != "label"]
            found += [" ".join(row["tokens"])] if "tokens" in row else []
    return tuple(found)


@cache
def _words() -> tuple[tuple[str, int], ...]:
    """The commonest words and how often each is there. The trainers of pieces break ties differently every time."""
    counted = Counter(word for text in texts() for word in re.findall(r"\w+|[^\w\s]", text))
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:WORDS_N])


@cache
def _signs() -> tuple[str, ...]:
    return tuple(sorted({sign for text in texts() for sign in text if not sign.isspace()}))


def word_pieces(limit_n: int, **options: Any) -> Any:
    """Of BERT: [CLS] text [SEP], in lower case."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    special["mask_token"] = "[MASK]"
    signs = [sign.lower() for sign in _signs()]
    pieces = [*special.values(), *signs, *(f"##{sign}" for sign in signs), *(word.lower() for word, _ in _words())]
    vocabulary = {piece: piece_i for piece_i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return _fast(tokenizer, special, limit_n, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", **options)


def byte_pairs(
    limit_n: int, special: Mapping[str, str], single: str | None = None, pair: str | None = None, **options: Any
) -> Any:
    """Of GPT-2, RoBERTa, BART, OPT, BLOOM: bytes, no unknown words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=options.pop("add_prefix_space", False))
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES_N,
        special_tokens=list(dict.fromkeys(special.values())),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return _fast(tokenizer, special, limit_n, single, pair, **options)


def unigrams(
    limit_n: int, special: Mapping[str, str], single: str | None = None, pair: str | None = None, **options: Any
) -> Any:
    """Of T5, Pegasus, ALBERT, XLM-R, DeBERTa v2: pieces with a sign for the blank before a word."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    scores = dict.fromkeys((*special.values(), *_signs(), "▁"), -12.0)
    total_n = sum(often_n for _, often_n in _words())
    scores |= {f"▁{word}": math.log(often_n / total_n) for word, often_n in _words()}
    unknown_i = list(scores).index(special["unk_token"])
    tokenizer = Tokenizer(models.Unigram(list(scores.items()), unk_id=unknown_i))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return _fast(tokenizer, special, limit_n, single, pair, **options)


ROBERTA = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
ROBERTA_SINGLE, ROBERTA_PAIR = "<s> $A </s>", "<s> $A </s> </s> $B </s>"


def roberta(limit_n: int) -> Any:
    return byte_pairs(limit_n, ROBERTA, ROBERTA_SINGLE, ROBERTA_PAIR, **_NO_TYPES, add_prefix_space=True)


def xlm_roberta(limit_n: int) -> Any:
    return unigrams(limit_n, ROBERTA, ROBERTA_SINGLE, ROBERTA_PAIR, **_NO_TYPES)


def bart(limit_n: int) -> Any:
    return byte_pairs(limit_n, ROBERTA, ROBERTA_SINGLE, ROBERTA_PAIR, **_NO_TYPES)


def gpt2(limit_n: int) -> Any:
    """One special token for everything, and none for padding."""
    end = "<|endoftext|>"
    return byte_pairs(limit_n, {"bos_token": end, "eos_token": end, "unk_token": end}, **_NO_TYPES)


def opt(limit_n: int) -> Any:
    special = {"bos_token": "</s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "</s>"}
    return byte_pairs(limit_n, special, "</s> $A", "</s> $A </s> $B", **_NO_TYPES)


def bloom(limit_n: int) -> Any:
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return byte_pairs(limit_n, special, **_NO_TYPES, padding_side="left")


def llama(limit_n: int) -> Any:
    """No token for padding."""
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return unigrams(limit_n, special, "<s> $A", "<s> $A <s> $B", **_NO_TYPES)


def t5(limit_n: int) -> Any:
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return unigrams(limit_n, special, "$A </s>", "$A </s> $B </s>", **_NO_TYPES)


def pegasus(limit_n: int) -> Any:
    special = {"pad_token": "<pad>", "eos_token": "</s>", "mask_token": "<mask_2>", "unk_token": "<unk>"}
    return unigrams(limit_n, special, "$A </s>", "$A $B </s>", **_NO_TYPES)


def big_bird_pegasus(limit_n: int) -> Any:
    special = {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"}
    return unigrams(limit_n, special, "$A </s>", "$A $B </s>", **_NO_TYPES)


def albert(limit_n: int) -> Any:
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    special["mask_token"] = "[MASK]"
    return unigrams(limit_n, special, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")


def deberta(limit_n: int) -> Any:
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    special["mask_token"] = "[MASK]"
    return byte_pairs(limit_n, special, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")


def deberta_v2(limit_n: int) -> Any:
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    special["mask_token"] = "[MASK]"
    return unigrams(limit_n, special, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")


def clip(limit_n: int) -> Any:
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    special["unk_token"] = "<|endoftext|>"
    return byte_pairs(limit_n, special, "<|startoftext|> $A <|endoftext|>", "$A $B", **_NO_TYPES)


# What tells a tokenizer of a model without token types.
_NO_TYPES: Mapping[str, Any] = {"model_input_names": ["input_ids", "attention_mask"]}


def _fast(
    tokenizer: Any,
    special: Mapping[str, str],
    limit_n: int,
    single: str | None,
    pair: str | None,
    **options: Any,
) -> Any:
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    if single is not None:
        placed: Sequence[tuple[str, int]] = [
            (token, tokenizer.token_to_id(token)) for token in dict.fromkeys(special.values())
        ]
        tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=placed)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=limit_n, **special, **options)
