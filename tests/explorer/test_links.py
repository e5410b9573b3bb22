"""Every link of a page leads somewhere."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from browser import SECTIONS, seen
from pages import PAPER, PageOf, program
from playwright.sync_api import Page
from visits import Opener


def links_of(page: Page) -> list[str]:
    found: list[str] = page.locator("a[href]").evaluate_all("found => found.map(one => one.getAttribute('href'))")
    return found


@pytest.mark.parametrize("name", ["both", "quickstart"])
def test_every_link_inside_a_page_leads_to_its_place(opened: Opener, page_of: PageOf, name: str) -> None:
    visit, links = opened(), set[str]()
    for section in SECTIONS:
        links |= set(links_of(visit.to(page_of(name), section, rows="all")))
    for link in links:
        if link.startswith("#"):
            continue
        address = urlparse(link)
        assert address.scheme == "https", link
        assert "." in address.netloc, link
    runs = sorted(link for link in links if link.startswith("#run?") and "run=" in link)
    assert runs
    for link in runs[:: max(1, len(runs) // 12)]:
        page = visit.to(page_of(name).absolute().as_uri() + link)
        what = seen(page)
        assert what.section == "run"
        assert unquote(link.split("run=")[1].split("&")[0]) in page.evaluate("location.hash")
        assert not any("no run" in text.lower() for text in what.empty)
    for link in links - set(runs):
        if link.startswith("#") and not link.startswith("#run"):
            page = visit.to(page_of(name).absolute().as_uri() + link)
            name_of = link[1:].split("?")[0]
            assert name_of in SECTIONS or page.locator(f"#{name_of}").count() == 1, link


def test_links_of_a_site_lead_to_its_files(opened: Opener, quickstart: Path, tmp_path: Path) -> None:
    program("explore", quickstart, PAPER, "--out", f"{tmp_path / 'site'}/")
    index = tmp_path / "site" / "index.html"
    visit = opened()
    visit.page.goto(index.as_uri())
    files = [link for link in links_of(visit.page) if not link.startswith(("https:", "#"))]
    assert len(files) >= 3  # one for each source and one for all
    for link in files:
        address = urlparse(index.as_uri() + "/../" + link)
        assert (index.parent / unquote(urlparse(link).path)).is_file(), address
        assert seen(visit.to((index.parent / unquote(link)).as_uri())).sentence
