"""``joulemark report``: what 1,000 queries cost."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from joulemark.analysis.cell_sums import CellSums
from joulemark.analysis.results import open_results, sums_of
from joulemark.analysis.summary import Comparison, Row, compared_cells, comparisons_of, in_facility, rows_of
from joulemark.cli.table import print_json, print_table, printable
from joulemark.failures import MendableError
from joulemark.impact import grids
from joulemark.impact.carbon import Grid, GridError
from joulemark.impact.facilities import Facility, find_pue
from joulemark.measurement import BoundaryName
from joulemark.reasons import REASONS
from joulemark.records import Purpose, Study
from joulemark.units import UNKNOWN, Unit, number, show, unit_for

SENTENCES_MAX_N = 12  # comparisons that are told one by one


def show_report(place: str, boundary_name: str, grid_name: str | None, pue_text: str | None, json_out: bool) -> None:
    """Print a row per cell and what the comparison of prompted and task-specific models says."""
    boundary = chosen_boundary(boundary_name)
    results = open_results(place)
    study = results.study
    grid = chosen_grid(grid_name, study)
    pue = find_pue(pue_text)
    # The building's energy is the machine's times a ratio that has to be given: it is never guessed.
    of_building = boundary is BoundaryName.FACILITY and pue_text is not None
    sums = sums_of(results, BoundaryName.HOST if of_building else boundary, compared_cells(study))
    table = rows_of(study, sums, grid, pue.amount.value)
    if of_building:
        table = tuple(in_facility(row, pue.amount.value) for row in table)
    pairs = comparisons_of(study, sums)
    if json_out:
        print_json(
            {
                "study": study.name,
                "study_id": study.study_id,
                "boundary": str(boundary),
                "grid": asdict(grid) if grid else None,
                "pue": asdict(pue),
                "machines": [{"machine_id": machine.machine_id, **asdict(machine)} for machine in results.machines],
                "rows": [asdict(row) for row in table],
                "comparisons": [{**asdict(pair), "sentence": sentence(pair)} for pair in pairs],
            }
        )
        return
    logged = grid is None and any(row.carbon_logged_per_1000_g is not None for row in table)
    _print_heading(study, boundary, grid, pue, logged)
    _print_rows(table, logged)
    _print_notes(table)
    _print_outside(study, sums)
    for line in [sentence(pair) for pair in pairs] if len(pairs) <= SENTENCES_MAX_N else _by_task(pairs):
        print(f"\n{line}")


def _by_task(pairs: Sequence[Comparison]) -> list[str]:
    """One sentence a task where single pairs would fill pages; --json has them all."""
    lines = []
    for task in dict.fromkeys(pair.task for pair in pairs):
        ratios = [pair.energy_ratio.value for pair in pairs if pair.task == task]
        mean = statistics.geometric_mean(ratios)
        lines.append(
            f"{printable(task)}: a prompted generative model needed {number(mean)} times the energy of a fine-tuned "
            f"one on the same samples (geometric mean of {len(ratios)} pairs, {number(min(ratios))} to "
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


def chosen_grid(name: str | None, study: Study) -> Grid | None:
    """The grid that was asked for, else the study's, else the machine's own (``JOULEMARK_GRID``).

    Raises :class:`~joulemark.impact.carbon.GridError`, also for a series of hours: the sums keep
    no hours.
    """
    grid = grids.chosen_grid(name, study.grid)
    if grid is not None and grid.area == "series":
        raise GridError(f"{name}: a series of hours is for joulemark impact FOLDER, which takes the runs' own hours")
    return grid


def chosen_boundary(name: str) -> BoundaryName:
    """A boundary by name. Raises :class:`~joulemark.failures.MendableError`."""
    try:
        return BoundaryName(name)
    except ValueError:
        names = [str(known) for known in BoundaryName]
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"
        raise MendableError(f"no boundary '{name}'{hint}") from None


def _print_heading(study: Study, boundary: BoundaryName, grid: Grid | None, pue: Facility, logged: bool) -> None:
    protocol = study.protocol
    where = "no grid chosen: --grid FRA, World, egrid:NWPP …"
    if logged:
        where = "carbon as logged; --grid FRA, World, egrid:NWPP … computes it anew"
    if grid is not None:
        told = f"{grid.year or 'year not stated'}, {grid.basis}, {grid.kind}"
        where = f"grid {grid.name} {number(grid.intensity_g_per_kwh)} g/kWh ({told}) · PUE {number(pue.amount.value)}"
    print(
        f"{printable(study.name)}   energy per 1,000 queries   "
        f"{len(study.cells)} cells × {protocol.repeats_n} repeats × {protocol.queries_n:,} queries"
    )
    print(f"boundary {boundary} · {where}\n")


def _print_outside(study: Study, sums: Mapping[str, CellSums]) -> None:
    """Runs of cells that the study does not list are in no row."""
    listed = {cell.cell_id for cell in study.cells}
    outside = [one.runs_n + one.failed_n for cell_id, one in sums.items() if cell_id not in listed]
    if outside:
        print(
            f"\n{sum(outside):,} runs of {len(outside)} cells that the study does not list are in no row; "
            "report --totals counts them"
        )


def _print_rows(table: tuple[Row, ...], logged: bool) -> None:
    """One unit for all energies and one for all carbon, so that rows can be compared at a glance."""
    energy = _common_unit([row.energy_per_1000_j for row in table], "j")
    carbon = _common_unit([_carbon_g(row, logged) for row in table], "g")
    several = len({(row.task, row.model, row.purpose) for row in table}) < len(table)
    headings = (
        "task", "model", *(("dataset",) if several else ()), f"energy, {energy.symbol}", "95 % interval", "repeats",
        "known by", "per query", "quality", f"carbon, {carbon.symbol}",
    )  # fmt: skip
    lines = [_line(row, energy, carbon, logged, several) for row in table]
    print_table(headings, lines, right=tuple(place + several for place in (2, 4, 6, 8)))
    for row in table:
        if row.failure:
            print(f"\n✗ {printable(row.model)}: {printable(row.failure)}", end="")
    if any(row.failure for row in table):
        print()


def _common_unit(values: list[float | None], quantity: str) -> Unit:
    known = [value for value in values if value]
    return unit_for(statistics.median_low(known) if known else 0.0, quantity)


def _carbon_g(row: Row, logged: bool) -> float | None:
    return row.carbon_logged_per_1000_g if logged else row.carbon_per_1000_g


def _line(row: Row, energy: Unit, carbon: Unit, logged: bool, several: bool) -> tuple[str, ...]:
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
        *((f"{row.dataset} ({row.dataset_config})" if row.dataset_config else row.dataset,) if several else ()),
        _in(row.energy_per_1000_j, energy),
        interval,
        f"± {number(row.spread_ratio * 100, 2)} %" if row.spread_ratio is not None else UNKNOWN,
        _shares(row),
        show(row.duration_per_query_s, "s"),
        quality,
        _in(_carbon_g(row, logged), carbon),
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
