"""Tables 1 to 6 of Luccioni et al., "Power Hungry Processing" (FAccT 2024), of any results, beside the printed ones.

Every function takes the study and the sums of its cells and gives rows for what is there; nothing unknown is a zero.
What the paper prints is data: ``catalogue/reference/luccioni2024_tables.csv`` and ``training.csv``, with sources.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

from joulemark.analysis.cell_sums import CellSums, Moments, made_up_notes
from joulemark.analysis.interval import Interval
from joulemark.analysis.parity import Training, days, parity_queries, year_j
from joulemark.analysis.reference import PAPER, read_catalogue
from joulemark.impact.carbon import Grid, carbon_g
from joulemark.records import Purpose, Study
from joulemark.units import J_PER_KWH

Value = str | int | float | bool | None

MODALITIES = {  # the paper's Table 1
    "text-classification": "text-to-category",
    "question-answering": "text-to-category",
    "token-classification": "text-to-category",
    "fill-mask": "text-to-text",
    "text-generation": "text-to-text",
    "summarization": "text-to-text",
    "image-classification": "image-to-category",
    "object-detection": "image-to-category",
    "image-to-text": "image-to-text",
    "text-to-image": "text-to-image",
}
SPREAD_RULE = "sample standard deviation over all runs of the task, each per 1,000 queries"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key in a row, its heading, and the significant digits that people are shown (text: ``None``).

    ``as_given``: a figure that somebody printed or gave, which is shown with its own digits.
    """

    key: str
    heading: str
    digits: int | None = None
    as_given: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its rows as mappings from column keys to values; ``None`` is not known."""

    number: int
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Value], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Projection:
    """What a user adds to Table 5: energies of training, a rate, a building."""

    training: Mapping[str, Training]
    queries_per_day: float | None = None
    pue_ratio: float = 1.0


def paper_table(
    number: int, study: Study, sums: Mapping[str, CellSums], grid: Grid | None, projection: Projection
) -> Table:
    """One of the tables 1 to 6."""
    of_study = [sums[cell_id] for cell in study.cells if (cell_id := cell.cell_id) in sums]
    with_runs = [one for one in of_study if one.runs_n]
    if number == 1:
        return _tasks(study, sums)
    if number == 4:
        return _lengths(with_runs)
    if number == 6:
        return _models(study, sums)
    if number == 2:
        cells = [one for one in with_runs if one.cell.purpose is Purpose.TASK_SPECIFIC]
        table = _energy_by_task(cells, is_paper=study.name == PAPER)
    elif number == 3:
        cells = [one for one in with_runs if one.cell.purpose is Purpose.MULTI_PURPOSE]
        table = _multi_purpose(cells, grid)
    else:
        cells = with_runs
        table = _parity(cells, projection)
    return replace(table, notes=(*made_up_notes(cells), *_unknown_notes(cells), *table.notes))


def _unknown_notes(cells: Sequence[CellSums]) -> list[str]:
    unknown_n = sum(one.energy is None for one in cells)
    if not unknown_n:
        return []
    return [f"the energy of {unknown_n} of {len(cells)} cells is not known: they are in no mean"]


def _tasks(study: Study, sums: Mapping[str, CellSums]) -> Table:
    rows: list[dict[str, Value]] = []
    for task in _in_paper_order({cell.task: None for cell in study.cells}):
        cells = [cell for cell in study.cells if cell.task == task]
        models = {purpose: {cell.model for cell in cells if cell.purpose is purpose} for purpose in Purpose}
        rows.append(
            {
                "task": task,
                "modality": MODALITIES.get(task),
                "datasets": ", ".join(dict.fromkeys(cell.dataset for cell in cells)),
                "datasets_n": len({cell.dataset for cell in cells}),
                "models_n": len(models[Purpose.TASK_SPECIFIC]),
                "multi_purpose_models_n": len(models[Purpose.MULTI_PURPOSE]),
                "runs_n": sum(sums[cell.cell_id].runs_n for cell in cells if cell.cell_id in sums),
            }
        )
    columns = (
        Column("task", "task"),
        Column("modality", "modality"),
        Column("datasets", "datasets"),
        Column("models_n", "models", 6),
        Column("multi_purpose_models_n", "multi-purpose", 6),
        Column("runs_n", "runs", 6),
    )
    return Table(1, "Tasks, datasets and models", columns, tuple(rows))


def _energy_by_task(cells: Sequence[CellSums], is_paper: bool) -> Table:
    rows: list[dict[str, Value]] = []
    notes = [f"std: {SPREAD_RULE}"]
    misprints: list[str] = []
    for task in _in_paper_order({one.cell.task: None for one in cells}):
        of_task = [one for one in cells if one.cell.task == task]
        known = [one for one in of_task if one.energy is not None]
        spreads = _spreads(known)
        runs = _joined([one.energy_j for one in known])
        mean_kwh, std_kwh = _kwh(runs.mean if runs.n else None), _kwh(runs.sd)
        printed = _printed("2", task)
        printed_std = printed.get("std_kwh")
        like = [name for name, sd_j in spreads.items() if printed_std and _rounds_to(sd_j / J_PER_KWH, printed_std)]
        rows.append(
            {
                "task": task,
                "mean_kwh": mean_kwh,
                "std_kwh": std_kwh,
                "models_n": len({one.cell.model for one in known}),
                "datasets_n": len({one.cell.dataset for one in known}),
                "runs_n": runs.n,
                "cells_unknown_n": len(of_task) - len(known),
                "printed_mean_kwh": _float(printed.get("mean_kwh")),
                "printed_std_kwh": _float(printed_std),
                "mean_as_printed": _as_printed(mean_kwh, printed.get("mean_kwh")),
                "std_as_printed": _as_printed(std_kwh, printed_std),
                "printed_std_is": ", ".join(like) if printed_std else None,
            }
        )
        if is_paper and printed_std and spreads and not like:
            least, greatest = (_round(edge(spreads.values()) / J_PER_KWH) for edge in (min, max))
            misprints.append(f"{task} {printed_std} ({least} to {greatest})")
    if misprints:
        notes.append(
            f"printed std that is no rounding of any spread of these runs (over runs, cells or models, sample or "
            f"population; ours in brackets): {'; '.join(misprints)}"
        )
    columns = (
        Column("task", "task"),
        Column("mean_kwh", "kWh per 1,000", 3),
        Column("std_kwh", "std", 3),
        Column("models_n", "models", 6),
        Column("runs_n", "runs", 6),
        Column("printed_mean_kwh", "printed", 4, as_given=True),
        Column("printed_std_kwh", "printed std", 4, as_given=True),
    )
    return Table(2, "Energy per 1,000 queries by task, task-specific models", columns, tuple(rows), tuple(notes))


def _spreads(cells: Sequence[CellSums]) -> dict[str, float]:
    """Every spread of a task's energies that a table could mean, in joules per 1,000 queries."""
    runs = _joined([one.energy_j for one in cells])
    cell_means = [one.energy_j.mean for one in cells]
    models = {one.cell.model for one in cells}
    model_means = [
        statistics.fmean(one.energy_j.mean for one in cells if one.cell.model == model) for model in sorted(models)
    ]
    found: dict[str, float] = {}
    if runs.sd is not None:
        found["over runs"] = runs.sd
        found["over runs (population)"] = math.sqrt(runs.squares / runs.n)
    for name, means in (("over models × datasets", cell_means), ("over models", model_means)):
        if len(means) > 1:
            found[name] = statistics.stdev(means)
            found[f"{name} (population)"] = statistics.pstdev(means)
    return found


