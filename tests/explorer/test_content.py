"""What the page is made from: against the report and the tables, the stored files, and what is not known."""

import csv
import gzip
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import (
    CELL,
    CELLS,
    MACHINE,
    OTHER_SET,
    PROMPTED,
    QUERIES_N,
    failed,
    fake_energy,
    hostile,
    mixed_boundaries,
    nothing_measured,
    one_run,
    only_failed,
    run,
    study_of,
    unknown_energy,
    write,
)

from joulemark import store
from joulemark.analysis.cell_sums import fold
from joulemark.analysis.paper_tables import Projection, paper_table
from joulemark.analysis.reference import PAPER, reference_study, reference_sums
from joulemark.analysis.results import open_results, sums_of
from joulemark.analysis.summary import Row, comparisons, rows_of
from joulemark.boundary import total
from joulemark.explorer.content import TRACE_STEPS_MAX_N, Content, content_of
from joulemark.explorer.facts import facts
from joulemark.explorer.gathering import RUNS_MAX_N, gather
from joulemark.explorer.queries import latest_of_every_cell_first
from joulemark.explorer.traces import STEPS_MAX_N, mean_steps, thinned
from joulemark.impact.facilities import figure
from joulemark.impact.grids import find_grid
from joulemark.measurement import BoundaryName
from joulemark.records import Inference, TraceStep
from joulemark.student import t_quantile
from joulemark.units import J_PER_KWH

BOUNDARIES = (BoundaryName.DEVICE, BoundaryName.MARGINAL, BoundaryName.HOST)
UNSURE_RATIO = 1e-6  # of the digits that the page keeps


def content(*places: object) -> Content:
    return content_of([gather(str(place)) for place in places])


def about(value: float | None) -> object:
    return None if value is None else pytest.approx(value, rel=UNSURE_RATIO)


def decoded(found: Content, name: str) -> list[float | None]:
    """A column of single queries, read as the module says that it is written."""
    column = found.data["queries"]["columns"][name]
    n, size = found.data["queries"]["n"], column["bytes"]
    planes = gzip.decompress(found.queries[name])
    assert len(planes) == n * size
    codes = [sum(planes[plane * n + i] << (8 * plane) for plane in range(size)) for i in range(n)]
    least, step = column["least"], column["step"]

    def value(code: int) -> float:
        steps = step * (code - 1)
        return float(least * math.exp(steps) if column["scale"] == "log" else least + steps)

    return [None if code == column["unknown"] else value(code) for code in codes]


def assert_like_row(cell: Mapping[str, Any], boundary: BoundaryName, row: Row) -> None:
    interval = cell["energy"][str(boundary)]["all"]
    known = (row.energy_per_1000_j, row.energy_low_j, row.energy_high_j)
    assert interval == (None if row.energy_per_1000_j is None else pytest.approx(known, rel=UNSURE_RATIO))
    assert (cell["task"], cell["model"], cell["dataset"]) == (row.task, row.model, row.dataset)
    shares = None if row.energy_per_1000_j is None else row.provenance
    assert cell["shares"][str(boundary)] == (None if shares is None else pytest.approx(shares, rel=UNSURE_RATIO))


def test_the_paper_is_as_reported() -> None:
    found = content(PAPER).data
    study = reference_study()
    assert found["sources"][0]["runs_n"] == 3120
    assert found["runs"] == []
    assert "163 cells" in found["sources"][0]["notes"][0]
    for boundary in BOUNDARIES:
        rows = rows_of(study, reference_sums(boundary, frozenset()), None)
        for cell, row in zip(found["cells"], rows, strict=True):
            assert_like_row(cell, boundary, row)
    for cell, row in zip(found["cells"], rows_of(study, reference_sums(BOUNDARIES[0], frozenset()), None), strict=True):
        assert (cell["runs_n"], cell["spread"]["n"], cell["queries_n"]) == (10, 10, 10_000)
        assert cell["carbon_logged_g"] == pytest.approx(row.carbon_logged_per_1000_g, rel=UNSURE_RATIO)


