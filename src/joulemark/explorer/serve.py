"""A server for one reader on this machine: the page, and its content anew whenever the results have changed."""

from __future__ import annotations

import base64
import errno
import hashlib
import re
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joulemark.explorer.content import Content, content_of
from joulemark.explorer.gathering import gather
from joulemark.explorer.page import packed_json, page, vega_bundle
from joulemark.explorer.watching import Signature, signature
from joulemark.failures import MendableError

HOST = "127.0.0.1"
PORT = 8737  # taken if it is free and no other was asked for


@dataclass(frozen=True, slots=True)
class Answer:
    """What is served until the results change."""

    content: Content
    page: bytes
    packed: bytes
    tag: str


class Served:
    """The latest content of some results, made anew where their files have changed; used by several threads."""

    def __init__(self, places: Sequence[str], say: Callable[[str], None]) -> None:
        """Read the results. Raises :class:`~joulemark.failures.MendableError`."""
        vega_bundle()
        self._places = tuple(places)
        self._say = say
        self._lock = threading.Lock()
        self._seen: Signature = signature(self._places)
        self._answer = self._made()

    def answer(self) -> Answer:
        """The content of now. Results that cannot be read, as when a line is torn, leave the last good one in place."""
        with self._lock:
            seen = signature(self._places)
            if seen != self._seen:
                self._seen = seen
                try:
                    self._answer = self._made()
                except MendableError as error:
                    self._say(f"showing what could be read before: {error}")
            return self._answer

    def _made(self) -> Answer:
        content = content_of([gather(place) for place in self._places])
        columns = {name: base64.b64encode(column).decode() for name, column in content.queries.items()}
        queries = {**content.data["queries"], "packed": columns}
        packed = packed_json({**content.data, "queries": queries})
        tag = hashlib.sha256(packed).hexdigest()[:32]
        return Answer(content, page(content, tag).encode(), packed, f'"{tag}"')


def open_server(served: Served, port: int | None) -> ThreadingHTTPServer:
    """A server on the loopback interface, at ``port``, else at :data:`PORT`, else at any that is free.

    Raises :class:`~joulemark.failures.MendableError` where ``port`` cannot be had.
    """
    for wanted in (PORT, 0) if port is None else (port,):
        try:
            return _Server((HOST, wanted), _handler(served))
        except OSError as error:
            if port is not None or error.errno != errno.EADDRINUSE:
                raise MendableError(f"cannot serve at port {wanted}: {error.strerror}; choose another --port") from None
        except OverflowError:
            raise MendableError(f"no port {wanted}: it is a number from 0 to 65535") from None
    raise MendableError("no port is free; choose one with --port")


class _Server(ThreadingHTTPServer):
    """Only on the loopback interface, with a thread a request."""

    daemon_threads = True
    allow_reuse_address = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that went away in the middle of an answer is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers ``/`` and ``/content`` to whoever asks for this machine by its own name, and nothing else."""

        protocol_version = "HTTP/1.1"
        timeout = 60

        def version_string(self) -> str:
            """What this is, without the version of Python."""
            return "joulemark"

        def do_GET(self) -> None:
            """The page, or its content."""
            self._respond()

        def do_HEAD(self) -> None:
            """The same without a body."""
            self._respond()

        def _respond(self) -> None:
            # A foreign name that was made to point here would let its pages read the results.
            if not _is_local(self.headers.get("Host", "")):
                self._send(403, b"only for this machine\n", "text/plain; charset=utf-8")
                return
            path = self.path.partition("?")[0]
            if path == "/":
                self._send(200, served.answer().page, "text/html; charset=utf-8")
            elif path == "/content":
                answer = served.answer()
                tags = {"ETag": answer.tag}
                if answer.tag in self.headers.get("If-None-Match", ""):
                    self._send(304, b"", None, tags)
                else:
                    self._send(200, answer.packed, "application/json", {**tags, "Content-Encoding": "gzip"})
            else:
                self._send(404, b"there are / and /content\n", "text/plain; charset=utf-8")

        def _send(self, status: int, body: bytes, kind: str | None, more: dict[str, str] | None = None) -> None:
            self.send_response(status)
            headers = {
                **({"Content-Type": kind, "Content-Length": str(len(body))} if kind else {}),
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
                **(more or {}),
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """One reader needs no log of what was asked."""

    return Handler


def _is_local(host: str) -> bool:
    """Whether a request was addressed to this machine by its own name; the port may be another one, as of a tunnel."""
    return re.fullmatch(r"(127\.0\.0\.1|localhost)(:\d+)?", host, re.IGNORECASE) is not None
