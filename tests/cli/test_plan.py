import json

from program import joulemark


def test_the_plan_lists_the_cells() -> None:
    found = json.loads(joulemark("plan", "quickstart", "--json").stdout)
    assert found["cells_n"] == 11
    assert len({cell["task"] for cell in found["cells"]}) == 10
    assert {cell["status"] for cell in found["cells"]} == {"ready"}
    purposes = [cell["purpose"] for cell in found["cells"]]
    assert purposes.count("multi-purpose") == 1


def test_the_plan_in_words() -> None:
    done = joulemark("plan", "quickstart", "--only", "summarization", "--repeats", 7)
    assert done.returncode == 0
    assert "1 cells × 7 repeats" in done.stdout
    assert "summarization" in done.stdout


def test_the_papers_cells() -> None:
    """80 models on three datasets, 8 on nine; each known to the paper's logs, which forecast it."""
    found = json.loads(joulemark("plan", "paper", "--json").stdout)
    assert found["cells_n"] == 312
    assert (
        found["protocol"] | {"order": "listed", "warmup_n": 0, "queries_n": 1000, "repeats_n": 10} == found["protocol"]
    )
    for cell in found["cells"]:
        assert {"task", "model", "dataset", "purpose", "prompt", "generation", "status"} <= set(cell)
        assert cell["status"] in ("ready", "missing")
        assert (cell["missing"] is None) == (cell["status"] == "ready")
        assert (cell["prompt"] is None) == (cell["purpose"] == "task-specific")
        assert cell["forecast"]["basis"].startswith("luccioni2024")
        assert cell["forecast"]["duration_s"] > 0
    (total,) = found["forecasts"]
    assert total["cells_n"] == 312
    # The logs have 312 cells of ten runs each in the paper; their queries took as long together.
    assert 100 * 3600 < total["duration_s"] < 1000 * 3600


def test_what_many_cells_lack_is_said_once_in_words() -> None:
    done = joulemark("plan", "paper-smoke", HF_HUB_OFFLINE="1", HF_HUB_CACHE="/nowhere")
    assert sum(line.rstrip().endswith("missing 1") for line in done.stdout.splitlines()) == 11
    assert done.stdout.count("HF_HUB_OFFLINE is set") == 1
    assert "missing 1: model … is not on this machine, and the hub cannot be asked for it" in done.stdout
    assert "this machine is another, and loading comes on top" in done.stdout


def test_what_is_missing_is_said_for_each_cell() -> None:
    """Without a network nothing of the paper is here; with random weights nothing of it is needed."""
    found = json.loads(joulemark("plan", "paper-smoke", "--json", HF_HUB_OFFLINE="1", HF_HUB_CACHE="/nowhere").stdout)
    assert {cell["status"] for cell in found["cells"]} == {"missing"}
    assert all("\n" not in cell["missing"] for cell in found["cells"])
    drawn = json.loads(joulemark("plan", "paper-smoke", "--weights", "random", "--json", HF_HUB_OFFLINE="1").stdout)
    assert drawn["ready_n"] == drawn["cells_n"] == 11
    assert drawn["study_id"] != found["study_id"]
