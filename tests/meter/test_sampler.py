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
        ["env", "--default-signal=INT", BINARY, "measure", "--json", "--idle", "0",
         "--sensors", f"replay:{trace}", "--", "sh", "-c",
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


def program(trace: Path, code: str, folder: Path) -> Any:
    """What a program around one meter prints, started in ``folder``."""
    head = f"""
        import json, os, signal, socket, sys, threading, time
        from joulemark.meter import open_meter
        from joulemark.sensors import Setup
        SETUP = Setup(requests=("replay:{trace}",))

        def known(measurement):
            (channel,) = measurement.channels
            return channel.energy_j is not None

        def window(meter, duration_s=0.2):
            opened = meter.begin()
            time.sleep(duration_s)
            return opened.end()
    """
    text = textwrap.dedent(head) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=60, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_windows_of_several_threads_may_end_at_once(trace: Path, tmp_path: Path) -> None:
    code = """
        together, found = threading.Barrier(4), []
        def work():
            for _ in range(8):
                opened = meter.begin()
                time.sleep(0.2)
                together.wait()
                found.append(known(opened.end()))
        with open_meter(SETUP) as meter:
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        print(json.dumps(found))
    """
    assert program(trace, code, tmp_path) == [True] * 32


def test_an_answer_that_nobody_waited_for_is_not_that_of_the_next_window(trace: Path, tmp_path: Path) -> None:
    code = """
        class Enough(Exception):
            pass
        def enough(signum, frame):
            raise Enough
        signal.signal(signal.SIGALRM, enough)
        with open_meter(SETUP) as meter:
            interrupted_n = 0
            for wait_s in (1e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3) * 4:
                opened = meter.begin()
                time.sleep(0.02)
                try:
                    signal.setitimer(signal.ITIMER_REAL, wait_s)
                    opened.end()
                except Enough:
                    interrupted_n += 1
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            print(json.dumps([interrupted_n > 0, *(known(window(meter)) for _ in range(3))]))
    """
    assert program(trace, code, tmp_path) == [True, True, True, True]


def test_a_program_with_many_open_files_measures_too(trace: Path, tmp_path: Path) -> None:
    code = """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        files = [open("/dev/null") for _ in range(1100)]
        with open_meter(SETUP) as meter:
            print(json.dumps(known(window(meter))))
    """
    assert program(trace, code, tmp_path) is True


def test_modules_beside_the_program_are_not_the_samplers(trace: Path, tmp_path: Path) -> None:
    (tmp_path / "signal.py").write_text("raise RuntimeError('not for the sampler')\n")
    done = subprocess.run(
        [BINARY, "measure", "--json", "--idle", "0", "--sensors", f"replay:{trace}", "--", "sleep", "0.3"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.stderr == ""
    assert json.loads(done.stdout)["channels"][0]["energy_j"] == pytest.approx(36.0, rel=0.2)


def test_a_fork_leaves_the_sampler_to_its_parent(trace: Path, tmp_path: Path) -> None:
    code = """
        with open_meter(SETUP) as meter:
            opened = meter.begin()
            child = os.fork()
            if child == 0:
                forked = window(meter, 0.1)
                sys.exit(7 if known(forked) else 0)  # its gauges are unknown there
            _, status = os.waitpid(child, 0)
            time.sleep(0.3)
            print(json.dumps([os.waitstatus_to_exitcode(status), known(opened.end()), known(window(meter))]))
    """
    assert program(trace, code, tmp_path) == [0, True, True]


def test_the_samplers_processor_time_is_that_of_the_window(trace: Path, tmp_path: Path) -> None:
    code = """
        with open_meter(SETUP) as meter:
            first = window(meter, 0.3)
            outer = meter.begin()
            time.sleep(1.5)
            inner = window(meter, 0.1)
            print(json.dumps([first.harness_cpu_s, inner.harness_cpu_s, outer.end().harness_cpu_s]))
    """
    first_s, inner_s, outer_s = program(trace, code, tmp_path)
    assert 0 < inner_s < outer_s
    assert first_s < outer_s  # the start of the sampler is in none
