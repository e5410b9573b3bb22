"""What ``run`` refuses, says and keeps when something was mistaken, changed, or stopped in the middle."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from program import BINARY, complains, joulemark

from joulemark import store

SHORT = ("--queries", 4, "--repeats", 2, "--idle", 0, "--sensors", "fake")
ROWS = "text,label\na good film,positive\nso dull,negative\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a model that answers at once, and samples for it."""
    (tmp_path / "words.py").write_text(
        "import time\n\n\ndef answer(sample):\n    return 'positive'\n\n\n"
        "def slow(sample):\n    open('asked', 'w').close(); time.sleep(0.2)\n    return 'positive'\n\n\n"
        "def broken(sample):\n    print('so far so good')\n    return [][len(sample)]\n"
    )
    (tmp_path / "ch.csv").write_text(ROWS)
    (tmp_path / "slow.toml").write_text(study().replace("words:answer", "words:slow"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cell(function: str = "answer", dataset: str = "ch.csv") -> tuple[object, ...]:
    """Of a task whose answers nothing scores, so that no library is waited for."""
    return "--task", "text-generation", "--model", f"words:{function}", "--dataset", dataset


def study(text: str = "", cells: str = "") -> str:
    cells = cells or '[[cells]]\ntask = "text-generation"\nmodel = "words:answer"\ndataset = "ch.csv"\n'
    return f"{text}\n[protocol]\nqueries_n = 4\nrepeats_n = 2\nidle_s = 0\nwarmup_n = 0\n{cells}"


def run_ok(*arguments: object) -> str:
    done = joulemark("run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_file_that_changed_is_not_measured_into_the_same_results(here: Path) -> None:
    run_ok(*cell(), *SHORT, "--out", "r")
    before = (here / "r" / store.RUNS_FILE).read_bytes()
    (here / "ch.csv").write_text(ROWS.replace("dull", "long and so dull"))
    more = ("run", *cell(), *SHORT, "--repeats", 4, "--out", "r")
    assert "ch.csv has changed since it was measured: use another --out" in complains(joulemark(*more))
    assert (here / "r" / store.RUNS_FILE).read_bytes() == before
    (here / "ch.csv").write_text(ROWS)
    run_ok(*more[1:])
    assert len(store.read_runs(here / "r")) == 4


def test_a_file_that_changes_between_two_repetitions_is_a_failed_run(here: Path) -> None:
    (here / "words.py").write_text(
        "from pathlib import Path\n\n\ndef answer(sample):\n"
        "    Path('ch.csv').write_text('text,label\\nother,positive\\n')\n    return 'positive'\n"
    )
    done = joulemark("run", *cell(), *SHORT, "--out", "r")
    assert done.returncode == 1, done.stdout + done.stderr
    first, second = store.read_runs(here / "r")
    assert first.failure is None
    assert second.failure is not None
    assert second.failure.message == "ch.csv has changed since it was measured: use another --out"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "dtype=float17"), "dtype = 'float17'; did you mean 'float16'?"),
        (("--set", "device=cud:1"), "device = 'cud:1'; did you mean 'cuda'?"),
        (("--set", "attention=flash"), "attention = 'flash'; did you mean 'flash_attention_2'?"),
        (("--model", "wrods:answer"), "there is no module wrods"),
        (("--model", "words:anwser"), "words has no anwser"),
        (("--model", "./nowhere"), "model folder ./nowhere does not exist"),
        (("--model", "miniature:sentiment-encoder", "--task", "summarization"), "was made for text-classification"),
        (("--dataset", "hc.csv"), "dataset file hc.csv does not exist"),
        (("--column", "text=review"), "there is no column 'review'"),
        (("--warmup", "-1"), "--warmup -1 must be at least 0"),
    ],
)
def test_a_mistake_in_a_cell_of_ones_own_leaves_nothing_behind(
    here: Path, arguments: tuple[str, ...], says: str
) -> None:
    assert says in complains(joulemark("run", *cell(), *SHORT, *arguments))
    assert sorted(file.name for file in here.iterdir()) == ["ch.csv", "slow.toml", "words.py"]


