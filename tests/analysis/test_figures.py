import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark import store
from joulemark.analysis.cell_sums import fold
from joulemark.analysis.figures import DRAWINGS, Figure, NothingToDraw, as_svg, draw
from joulemark.analysis.figures.layout import LABEL_HEIGHT_PX, LETTER_PX, linear_axis, log_axis, place_labels
from joulemark.analysis.figures.looks import KINDS, MODALITY_LOOKS, TASK_LOOKS
from joulemark.analysis.figures.points import (
    Material,
    by_model,
    cheapest_for_quality,
    kind_of,
    material,
    model_classes,
)
from joulemark.analysis.results import Results, open_results, sums_of
from joulemark.impact.carbon import find_grid
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, ModelFacts, Purpose, Quality, Run, Study

DEVICE = BoundaryName.DEVICE


def paper_material(grid: str | None = None) -> Material:
    results = open_results("luccioni2024")
    return material(results, sums_of(results, DEVICE), DEVICE, find_grid(grid) if grid else None)


@pytest.fixture(scope="module")
def paper() -> Material:
    return paper_material()


@pytest.fixture(scope="module")
def drawn(paper: Material) -> dict[int, Figure]:
    return {number: draw(number, paper) for number in DRAWINGS}


def run(cell: Cell, repeat_i: int, energy_j: float | None, **changes: object) -> Run:
    kind = changes.pop("kind", Provenance.COUNTER)
    low, high = (None, None) if energy_j is None else (energy_j - 0.5, energy_j + 0.5)
    channel = ChannelEnergy("gpu0", Component.GPU, kind, energy_j, low, high, ErrorBudget())  # type: ignore[arg-type]
    window = Measurement("2024-01-01T00:00:00+00:00", 2.0, (channel,), 0.0)
    facts = ModelFacts(10**8, "LlamaForCausalLM", "trained", "float32", "cuda:0")
    blank = Run(f"{cell.cell_id}{repeat_i}", cell, repeat_i, 0, 1000, "m", {}, window.started_at)
    filled = replace(blank, measurement=window, model=facts, quality=Quality("accuracy", 0.9, 10), output_tokens_n=9000)
    return replace(filled, **changes)  # type: ignore[arg-type]


def material_of(cells: Sequence[Cell], runs: Sequence[Run], grid: str | None = None) -> Material:
    results = Results(Study("mine", tuple(cells)), (), None)
    return material(results, fold(runs, DEVICE, frozenset()), DEVICE, find_grid(grid) if grid else None)


def records_of(spec: Any) -> Iterator[dict[str, Any]]:
    """Every record that stands in a definition."""
    if isinstance(spec, Mapping):
        if isinstance(spec.get("values"), list) and spec["values"] and isinstance(spec["values"][0], dict):
            yield from spec["values"]
        for part in spec.values():
            yield from records_of(part)
    elif isinstance(spec, list):
        for part in spec:
            yield from records_of(part)


def marks_of(figure: Figure) -> dict[str, dict[str, Any]]:
    """The records of models and cells (not means, lines or labels), by what they say of themselves."""
    return {record["about"]: record for record in records_of(figure.spec) if "fill" in record}


