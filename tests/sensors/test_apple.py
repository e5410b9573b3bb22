import platform

import pytest

from joulemark.records import Component
from joulemark.sensors import Setup
from joulemark.sensors.apple import apple, part_of_chip


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
        ("PACC0_CPU", None),  # inside CPU Energy
        ("GPU SRAM", None),
    ],
)
def test_names_of_the_report(name: str, expected: tuple[str, Component] | None) -> None:
    assert part_of_chip(name) == expected