def test_the_paper_s_table_2_follows_from_the_cells() -> None:
    found = content(PAPER).data
    table = paper_table(2, reference_study(), reference_sums(BoundaryName.DEVICE, frozenset()), None, Projection({}))
    printed = {row["task"]: row for row in found["printed"]["2"]}
    for row in table.rows:
        cells = [one for one in found["cells"] if (one["task"], one["purpose"]) == (row["task"], "task-specific")]
        spreads = [one["spread"] for one in cells]
        means = [one["energy"]["device"]["all"][0] for one in cells]
        n = sum(one["n"] for one in spreads)
        mean_j = sum(one["n"] * mean for one, mean in zip(spreads, means, strict=True)) / n
        squares = sum(
            (one["n"] - 1) * one["sd_j"] ** 2 + one["n"] * (mean - mean_j) ** 2
            for one, mean in zip(spreads, means, strict=True)
        )
        assert mean_j / J_PER_KWH == pytest.approx(row["mean_kwh"], rel=UNSURE_RATIO)
        assert math.sqrt(squares / (n - 1)) / J_PER_KWH == pytest.approx(row["std_kwh"], rel=UNSURE_RATIO)
        assert printed[str(row["task"])]["mean_kwh"] == row["printed_mean_kwh"]
        assert printed[str(row["task"])]["std_kwh"] == row["printed_std_kwh"]


def test_of_the_paper_the_boards_alone_were_measured() -> None:
    text = files("joulemark").joinpath("catalogue", "reference", f"{PAPER}.csv").read_text()
    rows = [row for row in csv.DictReader(text.splitlines()) if row["published"] == "yes"]
    for cell, row in zip(content(PAPER).data["cells"], rows, strict=True):
        value, low, high = cell["energy"]["device"]["measured"]
        assert value == pytest.approx(float(row["gpu_energy_kwh"]) * J_PER_KWH, rel=UNSURE_RATIO)
        assert low < 0.952 * value < 1.05 * value <= high
        assert value < cell["energy"]["device"]["all"][0]


@pytest.mark.parametrize("made", [one_run, mixed_boundaries, unknown_energy, only_failed, hostile])
def test_a_folder_is_as_reported(tmp_path: Path, made: Any) -> None:
    folder = made(tmp_path / "made")
    found = content(folder).data
    results = open_results(folder)
    for boundary in BOUNDARIES:
        rows = rows_of(results.study, sums_of(results, boundary), None)
        for cell, row in zip(found["cells"], rows, strict=True):
            assert_like_row(cell, boundary, row)
            assert (cell["runs_n"], cell["failed_n"], cell["failure"]) == (row.runs_n, row.failed_n, row.failure)
            if boundary is BoundaryName.DEVICE:
                assert cell["duration_s"] == about(row.duration_per_query_s)
                assert cell["quality"] == about(row.quality)
                assert (cell["missing"], cell["reasons"]) == (list(row.missing), list(row.reasons))


def test_prompted_models_are_compared_as_reported(tmp_path: Path) -> None:
    study = study_of(CELLS)
    runs = [run(study, cell, i, watts=80.0 + 7 * i * (cell is PROMPTED)) for i in range(3) for cell in CELLS]
    others = [replace(one, samples_sha256="6" * 64) for one in runs if one.cell is PROMPTED]
    reported = comparisons(study, runs, BoundaryName.DEVICE)
    assert len(reported) == 1
    found = content(write(tmp_path / "same", study, runs)).data
    for shown, row in zip(found["comparisons"], reported, strict=True):
        assert found["cells"][shown["prompted_i"]]["model"] == row.prompted
        assert found["cells"][shown["specific_i"]]["model"] == row.specific
        assert shown["repeats_n"] == row.repeats_n == 3
        ratio = row.energy_ratio
        assert ratio.low is not None
        assert shown["ratio"] == pytest.approx([ratio.value, ratio.low, ratio.high], rel=UNSURE_RATIO)
    elsewhere = [one for one in runs if one.cell is not PROMPTED] + others
    assert content(write(tmp_path / "others", study, elsewhere)).data["comparisons"] == []


