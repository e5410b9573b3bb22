"""Rules about what was metered, and how: boards, models, constants, windows, idle, warm-up."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from joulemark.analysis.audit.findings import Evidence, Found, Rule, Severity, name_of, of_cells
from joulemark.boundary import outermost
from joulemark.measurement import ChannelEnergy, Component, Provenance
from joulemark.records import Run
from joulemark.units import number

ALL_BOARDS = "all-boards-counted"
MODELLED_RATIO = 0.10
CONSTANT_RUNS_N = 5
CONSTANT_SPREAD_RATIO = 0.005
ASSUMED_OUTER_SHARE = 0.05  # at each end: durations in logs are not exact, and short ones least


def _counted(run: Run) -> list[ChannelEnergy]:
    """The channels in use that no other one contains, a meter of the whole machine among them."""
    if run.measurement is None:
        return []
    return [channel for channel in outermost(run.measurement.channels) if channel.in_use]


def _devices_j(run: Run) -> list[tuple[ChannelEnergy, float]] | None:
    """The channels that the energy inside the device boundary is the sum of; ``None`` if one of them is not known."""
    known: list[tuple[ChannelEnergy, float]] = []
    for channel in _counted(run):
        if channel.component is Component.SYSTEM:
            continue
        if channel.energy_j is None:
            return None
        known.append((channel, channel.energy_j))
    return known


def _boards_not_used(evidence: Evidence) -> Iterator[Found]:
    """The lowest power that all boards together ever had is the most that they draw idle, all of them together."""
    metered_n: dict[str, int] = {}  # runs by machine
    powers_w: dict[str, list[tuple[float, float]]] = {}  # machine → (power of its boards, share of the run's energy)
    for _, runs in evidence.cells.values():
        for run in runs:
            boards = [channel for channel in _counted(run) if channel.component is Component.GPU]
            if run.measurement is None or not any(ALL_BOARDS in board.reasons for board in boards):
                continue
            metered_n[run.machine_id] = metered_n.get(run.machine_id, 0) + 1
            devices = _devices_j(run) or []
            board_j = sum(energy_j for channel, energy_j in devices if channel.component is Component.GPU)
            all_j = sum(energy_j for _, energy_j in devices)
            if run.measurement.duration_s > 0 and board_j > 0:
                powers_w.setdefault(run.machine_id, []).append((board_j / run.measurement.duration_s, board_j / all_j))
    for machine_id, runs_n in metered_n.items():
        machine = evidence.machines.get(machine_id)
        boards_n = len(machine.gpus) if machine else 0
        if boards_n < 2:
            yield Found("whole study", f"all boards of the machine were metered in {runs_n} runs, used or not")
            continue
        told = f"{boards_n} boards were metered in {runs_n} runs and nothing says that more than one was used: the "
        found = powers_w.get(machine_id)
        if not found:
            yield Found("whole study", f"{told}share of the {boards_n - 1} others is not known")
            continue
        idle_w = min(power_w for power_w, _ in found) * (boards_n - 1) / boards_n
        share = statistics.median(idle_w / power_w * of_run for power_w, of_run in found)
        of_which = "" if len(found) == runs_n else f" of the {len(found)} in which all of it is known"
        yield Found(
            "whole study",
            f"{told}{boards_n - 1} others are up to {share:.0%} of the energy of the median run{of_which}",
        )


def _modelled(evidence: Evidence) -> Iterator[Found]:
    shares: list[tuple[float, str]] = []
    beside = False  # a meter of the whole machine, which holds the same energy
    weak = (Provenance.MODELLED, Provenance.ASSUMED)
    for cell, runs in evidence.cells.values():
        for run in runs:
            devices = _devices_j(run) or []
            all_j = sum(energy_j for _, energy_j in devices)
            weak_j = sum(energy_j for channel, energy_j in devices if channel.provenance in weak)
            if all_j > 0 and weak_j / all_j > MODELLED_RATIO:
                shares.append((weak_j / all_j, name_of(cell)))
                beside |= any(channel.component is Component.SYSTEM for channel in _counted(run))
    if shares:
        cells = list(dict.fromkeys(name for _, name in shares))
        ratios = [share for share, _ in shares]
        yield Found(
            of_cells(cells, len(evidence.cells)),
            f"{statistics.median(ratios):.0%} of the energy {'of the devices ' if beside else ''}is modelled or "
            f"assumed, not measured ({min(ratios):.0%} to {max(ratios):.0%})",
        )


def _constants(evidence: Evidence) -> Iterator[Found]:
    powers_w: dict[tuple[str, str, Provenance], list[tuple[float, str]]] = {}
    for cell, runs in evidence.cells.values():
        for run in runs:
            for channel in _counted(run):
                if run.measurement is not None and channel.energy_j and run.measurement.duration_s > 0:
                    key = (run.machine_id, channel.name, channel.provenance)
                    power_w = channel.energy_j / run.measurement.duration_s
                    powers_w.setdefault(key, []).append((power_w, cell.model))
    for (_, name, provenance), found in powers_w.items():
        values_w = sorted(power_w for power_w, _ in found)
        assumed = provenance is Provenance.ASSUMED
        outer_n = int(ASSUMED_OUTER_SHARE * len(values_w)) if assumed else 0
        middle_w = values_w[outer_n : len(values_w) - outer_n]
        mean_w = statistics.fmean(middle_w)
        several = len(found) >= CONSTANT_RUNS_N and len({model for _, model in found}) > 1
        if several and middle_w[-1] - middle_w[0] <= CONSTANT_SPREAD_RATIO * mean_w:
            called = "is an assumed constant" if assumed else f"is called {provenance}"
            runs_told = f"{len(middle_w)} of {len(found)}" if outer_n else f"all of {len(found)}"
            told = f"{called}: about {number(mean_w)} W in {runs_told} runs, whatever they did"
            if provenance in (Provenance.COUNTER, Provenance.SAMPLED):
                yield Found(
                    name,
                    f"{told}; a power limit may have held it there",
                    "compare it with the power limit that was set; if it is another, ask what the sensor reads",
                    Severity.NOTE,
                )
            else:
                yield Found(name, told)
        elif assumed:
            yield Found(
                name,
                f"is assumed, not measured: {number(values_w[0])} to {number(values_w[-1])} W, "
                f"{number(statistics.median(values_w))} W in the median of {len(found)} runs",
            )


def _short_windows(evidence: Evidence) -> Iterator[Found]:
    cells = [
        name_of(cell)
        for cell, runs in evidence.cells.values()
        if any("window-too-short" in channel.reasons for run in runs for channel in _counted(run))
    ]
    if cells:
        yield Found(of_cells(cells, len(evidence.cells)), "fewer than ten updates of a sensor fit in the window")


def _no_idle(evidence: Evidence) -> Iterator[Found]:
    cells = [
        name_of(cell)
        for cell, runs in evidence.cells.values()
        if any(run.idle_before is None or run.idle_after is None for run in runs)
    ]
    if cells:
        yield Found(of_cells(cells, len(evidence.cells)), "idle was not measured: what the model adds is not known")


def _cold(evidence: Evidence) -> Iterator[Found]:
    seen = [
        name_of(cell) for cell, runs in evidence.cells.values() if any("warm-up-inside" in run.reasons for run in runs)
    ]
    none = [name_of(cell) for cell, runs in evidence.cells.values() if any(run.warmup_n == 0 for run in runs)]
    untold = [name_of(cell) for cell, runs in evidence.cells.values() if any(run.warmup_n is None for run in runs)]
    if seen:
        slower = "the first tenth of the queries was more than 10 % slower"
        yield Found(of_cells(seen, len(evidence.cells)), slower, _warmer(evidence))
        return
    if none:
        yield Found(
            of_cells(none, len(evidence.cells)),
            "no query ran before the window: the first ones are in it",
            _warmer(evidence),
        )
    if untold:
        yield Found(
            of_cells(untold, len(evidence.cells)),
            "it is not recorded whether queries ran before the window: the first ones may be in it",
            "say what ran before the window, or measure again with --warmup",
        )


def _warmer(evidence: Evidence) -> str:
    """A remedy with a number above that of the study."""
    now_n = evidence.study.protocol.warmup_n
    more_n = max(2 * now_n, 10)
    return f"warmup_n = {more_n} instead of {now_n} in the study, or --warmup {more_n}"


def _fake(evidence: Evidence) -> Iterator[Found]:
    yield from _made_up(evidence, "fake-sensor", "a fake sensor gave the energy of {runs}: nobody measured it")


def _replayed(evidence: Evidence) -> Iterator[Found]:
    yield from _made_up(
        evidence, "replayed", "the energy of {runs} was read from a recorded trace: it is that of other work"
    )


def _made_up(evidence: Evidence, code: str, message: str) -> Iterator[Found]:
    runs_n = 0
    cells: list[str] = []
    for cell, runs in evidence.cells.values():
        found_n = sum(any(code in channel.reasons for channel in _counted(run)) for run in runs)
        runs_n += found_n
        cells += [name_of(cell)] if found_n else []
    if cells:
        told = f"{runs_n:,} run" + ("" if runs_n == 1 else "s")
        yield Found(of_cells(cells, len(evidence.cells)), message.format(runs=told))


RULES = (
    Rule(
        "JM101",
        Severity.ERROR,
        "devices metered but not used",
        "All boards of a machine were counted although a model ran on one. What the others draw idle is not the "
        "model's. Their idle power is at most the lowest power that was ever seen on all of them. Runs of which a part "
        "is not known have no such share.",
        "set CUDA_VISIBLE_DEVICES, or name the boards in use",
        _boards_not_used,
    ),
    Rule(
        "JM102",
        Severity.WARNING,
        "modelled and assumed energy",
        f"More than {MODELLED_RATIO:.0%} of a run's energy inside the device boundary comes from a formula or a "
        "constant. It is right within a factor at best, and it hides differences between models, which it does not "
        "know. Runs of which a part is not known have no such share.",
        "give access to a counter (joulemark sensors says how), or leave the modelled part out",
        _modelled,
    ),
    Rule(
        "JM103",
        Severity.ERROR,
        "constants that pose as measurements",
        f"The power of a channel is the same within {CONSTANT_SPREAD_RATIO:.1%} in at least {CONSTANT_RUNS_N} runs of "
        "different models (of an assumed one in nine of ten), or is known to be assumed. A reader takes it for a "
        "measurement. Of a counter or a gauge it is a note only: a board that is held at its power limit is as steady.",
        "leave it out of the total, or measure it",
        _constants,
    ),
    Rule(
        "JM107",
        Severity.WARNING,
        "windows too short for the sensor",
        "A sensor that updates every 100 ms says little about 300 ms: at both ends up to one update is missing or too "
        "much.",
        "more queries per run",
        _short_windows,
    ),
    Rule(
        "JM108",
        Severity.WARNING,
        "missing idle",
        "Without the machine's idle power, before and after, nothing can be said of what a model adds to it.",
        "idle_s = 10 in the study, or --idle 10",
        _no_idle,
    ),
    Rule(
        "JM109",
        Severity.WARNING,
        "warm-up inside the window",
        "The first queries load kernels, fill caches and raise clocks. They are not typical of the thousandth. Where "
        "nothing says whether queries ran before the window, that is told.",
        "a larger warmup_n in the study, or --warmup",
        _cold,
    ),
    Rule(
        "JM129",
        Severity.ERROR,
        "energy of a fake sensor",
        "The fake sensor counts whatever it was told to, for trying things out. Its joules look like counted ones, and "
        "are nobody's.",
        "measure again without --sensors fake, into another folder",
        _fake,
    ),
    Rule(
        "JM130",
        Severity.ERROR,
        "energy of a replayed trace",
        "A recorded trace is played back as if a sensor gave it. Its joules are those of what ran when it was "
        "recorded, not of the model that is named here.",
        "measure again without --sensors replay, into another folder",
        _replayed,
    ),
)
