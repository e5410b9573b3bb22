"""What is not there is said with its reason, and never drawn or written as zero."""

import json
import re
from pathlib import Path

import pytest
from browser import SECTIONS, layout_faults, seen
from made_results import SPARSE, mixed_boundaries
from pages import PageOf, program
from visits import Opener

ZERO = re.compile(r"(?<![\d.,])0(?:\.0+)?\s?(?:[kMGmµ]?(?:Wh|J)|[kmµ]?g CO)")
WORDS_OF_NONE = ("no ", "not ", "none", "nothing", "unknown", "left out", "failed", "too few", "only", "without")


@pytest.mark.parametrize("name", SPARSE)
def test_every_section_of_sparse_results_says_what_is_missing(opened: Opener, page_of: PageOf, name: str) -> None:
    visit, faults = opened(), []
    for section in SECTIONS:
        page = visit.to(page_of(name), section)
        what = seen(page)
        assert len(what.sentence) > 10, (section, what)
        for figure_id, labels in what.marks.items():
            assert labels, f"{section}: {figure_id} is an empty drawing"
        zeros = ZERO.findall(what.text) + [
            label for found in what.marks.values() for label in found if ZERO.search(label or "")
        ]
        assert zeros == [], (section, zeros, what.text)
        faults += [f"{section}: {fault}" for fault in layout_faults(page)]
        if not any(what.marks.values()) and section not in ("method", "data", "run", "parity"):
            text = (what.sentence + " ".join(what.empty)).lower()
            assert any(word in text for word in WORDS_OF_NONE), (section, text)
    assert faults == []


@pytest.mark.parametrize("name", ["empty", "nothing_measured", "only_failed", "unknown_energy"])
def test_nothing_is_drawn_where_no_energy_is_known(opened: Opener, page_of: PageOf, name: str) -> None:
    visit = opened()
    for section in ("tasks", "size", "ways", "multi", "choose"):
        what = seen(visit.to(page_of(name), section))
        assert [label for labels in what.marks.values() for label in labels] == [], section
        assert what.empty, section


def test_energy_that_nobody_measured_is_called_so(opened: Opener, page_of: PageOf) -> None:
    """A fake counter is a counter by name alone."""
    visit, file = opened(), page_of("fake_energy")
    tasks = seen(visit.to(file, "tasks"))
    assert "0 to 100 % of a mark's energy; the rest is fake." in tasks.text
    alone = seen(visit.to(file, "tasks", task="text-classification"))
    assert "None of the energy was measured: it is fake." in alone.text
    assert all(
        "fake 100 %" in (label or "") for labels in alone.marks.values() for label in labels if "runs" in (label or "")
    )
    measured = seen(visit.to(file, "data", rows="all", known="measured"))
    column = next(i for i, head in enumerate(measured.heads["cells"]) if head.startswith("energy"))
    assert sum(row[column] != "–" for row in measured.tables["cells"]) == 1
    assert "How it is known: fake 100 %" in seen(visit.to(file, "run", task="text-classification")).text


def test_comparisons_say_that_nobody_measured_them(opened: Opener, page_of: PageOf) -> None:
    """In the words of `joulemark report`, wherever two energies are set against each other."""
    visit, file, said = opened(), page_of("fake_energy"), "That energy is fake: nobody measured it."
    page = visit.to(file, "ways")
    ways = seen(page)
    assert ways.sentence.endswith(said)
    (row,) = ways.tables["ways-paired"]
    assert row[ways.heads["ways-paired"].index("known by")] == "fake"
    for pin in ("first", "last"):
        getattr(page.locator("table[data-table=ways-models] button[data-pin]"), pin).click()
        visit.settled()
    assert page.locator("p.pins").inner_text().endswith(said)
    for state in ({}, {"per_day": ""}, {"choose_set": "letters · text-classification"}):
        choose = seen(visit.to(file, "choose", **state))
        assert choose.sentence.endswith(said), state
        known_by = choose.heads["candidates"].index("known by")
        assert {row[known_by] for row in choose.tables["candidates"]} == {"fake 100 %"}
    real = seen(visit.to(file, "choose", choose_set="articles · summarization"))
    assert "nobody" not in real.sentence