def test_a_comparison_says_that_nobody_measured_it(tmp_path: Path) -> None:
    (shown,) = content(fake_energy(tmp_path / "fake")).data["comparisons"]
    assert (shown["made_up"], shown["provenance"]) == (["fake"], ["counter"])
    study = study_of(CELLS)
    runs = [run(study, cell, i) for i in range(2) for cell in CELLS]
    (shown,) = content(write(tmp_path / "real", study, runs)).data["comparisons"]
    assert (shown["made_up"], sorted(shown["provenance"])) == ([], ["counter", "modelled"])


def test_what_differs_in_no_digit_of_the_page_does_not_scatter(tmp_path: Path) -> None:
    """As repetitions on a fake sensor do, whose energies are not the same by a rounding."""
    study = study_of([CELL])
    one = run(study, CELL, 0)
    assert one.measurement is not None
    window = one.measurement
    near = replace(window, duration_s=window.duration_s * (1 + 1e-12), channels=tuple(
        replace(channel, energy_j=None if channel.energy_j is None else channel.energy_j * (1 + 1e-12))
        for channel in window.channels
    ))  # fmt: skip
    runs = [replace(run(study, CELL, i), measurement=measurement) for i, measurement in enumerate((window, near))]
    (cell,) = content(write(tmp_path / "made", study, runs)).data["cells"]
    assert (cell["spread"]["n"], cell["spread"]["sd_j"]) == (2, 0.0)


def test_what_is_not_known_is_never_a_number(tmp_path: Path) -> None:
    for cell in content(unknown_energy(tmp_path / "blind")).data["cells"]:
        assert cell["energy"] == {
            "device": {"all": None, "measured": None},
            "marginal": {"all": None, "measured": None},
            "host": {"all": None, "measured": None, "all_low": None},
        }
        assert (cell["spread"], set(cell["shares"].values()), cell["by_component"]) == (None, {None}, {})
    by_cell = {one["cell_id"]: one for one in content(mixed_boundaries(tmp_path / "mixed")).data["cells"]}
    assert by_cell[PROMPTED.cell_id]["energy"]["marginal"]["all"] is None
    assert by_cell[CELL.cell_id]["energy"]["marginal"]["all"] is not None
    assert by_cell[OTHER_SET.cell_id]["energy"]["device"]["all"] is None, "one repetition has no energy"
    host = by_cell[CELL.cell_id]["energy"]["host"]
    assert host["all"] is None
    assert host["all_low"] > 0


def test_the_measured_part_leaves_out_what_is_modelled(tmp_path: Path) -> None:
    folder = one_run(tmp_path / "made")
    (only,) = store.read_runs(folder)
    found = content(folder).data
    cell = found["cells"][0]
    assert only.measurement is not None
    counted_j = sum(one.energy_j or 0.0 for one in only.measurement.channels if one.provenance == "counter")
    assert cell["energy"]["device"]["measured"][0] == pytest.approx(counted_j * 1000 / QUERIES_N, rel=UNSURE_RATIO)
    assert cell["energy"]["device"]["all"][0] > cell["energy"]["device"]["measured"][0]
    by_channel = {one.name: one.energy_j for one in only.measurement.channels}
    assert cell["by_component"] == pytest.approx(
        {"cpu": by_channel["package-0"] * 50, "gpu": by_channel["gpu0"] * 50, "dram": by_channel["dram-0"] * 50},  # type: ignore[operator]
        rel=UNSURE_RATIO,
    )
    device = total(only.measurement, BoundaryName.DEVICE)
    energy = found["runs"][0]["energy"]["device"]
    assert energy["all"][0] == pytest.approx(device.energy_j * 50, rel=UNSURE_RATIO)  # type: ignore[operator]
    assert energy["measured"][0] == pytest.approx(counted_j * 50, rel=UNSURE_RATIO)


