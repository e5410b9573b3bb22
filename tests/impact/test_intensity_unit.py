"""The factor of a heading's unit, against figures worked out by hand."""

import pytest

from joulemark.impact.intensity_unit import unit_g_per_kwh
from joulemark.impact.ranged import ImpactError


@pytest.mark.parametrize(
    ("heading", "factor"),
    [
        ("Carbon intensity gCO₂eq/kWh (LCA)", 1),
        ("intensity_g_per_kwh", 1),
        ("carbon_intensity_gco2_kwh", 1),
        ("carbon intensity (kg/kWh)", 1000),
        ("intensity kgCO2perMWh", 1),
        ("carbon intensity (kgCO2-eq / MWh)", 1),
        ("carbon_intensity_lb_per_mwh", 0.45359237),
        ("lbs_co2_per_MWh", 0.45359237),
        ("tCO2/MWh", 1000),
        ("MgCO2e/MWh", 1000),
        ("tonnes CO2 equivalent per GWh", 1),
        ("intensity_mg_per_kwh", 1e-3),
        ("intensity [g CO2e/MJ]", 3.6),
    ],
)
def test_units(heading: str, factor: float) -> None:
    assert unit_g_per_kwh(heading) == pytest.approx(factor)


@pytest.mark.parametrize(
    "heading", ["intensity", "gco2", "carbon intensity average (LCA)", "marginal_direct_intensity", "CO2e intensity"]
)
def test_a_heading_without_a_unit(heading: str) -> None:
    assert unit_g_per_kwh(heading) is None


@pytest.mark.parametrize(
    "heading",
    [
        "gC/kWh",
        "tons/MWh",
        "intensity per kWh",
        "intensity kg",
        "intensityKgPerMwh",
        "intensity, grams per kilowatt-hour",
    ],
)
def test_a_unit_that_is_not_known_is_refused(heading: str) -> None:
    with pytest.raises(ImpactError, match="name it g/kWh, kg/MWh, lb/MWh") as caught:
        unit_g_per_kwh(heading)
    assert "\n" not in str(caught.value)
