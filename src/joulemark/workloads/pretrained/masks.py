"""The masked word of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulemark.workloads.pretrained.loading import Loaded, Opened, Row, input_limit_n, takes, tokenizer_of, unpadded_n
from joulemark.workloads.samples import Samples
from joulemark.workloads.workload import Answer, WorkloadError

MASK = "[MASK]"  # how a sample marks the missing word; the tokenizer's own mask takes its place
GUESSES_N = 5  # words that a masked model puts forward
LIKELIHOOD_MAX_N = 128  # tokens of a text whose likelihood is taken
LIKELIHOODS_MAX_N = 3_000  # tokens of all texts together: each is a pass through the model

_AT_ONCE_N = 32  # copies of a text, each with another token masked, that are asked together


def guesses(loaded: Loaded, samples: Samples) -> Opened:
    """The ``GUESSES_N`` most likely pieces for the masked word, best first; none where the mask was cut off.

    Raises:
        WorkloadError: a sample has no mask, or more than one, or the tokenizer has none.
    """
    tokenizer = tokenizer_of(loaded, padding_side="right")
    limit_n = input_limit_n(loaded, tokenizer)
    if tokenizer.mask_token is None:
        raise WorkloadError(f"the tokenizer of {loaded.cell.model} has no mask token")
    for row in samples.rows:
        if row["text"].count(MASK) != 1:
            raise WorkloadError(f"a text to fill has {MASK} exactly once; sample {row['id']} has not")

    def ask(rows: Sequence[Row]) -> list[Answer]:
        texts = [row["text"].replace(MASK, tokenizer.mask_token) for row in rows]
        batch = tokenizer(texts, padding=True, truncation=True, max_length=limit_n, return_tensors="pt")
        inputs_n = unpadded_n(batch)
        text_i, piece_i = (batch["input_ids"] == tokenizer.mask_token_id).nonzero(as_tuple=True)
        logits = loaded.model(**takes(loaded.model, batch.to(loaded.device))).logits
        best = logits[text_i.to(loaded.device), piece_i.to(loaded.device)].topk(GUESSES_N).indices.tolist()
        found = dict(zip(text_i.tolist(), best, strict=True))
        return [
            Answer(tuple(tokenizer.decode([piece]).strip() for piece in found.get(row_i, ())), input_n)
            for row_i, input_n in enumerate(inputs_n)
        ]

    def likelihoods() -> list[tuple[float, int] | None]:
        found: list[tuple[float, int] | None] = []
        tokens_n = 0
        for row in samples.rows:
            one = None
            if tokens_n < LIKELIHOODS_MAX_N:
                one = _pseudo_likelihood(loaded, tokenizer, _own_text(row), limit_n)
            tokens_n += one[1] if one else 0
            found.append(one)
        return found

    return Opened(ask, likelihoods, limit_n=limit_n)


def _own_text(row: Row) -> str:
    """The text of a sample without its mask: with the word that was there, if the sample says which."""
    text: str = row["text"].replace(MASK, row.get("answer") or "").strip()
    return text


def _pseudo_likelihood(loaded: Loaded, tokenizer: Any, text: str, limit_n: int) -> tuple[float, int] | None:
    """Minus the pseudo-log-likelihood of a text: each token is masked in turn and predicted from all others.

    Salazar et al., "Masked Language Model Scoring" (2020), equation 1; special tokens are not masked. Of a long text
    the first ``LIKELIHOOD_MAX_N`` tokens count, and are all that is read.
    """
    import torch

    batch = tokenizer(
        text,
        truncation=True,
        max_length=min(limit_n, LIKELIHOOD_MAX_N + tokenizer.num_special_tokens_to_add()),
        return_special_tokens_mask=True,
        return_tensors="pt",
    )
    places = (batch.pop("special_tokens_mask")[0] == 0).nonzero().flatten()
    if not len(places):
        return None
    inputs = takes(loaded.model, batch.to(loaded.device))
    total_nats = 0.0
    for some in places.split(_AT_ONCE_N):
        copies = {name: tensor.repeat(len(some), 1) for name, tensor in inputs.items()}
        copy_i, token_i = torch.arange(len(some), device=loaded.device), some.to(loaded.device)
        wanted = copies["input_ids"][copy_i, token_i]
        copies["input_ids"][copy_i, token_i] = tokenizer.mask_token_id
        logits = loaded.model(**copies).logits[copy_i, token_i].float()
        total_nats += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
    return total_nats, len(places)
