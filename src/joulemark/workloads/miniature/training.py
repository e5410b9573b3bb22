"""One training loop for all miniature models: seconds on one thread, the same weights every time on one machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

SEED = 2024


@contextmanager
def reproducibly() -> Iterator[None]:
    """Seed torch and use one thread inside; put both back afterwards.

    One thread because sums over several come out in another order, and because tiny matrices gain nothing from more.
    """
    import torch

    threads_n = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads_n)


def fit(
    model: Any,
    rows: Sequence[Any],
    collate: Callable[[Sequence[Any]], Mapping[str, Any]],
    accuracy: Callable[[], float],
    *,
    target_ratio: float,
    steps_max_n: int,
    batch_n: int = 32,
    learning_rate: float = 3e-3,
    check_every_n: int = 20,
) -> None:
    """Train ``model`` on batches of ``rows`` until ``accuracy()`` reaches ``target_ratio`` or the steps are used up.

    ``collate`` turns rows into the model's keyword arguments, labels included. ``accuracy`` looks at rows that are
    neither among ``rows`` nor in the test split. AdamW with a linear warm-up over a tenth of the steps and a cosine
    decay after it.
    """
    import torch

    rng = random.Random(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps_max_n, pct_start=0.1)
    model.train()
    for step_i in range(steps_max_n):
        loss = model(**collate(rng.sample(rows, batch_n))).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if (step_i + 1) % check_every_n == 0:
            model.eval()
            with torch.inference_mode():
                reached = accuracy() >= target_ratio
            model.train()
            if reached:
                break
    model.eval()
