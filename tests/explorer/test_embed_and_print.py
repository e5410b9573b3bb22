"""One figure alone for other pages, and the page on paper."""

import pytest
from browser import NARROW_PX, SECTIONS, ids_in_sight, layout_faults, seen
from pages import PageOf
from playwright.sync_api import Page
from visits import Opener

FRAME = ("nav#sections", "form#bar", "h1", "footer", "table", "div.controls")


def lightness(page: Page, selector: str, style: str) -> float:
    """How light a colour is, from 0 (black) to 1 (white); what is see-through counts as white paper."""
    value: float = page.locator(selector).first.evaluate(
        """(one, style) => {
            const [r, g, b, a] = getComputedStyle(one)[style].match(/[\\d.]+/g).map(Number)
            return a === 0 ? 1 : (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255
        }""",
        style,
    )
    return value


@pytest.mark.parametrize("section", SECTIONS)
def test_a_figure_is_shown_alone(opened: Opener, page_of: PageOf, section: str) -> None:
    file = page_of("both")
    page = opened().to(file, section, unit="J")
    whole = seen(page)
    for figure_id in ids_in_sight(page, "data-figure"):
        alone = opened(NARROW_PX).to(f"{file.absolute().as_uri()}?embed={figure_id}#{section}?unit=J")
        assert ids_in_sight(alone, "data-figure") == [figure_id]
        assert [one for one in FRAME if alone.locator(f"{one}:visible").count()] == []
        assert seen(alone).sentence == whole.sentence
        assert alone.locator("figcaption:visible").inner_text().strip()
        if figure_id in whole.marks:
            assert len(seen(alone).marks[figure_id]) == len(whole.marks[figure_id])
        assert layout_faults(alone) == []


def test_an_embedded_figure_needs_no_section_in_its_address(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(f"{page_of('both').absolute().as_uri()}?embed=size")
    assert ids_in_sight(page, "data-figure") == ["size"]


def test_a_figure_that_is_not_there_is_named_with_those_that_are(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(f"{page_of('both').absolute().as_uri()}?embed=pie#multi")
    assert ids_in_sight(page, "data-figure") == []
    assert all(word in page.locator("p.sentence").inner_text() for word in ('"pie"', "multi-tasks", "multi-lengths"))


def test_paper_has_the_figures_and_not_the_controls(opened: Opener, page_of: PageOf) -> None:
    visit = opened(theme="dark")
    for section in SECTIONS:
        visit.page.emulate_media(media="screen")
        page = visit.to(page_of("both"), section)
        on_screen = seen(page)
        page.emulate_media(media="print")
        visit.settled()
        assert_is_for_paper(page)
        on_paper = seen(page)
        assert on_paper.sentence == on_screen.sentence
        assert on_paper.marks == on_screen.marks
        page.pdf()  # which lays the pages out in earnest


def assert_is_for_paper(page: Page) -> None:
    for hidden in ("nav#sections", "form#bar", "button[name=theme]", "div.downloads", "button[data-pin]"):
        assert page.locator(f"{hidden}:visible").count() == 0, hidden
    assert page.locator("h1:visible").count() == 1
    assert lightness(page, "html", "backgroundColor") > 0.95
    assert lightness(page, "body", "backgroundColor") > 0.95
    for words in ("p.sentence", "h2", "figcaption"):
        if page.locator(f"section:visible {words}:visible").count():
            assert lightness(page, f"section:visible {words}:visible", "color") < 0.5, words
    if page.locator("section:visible svg text").count():
        assert lightness(page, "section:visible svg text", "fill") < 0.5


def test_paper_says_what_was_chosen(opened: Opener, page_of: PageOf) -> None:
    """The bar is not printed, so what it holds has to be read from elsewhere."""
    visit = opened()
    page = visit.to(page_of("both"), "tasks", boundary="marginal", task="text-classification")
    page.emulate_media(media="print")
    text = visit.settled().locator("body").inner_text()
    assert "above idle" in text or "marginal" in text
    assert "text-classification" in text
