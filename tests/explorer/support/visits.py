"""Windows of the browser that note whatever a quiet page does not do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from browser import HEIGHTS_PX, WIDE_PX, Theme, settle, show
from playwright.sync_api import ConsoleMessage, Dialog, Page, Request, TimeoutError  # noqa: A004

OWN = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:")


@dataclass(frozen=True, slots=True)
class Visit:
    """A window, with every console line, error, dialog, refused and foreign request since it was opened."""

    page: Page
    noise: list[str] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)

    def to(self, file: Path | str, section: str = "", **state: str) -> Page:
        """Follow a link to a section of a page; where it never comes up, what it said is the error."""
        try:
            show(self.page, file, section, state)
        except TimeoutError as error:
            raise AssertionError(f"{section} of {file} is never ready: {self.noise}") from error
        return self.page

    def settled(self) -> Page:
        settle(self.page)
        return self.page

    def empty(self, width_px: int, theme: Theme) -> None:
        """Leave the page, and be as a new window is."""
        self.page.context.set_offline(False)
        self.page.goto("about:blank")
        self.page.emulate_media(media="screen", color_scheme=theme)
        self.page.set_viewport_size({"width": width_px, "height": HEIGHTS_PX.get(width_px, 900)})
        self.page.mouse.move(0, 0)
        self.noise.clear()

    def listen(self) -> None:
        """Begin to note."""

        def console(message: ConsoleMessage) -> None:
            self.noise.append(f"console {message.type}: {message.text[:400]}")

        def dialog(one: Dialog) -> None:
            self.noise.append(f"dialog: {one.message[:400]}")
            one.dismiss()

        def request(one: Request) -> None:
            if not one.url.startswith(OWN):
                self.noise.append(f"request: {one.url[:200]}")

        def refused(one: Request) -> None:
            if one.failure != "net::ERR_ABORTED":  # which is what the browser calls a download
                self.noise.append(f"refused: {one.url[:200]} {one.failure}")

        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', event => console.error('policy', event.violatedDirective))"
        )
        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.noise.append(f"error: {error}"))
        self.page.on("dialog", dialog)
        self.page.on("request", request)
        self.page.on("requestfailed", refused)
        self.page.on("download", lambda one: self.downloads.append(one.suggested_filename))


class Opener(Protocol):
    """Opens an empty window of a width for a reader who likes a theme."""

    def __call__(self, width_px: int = WIDE_PX, theme: Theme = "light", bypass_csp: bool = False) -> Visit: ...
