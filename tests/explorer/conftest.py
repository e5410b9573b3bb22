"""One browser a session, the pages that it shows, and an eye on every window that a test opens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import MISSING, WIDE_PX, Theme, chromium, context_of, open_browser
from made_results import SPARSE, hostile
from pages import PAPER, PageOf, Shared, program
from playwright.sync_api import Browser
from visits import Opener, Visit

QUICKSTART_ONLY = ("text-classification", "token-classification", "question-answering", "image-classification")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip(MISSING)
    with open_browser() as one:
        yield one


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opener]:
    """Opens windows that must stay quiet: no console line, error, dialog, refused or foreign request."""
    visits: list[Visit] = []

    def opener(width_px: int = WIDE_PX, theme: Theme = "light", bypass_csp: bool = False) -> Visit:
        visit = Visit(context_of(browser, width_px, theme, bypass_csp).new_page())
        visit.listen()
        visits.append(visit)
        return visit

    yield opener
    for visit in visits:
        visit.page.context.close()
    assert [noise for visit in visits for noise in visit.noise] == []


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "explorer-pages"
    root.mkdir(exist_ok=True)
    return Shared(root)


@pytest.fixture(scope="session")
def quickstart(shared: Shared, model_cache: Path) -> Path:
    """Five real models on four tasks, two of them on the same samples, measured twice each."""
    only = [part for task in QUICKSTART_ONLY for part in ("--only", task)]
    short = ("--repeats", 2, "--queries", 20, "--idle", 0.2)
    return shared.once("quickstart", lambda out: program("run", "quickstart", "--out", out, *short, *only))


@pytest.fixture(scope="session")
def page_of(shared: Shared, request: pytest.FixtureRequest) -> PageOf:
    """``paper``, ``quickstart``, ``both`` side by side, ``hostile``, or one of the sparse folders."""

    def places(name: str) -> list[object]:
        if name == "paper":
            return [PAPER]
        if name in ("quickstart", "both"):
            measured = request.getfixturevalue("quickstart")
            return [measured, PAPER] if name == "both" else [measured]
        return [shared.once(name, hostile if name == "hostile" else SPARSE[name])]

    return lambda name: shared.page(name, places(name))
