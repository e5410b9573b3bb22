"""Totals of one window under the boundaries ``marginal``, ``device``, ``host`` and ``facility``.

Sums are made only of what is known; whatever is not known is named in ``missing``. A channel that is part of another
is never added to it. Where a part is not known but bounded (a counter that was set back, a window shorter than its
sensor), the total is not known either, and has the bounds that follow. A total of the host needs a reading of the
whole machine: the processor, the memory and the boards alone leave out fans, disks and the power supply, so without a
``system`` channel only its lower bound is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from joulemark.records import BoundaryName, ChannelEnergy, Component, Measurement, Provenance


@dataclass(frozen=True, slots=True)
class Total:
    """The energy inside a boundary, its interval, what it leaves out, and how its joules came about."""

    boundary: BoundaryName
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    missing: tuple[str, ...]
    by_provenance_j: Mapping[Provenance, float]

    @property
    def provenance(self) -> dict[str, float] | None:
        """Shares of the energy by provenance, adding up to 1; ``None`` when the energy is not known or zero."""
        total_j = sum(self.by_provenance_j.values())
        if self.energy_j is None or total_j <= 0:
            return None
        return {str(kind): energy_j / total_j for kind, energy_j in self.by_provenance_j.items()}


def total(
    measurement: Measurement,
    boundary: BoundaryName,
    idle: Sequence[Measurement] = (),
    pue_ratio: float | None = None,
) -> Total:
    """The energy of ``measurement`` inside ``boundary``; ``idle`` windows are needed for the marginal one."""
    outer = [channel for channel in measurement.channels if channel.part_of is None]
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


def idle_power_w(channel: str, idle: Sequence[Measurement]) -> float | None:
    """Mean power of a channel over the idle windows that know it."""
    known = [
        (energy.energy_j, window.duration_s)
        for window in idle
        for energy in window.channels
        if energy.name == channel and energy.energy_j is not None
    ]
    duration_s = sum(duration_s for _, duration_s in known)
    return sum(energy_j for energy_j, _ in known) / duration_s if duration_s > 0 else None


def _absent_components(channels: Sequence[ChannelEnergy]) -> tuple[str, ...]:
    """Processor and memory, unless a channel is theirs or covers them, by itself or as the whole of a part of them."""
    present = {part for channel in channels for part in (channel.component, *channel.covers)}
    return tuple(str(part) for part in (Component.CPU, Component.DRAM) if part not in present)


def _marginal(
    outer: Sequence[ChannelEnergy], absent: tuple[str, ...], duration_s: float, idle: Sequence[Measurement]
) -> Total:
    above: list[ChannelEnergy] = []
    missing: list[str] = list(absent)
    for channel in outer:
        if not channel.in_use or channel.component is Component.SYSTEM:
            continue
        baseline_w = idle_power_w(channel.name, idle)
        if channel.energy_j is None or baseline_w is None:
            above.append(replace(channel, energy_j=None, low_j=None, high_j=None))
            if channel.energy_j is not None:
                missing.append("idle")
            continue
        assert channel.low_j is not None
        assert channel.high_j is not None
        idle_j, factor = baseline_w * duration_s, channel.budget.model_factor
        # The factor of a model is one of the difference too: both sides come from the same formula.
        low_j, high_j = channel.low_j * factor - idle_j, channel.high_j / factor - idle_j
        low_j = low_j / factor if low_j > 0 else low_j * factor
        high_j = max(high_j * factor, high_j / factor)
        above.append(replace(channel, energy_j=channel.energy_j - idle_j, low_j=low_j, high_j=high_j))
    found = _sum(BoundaryName.MARGINAL, above, tuple(dict.fromkeys(missing)))
    # What is not known may be less than its idle power: no bound follows from the others.
    return found if found.energy_j is not None else replace(found, low_j=None, high_j=None)


def _host(outer: Sequence[ChannelEnergy], absent: tuple[str, ...]) -> Total:
    system = [channel for channel in outer if channel.component is Component.SYSTEM and _whole(channel)]
    if system:
        return _sum(BoundaryName.HOST, system, ())
    lower = _sum(BoundaryName.HOST, [channel for channel in outer if channel.component is not Component.SYSTEM], ())
    unknown = tuple(channel.name for channel in outer if channel.energy_j is None)
    missing = (*absent, *unknown, "rest of the machine (fans, disks, power supply)")
    return replace(lower, energy_j=None, high_j=None, missing=missing)


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
    energy_j = low_square = high_square = 0.0
    for channel in channels:
        if channel.energy_j is None:
            continue
        assert channel.low_j is not None
        assert channel.high_j is not None
        energy_j += channel.energy_j
        low_square += (channel.energy_j - channel.low_j) ** 2
        high_square += (channel.high_j - channel.energy_j) ** 2
        by_provenance_j[channel.provenance] = by_provenance_j.get(channel.provenance, 0.0) + channel.energy_j
    low_j, high_j = energy_j - low_square**0.5, energy_j + high_square**0.5
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
