"""Processes that are forked with their libraries loaded, and what is done where such a process could use no board."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from program import joulemark

from joulemark import store

PLUG_IN = {
    "asks_cuda.py": """
        import os
        import torch
        from contextlib import contextmanager
        from joulemark.records import ModelFacts, Quality
        from joulemark.workloads import Answer, Score, Workload
        from joulemark.workloads.tasks import Task

        TASK = Task("asking", "asker", ("torch",), "asks_cuda_when_imported", ("text",), None, None)

        @contextmanager
        def opened(cell, task, queries_n):
            yield Workload(
                infer=lambda sample_i: Answer(f"spoilt: {torch.cuda._is_in_bad_fork()}"),
                samples_n=1,
                score=lambda answers: Score(Quality(None, None, reason="none"), (None,) * len(answers)),
                show=lambda answer: answer.value,
                model=ModelFacts(None, "asker", "trained", "none", "cuda:0"),
                samples_sha256="",
            )
        """,
    # What torch says in a process whose parent has asked CUDA, of which there is none here.
    "asks_cuda_when_imported.py": """
        import os
        import torch
        imported_in = os.getpid()
        torch.cuda._is_in_bad_fork = lambda: os.getpid() != imported_in
        """,
    "asks_cuda-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: asks_cuda\nVersion: 1\n",
    "asks_cuda-1.dist-info/entry_points.txt": """
        [joulemark.tasks]
        asking = asks_cuda:TASK
        [joulemark.workloads]
        asker = asks_cuda:opened
        """,
}


def test_where_a_fork_could_use_no_board_processes_start_anew(tmp_path: Path) -> None:
    for name, text in PLUG_IN.items():
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    (tmp_path / "any.csv").write_text("text\nanything\n")
    done = joulemark(
        "run", "--task", "asking", "--model", "any", "--dataset", tmp_path / "any.csv", "--out", tmp_path / "r",
        "--queries", 2, "--repeats", 2, "--idle", 0, "--sensors", "fake", PYTHONPATH=str(tmp_path / "site"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    runs = store.read_runs(tmp_path / "r")
    assert [run.failure for run in runs] == [None, None]
    for run in runs:
        assert {query.output for query in store.read_inferences(tmp_path / "r", run.run_id)} == {"spoilt: False"}


def test_what_is_imported_ahead_asks_nvml_and_not_cuda() -> None:
    program = """
        import os
        import torch
        asked = []
        # As in a version of torch that was built for CUDA, on a machine with a board: importing diffusers asks for it.
        torch.accelerator.is_available = lambda: asked.append(os.environ.get("PYTORCH_NVML_BASED_CUDA_CHECK")) or False
        import joulemark.workloads.preload_transformers
        import joulemark.workloads.preload_diffusers
        assert set(asked) <= {"1"}, asked
        assert "PYTORCH_NVML_BASED_CUDA_CHECK" not in os.environ
        print(len(asked))
        """
    environment = {name: value for name, value in os.environ.items() if name != "PYTORCH_NVML_BASED_CUDA_CHECK"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_a_model_that_does_not_fit_is_given_up_at_once(tmp_path: Path) -> None:
    module = (
        "import torch\nanswer = print\nraise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 40 GiB')\n"
    )
    (tmp_path / "large.py").write_text(module)
    (tmp_path / "d.csv").write_text("text,label\nfine,positive\n")
    done = joulemark(
        "run", "--task", "text-classification", "--model", "large:answer", "--dataset", tmp_path / "d.csv", "--out",
        tmp_path / "r", "--queries", 2, "--repeats", 3, "--idle", 0, "--sensors", "fake", PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    (run,) = store.read_runs(tmp_path / "r")
    assert run.failure is not None
    assert (run.failure.phase, run.failure.kind) == ("load", "WorkloadError")
    assert "does not fit on its device" in run.failure.message
