"""Which cells of two results are the same thing, and what differs between them.

Cells are matched by task, model, dataset, its configuration and split, and purpose. Where several cells of one side
have the same, as those of a series of batch sizes, each goes to the one of the other side from which it differs least.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from joulemark.analysis.cell_sums import CellSums
from joulemark.analysis.circumstances import Circumstances
from joulemark.analysis.results import Results
from joulemark.records import Cell

VALUES_MAX_N = 3  # of a condition that are named


@dataclass(frozen=True, slots=True)
class Folder:
    """Results with a name to call them by, their sums inside one boundary, and what they were measured under.

    ``circumstances`` is by the ids of cells, and needs those only that are paired.
    """

    name: str
    results: Results
    sums: Mapping[str, CellSums]
    circumstances: Mapping[str, Circumstances]

    def cells(self, wanted: Collection[str] | None = None) -> list[Cell]:
        """The cells of the study that have runs, failed ones included; of those in ``wanted`` (ids) alone."""
        return [
            cell
            for cell in self.results.study.cells
            if (wanted is None or cell.cell_id in wanted)
            and (one := self.sums.get(cell.cell_id)) is not None
            and one.runs_n + one.failed_n
        ]

    def measured(self, cell: Cell) -> Measured:
        """What is known of one of its cells."""
        under = self.circumstances.get(cell.cell_id) or Circumstances()
        return Measured(self.name, cell, self.sums[cell.cell_id], under)


@dataclass(frozen=True, slots=True)
class Measured:
    """A cell of one folder with the sums of its runs and what they were measured under."""

    name: str  # of the folder
    cell: Cell
    sums: CellSums
    under: Circumstances


@dataclass(frozen=True, slots=True)
class Pair:
    """The same thing, measured in two folders."""

    a: Measured
    b: Measured


@dataclass(frozen=True, slots=True)
class Change:
    """A condition that differs; ``rows_n`` is in how many rows, or ``None`` where it is not one of rows."""

    what: str
    a: str | None
    b: str | None
    rows_n: int | None = None
    of: str = "cells"  # "machine", "versions", "protocol", "cells"


def paired(a: Folder, b: Folder, wanted: Collection[str] | None = None) -> tuple[list[Pair], list[Cell], list[Cell]]:
    """The cells that both have, and those that only one has; of the cells in ``wanted`` (ids) alone."""
    pairs, only_in_a, only_in_b = matched(a.cells(wanted), b.cells(wanted))
    return [Pair(a.measured(one), b.measured(other)) for one, other in pairs], only_in_a, only_in_b


def matched(first: Sequence[Cell], second: Sequence[Cell]) -> tuple[list[tuple[Cell, Cell]], list[Cell], list[Cell]]:
    """Pairs of cells of the same task, model, dataset, configuration, split and purpose; and those left over.

    Of several that could be paired, the pair with the fewest differences comes first, then the order of the studies.
    """
    places: dict[tuple[object, ...], list[int]] = {}
    for place, cell in enumerate(second):
        places.setdefault(_key(cell), []).append(place)
    candidates = [
        (0 if cell == second[other] else len(_cell_changes(cell, second[other])), place, other)
        for place, cell in enumerate(first)
        for other in places.get(_key(cell), ())
    ]
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, place, other in sorted(candidates):
        if place not in partner and other not in taken:
            partner[place] = other
            taken.add(other)
    pairs = [(first[place], second[partner[place]]) for place in sorted(partner)]
    only_first = [cell for place, cell in enumerate(first) if place not in partner]
    return pairs, only_first, [cell for place, cell in enumerate(second) if place not in taken]


def _key(cell: Cell) -> tuple[object, ...]:
    return (cell.task, cell.model, cell.dataset, cell.dataset_config, cell.split, cell.purpose)


def _cell_changes(first: Cell, second: Cell) -> list[Change]:
    """What differs between two cells beyond what they are matched by."""
    names = ("model_revision", "dataset_revision", "columns", "sample")
    pairs = [(name, getattr(first, name), getattr(second, name)) for name in names]
    before, after = asdict(first.settings), asdict(second.settings)
    pairs += [(name, before[name], after[name]) for name in before]
    return [Change(name, _told(one), _told(other)) for name, one, other in pairs if one != other]


def _told(value: object) -> str | None:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return None if value is None else str(value)


def changes(pair: Pair) -> list[Change]:
    """What differs in what was asked for, loaded and asked, where both sides say it; each condition once."""
    first, second = pair.a.under, pair.b.under
    found = {change.what: change for change in _cell_changes(pair.a.cell, pair.b.cell)}
    for what, values in first.facts.items():
        if what in second.facts and set(values) != set(second.facts[what]):
            found.setdefault(what, Change(what, few(values), few(second.facts[what])))
    if samples_differ(pair):
        found["samples"] = Change("samples", few(first.samples), few(second.samples))
    return list(found.values())


def samples_said(pair: Pair) -> bool:
    """Whether every run on both sides says which samples it asked."""
    first, second = pair.a.under.samples, pair.b.under.samples
    return bool(first and second) and None not in first and None not in second


def samples_differ(pair: Pair) -> bool:
    """Whether both sides say which samples they asked, and it is not the same ones."""
    return samples_said(pair) and set(pair.a.under.samples) != set(pair.b.under.samples)


def few(values: Iterable[object]) -> str | None:
    """Several values in few words, hashes cut; ``None`` where there is none."""
    told = [str(value)[:12] if is_hash(value) else str(value) for value in values if value is not None]
    if not told:
        return None
    return ", ".join(told[:VALUES_MAX_N]) + (" …" if len(told) > VALUES_MAX_N else "")


def is_hash(value: object) -> bool:
    """Whether a value says nothing to people."""
    return isinstance(value, str) and len(value) >= 40 and all(sign in "0123456789abcdef" for sign in value)
