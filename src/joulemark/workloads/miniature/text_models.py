"""Recipes for the tiny language models.

The encoders read one sentence in one pass; two layers of 64 are enough for one task. The prompted decoder reads an
instruction in front of the same sentence, knows two tasks, and writes its answer word by word: it has three times the
layers, sees twice the tokens, and runs once per token that it writes. That is where its extra energy comes from, here
as with large models. It was trained on the prompts that it is asked with, so it shows what prompting costs, not what a
model can do that never saw the task.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joulemark.workloads.miniature import corpora
from joulemark.workloads.miniature.training import SEED, fit
from joulemark.workloads.tasks import TEXT_CLASSIFICATION

_VALIDATION_N = 256  # rows of the train split that are kept from training, to know when to stop
_IGNORED = -100  # torch's label for positions that the loss leaves out

TOPIC_PROMPT = "what is the topic of the following sentence? {text}"


def sentiment_encoder(folder: Path) -> None:
    """A BERT with two layers of 64, trained on the reviews: positive or negative."""
    import torch
    from transformers import BertForSequenceClassification

    train, validation = train_rows("reviews", 3000)
    tokenizer = _word_pieces([row["text"] for row in train], model_max_length=64)
    labels = ("negative", "positive")
    model = BertForSequenceClassification(_bert_config(tokenizer, labels))

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch = dict(tokenizer([row["text"] for row in rows], padding=True, return_tensors="pt"))
        return batch | {"labels": torch.tensor([labels.index(row["label"]) for row in rows])}

    held_out = collate(validation)
    fit(
        model,
        train,
        collate,
        lambda: share_right(model(**held_out).logits, held_out["labels"]),
        target_ratio=0.985,
        steps_max_n=300,
    )
    _save(folder, model, tokenizer)


def prompted_decoder(folder: Path) -> None:
    """A Llama with six layers of 64, trained to answer two prompts about a review: its sentiment and its topic."""
    import torch
    from transformers import LlamaForCausalLM

    train, validation = train_rows("reviews", 3000)
    prompts = {"label": str(TEXT_CLASSIFICATION.prompt), "topic": TOPIC_PROMPT}
    texts = [f"{prompt.format(**row)} {row[column]}" for row in train for column, prompt in prompts.items()]
    tokenizer = byte_pairs(texts, model_max_length=96)
    model = LlamaForCausalLM(_llama_config(tokenizer, layers_n=6))
    rng = random.Random(SEED)

    def asked(row: Mapping[str, Any], column: str) -> tuple[list[int], list[int]]:
        prompt: list[int] = tokenizer(prompts[column].format(**row)).input_ids
        answer: list[int] = tokenizer(f" {row[column]}").input_ids
        return prompt, [*answer, tokenizer.eos_token_id]

    def pad(pairs: Sequence[tuple[list[int], list[int]]]) -> dict[str, Any]:
        width_n = max(len(prompt) + len(answer) for prompt, answer in pairs)
        ids = torch.full((len(pairs), width_n), tokenizer.pad_token_id)
        labels = torch.full((len(pairs), width_n), _IGNORED)
        for row_i, (prompt, answer) in enumerate(pairs):
            both = torch.tensor(prompt + answer)
            ids[row_i, : len(both)] = both
            labels[row_i, len(prompt) : len(both)] = both[len(prompt) :]
        return {"input_ids": ids, "labels": labels}

    # Sentiment, the harder of the two, is asked twice as often.
    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return pad([asked(row, rng.choice(("label", "label", "topic"))) for row in rows])

    held_out = [pad([asked(row, column) for row in validation]) for column in prompts]

    def all_tokens_right(batch: Mapping[str, Any]) -> float:
        guesses = model(input_ids=batch["input_ids"]).logits[:, :-1].argmax(-1)
        labels = batch["labels"][:, 1:]
        return float(((guesses == labels) | (labels == _IGNORED)).all(-1).float().mean())

    fit(
        model,
        train,
        collate,
        lambda: min(all_tokens_right(batch) for batch in held_out),
        target_ratio=0.96,
        steps_max_n=400,
        learning_rate=4e-3,
    )
    _save(folder, model, tokenizer)


def text_decoder(folder: Path) -> None:
    """A Llama with four layers of 64 and random weights, for the cost of continuing a text."""
    from transformers import LlamaForCausalLM

    tokenizer = byte_pairs([row["text"] for row in corpora.rows("openings", "train", 1000)], model_max_length=128)
    _save(folder, LlamaForCausalLM(_llama_config(tokenizer, layers_n=4)), tokenizer)


def entity_tagger(folder: Path) -> None:
    """A cased BERT with two layers of 64, trained to tag persons, places and organisations."""
    import torch
    from transformers import BertForTokenClassification

    train, validation = train_rows("entities", 2000)
    tokenizer = _word_pieces([" ".join(row["tokens"]) for row in train], model_max_length=64, lowercase=False)
    tags = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")
    model = BertForTokenClassification(_bert_config(tokenizer, tags))

    # Only a word's first piece is labelled, as only its tag is asked for.
    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch = tokenizer(
            [list(row["tokens"]) for row in rows], is_split_into_words=True, padding=True, return_tensors="pt"
        )
        labels = torch.full_like(batch["input_ids"], _IGNORED)
        for row_i, row in enumerate(rows):
            words = batch.word_ids(row_i)
            for piece_i, word_i in enumerate(words):
                if word_i is not None and words[piece_i - 1] != word_i:
                    labels[row_i, piece_i] = tags.index(row["tags"][word_i])
        return dict(batch) | {"labels": labels}

    held_out = collate(validation)
    fit(
        model,
        train,
        collate,
        lambda: share_right(model(**held_out).logits, held_out["labels"]),
        target_ratio=0.995,
        steps_max_n=200,
    )
    _save(folder, model, tokenizer)


def question_reader(folder: Path) -> None:
    """A BERT with two layers of 64, trained to mark the answer to a question in a sentence."""
    import torch
    from transformers import BertForQuestionAnswering

    train, validation = train_rows("questions", 3000)
    texts = [row[column] for row in train for column in ("question", "context")]
    tokenizer = _word_pieces(texts, model_max_length=64)
    model = BertForQuestionAnswering(_bert_config(tokenizer))

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch = tokenizer(
            [row["question"] for row in rows], [row["context"] for row in rows], padding=True, return_tensors="pt"
        )
        spans = []
        for row_i, row in enumerate(rows):
            first_i = row["context"].index(row["answers"][0])
            last_i = first_i + len(row["answers"][0]) - 1
            spans.append([batch.char_to_token(row_i, at_i, sequence_index=1) for at_i in (first_i, last_i)])
        starts, ends = torch.tensor(spans).T
        return dict(batch) | {"start_positions": starts, "end_positions": ends}

    held_out = collate(validation)

    def spans_right() -> float:
        output = model(**held_out)
        starts_right = output.start_logits.argmax(-1) == held_out["start_positions"]
        return float((starts_right & (output.end_logits.argmax(-1) == held_out["end_positions"])).float().mean())

    fit(model, train, collate, spans_right, target_ratio=0.97, steps_max_n=400)
    _save(folder, model, tokenizer)


def masked_encoder(folder: Path) -> None:
    """A BERT with two layers of 64, trained to fill in words that are left out of a review."""
    import torch
    from transformers import BertForMaskedLM

    train, validation = train_rows("cloze", 3000)
    tokenizer = _word_pieces([row["sentence"] for row in train], model_max_length=64)
    model = BertForMaskedLM(_bert_config(tokenizer))
    hidden_share_ratio = 0.2

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch = dict(tokenizer([row["sentence"] for row in rows], padding=True, return_tensors="pt"))
        labels = batch["input_ids"].clone()
        ordinary = labels > tokenizer.mask_token_id  # the special tokens come first in the vocabulary
        hidden = ordinary & (torch.rand(labels.shape) < hidden_share_ratio)
        batch["input_ids"][hidden] = tokenizer.mask_token_id
        labels[~hidden] = _IGNORED
        return batch | {"labels": labels}

    held_out = tokenizer([row["text"] for row in validation], padding=True, return_tensors="pt")
    answers = torch.tensor(tokenizer.convert_tokens_to_ids([row["answer"] for row in validation]))

    def among_five() -> float:
        logits = model(**held_out).logits[held_out["input_ids"] == tokenizer.mask_token_id]
        return float((logits.topk(5).indices == answers[:, None]).any(-1).float().mean())

    fit(model, train, collate, among_five, target_ratio=0.75, steps_max_n=300)
    _save(folder, model, tokenizer)


def summarizer(folder: Path) -> None:
    """A T5 with two layers of 64 in encoder and decoder and random weights, for the cost of summarizing."""
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = byte_pairs([row["text"] for row in corpora.rows("articles", "train", 500)], model_max_length=256)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    _save(folder, T5ForConditionalGeneration(config), tokenizer)


def train_rows(name: str, rows_n: int) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    """Rows to train on, and rows of the same split to tell when to stop."""
    rows = corpora.rows(name, "train", rows_n + _VALIDATION_N)
    return rows[_VALIDATION_N:], rows[:_VALIDATION_N]


def label_names(labels: Sequence[str]) -> dict[str, Any]:
    """A configuration's two tables of label names."""
    return {"id2label": dict(enumerate(labels)), "label2id": {label: label_i for label_i, label in enumerate(labels)}}