def test_whose_energy_nobody_measured_is_named(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("fake_energy"), "data")
    said = page.evaluate(
        """() => {
            const points = ["counter", "fake", "replayed"].map((kind) => ({ shares: { [kind]: 1 } }))
            const of = (...places) => madeUpOfEach(places.map((i) => points[i]), places.map((i) => "abc"[i]))
            return [of(0, 0), of(0, 1), of(1, 2), of(1)]
        }"""
    )
    assert said == [
        "",
        "The energy of b is fake: nobody measured it.",
        "That energy is fake and replayed: nobody measured it.",
        "That energy is fake: nobody measured it.",
    ]


def test_a_latency_without_a_95th_percentile_is_the_mean(opened: Opener, page_of: PageOf) -> None:
    """Nothing times 1,000 is below any limit."""
    page = opened().to(page_of("one_run"), "data")
    said = page.evaluate(
        """[{ p95: 0.2 }, { p95: null }, null].map((latency_s) => latencyOf({ latency_s, duration_s: 0.1 }))
            .concat(latencyOf({ latency_s: { p95: null }, duration_s: null }))"""
    )
    assert said == [{"s": 0.2, "what": "p95"}, {"s": 0.1, "what": "mean"}, {"s": 0.1, "what": "mean"}, None]


def test_failures_are_told_by_their_message(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("only_failed"), "data", rows="all")
    assert "tried to allocate 2.00 GiB" in page.locator("main").inner_text()


def test_cells_that_were_not_measured_are_in_the_data(opened: Opener, page_of: PageOf) -> None:
    what = seen(opened().to(page_of("nothing_measured"), "data", rows="all"))
    assert len(what.tables["cells"]) == 4
    assert all("–" in row for row in what.tables["cells"])


def test_a_boundary_that_some_cells_lack_leaves_them_out_and_says_so(
    opened: Opener, page_of: PageOf, tmp_path: Path
) -> None:
    folder = mixed_boundaries(tmp_path / "mixed")
    known = {}
    for boundary in ("device", "marginal", "host"):
        rows = json.loads(program("report", folder, "--boundary", boundary, "--json"))["rows"]
        known[boundary] = {row["model"] + row["dataset"] for row in rows if row["energy_per_1000_j"] is not None}
    assert len(known["device"]) == 3
    assert len(known["marginal"]) == 2
    assert known["host"] == set()
    for boundary, cells in known.items():
        what = seen(opened().to(page_of("mixed_boundaries"), "data", boundary=boundary, rows="all"))
        heads = what.heads["cells"]
        column = next(i for i, head in enumerate(heads) if head.startswith("energy"))
        rows_with = [row for row in what.tables["cells"] if row[column] != "–"]
        assert len(rows_with) == len(cells)
        size = seen(opened().to(page_of("mixed_boundaries"), "size", boundary=boundary))
        if cells:
            assert "Left out" in size.text
        else:
            assert any("metered" in text for text in size.empty), size


def test_quality_that_is_unknown_is_not_zero(opened: Opener, page_of: PageOf) -> None:
    what = seen(opened().to(page_of("no_quality"), "quality"))
    assert not any(what.marks.values())
    assert any("no " in text.lower() for text in what.empty)
    data = seen(opened().to(page_of("no_quality"), "data", rows="all"))
    column = data.heads["cells"].index("quality")
    assert {row[column] for row in data.tables["cells"]} == {"–"}


@pytest.mark.parametrize("name", ["empty", "only_failed"])
def test_filters_are_not_blamed_for_what_was_never_measured(opened: Opener, page_of: PageOf, name: str) -> None:
    visit = opened()
    for section in SECTIONS:
        assert "passes the filters above" not in seen(visit.to(page_of(name), section)).text, section
    filtered = seen(visit.to(page_of("one_run"), "run", q="no model has this name"))
    assert filtered.sentence.startswith("No cell with runs passes the filters above.")


def test_a_column_of_nothing_known_has_the_unit_of_zero(opened: Opener, page_of: PageOf) -> None:
    assert "energy, Wh" in seen(opened().to(page_of("only_failed"), "run")).heads["run-repeats"]


def test_one_repetition_has_no_spread(opened: Opener, page_of: PageOf) -> None:
    what = seen(opened().to(page_of("one_run"), "tasks"))
    assert [len(rows) for rows in what.tables.values()] == [1]
    assert "times as much" not in what.sentence


def test_an_empty_folder_is_told_with_what_would_fill_it(opened: Opener, page_of: PageOf) -> None:
    visit = opened()
    for section in SECTIONS:
        page = visit.to(page_of("empty"), section)
        assert "joulemark run" in page.locator("main").inner_text() or section not in ("data", "method"), section
