"""Grams, counts and grids are those of `joulemark impact`; what is zero is known, and what is not known is not zero."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser import NARROW_PX, layout_faults, rows_of, seen
from made_results import one_model
from pages import PageOf, Shared, program
from visits import Opener

GRAMS = {"g": 1.0, "mg": 1e-3, "ug": 1e-6}
ZERO_GRID = "CAF"  # 0 g/kWh in the catalogue
COMPARED = ("tasks", "size", "ways", "quality", "multi", "choose")


def impact(folder: Path, *arguments: object) -> dict[str, Any]:
    """What the program says of 1,000 queries of a study's only cell."""
    found: dict[str, Any] = json.loads(program("impact", folder, "--per", 1000, "--json", *arguments))
    return found


def grams_of(row: dict[str, Any]) -> list[float | None]:
    """The carbon of a downloaded row with its interval."""
    keys = [next(key for key in row if key.startswith(start)) for start in ("carbon_", "low_", "high_")]
    size_g = GRAMS[keys[1].split("_")[1]]
    return [None if row[key] is None else row[key] * size_g for key in keys]


@pytest.mark.parametrize("pue", [None, "1.5"])
def test_carbon_has_the_program_s_interval_everywhere(
    opened: Opener, page_of: PageOf, shared: Shared, pue: str | None
) -> None:
    """The range of the grid's sources is in it: in France they differ by a quarter."""
    folder = shared.once("one_model", one_model)
    told = impact(folder, "--grid", "FRA", *(("--pue", pue) if pue else ()))["carbon_g"]
    expected = pytest.approx([told["value"], told["low"], told["high"]], rel=1e-5)
    visit, state = opened(), {"quantity": "carbon", "grid": "FRA"} | ({"pue": pue} if pue else {})
    for section, table_id in (("tasks", "tasks"), ("size", "size"), ("choose", "candidates"), ("data", "cells")):
        page = visit.to(page_of("one_model"), section, rows="all", **state)
        assert [grams_of(row) for row in rows_of(page, table_id)] == [expected], section
        assert "95 % interval and grid's range" in seen(page).heads[table_id], section
        visit.downloads.clear()
    grams = page.evaluate("runs => gramsOf(page.content.cells[0], chosenGrid(page.content))")
    assert grams == expected
    assert "common to all marks" in seen(visit.to(page_of("one_model"), "run", **state)).text
    assert "with the range of the sources" in seen(visit.to(page_of("one_model"), "method", **state)).text


def test_the_range_of_a_grid_is_no_doubt_about_a_ratio(opened: Opener, page_of: PageOf) -> None:
    """It is common to both: of two models the grams differ as surely as the joules do."""
    visit = opened()
    rows, pinned = [], []
    for state in ({}, {"quantity": "carbon", "grid": "FRA"}):
        page = visit.to(page_of("mixed_boundaries"), "ways", known="measured", **state)
        rows += [[row[key] for key in ("ratio", "ratio_low", "ratio_high")] for row in rows_of(page, "ways-kinds")]
        first, second = (
            row.get_attribute("data-pin") for row in page.locator("[data-table=ways-models] [data-pin]").all()
        )
        page = visit.to(page_of("mixed_boundaries"), "ways", known="measured", pins=f"{first}~{second}", **state)
        pinned.append(page.locator("p.pins").inner_text().partition(" needs ")[2].replace("carbon", "energy"))
    assert len(rows) == 4
    assert rows[:2] == [rows[2], pytest.approx(rows[3])]
    assert pinned[0] == pinned[1] != ""


def test_counts_of_things_have_the_program_s_range_and_mark(opened: Opener, page_of: PageOf, shared: Shared) -> None:
    things = {one["label"]: one for one in impact(shared.once("one_model", one_model))["equivalences"]}
    told = opened().to(page_of("one_model"), "tasks").locator(".section-notes p").all_inner_texts()
    pattern = r"in terms of one (.+) \(.+ each; (.+)\): text-classification (\S+) \((\S+) to (\S+)\)\."
    notes = re.findall(pattern, "\n".join(told))
    assert len(notes) == 4
    for label, source, *counts in notes:
        thing = things[label]
        assert [float(one.replace(",", "")) for one in counts] == pytest.approx(
            [thing["count"], thing["low"], thing["high"]], rel=6e-3
        )
        assert source.startswith(thing["source"]), "whole"
        assert ("◌" in source) == thing["unverified"]


def test_carbon_of_a_grid_without_any_is_known(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    for section in COMPARED:
        page = visit.to(page_of("mixed_boundaries"), section, quantity="carbon", grid=ZERO_GRID, known="measured")
        what = seen(page)
        assert re.search(r"(is known, and|known of the carbon is) zero", what.sentence), (section, what.sentence)
        assert "not known" not in what.sentence, section
        assert any("zero, which a logarithmic axis cannot show" in text for text in what.empty), (section, what.empty)
        assert not any(what.marks.values())
    data = rows_of(visit.to(page_of("mixed_boundaries"), "data", quantity="carbon", grid=ZERO_GRID), "cells")
    assert [grams_of(row)[0] for row in data].count(0) == 3
    assert [grams_of(row)[0] for row in data].count(None) == 1, "one repetition has no energy"
    choose = seen(visit.to(page_of("one_model"), "choose", grid=ZERO_GRID)).sentence
    assert "0 (0 to 0) g CO₂e" in choose


def test_a_range_that_begins_at_zero_is_said(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("one_model"), "data")
    ranges = "[[0, 5], [null, null], [undefined, undefined]].map(([low, high]) => rangeText({ low, high }))"
    assert page.evaluate(ranges) == [" (sources differ from 0 to 5.00)", "", ""]


def test_an_energy_below_zero_is_not_called_unknown(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("one_model"), "data")
    said = page.evaluate(
        """() => {
            const [one] = pointsOf(page.content)
            const scale = scaleOf([one])
            const with_ = (amount) => ({ ...one, amount })
            return [[with_([-1, null, null])], [with_([0, 0, 0]), with_(null)], [with_(null)], [one, with_([0, 0, 0])]]
                .map((points) => notAboveZero(points, scale))
        }"""
    )
    assert said == ["the energy is known, and not above zero", "what is known of the energy is zero", "", ""]


@pytest.mark.parametrize("width_px", [1440, NARROW_PX])
def test_what_cannot_be_taken_is_said(opened: Opener, page_of: PageOf, width_px: int) -> None:
    """A field that shows a number which does not count would be believed."""
    visit = opened(width_px)
    place = visit.page.locator("#not-taken")
    for state, said in (
        ({"pue": "0.5"}, "PUE 0.5 is left aside"),
        ({"pue": "11"}, "PUE 11 is left aside"),
        ({"grid": "Atlantis"}, '"Atlantis" is left aside'),
        ({"grid": " "}, "is left aside"),
    ):
        page = visit.to(page_of("one_model"), "tasks", quantity="carbon", **state)
        assert said in place.inner_text(), state
        assert layout_faults(page) == []
        if "grid" in state:
            assert "no grid is chosen" in seen(page).sentence
    visit.to(page_of("one_model"), "tasks", pue="1.5", grid="FRA")
    assert not place.is_visible()
