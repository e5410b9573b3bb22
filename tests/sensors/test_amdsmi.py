"""AMD boards through a package of the right name on the path, and through the files of the driver."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from powercap import zone

from joulemark.boundary import total
from joulemark.failures import ReadFailure
from joulemark.measurement import BoundaryName, Component, Measurement, Provenance, Quantity
from joulemark.meter import Meter
from joulemark.sensors import Found, Setup, open_sensors
from joulemark.sensors.amdsmi import amdsmi, boards_in_use
from joulemark.sensors.machine import machine as machine_of

RESOLUTION_UJ = 15.259
COUNT_J = 2**-16
NO_POWER = {"socket_power": "N/A", "current_socket_power": 0, "average_socket_power": 0xFFFF}


def board(count: int | str | None, **fields: Any) -> dict[str, Any]:
    energy = (
        None if count is None else {"energy_accumulator": count, "counter_resolution": RESOLUTION_UJ, "timestamp": 1}
    )
    known = {"name": "MI250X", "bdf": None, "energy": energy, "power": NO_POWER, "frozen": False}
    return known | fields


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the package; write its ``boards.json``."""
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("fake_amdsmi.py"), folder / "amdsmi.py")
    monkeypatch.syspath_prepend(folder)
    for name in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    yield folder
    module = sys.modules.pop("amdsmi", None)
    assert module is None or module.STARTED == []  # it was shut down as often as it was started


def write(folder: Path, *boards: dict[str, Any]) -> None:
    (folder / "boards.json").write_text(json.dumps(boards))


def machine(root: Path, visible_devices: str | None = None) -> Setup:
    (root / "module" / "amdgpu").mkdir(parents=True, exist_ok=True)
    return Setup(sysfs=root, visible_devices=visible_devices)


def said(found: Found) -> dict[str, str]:
    return {absence.source: absence.why for absence in found.absences}


def test_a_window_over_the_accumulator(smi: Path, tmp_path: Path) -> None:
    write(smi, board(1_000_000))
    with amdsmi(machine(tmp_path)) as found:
        window = Meter(found.channels).begin()
        write(smi, board(3_000_000))
        time.sleep(0.01)
        (energy,) = window.end().channels
    assert energy.name == "amd-gpu0"
    assert energy.provenance is Provenance.COUNTER
    assert energy.energy_j == pytest.approx(2e6 * COUNT_J)


@pytest.mark.parametrize(("stated_uj", "count_j"), [(15.300000190734863, COUNT_J), (15.259, COUNT_J), (61.0, 61e-6)])
def test_a_count_is_the_kernels_unit_that_the_library_rounds(
    smi: Path, tmp_path: Path, stated_uj: float, count_j: float
) -> None:
    write(smi, board(1, energy={"energy_accumulator": 1_000_000, "counter_resolution": stated_uj, "timestamp": 1}))
    with amdsmi(machine(tmp_path)) as found:
        (channel,) = found.channels
        window = Meter(found.channels).begin()
        write(smi, board(1, energy={"energy_accumulator": 9_000_000, "counter_resolution": stated_uj, "timestamp": 1}))
        time.sleep(0.01)
        (energy,) = window.end().channels
    assert channel.count_j == channel.resolution_j == count_j
    truth_j = 8e6 * count_j
    assert energy.energy_j == pytest.approx(truth_j, rel=1e-6)
    assert energy.low_j is not None
    assert energy.low_j < 0.97 * truth_j  # the tolerance of the sensor is in it
    assert energy.budget.accuracy_j == pytest.approx(0.05 * truth_j, rel=1e-6)


@pytest.mark.parametrize(
    ("stopped", "counts"),
    [({"frozen": True}, True), ({"energy": {"energy_accumulator": 2**64 - 1, "counter_resolution": 15.3}}, False)],
)
def test_a_counter_that_does_not_count_leaves_its_place_to_the_gauge(
    smi: Path, tmp_path: Path, stopped: dict[str, Any], counts: bool
) -> None:
    power = {"socket_power": 90}
    write(smi, board(8_152_136, power=power, **stopped), board(700, power=power), board(500, **stopped))
    with amdsmi(machine(tmp_path)) as found:
        assert [(channel.name, channel.quantity) for channel in found.channels] == [
            ("amd-gpu0", Quantity.POWER),
            ("amd-gpu1", Quantity.ENERGY),
        ]
        assert found.channels[0].read() == 90.0
        assert ("did not move within" in said(found).get("energy counter of amd-gpu0", "")) is counts
        assert "neither an energy counter that counts nor a power gauge" in said(found)["amd-gpu2"]


