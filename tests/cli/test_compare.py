"""``joulemark compare`` as a user starts it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from made_folders import H200, LATER, OTHER, REVIEWS, SUMMARY, Made, folder
from program import BINARY, complains, joulemark

from joulemark.measurement import Provenance
from joulemark.records import Cell, Settings

KEYS = {"a", "b", "boundary", "rows", "only_in_a", "only_in_b", "different", "same", "summary", "findings"}
NEWER = {"python": "3.11.7", "torch": "2.6.0"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders: one cell differs, one does not, one is modelled on one side, and each has one of its own."""
    root = tmp_path_factory.mktemp("compared")
    folder(
        root / "a100",
        Made(SUMMARY, [345, 349, 352], quality=0.41),
        Made(OTHER, [500, 560, 460]),
        Made(REVIEWS, [50, 51, 49]),
        Made(replace(REVIEWS, model="roberta"), [1, 1]),
    )
    folder(
        root / "h200",
        Made(SUMMARY, [217, 219, 221], quality=0.42, machine=H200, versions=NEWER),
        Made(OTHER, [470, 540, 430], machine=H200, versions=NEWER),
        Made(
            replace(REVIEWS, settings=Settings(batch_n=8)), [30, 31, 29],
            machine=H200, versions=NEWER, provenance=Provenance.MODELLED, model_factor=2.0,
        ),
        Made(replace(REVIEWS, model="deberta"), [1, 1], machine=H200, versions=NEWER),
        started=LATER + timedelta(days=1),
    )  # fmt: skip
    return root


def test_two_folders_in_words(place: Path) -> None:
    done = joulemark("compare", place / "a100", place / "h200")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line.count("  ") > 3}
    assert "969 mWh" in lines["flan-t5-base"]  # runs are of 100 queries
    assert "1.59 ± 0.04 times less" in lines["flan-t5-base"]
    assert "accuracy 0.410 → 0.420" in lines["flan-t5-base"]
    assert "no difference shown (p = " in lines["bart-large-cnn"]
    assert "times" not in lines["bart-large-cnn"].split("no difference shown")[0]
    assert "counter against modelled" in lines["bert"]
    assert "batch_n 1 → 8" in lines["bert"]
    assert "Only in a100, 1 cell: text-classification: roberta × imdb" in done.stdout
    assert "Only in h200, 1 cell: text-classification: deberta × imdb" in done.stdout
    assert "GPU (NVIDIA A100-SXM4-80GB → NVIDIA H200)" in done.stdout
    assert "torch (2.1.0 → 2.6.0)" in done.stdout
    assert "The same: processor" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Summary: ")
    assert "geometric mean of 3 models" in done.stdout


