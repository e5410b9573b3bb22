"""The truth of the simulated machine: a power that repeats for ever from a stated instant, and its exact integral.

The simulators compute the same function of ``CLOCK_MONOTONIC`` in C, so any process can say what a window truly took.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Steps = tuple[tuple[float, float], ...]  # (duration in s, power in W), one after the other, then again


@dataclass(frozen=True, slots=True)
class Profile:
    """``steps`` that repeat for ever from ``origin_ns`` of ``CLOCK_MONOTONIC``."""

    steps: Steps
    origin_ns: int


def steady(power_w: float) -> Steps:
    """The same power all the time."""
    return ((1.0, power_w),)


def true_energy_j(profile: Profile, t0_ns: int, t1_ns: int) -> float:
    """Joules drawn between two instants of ``CLOCK_MONOTONIC``, both in ns and not before the origin."""
    return _energy_until_j(profile, t1_ns) - _energy_until_j(profile, t0_ns)


def config_text(steps: Steps) -> str:
    """Steps the way the C programs read them: ``seconds:watts,…``."""
    return ",".join(f"{duration_s!r}:{power_w!r}" for duration_s, power_w in steps)


def build_c(source: Path, target: Path, options: Sequence[str] = ()) -> Path:
    """Compile one C file. Raises :class:`OSError` without a compiler, CalledProcessError when it does not compile."""
    command = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", *options, "-o", str(target), str(source), "-lm"]
    subprocess.run(command, check=True)
    return target


def _energy_until_j(profile: Profile, at_ns: int) -> float:
    time_s = (at_ns - profile.origin_ns) / 1e9
    period_s = math.fsum(duration_s for duration_s, _ in profile.steps)
    period_j = math.fsum(duration_s * power_w for duration_s, power_w in profile.steps)
    periods_n = math.floor(time_s / period_s)
    energy_j, rest_s = periods_n * period_j, time_s - periods_n * period_s
    for duration_s, power_w in profile.steps:
        part_s = min(duration_s, rest_s)
        energy_j += part_s * power_w
        rest_s -= part_s
    return energy_j
