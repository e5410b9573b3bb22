"""A page that serves itself shows what a run adds, without being loaded anew."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import seen
from made_results import CELL, CELLS, OTHER_TASK, failed, run, study_of, write
from pages import JOULEMARK
from visits import Opener

STUDY = study_of(CELLS, "going-on")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with one run, and the address at which it is served."""
    folder = write(tmp_path / "going-on", STUDY, [run(STUDY, CELL, 0)])
    command = [str(JOULEMARK), "explore", str(folder), "--serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        try:
            said = ""
            while not (found := re.search(r"http://(?:127\.0\.0\.1|localhost):\d+/?", said)):
                line = server.stdout.readline()
                assert line, said
                said += line
            yield folder, found.group()
        finally:
            server.terminate()
            server.wait(30)


def test_what_a_run_adds_comes_into_sight(opened: Opener, served: tuple[Path, str]) -> None:
    folder, address = served
    visit = opened()
    page = visit.to(address, "tasks")
    page.evaluate("window.stillTheSamePage = true")
    page.locator("select[name=unit]").select_option("J")
    before = seen(visit.settled())
    assert {row[0] for row in before.tables["tasks"]} == {"text-classification"}
    write(folder, STUDY, [run(STUDY, OTHER_TASK, 0), run(STUDY, CELL, 1), failed(STUDY, CELLS[1], 0, "a new mistake")])
    page.wait_for_function("() => document.querySelector('main').innerText.includes('summarization')", timeout=60_000)
    after = seen(visit.settled())
    assert page.evaluate("window.stillTheSamePage")
    assert page.locator("select[name=unit]").input_value() == "J"
    assert {row[0] for row in after.tables["tasks"]} == {"text-classification", "summarization"}
    assert any("maker/summarizer" in (label or "") for label in after.marks["tasks"])
    assert "summarization" in after.sentence
    assert before.sentence != after.sentence
    page.locator('nav#sections a[href^="#data"]').click()
    assert "a new mistake" in seen(visit.settled()).text


def test_news_leave_alone_what_is_being_written(opened: Opener, served: tuple[Path, str]) -> None:
    """Also the first answer, which has nothing new."""
    folder, address = served
    visit = opened()
    page = visit.to(address, "tasks")
    field = page.locator("input[name=q]")
    field.press_sequentially("small")
    painted = page.evaluate("page.painted")
    with page.expect_response("**/content") as first:
        pass
    assert first.value.status == 304
    assert page.evaluate("page.painted") == painted
    write(folder, STUDY, [run(STUDY, OTHER_TASK, 0)])
    page.wait_for_function("() => document.querySelector('main').innerText.includes('summarization')", timeout=60_000)
    visit.settled()
    assert "summarization" in page.locator("select[name=task] option").all_text_contents()
    assert page.evaluate("document.activeElement.name") == "q"
    assert field.input_value() == "small"
    field.press("Enter")
    assert {row[0] for row in seen(visit.settled()).tables["tasks"]} == {"text-classification"}


def test_a_server_that_is_gone_is_told_and_what_was_shown_stays(
    opened: Opener, served: tuple[Path, str], tmp_path: Path
) -> None:
    _, address = served
    visit = opened()
    page = visit.to(address, "tasks")
    shown = seen(page)
    page.context.set_offline(True)
    page.wait_for_function("() => document.body.classList.contains('stale')", timeout=60_000)
    assert seen(page) == shown
    page.context.set_offline(False)
    page.wait_for_function("() => !document.body.classList.contains('stale')", timeout=60_000)
    visit.noise[:] = [one for one in visit.noise if "ERR_INTERNET_DISCONNECTED" not in one]
