"""``run`` and ``report`` with real models, through the installed program."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from program import BINARY, complains, joulemark

from joulemark import store

ONE_CELL = ("--only", "sentiment-encoder")
IDLE = ("--idle", 0.2)
SHORT = ("--queries", 20, "--repeats", 2, *IDLE)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fine-tuned and the prompted model, measured twice each."""
    out = tmp_path_factory.mktemp("both") / "results"
    done = joulemark("run", "quickstart", "--out", out, "--only", "text-classification", *SHORT)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def function_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """What names a cell whose model is a Python function: it starts in a moment, and a query takes a millisecond."""
    (tmp_path / "slow_words.py").write_text(
        "import time\ndef answer(sample):\n    time.sleep(0.001)\n    return 'yes'\n"
    )
    samples = [{"question": f"is it {n}?", "context": f"it is {n}", "answers": ["yes"]} for n in range(20)]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "--task", "question-answering", "--model", "slow_words:answer", "--dataset", tmp_path / "asked.jsonl"


def report(results: Path, *options: str) -> dict[str, Any]:
    done = joulemark("report", results, "--json", *options)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_report_has_a_row_per_cell(both: Path) -> None:
    found = report(both)
    assert found["study"] == "quickstart"
    assert found["boundary"] == "device"
    assert found["grid"]["name"] == "World"
    assert len(found["rows"]) == 11
    encoder, decoder = (row for row in found["rows"] if row["task"] == "text-classification")
    assert (encoder["purpose"], decoder["purpose"]) == ("task-specific", "multi-purpose")
    for row in (encoder, decoder):
        assert row["runs_n"] == 2
        assert row["failed_n"] == 0
        assert row["queries_n"] == 40
        assert row["parameters_n"] > 10_000
        assert 0 <= row["energy_low_j"] < row["energy_per_1000_j"] < row["energy_high_j"]
        assert sum(row["provenance"].values()) == pytest.approx(1)
        assert row["quality_metric"] == "accuracy"
        assert row["quality"] > 0.8
        assert row["carbon_per_1000_g"] == pytest.approx(row["energy_per_1000_j"] / 3.6e6 * 472.94)
    unmeasured = next(row for row in found["rows"] if row["task"] == "summarization")
    assert unmeasured["runs_n"] == 0
    for key in ("energy_per_1000_j", "energy_low_j", "provenance", "quality", "carbon_per_1000_g", "parameters_n"):
        assert unmeasured[key] is None


def test_both_models_got_the_same_samples(both: Path) -> None:
    runs = store.read_runs(both)
    assert len(runs) == 4
    assert len({run.samples_sha256 for run in runs}) == 1
    (comparison,) = report(both)["comparisons"]
    assert comparison["energy_ratio"]["value"] > 1
    assert comparison["repeats_n"] == 2
    assert "prompted-decoder" in comparison["sentence"]
    assert "accuracy" in comparison["sentence"]


def test_each_run_keeps_what_a_sceptic_asks_for(both: Path) -> None:
    for run in store.read_runs(both):
        assert run.load is not None
        assert run.idle_before is not None
        assert run.idle_after is not None
        assert run.measurement is not None
        assert run.warmup_n is not None
        assert run.warmup_n >= 5
        assert {"torch", "transformers", "python"} <= set(run.versions)
        rows = store.read_inferences(both, run.run_id)
        assert [row.sample_i for row in rows] == list(range(20))
        assert sum(row.duration_s for row in rows) <= run.measurement.duration_s
        assert all(row.output and row.score in (0.0, 1.0) for row in rows)
        assert all(row.input_tokens_n for row in rows)


def test_repetitions_ran_in_blocks_in_fresh_processes(both: Path) -> None:
    runs = store.read_runs(both)
    assert [run.repeat_i for run in runs] == [0, 0, 1, 1]
    assert [run.order_i for run in runs] == sorted(run.order_i for run in runs)


def test_the_same_command_does_nothing_when_all_is_done(both: Path) -> None:
    before = (both / store.RUNS_FILE).read_bytes()
    done = joulemark("run", "quickstart", "--out", both, "--only", "text-classification", *SHORT)
    assert done.returncode == 0
    assert "nothing to do" in done.stdout
    assert (both / store.RUNS_FILE).read_bytes() == before