def test_the_accumulator_was_once_called_power(smi: Path, tmp_path: Path) -> None:
    write(smi, board(None, energy={"power": 77, "counter_resolution": RESOLUTION_UJ, "timestamp": 1}))
    with amdsmi(machine(tmp_path)) as found:
        assert found.channels[0].read() > 77


def test_two_dies_of_a_card_are_one_channel(smi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(smi, board(500), board(0), board(700), board(0))
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "3")
    with amdsmi(machine(tmp_path)) as found:
        assert [(channel.name, channel.in_use) for channel in found.channels] == [
            ("amd-gpu0", False),
            ("amd-gpu2", True),  # its second die is ours
        ]
        assert found.channels[1].reasons == ("device-order-assumed", "two-dies")
        assert set(said(found)) == {"amd-gpu1", "amd-gpu3"}
        assert "amd-gpu2, whose counter covers both" in said(found)["amd-gpu3"]


def test_a_counter_at_zero_with_no_other_die_is_not_taken_for_energy(smi: Path, tmp_path: Path) -> None:
    write(smi, board(0, name="MI210"), board(500), board("N/A", power=NO_POWER | {"average_socket_power": 87}))
    with amdsmi(machine(tmp_path)) as found:
        assert [(channel.name, channel.quantity) for channel in found.channels] == [
            ("amd-gpu1", Quantity.ENERGY),
            ("amd-gpu2", Quantity.POWER),
        ]
        assert found.channels[1].read() == 87.0
        assert "neither an energy counter that counts nor a power gauge" in said(found)["amd-gpu0"]


def test_partitions_of_a_board_are_counted_once(smi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parted = [board(500, name="MI300X", bdf=f"0000:05:00.{number}") for number in range(3)]
    write(smi, *parted, board(900, name="MI300X", bdf="0000:26:00.0"), board(900, name="MI300X", bdf="0001:05:00.0"))
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "2,3")
    with amdsmi(machine(tmp_path)) as found:
        assert [(channel.name, channel.in_use) for channel in found.channels] == [
            ("amd-gpu0", True),  # its third partition is ours
            ("amd-gpu3", True),
            ("amd-gpu4", False),  # of another domain
        ]
        assert found.channels[0].reasons == ("device-order-assumed", "partitions-share-counter")
        assert found.channels[1].reasons == ("device-order-assumed",)
        assert found.repeated == {"amd-gpu1", "amd-gpu2"}
        assert "a partition of the board of amd-gpu0" in said(found)["amd-gpu2"]


def test_a_board_that_fails_takes_no_other_along(smi: Path, tmp_path: Path) -> None:
    write(smi, board(1, name=None), board(5))
    with amdsmi(machine(tmp_path)) as found:
        (channel,) = found.channels
        assert "not supported" in said(found)["amd-gpu0"]
        write(smi, board(1), board(None))
        with pytest.raises(ReadFailure, match="read-failed"):
            channel.read()


def test_without_the_driver_nothing_is_imported(smi: Path, tmp_path: Path) -> None:
    with amdsmi(Setup(sysfs=tmp_path)) as found:
        assert said(found) == {"amdsmi": "the amdgpu driver is not loaded"}
    assert "amdsmi" not in sys.modules


@pytest.mark.parametrize(
    ("rocr", "hip", "expected"),
    [
        (None, None, {0, 1, 2, 3}),
        ("2,3", None, {2, 3}),
        ("2,3", "1", {3}),
        ("GPU-c0ff", None, {2}),
        ("gpu-C0FF00000000000C", None, {2}),  # as people type it
        ("GPU-abb", None, {0}),  # the first letters are enough where they are of one board only
        ("GPU-ab", None, set()),
        ("1,GPU-XX,2", None, {1}),
        ("1,1,2", None, {1}),
        ("²", None, set()),
        ("", None, set()),
        (None, "-1", set()),
        (None, "0,9,1", {0}),
        ("GPU-", None, set()),
    ],
)
def test_visible_boards(rocr: str | None, hip: str | None, expected: set[int]) -> None:
    uuids = ["GPU-abba00000000000a", "GPU-abcd00000000000b", "GPU-c0ff00000000000c", "GPU-dada00000000000d"]
    assert boards_in_use(uuids, rocr, hip) == expected


def test_what_cuda_calls_visible_counts_unless_hip_says_otherwise(
    smi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(smi, board(1), board(2))
    with amdsmi(machine(tmp_path, "1")) as found:
        assert [channel.in_use for channel in found.channels] == [False, True]
        assert found.channels[0].reasons == ("device-order-assumed",)
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "0")
    with amdsmi(machine(tmp_path, "1")) as found:
        assert [channel.in_use for channel in found.channels] == [True, False]


