"""The simulated RAPL tree, read by joulemark in a process of its own, against its truth."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the simulators live in this folder as plain modules
from known_power import Profile, steady, true_energy_j
from rapl_tree import Backend, Tree, Zone, best_backend, rapl_tree, without_override

from joulemark.boundary import Total, total
from joulemark.measurement import BoundaryName, Measurement
from joulemark.meter import Meter
from joulemark.sensors import Setup
from joulemark.sensors.rapl import rapl

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")

BINARY = Path(sys.executable).parent / "joulemark"
WINDOW_S = 0.3
RESET_S = 0.4  # a window that begins half of it after a reset spans just one more
READER = Path(__file__).with_name("read_window.py")
# How stale a counter may be: fuse computes it on reading; files wait for their writer to be scheduled.
STALE_S: dict[Backend, float] = {"fuse": 0.002, "files": 0.05}

MACHINE = (
    Zone("intel-rapl:0", "package-0", steady(40.0), start_j=1000.0),
    Zone("intel-rapl:0:0", "core", steady(30.0)),
    Zone("intel-rapl:0:1", "dram", steady(12.0)),
    Zone("intel-rapl:1", "package-1", ((0.05, 20.0), (0.05, 140.0))),
    Zone("intel-rapl:2", "psys", steady(220.0)),
    Zone("intel-rapl:3", "package-2", steady(100.0), range_uj=10_000_000),  # wraps ten times a second
    Zone("intel-rapl-mmio:0", "package-0", steady(40.0)),
)
FAULTS = (
    Zone("intel-rapl:0", "package-0", steady(40.0), readable=False),
    Zone("intel-rapl:1", "package-1", steady(40.0), still_after_s=0.0),
    Zone("intel-rapl:2", "package-2", steady(40.0), range_uj=None, reset_every_s=RESET_S),
    Zone("intel-rapl:3", "package-3", steady(40.0), range_uj=None),
)


@pytest.fixture(params=["fuse", "files"])
def backend(request: pytest.FixtureRequest) -> Backend:
    wanted: Backend = request.param
    if wanted == "fuse" and best_backend() != "fuse":
        pytest.skip("no FUSE here: this process may not mount")
    return wanted


def read(tree: Tree) -> Any:
    command = [sys.executable, str(READER), str(tree.sysfs), "rapl", str(WINDOW_S), str(tree.origin_ns), str(RESET_S)]
    ran = subprocess.run(without_override(command), capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def assert_true(tree: Tree, folder: str, energy_j: float, said: Any) -> None:
    (zone,) = (zone for zone in tree.zones if zone.folder == folder)
    slack_j = max(power_w for _, power_w in zone.steps) * STALE_S[tree.backend]
    assert tree.true_energy_j(folder, *said["inner_ns"]) - slack_j <= energy_j
    assert energy_j <= tree.true_energy_j(folder, *said["outer_ns"]) + slack_j


def test_truth_is_the_integral_of_a_power_that_repeats() -> None:
    profile = Profile(((0.25, 100.0), (0.75, 20.0)), origin_ns=5_000)
    assert true_energy_j(profile, 5_000, 5_000 + 10**9) == pytest.approx(40.0)
    assert true_energy_j(profile, 5_000 + 125 * 10**6, 5_000 + 1_250 * 10**6) == pytest.approx(12.5 + 15.0 + 25.0)


def test_a_wrap_and_a_square_wave_are_followed(tmp_path: Path, backend: Backend) -> None:
    with rapl_tree(tmp_path, MACHINE, backend) as tree:
        said = read(tree)
        folders = {"package-0": "intel-rapl:0", "core-0": "intel-rapl:0:0", "dram-0": "intel-rapl:0:1"}
        folders |= {"package-1": "intel-rapl:1", "psys": "intel-rapl:2", "package-2": "intel-rapl:3"}
        assert said["energy_j"].keys() == folders.keys()  # the second look at package-0 is not a channel
        for name, folder in folders.items():
            assert_true(tree, folder, said["energy_j"][name], said)
    assert said["part_of"]["core-0"] == "package-0"


def test_faults_are_named(tmp_path: Path, backend: Backend) -> None:
    with rapl_tree(tmp_path, FAULTS, backend) as tree:
        said = read(tree)
        assert_true(tree, "intel-rapl:3", said["energy_j"]["package-3"], said)
    assert said["absences"] == {"package-0": "permission denied"}
    assert said["energy_j"]["package-1"] is None
    assert said["reasons"]["package-1"] == ["counter-stood-still"]
    assert said["energy_j"]["package-2"] is None
    assert said["reasons"]["package-2"] == ["counter-went-back"]


def test_mirrored_dies_are_one_counter(tmp_path: Path, backend: Backend) -> None:
    die = Zone("intel-rapl:0", "package-0-die-0", steady(40.0))
    dies = [replace(die, folder=f"intel-rapl:{index}", name=f"package-0-die-{index}") for index in range(4)]
    with rapl_tree(tmp_path, dies, backend) as tree:
        files = sorted((tmp_path / "class" / "powercap").glob("intel-rapl:*/energy_uj"))
        counts_uj = [int(file.read_text()) for file in files]
        said = read(tree)
        assert_true(tree, "intel-rapl:0", sum(said["energy_j"].values()), said)
    assert len(counts_uj) == 4
    assert max(counts_uj) - min(counts_uj) <= 40e6 * 2 * STALE_S[backend]


def dies(powers_w: list[float], read_s: float) -> list[Zone]:
    """A die of each power, each of which takes so long to read."""
    return [
        Zone(f"intel-rapl:{index}", f"package-0-die-{index}", steady(power_w), read_s=read_s)
        for index, power_w in enumerate(powers_w)
    ]


def measured_by(tree: Tree, vendor: str) -> tuple[Measurement, Total]:
    """One window and its device total on a processor of ``vendor``."""
    proc = tree.sysfs / "proc"
    proc.mkdir(exist_ok=True)
    (proc / "cpuinfo").write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n")
    with rapl(Setup(sysfs=tree.sysfs, proc=proc)) as found:
        window = Meter(found.channels).begin()
        time.sleep(WINDOW_S)
        measurement = window.end()
    return measurement, total(measurement, BoundaryName.DEVICE)


def test_dies_that_are_slow_to_read_are_not_counted_many_times(tmp_path: Path) -> None:
    if best_backend() != "fuse":
        pytest.skip("no FUSE here: this process may not mount")
    with rapl_tree(tmp_path, dies([40.0] * 12, read_s=0.004), "fuse") as tree:
        genoa, found = measured_by(tree, "AuthenticAMD")
        assert [channel.name for channel in genoa.channels] == ["package-0-die-0"]
        assert found.energy_j == pytest.approx(40.0 * genoa.duration_s, rel=0.5)  # not twelve times as much
        other, found = measured_by(tree, "GenuineIntel")
    assert [channel.reasons for channel in other.channels] == [("dies-unsure", "edges-delayed")] * 12
    assert (found.energy_j, found.missing) == (None, ("dram", "package-0-die-0 or package-0-die-1 or 10 more"))
    assert found.low_j == max(channel.low_j or 0.0 for channel in other.channels)
    assert found.high_j == pytest.approx(sum(channel.high_j or 0.0 for channel in other.channels))
    assert found.low_j <= 40.0 * other.duration_s <= (found.high_j or 0.0)


def test_dies_that_differ_are_told_apart_though_slow_to_read(tmp_path: Path) -> None:
    if best_backend() != "fuse":
        pytest.skip("no FUSE here: this process may not mount")
    with rapl_tree(tmp_path, dies([40.0, 60.0], read_s=0.004), "fuse") as tree:
        measurement, found = measured_by(tree, "GenuineIntel")
    assert [channel.reasons for channel in measurement.channels] == [("edges-delayed",)] * 2  # by 4 ms each
    assert found.energy_j == pytest.approx(100.0 * measurement.duration_s, rel=0.5)


@pytest.mark.parametrize(("sensors", "meter"), [("rapl", "psys"), ("rapl,system:command=echo 5", "system")])
def test_a_meter_of_the_whole_that_reads_less_than_its_parts_is_not_the_host(
    tmp_path: Path, backend: Backend, sensors: str, meter: str
) -> None:
    whole_joules_uj = 4_294_967_295_000_000
    platform = Zone("intel-rapl:1", "psys", steady(150.0), whole_joules_uj, resolution_uj=1e6)
    machine = (Zone("intel-rapl:0", "package-0", steady(100.0)), platform, Zone("intel-rapl:0:0", "dram", steady(80.0)))
    with rapl_tree(tmp_path, machine, backend) as tree:
        command = [str(BINARY), "measure", "--json", "--idle", "0", "--sensors", sensors, "--sysfs", str(tree.sysfs)]
        ran = subprocess.run([*command, "--", "sleep", "2"], capture_output=True, text=True, check=True)
    boundaries = json.loads(ran.stdout)["boundaries"]
    host, device = boundaries["host"], boundaries["device"]
    assert host["energy_j"] is None
    assert host["low_j"] == pytest.approx(device["low_j"])
    assert (host["high_j"], host["reasons"]) == (None, ["system-below-parts"])
    assert host["missing"] == [f"what {meter} does not cover"]


def test_nothing_stays_mounted(tmp_path: Path, backend: Backend) -> None:
    with rapl_tree(tmp_path, MACHINE[:1], backend):
        counter = (tmp_path / "class" / "powercap" / "intel-rapl:0" / "energy_uj").resolve(strict=True)
    assert not counter.parent.exists()
    assert str(counter.parent) not in Path("/proc/self/mounts").read_text()
