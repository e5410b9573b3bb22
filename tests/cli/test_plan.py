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