def labels_in(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    assert not [element for element in root.iter() if element.tag.rpartition("}")[2] in ("script", "foreignObject")]
    return [element.text or "" for element in root.iter() if element.tag.endswith(("text", "tspan"))]


@pytest.mark.parametrize("number", DRAWINGS)
def test_the_same_rows_give_the_same_bytes(number: int, drawn: dict[int, Figure]) -> None:
    again = draw(number, paper_material())
    assert again == drawn[number]
    svg = as_svg(again)
    assert svg == as_svg(drawn[number])
    assert json.loads(json.dumps(again.spec, allow_nan=False)) == again.spec
    words = " ".join(labels_in(svg))
    assert again.title in words
    assert "luccioni2024" in words
    assert "null" not in words
    assert "undefined" not in words
    assert "NaN" not in svg


def test_every_mark_says_its_interval_and_how_it_is_known(drawn: dict[int, Figure]) -> None:
    counts = {1: 104, 2: 104, 3: 144, 4: 144, 5: 24, 6: 72, 7: 312}
    for number, figure in drawn.items():
        found = marks_of(figure)
        assert len(found) == counts[number], number
        assert all("sampled" in about and "assumed" in about and "95 %" in about for about in found)
        for record in found.values():
            if "amount" in record:
                assert 0 < record["low"] < record["amount"] < record["high"]
    shown = as_svg(drawn[6]).count("sampled 5") + as_svg(drawn[6]).count("sampled 6")
    assert shown == 72  # in the file itself, for those who read it aloud


def test_figure_1_has_the_means_of_table_2(drawn: dict[int, Figure]) -> None:
    means = {
        record["row"]: record for record in records_of(drawn[1].spec) if record.get("about", "").startswith("mean")
    }
    assert means["text-to-image"]["amount"] == pytest.approx(2907.18, rel=1e-5)  # Wh
    assert means["text-classification"]["amount"] == pytest.approx(2.29, rel=5e-3)
    assert means["summarization (multi-purpose)"]["amount"] > means["summarization"]["amount"]
    assert all(record["low"] < record["amount"] < record["high"] for record in means.values())
    assert not drawn[1].caption[-1].startswith("Left out")


def test_figure_5_has_the_means_of_table_3(paper: Material) -> None:
    prompted = [point for point in paper.points if point.model == "bigscience/bloomz-7b1"]
    grams = [point.carbon_g.value for point in prompted if point.carbon_g]
    assert sum(grams) / 9 == pytest.approx(14.46, rel=0.005)
    assert {point.kind for point in prompted} == {"decoder-only"}


def test_carbon_by_a_grid_is_energy_times_its_factor(drawn: dict[int, Figure]) -> None:
    found = paper_material("FRA")
    factor = find_grid("FRA").intensity_g_per_kwh / 3.6e6
    for point in found.points:
        assert point.carbon_g is not None
        assert point.energy_j is not None
        assert point.carbon_g.value == pytest.approx(point.energy_j.value * factor)
    figure = draw(2, found)
    assert any("France" in sentence or "FRA" in sentence for sentence in figure.caption)
    assert any("as logged" in sentence for sentence in drawn[2].caption)


def test_without_a_grid_energy_stands_for_carbon_and_the_titles_say_so() -> None:
    cells = [Cell("text-generation", f"model-{i}", "d") for i in range(2)]
    found = material_of(cells, [run(cell, i, 5.0 + i) for cell in cells for i in range(2)])
    figure = draw(2, found)
    assert figure.title == "Model size and energy"
    assert any("No grid is chosen" in sentence for sentence in figure.caption)
    assert not any("CO2e" in text for text in labels_in(as_svg(figure)))
    assert not any("No grid" in sentence for sentence in draw(1, found).caption)


def test_what_is_unknown_is_left_out_and_counted() -> None:
    known, unknown, below, unrun = (Cell("text-generation", name, "d") for name in ("known", "unknown", "below", "no"))
    runs = [run(known, 0, 5.0), run(unknown, 0, None), run(below, 0, -0.2)]
    figure = draw(1, material_of([known, unknown, below, unrun], runs))
    assert [about.split(",")[0] for about in marks_of(figure)] == ["known"]
    (left,) = [sentence for sentence in figure.caption if sentence.startswith("Left out")]
    assert "1 cells without runs" in left
    assert "1 of unknown energy" in left
    assert "1 at or below zero" in left
    sized = replace(runs[0], model=None)
    with pytest.raises(NothingToDraw, match="known size"):
        draw(2, material_of([known], [sized]))


def test_results_without_a_subject_give_one_line_each() -> None:
    cell = Cell("text-generation", "alone", "d")
    empty, alone = material_of([cell], []), material_of([cell], [run(cell, 0, 5.0, quality=None)])
    for number in DRAWINGS:
        with pytest.raises(NothingToDraw) as caught:
            draw(number, empty)
        assert str(caught.value) == f"figure {number}: there are no runs in these results yet"
    for number in (3, 4, 5, 6, 7):
        with pytest.raises(NothingToDraw, match=f"figure {number} ") as caught:
            draw(number, alone)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "a" * 10_000,
        "owner/" + "b" * 10_000,
        "\x00\x1b[31m\ud800\u202e\n]]>",
        "\"&amp;'<![CDATA[",
        "datum.amount + 1",
        "模型" * 50,
        "/",
        "",
    ],
)
def test_hostile_names_stay_text(name: str) -> None:
    special = Cell(name, name, name)
    prompted = replace(special, purpose=Purpose.MULTI_PURPOSE, model=name + "x")
    cells = [special, prompted, replace(special, model=name + "y")]
    runs = [
        run(cell, i, 5.0 + i + cell_i, quality=Quality(name or "q", 0.5 + cell_i / 10, 10))
        for cell_i, cell in enumerate(cells)
        for i in range(3)
    ]
    found = replace(material_of(cells, runs, "World"), study=name)
    for number in DRAWINGS:
        svg = as_svg(draw(number, found))
        texts = labels_in(svg)
        assert max(map(len, texts)) < 160
        assert min(float(size) for size in re.findall(r'(?:width|height)="(\d+)"', svg[:400])) > 50
        assert max(float(size) for size in re.findall(r'(?:width|height)="(\d+)"', svg[:400])) < 2000
        assert len(svg) < 300_000
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", svg)


