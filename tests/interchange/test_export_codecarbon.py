import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from codecarbon_rows import row, text

from joulemark.impact.carbon import find_grid
from joulemark.interchange.codecarbon_csv import HEADERS
from joulemark.interchange.export_codecarbon import COLUMNS, codecarbon_rows
from joulemark.interchange.importing import import_logs
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Machine, Run


def write(path: Path, *rows: Mapping[str, object]) -> Path:
    path.write_text(text(COLUMNS, *rows))
    return path


def test_what_was_imported_is_exported_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(text(HEADERS["3.3"], row("3.3", emissions=0.0012)))
    found = import_logs([tmp_path / "e.csv"], 1000)
    (one,) = codecarbon_rows(found.runs, found.machines, None)
    assert tuple(one) == COLUMNS == HEADERS["3.3"]
    for column in (
        "duration",
        "energy_consumed",
        "gpu_energy",
        "cpu_energy",
        "ram_energy",
        "emissions",
        "ram_total_size",
    ):
        assert one[column] == pytest.approx(row("3.3", emissions=0.0012)[column])
    for column in ("timestamp", "project_name", "gpu_model", "gpu_count", "cpu_model", "os", "python_version"):
        assert one[column] == row("3.3")[column]


def test_the_platform_is_exported_and_not_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(text(HEADERS["3.3"], row("3.3")))
    found = import_logs([tmp_path / "e.csv"], 1000)
    (run,) = found.runs
    own = replace(found.machines[0], kernel="6.1.0-18-amd64", system="Linux-6.1-x86_64-with-glibc2.36")
    (one,) = codecarbon_rows([replace(run, machine_id=own.machine_id)], [own], None)
    assert one["os"] == "Linux-6.1-x86_64-with-glibc2.36"


