"""Several boards of which nobody said which are ours: what uses them decides. Every reader is a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disturbed_program import DISTURBED
from known_power import steady
from nvml_shim import Board, Boards, nvml_shim
from program import joulemark

from joulemark import store
from joulemark.boundary import total
from joulemark.measurement import BoundaryName, Provenance
from joulemark.sensors.own_processes import in_use_by_us, is_ours

pytest.importorskip("pynvml")
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")

IDLE, BUSY = steady(80.0), steady(300.0)
UNTOLD = "all-boards-counted"

MEASURED = """
    import json, os, subprocess, sys, time
    from joulemark.meter import open_meter
    from joulemark.sensors import Setup
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with open(sys.argv[1], "w") as file:
        file.write(str(child.pid))
    with open_meter(Setup(requests=("nvml",))) as meter:
        window = meter.begin()
        time.sleep(0.25)
        measurement = window.end()
    child.communicate(b"\\n")
    print(json.dumps({
        channel.name: [channel.in_use, channel.energy_j, "all-boards-counted" in channel.reasons]
        for channel in measurement.channels
    }))
"""


def environment(shim: Boards, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return kept | dict(shim.environment) | more


def measured(shim: Boards, pid_file: Path, **more: str) -> dict[str, list[Any]]:
    program = [sys.executable, "-c", textwrap.dedent(MEASURED), str(pid_file)]
    done = subprocess.run(program, env=environment(shim, **more), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, list[Any]] = json.loads(done.stdout)
    return said


def boards(folder: Path, *processes: tuple[tuple[int | str, int], ...] | None) -> Boards:
    return nvml_shim(folder, [Board(BUSY if one else IDLE, update_period_s=0.02, processes=one) for one in processes])


def test_the_board_with_our_process_is_the_one_in_use(tmp_path: Path) -> None:
    shim = boards(tmp_path, (), ((1, 9),), (("self", 1024), (1, 9)), ())
    said = measured(shim, tmp_path / "pid")
    assert [name for name, (in_use, _, _) in said.items() if in_use] == ["gpu2"]
    assert not any(untold for _, _, untold in said.values())
    assert said["gpu2"][1] == pytest.approx(300.0 * 0.25, rel=0.2)


def test_a_child_of_ours_uses_its_board_for_us(tmp_path: Path) -> None:
    shim = boards(tmp_path, (), ((f"@{tmp_path}/pid", 1),), (("self", 1),))
    assert [in_use for in_use, _, _ in measured(shim, tmp_path / "pid").values()] == [False, True, True]


NOBODY: dict[str, tuple[tuple[tuple[int | str, int], ...] | None, ...]] = {
    "no process anywhere": ((), ()),
    "a process of somebody else": ((), ((1, 9),)),
    "not told": (None, None),
}


@pytest.mark.parametrize("why", NOBODY)
def test_without_a_process_of_ours_all_boards_count_and_say_so(tmp_path: Path, why: str) -> None:
    said = measured(boards(tmp_path, *NOBODY[why]), tmp_path / "pid")
    assert [(in_use, untold) for in_use, _, untold in said.values()] == [(True, True)] * 2


def test_a_board_that_does_not_tell_goes_on_counting(tmp_path: Path) -> None:
    said = measured(boards(tmp_path, None, (("self", 1),), ()), tmp_path / "pid")
    assert [(in_use, untold) for in_use, _, untold in said.values()] == [(True, True), (True, False), (False, False)]


def test_a_list_in_which_processes_are_lost_does_not_tell(tmp_path: Path) -> None:
    """Our process is the second of its list, whose entries are larger than they are read."""
    wide = Board(BUSY, update_period_s=0.02, processes=((1, 9), ("self", 1)), protected_byte=0)
    told = Board(BUSY, update_period_s=0.02, processes=(("self", 1),))
    said = measured(nvml_shim(tmp_path, [wide, told]), tmp_path / "pid")
    assert [(in_use, untold) for in_use, _, untold in said.values()] == [(True, True), (True, False)]


@pytest.mark.parametrize("ours", ["self", 1])
def test_a_board_that_turns_out_not_to_be_ours_disturbs_nothing(tmp_path: Path, ours: int | str) -> None:
    held = Board(IDLE, processes=((1, 9),), held_by_heat_ratio=0.5)
    shim = nvml_shim(tmp_path, [Board(BUSY, processes=((ours, 9),)), held])
    program = [sys.executable, "-c", textwrap.dedent(DISTURBED)]
    done = subprocess.run(program, env=environment(shim), capture_output=True, text=True, check=True)
    found = {"foreign-process-on-board", "throttled"} & set(json.loads(done.stdout))
    assert found == (set() if ours == "self" else {"foreign-process-on-board", "throttled"})  # all count then


def test_who_has_said_which_are_ours_is_believed(tmp_path: Path) -> None:
    said = measured(boards(tmp_path, (), (("self", 1),)), tmp_path / "pid", CUDA_VISIBLE_DEVICES="0")
    assert [in_use for in_use, _, _ in said.values()] == [True, False]


COMMAND = (
    "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(0.8); os.remove(sys.argv[1])"
)


def test_a_command_that_has_ended_was_seen_while_it_ran(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    shim = boards(tmp_path, ((f"@{pid_file}", 1),), ())
    joulemark = [str(Path(sys.executable).parent / "joulemark"), "measure", "--idle", "0.1", "--sensors", "nvml"]
    # The command is a grandchild: a shell runs it.
    command = ["sh", "-c", '"$@"; :', "sh", sys.executable, "-c", COMMAND, str(pid_file)]
    done = subprocess.run(
        [*joulemark, "--json", "--", *command], env=environment(shim), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    channels = {channel["name"]: channel for channel in json.loads(done.stdout)["channels"]}
    assert [channels[name]["in_use"] for name in ("gpu0", "gpu1")] == [True, False]
    assert UNTOLD not in channels["gpu0"]["reasons"]
    assert channels["gpu0"]["energy_j"] > 0


def family(body: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(body)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def until(condition: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_descendants_are_ours_and_orphans_and_parents_are_not() -> None:
    body = """
        import os, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        print(child.pid, flush=True)
        input()
        os._exit(0)
    """
    process = family(body)
    assert process.stdout is not None
    grandchild = int(process.stdout.readline())
    assert is_ours(os.getpid())
    assert is_ours(process.pid)
    assert is_ours(grandchild)
    assert not is_ours(os.getppid())
    assert not is_ours(1)
    assert not is_ours(2**22 + 1)  # more than Linux counts to
    process.communicate("\n")
    assert until(lambda: not is_ours(grandchild))


def test_numbers_of_another_namespace_mean_nothing(tmp_path: Path) -> None:
    """In a container the host's numbers may be listed, and one of them may by chance be ours here."""
    proc = tmp_path / "proc"
    (proc / "self" / "ns").mkdir(parents=True)
    (proc / "self" / "ns" / "pid").touch()  # some number, but not that of the first namespace
    (proc / str(os.getpid())).mkdir()
    listed = {"gpu0": {os.getpid()}, "gpu1": {77}}
    assert in_use_by_us(listed, proc) == frozenset()
    (proc / "77").mkdir()
    (proc / "77" / "stat").write_text("77 (python (x)) S 1 1")
    assert in_use_by_us(listed, proc) == {"gpu0"}


def test_a_model_on_the_processor_leaves_the_boards_beside_it_out(tmp_path: Path) -> None:
    shim = boards(tmp_path, ((1, 9),), ((1, 9),))
    done = joulemark(
        "run", "--task", "text-classification", "--model", "miniature:sentiment-encoder", "--dataset",
        "miniature:reviews", "--out", tmp_path / "r", "--queries", 20, "--repeats", 1, "--idle", 0.1, "--sensors",
        "nvml,modelled-cpu", "--set", "device=auto", **environment(shim),  # torch finds no board that it could use
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = store.read_runs(tmp_path / "r")
    assert run.model is not None
    assert run.measurement is not None
    assert run.model.device == "cpu"
    for window in (run.load, run.idle_before, run.measurement, run.idle_after):
        assert window is not None
        assert {channel.name: channel.in_use for channel in window.channels} == {
            "gpu0": False, "gpu1": False, "cpu": True
        }  # fmt: skip
        assert not any(UNTOLD in channel.reasons for channel in window.channels)
    assert "foreign-process-on-board" not in run.reasons
    assert total(run.measurement, BoundaryName.DEVICE).by_provenance_j.keys() == {Provenance.MODELLED}
