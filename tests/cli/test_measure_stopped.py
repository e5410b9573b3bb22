"""``joulemark measure`` and signals: to whom they go, what is reported after one, and with which exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from program import BINARY, joulemark

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="processes are looked at in /proc")

WITHIN_S = 20.0
# What runs these tests may ignore some signals (nohup, a job in the background), and what it starts does so too.
HEARING = ("env", "--default-signal=INT,TERM,HUP")
QUIET = "> /dev/null 2>&1"  # it does not hold our pipes, should it outlive what started it
STOPPING = [signal.SIGTERM, signal.SIGHUP]


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def measuring(command: Sequence[str], *options: str, idle_s: float = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*HEARING, BINARY, "measure", "--sensors", "fake", "--idle", str(idle_s), *options, "--", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the command too, which holds our pipes
        process.communicate()
        raise
    assert "Traceback" not in err
    return process.returncode, out, err


def is_there(pid: int) -> bool:
    try:
        return ") Z" not in Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return False


def signals_of(pid: int | str, field: str) -> int:
    """The signals, a bit each, that the kernel lists for a process."""
    lines = Path("/proc", str(pid), "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1], 16)


def ctrl_c(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_goes_to_the_command_too(tmp_path: Path, number: signal.Signals) -> None:
    pid_file = tmp_path / "pid"
    process = measuring(["sh", "-c", f"echo $$ > {pid_file}.part; mv {pid_file}.part {pid_file}; exec sleep 77"])
    until(pid_file.exists)
    process.send_signal(number)
    code, _, err = ended(process)
    assert code == 128 + number
    assert not is_there(int(pid_file.read_text()))
    assert f"stopped by {number.name} while it ran" in err
    assert "fake-cpu" in err


def test_a_command_with_a_group_of_its_own_gets_it_as_a_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    body = (
        "import os, subprocess, sys; os.setsid(); child = subprocess.Popen(['sleep', '77']);"
        "open(sys.argv[1] + '.part', 'w').write(f'{os.getpid()} {child.pid}'); os.rename(sys.argv[1] + '.part', "
        "sys.argv[1]); child.wait()"
    )
    process = measuring([sys.executable, "-c", body, str(pid_file)])
    until(pid_file.exists)
    process.terminate()
    assert ended(process)[0] == 128 + signal.SIGTERM
    pids = [int(pid) for pid in pid_file.read_text().split()]
    until(lambda: not any(is_there(pid) for pid in pids))


def test_a_command_that_ends_well_after_a_signal_is_reported_as_one_that_was_stopped(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    process = measuring(
        ["sh", "-c", f"trap 'kill $!; exit 0' TERM; sleep 77 {QUIET} & touch {flag}; wait $!"], "--json", "-r", "3"
    )
    until(flag.exists)
    time.sleep(0.2)  # what was started has become sleep, which no longer has the shell's handlers
    process.terminate()
    code, out, _ = ended(process)
    found = json.loads(out)
    assert code == 128 + signal.SIGTERM
    assert (found["stopped_by"], found["repeats_n"], found["cut_n"], found["exit_code"]) == ("SIGTERM", 1, 1, 0)
    assert found["boundaries"]["device"]["energy_j"] > 0


# The command writes a line each time, and the last time goes on until Ctrl-C, after which it ends in its own way.
IN_SHELL = """
trap 'kill $!; exit 130' INT
echo run >> "$0"
if [ "$(wc -l < "$0")" -ge "$1" ]; then sleep 77 > /dev/null 2>&1 & wait $!; fi
"""
IN_PYTHON = """
import sys, time
path, last_i = sys.argv[1:]
try:
    with open(path, "a") as file:
        file.write("run\\n")
    time.sleep(77 if len(open(path).readlines()) >= int(last_i) else 0)
except KeyboardInterrupt:
    pass
