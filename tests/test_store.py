import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark import store
from joulemark.records import Cell, Failure, Inference, Machine, Protocol, Run, Settings, Study, TraceStep
from joulemark.store import StoreError

STUDY = Study("mine", (Cell("fill-mask", "./m", "d.jsonl"),), Protocol(queries_n=2, repeats_n=3))
ROWS = (
    Inference(0, 0.5, 3, None, "a", 1.0, phases_s={"prefill": 0.1, "decode": 0.4}),
    Inference(1, 0.25, None, 2, "b\n…", None),
)
TRACE = (
    TraceStep("package-0", "idle-before", -12.5, 10.0, 20.0, 19.5, 20.5),
    TraceStep("package-0", "queries", 0.0, 0.75, 80.1, 79.0, 81.0),
    TraceStep("gpu0", "queries", 0.0, 0.75, None, 0.0, None),
)


def run(repeat_i: int, **changes: object) -> Run:
    cell = STUDY.cells[0]
    blank = Run(STUDY.run_id(cell, repeat_i), cell, repeat_i, repeat_i, 2, "m1", {}, "2024-01-01T00:00:00+00:00")
    return replace(blank, **changes)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "results"
    with store.open_for_writing(place, STUDY):
        for repeat_i in range(3):
            store.append(place, run(repeat_i), ROWS, TRACE)
    return place


def test_what_is_written_is_read(folder: Path) -> None:
    assert store.read_study(folder) == STUDY
    assert store.read_runs(folder) == (run(0), run(1), run(2))
    assert store.read_inferences(folder, run(1).run_id) == ROWS
    assert store.read_inferences(folder, "no such run") == ()
    assert store.read_trace(folder, run(1).run_id) == TRACE
    assert store.read_trace(folder, "no such run") == ()


def test_a_folder_without_traces_reads_as_before(tmp_path: Path) -> None:
    with store.open_for_writing(tmp_path / "results", STUDY):
        store.append(tmp_path / "results", run(0), ROWS)
    assert store.read_runs(tmp_path / "results") == (run(0),)
    assert store.read_trace(tmp_path / "results", run(0).run_id) == ()
    assert not (tmp_path / "results" / store.TRACES_FOLDER).exists()


@pytest.mark.parametrize("kept_byte", [0, 3, 400, -1])
def test_a_damaged_trace_is_named_in_one_line(folder: Path, kept_byte: int) -> None:
    file = folder / store.TRACES_FOLDER / f"{run(1).run_id}.parquet"
    file.write_bytes(file.read_bytes()[:kept_byte])
    with pytest.raises(StoreError, match="cannot be read") as error:
        store.read_trace(folder, run(1).run_id)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)
    assert store.read_trace(folder, run(2).run_id) == TRACE


def test_a_table_that_is_no_trace_is_named(folder: Path) -> None:
    file = folder / store.TRACES_FOLDER / f"{run(1).run_id}.parquet"
    file.write_bytes((folder / store.INFERENCES_FOLDER / file.name).read_bytes())
    with pytest.raises(StoreError, match="not those of a trace"):
        store.read_trace(folder, run(1).run_id)


def test_a_trace_is_there_before_the_line_of_its_run(folder: Path) -> None:
    """Where the line cannot be written the trace is, and the other way round never."""
    (folder / store.RUNS_FILE).unlink()
    (folder / store.RUNS_FILE).mkdir()
    with pytest.raises(StoreError):
        store.append(folder, run(7), ROWS, TRACE)
    assert store.read_trace(folder, run(7).run_id) == TRACE


def test_the_latest_line_about_a_repetition_counts(folder: Path) -> None:
    with store.open_for_writing(folder, STUDY):
        store.append(folder, run(1, failure=Failure("load", "Error", "gone")), ())
        store.append(folder, run(1, warmup_n=9), ROWS)
    assert store.read_runs(folder) == (run(0), run(2), run(1, warmup_n=9))


def test_machines_are_written_once(folder: Path) -> None:
    machine = Machine("cpu", 2, None, ("a board",), True, "6.1", "Linux")
    store.add_machine(folder, machine)
    store.add_machine(folder, replace(machine, kernel="6.2"))
    assert store.read_machines(folder) == (machine,)


def test_another_study_is_refused(folder: Path) -> None:
    other = replace(STUDY, protocol=replace(STUDY.protocol, seed=5))
    with pytest.raises(StoreError, match="seed was 0 and is now 5"), store.open_for_writing(folder, other):
        pass
    assert len(store.read_runs(folder)) == 3


