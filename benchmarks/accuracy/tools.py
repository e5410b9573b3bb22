"""The tools that are compared, each in an environment of its own, and how a driver is run on a simulated machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "joulemark-bench"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool; ``pins`` is its file in ``peers/``, ``None`` for joulemark, which runs where this program does.

    A ``variant`` is joulemark used in another way: with ``align``, or told of each query.
    """

    name: str
    driver: str
    imports: str  # what a user imports to measure
    pins: str | None = None
    variant: bool = False


@dataclass(frozen=True, slots=True)
class Installed:
    """A tool and the interpreter of its environment, or why there is none."""

    tool: Tool
    python: str | None
    failure: str | None = None


TOOLS = (
    Tool("joulemark", "joulemark_driver.py", "from joulemark.meter import open_meter, measure"),
    Tool("aligned", "joulemark_aligned_driver.py", "from joulemark.meter import open_meter, measure", variant=True),
    Tool("queries", "joulemark_queries_driver.py", "import joulemark", variant=True),
    Tool("codecarbon", "codecarbon_driver.py", "from codecarbon import OfflineEmissionsTracker", "codecarbon.txt"),
    Tool("zeus", "zeus_driver.py", "from zeus.monitor import ZeusMonitor", "zeus.txt"),
    Tool("pyJoules", "pyjoules_driver.py", "from pyJoules.energy_meter import EnergyMeter", "pyjoules.txt"),
    Tool(
        "carbontracker",
        "carbontracker_driver.py",
        "from carbontracker.tracker import CarbonTracker",
        "carbontracker.txt",
    ),
    Tool("perun", "perun_driver.py", "from perun import perun", "perun.txt"),
)


def installed(tool: Tool) -> Installed:
    """The interpreter of ``tool``, its environment being made first where it is missing or its pins have changed."""
    if tool.pins is None:
        return Installed(tool, sys.executable)
    if os.geteuid() != 0:
        return Installed(tool, None, "not run: needs root, to see the simulated tree at its usual path")
    pins = _HERE / "peers" / tool.pins
    folder = _CACHE / pins.stem
    python, stamp = folder / "bin" / "python", folder / "pins.txt"
    if stamp.is_file() and stamp.read_text() == pins.read_text():
        return Installed(tool, str(python))
    print(f"installing {tool.name} into {folder}", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", str(pins)],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            return Installed(tool, None, f"not installed: {(ran.stderr.strip().splitlines() or ['?'])[-1]}")
    stamp.write_text(pins.read_text())
    return Installed(tool, str(python))


def run_driver(
    one: Installed,
    arguments: Sequence[str],
    *,
    sysfs: Path,
    home: Path,
    environment: Mapping[str, str],
    prefix: Sequence[str] = (),
    timeout_s: float,
) -> tuple[dict[str, Any], str]:
    """The result of a driver and everything it printed. ``prefix`` goes in front of the interpreter.

    As root the tool sees the tree as ``/sys/class/powercap`` and has no network; else joulemark is given the folder.
    """
    assert one.python is not None
    home.mkdir(parents=True, exist_ok=True)
    mode, *rest = arguments
    with tempfile.TemporaryDirectory(dir=home) as folder:
        result, log = Path(folder, "result.json"), Path(folder, "log.txt")
        command = [*prefix, one.python, str(_HERE / "drivers" / one.tool.driver), mode, str(result), *rest]
        variables = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
        variables |= {"HOME": str(home), "PYTHONPATH": str(_HERE.parent), **environment}
        if os.geteuid() == 0:
            isolated = [sys.executable, str(_HERE / "isolated.py"), str(sysfs / "class" / "powercap")]
            command = ["unshare", "--mount", "--net", "--propagation", "private", *isolated, *command]
        else:
            variables["JOULEMARK_SYSFS"] = str(sysfs)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=variables,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                process.wait(timeout_s)
                failure = "it ended without a result"
            except subprocess.TimeoutExpired:
                failure = f"no result after {timeout_s:g} s"
            finally:
                _end_session(process.pid)
                process.wait()
        text = log.read_text(errors="replace")
        return (json.loads(result.read_text()) if result.is_file() else {"failure": failure}), text


def _end_session(leader: int) -> None:
    """End the driver and the helpers it left behind: they share its process group."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