def test_machines_are_kept_apart(tmp_path: Path) -> None:
    study = study_of([CELL])
    other = replace(MACHINE, cpu="AMD EPYC 7763 64-Core Processor", gpus=("NVIDIA H100",) * 2)
    runs = [run(study, CELL, i) for i in range(3)] + [run(study, CELL, i, watts=20.0, machine=other) for i in range(2)]
    found = content(write(tmp_path / "made", study, runs, (MACHINE, other))).data
    by_machine = {found["machines"][cell["machine_i"]]["id"]: cell for cell in found["cells"]}
    assert {one["label"] for one in found["machines"]} == {"Some GPU", "2 × H100"}
    for machine in (MACHINE, other):
        of_machine = [one for one in runs if one.machine_id == machine.machine_id]
        sums = fold(of_machine, BoundaryName.DEVICE, frozenset())
        assert_like_row(by_machine[machine.machine_id], BoundaryName.DEVICE, rows_of(study, sums, None)[0])
    # One file per run's name: nobody can say which machine's queries it holds.
    with_queries = [one["repeat_i"] for one in found["runs"] if one["queries"]]
    assert with_queries == [2]


def test_the_last_line_about_a_repetition_counts(tmp_path: Path) -> None:
    study = study_of([CELL])
    folder = write(tmp_path / "made", study, [run(study, CELL, 0, watts=500.0), run(study, CELL, 1)])
    write(folder, study, [run(study, CELL, 0)])
    found = content(folder).data
    row = rows_of(study, fold([run(study, CELL, 1), run(study, CELL, 0)], BoundaryName.DEVICE, frozenset()), None)[0]
    assert_like_row(found["cells"][0], BoundaryName.DEVICE, row)
    assert [one["repeat_i"] for one in found["runs"]] == [1, 0]


