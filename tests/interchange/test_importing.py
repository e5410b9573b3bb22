import io
import math
import os
import tarfile
from pathlib import Path

import pytest
from codecarbon_rows import row, text

from joulemark import store
from joulemark.analysis.results import Results, open_results, sums_of
from joulemark.analysis.totals import totals
from joulemark.boundary import total
from joulemark.interchange.codecarbon_csv import HEADERS
from joulemark.interchange.importing import Imported, import_logs
from joulemark.interchange.log_files import LogError
from joulemark.measurement import BoundaryName, Component, Provenance
from joulemark.records import Purpose, Run

PAPER_LOGS = os.environ.get("JOULEMARK_PAPER_LOGS")


def imported(*paths: Path, queries_n: int = 1000) -> tuple[Imported, list[Run]]:
    found = import_logs(paths, queries_n)
    return found, list(found.runs)


def write(path: Path, version: str, *changes: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(HEADERS[version], *(row(version, **change) for change in changes)))
    return path


def test_every_joule_keeps_how_it_came_about(tmp_path: Path) -> None:
    file = write(
        tmp_path / "emissions.csv", "3.3", {"run_id": "a"}, {"run_id": "b", "timestamp": "2024-05-01T12:30:00"}
    )
    found, (first, second) = imported(file)
    assert (found.study.name, found.runs_n, len(found.study.cells)) == ("emissions", 2, 1)
    assert first.measurement is not None
    gpu, cpu, dram = first.measurement.channels
    assert (gpu.component, gpu.provenance, gpu.reasons) == (Component.GPU, Provenance.SAMPLED, ("all-boards-counted",))
    assert (cpu.provenance, dram.provenance) == (Provenance.ASSUMED, Provenance.ASSUMED)
    assert gpu.energy_j == pytest.approx(7200)
    assert gpu.low_j == pytest.approx(7200 * 0.95)
    assert cpu.high_j == pytest.approx(2 * 3600)
    assert dram.high_j == pytest.approx(3 * 360)
    assert first.started_at == "2024-05-01T12:00:00.000+00:00"
    assert first.carbon_logged_g == pytest.approx(1.0)
    assert first.source == "emissions.csv"
    assert (first.repeat_i, second.repeat_i, second.order_i) == (0, 1, 1)
    assert found.machines[0].gpus == ("Some Board", "Some Board")
    assert first.machine_id == found.machines[0].machine_id


def test_a_processor_whose_power_differs_is_modelled_and_process_memory_too(tmp_path: Path) -> None:
    file = write(
        tmp_path / "e.csv", "3.3", {"run_id": "a", "tracking_mode": "process"}, {"run_id": "b", "cpu_power": 61.0}
    )
    _, (first, second) = imported(file)
    assert first.measurement is not None
    assert second.measurement is not None
    assert [channel.provenance for channel in first.measurement.channels[1:]] == [Provenance.MODELLED] * 2
    assert second.measurement.channels[2].provenance is Provenance.ASSUMED


def test_a_machine_without_boards_has_no_board_that_used_nothing(tmp_path: Path) -> None:
    change = {"gpu_energy": 0.0, "gpu_count": "", "gpu_model": "", "energy_consumed": 0.0011}
    _, (run,) = imported(write(tmp_path / "e.csv", "2.3", change))
    assert run.measurement is not None
    assert [channel.name for channel in run.measurement.channels] == ["cpu", "dram"]


def test_the_first_release_has_one_figure_for_all(tmp_path: Path) -> None:
    _, (run,) = imported(write(tmp_path / "e.csv", "1.0", {}))
    assert run.measurement is not None
    (channel,) = run.measurement.channels
    assert set(channel.covers) == {Component.CPU, Component.DRAM, Component.GPU}
    assert channel.energy_j == pytest.approx(0.0031 * 3.6e6)


def test_experiments_of_the_first_release_share_an_id_and_are_all_kept(tmp_path: Path) -> None:
    _, runs = imported(write(tmp_path / "e.csv", "1.0", {}, {"timestamp": "2024-05-01T13:00:00"}))
    assert len(runs) == 2