def _multi_purpose(cells: Sequence[CellSums], grid: Grid | None) -> Table:
    rows: list[dict[str, Value]] = []
    known = [one for one in cells if one.energy is not None]
    for model in _ordered([one.cell.model for one in known], _printed_rows("3")):
        of_model = [one for one in known if one.cell.model == model]
        energy_kwh = statistics.fmean(one.energy_j.mean for one in of_model) / J_PER_KWH
        printed = _printed("3", model)
        rows.append(
            {
                "model": model,
                "energy_kwh": energy_kwh,
                "carbon_g": _carbon_g(of_model, energy_kwh, grid),
                "datasets_n": len(of_model),
                "runs_n": sum(one.runs_n for one in of_model),
                "printed_energy_kwh": _float(printed.get("energy_kwh")),
                "printed_carbon_g": _float(printed.get("carbon_g")),
            }
        )
    columns = (
        Column("model", "model"),
        Column("energy_kwh", "kWh per 1,000", 3),
        Column("carbon_g", "g CO2e", 4),
        Column("datasets_n", "datasets", 6),
        Column("printed_energy_kwh", "printed kWh", 4, as_given=True),
        Column("printed_carbon_g", "printed g", 4, as_given=True),
    )
    notes = ["means over datasets, each dataset counting once"]
    if grid is None and any(row["carbon_g"] is not None for row in rows):
        notes.append("carbon as logged; --grid computes it anew")
    return Table(3, "Energy and carbon of multi-purpose models per 1,000 queries", columns, tuple(rows), tuple(notes))


