"""``joulemark explore`` through the installed program."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_results import CELL, CELLS, one_run, run, study_of, write
from program import BINARY, complains, joulemark

from joulemark import store

WAIT_S = 60.0


def test_one_file_beside_oneself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one_run(tmp_path / "results" / "mine")
    done = joulemark("explore", "results/mine")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine.html").read_text().startswith("<!doctype html>")
    assert done.stdout.startswith("mine.html   ")
    assert "4 cells, 1 run, 20 single queries" in done.stdout
    assert "one-run: one run: no spread" in done.stdout
    assert "xdg-open mine.html" in done.stdout
    assert joulemark("explore", "results/mine", "luccioni2024").returncode == 0
    assert (tmp_path / "explorer.html").exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["explorer.html", "mine.html", "results"]


def test_json_says_what_was_written(tmp_path: Path) -> None:
    done = joulemark("explore", one_run(tmp_path / "mine"), "luccioni2024", "--out", tmp_path / "page.html", "--json")
    found = json.loads(done.stdout)
    assert found["file"] == str(tmp_path / "page.html")
    assert found["bytes"] == (tmp_path / "page.html").stat().st_size
    assert [source["name"] for source in found["sources"]] == ["one-run", "luccioni2024"]
    assert (found["cells_n"], found["runs_n"], found["queries_n"]) == (316, 3121, 20)
    assert any("means" in line for line in found["left_out"])


def test_a_folder_of_pages(tmp_path: Path) -> None:
    done = joulemark("explore", one_run(tmp_path / "mine"), "luccioni2024", "--out", f"{tmp_path}/site/")
    assert done.returncode == 0, done.stderr
    names = {file.name for file in (tmp_path / "site").iterdir()}
    assert names == {"index.html", "all.html", "one-run.html", "luccioni2024.html"}
    again = joulemark("explore", "luccioni2024", "--out", tmp_path / "site", "--json")
    assert json.loads(again.stdout)["file"] == str(tmp_path / "site" / "index.html")


def test_without_results_it_names_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "joulemark explore luccioni2024" in complains(joulemark("explore"))
    one_run(tmp_path / "results" / "b")
    one_run(tmp_path / "results" / "a")
    assert "joulemark explore results/a · results/b" in complains(joulemark("explore"))


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    mine = one_run(tmp_path / "mine")
    study = tmp_path / "study.toml"
    study.write_text("mine")
    for arguments, why in (
        (("nowhere",), "no results in nowhere"),
        ((mine, "--out", mine), "holds results"),
        ((mine, "--out", tmp_path / "none" / "page.html"), "there is no folder"),
        ((mine, "--serve", "--out", "page.html"), "leave out --serve"),
        ((mine, "--port", "80"), "--port is for --serve"),
        ((mine, "--out", study), "is no .html page"),
        ((mine, "--serve", "--port", "99999"), "from 0 to 65535"),
    ):
        assert why in complains(joulemark("explore", *arguments)), arguments
    assert study.read_text() == "mine"
    assert sorted(file.name for file in mine.iterdir()) == [
        ".lock", "inferences", "machines", "runs.jsonl", "study.json",
    ]  # fmt: skip


def test_without_vl_convert_it_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['vl_convert'] = None; from joulemark.cli import main; main()"
    arguments = ("explore", "luccioni2024", "--out", tmp_path / "page.html")
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300
    )
    assert "the explorer needs vl-convert: pip install 'joulemark[figures]'" in complains(done)
    assert not list(tmp_path.iterdir())


def test_without_pyarrow_there_are_no_single_queries(tmp_path: Path) -> None:
    mine = one_run(tmp_path / "mine")
    program = "import sys; sys.modules['pyarrow'] = None; from joulemark.cli import main; main()"
    arguments = ("explore", mine, "--out", tmp_path / "page.html", "--json")
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["queries_n"] == 0
    assert "needs pyarrow" in found["left_out"][-1]


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A program that ends with the test."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


def test_it_serves_until_it_is_stopped(tmp_path: Path) -> None:
    command = [str(BINARY), "explore", str(one_run(tmp_path / "mine")), "--serve", "--port", "0"]
    with started(command) as server:
        assert server.stdout is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/", said)):
            line = server.stdout.readline()
            assert line, said
            said += line
        with urllib.request.urlopen(found[0], timeout=WAIT_S) as answer:
            assert answer.read().startswith(b"<!doctype html>")
        server.send_signal(signal.SIGINT)
        assert server.wait(WAIT_S) == 0
        assert server.stderr is not None
        assert server.stderr.read() == ""


def test_watching_writes_again_what_has_changed(tmp_path: Path) -> None:
    study = study_of(CELLS)
    mine = write(tmp_path / "mine", study, [run(study, CELL, 0)])
    page = tmp_path / "page.html"
    command = [str(BINARY), "explore", str(mine), "--out", str(page), "--watch"]
    with started(command) as watcher:
        assert watcher.stdout is not None
        assert watcher.stderr is not None
        assert watcher.stderr.readline() == "watching; Ctrl-C ends it\n"
        first = page.read_bytes()
        file = mine / store.RUNS_FILE
        whole = file.read_bytes()
        file.write_bytes(whole + b'{"torn')
        assert "left as it was" in watcher.stderr.readline()
        assert page.read_bytes() == first
        file.write_bytes(whole)
        write(mine, study, [run(study, CELL, 1)])
        until = time.monotonic() + WAIT_S
        while page.read_bytes() == first and time.monotonic() < until:
            time.sleep(0.1)
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(WAIT_S) == 0
        assert "4 cells, 2 runs, 40 single queries" in watcher.stdout.read()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine", "page.html"]
