"""``joulemark measure --repeats``: what the runs of a command say together."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from powercap import zone
from program import joulemark

ADDED_J = (10, 40, 20)  # in each run

# The command moves the counter itself, by what is next in the list.
MOVE = """
import sys, time
counter, turn = sys.argv[1:3]
with open(turn, "a") as file:
    file.write("run\\n")
run_i = len(open(turn).readlines()) - 1
with open(counter) as file:
    energy_uj = int(file.read())
time.sleep(0.3)
with open(counter, "w") as file:
    file.write(f"{energy_uj + int(sys.argv[3 + run_i]) * 1000000}\\n")
"""


def moved(folder: Path, *options: object) -> Any:
    counter = zone(folder / "sys", "intel-rapl:0", "package-0", 5_000_000) / "energy_uj"
    return joulemark(
        "measure", "--idle", 0, "--sysfs", folder / "sys", "--sensors", "rapl", *options, "--",
        sys.executable, "-c", MOVE, counter, folder / "turn", *ADDED_J,
    )  # fmt: skip


def test_the_spread_of_the_runs_is_in_the_interval_of_a_channel(tmp_path: Path) -> None:
    found = json.loads(moved(tmp_path, "--repeats", len(ADDED_J), "--json").stdout)
    (channel,), device = found["channels"], found["boundaries"]["device"]
    assert channel["energy_j"] == pytest.approx(sum(ADDED_J) / len(ADDED_J))
    assert (channel["low_j"], channel["high_j"]) == (device["low_j"], device["high_j"])
    assert channel["low_j"] < min(ADDED_J)
    assert max(ADDED_J) < channel["high_j"]
    low_j, high_j = channel["low_j"], channel["high_j"]
    assert channel["uncertainty_j"] == max(channel["energy_j"] - low_j, high_j - channel["energy_j"])


def test_the_table_and_the_totals_show_one_interval(tmp_path: Path) -> None:
    printed = moved(tmp_path, "--repeats", len(ADDED_J)).stderr
    channel = next(line for line in printed.splitlines() if line.startswith("package-0"))
    device = next(line for line in printed.splitlines() if line.startswith("device"))
    ends = re.search(r"\((.*?)\)", device)
    assert ends is not None
    assert ends[1] in channel


def test_the_budget_is_the_mean_over_the_runs(tmp_path: Path) -> None:
    one = json.loads(moved(tmp_path / "one", "--json").stdout)
    every = json.loads(moved(tmp_path / "all", "--repeats", len(ADDED_J), "--json").stdout)
    ratio = every["channels"][0]["budget"]["update_j"] / one["channels"][0]["budget"]["update_j"]
    assert ratio == pytest.approx(sum(ADDED_J) / len(ADDED_J) / ADDED_J[0], rel=0.3)


def test_a_duration_is_never_below_zero(tmp_path: Path) -> None:
    command = ("sh", "-c", f"test -e {tmp_path}/flag && sleep 0.4; touch {tmp_path}/flag")
    found = json.loads(joulemark("measure", "--idle", 0, "--repeats", 2, "--json", "--", *command).stdout)
    assert 0 < found["duration_low_s"] < found["duration_s"] < found["duration_high_s"]
    (tmp_path / "flag").unlink()
    printed = joulemark("measure", "--idle", 0, "--repeats", 2, "--", *command).stderr
    assert re.search(r" s \([\d.]+ to [\d,.]+ m?s\), mean of 2 runs", printed) or " ms (" in printed
    assert "±" not in printed.splitlines()[1]


def test_a_run_that_cannot_begin_leaves_those_before_it(tmp_path: Path) -> None:
    script = tmp_path / "once"
    script.write_text('#!/bin/sh\nrm -- "$0"\n')
    script.chmod(0o755)
    done = joulemark("measure", "--idle", 0, "--repeats", 3, "--json", "--", script)
    assert done.returncode == 127
    assert json.loads(done.stdout)["repeats_n"] == 1
    assert done.stderr == f"joulemark: '{script}' cannot be run: No such file or directory\n"
