"""``joulemark report``: what 1,000 queries cost."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from joulemark import store
from joulemark.analysis.summary import Comparison, Row, comparisons, rows
from joulemark.cli.table import print_json, print_table, printable
from joulemark.impact.carbon import Grid, find_grid
from joulemark.reasons import REASONS
from joulemark.records import BoundaryName, MendableError, Purpose, Study
from joulemark.units import UNKNOWN, Unit, number, show, unit_for

SENTENCES_MAX_N = 12  # comparisons that are told one by one


def show_report(results: Path, boundary_name: str, grid_name: str | None, json_out: bool) -> None:
    """Print a row per cell and what the comparison of prompted and task-specific models says."""
    boundary = _boundary(boundary_name)
    study = store.read_study(results)
    chosen = grid_name or study.grid
    grid = find_grid(chosen) if chosen else None
    runs = store.read_runs(results)
    table = rows(study, runs, boundary, grid)
    pairs = comparisons(study, runs, boundary)
    if json_out:
        print_json(
            {
                "study": study.name,
                "study_id": study.study_id,
                "boundary": str(boundary),
                "grid": asdict(grid) if grid else None,
                "machines": [
                    {"machine_id": machine.machine_id, **asdict(machine)} for machine in store.read_machines(results)
                ],
                "rows": [asdict(row) for row in table],
                "comparisons": [{**asdict(pair), "sentence": sentence(pair)} for pair in pairs],
            }
        )
        return
    _print_heading(study, boundary, grid)
    _print_rows(table)
    _print_notes(table)
    for line in [sentence(pair) for pair in pairs] if len(pairs) <= SENTENCES_MAX_N else _by_task(pairs):
        print(f"\n{line}")


def _by_task(pairs: Sequence[Comparison]) -> list[str]:
    """One sentence a task where single pairs would fill pages; --json has them all."""
    lines = []
    for task in dict.fromkeys(pair.task for pair in pairs):
        ratios = [pair.energy_ratio.value for pair in pairs if pair.task == task]
        mean = statistics.geometric_mean(ratios)
        lines.append(
            f"{printable(task)}: a prompted generative model needed {number(mean)} times the energy of a fine-tuned one "
            f"on the same samples (geometric mean of {len(ratios)} pairs, {number(min(ratios))} to "
            f"{number(max(ratios))}; --json has every pair with its interval)."
        )
    return lines


def sentence(pair: Comparison) -> str:
    """What a prompted model costs against a task-specific one, in words."""
    ratio = pair.energy_ratio
    times = f"{number(ratio.value)} times"
    interval = ""
    if ratio.low is not None and ratio.high is not None:
        interval = f" (95 % interval {number(ratio.low)} to {number(ratio.high)} over {pair.repeats_n} paired repeats)"
    elif pair.repeats_n == 1:
        interval = " (one repeat: no interval)"
    verdict = f"needs {times} the energy of"
    if ratio.low is None or ratio.high is None:
        verdict = f"needed {times} the energy of"
    elif ratio.low <= 1 <= ratio.high:
        verdict = f"shows no difference in energy ({times}) from"
    samples = f"the same {pair.samples_n} samples" if pair.samples_n else "the same samples"
    qualities = ""
    if pair.prompted_quality is not None and pair.specific_quality is not None:
        qualities = f", with {pair.quality_metric} {pair.prompted_quality:.2f} against {pair.specific_quality:.2f}"
    caveat = ""
    if set(pair.provenance) & {"modelled", "assumed"}:
        caveat = " Part or all of that energy is modelled; the model's factor is the same for both."
    return printable(
        f"On {samples} of {pair.dataset}, the prompted generative model {pair.prompted} {verdict} "
        f"the fine-tuned {pair.specific}{interval}{qualities}.{caveat}"
    )


def _boundary(name: str) -> BoundaryName:
    try:
        return BoundaryName(name)
    except ValueError:
        names = [str(known) for known in BoundaryName]
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"
        raise MendableError(f"no boundary '{name}'{hint}") from None


def _print_heading(study: Study, boundary: BoundaryName, grid: Grid | None) -> None:
    protocol = study.protocol
    where = "no grid chosen: --grid FRA, World, egrid:NWPP …"
    if grid is not None:
        where = f"grid {grid.name} {number(grid.intensity_g_per_kwh)} g/kWh ({grid.year}, {grid.basis})"
    print(
        f"{printable(study.name)}   energy per 1,000 queries   "
        f"{len(study.cells)} cells × {protocol.repeats_n} repeats × {protocol.queries_n:,} queries"
    )
    print(f"boundary {boundary} · {where}\n")


def _print_rows(table: tuple[Row, ...]) -> None:
    """One unit for all energies and one for all carbon, so that rows can be compared at a glance."""
    energy = _common_unit([row.energy_per_1000_j for row in table], "j")
    carbon = _common_unit([row.carbon_per_1000_g for row in table], "g")
    headings = (
        "task", "model", f"energy, {energy.symbol}", "95 % interval", "repeats", "known by", "per query", "quality",
        f"carbon, {carbon.symbol}",
    )  # fmt: skip
    print_table(headings, [_line(row, energy, carbon) for row in table], right=(2, 4, 6, 8))
    for row in table:
        if row.failure:
            print(f"\n✗ {printable(row.model)}: {printable(row.failure)}", end="")
    if any(row.failure for row in table):
        print()


def _common_unit(values: list[float | None], quantity: str) -> Unit:
    known = [value for value in values if value]
    return unit_for(statistics.median_low(known) if known else 0.0, quantity)


def _line(row: Row, energy: Unit, carbon: Unit) -> tuple[str, ...]:
    interval = UNKNOWN
    if row.energy_low_j is not None and row.energy_high_j is not None:
        interval = f"{_in(row.energy_low_j, energy)} to {_in(row.energy_high_j, energy)}"
    quality = row.quality_reason or UNKNOWN
    if row.quality is not None:
        quality = f"{row.quality_metric} {row.quality:.2f}"
    if row.failed_n:
        failed = f"{row.failed_n} of {row.failed_n + row.runs_n} failed"
        quality = f"{quality}, {failed}" if row.runs_n else failed
    return (
        row.task,
        row.model + (" (prompted)" if row.purpose is Purpose.MULTI_PURPOSE else ""),
        _in(row.energy_per_1000_j, energy),
        interval,
        f"± {number(row.spread_ratio * 100, 2)} %" if row.spread_ratio is not None else UNKNOWN,
        _shares(row),
        show(row.duration_per_query_s, "s"),
        quality,
        _in(row.carbon_per_1000_g, carbon),
    )


def _in(value: float | None, unit: Unit) -> str:
    return UNKNOWN if value is None else number(value / unit.size)


def _shares(row: Row) -> str:
    if row.provenance is None:
        return UNKNOWN
    return ", ".join(f"{kind} {share * 100:.0f} %" for kind, share in row.provenance.items() if share > 0)


def _print_notes(table: tuple[Row, ...]) -> None:
    lines: list[str] = []
    modelled = [row for row in table if row.provenance and row.provenance["modelled"] + row.provenance["assumed"] > 0]
    if modelled:
        most = max(row.provenance["modelled"] + row.provenance["assumed"] for row in modelled if row.provenance)
        lines.append(
            f"◐ up to {most * 100:.0f} % of the energy is modelled, not measured: "
            "joulemark sensors says what would measure it"
        )
    missing = dict.fromkeys(name for row in table for name in row.missing)
    if missing:
        lines.append(f"not counted, because no sensor covers it: {', '.join(missing)}")
    unused = dict.fromkeys(name for row in table for name in row.unused)
    if unused:
        lines.append(f"metered but not used, and left out: {', '.join(unused)}")
    for code in dict.fromkeys(code for row in table for code in row.reasons):
        reason = REASONS.get(code)
        if reason is None or code == "modelled":
            continue
        rows_n = sum(code in row.reasons for row in table)
        lines.append(f"{code} ({rows_n} of {len(table)} rows): {reason.meaning}; {reason.remedy}")
    if lines:
        print()
    for line in lines:
        print(line)
