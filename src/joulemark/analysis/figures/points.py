"""What the figures are drawn from: a point per cell, with its interval, how it is known, and what it is beside."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from joulemark import store
from joulemark.analysis.cell_sums import CellSums
from joulemark.analysis.interval import Interval
from joulemark.analysis.paper_tables import MODALITIES
from joulemark.analysis.reference import PAPER, reference_study, reference_sums
from joulemark.analysis.results import Results
from joulemark.impact.carbon import Grid
from joulemark.measurement import BoundaryName, Provenance
from joulemark.reasons import made_up
from joulemark.records import Purpose, Study
from joulemark.units import J_PER_KWH
from joulemark.workloads.catalogue import find_catalogue_model

TASK_SPECIFIC, SEQ2SEQ, DECODER_ONLY, UNKNOWN_KIND = "task-specific", "seq2seq", "decoder-only", "multi-purpose"
OTHER_MODALITY = "other"
# Classes of transformers that read with an encoder and write with a decoder; many others end in the same words.
_ENCODER_DECODERS = ("T5", "MT5", "UMT5", "LongT5", "SwitchTransformers", "Bart", "MBart", "Pegasus", "LED", "M2M100")


@dataclass(frozen=True, slots=True)
class Point:
    """A cell, or a model's mean over several cells, per 1,000 queries. ``None`` is not known."""

    task: str
    dataset: str
    model: str
    kind: str  # "task-specific", "seq2seq", "decoder-only", or "multi-purpose" where the architecture is not known
    modality: str
    parameters_n: int | None
    runs_n: int
    energy_j: Interval | None
    carbon_g: Interval | None
    shares: Mapping[str, float]  # of its energy by provenance; empty where that is not known
    quality: float | None = None
    quality_metric: str | None = None
    scored_n: int | None = None  # answers that the quality is of; 0: other samples than those of the energy
    output_n: float | None = None  # mean length of an answer
    output_unit: str | None = None  # "tokens" or "words"
    sd_ratio: float | None = None  # standard deviation of the repetitions ÷ their mean
    farthest_ratio: float | None = None  # distance of the farthest repetition from the mean ÷ the mean
    made_up: tuple[str, ...] = ()  # "fake" or "replayed": of energies that nobody measured here

    @property
    def measured_ratio(self) -> float | None:
        """The share of the energy that hardware counted or sampled, here."""
        if not self.shares:
            return None
        if self.made_up:
            return 0.0
        return sum(self.shares.get(kind, 0.0) for kind in (Provenance.COUNTER, Provenance.SAMPLED))


@dataclass(frozen=True, slots=True)
class Material:
    """Everything the figures of some results are drawn from.

    ``paper`` are the same points of Luccioni et al. (2024), to be drawn beside; none where the results are theirs.
    """

    study: str
    boundary: str
    points: tuple[Point, ...]
    paper: tuple[Point, ...]
    carbon_basis: str | None  # None: no carbon is known, and energy stands in its place
    without_runs_n: int  # cells of the study


def material(results: Results, sums: Mapping[str, CellSums], boundary: BoundaryName, grid: Grid | None) -> Material:
    """What to draw of ``results``, from the sums of its cells.

    Logged carbon is of all that was metered, so that inside another boundary than the devices' none is known without a
    grid. Raises :class:`~joulemark.store.StoreError`.
    """
    study = results.study
    points = points_of(study, sums, grid, model_classes(study, results.folder))
    basis = None
    if any(point.carbon_g for point in points):
        basis = "carbon as logged"
        if grid is not None:
            basis = f"carbon: {grid.name}, {grid.intensity_g_per_kwh:.4g} g/kWh ({grid.year})"
    paper: tuple[Point, ...] = ()
    if study.name != PAPER:
        theirs = reference_study()
        # Beside energies or carbon by a chosen grid stands the same of theirs.
        paper = points_of(theirs, reference_sums(BoundaryName.DEVICE, frozenset()), grid, model_classes(theirs, None))
    with_runs_n = sum(bool((one := sums.get(cell.cell_id)) and one.runs_n) for cell in study.cells)
    return Material(study.name, str(boundary), points, paper, basis, len(study.cells) - with_runs_n)


def points_of(
    study: Study, sums: Mapping[str, CellSums], grid: Grid | None, classes: Mapping[str, str]
) -> tuple[Point, ...]:
    """A point per cell of ``study`` that has runs, in its order; ``classes`` are the classes of its prompted models."""
    found = (sums.get(cell.cell_id) for cell in study.cells)
    return tuple(_point(one, grid, classes) for one in found if one is not None and one.runs_n)


def _point(sums: CellSums, grid: Grid | None, classes: Mapping[str, str]) -> Point:
    cell, energy, repeats = sums.cell, sums.energy, sums.energy_j
    answered, unit = sums.output_tokens_per_query, "tokens"
    if not answered.n and "output_words" in sums.others:
        answered, unit = sums.others["output_words"], "words"
    all_j = sum(sums.by_provenance_j.values())
    known = energy is not None and energy.value > 0
    sd, mean = repeats.sd, repeats.mean
    return Point(
        task=cell.task,
        dataset=cell.dataset,
        model=cell.model,
        kind=kind_of(cell.purpose, classes.get(cell.model)),
        modality=MODALITIES.get(cell.task, OTHER_MODALITY),
        parameters_n=sums.parameters_n,
        runs_n=sums.runs_n,
        energy_j=energy,
        carbon_g=_carbon(sums, energy, grid),
        shares={str(kind): part_j / all_j for kind, part_j in sums.by_provenance_j.items()} if all_j > 0 else {},
        quality=sums.quality.mean if sums.quality.n else None,
        quality_metric=sums.quality_metric,
        scored_n=sums.quality_scored_n,
        output_n=answered.mean if answered.n and answered.greatest > 0 else None,
        output_unit=unit,
        sd_ratio=sd / mean if known and sd is not None else None,
        farthest_ratio=max(repeats.greatest - mean, mean - repeats.least) / mean if known else None,
        made_up=made_up(sums.reasons),
    )


