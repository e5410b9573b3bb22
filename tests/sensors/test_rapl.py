import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from powercap import RANGE_UJ, zone

from joulemark.records import Component, Provenance, ReadFailure
from joulemark.sensors import Setup, open_sensors
from joulemark.sensors.rapl import rapl

ALL = Setup(requests=("rapl",))


def found(root: Path):  # type: ignore[no-untyped-def]
    return rapl(Setup(sysfs=root))


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
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (absence,) = json.loads(done.stdout)
    assert absence["source"] == "package-0"
    assert absence["why"] == "permission denied"
    assert absence["remedy"] == f"sudo chmod o+r {path / 'energy_uj'}"


def test_a_measured_processor_hides_the_modelled_one(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    with open_sensors(Setup(sysfs=tmp_path, requests=("modelled-cpu", "rapl"))) as here:
        assert [channel.name for channel in here.channels] == ["package-0"]


def test_psys_does_not_hide_the_modelled_processor(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "psys")
    with open_sensors(Setup(sysfs=tmp_path, requests=("modelled-cpu", "rapl"))) as here:
        assert [channel.name for channel in here.channels] == ["psys", "cpu"]
