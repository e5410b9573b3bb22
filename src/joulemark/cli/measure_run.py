"""The command that is measured: it is started and waited for, and signals meanwhile are noted and passed on."""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from joulemark.meter import Meter, Window
from joulemark.units import WAIT_MAX_S

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Where nobody said which boards are ours, one looks who uses them: after so long, then at twice the distance each time,
# but never so seldom that the work of some seconds on another board would pass unseen.
FIRST_LOOK_S, LAST_LOOK_S = 0.25, 2.0


class StoppedError(Exception):
    """A signal has asked joulemark to stop."""


class NotStartedError(Exception):
    """The command cannot be run; ``error`` is what the kernel said."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror)
        self.error = error


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals to this process: they interrupt nothing but :meth:`wait` and :meth:`sleep`."""

    descriptor: int  # of a pipe, into which Python writes the number of each
    heard: list[int] = field(default_factory=list)  # those that ask to stop, the first one first

    def wait(self, within_s: float) -> list[int]:
        """Wait for a signal, be it that a child has ended; those that ask to stop."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        if not poll.poll(min(within_s, WAIT_MAX_S) * 1e3):
            return []
        asking = [number for number in os.read(self.descriptor, 4096) if number in STOPPING]
        self.heard.extend(asking)
        return asking

    def sleep(self, duration_s: float) -> None:
        """Sleep. Raises :class:`StoppedError` as soon as a signal asks to stop, or has asked."""
        until_s = time.monotonic() + duration_s
        while True:
            self.wait(max(0.0, until_s - time.monotonic()))
            if self.heard:
                raise StoppedError
            if time.monotonic() >= until_s:
                return


@contextmanager
def noted_signals() -> Iterator[Signals]:
    """Take note of signals that ask to stop, and of the end of children. What is ignored stays so, as under nohup."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    noted = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN] + [signal.SIGCHLD]
    before_fd = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda _signal, _frame: None) for number in noted}
    for number in noted:
        signal.siginterrupt(number, False)  # a driver that is being read goes on
    before_mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    try:
        yield Signals(reading)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before_mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        os.close(reading)
        os.close(writing)


def run_command(command: Sequence[str], window: Window, meter: Meter, signals: Signals, json_out: bool) -> int:
    """Run the command without polling it; its exit code. Raises :class:`NotStartedError`.

    One wakes up only to pass on a signal, to read counters that would wrap twice, and to see which of several boards
    the command uses.
    """
    try:
        process = subprocess.Popen(command, stdout=sys.stderr if json_out else None)
    except OSError as error:
        raise NotStartedError(error) from error
    keep_alive_s = math.inf if meter.keep_alive_ns is None else meter.keep_alive_ns / 1e9
    look_s = FIRST_LOOK_S if meter.untold else math.inf
    due_s = time.monotonic() + min(keep_alive_s, look_s)
    while process.poll() is None:
        for number in signals.wait(max(0.0, due_s - time.monotonic())):
            _pass_on(number, process.pid)
        if time.monotonic() >= due_s:
            window.refresh()
            window.look()
            look_s = min(2 * look_s, LAST_LOOK_S) if meter.untold else look_s
            due_s = time.monotonic() + min(keep_alive_s, look_s)
    signals.wait(0.0)  # what came with its end
    return process.returncode


def _pass_on(number: int, pid: int) -> None:
    """Send a signal to the command, whose end has not been asked for yet, so that ``pid`` is still its own."""
    if number == signal.SIGINT:  # a terminal sends it to the command too
        return
    with suppress(OSError):  # it runs as somebody else
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
