"""Fixtures of the whole suite; helpers of a folder live in it as plain modules."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("shared-machine", deadline=None)  # time says nothing where others work too
settings.load_profile("shared-machine")

# A job in the background ignores it, and so would the programs that are tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

ALONE = {"hardware", "meter", "sensors", "simulated"}  # folders whose tests measure real time, but for these files
NOT_ALONE = {
    "test_amdsmi.py",
    "test_apple.py",
    "test_conditions.py",
    "test_coverage.py",
    "test_machine.py",
    "test_modelled_cpu.py",
    "test_modelled_dram.py",
    "test_open.py",
    "test_per_query.py",
    "test_phases.py",
    "test_record.py",
    "test_total_coverage.py",
    "test_trace.py",
    "test_window.py",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] in ALONE and item.path.name not in NOT_ALONE:
            item.add_marker("alone")


@pytest.fixture(scope="session", autouse=True)
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache of miniature models for a session, or several: each is built once, by whichever test comes first."""
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    shared = Path(os.environ.get("JOULEMARK_TEST_CACHE") or shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOULEMARK_CACHE", str(shared / "joulemark-cache"))
        yield shared / "joulemark-cache"


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of the size that is the parameter, such as "64k"."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("cannot mount a small tmpfs here: it needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)