def test_energies_are_those_of_the_machine_not_of_the_building(tmp_path: Path) -> None:
    _, (run,) = imported(write(tmp_path / "e.csv", "2.5", {"pue": 1.5}))
    assert run.measurement is not None
    assert run.measurement.channels[0].energy_j == pytest.approx(7200 / 1.5)


def test_carbon_is_that_of_the_machine_too(tmp_path: Path) -> None:
    building: dict[str, object] = {"pue": 1.5, "emissions": 0.0031 * 0.4}  # 400 g/kWh of what the building draws
    _, (run,) = imported(write(tmp_path / "e.csv", "3.3", building))
    assert run.measurement is not None
    machine_kwh = sum(channel.energy_j or 0.0 for channel in run.measurement.channels) / 3.6e6
    assert machine_kwh == pytest.approx(0.0031 / 1.5)
    assert run.carbon_logged_g == pytest.approx(400 * machine_kwh)


PARTS = {"cpu": Component.CPU, "ram": Component.DRAM, "gpu": Component.GPU}


@pytest.mark.parametrize(
    "empty", [("gpu",), ("cpu",), ("ram",), ("cpu", "ram"), ("cpu", "gpu"), ("ram", "gpu"), ("cpu", "ram", "gpu")]
)
def test_the_energy_of_an_empty_part_is_the_rest_of_the_sum(tmp_path: Path, empty: tuple[str, ...]) -> None:
    changes: dict[str, object] = {f"{part}_energy": "" for part in empty}
    found, (run,) = imported(write(tmp_path / "e.csv", "3.3", {**changes, "pue": 1.25}))
    assert found.problems == ()
    assert run.measurement is not None
    *known, rest = run.measurement.channels
    assert {channel.component for channel in known} == {PARTS[part] for part in PARTS if part not in empty}
    assert set(rest.covers) == {PARTS[part] for part in empty}
    assert (rest.provenance, "all-boards-counted" in rest.reasons) == (Provenance.ASSUMED, "gpu" in empty)
    whole = total(run.measurement, BoundaryName.DEVICE)
    assert whole.energy_j == pytest.approx(0.0031 / 1.25 * 3.6e6)
    assert whole.missing == ()


def test_a_part_that_one_of_several_rows_lacks_is_in_the_rest_of_all(tmp_path: Path) -> None:
    phases: list[dict[str, object]] = [{"task_name": name} for name in ("load", "transfer", "train")]
    phases[1]["gpu_energy"] = ""
    _, (run,) = imported(write(tmp_path / "t.csv", "3.3 task", *phases))
    assert run.load is not None
    assert [channel.name for channel in run.load.channels] == ["cpu", "dram", "codecarbon"]
    assert total(run.load, BoundaryName.DEVICE).energy_j == pytest.approx(2 * 0.0031 * 3.6e6)


def test_boards_of_which_nothing_is_in_the_sum_either_are_not_known(tmp_path: Path) -> None:
    change: dict[str, object] = {"gpu_energy": "", "energy_consumed": 0.0011}
    _, (run,) = imported(write(tmp_path / "e.csv", "3.3", change))
    assert run.measurement is not None
    whole = total(run.measurement, BoundaryName.DEVICE)
    assert (whole.energy_j, whole.missing) == (None, ("gpu",))
    assert whole.low_j == pytest.approx(3960 - math.hypot(3600 / 2, 360 * 2 / 3))
    _, (boardless,) = imported(write(tmp_path / "b.csv", "3.3", {**change, "gpu_count": "", "gpu_model": ""}))
    assert boardless.measurement is not None
    assert [channel.name for channel in boardless.measurement.channels] == ["cpu", "dram"]


def test_a_processor_of_which_nothing_is_in_the_sum_is_missing(tmp_path: Path) -> None:
    _, (run,) = imported(write(tmp_path / "e.csv", "3.3", {"cpu_energy": "", "energy_consumed": 0.0021}))
    assert run.measurement is not None
    assert total(run.measurement, BoundaryName.DEVICE).missing == ("cpu",)


