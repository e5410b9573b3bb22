import math
from dataclasses import replace

import pytest

from joulemark.boundary import idle_drifted, total
from joulemark.measurement import BoundaryName, ChannelEnergy, Component, ErrorBudget, Measurement, Provenance


def energy(
    name: str, component: Component, energy_j: float | None, half_j: float = 0.0, **changes: object
) -> ChannelEnergy:
    low_j = None if energy_j is None else energy_j - half_j
    high_j = None if energy_j is None else energy_j + half_j
    channel = ChannelEnergy(
        name, component, Provenance.COUNTER, energy_j, low_j, high_j, ErrorBudget(resolution_j=half_j)
    )
    return replace(channel, **changes)  # type: ignore[arg-type]


def window(*channels: ChannelEnergy, duration_s: float = 10.0) -> Measurement:
    return Measurement("2024-01-01T00:00:00.000+00:00", duration_s, channels, 0.0)


GPU0 = energy("gpu0", Component.GPU, 3000.0, 30.0)
GPU1 = energy("gpu1", Component.GPU, 550.0, in_use=False)
PACKAGE = energy("package-0", Component.CPU, 400.0, 40.0)
CORE = energy("core-0", Component.CPU, 100.0, part_of="package-0")
DRAM = energy("dram-0", Component.DRAM, 50.0)
SYSTEM = energy("psys", Component.SYSTEM, 5000.0)


def test_device_counts_what_is_ours_and_nothing_twice() -> None:
    found = total(window(GPU0, GPU1, PACKAGE, CORE, DRAM, SYSTEM), BoundaryName.DEVICE)
    assert found.energy_j == 3450.0
    assert found.missing == ()
    assert found.low_j == pytest.approx(3450 - 50)
    assert found.provenance == {"counter": 1.0}


def test_an_unknown_part_makes_the_total_unknown() -> None:
    lost = replace(GPU0, energy_j=None, low_j=None, high_j=None)
    found = total(window(lost, PACKAGE), BoundaryName.DEVICE)
    assert found.energy_j is None
    assert found.missing == ("dram", "gpu0")
    assert found.provenance is None


def test_no_channel_is_not_zero() -> None:
    assert total(window(), BoundaryName.DEVICE).energy_j is None


def test_host_is_not_claimed_without_a_reading_of_the_whole() -> None:
    found = total(window(GPU0, GPU1, PACKAGE, DRAM), BoundaryName.HOST)
    assert found.energy_j is None
    assert found.high_j is None
    assert found.low_j == pytest.approx(4000 - 50)  # unused boards count for the host
    assert any("rest of the machine" in name for name in found.missing)


def test_host_is_the_system_channel() -> None:
    found = total(window(GPU0, PACKAGE, SYSTEM), BoundaryName.HOST)
    assert found.energy_j == 5000.0
    assert found.missing == ()


@pytest.mark.parametrize("name", ["psys", "system"])
def test_a_meter_of_the_whole_that_reads_less_than_its_parts_is_not_the_host(name: str) -> None:
    board = energy("gpu0", Component.GPU, 3000.0, 30.0)
    whole = energy(name, Component.SYSTEM, 3300.0, 20.0)  # a board with a supply of its own, for example
    found = total(window(board, GPU1, PACKAGE, CORE, DRAM, whole), BoundaryName.HOST)
    assert (found.energy_j, found.high_j) == (None, None)
    assert found.low_j == pytest.approx(4000 - 50)
    assert found.reasons == ("system-below-parts",)
    assert found.missing == (f"what {name} does not cover",)
    facility = total(window(board, PACKAGE, DRAM, whole), BoundaryName.FACILITY, pue_ratio=2.0)
    assert (facility.energy_j, facility.reasons) == (None, ("system-below-parts",))
    assert facility.low_j == pytest.approx(2 * (3450 - 50))


def test_a_meter_of_the_whole_counts_while_the_intervals_leave_room() -> None:
    for half_j, believed in ((69.0, False), (71.0, True)):  # of 3330 J; its parts are 3400 J at least
        whole = energy("psys", Component.SYSTEM, 3330.0, half_j)
        parts = energy("gpu0", Component.GPU, 3060.0, 10.0), energy("package-0", Component.CPU, 390.0, 40.0)
        found = total(window(*parts, whole), BoundaryName.HOST)
        assert (found.energy_j == 3330.0, found.reasons == ()) == (believed, believed)


def test_a_model_proves_nothing_against_a_meter_of_the_whole() -> None:
    modelled = replace(PACKAGE, provenance=Provenance.MODELLED)
    found = total(window(modelled, energy("psys", Component.SYSTEM, 300.0)), BoundaryName.HOST)
    assert (found.energy_j, found.reasons) == (300.0, ())


