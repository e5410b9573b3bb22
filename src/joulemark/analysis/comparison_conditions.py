"""What differs between two results besides their energy, what is the same, and what weakens the comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

from joulemark.analysis.circumstances import Circumstances
from joulemark.analysis.comparison import WITHIN_SENSORS, Comparison, Row, Side, Verdict
from joulemark.analysis.interval import CONFIDENCE
from joulemark.analysis.matching import Change, Folder, few, is_hash, samples_differ, samples_said
from joulemark.records import LOGGED_MODEL, Machine, Settings

OF_THE_MODEL = frozenset({"weights", "hash of the weights", "model_revision", "model revision", "architecture"})
TOLERANCE_MIN_RATIO = 0.001  # a smaller one that cancels is not worth a word


@dataclass(frozen=True, slots=True)
class Agreement:
    """A condition that is the same on both sides; ``value`` is ``None`` where it has no short form."""

    what: str
    value: str | None
    of: str = "cells"  # as in a change


@dataclass(frozen=True, slots=True)
class Finding:
    """What weakens the comparison."""

    subject: str
    message: str


def conditions(a: Folder, b: Folder, comparison: Comparison) -> tuple[list[Change], list[Agreement]]:
    """What differs between the two and what is the same, in what was compared; what neither says is in neither."""
    under = [pair.a.under for pair in comparison.pairs], [pair.b.under for pair in comparison.pairs]
    told: list[Change] = []
    machines = _machines(a, under[0]), _machines(b, under[1])
    for what, of_machine in _MACHINE.items():
        one, other = few(dict.fromkeys(map(of_machine, machines[0]))), few(dict.fromkeys(map(of_machine, machines[1])))
        told.append(Change(what, one, other, of="machine"))
    versions = _versions(under[0]), _versions(under[1])
    for name in dict.fromkeys((*versions[0], *versions[1])):
        told.append(Change(name, few(versions[0].get(name, ())), few(versions[1].get(name, ())), of="versions"))
    rules = a.results.study.protocol, b.results.study.protocol
    for what, name in _PROTOCOL.items():
        told.append(Change(what, str(getattr(rules[0], name)), str(getattr(rules[1], name)), of="protocol"))
    different = [change for change in told if change.a != change.b]
    same = [Agreement(change.what, change.a, change.of) for change in told if change.a == change.b is not None]
    return [*different, *_row_changes(comparison.rows)], [*same, *_row_agreements(comparison)]


def _gpus(machine: Machine) -> str:
    counts = {name: machine.gpus.count(name) for name in machine.gpus}
    return ", ".join(name if n == 1 else f"{n} × {name}" for name, n in counts.items()) or "none"


# Conditions in the words of people. The memory is told to a GiB, as a machine is known by it.
_MACHINE: dict[str, Callable[[Machine], str | None]] = {
    "processor": lambda machine: machine.cpu,
    "CPUs": lambda machine: str(machine.cpus_n),
    "memory": lambda machine: None if machine.memory_byte is None else f"{machine.memory_byte / 2**30:,.0f} GiB",
    "GPU": _gpus,
    "virtual machine": lambda machine: None if machine.virtualised is None else "yes" if machine.virtualised else "no",
    "kernel": lambda machine: machine.kernel,
    "system": lambda machine: machine.system,
}
_PROTOCOL = {
    "inferences per run": "queries_n",
    "repetitions": "repeats_n",
    "order": "order",
    "seed": "seed",
    "warm-up queries": "warmup_n",
    "idle seconds": "idle_s",
}


def _machines(folder: Folder, under: Iterable[Circumstances]) -> list[Machine]:
    used = {machine_id for one in under for machine_id in one.machine_ids}
    return [machine for machine in folder.results.machines if machine.machine_id in used]


def _versions(under: Iterable[Circumstances]) -> dict[str, dict[str, None]]:
    versions: dict[str, dict[str, None]] = {}
    for one in under:
        for name, known in one.versions.items():
            if name != LOGGED_MODEL:
                versions.setdefault(name, {}).update(known)
    return versions


def _row_changes(rows: Sequence[Row]) -> list[Change]:
    """What differs in some rows, each with its values and the number of rows."""
    changes = [change for row in rows for change in row.differing]
    for row in rows:
        for what, of in (("parts counted", _parts), ("how the energy is known", _kinds)):
            one, other = of(row.a), of(row.b)
            if one and other and one != other:
                changes.append(Change(what, one, other))
    found: list[Change] = []
    for what in dict.fromkeys(change.what for change in changes):
        those = [change for change in changes if change.what == what]
        befores, afters = dict.fromkeys(change.a for change in those), dict.fromkeys(change.b for change in those)
        found.append(Change(what, few(befores), few(afters), len(those)))
    return found


def _parts(side: Side) -> str:
    return " + ".join(sorted(side.counted))


def _kinds(side: Side) -> str:
    return " + ".join(side.kinds)


def _row_agreements(comparison: Comparison) -> list[Agreement]:
    """What is the same in every row, as far as both sides say it."""
    pairs = comparison.pairs
    if not pairs:
        return []
    differing = {change.what for row in comparison.rows for change in row.differing}
    same = [Agreement("datasets", None)]  # cells are matched by them
    if all(samples_said(pair) and not samples_differ(pair) for pair in pairs):
        same.append(Agreement("samples", None))
    for what in dict.fromkeys(what for pair in pairs for what in pair.a.under.facts):
        said = all(what in one.under.facts for pair in pairs for one in (pair.a, pair.b))
        if said and what not in differing:
            values = dict.fromkeys(value for pair in pairs for value in pair.a.under.facts[what])
            same.append(Agreement(what, None if any(map(is_hash, values)) else few(values)))
    if not differing & {one.name for one in fields(Settings)}:
        same.append(Agreement("settings", None))
    return same


def of_rows(rows_n: int, all_n: int) -> str:
    """So many of all rows, in words."""
    return "the only row" if rows_n == all_n == 1 else f"{rows_n:,} of {all_n:,} rows"


def findings(comparison: Comparison) -> list[Finding]:
    """What a reader has to know before believing a difference."""
    rows, pairs = comparison.rows, comparison.pairs
    found: list[Finding] = []

    def tell(rows_n: int, message: str) -> None:
        if rows_n:
            found.append(Finding(of_rows(rows_n, len(rows)), message))

    for word in dict.fromkeys(word for row in rows for side in (row.a, row.b) for word in side.made_up):
        sides = [(word in row.a.made_up, word in row.b.made_up) for row in rows]
        which = "both sides" if all(map(all, filter(any, sides))) else "one side"
        tell(sum(map(any, sides)), f"the energy of {which} is {word}: nobody measured it")
    copies_n = [len(set(pair.a.under.marks) & set(pair.b.under.marks)) for pair in pairs]
    tell(
        sum(n > 0 for n in copies_n),
        f"the same runs are in both ({sum(copies_n):,}): as far as they go, nothing can differ",
    )
    tell(sum(map(samples_differ, pairs)), "other samples were asked: the difference is one of the samples, too")
    tell(sum(not samples_said(pair) for pair in pairs), "it is not recorded which samples were asked: they may differ")
    tell(
        sum(bool(OF_THE_MODEL & {change.what for change in row.differing}) for row in rows),
        "the loaded models are not the same, although their names are",
    )
    tell(
        sum(bool(_parts(row.a) and _parts(row.b) and _parts(row.a) != _parts(row.b)) for row in rows),
        "the energies are of different parts of the machine: the difference is one of what is counted, too",
    )
    tell(
        sum(bool(row.a.kinds and row.b.kinds and row.a.kinds != row.b.kinds) for row in rows),
        "the energy is not known in the same way on both sides",
    )
    cancelled = [math.expm1(row.apart_log) for row in rows if row.apart_log is not None and row.ratio is not None]
    if cancelled and max(cancelled) >= TOLERANCE_MIN_RATIO:
        most = max(cancelled)
        told = f"± {most:.1%}" if most < 0.2 else f"×/÷ {1 + most:.1f}"
        tell(
            len(cancelled),
            "one machine and the same sensors are taken for granted (same processor, memory, boards and channels), "
            f"so that the sensors' tolerance cancels; of two machines alike, ratios would be known to {told} at best",
        )
    tell(sum(row.verdict is Verdict.NOT_TESTED for row in rows), "a single repetition: no interval, no test")
    tell(
        sum(row.why == WITHIN_SENSORS for row in rows),
        "the repetitions differ, but not by more than the sensors' error: more repetitions will not help",
    )
    for why in dict.fromkeys(row.why for row in rows if row.verdict is Verdict.UNKNOWN):
        tell(sum(row.verdict is Verdict.UNKNOWN and row.why == why for row in rows), f"no ratio: {why}")
    tested_n = sum(row.p is not None for row in rows)
    by_chance_n = tested_n * (1 - CONFIDENCE)
    if by_chance_n >= 1:
        told = f"if nothing differed, about {by_chance_n:.0f} would seem to differ by chance"
        found.append(Finding(f"{tested_n:,} tests", told))
    return found
