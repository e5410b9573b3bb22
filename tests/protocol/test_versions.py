"""Versions that a run carries."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from joulemark.protocol.worker import versions

NVRM = "NVRM version: NVIDIA UNIX {kind} Kernel Module{more}  {number}  Tue May 27\nGCC version:  gcc 12.3.0\n"


def proc_with(folder: Path, text: str) -> Path:
    file = folder / "driver" / "nvidia" / "version"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("kind", "more"), [("x86_64", ""), ("Open", " for aarch64")])
def test_the_driver_of_nvidia_boards_is_a_version_of_the_run(tmp_path: Path, kind: str, more: str) -> None:
    found = versions(proc_with(tmp_path, NVRM.format(kind=kind, more=more, number="535.54.03")))
    assert found["nvidia driver"] == "535.54.03"
    assert found["python"] == platform.python_version()


@pytest.mark.parametrize("text", ["", "something else 1.2.3\n", "NVRM version: unknown\n"])
def test_a_driver_that_does_not_say_its_version_leaves_it_out(tmp_path: Path, text: str) -> None:
    assert "nvidia driver" not in versions(proc_with(tmp_path, text))


def test_without_a_driver_there_is_no_version_of_it(tmp_path: Path) -> None:
    assert "nvidia driver" not in versions(tmp_path)
