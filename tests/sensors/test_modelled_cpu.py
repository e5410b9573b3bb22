"""The line from idle to the design power, over a /proc that is written here."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from joulemark.measurement import Channel, Component, Provenance, Quantity
from joulemark.meter import Meter
from joulemark.sensors import Setup, open_sensors
from joulemark.sensors.modelled_cpu import modelled_cpu, power_line
from joulemark.sensors.virtual import virtualised

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")

# What the catalogue has to say of this one: 150 W of design power, 18 W at idle, 20 cores of two threads.
XEON = "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz"


def proc(folder: Path, name: str = XEON, cpus_n: int = 40, sockets_n: int = 1, flags: str = "fpu vme") -> Setup:
    """A machine that was busy for a while before."""
    blocks = [
        f"processor\t: {i}\nmodel name\t: {name}\nphysical id\t: {i * sockets_n // cpus_n}\nflags\t\t: {flags}\n"
        for i in range(cpus_n)
    ]
    (folder / "cpuinfo").write_text("\n".join(blocks))
    write_stat(folder)
    return Setup(sysfs=folder / "sys", proc=folder)


def write_stat(folder: Path, **seconds: float) -> None:
    """Each kind of time, so many seconds further than at first, in the line of all processors and in that of one."""
    ticks = " ".join(str(7_000_000 + round(seconds.pop(name, 0.0) * TICKS_PER_S)) for name in FIELDS)
    assert not seconds
    (folder / "stat").write_text(f"cpu  {ticks}\ncpu0 {ticks}\nintr 5 0 0\nctxt 1990473\nbtime 1062191376\n")


@dataclass(frozen=True)
class Rise:
    """How far a reading went up between two instants, which lie between ``least_s`` and ``most_s`` apart."""

    energy_j: float
    least_s: float
    most_s: float

    def is_of(self, idle_w: float, busy_j: float) -> bool:
        """Whether it is the energy of that time at idle, and ``busy_j`` on top."""
        low_j, high_j = idle_w * self.least_s + busy_j, idle_w * self.most_s + busy_j
        return low_j - 1e-6 <= self.energy_j <= high_j + 1e-6


def rise(channel: Channel, change: Callable[[], object]) -> Rise:
    before_ns = time.monotonic_ns()
    first_j = channel.read()
    inside_ns = time.monotonic_ns()
    change()
    inside_ns = time.monotonic_ns() - inside_ns
    last_j = channel.read()
    return Rise(last_j - first_j, inside_ns / 1e9, (time.monotonic_ns() - before_ns) / 1e9)


@dataclass(frozen=True)
class Case:
    """A machine, and its line reckoned by hand."""

    idle_w: float
    max_w: float
    cpus_n: int
    sockets_n: int = 1
    name: str = XEON
    virtual: bool = False
    factor: float = 2.0
    reasons: tuple[str, ...] = ("modelled",)


IN_A_VM, UNKNOWN = ("modelled", "virtual-machine"), ("modelled", "processor-not-in-table")
CASES = {
    "one socket": Case(18.0, 150.0, 40),
    "one socket without hyper-threading": Case(18.0, 150.0, 20),
    "two sockets": Case(36.0, 300.0, 80, sockets_n=2),
    "another processor": Case(34.0, 280.0, 128, name="AMD EPYC 7763 64-Core Processor"),
    "a fifth of a socket": Case(3.6, 30.0, 8, virtual=True, reasons=IN_A_VM),
    "each virtual CPU as a socket of its own": Case(3.6, 30.0, 8, sockets_n=8, virtual=True, reasons=IN_A_VM),
    "a VM as large as two sockets": Case(36.0, 300.0, 80, sockets_n=2, virtual=True, reasons=IN_A_VM),
    "not in the table": Case(2.96, 15.04, 4, name="Some CPU @ 9 GHz", factor=3.0, reasons=UNKNOWN),
    "not in the table, two sockets": Case(5.92, 30.08, 8, 2, name="Some CPU", factor=3.0, reasons=UNKNOWN),
    "nearly in the table": Case(29.6, 150.4, 40, name=XEON.replace("6148", "6148F"), factor=3.0, reasons=UNKNOWN),
    "a VM that is not in the table": Case(
        1.48, 7.52, 2, name="AMD EPYC", virtual=True, factor=3.0, reasons=(*IN_A_VM, "processor-not-in-table")
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_power_runs_from_idle_to_the_design_power(tmp_path: Path, case: Case) -> None:
    flags = "fpu hypervisor vme" if case.virtual else "fpu vme"
    with modelled_cpu(proc(tmp_path, case.name, case.cpus_n, case.sockets_n, flags)) as found:
        (channel,) = found.channels
        assert rise(channel, lambda: time.sleep(0.05)).is_of(case.idle_w, 0.0)
        # Every CPU busy for ten seconds, and then half of them.
        full_j = (case.max_w - case.idle_w) * 10
        assert rise(channel, lambda: write_stat(tmp_path, user=10 * case.cpus_n)).is_of(case.idle_w, full_j)
        assert rise(channel, lambda: write_stat(tmp_path, user=15 * case.cpus_n)).is_of(case.idle_w, full_j / 2)
    assert channel.model_factor == case.factor
    assert channel.reasons == case.reasons
    assert channel.device.startswith(f"{case.name}, {case.cpus_n} CPUs, ")


def test_a_processor_without_a_name_counts_by_its_cpus(tmp_path: Path) -> None:
    """As of an Arm machine, whose cpuinfo has neither names nor sockets."""
    setup = proc(tmp_path)
    (tmp_path / "cpuinfo").write_text("".join(f"processor\t: {i}\nBogoMIPS\t: 50.00\n\n" for i in range(4)))
    with modelled_cpu(setup) as found:
        (channel,) = found.channels
        assert rise(channel, lambda: write_stat(tmp_path, user=1)).is_of(2.96, 3.02)
    assert channel.reasons == UNKNOWN


def test_an_arm_machine_of_a_cloud_says_that_it_is_virtual(tmp_path: Path) -> None:
    setup = proc(tmp_path)
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    firmware = setup.sysfs / "class" / "dmi" / "id"
    firmware.mkdir(parents=True)
    (firmware / "sys_vendor").write_text("Amazon EC2\n")
    (firmware / "product_name").write_text("m7g.large\n")
    with modelled_cpu(setup) as found:
        assert found.channels[0].reasons == (*IN_A_VM, "processor-not-in-table")


@pytest.mark.parametrize(
    ("seconds", "busy_s"),
    [
        ({"user": 10}, 10),
        ({"nice": 10}, 10),
        ({"system": 10}, 10),
        ({"irq": 10}, 10),
        ({"softirq": 10}, 10),
        ({"idle": 10}, 0),
        ({"iowait": 10}, 0),
        ({"steal": 10}, 0),  # another machine's
        ({"user": 10, "guest": 10}, 10),  # the kernel adds the time of guests to that of users
        ({"nice": 10, "guest_nice": 10}, 10),
        ({"user": 1, "nice": 2, "system": 4, "idle": 8, "iowait": 16, "irq": 32, "softirq": 64, "steal": 128}, 103),
        ({"user": 1 / TICKS_PER_S}, 1 / TICKS_PER_S),
    ],
)
def test_busy_is_what_is_neither_idle_nor_another_machines(
    tmp_path: Path, seconds: dict[str, float], busy_s: float
) -> None:
    with modelled_cpu(proc(tmp_path)) as found:
        (channel,) = found.channels
        moved = rise(channel, lambda: write_stat(tmp_path, **seconds))
    assert moved.is_of(18.0, 3.3 * busy_s)  # (150 W - 18 W) / 40 CPUs


def test_a_window_has_the_energy_and_the_factor_of_the_model(tmp_path: Path) -> None:
    with modelled_cpu(proc(tmp_path)) as found:
        meter = Meter(found.channels)
        window = meter.begin()
        time.sleep(0.5)
        write_stat(tmp_path, user=12, idle=8)
        measurement = window.end()
    (energy,) = measurement.channels
    assert energy.component is Component.CPU
    assert energy.provenance is Provenance.MODELLED
    assert set(energy.reasons) - {"edges-delayed"} == {"modelled"}  # the other where the machine is busy
    truth_j = 18.0 * measurement.duration_s + 3.3 * 12
    assert energy.energy_j == pytest.approx(truth_j, rel=0.02)
    # A stale tick at each edge makes the interval a little wider than the factor alone.
    assert energy.low_j is not None
    assert energy.high_j is not None
    assert 0.9 * truth_j / 2 < energy.low_j < 1.02 * truth_j / 2
    assert 0.98 * truth_j * 2 < energy.high_j < 1.1 * truth_j * 2


def test_one_tick_of_one_cpu_is_what_it_resolves(tmp_path: Path) -> None:
    with modelled_cpu(proc(tmp_path)) as found:
        (channel,) = found.channels
    assert channel.name == "cpu"
    assert channel.quantity is Quantity.ENERGY
    assert channel.resolution_j == pytest.approx(3.3 / TICKS_PER_S)
    assert channel.update_period_s == pytest.approx(1 / TICKS_PER_S)


def test_the_kernels_own_ticks_are_seconds() -> None:
    """A thread that spins, on the real /proc: busy time is at least its own, and at most that of all CPUs."""
    line = power_line(Path("/proc/cpuinfo").read_text(), virtualised(Setup()))
    with modelled_cpu(Setup()) as found:
        (channel,) = found.channels
        cpus_n = int(channel.device.removeprefix(f"{line.device}, ").split()[0])

        def spin() -> None:
            until_s = time.thread_time() + 1.0
            while time.thread_time() < until_s:
                pass

        moved = rise(channel, spin)
    slope_w = (line.max_w - line.idle_w) / cpus_n
    idle_j = line.idle_w * moved.least_s
    # Half and twice: ticks are counted by sampling, and the host may have taken some of them.
    assert slope_w * 0.5 < moved.energy_j - idle_j
    assert moved.energy_j - line.idle_w * moved.most_s < slope_w * 2 * cpus_n * moved.most_s


@pytest.mark.parametrize("missing", ["cpuinfo", "stat"])
def test_without_its_files_there_is_no_model(tmp_path: Path, missing: str) -> None:
    setup = proc(tmp_path)
    (tmp_path / missing).unlink()
    with modelled_cpu(setup) as found:
        assert found.channels == ()
        (absence,) = found.absences
    assert absence.source == "modelled-cpu"
    assert absence.why == f"{tmp_path / missing}: No such file or directory"


@pytest.mark.parametrize("stat", ["", "cpu 1 2 3\n", "cpu\n"])
def test_a_reading_that_fails_is_no_zero(tmp_path: Path, stat: str) -> None:
    with modelled_cpu(proc(tmp_path)) as found:
        window = Meter(found.channels).begin()
        (tmp_path / "stat").write_text(stat)
        (energy,) = window.end().channels
    assert energy.energy_j is None
    assert energy.reasons == ("modelled", "read-failed")


def test_it_is_opened_by_its_name_and_closed_again(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    setup = proc(tmp_path / "proc")
    before = open_files()
    with open_sensors(Setup(sysfs=tmp_path, proc=setup.proc, requests=("modelled-cpu",))) as found:
        assert [channel.name for channel in found.channels] == ["cpu"]
        assert open_files() == [*before, str(tmp_path / "proc" / "stat")]
    assert open_files() == before


def open_files() -> list[str]:
    links = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    return [str(link) for link in links if link.is_file()]