def test_the_report_in_words(both: Path) -> None:
    done = joulemark("report", both)
    assert done.returncode == 0
    assert "modelled" in done.stdout or "counter" in done.stdout
    assert "On the same 20 samples" in done.stdout
    assert "\x1b" not in done.stdout  # no colour in a pipe
    marginal = joulemark("report", both, "--boundary", "marginal", "--grid", "France")
    assert "grid France" in marginal.stdout
    host = report(both, "--boundary", "host")
    assert host["rows"][0]["energy_per_1000_j"] is None
    assert any("rest of the machine" in name for name in host["rows"][0]["missing"])


def test_a_narrow_terminal_gets_blocks_instead_of_a_cut_table(both: Path) -> None:
    program = f"stty cols 40; {BINARY} report {both}"
    done = subprocess.run(["script", "-qec", program, "/dev/null"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "…" not in done.stdout
    assert "model          miniature:sentiment-encoder" in done.stdout


# Shown while the queries of a repetition are asked: how many are done.
MEASURING = r"▸ [^✓\n]* [1-9][\d,]*/"


@pytest.mark.parametrize(
    ("stage", "queries_n", "stored_n"),
    [
        pytest.param("4 runs to do", 20, 0, id="before-all"),
        pytest.param(MEASURING, 1000, 0, id="while-measuring"),  # a second or so, to be seen in
        pytest.param(r"✓ .* 2/4 ", 20, 2, id="after-two"),
    ],
)
def test_killed_at_any_moment_nothing_is_lost_or_repeated(
    tmp_path: Path, function_cell: tuple[object, ...], stage: str, queries_n: int, stored_n: int
) -> None:
    out = tmp_path / "results"
    command = ["run", *function_cell, "--out", out, "--queries", queries_n, "--repeats", 4, *IDLE]
    with terminal(*command) as victim:
        victim.until(stage)
        victim.process.kill()
        victim.process.wait()
    file = out / store.RUNS_FILE
    before = file.read_bytes() if file.exists() else b""
    whole = before[: before.rfind(b"\n") + 1]  # a kill may cut the line that is being written
    assert whole.count(b"\n") >= stored_n
    done = joulemark(*command)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().startswith(whole)
    runs = store.read_runs(out)
    assert sorted(run.repeat_i for run in runs) == list(range(4))
    assert len(file.read_bytes().splitlines()) == 4


def test_a_killed_run_leaves_no_process_behind(tmp_path: Path) -> None:
    out = tmp_path / "results"
    # More queries than can be answered in the time that the processes have to end.
    with terminal("run", "quickstart", "--out", out, *ONE_CELL, "--queries", 100_000, "--repeats", 3, *IDLE) as victim:
        victim.until(MEASURING)
        assert len(workers(victim.process.pid)) == 1
        victim.process.kill()
        victim.process.wait()
        deadline_s = time.monotonic() + 10
        while (left := processes(victim.process.pid)) and time.monotonic() < deadline_s:
            time.sleep(0.1)
    assert left == {}


@dataclass(frozen=True)
class Process:
    parent: int
    command: str


def processes(session: int) -> dict[int, Process]:
    """The living processes of a session by their number."""
    found: dict[int, Process] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent, _, sid = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                command = (entry / "cmdline").read_text()
            except OSError:
                continue
            if int(sid) == session and state != "Z":
                found[int(entry.name)] = Process(int(parent), command)
    return found


def workers(session: int) -> list[int]:
    """The processes that measure: those that the fork server, a child of the program, has made."""
    found = processes(session)
    servers = [pid for pid, one in found.items() if one.parent == session and "forkserver" in one.command]
    return [pid for pid, one in found.items() if one.parent in servers]


class Terminal:
    """The program on a terminal of its own, where it also shows how far a repetition is."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self._shown = b""
        self._deadline_s = time.monotonic() + 180

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace")

    def until(self, pattern: str) -> None:
        """Wait until the program shows ``pattern``."""
        while not re.search(pattern, self.shown):
            assert self._more(), f"ended without '{pattern}': {self.shown}"

    def until_it_ends(self) -> int:
        while self._more():
            pass
        return self.process.wait(60)

    def _more(self) -> bool:
        """Wait for more to be shown; false where nobody is left to show anything."""
        left_s = max(0.0, self._deadline_s - time.monotonic())
        in_time = left_s > 0 and bool(select.select([self._screen], [], [], left_s)[0])
        assert in_time, f"too late after: {self.shown[-2000:]}"
        try:
            chunk = os.read(self._screen, 65536)
        except OSError:  # as a terminal says that its other end was closed
            chunk = b""
        self._shown += chunk
        return bool(chunk)


@contextmanager
def terminal(*arguments: object) -> Iterator[Terminal]:
    """Start the program in a session of its own, none of whose processes outlives the test."""
    screen, theirs = pty.openpty()
    process = subprocess.Popen(
        [BINARY, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(theirs)
    try:
        yield Terminal(process, screen)
    finally:
        for pid in processes(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        os.close(screen)


@pytest.mark.parametrize("later_s", [0.0, 0.03])  # when the next repetition's process is just about to start
def test_ctrl_c_stops_after_the_repetition_and_the_same_command_goes_on(
    tmp_path: Path, function_cell: tuple[object, ...], later_s: float
) -> None:
    out = tmp_path / "results"
    command = [BINARY, "run", *function_cell, "--out", out, "--queries", "20", "--repeats", "30", *IDLE]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout is not None
        assert any("✓" in line for line in iter(running.stdout.readline, ""))
        time.sleep(later_s)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        rest, complaints = running.communicate(timeout=60)
    assert running.returncode == 130, complaints
    assert "the same command goes on" in rest
    assert complaints == ""
    runs = store.read_runs(out)
    assert 1 <= len(runs) < 30
    assert all(run.failure is None for run in runs)


def write(folder: Path, text: str) -> Path:
    file = folder / "study.toml"
    file.write_text(text)
    return file


MIXED = """
[protocol]
queries_n = 10
repeats_n = 1
warmup_n = 2
idle_s = 0.1
[settings]
device = "cpu"
threads_n = 1
[[cells]]
task = "text-classification"
model = "./no-such-model"
dataset = "miniature:reviews"
[[cells]]
task = "text-classification"
model = "miniature:sentiment-encoder"
dataset = "miniature:reviews"
"""


def test_a_model_that_fails_is_recorded_and_the_study_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "results"
    done = joulemark("run", write(tmp_path, MIXED), "--out", out)
    assert done.returncode == 1
    assert "no-such-model" in done.stdout
    assert "prepare: model folder ./no-such-model does not exist" in done.stdout
    missing, good = report(out)["rows"]
    assert (missing["failed_n"], missing["runs_n"]) == (1, 0)
    assert missing["energy_per_1000_j"] is None
    assert "no-such-model" in missing["failure"]
    assert good["runs_n"] == 1
    assert good["quality"] is not None
    again = joulemark("run", write(tmp_path, MIXED), "--out", out)  # only the failed one is tried again
    assert again.returncode == 1
    assert "1 of 2 runs are done" in again.stdout
    assert len(store.read_runs(out)) == 2


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("queries_n", "querys_n", "did you mean 'queries_n'"),
        ('"text-classification"', '"text-clasification"', "did you mean 'text-classification'"),
        ("[protocol]", "[protocol", "not TOML"),
    ],
)
def test_a_mistake_in_a_study_is_one_line(tmp_path: Path, before: str, after: str, says: str) -> None:
    done = joulemark("run", write(tmp_path, MIXED.replace(before, after)), "--out", tmp_path / "results")
    assert says in complains(done)
    assert not (tmp_path / "results").exists()


def test_mistakes_on_the_command_line(tmp_path: Path, both: Path) -> None:
    assert "no study" in complains(joulemark("run", "quickstrat", "--out", tmp_path / "r"))
    assert "matches no cell" in complains(joulemark("run", "quickstart", "--only", "nothing", "--out", tmp_path / "r"))
    assert "--queries 0 must be" in complains(joulemark("run", "quickstart", "--queries", 0, "--out", tmp_path / "r"))
    assert "--warmup -1 must be" in complains(joulemark("run", "quickstart", "--warmup", -1, "--out", tmp_path / "r"))
    assert "no sensor" in complains(joulemark("run", "quickstart", "--sensors", "rapple", "--out", tmp_path / "r"))
    assert "no folder" in complains(joulemark("sensors", "--sysfs", tmp_path / "sys"))
    assert "no results in" in complains(joulemark("report", tmp_path / "nowhere"))
    assert "nearest" in complains(joulemark("report", both, "--grid", "Frence"))
    assert "did you mean device" in complains(joulemark("report", both, "--boundary", "devise"))
    assert not (tmp_path / "r").exists()


def test_the_folder_of_another_study_is_left_alone(tmp_path: Path, both: Path) -> None:
    before = (both / store.RUNS_FILE).read_bytes()
    assert "another study" in complains(joulemark("run", write(tmp_path, MIXED), "--out", both))
    assert "seed was 2024" in complains(joulemark("run", "quickstart", "--queries", 20, "--seed", 7, "--out", both))
    assert (both / store.RUNS_FILE).read_bytes() == before


def test_a_truncated_run_file(tmp_path: Path, function_cell: tuple[object, ...]) -> None:
    out = tmp_path / "results"
    options = (*function_cell, "--out", out, *SHORT)
    assert joulemark("run", *options).returncode == 0
    file = out / store.RUNS_FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    assert "line 2 is cut short" in complains(joulemark("report", out))
    assert joulemark("run", *options).returncode == 0
    assert file.read_bytes().startswith(whole.splitlines(keepends=True)[0])
    assert len(store.read_runs(out)) == 2


@pytest.mark.parametrize("small_disk", ["32k"], indirect=True)
def test_a_full_disk(small_disk: Path, function_cell: tuple[object, ...]) -> None:
    out = small_disk / "results"
    options = (*function_cell, "--out", out, "--queries", 60, "--repeats", 6, *IDLE)
    assert "no space left" in complains(joulemark("run", *options))
    kept = store.read_runs(out)
    assert kept
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    done = joulemark("run", *options)
    assert done.returncode == 0, done.stderr
    assert store.read_runs(out)[: len(kept)] == kept
    assert len(store.read_runs(out)) == 6


def test_run_in_json(tmp_path: Path, function_cell: tuple[object, ...]) -> None:
    out = tmp_path / "results"
    done = joulemark("run", *function_cell, "--out", out, "--queries", 10, "--repeats", 1, *IDLE, "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["runs_n"], found["failed_n"], found["stopped"]) == (1, 0, False)


def test_a_process_that_dies_costs_one_run(tmp_path: Path) -> None:
    """A model whose process is killed from outside, as the kernel does when memory runs out."""
    out = tmp_path / "results"
    with terminal("run", "quickstart", "--out", out, *ONE_CELL, "--queries", 5000, "--repeats", 2, *IDLE) as running:
        running.until(MEASURING)
        (worker,) = workers(running.process.pid)
        os.kill(worker, signal.SIGKILL)
        assert running.until_it_ends() == 1, running.shown
    assert "SIGKILL" in running.shown
    first, second = sorted(store.read_runs(out), key=lambda run: run.repeat_i)
    assert first.failure is not None
    assert first.failure.phase == "query"
    assert second.failure is None


@pytest.mark.alone
def test_a_known_power_comes_out_of_the_whole_chain(tmp_path: Path) -> None:
    """The fake sensor draws 35 W whatever happens, so energy must be 35 W times the time of the queries."""
    out = tmp_path / "results"
    done = joulemark(
        "run",
        "quickstart",
        "--out",
        out,
        "--only",
        "prompted-decoder",
        "--queries",
        100,
        "--repeats",
        2,
        "--sensors",
        "fake",
    )
    assert done.returncode == 0, done.stderr
    row = next(row for row in report(out)["rows"] if "prompted" in row["model"])
    assert row["energy_per_1000_j"] == pytest.approx(35.0 * 1000 * row["duration_per_query_s"], rel=0.01)
    assert row["provenance"]["counter"] == 1.0
    assert "fake-sensor" in row["reasons"]
    for run in store.read_runs(out):
        assert run.per_query == "regression"
        for query in store.read_inferences(out, run.run_id):
            assert query.energy_j == pytest.approx(35.0 * query.duration_s, rel=0.1)
            assert query.uncertainty_j is not None


CUT = """
[protocol]
queries_n = 10
repeats_n = 1
idle_s = 0.1
[[cells]]
task = "text-classification"
model = "miniature:sentiment-encoder"
dataset = "miniature:reviews"
settings = { input_tokens_max_n = 8 }
[[cells]]
task = "text-classification"
model = "miniature:sentiment-encoder"
dataset = "miniature:reviews"
settings = { input_tokens_max_n = 64 }
"""


def test_inputs_that_are_cut_are_said_to_be(tmp_path: Path) -> None:
    out = tmp_path / "results"
    assert joulemark("run", write(tmp_path, CUT), "--out", out).returncode == 0
    cut = {run.cell.settings.input_tokens_max_n: "inputs-cut" in run.reasons for run in store.read_runs(out)}
    assert cut == {8: True, 64: False}
    assert "JM127" in joulemark("audit", out).stdout
