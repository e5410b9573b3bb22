"""Two results beside each other: what both measured, and by how much it differs.

Both were measured apart, so that repetitions are not paired: see :func:`joulemark.analysis.log_ratio.unpaired_ratio`.
To the spread of the repetitions comes the error of the sensors. On two machines, or by different sensors, all of it
counts. On one machine by the same sensors, the vendor's tolerance and the factor of a model are the same unknown
factor on both sides. It cancels as far as both sides have the same share of their energy from that sensor, and what it
does to the ratio beyond that counts (:func:`joulemark.analysis.log_ratio.common_tolerance`). Errors of single windows,
resolution, update period, gaps and what a part-time sensor did not see, are other ones in every window and do not
cancel. A machine is known by its processor, memory and boards: two alike cannot be told from one, which is said.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from joulemark.analysis.cell_sums import CellSums
from joulemark.analysis.circumstances import Circumstances
from joulemark.analysis.log_ratio import (
    LogRatio,
    Spread,
    common_tolerance,
    mean_ratio,
    sensors_apart,
    unpaired_ratio,
)
from joulemark.analysis.matching import (
    Change,
    Folder,
    Measured,
    Pair,
    changes,
    paired,
    samples_differ,
)
from joulemark.reasons import made_up
from joulemark.records import Cell, Purpose

KIND_MIN_SHARE = 0.01  # a smaller part of the energy does not decide on how it is known
WITHIN_SENSORS = "within the sensors' error"


class Verdict(StrEnum):
    """What can be said of a row."""

    LESS = "b needs less"
    MORE = "b needs more"
    NOT_SHOWN = "no difference shown"
    NOT_TESTED = "not tested"  # a single repetition: there is a ratio and no interval
    UNKNOWN = "unknown"  # there is no ratio


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two has of a row; ``None`` is not known. Energies are per 1,000 queries."""

    runs_n: int
    failed_n: int
    queries_n: int
    energy_per_1000_j: float | None
    energy_low_j: float | None
    energy_high_j: float | None
    provenance: Mapping[str, float] | None  # shares of the energy
    counted: tuple[str, ...]  # the parts of the machine whose energy it is
    duration_per_query_s: float | None
    quality: float | None
    quality_metric: str | None
    made_up: tuple[str, ...]  # "fake" or "replayed": of an energy that nobody measured

    @property
    def kinds(self) -> tuple[str, ...]:
        """How the energy is known, in the order of the alphabet."""
        kinds = sorted(kind for kind, share in (self.provenance or {}).items() if share >= KIND_MIN_SHARE)
        return tuple(" ".join((*self.made_up, kind)) for kind in kinds)


