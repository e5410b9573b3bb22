"""One browser a session, the pages that it shows, and an eye on every window that a test opens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import MISSING, WIDE_PX, Theme, chromium, context_of, open_browser
from made_results import SPARSE, fake_energy, hostile
from pages import PAPER, PageOf, Shared, program
from playwright.sync_api import Browser
from visits import Opener, Visit

Look = tuple[int, Theme, bool]  # its width, its theme, and whether its content security policy is set aside

QUICKSTART_ONLY = ("text-classification", "token-classification", "question-answering", "image-classification")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip(MISSING)
    with open_browser() as one:
        yield one


@pytest.fixture(scope="session")
def idle(browser: Browser) -> Iterator[dict[Look, list[Visit]]]:
    """Empty windows by what they look like, for the next test: a new one takes four times as long as a page."""
    found: dict[Look, list[Visit]] = {}
    yield found
    for visits in found.values():
        for visit in visits:
            visit.page.context.close()


@pytest.fixture
def opened(browser: Browser, idle: dict[Look, list[Visit]]) -> Iterator[Opener]:
    """Opens windows that must stay quiet: no console line, error, dialog, refused or foreign request."""
    visits: list[tuple[Look, Visit]] = []

    def opener(width_px: int = WIDE_PX, theme: Theme = "light", bypass_csp: bool = False) -> Visit:
        look = (width_px, theme, bypass_csp)
        waiting = idle.setdefault(look, [])
        if waiting:
            visit = waiting.pop()
        else:
            visit = Visit(context_of(browser, *look).new_page())
            visit.listen()
        visits.append((look, visit))
        return visit

    yield opener
    noise = [one for _, visit in visits for one in visit.noise]
    for look, visit in visits:
        if noise or visit.downloads:  # Chromium drops the eleventh download of a window
            visit.page.context.close()
        else:
            visit.empty(*look[:2])
            idle[look].append(visit)
    assert noise == []


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
    """``paper``, ``quickstart``, ``both`` side by side, ``hostile``, ``fake_energy``, or a sparse folder."""

    def places(name: str) -> list[object]:
        if name == "paper":
            return [PAPER]
        if name in ("quickstart", "both"):
            measured = request.getfixturevalue("quickstart")
            return [measured, PAPER] if name == "both" else [measured]
        made = {"hostile": hostile, "fake_energy": fake_energy, **SPARSE}[name]
        return [shared.once(name, made)]

    return lambda name: shared.page(name, places(name))
