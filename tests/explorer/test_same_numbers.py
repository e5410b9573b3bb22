"""What is alike but for its end, its machine, its settings or its boundary is kept apart, and counted as what it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import NARROW_PX, WIDE_PX, rows_of, seen
from made_results import CELL, MACHINE, OTHER_TASK, PROMPTED, START, run, study_of, window, write
from pages import PAPER, PageOf, Shared
from playwright.sync_api import Page
from visits import Opener

from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Provenance
from joulemark.records import Cell, Machine, Run, Settings

LONG = "of-one-maker-whose-names-do-not-end"  # longer than what is shown of a name
FIRST, SECOND = (replace(CELL, model=f"maker/{LONG}-{end}") for end in ("one", "two"))
BATCHED = replace(FIRST, settings=Settings(batch_n=8))
OTHER_SET = replace(FIRST, dataset="letters")
ASKED = replace(PROMPTED, settings=Settings(prompt="Is this good? {text}"))
ALIKE = (FIRST, SECOND, BATCHED, OTHER_SET, ASKED, OTHER_TASK)
MACHINES = tuple(replace(MACHINE, gpus=(f"{'Board ' * 7}number {end}",)) for end in ("one", "two"))
METER = ChannelEnergy("meter", Component.SYSTEM, Provenance.COUNTER, None, None, None, ErrorBudget())


def metered(one: Run, watts: float = 900.0) -> Run:
    """The run beside a meter of the whole machine."""
    assert one.measurement is not None
    joules = watts * one.measurement.duration_s
    meter = replace(METER, energy_j=joules, low_j=joules * 0.99, high_j=joules * 1.01)
    return replace(one, measurement=replace(one.measurement, channels=(*one.measurement.channels, meter)))


def same_watts(one: Run) -> Run:
    """The run with the energy of any other: its repetitions do not scatter at all."""
    return replace(one, measurement=window(80.0, 5.0, START))


def alike(folder: Path) -> Path:
    """Two machines, two models and two settings that differ in their last letters; a meter; one energy is not known."""
    study = study_of(ALIKE, "alike")
    runs = [metered(run(study, cell, i, machine=machine)) for machine in MACHINES for i in range(2) for cell in ALIKE]
    runs = [one for one in runs if one.machine_id == MACHINES[0].machine_id or one.cell in (FIRST, OTHER_TASK)]
    blind = [run(study, OTHER_SET, i, watts=None, machine=MACHINES[0]) for i in range(2)]
    return write(folder, study, [one for one in runs if one.cell != OTHER_SET] + blind, MACHINES)


def steady(folder: Path) -> Path:
    """Repetitions that are all the same, on a machine of which the id alone is known; one is cheaper than idle."""
    study = study_of([CELL, OTHER_TASK, PROMPTED], "steady")
    unknown = Machine("never written down", 1, 1, (), None, "", "")
    runs = [same_watts(run(study, cell, i, machine=unknown)) for i in range(2) for cell in (CELL, OTHER_TASK)]
    runs += [
        replace(one, measurement=window(5.0, 5.0, START))
        for i in range(2)
        for one in [run(study, PROMPTED, i, machine=unknown)]
    ]
    return write(folder, study, runs, ())


@pytest.fixture(scope="session")
def alike_page(shared: Shared) -> Path:
    return shared.page("alike", [shared.once("alike", alike)])


@pytest.fixture(scope="session")
def steady_page(shared: Shared) -> Path:
    return shared.page("steady", [shared.once("steady", steady)])


def caption(page: Page, figure_id: str) -> str:
    return page.locator(f'figure[data-figure="{figure_id}"] figcaption').inner_text()


def study_rows(page: Page, table_id: str, cell: Cell) -> list[dict[str, Any]]:
    """The rows of a table about a cell's model."""
    return [row for row in rows_of(page, table_id) if row["model"] == cell.model]


def test_a_run_has_the_energies_that_its_cell_has(opened: Opener, alike_page: Path) -> None:
    """Also what was measured of the whole machine; its meter is not one of the devices in use."""
    visit = opened()
    for boundary in ("device", "marginal", "host"):
        for known in ("all", "measured"):
            page = visit.to(alike_page, "run", boundary=boundary, known=known)
            what = seen(page)
            assert "is not known" not in what.sentence, (boundary, known)
            assert len([label for label in what.marks["run-repeats"] if label]) == 2
    page = visit.to(alike_page, "run")
    own = [row for row in rows_of(page, "run-channels") if row["component"] != "system"]
    counted = sum(row["energy_j"] for row in own if row["provenance"] == "counter")
    percent = round(100 * counted / sum(row["energy_j"] for row in own))
    assert f"counter {percent} %, modelled {100 - percent} %" in seen(page).sentence
    assert (
        "How it is known, over all repetitions: counter 100 %"
        in seen(visit.to(alike_page, "run", boundary="host")).sentence
    )