def test_a_mistake_leaves_a_folder_that_was_there(here: Path) -> None:
    (here / "r").mkdir()
    assert "no column" in complains(joulemark("run", *cell(), *SHORT, "--column", "text=review", "--out", "r"))
    run_ok(*cell(), *SHORT, "--out", "r")
    said = complains(joulemark("run", *cell(), *SHORT, "--column", "text=review", "--out", "r"))
    assert "columns was None and is now {'text': 'review'}" in said
    assert len(store.read_runs(here / "r")) == 2


def test_the_plan_knows_what_a_function_lacks(here: Path) -> None:
    assert "words has no anwser" in joulemark("plan", *cell("anwser")).stdout
    assert "ready" in joulemark("plan", *cell()).stdout


def test_a_miniature_is_not_measured_for_another_task(here: Path) -> None:
    (here / "study.toml").write_text(
        study(
            cells='[[cells]]\ntask = "summarization"\nmodel = "miniature:sentiment-encoder"\ndataset = "d.csv"\n'
            '[[cells]]\ntask = "summarization"\nmodel = "miniature:text-decoder"\ndataset = "d.csv"\n'
        )
    )
    (here / "d.csv").write_text("text,summary\na,b\n")
    other, writer = json.loads(joulemark("plan", "study.toml", "--json").stdout)["cells"]
    assert "was made for text-classification, not for summarization" in other["missing"]
    assert writer["missing"] is None


def test_a_failed_first_try_does_not_lock_the_folder(here: Path) -> None:
    """The first try has a mistake that only the model's process can see."""
    broken = joulemark("run", *cell("broken"), *SHORT, "--out", "r")
    assert broken.returncode == 1
    failed = (here / "r" / store.RUNS_FILE).read_bytes()
    said = run_ok(*cell(), *SHORT, "--out", "r")
    assert "of which nothing was measured; its failed runs are in runs.jsonl.failed" in said
    assert [run.failure for run in store.read_runs(here / "r")] == [None, None]
    assert (here / "r" / store.FAILED_FILE).read_bytes() == failed
    refused = complains(joulemark("run", *cell(), *SHORT, "--set", "device=cpu", "--out", "r"))
    assert "settings.device was auto and is now cpu" in refused
    assert len(store.read_runs(here / "r")) == 2


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_a_grid_that_is_not_known_is_said_before_measuring(here: Path, verb: str) -> None:
    (here / "study.toml").write_text(study('grid = "FRAA"'))
    said = complains(joulemark(verb, "study.toml"))
    assert "study.toml: grid: no grid 'FRAA'; nearest: " in said
    assert "FRA" in said.replace("FRAA", "")
    assert not (here / "results").exists()


def test_what_is_no_part_of_the_measuring_follows_the_file(here: Path) -> None:
    (here / "study.toml").write_text(study('name = "first"\ngrid = "DEU"'))
    run_ok("study.toml", "--out", "r", "--sensors", "fake", "--repeats", 3)
    (here / "study.toml").write_text(study('name = "second"\ngrid = "FRA"\ndescription = "mine"'))
    assert "nothing to do" in run_ok("study.toml", "--out", "r", "--sensors", "fake")
    now = store.read_study(here / "r")
    assert (now.name, now.grid, now.description, now.protocol.repeats_n) == ("second", "FRA", "mine", 3)


@pytest.mark.parametrize("name", ["../../outside", "a/b", "..", ".hidden", "-rf", "a\\tb", "", "x " * 60])
def test_a_name_that_leads_elsewhere(here: Path, name: str) -> None:
    (here / "study.toml").write_text(study(f'name = "{name}"'))
    assert "cannot name a folder" in complains(joulemark("run", "study.toml"))
    assert sorted(file.name for file in here.iterdir()) == ["ch.csv", "slow.toml", "study.toml", "words.py"]


