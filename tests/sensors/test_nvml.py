"""NVML through a library that answers for boards that do not exist; every reader is a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from disturbed_program import DISTURBED
from known_power import build_c, steady
from nvml_shim import INSTANT, Board, Boards, nvml_shim

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
pytest.importorskip("pynvml")

STEADY = steady(200.0)
SHOW = """
    import json, os, sys
    from joulemark.failures import ReadFailure
    from joulemark.sensors import Setup
    from joulemark.sensors.nvml import nvml
    def value(channel):
        try:
            return channel.read()
        except ReadFailure as failure:
            return failure.reason
    def show(found):
        return {
            "channels": {
                channel.name: {
                    "in_use": channel.in_use, "reasons": channel.reasons, "device": channel.device,
                    "quantity": channel.quantity, "update_period_s": channel.update_period_s, "value": value(channel),
                } for channel in found.channels
            },
            "absences": {absence.source: absence.why for absence in found.absences},
            "remedies": {absence.source: absence.remedy for absence in found.absences},
        }
    said = []
    for selection in json.loads(sys.argv[1]):
        for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
            os.environ.pop(name, None)
        os.environ.update(selection)
        with nvml(Setup()) as found:
            said.append(show(found))
    print(json.dumps(said))
"""


def run(boards: Boards, program: str, *arguments: str, **environment: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        env=dict(os.environ) | dict(boards.environment) | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def show(boards: Boards, *selections: dict[str, str], program: str = SHOW, **environment: str) -> list[Any]:
    """What the sensor finds under each selection, in one process."""
    said = run(boards, program, json.dumps(selections or [{}]), **environment)
    assert isinstance(said, list)
    return said


def visible(*entries: str) -> list[dict[str, str]]:
    return [{"CUDA_VISIBLE_DEVICES": entry} for entry in entries]


def in_use(said: Any) -> list[str]:
    return [name for name, channel in said["channels"].items() if channel["in_use"]]


def same_boards(count_n: int) -> list[Board]:
    return [Board(STEADY, uuid=f"GPU-{index}a-rest") for index in range(count_n)]


def test_visible_devices_are_ours_and_the_others_are_named(tmp_path: Path) -> None:
    expected = {
        "": [],
        "-1": [],
        "NoDevFiles": [],
        "2": ["gpu2"],
        "2,0": ["gpu0", "gpu2"],
        " 1 ": ["gpu1"],
        "1,-1,2": ["gpu1"],
        "7,1": [],
        "GPU-1": ["gpu1"],
        "GPU-1a-rest,GPU-2a": ["gpu1", "gpu2"],
        "GPU-": [],  # fits all of them
        "1a-rest": [],
        "MIG-1": [],
    }
    unset, *said = show(nvml_shim(tmp_path, same_boards(3)), {}, *visible(*expected))
    assert in_use(unset) == ["gpu0", "gpu1", "gpu2"]
    assert {entry: in_use(one) for entry, one in zip(expected, said, strict=True)} == expected
    for one in said:
        assert list(one["channels"]) == ["gpu0", "gpu1", "gpu2"]
        assert not any(channel["reasons"] for channel in one["channels"].values())


def test_numbers_are_those_of_the_boards_that_answer(tmp_path: Path) -> None:
    boards = same_boards(4)
    boards[1] = Board(STEADY, lost_after_s=0.0)
    uuid, before, behind, both, beyond = show(nvml_shim(tmp_path, boards), *visible("GPU-2a", "0", "1", "0,2", "4"))
    for said in (uuid, before, behind, both, beyond):
        assert list(said["channels"]) == ["gpu0", "gpu2", "gpu3"]
        assert "lost" in said["absences"]["gpu1"]
    assert [in_use(said) for said in (uuid, before, behind, both)] == [["gpu2"], ["gpu0"], ["gpu2"], ["gpu0", "gpu3"]]
    assert uuid["channels"]["gpu2"]["reasons"] == before["channels"]["gpu0"]["reasons"] == []
    for said in (behind, both):
        assert all(said["channels"][name]["reasons"] == ["device-order-assumed"] for name in in_use(said))
    assert in_use(beyond) == []  # there never were so many


@pytest.mark.parametrize(("asked", "ours"), [("0,0", []), ("²", []), ("1,²", ["gpu1"])])
def test_entries_that_cuda_does_not_take(tmp_path: Path, asked: str, ours: list[str]) -> None:
    (said,) = show(nvml_shim(tmp_path, same_boards(2)), *visible(asked))
    assert in_use(said) == ours


@pytest.mark.parametrize(("lost", "asked"), [(0, "2"), (2, "2"), (0, "2,0")])
def test_where_the_board_asked_for_is_not_there_all_count_and_say_so(tmp_path: Path, lost: int, asked: str) -> None:
    boards = same_boards(3)
    boards[lost] = Board(STEADY, lost_after_s=0.0)
    (said,) = show(nvml_shim(tmp_path, boards), *visible(asked))
    assert len(said["channels"]) == 2
    assert in_use(said) == list(said["channels"])
    assert {tuple(channel["reasons"]) for channel in said["channels"].values()} == {("all-boards-counted",)}


MIXED = [
    Board(STEADY, name="Small", uuid="GPU-small"),
    Board(STEADY, name="Large", uuid="GPU-large"),
    Board(STEADY, name="Large", uuid="GPU-other"),
]


def test_numbers_of_different_boards_are_only_assumed_to_be_in_order(tmp_path: Path) -> None:
    assumed, *known = show(
        nvml_shim(tmp_path, MIXED),
        {"CUDA_VISIBLE_DEVICES": "0"},
        {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        {"CUDA_VISIBLE_DEVICES": "GPU-small"},
    )
    assert in_use(assumed) == ["gpu0"]
    assert assumed["channels"]["gpu0"]["reasons"] == ["device-order-assumed"]
    for said in known:
        assert in_use(said) == ["gpu0"]
        assert said["channels"]["gpu0"]["reasons"] == []


TORCH = """
class cuda:
    is_initialized = staticmethod(lambda: INITIALIZED)
    device_count = staticmethod(lambda: 1)
    class get_device_properties:
        def __init__(self, index):
            self.uuid = "large"