UNTOLD = "all-boards-counted"
PROCESS_LIST = """
def amdsmi_get_gpu_process_list(handle):
    return _field(handle, "processes")
"""


def offer(folder: Path, code: str) -> None:
    """Add a function to the package."""
    with (folder / "amdsmi.py").open("a") as file:
        file.write(code)


def process(pid: int, memory_byte: int | str = 2**20) -> dict[str, Any]:
    memory = {"gtt_mem": 0, "cpu_mem": 0, "vram_mem": memory_byte}
    return {"name": "N/A", "pid": pid, "mem": 0, "memory_usage": memory}


def window(setup: Setup) -> Measurement:
    with amdsmi(setup) as found:
        return Meter(found.channels).begin().end()


def counted(measurement: Measurement) -> list[tuple[bool, bool]]:
    """Of each board whether it counts, and whether only because nobody said that it does not."""
    return [(channel.in_use, UNTOLD in channel.reasons) for channel in measurement.channels]


def test_the_card_with_our_process_is_the_one_in_use(smi: Path, tmp_path: Path) -> None:
    offer(smi, PROCESS_LIST)
    ours, other = process(os.getpid()), process(1, "N/A")
    write(smi, board(1, processes=[other]), board(2, processes=[ours, other]), board(3, processes=None))
    assert counted(window(machine(tmp_path))) == [(False, False), (True, False), (True, True)]


def test_a_process_without_memory_on_a_board_does_not_use_it(smi: Path, tmp_path: Path) -> None:
    offer(smi, PROCESS_LIST)
    write(smi, board(1, processes=[process(os.getpid(), 0)]), board(2, processes=[process(os.getpid())]))
    assert counted(window(machine(tmp_path))) == [(False, False), (True, False)]


def test_a_process_on_the_second_die_uses_the_card(smi: Path, tmp_path: Path) -> None:
    offer(smi, PROCESS_LIST)
    nobody, ours = board(5, processes=[]), board(0, processes=[process(os.getpid())])
    write(smi, nobody, ours, nobody, board(0, processes=[]))
    assert counted(window(machine(tmp_path))) == [(True, False), (False, False)]


@pytest.mark.parametrize(
    "listed",
    ["not offered", None, [], [process(1)], [1234], [{"pid": "N/A", "memory_usage": {"vram_mem": 1}}]],
)
def test_where_no_process_tells_all_cards_count_and_say_so(smi: Path, tmp_path: Path, listed: Any) -> None:
    if listed != "not offered":
        offer(smi, PROCESS_LIST)
    write(smi, board(1, processes=listed), board(None, processes=listed, power={"socket_power": 90}))
    assert counted(window(machine(tmp_path))) == [(True, True)] * 2


def test_one_card_or_cards_that_somebody_chose_need_no_telling(
    smi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(smi, board(5), board(0))  # two dies of one card
    assert counted(window(machine(tmp_path))) == [(True, False)]
    write(smi, board(5, bdf="0000:c1:00.0"), board(6, bdf="0000:C3:00.0"))
    assert counted(window(machine(tmp_path, ""))) == [(False, False)] * 2
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "GPU-5FF36708541C8EC0")
    assert counted(window(machine(tmp_path))) == [(True, True)] * 2  # of neither an id is known
    for address, unique_id in (("0000:c1:00.0", "23a6cd0d658d72b6"), ("0000:c3:00.0", "5ff36708541c8ec0")):
        device = tmp_path / "bus" / "pci" / "devices" / address
        device.mkdir(parents=True)
        (device / "unique_id").write_text(f"{unique_id}\n")
    assert counted(window(machine(tmp_path))) == [(False, False), (True, False)]


def test_a_library_that_fails_to_close_costs_nothing(smi: Path, tmp_path: Path) -> None:
    write(smi, board(1_000_000))
    offer(smi, "\n\ndef amdsmi_shut_down():\n    STARTED.pop()\n    raise AmdSmiLibraryException('busy')\n")
    assert window(machine(tmp_path)).channels[0].energy_j is not None


def test_where_boards_cannot_be_listed_the_drivers_gauges_are_there(smi: Path, tmp_path: Path) -> None:
    write(smi, board(1_000_000))
    offer(smi, "\n\ndef amdsmi_get_processor_handles():\n    raise AmdSmiLibraryException('no')\n")
    gauge(tmp_path, 0, power1_average="87000000")
    with amdsmi(machine(tmp_path)) as found:
        assert [channel.read() for channel in found.channels] == [87.0]
        assert "lists no boards" in said(found)["amdsmi"]


