"""Every task on a real board: true-size architectures with random weights, for which nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest
from program import joulemark

from joulemark import store
from joulemark.boundary import total
from joulemark.measurement import BoundaryName, Component

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_task_runs_on_the_board_that_is_metered(tmp_path: Path, dtype: str) -> None:
    done = joulemark(
        "run", "paper-smoke", "--weights", "random", "--queries", 5, "--repeats", 1, "--idle", 1, "--out",
        tmp_path / "r", "--set", "device=cuda", "--set", f"dtype={dtype}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    runs = store.read_runs(tmp_path / "r")
    assert len(runs) == len(store.read_study(tmp_path / "r").cells)
    for run in runs:
        assert run.failure is None, (run.cell, run.failure)
        assert run.model is not None
        assert run.measurement is not None
        assert run.model.device.startswith("cuda")
        assert run.model.dtype == dtype
        boards = [one for one in run.measurement.channels if one.component is Component.GPU]
        assert [one.in_use for one in boards].count(True) == 1  # of all in the machine
        assert total(run.measurement, BoundaryName.DEVICE).missing in ((), ("dram",), ("cpu",), ("cpu", "dram"))
        assert "foreign-process-on-board" not in run.reasons
