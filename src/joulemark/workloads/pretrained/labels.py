"""Labels: of a text, of each of its words, of an image."""

from __future__ import annotations

from collections.abc import Sequence

from joulemark.workloads.pretrained.loading import (
    Loaded,
    Opened,
    Row,
    image_processor_of,
    input_limit_n,
    takes,
    tokenizer_of,
    unpadded_n,
)
from joulemark.workloads.samples import Samples
from joulemark.workloads.workload import Answer

IMAGE_LABELS_N = 5  # labels that an image gets at most, best first


def text_labels(loaded: Loaded, _: Samples) -> Opened:
    """The most likely label of a text, as its name."""
    tokenizer = tokenizer_of(loaded, padding_side="right")
    limit_n, names = input_limit_n(loaded, tokenizer), loaded.model.config.id2label
    if loaded.model.config.pad_token_id is None:
        loaded.model.config.pad_token_id = tokenizer.pad_token_id  # a decoder looks for the last token before it

    def ask(rows: Sequence[Row]) -> list[Answer]:
        batch = tokenizer(
            [row["text"] for row in rows], padding=True, truncation=True, max_length=limit_n, return_tensors="pt"
        )
        inputs_n = unpadded_n(batch)
        best = loaded.model(**takes(loaded.model, batch.to(loaded.device))).logits.argmax(-1).tolist()
        return [Answer(names[label_i], input_n) for label_i, input_n in zip(best, inputs_n, strict=True)]

    return Opened(ask, limit_n=limit_n)


def word_tags(loaded: Loaded, _: Samples) -> Opened:
    """A tag for every word: that of its first piece. Words that were cut off are outside of every entity."""
    tokenizer = tokenizer_of(loaded, padding_side="right", add_prefix_space=True)
    limit_n, names = input_limit_n(loaded, tokenizer), loaded.model.config.id2label

    def ask(rows: Sequence[Row]) -> list[Answer]:
        batch = tokenizer(
            [list(row["tokens"]) for row in rows],
            is_split_into_words=True,
            padding=True,
            truncation=True,
            max_length=limit_n,
            return_tensors="pt",
        )
        inputs_n = unpadded_n(batch)
        words_of_pieces = [batch.word_ids(row_i) for row_i in range(len(rows))]
        labels_of_pieces = loaded.model(**takes(loaded.model, batch.to(loaded.device))).logits.argmax(-1).tolist()
        answers = []
        for row, word_of_piece, label_of_piece, input_n in zip(
            rows, words_of_pieces, labels_of_pieces, inputs_n, strict=True
        ):
            tags = ["O"] * len(row["tokens"])
            # Backwards, so that a word's first piece has the last say.
            for word_i, label_i in zip(reversed(word_of_piece), reversed(label_of_piece), strict=True):
                if word_i is not None:
                    tags[word_i] = names[label_i]
            answers.append(Answer(tuple(tags), input_n))
        return answers

    return Opened(ask, limit_n=limit_n)


def image_labels(loaded: Loaded, _: Samples) -> Opened:
    """The names of an image's ``IMAGE_LABELS_N`` most likely labels, or of all if there are fewer, best first."""
    processor, names = image_processor_of(loaded), loaded.model.config.id2label
    kept_n = min(IMAGE_LABELS_N, len(names))

    def ask(rows: Sequence[Row]) -> list[Answer]:
        batch = processor(images=[row["image"] for row in rows], return_tensors="pt")
        logits = loaded.model(**takes(loaded.model, batch.to(loaded.device, loaded.dtype))).logits
        return [Answer(tuple(names[label_i] for label_i in best)) for best in logits.topk(kept_n).indices.tolist()]

    return Opened(ask)
