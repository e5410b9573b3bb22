"""The kernel's own perf events, behind a tree that calls its processor clock (ns) an energy: 35 nJ each is 35 W."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from moving import moving
from powercap import let_everybody_in, zone

from joulemark.measurement import Component, Provenance
from joulemark.meter import Meter
from joulemark.sensors import Setup, open_sensors
from joulemark.sensors.perf_event import perf_event
from joulemark.sensors.same_counter import Likeness, likeness

SOFTWARE_UNIT = 1  # PERF_TYPE_SOFTWARE; its event 0 is the clock of a processor
CLOCK, MISSING = "event=0x00", "event=0xff"
POWER_W = 35.0
CPUS_N = os.cpu_count() or 1

CAP_SYS_ADMIN, CAP_PERFMON = 21, 38


def may_count() -> bool:
    """Whether the kernel has perf events and lets this process count those of a processor."""
    if not Path("/proc/sys/kernel/perf_event_paranoid").exists():
        return False
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    capabilities = int(status["CapEff"], 16)
    capable = capabilities >> CAP_PERFMON & 1 or capabilities >> CAP_SYS_ADMIN & 1
    return bool(capable) and status["Seccomp"].strip() == "0"


needs_perf = pytest.mark.skipif(not may_count(), reason="needs a kernel with perf events and the right to count them")
needs_two_cpus = pytest.mark.skipif(CPUS_N < 2, reason="needs two processors")


def power_unit(root: Path, cpumask: str = "0", **events: str) -> Path:
    folder = root / "bus" / "event_source" / "devices" / "power"
    (folder / "events").mkdir(parents=True)
    (folder / "type").write_text(f"{SOFTWARE_UNIT}\n")
    (folder / "cpumask").write_text(f"{cpumask}\n")
    for name, text in events.items():
        file = folder / "events" / f"energy-{name}"
        file.write_text(text + "\n")
        file.with_name(file.name + ".scale").write_text(f"{POWER_W * 1e-9:.15e}\n")
    return folder


def topology(root: Path, cpu: int, package: int, die: int) -> None:
    folder = root / "devices" / "system" / "cpu" / f"cpu{cpu}" / "topology"
    folder.mkdir(parents=True)
    (folder / "physical_package_id").write_text(f"{package}\n")
    (folder / "die_id").write_text(f"{die}\n")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not [link for link in Path("/proc/self/fd").iterdir() if "perf_event" in os.path.realpath(link)]


@needs_perf
def test_a_window_over_the_kernels_counter_has_the_true_energy(root: Path) -> None:
    power_unit(root, pkg=CLOCK, ram=CLOCK, cores=CLOCK, gpu=CLOCK, psys=CLOCK)
    with perf_event(Setup(sysfs=root)) as found:
        assert [(channel.name, channel.component, channel.part_of) for channel in found.channels] == [
            ("package-0", Component.CPU, None),
            ("dram-0", Component.DRAM, None),
            ("core-0", Component.CPU, "package-0"),
            ("uncore-0", Component.CPU, "package-0"),
            ("psys", Component.SYSTEM, None),
        ]
        assert all(channel.provenance is Provenance.COUNTER for channel in found.channels)
        window = Meter(found.channels).begin()
        time.sleep(0.2)
        measurement = window.end()
    for energy in measurement.channels:
        assert energy.energy_j == pytest.approx(POWER_W * measurement.duration_s, rel=0.02)


@needs_perf
@needs_two_cpus
def test_each_processor_of_the_mask_is_a_package(root: Path) -> None:
    power_unit(root, "0-1", pkg=CLOCK)
    topology(root, 0, package=1, die=0)
    topology(root, 1, package=0, die=0)
    with perf_event(Setup(sysfs=root)) as found:
        assert [channel.name for channel in found.channels] == ["package-1", "package-0"]


@needs_perf
@needs_two_cpus
def test_every_package_is_asked_for_the_platform(root: Path) -> None:
    power_unit(root, "0-1", psys=CLOCK)
    topology(root, 0, package=1, die=0)
    topology(root, 1, package=0, die=0)
    with perf_event(Setup(sysfs=root)) as found:
        assert [(channel.name, channel.component, channel.reasons) for channel in found.channels] == [
            ("psys-1", Component.SYSTEM, ("platforms-unsure",)),  # both move all the time: nothing can be said
            ("psys", Component.SYSTEM, ("platforms-unsure",)),
        ]


@needs_perf
@needs_two_cpus
def test_dies_of_one_package_have_one_platform(root: Path) -> None:
    power_unit(root, "0,1", psys=CLOCK)
    for cpu in (0, 1):
        topology(root, cpu, package=0, die=cpu)
    with perf_event(Setup(sysfs=root)) as found:
        assert [(channel.name, channel.reasons) for channel in found.channels] == [("psys", ())]


@needs_perf
def test_the_step_of_a_register_is_that_of_its_zone(root: Path) -> None:
    power_unit(root, pkg=CLOCK, psys=CLOCK, ram=CLOCK)
    with perf_event(Setup(sysfs=root)) as found:
        assert {channel.name: channel.resolution_j for channel in found.channels} == {
            "package-0": 61e-6,
            "dram-0": 61e-6,
            "psys": 1.0,  # what is not known is not taken to be fine
        }
    zone(root, "intel-rapl:0", "package-0")
    zone(root, "intel-rapl:0:0", "dram", range_uj=65_712_999_613)
    (zone(root, "intel-rapl:1", "psys") / "energy_uj").chmod(0o400)
    with perf_event(Setup(sysfs=root)) as found:
        assert {channel.name: channel.resolution_j for channel in found.channels} == {
            "package-0": pytest.approx(61.035e-6, rel=1e-5),
            "dram-0": pytest.approx(15.3e-6),
            "psys": pytest.approx(61.035e-6, rel=1e-5),
        }


@needs_perf
@needs_two_cpus
def test_processors_of_one_package_are_its_dies(root: Path) -> None:
    power_unit(root, "0,1", pkg=CLOCK, cores=CLOCK)
    topology(root, 0, package=0, die=0)
    topology(root, 1, package=0, die=1)
    with perf_event(Setup(sysfs=root, proc=root)) as found:
        assert [(channel.name, channel.part_of, channel.reasons) for channel in found.channels] == [
            ("package-0-die-0", None, ("dies-unsure",)),  # both move all the time: nothing can be said
            ("package-0-die-1", None, ("dies-unsure",)),
            ("core-0-die-0", "package-0-die-0", ("dies-unsure",)),
            ("core-0-die-1", "package-0-die-1", ("dies-unsure",)),
        ]
    (root / "cpuinfo").write_text("vendor_id\t: AuthenticAMD\n")
    with perf_event(Setup(sysfs=root, proc=root)) as found:
        assert [channel.name for channel in found.channels] == ["package-0-die-0", "core-0-die-0"]
        assert found.repeated == {"package-0-die-1", "core-0-die-1"}


@needs_perf
@needs_two_cpus
def test_dies_that_powercap_shows_to_be_one_counter_do_not_come_back(root: Path) -> None:
    power_unit(root, "0,1", pkg=CLOCK, cores=CLOCK)
    counters = {}
    for cpu in (0, 1):
        topology(root, cpu, package=0, die=cpu)
        counters[zone(root, f"intel-rapl:{cpu}", f"package-0-die-{cpu}", 10**9 + 7 * cpu) / "energy_uj"] = 35_000
        zone(root, f"intel-rapl:{cpu}:0", "core", 10**8)
    with moving(counters), open_sensors(Setup(sysfs=root, requests=("perf-event", "rapl"))) as found:
        assert [channel.name for channel in found.channels] == ["core-0-die-0", "package-0-die-0"]


def test_counters_at_one_distance_are_one() -> None:
    moments = count(step=100)
    assert likeness(lambda: next(moments) // 400, lambda: 7 + next(moments) // 400, 60.0) is Likeness.SAME


def test_counters_that_move_apart_are_two() -> None:
    moments = count(step=100)
    assert likeness(lambda: next(moments) // 400, lambda: next(moments) // 150, 60.0) is Likeness.DIFFERENT


def test_counters_that_move_while_they_are_read_are_told_apart_by_what_they_differ() -> None:
    moments = count(step=100)
    assert likeness(lambda: next(moments) // 20, lambda: next(moments) // 30, 60.0) is Likeness.DIFFERENT
    assert likeness(lambda: next(moments) // 20, lambda: 7 + next(moments) // 20, 0.05) is Likeness.UNDECIDED


def test_a_counter_that_wraps_meanwhile_is_the_same_still() -> None:
    moments = count(step=100)
    assert likeness(lambda: next(moments) // 400 % 3, lambda: next(moments) // 400 % 3, 0.05) is Likeness.UNDECIDED
    assert likeness(lambda: next(moments) // 400 % 9, lambda: next(moments) // 400 % 9, 60.0) is Likeness.SAME


@needs_perf
def test_an_event_or_processor_that_is_not_there_takes_no_other_along(root: Path) -> None:
    power_unit(root, f"0,{CPUS_N + 7}", pkg=CLOCK, ram=MISSING, cores="umask=1")
    with perf_event(Setup(sysfs=root)) as found:
        assert [channel.name for channel in found.channels] == ["package-0"]
        assert [absence.source for absence in found.absences] == ["package-1", "dram-0", "dram-1"]


def test_no_power_unit_is_an_absence(root: Path) -> None:
    with perf_event(Setup(sysfs=root)) as found:
        assert found.channels == ()
        assert "no power unit" in found.absences[0].why


def test_nonsense_in_the_tree_is_an_absence(root: Path) -> None:
    (power_unit(root, pkg=CLOCK) / "cpumask").write_text("all\n")
    with perf_event(Setup(sysfs=root)) as found:
        assert found.channels == ()
        assert found.absences[0].source == "perf-event"


@needs_perf
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody without permission")
def test_no_permission_names_the_setting_and_the_command(root: Path) -> None:
    level = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    if level < 1:
        pytest.skip(f"everybody may read here: kernel.perf_event_paranoid is {level}")
    power_unit(root, pkg=CLOCK)
    let_everybody_in(root)
    program = (
        "import json, os, sys\n"
        "from dataclasses import asdict\n"
        "from pathlib import Path\n"
        "from joulemark.sensors import Setup\n"
        "from joulemark.sensors.perf_event import perf_event\n"
        "os.setuid(65534)\n"  # only after importing: the interpreter's own files may be root's
        "with perf_event(Setup(sysfs=Path(sys.argv[1]))) as found:\n"
        "    print(json.dumps([asdict(absence) for absence in found.absences]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, root], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (absence,) = json.loads(done.stdout)
    assert absence["why"] == f"permission denied (kernel.perf_event_paranoid is {level})"
    assert "sysctl kernel.perf_event_paranoid=0" in absence["remedy"]
    assert "CAP_PERFMON" in absence["remedy"]