def _carbon_g(cells: Sequence[CellSums], energy_kwh: float, grid: Grid | None) -> float | None:
    if grid is not None:
        return carbon_g(energy_kwh * J_PER_KWH, grid)
    if all(one.carbon_g.n == one.runs_n for one in cells):
        return statistics.fmean(one.carbon_g.mean for one in cells)
    return None


def _lengths(cells: Sequence[CellSums]) -> Table:
    rows: list[dict[str, Value]] = []
    units: set[str] = set()
    for one in cells:
        asked, answered, unit = one.input_tokens_per_query, one.output_tokens_per_query, "tokens"
        if not answered.n and "output_words" in one.others:
            asked, answered, unit = one.others.get("input_words", Moments()), one.others["output_words"], "words"
        if not answered.n or (unit == "tokens" and not answered.greatest):
            continue
        units.add(unit)
        rows.append(
            {
                "task": one.cell.task,
                "dataset": one.cell.dataset,
                "model": one.cell.model,
                "input": asked.mean if asked.n else None,
                "output": answered.mean,
                "unit": unit,
            }
        )
    columns = (
        Column("task", "task"),
        Column("dataset", "dataset"),
        Column("model", "model"),
        Column("input", "asked", 4),
        Column("output", "answered", 4),
        Column("unit", "unit"),
    )
    notes = ("words are split at white space; the paper calls its logged counts tokens",) if "words" in units else ()
    return Table(4, "Mean length of questions and answers", columns, tuple(rows), notes)


def _parity(cells: Sequence[CellSums], projection: Projection) -> Table:
    rows: list[dict[str, Value]] = []
    per_query_words = "kWh a query"
    if projection.pue_ratio != 1:
        # Training is counted at the machines, and so is the energy in the column.
        per_query_words = f"({per_query_words} × PUE {projection.pue_ratio:g})"
    notes = [
        f"parity: (training + fine-tuning) ÷ {per_query_words}; the training energies are themselves estimates",
    ]
    published = {row["model"]: row for row in read_catalogue("training.csv")}
    names = dict.fromkeys([*published, *projection.training])
    for model in names:
        per_query = _per_query(cells, model)
        if per_query is None:
            continue
        facts = published.get(model)
        training = projection.training.get(model)
        if training is None and facts is not None:
            training = Training(float(facts["training_kwh"]) * J_PER_KWH, float(facts["finetuning_kwh"]) * J_PER_KWH)
        if training is None:
            continue
        # Above idle a query may seem to have drawn nothing, of which there is no parity.
        own = parity_queries(training, per_query, projection.pue_ratio) if per_query.value > 0 else None
        row: dict[str, Value] = {
            "model": model,
            "training_kwh": training.training_j / J_PER_KWH,
            "finetuning_kwh": training.finetuning_j / J_PER_KWH,
            "inference_kwh": per_query.value / J_PER_KWH,
            "parity_n": own.value if own else None,
            "parity_low_n": own.low if own else None,
            "parity_high_n": own.high if own else None,
        }
        row |= _printed_parity(model, notes)
        if projection.queries_per_day:
            row["days"] = days(own, projection.queries_per_day).value if own else None
            year = year_j(per_query, projection.queries_per_day, projection.pue_ratio)
            row["year_kwh"] = year.value / J_PER_KWH
            row["year_low_kwh"] = None if year.low is None else year.low / J_PER_KWH
            row["year_high_kwh"] = None if year.high is None else year.high / J_PER_KWH
        rows.append(row)
    columns = [
        Column("model", "model"),
        Column("training_kwh", "training, kWh", 6, as_given=True),
        Column("finetuning_kwh", "fine-tuning, kWh", 6, as_given=True),
        Column("inference_kwh", "kWh a query", 3),
        Column("parity_n", "parity, queries", 3),
        Column("printed_inference_kwh", "printed kWh", 3, as_given=True),
        Column("printed_parity_n", "printed parity", 9),
        Column("parity_from_printed_n", "of its inputs", 9),
    ]
    if projection.queries_per_day:
        columns += [Column("days", "days", 3), Column("year_kwh", f"kWh a year, PUE {projection.pue_ratio:g}", 3)]
        notes.append(f"at {projection.queries_per_day:,.0f} queries a day, PUE {projection.pue_ratio:g}")
    return Table(5, "Training against inference", tuple(columns), tuple(rows), tuple(notes))


