import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from powercap import let_everybody_in

from joulemark.failures import ReadFailure
from joulemark.measurement import Component, Provenance, Quantity
from joulemark.meter import Meter, open_meter
from joulemark.sensors import Found, Setup, open_sensors
from joulemark.sensors.hwmon import hwmon


def monitor(root: Path, number: int, **files: str) -> Path:
    """``hwmonN`` with the files of a monitor; ``device__`` before a name puts it into the device."""
    folder = root / "class" / "hwmon" / f"hwmon{number}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        file = folder / name.replace("device__", "device/")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + "\n")
    return folder


def grace(root: Path, number: int, info: str, power_uw: int, **more: str) -> Path:
    return monitor(
        root,
        number,
        name="power_meter",
        device__power1_oem_info=info,
        device__power1_average=str(power_uw),
        **{f"device__{name}": text for name, text in more.items()},
    )


def tree(found: Found) -> dict[str, tuple[Component, str | None]]:
    return {channel.name: (channel.component, channel.part_of) for channel in found.channels}


def test_grace_is_nested_and_its_module_stands_apart(tmp_path: Path) -> None:
    grace(tmp_path, 1, "Module Power Socket 0", 600_000_000)
    grace(tmp_path, 2, "Grace Power Socket 0", 150_000_000, power1_average_interval="1000")
    grace(tmp_path, 3, "CPU Power Socket 0", 100_000_000)
    grace(tmp_path, 10, "SysIO Power Socket 0", 20_000_000)
    grace(tmp_path, 11, "Chassis Power 0", 1)
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert tree(found) == {
            "module-0": (Component.SYSTEM, None),
            "grace-0": (Component.CPU, None),
            "grace-cpu-0": (Component.CPU, "grace-0"),
            "grace-sysio-0": (Component.BOARD, "grace-0"),
        }
        assert [channel.read() for channel in found.channels] == [600.0, 150.0, 100.0, 20.0]
        assert [channel.update_period_s for channel in found.channels] == [0.05, 1.0, 0.05, 0.05]
        assert found.channels[0].reasons == ("module-scope",)
        assert [channel.covers for channel in found.channels] == [(), (Component.DRAM,), (), ()]
        assert {channel.provenance for channel in found.channels} == {Provenance.SAMPLED}


def test_a_meter_of_grace_that_repeats_itself_is_not_believed(tmp_path: Path) -> None:
    folder = grace(tmp_path, 2, "Grace Power Socket 0", 91_355_000, power1_average_interval="20")
    with open_meter(Setup(sysfs=tmp_path, requests=("hwmon",))) as meter:
        window = meter.begin()
        time.sleep(2.2)  # 110 of its updates
        measurement = window.end()
        (energy,) = measurement.channels
        assert energy.energy_j == pytest.approx(91.355 * measurement.duration_s)
        assert "gauge-stood-still" in energy.reasons
        assert energy.low_j == 0.0
        assert energy.high_j == pytest.approx(2000 * measurement.duration_s, rel=0.05)
        window = meter.begin()
        time.sleep(1.1)
        (folder / "device" / "power1_average").write_text("91356000\n")
        time.sleep(1.1)
        (energy,) = window.end().channels
        assert "gauge-stood-still" not in energy.reasons


def test_amd_sockets_have_the_names_that_rapl_gives_them(tmp_path: Path) -> None:
    folder = monitor(
        tmp_path,
        0,
        name="amd_energy",
        energy1_label="Ecore000",
        energy1_input="1",
        energy2_label="Esocket1",
        energy2_input="3000000",
        energy3_label="Esocket0",
        energy3_input="2000000",
    )
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert tree(found) == {"package-1": (Component.CPU, None), "package-0": (Component.CPU, None)}
        window = Meter(found.channels).begin()
        (folder / "energy3_input").write_text("7500000\n")
        time.sleep(0.01)
        still, moved = window.end().channels
    assert moved.energy_j == pytest.approx(5.5)
    assert moved.provenance is Provenance.COUNTER
    assert still.energy_j is None
    assert still.reasons == ("counter-stood-still",)


def intel(root: Path, number: int, address: str, driver: str, **files: str) -> None:
    device = root / "devices" / address
    device.mkdir(parents=True)
    (monitor(root, number, name=driver, **files) / "device").symlink_to(device)