def test_the_least_of_a_part_that_is_not_known_counts_against_the_whole() -> None:
    assert total(window(RESET, energy("psys", Component.SYSTEM, 1001.0)), BoundaryName.HOST).energy_j == 1001.0
    found = total(window(RESET, energy("psys", Component.SYSTEM, 999.0)), BoundaryName.HOST)
    assert (found.energy_j, found.low_j, found.missing[-2:]) == (None, 1000.0, ("gpu0", "what psys does not cover"))


def test_a_whole_that_is_not_known_holds_its_parts() -> None:
    lost = replace(SYSTEM, energy_j=None, low_j=None, high_j=None)
    found = total(window(GPU0, PACKAGE, DRAM, lost), BoundaryName.HOST)
    assert (found.energy_j, found.low_j, found.high_j) == (None, 2970 + 360 + 50, None)
    assert found.missing == ("psys",)


def die(package_i: int, die_i: int, energy_j: float, kind: str = "package") -> ChannelEnergy:
    component = Component.DRAM if kind == "dram" else Component.CPU
    return energy(f"{kind}-{package_i}-die-{die_i}", component, energy_j, 1.0, reasons=("dies-unsure",))


def test_dies_that_may_be_one_counter_are_between_one_and_all() -> None:
    channels = [die(0, 0, 100.0), die(0, 1, 101.0), die(1, 0, 50.0), die(1, 1, 50.0), GPU0]
    channels += [die(0, 0, 10.0, "dram"), die(0, 1, 12.0, "dram")]
    found = total(window(*channels), BoundaryName.DEVICE)
    assert found.energy_j is None
    assert found.low_j == pytest.approx(2970 + 100 + 49 + 11)
    assert found.high_j == pytest.approx(3030 + 203 + 102 + 24)
    assert found.missing == tuple(f"{one}-die-0 or {one}-die-1" for one in ("package-0", "package-1", "dram-0"))
    assert total(window(*channels), BoundaryName.HOST).low_j == pytest.approx(2970 + 100 + 49 + 11)
    assert total(window(*channels), BoundaryName.MARGINAL, (window(*channels),)).energy_j is None
    assert total(window(die(0, 0, 100.0), DRAM), BoundaryName.DEVICE).energy_j == 150.0  # the other one is gone


def test_platform_counters_that_may_repeat_are_between_the_larger_and_both() -> None:
    first = energy("psys", Component.SYSTEM, 5000.0, 10.0, reasons=("platforms-unsure",))
    second = energy("psys-1", Component.SYSTEM, 4000.0, 10.0)  # marked or not: one sensor's mark is enough
    found = total(window(GPU0, PACKAGE, first, second), BoundaryName.HOST)
    assert (found.energy_j, found.low_j, found.high_j) == (None, 4990.0, 9020.0)
    assert found.missing == ("psys or psys-1",)
    assert total(window(PACKAGE, first), BoundaryName.HOST).energy_j == 5000.0


def test_facility_needs_a_pue() -> None:
    assert total(window(SYSTEM), BoundaryName.FACILITY).energy_j is None
    assert "PUE" in total(window(SYSTEM), BoundaryName.FACILITY).missing
    assert total(window(SYSTEM), BoundaryName.FACILITY, pue_ratio=1.2).energy_j == pytest.approx(6000.0)


def test_marginal_takes_idle_away_on_the_same_channels() -> None:
    before = window(energy("gpu0", Component.GPU, 120.0), energy("package-0", Component.CPU, 20.0), duration_s=2.0)
    after = window(energy("gpu0", Component.GPU, 60.0), energy("package-0", Component.CPU, 10.0), duration_s=1.0)
    found = total(window(GPU0, PACKAGE, DRAM), BoundaryName.MARGINAL, (before, after))
    assert found.energy_j is None  # dram has no idle
    assert "idle" in found.missing
    found = total(window(GPU0, PACKAGE), BoundaryName.MARGINAL, (before, after))
    assert found.energy_j == pytest.approx(3000 - 600 + 400 - 100)
    assert found.missing == ("dram",)


def test_marginal_without_idle_is_unknown() -> None:
    found = total(window(GPU0), BoundaryName.MARGINAL)
    assert found.energy_j is None
    assert "idle" in found.missing


def test_a_model_and_a_counter_keep_their_shares() -> None:
    modelled = energy("cpu", Component.CPU, 1000.0, provenance=Provenance.MODELLED, low_j=500.0, high_j=2000.0)
    found = total(window(GPU0, modelled), BoundaryName.DEVICE)
    assert found.provenance == {"counter": 0.75, "modelled": 0.25}
    assert found.low_j == pytest.approx(4000 - (500**2 + 30**2) ** 0.5)
    assert found.high_j == pytest.approx(4000 + (1000**2 + 30**2) ** 0.5)


RESET = replace(GPU0, energy_j=None, low_j=1000.0, high_j=None, reasons=("counter-went-back",))
SHORT = replace(GPU0, energy_j=None, low_j=0.0, high_j=700.0, reasons=("window-too-short",))


