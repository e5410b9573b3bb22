"""The server on this machine: what it answers, to whom, and what it does while results are being written."""

import gzip
import http.client
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_results import CELL, CELLS, OTHER_TASK, run, study_of, write

from joulemark import store
from joulemark.explorer.serve import HOST, Served, open_server
from joulemark.failures import MendableError

STUDY = study_of(CELLS, "going-on")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "going-on", STUDY, [run(STUDY, CELL, 0)])


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def server(folder: Path, said: list[str]) -> Iterator[ThreadingHTTPServer]:
    with open_server(Served([str(folder)], said.append), 0) as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield one
        finally:
            one.shutdown()
            thread.join()


def ask(
    server: ThreadingHTTPServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=30)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def content(server: ThreadingHTTPServer) -> dict[str, Any]:
    status, _, body = ask(server, "/content")
    assert status == 200
    found: dict[str, Any] = msgspec.json.decode(gzip.decompress(body))
    return found


def test_it_answers_with_the_page_and_its_content_and_nothing_else(server: ThreadingHTTPServer) -> None:
    status, headers, body = ask(server, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    tag = ask(server, "/content", "HEAD")[1]["ETag"]
    assert f"data-live={tag}".encode() in body, "so that what the page holds is not sent again"
    assert content(server)["sources"][0]["runs_n"] == 1
    for path in ("/runs.jsonl", "/../study.json", "/%2e%2e/study.json", "//etc/passwd", "/index.html", "/content/"):
        assert ask(server, path)[0] == 404, path
    assert ask(server, "/?embed=tasks")[0] == 200
    assert ask(server, "/", "POST")[0] == 501
    assert ask(server, "/", "HEAD")[2] == b""


def test_it_listens_to_this_machine_alone(server: ThreadingHTTPServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    port = server.server_port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost", "LOCALHOST:9000"):
        assert ask(server, "/content", Host=host)[0] == 200, host
    for host in (f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", f"192.168.0.1:{port}", "", "localhost.:1"):
        status, _, body = ask(server, "/content", Host=host)
        assert (status, body) == (403, b"only for this machine\n"), host


def test_what_has_not_changed_is_not_sent_again(server: ThreadingHTTPServer, folder: Path) -> None:
    tag = ask(server, "/content")[1]["ETag"]
    status, headers, body = ask(server, "/content", If_None_Match=tag)
    assert (status, headers["ETag"], body) == (304, tag, b"")
    write(folder, STUDY, [run(STUDY, CELL, 1)])
    status, headers, _ = ask(server, "/content", If_None_Match=tag)
    assert status == 200
    assert headers["ETag"] != tag


def test_what_a_run_adds_is_in_the_next_answer_with_its_queries(server: ThreadingHTTPServer, folder: Path) -> None:
    write(folder, STUDY, [run(STUDY, CELL, 1), run(STUDY, OTHER_TASK, 0)])
    found = content(server)
    assert found["sources"][0]["runs_n"] == 3
    assert found["queries"]["packed"].keys() == found["queries"]["columns"].keys()
    assert sum(one["queries"]["n"] for one in found["runs"]) == found["queries"]["n"]


def test_a_torn_line_leaves_the_last_good_content(server: ThreadingHTTPServer, folder: Path, said: list[str]) -> None:
    before = content(server)
    file = folder / store.RUNS_FILE
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"run_id": "half a li')
    assert content(server) == before
    assert content(server) == before
    assert len(said) == 1, "once for each change"
    assert "cut short" in said[0]
    file.write_bytes(whole)
    write(folder, STUDY, [run(STUDY, CELL, 1)])
    assert content(server)["sources"][0]["runs_n"] == 2
    assert len(said) == 1


def test_results_that_are_gone_leave_the_last_good_content(
    server: ThreadingHTTPServer, folder: Path, said: list[str]
) -> None:
    before = content(server)
    (folder / store.STUDY_FILE).unlink()
    assert content(server) == before
    assert "no study.json" in said[0]


def test_a_port_that_is_taken_is_told(folder: Path, server: ThreadingHTTPServer) -> None:
    served = Served([str(folder)], print)
    for port, why in ((server.server_port, "already in use"), (70_000, "from 0 to 65535")):
        with pytest.raises(MendableError, match=why):
            open_server(served, port)
    with open_server(served, None) as first, open_server(served, None) as second:
        assert first.server_port != second.server_port


def test_there_must_be_results_to_begin_with(tmp_path: Path) -> None:
    with pytest.raises(MendableError, match="no results"):
        Served([str(tmp_path / "none")], print)