"""
CATCHES = {"sh": ("sh", "-c", IN_SHELL), "python": (sys.executable, "-c", IN_PYTHON)}


@pytest.mark.parametrize("language", CATCHES)
def test_ctrl_c_ends_the_repetitions_also_where_the_command_catches_it(tmp_path: Path, language: str) -> None:
    runs = tmp_path / "runs"
    process = measuring([*CATCHES[language], str(runs), "2"], "-r", "5")
    until(lambda: runs.exists() and len(runs.read_text().split()) == 2)
    time.sleep(0.2)  # the handler of the command is in place
    ctrl_c(process)
    code, _, err = ended(process)
    assert code == 130
    assert len(runs.read_text().split()) == 2
    assert "stopped by SIGINT in run 2 of 5, which is left out" in err
    assert "mean of" not in err


def test_a_run_that_ctrl_c_cut_is_reported_where_it_is_the_only_one(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    process = measuring([*CATCHES["sh"], str(runs), "1"], "-r", "3", "--json")
    until(runs.exists)
    time.sleep(0.2)
    ctrl_c(process)
    code, out, _ = ended(process)
    found = json.loads(out)
    assert code == 130
    assert (found["stopped_by"], found["repeats_n"], found["cut_n"], found["exit_code"]) == ("SIGINT", 1, 1, 130)


def test_ctrl_c_in_the_idle_window_after_a_run_keeps_that_run(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    process = measuring(["touch", str(flag)], "-r", "3", "--json", idle_s=2)
    until(flag.exists)
    time.sleep(0.5)
    ctrl_c(process)
    code, out, _ = ended(process)
    found = json.loads(out)
    assert code == 130
    assert (found["stopped_by"], found["repeats_n"], found["cut_n"]) == ("SIGINT", 1, 0)
    assert found["boundaries"]["marginal"]["energy_j"] is not None
    assert "idle-not-measured" not in found["reasons"]


@pytest.mark.parametrize("number", [signal.SIGINT, *STOPPING])
def test_a_signal_before_the_command_ran(tmp_path: Path, number: signal.Signals) -> None:
    flag = tmp_path / "flag"
    process = measuring(["touch", str(flag)], "--json", idle_s=60)
    until(lambda: bool(signals_of(process.pid, "SigCgt") >> (signal.SIGCHLD - 1) & 1))
    process.send_signal(number)
    assert ended(process) == (128 + number, "", f"joulemark: stopped by {number.name} before the command ran\n")
    assert not flag.exists()


def test_a_signal_to_a_command_that_nobody_sent_to_us_stops_nobody_else() -> None:
    done = joulemark("measure", "--idle", 0, "--json", "--", "sh", "-c", "trap '' TERM; kill -TERM $$; exit 4")
    assert done.returncode == 4
    assert json.loads(done.stdout)["stopped_by"] is None


def test_what_is_ignored_stays_ignored_for_the_command_and_for_us(tmp_path: Path) -> None:
    """As below nohup, or in the background of a script."""
    flag = tmp_path / "flag"

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = subprocess.Popen(
        [BINARY, "measure", "--idle", "0", "--json", "--", "sh", "-c", f"cat /proc/$$/status; touch {flag}; sleep 1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ignore,
        start_new_session=True,
    )
    until(flag.exists)
    ctrl_c(process)
    os.killpg(process.pid, signal.SIGHUP)
    code, out, err = ended(process)
    assert code == 0
    assert json.loads(out)["stopped_by"] is None
    ignored = int(next(line for line in err.splitlines() if line.startswith("SigIgn:")).split()[1], 16)
    assert ignored >> (signal.SIGINT - 1) & 1
    assert ignored >> (signal.SIGHUP - 1) & 1


def no_word_of_children() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])


def no_children_to_wait_for() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


@pytest.mark.parametrize("before", [no_word_of_children, no_children_to_wait_for])
def test_the_end_of_the_command_is_seen_whoever_started_us(before: Callable[[], None]) -> None:
    done = subprocess.run(
        [BINARY, "measure", "--idle", "0", "--", "sh", "-c", "sleep 0.2; exit 3"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=before,
        timeout=WITHIN_S,
    )
    assert done.returncode == 3, done.stderr
