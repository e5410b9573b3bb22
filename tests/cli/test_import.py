"""``import`` and ``export`` through the installed program."""

import csv
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from codecarbon_rows import row, text
from program import BINARY, complains, joulemark

from joulemark.interchange.codecarbon_csv import HEADERS

PAPER_LOGS = os.environ.get("JOULEMARK_PAPER_LOGS")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "emissions.csv"
    rows = [row("3.3", run_id=f"r{i}", timestamp=f"2024-05-01T12:0{i}:10") for i in range(3)]
    file.write_text(text(HEADERS["3.3"], *rows, ["rubbish"]))
    return file


def test_an_import_is_a_results_folder(tmp_path: Path, log: Path) -> None:
    out = tmp_path / "results"
    done = joulemark("import", log, "--out", out, "--queries", 1000)
    assert done.returncode == 0, done.stderr
    assert "3 runs from 1 files, 1 cells" in done.stdout
    assert "emissions.csv line 5: 1 values under 38 columns: skipped" in done.stderr
    found = json.loads(joulemark("report", out, "--json").stdout)
    (line,) = found["rows"]
    assert (line["model"], line["runs_n"], line["queries_n"]) == ("my-model", 3, 3000)
    assert line["energy_per_1000_j"] == pytest.approx(0.0031 * 3.6e6)
    assert line["provenance"]["assumed"] == pytest.approx(0.0011 / 0.0031)
    assert line["carbon_logged_per_1000_g"] == pytest.approx(1.0)
    assert found["machines"][0]["gpus"] == ["Some Board", "Some Board"]
    shown = joulemark("report", out).stdout
    assert "carbon as logged" in shown
    assert "all-boards-counted" in shown


def test_what_nobody_said_of_the_queries_stays_with_the_cells(tmp_path: Path, log: Path) -> None:
    joulemark("import", log, "--out", tmp_path / "told", "--queries", 1000)
    joulemark("import", log, "--out", tmp_path / "untold")
    told, untold = (joulemark("report", tmp_path / name).stdout for name in ("told", "untold"))
    assert "queries-not-stated (the only row): nobody said" in untold
    assert "queries-not-stated" not in told


def test_notes_on_imported_runs_advise_nothing_that_their_reader_could_not_do(tmp_path: Path, log: Path) -> None:
    joulemark("import", log, "--out", tmp_path / "r")
    shown = joulemark("report", tmp_path / "r").stdout
    assert "all-boards-counted (the only row): several boards" in shown
    assert "CUDA_VISIBLE_DEVICES" not in shown
    assert "joulemark sensors" not in shown
    assert "--pue does not change" in complains(joulemark("report", tmp_path / "r", "--pue", "1.2"))


def test_importing_again_does_not_count_twice(tmp_path: Path, log: Path) -> None:
    for _ in range(2):
        assert joulemark("import", log, "--out", tmp_path / "r").returncode == 0
    found = json.loads(joulemark("report", tmp_path / "r", "--totals", "--json").stdout)
    assert found["runs_n"] == 3
    assert found["energy_kwh"] == pytest.approx(3 * 0.0031)


def test_an_import_says_what_it_left_out_as_json(tmp_path: Path, log: Path) -> None:
    done = joulemark("import", log, tmp_path / "nothing.csv", "--out", tmp_path / "r", "--json")
    assert done.returncode == 1
    found = json.loads(joulemark("import", log, "--out", tmp_path / "r", "--json").stdout)
    assert (found["runs_n"], found["recognised_as"]) == (3, "codecarbon")
    assert found["problems"] == [{"file": "emissions.csv", "line_n": 5, "what": "1 values under 38 columns: skipped"}]


def test_nothing_to_import_is_exit_code_1_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    done = joulemark("import", tmp_path / "notes.csv", "--out", tmp_path / "r")
    assert done.returncode == 1
    assert "not a CodeCarbon file" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r").exists()


def test_another_study_in_the_folder_is_kept(tmp_path: Path, log: Path) -> None:
    assert joulemark("import", log, "--out", tmp_path / "r").returncode == 0
    assert "another study" in complains(joulemark("import", log, "--out", tmp_path / "r", "--queries", 5))
    assert "at least 1" in complains(joulemark("import", log, "--out", tmp_path / "q", "--queries", 0))


