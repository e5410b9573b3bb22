"""What sensors offer and what a window of them says: frozen records in base units, as in :mod:`joulemark.records`.

They stand apart from the records of studies because a program that only measures has to load nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Provenance(StrEnum):
    """How a joule came about, strongest first."""

    COUNTER = "counter"  # a hardware energy counter, read at both edges
    SAMPLED = "sampled"  # a hardware power gauge, integrated
    MODELLED = "modelled"  # a formula on load or size
    ASSUMED = "assumed"  # a constant


class Component(StrEnum):
    """The part of a machine that a channel covers."""

    GPU = "gpu"
    CPU = "cpu"
    DRAM = "dram"
    BOARD = "board"
    SYSTEM = "system"


class Quantity(StrEnum):
    """What reading a channel yields: a count that only grows, or the power of this moment."""

    ENERGY = "energy"
    POWER = "power"


class BoundaryName(StrEnum):
    """Which channels a total counts."""

    MARGINAL = "marginal"  # devices in use, above their own idle
    DEVICE = "device"  # devices in use
    HOST = "host"  # the whole machine
    FACILITY = "facility"  # the host times the power usage effectiveness of the building


@dataclass(frozen=True, slots=True)
class Channel:
    """One readable thing of a sensor.

    ``read`` returns the running count of an energy channel (``count_j`` joules each), or the momentary power in
    watts of a power channel. ``gauge`` returns the momentary power in watts of the same device, to check a counter by.
    Both raise :class:`ReadFailure`. ``users`` returns the ids of the processes that compute on the device, or ``None``
    where that is not told; it is there where nobody has said which devices are ours.
    """

    name: str
    component: Component
    provenance: Provenance
    quantity: Quantity
    read: Callable[[], float]
    device: str  # what a person calls it
    count_j: float = 1.0  # joules per count of an energy channel
    resolution_j: float = 0.0  # the smallest step of an energy channel
    resolution_w: float | None = None  # the smallest step of a power channel, where that is known
    update_period_s: float | None = None
    wrap_n: int | None = None  # counts after which an energy counter starts again at zero
    turn_n: int | None = None  # counts that a driver loses at once when nobody reads for so long
    seen_ratio: float = 1.0  # the share of the time at which the sensor looks
    accuracy_ratio: float = 0.0  # half-width of the vendor's tolerance, as a share of the value
    model_factor: float = 1.0  # a modelled value is right within times or divided by this
    power_max_w: float = 2000.0  # more than it can draw: tells a reset from a wrap, and how soon it may wrap
    in_use: bool = True  # False: a device that is metered but not ours
    rests: bool = False  # it may draw nothing at all: a count that does not move is a reading
    part_of: str | None = None  # the channel that already contains this one; never added to it
    covers: tuple[Component, ...] = ()  # components inside it that have no channel of their own
    reasons: tuple[str, ...] = ()  # what weakens every value of this channel
    gauge: Callable[[], float] | None = None
    users: Callable[[], frozenset[int] | None] | None = None


@dataclass(frozen=True, slots=True)
class Absence:
    """A source of energy readings that was looked for in vain."""

    source: str
    why: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """Half-widths at 95 % of what is known about a window's error, and the factor of a model."""

    resolution_j: float = 0.0  # one count at each edge
    update_j: float = 0.0  # update period times power at each edge
    edge_j: float = 0.0  # time that reading took around the window, times power: a bound on what is counted too much
    gap_j: float = 0.0  # between samples of a gauge
    accuracy_j: float = 0.0  # the vendor's tolerance
    unseen_below_j: float = 0.0  # a bound: how much less may have been drawn while the sensor did not look
    unseen_above_j: float = 0.0  # and how much more
    model_factor: float = 1.0
    noise_j: float = (
        0.0  # of an idle window: how far its energy may be from another one's, by how power went up and down
    )

    @property
    def half_width_j(self) -> float:
        """The additive terms of the window's own energy, but for those that are bounds, combined as independent."""
        return math.hypot(self.resolution_j, self.update_j, self.gap_j, self.accuracy_j)


@dataclass(frozen=True, slots=True)
class ChannelEnergy:
    """The energy of one channel over one window, with its interval and whatever weakens it."""

    name: str
    component: Component
    provenance: Provenance
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    budget: ErrorBudget
    in_use: bool = True
    part_of: str | None = None
    covers: tuple[Component, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def uncertainty_j(self) -> float | None:
        """The larger side of the interval; ``None`` where it has no bound."""
        if self.energy_j is None or self.low_j is None or self.high_j is None:
            return None
        return max(self.energy_j - self.low_j, self.high_j - self.energy_j)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One window: when, how long, and what every channel says about it."""

    started_at: str
    duration_s: float
    channels: tuple[ChannelEnergy, ...]
    harness_cpu_s: float  # processor time the meter itself spent inside the window
    reasons: tuple[str, ...] = ()
