"""Rules about what is compared: answers and inputs of unequal length, other samples, other conditions, double runs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from datetime import datetime

from joulemark.analysis.audit.findings import Evidence, Found, Rule, Severity, name_of, of_cells
from joulemark.records import Cell, Run
from joulemark.units import number

LENGTH_RATIO = 1.10
OVERLAP_S = 1.0
PREPARED_RATIO = 1.05
VERSIONS_OF_INTEREST = ("joulemark", "torch", "transformers", "diffusers", "codecarbon")

# How an imported run tells its lengths, in words, where tokens were not counted.
_WORDS = {"output": "output_words", "input": "input_words"}


def _lengths(evidence: Evidence, kind: str) -> Iterator[Found]:
    groups: dict[tuple[object, ...], list[tuple[float, str, bool]]] = {}
    for cell, runs in evidence.cells.values():
        known = [length for run in runs if (length := _length(run, kind)) is not None]
        if known:
            key = (cell.task, cell.dataset, cell.dataset_config, cell.split, cell.sample)
            groups.setdefault(key, []).append((statistics.fmean(known), name_of(cell), _in_words(runs)))
    unequal: list[tuple[float, str]] = []
    for group in groups.values():
        # Words and tokens are not compared with each other.
        for words in (False, True):
            same = [(length, name) for length, name, in_words in group if in_words is words]
            if len(same) > 1 and min(same)[0] > 0 and max(same)[0] / min(same)[0] > LENGTH_RATIO:
                ratio = max(same)[0] / min(same)[0]
                unequal.append((ratio, f"{max(same)[1]} {number(max(same)[0])}, {min(same)[1]} {number(min(same)[0])}"))
    if unequal:
        ratio, example = max(unequal)
        yield Found(
            f"{len(unequal)} of {len(groups)} comparisons",
            f"mean {kind} lengths differ by up to {number(ratio)} times ({example})",
        )


def _length(run: Run, kind: str) -> float | None:
    tokens_n = run.output_tokens_n if kind == "output" else run.input_tokens_n
    if tokens_n is not None:
        return tokens_n / run.queries_n
    return run.quality.others.get(_WORDS[kind]) if run.quality else None


def _in_words(runs: tuple[Run, ...]) -> bool:
    return all(run.output_tokens_n is None and run.input_tokens_n is None for run in runs)


def _outputs(evidence: Evidence) -> Iterator[Found]:
    return _lengths(evidence, "output")


def _inputs(evidence: Evidence) -> Iterator[Found]:
    return _lengths(evidence, "input")


def _other_samples(evidence: Evidence) -> Iterator[Found]:
    cells = [
        name_of(cell)
        for cell, runs in evidence.cells.values()
        if any(run.quality and run.quality.value is not None and not run.quality.scored_n for run in runs)
    ]
    if cells:
        yield Found(
            of_cells(cells, len(evidence.cells)),
            "quality does not come from the queries whose energy was measured: none of their answers was scored",
        )


def _samples(evidence: Evidence) -> Iterator[Found]:
    for code, told in (
        ("samples-repeated", "some samples were asked more than once"),
        ("samples-alike", "some samples are the same text or image under another number"),
        ("samples-sorted", "the right answers of the samples are sorted, or all the same"),
        ("samples-empty", "some samples are empty"),
        ("samples-of-a-part", "the samples were drawn from the beginning of the dataset only"),
    ):
        cells = [name_of(cell) for cell, runs in evidence.cells.values() if any(code in run.reasons for run in runs)]
        if cells:
            yield Found(of_cells(cells, len(evidence.cells)), told)


def _changed_samples(evidence: Evidence) -> Iterator[Found]:
    cells = [
        name_of(cell)
        for cell, runs in evidence.cells.values()
        if len({run.samples_sha256 for run in runs if run.samples_sha256 is not None}) > 1
    ]
    if cells:
        yield Found(
            of_cells(cells, len(evidence.cells)),
            "its repetitions were not asked the same samples (samples_sha256 differs): the dataset changed in between",
        )


def _inputs_cut(evidence: Evidence) -> Iterator[Found]:
    cells = [
        name_of(cell) for cell, runs in evidence.cells.values() if any("inputs-cut" in run.reasons for run in runs)
    ]
    if cells:
        yield Found(of_cells(cells, len(evidence.cells)), "half of the inputs or more are of one length, the greatest")


def _twice(evidence: Evidence) -> Iterator[Found]:
    seen: dict[tuple[object, ...], Run] = {}
    doubles: list[str] = []
    spans: dict[str, list[tuple[float, float, Run]]] = {}
    for run in evidence.runs:
        if run.measurement is None:
            continue
        energies = tuple((channel.name, channel.energy_j) for channel in run.measurement.channels)
        key = (run.machine_id, run.measurement.duration_s, energies)
        if any(energy_j for _, energy_j in energies) and key in seen:
            doubles.append(name_of(run.cell))
        seen[key] = run
        started_s = datetime.fromisoformat(run.measurement.started_at).timestamp()
        spans.setdefault(run.machine_id, []).append((started_s, started_s + run.measurement.duration_s, run))
    if doubles:
        yield Found(
            doubles[0], f"{len(doubles)} runs have the same energies and duration as another, to the last digit"
        )
    overlapping: list[tuple[str, str, bool]] = []
    for found in spans.values():
        found.sort(key=lambda span: span[:2])
        latest_end_s, latest = float("-inf"), None
        for started_s, ended_s, run in found:
            if latest is not None and started_s < latest_end_s - OVERLAP_S:
                overlapping.append((name_of(latest.cell), name_of(run.cell), run.source is not None))
            if ended_s > latest_end_s:
                latest_end_s, latest = ended_s, run
    if overlapping:
        first, second, imported = overlapping[0]
        told = "their windows overlap on one machine, so that each holds energy of the other"
        if imported:
            told = (
                "their windows overlap on what the log calls one machine: each holds energy of the other, unless there "
                "were several machines alike"
            )
        yield Found(f"{len(overlapping)} pairs of runs", f"{told} ({first}; {second})")


def _mixed(evidence: Evidence) -> Iterator[Found]:
    kinds: dict[str, Callable[[Run], object]] = {
        "machine": lambda run: run.machine_id,
        "dtype": lambda run: run.model.dtype if run.model else None,
        "device": lambda run: run.model.device if run.model else None,
        **{f"version of {name}": _version(name) for name in VERSIONS_OF_INTEREST},
    }
    groups: dict[tuple[object, ...], list[Run]] = {}
    for cell, runs in evidence.comparable():
        groups.setdefault((cell.task, cell.dataset, cell.dataset_config), []).extend(runs)
    for kind, of_run in kinds.items():
        mixed_n, example = 0, ""
        for members in groups.values():
            values = dict.fromkeys(str(value) for run in members if (value := of_run(run)) is not None)
            if len(values) > 1:
                mixed_n += 1
                example = example or ", ".join(list(values)[:3])
        if mixed_n:
            yield Found(f"{mixed_n} of {len(groups)} comparisons", f"the {kind} is not the same throughout ({example})")
    yield from _prepared(evidence)


def _version(package: str) -> Callable[[Run], object]:
    return lambda run: run.versions.get(package)


def _prepared(evidence: Evidence) -> Iterator[Found]:
    """The same model on the same dataset, which was prepared in several ways."""
    groups: dict[tuple[object, ...], list[tuple[float, Cell]]] = {}
    for cell, runs in evidence.comparable():
        energies_j = evidence.cell_energies_j(runs)
        if energies_j:
            key = (cell.task, cell.model, cell.dataset, cell.purpose)
            groups.setdefault(key, []).append((statistics.fmean(energies_j), cell))
    apart: list[tuple[float, str]] = []
    for group in groups.values():
        if len({cell.dataset_config for _, cell in group}) > 1:
            low_j, high_j = (choose(energy_j for energy_j, _ in group) for choose in (min, max))
            if low_j > 0 and high_j / low_j > PREPARED_RATIO:
                configs = " and ".join(sorted({str(cell.dataset_config) for _, cell in group}))
                apart.append((high_j / low_j, f"{group[0][1].model} × {group[0][1].dataset}: {configs}"))
    if apart:
        ratio, example = max(apart)
        yield Found(
            f"{len(apart)} models × datasets",
            f"measured on inputs prepared in several ways, which differ by up to {number(ratio)} times ({example})",
        )


RULES = (
    Rule(
        "JM114",
        Severity.WARNING,
        "unequal output lengths",
        "Energy of generation grows with the tokens generated. Where compared models write answers of different "
        f"lengths (by more than {LENGTH_RATIO - 1:.0%}), the comparison is of lengths as much as of models.",
        "new_tokens_min_n = new_tokens_max_n, or compare per token",
        _outputs,
    ),
    Rule(
        "JM121",
        Severity.WARNING,
        "unequal input lengths",
        "Compared models read inputs of different lengths: other prompts, other limits, other cuts. Tokenizers alone "
        f"may account for some; more than {LENGTH_RATIO - 1:.0%} is told.",
        "the same input_tokens_max_n for all, and say how many inputs were cut",
        _inputs,
    ),
    Rule(
        "JM115",
        Severity.WARNING,
        "quality from other samples than the energy",
        "A model's cost and its quality belong together only if both are of the same queries in the same run.",
        "score the answers of the measured queries: joulemark does unless told otherwise",
        _other_samples,
    ),
    Rule(
        "JM116",
        Severity.WARNING,
        "samples repeated, sorted or empty",
        "A sample asked twice may be answered from a cache; samples sorted by label are all of one kind; empty ones "
        "cost less than any real query. None of them is typical.",
        'sample = "random:SEED" or "first-nonempty" in the study',
        _samples,
    ),
    Rule(
        "JM127",
        Severity.WARNING,
        "inputs cut at a limit",
        "Where most inputs have one and the same length, and none is longer, something cut them there. Energy and "
        "quality are then those of shortened texts, and datasets of long and of short texts look alike.",
        "raise input_tokens_max_n, or say where the inputs are cut",
        _inputs_cut,
    ),
    Rule(
        "JM128",
        Severity.ERROR,
        "samples that changed from one repetition to another",
        "Repetitions of a cell are of one thing. Where the dataset changed between them, their mean is of two "
        "datasets, and their spread is no error.",
        "measure the dataset as it is now into another folder: --out",
        _changed_samples,
    ),
    Rule(
        "JM117",
        Severity.ERROR,
        "duplicated or overlapping runs",
        "The same run counted twice narrows the interval for nothing; two runs at once on one machine each contain "
        f"the other's energy. Overlaps of less than {OVERLAP_S:g} s are not told.",
        "remove the doubles; run one at a time",
        _twice,
    ),
    Rule(
        "JM118",
        Severity.WARNING,
        "mixed conditions",
        "Within one comparison the machine, number type, device, library version or preparation of the inputs is not "
        "the same throughout.",
        "measure all models of a comparison under the same conditions",
        _mixed,
    ),
)
