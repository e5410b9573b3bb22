"""``joulemark.measure()``: energy of a block of anybody's code, with nested windows by name.

::

    with joulemark.measure() as m:
        with m.window("prefill"):
            ...
        with m.window("decode"):
            ...
        for sample in samples:
            with m.query() as query:
                query.output_tokens_n = len(answer(sample))
    m.measurement            # the whole block
    m.windows["decode"]      # every window of that name, in order
    m.queries                # every query, with its energy where that can be said
    m.total("device")        # joules, interval, what is missing

    @joulemark.measure()
    def answer(question): ...

The sensors are opened at the first use in a process and stay open until it ends.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from types import AsyncGeneratorType, GeneratorType, TracebackType

from joulemark.measurement import BoundaryName, Measurement
from joulemark.meter import Meter, Window, open_meter
from joulemark.meter.lap import Lap, lap_s
from joulemark.sensors import setup_from_environment

TYPE_CHECKING = False  # what type checkers take for true
if TYPE_CHECKING:
    from typing import ParamSpec, TypeVar

    from joulemark.boundary import Total
    from joulemark.meter.per_query import QueryEnergy

    _P = ParamSpec("_P")
    _R = TypeVar("_R")


# Queries that fill less of the time than this were not alone: what the rest took cannot be told from them.
QUERIES_SHARE_MIN = 0.95


class NotMeasured(RuntimeError):
    """The block has not ended, so there is no measurement yet."""


class Overlapping(RuntimeError):
    """A query began inside another one, or a block inside itself: their energies cannot be told apart."""


@dataclass(slots=True)
class Query:
    """The query that is being measured; the tokens of its answer may be told until it ends."""

    output_tokens_n: int | None = None


@dataclass(slots=True)
class _Queries:
    """What is kept of the queries of a block until it ends."""

    durations_s: list[float]
    tokens_n: list[int | None]
    laps: list[Lap]
    lap: Window | None = None  # the one that is open
    lap_first_i: int = 0
    lap_due_s: float = 0.0
    open: bool = False


class _Block:
    """A block that has begun. Only the process that began it reads its counters, one thread after the other."""

    __slots__ = ("others_read", "pid", "reading", "thread", "window")

    def __init__(self, window: Window) -> None:
        self.window = window
        self.pid = os.getpid()
        self.thread = threading.get_ident()
        self.reading = threading.RLock()  # a signal's handler may end what it interrupts
        self.others_read = False  # threads that did not begin it


class Session:
    """One measured block. As a decorator it measures each call; ``calls`` of the decorated function keeps them."""

    def __init__(self, align: bool = False) -> None:
        self._align = align
        self.windows: dict[str, list[Measurement]] = {}
        self._queries = _Queries([], [], [])
        self._block: _Block | None = None
        self._measurement: Measurement | None = None

    @property
    def measurement(self) -> Measurement:
        """The whole block. Raises :class:`NotMeasured` before it has ended, and in a child forked inside it."""
        if self._measurement is None:
            if self._block is not None and self._begun() is None:
                raise NotMeasured("the block began before this process was forked: the process that began it ends it")
            raise NotMeasured("the block has not ended: read the measurement after the with statement")
        return self._measurement

    def total(self, boundary: str = "device", pue_ratio: float | None = None) -> Total:
        """The energy of the block inside ``boundary``. Without an idle window, ``marginal`` is not known.

        Raises :class:`ValueError` for another name, or a ``pue_ratio`` below 1.
        """
        from joulemark.boundary import total  # after the block: a program that only measures loads less

        if boundary not in list(BoundaryName):
            raise ValueError(f"no boundary {boundary!r}; there are {', '.join(BoundaryName)}")
        if pue_ratio is not None and not pue_ratio >= 1:
            raise ValueError(f"a PUE of {pue_ratio!r}: a building draws at least what its machines do, so 1 or more")
        return total(self.measurement, BoundaryName(boundary), (), pue_ratio)

    def refresh(self) -> None:
        """Read counters that could wrap before the block ends, when that is due: for blocks of minutes.

        A RAPL counter wraps after 262 kJ on many machines. Between two readings one wrap is made up for; where there
        is room for another one, the energy is marked ``wrap-ambiguous`` and bounded by the most that can be drawn.
        """
        block = self._begun()
        if block is not None and block.reading.acquire(blocking=False):  # else another thread is at it
            try:
                block.others_read |= block.thread != threading.get_ident()
                block.window.refresh()
            finally:
                block.reading.release()

    @contextmanager
    def window(self, name: str) -> Iterator[None]:
        """A named window inside the block; names may repeat, windows may nest."""
        opened, windows = _meter().begin(), self.windows
        self.refresh()
        try:
            yield
        finally:
            windows.setdefault(name, []).append(opened.end())
            self._follow(opened)

    @contextmanager
    def query(self) -> Iterator[Query]:
        """One query inside the block, whose answer is there when it ends; queries follow one another.

        Counters are read when they have had time to move: at the end of a query, from some tens of milliseconds to a
        second after the last time. Raises :class:`Overlapping`.
        """
        state = self._queries
        if state.open:
            raise Overlapping(
                "a query began inside another one: let them follow one another, or measure a batch as one"
            )
        state.open = True
        try:
            self._begin_lap(state)
            query = Query()
            before_s = time.perf_counter()
            try:
                yield query
            finally:
                ended_s = time.perf_counter()
                state.durations_s.append(ended_s - before_s)
                state.tokens_n.append(query.output_tokens_n)
                if state.lap is not None and ended_s >= state.lap_due_s and self._begun() is not None:
                    self._end_lap(state.lap)
                self.refresh()
        finally:
            state.open = False

    @property
    def queries(self) -> tuple[QueryEnergy, ...]:
        """The queries in order, with their energy inside the device boundary where that can be said.

        Raises :class:`NotMeasured` before the block has ended.
        """
        from joulemark.meter.per_query import PerQuery, QueryEnergy, per_query

        state, in_use = self._queries, {channel.name: channel.in_use for channel in self.measurement.channels}
        laps = [replace(lap, measurement=_with_devices(lap.measurement, in_use)) for lap in state.laps]
        laps_s = sum(lap.measurement.duration_s for lap in laps)
        rest = 1 - sum(state.durations_s) / laps_s if laps_s > 0 else 1.0
        nothing = (None,) * len(state.durations_s)
        found = PerQuery(None, nothing, nothing)
        if rest <= 1 - QUERIES_SHARE_MIN:
            found = per_query(laps, state.durations_s, state.tokens_n)
        return tuple(
            # Between the queries of a lap is time that is none of theirs: as much more is not known.
            QueryEnergy(
                duration_s,
                tokens_n,
                energy_j,
                None if half_j is None or energy_j is None else half_j + max(0.0, rest) * energy_j,
                None if energy_j is None else found.method,
            )
            for duration_s, tokens_n, energy_j, half_j in zip(
                state.durations_s, state.tokens_n, found.energies_j, found.uncertainties_j, strict=True
            )
        )

    def _begin_lap(self, state: _Queries) -> None:
        if state.lap is None and self._begun() is not None and (length_s := lap_s(_meter())) is not None:
            state.lap, state.lap_first_i = _meter().begin(), len(state.durations_s)
            state.lap_due_s = time.perf_counter() + length_s

    def _end_lap(self, opened: Window) -> None:
        state = self._queries
        state.laps.append(Lap(state.lap_first_i, len(state.durations_s), opened.end()))
        state.lap = None
        self._follow(opened)

    def _follow(self, inner: Window) -> None:
        """Readings of a window inside the block are readings of the block; those of two threads come out of order."""
        block = self._begun()
        if block is None or block.thread != threading.get_ident() or not block.reading.acquire(blocking=False):
            return
        try:
            if not block.others_read:
                block.window.follow(inner)
        finally:
            block.reading.release()

    def _begun(self) -> _Block | None:
        """The open block, unless it is that of the process this one was forked from, with whose meter it ends."""
        block = self._block
        return block if block is not None and block.pid == os.getpid() else None

    def start(self) -> Session:
        """Begin the block where no ``with`` statement can stand, in callbacks for example; :meth:`stop` ends it."""
        return self.__enter__()

    def stop(self) -> Measurement:
        """End the block that :meth:`start` began. Raises :class:`NotMeasured` where none is open."""
        if self._block is None:
            raise NotMeasured("no block is open: start() begins one, and stop() ends it once")
        self.__exit__(None, None, None)
        return self.measurement

    def __enter__(self) -> Session:
        """Open the window; what was measured before is forgotten. Raises :class:`Overlapping` while a block is open."""
        if self._begun() is not None:
            raise Overlapping(
                "this block has begun and not ended: measure a part of it with its window(name), "
                "or with another joulemark.measure()"
            )
        self.windows, self._queries = {}, _Queries([], [], [])
        self._measurement = self._block = None
        self._block = _Block(_meter().begin(self._align))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the window, also when the block raised."""
        if (block := self._begun()) is None:
            return
        self._block = None
        with block.reading:
            measured = block.window.end()
        inner_s = 0.0
        if not _meter().gauges:  # a sampler's time is that of the whole block already, and in that of its windows too
            # Threads may end windows meanwhile: a list of them is made at once.
            parts = [window for named in list(self.windows.values()) for window in named]
            parts += [lap.measurement for lap in self._queries.laps]
            inner_s = sum(part.harness_cpu_s for part in parts)
        self._measurement = replace(measured, harness_cpu_s=measured.harness_cpu_s + inner_s)
        if self._queries.lap is not None:
            self._end_lap(self._queries.lap)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate ``function``: each call is measured and appended to its attribute ``calls``.

        A call that gives something to await lasts until that has been awaited; what other tasks do meanwhile is in it.
        Raises :class:`TypeError` for a generator, of which most is done after the call, or when the call gives one.
        """
        from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction, isgeneratorfunction

        calls: list[Measurement] = []
        name = getattr(function, "__qualname__", repr(function))
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise _works_later(name)
        if iscoroutinefunction(function):

            @wraps(function)
            async def awaited(*args: _P.args, **kwargs: _P.kwargs) -> object:
                return await _until_awaited(name, calls, _meter().begin(self._align), function(*args, **kwargs))

            awaited.calls = calls  # type: ignore[attr-defined]
            return awaited  # type: ignore[return-value]  # what awaits it gets what it got before

        @wraps(function)
        def measured(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            opened = _meter().begin(self._align)
            try:
                answer = function(*args, **kwargs)
            except BaseException:
                calls.append(opened.end())
                raise
            if not isawaitable(answer):
                _refuse_generator(name, answer)
                calls.append(opened.end())
                return answer
            if hasattr(answer, "add_done_callback"):  # a task goes on by itself, and who gets it may cancel it
                answer.add_done_callback(lambda _: calls.append(opened.end()))
                return answer
            return _until_awaited(name, calls, opened, answer)  # type: ignore[return-value]

        measured.calls = calls  # type: ignore[attr-defined]
        return measured


async def _until_awaited(name: str, calls: list[Measurement], opened: Window, answer: Awaitable[object]) -> object:
    """What ``answer`` gives to who awaits it, and then the end of the window."""
    try:
        given = await answer
    except BaseException:
        calls.append(opened.end())
        raise
    _refuse_generator(name, given)
    calls.append(opened.end())
    return given


def _refuse_generator(name: str, answer: object) -> None:
    if isinstance(answer, (GeneratorType, AsyncGeneratorType)):
        raise _works_later(name)


def _works_later(name: str) -> TypeError:
    return TypeError(
        f"{name} gives a generator, which works while others ask it: "
        "put the loop that asks it into `with joulemark.measure():`"
    )


def measure(align: bool = False) -> Session:
    """A block to measure: a context manager and a decorator. The setup is that of the environment.

    ``align`` watches the refreshes of slow counters (boards, which have one in 100 ms or so) for up to three periods
    before the block and again after it: worth its time for blocks of less than some twenty periods.

    Raises :class:`~joulemark.sensors.SensorError`, when the block begins, if ``JOULEMARK_SYSFS`` is no folder.
    """
    return Session(align)


def _with_devices(measurement: Measurement, in_use: dict[str, bool]) -> Measurement:
    """A lap counts the devices that the whole block does: whose they are may have shown itself later."""
    channels = tuple(replace(one, in_use=in_use.get(one.name, one.in_use)) for one in measurement.channels)
    return replace(measurement, channels=channels)


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
                # In a forked child as well, where its sampler is left alone: later on half of Python would be gone.
                atexit.register(stack.close)
    return _opened[1]


def _open_anew() -> None:
    """In a forked child, which has no other thread of its parent: nobody would end what one of them had begun."""
    global _opening
    _opening = threading.Lock()


os.register_at_fork(after_in_child=_open_anew)
