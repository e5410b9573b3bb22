"""Which boards count for a cell, by its device and by what ``CUDA_VISIBLE_DEVICES`` says."""

from __future__ import annotations

import os

import pytest

from joulemark.protocol.own_board import see_own_board
from joulemark.records import Cell, Settings
from joulemark.sensors import Setup


@pytest.mark.parametrize(
    ("model", "device", "given", "ours", "visible"),
    [
        ("./model", "auto", None, "0", "0"),
        ("./model", "cuda:1", None, "1", None),
        ("./model", "auto", "2,3,1", "2", "2"),
        ("./model", "cuda", "2,3,1", "2", "2,3,1"),
        ("./model", "cuda:2", "2,3,1", "1", "2,3,1"),
        ("./model", "auto", "GPU-a1,GPU-b2", "GPU-a1", "GPU-a1"),
        ("./model", "auto", "", "", ""),
        ("./model", "cpu", "2,3", "", "2,3"),
        ("module:function", "auto", "2,3", "2,3", "2,3"),  # it may use both
        ("module:function", "auto", None, "0", "0"),
    ],
)
def test_a_cell_sees_its_board_only(
    monkeypatch: pytest.MonkeyPatch, model: str, device: str, given: str | None, ours: str, visible: str | None
) -> None:
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    cell = Cell("text-classification", model, "d.csv", settings=Settings(device=device))
    assert see_own_board(Setup(), cell).visible_devices == ours
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible
    # CUDA numbers boards as NVML does, where the number is ours.
    assert os.environ["CUDA_DEVICE_ORDER"] == ("PCI_BUS_ID" if given is None and device != "cpu" else "FASTEST_FIRST")
