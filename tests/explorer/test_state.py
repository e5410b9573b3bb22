"""Every choice is in the address: a link brings the same page back, and so do back and forward."""

import pytest
from browser import seen
from pages import PageOf
from playwright.sync_api import Page
from visits import Opener

STATES = {
    "tasks": {"task": "text-classification", "unit": "J"},
    "size": {"quantity": "carbon", "grid": "France"},
    "ways": {"kind": "task-specific", "known": "measured"},
    "quality": {"task": "image-classification", "per": "1"},
    "multi": {"boundary": "host"},
    "data": {"q": "bert & co=1~#%?", "sort": "cells~model~down"},
}


def controls(page: Page) -> dict[str, str]:
    """What each control of the bar and of the section shows."""
    found: dict[str, str] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("select, input")]
            .filter(one => one.name && one.checkVisibility())
            .map(one => [one.name, one.type === "checkbox" ? String(one.checked) : one.value]))"""
    )
    return found


def choose(page: Page, name: str, value: str) -> None:
    """Choose as a person does: from a list, or by typing and leaving the field."""
    control = page.locator(f"[name={name}]:visible")
    if control.evaluate("one => one.tagName") == "SELECT":
        control.select_option(value)
    else:
        control.fill(value)
        control.press("Tab")


def second_option(page: Page, name: str) -> str:
    """The value of an option that is not chosen."""
    value: str = page.locator(f"select[name={name}]:visible").evaluate(
        "one => [...one.options].find(option => !option.selected && !option.disabled).value"
    )
    return value


@pytest.mark.parametrize("section", STATES)
def test_a_link_restores_what_was_seen(opened: Opener, page_of: PageOf, section: str) -> None:
    page = opened().to(page_of("both"), section, **STATES[section])
    address, there = page.evaluate("location.href"), seen(page)
    assert there.section == section
    shown = controls(page)
    for key, value in STATES[section].items():
        if key in shown:
            assert shown[key] == value
    again = opened().to(address)
    assert again.evaluate("location.href") == address
    assert controls(again) == shown
    assert seen(again) == there


@pytest.mark.parametrize("name", ["task", "modality", "kind", "machine", "source", "known", "boundary", "per", "unit"])
def test_every_choice_of_the_bar_is_kept_in_the_address(opened: Opener, page_of: PageOf, name: str) -> None:
    visit = opened()
    page = visit.to(page_of("both"), "tasks")
    before = seen(page)
    value = second_option(page, name)
    choose(page, name, value)
    visit.settled()
    assert f"{name}=" in page.evaluate("location.hash")
    changed = seen(page)
    assert changed != before
    again = opened().to(page.evaluate("location.href"))
    assert controls(again)[name] == value
    assert seen(again) == changed
    page.locator("button[name=reset]").click()
    visit.settled()
    assert seen(page) == before
    assert f"{name}=" not in page.evaluate("location.hash")


def test_back_and_forward_go_through_the_choices(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    page = visit.to(page_of("both"), "tasks")
    steps = [seen(page)]
    choose(page, "task", second_option(page, "task"))
    steps.append(seen(visit.settled()))
    page.locator('nav#sections a[href^="#size"]').click()
    steps.append(seen(visit.settled()))
    choose(page, "unit", "J")
    steps.append(seen(visit.settled()))
    assert len({repr(step) for step in steps}) == 4
    for step in reversed(steps[:-1]):
        page.go_back()
        assert seen(visit.settled()) == step
    for step in steps[1:]:
        page.go_forward()
        assert seen(visit.settled()) == step


def test_sections_keep_the_choices_of_the_bar(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    page = visit.to(page_of("both"), "tasks", unit="J", boundary="marginal")
    for link in page.locator("nav#sections a").all():
        link.click()
        visit.settled()
        assert link.get_attribute("aria-current") == "page"
        assert (controls(page)["unit"], controls(page)["boundary"]) == ("J", "marginal")


@pytest.mark.parametrize(
    "address",
    [
        "#nowhere",
        "#tasks?task=no-such-task&unit=furlong&boundary=moon&pue=-3&grid=Atlantis&theme=pink&rows=-1",
        "#run?run=no-such-run",
        "#run?run=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "#tasks?task=%E0%A4%A&q=%",
        "#__proto__?constructor=1&__proto__=2&toString=3",
        "#parity?rate=1e999&queries=-1",
        "#tasks?sort=~~~&pins=~~0.0~x.y.z~" + "9" * 3000,
        "?embed=no-such-figure",
        "?embed=%22%3E%3Cscript%3Ealert(1)%3C/script%3E#tasks",
    ],
)
def test_an_address_that_means_nothing_still_shows_a_page(opened: Opener, page_of: PageOf, address: str) -> None:
    page = opened().to(page_of("quickstart").absolute().as_uri() + address)
    assert page.locator("main").inner_text().strip()


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__", "no such metric"])
def test_a_quality_of_no_name_ranks_nothing(opened: Opener, page_of: PageOf, name: str) -> None:
    """Every object of JavaScript has something of such a name."""
    what = seen(opened().to(page_of("paper"), "quality", quality_metric=name))
    assert what.sentence.startswith("No dataset here has two models whose quality"), what.sentence
    assert not what.tables


def test_the_theme_can_be_chosen_against_the_system(opened: Opener, page_of: PageOf) -> None:
    visit = opened(theme="dark")
    page = visit.to(page_of("quickstart"), "tasks")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    dark = page.evaluate("getComputedStyle(document.body).color")
    page.locator("button[name=theme]").click()
    visit.settled()
    assert page.locator("html").get_attribute("data-theme") == "light"
    assert page.evaluate("getComputedStyle(document.body).color") != dark
    again = opened(theme="dark").to(page.evaluate("location.href"))
    assert again.locator("html").get_attribute("data-theme") == "light"
