"""``joulemark report --totals``: the sums over all runs."""

from __future__ import annotations

from dataclasses import asdict

from joulemark.analysis.results import open_results, sums_of
from joulemark.analysis.totals import totals
from joulemark.cli.report import chosen_grid
from joulemark.cli.table import counted, print_json, print_table, printable
from joulemark.measurement import BoundaryName
from joulemark.units import J_PER_KWH, LADDERS, UNKNOWN, Unit, number, unit_for

G_PER_KG = 1000.0


def show_totals(place: str, grid_name: str | None, json_out: bool) -> None:
    """Print energy and carbon of everything in the results at ``place``, work and loading."""
    results = open_results(place)
    sums = sums_of(results, BoundaryName.DEVICE, loading=True)
    found = totals(results.study, sums, chosen_grid(grid_name, results.study))
    if json_out:
        print_json(asdict(found))
        return
    outside = f", {found.runs_outside_study_n:,} of them of cells that the study does not list"
    failed = f", {found.failed_n:,} failed" if found.failed_n else ""
    runs = f"{counted(found.runs_n, 'run')}{outside if found.runs_outside_study_n else ''}{failed}"
    print(f"{printable(found.study)}   {runs}\n")
    energy = _unit(found.energy_kwh, J_PER_KWH, "j")
    carbon = _unit(found.carbon_kg, G_PER_KG, "g")
    lines = [
        (name, _in(value_kwh, J_PER_KWH, energy), f"{printed_kwh:,.2f} kWh" if printed_kwh is not None else "")
        for name, value_kwh, printed_kwh in (
            ("energy, all components", found.energy_kwh, found.printed.get("energy_kwh")),
            ("  boards (GPU)", found.gpu_energy_kwh, None),
            ("  processor", found.cpu_energy_kwh, None),
            ("  memory", found.dram_energy_kwh, None),
            ("  not told apart", found.other_energy_kwh, None),
            ("of which loading", found.load_energy_kwh, None),
        )
    ]
    lines.append(
        (
            f"carbon, {found.carbon_basis}" if found.carbon_basis else "carbon",
            _in(found.carbon_kg, G_PER_KG, carbon),
            f"{found.printed['carbon_kg']:,.2f} kg" if found.printed else "",
        )
    )
    known = [line for line in lines if line[1] != UNKNOWN or not line[0].startswith(" ")]
    print_table(("", "here", "printed" if found.printed else ""), known, right=(1, 2))
    if found.unknown_n:
        runs = counted(found.unknown_n, "run")
        print(f"\nthe energy of {runs} is not known inside the device boundary: known parts of it are counted here")
    for note in found.notes:
        print(f"\n{note}")


def _unit(total: float | None, size: float, quantity: str) -> Unit:
    """One unit for a total and its parts: kWh and kg, as papers print them, unless the total is below 1."""
    if total is not None and total >= 1:
        return next(unit for unit in LADDERS[quantity] if unit.size == size)
    return unit_for((total or 0.0) * size, quantity)


def _in(value: float | None, size: float, unit: Unit) -> str:
    """Two decimals, as papers print totals; three digits where these would be too few."""
    if value is None:
        return UNKNOWN
    amount = value * size / unit.size
    return f"{f'{amount:,.2f}' if amount >= 1 else number(amount)} {unit.symbol}"
