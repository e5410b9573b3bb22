import json
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from joulemark import store
from joulemark.cli.report_figure import show_figures
from joulemark.failures import MendableError
from joulemark.records import Cell, Study


def test_a_figure_is_written_in_three_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "figures"
    show_figures("luccioni2024", [5], folder)
    assert sorted(file.name for file in folder.iterdir()) == ["figure-5.pdf", "figure-5.png", "figure-5.svg"]
    assert ET.fromstring((folder / "figure-5.svg").read_text(encoding="utf-8")).tag == "{http://www.w3.org/2000/svg}svg"
    assert (folder / "figure-5.pdf").read_bytes().startswith(b"%PDF-")
    png = (folder / "figure-5.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert width > 1000
    assert height > 500
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Figure 5   Multi-purpose models: carbon by task and architecture"
    assert lines[1:] == [f"  {folder / f'figure-5.{form}'}" for form in ("svg", "pdf", "png")]


def test_a_figure_written_again_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        show_figures("luccioni2024", [6], tmp_path / name, ["svg", "png"])
    for form in ("svg", "png"):
        first, second = (tmp_path / name / f"figure-6.{form}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


def test_json_says_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_figures("luccioni2024", [1, 2, 1], tmp_path, ["svg"], grid_name="FRA", json_out=True)
    told = json.loads(capsys.readouterr().out)
    assert [figure["figure"] for figure in told["figures"]] == [1, 2]
    assert told["figures"][1]["files"] == [str(tmp_path / "figure-2.svg")]
    assert told["left_out"] == []


@pytest.mark.parametrize(("numbers", "formats"), [([8], ["svg"]), ([0], ["svg"]), ([1], ["gif"]), ([], ["svg"])])
def test_a_figure_or_format_there_is_not(numbers: list[int], formats: list[str], tmp_path: Path) -> None:
    with pytest.raises(MendableError, match="there are figures 1 to 7 as svg, pdf, png"):
        show_figures("luccioni2024", numbers, tmp_path, formats)
    assert not list(tmp_path.iterdir())


def test_results_without_runs_leave_no_file(tmp_path: Path) -> None:
    results, folder = tmp_path / "results", tmp_path / "figures"
    with store.open_for_writing(results, Study("s", (Cell("t", "m", "d"),))):
        pass
    with pytest.raises(MendableError, match="figure 1: there are no runs in these results yet") as caught:
        show_figures(str(results), range(1, 8), folder)
    assert "\n" not in str(caught.value)
    assert not folder.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MendableError, match="choose another --to"):
        show_figures("luccioni2024", [5], tmp_path / "file", ["svg"])


@pytest.mark.parametrize("library", ["altair", "vl_convert"])
def test_without_its_libraries_it_says_what_to_install(library: str, tmp_path: Path) -> None:
    program = (
        f"import sys; sys.modules['{library}'] = None\n"
        "from pathlib import Path\n"
        "from joulemark.cli.report_figure import show_figures\n"
        f"show_figures('luccioni2024', [5], Path({str(tmp_path / 'out')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert "MendableError: figures need Altair and vl-convert: pip install 'joulemark[figures]'" in done.stderr
    assert not (tmp_path / "out").exists()
