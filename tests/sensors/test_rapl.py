import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from moving import moving
from powercap import RANGE_UJ, let_everybody_in, zone

from joulemark.boundary import total
from joulemark.failures import ReadFailure
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, Provenance
from joulemark.meter import Meter
from joulemark.sensors import Setup, open_sensors
from joulemark.sensors.rapl import rapl

ALL = Setup(requests=("rapl",))


def found(root: Path):  # type: ignore[no-untyped-def]
    return rapl(Setup(sysfs=root, proc=root / "proc"))


def made_by(root: Path, vendor: str) -> None:
    (root / "proc").mkdir()
    (root / "proc" / "cpuinfo").write_text(f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu\n")


def test_zones_are_known_by_name_not_by_number(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "psys", 5)
    zone(tmp_path, "intel-rapl:1", "package-1", 10)
    zone(tmp_path, "intel-rapl:1:0", "dram", 20)
    zone(tmp_path, "intel-rapl:2", "package-0", 30)
    zone(tmp_path, "intel-rapl:2:0", "core", 40)
    zone(tmp_path, "intel-rapl:2:1", "dram", 50)
    with found(tmp_path) as here:
        channels = {channel.name: channel for channel in here.channels}
        assert set(channels) == {"psys", "package-0", "package-1", "core-0", "dram-0", "dram-1"}
        assert channels["psys"].component is Component.SYSTEM
        assert channels["dram-1"].component is Component.DRAM
        assert channels["core-0"].part_of == "package-0"
        assert channels["dram-0"].part_of is None
        assert {name: channel.read() for name, channel in channels.items()} == {
            "psys": 5, "package-1": 10, "dram-1": 20, "package-0": 30, "core-0": 40, "dram-0": 50,
        }  # fmt: skip
        assert all(channel.provenance is Provenance.COUNTER for channel in here.channels)
        assert all(channel.wrap_n == RANGE_UJ + 1 for channel in here.channels)


def test_the_platform_counter_of_another_package_is_no_processor(tmp_path: Path) -> None:
    for index, name in enumerate(("package-0", "package-1", "psys-1")):  # two sockets of Sapphire Rapids
        zone(tmp_path, f"intel-rapl:{index}", name, 5)
    with found(tmp_path) as here:
        assert [(channel.name, channel.component, channel.reasons) for channel in here.channels] == [
            ("package-0", Component.CPU, ()),
            ("package-1", Component.CPU, ()),
            ("psys-1", Component.SYSTEM, ()),
        ]


@pytest.mark.parametrize("name", ["core", "soc", "psysx", "package", "package-0-tile-1"])
def test_a_root_of_another_name_is_named_and_not_counted(tmp_path: Path, name: str) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    zone(tmp_path, "intel-rapl:1", name, 5)
    zone(tmp_path, "intel-rapl:1:0", "core", 5)
    with open_sensors(Setup(sysfs=tmp_path, proc=tmp_path, requests=("rapl",))) as here:
        assert [channel.name for channel in here.channels] == ["package-0"]
        (absence,) = here.absences
    assert (absence.source, "name" in absence.why) == (name, True)


UNITS_J = {262_143_328_850: 61.035e-6, 65_712_999_613: 15.3e-6, 4_294_967_295_000_000: 1.0, 10_000: 1e-6, None: 61e-6}


@pytest.mark.parametrize("range_uj", UNITS_J)
def test_the_range_of_a_zone_tells_its_step(tmp_path: Path, range_uj: int | None) -> None:
    zone(tmp_path, "intel-rapl:0", "psys", range_uj=range_uj)
    with found(tmp_path) as here:
        assert here.channels[0].resolution_j == pytest.approx(UNITS_J[range_uj], rel=1e-5)


WHOLE_JOULES_UJ = 4_294_967_295_000_000


def test_a_counter_of_whole_joules_may_wait_for_one(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "psys", 7_000_000, WHOLE_JOULES_UJ)
    short = measured(tmp_path, lambda: None, duration_s=0.02)["psys"]
    assert (short.energy_j, short.low_j, short.reasons) == (None, 0.0, ("window-too-short",))
    assert short.high_j == pytest.approx(1.0 + 2.0)  # one step, and what may be drawn in an update period
    moved = measured(tmp_path, lambda: (path / "energy_uj").write_text("9000000\n"), duration_s=0.02)["psys"]
    assert moved.energy_j == 2.0
    assert "window-too-short" in moved.reasons
    assert moved.low_j is not None
    assert moved.low_j <= 1.0
    assert measured(tmp_path, lambda: None, duration_s=0.2)["psys"].reasons == ("counter-stood-still",)


def test_the_kernel_numbers_zones_in_hexadecimal(tmp_path: Path) -> None:
    """drivers/powercap/powercap_sys.c: ``%s:%x``, as the eleventh package shows."""
    for package in range(12):
        zone(tmp_path, f"intel-rapl:{package:x}", f"package-{package}", package)
        zone(tmp_path, f"intel-rapl:{package:x}:0", "dram", package)
    zone(tmp_path, "intel-rapl:dummy", "package-99", 1)
    with found(tmp_path) as here:
        read = {channel.name: channel.read() for channel in here.channels}
    assert read == {f"{name}-{package}": package for package in range(12) for name in ("package", "dram")}


@pytest.mark.parametrize("made_by", ["GenuineIntel", "AuthenticAMD"])
@pytest.mark.parametrize("shut", ["intel-rapl:1", "intel-rapl:0:0"])
def test_a_package_that_may_not_be_read_beside_one_that_is_leaves_the_total_open(
    tmp_path: Path, made_by: str, shut: str
) -> None:
    (tmp_path / "cpuinfo").write_text(f"vendor_id : {made_by}\n")
    files = []
    for package in (0, 1):
        files.append(zone(tmp_path, f"intel-rapl:{package}", f"package-{package}", 5) / "energy_uj")
        files.append(zone(tmp_path, f"intel-rapl:{package}:0", "dram", 5) / "energy_uj")
    file = tmp_path / "class" / "powercap" / shut / "energy_uj"
    file.unlink()
    file.symlink_to(file)  # one that root cannot open either
    with open_sensors(Setup(sysfs=tmp_path, proc=tmp_path, requests=("rapl",))) as here:
        opened = Meter(here.channels).begin()
        time.sleep(0.2)
        for path in files:
            if path != file:
                path.write_text("50000005\n")
        device = total(opened.end(), BoundaryName.DEVICE)
    name = "package-1" if shut == "intel-rapl:1" else "dram-0"
    assert (device.energy_j, device.high_j, device.missing) == (None, None, (name,))
    assert device.low_j is not None
    assert device.low_j > 100  # what the other three have counted


def test_a_part_of_a_package_that_may_not_be_read_is_not_the_processor(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 5) / "energy_uj"
    zone(tmp_path, "intel-rapl:0:0", "core", 5)
    package.unlink()
    package.symlink_to(package)
    with open_sensors(Setup(sysfs=tmp_path, proc=tmp_path, requests=("modelled-cpu", "rapl"))) as here:
        device = total(Meter(here.channels).begin().end(), BoundaryName.DEVICE)
    assert {channel.name: channel.part_of for channel in here.channels} == {"core-0": "package-0", "package-0": None}
    assert device.missing[-1] == "package-0"


def test_nested_folders_are_the_same_zones(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl/intel-rapl:0", "package-0", 1)
    zone(tmp_path, "intel-rapl/intel-rapl:0", "package-0", 1)
    zone(tmp_path, "intel-rapl:0", "package-0", 1)
    zone(tmp_path, "intel-rapl:0/intel-rapl:0:0", "dram", 2)
    with found(tmp_path) as here:
        assert [channel.name for channel in here.channels] == ["package-0", "dram-0"]


def test_the_mmio_mirror_is_counted_once(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 7)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 7)
    zone(tmp_path, "intel-rapl-mmio:0:0", "dram", 7)
    with found(tmp_path) as here:
        assert [channel.name for channel in here.channels] == ["package-0"]


def test_mmio_alone_is_used(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 7)
    with found(tmp_path) as here:
        assert [channel.name for channel in here.channels] == ["package-0"]


def test_a_missing_range_is_unknown_not_zero(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", range_uj=None)
    with found(tmp_path) as here:
        assert here.channels[0].wrap_n is None


def test_a_counter_that_turns_to_nonsense_is_a_read_failure(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0")
    with found(tmp_path) as here:
        (path / "energy_uj").write_text("oops\n")
        with pytest.raises(ReadFailure, match="read-failed"):
            here.channels[0].read()


def test_nothing_there_says_what_was_looked_for(tmp_path: Path) -> None:
    with found(tmp_path) as here:
        assert here.channels == ()
        assert str(tmp_path / "class" / "powercap") in here.absences[0].why
        assert "--sysfs" in (here.absences[0].remedy or "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody without permission")
def test_no_permission_names_the_file_and_the_command(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0")
    (path / "energy_uj").chmod(0o400)
    program = (
        "import json, os, sys\n"
        "from dataclasses import asdict\n"
        "from pathlib import Path\n"
        "from joulemark.sensors import Setup\n"
        "from joulemark.sensors.rapl import rapl\n"
        "os.seteuid(65534)\n"  # only after importing: the interpreter's own files may be root's
        "with rapl(Setup(sysfs=Path(sys.argv[1]))) as found:\n"
        "    print(json.dumps([asdict(absence) for absence in found.absences]))\n"
    )
    let_everybody_in(tmp_path)
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (absence,) = json.loads(done.stdout)
    assert absence["source"] == "package-0"
    assert absence["why"] == "permission denied"
    assert absence["remedy"] == f"sudo chmod o+r {tmp_path}/class/powercap/*/energy_uj"


def test_a_measured_processor_hides_the_modelled_one(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    with open_sensors(Setup(sysfs=tmp_path, requests=("modelled-cpu", "rapl"))) as here:
        assert [channel.name for channel in here.channels] == ["package-0"]


def test_psys_does_not_hide_the_modelled_processor(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "psys")
    with open_sensors(Setup(sysfs=tmp_path, requests=("modelled-cpu", "rapl"))) as here:
        assert [channel.name for channel in here.channels] == ["psys", "cpu"]


def measured(root: Path, change: Callable[[], object], duration_s: float = 0.05) -> dict[str, ChannelEnergy]:
    """What one window says around ``change``."""
    with found(root) as here:
        window = Meter(here.channels).begin()
        change()
        time.sleep(duration_s)
        return {energy.name: energy for energy in window.end().channels}


def test_a_wrap_inside_the_window_is_followed(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 400_000)
    energy = measured(tmp_path, lambda: (path / "energy_uj").write_text("600000\n"))["package-0"]
    assert energy.energy_j == pytest.approx(1.000001)
    assert set(energy.reasons) <= {"edges-delayed"}  # where the machine is busy


@pytest.mark.parametrize("range_uj", [RANGE_UJ, None, 0])
def test_a_counter_that_goes_back_is_unknown(tmp_path: Path, range_uj: int | None) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0", 500_000_000, range_uj)
    energy = measured(tmp_path, lambda: (path / "energy_uj").write_text("1000000\n"))["package-0"]
    assert energy.energy_j is None
    assert energy.reasons == ("counter-went-back",)


def test_a_counter_that_stands_still_is_unknown_not_zero(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    energy = measured(tmp_path, lambda: None)["package-0"]
    assert energy.energy_j is None
    assert energy.reasons == ("counter-stood-still",)


def test_a_range_of_zero_or_nonsense_is_no_range(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", range_uj=0)
    (zone(tmp_path, "intel-rapl:1", "package-1") / "max_energy_range_uj").write_text("much\n")
    with found(tmp_path) as here:
        assert [channel.wrap_n for channel in here.channels] == [None, None]


def test_a_zone_without_a_counter_or_without_a_name_takes_no_other_along(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 1)
    (zone(tmp_path, "intel-rapl:1", "package-1") / "energy_uj").unlink()
    (zone(tmp_path, "intel-rapl:2", "package-2") / "name").unlink()
    (tmp_path / "class" / "powercap" / "intel-rapl:3").symlink_to(tmp_path / "gone")
    with found(tmp_path) as here:
        assert [channel.name for channel in here.channels] == ["package-0"]
        (absence,) = here.absences
    assert absence.source == "package-1"
    assert "No such file" in absence.why


def test_a_driver_without_zones_is_an_absence(tmp_path: Path) -> None:
    (tmp_path / "class" / "powercap" / "intel-rapl").mkdir(parents=True)
    with found(tmp_path) as here:
        assert here.channels == ()
        assert "no RAPL zone below it" in here.absences[0].why


def test_an_amd_processor_has_a_package_and_cores_inside_it(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 9)
    zone(tmp_path, "intel-rapl:0:0", "core", 3)
    with found(tmp_path) as here:
        assert [(channel.name, channel.part_of) for channel in here.channels] == [
            ("package-0", None),
            ("core-0", "package-0"),
        ]


def test_names_that_repeat_are_told_apart(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "psys", 1)
    zone(tmp_path, "intel-rapl:1", "psys", 2)
    with found(tmp_path) as here:
        assert [(channel.name, channel.component) for channel in here.channels] == [
            ("psys", Component.SYSTEM),
            ("psys-1", Component.SYSTEM),
        ]


def platforms(root: Path) -> tuple[Path, Path]:
    zone(root, "intel-rapl:0", "package-0", 5)
    first, second = (zone(root, f"intel-rapl:{n}", name, 10**7) for n, name in ((1, "psys"), (2, "psys-1")))
    return first / "energy_uj", second / "energy_uj"


def test_a_platform_counter_that_repeats_another_one_is_left_out(tmp_path: Path) -> None:
    first, second = platforms(tmp_path)
    second.unlink()
    second.symlink_to(first)
    with moving({first: 35_000}), found(tmp_path) as here:
        assert [(channel.name, channel.reasons) for channel in here.channels] == [("package-0", ()), ("psys", ())]
        (absence,) = here.absences
    assert (absence.source, here.repeated) == ("psys-1", {"psys-1"})
    assert "same counter as psys" in absence.why


def test_of_platform_counters_the_one_that_moves_counts(tmp_path: Path) -> None:
    _, second = platforms(tmp_path)  # only one package has it; the register of the others stands still
    with moving({second: 35_000}), found(tmp_path) as here:
        assert [(channel.name, channel.reasons) for channel in here.channels] == [("package-0", ()), ("psys-1", ())]
        assert [absence.source for absence in here.absences] == ["psys"]


def test_platform_counters_that_differ_are_not_added_up(tmp_path: Path) -> None:
    first, second = platforms(tmp_path)
    with moving({first: 35_000, second: 50_000}), found(tmp_path) as here:
        window = Meter(here.channels).begin()
        time.sleep(0.3)
        measurement = window.end()
    energies = {channel.name: channel for channel in measurement.channels}
    assert energies["psys"].reasons == energies["psys-1"].reasons == ("platforms-unsure",)
    host = total(measurement, BoundaryName.HOST)
    assert (host.energy_j, host.low_j, host.missing) == (None, energies["psys-1"].low_j, ("psys or psys-1",))
    assert host.high_j == pytest.approx((energies["psys"].high_j or 0) + (energies["psys-1"].high_j or 0))


def dies(root: Path) -> list[Path]:
    """Two dies of one package and one of another, each with memory."""
    paths = []
    for index, name in enumerate(("package-0-die-0", "package-0-die-1", "package-1-die-0")):
        paths.append(zone(root, f"intel-rapl:{index}", name, 7_000_000))
        zone(root, f"intel-rapl:{index}:0", "dram", index)
    return [path / "energy_uj" for path in paths]


def test_dies_that_repeat_the_counter_of_their_package_are_counted_once(tmp_path: Path) -> None:
    first, second, other = dies(tmp_path)
    second.unlink()
    second.symlink_to(first)  # one register behind two files
    with moving({first: 35_000, other: 35_000}), found(tmp_path) as here:
        assert [channel.name for channel in here.channels] == [
            "package-0-die-0",
            "dram-0-die-0",
            "package-1-die-0",
            "dram-1-die-0",
        ]
        (absence,) = here.absences
    assert absence.source == "package-0-die-1"
    assert "same counter as package-0-die-0" in absence.why


def test_dies_with_counters_of_their_own_are_all_counted(tmp_path: Path) -> None:
    first, second, other = dies(tmp_path)
    with moving({first: 35_000, second: 35_061, other: 35_000}), found(tmp_path) as here:
        assert len(here.channels) == 6
        assert here.absences == ()


def test_dies_that_stand_still_say_that_they_may_be_one(tmp_path: Path) -> None:
    dies(tmp_path)
    with found(tmp_path) as here:
        assert {channel.name: channel.reasons for channel in here.channels} == {
            "package-0-die-0": ("dies-unsure",),
            "dram-0-die-0": ("dies-unsure",),
            "package-0-die-1": ("dies-unsure",),
            "dram-0-die-1": ("dies-unsure",),
            "package-1-die-0": (),
            "dram-1-die-0": (),
        }


@pytest.mark.parametrize("vendor", ["AuthenticAMD", "HygonGenuine"])
def test_dies_of_which_nothing_is_seen_share_a_counter_where_all_do(tmp_path: Path, vendor: str) -> None:
    dies(tmp_path)
    made_by(tmp_path, vendor)
    with found(tmp_path) as here:
        assert [(channel.name, channel.reasons) for channel in here.channels] == [
            ("package-0-die-0", ()),
            ("dram-0-die-0", ()),
            ("package-1-die-0", ()),
            ("dram-1-die-0", ()),
        ]
        assert here.repeated == {"package-0-die-1", "dram-0-die-1"}


def test_dies_that_are_seen_to_differ_count_whoever_made_them(tmp_path: Path) -> None:
    first, second, other = dies(tmp_path)
    made_by(tmp_path, "AuthenticAMD")
    with moving({first: 35_000, second: 20_000, other: 35_000}), found(tmp_path) as here:
        assert len(here.channels) == 6


@pytest.mark.parametrize(("flags", "reasons"), [("fpu sgx sgx_lc", ("energy-filtered",)), ("fpu sgxx", ())])
def test_counters_that_the_processor_blurs_say_so(tmp_path: Path, flags: str, reasons: tuple[str, ...]) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    with rapl(Setup(sysfs=tmp_path, proc=proc)) as here:
        assert [channel.reasons for channel in here.channels] == [reasons]


def test_a_zone_that_states_its_power_says_how_soon_it_may_wrap(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0")
    (path / "constraint_0_power_limit_uw").write_text("150000000\n")
    (path / "constraint_0_max_power_uw").write_text("125000000\n")
    (path / "constraint_1_power_limit_uw").write_text("187500000\n")
    zone(tmp_path, "intel-rapl:1", "package-1")
    with found(tmp_path) as here:
        assert [channel.power_max_w for channel in here.channels] == [375.0, 1000.0]