def test_the_same_as_json(place: Path) -> None:
    done = joulemark("compare", place / "a100", place / "h200", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert set(found) == KEYS
    assert (found["a"]["name"], found["b"]["name"], found["boundary"]) == ("a100", "h200", "device")
    rows = {row["model"]: row for row in found["rows"]}
    assert rows["flan-t5-base"]["ratio"] == pytest.approx(1046 / 657)
    assert rows["flan-t5-base"]["verdict"] == "b needs less"
    assert rows["bart-large-cnn"]["verdict"] == "no difference shown"
    assert rows["bart-large-cnn"]["p"] > 0.05
    assert [cell["model"] for cell in found["only_in_a"]] == ["roberta"]
    assert found["summary"]["models_n"] == 3
    back = json.loads(joulemark("compare", place / "h200", place / "a100", "--json").stdout)
    assert back["rows"][0]["ratio"] == pytest.approx(657 / 1046)
    assert back["rows"][0]["verdict"] == "b needs more"
    assert "times more" in back["rows"][0]["sentence"]


def test_tasks_and_patterns_choose(place: Path) -> None:
    def models(*options: str) -> list[str]:
        done = joulemark("compare", place / "a100", place / "h200", "--json", *options)
        return [row["model"] for row in json.loads(done.stdout)["rows"]]

    assert models("--task", "summarization") == ["flan-t5-base", "bart-large-cnn"]
    assert models("--task", "summarization", "--task", "text-*") == ["flan-t5-base", "bart-large-cnn", "bert"]
    assert models("--only", "bart*", "--only", "bert") == ["bart-large-cnn", "bert"]
    assert models("--task", "summarization", "--only", "*base") == ["flan-t5-base"]


def test_a_narrow_terminal_gets_a_block_a_row(place: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [BINARY, "compare", place / "a100", place / "h200", "--task", "summarization"],
        stdout=theirs,
        env=os.environ | {"COLUMNS": "60"},
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "difference  1.59 ± 0.04 times less" in shown
    assert "model       bart-large-cnn" in shown


def test_a_folder_beside_itself_shows_no_difference(place: Path) -> None:
    found = json.loads(joulemark("compare", place / "a100", place / "a100", "--json").stdout)
    assert {row["ratio"] for row in found["rows"]} == {1.0}
    assert {row["verdict"] for row in found["rows"]} == {"no difference shown"}
    assert found["different"] == []
    assert found["findings"][0]["message"].startswith("the same runs are in both")
    assert found["summary"]["verdict"] == "no difference shown"


def test_published_results_beside_themselves() -> None:
    done = joulemark("compare", "luccioni2024", "luccioni2024", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["rows"]) == found["summary"]["not_shown_n"] == 312
    assert {(row["ratio"], row["p"]) for row in found["rows"]} == {(1.0, 1.0)}
    assert (found["summary"]["ratio"], found["summary"]["models_n"]) == (1.0, 88)
    shown = joulemark("compare", "luccioni2024", "luccioni2024", "--task", "fill-mask")
    assert "luccioni2024 (a)" in shown.stdout
    assert "Summary: no difference shown" in shown.stdout


def test_published_results_beside_ones_own(tmp_path: Path) -> None:
    cell = Cell("text-classification", "lvwerra/distilbert-imdb", "imdb")
    mine = folder(tmp_path / "mine", Made(cell, [10, 10.1, 9.9]), queries_n=1000)
    found = json.loads(joulemark("compare", "luccioni2024", mine, "--json").stdout)
    (row,) = found["rows"]
    assert row["verdict"] == "b needs less"
    assert row["remarks"] == ["counts gpu + cpu + dram against gpu", "assumed + sampled against counter"]
    assert len(found["only_in_a"]) == 311
    shown = joulemark("compare", "luccioni2024", mine).stdout
    assert "Only in luccioni2024, 311 cells" in shown
    assert "and 306 more" in shown


def test_one_repetition_is_said_to_be_one(tmp_path: Path) -> None:
    for name, energy_j in (("a", 100), ("b", 50)):
        folder(tmp_path / name, Made(SUMMARY, [energy_j]))
    shown = joulemark("compare", tmp_path / "a", tmp_path / "b").stdout
    assert "ratio 2.00, one repetition in a and b: no interval" in shown
    assert "times" not in shown
    assert shown.splitlines()[-1].endswith("beyond its row; the only row is not tested.")
    assert "! the only row: a single repetition" in shown


def test_the_only_run_that_failed_is_told_as_one(tmp_path: Path) -> None:
    folder(tmp_path / "a", Made(SUMMARY, [100, 101, 102]))
    folder(tmp_path / "b", Made(SUMMARY, [], failed_n=1))
    assert "the only run of b failed" in joulemark("compare", tmp_path / "a", tmp_path / "b").stdout


def test_what_nobody_measured_is_told(tmp_path: Path) -> None:
    """Energies that a fake sensor or a trace gave look like counted ones: the words say what they are."""
    for name, reasons in (("a", ()), ("b", ("replayed",))):
        folder(tmp_path / name, Made(SUMMARY, [100, 101, 102], reasons=reasons))
    shown = joulemark("compare", tmp_path / "a", tmp_path / "b").stdout
    assert "counter against replayed counter" in shown
    assert "! the only row: the energy of one side is replayed: nobody measured it" in shown
    assert "replayed: counter 100 %" in joulemark("report", tmp_path / "b").stdout


def test_nothing_known_is_nothing_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder(tmp_path / name, Made(SUMMARY, [100, 101]))
    done = joulemark("compare", tmp_path / "a", tmp_path / "b", "--boundary", "marginal")
    assert done.returncode == 0
    assert "idle was not measured" in done.stdout
    assert "Summary: nothing can be said of a and b" in done.stdout


def test_what_does_not_fit_is_one_line(place: Path, tmp_path: Path) -> None:
    a, b = place / "a100", place / "h200"
    assert "no results in" in complains(joulemark("compare", a, tmp_path / "nowhere"))
    assert "did you mean 'bert'" in complains(joulemark("compare", a, b, "--only", "berd"))
    assert "there are summarization, text-classification" in complains(joulemark("compare", a, b, "--task", "berd"))
    assert "--boundary host" in complains(joulemark("compare", a, b, "--boundary", "facility"))
    assert "did you mean device?" in complains(joulemark("compare", a, b, "--boundary", "devise"))
    told = complains(joulemark("compare", a, "luccioni2024"))
    assert "no cell is in both" in told
    assert "a100 has summarization (flan-t5-base on xsum, bart-large-cnn on xsum)" in told
    assert "luccioni2024 has text-classification (" in told
    assert "of those asked for, no cell is in both" in complains(joulemark("compare", a, b, "--only", "roberta"))
    empty = folder(tmp_path / "empty", Made(SUMMARY, []))
    assert "empty has no runs of any" in complains(joulemark("compare", a, empty))


def test_help_has_three_examples() -> None:
    done = joulemark("compare", "--help")
    assert done.returncode == 0
    assert done.stdout.count("joulemark compare ") >= 3
