"""``joulemark impact`` on results folders: how the energy is known, what made it, and where it was used."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_results as made
import pytest
from program import complains, joulemark

from joulemark.impact.facilities import find_pue
from joulemark.measurement import ChannelEnergy, Component, Measurement
from joulemark.records import Machine, Run

XEON = Machine("Intel(R) Xeon(R) Platinum 8480+", 96, 2**40, (), False, "6.1.0", "Linux")
MAC = replace(XEON, cpu="Apple M1")


def text(*arguments: object) -> str:
    done = joulemark("impact", *arguments, JOULEMARK_GRID="")
    assert done.returncode == 0, done.stderr
    return done.stdout


def answer(*arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(*arguments, "--json"))
    return found


def with_channels(run: Run, change: Callable[[ChannelEnergy], list[ChannelEnergy]]) -> Run:
    def changed(window: Measurement | None) -> Measurement | None:
        if window is None:
            return None
        return replace(window, channels=tuple(new for old in window.channels for new in change(old)))

    return replace(run, measurement=changed(run.measurement), idle_before=None, idle_after=None, load=None)


def line_of(shown: str, word: str) -> str:
    return next(line for line in shown.splitlines() if word in line)


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """The energy of all cells but the summarizer is that of a fake sensor."""
    return made.fake_energy(tmp_path / "fake")


def test_an_overview_says_which_energy_nobody_measured(fake: Path) -> None:
    shown = text(fake, "--grid", "FRA")
    assert "fake: counter 100 %" in line_of(shown, "maker/large-decoder")
    assert "fake" not in line_of(shown, "maker/summarizer")
    assert "fake-sensor (3 of 4 rows): the fake sensor: nobody measured this" in shown


def test_one_cell_says_that_nobody_measured_its_energy(fake: Path) -> None:
    shown = text(fake, "--model", "large-decoder", "--grid", "FRA", "--year-at", "10/day")
    assert shown.splitlines()[1].endswith("known by fake: counter 100 %")
    assert shown.count("known by fake: counter 100 %") == 2
    assert "fake-sensor: the fake sensor: nobody measured this" in shown
    assert "fake" not in text(fake, "--model", "summarizer").replace(str(fake), "")


def test_the_json_says_how_the_energy_is_known(fake: Path) -> None:
    rows = answer(fake, "--year-at", "1/day")["rows"]
    assert [row["made_up"] for row in rows] == [["fake"]] * 3 + [[]]
    assert [row["year"]["made_up"] for row in rows] == [["fake"]] * 3 + [[]]
    assert all(row["provenance"] == {"counter": 1.0, "sampled": 0, "modelled": 0, "assumed": 0} for row in rows)
    assert "fake-sensor" in rows[0]["reasons"]
    assert rows[0]["missing"] == ["dram"]
    typed = answer("1kWh")
    assert (typed["provenance"], typed["made_up"], typed["missing"], typed["reasons"]) == (None, [], [], [])


def test_a_replayed_trace_is_said_to_be_one(tmp_path: Path) -> None:
    study = made.study_of([made.CELL], "replayed")
    runs = [
        with_channels(made.run(study, made.CELL, i), lambda channel: [replace(channel, reasons=("replayed",))])
        for i in range(2)
    ]
    place = made.write(tmp_path / "replayed", study, runs)
    assert "known by replayed: counter 83 %, modelled 17 %" in text(place)
    assert answer(place)["made_up"] == ["replayed"]


def test_modelled_energy_and_what_is_not_counted_are_told(tmp_path: Path) -> None:
    place = made.one_model(tmp_path / "whole")
    shown = text(place)
    assert "known by counter 83 %, modelled 17 %" in shown
    assert "◐ 17 % of the energy is modelled, not measured" in shown
    assert "not counted" not in shown
    study = made.study_of([made.CELL], "without-memory")
    part = made.write(tmp_path / "part", study, [made.run(study, made.CELL, i, has_dram=False) for i in range(3)])
    assert "not counted, because no sensor covers it or what it said is not known: dram" in text(part)
    assert "known by" not in text("1kWh").split("as much as")[0]


def test_an_overview_has_the_ranges_of_energy_and_carbon(tmp_path: Path) -> None:
    study = made.study_of([made.CELL, made.PROMPTED], "two")
    runs = [made.run(study, cell, i) for i in range(3) for cell in study.cells]
    place = made.write(tmp_path / "two", study, runs)
    shown = text(place, "--grid", "aws:us-west-2")
    headings = line_of(shown, "95 % interval")
    assert headings.index("energy, Wh") < headings.index("95 % interval") < headings.index("carbon, ")
    assert headings.index("carbon, ") < headings.index("range")
    row = answer(place, "--grid", "aws:us-west-2")["rows"][0]
    cells = line_of(shown, "maker/small-encoder").split("  ")
    interval, spread = [cell.strip() for cell in cells if " to " in cell]
    energy, carbon = row["energy_j"], row["carbon_g"]
    assert [float(end) for end in interval.split(" to ")] == pytest.approx(
        [energy["low"] / 3600, energy["high"] / 3600], rel=0.01
    )
    size = 1.0 if "carbon, g" in headings else 1e-3
    assert [float(end.replace(",", "")) for end in spread.split(" to ")] == pytest.approx(
        [carbon["low"] / size, carbon["high"] / size], rel=0.01
    )
    assert "95 % interval" in text(place, "--model", "small-encoder").splitlines()[1]
    # The task and the dataset, the same for both, stand above the table: the rest is narrow.
    assert shown.startswith("text-classification × reviews, for 1,000 queries each")
    assert max(map(len, shown.split("\n\n")[1].splitlines())) < 140


def names_of(channels: list[str]) -> Callable[[ChannelEnergy], list[ChannelEnergy]]:
    """Processor channels of these names instead of the one there is, and no board."""

    def change(channel: ChannelEnergy) -> list[ChannelEnergy]:
        if channel.component is Component.GPU:
            return []
        return [replace(channel, name=name) for name in channels] if channel.component is Component.CPU else [channel]

    return change


@pytest.mark.parametrize(
    ("machine", "channels", "devices", "is_sure"),
    [
        (XEON, ["package-0"], ["Intel Xeon Platinum 8480+"], True),
        (XEON, ["package-0", "package-1"], ["Intel Xeon Platinum 8480+"] * 2, True),
        (XEON, ["package-0-die-0", "package-0-die-1"], ["Intel Xeon Platinum 8480+"], True),
        (XEON, [f"package-{n}-die-{die}" for n in (0, 1) for die in (0, 1)], ["Intel Xeon Platinum 8480+"] * 2, True),
        (XEON, ["cpu"], ["Intel Xeon Platinum 8480+"], False),
        (MAC, ["cpu-die-0", "cpu-die-1"], ["Apple M1"], True),
    ],
)
def test_every_processor_that_was_used_was_made(
    tmp_path: Path, machine: Machine, channels: list[str], devices: list[str], is_sure: bool
) -> None:
    study = made.study_of([made.CELL], "sockets")
    runs = [with_channels(made.run(study, made.CELL, i, machine=machine), names_of(channels)) for i in range(2)]
    found = answer(made.write(tmp_path / "sockets", study, runs, [machine]))["embodied_g"]
    assert found["devices"] == devices
    assert found["value"] == pytest.approx(
        len(devices) * found["device_s"] * (46_700 if machine is XEON else 11_500) / (4 * 365.25 * 86400 * 0.85)
    )
    unsure = "other processors (how many there are is not recorded)"
    assert (unsure in found["left_out"]) is not is_sure
    assert found["left_out"][-1].startswith("memory")
    if len(devices) == 2:
        assert "making 2 × Intel Xeon Platinum 8480+," in text(tmp_path / "sockets")


def test_boards_that_one_channel_stands_for_are_left_out_in_so_many_words() -> None:
    found = answer("luccioni2024", "--model", "bert-base-multilingual-uncased-sentiment", "--dataset", "imdb")
    assert found["embodied_g"]["devices"] == ["NVIDIA A100 SXM4 80GB"]
    assert "other boards of its 8 (how many were used is not recorded)" in found["embodied_g"]["left_out"]


def at(hour: int, run: Run) -> Run:
    started_at = made.START.replace(hour=hour).isoformat()
    assert run.measurement is not None
    return replace(run, started_at=started_at, measurement=replace(run.measurement, started_at=started_at))


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """100 g/kWh in the first three hours, 900 in those that follow."""
    file = tmp_path / "day.csv"
    hours = [f"2026-01-01T{hour:02d}:00Z,{100 if hour < 3 else 900}" for hour in range(24)]
    file.write_text("\n".join(["datetime,intensity_g_per_kwh", *hours]))
    return file


def test_every_row_has_the_intensity_of_its_own_hours(tmp_path: Path, day: Path) -> None:
    study = made.study_of([made.CELL, made.OTHER_SET], "hours")
    runs = [at(0, made.run(study, made.CELL, 0)), at(5, made.run(study, made.OTHER_SET, 0))]
    shown = text(made.write(tmp_path / "hours", study, runs), "--grid", day)
    assert "grid day.csv, 100 to 900 g/kWh" in shown
    assert "g/kWh" in line_of(shown, "95 % interval")
    assert "  100  " in line_of(shown, "reviews  ")
    assert "  900  " in line_of(shown, "letters  ")
    alike = [at(5, made.run(study, cell, 0)) for cell in study.cells]
    same = text(made.write(tmp_path / "alike", study, alike), "--grid", day)
    assert "grid day.csv, 900 g/kWh" in same
    assert "g/kWh" not in line_of(same, "95 % interval")


def test_a_cell_without_energy_says_nothing_of_the_others(tmp_path: Path, day: Path) -> None:
    """The failed cell comes first; it has no hours, and the mean over all of the day is nobody's."""
    study = made.study_of([made.CELL, made.OTHER_SET, made.PROMPTED], "failed-first")
    runs = [made.failed(study, made.CELL, 0), *(at(5, made.run(study, cell, 0)) for cell in study.cells[1:])]
    place = made.write(tmp_path / "failed-first", study, runs)
    shown = text(place, "--grid", day)
    assert "grid day.csv, 900 g/kWh" in shown
    assert "the hours are not known" not in shown
    assert "energy not known, OutOfMemoryError" in shown
    rows = answer(place, "--device", "NVIDIA L4")["rows"]
    assert [row["embodied_g"] and row["embodied_g"]["devices"] for row in rows] == [None, ["NVIDIA L4"], ["NVIDIA L4"]]
    alone = joulemark("impact", place, "--dataset", "reviews", "--model", "small", "--device", "NVIDIA L4")
    assert "is not known: OutOfMemoryError" in complains(alone)