def test_the_link_to_runs_leads_to_those_of_its_machine(opened: Opener, alike_page: Path) -> None:
    visit = opened()
    labels = [label_of(visit, alike_page, end) for end in ("one", "two")]
    for label in labels:
        page = visit.to(alike_page, "data", rows="all")
        page.locator(f'table[data-table="cells"] tr:has(td:text-is("{label}")) a[href^="#run"]').first.click()
        visit.settled()
        assert label in dict(seen(page).tables["run-facts"])["machine"]


def test_how_energy_is_known_is_said_of_the_boundary(opened: Opener, alike_page: Path) -> None:
    visit = opened()
    for boundary, state in (("host", {}), ("facility", {"pue": "1.2"})):
        rows = rows_of(visit.to(alike_page, "size", boundary=boundary, **state), "size")
        assert {row["shares"] for row in rows} == {"counter 100 %"}
        assert "All of the energy was measured" in caption(visit.page, "size")
    rows = rows_of(visit.to(alike_page, "size"), "size")
    assert all("modelled" in row["shares"] for row in rows)


def test_the_spread_of_the_devices_is_not_that_of_the_machine(opened: Opener, alike_page: Path) -> None:
    visit = opened()
    for state, is_known in (({}, True), ({"boundary": "host"}, False), ({"known": "measured"}, False)):
        page = visit.to(alike_page, "tasks", **state)
        assert all((row["run_sd"] is not None) == is_known for row in rows_of(page, "tasks")), state
        assert ("in use alone" in seen(page).text) != is_known


def test_names_that_are_alike_at_their_beginning_are_two_models(opened: Opener, alike_page: Path) -> None:
    visit = opened()
    page = visit.to(alike_page, "queries", task=CELL.task, machine=label_of(visit, alike_page, "one"))
    lines = {label.split(": half of")[0] for label in seen(page).marks["queries"] if label and ": half of" in label}
    assert {f"maker/{LONG}-one", f"maker/{LONG}-two"} <= lines
    first = page.locator(f'tr[data-model="maker/{LONG}-one"]')
    assert first.count() == 2  # with and without batches
    page = visit.to(alike_page, "quality", machine=label_of(visit, alike_page, "one"))
    assert len(page.evaluate("[...new Set(page.content.cells.map((cell) => cell.model_name))]")) == 4


def label_of(visit: Any, file: Path, end: str) -> str:
    """The label of a machine, as the bar has it."""
    options = (
        visit.to(file, "data").locator("select[name=machine] option").evaluate_all("all => all.map(one => one.value)")
    )
    return str(next(one for one in options if one.endswith(end)))


def test_means_are_not_taken_across_machines_of_like_names(opened: Opener, alike_page: Path) -> None:
    rows = [
        row for row in rows_of(opened().to(alike_page, "tasks"), "tasks") if row["name"].startswith(OTHER_TASK.task)
    ]
    assert [row["runs_n"] for row in rows] == [2, 2]
    assert len({row["name"] for row in rows}) == 2


def test_settings_are_neither_datasets_nor_models(opened: Opener, alike_page: Path) -> None:
    visit = opened()
    machine = label_of(visit, alike_page, "one")
    page = visit.to(alike_page, "size", machine=machine)
    rows = study_rows(page, "size", FIRST)
    assert {(row["set"], row["settings"]) for row in rows} == {("1 of 2 datasets", None), ("reviews", "batch_n 8")}
    assert any("batch_n 8" in (label or "") for label in seen(page).marks["size"])
    assert "settings" in [head.strip(" ▲▼") for head in seen(page).heads["size"]]
    page = visit.to(alike_page, "tasks", machine=machine)
    (row,) = [row for row in rows_of(page, "tasks") if row["name"] == CELL.task]
    assert (row["models_n"], row["datasets_n"], row["runs_n"]) == (2, 1, 6)
    assert any("mean of 3 variants of 2 models" in (label or "") for label in seen(page).marks["tasks"])
    assert "Left out of the means: 1 dataset of unknown energy" in seen(page).text
    kinds = rows_of(visit.to(alike_page, "ways", machine=machine), "ways-kinds")
    assert {row["kind"]: row["models_n"] for row in kinds}["task-specific"] == 2


