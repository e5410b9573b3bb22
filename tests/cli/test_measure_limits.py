"""``joulemark measure`` at the limits of the system: a full disk, a closed pipe, many open files, long names."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from powercap import zone
from program import BINARY, joulemark

PATH_MAX_BYTE = 4096


def test_a_result_that_cannot_be_written_leaves_the_exit_code() -> None:
    for command, code in (("exit 3", 3), ("exit 0", 2)):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [BINARY, "measure", "--idle", "0", "--json", "--", "sh", "-c", command],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode == code
        assert done.stderr == "joulemark: what was measured cannot be written: No space left on device\n"


def test_a_reader_that_has_gone_leaves_the_exit_code() -> None:
    for command, code in (("exit 3", 3), ("exit 0", 0)):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [BINARY, "measure", "--idle", "0", "--json", "--", "sh", "-c", command],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(writing)
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == 1
        assert "cannot be written: Broken pipe" in done.stderr


def test_a_report_that_cannot_be_written_leaves_the_exit_code() -> None:
    with Path("/dev/full").open("w") as full:
        command = [str(BINARY), "measure", "--idle", "0", "--", "sh", "-c", "exit 3"]
        assert subprocess.run(command, stderr=full, check=False).returncode == 3


def test_what_fails_beside_the_command_is_not_laid_at_its_door(tmp_path: Path) -> None:
    """A tree whose own path may be looked at, and whose folders of frequencies are too far down."""
    needed_n = PATH_MAX_BYTE - 1 - len("/devices/system/cpu/cpufreq")
    root = tmp_path
    while (rest_n := needed_n + 5 - len(os.fsencode(root))) > 1:
        root /= "d" * min(rest_n - 1, 200)
    root.mkdir(parents=True)
    try:
        done = joulemark("measure", "--idle", 0, "--sensors", "fake", "--sysfs", root, "--", "true")
    finally:
        shutil.rmtree(next(tmp_path.iterdir()))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("joulemark: run 1 cannot be measured: ")
    assert done.stderr.endswith(": File name too long\n")


FILES_N = 1100

# A program that starts joulemark with many files open, from the first number that is free.
WITH_MANY_FILES = """
import os, resource, sys
files_n, *command = sys.argv[1:]
hard_n = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(files_n) + 100, hard_n))
for _ in range(int(files_n)):
    os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
os.execv(command[0], command)
"""


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < FILES_N + 100, reason="so many may not be open")
def test_more_open_files_than_select_knows(tmp_path: Path) -> None:
    """The counter is one that has to be read before it wraps, so that the command is waited for with a limit."""
    zone(tmp_path, "intel-rapl:0", "package-0")
    measure = [BINARY, "measure", "--idle", "0.1", "--sysfs", tmp_path, "--sensors", "rapl", "--", "sleep", "0.1"]
    done = subprocess.run(
        [sys.executable, "-c", WITH_MANY_FILES, *map(str, (FILES_N, *measure))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "package-0" in done.stderr
