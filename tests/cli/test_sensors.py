import json
from pathlib import Path

from powercap import zone
from program import joulemark


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
