"""NVIDIA boards that do not exist: a ``libnvidia-ml.so.1`` of our own (``nvml_shim.c``) with a power that is known.

A process sees the boards when it starts with the environment that :func:`nvml_shim` hands out. The library is loaded
by nvidia-ml-py as the real one would be.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from known_power import Profile, Steps, build_c, config_text, true_energy_j

_SOURCE = Path(__file__).with_name("nvml_shim.c")


@dataclass(frozen=True, slots=True)
class Gauge:
    """A power sensor that publishes every ``update_s`` the mean over the ``averaged_s`` before; 0: the power of now."""

    update_s: float
    averaged_s: float


INSTANT = Gauge(0.0, 0.0)
MEAN_100_MS = Gauge(0.1, 0.1)
PART_25_OF_100_MS = Gauge(0.1, 0.025)
RUNNING_MEAN_1_S = Gauge(0.1, 1.0)


@dataclass(frozen=True, slots=True)
class Board:
    """One board. ``sampled_s`` makes its counter inherit part-time sampling: a mean over so much of each update."""

    steps: Steps
    name: str = "Simulated V100"
    uuid: str | None = None
    architecture: int = 9  # as NVML numbers them: 4 Pascal (the last without a counter), 7 Ampere, 9 Hopper
    counter: bool = True
    counter_scale: float = 1.0  # the counter shows so many times the truth
    update_period_s: float = 0.1
    sampled_s: float | None = None  # None: the counter is the true integral
    start_j: float = 0.0
    power: Gauge | None = MEAN_100_MS  # nvmlDeviceGetPowerUsage; None: not supported
    instant: Gauge | None = MEAN_100_MS  # the field of instant power
    lost_after_s: float | None = None
    reset_every_s: float | None = None  # the driver is loaded anew: the counter starts at zero
    still_after_s: float | None = None
    mig: bool = False
    power_limit_w: float = 700.0
    temperature_c: int = 40
    clock_mhz: int = 1500
    throttle_bits: int = 0
    clocks: bool = True  # False: neither clocks nor the reasons for them
    # The share of the time for which a limit holds the clocks down, whatever the bits of now; None: not supported.
    held_by_power_ratio: float | None = 0.0
    held_by_heat_ratio: float | None = 0.0
    violations: bool = True  # False: the call that tells this is gone; fields tell it still
    # (process id, "self" for whoever asks, or "@FILE" for the number in a file; MiB of the board); None: not supported
    processes: tuple[tuple[int | str, int], ...] | None = ()
    # Of entries of 32 bytes, as drivers 535.43 to 535.86 write them: the last 8, memory of confidential computing.
    protected_byte: int | None = None
    c2c: bool = False  # it is joined with a processor on a module
    rest: Steps | None = None  # what the rest of the module draws; None: NVML tells no power of the module
    counts_module: bool = False  # the counter is that of the module
    gpu_scope: bool = True  # False: no field tells the power of the GPU alone


@dataclass(frozen=True, slots=True)
class Boards:
    """Boards that processes with ``environment`` can see."""

    environment: Mapping[str, str]  # to add to that of a process before it starts
    origin_ns: int
    boards: tuple[Board, ...]

    def true_energy_j(self, index: int, t0_ns: int, t1_ns: int) -> float:
        """Joules that a board drew between two instants (ns of ``CLOCK_MONOTONIC``)."""
        return true_energy_j(Profile(self.boards[index].steps, self.origin_ns), t0_ns, t1_ns)


def nvml_shim(
    folder: Path, boards: Sequence[Board], *, no_count_after_s: float | None = None, no_shutdown: bool = False
) -> Boards:
    """Build the library and its configuration in ``folder``; needs a C compiler.

    ``no_count_after_s`` is when it begins to fail to count boards; with ``no_shutdown`` it fails to shut down.
    """
    build_c(_SOURCE, folder / "libnvidia-ml.so.1", ("-shared", "-fPIC"))
    origin_ns = time.monotonic_ns()
    config = folder / "nvml.config"
    library = f"library no_shutdown={int(no_shutdown)} no_count_s={no_count_after_s or 'inf'}"
    config.write_text("\n".join([f"origin {origin_ns}", library, *(_config_line(board) for board in boards), ""]))
    search = ":".join(part for part in (str(folder), os.environ.get("LD_LIBRARY_PATH", "")) if part)
    return Boards({"LD_LIBRARY_PATH": search, "SIMULATED_NVML": str(config)}, origin_ns, tuple(boards))


def _config_line(board: Board) -> str:
    words = {
        "name": board.name.replace(" ", "_"),
        "uuid": board.uuid,
        "profile": config_text(board.steps),
        "architecture": board.architecture,
        "counter": "yes" if board.counter else "no",
        "counter_scale": board.counter_scale,
        "update_s": board.update_period_s,
        "sampled_s": board.sampled_s,
        "start_mj": board.start_j * 1e3,
        "power": _gauge(board.power),
        "instant": _gauge(board.instant),
        "lost_s": board.lost_after_s,
        "reset_s": board.reset_every_s,
        "still_s": board.still_after_s,
        "mig": int(board.mig),
        "limit_mw": round(board.power_limit_w * 1e3),
        "celsius": board.temperature_c,
        "clock_mhz": board.clock_mhz,
        "throttle": board.throttle_bits,
        "clocks": "yes" if board.clocks else "no",
        "held_by_power": -1 if board.held_by_power_ratio is None else board.held_by_power_ratio,
        "held_by_heat": -1 if board.held_by_heat_ratio is None else board.held_by_heat_ratio,
        "violations": "yes" if board.violations else "no",
        "processes": _processes(board),
        "protected": board.protected_byte,
        "c2c": int(board.c2c),
        "rest": None if board.rest is None else config_text(board.rest),
        "counts": "module" if board.counts_module else None,
        "gpu_scope": "yes" if board.gpu_scope else "no",
    }
    return " ".join(["board", *(f"{key}={value}" for key, value in words.items() if value is not None)])


def _gauge(gauge: Gauge | None) -> str:
    if gauge is None:
        return "none"
    return "instant" if gauge == INSTANT else f"{gauge.update_s}:{gauge.averaged_s}"


def _processes(board: Board) -> str | None:
    if board.processes is None:
        return "no"
    return ",".join(f"{pid}:{mib}" for pid, mib in board.processes) or None