def test_intel_gpus_are_numbered_by_their_place_on_the_bus(tmp_path: Path) -> None:
    intel(tmp_path, 1, "0000:8c:00.0", "i915", energy1_input="5000000")
    watts = {"power1_max": "0", "power1_rated_max": "300000000"}
    intel(tmp_path, 2, "0000:03:00.0", "xe", energy1_input="1000000", energy2_input="900000", **watts)
    intel(tmp_path, 3, "0000:53:00.0", "xe", energy2_input="2000000")
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert tree(found) == {f"intel-gpu{index}": (Component.GPU, None) for index in range(3)}
        assert [channel.read() for channel in found.channels] == [1_000_000, 2_000_000, 5_000_000]
        assert [channel.count_j for channel in found.channels] == [1e-6] * 3
        assert found.channels[1].device == "Intel GPU 0000:53:00.0 (xe)"
        assert [channel.power_max_w for channel in found.channels] == [600.0, 2000.0, 2000.0]
        # The register turns after 262 kJ: at 2 kW it is read four times in 131 s.
        assert Meter(found.channels).keep_alive_ns == pytest.approx(2**18 / 2000 / 4 * 1e9)


def test_several_intel_gpus_all_count_and_say_so(tmp_path: Path) -> None:
    intel(tmp_path, 1, "0000:03:00.0", "xe", energy1_input="1000000")
    intel(tmp_path, 2, "0000:00:02.0", "i915", freq1_input="300")  # inside the processor: nothing to meter
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert [(channel.name, channel.reasons) for channel in found.channels] == [("intel-gpu1", ())]
    intel(tmp_path, 3, "0000:8c:00.0", "xe", energy1_input="2000000")
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert [(channel.name, channel.in_use, channel.reasons) for channel in found.channels] == [
            ("intel-gpu1", True, ("all-boards-counted",)),
            ("intel-gpu2", True, ("all-boards-counted",)),
        ]


def rails(root: Path, number: int, *labels: str) -> None:
    files: dict[str, str] = {}
    for index, label in enumerate(labels, start=1):
        files |= {f"in{index}_label": label, f"in{index}_input": "5000", f"curr{index}_input": f"{100 * index}"}
    monitor(root, number, name="ina3221", **files)


def test_a_rail_that_feeds_the_others_contains_them(tmp_path: Path) -> None:
    rails(tmp_path, 1, "VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert tree(found) == {
            "vdd_in": (Component.BOARD, None),
            "vdd_cpu_gpu_cv": (Component.BOARD, "vdd_in"),
            "vdd_soc": (Component.BOARD, "vdd_in"),
        }
        assert [channel.read() for channel in found.channels] == pytest.approx([0.5, 1.0, 1.5])
        assert {channel.quantity for channel in found.channels} == {Quantity.POWER}
        assert found.channels[0].covers == (Component.CPU, Component.GPU, Component.DRAM)
    with open_sensors(Setup(sysfs=tmp_path, requests=("hwmon", "modelled-cpu", "modelled-dram"))) as found:
        assert {channel.provenance for channel in found.channels} == {Provenance.SAMPLED}  # no model on top of it