def test_results_without_figures_say_why(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = content(
        tmp_path / "empty",
        nothing_measured(tmp_path / "a"),
        only_failed(tmp_path / "b"),
        one_run(tmp_path / "c"),
    ).data
    told = [" ".join(source["notes"]) for source in found["sources"]]
    for note, why in zip(
        told, ("folder is empty", "no run has been stored", "OutOfMemoryError", "one run"), strict=True
    ):
        assert why in note
    assert [source["runs_n"] for source in found["sources"]] == [0, 0, 0, 1]
    without = [cell for cell in found["cells"] if cell["machine_i"] is None]
    assert len(without) == len(CELLS) * 2 - 1, "all cells of the second, and all but one of the last"


def test_what_the_study_does_not_list_is_told(tmp_path: Path) -> None:
    study = study_of([CELL])
    folder = write(tmp_path / "made", study, [run(study, CELL, 0)])
    stray = replace(run(study, CELL, 0), run_id="stray", cell=PROMPTED)
    store.append(folder, stray, [])
    found = content(folder).data
    assert [cell["model"] for cell in found["cells"]] == [CELL.model]
    assert "1 runs of 1 cells that the study does not list" in found["sources"][0]["notes"][0]


def test_no_path_leaves_the_machine(tmp_path: Path) -> None:
    found = content(one_run(tmp_path / "made"))
    text = msgspec.json.encode(found.data).decode()
    assert str(tmp_path) not in text
    assert found.data["sources"][0]["place"] == "made"


@pytest.mark.parametrize(
    "grid", ["{}/secret/hours.csv", "secret/hours.csv ", "series:secret/hours.json", "{}/secret/x"]
)
def test_of_a_grid_that_is_a_file_the_name_alone_is_told(tmp_path: Path, grid: str) -> None:
    """Whether the file is there or not: it is not read for a page that does not apply its hours."""
    name = grid.format(tmp_path)
    if name.endswith("csv"):
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret" / "hours.csv").write_text("datetime,intensity_g_per_kwh\n2026-01-01T00:00Z,1\n")
    study = replace(study_of([CELL]), grid=name)
    found = content(write(tmp_path / "made", study, [run(study, CELL, i) for i in range(2)])).data
    (note,) = (one for one in found["sources"][0]["notes"] if "grid" in one)
    assert Path(name.strip()).name in note
    text = msgspec.json.encode(found).decode()
    assert str(tmp_path) not in text
    assert "secret" not in text


def test_sources_of_one_name_are_told_apart(tmp_path: Path) -> None:
    first, second = one_run(tmp_path / "a" / "x"), one_run(tmp_path / "b" / "y")
    names = [source["name"] for source in content(first, second, second, PAPER).data["sources"]]
    assert names == ["one-run (x)", "one-run (y)", "one-run (y) 2", PAPER]


def test_findings_of_the_audit_are_in_it(tmp_path: Path) -> None:
    found = content(one_run(tmp_path / "made")).data
    assert found["findings"]
    for finding in found["findings"]:
        assert finding["source_i"] == 0
        assert finding["severity"] in ("error", "warning", "note")
        assert finding["title"] != finding["code"]


def test_a_finding_says_which_cells_it_names(tmp_path: Path) -> None:
    """A model whose name ends another's is not meant by what is said of that one."""
    short, long = (replace(CELL, model=model) for model in ("gpt2", "distilgpt2"))
    study = study_of([short, long])
    runs = [*(run(study, short, i) for i in range(3)), *(failed(study, long, i) for i in range(3))]
    found = content(write(tmp_path / "made", study, runs)).data
    named = [one["cell_ids"] for one in found["findings"] if one["subject"] == f"distilgpt2 × {CELL.dataset}"]
    assert named
    assert all(ids == [long.cell_id] for ids in named)


SECRET = "told in confidence"
ODD = (
    Inference(0, 1e-9, 0, 70_000, SECRET, -5.5, 1e-7),
    Inference(1, 3e6, None, 1, "", None, -0.25),
    Inference(2, 0.5, 17, None, "", 0.0, None),
    Inference(3, 0.5001, 17, 3, "", 12.25, 0.0),
    Inference(4, math.inf, 17, 3, "", math.nan, math.nan),
)


def test_queries_come_back_as_they_were_stored(tmp_path: Path) -> None:
    study = study_of(CELLS)
    folder = write(tmp_path / "made", study, [run(study, CELL, i) for i in range(2)])
    store.append(folder, run(study, PROMPTED, 0), ODD)
    found = content(folder)
    stored: list[Inference] = []
    for row in found.data["runs"]:
        queries = store.read_inferences(folder, row["id"])
        assert row["queries"] == {"first": len(stored), "n": len(queries)}
        stored += queries
    assert found.data["queries"]["n"] == len(stored) == 2 * QUERIES_N + len(ODD)
    assert found.data["queries"]["left_out_n"] == 0
    for name in ("duration_s", "energy_j"):
        for kept, query in zip(decoded(found, name), stored, strict=True):
            value = getattr(query, name)
            usable = value is not None and value > 0 and math.isfinite(value)
            assert kept == (pytest.approx(value, rel=0.0005) if usable else None)
    for name in ("input_tokens_n", "output_tokens_n"):
        assert decoded(found, name) == [getattr(query, name) for query in stored]
    for kept, query in zip(decoded(found, "score"), stored, strict=True):
        known = query.score is not None and not math.isnan(query.score)
        assert kept == (pytest.approx(query.score, abs=18 / 60_000) if known else None)
    assert SECRET.encode() not in msgspec.json.encode(found.data) + b"".join(
        map(gzip.decompress, found.queries.values())
    )


def test_scores_that_are_all_one_number_come_back(tmp_path: Path) -> None:
    study = study_of([CELL])
    folder = write(tmp_path / "made", study, [])
    store.append(folder, run(study, CELL, 0), [Inference(i, 0.25, 10, 3, "", 0.7) for i in range(QUERIES_N)])
    assert decoded(content(folder), "score") == [0.7] * QUERIES_N


def test_latencies_are_of_the_single_queries(tmp_path: Path) -> None:
    folder = one_run(tmp_path / "made")
    (only,) = store.read_runs(folder)
    durations_s = sorted(query.duration_s for query in store.read_inferences(folder, only.run_id))
    cell = content(folder).data["cells"][0]
    middle_s = (durations_s[QUERIES_N // 2 - 1] + durations_s[QUERIES_N // 2]) / 2
    assert cell["latency_s"]["p50"] == pytest.approx(middle_s, rel=UNSURE_RATIO)
    assert durations_s[-2] < cell["latency_s"]["p99"] <= durations_s[-1]


def test_a_damaged_file_of_queries_is_named(tmp_path: Path) -> None:
    folder = one_run(tmp_path / "made")
    (file,) = (folder / store.INFERENCES_FOLDER).glob("*.parquet")
    file.write_bytes(b"PAR1")
    with pytest.raises(store.StoreError, match=file.name):
        content(folder)


def test_there_is_room_for_every_cell_s_latest_run_first() -> None:
    assert latest_of_every_cell_first([(0, 7), (1, 7), (2, 8), (3, 7), (4, 8)]) == [3, 4, 1, 2, 0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("gpu0", "cpu")),
            st.sampled_from(("idle-before", "queries", "idle-after")),
            st.floats(1e-3, 10),
            st.floats(0, 1e3),
        ),
        max_size=1500,
    )
)
def test_a_thinned_trace_has_the_same_energy(parts: Sequence[tuple[str, str, float, float]]) -> None:
    clock_s: dict[str, float] = {}
    steps: list[TraceStep] = []
    for channel, window, duration_s, power_w in sorted(parts, key=lambda part: part[1] != "idle-before"):
        start_s = clock_s.get(channel, 0.0)
        steps.append(TraceStep(channel, window, start_s, duration_s, power_w, None, None))
        clock_s[channel] = start_s + duration_s
    thin = thinned(steps)
    if thin is None:
        assert not steps
        return
    for channel_i, channel in enumerate(thin["channels"]):
        of_channel = [step[1:] for step in thin["steps"] if step[0] == channel_i]
        before = [step for step in steps if step.channel == channel]
        assert len(of_channel) <= STEPS_MAX_N
        energy_j = sum(step.duration_s * (step.power_w or 0.0) for step in before)
        assert sum(duration_s * power_w for _, duration_s, power_w in of_channel) == pytest.approx(
            energy_j, rel=1e-4, abs=1e-9
        )
        assert sum(duration_s for _, duration_s, _ in of_channel) == pytest.approx(clock_s[channel], rel=1e-4)


