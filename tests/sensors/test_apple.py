"""The energy report of macOS, elsewhere through libraries of our own with the functions that joulemark calls."""

import ctypes
import platform
import shutil
from pathlib import Path

import pytest
from known_power import build_c

from joulemark.failures import ReadFailure
from joulemark.measurement import Component
from joulemark.meter import Meter
from joulemark.sensors import Setup
from joulemark.sensors.apple import apple, energy_report, part_of_chip


@pytest.mark.skipif(platform.system() == "Darwin", reason="there is a report to read on macOS")
def test_elsewhere_it_is_absent() -> None:
    with apple(Setup()) as found:
        assert found.channels == ()
        assert found.absences[0].why == "this is not macOS"


@pytest.mark.skipif(platform.system() != "Darwin", reason="needs macOS on Apple silicon")
def test_the_report_counts() -> None:
    with apple(Setup()) as found:
        assert {channel.component for channel in found.channels} >= {Component.CPU, Component.GPU}
        assert all(channel.read() >= 0 for channel in found.channels)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CPU Energy", ("cpu", Component.CPU)),
        ("GPU Energy", ("gpu", Component.GPU)),
        ("DIE_1_CPU Energy", ("cpu-die-1", Component.CPU)),
        ("ANE0", ("ane0", Component.BOARD)),
        ("DRAM", ("dram", Component.DRAM)),
        ("DRAM0_1", ("dram0_1", Component.DRAM)),  # of an Ultra
        ("ANE0_1", ("ane0_1", Component.BOARD)),
        ("PACC0_CPU", None),  # inside CPU Energy
        ("GPU SRAM", None),
    ],
)
def test_names_of_the_report(name: str, expected: tuple[str, Component] | None) -> None:
    assert part_of_chip(name) == expected


@pytest.fixture
def report(tmp_path: Path) -> ctypes.CDLL:
    """A library in place of CoreFoundation and IOReport."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    path = build_c(Path(__file__).with_name("energy_report.c"), tmp_path / "report.so", ("-shared", "-fPIC"))
    return ctypes.CDLL(str(path))


def test_counters_are_read_in_their_units_since_they_were_opened(report: ctypes.CDLL) -> None:
    with energy_report(report._name, report._name) as found:
        assert found.absences == ()
        channels = {channel.name: channel for channel in found.channels}
        assert {name: channel.component for name, channel in channels.items()} == {
            "cpu": Component.CPU,
            "gpu": Component.GPU,
            "ane0": Component.BOARD,
            "dram": Component.DRAM,
            "cpu-die-1": Component.CPU,
        }  # neither what is inside another channel nor a unit that nobody knows
        first = {name: channel.read() * channel.count_j for name, channel in channels.items()}
        second = {name: channel.read() * channel.count_j for name, channel in channels.items()}
        samples_n = len(channels)  # each reading takes one, and the counters move by a step with each
        steps_j = {"cpu": 0.005, "gpu": 7.0, "ane0": 0.001, "dram": 2.0, "cpu-die-1": 0.004}
        for name, step_j in steps_j.items():
            assert second[name] - first[name] == pytest.approx(samples_n * step_j)


def test_a_neural_engine_at_rest_has_drawn_nothing_and_a_processor_is_unknown(report: ctypes.CDLL) -> None:
    with energy_report(report._name, report._name) as found:
        report.fake_fail(3)
        window = Meter(found.channels).begin()
        energies = {energy.name: energy for energy in window.end().channels}
    assert (energies["ane0"].energy_j, energies["ane0"].high_j) == (0.0, 1e-3)
    assert (energies["cpu"].energy_j, energies["cpu"].reasons) == (None, ("counter-stood-still",))


def test_reading_leaves_nothing_behind(report: ctypes.CDLL) -> None:
    with energy_report(report._name, report._name) as found:
        found.channels[0].read()
        held_n = report.fake_alive()
        for _ in range(100):
            found.channels[0].read()
        assert report.fake_alive() == held_n
    assert report.fake_alive() == 0


def test_a_report_that_fails_says_so(report: ctypes.CDLL) -> None:
    with energy_report(report._name, report._name) as found:
        report.fake_fail(1)
        with pytest.raises(ReadFailure, match="read-failed"):
            found.channels[0].read()
    for how, why in ((1, "it gives no sample"), (2, "no group 'Energy Model'")):
        report.fake_fail(how)
        with energy_report(report._name, report._name) as found:
            assert found.channels == ()
            assert why in found.absences[0].why
        assert report.fake_alive() == 0
    with energy_report("/no/such/library", "/no/such/library") as found:
        assert "cannot be read" in found.absences[0].why
