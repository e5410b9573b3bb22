"""Totals of one window under the boundaries ``marginal``, ``device``, ``host`` and ``facility``.

Sums are made only of what is known; whatever is not known is named in ``missing``. A channel that is part of another
is never added to it. Where a part is not known but bounded (a counter that was set back, a window shorter than its
sensor), the total is not known either, and has the bounds that follow. A total of the host needs a reading of the
whole machine: the processor, the memory and the boards alone leave out fans, disks and the power supply, so without a
``system`` channel only its lower bound is known. The same holds where that channel reads less than its parts: what a
platform's counter covers is not documented, and often a board has a supply of its own.

Of counters that may show one register several times, or add up, the energy lies between the largest and the sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from joulemark.measurement import BoundaryName, ChannelEnergy, Component, ErrorBudget, Measurement, Provenance

DRIFT_RATIO = 0.10  # of the mean of the two idle powers
DIES_UNSURE = "dies-unsure"
PLATFORMS_UNSURE = "platforms-unsure"
BELOW_PARTS = "system-below-parts"
IDLE_OPEN = "idle-open"
PART_TIME = "part-time-sensor"
# What leaves open what an idle window took.
OPEN = frozenset(
    {"sampling-gap", "gauge-stood-still", "gauge-below-zero", "wrap-ambiguous", "counter-went-back", "suspended"}
)

_MEASURED = (Provenance.COUNTER, Provenance.SAMPLED)


@dataclass(frozen=True, slots=True)
class Total:
    """The energy inside a boundary, its interval, what it leaves out, and how its joules came about.

    ``reasons`` are codes of what no channel by itself can say; see :mod:`joulemark.reasons`.
    """

    boundary: BoundaryName
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    missing: tuple[str, ...]
    by_provenance_j: Mapping[Provenance, float]
    reasons: tuple[str, ...] = ()

    @property
    def provenance(self) -> dict[str, float] | None:
        """Shares of the energy by provenance, adding up to 1; ``None`` when the energy is not known or zero."""
        total_j = sum(self.by_provenance_j.values())
        if self.energy_j is None or total_j <= 0:
            return None
        return {str(kind): energy_j / total_j for kind, energy_j in self.by_provenance_j.items()}

    def __str__(self) -> str:
        """In one line: the energy with its interval, how it came about, and what it leaves out."""
        from joulemark.units import show, show_range  # only to be read by people

        if self.energy_j is not None and self.low_j is not None and self.high_j is not None:
            said = f"{show(self.energy_j, 'j')} ({show_range(self.low_j, self.high_j, 'j', self.energy_j)})"
        elif self.low_j:
            said = f"at least {show(self.low_j, 'j')}" + (f", at most {show(self.high_j, 'j')}" if self.high_j else "")
        else:
            said = "unknown"
        shares = ", ".join(f"{share:.0%} {kind}" for kind, share in (self.provenance or {}).items())
        parts = [f"{self.boundary}: {said}", shares, "without " + ", ".join(self.missing) if self.missing else ""]
        return "; ".join(part for part in (*parts, *self.reasons) if part)


def total(
    measurement: Measurement,
    boundary: BoundaryName,
    idle: Sequence[Measurement] = (),
    pue_ratio: float | None = None,
) -> Total:
    """The energy of ``measurement`` inside ``boundary``; ``idle`` windows are needed for the marginal one."""
    outer = outermost(measurement.channels)
    absent = _absent_components(measurement.channels)
    if boundary is BoundaryName.DEVICE:
        used = [channel for channel in outer if channel.in_use and channel.component is not Component.SYSTEM]
        return _sum(BoundaryName.DEVICE, used, absent)
    if boundary is BoundaryName.MARGINAL:
        return _marginal(outer, absent, measurement.duration_s, idle)
    host = _host(outer, absent)
    if boundary is BoundaryName.HOST:
        return host
    return _facility(host, pue_ratio)


def outermost(channels: Iterable[ChannelEnergy]) -> list[ChannelEnergy]:
    """The channels that are no part of another one; those that may be one counter are joined to one, of no energy."""
    outer = [channel for channel in channels if channel.part_of is None]
    groups: dict[str, list[ChannelEnergy]] = {}
    for channel in outer:
        if DIES_UNSURE in channel.reasons:
            groups.setdefault(channel.name.partition("-die-")[0], []).append(channel)
    if any(PLATFORMS_UNSURE in channel.reasons for channel in outer):
        groups[PLATFORMS_UNSURE] = [one for one in outer if one.component is Component.SYSTEM and _whole(one)]
    for group in groups.values():
        if len(group) > 1:
            outer = [channel for channel in outer if channel not in group]
            outer.append(_one_or_all(group))
    return outer


def _one_or_all(group: Sequence[ChannelEnergy]) -> ChannelEnergy:
    """Channels that show the same joules, or some each: at least the largest of them, at most their sum."""
    first, second, *more = group
    lows_j = [channel.low_j for channel in group if channel.low_j is not None]
    highs_j = [channel.high_j for channel in group if channel.high_j is not None]
    return ChannelEnergy(
        name=f"{first.name} or {second.name}" + (f" or {len(more)} more" if more else ""),
        component=first.component,
        provenance=first.provenance,
        energy_j=None,
        low_j=max(lows_j, default=None),
        high_j=sum(highs_j) if len(highs_j) == len(group) else None,
        budget=ErrorBudget(),
        in_use=any(channel.in_use for channel in group),
        covers=first.covers,
        reasons=tuple(dict.fromkeys(code for channel in group for code in channel.reasons)),
    )


@dataclass(frozen=True, slots=True)
class Baseline:
    """The idle power of a channel, and how well it is known.

    Of ``half_width_w``, that of the mean over the windows, are how they were read and how far it moved between them and
    inside them. ``less_w`` and ``more_w`` are bounds of what they could not see.
    """

    power_w: float
    half_width_w: float
    noise_w: float = 0.0  # the part of it that other windows, as long as these together, have by themselves too
    windows_s: float = 0.0
    less_w: float = 0.0
    more_w: float = 0.0
    reasons: tuple[str, ...] = ()

    def half_width_j(self, duration_s: float) -> float:
        """The half-width of the idle energy in ``duration_s`` of another time, at 95 %."""
        own_w = self.noise_w * math.sqrt(self.windows_s / duration_s) if duration_s > 0 else 0.0
        return math.hypot(self.half_width_w, own_w) * duration_s


def baseline(channel: str, idle: Sequence[Measurement]) -> Baseline | None:
    """The idle power of a channel over the windows that know it; ``None`` if none does.

    While the work ran, the device's idle power was somewhere between that before and that after: half of their
    difference is an error like any other. How power went up and down inside the windows says how far that of the work
    may be from both. A sensor's tolerance is no error: it is the same in the work and beside it. Nor is what a sensor
    does not see that looks only a share of the time: nothing keeps step with it when nothing runs.
    """
    known = [
        (energy.energy_j, energy.budget, window.duration_s, energy)
        for window in idle
        for energy in window.channels
        if energy.name == channel and energy.energy_j is not None and window.duration_s > 0
    ]
    if not known:
        return None
    duration_s = sum(window_s for _, _, window_s, _ in known)
    read_j = math.hypot(
        *(math.hypot(budget.resolution_j, budget.update_j, budget.gap_j, budget.edge_j) for _, budget, _, _ in known)
    )
    noise_w = math.hypot(*(budget.noise_j for _, budget, _, _ in known)) / duration_s
    powers_w = [energy_j / window_s for energy_j, _, window_s, _ in known]
    unseen_j = [_unseen_j(energy) for _, _, _, energy in known]
    return Baseline(
        power_w=sum(energy_j for energy_j, _, _, _ in known) / duration_s,
        half_width_w=math.hypot(read_j / duration_s, (max(powers_w) - min(powers_w)) / 2, noise_w),
        noise_w=noise_w,
        windows_s=duration_s,
        less_w=sum(below_j for below_j, _ in unseen_j) / duration_s,
        more_w=sum(above_j for _, above_j in unseen_j) / duration_s,
        reasons=tuple(dict.fromkeys(code for _, _, _, energy in known for code in energy.reasons if code in OPEN)),
    )


def _unseen_j(energy: ChannelEnergy) -> tuple[float, float]:
    """How much less and more than its energy an idle window may have had, beyond what ``baseline`` reckons with."""
    if energy.energy_j is None or energy.low_j is None or energy.high_j is None or PART_TIME in energy.reasons:
        return 0.0, 0.0
    budget, factor = energy.budget, energy.budget.model_factor
    below_j = energy.energy_j - energy.low_j * factor - budget.half_width_j - budget.edge_j
    return max(0.0, below_j), max(0.0, energy.high_j / factor - energy.energy_j - budget.half_width_j)


def idle_drifted(before: Measurement, after: Measurement) -> bool:
    """Whether the idle power of a device in use differs between two windows by more than :data:`DRIFT_RATIO`."""
    for channel in before.channels:
        earlier, later = baseline(channel.name, (before,)), baseline(channel.name, (after,))
        if not channel.in_use or earlier is None or later is None:
            continue
        mean_w = (earlier.power_w + later.power_w) / 2
        if abs(later.power_w - earlier.power_w) > DRIFT_RATIO * mean_w:
            return True
    return False


def _absent_components(channels: Sequence[ChannelEnergy]) -> tuple[str, ...]:
    """Processor and memory, unless a channel is theirs or covers them, by itself or as the whole of a part of them."""
    present = {part for channel in channels for part in (channel.component, *channel.covers)}
    return tuple(str(part) for part in (Component.CPU, Component.DRAM) if part not in present)


def _marginal(
    outer: Sequence[ChannelEnergy], absent: tuple[str, ...], duration_s: float, idle: Sequence[Measurement]
) -> Total:
    above: list[ChannelEnergy] = []
    open_n = 0
    missing: list[str] = list(absent)
    for channel in outer:
        if not channel.in_use or channel.component is Component.SYSTEM:
            continue
        rest = baseline(channel.name, idle)
        if channel.energy_j is None or rest is None:
            above.append(replace(channel, energy_j=None, low_j=None, high_j=None))
            if channel.energy_j is not None:
                missing.append("idle")
            continue
        above.append(_above_idle(channel, channel.energy_j, duration_s, rest))
        open_n += bool(rest.reasons)
    found = _sum(BoundaryName.MARGINAL, above, tuple(dict.fromkeys(missing)))
    found = replace(found, reasons=(IDLE_OPEN,)) if open_n else found
    # What is not known may be less than its idle power: no bound follows from the others.
    return found if found.energy_j is not None else replace(found, low_j=None, high_j=None)


def _above_idle(channel: ChannelEnergy, energy_j: float, duration_s: float, rest: Baseline) -> ChannelEnergy:
    """The channel without its idle energy. Its tolerance and its factor are those of the difference too."""
    assert channel.low_j is not None
    assert channel.high_j is not None
    budget, factor = channel.budget, channel.budget.model_factor
    above_j = energy_j - rest.power_w * duration_s
    tolerance_j = abs(above_j) * budget.accuracy_j / energy_j if energy_j > 0 else 0.0
    read_j = math.hypot(budget.resolution_j, budget.update_j, budget.gap_j)
    half_j = math.hypot(read_j, tolerance_j, rest.half_width_j(duration_s))
    # What else the interval holds are bounds; at its lower end zero may have cut them off.
    below_j = max(energy_j - budget.half_width_j - channel.low_j * factor, budget.edge_j + budget.unseen_below_j)
    low_j = above_j - half_j - below_j - rest.more_w * duration_s
    high_j = above_j + half_j + channel.high_j / factor - energy_j - budget.half_width_j + rest.less_w * duration_s
    low_j = low_j / factor if low_j > 0 else low_j * factor
    high_j = max(high_j * factor, high_j / factor)
    return replace(channel, energy_j=above_j, low_j=low_j, high_j=high_j)


def _host(outer: Sequence[ChannelEnergy], absent: tuple[str, ...]) -> Total:
    system = [channel for channel in outer if channel.component is Component.SYSTEM and _whole(channel)]
    parts = [channel for channel in outer if channel.component is not Component.SYSTEM]
    whole = _sum(BoundaryName.HOST, system, ())
    # Each part counts with its own lower end, without what could cancel out. A model proves nothing against a meter.
    metered_j = sum(part.low_j for part in parts if part.provenance in _MEASURED and part.low_j is not None)
    below = whole.high_j is not None and metered_j > whole.high_j
    if system and not below:
        if whole.energy_j is not None:
            return whole
        return replace(whole, low_j=max(whole.low_j or 0.0, metered_j))  # it holds its parts at least
    lower = _sum(BoundaryName.HOST, parts, ())
    unknown = tuple(channel.name for channel in outer if channel.energy_j is None)
    rest = "rest of the machine (fans, disks, power supply)"
    if below:
        rest = f"what {', '.join(channel.name for channel in system)} does not cover"
    missing = (*absent, *unknown, rest)
    return replace(lower, energy_j=None, high_j=None, missing=missing, reasons=(BELOW_PARTS,) if below else ())


def _whole(channel: ChannelEnergy) -> bool:
    """A module holds processor, memory and GPU, but not the machine around them."""
    return "module-scope" not in channel.reasons


def _facility(host: Total, pue_ratio: float | None) -> Total:
    facility = replace(host, boundary=BoundaryName.FACILITY)
    if pue_ratio is None:
        return replace(facility, energy_j=None, high_j=None, missing=(*host.missing, "PUE"))

    def scaled(energy_j: float | None) -> float | None:
        return None if energy_j is None else energy_j * pue_ratio

    return replace(
        facility,
        energy_j=scaled(host.energy_j),
        low_j=scaled(host.low_j),
        high_j=scaled(host.high_j),
        by_provenance_j={kind: energy_j * pue_ratio for kind, energy_j in host.by_provenance_j.items()},
    )


def _sum(boundary: BoundaryName, channels: Sequence[ChannelEnergy], missing: tuple[str, ...]) -> Total:
    unknown = [channel for channel in channels if channel.energy_j is None]
    if not channels:
        return Total(boundary, None, None, None, missing or ("any channel",), {})
    by_provenance_j: dict[Provenance, float] = {}
    energy_j = 0.0
    sides: list[tuple[Component, float, float]] = []
    for channel in channels:
        if channel.energy_j is None:
            continue
        assert channel.low_j is not None
        assert channel.high_j is not None
        energy_j += channel.energy_j
        sides.append((channel.component, channel.energy_j - channel.low_j, channel.high_j - channel.energy_j))
        by_provenance_j[channel.provenance] = by_provenance_j.get(channel.provenance, 0.0) + channel.energy_j
    below_j, above_j = joined_sides(sides)
    low_j, high_j = energy_j - below_j, energy_j + above_j
    if not unknown:
        return Total(boundary, energy_j, low_j, high_j, missing, by_provenance_j)
    lows_j = [channel.low_j for channel in unknown if channel.low_j is not None]
    highs_j = [channel.high_j for channel in unknown if channel.high_j is not None]
    return Total(
        boundary=boundary,
        energy_j=None,
        low_j=low_j + sum(lows_j),
        high_j=high_j + sum(highs_j) if len(highs_j) == len(unknown) else None,
        missing=(*missing, *(channel.name for channel in unknown)),
        by_provenance_j={},
    )


def joined_sides(sides: Iterable[tuple[Component, float, float]]) -> tuple[float, float]:
    """How far a sum may lie above and below the truth, in J, from how far the energies of its channels may.

    Channels of one component are alike: they share a vendor's tolerance, the times at which their sensors do not look,
    and the load that keeps step with these. Their sides are added up. Components err on their own.
    """
    below_j: dict[Component, float] = {}
    above_j: dict[Component, float] = {}
    for component, one_below_j, one_above_j in sides:
        below_j[component] = below_j.get(component, 0.0) + one_below_j
        above_j[component] = above_j.get(component, 0.0) + one_above_j
    return math.hypot(*below_j.values()), math.hypot(*above_j.values())
