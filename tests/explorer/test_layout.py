"""No text is cut off, lies over other text, or makes a page wider than its window: wide, narrow, light and dark."""

import pytest
from browser import NARROW_PX, SECTIONS, THEMES, WIDE_PX, Theme, layout_faults
from pages import PageOf
from visits import Opener

FAULTY = {
    "the page is": '<div style="width:3000px">wide</div>',
    "cut at the side": '<p style="width:4em;overflow:hidden;white-space:nowrap">words that do not fit</p>',
    "cut below": '<p style="height:1em;overflow:hidden;width:5em">words that do not fit in one line</p>',
    "broken in two": '<h2 style="width:3em;overflow-wrap:anywhere">unbreakable</h2>',
    "cut in its field": '<input placeholder="any number at all" style="width:4em">',
    "cut in its list": '<select style="width:4em"><option>a name that does not fit</option></select>',
    "over each other: ": '<p>first words</p><p style="margin-top:-2.2em">second words</p>',
    "over each other in a picture": "<svg><text y=20>first words</text><text x=9 y=24>second words</text></svg>",
    "over each other in a picture: “one": """<svg height=200><text x=9 y=20>one<tspan x=9 dy=14>name</tspan>
        <tspan x=9 dy=14>of three lines</tspan></text><text x=9 y=50>the next</text></svg>""",
    "outside its picture": "<svg width=50 height=50><text x=20 y=20>words that do not fit</text></svg>",
}
SOUND = """
<style>p {line-height: 1.1} .scroll {overflow-x: auto; width: 5em; white-space: nowrap}</style>
<p>two lines of <b>letters</b> that<br>touch each other a little</p><p class=scroll tabindex=0>words that scroll</p>
<p style="width:4em;overflow:hidden;text-overflow:ellipsis" title="all of it">wordsthatdonotfit</p>
<svg width=300 height=99><text transform="translate(50 90) rotate(-45)">first words</text>
<text transform="translate(70 90) rotate(-45)">second words</text></svg>
"""


@pytest.mark.parametrize(("fault", "body"), FAULTY.items())
def test_the_check_finds_what_is_wrong(opened: Opener, fault: str, body: str) -> None:
    page = opened(NARROW_PX).page
    page.set_content(f"<!doctype html><title>faulty</title><body>{body}")
    assert any(one.startswith(fault) for one in layout_faults(page)), layout_faults(page)


def test_the_check_leaves_alone_what_is_right(opened: Opener) -> None:
    page = opened(NARROW_PX).page
    page.set_content(f"<!doctype html><title>sound</title><body>{SOUND}")
    assert layout_faults(page) == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width_px", [WIDE_PX, NARROW_PX])
@pytest.mark.parametrize("name", ["quickstart", "both", "hostile"])
def test_every_section_fits(opened: Opener, page_of: PageOf, name: str, width_px: int, theme: Theme) -> None:
    visit, faults = opened(width_px, theme), []
    for section in SECTIONS:
        page = visit.to(page_of(name), section)
        assert page.locator("html").get_attribute("data-theme") == theme
        faults += [f"{section}: {fault}" for fault in layout_faults(page)]
    assert faults == []


def test_a_window_that_changes_its_width_is_drawn_anew(opened: Opener, page_of: PageOf) -> None:
    visit = opened(WIDE_PX)
    page = visit.to(page_of("both"), "size")
    for width_px in (NARROW_PX, 768, 1024, WIDE_PX):
        page.set_viewport_size({"width": width_px, "height": 900})
        assert layout_faults(visit.settled()) == []
