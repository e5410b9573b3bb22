from collections.abc import Mapping
from dataclasses import replace

import pytest

from joulemark.analysis.cell_sums import CellSums, fold
from joulemark.analysis.paper_tables import Projection, Table, paper_table
from joulemark.analysis.parity import Training
from joulemark.analysis.reference import references
from joulemark.analysis.results import open_results, sums_of
from joulemark.analysis.totals import totals
from joulemark.interchange.export_codecarbon import codecarbon_rows
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Purpose, Run, Study

NOTHING = Projection({})


@pytest.fixture(scope="module")
def sums() -> dict[str, CellSums]:
    return sums_of(open_results("luccioni2024"), BoundaryName.DEVICE, loading=True)


def table(number: int, sums: Mapping[str, CellSums], projection: Projection = NOTHING) -> Table:
    return paper_table(number, open_results("luccioni2024").study, sums, None, projection)


def by(key: str, found: Table) -> dict[object, Mapping[str, object]]:
    return {row[key]: row for row in found.rows}


def test_table_1_lists_what_the_study_measures(sums: dict[str, CellSums]) -> None:
    found = by("task", table(1, sums))
    assert len(found) == 10
    assert sum(row["datasets_n"] for row in found.values()) == 30  # type: ignore[misc]
    assert all(row["models_n"] == 8 for row in found.values())
    assert found["summarization"]["multi_purpose_models_n"] == 8
    assert found["object-detection"]["datasets"] == "coco2017, cppe5, visual_genome"


def test_table_2_has_the_printed_means(sums: dict[str, CellSums]) -> None:
    found = table(2, sums)
    assert [row["task"] for row in found.rows][:2] == ["text-classification", "question-answering"]
    assert all(row["mean_as_printed"] for row in found.rows)
    assert all((row["models_n"], row["runs_n"]) == (8, 240) for row in found.rows)
    generation = by("task", found)["text-to-image"]
    assert generation["mean_kwh"] == pytest.approx(2.90718, rel=1e-5)
    assert generation["std_kwh"] == pytest.approx(3.30884, rel=1e-5)
    assert generation["printed_std_is"] == "over runs"


def test_table_2_says_which_printed_spreads_follow_from_nothing(sums: dict[str, CellSums]) -> None:
    found = table(2, sums)
    wrong = [row["task"] for row in found.rows if not row["std_as_printed"]]
    assert wrong == ["question-answering", "object-detection", "summarization"]
    assert all(by("task", found)[task]["printed_std_is"] == "" for task in wrong)
    assert "question-answering 0.001 (0.0015 to 0.0016)" in found.notes[1]


def test_table_3_is_within_half_a_percent_in_grams(sums: dict[str, CellSums]) -> None:
    found = table(3, sums)
    assert len(found.rows) == 8
    for row in found.rows:
        assert row["carbon_g"] == pytest.approx(row["printed_carbon_g"], rel=0.005)
        # Two or three digits are printed here.
        assert row["energy_kwh"] == pytest.approx(row["printed_energy_kwh"], abs=0.00055)
        assert row["datasets_n"] == 9


def test_table_4_is_in_words(sums: dict[str, CellSums]) -> None:
    found = table(4, sums)
    assert len(found.rows) == 72
    one = next(row for row in found.rows if (row["model"], row["dataset"]) == ("google/flan-t5-xxl", "squad_v2"))
    assert one["input"] == pytest.approx(115.9, abs=0.05)
    assert one["output"] == pytest.approx(2.58, abs=0.005)
    assert one["unit"] == "words"


def test_table_5_has_four_parities_of_which_one_does_not_follow(sums: dict[str, CellSums]) -> None:
    found = table(5, sums)
    follows = {row["model"]: row["printed_parity_follows"] for row in found.rows}
    assert follows == {
        "bigscience/bloomz-7b1": True,
        "bigscience/bloomz-3b": False,
        "bigscience/bloomz-1b7": True,
        "bigscience/bloomz-560m": True,
    }
    assert "395,602,740 does not follow from its own inputs, which give 395,561,643: +3.0 kWh" in found.notes[1]
    largest = by("model", found)["bigscience/bloomz-7b1"]
    assert largest["parity_n"] == pytest.approx((51686 + 7571) / 0.000104256, rel=1e-4)
    assert largest["parity_low_n"] < largest["parity_n"] < largest["parity_high_n"]  # type: ignore[operator]


def test_table_5_takes_figures_of_ones_own(sums: dict[str, CellSums]) -> None:
    training = {"google/flan-t5-base": Training(1000 * 3.6e6, 10 * 3.6e6)}
    found = by("model", table(5, sums, Projection(training, queries_per_day=1e6, pue_ratio=1.2)))
    row = found["google/flan-t5-base"]
    per_query_kwh = row["inference_kwh"]
    assert isinstance(per_query_kwh, float)
    assert row["parity_n"] == pytest.approx(1010 / per_query_kwh / 1.2)
    assert row["days"] == pytest.approx(1010 / per_query_kwh / 1.2 / 1e6)
    assert row["year_kwh"] == pytest.approx(per_query_kwh * 1e6 * 365.25 * 1.2)


def test_table_6_has_every_model_once(sums: dict[str, CellSums]) -> None:
    found = table(6, sums)
    assert len(found.rows) == 88
    assert by("model", found)["google/flan-t5-xxl"]["parameters_n"] == 11003736064
    assert by("model", found)["google/flan-t5-xxl"]["task"] == "multi-purpose"


