"""Whatever a pointer can do, keys can: everything is reached by Tab, is seen to be, and lets go again."""

import pytest
from browser import SECTIONS, seen
from pages import PageOf
from playwright.sync_api import Page
from visits import Opener

STOPS = """() => {
    const stops = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
        .filter(one => !one.disabled && one.tabIndex >= 0 && one.checkVisibility({ checkVisibilityCSS: true }))
    stops.forEach((one, i) => { one.dataset.stop = i })
    return stops.length
}"""
FOCUSED = """() => {
    const one = document.activeElement
    if (!one || one === document.body) return null
    const style = getComputedStyle(one)
    const box = one.getBoundingClientRect()
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 || style.boxShadow !== "none"
    const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth
    return { stop: one.dataset.stop ?? null, ring, inside, what: one.outerHTML.slice(0, 160) }
}"""


def walk(page: Page, most_n: int, key: str = "Tab") -> list[dict[str, str | bool | None]]:
    """Every element that a key leads to, until it leaves the page or comes round to where it began."""
    found: list[dict[str, str | bool | None]] = []
    for _ in range(most_n):
        page.keyboard.press(key)
        at = page.evaluate(FOCUSED)
        if at is None or (found and at["stop"] is not None and at["stop"] == found[0]["stop"]):
            break
        found.append(at)
    return found


@pytest.mark.parametrize("section", SECTIONS)
def test_tab_reaches_everything_visibly_and_is_not_trapped(opened: Opener, page_of: PageOf, section: str) -> None:
    page = opened().to(page_of("quickstart"), section)
    page.evaluate("document.activeElement?.blur()")
    stops_n = page.evaluate(STOPS)
    assert stops_n > 10
    walked = walk(page, stops_n + 5)
    assert len(walked) <= stops_n + 1, "the keyboard is trapped"
    missed = set(map(str, range(stops_n))) - {at["stop"] for at in walked}
    assert [
        page.locator(f'[data-stop="{stop}"]').evaluate("one => one.outerHTML.slice(0, 160)") for stop in missed
    ] == []
    assert [at["what"] for at in walked if not at["ring"]] == []
    assert [at["what"] for at in walked if not at["inside"]] == []


def test_what_can_be_pressed_can_be_reached(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("quickstart"), "data")
    out_of_reach = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, input, select, summary")]
            .filter(one => one.checkVisibility() && one.tabIndex < 0).map(one => one.outerHTML.slice(0, 160))"""
    )
    assert out_of_reach == []


def test_the_skip_link_leads_to_the_content(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("quickstart"), "tasks")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('a[href]')")
    address = page.evaluate("document.activeElement.getAttribute('href')")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null"), address
    assert seen(page).section == "tasks"


def test_enter_follows_a_section_and_focus_is_not_lost(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    page = visit.to(page_of("quickstart"), "tasks")
    page.locator('nav#sections a[href^="#size"]').focus()
    page.keyboard.press("Enter")
    visit.settled()
    assert seen(page).section == "size"
    assert page.evaluate("document.activeElement !== document.body")


def test_a_run_is_read_from_its_beginning(opened: Opener, page_of: PageOf) -> None:
    """A link far down leads to the head of its section, not to the height at which it stood."""
    visit = opened()
    page = visit.to(page_of("quickstart"), "data", rows="all")
    link = page.locator('main a[href^="#run"]:visible').last
    link.focus()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.keyboard.press("Enter")
    visit.settled()
    assert seen(page).section == "run"
    assert page.evaluate("document.activeElement.textContent.startsWith(document.querySelector('h2').textContent)")
    assert 0 <= page.evaluate("document.querySelector('h2').getBoundingClientRect().top") < 300


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_keys_sort_a_table(opened: Opener, page_of: PageOf, key: str) -> None:
    visit = opened()
    page = visit.to(page_of("both"), "data")
    table = page.locator("table[data-table]:visible").first
    head = table.locator("th button").first
    head.focus()
    page.keyboard.press(key)
    visit.settled()
    first = table.locator("th[aria-sort=ascending], th[aria-sort=descending]")
    assert first.count() == 1
    direction, rows = first.get_attribute("aria-sort"), next(iter(seen(page).tables.values()))
    page.keyboard.press(key)  # the focus must have stayed
    visit.settled()
    assert first.get_attribute("aria-sort") != direction
    assert next(iter(seen(page).tables.values())) != rows


def test_space_pins_a_row_and_lets_it_go(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    page = visit.to(page_of("quickstart"), "ways")
    pin = page.locator("button[data-pin]:visible").first
    name = pin.get_attribute("data-pin")
    pin.focus()
    page.keyboard.press("Space")
    visit.settled()
    assert page.locator(f'button[data-pin="{name}"]:visible').first.get_attribute("aria-pressed") == "true"
    assert "pins=" in page.evaluate("location.hash")
    assert page.evaluate("document.activeElement.dataset.pin") == name
    page.keyboard.press("Space")
    visit.settled()
    assert page.locator(f'button[data-pin="{name}"]:visible').first.get_attribute("aria-pressed") == "false"


def test_arrow_keys_walk_the_marks_of_a_figure(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("quickstart"), "tasks")
    page.locator("figure[data-figure]:visible div.plot[tabindex]").first.focus()
    told = []
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        told.append(page.locator("[role=status]:visible, [aria-live]:visible").all_inner_texts())
    assert len({str(one) for one in told}) == 3
    page.keyboard.press("Escape")


def test_a_run_is_reached_by_keys(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    page = visit.to(page_of("quickstart"), "data")
    page.locator('main a[href^="#run"]:visible').first.focus()
    page.keyboard.press("Enter")
    visit.settled()
    assert seen(page).section == "run"
    assert "run=" in page.evaluate("location.hash")
