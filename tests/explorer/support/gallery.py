"""The pictures of docs/gallery: sections of a page made from the paper's results and a quickstart measured here.

python tests/explorer/support/gallery.py docs/gallery [QUICKSTART]   # without a results folder one is measured first
"""

from __future__ import annotations

import io
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from browser import NARROW_PX, WIDE_PX, Theme, context_of, layout_faults, open_browser
from pages import PAPER, program
from PIL import Image
from playwright.sync_api import Browser
from visits import Visit

COLOURS_N = 96
HEIGHT_PX = 1000


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: what it shows, and where that is."""

    words: str
    section: str
    state: dict[str, str]
    width_px: int = WIDE_PX
    theme: Theme = "light"

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.section}-{self.width_px}-{self.theme}.png"


PUBLISHED = {"source": PAPER}
ASKED = {**PUBLISHED, "choose_quality": "0.9", "grid": "FRA", "pue": "1.2", "choose_price": "0.30 EUR"}
PICTURES = (
    Picture("What a task costs: a dot per model, their mean, and the sentence that says it.", "tasks", PUBLISHED),
    Picture("Size against energy, in the dark theme.", "size", PUBLISHED, theme="dark"),
    Picture("One task, many ways: task-specific and prompted models on the same datasets.", "ways", PUBLISHED),
    Picture("Accuracy for energy, with the Pareto front.", "quality", PUBLISHED),
    Picture("Multi-purpose models by task and architecture.", "multi", PUBLISHED, theme="dark"),
    Picture("After how many queries inference has used as much as training.", "parity", PUBLISHED),
    Picture("The cheapest model that is good enough, and what a year of it costs.", "choose", ASKED),
    Picture("Single queries of a run on this project's own miniature models.", "queries", {}),
    Picture("The reason to believe a number: a run's trace, repetitions, machine and findings.", "run", {}),
    Picture("The same page on a telephone.", "tasks", {}, NARROW_PX),
    Picture("And at night.", "size", {}, NARROW_PX, "dark"),
)


def main() -> None:
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        measured = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder) / "quickstart"
        if len(sys.argv) <= 2:
            program("run", "quickstart", "--out", measured)
        page = Path(folder) / "page.html"
        program("explore", measured, PAPER, "--out", page)
        with open_browser() as browser:
            faults = take(browser, page, out)
    print(f"{len(PICTURES)} pictures in {out}", *faults, sep="\n    ")


def take(browser: Browser, page: Path, out: Path) -> list[str]:
    """Take all pictures of a page into a folder with a text that shows them; what is wrong with them."""
    out.mkdir(parents=True, exist_ok=True)
    faults = []
    for picture in PICTURES:
        visit = Visit(context_of(browser, picture.width_px, picture.theme).new_page())
        visit.listen()
        shown = visit.to(page, picture.section, **picture.state)
        shown.set_viewport_size({"width": picture.width_px, "height": HEIGHT_PX})
        if picture is not PICTURES[0]:  # the frame with its filters is the same in all of them
            shown.evaluate("document.querySelector('main > section').scrollIntoView()")
        reduced(shown.screenshot(), out / picture.file)
        faults += [f"{picture.file}: {fault}" for fault in (*visit.noise, *layout_faults(visit.settled()))]
        visit.page.context.close()
    (out / "README.md").write_text(readme(), encoding="utf-8")
    return faults


def reduced(raw: bytes, file: Path) -> None:
    """The picture with so few colours that it stays small."""
    with Image.open(io.BytesIO(raw)) as picture:
        few = picture.convert("RGB").quantize(COLOURS_N, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
        few.save(file, optimize=True)


def readme() -> str:
    lines = [
        "# What the explorer looks like",
        "",
        "`joulemark explore results/quickstart luccioni2024 --out page.html` makes one HTML file without a request.",
        "`make gallery` takes these pictures of it: the paper's published results and the quickstart, measured anew.",
        "",
    ]
    for picture in PICTURES:
        lines += [f"## {picture.words}", "", f"![{picture.words}]({picture.file})", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