@dataclass(frozen=True, slots=True)
class Row:
    """A cell that both have. Ratios are the first's ÷ the second's, bounds and ``p`` at 95 %."""

    task: str
    model: str
    dataset: str
    dataset_config: str | None
    split: str | None
    purpose: Purpose
    a: Side
    b: Side
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    p: float | None
    verdict: Verdict
    why: str | None  # there is no ratio or no interval, or no difference is shown although the repetitions differ
    sensors_below_log: float | None  # the sensors' part of the interval; None: they do not exclude zero
    sensors_above_log: float | None
    apart_log: float | None  # the same if nothing cancelled, the wider side; None where nothing was cancelled
    duration_ratio: float | None
    duration_low: float | None
    duration_high: float | None
    duration_p: float | None
    differing: tuple[Change, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Over all rows of known energy: the geometric mean over models, each model's rows joined first.

    The interval is over models, by Student's t on logarithms, with the sensors' part, which is common to all.
    """

    rows_n: int
    models_n: int
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    p: float | None
    verdict: Verdict
    less_n: int
    more_n: int
    not_shown_n: int
    not_tested_n: int
    unknown_n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows of ``pairs``, in their order, what only one has, and the summary."""

    pairs: tuple[Pair, ...]
    rows: tuple[Row, ...]
    only_in_a: tuple[Cell, ...]
    only_in_b: tuple[Cell, ...]
    summary: Summary


def compare(a: Folder, b: Folder, wanted: Collection[str] | None = None) -> Comparison:
    """``a`` beside ``b``, whose sums must be of the same boundary; of the cells in ``wanted`` (ids) alone."""
    pairs, only_in_a, only_in_b = paired(a, b, wanted)
    rows = tuple(_row(pair) for pair in pairs)
    return Comparison(tuple(pairs), rows, tuple(only_in_a), tuple(only_in_b), _summary(rows))


def _row(pair: Pair) -> Row:
    cell = pair.a.cell
    a, b = _side(pair.a), _side(pair.b)
    apart = _sensors_apart(pair)
    common = _sensors_in_common(pair)
    sensors = common or apart
    ratio, verdict, why = _energy(pair, sensors)
    duration = _durations(pair)
    return Row(
        task=cell.task,
        model=cell.model,
        dataset=cell.dataset,
        dataset_config=cell.dataset_config,
        split=cell.split,
        purpose=cell.purpose,
        a=a,
        b=b,
        ratio=ratio.value if ratio else None,
        ratio_low=ratio.low if ratio else None,
        ratio_high=ratio.high if ratio else None,
        p=ratio.p if ratio else None,
        verdict=verdict,
        why=why,
        sensors_below_log=sensors[0] if sensors else None,
        sensors_above_log=sensors[1] if sensors else None,
        apart_log=max(apart) if common and apart else None,
        duration_ratio=duration.value if duration else None,
        duration_low=duration.low if duration else None,
        duration_high=duration.high if duration else None,
        duration_p=duration.p if duration else None,
        differing=tuple(changes(pair)),
        remarks=tuple(_remarks(pair, a, b)),
    )


def _side(one: Measured) -> Side:
    sums, energy = one.sums, one.sums.energy
    all_j = math.fsum(sums.by_provenance_j.values())
    shares = {str(kind): energy_j / all_j for kind, energy_j in sums.by_provenance_j.items()} if all_j > 0 else None
    parts = (str(part) for share in one.under.channels.values() for part in (share.component, *share.covers))
    return Side(
        runs_n=sums.runs_n,
        failed_n=sums.failed_n,
        queries_n=sums.queries_n,
        energy_per_1000_j=energy.value if energy else None,
        energy_low_j=energy.low if energy else None,
        energy_high_j=energy.high if energy else None,
        provenance=shares if energy else None,
        counted=tuple(dict.fromkeys(parts)),
        duration_per_query_s=sums.durations_per_query_s / sums.runs_n if sums.runs_n else None,
        quality=sums.quality.mean if sums.quality.n else None,
        quality_metric=sums.quality_metric if sums.quality.n else None,
        made_up=made_up(sums.reasons),
    )


def _sensors_apart(pair: Pair) -> tuple[float, float] | None:
    """How far the ratio may be off down and up, as logarithms, by sensors that have nothing in common.

    ``None``: the sensors do not exclude that an energy is zero.
    """
    a, b = pair.a.sums, pair.b.sums
    if not (a.low_positive and b.low_positive and a.energy_j.n and b.energy_j.n):
        return None
    a_n, b_n = a.energy_j.n, b.energy_j.n
    return sensors_apart((a.below[1] / a_n, a.above[1] / a_n), (b.below[1] / b_n, b.above[1] / b_n))


def _sensors_in_common(pair: Pair) -> tuple[float, float] | None:
    """The same for the same sensors of one machine; ``None`` where they are not known to be."""
    a, b = pair.a.under, pair.b.under
    if not (_same_sensors(a, b) and a.rest_known and b.rest_known):
        return None
    a_j, b_j = (math.fsum(share.energy_j for share in one.channels.values()) for one in (a, b))
    common = common_tolerance(
        [
            (
                share.energy_j / a_j,
                b.channels[name].energy_j / b_j,
                max(share.tolerance_log, b.channels[name].tolerance_log),
            )
            for name, share in a.channels.items()
        ]
    )
    if common is None:
        return None
    below, above = sensors_apart(
        (a.rest_below / a.runs_n, a.rest_above / a.runs_n), (b.rest_below / b.runs_n, b.rest_above / b.runs_n)
    )
    return math.hypot(below, common[0]), math.hypot(above, common[1])


def _same_sensors(a: Circumstances, b: Circumstances) -> bool:
    """One machine, the same one for both, and every run counts the same channels of it."""

    def sensors(one: Circumstances) -> dict[str, tuple[object, ...]]:
        return {name: (share.component, share.provenance) for name, share in one.channels.items()}

    one_machine = len(a.machine_ids) == 1 and a.machine_ids == b.machine_ids
    return one_machine and a.alike and b.alike and sensors(a) == sensors(b)


def _energy(pair: Pair, sensors: tuple[float, float] | None) -> tuple[LogRatio | None, Verdict, str | None]:
    for one in (pair.a, pair.b):
        if why := _no_energy(one):
            return None, Verdict.UNKNOWN, why
    a, b = _spread(pair.a.sums), _spread(pair.b.sums)
    single = [one.name for one, spread in ((pair.a, a), (pair.b, b)) if spread.n < 2]
    if single:
        why = f"one repetition in {' and '.join(dict.fromkeys(single))}: no interval"
        return LogRatio(a.mean / b.mean, None, None, None), Verdict.NOT_TESTED, why
    if sensors is None:
        return LogRatio(a.mean / b.mean, None, None, None), Verdict.NOT_SHOWN, "the sensors do not exclude zero"
    ratio = unpaired_ratio(a, b, *sensors)
    if ratio.differs:
        return ratio, Verdict.LESS if ratio.value > 1 else Verdict.MORE, None
    return ratio, Verdict.NOT_SHOWN, WITHIN_SENSORS if unpaired_ratio(a, b).differs else None


def _no_energy(one: Measured) -> str | None:
    """Why there is no energy to compare; ``None`` where there is."""
    sums = one.sums
    if not sums.runs_n:
        which = "the only run" if sums.failed_n == 1 else f"all {sums.failed_n} runs"
        return f"{which} of {one.name} failed"
    if sums.energy is None:
        how_often = f" in {sums.unknown_n} of {sums.runs_n} runs" if sums.energy_j.n else ""
        missing = "idle was not measured" if "idle" in sums.missing else ", ".join(sums.missing) + " not known"
        return f"energy of {one.name} not known{how_often}" + (f": {missing}" if sums.missing else "")
    if sums.energy.value <= 0:
        return f"the energy of {one.name} is not above zero"
    return None


def _spread(sums: CellSums) -> Spread:
    energy = sums.energy_j
    log_sd = sums.energy_logs.sd
    if not sums.low_positive and energy.sd is not None:  # there are not logarithms of all runs
        log_sd = energy.sd / energy.mean
    return Spread(energy.mean, log_sd, energy.n)


def _durations(pair: Pair) -> LogRatio | None:
    a, b = pair.a, pair.b
    if not all(one.sums.runs_n and one.sums.durations_per_query_s > 0 for one in (a, b)):
        return None
    return unpaired_ratio(_duration_spread(a), _duration_spread(b))


def _duration_spread(one: Measured) -> Spread:
    logs = one.under.duration_logs
    return Spread(one.sums.durations_per_query_s / one.sums.runs_n, logs.sd, logs.n)


def _remarks(pair: Pair, a: Side, b: Side) -> list[str]:
    """What a reader of this row has to know, in a few words each."""
    remarks: list[str] = []
    if a.counted and b.counted and set(a.counted) != set(b.counted):
        remarks.append(f"counts {' + '.join(a.counted)} against {' + '.join(b.counted)}")
    if a.kinds and b.kinds and a.kinds != b.kinds:
        remarks.append(f"{' + '.join(a.kinds)} against {' + '.join(b.kinds)}")
    if samples_differ(pair):
        remarks.append("other samples")
    for side, one in ((a, pair.a), (b, pair.b)):
        if side.failed_n:
            remarks.append(f"{side.failed_n} of {side.failed_n + side.runs_n} failed in {one.name}")
    return remarks


def _summary(rows: Sequence[Row]) -> Summary:
    known = [row for row in rows if row.ratio is not None]
    ratio, models_n = _over_models(known)
    verdict = Verdict.UNKNOWN
    if ratio is not None:
        verdict = Verdict.NOT_TESTED
        if ratio.low is not None:
            verdict = Verdict.NOT_SHOWN
        if ratio.differs:
            verdict = Verdict.LESS if ratio.value > 1 else Verdict.MORE
    counts = {kind: sum(row.verdict is kind for row in rows) for kind in Verdict}
    return Summary(
        rows_n=len(rows),
        models_n=models_n,
        ratio=ratio.value if ratio else None,
        ratio_low=ratio.low if ratio else None,
        ratio_high=ratio.high if ratio else None,
        p=ratio.p if ratio else None,
        verdict=verdict,
        less_n=counts[Verdict.LESS],
        more_n=counts[Verdict.MORE],
        not_shown_n=counts[Verdict.NOT_SHOWN],
        not_tested_n=counts[Verdict.NOT_TESTED],
        unknown_n=counts[Verdict.UNKNOWN],
    )


def _over_models(rows: Sequence[Row]) -> tuple[LogRatio | None, int]:
    """The geometric mean of rows that have a ratio over models, and how many models there are."""
    by_model: dict[tuple[str, Purpose], list[float]] = {}
    for row in rows:
        assert row.ratio is not None
        by_model.setdefault((row.model, row.purpose), []).append(math.log(row.ratio))
    if not by_model:
        return None, 0
    logs = [statistics.fmean(one) for one in by_model.values()]
    over = Spread(statistics.fmean(logs), statistics.stdev(logs) if len(logs) > 1 else None, len(logs))
    below = [row.sensors_below_log for row in rows if row.sensors_below_log is not None]
    above = [row.sensors_above_log for row in rows if row.sensors_above_log is not None]
    if len(below) < len(rows) or len(above) < len(rows):  # one without bounds leaves the mean without
        return LogRatio(math.exp(over.mean), None, None, None), len(logs)
    return mean_ratio(over, statistics.fmean(below), statistics.fmean(above)), len(logs)
