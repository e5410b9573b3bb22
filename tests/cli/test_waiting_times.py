"""Times to wait that nobody can mean, and a kernel that does not tell when a command ends."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from program import BINARY, complains, joulemark


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1e300"])
def test_a_wait_without_end_is_refused(tmp_path: Path, value: str) -> None:
    assert "--idle" in complains(joulemark("measure", "--idle", value, "--", "true"))
    assert "--seconds" in complains(joulemark("sensors", "--record", tmp_path / "t.json", "--seconds", value))
    (tmp_path / "d.csv").write_text("text,label\nfine,positive\n")
    cell = ("--task", "text-classification", "--model", "m:f", "--dataset", tmp_path / "d.csv", "--out", tmp_path / "r")
    assert "--idle" in complains(joulemark("run", *cell, "--idle", value))


WITHOUT_PIDFD = """
    import ctypes, os, struct, sys
    # A filter of system calls: pidfd_open (434) fails with ENOSYS, as on a kernel before 5.3; all else is allowed.
    program = b"".join(struct.pack("HBBI", *one) for one in (
        (0x20, 0, 0, 0), (0x15, 0, 1, 434), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7FFF0000)
    ))
    buffer = ctypes.create_string_buffer(program, len(program))
    prog = struct.pack("HxxxxxxQ", 4, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    if libc.prctl(22, 2, prog, 0, 0) != 0:
        sys.exit(77)
    os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="filters of system calls are Linux's")
def test_a_command_is_waited_for_where_the_kernel_does_not_tell_of_its_end(tmp_path: Path) -> None:
    zone = tmp_path / "class" / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in (("name", "package-0"), ("energy_uj", "1000"), ("max_energy_range_uj", "262143328850")):
        (zone / name).write_text(text + "\n")
    command = [str(BINARY), "measure", "--json", "--idle", "0", "--sysfs", str(tmp_path), "--sensors", "rapl", "--"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WITHOUT_PIDFD), *command, "sh", "-c", "sleep 0.3; exit 3"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip("no filter of system calls may be set here")
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["duration_s"] > 0.25