"""


@pytest.mark.parametrize("initialized", [True, False])
def test_a_framework_that_has_opened_its_boards_settles_the_order(tmp_path: Path, initialized: bool) -> None:
    (tmp_path / "torch.py").write_text(TORCH.replace("INITIALIZED", str(initialized)))
    boards = nvml_shim(tmp_path, MIXED)
    program = "import torch\n" + textwrap.dedent(SHOW)
    (said,) = show(boards, *visible("0"), program=program, PYTHONPATH=str(tmp_path))
    assert in_use(said) == (["gpu1"] if initialized else ["gpu0"])
    assert said["channels"]["gpu1"]["reasons"] == ([] if initialized else ["device-order-assumed"])


def with_instances(folder: Path, boards: Sequence[Board], instances: str) -> Boards:
    """Boards with MIG instances ``BOARD:UUID,…``."""
    behind = nvml_shim(folder, boards)
    front = folder / "front"
    front.mkdir()
    options = ["-shared", "-fPIC", "-Wl,--no-as-needed", str(folder / "libnvidia-ml.so.1"), "-ldl"]
    build_c(Path(__file__).with_name("nvml_mig.c"), front / "libnvidia-ml.so.1", options)
    environment = dict(behind.environment) | {
        "LD_LIBRARY_PATH": f"{front}:{behind.environment['LD_LIBRARY_PATH']}",
        "SIMULATED_MIG": instances,
    }
    return Boards(environment, behind.origin_ns, behind.boards)


def test_an_instance_stands_for_its_board(tmp_path: Path) -> None:
    boards = same_boards(2)
    boards[1] = Board(STEADY, uuid="GPU-1a-rest", mig=True)
    expected = {
        "MIG-bbbb-2": ["gpu1"],
        "MIG-b": [],  # fits two
        "MIG-cccc": [],
        "MIG-GPU-1a-rest/3/0": ["gpu1"],
        "MIG-GPU-9/3/0": [],
        "0": ["gpu0"],
    }
    shared = with_instances(tmp_path, boards, "1:MIG-bbbb-1,1:MIG-bbbb-2")
    said = show(shared, *visible(*expected))
    assert {entry: in_use(one) for entry, one in zip(expected, said, strict=True)} == expected
    for one in said:
        assert one["channels"]["gpu1"]["reasons"] == ["mig-shared"]
        assert one["channels"]["gpu0"]["reasons"] == []


def test_mig_without_a_list_of_instances_is_flagged_all_the_same(tmp_path: Path) -> None:
    (said,) = show(nvml_shim(tmp_path, [Board(STEADY, mig=True)]))
    assert said["channels"]["gpu0"]["reasons"] == ["mig-shared"]


def test_without_a_counter_the_instant_gauge_then_the_mean_gauge_then_nothing(tmp_path: Path) -> None:
    boards = [
        Board(STEADY, counter=False),
        Board(STEADY, counter=False, instant=None, power=INSTANT),
        Board(STEADY, counter=False, instant=None, power=None, name="Bare"),
    ]
    (said,) = show(nvml_shim(tmp_path, boards))
    instant, mean = said["channels"]["gpu0"], said["channels"]["gpu1"]
    assert (instant["quantity"], instant["update_period_s"]) == ("power", 0.1)
    assert (mean["quantity"], mean["update_period_s"]) == ("power", 1.0)  # the shim is of an architecture after Turing
    assert mean["value"] == pytest.approx(200.0, abs=0.01)
    assert said["absences"] == {"gpu2": "Bare has neither an energy counter nor a power gauge"}


WINDOW = """
    import json, sys, time
    from joulemark.meter import Meter
    from joulemark.sensors import Setup
    from joulemark.sensors.nvml import nvml
    def sleep_until(at_s):
        time.sleep(max(0.0, at_s - (time.monotonic_ns() - int(sys.argv[1])) / 1e9))
    with nvml(Setup()) as found:
        sleep_until(1.8)
        window = Meter(found.channels).begin()
        sleep_until(2.3)
        measurement = window.end()
    said = {energy.name: [energy.energy_j, *energy.reasons] for energy in measurement.channels}
    print(json.dumps([measurement.duration_s, said]))