def test_what_another_process_samples_is_sampled_here(smi: Path, tmp_path: Path) -> None:
    write(smi, board(1_000_000, power=NO_POWER | {"socket_power": 90}), board(5))
    with amdsmi(replace(machine(tmp_path), sampled=("amd-gpu0",))) as found:
        assert [channel.quantity for channel in found.channels] == [Quantity.POWER, Quantity.ENERGY]


COUNTING = """
import time

def amdsmi_get_energy_count(handle):
    count = int(time.monotonic() * _field(handle, "counted_w") / 15.259e-6)
    return {"energy_accumulator": count, "counter_resolution": 15.259, "timestamp": 1}
"""


def test_an_idle_window_finds_a_counter_that_is_not_what_the_gauge_says(smi: Path, tmp_path: Path) -> None:
    offer(smi, COUNTING)
    write(
        smi,
        board(1, counted_w=100.0, power={"socket_power": 100}),
        board(1, counted_w=150.0, power={"socket_power": 100}),
        board(1, counted_w=150.0),
        board(1, counted_w=4.9, power={"socket_power": 4}),  # a gauge of whole watts
    )
    with amdsmi(machine(tmp_path)) as found:
        measurement = Meter(found.channels).idle(1.0)
    assert [channel.name for channel in measurement.channels if "counter-disagrees" in channel.reasons] == ["amd-gpu1"]


def gauge(root: Path, card: int, driver: str = "amdgpu", **files: str) -> Path:
    folder = root / "class" / "drm" / f"card{card}" / "device" / "hwmon" / f"hwmon{card + 3}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(driver + "\n")
    for name, text in files.items():
        (folder / name).write_text(text + "\n")
    return folder


@pytest.mark.parametrize("package", ["import ctypes; ctypes.CDLL('libamd_smi_is_not_there.so')", "none", "no driver"])
def test_without_a_package_that_works_the_driver_is_sampled(smi: Path, tmp_path: Path, package: str) -> None:
    if package == "none":
        (smi / "amdsmi.py").unlink()
    elif package == "no driver":
        write(smi)
    else:
        (smi / "amdsmi.py").write_text(package + "\n")
    file = gauge(tmp_path, 10, power1_input="35000000") / "power1_input"
    gauge(tmp_path, 2, power1_average="88000000", power1_input="1")
    gauge(tmp_path, 1, driver="xe", power1_input="1")
    with amdsmi(machine(tmp_path)) as found:
        assert [(channel.name, channel.device, channel.read()) for channel in found.channels] == [
            ("amd-gpu0", "AMD GPU card2", 88.0),
            ("amd-gpu1", "AMD GPU card10", 35.0),
        ]
        assert {channel.provenance for channel in found.channels} == {Provenance.SAMPLED}
        assert {channel.reasons for channel in found.channels} == {(UNTOLD,)}
        assert "sampled instead of counted" in said(found)["amdsmi"]
        file.write_text("\n")
        with pytest.raises(ReadFailure, match="read-failed"):
            found.channels[1].read()


PLACE = "0000:c1:00.0"


def driver(root: Path, files: dict[str, bytes], place: str = PLACE) -> None:
    """What the driver shows of a board in its folder on the PCI bus."""
    folder = root / "bus" / "pci" / "devices" / place
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


# A label of the northbridge's voltage, and headers of gpu_metrics: two bytes of size, format, content.
RYZEN: list[dict[str, bytes]] = [
    {"hwmon/hwmon4/in1_label": b"vddnb\n"},
    {"gpu_metrics": b"\x80\x00\x02\x01" + bytes(124)},
    {"gpu_metrics": b"\x08\x01\x03\x00" + bytes(260)},
]


def both(setup: Setup) -> Setup:
    return Setup(setup.sysfs, setup.proc, ("amdsmi", "rapl"), setup.visible_devices)


@pytest.mark.parametrize("signs", RYZEN)
def test_an_apu_is_not_added_to_its_processor(smi: Path, tmp_path: Path, signs: dict[str, bytes]) -> None:
    driver(tmp_path, signs)
    write(smi, board(None, name="Radeon 780M", bdf=PLACE, power={"socket_power": 28}))
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0) / "energy_uj"
    with open_sensors(both(machine(tmp_path))) as found:
        channels = {channel.name: (channel.component, channel.part_of) for channel in found.channels}
        assert channels == {
            "package-0": (Component.CPU, None),
            "amd-apu0": (Component.BOARD, "package-0"),
        }
        window = Meter(found.channels).begin()
        counter.write_text("3000000\n")
        time.sleep(0.01)
        measurement = window.end()
        assert total(measurement, BoundaryName.DEVICE).energy_j == pytest.approx(3.0)
        assert machine_of(machine(tmp_path), found.channels).gpus == ("Radeon 780M",)


