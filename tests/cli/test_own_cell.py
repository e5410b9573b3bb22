"""A model and data of the user's own, in one line, and tasks that other packages bring."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from program import complains, joulemark

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = "[protocol]\nqueries_n = 9\nrepeats_n = 1\nidle_s = 0\nwarmup_n = 0\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_line_measures_a_function_on_a_file(here: Path) -> None:
    (here / "keyword_sentiment.py").write_text((EXAMPLES / "keyword_sentiment.py").read_text())
    (here / "mine.csv").write_text("review,label\na good film,positive\nso dull,negative\n")
    done = joulemark(
        "run", "--task", "text-classification", "--model", "keyword_sentiment:answer", "--dataset", "mine.csv",
        "--column", "text=review", "--queries", 4, "--repeats", 1, "--idle", 0, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["runs_n"], found["failed_n"]) == (1, 0)
    row = json.loads(joulemark("report", found["out"], "--json").stdout)["rows"][0]
    assert row["quality"] == 1.0
    assert row["parameters_n"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run",), "name a study, or give --task, --model and --dataset"),
        (("run", "--task", "fill-mask"), "--model is missing"),
        (("run", "quickstart", "--model", "x"), "--model is for a cell of your own"),
        (("run", "--task", "fil-mask", "--model", "x", "--dataset", "y"), "did you mean 'fill-mask'"),
        (("run", "quickstart", "--set", "batch=8"), "did you mean 'batch_n'"),
        (("run", "quickstart", "--set", "batch_n"), "is not KEY=VALUE"),
        (("run", "quickstart", "--set", "batch_n=0"), "at least 1"),
        (("run", "quickstart", "--weights", "radnom"), "did you mean 'random'"),
        (("run", "quickstart", "--set", "trust=anything"), "trust = 'anything'"),
        (("plan", "papr"), "no study 'papr'"),
    ],
)
def test_what_does_not_fit_is_named(here: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in complains(joulemark(*arguments))


def test_a_package_brings_a_task_and_a_runner(here: Path) -> None:
    example = EXAMPLES / "language-id"
    site = here / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(example)],
        check=True,
        capture_output=True,
    )
    cells = (
        f'[[cells]]\ntask = "language-identification"\nmodel = "{example / "profiles.json"}"\n'
        f'dataset = "{example / "sentences.jsonl"}"\n'
    )
    (here / "languages.toml").write_text(QUICK + cells)
    ran = joulemark("run", "languages.toml", "--out", "r", PYTHONPATH=str(site))
    assert ran.returncode == 0, ran.stderr
    row = json.loads(joulemark("report", "r", "--json", PYTHONPATH=str(site)).stdout)["rows"][0]
    assert row["task"] == "language-identification"
    assert row["quality_metric"] == "accuracy"
    assert row["quality"] == 1.0
