"""The power of the whole machine, from a meter that the user names; only on request.

``--sensors 'system:command=ipmitool dcmi power reading'`` runs a command (no shell) and reads what it prints;
``--sensors system:url=http://127.0.0.1:8000/power`` fetches an address. Understood are a bare number of watts, IPMI's
``Instantaneous power reading``, and the JSON of Redfish, Tasmota and Shelly plugs. Redirections and proxies are not
followed. Who needs to log in names a script that does it: a password in a request would end up in process lists.
Certificates are verified; ``SSL_CERT_FILE`` names one that is to be trusted.

Asking takes from milliseconds to seconds and is work for the machine, so a thread asks once a second at most and
readings are its last answer. Such meters are a second to a minute old; the update period is taken to be a second, or
the time of the first answer if that was longer. What the meter really does, :mod:`joulemark.sensors.calibrate` shows.
Sources: https://redfish.dmtf.org/schemas/v1/ (Power, EnvironmentMetrics), https://tasmota.github.io/docs/Commands/,
https://shelly-api-docs.shelly.cloud/, ipmitool's manual (dcmi power reading).
"""

from __future__ import annotations

import json
import math
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence, Channel, Component, Provenance, Quantity
from joulemark.reasons import REASONS
from joulemark.sensors import Found, SensorError, Setup

ASK_PERIOD_S = 1.0
POWER_MAX_W = 20_000.0  # more than one machine draws
ANSWER_MAX_S = 5.0
ANSWER_MAX_BYTE = 1 << 18  # Redfish describes a whole chassis in some tens of kB

_USAGE = "--sensors 'system:command=PROGRAM ARGUMENTS' or --sensors system:url=http://HOST/PATH"
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*(?:W|[Ww]atts?)?")
_IPMI = re.compile(r"Instantaneous power reading:\s*([0-9.]+)\s*Watts")
# Where JSON answers keep the watts. Only the first PowerControl is the chassis; others are parts of it.
_PLACES: tuple[tuple[str | int, ...], ...] = (
    ("PowerWatts", "Reading"),
    ("PowerControl", 0, "PowerConsumedWatts"),
    ("PowerConsumedWatts",),
    ("StatusSNS", "ENERGY", "Power"),
    ("ENERGY", "Power"),
    ("apower",),
    ("switch:0", "apower"),
    ("meters", 0, "power"),
    ("power",),
)


@contextmanager
def system(setup: Setup) -> Iterator[Found]:
    """One gauge over the command or address in the request. Raises :class:`SensorError` when it names neither."""
    kind, _, target = (setup.argument("system") or "").partition("=")
    if kind == "command" and target.strip():
        device, ask = _command(target)
    elif kind == "url":
        device, ask = _address(target)
    else:
        raise SensorError(f"system needs a meter: {_USAGE}")
    asker = Asker(ask)
    try:
        began_s = time.monotonic()
        asker.answer()
        took_s = time.monotonic() - began_s
    except ReadFailure as failure:
        asker.close()
        remedy = "try it by hand; it has to answer with watts"
        if failure.reason == "certificate-not-trusted":
            remedy = REASONS[failure.reason].remedy
        yield Found(absences=(Absence("system", f"{device}: {failure.reason}", remedy),))
        return
    try:
        yield Found((_channel(device, asker, max(ASK_PERIOD_S, took_s)),))
    finally:
        asker.close()


def power_in(answer: str) -> float | None:
    """The watts in the answer of a meter; ``None`` where there are none, or none above zero: no machine draws none."""
    text = answer.strip()
    match = _NUMBER.fullmatch(text) or _IPMI.search(text)
    if match is not None:
        return _positive(match[1])
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return next((power_w for place in _PLACES if (power_w := _positive(_at(found, place))) is not None), None)


class Asker:
    """Asks a meter in a thread of its own, once, and from the first :meth:`read` on again and again.

    The program that only opens the sensor leaves the asking to the process that samples it.
    """

    __slots__ = ("_answer", "_answered_s", "_ask", "_changed", "_closed", "_thread", "_wanted")

    def __init__(self, ask: Callable[[], float]) -> None:
        self._ask = ask
        self._answer: float | ReadFailure | None = None
        self._answered_s = 0.0
        self._wanted = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def answer(self) -> float:
        """The last answer in watts, awaited if there is none yet. Raises :class:`ReadFailure`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._answer is not None, ANSWER_MAX_S):
                raise ReadFailure("answer-late")
            answer = self._answer
        if isinstance(answer, float):
            return answer
        assert answer is not None
        raise ReadFailure(answer.reason)

    def read(self) -> float:
        """The last answer in watts, unless it is too old. Raises :class:`ReadFailure`."""
        with self._changed:
            if not self._wanted:
                self._wanted = True
                self._answer = None  # the one from opening may be hours old
                self._changed.notify_all()
            elif self._answer is not None and time.monotonic() - self._answered_s > ASK_PERIOD_S + ANSWER_MAX_S:
                raise ReadFailure("answer-late")
        return self.answer()

    def close(self) -> None:
        """Stop asking."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(ANSWER_MAX_S)

    def _run(self) -> None:
        while True:
            began_s = time.monotonic()
            try:
                answer: float | ReadFailure = self._ask()
            except ReadFailure as failure:
                answer = failure
            except Exception:  # whoever waits for the answer is told, whatever it was
                answer = ReadFailure("read-failed")
            with self._changed:
                self._answer, self._answered_s = answer, time.monotonic()
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._wanted)
                if self._answer is not None:
                    self._changed.wait_for(lambda: self._closed, max(0.0, began_s + ASK_PERIOD_S - time.monotonic()))
                if self._closed:
                    return


