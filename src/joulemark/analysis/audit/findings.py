"""What a rule says, what it is given, and how it tells of many cells in few words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from joulemark.analysis.claims import CLAIMS_FILE, Claim
from joulemark.analysis.summary import run_total
from joulemark.failures import MendableError
from joulemark.measurement import BoundaryName
from joulemark.records import Cell, Machine, Run, Study

PER_N = 1000
NOT_STATED = "not stated"  # what an import calls a dataset that a log does not name

# What the rules can hold a figure against, by statistic; one that is derived may be of any quantity.
_QUANTITIES_READ = {
    "sum": ("energy_kwh", "carbon_kg"),
    "typical": ("energy_kwh", "carbon_kg"),
    "stated": ("intensity_g_per_kwh", "gpus_n"),
}


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # a number says something that it is not
    WARNING = "warning"  # a number is weaker than it looks
    NOTE = "note"  # to keep in mind when reading


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found: about what, and what; ``remedy`` and ``severity`` where they are not the rule's own."""

    subject: str
    message: str
    remedy: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of an audit."""

    code: str
    severity: Severity
    subject: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Rule:
    """``check`` yields what it finds in the evidence; ``explanation`` says what is tested and why it matters."""

    code: str
    severity: Severity
    title: str
    explanation: str
    remedy: str
    check: Callable[[Evidence], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A results folder as the rules see it.

    ``cells`` holds the measured runs of every cell by repetition, those of the study first; ``energies_j`` the energy
    per query of each run inside the device boundary, by (run id, machine id), where it is known.
    """

    study: Study
    runs: Sequence[Run]
    machines: Mapping[str, Machine]
    claims: Sequence[Claim]
    cells: Mapping[str, tuple[Cell, tuple[Run, ...]]]
    energies_j: Mapping[tuple[str, str], float]

    def comparable(self) -> list[tuple[Cell, tuple[Run, ...]]]:
        """The cells whose runs are repetitions of one thing: those that say what was asked."""
        return [(cell, runs) for cell, runs in self.cells.values() if cell.dataset != NOT_STATED]

    def energy_j(self, run: Run) -> float | None:
        """The energy per query of a run, if it is known."""
        return self.energies_j.get((run.run_id, run.machine_id))

    def cell_energies_j(self, runs: Iterable[Run]) -> list[float]:
        """The known energies per query of runs."""
        return [energy_j for run in runs if (energy_j := self.energy_j(run)) is not None]


def evidence(study: Study, runs: Sequence[Run], machines: Sequence[Machine], claims: Sequence[Claim]) -> Evidence:
    """Sort the runs by cell and compute their energies once for all rules.

    Raises:
        MendableError: no rule can read one of the claims.
    """
    for claim in claims:
        _refuse_unreadable(claim)
    by_cell: dict[str, tuple[Cell, list[Run]]] = {cell.cell_id: (cell, []) for cell in study.cells}
    energies_j: dict[tuple[str, str], float] = {}
    for run in runs:
        if run.measurement is None:
            continue
        by_cell.setdefault(run.cell.cell_id, (run.cell, []))[1].append(run)
        found = run_total(run, BoundaryName.DEVICE)
        if found is not None and found.energy_j is not None:
            energies_j[run.run_id, run.machine_id] = found.energy_j / run.queries_n
    return Evidence(
        study=study,
        runs=runs,
        machines={machine.machine_id: machine for machine in machines},
        claims=claims,
        cells={
            cell_id: (cell, tuple(sorted(found, key=lambda run: run.repeat_i)))
            for cell_id, (cell, found) in by_cell.items()
        },
        energies_j=energies_j,
    )


def _refuse_unreadable(claim: Claim) -> None:
    """A figure that no rule would look at must not pass for one that was found to be right."""
    read = _QUANTITIES_READ.get(claim.statistic, (claim.quantity,))
    if claim.quantity not in read:
        raise MendableError(
            f"{CLAIMS_FILE}: {claim.text!r}: {claim.statistic!r} goes with {' or '.join(read)}, not {claim.quantity!r}"
        )
    unsigned = next((name for name in claim.inputs if not name.startswith(("+", "/"))), None)
    if unsigned is not None:
        raise MendableError(
            f"{CLAIMS_FILE}: {claim.text!r}: the input {unsigned!r} has no sign: '+{unsigned}' is added, "
            f"'/{unsigned}' divides"
        )
    if claim.statistic == "derived" and not any(name.startswith("+") for name in claim.inputs):
        raise MendableError(f"{CLAIMS_FILE}: {claim.text!r}: 'derived' needs inputs, one of them with a '+'")


def name_of(cell: Cell) -> str:
    """A cell in a few words."""
    config = f" ({cell.dataset_config})" if cell.dataset_config else ""
    return f"{cell.model} × {cell.dataset}{config}"


def of_cells(names: Sequence[str], all_n: int) -> str:
    """One cell by name, several by their number."""
    return names[0] if len(names) == 1 else f"{len(names)} of {all_n} cells"
