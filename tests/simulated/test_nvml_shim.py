"""The simulated NVML, read by joulemark and by nvidia-ml-py in processes of their own, against its truth."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the simulators live in this folder as plain modules
from known_power import steady
from nvml_shim import MEAN_100_MS, RUNNING_MEAN_1_S, Board, Boards, nvml_shim

pytest.importorskip("pynvml")
pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")

WINDOW_S = 0.5
RESET_S = 0.7  # a window that begins half of it after a reset spans just one more
REFRESH_S = 0.02
READER = Path(__file__).with_name("read_window.py")

ASK = """
import json, time, pynvml as n
n.nvmlInit()
handle = n.nvmlDeviceGetHandleByUUID("GPU-two")
other = n.nvmlDeviceGetHandleByIndex(0)
fields = n.nvmlDeviceGetFieldValues(handle, [83, 185, 186, 999])
third = n.nvmlDeviceGetHandleByIndex(2)
refused = []
for ask in (
    lambda: n.nvmlDeviceGetTotalEnergyConsumption(third),
    lambda: n.nvmlDeviceGetViolationStatus(third, n.NVML_PERF_POLICY_POWER),
):
    try:
        ask()
    except n.NVMLError as error:
        refused.append(str(error))
print(json.dumps({
    "driver": n.nvmlSystemGetDriverVersion(),
    "count": n.nvmlDeviceGetCount(),
    "name": n.nvmlDeviceGetName(handle),
    "bus": n.nvmlDeviceGetPciInfo(handle).busId,
    "other_bus": n.nvmlDeviceGetPciInfo(other).busId,
    "energy_mj": n.nvmlDeviceGetTotalEnergyConsumption(handle),
    "fields": [[f.nvmlReturn, f.value.ullVal if f.fieldId == 83 else f.value.uiVal] for f in fields],
    "power_mw": n.nvmlDeviceGetPowerUsage(handle),
    "mig": n.nvmlDeviceGetMigMode(handle),
    "processes": [[p.pid, p.usedGpuMemory] for p in n.nvmlDeviceGetComputeRunningProcesses(handle)],
    "no_processes": n.nvmlDeviceGetComputeRunningProcesses(other),
    "throttle": n.nvmlDeviceGetCurrentClocksEventReasons(handle),
    "held_ns": [
        n.nvmlDeviceGetViolationStatus(handle, policy).violationTime
        for policy in (n.NVML_PERF_POLICY_POWER, n.NVML_PERF_POLICY_THERMAL)
    ],
    "at_ns": time.monotonic_ns(),
    "clock_mhz": n.nvmlDeviceGetClockInfo(handle, n.NVML_CLOCK_SM),
    "celsius": n.nvmlDeviceGetTemperature(handle, n.NVML_TEMPERATURE_GPU),
    "limit_mw": n.nvmlDeviceGetPowerManagementLimit(handle),
    "refused": refused,
}))
n.nvmlShutdown()
"""


def run(shim: Boards, command: list[str], **environment: str) -> Any:
    ran = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **shim.environment, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


def read(shim: Boards, **environment: str) -> Any:
    return run(shim, [str(READER), "/sys", "nvml", str(WINDOW_S), str(shim.origin_ns), str(RESET_S)], **environment)


def assert_true(shim: Boards, index: int, energy_j: float, said: Any, stale_s: float = REFRESH_S) -> None:
    slack_j = max(power_w for _, power_w in shim.boards[index].steps) * stale_s + 0.001
    assert shim.true_energy_j(index, *said["inner_ns"]) - slack_j <= energy_j
    assert energy_j <= shim.true_energy_j(index, *said["outer_ns"]) + slack_j


def test_every_function_answers(tmp_path: Path) -> None:
    two = Board(
        steady(350.0),
        name="Simulated A100",
        uuid="GPU-two",
        update_period_s=REFRESH_S,
        start_j=1000.0,
        instant=RUNNING_MEAN_1_S,
        mig=True,
        power_limit_w=400.0,
        temperature_c=55,
        clock_mhz=1410,
        throttle_bits=4,
        held_by_power_ratio=0.5,
        held_by_heat_ratio=0.25,
        processes=((4242, 512), ("self", 1)),
    )
    three = Board(steady(1.0), counter=False, held_by_power_ratio=None)
    shim = nvml_shim(tmp_path, [Board(steady(80.0)), two, three])
    said = run(shim, ["-c", ASK])
    assert (said["driver"], said["count"], said["name"]) == ("570.00.simulated", 3, "Simulated A100")
    assert said["bus"] > said["other_bus"]
    assert said["energy_mj"] > 1_000_000
    energy, average, instant, unknown = said["fields"]
    assert energy[0] == 0
    assert energy[1] == pytest.approx(said["energy_mj"], rel=0.1)
    assert average == instant == [0, pytest.approx(350_000, abs=2)]
    assert unknown[0] == 3
    assert said["power_mw"] == pytest.approx(350_000, abs=2)
    assert said["mig"] == [1, 1]
    assert said["processes"][0] == [4242, 512 << 20]
    assert said["processes"][1][0] not in (4242, 0)
    assert said["no_processes"] == []
    assert (said["throttle"], said["clock_mhz"], said["celsius"], said["limit_mw"]) == (4, 1410, 55, 400_000)
    since_ns = said["at_ns"] - shim.origin_ns
    assert said["held_ns"] == [pytest.approx(0.5 * since_ns, rel=0.1), pytest.approx(0.25 * since_ns, rel=0.1)]
    assert said["refused"] == ["Not Supported"] * 2


def test_counters_and_gauges_follow_the_truth(tmp_path: Path) -> None:
    wave = ((0.065, 350.0), (0.1487, 80.0))
    boards = [
        Board(wave, update_period_s=REFRESH_S),
        Board(steady(120.0), counter=False, power=MEAN_100_MS),
        # Sampled in the last quarter of each update, in which all of its work happens.
        Board(((0.075, 80.0), (0.025, 350.0)), update_period_s=0.1, sampled_s=0.025),
        Board(steady(50.0), counter=False, power=None, instant=None),
    ]
    shim = nvml_shim(tmp_path, boards)
    said = read(shim, CUDA_VISIBLE_DEVICES="1,2")
    assert_true(shim, 0, said["energy_j"]["gpu0"], said)
    assert said["provenance"] == {"gpu0": "counter", "gpu1": "sampled", "gpu2": "counter"}
    assert_true(shim, 1, said["energy_j"]["gpu1"], said)
    updates_n = round((said["inner_ns"][1] - said["inner_ns"][0]) / 1e8)
    assert said["energy_j"]["gpu2"] in [pytest.approx(35.0 * n, rel=1e-3) for n in range(updates_n - 1, updates_n + 2)]
    assert said["in_use"] == {"gpu0": False, "gpu1": True, "gpu2": True}
    assert "neither" in said["absences"]["gpu3"]


def test_faults_are_named(tmp_path: Path) -> None:
    boards = [
        Board(steady(100.0), update_period_s=REFRESH_S, reset_every_s=RESET_S),
        Board(steady(100.0), update_period_s=REFRESH_S, still_after_s=0.0),
        Board(steady(100.0), lost_after_s=0.0),
    ]
    said = read(nvml_shim(tmp_path, boards))
    assert said["energy_j"]["gpu0"] is None
    assert said["reasons"]["gpu0"][-1] == "counter-went-back"
    assert said["energy_j"]["gpu1"] is None
    assert said["reasons"]["gpu1"][-1] == "counter-stood-still"
    assert "GPU is lost" in said["absences"]["gpu2"]


ALIGNED = """
import json, sys, time
from joulemark.meter import open_meter
from joulemark.sensors import Setup
with open_meter(Setup(requests=("nvml",))) as meter:
    meter.begin().end()
    time.sleep(0.03)
    window = meter.begin(align=True)
    began_ns = time.monotonic_ns()
    time.sleep(0.13)
    ended_ns = time.monotonic_ns()
    measurement = window.end()
print(json.dumps([measurement.duration_s, began_ns, ended_ns,
    [[c.energy_j, c.low_j, c.high_j, c.reasons] for c in measurement.channels]]))
"""


def test_aligned_edges_measure_a_window_of_little_more_than_an_update(tmp_path: Path) -> None:
    wave = ((0.5, 350.0), (0.5, 80.0))
    boards = [Board(steady(200.0)), Board(wave, power_limit_w=400.0), Board(steady(200.0), still_after_s=0.0)]
    shim = nvml_shim(tmp_path, boards)
    duration_s, began_ns, ended_ns, (calm, waving, stuck) = run(shim, ["-c", ALIGNED])
    assert duration_s == pytest.approx((ended_ns - began_ns) / 1e9, abs=0.02)  # waiting is outside of it
    assert calm[0] == pytest.approx(200.0 * duration_s, rel=0.1)
    assert "window-too-short" not in calm[3]
    for index, (energy_j, low_j, high_j, _) in enumerate((calm, waving)):
        assert energy_j is not None
        assert low_j <= shim.true_energy_j(index, began_ns, ended_ns) <= high_j
    assert stuck[0] is None
