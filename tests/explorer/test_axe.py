"""axe-core finds nothing in any section, light or dark, wide or narrow."""

from importlib.resources import files
from pathlib import Path

import pytest
from browser import NARROW_PX, SECTIONS, WIDE_PX, Theme
from pages import PageOf
from playwright.sync_api import Page
from visits import Opener, Visit

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """Each rule that is broken, with the first places."""
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
    return [
        f"{one['id']} ({len(one['nodes'])}): {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"][:3]
    ]


def test_axe_finds_what_is_wrong(opened: Opener) -> None:
    page = opened(bypass_csp=True).page
    page.set_content('<!doctype html><html lang=en><title>x</title><main><h1>x</h1><img src="data:,"><button></button>')
    assert {one.split()[0] for one in violations(page)} >= {"image-alt", "button-name"}


@pytest.mark.parametrize(("width_px", "theme"), [(WIDE_PX, "light"), (NARROW_PX, "dark")])
def test_axe_finds_nothing(opened: Opener, page_of: PageOf, width_px: int, theme: Theme) -> None:
    visit = opened(width_px, theme, bypass_csp=True)
    assert found_in_all_sections(visit, page_of("both")) == []


@pytest.mark.parametrize("name", ["nothing_measured", "only_failed", "hostile"])
def test_axe_finds_nothing_where_little_is_there(opened: Opener, page_of: PageOf, name: str) -> None:
    assert found_in_all_sections(opened(bypass_csp=True), page_of(name)) == []


def found_in_all_sections(visit: Visit, file: Path) -> list[str]:
    return [f"{section}: {one}" for section in SECTIONS for one in violations(visit.to(file, section))]
