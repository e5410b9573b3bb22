"""``joulemark.measure()``: energy of a block of anybody's code, with nested windows by name.

::

    with joulemark.measure() as m:
        with m.window("prefill"):
            ...
        with m.window("decode"):
            ...
    m.measurement            # the whole block
    m.windows["decode"]      # every window of that name, in order
    m.total("device")        # joules, interval, what is missing

    @joulemark.measure()
    def answer(question): ...

The sensors are opened at the first use in a process and stay open until it ends.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import TracebackType

from joulemark.boundary import Total, total
from joulemark.meter import Meter, Window, open_meter
from joulemark.records import BoundaryName, Measurement
from joulemark.sensors import setup_from_environment

TYPE_CHECKING = False  # what type checkers take for true
if TYPE_CHECKING:
    from typing import ParamSpec, TypeVar

    _P = ParamSpec("_P")
    _R = TypeVar("_R")


class NotMeasured(RuntimeError):
    """The block has not ended, so there is no measurement yet."""


class Session:
    """One measured block. As a decorator it measures each call; ``calls`` of the decorated function keeps them."""

    def __init__(self) -> None:
        self.windows: dict[str, list[Measurement]] = {}
        self._window: Window | None = None
        self._measurement: Measurement | None = None

    @property
    def measurement(self) -> Measurement:
        """The whole block. Raises :class:`NotMeasured` before it has ended."""
        if self._measurement is None:
            raise NotMeasured("the block has not ended: read the measurement after the with statement")
        return self._measurement

    def total(self, boundary: str = "device", pue_ratio: float | None = None) -> Total:
        """The energy of the block inside ``boundary``. Without an idle window, ``marginal`` is not known."""
        return total(self.measurement, BoundaryName(boundary), (), pue_ratio)

    def refresh(self) -> None:
        """Read counters that could wrap before the block ends, when that is due: for blocks of minutes.

        A RAPL counter wraps after 262 kJ on many machines. Between two readings one wrap is made up for; where there
        is room for another one, the energy is marked ``wrap-ambiguous`` and bounded by the most that can be drawn.
        """
        if self._window is not None:
            self._window.refresh()

    @contextmanager
    def window(self, name: str) -> Iterator[None]:
        """A named window inside the block; names may repeat, windows may nest."""
        opened = _meter().begin()
        self.refresh()
        try:
            yield
        finally:
            self.windows.setdefault(name, []).append(opened.end())

    def __enter__(self) -> Session:
        """Open the window."""
        self._window = _meter().begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the window, also when the block raised."""
        if self._window is not None:
            self._measurement = self._window.end()

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate ``function``: each call is measured and appended to its attribute ``calls``."""
        calls: list[Measurement] = []

        @wraps(function)
        def measured(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            opened = _meter().begin()
            try:
                return function(*args, **kwargs)
            finally:
                calls.append(opened.end())

        measured.calls = calls  # type: ignore[attr-defined]
        return measured


def measure() -> Session:
    """A block to measure: a context manager and a decorator. The setup is that of the environment.

    Raises :class:`~joulemark.sensors.SensorError`, when the block begins, if ``JOULEMARK_SYSFS`` is no folder.
    """
    return Session()


_opened: tuple[int, Meter, ExitStack] | None = None
_opening = threading.Lock()


def _meter() -> Meter:
    """The meter of this process; a forked child opens its own, since a driver's handles do not survive a fork."""
    global _opened
    if _opened is None or _opened[0] != os.getpid():
        with _opening:
            if _opened is None or _opened[0] != os.getpid():
                stack = ExitStack()
                meter = stack.enter_context(open_meter(setup_from_environment()))
                _opened = (os.getpid(), meter, stack)
                atexit.register(_close, os.getpid(), stack)
    return _opened[1]


def _close(pid: int, stack: ExitStack) -> None:
    if pid == os.getpid():
        stack.close()
