"""The two ways in which what joulemark needs can fail and be mended or recorded, and how a process ended."""

from __future__ import annotations

import signal


class MendableError(Exception):
    """What a person gave cannot be used. The message says in a line or two what is wrong and what to do."""


class ReadFailure(Exception):
    """A channel could not be read; ``reason`` is one of the codes of :mod:`joulemark.reasons`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def signal_name(number: int) -> str:
    """The name of a signal that ended a process; most real-time ones have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