def test_marks_are_hollow_where_nothing_was_measured() -> None:
    counted, modelled = Cell("text-generation", "counted", "d"), Cell("text-generation", "modelled", "d")
    runs = [run(counted, 0, 5.0), run(modelled, 0, 6.0, kind=Provenance.MODELLED)]
    figure = draw(1, material_of([counted, modelled], runs))
    assert {about.split(",")[0]: record["fill"] for about, record in marks_of(figure).items()} == {
        "counted": "measured",
        "modelled": "not measured",
    }
    svg = as_svg(figure)
    (hollow,) = re.findall(r'<path[^>]*aria-label="modelled[^>]*>', svg)
    (solid,) = re.findall(r'<path[^>]*aria-label="counted[^>]*>', svg)
    assert 'fill-opacity="0"' in hollow
    assert 'fill-opacity="0.8"' in solid
    assert any("hollow ones not" in text for text in labels_in(svg))


@pytest.mark.parametrize(("code", "word"), [("fake-sensor", "fake"), ("replayed", "replayed")])
def test_marks_are_hollow_where_nobody_measured(code: str, word: str) -> None:
    """A fake counter is a counter by name alone."""
    cells = [Cell("summarization", "m", "d"), Cell("summarization", "n", "d")]
    runs = []
    for one in (run(cell, i, 50.0 + i) for cell in cells for i in range(2)):
        assert one.measurement is not None
        (channel,) = one.measurement.channels
        if one.cell == cells[0]:
            one = replace(one, measurement=replace(one.measurement, channels=(replace(channel, reasons=(code,)),)))
        runs.append(one)
    figure = draw(1, material_of(cells, runs))
    assert f"0 to 100 % of a mark's energy; the rest is modelled, assumed or {word}." in " ".join(figure.caption)
    fills = {
        about.split(",")[0]: (record["fill"], f"{word}: counter" in about) for about, record in marks_of(figure).items()
    }
    assert fills["m"][1]
    assert not fills["n"][1]
    assert fills["m"][0] != fills["n"][0]
    alone = draw(1, material_of(cells[:1], runs[:2]))
    assert f"The energy is {word}: nobody measured it." in alone.caption


def test_the_paper_stands_beside_other_results_only(paper: Material) -> None:
    cell = Cell("summarization", "mine", "samsum", Purpose.MULTI_PURPOSE)
    mine = material_of([cell], [run(cell, 0, 5.0)])
    assert paper.paper == ()
    assert len(mine.paper) == 312
    (grey,) = [record for record in records_of(draw(1, mine).spec) if record.get("about", "").startswith("Luccioni")]
    assert grey["row"] == "summarization (multi-purpose)"
    theirs = by_model(point for point in mine.paper if point.task == "summarization" and point.kind != "task-specific")
    mean_j = sum(point.energy_j.value for point in theirs if point.energy_j) / 8
    assert grey["amount"] == pytest.approx(mean_j / 3.6)  # mWh, as ours


def test_the_architecture_of_a_prompted_model_is_that_of_its_class(tmp_path: Path) -> None:
    prompted = Purpose.MULTI_PURPOSE
    assert kind_of(Purpose.TASK_SPECIFIC, "T5ForConditionalGeneration") == "task-specific"
    assert kind_of(prompted, "T5ForConditionalGeneration") == "seq2seq"
    assert kind_of(prompted, "BartForConditionalGeneration") == "seq2seq"
    assert kind_of(prompted, "LlavaForConditionalGeneration") == "multi-purpose"  # a decoder that sees
    assert kind_of(prompted, "GPT2LMHeadModel") == "decoder-only"
    assert kind_of(prompted, None) == "multi-purpose"
    own, known = Cell("t", "my/own", "d", prompted), Cell("t", "google/flan-t5-xl", "d", prompted)
    study = Study("s", (own, known))
    with store.open_for_writing(tmp_path, study):
        store.append(tmp_path, run(own, 0, 1.0), [])
    assert model_classes(study, tmp_path) == {
        "my/own": "LlamaForCausalLM",
        "google/flan-t5-xl": "T5ForConditionalGeneration",
    }
    assert model_classes(study, None) == {"google/flan-t5-xl": "T5ForConditionalGeneration"}


def test_the_pareto_front_of_cost_and_quality() -> None:
    points = [(1.0, 0.5), (2.0, 0.9), (3.0, 0.9), (1.5, 0.4), (9.0, 0.91), (1.0, 0.5)]
    assert cheapest_for_quality(points, lower_is_better=False) == [True, True, False, False, True, True]
    assert cheapest_for_quality([(1.0, 30.0), (2.0, 40.0), (3.0, 20.0)], lower_is_better=True) == [True, False, True]


