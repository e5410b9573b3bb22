"""What a workload is: something that infers sample after sample and can say how good its answers were.

A workload cannot know that it is measured. The function that opens one is a context manager, named in the entry-point
group ``joulemark.workloads``; a task (group ``joulemark.tasks``) says which of them runs it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from joulemark.failures import MendableError
from joulemark.records import ModelFacts, Quality


class WorkloadError(MendableError):
    """A model or dataset cannot be used; the message says what is wrong and what to do, in a line or two."""


@contextmanager
def path_errors(what: str) -> Iterator[None]:
    """Turn a path that cannot be looked at into one line about ``what``: too long a name, a folder that is shut.

    Raises:
        WorkloadError: it cannot.
    """
    try:
        yield
    except OSError as error:
        raise WorkloadError(f"cannot look at {what[:200]}: {os.strerror(error.errno or 0)}") from error
    except RuntimeError as error:  # what pathlib raises for the home of a user that there is not
        raise WorkloadError(f"cannot look at {what[:200]}: {error}") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one sample. ``value`` is a label, a text, boxes, an image: whatever its task scores.

    ``phases_s`` says how long the parts of the query took, if it has parts: "prefill" and "decode", or "denoise".
    """

    value: object
    input_tokens_n: int | None = None
    output_tokens_n: int | None = None
    phases_s: Mapping[str, float] = field(default_factory=dict, compare=False)  # two equal answers may differ in time


@dataclass(frozen=True, slots=True)
class Score:
    """The quality over all answers, and of each (``None`` where a sample alone has no score)."""

    quality: Quality
    per_sample: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """A loaded model with its samples in memory.

    ``infer(i)`` answers sample ``i`` (0 ≤ i < ``samples_n``) and touches neither network nor disk. ``infer_batch``
    answers several samples, in their order, in one call. ``score`` takes the
    answers to samples 0, 1, …, in that order; index ``q`` is the answer to sample ``q % samples_n``.
    ``oddities`` is asked after the window. ``input_limit_n`` is where inputs are cut, in tokens, if they are.
    ``show`` turns an answer's value into the text kept with the run.
    """

    infer: Callable[[int], Answer]
    samples_n: int
    score: Callable[[Sequence[Answer]], Score]
    show: Callable[[Answer], str]
    model: ModelFacts
    samples_sha256: str
    oddities: Callable[[], tuple[str, ...]] = tuple  # reason codes for what is odd about the samples
    infer_batch: Callable[[Sequence[int]], Sequence[Answer]] | None = None  # several at once, where the model can
    input_limit_n: int | None = None  # the lower of the model's own and the cell's; None: no input is cut