def share_right(logits: Any, labels: Any) -> float:
    """The share of positions with a label where the greatest logit is the label's."""
    return float((logits.argmax(-1) == labels)[labels != _IGNORED].float().mean())


def _bert_config(tokenizer: Any, labels: Sequence[str] = ()) -> Any:
    from transformers import BertConfig

    # An initializer range of 0.02, the usual, suits widths of several hundred; at 64 training stands still for long.
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=tokenizer.model_max_length,
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **(label_names(labels) if labels else {}),
    )


def _llama_config(tokenizer: Any, *, layers_n: int) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=layers_n,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=160,
        max_position_embeddings=tokenizer.model_max_length,
        initializer_range=0.1,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _word_pieces(texts: Sequence[str], *, model_max_length: int, lowercase: bool = True) -> Any:
    """A WordPiece tokenizer that knows the words of ``texts``; others fall into characters.

    The library's own trainer numbers the characters anew in every process, and other numbers mean other weights.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer, splitter = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    words = {word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))}
    characters = sorted(set("".join(words)))
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = dict.fromkeys([*specials, *characters, *(f"##{character}" for character in characters), *sorted(words)])
    vocabulary = {piece: piece_i for piece_i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=model_max_length,
    )


def byte_pairs(texts: Sequence[str], *, model_max_length: int) -> Any:
    """A byte-level BPE tokenizer trained on ``texts``; one special token begins, ends and pads."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = "<|endoftext|>"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=1000,
            special_tokens=[special],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=special,
        eos_token=special,
        pad_token=special,
        model_max_length=model_max_length,
    )


def _save(folder: Path, model: Any, tokenizer: Any) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
