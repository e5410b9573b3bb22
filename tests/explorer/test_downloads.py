"""Downloads hold what is shown: the rows and units of a table, the marks of a figure."""

import csv
import io
import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from browser import SECTIONS, seen
from pages import PageOf
from PIL import Image
from playwright.sync_api import Locator, Page
from visits import Opener

SIZES = [10.0 ** (3 * i) / joules for i in range(-4, 5) for joules in (1, 3.6)]  # of units and watt-hours
TABLES_A_WINDOW_N = 5  # two downloads each; Chromium drops the eleventh of a window
SVG = "{http://www.w3.org/2000/svg}"


def downloaded(page: Page, button: Locator) -> Path:
    with page.expect_download() as coming:
        button.click()
    return Path(coming.value.path())


def block(page: Page, table_id: str) -> Locator:
    """The part of the page that holds a table and its buttons."""
    return page.locator(f'div.table:has(table[data-table="{table_id}"])')


def number(text: str) -> float | None:
    """The number that a cell shows, if it shows one and nothing else."""
    try:
        return float(text.replace(",", "").replace("−", "-"))
    except ValueError:
        return None


@pytest.mark.parametrize("section", SECTIONS)
def test_tables_are_downloaded_as_shown(opened: Opener, page_of: PageOf, section: str) -> None:
    page = opened().to(page_of("both"), section, rows="all")
    shown = seen(page)
    for place, (table_id, rows) in enumerate(shown.tables.items()):
        if place and place % TABLES_A_WINDOW_N == 0:
            page = opened().to(page_of("both"), section, rows="all")
        buttons = block(page, table_id)
        text = downloaded(page, buttons.locator("[data-download=csv]")).read_text(encoding="utf-8-sig")
        content = json.loads(downloaded(page, buttons.locator("[data-download=json]")).read_text(encoding="utf-8"))
        head, *lines = csv.reader(io.StringIO(text, newline=""))
        assert len(set(head)) == len(head), (table_id, head)
        assert len(lines) == len(content["rows"]) == len(rows), table_id
        for line, record, row in zip(lines, content["rows"], rows, strict=True):
            assert list(record) == head
            for cell, value in zip(line, record.values(), strict=True):
                if value is None:
                    assert cell == ""
                elif isinstance(value, float | int) and not isinstance(value, bool):
                    assert float(cell) == value
            exact = [value for text in record.values() if (value := number(str(text))) is not None]
            for cell in row:
                found = number(cell)
                if found is not None:  # shown to three digits and in a unit that reads well, downloaded in full
                    near = any(
                        math.isclose(value * size, found, rel_tol=6e-3, abs_tol=1e-12)
                        for value in exact
                        for size in SIZES
                    )
                    assert near, (table_id, cell, record)


def test_units_are_named_and_follow_the_bar(opened: Opener, page_of: PageOf) -> None:
    """The same cell in joules is 3,600 times its watt-hours, whatever prefix the column has."""
    sizes_j = {"Wh": 3600.0, "kWh": 3.6e6, "mWh": 3.6, "J": 1.0, "kJ": 1e3, "MJ": 1e6}
    found, visit = [], opened()
    for unit in ("Wh", "J"):
        page = visit.to(page_of("paper"), "data", unit=unit, rows="all")
        table_id = next(iter(seen(page).tables))
        button = block(page, table_id).locator("[data-download=json]")
        rows = json.loads(downloaded(page, button).read_text(encoding="utf-8"))["rows"]
        key = next(name for name in rows[0] if name.startswith("energy_"))
        symbol = key.split("_")[1]
        assert symbol.endswith(unit)
        assert key.endswith("per_1000_queries")
        found.append([None if row[key] is None else row[key] * sizes_j[symbol] for row in rows])
    assert found[0] == pytest.approx(found[1], rel=1e-9)


@pytest.mark.parametrize("section", SECTIONS)
def test_figures_are_downloaded_with_their_marks(opened: Opener, page_of: PageOf, section: str) -> None:
    page = opened(theme="dark").to(page_of("both"), section)
    for figure_id, marks in seen(page).marks.items():
        figure = page.locator(f'figure[data-figure="{figure_id}"]')
        text = downloaded(page, figure.locator("[data-download=svg]")).read_text(encoding="utf-8")
        drawing = ElementTree.fromstring(text)
        assert drawing.tag == f"{SVG}svg"
        assert "var(--" not in text  # colours of the page are not there
        labels = {one.get("aria-label") for one in drawing.iter() if one.get("aria-label")}
        assert {label for label in marks if label} <= labels
        title = figure.locator("h3").inner_text()
        assert title in " ".join("".join(one.itertext()) for one in drawing.iter(f"{SVG}text"))
        with Image.open(downloaded(page, figure.locator("[data-download=png]"))) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 100
            lightness = picture.convert("RGB").convert("L").histogram()
            assert sum(lightness[:100]) > 100  # there is ink
            assert lightness[255] > sum(lightness) / 5  # on white paper, though the page is dark
            assert sum(lightness[200:]) > sum(lightness) / 2


def test_a_download_does_not_change_the_page(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    page = visit.to(page_of("both"), "size", unit="J")
    before, address = seen(page), page.evaluate("location.href")
    for kind in ("svg", "png", "csv", "json"):
        downloaded(page, page.locator(f"[data-download={kind}]:visible").first)
    assert seen(visit.settled()) == before
    assert page.evaluate("location.href") == address
