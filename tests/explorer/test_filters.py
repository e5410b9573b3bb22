"""Filters change a section's figure, table and sentence together, and what they show is what the program reports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from browser import SECTIONS, Seen, ids_in_sight, rows_of, seen
from pages import PAPER, PageOf, program
from playwright.sync_api import Page
from visits import Opener

NOT_A_VALUE = re.compile(r"undefined|NaN|\[object|Infinity|\bnull\b")
WHOLE = ("models", "datasets", "runs", "queries", "failed")  # columns of counts
DRAWN = ("tasks", "size", "ways", "quality", "multi", "choose")


def marks_n(what: Seen) -> int:
    return sum(len(labels) for labels in what.marks.values())


def rows_n(what: Seen) -> int:
    return sum(len(rows) for rows in what.tables.values())


@pytest.mark.parametrize("name", ["paper", "quickstart", "both"])
def test_every_section_says_something(opened: Opener, page_of: PageOf, name: str) -> None:
    visit = opened()
    for section in SECTIONS:
        assert_says_something(visit.to(page_of(name), section), section)


def assert_says_something(page: Page, section: str) -> None:
    what = seen(page)
    assert what.section == section
    assert page.locator("main > section:visible").count() == 1
    assert page.locator(f'nav#sections a[href^="#{section}"]').get_attribute("aria-current") == "page"
    assert page.locator("section:visible h2").inner_text().strip()
    assert len(what.sentence) > 20, section
    told = [what.sentence, *what.empty, *(cell for rows in what.tables.values() for row in rows for cell in row)]
    told += [label or "" for labels in what.marks.values() for label in labels]
    assert [words for words in told if NOT_A_VALUE.search(words)] == [], section
    for table_id, rows in what.tables.items():
        for i, head in enumerate(what.heads[table_id]):
            if head.strip(" ▲▼") in WHOLE:
                assert [row[i] for row in rows if re.search(r"\.\d", row[i])] == [], head
    for figure_id in ids_in_sight(page, "data-figure"):
        figure = page.locator(f'figure[data-figure="{figure_id}"]')
        empty = figure.locator("p.empty:visible")
        if empty.count():
            assert len(empty.inner_text()) > 15
        else:
            assert figure.locator("svg [aria-label]").count() > 1, figure_id
            assert figure.locator("figcaption").inner_text().strip(), figure_id
    assert all(rows for rows in what.tables.values()), section


def test_the_rest_is_told_only_by_the_paper(opened: Opener, page_of: PageOf) -> None:
    """Where nothing was measured by us, single queries and runs are missing, and the page says so."""
    page = opened().to(page_of("paper"), "queries")
    assert any("quer" in text for text in seen(page).empty), seen(page)


def test_table_2_is_the_programs(opened: Opener, page_of: PageOf) -> None:
    report = json.loads(program("report", PAPER, "--table", 2, "--json"))["rows"]
    page = opened().to(page_of("paper"), "tasks")
    shown = {row["name"]: row for row in rows_of(page, "tasks")}
    assert len(report) == 10
    for row in report:
        mine = shown[row["task"]]
        size_kwh = {"Wh": 1e-3, "kWh": 1.0}[next(key for key in mine if key.startswith("energy_")).split("_")[1]]
        assert mine["run_mean"] * size_kwh == pytest.approx(row["mean_kwh"], rel=1e-6)
        assert mine["run_sd"] * size_kwh == pytest.approx(row["std_kwh"], rel=1e-6)
        assert mine["printed_kwh"] == row["printed_mean_kwh"]
        assert (mine["models_n"], mine["datasets_n"]) == (row["models_n"], row["datasets_n"])
        assert mine["runs_n"] == row["runs_n"]


def test_table_3_is_the_programs(opened: Opener, page_of: PageOf) -> None:
    report = json.loads(program("report", PAPER, "--table", 3, "--json"))["rows"]
    visit = opened()
    energy, carbon = (
        {row["model"]: row for row in rows_of(visit.to(page_of("paper"), "multi", **state), "multi-models")}
        for state in ({}, {"quantity": "carbon"})
    )
    assert len(report) == len(energy) == len(carbon) == 8
    for row in report:
        mine, grams = energy[row["model"]], carbon[row["model"]]
        assert mine["energy_Wh_per_1000_queries"] / 1000 == pytest.approx(row["energy_kwh"], rel=1e-6)
        assert grams["carbon_g_CO2e_per_1000_queries"] == pytest.approx(row["carbon_g"], rel=1e-6)
        assert (mine["datasets_n"], mine["runs_n"]) == (row["datasets_n"], row["runs_n"])
        printed = mine["printed_energy_kwh"], mine["printed_carbon_g"]
        assert printed == (row["printed_energy_kwh"], row["printed_carbon_g"])


@pytest.mark.parametrize("boundary", ["device", "marginal"])
def test_all_rows_are_the_programs(opened: Opener, page_of: PageOf, quickstart: Path, boundary: str) -> None:
    report = json.loads(program("report", quickstart, "--boundary", boundary, "--json"))["rows"]
    page = opened().to(page_of("quickstart"), "data", boundary=boundary, unit="J", rows="all")
    shown = {(row["task"], row["model"]): row for row in rows_of(page, "cells")}
    measured = [row for row in report if row["runs_n"]]
    assert len(measured) == 5
    for row in measured:
        mine = shown[row["task"], row["model"]]
        key = next(name for name in mine if name.startswith("energy_"))
        size_j = {"J": 1.0, "kJ": 1e3, "mJ": 1e-3, "MJ": 1e6}[key.split("_")[1]]
        assert mine[key] * size_j == pytest.approx(row["energy_per_1000_j"], rel=1e-4)
        assert mine["runs_n"] == row["runs_n"]
        assert mine["quality"] == pytest.approx(row["quality"], rel=1e-4)


@pytest.mark.parametrize("section", DRAWN)
def test_a_task_leaves_its_marks_rows_and_words(opened: Opener, page_of: PageOf, section: str) -> None:
    visit = opened()
    whole = seen(visit.to(page_of("paper"), section))
    part = seen(visit.to(page_of("paper"), section, task="question-answering"))
    assert part.sentence != whole.sentence
    assert part.tables != whole.tables
    assert 0 < rows_n(part) <= rows_n(whole)
    labels = [label or "" for found in part.marks.values() for label in found]
    assert labels
    assert part.marks != whole.marks
    others = ("text-classification", "summarization", "image-classification", "fill-mask", "object-detection")
    assert [label for label in labels if any(f" {task}," in label for task in others)] == []
    assert not any(task in " ".join(map(" ".join, rows)) for rows in part.tables.values() for task in others)


def test_a_task_has_a_mark_for_each_of_its_models(opened: Opener, page_of: PageOf) -> None:
    report = [row for row in json.loads(program("report", PAPER, "--json"))["rows"] if row["task"] == "summarization"]
    models = {(row["purpose"], row["model"]) for row in report}
    purposes = {row["purpose"] for row in report}
    what = seen(opened().to(page_of("paper"), "tasks", task="summarization"))
    assert len(what.tables["tasks"]) == len(what.marks["tasks"]) - len(models)  # and one for the mean of each row
    assert len(what.tables["tasks"]) == sum(
        len({model for one, model in models if one == purpose}) > 1 for purpose in purposes
    )
    for _, model in models:
        assert any((label or "").startswith(f"{model},") for label in what.marks["tasks"]), model


@pytest.mark.parametrize("section", DRAWN)
def test_joules_are_named_in_marks_heads_and_words(opened: Opener, page_of: PageOf, section: str) -> None:
    visit = opened()
    watt_hours = seen(visit.to(page_of("both"), section))
    joules = seen(visit.to(page_of("both"), section, unit="J"))
    for what, unit, other in ((watt_hours, "Wh", "J"), (joules, "J", "Wh")):
        heads = [head.rstrip(" ▲▼") for found in what.heads.values() for head in found]
        labels = [label or "" for found in what.marks.values() for label in found]
        assert any(re.search(rf", [kMGmµ]?{unit}$", head) for head in heads), heads
        assert any(re.search(rf"\d [kMGmµ]?{unit}\b", label) for label in labels)
        assert not any(re.search(rf"\d [kMGmµ]?{other}\b", label) for label in labels)
    assert marks_n(watt_hours) == marks_n(joules)
    assert rows_n(watt_hours) == rows_n(joules)


def test_grams_follow_from_the_grid_that_is_chosen(opened: Opener, page_of: PageOf, quickstart: Path) -> None:
    report = json.loads(program("report", quickstart, "--grid", "France", "--json"))
    expected = {row["model"]: row["carbon_per_1000_g"] for row in report["rows"] if row["runs_n"]}
    visit = opened()
    page = visit.to(page_of("quickstart"), "data")
    grid = page.locator("select[name=grid] option").evaluate_all(
        "options => options.find(one => one.textContent.startsWith('France')).value"
    )
    page = visit.to(page_of("quickstart"), "data", quantity="carbon", grid=grid, rows="all")
    rows = rows_of(page, "cells")
    key = next(name for name in rows[0] if name.startswith("carbon_"))
    size_g = {"g": 1.0, "mg": 1e-3, "ug": 1e-6}[key.removeprefix("carbon_").removesuffix("_CO2e_per_1000_queries")]
    shown = {row["model"]: row[key] * size_g for row in rows if row[key] is not None}
    assert shown == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["task", "modality", "kind", "machine", "source"])
def test_what_a_filter_parts_adds_up(opened: Opener, page_of: PageOf, name: str) -> None:
    """Every row of the data is shown for exactly one value of a filter."""
    visit = opened()
    page = visit.to(page_of("both"), "data", rows="all")
    whole = sum(row[name] is not None for row in rows_of(page, "cells"))  # what never ran has no machine
    options = page.locator(f"select[name={name}] option").evaluate_all("found => found.map(one => one.value)")
    values = [value for value in options if value]
    assert len(values) > 1
    parts_n = 0
    for value in values:
        page.locator(f"select[name={name}]").select_option(value)
        parts_n += len(seen(visit.settled()).tables["cells"])
    assert parts_n == whole


def test_words_narrow_down_models_and_datasets(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    page = visit.to(page_of("paper"), "data", rows="all")
    page.locator("input[name=q]").fill("DistilBERT")
    page.keyboard.press("Enter")
    rows = seen(visit.settled()).tables["cells"]
    assert 0 < len(rows) < 60
    assert all("distilbert" in " ".join(row).lower() for row in rows)


def test_a_drawing_goes_where_nothing_is_left_to_draw(opened: Opener, page_of: PageOf) -> None:
    """What was drawn before a filter is not of what passes it."""
    visit = opened()
    for section in DRAWN:
        assert marks_n(seen(visit.to(page_of("paper"), section)))
        what = seen(visit.to(page_of("paper"), section, q="no model has this name"))
        assert marks_n(what) == 0, section
        assert what.empty, section
        assert marks_n(seen(visit.to(page_of("paper"), section)))


def test_nothing_that_passes_is_said(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    for section in SECTIONS:
        what = seen(visit.to(page_of("both"), section, q="no model has this name"))
        assert what.sentence or what.empty, section
        assert marks_n(what) == 0 or section in ("parity", "run", "method"), (section, what.marks)


def test_prompted_models_are_compared_as_the_program_does(opened: Opener, page_of: PageOf, quickstart: Path) -> None:
    """The ratio of repetitions pair by pair, in sentence, table and pins; it holds for the devices in use alone."""
    (reported,) = json.loads(program("report", quickstart, "--json"))["comparisons"]
    visit = opened()
    page = visit.to(page_of("quickstart"), "ways")
    (row,) = rows_of(page, "ways-paired")
    assert (row["prompted"], row["task_specific"]) == (reported["prompted"], reported["specific"])
    assert row["energy_ratio"] == pytest.approx(reported["energy_ratio"]["value"], rel=1e-5)
    assert row["energy_ratio_high"] == pytest.approx(reported["energy_ratio"]["high"], rel=1e-5)
    what = seen(page)
    assert "Repetition by repetition" in what.sentence
    (shown,) = what.tables["ways-paired"]
    ratio, interval = shown[what.heads["ways-paired"].index("times the energy")], shown[5]
    for name in (reported["prompted"], reported["specific"]):
        pin = page.locator(f'table[data-table="ways-models"] tr:has(th:text-is("{name}")) button[data-pin]')
        pin.click()
        visit.settled()
    pinned = page.locator("p.pins").inner_text()
    assert f"{ratio} times the energy" in pinned
    assert f"({interval})" in pinned
    verdict = "needs" if reported["energy_ratio"]["low"] > 1 else "no difference is shown"
    assert verdict in pinned
    assert verdict in what.sentence.split("Repetition by repetition")[1]
    above_idle = seen(visit.to(page_of("quickstart"), "ways", boundary="marginal"))
    assert "Repetition by repetition" not in above_idle.sentence
    assert "ways-paired" not in above_idle.tables


def test_a_mean_is_known_as_its_datasets_are_together(opened: Opener, page_of: PageOf) -> None:
    """By the energy of each, and not as the first of them."""
    visit = opened()
    cells = rows_of(visit.to(page_of("paper"), "data"), "cells")
    key = next(name for name in cells[0] if name.startswith("energy_"))
    found = {(row["model"], row["task"]): row["shares"] for row in rows_of(visit.to(page_of("paper"), "size"), "size")}
    assert len(found) > 80
    apart_n = 0
    for (model, task), text in found.items():
        own = [row for row in cells if (row["model"], row["task"]) == (model, task)]
        percent = 100 * sum(row["share_sampled"] * row[key] for row in own) / sum(row[key] for row in own)
        said = re.search(r"sampled (\d+) %", text)
        assert said is not None
        assert int(said[1]) == pytest.approx(percent, abs=0.51), (model, task)
        apart_n += abs(100 * own[0]["share_sampled"] - percent) > 1
    assert apart_n > 5  # so that the first dataset's would have been noticed
