"""What a runner of one's own answers, where that can be stored and where it cannot, and how its process ends."""

from __future__ import annotations

import textwrap
from pathlib import Path

from program import joulemark

from joulemark import store

PLUG_IN = {
    "odd_runner.py": """
        import threading
        import time
        from contextlib import contextmanager
        import numpy
        from joulemark.records import ModelFacts, Quality
        from joulemark.workloads import Answer, Score, Workload
        from joulemark.workloads.tasks import Task

        TASK = Task("odd", "odd-runner", (), "json", ("text",), None, None)
        ANSWERS = {
            "sound": Answer("fine", input_tokens_n=3, phases_s={"decode": 0.0}),
            "text-for-a-score": Answer("fine"),
            "number-of-numpy": Answer("fine", input_tokens_n=numpy.int64(3)),
            "no-number": Answer("fine", phases_s={"decode": float("nan")}),
            "half-a-letter": Answer("\\ud800"),
            "too-large": Answer("fine", output_tokens_n=2**70),
            "never-ends": Answer("fine"),
        }

        @contextmanager
        def opened(cell, task, queries_n):
            if cell.model == "never-ends":  # its process waits for a thread, as one may for the driver of a lost board
                threading.Thread(target=time.sleep, args=(3600,)).start()
            score = "good" if cell.model == "text-for-a-score" else None
            yield Workload(
                infer=lambda sample_i: ANSWERS[cell.model],
                samples_n=1,
                score=lambda answers: Score(Quality(None, None, reason="none"), (score,) * len(answers)),
                show=lambda answer: answer.value,
                model=ModelFacts(None, "odd", "trained", "none", "cpu"),
                samples_sha256="",
            )
        """,
    "odd_runner-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: odd_runner\nVersion: 1\n",
    "odd_runner-1.dist-info/entry_points.txt": """
        [joulemark.tasks]
        odd = odd_runner:TASK
        [joulemark.workloads]
        odd-runner = odd_runner:opened
        """,
}
UNSTORABLE = ("text-for-a-score", "number-of-numpy", "no-number", "half-a-letter", "too-large")


def test_an_answer_that_cannot_be_stored_costs_its_run_and_no_other(tmp_path: Path) -> None:
    for name, text in PLUG_IN.items():
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    (tmp_path / "any.csv").write_text("text\nanything\n")
    cells = "".join(
        f'[[cells]]\ntask = "odd"\nmodel = "{model}"\ndataset = "{tmp_path / "any.csv"}"\npurpose = "task-specific"\n'
        for model in (*UNSTORABLE, "sound", "never-ends")
    )
    (tmp_path / "study.toml").write_text(
        f'name = "odd"\n[protocol]\nqueries_n = 2\nrepeats_n = 1\nidle_s = 0\nwarmup_n = 0\n{cells}'
    )
    done = joulemark(
        "run", tmp_path / "study.toml", "--out", tmp_path / "r", "--sensors", "fake",
        PYTHONPATH=str(tmp_path / "site"),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    runs = {run.cell.model: run for run in store.read_runs(tmp_path / "r")}
    assert runs["sound"].failure is None
    assert runs["never-ends"].failure is None
    assert runs["sound"].input_tokens_n == 6
    for model in UNSTORABLE:
        failure = runs[model].failure
        assert failure is not None, model
        assert (failure.phase, failure.kind) == ("score", "WorkloadError"), model
        assert failure.message.startswith("the runner's answers cannot be stored: "), model