def test_a_command_that_is_printed_can_be_given(here: Path) -> None:
    (here / "study.toml").write_text(study('name = "my (first) study"'))
    last = run_ok("study.toml", "--sensors", "fake").splitlines()[-1]
    command = last[last.index("joulemark report") :].replace("joulemark", str(BINARY), 1)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_where_the_results_would_be(here: Path) -> None:
    for out in ("ch.csv", "ch.csv/r"):
        assert "give --out a folder" in complains(joulemark("run", *cell(), *SHORT, "--out", out))
    assert (here / "ch.csv").read_text() == ROWS


def test_the_warm_up_is_asked_for(here: Path) -> None:
    run_ok(*cell(), *SHORT, "--warmup", 25, "--out", "r")
    assert all(run.warmup_n is not None and run.warmup_n >= 25 for run in store.read_runs(here / "r"))
    assert store.read_study(here / "r").protocol.warmup_n == 25


def test_help_says_what_is_taken_where_nothing_is_given() -> None:
    said = " ".join(re.sub(r"[│|]", " ", joulemark("run", "--help", COLUMNS="200").stdout).split())
    for option, value in (("queries", 1000), ("repeats", 10), ("seed", 0), ("warmup", 10), ("idle", 10)):
        assert re.search(rf"--{option} [^\[]*\[default: the study's, else {value}\]", said), said


def test_a_line_says_the_time_of_one_query(here: Path) -> None:
    (here / "slow.toml").write_text((here / "slow.toml").read_text().replace("text-generation", "text-classification"))
    said = run_ok("slow.toml", "--sensors", "fake", "--out", "r")
    for line in (line for line in said.splitlines() if line.startswith("✓")):
        found = re.search(r"per 1,000   ([\d.]+) ms per query   accuracy 0.50$", line)
        assert found, line
        assert 200 <= float(found[1]) < 400


def test_an_error_of_a_function_names_its_line_and_its_log(here: Path) -> None:
    done = joulemark("run", *cell("broken"), *SHORT, "--repeats", 1, "--out", "r")
    assert done.returncode == 1
    (run,) = store.read_runs(here / "r")
    assert run.failure is not None
    assert run.failure.message == f"list index out of range ({here / 'words.py'} line 15)"
    line = next(line for line in done.stdout.splitlines() if line.startswith("✗"))
    assert f"{here / 'words.py'} line 15" in line
    log = Path(line.rpartition("all it printed: ")[2])
    assert log == Path("r", store.LOGS_FOLDER, f"{run.run_id}.txt")
    assert "so far so good" in log.read_text()
    assert log.read_text().rstrip().endswith("IndexError: list index out of range")


def test_progress_stands_where_a_narrow_terminal_shows_it(here: Path) -> None:
    screen = on_a_terminal("80", "slow.toml", *SHORT, "--queries", 8, "--repeats", 3, "--out", "r")
    assert re.search(r"▸ run 2 of 3 · [1-8]/8 · [\d.]+ W  text-generation · words:", screen), screen


