"""The cells of the quickstart study, one thread, and the quickest cell."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import joulemark
from joulemark.records import Cell, Purpose, Settings

QUICKSTART = Path(joulemark.__file__).parent / "catalogue" / "studies" / "quickstart.toml"


def quickstart_cells() -> list[Cell]:
    """The cells of the quickstart study, read without joulemark.protocol, which lies above."""
    study = tomllib.loads(QUICKSTART.read_text())
    cells = []
    for fields in study["cells"]:
        settings = Settings(**study["settings"], **fields.pop("settings", {}))
        cells.append(Cell(**{**fields, "purpose": Purpose(fields["purpose"])}, settings=settings))
    return cells


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "quickstart_cell" in metafunc.fixturenames:
        cells = quickstart_cells()
        metafunc.parametrize("quickstart_cell", cells, ids=[cell.model.partition(":")[2] for cell in cells])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def whole_quickstart() -> list[Cell]:
    return quickstart_cells()


@pytest.fixture
def reviews() -> Cell:
    """The quickest cell: the sentiment encoder."""
    return Cell(
        task="text-classification",
        model="miniature:sentiment-encoder",
        dataset="miniature:reviews",
        settings=Settings(device="cpu", threads_n=1),
    )
