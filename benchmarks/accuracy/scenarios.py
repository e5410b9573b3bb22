"""The machines on which the tools are tried: what draws how much, and what is wrong with its sensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from known_power import Steps, steady
from nvml_shim import MEAN_100_MS, PART_25_OF_100_MS, Board
from rapl_tree import RANGE_UJ, Zone

# Once a tool has been imported and opened, it waits until its window has this in its middle.
EVENT_LEAD_S = 10.0

PACKAGE_W = 40.0
BURSTS: Steps = ((0.065, 350.0), (0.1487, 80.0))  # out of step with any sensor
SQUARE_WAVE: Steps = ((0.05, 350.0), (0.05, 80.0))  # in step with a sensor of 100 ms


@dataclass(frozen=True, slots=True)
class Scenario:
    """A machine; ``zones`` and ``boards`` are given the instant of its event in s after the origin."""

    name: str
    what: str
    zones: Callable[[float], Sequence[Zone]]
    boards: Callable[[float], Sequence[Board]] | None = None
    zones_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # part -> the zones that are its truth
    boards_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # part -> the boards that are its truth
    environment: Mapping[str, str] = field(default_factory=dict)
    event: bool = False  # something happens once, and has to happen inside the window
    denied: bool = False  # the reader may not override file modes: a number can only be a model

    def event_s(self, window_s: float) -> float | None:
        """When the event happens, in s after the origin; ``None`` without one."""
        return EVENT_LEAD_S + window_s / 2 if self.event else None


ONE_SOCKET = (
    Zone("intel-rapl:0", "package-0", steady(PACKAGE_W), power_limit_w=125.0),
    Zone("intel-rapl:0:0", "core", steady(10.0)),
)

TWO_SOCKETS = (
    Zone("intel-rapl:0", "package-0", steady(60.0)),
    Zone("intel-rapl:0:0", "dram", steady(7.0)),
    Zone("intel-rapl:1", "package-1", steady(40.0)),
    Zone("intel-rapl:1:0", "dram", steady(5.0)),
)


def _one_socket(_: float) -> Sequence[Zone]:
    return ONE_SOCKET


def _two_sockets(_: float) -> Sequence[Zone]:
    return TWO_SOCKETS


def _psys(_: float) -> Sequence[Zone]:
    return (
        *ONE_SOCKET,
        Zone("intel-rapl:0:1", "uncore", steady(2.0)),
        Zone("intel-rapl:1", "psys", steady(55.0)),
        Zone("intel-rapl-mmio:0", "package-0", steady(PACKAGE_W)),
    )


def _wrap(event_s: float) -> Sequence[Zone]:
    return (replace(ONE_SOCKET[0], start_j=RANGE_UJ / 1e6 - PACKAGE_W * event_s),)


def _rapl_reset(event_s: float) -> Sequence[Zone]:
    # From near the end of its range, so that the step back looks like a wrap after a window that drew some kilowatts.
    return (replace(ONE_SOCKET[0], start_j=RANGE_UJ / 1e6 - 30_000, reset_every_s=event_s),)


def _denied(_: float) -> Sequence[Zone]:
    return tuple(replace(zone, readable=False) for zone in ONE_SOCKET)


def _mirrored(_: float) -> Sequence[Zone]:
    return tuple(Zone(f"intel-rapl:{i}", f"package-0-die-{i}", steady(PACKAGE_W)) for i in range(4))


def _four_boards(_: float) -> Sequence[Board]:
    idle = Board(steady(80.0))
    return (idle, idle, Board(BURSTS, processes=(("self", 1024),)), idle)


SCENARIOS = (
    Scenario("one-socket", "one package", _one_socket, zones_of={"cpu": ("intel-rapl:0",)}),
    Scenario(
        "two-sockets-dram",
        "two packages, each with DRAM outside of it",
        _two_sockets,
        zones_of={"cpu": ("intel-rapl:0", "intel-rapl:1"), "dram": ("intel-rapl:0:0", "intel-rapl:1:0")},
    ),
    Scenario(
        "psys",
        "one package, psys around it, and mmio showing it again",
        _psys,
        zones_of={"cpu": ("intel-rapl:0",), "system": ("intel-rapl:1",)},
    ),
    Scenario("wrap", "the counter wraps inside the window", _wrap, zones_of={"cpu": ("intel-rapl:0",)}, event=True),
    Scenario(
        "rapl-reset",
        "the package's counter starts at zero inside the window",
        _rapl_reset,
        zones_of={"cpu": ("intel-rapl:0",)},
        event=True,
    ),
    Scenario(
        "mirrored-dies", "one package shown by each of its four dies", _mirrored, zones_of={"cpu": ("intel-rapl:0",)}
    ),
    Scenario(
        "permission-denied",
        "energy_uj may not be read: a number can only be a model",
        _denied,
        zones_of={"cpu": ("intel-rapl:0",)},
        denied=True,
    ),
    Scenario(
        "one-of-four-gpus",
        "four boards, CUDA_VISIBLE_DEVICES=2",
        _one_socket,
        boards=_four_boards,
        boards_of={"gpu": (2,)},
        environment={"CUDA_VISIBLE_DEVICES": "2"},
    ),
    Scenario(
        "one-of-four-gpus-unset",
        "four boards, a process on one of them, CUDA_VISIBLE_DEVICES not set",
        _one_socket,
        boards=_four_boards,
        boards_of={"gpu": (2,)},
    ),
    Scenario(
        "part-time-sampling",
        "counter and gauge see 25 ms of every 100 ms of bursts out of step with them",
        _one_socket,
        boards=lambda _: (
            Board(BURSTS, name="Simulated H100", sampled_s=0.025, power=PART_25_OF_100_MS, instant=PART_25_OF_100_MS),
        ),
        boards_of={"gpu": (0,)},
    ),
    Scenario(
        "no-energy-counter",
        "a Pascal board with a power gauge only (mean of 100 ms)",
        _one_socket,
        boards=lambda _: (
            Board(BURSTS, name="Simulated P100", architecture=4, counter=False, power=MEAN_100_MS, instant=None),
        ),
        boards_of={"gpu": (0,)},
    ),
    Scenario(
        "counter-reset",
        "the driver is loaded anew inside the window: the board's counter starts at zero",
        _one_socket,
        boards=lambda event_s: (Board(BURSTS, start_j=50_000.0, reset_every_s=event_s),),
        boards_of={"gpu": (0,)},
        event=True,
    ),
    Scenario(
        "square-wave",
        "350 W and 80 W in turns of 50 ms, on a sensor that sees 25 ms of every 100 ms",
        _one_socket,
        boards=lambda _: (
            Board(
                SQUARE_WAVE, name="Simulated H100", sampled_s=0.025, power=PART_25_OF_100_MS, instant=PART_25_OF_100_MS
            ),
        ),
        boards_of={"gpu": (0,)},
    ),
)