def test_tasks_are_runs_and_loading_goes_with_the_first(tmp_path: Path) -> None:
    write(
        tmp_path / "logs" / "emissions_base_1.csv",
        "3.3 task",
        {"task_name": "load model"},
        {"task_name": "Transfer to GPU"},
        {"task_name": "train"},
        {"task_name": "predict", "timestamp": "2024-05-01T12:10:00"},
    )
    write(tmp_path / "logs" / "emissions.csv", "3.3", {})
    found, (train, predict) = imported(tmp_path / "logs")
    assert (train.cell.task, predict.cell.task, train.cell.model) == ("train", "predict", "my-model")
    assert train.load is not None
    assert train.load.duration_s == 20.0
    assert predict.load is None
    assert [problem.what for problem in found.problems] == ["the sum of a run whose tasks are imported: skipped"]


def test_a_run_that_was_flushed_counts_once(tmp_path: Path) -> None:
    longer = {"duration": 20.0, "timestamp": "2024-05-01T12:00:20"}
    found, (run,) = imported(write(tmp_path / "e.csv", "3.3", {}, longer))
    assert run.measurement is not None
    assert run.measurement.duration_s == 20.0
    assert found.problems[0].line_n == 2
    assert "earlier state" in found.problems[0].what


def test_the_same_file_twice_counts_once(tmp_path: Path) -> None:
    write(tmp_path / "a" / "t.csv", "2.3 task", {})
    write(tmp_path / "b" / "t.csv", "2.3 task", {})
    found, runs = imported(tmp_path / "a", tmp_path / "b")
    assert len(runs) == 1
    assert "again" in found.problems[0].what


def test_nothing_to_import_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(LogError, match=r"nothing that could be imported: notes\.csv.*no column timestamp"):
        import_logs([tmp_path], 1)


BASE = "paper-logs/emissions/base/emissions_base_{}.csv"


def paper(tmp_path: Path, lengths: str = "") -> Path:
    """An archive in the layout of the paper's logs: three runs that were published, and two that were not."""
    base: dict[str, list[dict[str, object]]] = {
        "r1": [{"project_name": "lvwerra/distilbert-imdb"}],
        "r2": [{"project_name": "lvwerra/distilbert-imdb", "timestamp": "2024-05-01T13:00:00"}],
        "r3": [{"project_name": "bigscience/bloomz-1b7"}],
        "r4": [{"project_name": "gpt2"}],
        "r5": [{"project_name": "t5-small"}],
    }
    joined = {
        "text_classif_imdb": ("r1", "r2"),
        "zeroshot_sentiment_imdb_bloomz": ("r3",),
        "zeroshot_sentiment_imdb": ("r4",),
    }
    files: dict[str, str] = {}
    for run_id, rows in base.items():
        load = row("2.3 task", **rows[0], run_id=run_id, task_name="load model")
        query = row("2.3 task", **rows[0], run_id=run_id)
        files[BASE.format(run_id)] = text(HEADERS["2.3 task"], load, query)
    for log, run_ids in joined.items():
        rows_ = [row("2.3", **base[run_id][0], run_id=run_id, duration=99.0) for run_id in run_ids]
        files[f"paper-logs/emissions/complete/{log}.csv"] = text(HEADERS["2.3"], *rows_)
    files["paper-logs/lengths/complete/imdb.csv"] = lengths or text(
        ("Input", "Output", "model", "dataset"),
        (50, 1, "bigscience/bloomz-1b", "imdb"),
        (60, 2, "bigscience/bloomz-1b", "imdb"),
    )
    files["paper-logs/model_parameters.csv"] = text(
        ("model_name", "num_parameters"), ("lvwerra/distilbert-imdb", 66362880)
    )
    files["paper-logs/performance.csv"] = text(
        ("model", "task", "type", "imdb (acc)"), ("lvwerra/distilbert-imdb", "sentiment", "encoder", 0.928)
    )
    archive = tmp_path / "logs.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    return archive


@pytest.mark.parametrize(("longest_n", "is_cut"), [(10, True), (9, False)])
def test_inputs_that_pile_up_at_their_greatest_length_were_cut(tmp_path: Path, longest_n: int, is_cut: bool) -> None:
    """Half of twenty, or fewer; of a prompted model alone, since others were logged without their lengths."""
    words = [59] * longest_n + list(range(30, 50 - longest_n))
    lengths = text(("Input", "Output", "model", "dataset"), *((n, 1, "bigscience/bloomz-1b", "imdb") for n in words))
    _, runs = imported(paper(tmp_path, lengths))
    told = {run.cell.model for run in runs if "inputs-cut" in run.reasons}
    assert told == ({"bigscience/bloomz-1b7"} if is_cut else set())