def _per_query(cells: Sequence[CellSums], model: str) -> Interval | None:
    """Mean energy of a query over a model's datasets; the bounds are the means of theirs."""
    known = [one.energy for one in cells if one.cell.model == model and one.energy is not None]
    if not known:
        return None
    lows = [energy.low for energy in known if energy.low is not None]
    highs = [energy.high for energy in known if energy.high is not None]
    return Interval(
        statistics.fmean(energy.value for energy in known) / 1000,
        statistics.fmean(lows) / 1000 if len(lows) == len(known) else None,
        statistics.fmean(highs) / 1000 if len(highs) == len(known) else None,
    )


def _printed_parity(model: str, notes: list[str]) -> dict[str, Value]:
    """What the paper prints, and what follows from the inputs it prints; it cuts decimals off."""
    printed = _printed("5", model)
    if not printed:
        return {}
    upfront_kwh = Decimal(printed["training_kwh"]) + Decimal(printed["finetuning_kwh"])
    follows_n = int(upfront_kwh / Decimal(printed["inference_kwh"]))
    printed_n = int(printed["parity_n"])
    if follows_n != printed_n:
        off_kwh = (printed_n - follows_n) * float(printed["inference_kwh"])
        notes.append(
            f"{model}: the printed parity {printed_n:,} does not follow from its own inputs, which give {follows_n:,}: "
            f"{off_kwh:+.1f} kWh"
        )
    return {
        "printed_inference_kwh": float(printed["inference_kwh"]),
        "printed_parity_n": printed_n,
        "parity_from_printed_n": follows_n,
        "printed_parity_follows": follows_n == printed_n,
    }


def _models(study: Study, sums: Mapping[str, CellSums]) -> Table:
    rows: list[dict[str, Value]] = []
    seen: set[tuple[str, str]] = set()
    for task in _in_paper_order({cell.task: None for cell in study.cells}):
        for cell in study.cells:
            group = task if cell.purpose is Purpose.TASK_SPECIFIC else str(cell.purpose)
            if cell.task != task or (group, cell.model) in seen:
                continue
            seen.add((group, cell.model))
            of_model = [
                sums[other.cell_id] for other in study.cells if other.model == cell.model and other.cell_id in sums
            ]
            rows.append(
                {
                    "task": group,
                    "model": cell.model,
                    "parameters_n": next((one.parameters_n for one in of_model if one.parameters_n), None),
                    "runs_n": sum(one.runs_n for one in of_model),
                }
            )
    rows.sort(key=lambda row: row["task"] == str(Purpose.MULTI_PURPOSE))
    columns = (
        Column("task", "task"),
        Column("model", "model"),
        Column("parameters_n", "parameters", 12),
        Column("runs_n", "runs", 6),
    )
    return Table(6, "Models", columns, tuple(rows))


def _joined(parts: Sequence[Moments]) -> Moments:
    whole = Moments()
    for part in parts:
        whole.merge(part)
    return whole


@cache
def _all_printed() -> dict[str, dict[str, dict[str, str]]]:
    printed: dict[str, dict[str, dict[str, str]]] = {}
    for row in read_catalogue(f"{PAPER}_tables.csv"):
        printed.setdefault(row["table"], {}).setdefault(row["row"], {})[row["figure"]] = row["printed"]
    return printed


def _printed(table: str, row: str) -> Mapping[str, str]:
    return _all_printed().get(table, {}).get(row, {})


def _printed_rows(table: str) -> list[str]:
    return list(_all_printed().get(table, {}))


def _in_paper_order(tasks: Mapping[str, None]) -> list[str]:
    return _ordered(list(tasks), _printed_rows("2"))


def _ordered(names: Sequence[str], first: Sequence[str]) -> list[str]:
    """Names in the order of ``first``, then those that are not in it."""
    distinct = dict.fromkeys(names)
    return [name for name in first if name in distinct] + [name for name in distinct if name not in first]


def _as_printed(value: float | None, printed: str | None) -> bool | None:
    return None if value is None or printed is None else _rounds_to(value, printed)


def _rounds_to(value: float, printed: str) -> bool:
    """Whether ``value``, rounded to the decimals of ``printed``, is ``printed``."""
    places = Decimal(printed)
    return Decimal(repr(value)).quantize(places, ROUND_HALF_EVEN) == places


def _round(value: float) -> str:
    return f"{value:.2g}"


def _kwh(energy_j: float | None) -> float | None:
    return None if energy_j is None else energy_j / J_PER_KWH


def _float(text: str | None) -> float | None:
    return None if text is None else float(text)