def test_rails_side_by_side_belong_to_what_they_feed(tmp_path: Path) -> None:
    rails(tmp_path, 1, "VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
    rails(tmp_path, 2, "NC", "VDDQ_VDD2_1V8AO", "NC")
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert tree(found) == {
            "vdd_gpu_soc": (Component.GPU, None),
            "vdd_cpu_cv": (Component.CPU, None),
            "vin_sys_5v0": (Component.BOARD, None),
            "vddq_vdd2_1v8ao": (Component.DRAM, "vin_sys_5v0"),
        }


def thor(root: Path, idle_ma: str = "100") -> Path:
    rails(root, 1, "VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0")
    (root / "class" / "hwmon" / "hwmon1" / "curr1_input").write_text(idle_ma + "\n")
    return monitor(root, 2, name="ina238", label="VIN", power1_input="23000000", in1_input="19000", curr1_input="1210")


def test_on_thor_the_whole_is_read_by_another_chip(tmp_path: Path) -> None:
    thor(tmp_path)
    monitor(tmp_path, 3, name="ina238", label="FAN", power1_input="1000000")  # somebody's own
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert tree(found) == {
            "vin": (Component.BOARD, None),
            "vdd_gpu": (Component.GPU, "vin"),
            "vdd_cpu_soc_mss": (Component.CPU, "vin"),
            "vin_sys_5v0": (Component.BOARD, "vin"),
        }
        whole = next(channel for channel in found.channels if channel.name == "vin")
        assert whole.read() == pytest.approx(23.0)
        assert whole.covers == (Component.CPU, Component.GPU, Component.DRAM)


def test_a_rail_that_reads_below_zero_has_no_negative_energy(tmp_path: Path) -> None:
    thor(tmp_path, idle_ma="-80")  # at 5 V: -0.4 W
    with open_meter(Setup(sysfs=tmp_path, requests=("hwmon",))) as meter:
        window = meter.begin()
        time.sleep(0.3)
        measurement = window.end()
    energy = next(channel for channel in measurement.channels if channel.name == "vdd_gpu")
    assert (energy.energy_j, energy.low_j) == (0.0, 0.0)
    assert energy.high_j == pytest.approx(0.4 * measurement.duration_s)
    assert "gauge-below-zero" in energy.reasons


def tegra(root: Path, address: str, *labels: str) -> Path:
    """What the driver of JetPack 4 shows of a monitor at an address of its bus."""
    folder = root / "bus" / "i2c" / "drivers" / "ina3221x" / address / "iio:device0"
    folder.mkdir(parents=True)
    for number, label in enumerate(labels):
        (folder / f"rail_name_{number}").write_text(label + "\n")
        (folder / f"in_power{number}_input").write_text(f"{1500 * (number + 1)}\n")
        (folder / f"in_power{number}_trigger_input").write_text("0\n")
    return folder


def test_under_jetpack_4_rails_show_their_power(tmp_path: Path) -> None:
    tegra(tmp_path, "6-0040", "POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU")
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert tree(found) == {
            "pom_5v_in": (Component.BOARD, None),
            "pom_5v_gpu": (Component.GPU, "pom_5v_in"),
            "pom_5v_cpu": (Component.CPU, "pom_5v_in"),
        }
        assert [channel.read() for channel in found.channels] == pytest.approx([1.5, 3.0, 4.5])
        assert found.absences == ()


def test_rails_of_a_carrier_board_are_not_the_modules(tmp_path: Path) -> None:
    tegra(tmp_path, "0-0040", "VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI")
    tegra(tmp_path, "0-0041", "VDD_IN", "VDD_SYS_CPU", "VDD_SYS_DDR")
    tegra(tmp_path, "0-0042", "VDD_MUX", "VDD_5V0_IO_SYS", "VDD_3V3_SYS")
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert tree(found) == {
            "vdd_in": (Component.BOARD, None),
            "vdd_sys_gpu": (Component.GPU, "vdd_in"),
            "vdd_sys_soc": (Component.BOARD, "vdd_in"),
            "vdd_4v0_wifi": (Component.BOARD, "vdd_in"),
            "vdd_sys_cpu": (Component.CPU, "vdd_in"),
            "vdd_sys_ddr": (Component.DRAM, "vdd_in"),
        }
        assert {absence.source for absence in found.absences} == {"vdd_mux", "vdd_5v0_io_sys", "vdd_3v3_sys"}


def test_a_file_that_turns_to_nonsense_or_is_missing_says_so(tmp_path: Path) -> None:
    rails(tmp_path, 1, "VDD_GPU_SOC", "VDD_CPU_CV")
    folder = tmp_path / "class" / "hwmon" / "hwmon1"
    (folder / "curr2_input").unlink()
    with hwmon(Setup(sysfs=tmp_path)) as found:
        (channel,) = found.channels
        (absence,) = found.absences
        (folder / "in1_input").write_text("\n")
        with pytest.raises(ReadFailure, match="read-failed"):
            channel.read()
    assert absence.source == "vdd_cpu_cv"
    assert "curr2_input: No such file" in absence.why


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody without permission")
def test_no_permission_names_the_file_and_the_command(tmp_path: Path) -> None:
    folder = monitor(tmp_path, 0, name="amd_energy", energy1_label="Esocket0", energy1_input="1")
    (folder / "energy1_input").chmod(0o400)
    let_everybody_in(tmp_path)
    program = (
        "import json, os, sys\n"
        "from dataclasses import asdict\n"
        "from pathlib import Path\n"
        "from joulemark.sensors import Setup\n"
        "from joulemark.sensors.hwmon import hwmon\n"
        "os.seteuid(65534)\n"  # only after importing: the interpreter's own files may be root's
        "with hwmon(Setup(sysfs=Path(sys.argv[1]))) as found:\n"
        "    print(json.dumps([asdict(absence) for absence in found.absences]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (absence,) = json.loads(done.stdout)
    assert absence["source"] == "package-0"
    assert absence["remedy"] == f"sudo chmod o+r {folder / 'energy1_input'}"


def test_monitors_of_other_things_are_left_alone(tmp_path: Path) -> None:
    monitor(tmp_path, 0, name="coretemp", temp1_input="40000")
    monitor(tmp_path, 1, name="nvme", in1_label="VDD_IN", in1_input="1", curr1_input="1")
    with hwmon(Setup(sysfs=tmp_path)) as found:
        assert found.channels == ()
        assert found.absences[0].source == "hwmon"
