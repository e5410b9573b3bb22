"""``joulemark audit`` as a user starts it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from program import complains, joulemark

QUICK = ("--queries", 20, "--repeats", 2, "--idle", 0)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audited") / "results"
    done = joulemark("run", "quickstart", "--only", "sentiment-encoder", "--out", out, "--sensors", "fake", *QUICK)
    assert done.returncode == 0, done.stderr
    return out


def test_findings_of_a_real_run(results: Path) -> None:
    done = joulemark("audit", results, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["runs_n"] == 2
    by_code = {finding["code"]: finding for finding in found["findings"]}
    assert by_code["JM108"]["severity"] == "warning"  # --idle 0
    assert by_code["JM129"]["severity"] == "error"  # --sensors fake
    assert all(finding["remedy"] and finding["message"] and finding["subject"] for finding in found["findings"])
    words = joulemark("audit", results)
    assert words.returncode == 1
    assert "JM108" in words.stdout
    assert "findings in 2 runs" in words.stdout


def test_fake_energy_is_said_to_be_fake(results: Path) -> None:
    assert "fake: counter 100 %" in joulemark("report", results).stdout
    shown = joulemark("report", results, "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert rows[0]["known_by"] == "fake: counter 100 %"
    assert float(rows[0]["energy_low_j"]) < float(rows[0]["energy_per_1000_j"]) < float(rows[0]["energy_high_j"])
    assert rows[0]["quality_metric"] == "accuracy"
    assert float(rows[0]["carbon_per_1000_g"]) > 0
    assert rows[-1]["energy_per_1000_j"] == ""
    assert "the energy of both sides is fake" in joulemark("compare", results, results).stdout


def test_claims_beside_the_results_are_held_against_them(results: Path) -> None:
    claims = results / "claims.toml"
    claims.write_text(
        '[[claims]]\ntext = "it took 5 kWh"\nquantity = "energy_kwh"\nstatistic = "sum"\nvalue = 5\nsource = "a talk"\n'
    )
    try:
        found = json.loads(joulemark("audit", results, "--json").stdout)["findings"]
        assert [finding["subject"] for finding in found if finding["code"] == "JM106"] == ["a talk"]
        claims.write_text('[[claims]]\ntext = "x"\nquantity = "energy"\nstatistic = "sum"\nvalue = 5\nsource = "y"\n')
        assert "'energy' is not one of" in complains(joulemark("audit", results))
        claims.write_text(
            '[[claims]]\ntext = "x"\nquantity = "ratio"\nstatistic = "derived"\nvalue = 5\nsource = "y"\n'
            "inputs = { above = 5 }\n"
        )
        assert "the input 'above' has no sign" in complains(joulemark("audit", results))
        claims.write_text("[[claims]\n")
        assert "claims.toml" in complains(joulemark("audit", results))
        claims.write_text('text = "caf\u00e9"', encoding="latin-1")
        assert "cannot be read as text in UTF-8" in complains(joulemark("audit", results))
    finally:
        claims.unlink()


def test_a_rule_is_explained() -> None:
    done = joulemark("audit", "--explain", "jm104")
    assert done.returncode == 0
    assert done.stdout.startswith("JM104")
    assert "What to do" in done.stdout
    assert "did you mean JM104" in complains(joulemark("audit", "--explain", "JM0104"))
    found = json.loads(joulemark("audit", "--explain", "JM104", "--json").stdout)
    assert (found["code"], found["severity"]) == ("JM104", "warning")
    assert found["explanation"] in done.stdout
    assert "leave out one of the two" in complains(joulemark("audit", "results", "--explain", "JM104"))


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    assert "name a results folder" in complains(joulemark("audit"))
    assert "no results" in complains(joulemark("audit", tmp_path / "nowhere"))
