"""Real counters, where this machine has them; each test says what it looked for when it skips."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.measurement import Component, Provenance, Quantity
from joulemark.meter import Meter, open_meter
from joulemark.sensors import Setup, open_sensors


@pytest.fixture
def meter() -> Iterator[Meter]:
    with open_meter(Setup(explain=True)) as opened:
        yield opened


def counters(meter: Meter, component: Component) -> list[str]:
    return [
        channel.name
        for channel in meter.channels
        if channel.component is component
        and channel.provenance is Provenance.COUNTER
        and channel.quantity is Quantity.ENERGY
        and channel.part_of is None
    ]


def measured_w(meter: Meter, names: list[str], duration_s: float, busy: bool) -> dict[str, float]:
    window = meter.begin()
    deadline_s = time.monotonic() + duration_s
    while time.monotonic() < deadline_s:
        if busy:
            sum(range(10_000))
        else:
            time.sleep(duration_s)
    found = window.end()
    powers_w: dict[str, float] = {}
    for channel in found.channels:
        if channel.name in names:
            assert channel.energy_j is not None, (channel.name, channel.reasons)
            powers_w[channel.name] = channel.energy_j / found.duration_s
    return powers_w


@pytest.mark.parametrize("component", [Component.CPU, Component.DRAM, Component.GPU])
def test_a_real_counter_moves_at_a_believable_power(meter: Meter, component: Component) -> None:
    names = counters(meter, component)
    if not names:
        pytest.skip(f"no {component} counter here: {[f'{a.source}: {a.why}' for a in meter.absences]}")
    for name, power_w in measured_w(meter, names, 2.0, busy=False).items():
        assert 0.1 < power_w < 2000, (name, power_w)


def test_a_busy_processor_draws_more_than_an_idle_one(meter: Meter) -> None:
    names = counters(meter, Component.CPU)
    if not names:
        pytest.skip("no processor counter here (RAPL)")
    idle_w = sum(measured_w(meter, names, 2.0, busy=False).values())
    busy_w = sum(measured_w(meter, names, 2.0, busy=True).values())
    assert busy_w > idle_w


def test_a_busy_gpu_draws_more_than_an_idle_one(meter: Meter) -> None:
    names = counters(meter, Component.GPU)
    if not names:
        pytest.skip("no GPU counter here (NVML, AMD SMI)")
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU")
    idle_w = sum(measured_w(meter, names, 2.0, busy=False).values())
    matrix = torch.randn(4096, 4096, device="cuda")
    window = meter.begin()
    deadline_s = time.monotonic() + 3.0
    while time.monotonic() < deadline_s:
        matrix @ matrix
    found = window.end()
    energies_j = [channel.energy_j for channel in found.channels if channel.name in names]
    assert all(energy_j is not None for energy_j in energies_j)
    assert sum(energy_j or 0.0 for energy_j in energies_j) / found.duration_s > 1.2 * idle_w


def test_the_energy_counter_agrees_with_the_power_gauge() -> None:
    """The counter's rate beside NVML's own power over the same seconds; they are two views of one sensor."""
    pynvml = pytest.importorskip("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        pytest.skip(f"no NVML here: {error}")
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        begin_mj, began_s = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle), time.monotonic()
        powers_w: list[float] = []
        while time.monotonic() - began_s < 5.0:
            powers_w.append(pynvml.nvmlDeviceGetPowerUsage(handle) / 1000)
            time.sleep(0.05)
        energy_j = (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) - begin_mj) / 1000
        duration_s = time.monotonic() - began_s
    finally:
        pynvml.nvmlShutdown()
    assert energy_j / duration_s == pytest.approx(sum(powers_w) / len(powers_w), rel=0.1)


def test_opening_and_closing_leaves_nothing_open() -> None:
    before_n = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with open_sensors(Setup()):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) <= before_n + 1
