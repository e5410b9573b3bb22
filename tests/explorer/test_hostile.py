"""Names that try to be something else stay names: nothing runs, and spreadsheets are given no formula."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from browser import NARROW_PX, SECTIONS, layout_faults, seen
from made_results import HOSTILE_CELLS, HOSTILE_NAME, hostile
from pages import PageOf, program
from visits import Opener

FORMULA = re.compile(r"^\s*[=+\-@\t\r]")


def test_nothing_of_a_name_becomes_part_of_the_page(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    for section in SECTIONS:
        page = visit.to(page_of("hostile"), section)
        page.mouse.move(600, 500)
        assert page.evaluate(FOREIGN) == [], section
        assert seen(page).sentence, section


# What a name could have made that no page of ours has: elements that load or run, and attributes that do.
FOREIGN = """() => [...document.querySelectorAll("body *")].filter(one =>
    one.matches("img, iframe, object, embed, base, foreignObject, script:not([type]) ~ link") ||
    [...one.attributes].some(({ name, value }) => name.startsWith("on") || /^\\s*javascript:/i.test(value)
        && ["href", "src", "xlink:href", "action"].includes(name))).map(one => one.outerHTML.slice(0, 200))"""


def test_marks_of_direction_do_not_turn_other_words_round(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("hostile"), "data", rows="all")
    text = page.evaluate("document.body.innerText + document.title")
    assert not set(text) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")


def test_the_title_is_text(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("hostile"))
    assert "alert(11)" in page.title()
    assert page.locator("head > *").evaluate_all("found => found.map(one => one.tagName)").count("TITLE") == 1


def test_runs_and_pins_of_hostile_cells_open(opened: Opener, page_of: PageOf) -> None:
    visit = opened(NARROW_PX)
    page = visit.to(page_of("hostile"), "data", rows="all")
    links = page.locator('main a[href^="#run"]').evaluate_all("found => found.map(one => one.getAttribute('href'))")
    assert links
    for link in links[:: max(1, len(links) // 6)]:
        visit.to(page_of("hostile").absolute().as_uri() + link)
        assert seen(page).section == "run"
        assert layout_faults(page) == []


@pytest.mark.parametrize("control", ["task", "machine", "source"])
def test_filters_take_hostile_names(opened: Opener, page_of: PageOf, control: str) -> None:
    visit = opened()
    page = visit.to(page_of("hostile"), "tasks")
    options = page.locator(f"select[name={control}] option").evaluate_all("found => found.map(one => one.value)")
    for value in options[1:]:
        if page.locator(f"select[name={control}]").is_disabled():
            break
        page.locator(f"select[name={control}]").select_option(value)
        visit.settled()
        again = opened().to(page.evaluate("location.href"))
        assert seen(again).sentence == seen(page).sentence


@pytest.mark.parametrize("section", SECTIONS)
def test_no_download_holds_a_formula(opened: Opener, page_of: PageOf, section: str) -> None:
    page = opened().to(page_of("hostile"), section, rows="all")
    for button in page.locator("[data-download=csv]:visible").all():
        with page.expect_download() as coming:
            button.click()
        assert re.fullmatch(r"[a-z0-9.-]+\.csv", coming.value.suggested_filename)
        text = Path(coming.value.path()).read_text(encoding="utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline="")))
        assert len({len(line) for line in lines}) == 1
        cells = [cell for line in lines for cell in line]
        formulas = [cell for cell in cells if FORMULA.match(cell) and not re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", cell)]
        assert formulas == []


def test_json_gives_names_back_as_they_are(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("hostile"), "data", rows="all")
    with page.expect_download() as coming:
        page.locator("[data-download=json]:visible").first.click()
    rows = json.loads(Path(coming.value.path()).read_text(encoding="utf-8"))["rows"]
    assert {cell.model for cell in HOSTILE_CELLS} <= {row["model"] for row in rows}


def test_a_site_of_hostile_names_is_quiet(opened: Opener, tmp_path: Path) -> None:
    place = hostile(tmp_path / "<b>results</b>")
    program("explore", place, "luccioni2024", "--out", f"{tmp_path / 'site'}/")
    for file in sorted((tmp_path / "site").rglob("*.html")):
        visit = opened(NARROW_PX)
        if file.name == "index.html":
            visit.page.goto(file.as_uri())
            assert HOSTILE_NAME.split()[-1] in visit.page.locator("body").inner_text()
        else:
            visit.to(file)
        assert layout_faults(visit.page) == []
