"""What is recorded is what is replayed."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.failures import ReadFailure
from joulemark.measurement import Channel, Component, Provenance, Quantity
from joulemark.meter import Meter, open_meter
from joulemark.sensors import SensorError, Setup
from joulemark.sensors.fake import VirtualClock, known_energy_channel
from joulemark.sensors.record import record
from joulemark.sensors.replay import read_trace, replay

PROFILE = ((0.3, 20.0), (0.2, 80.0))


def energy_j(channels: tuple[Channel, ...], clock: VirtualClock) -> list[float | None]:
    """Energies of a window from 0.5 s to 2.5 s of a fresh clock."""
    clock.sleep(0.5)
    window = Meter(channels, clock=clock).begin()
    clock.sleep(2.0)
    return [energy.energy_j for energy in window.end().channels]


@pytest.mark.parametrize("wrap_n", [None, 50_000_000])
def test_a_recorded_counter_replays_the_same_energy(tmp_path: Path, wrap_n: int | None) -> None:
    clock = VirtualClock()
    record(
        (known_energy_channel(clock, PROFILE, wrap_n=wrap_n),),
        tmp_path / "trace.json",
        3.0,
        period_s=0.1,
        clock=clock,
        sleep=clock.sleep,
    )
    live, replayed = VirtualClock(), VirtualClock()
    lived_j = energy_j((known_energy_channel(live, PROFILE, wrap_n=wrap_n),), live)
    channels = read_trace(tmp_path / "trace.json", replayed)
    assert energy_j(channels, replayed) == lived_j
    assert channels[0].wrap_n == wrap_n
    assert channels[0].reasons == ("fake-sensor", "replayed")


def test_every_field_but_the_reading_survives(tmp_path: Path) -> None:
    channel = replace(
        known_energy_channel(time.monotonic_ns, PROFILE),
        component=Component.GPU,
        provenance=Provenance.SAMPLED,
        quantity=Quantity.POWER,
        part_of="module-0",
        in_use=False,
        model_factor=2.0,
        reasons=("mig-shared",),
    )
    record((channel,), tmp_path / "trace.json", 0.02, period_s=0.01)
    (again,) = read_trace(tmp_path / "trace.json", time.monotonic_ns)
    assert replace(again, read=channel.read, reasons=channel.reasons) == channel


@pytest.mark.alone
def test_on_the_real_clock_the_window_has_the_true_energy(tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    record((known_energy_channel(time.monotonic_ns, ((1.0, 35.0),)),), file, 0.5, period_s=0.01)
    with open_meter(Setup(requests=(f"replay:{file}",))) as meter:
        window = meter.begin()
        time.sleep(0.3)
        measurement = window.end()
    assert measurement.channels[0].energy_j == pytest.approx(35.0 * measurement.duration_s, abs=35.0 * 0.06)


def test_a_reading_that_failed_fails_again(tmp_path: Path) -> None:
    clock = VirtualClock()

    def read() -> float:
        if 1_000_000_000 <= clock() < 2_000_000_000:
            raise ReadFailure("device-lost")
        return clock() / 1e9

    channel = replace(known_energy_channel(clock, PROFILE), read=read)
    record((channel,), tmp_path / "trace.json", 3.0, period_s=0.5, clock=clock, sleep=clock.sleep)
    replayed = VirtualClock()
    (again,) = read_trace(tmp_path / "trace.json", replayed)
    assert again.read() == 0
    replayed.sleep(1.2)
    with pytest.raises(ReadFailure, match="device-lost"):
        again.read()
    replayed.sleep(1.0)
    assert again.read() == 2


def test_an_interrupted_recording_keeps_what_it_has(tmp_path: Path) -> None:
    clock = VirtualClock()

    def sleep(duration_s: float) -> None:
        if clock() >= 1_000_000_000:
            raise KeyboardInterrupt
        clock.sleep(duration_s)

    file = tmp_path / "trace.json"
    with pytest.raises(KeyboardInterrupt):
        record((known_energy_channel(clock, PROFILE),), file, 60.0, period_s=0.5, clock=clock, sleep=sleep)
    assert len(json.loads(file.read_text())["channels"][0]["samples"]) == 3


def trace(folder: Path, samples: object, **fields: object) -> Path:
    channel = {"name": "c", "component": "cpu", "provenance": "counter", "quantity": "energy", "device": "d"}
    file = folder / "trace.json"
    file.write_text(json.dumps({"schema_version": 1, "channels": [channel | fields | {"samples": samples}]}))
    return file


@pytest.mark.parametrize(
    ("samples", "fields"),
    [
        ([], {}),
        ([[1, 5], [0, 6]], {}),
        ([[0, "because"]], {}),
        ([[0]], {}),
        ([[0, None]], {}),
        ([[0, True]], {}),
        ([[0, float("inf")]], {}),
        ([[0, 5]], {"component": "heart"}),
        ([[0, 5]], {"colour": "red"}),
        ([[float("nan"), 5]], {}),
        ([[0, 5]], {"gauge": 5}),
        ([[0, 5]], {"name": 5}),
        ([[0, 5]], {"device": 7}),
        ([[0, 5]], {"count_j": "x"}),
        ([[0, 5]], {"wrap_n": "5"}),
        ([[0, 5]], {"wrap_n": 0}),
        ([[0, 5]], {"update_period_s": "a"}),
        ([[0, 5]], {"seen_ratio": 0}),
        ([[0, 5]], {"model_factor": 0}),
        ([[0, 5]], {"power_max_w": None}),
        ([[0, 5]], {"in_use": "no"}),
        ([[0, 5]], {"part_of": ["a"]}),
        ([[0, 5]], {"reasons": 5}),
    ],
)
def test_a_wrong_trace_is_refused(tmp_path: Path, samples: object, fields: dict[str, object]) -> None:
    with pytest.raises(SensorError, match=r"trace\.json"):
        read_trace(trace(tmp_path, samples, **fields), time.monotonic_ns)


def test_two_channels_of_one_name_are_refused(tmp_path: Path) -> None:
    file = trace(tmp_path, [[0, 5]])
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"channels": content["channels"] * 2}))
    with pytest.raises(SensorError, match="two channels"):
        read_trace(file, time.monotonic_ns)


@pytest.mark.alone
def test_a_counter_and_a_gauge_of_one_trace_keep_step(tmp_path: Path) -> None:
    """The gauge is read by another process, whose trace began when this one's did."""
    power_w = [20.0 if index < 60 else 220.0 for index in range(400)]  # in steps of 10 ms
    energy_j = [sum(power_w[:index]) * 0.01 for index in range(400)]
    shared = {"component": "gpu", "device": "d", "update_period_s": 0.01}
    channels = [
        shared | {"name": "counter", "provenance": "counter", "quantity": "energy",
                  "samples": [[index * 0.01, value] for index, value in enumerate(energy_j)]},
        shared | {"name": "gauge", "provenance": "sampled", "quantity": "power",
                  "samples": [[index * 0.01, value] for index, value in enumerate(power_w)]},
    ]  # fmt: skip
    file = tmp_path / "trace.json"
    file.write_text(json.dumps({"schema_version": 1, "channels": channels}))
    with open_meter(Setup(requests=(f"replay:{file}",))) as meter:
        window = meter.begin()
        time.sleep(1.0)
        counter, gauge = window.end().channels
    assert counter.energy_j is not None
    assert gauge.low_j is not None
    assert gauge.high_j is not None
    assert gauge.low_j <= counter.energy_j <= gauge.high_j


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 99, "channels": []}'])
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "trace.json").write_text(text)
    with pytest.raises(SensorError, match=r"trace\.json"):
        read_trace(tmp_path / "trace.json", time.monotonic_ns)


def test_replay_needs_a_trace_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match=r"replay:trace\.json"), replay(Setup(requests=("replay",))):
        pass
    with pytest.raises(SensorError, match="No such file"), replay(Setup(requests=(f"replay:{tmp_path}/none.json",))):
        pass
