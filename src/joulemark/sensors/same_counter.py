"""Counters that may show one register several times: the dies of a package, and platform counters of several packages.

Whether two counters are one is tested by reading them, since no file says it. A test that stays undecided is neither a
yes nor a no: such counters carry a reason code, by which totals know them; see :mod:`joulemark.boundary`.
Sources: arch/x86/events/rapl.c in Linux (AMD's and Hygon's counters are of the package); "powercap/intel_rapl:
enumerate Psys RAPL domain together with package RAPL domain" (of several packages one has the platform's counter, in
the others the register does not move).
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from joulemark.failures import ReadFailure
from joulemark.measurement import Absence

Read = Callable[[], float]

# A test of two dies takes a few updates. Where reading is slow or the machine busy it goes on, for all pairs together
# so long at most; not on processors whose dies are known to share a counter.
SHORT_S = 0.05
LONG_S = 1.0
DIE_TICKS_N = 4
PLATFORM_TICKS_N = 20  # steps may be as coarse as 1 J, so that a few of them keep pace by chance
STILL_TICKS_N = 50

PACKAGE_SCOPE_VENDORS = frozenset({"AuthenticAMD", "HygonGenuine"})  # vendor_id in /proc/cpuinfo

_DIE = re.compile(r"package-(?P<package>\d+)-die-(?P<die>\d+)")


class Likeness(Enum):
    """What a test of two counters says."""

    SAME = auto()
    DIFFERENT = auto()
    UNDECIDED = auto()


@dataclass(frozen=True, slots=True)
class Repeats:
    """Counters by name: why some are no channels, and the reason code of those that may show what another one shows."""

    left_out: Mapping[str, str]
    unsure: Mapping[str, str]

    @property
    def absences(self) -> list[Absence]:
        """What is said of counters that are left out."""
        return [Absence(name, why) for name, why in self.left_out.items()]


def likeness(
    first: Read, second: Read, longest_s: float, ticks_n: int = DIE_TICKS_N, at_once: bool = False
) -> Likeness:
    """Whether two counters keep exactly the same distance while the first one moves ``ticks_n`` times.

    The second one is read between two readings of the first. Where these are alike, no update fell between them, and
    the distance is exact. It is looked for at every count again and again, since one of two counters may be updated
    a little later; with ``at_once`` this tells them apart. Dies that draw similar power do not keep it: their counts
    differ by far more than one unit in every update. Where reading takes longer than an update, the distance is only
    bounded; bounds that exclude each other, by more than the counter moves between two rounds, tell them apart too.
    """
    distances: dict[float, set[float]] = {}  # by the count of the first one
    low, high, widest = -math.inf, math.inf, 0.0
    last: tuple[float, float] | None = None
    deadline_s = time.monotonic() + longest_s
    while time.monotonic() < deadline_s:
        try:
            before, other, after = first(), second(), first()
        except ReadFailure:
            continue
        if after < before or (last is not None and (before < last[0] or other < last[1])):
            distances, low, high, widest, last = {}, -math.inf, math.inf, 0.0, None  # one wrapped: start again
            continue
        low, high = max(low, other - after), min(high, other - before)
        widest = max(widest, after - (before if last is None else last[0]))
        if 0 < widest < low - high:
            return Likeness.DIFFERENT
        if before == after:
            distances.setdefault(before, set()).add(other - before)
        if at_once and len(set().union(*distances.values())) > 1:
            return Likeness.DIFFERENT
        if len(distances) > ticks_n:  # the last count was only just reached
            kept = set.intersection(*list(distances.values())[:ticks_n])
            return Likeness.SAME if kept else Likeness.DIFFERENT
        last = before, other
    return Likeness.UNDECIDED


def die_repeats(packages: Iterable[tuple[str, Read]], vendor: str) -> Repeats:
    """Of the dies of each package, those that repeat the counter of its lowest die.

    Where no test decides, dies of AMD's and Hygon's packages do.
    """
    by_package: dict[int, list[tuple[int, str, Read]]] = {}
    for name, read in packages:
        if match := _DIE.fullmatch(name):
            by_package.setdefault(int(match["package"]), []).append((int(match["die"]), name, read))
    pairs_n = sum(len(dies) - 1 for dies in by_package.values())
    are_one = vendor in PACKAGE_SCOPE_VENDORS
    longest_s = SHORT_S if are_one or not pairs_n else max(SHORT_S, LONG_S / pairs_n)
    left_out: dict[str, str] = {}
    unsure: dict[str, str] = {}
    for _, dies in sorted(by_package.items()):
        (_, original, original_read), *others = sorted(dies, key=lambda die: die[0])
        for _, name, read in others:
            found = likeness(original_read, read, longest_s)
            if found is Likeness.SAME or (found is Likeness.UNDECIDED and are_one):
                left_out[name] = _same_as(original)
            elif found is Likeness.UNDECIDED:
                unsure |= {original: "dies-unsure", name: "dies-unsure"}
    return Repeats(left_out, unsure)


def platform_repeats(platforms: Sequence[tuple[str, Read]]) -> Repeats:
    """Of several platform counters, those that stand still or repeat the first one; what is left of several is unsure.

    Of counters that differ it is not documented whether each holds a part of the machine, so that they add up, or all
    of it in its own way.
    """
    if len(platforms) < 2:
        return Repeats({}, {})
    left_out = dict.fromkeys(_still(platforms), "does not move: another package has the counter of the platform")
    (original, original_read), *others = [one for one in platforms if one[0] not in left_out]
    for name, read in others:
        if likeness(original_read, read, LONG_S / len(others), PLATFORM_TICKS_N, at_once=True) is Likeness.SAME:
            left_out[name] = _same_as(original)
    kept = [name for name, _ in platforms if name not in left_out]
    return Repeats(left_out, dict.fromkeys(kept, "platforms-unsure") if len(kept) > 1 else {})


def _still(counters: Sequence[tuple[str, Read]]) -> list[str]:
    """Those that keep one count while another one moves often; none where no counter does."""
    seen: dict[str, set[float]] = {name: set() for name, _ in counters}
    deadline_s = time.monotonic() + LONG_S
    while (most_n := max(len(counts) for counts in seen.values())) <= STILL_TICKS_N:
        if time.monotonic() > deadline_s:
            break
        for name, read in counters:
            with suppress(ReadFailure):
                seen[name].add(read())
    return [name for name, counts in seen.items() if len(counts) == 1] if most_n > STILL_TICKS_N else []


def _same_as(original: str) -> str:
    return f"shows the same counter as {original}, which is counted once"