"""


def test_a_board_lost_or_reloaded_or_stuck_in_the_window_is_unknown(tmp_path: Path) -> None:
    boards = [
        Board(STEADY, update_period_s=0.01),
        Board(STEADY, update_period_s=0.01, lost_after_s=2.0),
        Board(STEADY, update_period_s=0.01, start_j=1e6, reset_every_s=2.0),
        Board(STEADY, still_after_s=0.0),
    ]
    simulated = nvml_shim(tmp_path, boards)
    duration_s, said = run(simulated, WINDOW, str(simulated.origin_ns))
    assert said["gpu0"][0] == pytest.approx(200.0 * duration_s, abs=200.0 * 0.02)
    reasons = {name: (energy_j, found[-1]) for name, (energy_j, *found) in said.items()}
    assert reasons["gpu1"] == (None, "device-lost")
    assert reasons["gpu2"] == (None, "counter-went-back")
    assert reasons["gpu3"] == (None, "counter-stood-still")


def test_boards_that_nobody_told_apart_and_sensors_that_look_part_of_the_time(tmp_path: Path) -> None:
    boards = [Board(STEADY, name="NVIDIA H100 80GB HBM3"), Board(STEADY, name="NVIDIA L40S")]
    unset, chosen = show(nvml_shim(tmp_path, boards), {}, *visible("GPU-0"))
    assert unset["channels"]["gpu0"]["reasons"] == ["all-boards-counted", "part-time-sensor"]
    assert unset["channels"]["gpu1"]["reasons"] == ["all-boards-counted"]
    assert chosen["channels"]["gpu0"]["reasons"] == ["part-time-sensor"]
    assert chosen["channels"]["gpu1"]["reasons"] == []


def test_boards_with_the_chips_of_part_time_sensors_have_them_too(tmp_path: Path) -> None:
    part_time = ["A100-SXM4-40GB", "A30", "A800 40GB Active", "CMP 170HX", "H20", "H20-3e", "H200 NVL", "GH200 480GB"]
    others = ["A10", "A40", "RTX A3000 Laptop GPU", "RTX A1000", "L20", "B200"]
    boards = [Board(STEADY, name=f"NVIDIA {name}") for name in (*part_time, *others)]
    (said,) = show(nvml_shim(tmp_path, boards), {"CUDA_VISIBLE_DEVICES": "", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    found = [channel["device"] for channel in said["channels"].values() if "part-time-sensor" in channel["reasons"]]
    assert found == [f"NVIDIA {name}" for name in part_time]


def test_nvml_closed_under_a_channel_is_a_lost_device(tmp_path: Path) -> None:
    program = textwrap.dedent(SHOW).replace(
        "        said.append(show(found))\n",
        "        import pynvml\n        pynvml.nvmlShutdown()\n"
        "        said.append(show(found))\n        pynvml.nvmlInit()\n",
    )
    (said,) = show(nvml_shim(tmp_path, same_boards(1)), program=program)
    assert said["channels"]["gpu0"]["value"] == "device-lost"


STATE = """
    import json, pynvml
    from dataclasses import asdict
    from joulemark.sensors.nvml import boards_state
    pynvml.nvmlInit()
    print(json.dumps([asdict(state) for state in boards_state(pynvml)]))
    pynvml.nvmlShutdown()
