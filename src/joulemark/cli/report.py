"""``joulemark report``: what 1,000 queries cost."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from joulemark.analysis.cell_sums import CellSums
from joulemark.analysis.comparison_conditions import of_rows
from joulemark.analysis.results import open_results, sums_of
from joulemark.analysis.summary import Comparison, Row, compared_cells, comparisons_of, in_facility, rows_of
from joulemark.cli.table import counted, print_json, print_table, printable
from joulemark.cli.table_formats import csv_text
from joulemark.failures import MendableError
from joulemark.impact import grids
from joulemark.impact.carbon import Grid, GridError
from joulemark.impact.facilities import Facility, find_pue
from joulemark.measurement import BoundaryName
from joulemark.reasons import REASONS, made_up
from joulemark.records import Purpose, Study
from joulemark.units import UNKNOWN, Unit, number, show, unit_for

SENTENCES_MAX_N = 12  # comparisons that are told one by one


def show_report(
    place: str, boundary_name: str, grid_name: str | None, pue_text: str | None, form: str = "text"
) -> None:
    """Print a row per cell and what the comparison of prompted and task-specific models says.

    ``form`` is "text", "json", or "csv" (the rows alone). Raises :class:`~joulemark.failures.MendableError`.
    """
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
    logged = grid is None and any(row.carbon_logged_per_1000_g is not None for row in table)
    if pue_text is not None and grid is None and not of_building:
        carbon = "carbon is as logged, which --pue does not change" if logged else "--pue multiplies carbon"
        raise MendableError(f"{carbon}: choose a --grid, or --boundary facility for the building's energy")
    pairs = comparisons_of(study, sums)
    if form == "csv":
        print(_csv(table, boundary, logged), end="")
        return
    if form == "json":
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
        of_task = [pair for pair in pairs if pair.task == task]
        ratios = [pair.energy_ratio.value for pair in of_task]
        mean = statistics.geometric_mean(ratios)
        known = all(pair.samples_known for pair in of_task)
        samples = "the same samples" if known else "the same dataset, though the runs do not record which samples"
        lines.append(
            f"{printable(task)}: a prompted generative model needed {number(mean)} times the energy of a fine-tuned "
            f"one on {samples} (geometric mean of {len(ratios)} pairs, ranging from "
            f"{number(min(ratios))} to {number(max(ratios))}; --json has every pair with its interval)."
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
    samples = f"the same {pair.samples_n} samples of" if pair.samples_n else "the same samples of"
    if not pair.samples_known:
        samples = "samples, which the runs do not record, of"
    qualities = ""
    if pair.prompted_quality is not None and pair.specific_quality is not None:
        qualities = f", with {pair.quality_metric} {pair.prompted_quality:.2f} against {pair.specific_quality:.2f}"
    caveat = ""
    if set(pair.provenance) & {"modelled", "assumed"}:
        caveat = " Part or all of that energy is modelled: a factor common to both."
        if ratio.low is not None:
            caveat += " What it can do to the ratio is in the interval."
    if pair.made_up:
        caveat += f" That energy is {' and '.join(pair.made_up)}: nobody measured it."
    return printable(
        f"On {samples} {pair.dataset}, the prompted generative model {pair.prompted} {verdict} "
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
    elif pue.amount.value != 1:
        where = f"{where} · PUE {number(pue.amount.value)}"
    print(
        f"{printable(study.name)}   energy per 1,000 queries   "
        f"{counted(len(study.cells), 'cell')} × {counted(protocol.repeats_n, 'repeat')} × "
        f"{protocol.queries_n:,} {'query' if protocol.queries_n == 1 else 'queries'}"
    )
    print(f"boundary {boundary} · {where}\n")


def _print_outside(study: Study, sums: Mapping[str, CellSums]) -> None:
    """Runs of cells that the study does not list are in no row."""
    listed = {cell.cell_id for cell in study.cells}
    outside = [one.runs_n + one.failed_n for cell_id, one in sums.items() if cell_id not in listed]
    if outside:
        print(
            f"\n{counted(sum(outside), 'run')} of {counted(len(outside), 'cell')} that the study does not list are "
            "in no row; "
            "report --totals counts them"
        )


def _print_rows(table: tuple[Row, ...], logged: bool) -> None:
    """One unit for all energies and one for all carbon, so that rows can be compared at a glance."""
    energy = _common_unit([row.energy_per_1000_j or row.energy_low_j for row in table], "j")
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
    interval, spread = UNKNOWN, row.repeats_half_width_ratio
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
        _energy(row, energy),
        interval,
        f"± {number(spread * 100, 2)} %" if spread is not None else UNKNOWN,
        _shares(row),
        show(row.duration_per_query_s, "s"),
        quality,
        _in(_carbon_g(row, logged), carbon),
    )


def _in(value: float | None, unit: Unit) -> str:
    return UNKNOWN if value is None else number(value / unit.size)


def _energy(row: Row, unit: Unit) -> str:
    """The energy, or where it is not known the least that it can be."""
    if row.energy_per_1000_j is None and row.energy_low_j:
        return f"≥ {_in(row.energy_low_j, unit)}"
    return _in(row.energy_per_1000_j, unit)


def _shares(row: Row) -> str:
    if row.provenance is None:
        return UNKNOWN
    shares = ", ".join(f"{kind} {share * 100:.0f} %" for kind, share in row.provenance.items() if share > 0)
    return ": ".join((*made_up(row.reasons), shares))


def _csv(table: Sequence[Row], boundary: BoundaryName, logged: bool) -> str:
    """The rows in base units and full precision; what is not known is empty."""
    header = (
        "task", "model", "dataset", "dataset_config", "purpose", "boundary", "runs_n", "failed_n", "energy_per_1000_j",
        "energy_low_j", "energy_high_j", "repeats_half_width_ratio", "known_by", "duration_per_query_s", "quality",
        "quality_metric", "carbon_per_1000_g", "reasons",
    )  # fmt: skip
    lines = [
        (
            row.task, row.model, row.dataset, row.dataset_config, str(row.purpose), str(boundary), row.runs_n,
            row.failed_n, row.energy_per_1000_j, row.energy_low_j, row.energy_high_j, row.repeats_half_width_ratio,
            None if row.provenance is None else _shares(row), row.duration_per_query_s, row.quality,
            row.quality_metric, _carbon_g(row, logged), " ".join(row.reasons),
        )
        for row in table
    ]  # fmt: skip
    return csv_text(header, lines)


def _print_notes(table: tuple[Row, ...]) -> None:
    lines: list[str] = []
    modelled = [row for row in table if row.provenance and row.provenance["modelled"] + row.provenance["assumed"] > 0]
    if modelled:
        most = max(row.provenance["modelled"] + row.provenance["assumed"] for row in modelled if row.provenance)
        remedy = ": joulemark sensors says what would measure it"
        lines.append(
            f"◐ up to {most * 100:.0f} % of the energy is modelled, not measured"
            + ("" if all(row.imported for row in modelled) else remedy)
        )
    missing = dict.fromkeys(name for row in table for name in row.missing)
    if missing:
        lines.append(f"not counted, because no sensor covers it or what it said is not known: {', '.join(missing)}")
    unused = dict.fromkeys(name for row in table for name in row.unused)
    if unused:
        lines.append(f"metered but not used, and left out: {', '.join(unused)}")
    for code in dict.fromkeys(code for row in table for code in row.reasons):
        reason = REASONS.get(code)
        if reason is None or code == "modelled":
            continue
        with_it = [row for row in table if code in row.reasons]
        # Who reads another's logs cannot measure anew.
        remedy = "" if all(row.imported for row in with_it) else f"; {reason.remedy}"
        lines.append(f"{code} ({of_rows(len(with_it), len(table))}): {reason.meaning}{remedy}")
    if lines:
        print()
    for line in lines:
        print(line)
