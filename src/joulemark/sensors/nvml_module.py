"""What the energy counter of a board that shares a module with a processor covers: the board, or all of the module.

On Grace Hopper the counter that NVML calls the GPU's has been seen to hold processor and memory too
(https://github.com/ml-energy/zeus/pull/172). Beside the processor's own sensors that would count it twice. Other such
boards answer for themselves only (GB10: https://github.com/ml-energy/zeus/pull/242), and no document says which do
what, so that the counter is compared with the power of both, where these are clearly apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PROBE_S = 0.3  # three updates of a slow counter
PROBE_MAX_S = 1.0
POLL_S = 0.005
APART_RATIO = 0.25  # of the board's power: module and board must differ by as much
NEAR_RATIO = 0.25  # of what lies between them: the counter must be as near to one of them


def counts_module(
    count_j: Callable[[], float], board_w: Callable[[], float], module_w: Callable[[], float] | None
) -> bool | None:
    """Whether the counter ``count_j`` covers the module; ``None`` where that does not show.

    Reads it and the gauges of the board and of its module, if there is one, for some tenths of a second. Raises
    :class:`~joulemark.failures.ReadFailure` where one of them does.
    """
    powers_w = _mean_powers(count_j, (board_w,) if module_w is None else (board_w, module_w))
    return None if powers_w is None else decided(*powers_w)


def decided(counted_w: float, board_w: float, module_w: float | None = None) -> bool | None:
    """Whether a counter that moved by ``counted_w`` is that of the module; ``None`` where it is near neither power."""
    if module_w is None:
        return False if abs(counted_w - board_w) <= NEAR_RATIO * board_w else None
    apart_w = module_w - board_w
    if apart_w < APART_RATIO * board_w:
        return None
    if abs(counted_w - board_w) <= NEAR_RATIO * min(apart_w, board_w):
        return False
    return True if abs(counted_w - module_w) <= NEAR_RATIO * apart_w else None


def _mean_powers(count_j: Callable[[], float], gauges: tuple[Callable[[], float], ...]) -> tuple[float, ...] | None:
    """The mean power (W) of a counter from one update of it to another, then those of ``gauges`` in that time.

    ``None`` if the counter stands still for too long.
    """
    sums_w, readings_n = [0.0] * len(gauges), 0
    first: tuple[float, float] | None = None  # when it was seen to be updated, and its count then
    last_j, ends_s = count_j(), time.monotonic() + PROBE_MAX_S
    while time.monotonic() < ends_s:
        time.sleep(POLL_S)
        now_j, now_s = count_j(), time.monotonic()
        if first is not None:
            sums_w, readings_n = [sum_w + gauge() for sum_w, gauge in zip(sums_w, gauges, strict=True)], readings_n + 1
        if now_j == last_j:
            continue
        last_j = now_j
        if first is None:
            first = (now_s, now_j)
        elif now_s - first[0] >= PROBE_S:
            return ((now_j - first[1]) / (now_s - first[0]), *(sum_w / readings_n for sum_w in sums_w))
    return None
