"""How sensors are found, in which order they are opened, and what happens when two show the same thing."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from powercap import zone

from joulemark.boundary import total
from joulemark.measurement import BoundaryName
from joulemark.meter import open_meter
from joulemark.sensors import ON_REQUEST, SensorError, Setup, open_sensors, requests_in, sensor_points

PLUGIN = """
from contextlib import contextmanager
from joulemark.measurement import Channel, Component, Provenance, Quantity
from joulemark.sensors import Found

def channel(name, component=Component.CPU):
    return Channel(name, component, Provenance.COUNTER, Quantity.ENERGY, lambda: 7, "third party")

@contextmanager
def good(setup):
    yield Found((channel("package-0"), channel("own", Component.BOARD)))

@contextmanager
def broken(setup):
    raise RuntimeError("no such board")
    yield
"""


def plugin(folder: Path, points: dict[str, str]) -> None:
    """A third party's distribution, as pip installs one."""
    (folder / "third_party_sensor.py").write_text(PLUGIN)
    info = folder / "third_party_sensor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-sensor\nVersion: 1.0\n")
    lines = [f"{name} = third_party_sensor:{function}" for name, function in points.items()]
    (info / "entry_points.txt").write_text("[console_scripts]\nx = y:z\n\n[joulemark.sensors]\n" + "\n".join(lines))


def sensors_json(extra_path: Path, sysfs: Path) -> dict[str, list[dict[str, object]]]:
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from joulemark.cli import main;"
        "sys.argv = ['joulemark', 'sensors', '--json', '--sysfs', sys.argv[1]]; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(extra_path), str(sysfs)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return found


def test_our_own_sensors_are_registered_like_anybodys() -> None:
    from importlib.metadata import entry_points

    theirs = {point.name: point.value for point in entry_points(group="joulemark.sensors")}
    assert dict(sensor_points()) == theirs
    assert set(theirs) >= ON_REQUEST


def test_a_third_partys_sensor_is_found_and_the_first_of_two_names_counts(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    place = tmp_path / "site"
    place.mkdir()
    plugin(place, {"third": "good"})
    channels = {channel["name"]: channel for channel in sensors_json(place, tmp_path)["channels"]}
    assert set(channels) == {"package-0", "own"}
    assert "RAPL" in str(channels["package-0"]["device"])


def test_a_broken_sensor_is_an_absence_and_takes_no_other_along(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    place = tmp_path / "site"
    place.mkdir()
    plugin(place, {"broken": "broken"})
    found = sensors_json(place, tmp_path)
    assert [channel["name"] for channel in found["channels"]] == ["package-0"]
    (absence,) = [absence for absence in found["absences"] if absence["source"] == "broken"]
    assert absence["why"] == "RuntimeError: no such board"


def test_without_a_sign_of_hardware_a_sensor_is_opened_only_to_explain(tmp_path: Path) -> None:
    with open_sensors(Setup(sysfs=tmp_path)) as quiet, open_sensors(Setup(sysfs=tmp_path, explain=True)) as told:
        assert not {absence.source for absence in quiet.absences} & {"rapl", "perf-event", "hwmon", "amdsmi"}
        assert {"rapl", "perf-event", "hwmon", "amdsmi"} <= {absence.source for absence in told.absences}
        assert [channel.name for channel in quiet.channels] == [channel.name for channel in told.channels]


def test_an_unknown_sensor_names_those_there_are() -> None:
    with pytest.raises(SensorError, match="rapl"), open_sensors(Setup(requests=("rapple",))):
        pass


def test_a_sensor_is_asked_for_once() -> None:
    requests = ("system:command=echo 1", "rapl", "system:command=echo 2")
    with pytest.raises(SensorError, match="asked for 2 times"), open_sensors(Setup(requests=requests)):
        pass


@pytest.mark.parametrize("first", ["package-0", "package-0-die-0"])
def test_a_package_and_its_dies_are_one_counter_whoever_names_it(tmp_path: Path, first: str) -> None:
    """Linux 6.10 to 6.11 may call AMD's counter a package in one interface and a die in another."""
    zone(tmp_path, "intel-rapl:0", first, 5)
    (tmp_path / "cpuinfo").write_text("vendor_id : AuthenticAMD\n")
    monitor = tmp_path / "class" / "hwmon" / "hwmon0"
    monitor.mkdir(parents=True)
    for name, text in (("name", "amd_energy"), ("energy1_label", "Esocket0"), ("energy1_input", "5")):
        (monitor / name).write_text(f"{text}\n")
    with open_sensors(Setup(sysfs=tmp_path, proc=tmp_path, requests=("rapl", "hwmon"))) as found:
        assert [channel.name for channel in found.channels] == [first]
    with open_sensors(Setup(sysfs=tmp_path, proc=tmp_path, requests=("hwmon",))) as found:
        assert [channel.name for channel in found.channels] == ["package-0"]


def test_an_apu_whose_package_may_not_be_read_stands_for_the_processor(tmp_path: Path) -> None:
    """The usual laptop without privileges: no model beside the gauge, which reads the processor too."""
    device = tmp_path / "class" / "drm" / "card0" / "device"
    monitor = device / "hwmon" / "hwmon3"
    monitor.mkdir(parents=True)
    (tmp_path / "module" / "amdgpu").mkdir(parents=True)
    for name, text in (("name", "amdgpu"), ("power1_input", "25000000"), ("in1_label", "vddnb")):
        (monitor / name).write_text(f"{text}\n")
    with open_sensors(Setup(sysfs=tmp_path, visible_devices=None)) as found:
        assert [(channel.name, channel.part_of) for channel in found.channels] == [("amd-apu0", None)]


def test_a_meter_at_the_wall_contains_psys(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "psys", 0)
    with open_meter(Setup(sysfs=tmp_path, requests=("rapl", "system:command=echo 100"))) as meter:
        channels = {channel.name: channel for channel in meter.channels}
        assert channels["psys"].part_of == "system"
        energies_j: dict[str, float | None] = {}
        deadline_s = time.monotonic() + 30
        while energies_j.get("system") is None and time.monotonic() < deadline_s:
            psys = zone(tmp_path, "intel-rapl:0", "psys", 0) / "energy_uj"
            window = meter.begin()
            time.sleep(0.2)  # the meter at the wall is sampled
            psys.write_text("1000000\n")
            found = window.end()
            energies_j = {channel.name: channel.energy_j for channel in found.channels}
    assert energies_j["psys"] == pytest.approx(1.0)
    assert energies_j["system"] is not None
    assert energies_j["system"] > 0
    assert total(found, BoundaryName.HOST).energy_j == energies_j["system"]


@pytest.mark.parametrize(
    ("text", "requests"),
    [
        ("", ()),
        (" , ,", ()),
        ("rapl", ("rapl",)),
        ("rapl, nvml", ("rapl", "nvml")),
        ("rapl,foo", ("rapl", "foo")),  # which is then refused by its name
        ("system:command=meter --format a,b", ("system:command=meter --format a,b",)),
        ("system:command=meter -f 'a, b',,c,rapl", ("system:command=meter -f 'a, b',,c", "rapl")),
        ("replay:a,b.json,nvml,fake", ("replay:a,b.json", "nvml", "fake")),
        ("fake,system:url=http://127.0.0.1/x?fields=a,power,replay:t.json",
         ("fake", "system:url=http://127.0.0.1/x?fields=a,power", "replay:t.json")),
    ],
)  # fmt: skip
def test_commas_part_requests_but_not_arguments(text: str, requests: tuple[str, ...]) -> None:
    assert requests_in(text) == requests
