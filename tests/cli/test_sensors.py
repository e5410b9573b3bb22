import json
from pathlib import Path

import pytest
from powercap import zone
from program import complains, joulemark


def test_a_machine_with_nothing_says_what_it_looked_for(tmp_path: Path) -> None:
    done = joulemark("sensors", "--sysfs", tmp_path)
    assert done.returncode == 0
    assert "modelled" in done.stdout
    assert "×/÷" in done.stdout
    assert "Looked for in vain" in done.stdout
    assert str(tmp_path / "class" / "powercap") in done.stdout


def test_a_mounted_tree_by_option_or_environment(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    by_option = json.loads(joulemark("sensors", "--json", "--sysfs", tmp_path).stdout)
    by_environment = json.loads(joulemark("sensors", "--json", JOULEMARK_SYSFS=str(tmp_path)).stdout)
    assert by_option == by_environment
    (channel,) = by_option["channels"]
    assert channel["name"] == "package-0"
    assert channel["provenance"] == "counter"


def test_the_fake_is_only_there_when_asked_for() -> None:
    names = [channel["name"] for channel in json.loads(joulemark("sensors", "--json").stdout)["channels"]]
    assert "fake-cpu" not in names
    asked = json.loads(joulemark("sensors", "--json", "--sensors", "fake").stdout)["channels"]
    assert [channel["name"] for channel in asked] == ["fake-cpu"]
    assert "fake-sensor" in asked[0]["reasons"]


def test_names_from_files_cannot_draw_on_the_terminal(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0\x1b[31m")
    assert "\x1b" not in joulemark("sensors", "--sysfs", tmp_path).stdout


def test_every_verb_has_examples() -> None:
    for verb in ("sensors", "plan", "run", "report"):
        done = joulemark(verb, "--help")
        assert done.returncode == 0
        assert done.stdout.count(f"joulemark {verb}") >= 3


@pytest.mark.alone
def test_calibrating_and_costing() -> None:
    found = json.loads(joulemark("sensors", "--json", "--sensors", "fake", "--calibrate", "--cost").stdout)
    (channel,) = found["channels"]
    assert 0.0005 < channel["calibration"]["update_period_s"] < 0.005
    assert channel["calibration"]["read_cost_s"] > 0
    assert found["window_cost_s"] > 0
    done = joulemark("sensors", "--sensors", "fake", "--calibrate", "--cost")
    assert "Seen while reading" in done.stdout
    assert "formula" not in done.stdout
    assert "A window, begin and end" in done.stdout


def test_a_formula_is_not_calibrated() -> None:
    done = joulemark("sensors", "--sensors", "modelled-dram", "--calibrate")
    assert done.returncode == 0, done.stderr
    assert "dram: a formula, of which there is nothing to calibrate" in done.stdout
    assert "smallest step" not in done.stdout


@pytest.mark.alone
def test_a_recording_replays(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    done = joulemark("sensors", "--record", trace, "--seconds", 3, "--sensors", "fake")
    assert done.returncode == 0, done.stderr
    found = json.loads(
        joulemark("measure", "--idle", 0, "--json", "--sensors", f"replay:{trace}", "--", "sleep", "1").stdout
    )
    (channel,) = found["channels"]
    assert channel["energy_j"] == pytest.approx(35 * found["duration_s"], rel=0.1)
    assert "replayed" in channel["reasons"]


def test_recordings_that_cannot_be(tmp_path: Path) -> None:
    complains(joulemark("sensors", "--record", tmp_path / "t.json", "--seconds", 0, "--sensors", "fake"))
    complains(joulemark("sensors", "--record", tmp_path, "--seconds", 0.1, "--sensors", "fake"))
    complains(joulemark("sensors", "--sensors", f"replay:{tmp_path / 'none.json'}"))
    complains(joulemark("sensors", "--sensors", "replay"))


def test_no_option_of_a_recording_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    for option in ("--json", "--calibrate", "--cost"):
        assert f"{option} shows channels" in complains(joulemark("sensors", "--record", file, option))
    assert "add --record" in complains(joulemark("sensors", "--seconds", 5))
    assert not file.exists()
