import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from codecarbon_rows import row, text

from joulemark.interchange.codecarbon_csv import HEADERS
from joulemark.interchange.export_codecarbon import COLUMNS, codecarbon_rows
from joulemark.interchange.importing import import_logs


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