def test_the_interval_of_one_model_alone_is_kept(opened: Opener, alike_page: Path) -> None:
    rows = rows_of(opened().to(alike_page, "tasks"), "tasks")
    alone = [row for row in rows if row["models_n"] == 1]
    assert alone
    for row in alone:
        low, high = (next(row[key] for key in row if key.startswith(end)) for end in ("low_", "high_"))
        assert low < row["run_mean"] < high


def test_pins_of_one_model_say_what_tells_them_apart(opened: Opener, alike_page: Path) -> None:
    visit = opened()
    cells = visit.to(alike_page, "data").evaluate("page.content.cells.map(({ id, model, set }) => [id, model, set])")
    ids = [cell_id for cell_id, *of in cells if of == [FIRST.model, FIRST.dataset]]
    words = [seen(visit.to(alike_page, "size", pins=f"{ids[0]}~{other}")).text for other in ids[1:]]
    assert len(ids) == 3
    assert any("number one" in text and "number two" in text and "times the energy" in text for text in words)
    assert any("batch_n 8" in text.split("times the energy of")[-1] or "batch_n 8" in text for text in words)


def test_units_keep_their_letters_in_downloads(opened: Opener, alike_page: Path) -> None:
    page = opened().to(alike_page, "data")
    names = page.evaluate(
        "[9e-3, 9, 9e3].map((joules) => amountColumns(scaleOf([{ amount: [joules, null, null] }]))[0].name)"
    )
    assert names == [f"energy_{unit}_per_1000_queries" for unit in ("uWh", "mWh", "Wh")]
    page = opened().to(alike_page, "data", quantity="carbon")
    name = page.evaluate("amountColumns(scaleOf([{ amount: [9e-6, null, null] }]))[0].name")
    assert name == "carbon_ug_CO2e_per_1000_queries"


def test_what_is_said_of_marks_is_so_of_all_of_them(opened: Opener, alike_page: Path) -> None:
    page = opened().to(alike_page, "data")
    said = page.evaluate(
        """[[0.997, 1], [1, null], [0, 0.0005], [0.2, 0.8]].map((all) => provenanceSentence(all.map((counter) =>
            ({ shares: counter === null ? null : { counter, sampled: 0, modelled: 1 - counter, assumed: 0 } }))))"""
    )
    assert "99 to 100 %" in said[0]
    assert said[1] == "All of the energy was measured by counters or gauges. Of 1 more it is not said how."
    assert "0 to 1 %" in said[2]
    assert "20 to 80 %" in said[3]


def test_the_rules_of_middles_and_ranks(opened: Opener, alike_page: Path) -> None:
    page = opened().to(alike_page, "data")
    assert page.evaluate("[[1, 2, 4, 9], [3, 1, 2], [5], []].map(median)") == [3, 2, 5, None]
    assert page.evaluate("spearman([1, 1, 1], [1, 2, 3])") is None
    assert page.evaluate("spearman([1, 2, 3], [1, 2, 9])") == pytest.approx(1)


@pytest.mark.parametrize("ticks_max_n", [3, 4, 8])
def test_a_logarithmic_axis_has_ticks_wherever_its_values_lie(
    opened: Opener, alike_page: Path, ticks_max_n: int
) -> None:
    page = opened().to(alike_page, "data")
    values = [[10 ** (i / 60), 10 ** (i / 60) * factor] for i in range(60) for factor in (1, 1.02, 1.5, 7, 300)]
    ends: Sequence[dict[str, Any]] = page.evaluate(
        "([all, most]) => all.map((values) => logEnds(values, most))", [values, ticks_max_n]
    )
    for found in ends:
        assert len(found["ticks"]) >= 2, found
        assert all(found["low"] <= tick <= found["high"] for tick in found["ticks"])


def test_an_axis_of_values_that_hardly_differ_has_ticks(opened: Opener, alike_page: Path) -> None:
    """A step so small that adding it changes nothing would never end."""
    page = opened().to(alike_page, "data")
    values = [[1.0, math.nextafter(1.0, 2)], [1e9, math.nextafter(1e9, 2e9)], [-3.0, -3.0], [0.0, 0.0]]
    for found in page.evaluate("all => all.map((values) => linearEnds(values))", values):
        assert 2 <= len(found["ticks"]) <= 12, found
        assert found["low"] < found["high"]
    assert len(page.evaluate(f"linearTicks(1, {math.nextafter(1.0, 2)!r})")) <= 12


def test_very_many_cells_are_no_error(opened: Opener, alike_page: Path) -> None:
    """A call takes some 100,000 arguments at most."""
    page = opened().to(alike_page, "data")
    said = page.evaluate(
        """() => {
            const [one] = pointsOf(page.content).filter((point) => point.amount)
            const points = Array.from({ length: 200_000 }, () => one)
            return [marksOf(points, scaleOf([one])).length, provenanceSentence(points)]
        }"""
    )
    assert said[0] == 200_000
    assert "Measured by counters" in said[1]


