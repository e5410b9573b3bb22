"""The power of a run over time, as few steps as a drawing needs, without losing energy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from joulemark import store
from joulemark.measurement import Measurement
from joulemark.records import Run, TraceStep

STEPS_MAX_N = 300  # of a channel in the page
IDLE_BEFORE, QUERIES, IDLE_AFTER = "idle-before", "queries", "idle-after"

Json = Any


def trace_row(folder: Path | None, run: Run) -> dict[str, Json] | None:
    """The trace of a run that is stored in ``folder``, else one step per window and channel.

    ``None`` where no power is known. Raises :class:`~joulemark.store.StoreError`.
    """
    stored = store.read_trace(folder, run.run_id) if folder is not None and find_spec("pyarrow") else ()
    return thinned(stored or mean_steps(run))


def mean_steps(run: Run) -> tuple[TraceStep, ...]:
    """The mean power of every channel in every window of a run."""
    if run.measurement is None:
        return ()
    zero = datetime.fromisoformat(run.measurement.started_at)
    steps: list[TraceStep] = []
    windows = ((IDLE_BEFORE, run.idle_before), (QUERIES, run.measurement), (IDLE_AFTER, run.idle_after))
    for name, window in windows:
        if window is None or window.duration_s <= 0:
            continue
        start_s = (datetime.fromisoformat(window.started_at) - zero).total_seconds()
        steps += _of_window(name, window, start_s)
    return tuple(steps)


def _of_window(name: str, window: Measurement, start_s: float) -> Iterable[TraceStep]:
    for channel in window.channels:
        low_w, power_w, high_w = (
            None if energy_j is None else energy_j / window.duration_s
            for energy_j in (channel.low_j, channel.energy_j, channel.high_j)
        )
        yield TraceStep(channel.name, name, start_s, window.duration_s, power_w, low_w, high_w)


def thinned(steps: Sequence[TraceStep]) -> dict[str, Json] | None:
    """Steps as the page has them; neighbours of one window are joined, at their mean power, where there are many."""
    channels: dict[str, dict[str, list[TraceStep]]] = {}
    for step in steps:
        if step.power_w is not None and step.duration_s > 0:
            channels.setdefault(step.channel, {}).setdefault(step.window, []).append(step)
    rows: list[list[float]] = []
    for channel_i, windows in enumerate(channels.values()):
        several_n = math.ceil(sum(map(len, windows.values())) / (STEPS_MAX_N - len(windows)))
        for of_window in windows.values():
            of_window.sort(key=lambda step: step.start_s)
            for first in range(0, len(of_window), several_n):
                rows.append([channel_i, *_joined(of_window[first : first + several_n])])
    return {"channels": list(channels), "steps": rows} if rows else None


def _joined(steps: Sequence[TraceStep]) -> tuple[float, float, float]:
    """Start, duration and mean power of neighbours."""
    duration_s = math.fsum(step.duration_s for step in steps)
    energy_j = math.fsum(step.duration_s * (step.power_w or 0.0) for step in steps)
    return (round(steps[0].start_s, 4), float(f"{duration_s:.6g}"), float(f"{energy_j / duration_s:.5g}"))
