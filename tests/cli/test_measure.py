"""``joulemark measure -- COMMAND``."""

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from powercap import zone
from program import BINARY, complains, joulemark

QUICK = ("--idle", "0.1")


@pytest.mark.alone
def test_the_object_has_what_is_promised() -> None:
    done = joulemark("measure", *QUICK, "--json", "--", "sleep", "0.3")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert 0.3 <= found["duration_s"] < 1
    for channel in found["channels"]:
        assert {"name", "component", "provenance", "energy_j", "uncertainty_j", "reasons"} <= set(channel)
    assert set(found["boundaries"]) == {"marginal", "device", "host", "facility"}
    for boundary in found["boundaries"].values():
        assert set(boundary) == {"energy_j", "low_j", "high_j", "missing", "reasons"}
    assert found["boundaries"]["facility"]["energy_j"] is None
    assert "PUE" in found["boundaries"]["facility"]["missing"]


def test_the_command_keeps_its_output_and_its_exit_code() -> None:
    done = joulemark("measure", *QUICK, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert done.returncode == 7
    assert done.stdout == "out\n"
    assert done.stderr.startswith("err\n")
    assert "exit code 7" in done.stderr


def test_in_json_standard_output_is_ours_alone() -> None:
    done = joulemark("measure", *QUICK, "--json", "--", "sh", "-c", "echo out; exit 3")
    assert done.returncode == 3
    assert json.loads(done.stdout)["exit_code"] == 3
    assert "out" in done.stderr


def test_options_of_the_command_are_the_commands() -> None:
    done = joulemark("measure", *QUICK, sys.executable, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("Python 3")


def test_standard_input_reaches_the_command() -> None:
    done = subprocess.run(
        [BINARY, "measure", "--idle", "0", "--", "cat"], input="hello", capture_output=True, text=True, check=False
    )
    assert done.stdout == "hello"


def test_repeats_give_an_interval() -> None:
    found = json.loads(joulemark("measure", *QUICK, "--repeats", 3, "--json", "--", "sleep", "0.1").stdout)
    assert found["repeats_n"] == 3
    assert found["duration_low_s"] < found["duration_s"] < found["duration_high_s"]
    done = joulemark("measure", "--idle", 0, "--repeats", 2, "--", "sh", "-c", "exit 0")
    assert done.stderr.lstrip().startswith("sh -c 'exit 0'   ")
    assert "mean of 2 runs, as all energies below" in done.stderr


def test_next_to_nothing_above_idle_has_bounds_that_can_be_read() -> None:
    """The fake sensor draws the same beside the command: what is left is an error of rounding, with an interval."""
    done = joulemark("measure", "--idle", 0.3, "--sensors", "fake", "--", "sleep", "0.5")
    line = next(line for line in done.stderr.splitlines() if line.startswith("marginal"))
    assert not re.search(r"\d\d,\d{3}", line), line


def test_without_idle_nothing_is_said_above_idle() -> None:
    found = json.loads(joulemark("measure", "--idle", 0, "--json", "--", "sleep", "0.2").stdout)
    assert found["boundaries"]["marginal"]["energy_j"] is None
    assert "idle" in found["boundaries"]["marginal"]["missing"]
    assert "idle-not-measured" in found["reasons"]
    shown = joulemark("measure", "--idle", 0, "--sensors", "fake", "--", "sleep", "0.1").stderr
    assert "set idle_s above 0 (--idle)" in shown
    told = re.search(r"device +[\d.,]+ (\S+) \([\d.,]+ to [\d.,]+ (\S+)\)", shown)
    assert told is not None, shown
    assert told[1] == told[2]


@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("/", 126)])
def test_a_command_that_cannot_run(command: str, code: int) -> None:
    done = joulemark("measure", "--idle", 0, "--", command)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_command_that_is_killed_is_reported_as_by_a_shell() -> None:
    done = joulemark("measure", "--idle", 0, "--", "sh", "-c", "kill -9 $$")
    assert done.returncode == 128 + 9
    assert "SIGKILL" in done.stderr


def test_a_signal_without_a_name_ends_the_command_alone() -> None:
    done = joulemark("measure", "--idle", "0", "--", "sh", "-c", "kill -35 $$")
    assert done.returncode == 128 + 35
    assert "ended by signal 35" in done.stderr


def test_a_run_that_failed_among_others_is_told(tmp_path: Path) -> None:
    command = ("sh", "-c", f"test -e {tmp_path}/flag || {{ touch {tmp_path}/flag; exit 3; }}")
    done = joulemark("measure", "--idle", "0", "--repeats", 3, "--", *command)
    assert done.returncode == 3
    assert "exit code 3 in 1 of 3 runs" in done.stderr
    (tmp_path / "flag").unlink()
    done = joulemark("measure", "--idle", "0", "--repeats", 3, "--json", "--", *command)
    found = json.loads(done.stdout)
    assert (done.returncode, found["exit_code"], found["failed_n"]) == (3, 3, 1)


def test_mistakes() -> None:
    complains(joulemark("measure", "--repeats", 0, "--", "true"))
    complains(joulemark("measure", "--idle", -1, "--", "true"))
    assert joulemark("measure").returncode == 2


@pytest.mark.alone
def test_a_moving_counter_with_a_mounted_tree(tmp_path: Path) -> None:
    """A counter that a thread moves by 50 W; with JOULEMARK_SYSFS it is the same program."""
    path = zone(tmp_path, "intel-rapl:0", "package-0")
    stop = threading.Event()
    started_ns = time.monotonic_ns()

    def move() -> None:
        while not stop.is_set():
            part = path / "energy_uj.part"
            part.write_text(f"{(time.monotonic_ns() - started_ns) * 50 // 1000}\n")
            descriptor = (path / "energy_uj").open("r+")
            descriptor.write(part.read_text())
            descriptor.close()
            time.sleep(0.001)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        found = json.loads(
            joulemark("measure", "--idle", "0.3", "--json", "--", "sleep", "1", JOULEMARK_SYSFS=str(tmp_path)).stdout
        )
    finally:
        stop.set()
        mover.join()
    (channel,) = found["channels"]
    assert channel["provenance"] == "counter"
    assert channel["energy_j"] == pytest.approx(50 * found["duration_s"], rel=0.05)
    marginal = found["boundaries"]["marginal"]
    assert abs(marginal["energy_j"]) < 5  # the same power idle and busy