def test_findings_and_reasons_are_told_whole(opened: Opener, shared: Shared) -> None:
    file = shared.page("alike", [shared.once("alike", alike)])
    visit = opened()
    what = seen(visit.to(file, "method", rows="all"))
    content = visit.page.evaluate("({ findings: page.content.findings, reasons: Object.values(page.content.reasons) })")
    texts = [row[key] for row in content["findings"] for key in ("message", "explanation", "remedy")]
    texts += [row[key] for row in content["reasons"] for key in ("meaning", "remedy")]
    assert max(map(len, texts)) > 200
    told = {" ".join(cell.split()) for name in ("findings", "reasons") for row in what.tables[name] for cell in row}
    assert [text for text in texts if " ".join(text.split()) not in told] == []


def test_pins_are_ordered_by_the_ratio_that_is_shown(opened: Opener, page_of: PageOf) -> None:
    """That of the pairs can lie on the other side of 1 than that of the means; below 1 it is a difference, too."""
    page = opened().to(page_of("fake_energy"), "data")
    said = page.evaluate(
        """() => {
            const [{ prompted, specific }] = page.content.comparisons
            const points = pointsOf(page.content)
            const ids = [specific, prompted].map((cell) => cell.id)
            return [[0.8, 0.7, 0.9], [1.2, 0.9, 1.5], [1.2, 1.1, 1.3], [0.8, null, null]].flatMap((ratio) => {
                page.content.comparisons[0].ratio = ratio
                return [ids, [...ids].reverse()].map((pins) => {
                    state.values.pins = pins.join("~")
                    return pinSentence(points, scaleOf(points)).replaceAll(" (reviews)", "")
                })
            })
        }"""
    )
    small, large = CELL.model, PROMPTED.model
    fake = " That energy is fake: nobody measured it."
    pairs = [
        f"{small} needs 1.25 times the energy of {large} (1.11 to 1.43).{fake}",
        f"Between {large} and {small} no difference is shown: 1.20 times the energy (0.900 to 1.50).{fake}",
        f"{large} needs 1.20 times the energy of {small} (1.10 to 1.30).{fake}",
        f"{small} needs 1.25 times the energy of {large}; how sure that is, is not known.{fake}",
    ]
    assert said == [sentence for sentence in pairs for _ in range(2)]


def test_equal_means_have_no_spread(opened: Opener, alike_page: Path) -> None:
    page = opened().to(alike_page, "data")
    found = page.evaluate(
        """() => {
            const [{ cell, ...one }] = pointsOf(page.content).filter((point) => point.amount && point.cell.spread)
            const steady = { ...cell, spread: { ...cell.spread, sd_j: 0 } }
            const amount = [1234.567 / 3.6, null, null]
            return overRuns([3, 3, 7, 3].map((runs_n) => ({ ...one, cell: steady, runs_n, amount })))
        }"""
    )
    assert found == {"run_mean": 1234.567 / 3.6, "run_sd": 0}


def test_a_click_beside_a_mark_pins_nothing(opened: Opener, alike_page: Path) -> None:
    visit = opened()
    for section in ("choose", "size"):
        page = visit.to(alike_page, section)
        page.evaluate(
            "[...page.places.values()].at(-1).figures.values().next().value.figure.click({ text: 'a label' })"
        )
        assert "pins" not in page.evaluate("location.hash")


def test_a_figure_that_could_not_be_drawn_is_drawn_the_next_time(opened: Opener, alike_page: Path) -> None:
    visit = opened()
    page = visit.to(alike_page, "data")
    page.evaluate("() => { window.kept = vegaEmbed; vegaEmbed = () => Promise.reject(new Error('no memory')) }")
    page.locator('nav#sections a[href^="#tasks"]').click()
    page.wait_for_function("() => !painting && document.querySelector('#section-tasks')")
    page.evaluate("() => { vegaEmbed = window.kept }")
    page.locator("select[name=unit]").select_option("J")
    assert seen(visit.settled()).marks["tasks"]
    assert [one for one in visit.noise if "no memory" not in one] == []
    visit.noise.clear()