def test_an_export_can_be_imported_again(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(text(HEADERS["3.3"], row("3.3")))
    found = import_logs([tmp_path / "e.csv"], 1000)
    rows = list(codecarbon_rows(found.runs, found.machines, None))
    (tmp_path / "again.csv").write_text(text(COLUMNS, *rows))
    again = import_logs([tmp_path / "again.csv"], 1000)
    assert again.problems == ()
    (run,) = again.runs
    (before,) = import_logs([tmp_path / "e.csv"], 1000).runs
    assert run.measurement is not None
    assert before.measurement is not None
    for mine, other in zip(run.measurement.channels, before.measurement.channels, strict=True):
        assert mine.energy_j == pytest.approx(other.energy_j)
        assert mine.provenance == other.provenance


@pytest.mark.parametrize(
    "changes",
    [
        {"pue": 1.5, "emissions": 0.0012},
        {"gpu_energy": ""},
        {"cpu_energy": "", "ram_energy": ""},
        {"gpu_count": 1, "gpu_model": "1 x Some Board"},
        {"gpu_count": "", "gpu_model": "", "gpu_energy": 0, "energy_consumed": 0.0011},
    ],
)
def test_importing_what_was_exported_changes_nothing(tmp_path: Path, changes: dict[str, object]) -> None:
    first = import_logs([write(tmp_path / "e.csv", row("3.3", **changes))], 1000)
    (before,) = first.runs
    exported = list(codecarbon_rows([before], first.machines, None))
    second = import_logs([write(tmp_path / "again.csv", *exported)], 1000)
    (after,) = second.runs
    assert (second.problems, second.machines) == ((), first.machines)
    assert after.carbon_logged_g == pytest.approx(before.carbon_logged_g)
    assert before.measurement is not None
    assert after.measurement is not None
    for mine, other in zip(after.measurement.channels, before.measurement.channels, strict=True):
        assert (mine.name, mine.covers, mine.reasons) == (other.name, other.covers, other.reasons)
        assert mine.energy_j == pytest.approx(other.energy_j)


def test_the_factor_between_energy_and_carbon_is_exported_as_it_was_logged(tmp_path: Path) -> None:
    file = write(tmp_path / "e.csv", row("3.3", pue=1.5, emissions=0.0031 * 0.4))
    found = import_logs([file], 1000)
    (one,) = codecarbon_rows(found.runs, found.machines, None)
    assert one["pue"] == 1.0
    assert float(one["emissions"]) / float(one["energy_consumed"]) == pytest.approx(0.4)


MACHINE = Machine("a processor", 16, 2**36, ("a board", "a board", "another board"), False, "6.1", "Linux")


def measured(name: str, component: Component, energy_j: float | None, in_use: bool = True) -> ChannelEnergy:
    return ChannelEnergy(name, component, Provenance.COUNTER, energy_j, energy_j, energy_j, ErrorBudget(), in_use)


def own_run(*channels: ChannelEnergy) -> Run:
    window = Measurement("2026-01-01T00:00:00+00:00", 10.0, channels, 0.0)
    cell = Cell("summarization", "a model", "a dataset")
    return Run("r", cell, 0, 0, 1000, MACHINE.machine_id, {}, window.started_at, measurement=window)


def test_a_sum_of_which_a_part_is_not_known_is_empty() -> None:
    cpu = measured("package-0", Component.CPU, 36_000.0)
    grid = find_grid("FRA")
    (one,) = codecarbon_rows([own_run(measured("gpu0", Component.GPU, None), cpu)], [MACHINE], grid)
    assert (one["gpu_energy"], one["energy_consumed"], one["emissions"]) == ("", "", "")
    assert one["cpu_energy"] == pytest.approx(0.01)
    (metered,) = codecarbon_rows([own_run(cpu)], [MACHINE], grid)
    assert metered["energy_consumed"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("used", "count", "model"),
    [
        ((True, False, False), 1, "1 x a board"),
        ((True, False, True), 2, "1 x a board1 x another board"),
        ((False, False, False), "", ""),
    ],
)
def test_boards_are_those_whose_energy_it_is(
    tmp_path: Path, used: tuple[bool, ...], count: int | str, model: str
) -> None:
    boards = [measured(f"gpu{index}", Component.GPU, 3600.0, in_use) for index, in_use in enumerate(used)]
    run = own_run(*boards, measured("package-0", Component.CPU, 3600.0))
    (one,) = codecarbon_rows([run], [MACHINE], None)
    assert (one["gpu_count"], one["gpu_model"]) == (count, model)
    (again,) = import_logs([write(tmp_path / "e.csv", one)], 1000).runs
    assert again.measurement is not None
    told = {code for channel in again.measurement.channels for code in channel.reasons}
    assert ("all-boards-counted" in told) == (sum(used) > 1)


@pytest.mark.parametrize(
    ("gpus", "model"),
    [
        (("a board",) * 4, "1 x a board"),
        (("a board", "another board", "a third board"), "1 x not stated"),
        ((), "1 x not stated"),
    ],
)
def test_boards_that_were_not_all_found_again_are_counted_by_their_channels(gpus: tuple[str, ...], model: str) -> None:
    machine = replace(MACHINE, gpus=gpus)
    boards = measured("gpu0", Component.GPU, 3600.0), measured("gpu1", Component.GPU, 3600.0, in_use=False)
    (one,) = codecarbon_rows([replace(own_run(*boards), machine_id=machine.machine_id)], [machine], None)
    assert (one["gpu_count"], one["gpu_model"]) == (1, model)


def test_a_socket_with_a_gpu_in_it_is_a_board_that_may_be_unused() -> None:
    machine = replace(MACHINE, gpus=("a socket", "a board"))
    socket = measured("amd-apu0", Component.BOARD, 36.0, in_use=False)
    run = replace(own_run(socket, measured("gpu0", Component.GPU, 3600.0)), machine_id=machine.machine_id)
    (one,) = codecarbon_rows([run], [machine], None)
    assert (one["gpu_count"], one["gpu_model"]) == (1, "1 x a board")


def test_what_is_not_known_is_empty_and_not_zero(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(
        text(HEADERS["3.3"], row("3.3", gpu_count="", gpu_energy=0, energy_consumed=0.0011))
    )
    found = import_logs([tmp_path / "e.csv"], 1000)
    (run,) = found.runs
    (one,) = codecarbon_rows([replace(run, carbon_logged_g=None)], (), None)
    assert (one["gpu_energy"], one["gpu_power"], one["emissions"], one["country_name"]) == ("", "", "", "")
    written = next(csv.DictReader(io.StringIO(text(COLUMNS, one))))
    assert written["gpu_energy"] == ""


def test_a_run_without_a_measurement_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(text(HEADERS["3.3"], row("3.3")))
    (run,) = import_logs([tmp_path / "e.csv"], 1000).runs
    assert list(codecarbon_rows([replace(run, measurement=None)], (), None)) == []