def test_the_second_ctrl_c_says_what_is_kept(here: Path) -> None:
    with subprocess.Popen(
        list(map(str, (BINARY, "run", "slow.toml", *SHORT, "--queries", 500, "--out", "r"))),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        assert any("datasets ready" in line for line in iter(running.stdout.readline, ""))
        while not (here / "asked").exists():
            assert running.poll() is None
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        assert "Ctrl-C again" in running.stdout.readline()
        os.killpg(running.pid, signal.SIGINT)
        rest, complaints = running.communicate(timeout=30)
    assert rest == "stopped: this repetition is given up, all others are kept; the same command goes on\n"
    assert (complaints, running.returncode) == ("", 130)


def on_a_terminal(columns: str, *arguments: object) -> str:
    """What the program shows on a terminal of such a width."""
    screen, theirs = pty.openpty()
    with subprocess.Popen(
        [BINARY, "run", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": columns},
    ):  # fmt: skip
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(screen, 65536)
            except OSError:  # as a terminal says that its other end was closed
                break
            shown += chunk
            if not chunk:
                break
    os.close(screen)
    return shown.decode()


ODD = """
import os
import signal
import time


def surrogate(sample):
    raise ValueError("file \\udce9 is bad")


def rings(sample):
    os.kill(os.getpid(), 35)


def orphan(sample):
    child = os.fork()
    if child == 0:
        time.sleep(120)
    with open("orphan", "w") as file:
        file.write(str(child))
    os._exit(3)
"""


def test_what_no_text_can_hold_costs_its_run_and_no_other(here: Path) -> None:
    """Messages with names of files that are not UTF-8, signals without a name, children that outlive their parent."""
    (here / "odd.py").write_text(ODD)
    models = ("odd:surrogate", "odd:rings", "odd:orphan", "words:answer")
    cells = "".join(f'[[cells]]\ntask = "text-generation"\nmodel = "{model}"\ndataset = "ch.csv"\n' for model in models)
    (here / "study.toml").write_text(study(cells=cells))
    command = [str(BINARY), "run", "study.toml", "--repeats", "1", "--sensors", "fake", "--out", "r"]
    with (here / "said").open("w") as said:
        assert subprocess.run(command, stdout=said, stderr=said, check=False, timeout=90).returncode == 1
    os.kill(int((here / "orphan").read_text()), signal.SIGKILL)
    failures = {run.cell.model: run.failure for run in store.read_runs(here / "r")}
    why = {model: failure.message for model, failure in failures.items() if failure is not None}
    assert why.keys() == set(models) - {"words:answer"}
    assert why["odd:surrogate"].startswith("file \\udce9 is bad")
    assert "signal 35" in why["odd:rings"]
    assert "ended with code 3" in why["odd:orphan"]


def test_a_file_whose_name_is_no_text_is_refused(here: Path) -> None:
    name = os.fsdecode(b"r\xe9views.csv")
    (here / "ch.csv").rename(here / name)
    said = complains(joulemark("run", *cell(dataset=name), *SHORT))
    assert "dataset is no text in UTF-8: give the file or folder another name" in said


def test_results_of_a_newer_program_are_left_alone(here: Path) -> None:
    run_ok(*cell(), *SHORT, "--out", "r")
    file = here / "r" / store.STUDY_FILE
    newer = json.dumps({**json.loads(file.read_text()), "schema_version": 99, "new_thing": "keep me"})
    file.write_text(newer)
    for verb in (("run", *cell(), *SHORT, "--out", "r"), ("report", "r")):
        assert "was written by a newer joulemark: upgrade to read it" in complains(joulemark(*verb))
    assert file.read_text() == newer


def test_a_path_that_cannot_be_looked_at_is_one_line(here: Path) -> None:
    long = "n" * 300
    for arguments in (("report", long), ("run", f"{long}.toml"), ("run", *cell(), *SHORT, "--out", long)):
        assert "File name too long" in complains(joulemark(*arguments))


def test_columns_are_of_a_cell_of_ones_own() -> None:
    for verb in ("run", "plan"):
        said = complains(joulemark(verb, "quickstart", "--column", "text=x"))
        assert "--column is for a cell of your own" in said


def test_a_terminal_without_the_signs_gets_the_words(here: Path) -> None:
    done = subprocess.run(
        list(map(str, (BINARY, "run", *cell(), *SHORT, "--out", "r"))),
        capture_output=True, env=os.environ | {"PYTHONIOENCODING": "latin-1:strict"}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u2713" in done.stdout
    assert len(store.read_runs(here / "r")) == 2