def test_bounds_of_an_unknown_part_are_bounds_of_the_total() -> None:
    found = total(window(RESET, PACKAGE, DRAM), BoundaryName.DEVICE)
    assert (found.energy_j, found.high_j, found.missing) == (None, None, ("gpu0",))
    assert found.low_j == pytest.approx(1000 + 450 - 40)
    found = total(window(SHORT, PACKAGE, DRAM), BoundaryName.DEVICE)
    assert found.energy_j is None
    assert found.low_j == pytest.approx(0 + 450 - 40)
    assert found.high_j == pytest.approx(700 + 450 + 40)
    host = total(window(RESET, PACKAGE, DRAM), BoundaryName.HOST)
    assert host.low_j == pytest.approx(1000 + 450 - 40)
    assert (host.energy_j, host.high_j) == (None, None)
    assert "gpu0" in host.missing


def test_boards_may_all_be_wrong_in_the_same_way() -> None:
    boards = [energy(f"gpu{n}", Component.GPU, 1000.0, low_j=250.0, high_j=5500.0) for n in range(8)]
    found = total(window(*boards), BoundaryName.DEVICE)
    assert (found.energy_j, found.low_j, found.high_j) == (8000.0, 2000.0, 44000.0)
    with_package = total(window(*boards, PACKAGE), BoundaryName.DEVICE)
    assert with_package.low_j == pytest.approx(8400 - math.hypot(6000, 40))


def test_idle_that_drifts_widens_what_is_above_it() -> None:
    before = window(energy("package-0", Component.CPU, 190.0, 3.0))
    after = window(energy("package-0", Component.CPU, 210.0, 4.0))
    busy = energy("package-0", Component.CPU, 13_200.0)
    found = total(window(busy, duration_s=600.0), BoundaryName.MARGINAL, (before, after))
    assert found.energy_j == pytest.approx(1200.0)
    # 1 W of drift either way, and 5 J of reading in 20 s.
    assert found.low_j == pytest.approx(1200 - 600 * math.hypot(1.0, 0.25))
    assert found.high_j == pytest.approx(1200 + 600 * math.hypot(1.0, 0.25))


def test_a_tolerance_is_one_of_the_difference() -> None:
    def told(energy_j: float) -> ChannelEnergy:
        half_j = 0.05 * energy_j
        return energy("gpu0", Component.GPU, energy_j, half_j, budget=ErrorBudget(accuracy_j=half_j))

    found = total(window(told(3000.0)), BoundaryName.MARGINAL, (window(told(1000.0)),) * 2)
    assert found.energy_j == 2000.0
    assert found.low_j == pytest.approx(1900.0)
    assert found.high_j == pytest.approx(2100.0)


@pytest.mark.parametrize(("later_j", "drifted"), [(100.0, False), (110.0, False), (112.0, True), (85.0, True)])
def test_idle_that_moves_by_more_than_a_tenth_has_drifted(later_j: float, drifted: bool) -> None:
    before, after = (window(energy("gpu0", Component.GPU, value_j)) for value_j in (100.0, later_j))
    assert idle_drifted(before, after) is drifted
    unused = [replace(one, channels=(replace(one.channels[0], in_use=False),)) for one in (before, after)]
    assert not idle_drifted(*unused)


def test_above_idle_an_unknown_part_leaves_no_bound() -> None:
    idle = window(energy("gpu0", Component.GPU, 120.0), energy("package-0", Component.CPU, 20.0), duration_s=2.0)
    found = total(window(RESET, PACKAGE), BoundaryName.MARGINAL, (idle,))
    assert (found.energy_j, found.low_j, found.high_j) == (None, None, None)


def test_one_sided_intervals_survive_taking_idle_away() -> None:
    idle = window(energy("gpu0", Component.GPU, 60.0), duration_s=1.0)
    part_time = replace(GPU0, low_j=750.0, high_j=6000.0)
    found = total(window(part_time), BoundaryName.MARGINAL, (idle,))
    assert (found.energy_j, found.low_j, found.high_j) == (2400.0, 150.0, 5400.0)


def test_memory_inside_another_channel_is_not_missing() -> None:
    grace = energy("grace-0", Component.CPU, 400.0, covers=(Component.DRAM,))
    assert total(window(grace), BoundaryName.DEVICE).missing == ()
    whole = energy("vdd_in", Component.BOARD, 9.0, covers=(Component.CPU, Component.GPU, Component.DRAM))
    rail = energy("vdd_soc", Component.BOARD, 3.0, part_of="vdd_in")
    found = total(window(whole, rail), BoundaryName.DEVICE)
    assert (found.energy_j, found.missing) == (9.0, ())
    orin = energy("vin_sys_5v0", Component.BOARD, 9.0), energy("vddq", Component.DRAM, 2.0, part_of="vin_sys_5v0")
    assert total(window(*orin), BoundaryName.DEVICE).missing == ("cpu",)
