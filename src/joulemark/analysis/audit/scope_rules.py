"""Rules about what was metered, and how: boards, models, constants, windows, idle, warm-up."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from joulemark.analysis.audit.findings import Evidence, Found, Rule, Severity, name_of, of_cells
from joulemark.measurement import ChannelEnergy, Component, Provenance
from joulemark.records import Run
from joulemark.units import number

MODELLED_RATIO = 0.10
CONSTANT_RUNS_N = 5
CONSTANT_SPREAD_RATIO = 0.005


def _counted(run: Run) -> list[ChannelEnergy]:
    """The channels that a run's energy is the sum of."""
    if run.measurement is None:
        return []
    return [channel for channel in run.measurement.channels if channel.in_use and channel.part_of is None]


def _boards_not_used(evidence: Evidence) -> Iterator[Found]:
    """The lowest power that all boards together ever had is the most that they draw idle, all of them together."""
    powers_w: dict[str, list[tuple[float, float]]] = {}  # machine → (power of its boards, share of the run's energy)
    for _, runs in evidence.cells.values():
        for run in runs:
            boards = [channel for channel in _counted(run) if channel.component is Component.GPU]
            if run.measurement is None or not any("all-boards-counted" in board.reasons for board in boards):
                continue
            board_j = sum(board.energy_j or 0.0 for board in boards)
            all_j = sum(channel.energy_j or 0.0 for channel in _counted(run))
            if run.measurement.duration_s > 0 and all_j > 0:
                powers_w.setdefault(run.machine_id, []).append((board_j / run.measurement.duration_s, board_j / all_j))
    for machine_id, found in powers_w.items():
        machine = evidence.machines.get(machine_id)
        boards_n = len(machine.gpus) if machine else 0
        if boards_n < 2:
            yield Found("whole study", f"all boards of the machine were metered in {len(found)} runs, used or not")
            continue
        idle_w = min(power_w for power_w, _ in found) * (boards_n - 1) / boards_n
        shares = [idle_w / power_w * of_run for power_w, of_run in found if power_w > 0]
        yield Found(
            "whole study",
            f"{boards_n} boards were metered in {len(found)} runs and nothing says that more than one was used: the "
            f"{boards_n - 1} others are up to {statistics.median(shares):.0%} of the energy of the median run",
        )


def _modelled(evidence: Evidence) -> Iterator[Found]:
    shares: list[tuple[float, str]] = []
    for cell, runs in evidence.cells.values():
        for run in runs:
            energies_j = [(channel.provenance, channel.energy_j or 0.0) for channel in _counted(run)]
            all_j = sum(energy_j for _, energy_j in energies_j)
            weak = (Provenance.MODELLED, Provenance.ASSUMED)
            weak_j = sum(energy_j for provenance, energy_j in energies_j if provenance in weak)
            if all_j > 0 and weak_j / all_j > MODELLED_RATIO:
                shares.append((weak_j / all_j, name_of(cell)))
    if shares:
        cells = list(dict.fromkeys(name for _, name in shares))
        ratios = [share for share, _ in shares]
        yield Found(
            of_cells(cells, len(evidence.cells)),
            f"{statistics.median(ratios):.0%} of the energy is modelled or assumed, not measured "
            f"({min(ratios):.0%} to {max(ratios):.0%})",
        )


def _constants(evidence: Evidence) -> Iterator[Found]:
    powers_w: dict[tuple[str, str, Provenance], list[tuple[float, str]]] = {}
    for cell, runs in evidence.cells.values():
        for run in runs:
            for channel in _counted(run):
                if run.measurement is not None and channel.energy_j and run.measurement.duration_s > 0:
                    key = (run.machine_id, channel.name, channel.provenance)
                    power_w = channel.energy_j / run.measurement.duration_s
                    powers_w.setdefault(key, []).append((power_w, cell.cell_id))
    for (_, name, provenance), found in powers_w.items():
        values_w = [power_w for power_w, _ in found]
        mean_w = statistics.fmean(values_w)
        steady = max(values_w) - min(values_w) <= CONSTANT_SPREAD_RATIO * mean_w
        several = len(found) >= CONSTANT_RUNS_N and len({cell_id for _, cell_id in found}) > 1
        if provenance is Provenance.ASSUMED or (steady and several):
            told = "is an assumed constant" if provenance is Provenance.ASSUMED else f"is called {provenance}"
            yield Found(name, f"{told}: about {number(mean_w)} W in all of {len(found)} runs, whatever they did")


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
    none = [name_of(cell) for cell, runs in evidence.cells.values() if any(not run.warmup_n for run in runs)]
    if seen:
        slower = "the first tenth of the queries was more than 10 % slower"
        yield Found(of_cells(seen, len(evidence.cells)), slower, _warmer(evidence))
    elif none:
        yield Found(
            of_cells(none, len(evidence.cells)),
            "no query ran before the window: the first ones are in it",
            _warmer(evidence),
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
        "model's. Their idle power is at most the lowest power that was ever seen on all of them.",
        "set CUDA_VISIBLE_DEVICES, or name the boards in use",
        _boards_not_used,
    ),
    Rule(
        "JM102",
        Severity.WARNING,
        "modelled and assumed energy",
        f"More than {MODELLED_RATIO:.0%} of a run's energy comes from a formula or a constant. It is right within a "
        "factor at best, and it hides differences between models, which it does not know.",
        "give access to a counter (joulemark sensors says how), or leave the modelled part out",
        _modelled,
    ),
    Rule(
        "JM103",
        Severity.ERROR,
        "constants that pose as measurements",
        f"The power of a channel is the same within {CONSTANT_SPREAD_RATIO:.1%} in at least {CONSTANT_RUNS_N} runs of "
        "different models, or is known to be assumed, and is part of the total. A reader takes it for a measurement.",
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
        "The first queries load kernels, fill caches and raise clocks. They are not typical of the thousandth.",
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