def test_nothing_is_written_outside_the_output_folder(tmp_path: Path, log: Path) -> None:
    archive = tmp_path / "in" / "logs.tar"
    archive.parent.mkdir()
    with tarfile.open(archive, "w") as tar:
        for name in ("../../escaped.csv", str(tmp_path / "absolute.csv"), "good.csv"):
            member = tarfile.TarInfo(name)
            member.size = log.stat().st_size
            with log.open("rb") as content:
                tar.addfile(member, content)
    log.unlink()
    done = joulemark("import", archive, "--out", tmp_path / "out" / "r")
    assert done.returncode == 0
    assert done.stderr.count("leads out of the archive") == 2
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and tmp_path / "out" not in path.parents]
    assert outside == [archive]


def test_a_line_of_two_gigabytes_takes_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "emissions.csv"
    lines = text(HEADERS["3.3"], row("3.3")).encode().splitlines(keepends=True)
    with file.open("wb") as stream:
        stream.write(lines[0])
        stream.seek(2 * 2**30, os.SEEK_CUR)  # a hole: nulls that take no room on the disk
        stream.write(b"\n" + lines[1])
    command = ["bash", "-c", 'ulimit -v 1000000; exec "$@"', "-", BINARY, "import", file, "--out", tmp_path / "r"]
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False
    )  # in a gigabyte of address space
    assert done.returncode == 0, done.stderr
    assert "line 2: longer than 64 KiB: skipped" in done.stderr


def test_names_from_a_log_do_no_harm_where_they_are_shown(tmp_path: Path) -> None:
    name = '=HYPERLINK("http://x","y")|<b>_\\x\x1b[31m'
    (tmp_path / "e.csv").write_text(text(HEADERS["3.3"], row("3.3", project_name=name)))
    assert joulemark("import", tmp_path / "e.csv", "--out", tmp_path / "r").returncode == 0
    exported = joulemark("export", tmp_path / "r", "--to", "codecarbon").stdout
    (line,) = csv.DictReader(io.StringIO(exported))
    assert line["project_name"].startswith("'=HYPERLINK")
    as_csv = joulemark("report", tmp_path / "r", "--table", 6, "--csv").stdout
    assert next(csv.DictReader(io.StringIO(as_csv)))["model"].startswith("'=")
    markdown = joulemark("report", tmp_path / "r", "--table", 6, "--markdown").stdout
    assert r"\|&lt;b&gt;\_\\x" in markdown
    latex = joulemark("report", tmp_path / "r", "--table", 6, "--latex").stdout
    assert r"|\textless{}b\textgreater{}\_\textbackslash{}x" in latex
    for shown in (exported, as_csv, markdown, latex, joulemark("report", tmp_path / "r").stdout):
        assert "\x1b" not in shown


def test_an_export_goes_to_a_file_and_comes_back(tmp_path: Path, log: Path) -> None:
    assert joulemark("import", log, "--out", tmp_path / "r").returncode == 0
    done = joulemark("export", tmp_path / "r", "--to", "codecarbon", "--out", tmp_path / "x.csv")
    assert (done.returncode, done.stdout) == (0, "")
    assert "3 runs" in done.stderr
    with (tmp_path / "x.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == HEADERS["3.3"]
    assert [float(one["energy_consumed"]) for one in rows] == pytest.approx([0.0031] * 3)
    assert joulemark("import", tmp_path / "x.csv", "--out", tmp_path / "again").returncode == 0
    assert "no format 'xls'" in complains(joulemark("export", tmp_path / "r", "--to", "xls"))


@pytest.mark.skipif(PAPER_LOGS is None, reason="JOULEMARK_PAPER_LOGS does not name the archive of the paper's logs")
def test_the_papers_logs_in_one_command(tmp_path: Path) -> None:
    done = joulemark("import", PAPER_LOGS, "--out", tmp_path / "r")
    assert done.returncode == 0
    assert "6,513 runs" in done.stdout
    for place in (tmp_path / "r", "luccioni2024"):
        found = json.loads(joulemark("report", place, "--totals", "--json").stdout)
        assert found["runs_n"] == 6513
        sums = [round(found[key], 2) for key in ("gpu_energy_kwh", "energy_kwh", "carbon_kg")]
        assert sums == [754.66, 1290.04, 178.98]
        rows = json.loads(joulemark("report", place, "--table", 2, "--json").stdout)["rows"]
        assert all(one["mean_as_printed"] for one in rows)