def test_the_papers_layout_is_recognised_and_joined(tmp_path: Path) -> None:
    found, runs = imported(paper(tmp_path))
    assert found.is_paper
    assert (found.study.name, found.study.protocol.queries_n, len(runs)) == ("luccioni2024", 1000, 5)
    assert [(cell.model, cell.dataset) for cell in found.study.cells] == [
        ("lvwerra/distilbert-imdb", "imdb"),
        ("bigscience/bloomz-1b7", "imdb"),
    ]
    by_model = {run.cell.model: run for run in runs}
    specific, prompted = by_model["lvwerra/distilbert-imdb"], by_model["bigscience/bloomz-1b7"]
    assert (specific.cell.task, specific.repeat_i) == ("text-classification", 1)
    assert specific.measurement is not None
    assert specific.load is not None
    assert specific.measurement.duration_s == 10.0  # the base file's, not the joined row's
    assert specific.quality is not None
    assert (specific.quality.metric, specific.quality.value, specific.quality.scored_n) == ("accuracy", 0.928, 0)
    assert specific.model is not None
    assert specific.model.parameters_n == 66362880
    assert prompted.cell.purpose is Purpose.MULTI_PURPOSE
    assert prompted.quality is not None
    assert prompted.quality.others == {"input_words": 55.0, "output_words": 1.5}
    assert (by_model["t5-small"].cell.task, by_model["t5-small"].cell.dataset) == ("summarization", "not stated")
    assert by_model["gpt2"].cell.purpose is Purpose.MULTI_PURPOSE
    assert found.problems == ()


def test_the_totals_hold_what_the_study_does_not_list(tmp_path: Path) -> None:
    found = import_logs([paper(tmp_path)], 1)
    out = tmp_path / "results"
    with store.open_for_writing(out, found.study):
        assert store.append_all(out, found.runs) == 5
    results = open_results(out)
    all_of_it = totals(results.study, sums_of(results, BoundaryName.DEVICE, loading=True), None)
    assert (all_of_it.runs_n, all_of_it.runs_outside_study_n) == (5, 2)
    assert all_of_it.energy_kwh == pytest.approx(10 * 0.0031)
    assert all_of_it.gpu_energy_kwh == pytest.approx(10 * 0.002)
    assert all_of_it.load_energy_kwh == pytest.approx(5 * 0.0031)
    assert all_of_it.carbon_kg == pytest.approx(10 * 0.001)
    assert len(store.read_runs(out)) == 5


@pytest.fixture(scope="module")
def whole_archive(tmp_path_factory: pytest.TempPathFactory) -> Results:
    if PAPER_LOGS is None:
        pytest.skip("JOULEMARK_PAPER_LOGS does not name the archive of the paper's logs")
    found = import_logs([Path(PAPER_LOGS)], 1)
    out = tmp_path_factory.mktemp("paper") / "results"
    with store.open_for_writing(out, found.study):
        store.append_all(out, found.runs)
    return open_results(out)


def test_the_whole_archive_gives_what_the_package_ships(whole_archive: Results) -> None:
    ours, shipped = (
        sums_of(whole_archive, BoundaryName.DEVICE, loading=True),
        sums_of(open_results("luccioni2024"), BoundaryName.DEVICE, loading=True),
    )
    assert ours.keys() == shipped.keys()
    for cell_id, sums in ours.items():
        other = shipped[cell_id]
        assert sums.runs_n == other.runs_n
        assert sums.energy_j.mean == pytest.approx(other.energy_j.mean, rel=1e-10)
        assert (sums.energy_j.sd or 0.0) == pytest.approx(other.energy_j.sd or 0.0, rel=1e-8)
        assert sums.carbon_g.mean == pytest.approx(other.carbon_g.mean, rel=1e-10)
        assert sums.parameters_n == other.parameters_n
    assert totals(whole_archive.study, ours, None).runs_n == 6513