def _carbon(sums: CellSums, energy: Interval | None, grid: Grid | None) -> Interval | None:
    """Grams with the interval of the energy: of the grid's factor no uncertainty is added."""
    if grid is not None:
        return None if energy is None else _times(energy, grid.intensity_g_per_kwh / J_PER_KWH)
    if sums.carbon_g.n != sums.runs_n:
        return None
    if energy is None or energy.value <= 0:
        return Interval(sums.carbon_g.mean, None, None)
    return _times(energy, sums.carbon_g.mean / energy.value)


def _times(interval: Interval, factor: float) -> Interval:
    low, high = (None if bound is None else bound * factor for bound in (interval.low, interval.high))
    return Interval(interval.value * factor, low, high)


def kind_of(purpose: Purpose, model_class: str | None) -> str:
    """Whether a model is task-specific, or how it is built, by the name of its class in transformers."""
    if purpose is Purpose.TASK_SPECIFIC:
        return TASK_SPECIFIC
    name = model_class or ""
    if name.endswith(("ForCausalLM", "LMHeadModel")):
        return DECODER_ONLY
    if name.endswith("ForConditionalGeneration") and name.startswith(_ENCODER_DECODERS):
        return SEQ2SEQ
    return UNKNOWN_KIND


class _Facts(msgspec.Struct, gc=False):
    architecture: str


class _Named(msgspec.Struct, gc=False):
    model: str


class _Line(msgspec.Struct, gc=False):
    """The fields of a :class:`~joulemark.records.Run` that name its model's class."""

    cell: _Named
    model: _Facts | None = None
    schema_version: int = 1


def model_classes(study: Study, folder: Path | None) -> dict[str, str]:
    """The classes of the prompted models of a study: as loaded, else as the catalogue of models has them.

    A model without either is not in it. Raises :class:`~joulemark.store.StoreError`.
    """
    wanted = {cell.model for cell in study.cells if cell.purpose is Purpose.MULTI_PURPOSE}
    known = {model: found.model_class for model in wanted if (found := find_catalogue_model(model)) is not None}
    wanted -= known.keys()
    if folder is None or not wanted or not (folder / store.RUNS_FILE).exists():
        return known
    for line in store.run_lines(folder, _Line):
        if line.model is not None and line.cell.model in wanted:
            known[line.cell.model] = line.model.architecture
            wanted.remove(line.cell.model)
            if not wanted:
                break
    return known


def by_model(points: Iterable[Point]) -> tuple[Point, ...]:
    """A point per task, kind and model: the mean over its datasets, each counting once; bounds are means of theirs."""
    groups: dict[tuple[str, str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.task, point.kind, point.model), []).append(point)
    return tuple(_mean_point(group) for group in groups.values())


def _mean_point(points: Sequence[Point]) -> Point:
    first = points[0]
    if len(points) == 1:
        return first
    weights = [point.energy_j.value if point.energy_j else 0.0 for point in points]
    all_j = sum(weights)
    shares: dict[str, float] = {}
    for point, weight in zip(points, weights, strict=True):
        for kind, share in point.shares.items():
            shares[kind] = shares.get(kind, 0.0) + (share * weight / all_j if all_j > 0 else 0.0)
    return Point(
        task=first.task,
        dataset=f"{len({point.dataset for point in points})} datasets",
        model=first.model,
        kind=first.kind,
        modality=first.modality,
        parameters_n=next((point.parameters_n for point in points if point.parameters_n), None),
        runs_n=sum(point.runs_n for point in points),
        energy_j=_mean([point.energy_j for point in points]),
        carbon_g=_mean([point.carbon_g for point in points]),
        shares=shares,
        made_up=tuple(dict.fromkeys(word for point in points for word in point.made_up)),
    )


def _mean(intervals: Sequence[Interval | None]) -> Interval | None:
    """The mean of what is known."""
    known = [one for one in intervals if one is not None]
    if not known:
        return None
    lows = [one.low for one in known if one.low is not None]
    highs = [one.high for one in known if one.high is not None]
    return Interval(
        statistics.fmean(one.value for one in known),
        statistics.fmean(lows) if len(lows) == len(known) else None,
        statistics.fmean(highs) if len(highs) == len(known) else None,
    )


def cheapest_for_quality(points: Sequence[tuple[float, float]], lower_is_better: bool) -> list[bool]:
    """Whether each (cost, quality) is on the Pareto front: none other is as good at less cost, or better at no more."""

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        better, worse = (other[1], one[1]) if lower_is_better else (one[1], other[1])
        return one[0] <= other[0] and better >= worse and one != other

    return [not any(beats(other, point) for other in points) for point in points]
