"""The system's Chromium through Playwright, and what the tests look for in a page that is shown in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

Theme = Literal["light", "dark"]

SECTIONS = ("tasks", "size", "ways", "quality", "multi", "parity", "choose", "queries", "run", "data", "method")
THEMES: tuple[Theme, ...] = ("light", "dark")
WIDE_PX, NARROW_PX = 1440, 390
HEIGHTS_PX = {WIDE_PX: 900, NARROW_PX: 844}
MISSING = "no Chromium: apt-get install chromium, or set JOULEMARK_CHROMIUM to its program"
LAYOUT = Path(__file__).with_name("layout.js").read_text(encoding="utf-8")
SEEN = Path(__file__).with_name("seen.js").read_text(encoding="utf-8")
READY = "() => document.body?.dataset.ready === 'true'"


def chromium() -> str | None:
    """The program: what JOULEMARK_CHROMIUM names, else Debian's or Chrome's on the path; ``None`` if there is none."""
    named = os.environ.get("JOULEMARK_CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless browser without a sandbox, which a container's root cannot have."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def context_of(
    browser: Browser, width_px: int = WIDE_PX, theme: Theme = "light", bypass_csp: bool = False
) -> BrowserContext:
    """A fresh profile with a window of one width whose user prefers one theme and no motion."""
    return browser.new_context(
        viewport={"width": width_px, "height": HEIGHTS_PX.get(width_px, 900)},
        color_scheme=theme,
        reduced_motion="reduce",
        bypass_csp=bypass_csp,
        accept_downloads=True,
    )


def hash_of(section: str, state: Mapping[str, str] | None = None) -> str:
    """The part of an address that names a section and what differs from its defaults."""
    pairs = "&".join(f"{key}={quote(value, safe='~')}" for key, value in (state or {}).items())
    return f"#{section}?{pairs}" if pairs else f"#{section}"


def show(page: Page, file: Path | str, section: str = "", state: Mapping[str, str] | None = None) -> None:
    """Open a page at a section, as somebody does who was sent the link, and wait until it is painted.

    Where that page is open already, only the fragment of the address changes, as by a link inside it.
    """
    address = file if isinstance(file, str) else file.absolute().as_uri()
    address += hash_of(section, state) if section else ""
    if "#" in address and page.url.split("#")[0] == address.split("#")[0]:
        page.evaluate("address => { location.href = address }", address)
    else:
        page.goto(address)
        page.wait_for_function(READY)
    settle(page)


def settle(page: Page) -> None:
    """Wait until the page is neither painting nor about to, and has looked the same for some frames."""
    page.evaluate(
        """async () => {  // in frames, not in seconds, since the machine may be busy
            const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))
            let before, still = 0
            for (let tries = 0; tries < 600 && still < 6; tries++) {
                const busy = typeof painting !== "undefined" && painting
                const now = (document.body.dataset.painted ?? "") + "/" + document.querySelectorAll("svg *").length
                still = now === before && !busy ? still + 1 : 0
                before = now
                await frame()
            }
        }"""
    )


def layout_faults(page: Page) -> list[str]:
    """What of the page's text is cut, covered by other text, or wider than the window."""
    faults: list[str] = page.evaluate(LAYOUT)
    return faults


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader sees of the current section; tables, their heads, names of marks and labels by their ids."""

    section: str
    sentence: str
    tables: Mapping[str, list[list[str]]]
    heads: Mapping[str, list[str]]
    marks: Mapping[str, list[str | None]]
    labels: Mapping[str, list[str]]
    empty: tuple[str, ...]
    text: str


def seen(page: Page) -> Seen:
    """What is in sight of the current section."""
    return Seen(**page.evaluate(SEEN))


def rows_of(page: Page, table_id: str) -> list[dict[str, Any]]:
    """The rows of a table in full precision, as they are downloaded."""
    button = page.locator(f'div.table:has(table[data-table="{table_id}"]) [data-download=json]')
    with page.expect_download() as coming:
        button.click()
    found: list[dict[str, Any]] = json.loads(Path(coming.value.path()).read_text(encoding="utf-8"))["rows"]
    return found


def ids_in_sight(page: Page, attribute: str) -> list[str]:
    """The values of a data attribute of what is in sight, such as ``data-figure``."""
    return [str(one.get_attribute(attribute)) for one in page.locator(f"[{attribute}]").all() if one.is_visible()]