def test_nothing_is_known_of_any_cell(tmp_path: Path) -> None:
    shown = text(made.only_failed(tmp_path / "failed"), "--grid", "FRA")
    assert "energy not known" in shown
    assert "hours of video" not in shown


def test_a_gap_in_the_hours_is_told(tmp_path: Path) -> None:
    file = tmp_path / "gap.csv"
    stamps = [*(f"2025-11-01T{hour:02d}:00Z" for hour in range(24)), "2026-01-02T00:00Z", "2026-01-02T01:00Z"]
    file.write_text("\n".join(["datetime,intensity", *(f"{stamp},100" for stamp in stamps)]))
    told = "gap.csv: there is no value from 2025-11-02T00:00Z to 2026-01-02T00:00Z: the one before was taken"
    place = made.one_model(tmp_path / "one")
    assert told in text(place, "--grid", file)
    assert told in answer(place, "--grid", file)["notes"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "datetime,intensity\n2024-05-01,1,2\n2024-05-02,1\n"),
        ("a.csv", "datetime,intensity\n0001-01-01T00:00+05:00,1\n2024-05-02,1\n"),
        ("a.csv", "datetime,intensity_tons_per_mwh\n2024-05-01,1\n2024-05-02,1\n"),
        ("a.json", "[" * 100_000),
    ],
)
@pytest.mark.parametrize("verb", ["impact", "report"])
def test_a_file_that_is_no_series_is_one_line(tmp_path: Path, verb: str, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    assert name in complains(joulemark(verb, made.one_model(tmp_path / "one"), "--grid", file))


def test_pounds_per_megawatt_hour_are_not_grams(tmp_path: Path) -> None:
    file = tmp_path / "lb.csv"
    file.write_text("datetime,carbon_intensity_lb_per_mwh\n2025-01-01T00:00Z,635\n2025-01-01T01:00Z,635\n")
    assert answer("1kWh", "--grid", file)["carbon_g"]["value"] == pytest.approx(288.03, abs=0.01)


def test_a_year_of_an_energy_says_of_how_many_queries_it_was_taken() -> None:
    told = "the energy was taken as that of 1,000 queries: --per says of how many"
    found = answer("1kWh", "--year-at", "1000/day")
    assert told in found["year"]["notes"]
    assert found["year"]["energy_j"]["value"] == pytest.approx(365.25 * 3.6e6)
    assert text("1kWh", "--year-at", "1000/day").count(told) == 1
    assert told not in answer("1kWh", "--year-at", "1000/day", "--per", "500")["year"]["notes"]


def test_the_pue_has_its_range_where_one_is_stated() -> None:
    for given in ("1.2", "aws:us-west-2"):
        pue = answer("1kWh", "--pue", given)["pue"]
        stated = find_pue(given).amount
        assert (pue["value"], pue["low"], pue["high"]) == (stated.value, stated.low, stated.high)


def test_water_of_one_data_centre_and_losses_of_another_are_told() -> None:
    told = "on-site water is that of aws:us-west-2, the PUE that of gcp:us-west1"
    assert told in answer("1kWh", "--grid", "aws:us-west-2", "--pue", "gcp:us-west1")["notes"]
    assert "on site 0.160 L (aws:us-west-2)" in text("1kWh", "--grid", "aws:us-west-2", "--pue", "1.2")
    assert not any("on-site" in note for note in answer("1kWh", "--grid", "aws:us-west-2", "--pue", "1.2")["notes"])
