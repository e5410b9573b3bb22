"""Record: any channels, written to a trace that :mod:`joulemark.sensors.replay` plays back.

Readings are polled one after the other, so a trace knows when each was taken to within the cost of a reading. What a
counter did between two samples is lost: a replayed window is exact where its edges are samples.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from joulemark.failures import ReadFailure
from joulemark.measurement import Channel
from joulemark.records import SCHEMA_VERSION

Sample = tuple[float, float | str]  # (seconds since the start, the reading or the reason why there is none)


def record(
    channels: Sequence[Channel],
    path: Path,
    duration_s: float,
    period_s: float = 0.05,
    clock: Callable[[], int] = time.monotonic_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Read ``channels`` every ``period_s`` for ``duration_s`` and write the trace to ``path``.

    ``clock`` counts ns. A recording that is interrupted keeps what it has.
    """
    samples: dict[str, list[Sample]] = {channel.name: [] for channel in channels}
    began_ns = due_ns = clock()
    ends_ns = began_ns + round(duration_s * 1e9)
    try:
        while True:
            for channel in channels:
                samples[channel.name].append(((clock() - began_ns) / 1e9, _reading(channel)))
            if due_ns >= ends_ns:
                break
            due_ns = min(ends_ns, max(due_ns + round(period_s * 1e9), clock()))
            sleep(max(0.0, (due_ns - clock()) / 1e9))
    finally:
        entries = [_entry(channel, samples[channel.name]) for channel in channels]
        path.write_text(json.dumps({"schema_version": SCHEMA_VERSION, "channels": entries}) + "\n", encoding="utf-8")


def _reading(channel: Channel) -> float | str:
    try:
        return channel.read()
    except ReadFailure as failure:
        return failure.reason


def _entry(channel: Channel, samples: list[Sample]) -> dict[str, object]:
    left_out = ("read", "gauge", "users")  # functions of the living device
    entry = {item.name: getattr(channel, item.name) for item in fields(channel) if item.name not in left_out}
    return entry | {"samples": samples}
