"""Work queued on devices, with a CUDA driver that notes what it is asked; each program is a process of its own."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from known_power import build_c

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")

PROGRAM = """
    import ctypes, json, sys, time
    from joulemark.meter import Meter
    meter, said = Meter([]), []
    def edges():
        meter.begin().end()
        said.append("" if driver is None else driver.fake_calls().decode())
        if driver is not None:
            driver.fake_forget()
    driver = None
    edges()  # the driver is not loaded yet, and joulemark does not load it
    said.append("libcuda" in open("/proc/self/maps").read())
    driver = ctypes.CDLL(sys.argv[1])
    driver.fake_calls.restype = ctypes.c_char_p
    edges()  # loaded, but not started: there is no context
    driver.cuInit(0)
    edges()
    driver.fake_make_current(1)
    edges()
    driver.fake_make_current(0)
    edges()
    costs_s = []
    for _ in range(300):
        before_s = time.perf_counter()
        meter.begin().end()
        costs_s.append(time.perf_counter() - before_s)
    print(json.dumps([said, "torch" in sys.modules, costs_s]))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).with_name("cuda_driver.c")
    return build_c(source, folder / "libcuda.so.1", ("-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"))


def run(driver: Path, program: str = PROGRAM, **environment: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(driver)],
        env=os.environ | {"LD_LIBRARY_PATH": str(driver.parent)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_device_with_a_context_is_waited_for_and_nothing_is_made(driver: Path) -> None:
    (before, loaded_by_us, unstarted, started, own, other), torch_loaded, costs_s = run(driver)
    assert before == ""
    assert loaded_by_us is False
    assert unstarted == ""
    # At each edge: retain the active context of device 1, push it, wait, take it away, release it.
    assert started == "RPS1pr" * 2
    # The current context is waited for first, and not again when it turns up among those of the devices.
    assert own == "S0RrRPS1pr" * 2
    assert other == "SoRPS1pr" * 2
    assert torch_loaded is False
    assert statistics.median(costs_s) < 2e-3  # far from tight: what it costs, benchmarks/overhead says


UNMETERED = """
    import ctypes, json, sys
    from joulemark.boundary import total
    from joulemark.measurement import BoundaryName, Channel, Component, Provenance, Quantity
    from joulemark.meter import Meter
    counts = iter(range(100))
    def counter(name, component, **more):
        return Channel(name, component, Provenance.COUNTER, Quantity.ENERGY, lambda: next(counts), name, **more)
    package = counter("package-0", Component.CPU)
    METERS = {
        "processor": [package],
        "board": [package, counter("gpu0", Component.GPU)],
        "not ours": [package, counter("gpu0", Component.GPU, in_use=False)],
        "module": [counter("module-0", Component.BOARD, covers=(Component.CPU, Component.GPU, Component.DRAM))],
    }
    def measured(name):
        window = Meter(METERS[name]).begin().end()
        found = total(window, BoundaryName.DEVICE)
        unknown = [list(one.reasons) for one in window.channels if one.name == "gpu"]
        return [unknown, found.energy_j is not None, found.low_j is not None, "gpu" in found.missing]
    driver = ctypes.CDLL(sys.argv[1])
    idle = {name: measured(name) for name in METERS}
    driver.cuInit(0)  # device 1 has a context now
    print(json.dumps([idle, {name: measured(name) for name in METERS}]))
"""


def test_a_board_that_is_used_and_not_metered_makes_totals_unknown(driver: Path) -> None:
    idle, used = run(driver, UNMETERED)
    assert all(unknown == [] and known for unknown, known, _, _ in idle.values())
    # What the processor drew is a lower bound, and no more is said.
    assert used["processor"] == used["not ours"] == [[["board-not-metered"]], False, True, True]
    assert used["board"][:2] == used["module"][:2] == [[], True]


TORCH = """
class version:
    hip = {hip!r}
class cuda:
    waited = 0
    is_initialized = staticmethod(lambda: {initialized})
    def synchronize():
        cuda.waited += 1
"""


@pytest.mark.parametrize(("hip", "initialized", "waited_n"), [("6.2", True, 2), ("6.2", False, 0), (None, True, 0)])
def test_torch_is_asked_where_the_boards_are_amds(
    tmp_path: Path, hip: str | None, initialized: bool, waited_n: int
) -> None:
    (tmp_path / "torch.py").write_text(TORCH.format(hip=hip, initialized=initialized))
    program = """
        import torch
        from joulemark.meter import Meter
        Meter([]).begin().end()
        print(torch.cuda.waited)
    """
    assert run(tmp_path / "nothing", program, PYTHONPATH=str(tmp_path)) == waited_n


@pytest.mark.parametrize("maker", ["hip", "xpu"])
def test_a_fault_of_a_board_is_the_programs_and_the_window_is_measured(tmp_path: Path, maker: str) -> None:
    (tmp_path / "torch.py").write_text(f"""
class version:
    {maker} = "6.2"
class board:
    is_initialized = staticmethod(lambda: True)
    def synchronize():
        raise RuntimeError("an illegal memory access was encountered")
{"cuda" if maker == "hip" else "xpu"} = board
""")
    program = """
        import json, torch
        import joulemark
        try:
            with joulemark.measure() as m:
                raise MemoryError("the program's own")
        except MemoryError:
            pass
        gpu = [list(one.reasons) for one in m.measurement.channels if one.name == "gpu"]
        print(json.dumps([m.measurement.duration_s > 0, gpu]))
    """
    sysfs = tmp_path / "sys"
    sysfs.mkdir()
    found = run(tmp_path / "nothing", program, PYTHONPATH=str(tmp_path), JOULEMARK_SYSFS=str(sysfs))
    assert found == [True, [["board-not-metered"]]]  # it is used all the same


def test_a_torch_that_is_being_imported_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("""
class version:
    hip = "6.2"
from joulemark.meter import Meter
Meter([]).begin().end()
""")
    assert run(tmp_path / "nothing", "import torch; print(1)", PYTHONPATH=str(tmp_path)) == 1


def test_a_program_without_a_driver_loads_nothing_for_it(tmp_path: Path) -> None:
    program = """
        import json, sys
        from joulemark.meter import Meter
        Meter([]).begin().end()
        print(json.dumps("ctypes" in sys.modules))
    """
    if any(Path(folder, "libcuda.so.1").exists() for folder in ("/usr/lib", "/lib", "/usr/lib/x86_64-linux-gnu")):
        pytest.skip("this machine has a CUDA driver")
    assert run(tmp_path / "nothing", program) is False