"""


def test_the_state_of_boards_says_what_may_disturb(tmp_path: Path) -> None:
    boards = [
        Board(
            STEADY,
            processes=((4242, 512), (4243, 1)),
            power_limit_w=450.0,
            temperature_c=61,
            throttle_bits=0x4 | 0x40 | 0x800,
            held_by_power_ratio=0.5,
            held_by_heat_ratio=None,
        ),
        Board(STEADY),
        Board(STEADY, lost_after_s=0.0),
        Board(STEADY, held_by_heat_ratio=0.5, violations=False),
    ]
    busy, quiet, lost, without_the_call = run(nvml_shim(tmp_path, boards), STATE)
    assert busy.pop("power_violation_s") > 0
    assert busy == {
        "index": 0,
        "processes": [{"pid": 4242, "memory_byte": 512 << 20}, {"pid": 4243, "memory_byte": 1 << 20}],
        "power_limit_w": 450.0,
        "temperature_c": 61,
        "clock_reasons": ["power-cap", "hardware-thermal", "bit-0x800"],
        "thermal_violation_s": None,
    }
    assert quiet["processes"] == []
    assert quiet["clock_reasons"] == []
    assert (quiet["power_violation_s"], quiet["thermal_violation_s"]) == (0.0, 0.0)
    assert {name: value for name, value in lost.items() if value is not None} == {"index": 2}
    assert without_the_call["power_violation_s"] == 0.0
    assert without_the_call["thermal_violation_s"] > 0


@pytest.mark.parametrize("protected_byte", [0, 2**64 - 1])
def test_entries_of_another_size_name_no_process(tmp_path: Path, protected_byte: int) -> None:
    two = Board(STEADY, processes=((4242, 512), (4243, 1)), protected_byte=protected_byte)
    one = Board(STEADY, processes=((4242, 512),), protected_byte=protected_byte)
    said, alone = run(nvml_shim(tmp_path, [two, one]), STATE)
    assert said["processes"] is None
    assert alone["processes"] == [{"pid": 4242, "memory_byte": 512 << 20}]  # the first is where it is looked for


# What releases of nvidia-ml-py before 12.550 and the package called pynvml lack.
OLD_MODULE = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("nvidia_ml_py", REAL)
real = sys.modules[spec.name] = module_from_spec(spec)
spec.loader.exec_module(real)
LACKING = ("NVMLLibraryMismatchError", "nvmlDeviceGetC2cModeInfoV")
globals().update({name: value for name, value in vars(real).items() if name[:2] != "__" and name not in LACKING})
"""


