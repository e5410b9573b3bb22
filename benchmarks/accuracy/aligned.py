"""What aligned edges bring to short windows: simulated windows of a slow counter, whose truth is known.

``python benchmarks/accuracy/aligned.py`` prints errors and stated half-widths with and without; it takes seconds, since
the clock is a virtual one.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from joulemark.meter import Meter
from joulemark.sensors.fake import VirtualClock, energy_until_j, known_energy_channel

REFRESH_S = 0.1
LIMIT_W = 700.0
WINDOWS_N = 400
Profile = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """One window whose energy is known: its error and half-width over the truth."""

    error_ratio: float
    half_width_ratio: float
    covered: bool


def between_idle(rng: random.Random, begin_s: float, span_s: float) -> Profile:
    """Idle, work from ``begin_s`` on, idle of another kind: a board does not calm down at once."""
    high_w = rng.uniform(150, LIMIT_W)
    idle_w = high_w * rng.uniform(0.1, 0.5)
    return ((begin_s, idle_w), (span_s, high_w), (50.0, idle_w * rng.uniform(1, 1.5)))


def bursts(rng: random.Random, _: float, __: float) -> Profile:
    """Bursts that know nothing of the window."""
    return ((rng.uniform(0.01, 0.2), rng.uniform(200, LIMIT_W)), (rng.uniform(0.01, 0.2), rng.uniform(20, 200)))


def steady(rng: random.Random, _: float, __: float) -> Profile:
    """The same power before, in and after the window."""
    return ((1.0, rng.uniform(20, LIMIT_W)),)


LOADS: dict[str, Callable[[random.Random, float, float], Profile]] = {
    "between idle": between_idle,
    "bursts": bursts,
    "steady": steady,
}


def simulate(load: str, span_s: tuple[float, float], align: bool, windows_n: int = WINDOWS_N) -> list[Result]:
    """Windows of a length within ``span_s`` at random phases of the counter; those without an energy are left out."""
    rng, results = random.Random(f"{load} {span_s}"), []
    for _ in range(windows_n):
        wait_s, length_s, seed = rng.uniform(1, 2), rng.uniform(*span_s), rng.random()
        profile: Profile = ((1.0, 100.0),)
        for _ in range(2):  # the first time to learn when the window begins, which the work waits for
            clock = VirtualClock()
            clock.sleep(wait_s)
            channel = known_energy_channel(clock, profile, update_period_s=REFRESH_S, count_j=1e-3, power_max_w=LIMIT_W)
            window = Meter([channel], clock=clock).begin(align, sleep=clock.sleep)
            began_s = clock() / 1e9
            profile = LOADS[load](random.Random(seed), began_s, length_s)
        clock.sleep(length_s)
        (energy,) = window.end().channels
        truth_j = energy_until_j(profile, began_s + length_s) - energy_until_j(profile, began_s)
        if energy.energy_j is None or energy.low_j is None or energy.high_j is None:
            continue
        half_j = (energy.high_j - energy.low_j) / 2
        covered = energy.low_j <= truth_j <= energy.high_j
        results.append(Result(energy.energy_j / truth_j - 1, half_j / truth_j, covered))
    return results


def main() -> None:
    print(f"{WINDOWS_N} windows each; a counter of {REFRESH_S:g} s\n")
    print(f"{'load':<14}{'window':<10}{'edges':<10}{'median':>8}{'95th':>8}{'half-width':>12}{'covered':>9}")
    for load in LOADS:
        for span_s in (0.13, 1.03):
            for align in (False, True):
                results = simulate(load, (span_s, span_s), align)
                errors = [abs(result.error_ratio) for result in results]
                half_width = statistics.median(result.half_width_ratio for result in results)
                print(
                    f"{load:<14}{span_s:<10g}{'aligned' if align else 'plain':<10}{statistics.median(errors):>8.1%}"
                    f"{statistics.quantiles(errors, n=20)[-1]:>8.1%}{half_width:>12.0%}"
                    f"{sum(result.covered for result in results) / len(results):>9.1%}"
                )


if __name__ == "__main__":
    main()
