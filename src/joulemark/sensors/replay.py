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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


def _is_positive(value: object) -> bool:
    return _is_number(value) and value > 0  # type: ignore[operator]


def _is_ratio(value: object) -> bool:
    return _is_number(value) and value >= 0  # type: ignore[operator]


# What a trace may say of a channel: in words, and whether a value is that.
FIELDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("a name", lambda value: isinstance(value, str) and bool(value)),
    "component": ("a component", lambda value: isinstance(value, Component)),
    "provenance": ("a provenance", lambda value: isinstance(value, Provenance)),
    "quantity": ("a quantity", lambda value: isinstance(value, Quantity)),
    "device": ("a text", lambda value: isinstance(value, str)),
    "count_j": ("a number above zero", _is_positive),
    "resolution_j": ("a number from zero on", _is_ratio),
    "resolution_w": ("a number from zero on", lambda value: value is None or _is_ratio(value)),
    "update_period_s": ("a number from zero on", lambda value: value is None or _is_ratio(value)),
    "wrap_n": ("a whole number above zero", _is_count),
    "turn_n": ("a whole number above zero", _is_count),
    "seen_ratio": ("a share above zero", lambda value: _is_positive(value) and value <= 1),
    "accuracy_ratio": ("a number from zero on", _is_ratio),
    "model_factor": ("a number from one on", lambda value: _is_number(value) and value >= 1),
    "power_max_w": ("a number above zero", _is_positive),
    "in_use": ("true or false", lambda value: isinstance(value, bool)),
    "rests": ("true or false", lambda value: isinstance(value, bool)),
    "part_of": ("a name", lambda value: value is None or isinstance(value, str)),
    "covers": ("components", lambda value: True),  # made of what is one
    "reasons": ("codes of reasons", lambda value: all(isinstance(code, str) for code in value)),
}


@contextmanager
def replay(setup: Setup) -> Iterator[Found]:
    """Hand out the channels of the trace file named after the colon. Raises :class:`SensorError`."""
    argument = setup.argument("replay")
    if argument is None:
        raise SensorError("replay needs a trace: --sensors replay:trace.json")
    yield Found(read_trace(Path(argument), time.monotonic_ns, setup.opened_ns))


def read_trace(path: Path, clock: Callable[[], int], opened_ns: int | None = None) -> tuple[Channel, ...]:
    """The channels of a trace, replayed on ``clock`` (ns) from ``opened_ns`` or now. Raises :class:`SensorError`."""
    try:
        trace = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SensorError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SensorError(f"{path}: not JSON ({error})") from error
    if not isinstance(trace, dict) or trace.get("schema_version") != SCHEMA_VERSION:
        raise SensorError(f"{path}: not a trace of schema version {SCHEMA_VERSION}")
    began_ns = clock() if opened_ns is None else opened_ns
    try:
        channels = tuple(_channel(entry, clock, began_ns) for entry in trace["channels"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SensorError(f"{path}: a channel of the trace is wrong: {error!r}") from error
    names = [channel.name for channel in channels]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SensorError(f"{path}: two channels of the trace are called {twice!r}: a channel is counted once")
    return channels


def _channel(entry: Mapping[str, Any], clock: Callable[[], int], opened_ns: int) -> Channel:
    fields = {key: value for key, value in entry.items() if key != "samples"}
    fields |= {
        "component": Component(fields["component"]),
        "provenance": Provenance(fields["provenance"]),
        "quantity": Quantity(fields["quantity"]),
        "covers": tuple(Component(part) for part in fields.get("covers", ())),
        "reasons": (*fields.get("reasons", ()), "replayed"),
    }
    for key, value in fields.items():
        if key not in FIELDS:
            raise ValueError(f"there is no field {key!r}")
        wanted, holds = FIELDS[key]
        if not holds(value):
            raise ValueError(f"{key} is {value!r}, not {wanted}")
    samples = [(float(time_s), value) for time_s, value in entry["samples"]]
    if not all(math.isfinite(time_s) for time_s, _ in samples):
        raise ValueError("the time of a sample is no number")
    if not samples or samples != sorted(samples, key=lambda sample: sample[0]):
        raise ValueError("samples must be there, in order of time")
    if not all(_is_value(value) for _, value in samples):
        raise ValueError("a sample is neither a number nor the code of a reason")
    return Channel(**fields, read=_reader(samples, clock, opened_ns))


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return value in REASONS
    return _is_number(value)


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