def test_means_over_other_datasets_are_said_to_be_so(opened: Opener, alike_page: Path) -> None:
    """Two of as many datasets are not two of the same; and lengths are compared in one place alone."""
    page = opened().to(alike_page, "data")
    said = page.evaluate(
        """() => {
            const [one] = pointsOf(page.content).filter(isPromptedModel)
            const on = (model, set, machine = one.machine) =>
                ({ ...one, model, model_name: model, set, sets: [`${one.task}\n${set}`], machine })
            const places = ["here", "there"].flatMap((machine) => ["a", "b", "c"].map((set) => on("x", set, machine)))
            const scale = scaleOf([one])
            const more = [...places, ...["d", "e", "f", "g", "h"].map((set) => on("x", set))]
            return [...[["a", "b"], ["a", "a"]].map(([x, y]) => multiSentence([on("x", x), on("y", y)], scale)),
                ...[places, more].map((points) => lengthSentence(points, scale))]
        }"""
    )
    assert "over 1 dataset, which are not the same for all" in said[0]
    assert "over 1 dataset each" in said[1]
    assert said[2] == "", "three in each place are too few"
    assert "answers of one length: no correlation" in said[3]
    assert "5 pairs of model and dataset in " in said[3]


def test_who_was_not_audited_is_named(opened: Opener, shared: Shared) -> None:
    file = shared.page("audited", [shared.once("alike", alike), PAPER])
    sentence = seen(opened().to(file, "method")).sentence
    assert f"and {PAPER} was not audited" in sentence
    assert "the audit has" in sentence


@pytest.mark.parametrize("width_px", [WIDE_PX, NARROW_PX])
@pytest.mark.parametrize("section", ["ways", "quality", "multi"])
def test_axes_stand_below_panels(opened: Opener, page_of: PageOf, section: str, width_px: int) -> None:
    """In the last row of panels, too, which may not be full; also where the drawing was kept while panels went."""
    visit = opened(width_px)
    for state in ({}, {"task": "question-answering"}, {"q": "squad"}, {}):
        page = visit.to(page_of("both"), section, **state)
        below = page.evaluate(BELOW_PANELS)
        assert below
        for gaps, columns_n in below:
            assert len(gaps) == columns_n, (state, gaps)
            assert all(10 < gap < 60 for gap in gaps), (state, gaps)


# Of every figure with panels: how far each title of an axis is below the panel above it, and how many columns it has.
BELOW_PANELS = """() => [...document.querySelectorAll("figure .plot svg")].flatMap((svg) => {
    const panels = [...svg.querySelectorAll("g.cell > g > path.background")].map((one) => one.getBoundingClientRect())
    if (!panels.length || !svg.checkVisibility()) return []
    const titles = [...svg.querySelectorAll("g.cell g.role-axis-title text")].map((one) => one.getBoundingClientRect())
    const gaps = titles.filter(({ width }) => width).map((title) => Math.min(...panels
        .filter((panel) => panel.left < title.right && title.left < panel.right && panel.bottom < title.bottom)
        .map((panel) => title.bottom - panel.bottom)))
    return [[gaps, new Set(panels.map(({ left }) => Math.round(left))).size]]
})"""


def test_what_does_not_scatter_has_a_spread_of_zero(opened: Opener, steady_page: Path) -> None:
    what = seen(opened().to(steady_page, "data"))
    column = what.heads["cells"].index("spread of runs")
    assert {row[column] for row in what.tables["cells"]} == {"0 %"}


def test_of_a_machine_without_facts_none_is_told(opened: Opener, steady_page: Path) -> None:
    what = seen(opened().to(steady_page, "run"))
    assert "null" not in what.text


def test_candidates_below_zero_are_counted(opened: Opener, steady_page: Path) -> None:
    visit = opened()
    page = visit.to(steady_page, "choose", boundary="marginal")
    assert len(rows_of(page, "candidates")) == 2
    assert len([label for label in seen(page).marks["choose"] if label]) == 1
    assert "Left out: 1 at or below zero" in caption(page, "choose")


def test_a_section_names_only_what_it_looks_at(opened: Opener, steady_page: Path) -> None:
    """Parity is of energy per query; a grid or tokens that it does not ask for are no reason."""
    visit = opened()
    for section, aside in (("parity", ("no grid", "tokens were")), ("choose", ("tokens were",))):
        text = seen(visit.to(steady_page, section, boundary="host", quantity="carbon", per="tokens")).text
        assert "the whole machine was not metered" in text
        assert [words for words in aside if words in text] == []


def test_a_field_follows_the_address_also_while_it_has_the_focus(opened: Opener, alike_page: Path) -> None:
    visit = opened()
    page = visit.to(alike_page, "data")
    field = page.locator("input[name=q]")
    for words in ("maker", "summarizer"):
        field.fill(words)
        field.press("Enter")
        visit.settled()
    page.go_back()
    visit.settled()
    assert field.input_value() == "maker"