def _channel(device: str, asker: Asker, period_s: float) -> Channel:
    return Channel(
        name="system",
        component=Component.SYSTEM,
        provenance=Provenance.SAMPLED,
        quantity=Quantity.POWER,
        read=asker.read,
        device=device,
        update_period_s=period_s,
        power_max_w=POWER_MAX_W,
    )


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        power_w = float(value)
    except ValueError:
        return None
    return power_w if math.isfinite(power_w) and power_w > 0 else None


def _at(found: Any, place: tuple[str | int, ...]) -> object:
    for step in place:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _watts(answer: bytes) -> float:
    power_w = power_in(answer.decode(errors="replace"))
    if power_w is None:
        raise ReadFailure("no-power-in-answer")
    return power_w


def _command(target: str) -> tuple[str, Callable[[], float]]:
    """What to call the command (its arguments may hold secrets), and how to ask it."""
    try:
        arguments = shlex.split(target)
    except ValueError as error:
        raise SensorError(f"system: {error} in: {target}") from error
    program = shutil.which(arguments[0])
    if program is None:
        raise SensorError(f"system: no program '{arguments[0]}'")
    return f"command {arguments[0]}", lambda: _watts(_printed([program, *arguments[1:]]))


def _printed(arguments: list[str]) -> bytes:
    """What a command prints within the time and the size allowed; it and its children are ended either way."""
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        raise ReadFailure("read-failed") from None
    assert process.stdout is not None
    deadline_s = time.monotonic() + ANSWER_MAX_S
    try:
        answer = _drained(process.stdout, deadline_s)
        code = process.wait(max(0.0, deadline_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise ReadFailure("answer-late") from None
    finally:
        process.stdout.close()
        with suppress(ProcessLookupError, PermissionError):  # it has ended, or sudo runs it as somebody else
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        raise ReadFailure("read-failed")
    return answer


def _drained(pipe: IO[bytes], deadline_s: float) -> bytes:
    answer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline_s - time.monotonic())):
                raise ReadFailure("answer-late")
            chunk = os.read(pipe.fileno(), 65536)
            if not chunk:
                return answer
            answer = _grown(answer, chunk)


def _grown(answer: bytes, chunk: bytes) -> bytes:
    if len(answer) + len(chunk) > ANSWER_MAX_BYTE:
        raise ReadFailure("no-power-in-answer")  # whatever this is, it is not a meter
    return answer + chunk


def _address(target: str) -> tuple[str, Callable[[], float]]:
    """What to call the address (without what may be secret in it), and how to ask it."""
    try:
        parts = urlsplit(target)
        usable = parts.scheme in ("http", "https") and parts.hostname is not None and (parts.port or 0) >= 0
    except ValueError:
        usable = False
    if not usable:
        raise SensorError(f"system: not an address of http or https; {_USAGE}")
    if parts.username is not None:
        raise SensorError("system: a password in an address can be read by others; name a script that logs in")
    return f"{parts.scheme}://{parts.netloc}{parts.path}", lambda: _watts(_fetched(parts))


def _fetched(parts: SplitResult) -> bytes:
    """The body at an address, within the time and the size allowed."""
    import http.client  # with the next one tens of ms, for those who name an address
    import ssl

    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    deadline_s = time.monotonic() + ANSWER_MAX_S
    path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    answer = b""
    with closing(kind(parts.hostname or "", parts.port, timeout=ANSWER_MAX_S)) as connection:
        try:
            connection.request("GET", path)
            with connection.getresponse() as response:
                if response.status != http.client.OK:
                    raise ReadFailure("read-failed")
                while chunk := response.read1(65536):
                    answer = _grown(answer, chunk)
                    if time.monotonic() > deadline_s:
                        raise ReadFailure("answer-late")
                if response.length:  # cut short of what was announced: half a number is a number too
                    raise ReadFailure("read-failed")
        except TimeoutError:
            raise ReadFailure("answer-late") from None
        except ssl.SSLCertVerificationError:
            raise ReadFailure("certificate-not-trusted") from None
        except (OSError, http.client.HTTPException):  # refused, unreachable, not HTTP
            raise ReadFailure("read-failed") from None
    return answer
