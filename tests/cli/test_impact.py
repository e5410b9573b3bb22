import json
from pathlib import Path
from typing import Any

import pytest
from program import complains, joulemark

from joulemark import store
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Failure, Machine, Protocol, Run, Study

SMALL, LARGE, BROKEN = (
    Cell("text-classification", name, "reviews") for name in ("small-model", "large-model", "broken")
)
STUDY = Study("mine", (SMALL, LARGE, BROKEN), Protocol(queries_n=100, repeats_n=2), grid="World")
MACHINE = Machine("AMD EPYC 7763 64-Core Processor", 4, 2**36, ("NVIDIA A100-SXM4-80GB",) * 8, False, "6.1", "Linux")


def channel(name: str, component: Component, energy_j: float, in_use: bool = True) -> ChannelEnergy:
    return ChannelEnergy(
        name, component, Provenance.COUNTER, energy_j, 0.9 * energy_j, 1.1 * energy_j, ErrorBudget(), in_use
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cells of 100 queries: 7,200 J and 72,000 J a run, an hour each; of the first board, not of the second."""
    place = tmp_path / "results"
    with store.open_for_writing(place, STUDY):
        store.add_machine(place, MACHINE)
        for order_i, (cell, energy_j, repeat_i) in enumerate(
            (cell, energy_j, repeat_i)
            for repeat_i in range(2)
            for cell, energy_j in ((SMALL, 7200.0), (LARGE, 72000.0))
        ):
            started_at = f"2024-05-01T{repeat_i:02d}:00:00+00:00"
            window = Measurement(
                started_at,
                3600.0,
                (
                    channel("gpu0", Component.GPU, energy_j),
                    channel("gpu1", Component.GPU, 99.0, in_use=False),
                    channel("package-0", Component.CPU, 0.0),
                    channel("dram-0", Component.DRAM, 0.0),
                ),
                0.0,
            )
            run_id = STUDY.run_id(cell, repeat_i)
            store.append(
                place,
                Run(run_id, cell, repeat_i, order_i, 100, MACHINE.machine_id, {}, started_at, measurement=window),
                (),
            )
        failed = Run(
            STUDY.run_id(BROKEN, 0), BROKEN, 0, 9, 100, MACHINE.machine_id, {}, "2024-05-01T03:00:00+00:00",
            failure=Failure("load", "MemoryError", "too large"),
        )  # fmt: skip
        store.append(place, failed, ())
    return place


def answer(*arguments: object, **environment: str) -> dict[str, Any]:
    done = joulemark("impact", *arguments, "--json", **({"JOULEMARK_GRID": ""} | environment))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_energy_in_a_cloud_region_as_json() -> None:
    found = answer("1kWh", "--grid", "us-west-2")
    carbon = found["carbon_g"]
    assert {"value", "low", "high", "basis", "kind", "year", "source", "verification"} <= set(carbon)
    assert carbon["value"] == pytest.approx(288.15)
    assert (carbon["low"], carbon["high"]) == pytest.approx((79.23, 322.167))
    assert (carbon["basis"], carbon["kind"], carbon["year"]) == ("direct", "average", 2023)
    assert {"value", "low", "high"} <= set(found["water_l"])
    assert found["water_l"]["value"] == pytest.approx(0.16 + 3.1321)
    assert found["embodied_g"] is None
    assert found["cost"] is None
    assert found["energy_j"]["value"] == 3.6e6
    things = found["equivalences"]
    assert all({"id", "count", "low", "high"} <= set(thing) for thing in things)
    charge = next(thing for thing in things if thing["id"] == "smartphone_charge")
    assert charge["count"] == pytest.approx(1 / 0.012)
    assert (charge["low"], charge["high"]) == pytest.approx((1 / 0.019, 1 / 0.012))


def test_losses_price_device_and_a_year() -> None:
    found = answer(
        "1.35kWh", "--grid", "FRA", "--pue", "1.2", "--price", "0.30EUR", "--device", "NVIDIA L4", "--hours", "20",
        "--per", "1000", "--year-at", "1000000/day",
    )  # fmt: skip
    assert found["carbon_g"]["value"] == pytest.approx(1.35 * 1.2 * 44.18)
    assert found["cost"]["value"] == pytest.approx(1.35 * 1.2 * 0.30)
    assert found["cost"]["currency"] == "EUR"
    assert found["embodied_g"]["value"] == pytest.approx(114_000 * 20 / (4 * 8766 * 0.85))
    year = found["year"]
    assert year["queries_n"] == pytest.approx(3.6525e8)
    for name in ("carbon_g", "water_l", "cost", "embodied_g"):
        assert year[name]["value"] == pytest.approx(365_250 * found[name]["value"])


def test_a_device_without_a_time_works_at_full_power() -> None:
    found = answer("720Wh", "--device", "NVIDIA L4")
    assert found["embodied_g"]["device_s"] == pytest.approx(10 * 3600)
    assert any("72 W" in note for note in found["notes"])


def test_the_study_s_figures() -> None:
    """Luccioni et al. (2024): the energy of its largest model, with the intensity its software used."""
    shown = joulemark("impact", "11.49kWh", "--grid", "paper:used").stdout
    assert "1.59 kg" in shown
    assert "used, not printed" in shown
    assert next(line for line in shown.splitlines() if line.startswith("mile in")).split()[8] == "4.06"
    printed = joulemark("impact", "11.49kWh", "--grid", "paper:printed").stdout
    assert "3.42 kg" in printed
    assert "printed, not used" in printed
    cells = answer("luccioni2024", "--model", "stable-diffusion-xl", "--grid", "paper:used")["rows"]
    assert len(cells) == 3
    assert all(1500 < cell["carbon_g"]["value"] < 1600 for cell in cells)


def test_without_a_grid_there_is_energy_and_no_carbon() -> None:
    found = answer("1kWh")
    assert found["carbon_g"] is None
    assert found["water_l"] is None
    assert found["grid"] is None
    assert {thing["basis"] for thing in found["equivalences"]} == {"energy"}
    shown = joulemark("impact", "1kWh", JOULEMARK_GRID="")
    assert shown.returncode == 0
    assert "no grid chosen, so no carbon" in shown.stdout
    assert "never guessed" in shown.stdout


def test_the_machine_s_own_region_is_configured_in_the_environment() -> None:
    found = answer("1kWh", JOULEMARK_GRID="FRA")
    assert found["carbon_g"]["value"] == pytest.approx(44.18)
    assert "grid from JOULEMARK_GRID" in found["notes"]
    assert answer("1kWh", "--grid", "World", JOULEMARK_GRID="FRA")["carbon_g"]["value"] == pytest.approx(472.94)
    assert "JOULEMARK_GRID" in complains(joulemark("impact", "1kWh", JOULEMARK_GRID="Frence"))


def test_a_cell_of_a_results_folder(folder: Path) -> None:
    found = answer(folder, "--model", "small-model", "--grid", "FRA")
    assert (found["task"], found["model"], found["dataset"]) == ("text-classification", "small-model", "reviews")
    assert found["queries_n"] == 1000
    assert found["energy_j"]["value"] == pytest.approx(72_000)
    assert found["energy_j"]["low"] < 72_000 < found["energy_j"]["high"]
    assert found["carbon_g"]["value"] == pytest.approx(0.02 * 44.18)
    # Ten hours of one board (the other was not ours) and one processor make 1,000 queries.
    embodied = found["embodied_g"]
    assert embodied["devices"] == ["NVIDIA A100 SXM4 80GB", "AMD EPYC 7763"]
    assert embodied["value"] == pytest.approx((141_000 + 30_100) * 10 / (4 * 8766 * 0.85))
    assert any("memory" in name for name in embodied["left_out"])
    one = answer(folder, "--model", "small-model", "--grid", "FRA", "--per", "1")
    assert one["carbon_g"]["value"] == pytest.approx(found["carbon_g"]["value"] / 1000)


def test_an_unknown_model_gets_those_there_are(folder: Path) -> None:
    message = complains(joulemark("impact", folder, "--model", "distilbert"))
    assert "no model 'distilbert' among these results" in message
    assert "there are small-model, large-model, broken" in message


def test_the_example_names_a_model_of_the_quickstart() -> None:
    study = (Path(__file__).parents[2] / "src" / "joulemark" / "catalogue" / "studies" / "quickstart.toml").read_text()
    page = (Path(__file__).parents[2] / "docs" / "impact.md").read_text()
    for text in (joulemark("impact", "--help").stdout, page):
        model = text.split("impact results/quickstart --model ")[1].split()[0]
        assert f'{model}"' in study


def test_the_grid_of_a_study_goes_before_the_machine_s(folder: Path) -> None:
    found = answer(folder, "--model", "small", JOULEMARK_GRID="FRA")
    assert found["carbon_g"]["value"] == pytest.approx(0.02 * 472.94)
    assert "grid from the study" in found["notes"]


def test_all_cells_and_one_whose_energy_is_not_known(folder: Path) -> None:
    found = answer(folder)["rows"]
    assert [cell["model"] for cell in found] == ["small-model", "large-model", "broken"]
    assert found[1]["carbon_g"]["value"] == pytest.approx(10 * found[0]["carbon_g"]["value"])
    assert found[2]["carbon_g"] is None
    assert "MemoryError" in found[2]["why_unknown"]
    shown = joulemark("impact", folder).stdout
    assert "large-model" in shown
    assert "MemoryError" in shown
    assert "MemoryError" in complains(joulemark("impact", folder, "--model", "broken"))
    assert "nearest: small-model" in complains(joulemark("impact", folder, "--model", "smal-model"))


def test_the_hours_of_the_runs_count(folder: Path, tmp_path: Path) -> None:
    """Both repetitions take an hour, the first at 100 g/kWh, the second at 300; the rest of the day is far dirtier."""
    file = tmp_path / "hours.csv"
    rows = [f"2024-05-01T{hour:02d}:00:00Z,{(100, 300, 2000)[min(hour, 2)]}" for hour in range(24)]
    file.write_text("\n".join(["datetime,carbon intensity average (LCA)", *rows]) + "\n")
    found = answer(folder, "--model", "small-model", "--grid", file)
    assert found["carbon_g"]["value"] == pytest.approx(0.02 * 200)
    assert (found["carbon_g"]["basis"], found["carbon_g"]["kind"]) == ("lifecycle", "average")
    assert (found["grid"]["low_g_per_kwh"], found["grid"]["high_g_per_kwh"]) == (100, 300)
    alone = answer("20Wh", "--grid", file)
    assert alone["carbon_g"]["value"] == pytest.approx(0.02 * (400 + 22 * 2000) / 24)
    assert any("hours are not known" in note for note in alone["notes"])
    file.write_text("\n".join([*rows[2:]]).replace("2024-05-01T02", "datetime,intensity\n2024-05-01T02"))
    assert "outside the hours" in complains(joulemark("impact", folder, "--grid", file))


def test_explain_shows_formula_factors_sources_and_what_else_oregon_can_mean() -> None:
    done = joulemark(
        "impact", "1.35kWh", "--grid", "aws:us-west-2", "--explain", "--price", "0.1USD", "--device", "A100 SXM4 80GB"
    )
    shown = done.stdout
    assert "E_IT × PUE × intensity" in shown
    assert "1.350 kWh × 1 × 288.15 g/kWh = 389.0 g" in shown
    assert "E_IT × on-site WUE + E_IT × PUE × off-site water" in shown
    assert "made × time ÷ (lifetime × utilisation)" in shown
    assert "E_IT × PUE × price" in shown
    assert "eGRID2023" in shown
    assert "Oregon go from 79.2 to 477 g/kWh" in shown
    assert "never add or compare" in shown
    for source in ("paper:used", "paper:printed", "watttime2023:oregon", "ccf:WECC", "google2024:us-west1"):
        assert source in shown
    explained = answer("1kWh", "--grid", "oregon", "--explain")["explain"]
    figures = [one["g_per_kwh"] for one in explained["alternatives"] if not one["whole_country"]]
    assert (round(min(figures)), round(max(figures))) == (79, 477)
    assert all(one["source"] and one["basis"] and one["kind"] for one in explained["alternatives"])
    assert all(factor["source"] and factor["verification"] for part in explained["parts"] for factor in part["factors"])


def test_what_is_only_recalled_is_marked() -> None:
    lines = joulemark("impact", "1kWh", "--grid", "FRA", "--price", "US_commercial").stdout.splitlines()
    assert next(line for line in lines if line.startswith("hour of laptop use")).endswith("◌ unverified")
    assert "◌ unverified" in next(line for line in lines if line.startswith("cost"))
    assert "◌" not in next(line for line in lines if line.startswith("carbon"))
    listed = joulemark("impact", "--list", "facilities", "--search", "ovhcloud wue").stdout
    assert "◌ unverified" in listed
    laptop = next(one for one in answer("1kWh")["equivalences"] if one["id"] == "laptop_hour")
    assert laptop["unverified"]


def test_lists() -> None:
    grids = answer("--list", "grids", "--search", "oregon")["grids"]
    assert {"aws:us-west-2", "gcp:us-west1", "paper:used", "paper:printed", "CodeCarbon:oregon"} <= {
        g["id"] for g in grids
    }
    assert all(grid["source"] and grid["verification"] and grid["basis"] for grid in grids)
    facilities = answer("--list", "facilities", "--search", "us-west-2")["facilities"]
    assert {one["metric"] for one in facilities} == {"pue", "wue_onsite"}
    things = answer("--list", "equivalences")["equivalences"]
    assert {"smartphone_charge", "car_mile", "flight_ny_london_aircraft", "email_g"} <= {one["id"] for one in things}
    shown = joulemark("impact", "--list", "grids", "--search", "oregon").stdout
    assert "aws:us-west-2" in shown
    assert "WattTime" in shown
    assert {"aws:us-west-2", "gcp:us-west1"} <= {
        f["id"] for f in answer("--list", "facilities", "--search", "oregon")["facilities"]
    }
    nothing = joulemark("impact", "--list", "grids", "--search", "atlantis")
    assert (nothing.returncode, "none of the grids has 'atlantis'" in nothing.stdout) == (0, True)
    assert answer("--list", "grids", "--search", "atlantis") == {"grids": []}
    assert "nearest: grids" in complains(joulemark("impact", "--list", "grid"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nankWh"], "not a number"),
        (["-5kWh"], "negative"),
        (["5"], "no unit"),
        (["5parsec"], "no unit of energy"),
        (["nowhere"], "no energy"),
        (["no/results/here"], "no results"),
        ([], "the impact of what"),
        (["1kWh", "--grid", "Frence"], "nearest: France"),
        (["1kWh", "--grid", "-3"], "no carbon intensity"),
        (["1kWh", "--grid", "nothing.csv"], "cannot be read"),
        (["1kWh", "--pue", "0.5"], "at least 1"),
        (["1kWh", "--year-at", "5"], "no rate"),
        (["1kWh", "--per", "0"], "above 0"),
        (["1kWh", "--device", "abacus"], "nothing known"),
        (["1kWh", "--device", "A100x"], "nearest: NVIDIA A100"),
        (["1kWh", "--hours", "3"], "--device"),
        (["1kWh", "--device", "NVIDIA L4", "--hours", "-1"], "0 hours or more"),
        (["1kWh", "--model", "x"], "chooses cells"),
        (["1kWh", "--search", "x"], "--list"),
        (["1kWh", "--list", "grids"], "leave out '1kWh'"),
        (["--list", "grids", "--grid", "FRA"], "leave out --grid"),
        (["--list", "grids", "--pue", "1.2"], "leave out --pue"),
        (["--list", "grids", "--price", "1"], "leave out --price"),
        (["--list", "grids", "--per", "0"], "leave out --per"),
        (["--list", "grids", "--year-at", "1/day"], "leave out --year-at"),
        (["--list", "grids", "--device", ""], "leave out --device"),
        (["--list", "grids", "--hours", "0"], "leave out --hours"),
        (["--list", "grids", "--model", "x"], "leave out --model"),
        (["--list", "grids", "--explain"], "leave out --explain"),
        (["1kWh", "--device", ""], "--device has no name"),
        (["luccioni2024", "--device", "NVIDIA L4", "--hours", "0"], "--device is for one cell"),
        (["luccioni2024", "--explain"], "--explain is for one cell, and there are 312"),
        (["luccioni2024", "--price", "0.30EUR"], "--price is for one cell"),
    ],
)
def test_mistakes_get_a_clear_line(arguments: list[str], message: str) -> None:
    assert message in complains(joulemark("impact", *arguments, JOULEMARK_GRID=""))


@pytest.mark.parametrize("energy", ["0kWh", "1e-300J", "1e30J"])
def test_nothing_a_little_and_very_much(energy: str) -> None:
    found = answer(energy, "--grid", "aws:us-west-2", "--price", "1")
    assert found["carbon_g"]["low"] <= found["carbon_g"]["value"] <= found["carbon_g"]["high"]
    assert joulemark("impact", energy, "--grid", "aws:us-west-2", "--explain").returncode == 0
