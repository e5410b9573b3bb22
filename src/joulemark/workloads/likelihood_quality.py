"""How well a model predicts texts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from joulemark.workloads.scored import Scored


def perplexity(metric: str, likelihoods: Sequence[tuple[float, int]]) -> Scored | str:
    """The exponential of the mean negative log-likelihood per token, over all tokens of all texts.

    With likelihoods of a decoder this is the perplexity, with those of a masked model, whose tokens are masked in turn,
    the pseudo-perplexity (Salazar et al., "Masked Language Model Scoring", 2020). A text's own score is its own.

    Args:
        metric: what it is called.
        likelihoods: per text the negative log-likelihood in nats, and over how many tokens it is summed.

    Returns:
        The metric, or why there is none.
    """
    tokens_n = sum(text_tokens_n for _, text_tokens_n in likelihoods)
    if tokens_n == 0:
        return "no text of the samples has a token to predict"
    try:
        each = [math.exp(nats / text_tokens_n) if text_tokens_n else None for nats, text_tokens_n in likelihoods]
        overall = math.exp(sum(nats for nats, _ in likelihoods) / tokens_n)
    except OverflowError:
        overall = math.inf
    if not math.isfinite(overall):
        return "the likelihood of a text is not a finite number"
    return Scored({metric: overall}, each)