@pytest.mark.parametrize(("visible", "missing"), [(None, ["gpu0", "gpu1"]), ("", [])])
def test_boards_that_nothing_can_read_are_missing_and_not_zero(
    tmp_path: Path, visible: str | None, missing: list[str]
) -> None:
    """Those of which the driver tells in /proc, where the package is not the one that is needed."""
    (tmp_path / "pynvml.py").write_text("")
    for address in ("0000:17:00.0", "0000:65:00.0"):
        (tmp_path / "proc" / "driver" / "nvidia" / "gpus" / address).mkdir(parents=True)
    code = """
        import json, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[1])
        from joulemark.boundary import total
        from joulemark.measurement import BoundaryName
        from joulemark.meter import open_meter
        from joulemark.sensors import Setup
        proc, visible = Path(sys.argv[1], "proc"), json.loads(sys.argv[2])
        setup = Setup(proc=proc, requests=("fake", "nvml"), visible_devices=visible)
        with open_meter(setup) as meter:
            device = total(meter.begin().end(), BoundaryName.DEVICE)
        print(json.dumps([name for name in device.missing if name.startswith("gpu")]))
    """
    shim = nvml_shim(tmp_path, same_boards(2))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), tmp_path, json.dumps(visible)],
        env=os.environ | shim.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == missing


def test_an_old_module_is_named_and_takes_nothing_else_along(tmp_path: Path) -> None:
    import pynvml

    package = tmp_path / "site" / "pynvml"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(OLD_MODULE.replace("REAL", repr(pynvml.__file__)))
    # The first thing that a board does not support is where an old module failed.
    boards = nvml_shim(tmp_path, [Board(STEADY, processes=None, clocks=False)])
    environment = {"PYTHONPATH": str(package.parent)}
    (said,) = show(boards, **environment)
    assert said["channels"] == {}
    assert str(package) in said["absences"]["nvml"]
    assert "pip uninstall pynvml; pip install 'nvidia-ml-py>=" in said["remedies"]["nvml"]
    assert "\n" not in said["absences"]["nvml"] + said["remedies"]["nvml"]
    assert run(boards, BARE, **environment)["boards"] == []


def test_the_release_that_is_asked_for_is_the_same_everywhere() -> None:
    from joulemark.sensors.nvml import PACKAGE

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["optional-dependencies"]["nvidia"] == [PACKAGE]


LOST = """
    import json, sys, time
    from joulemark.meter import open_meter
    from joulemark.sensors import Setup
    from joulemark.sensors.conditions import conditions, disturbances
    setup = Setup(requests=("nvml",))
    with open_meter(setup) as meter:
        before = conditions(setup)
        window = meter.begin()
        time.sleep(max(0.0, 1.5 - (time.monotonic_ns() - int(sys.argv[1])) / 1e9))
        measurement = window.end()
        after = conditions(setup)
    found = disturbances(before, after, measurement)
    print(json.dumps([len(before.boards), len(after.boards), measurement.channels[0].energy_j, found]))
"""


def test_a_driver_that_no_longer_counts_or_closes_is_recorded_and_fails_nothing(tmp_path: Path) -> None:
    simulated = nvml_shim(tmp_path, [CALM], no_count_after_s=1.5, no_shutdown=True)
    before_n, after_n, energy_j, found = run(simulated, LOST, str(simulated.origin_ns))
    assert (before_n, after_n) == (1, 0)
    assert energy_j > 0
    assert "device-lost" in found


def test_without_a_driver_there_is_an_absence(tmp_path: Path) -> None:
    boards = nvml_shim(tmp_path, same_boards(1))
    (said,) = show(boards, SIMULATED_NVML=str(tmp_path / "gone"))
    assert said["channels"] == {}
    assert "Driver Not Loaded" in said["absences"]["nvml"]


BARE = """
    import json, time
    from dataclasses import asdict
    from joulemark.meter import open_meter
    from joulemark.sensors import Setup
    from joulemark.sensors.conditions import conditions, disturbances
    setup = Setup(requests=("nvml",))
    with open_meter(setup) as meter:
        before = conditions(setup)
        idle = meter.idle(0.3)
        after = conditions(setup)
    print(json.dumps({
        "boards": [asdict(board) for board in after.boards],
        "disturbed": disturbances(before, after, idle),
        "channels": {one.name: [one.provenance, one.energy_j, one.in_use, one.reasons] for one in idle.channels},
        "absences": {absence.source: absence.why for absence in meter.absences},
    }))
"""


