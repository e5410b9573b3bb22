import time
from pathlib import Path

import pytest

from joulemark.measurement import Component, Provenance
from joulemark.meter import Meter
from joulemark.sensors import Setup
from joulemark.sensors.modelled_dram import modelled_dram


def proc(folder: Path, meminfo: str = "MemTotal:       67108864 kB\n", flags: str = "fpu vme") -> Setup:
    (folder / "meminfo").write_text(meminfo)
    (folder / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    return Setup(sysfs=folder / "sys", proc=folder)


def test_memory_counts_by_the_gigabyte_within_a_factor(tmp_path: Path) -> None:
    with modelled_dram(proc(tmp_path)) as found:
        window = Meter(found.channels).begin()
        time.sleep(0.1)
        measurement = window.end()
    assert found.channels[0].device == "64 GiB of memory, 9.6 W"
    (energy,) = measurement.channels
    assert energy.component is Component.DRAM
    assert energy.provenance is Provenance.MODELLED
    assert energy.reasons == ("modelled",)
    truth_j = 64 * 0.15 * measurement.duration_s
    assert energy.energy_j == pytest.approx(truth_j, rel=0.02)
    assert energy.low_j == pytest.approx(truth_j / 3, rel=0.02)
    assert energy.high_j == pytest.approx(truth_j * 3, rel=0.02)


def test_a_virtual_machine_says_so(tmp_path: Path) -> None:
    with modelled_dram(proc(tmp_path, flags="fpu hypervisor vme")) as found:
        assert found.channels[0].reasons == ("modelled", "virtual-machine")


def test_an_arm_machine_of_a_cloud_says_so(tmp_path: Path) -> None:
    setup = proc(tmp_path)
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    firmware = setup.sysfs / "class" / "dmi" / "id"
    firmware.mkdir(parents=True)
    (firmware / "product_name").write_text("Google Compute Engine\n")
    with modelled_dram(setup) as found:
        assert found.channels[0].reasons == ("modelled", "virtual-machine")


def test_without_meminfo_there_is_no_model(tmp_path: Path) -> None:
    with modelled_dram(Setup(proc=tmp_path)) as found:
        assert found.channels == ()
        assert found.absences[0].source == "modelled-dram"
    with modelled_dram(proc(tmp_path, meminfo="MemFree: 1 kB\n")) as found:
        assert "no MemTotal" in found.absences[0].why