def test_the_one_setting_that_differs_is_named(folder: Path) -> None:
    (cell,) = STUDY.cells
    for other, says in (
        (replace(cell, settings=Settings(dtype="float16")), "settings.dtype was float32 and is now float16"),
        (replace(cell, split="dev"), "split was None and is now dev"),
        (replace(cell, split="dev", settings=Settings(dtype="float16")), "'mine' with other cells"),
    ):
        study = replace(STUDY, cells=(other,))
        with pytest.raises(StoreError, match=says), store.open_for_writing(folder, study):
            pass


def test_a_study_of_which_nothing_was_measured_gives_way(tmp_path: Path) -> None:
    other = replace(STUDY, protocol=replace(STUDY.protocol, seed=5))
    failed = run(0, failure=Failure("load", "Error", "gone"))
    with store.open_for_writing(tmp_path / "r", other) as taken_over:
        assert taken_over is None
        store.append(tmp_path / "r", failed, ())
    before = (tmp_path / "r" / store.RUNS_FILE).read_bytes()
    with store.open_for_writing(tmp_path / "r", STUDY) as taken_over:
        assert taken_over is not None
        assert "seed was 5 and is now 0" in taken_over
        assert store.read_runs(tmp_path / "r") == ()
    assert (tmp_path / "r" / store.FAILED_FILE).read_bytes() == before
    assert store.read_study(tmp_path / "r") == STUDY


@pytest.mark.parametrize("line", [b'{"run_id": 7}\n', b'{"run_id": "cut sh'])
def test_a_line_that_cannot_be_read_may_have_been_measured(tmp_path: Path, line: bytes) -> None:
    other = replace(STUDY, protocol=replace(STUDY.protocol, seed=5))
    with store.open_for_writing(tmp_path / "r", other):
        (tmp_path / "r" / store.RUNS_FILE).write_bytes(line)
    with pytest.raises(StoreError, match="another study"), store.open_for_writing(tmp_path / "r", STUDY):
        pass
    assert (tmp_path / "r" / store.RUNS_FILE).read_bytes() == line


def test_what_is_no_part_of_the_id_follows_the_study(folder: Path) -> None:
    renamed = replace(STUDY, name="another", grid="FRA", description="now with a grid")
    with store.open_for_writing(folder, renamed):
        pass
    assert store.read_study(folder) == renamed


def test_a_folder_that_came_to_nothing_is_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()

    def end_badly(place: Path, *runs: Run) -> None:
        with store.open_for_writing(place, STUDY):
            store.add_machine(place, Machine("cpu", 2, None, (), True, "6.1", "Linux"))
            for one in runs:
                store.append(place, one, ROWS)
            raise RuntimeError

    for place, runs in (("a/b", ()), ("mine/r", ()), ("mine", ()), ("c", (run(0),))):
        with pytest.raises(RuntimeError):
            end_badly(tmp_path / place, *runs)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["c", "mine"]
    assert not (tmp_path / "mine" / "r").exists()
    assert store.read_study(tmp_path / "mine") == STUDY
    assert store.read_runs(tmp_path / "c") == (run(0),)


def test_more_repeats_are_the_same_study(folder: Path) -> None:
    more = replace(STUDY, protocol=replace(STUDY.protocol, repeats_n=9))
    with store.open_for_writing(folder, more):
        pass
    assert store.read_study(folder) == more
    with store.open_for_writing(folder, STUDY):  # fewer do not take any away
        pass
    assert store.read_study(folder) == more


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="not empty"), store.open_for_writing(tmp_path, STUDY):
        pass