def test_what_a_board_does_not_support_is_left_out_and_disturbs_nothing(tmp_path: Path) -> None:
    bare = Board(STEADY, processes=None, clocks=False, instant=None, held_by_power_ratio=None, held_by_heat_ratio=None)
    boards = [
        replace(bare, update_period_s=0.01, power=None),
        replace(bare, counter=False),
        replace(bare, counter=False, power=None, name="Bare"),
    ]
    said = run(nvml_shim(tmp_path, boards), BARE, CUDA_VISIBLE_DEVICES="0,1,2")
    for board in said["boards"]:
        assert (board["processes"], board["clock_reasons"]) == (None, None)
        assert (board["power_violation_s"], board["thermal_violation_s"]) == (None, None)
        assert board["temperature_c"] == 40
    assert not {"throttled", "foreign-process-on-board", "power-limit-changed"} & set(said["disturbed"])
    counted, sampled = said["channels"]["gpu0"], said["channels"]["gpu1"]
    assert counted[0] == "counter"
    assert counted[1] == pytest.approx(60.0, rel=0.2)
    assert "counter-disagrees" not in counted[3]  # there is nothing to compare it with
    assert sampled[0] == "sampled"
    assert sampled[1] == pytest.approx(60.0, rel=0.2)
    assert said["absences"] == {"gpu2": "Bare has neither an energy counter nor a power gauge"}


OF_BOARDS = {"foreign-process-on-board", "throttled"}
CALM = Board(STEADY, update_period_s=0.01)


@pytest.mark.parametrize(
    ("board", "found"),
    [
        (CALM, set()),
        (replace(CALM, held_by_power_ratio=0.5), {"throttled"}),
        (replace(CALM, held_by_heat_ratio=0.5), {"throttled"}),
        (replace(CALM, held_by_power_ratio=0.002, held_by_heat_ratio=None), set()),
        (replace(CALM, throttle_bits=0x40), {"throttled"}),
        (replace(CALM, processes=((1, 9),)), {"foreign-process-on-board"}),
    ],
)
def test_what_disturbs_a_board_is_said_of_ours_and_not_of_those_beside(
    tmp_path: Path, board: Board, found: set[str]
) -> None:
    boards = nvml_shim(tmp_path, [board, CALM])
    ours, beside = (set(run(boards, DISTURBED, CUDA_VISIBLE_DEVICES=visible)) for visible in ("0", "1"))
    assert ours & OF_BOARDS == found
    assert not beside & OF_BOARDS


PART = """
    import json, time
    from joulemark.meter import Meter
    from joulemark.sensors import Setup
    from joulemark.sensors.nvml import nvml
    with nvml(Setup()) as found:
        window = Meter(found.channels).begin()
        time.sleep(1.0)
        measurement = window.end()
    rows = [[c.energy_j, c.low_j, c.high_j, c.budget.unseen_below_j, c.budget.unseen_above_j, list(c.reasons)]
            for c in measurement.channels]
    print(json.dumps([measurement.duration_s, rows]))
"""


def test_the_interval_of_a_part_time_sensor_holds_what_it_did_not_see(tmp_path: Path) -> None:
    # The sensor sees the quiet quarter of each update only.
    wave = ((0.075, 350.0), (0.025, 80.0))
    boards = [
        Board(wave, name="NVIDIA H100 80GB HBM3", sampled_s=0.025, power_limit_w=400.0),
        Board(wave, name="NVIDIA L40S", power_limit_w=400.0),
    ]
    duration_s, (part, whole) = run(nvml_shim(tmp_path, boards), PART, CUDA_VISIBLE_DEVICES="0,1")
    truth_j = (0.75 * 350 + 0.25 * 80) * duration_s
    energy_j, low_j, high_j, below_j, above_j, reasons = part
    assert energy_j == pytest.approx(80.0 * duration_s, rel=0.15)
    assert low_j <= truth_j <= high_j
    assert below_j == pytest.approx(0.75 * energy_j)
    assert above_j == pytest.approx(0.75 * (400.0 * duration_s - energy_j), rel=0.01)
    assert "part-time-sensor" in reasons
    assert whole[3:5] == [0.0, 0.0]
    assert whole[2] - whole[1] < 0.5 * whole[0]
