"""How close a summary or a caption is to the one that a person wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulemark.workloads.scored import Scored

ROUGES = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def rouges(values: Sequence[Any], golds: Sequence[Any]) -> Scored | str:
    """The F-measures of ROUGE (Lin, 2004), from 0 to 1, stemmed, by rouge-score; the mean over answers.

    Of several right answers the one with the best F-measure counts, for each metric alone. A text's own score is its
    ``rougeL``. ``rougeLsum`` takes each line for a sentence.

    Returns:
        The metrics, or why there are none: rouge-score knows no letters but a to z.
    """
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import DefaultTokenizer

    tokens_of = DefaultTokenizer(use_stemmer=True).tokenize
    references = [_references(gold) for gold in golds]
    if not any(tokens_of(reference) for several in references for reference in several):
        return "ROUGE knows the letters a to z and digits only, and the right answers have none of them"
    scorer = RougeScorer(ROUGES, use_stemmer=True)
    found = [scorer.score_multi(several, _text(value)) for several, value in zip(references, values, strict=True)]
    means = {name: sum(float(one[name].fmeasure) for one in found) / len(found) for name in ROUGES}
    return Scored(means, [float(one["rougeL"].fmeasure) for one in found])


def bleu(values: Sequence[Any], golds: Sequence[Any]) -> Scored:
    """``bleu`` of all answers together (Papineni et al., 2002), from 0 to 100, by sacrebleu (Post, 2018).

    Its defaults: 13a tokens, up to four at a time, exponential smoothing, case counts. An answer alone has no BLEU.
    """
    from sacrebleu.metrics.bleu import BLEU

    references = [_references(gold) for gold in golds]
    # sacrebleu wants the first reference of every answer, then the second, …, and None where there is no such.
    streams: Any = [
        [several[place_i] if place_i < len(several) else None for several in references]
        for place_i in range(max(len(several) for several in references))
    ]
    score = BLEU().corpus_score([_text(value) for value in values], streams).score
    return Scored({"bleu": min(float(score), 100.0)}, [None] * len(values))  # sacrebleu says 100.00000000000004


def _references(gold: Any) -> list[str]:
    return [str(one) for one in gold] if isinstance(gold, list | tuple) else [str(gold)]


def _text(value: Any) -> str:
    return "" if value is None else str(value)