def test_the_totals_and_what_the_printed_one_is(sums: dict[str, CellSums]) -> None:
    found = totals(open_results("luccioni2024").study, sums, None)
    assert (found.runs_n, found.runs_outside_study_n, found.carbon_basis) == (6513, 3393, "as logged")
    assert found.gpu_energy_kwh == pytest.approx(754.66, abs=0.005)
    assert found.energy_kwh == pytest.approx(1290.04, abs=0.005)
    assert found.carbon_kg == pytest.approx(178.98, abs=0.005)
    assert "754.66 kWh is the boards' part alone" in found.notes[0]


def test_forecasts_see_the_published_cells_only() -> None:
    found = references()
    assert len(found) == 312
    assert len({(one.purpose, one.task, one.model, one.dataset) for one in found}) == 312


def run(cell: Cell, repeat_i: int, energy_j: float | None) -> Run:
    channel = ChannelEnergy("system", Component.SYSTEM, Provenance.COUNTER, 99.0, 99.0, 99.0, ErrorBudget())
    board = ChannelEnergy("gpu0", Component.GPU, Provenance.COUNTER, energy_j, energy_j, energy_j, ErrorBudget())
    window = Measurement("2024-01-01T00:00:00+00:00", 2.0, (channel, board), 0.0)
    return Run(
        f"{cell.model}{repeat_i}", cell, repeat_i, 0, 10, "m", {}, window.started_at, None, window, output_tokens_n=70
    )


@pytest.mark.parametrize(("parts_j", "all_j"), [((40.0, 50.0), 99.0), ((40.0, 60.0), 100.0)])
def test_a_meter_that_reads_less_than_its_parts_is_not_the_total(parts_j: tuple[float, ...], all_j: float) -> None:
    one = run(Cell("translation", "a", "d"), 0, parts_j[0])
    assert one.measurement is not None
    package = ChannelEnergy("package-0", Component.CPU, Provenance.COUNTER, *(parts_j[1],) * 3, ErrorBudget())
    window = replace(one.measurement, channels=(*one.measurement.channels, package))
    one = replace(one, measurement=window, load=window)
    study = Study("mine", (one.cell,))
    found = totals(study, fold([one], BoundaryName.DEVICE, frozenset()), None)
    assert found.energy_kwh == pytest.approx(2 * all_j / 3.6e6)
    assert found.load_energy_kwh == pytest.approx(all_j / 3.6e6)
    (host,) = fold([one], BoundaryName.HOST, frozenset()).values()
    assert ("system-below-parts" in host.reasons, host.unknown_n) == (all_j > 99.0, int(all_j > 99.0))
    (row,) = codecarbon_rows([one], (), None)
    assert row["energy_consumed"] == pytest.approx(all_j / 3.6e6)


def test_other_results_have_rows_for_what_is_there_and_no_zeros() -> None:
    known, unknown = Cell("translation", "a", "d"), Cell("translation", "b", "d")
    prompted = replace(known, model="c", purpose=Purpose.MULTI_PURPOSE)
    empty = Cell("fill-mask", "e", "d")
    study = Study("mine", (known, unknown, prompted, empty))
    runs = [run(known, i, 10.0 + i) for i in range(3)] + [run(unknown, 0, None), run(prompted, 0, 40.0)]
    sums = fold(runs, BoundaryName.DEVICE, frozenset())

    def mine(number: int) -> Table:
        return paper_table(number, study, sums, None, NOTHING)

    (row,) = mine(2).rows
    assert (row["task"], row["models_n"], row["cells_unknown_n"]) == ("translation", 1, 1)
    assert row["mean_kwh"] == pytest.approx(1100 / 3.6e6)
    assert row["printed_mean_kwh"] is None
    assert row["mean_as_printed"] is None
    assert mine(2).notes[0] == "the energy of 1 of 2 cells is not known: they are in no mean"
    (row,) = mine(3).rows
    assert (row["model"], row["carbon_g"], row["printed_carbon_g"]) == ("c", None, None)
    assert not any("not known" in note for note in mine(3).notes)
    assert {(row["output"], row["unit"], row["input"]) for row in mine(4).rows} == {(7.0, "tokens", None)}
    assert mine(5).rows == ()
    assert [row["task"] for row in mine(1).rows] == ["fill-mask", "translation"]
    assert [row["parameters_n"] for row in mine(6).rows] == [None] * 4
    whole = totals(study, sums, None)
    assert whole.energy_kwh == pytest.approx(5 * 99.0 / 3.6e6)  # the meter of the machine, and nothing beside it
    assert (whole.unknown_n, whole.carbon_kg, whole.load_energy_kwh, whole.cpu_energy_kwh) == (1, None, None, None)


def test_a_query_that_drew_no_more_than_idle_has_no_parity() -> None:
    cell = Cell("translation", "a", "d")
    one = run(cell, 0, -5.0)
    found = paper_table(
        5,
        Study("mine", (cell,)),
        fold([one], BoundaryName.DEVICE, frozenset()),
        None,
        Projection({"a": Training(3.6e6)}, queries_per_day=10.0),
    )
    (row,) = found.rows
    assert row["inference_kwh"] == pytest.approx(-0.5 / 3.6e6)
    assert (row["parity_n"], row["parity_low_n"], row["parity_high_n"], row["days"]) == (None,) * 4
