"""The answer to a question as a span of the text that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulemark.workloads.pretrained.loading import Loaded, Opened, Row, input_limit_n, takes, tokenizer_of, unpadded_n
from joulemark.workloads.samples import Samples
from joulemark.workloads.workload import Answer, WorkloadError

SPAN_MAX_N = 30  # tokens of the longest span that can be an answer
WINDOW_MAX_N = 384  # tokens of question and context that are read at once
STRIDE_MAX_N = 128  # tokens of the context that a window repeats of the one before
QUESTION_MAX_N = 64  # tokens of a question; what follows is cut off


def spans(loaded: Loaded, samples: Samples) -> Opened:
    """The best span of the context; "" where the context is empty, or where no span beats having no answer.

    A context that does not fit is read in windows of ``WINDOW_MAX_N`` tokens, or of the model's limit where that is
    lower, which overlap by ``STRIDE_MAX_N`` or a third of that limit: the sizes of Devlin et al., "BERT" (2019), and
    of the pipeline that transformers had until version 5. The span with the greatest sum of logits in any window
    wins. Having no answer takes part where the samples hold questions without one, as in SQuAD 2.0; it counts the
    sum at the first token, in the window where that is least (ibid., section 4.3). Input tokens are those of all
    windows.

    Raises:
        WorkloadError: the cell's limit leaves no room for a context.
    """
    tokenizer = tokenizer_of(loaded, padding_side="right")
    window_n = min(input_limit_n(loaded, tokenizer), WINDOW_MAX_N)
    text_n = window_n - tokenizer.num_special_tokens_to_add(pair=True)
    if text_n < 3:
        raise WorkloadError(f"windows of {window_n} tokens leave {loaded.cell.model} no room for question and context")
    question_max_n = min(QUESTION_MAX_N, text_n // 3)
    stride_n = min(STRIDE_MAX_N, text_n // 3)
    asked_n = loaded.cell.settings.input_tokens_max_n
    answerless = any(row.get("answers") == () for row in samples.rows)

    def ask(rows: Sequence[Row]) -> list[Answer]:
        questions, contexts = [], []
        for row in rows:
            question, question_n = _cut_off(tokenizer, row["question"], question_max_n)
            context = row["context"]
            if asked_n is not None:
                context, _ = _cut_off(tokenizer, context, text_n - window_n + asked_n - question_n)
            questions.append(question)
            contexts.append(context)
        batch = tokenizer(
            questions,
            contexts,
            truncation="only_second",
            max_length=window_n,
            stride=stride_n,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=True,
            return_tensors="pt",
        )
        row_of_window = batch.pop("overflow_to_sample_mapping").tolist()
        characters = batch.pop("offset_mapping").tolist()
        windows_n = unpadded_n(batch)
        texts_of_pieces = [batch.sequence_ids(window_i) for window_i in range(len(row_of_window))]
        output = loaded.model(**takes(loaded.model, batch.to(loaded.device)))
        starts, ends = (logits.float().cpu().numpy() for logits in (output.start_logits, output.end_logits))

        inputs_n = [0] * len(rows)
        found: list[tuple[float, str] | None] = [None] * len(rows)
        none_is_worth = [float("inf")] * len(rows)
        for window_i, row_i in enumerate(row_of_window):
            inputs_n[row_i] += windows_n[window_i]
            none_is_worth[row_i] = min(none_is_worth[row_i], float(starts[window_i][0] + ends[window_i][0]))
            if 1 not in texts_of_pieces[window_i]:
                continue
            first_i = texts_of_pieces[window_i].index(1)
            last_i = first_i + texts_of_pieces[window_i].count(1) - 1
            from_i, to_i = best_span(starts[window_i], ends[window_i], first_i, last_i)
            worth, best = float(starts[window_i][from_i] + ends[window_i][to_i]), found[row_i]
            if best is None or worth > best[0]:
                span = contexts[row_i][characters[window_i][from_i][0] : characters[window_i][to_i][1]]
                found[row_i] = worth, span.strip()
        return [
            Answer("" if best is None or (answerless and none > best[0]) else best[1], input_n)
            for best, none, input_n in zip(found, none_is_worth, inputs_n, strict=True)
        ]

    return Opened(ask)


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


def _cut_off(tokenizer: Any, text: str, tokens_max_n: int) -> tuple[str, int]:
    """The beginning of a text that has so many tokens at most, and how many it has."""
    pieces = tokenizer(
        text, add_special_tokens=False, truncation=True, max_length=tokens_max_n, return_offsets_mapping=True
    )
    characters = pieces["offset_mapping"]
    return (text[: characters[-1][1]] if characters else ""), len(characters)
