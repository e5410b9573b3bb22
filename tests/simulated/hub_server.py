"""A small HTTP server on the loopback that answers as the hub does, where huggingface_hub asks it for files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class HubServer:
    """``repositories``: id → branch → path → bytes. What it served is counted."""

    repositories: Mapping[str, Mapping[str, Mapping[str, bytes]]]
    gated: frozenset[str] = frozenset()
    url: str = ""
    requests: list[str] = field(default_factory=list)
    served_byte: int = 0


@contextmanager
def serving(hub: HubServer) -> Iterator[HubServer]:
    """Answer on a free port while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            hub.requests.append(f"{self.command} {self.path}")

        def do_GET(self) -> None:
            self.answer(b"")

        def do_HEAD(self) -> None:
            self.answer(b"")

        def do_POST(self) -> None:
            self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def answer(self, body: bytes) -> None:
            path = unquote(self.path.partition("?")[0])
            asked = re.fullmatch(
                r"/api/(datasets|models)/(?P<id>[\w.-]+/[\w.-]+)(/(?P<what>revision|paths-info|tree)/(?P<at>.+))?"
                r"|(/datasets)?/(?P<id2>[\w.-]+/[\w.-]+)/resolve/(?P<rest>.+)",
                path,
            )
            repository = str(asked["id"] or asked["id2"]) if asked else ""
            if asked is None or repository not in hub.repositories:
                self.refuse(401, "RepoNotFound")
                return
            branches = hub.repositories[repository]
            branch = self.branch_of(asked["at"] or asked["rest"] or "main", branches)
            if branch is None:
                self.refuse(404, "RevisionNotFound")
                return
            files, rest = branches[branch], (asked["at"] or asked["rest"] or "main")
            rest = rest.removeprefix(branch).removeprefix(self.commit_of(branch)).strip("/")
            if asked["id2"]:
                self.file(files, rest, repository in hub.gated)
            elif asked["what"] == "paths-info":
                form = json.loads(body)
                self.json([_entry(name, files[name]) for name in form["paths"] if name in files])
            elif asked["what"] == "tree":
                self.json([_entry(name, content) for name, content in files.items() if name.startswith(rest)])
            else:
                siblings = [{"rfilename": name} for name in files]
                self.json({"id": repository, "sha": self.commit_of(branch), "siblings": siblings, "tags": []})

        def branch_of(self, text: str, branches: Mapping[str, object]) -> str | None:
            return next((one for one in branches if text.startswith((one, self.commit_of(one)))), None)

        def commit_of(self, branch: str) -> str:
            return COMMIT if branch == "main" else COMMIT[::-1]

        def file(self, files: Mapping[str, bytes], name: str, gated: bool) -> None:
            if gated and self.headers.get("Authorization") != "Bearer granted":
                self.refuse(401, "GatedRepo")
                return
            if name not in files:
                self.refuse(404, "EntryNotFound")
                return
            content, first, last = files[name], 0, len(files[name]) - 1
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if wanted:
                first, last = int(wanted[1]), min(int(wanted[2]), last)
            part = content[first : last + 1]
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if wanted:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if self.command == "GET":
                hub.served_byte += len(part)
                self.wfile.write(part)

        def json(self, answer: object) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def _entry(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