def test_an_apu_whose_processor_has_no_counter_is_read_as_one(smi: Path, tmp_path: Path) -> None:
    driver(tmp_path, RYZEN[0])
    write(smi, board(None, name="Radeon 780M", bdf=PLACE, power={"socket_power": 28}))
    (tmp_path / "proc").mkdir()
    setup = Setup(tmp_path, tmp_path / "proc", ("amdsmi", "modelled-cpu"), machine(tmp_path, "").visible_devices)
    with open_sensors(setup) as found:
        (channel,) = found.channels  # with no model of the processor on top of it
        assert Meter(found.channels).board_metered
    assert channel.covers == (Component.CPU, Component.GPU)
    assert (channel.part_of, channel.in_use, channel.reasons) == (None, True, ("socket-scope",))


def test_an_apu_is_not_the_board_of_nvidia_that_nothing_reads(smi: Path, tmp_path: Path) -> None:
    driver(tmp_path, RYZEN[0])
    (tmp_path / "module" / "nvidia").mkdir(parents=True)
    write(smi, board(None, name="Radeon 780M", bdf=PLACE, power={"socket_power": 28}))
    with amdsmi(machine(tmp_path, "0")) as found:
        assert [(channel.covers, channel.in_use) for channel in found.channels] == [((Component.CPU,), True)]
        assert not Meter(found.channels).board_metered


def test_a_board_beside_an_apu_is_the_one_board(smi: Path, tmp_path: Path) -> None:
    driver(tmp_path, RYZEN[0])
    signs = {"gpu_metrics": b"\x78\x00\x01\x03" + bytes(116), "hwmon/hwmon3/in0_label": b"vddgfx\n"}
    driver(tmp_path, signs, "0000:03:00.0")
    write(
        smi,
        board(700, name="RX 7900", bdf="0000:03:00.0"),
        board(None, name="Radeon 780M", bdf=PLACE, power={"socket_power": 28}),
    )
    with amdsmi(machine(tmp_path)) as found:
        assert [(channel.name, channel.component, channel.reasons) for channel in found.channels] == [
            ("amd-gpu0", Component.GPU, ()),
            ("amd-apu1", Component.BOARD, ("socket-scope",)),
        ]


@pytest.mark.parametrize("told", ["name", "device"])
def test_the_socket_of_an_mi300a_contains_its_processors_counter(smi: Path, tmp_path: Path, told: str) -> None:
    places = [f"0000:{bus}:00.0" for bus in ("01", "41")]
    for index, place in enumerate(places):
        zone(tmp_path, f"intel-rapl:{index}", f"package-{index}", 5)
        if told == "device":
            driver(tmp_path, {"device": b"0x74a0\n"}, place)
    name = "AMD Instinct MI300A" if told == "name" else "AMD Instinct"
    write(smi, *(board(700, name=name, bdf=place) for place in places))
    with open_sensors(both(machine(tmp_path, "1"))) as found:
        channels = {channel.name: (channel.part_of, channel.in_use) for channel in found.channels}
    assert channels == {
        "amd-apu0": (None, False),
        "amd-apu1": (None, True),
        "package-0": ("amd-apu0", True),
        "package-1": ("amd-apu1", True),
    }


def test_the_drivers_gauge_of_an_apu_is_that_of_its_socket(smi: Path, tmp_path: Path) -> None:
    (smi / "amdsmi.py").unlink()
    gauge(tmp_path, 1, power1_average="28000000", in1_label="vddnb")
    gauge(tmp_path, 2, power1_average="88000000")
    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    with open_sensors(both(machine(tmp_path))) as found:
        assert {channel.name: channel.part_of for channel in found.channels} == {
            "package-0": None,
            "amd-apu0": "package-0",
            "amd-gpu1": None,
        }


def test_beside_nvidias_boards_cudas_choice_is_of_these(
    smi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module" / "nvidia").mkdir(parents=True)
    offer(smi, PROCESS_LIST)
    write(smi, board(1, processes=[]), board(2, processes=[]))
    assert counted(window(machine(tmp_path, "0"))) == [(False, False)] * 2
    assert counted(window(machine(tmp_path, ""))) == [(False, False)] * 2
    assert counted(window(machine(tmp_path))) == [(True, True)] * 2
    write(smi, board(1, processes=[]), board(2, processes=[process(os.getpid())]))
    assert counted(window(machine(tmp_path, "0"))) == [(False, False), (True, False)]
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "0")
    assert counted(window(machine(tmp_path, "1"))) == [(True, False), (False, False)]