def test_a_stored_trace_is_shown_else_the_mean_of_each_window(tmp_path: Path) -> None:
    study = study_of([CELL])
    first, second = run(study, CELL, 0), run(study, CELL, 1)
    trace = (
        TraceStep("gpu0", "queries", 0.0, 2.0, 100.0, None, None),
        TraceStep("gpu0", "queries", 2.0, 3.0, 50.0, None, None),
        TraceStep("package-0", "queries", 0.0, 5.0, None, 0.0, None),
    )
    folder = write(tmp_path / "made", study, [second])
    store.append(folder, first, [], trace)
    shown = {row["repeat_i"]: row["trace"] for row in content(folder).data["runs"]}
    assert shown[0] == {"channels": ["gpu0"], "steps": [[0, 0.0, 2.0, 100.0], [0, 2.0, 3.0, 50.0]]}
    assert shown[1] == thinned(mean_steps(second))
    assert [(step[1], step[2]) for step in shown[1]["steps"] if step[0] == 0] == [(-3.0, 2.0), (0.0, 5.1), (6.0, 2.0)]
    assert second.measurement is not None
    powers_w = [step[3] for step in shown[1]["steps"] if step[1] == 0.0]
    assert powers_w == pytest.approx([one.energy_j / 5.1 for one in second.measurement.channels], rel=1e-4)  # type: ignore[operator]