def test_two_writers_are_kept_apart(folder: Path) -> None:
    with (
        store.open_for_writing(folder, STUDY),
        pytest.raises(StoreError, match="in use"),
        store.open_for_writing(folder, STUDY),
    ):
        pass


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_file_system_without_locks_is_one_line(tmp_path: Path) -> None:
    from known_power import build_c  # here, since a program that a test below runs imports this file from elsewhere

    (tmp_path / "flock.c").write_text(
        "#include <errno.h>\n"
        "int flock(int file, int how) { (void)file; (void)how; errno = ENOSYS; return -1; }\n"  # as on Lustre
    )
    library = build_c(tmp_path / "flock.c", tmp_path / "flock.so", ("-shared", "-fPIC"))
    program = (
        "import sys; from pathlib import Path; from joulemark import store; from joulemark.records import Study\n"
        "try:\n"
        "    with store.open_for_writing(Path(sys.argv[1]), Study('s', ())): pass\n"
        "except store.StoreError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "r"], env=os.environ | {"LD_PRELOAD": str(library)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "cannot be locked against other runs (Function not implemented)" in done.stdout
    assert "use --out on another file system" in done.stdout


@pytest.mark.parametrize("cut_byte", [1, 40, 250])
def test_a_torn_line_is_named_and_then_put_aside(folder: Path, cut_byte: int) -> None:
    file = folder / store.RUNS_FILE
    content = file.read_bytes()
    file.write_bytes(content[:-cut_byte])
    with pytest.raises(StoreError, match="line 3 is cut short"):
        store.read_runs(folder)
    with store.open_for_writing(folder, STUDY):
        store.append(folder, run(2), ROWS)
    assert store.read_runs(folder) == (run(0), run(1), run(2))
    torn = (folder / f"{store.RUNS_FILE}.torn").read_bytes()
    assert torn.strip() == content.splitlines(keepends=True)[-1][:-cut_byte].strip()


@pytest.mark.parametrize("rubbish", [b"not json\n", b"\xff\xfe\n", b'{"run_id": 7}\n', b"[]\n", b"\n"])
def test_a_damaged_line_is_named(folder: Path, rubbish: bytes) -> None:
    file = folder / store.RUNS_FILE
    first, *others = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + rubbish + b"".join(others))
    with pytest.raises(StoreError, match="line 2"):
        store.read_runs(folder)


def test_a_newer_schema_is_refused(folder: Path) -> None:
    with store.open_for_writing(folder, STUDY):
        store.append(folder, run(0, schema_version=99), ())
    with pytest.raises(StoreError, match="newer joulemark"):
        store.read_runs(folder)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"name": 3}'])
def test_a_damaged_study_file_is_one_line(folder: Path, damage: bytes) -> None:
    (folder / store.STUDY_FILE).write_bytes(damage)
    with pytest.raises(StoreError, match="is damaged") as error:
        store.read_study(folder)
    assert "\n" not in str(error.value)


def test_a_folder_without_results_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="joulemark run"):
        store.read_study(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"no study\.json"):
        store.read_study(tmp_path)


@pytest.mark.parametrize("small_disk", ["64k"], indirect=True)
def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    place = small_disk / "results"
    with store.open_for_writing(place, STUDY):
        with pytest.raises(StoreError, match="no space left") as error:
            fill(place)
        assert "\n" not in str(error.value)
        assert store.read_runs(place)
        assert (place / store.RUNS_FILE).read_bytes().endswith(b"\n")
        assert not list(place.rglob("*.part"))
        (place / store.INFERENCES_FOLDER / f"{run(0).run_id}.parquet").unlink()  # room again
        before = store.read_runs(place)
        store.append(place, run(5000), ())
        assert store.read_runs(place) == (*before, run(5000))


def fill(place: Path) -> None:
    for repeat_i in range(1000):
        store.append(place, run(repeat_i), ROWS)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_store import ROWS, STUDY, run
from joulemark import store
place = Path(sys.argv[1])
with store.open_for_writing(place, STUDY):
    print("ready", flush=True)
    for repeat_i in range(100000):
        store.append(place, run(repeat_i), ())
"""


def test_a_writer_killed_at_any_moment_loses_no_line_that_was_whole(tmp_path: Path) -> None:
    """SIGKILL may cut the write of a line that crosses a page, so that the last one is torn; never one before it."""
    place = tmp_path / "results"
    file = place / store.RUNS_FILE
    kept = b""
    for lines_n in range(1, 9):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(place), str(Path(__file__).parent)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            deadline_s = time.monotonic() + 60
            while not file.exists() or file.read_bytes().count(b"\n") < kept.count(b"\n") + lines_n:
                assert writer.poll() is None
                assert time.monotonic() < deadline_s
            writer.kill()
        content = file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        assert whole.startswith(kept)
        with store.open_for_writing(place, STUDY):
            assert file.read_bytes() == whole
        # The writers begin anew each time, and of two lines about a repetition the later one counts.
        assert {one.repeat_i for one in store.read_runs(place)} == {
            json.loads(line)["repeat_i"] for line in whole.splitlines()
        }
        kept = whole
