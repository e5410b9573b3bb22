"""The process that reads gauges, when it or the program around it does not end as planned."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from program import BINARY

from joulemark.meter import open_meter
from joulemark.sensors import Setup

END_MAX_S = 20


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    channel = {
        "name": "gpu0", "component": "gpu", "provenance": "sampled", "quantity": "power", "device": "recorded",
        "update_period_s": 0.1, "samples": [[index * 0.1, 120.0] for index in range(3000)],
    }  # fmt: skip
    file = tmp_path / "trace.json"
    file.write_text(json.dumps({"schema_version": 1, "channels": [channel]}))
    return file


def samplers_of(pid: int) -> list[int]:
    """The samplers that a process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == pid and b"joulemark.meter.sampler" in command:
            found.append(int(folder.name))
    return found


def measuring(trace: Path, tmp_path: Path, script: str) -> Iterator[subprocess.Popen[str]]:
    """``joulemark measure`` of a shell script that creates the file "started" first, once that is there."""
    started = tmp_path / "started"
    process = subprocess.Popen(
        [BINARY, "measure", "--json", "--idle", "0", "--sensors", f"replay:{trace}", "--", "sh", "-c",
         f"touch {started}; {script}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip
    deadline_s = time.monotonic() + END_MAX_S
    while not started.exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=END_MAX_S)
    assert "Traceback" not in errors, errors
    found: dict[str, Any] = json.loads(output)
    return found


def test_a_sampler_that_dies_costs_its_gauges_and_nothing_else(trace: Path, tmp_path: Path) -> None:
    for process in measuring(trace, tmp_path, "sleep 0.5; exit 7"):
        (sampler,) = samplers_of(process.pid)
        os.kill(sampler, signal.SIGKILL)
        found = said(process)
        (channel,) = found["channels"]
        assert process.returncode == 7
        assert (channel["energy_j"], channel["reasons"][-1]) == (None, "sampler-failed")


def test_ctrl_c_ends_the_command_and_not_the_measurement(trace: Path, tmp_path: Path) -> None:
    script = "trap 'sleep 0.3; exit 5' INT; while true; do sleep 0.05; done"
    for process in measuring(trace, tmp_path, script):
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
        found = said(process)
        (channel,) = found["channels"]
        assert process.returncode == 5
        assert channel["energy_j"] == pytest.approx(120.0 * found["duration_s"], rel=1e-3)


def test_a_sampler_that_answers_no_more_is_given_up(trace: Path) -> None:
    with open_meter(Setup(requests=(f"replay:{trace}",))) as meter:
        (sampler,) = samplers_of(os.getpid())
        window = meter.begin()
        os.kill(sampler, signal.SIGSTOP)
        (channel,) = window.end().channels
    assert channel.reasons[-1] == "sampler-failed"
    assert samplers_of(os.getpid()) == []


FORKING = """
    import os, sys, time
    import joulemark
    with joulemark.measure() as m:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        time.sleep(0.2)
    {ending}
"""


@pytest.mark.parametrize("ending", ["print(m.measurement.channels[0].energy_j)", "os.kill(os.getpid(), 9)"])
def test_a_fork_that_lives_on_holds_up_nobody(tmp_path: Path, ending: str) -> None:
    hwmon = tmp_path / "sys" / "class" / "hwmon" / "hwmon0" / "device"
    hwmon.mkdir(parents=True)
    (hwmon.parent / "name").write_text("power_meter\n")
    (hwmon / "power1_average").write_text("90000000\n")
    (hwmon / "power1_oem_info").write_text("CPU Power Socket 0\n")
    program = tmp_path / "forking.py"
    program.write_text(textwrap.dedent(FORKING).format(ending=ending))
    errors = tmp_path / "errors"
    began_s = time.monotonic()
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, program],
            env=os.environ | {"JOULEMARK_SYSFS": str(tmp_path / "sys")},
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
        )
        while not (started := samplers_of(process.pid)):
            assert time.monotonic() < began_s + END_MAX_S
        try:
            process.wait(END_MAX_S)
            while Path("/proc", str(started[0])).exists():
                assert time.monotonic() < began_s + END_MAX_S
                time.sleep(0.02)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the fork
    assert errors.read_text() == ""
