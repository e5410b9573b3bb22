"""``joulemark report --totals``: the sums over all runs."""

from __future__ import annotations

from dataclasses import asdict

from joulemark.analysis.results import open_results, sums_of
from joulemark.analysis.totals import totals
from joulemark.cli.report import chosen_grid
from joulemark.cli.table import print_json, print_table, printable
from joulemark.measurement import BoundaryName
from joulemark.units import UNKNOWN


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
    print(f"{printable(found.study)}   {found.runs_n:,} runs{outside if found.runs_outside_study_n else ''}{failed}\n")
    lines = [
        ("energy, all components", _kwh(found.energy_kwh), _kwh(found.printed.get("energy_kwh"))),
        ("  boards (GPU)", _kwh(found.gpu_energy_kwh), ""),
        ("  processor", _kwh(found.cpu_energy_kwh), ""),
        ("  memory", _kwh(found.dram_energy_kwh), ""),
        ("  not told apart", _kwh(found.other_energy_kwh), ""),
        ("of which loading", _kwh(found.load_energy_kwh), ""),
        (
            f"carbon, {found.carbon_basis}" if found.carbon_basis else "carbon",
            UNKNOWN if found.carbon_kg is None else f"{found.carbon_kg:,.2f} kg",
            f"{found.printed['carbon_kg']:,.2f} kg" if found.printed else "",
        ),
    ]
    known = [line for line in lines if line[1] != UNKNOWN or not line[0].startswith(" ")]
    print_table(("", "here", "printed" if found.printed else ""), known, right=(1, 2))
    if found.unknown_n:
        print(f"\nthe energy of {found.unknown_n:,} runs is not known inside the device boundary")
    for note in found.notes:
        print(f"\n{note}")


def _kwh(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.2f} kWh" if value >= 0.01 else f"{value:.3g} kWh"
