"""Replay: channels whose readings come from a recorded trace, ``--sensors replay:trace.json``.

A trace is one JSON object: ``schema_version`` and ``channels``, each with the fields of a
:class:`~joulemark.measurement.Channel` (without ``read``) and ``samples``, a list of ``[seconds since the start,
value]`` in order of time; where reading failed, the value is the code of the reason. Time runs from the moment the
sensor is opened; a reading is the last recorded value, or fails as it did. :mod:`joulemark.sensors.record` writes
such traces.
"""

from __future__ import annotations

import bisect
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joulemark.failures import ReadFailure
from joulemark.measurement import Channel, Component, Provenance, Quantity
from joulemark.reasons import REASONS
from joulemark.records import SCHEMA_VERSION
from joulemark.sensors import Found, SensorError, Setup


@contextmanager
def replay(setup: Setup) -> Iterator[Found]:
    """Hand out the channels of the trace file named after the colon. Raises :class:`SensorError`."""
    argument = setup.argument("replay")
    if argument is None:
        raise SensorError("replay needs a trace: --sensors replay:trace.json")
    yield Found(read_trace(Path(argument), time.monotonic_ns))


def read_trace(path: Path, clock: Callable[[], int]) -> tuple[Channel, ...]:
    """The channels of a trace, replayed on ``clock`` (ns) from now on. Raises :class:`SensorError`."""
    try:
        trace = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SensorError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SensorError(f"{path}: not JSON ({error})") from error
    if not isinstance(trace, dict) or trace.get("schema_version") != SCHEMA_VERSION:
        raise SensorError(f"{path}: not a trace of schema version {SCHEMA_VERSION}")
    opened_ns = clock()
    try:
        return tuple(_channel(entry, clock, opened_ns) for entry in trace["channels"])
    except (KeyError, TypeError, ValueError) as error:
        raise SensorError(f"{path}: a channel of the trace is wrong: {error!r}") from error


def _channel(entry: Mapping[str, Any], clock: Callable[[], int], opened_ns: int) -> Channel:
    fields = {key: value for key, value in entry.items() if key != "samples"}
    fields |= {
        "component": Component(fields["component"]),
        "provenance": Provenance(fields["provenance"]),
        "quantity": Quantity(fields["quantity"]),
        "covers": tuple(Component(part) for part in fields.get("covers", ())),
        "reasons": (*fields.get("reasons", ()), "replayed"),
    }
    samples = [(float(time_s), value) for time_s, value in entry["samples"]]
    if not samples or samples != sorted(samples, key=lambda sample: sample[0]):
        raise ValueError("samples must be there, in order of time")
    if not all(_is_value(value) for _, value in samples):
        raise ValueError("a sample is neither a number nor the code of a reason")
    return Channel(**fields, read=_reader(samples, clock, opened_ns))


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return value in REASONS
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _reader(
    samples: Sequence[tuple[float, float | str]], clock: Callable[[], int], opened_ns: int
) -> Callable[[], float]:
    times_s = [time_s for time_s, _ in samples]

    def read() -> float:
        elapsed_s = (clock() - opened_ns) / 1e9
        if elapsed_s < times_s[0] or elapsed_s > times_s[-1]:
            raise ReadFailure("trace-ended")
        value = samples[bisect.bisect_right(times_s, elapsed_s) - 1][1]
        if isinstance(value, str):
            raise ReadFailure(value)
        return value

    return read