def test_figure_4_rings_the_front_and_says_where_less_is_better() -> None:
    cells = [Cell("text-generation", name, "d") for name in ("good", "bad", "dear")]
    values = {"good": (5.0, 20.0), "bad": (6.0, 30.0), "dear": (9.0, 10.0)}
    runs = [run(cell, 0, values[cell.model][0], quality=Quality("perplexity", values[cell.model][1])) for cell in cells]
    figure = draw(4, material_of(cells, runs, "World"))
    front = {about.split(",")[0]: record["front"] for about, record in marks_of(figure).items()}
    assert front == {"good": True, "bad": False, "dear": True}
    texts = labels_in(as_svg(figure))
    assert "perplexity (less is better)" in texts
    assert {"good", "dear"} <= set(texts)
    assert "bad" not in texts


def test_figure_7_needs_spread() -> None:
    steady, shaken = Cell("text-generation", "steady", "d"), Cell("text-generation", "shaken", "d")
    runs = [run(steady, i, 5.0) for i in range(3)] + [run(shaken, i, energy_j) for i, energy_j in enumerate((4, 5, 9))]
    figure = draw(7, material_of([steady, shaken], runs))
    (record,) = marks_of(figure).values()
    assert record["sd"] == pytest.approx(100 * math.sqrt(7) / 6)
    assert record["farthest"] == pytest.approx(50.0)
    assert "1 whose repetitions do not differ" in figure.caption[-1]


def test_colours_have_shapes_of_their_own() -> None:
    for looks in (list(KINDS.values()), list(MODALITY_LOOKS.values()), list(TASK_LOOKS)):
        assert len({colour for colour, _ in looks}) == len({shape for _, shape in looks}) == len(looks)


positive = st.floats(1e-9, 1e12)


@given(st.lists(positive, min_size=1, max_size=20), st.integers(4, 8))
def test_logarithmic_axes_hold_their_values_and_few_ticks(values: list[float], ticks_max_n: int) -> None:
    axis = log_axis(values, ticks_max_n)
    assert axis.low < min(values) <= max(values) < axis.high
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert all(0 < axis.place(value) < 1 for value in values)
    assert len(axis.ticks) <= max(ticks_max_n, math.log10(axis.high / axis.low) + 1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.booleans())
def test_linear_axes_hold_their_values(values: list[float], from_zero: bool) -> None:
    axis = linear_axis(values, from_zero)
    assert axis.low <= min(values) <= max(values) <= axis.high
    assert axis.low < axis.high
    assert len(axis.ticks) <= 12
    assert all(0 <= axis.place(value) <= 1 for value in values)


spots = st.lists(st.tuples(st.floats(0, 300), st.floats(0, 200)), min_size=1, max_size=30)


@settings(deadline=None)
@given(spots)
def test_labels_lie_on_nothing(places: list[tuple[float, float]]) -> None:
    texts = [f"model {i}" for i in range(len(places))]
    placed = place_labels(places, texts, 300, 200, [5.0] * len(places))
    boxes = []
    for label in placed:
        x, y = places[label.point_i]
        wide = LETTER_PX * len(label.text)
        left = x + label.dx - {"left": 0.0, "center": wide / 2, "right": wide}[label.align]
        top = y + label.dy - {"top": 0.0, "middle": LABEL_HEIGHT_PX / 2, "bottom": LABEL_HEIGHT_PX}[label.baseline]
        boxes.append((left, top, left + wide, top + LABEL_HEIGHT_PX))
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert left >= -0.02
        assert top >= -0.02
        assert right <= 300.02
        assert bottom <= 200.02
        assert not any(left < x < right and top < y < bottom for x, y in places)
        for other in boxes[:i]:
            apart = right <= other[0] + 0.02 or other[2] <= left + 0.02 or bottom <= other[1] + 0.02
            assert apart or other[3] <= top + 0.02
    if len(places) == 1 and 10 < places[0][0] < 200 and 10 < places[0][1] < 190:
        assert len(placed) == 1


def test_logged_carbon_belongs_to_no_other_boundary() -> None:
    results = open_results("luccioni2024")
    host = BoundaryName.HOST
    found = material(results, sums_of(results, host), host, None)
    assert found.carbon_basis is None
    assert all(point.carbon_g is None for point in found.points)


def test_a_dataset_that_is_missing_from_a_models_mean_is_counted() -> None:
    cells = [Cell("text-generation", "m", name) for name in ("known", "unknown")]
    figure = draw(1, material_of(cells, [run(cells[0], 0, 5.0), run(cells[1], 0, None)]))
    assert len(marks_of(figure)) == 1
    assert figure.caption[-1] == "Left out: 1 of unknown energy."