def test_what_the_page_computes_with_is_the_catalogue_s() -> None:
    found = facts()
    for row in found["grids"]:
        grid = find_grid(row["id"])
        assert (grid.id, grid.intensity_g_per_kwh) == (row["id"], row["g_per_kwh"])
    by_id = {row["id"]: row for row in found["grids"]}
    offsite = figure("USA", "water_offsite")
    assert offsite is not None
    value, low, high = by_id["USA"]["offsite_l_per_kwh"]
    assert value == pytest.approx(offsite.amount.value, rel=1e-3)
    assert low < value < high
    assert by_id["FRA"]["price"]["currency"] == "USD"
    assert all(row["pue"][0] >= 1 for row in found["pues"])
    assert any(row["onsite_l_per_kwh"] for row in found["pues"])
    units = {row["id"]: (row.get("unit_j"), row.get("unit_g")) for row in found["things"]}
    assert units["kettle_boil_litre"] == (pytest.approx(0.11 * J_PER_KWH), None)
    assert units["car_mile"] == (None, 393.0)
    assert "email_g" not in units, "its grams are of another grid"
    assert found["t"]["quantiles"][8] == pytest.approx(t_quantile(0.975, 9), rel=1e-5)
    assert len(found["t"]["quantiles"]) == 200
    assert found["printed"]["5"][0]["model"] == "bigscience/bloomz-7b1"
    assert found["training"][0]["training_kwh"] == 51686


def test_the_study_s_own_grid_can_be_chosen(tmp_path: Path) -> None:
    for grid, known, noted in (("138.75", "own:138.75", 0), ("France", "FRA", 0), ("Atlantis", None, 1)):
        study = replace(study_of([CELL]), grid=grid)
        found = content(write(tmp_path / grid, study, [run(study, CELL, i) for i in range(2)])).data
        assert found["sources"][0]["grid"] == known
        assert sum(grid in note for note in found["sources"][0]["notes"]) == noted
        assert known is None or known in {row["id"] for row in found["grids"]}


def test_the_content_is_json(tmp_path: Path) -> None:
    found = content(hostile(tmp_path / "made"), PAPER)
    text = msgspec.json.encode(found.data)
    assert msgspec.json.decode(text)["schema"] == 1
    places = range(len(found.data["cells"]))
    assert all(row["cell_i"] in places for row in found.data["runs"])
    assert all(len(machine["label"]) <= 70 for machine in found.data["machines"])


def test_of_very_many_runs_the_latest_are_shown_one_by_one(tmp_path: Path) -> None:
    study = study_of([CELL], repeats_n=RUNS_MAX_N + 3)
    pattern = run(study, CELL, 0)
    numbers = range(RUNS_MAX_N + 3)
    folder = tmp_path / "made"
    write(folder, study, [])
    store.append_all(folder, (replace(pattern, run_id=f"run-{i}", repeat_i=i, load=None) for i in numbers))
    found = content(folder).data
    source, (cell,) = found["sources"][0], found["cells"]
    assert (source["runs_n"], cell["runs_n"], cell["spread"]["n"]) == (len(numbers),) * 3
    assert [one["repeat_i"] for one in found["runs"]] == list(numbers)[3:]
    assert source["details"].startswith("details of the latest 20,000 of 20,003 runs")
    assert "too many to audit" in source["notes"][0]
    assert found["findings"] == []
    steps_n = sum(len(one["trace"]["steps"]) for one in found["runs"] if one["trace"])
    assert TRACE_STEPS_MAX_N <= steps_n < TRACE_STEPS_MAX_N + 3 * STEPS_MAX_N
    with_trace = [one["repeat_i"] for one in found["runs"] if one["trace"]]
    assert with_trace == list(numbers)[-len(with_trace) :]
    assert found["traces"]["left_out_n"] == RUNS_MAX_N - len(with_trace)
