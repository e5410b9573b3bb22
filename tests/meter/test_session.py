"""The public Python API."""

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import joulemark
from joulemark.measurement import Measurement
from joulemark.meter.session import NotMeasured


def test_a_block_is_measured() -> None:
    with joulemark.measure() as m:
        time.sleep(0.2)
    assert 0.2 <= m.measurement.duration_s < 1.0
    assert m.measurement.harness_cpu_s < 0.05
    total = m.total("device")
    assert total.energy_j is not None
    assert total.low_j is not None
    assert total.high_j is not None
    assert total.low_j < total.energy_j < total.high_j
    assert m.total("marginal").energy_j is None  # no idle window was measured


def test_windows_nest_and_repeat() -> None:
    with joulemark.measure() as m:
        for _ in range(3):
            with m.window("prefill"):
                time.sleep(0.01)
            with m.window("decode"), m.window("token"):
                time.sleep(0.02)
    assert {name: len(windows) for name, windows in m.windows.items()} == {"prefill": 3, "decode": 3, "token": 3}
    parts_s = sum(window.duration_s for name in ("prefill", "decode") for window in m.windows[name])
    assert parts_s <= m.measurement.duration_s


def test_a_block_that_raises_is_measured_too() -> None:
    session = joulemark.measure()
    with pytest.raises(ZeroDivisionError), session, session.window("bad"):
        1 / 0  # noqa: B018
    assert session.measurement.duration_s > 0
    assert len(session.windows["bad"]) == 1


def test_asking_too_early_says_so() -> None:
    session = joulemark.measure()
    with pytest.raises(NotMeasured, match="has not ended"):
        _ = session.measurement
    with session:
        pass
    with pytest.raises(ValueError, match="no boundary 'devise'; there are marginal, device, host, facility"):
        session.total("devise")
    for pue_ratio in (0.5, -3.0, float("nan")):
        with pytest.raises(ValueError, match="1 or more"):
            session.total("facility", pue_ratio)


def test_a_block_can_begin_and_end_where_no_statement_can_stand() -> None:
    session = joulemark.measure()
    with pytest.raises(NotMeasured):
        session.stop()
    session.start()
    with session.window("part"):
        time.sleep(0.1)
    assert 0.1 <= session.stop().duration_s < 1.0
    assert session.stop() is session.measurement
    assert len(session.windows["part"]) == 1


def test_a_total_is_a_line_to_read() -> None:
    with joulemark.measure() as m:
        time.sleep(0.1)
    line = str(m.total("device"))
    assert re.fullmatch(r"device: [\d.,]+ \S+ \([\d.,]+ to [\d.,]+ \S+\); \d+% \w+.*", line), line
    assert re.match(r"host: at least [\d.,]+ \S+; without .*rest of the machine", str(m.total("host")))
    assert str(m.total("marginal")).startswith("marginal: unknown; without ")


def test_a_decorated_coroutine_is_measured_until_it_has_been_awaited() -> None:
    @joulemark.measure()
    async def answer(question: str) -> str:
        await asyncio.sleep(0.2)
        return question.upper()

    async def both() -> list[str]:
        return list(await asyncio.gather(answer("why"), answer("how")))

    assert asyncio.run(both()) == ["WHY", "HOW"]
    calls: list[Measurement] = answer.calls  # type: ignore[attr-defined]
    assert [0.2 <= call.duration_s < 1.0 for call in calls] == [True, True]
    assert asyncio.iscoroutinefunction(answer)


def test_a_generator_cannot_be_decorated() -> None:
    def tokens() -> Iterator[str]:
        yield "a"

    async def later() -> AsyncIterator[str]:
        yield "a"

    for function in (tokens, later):
        with pytest.raises(TypeError, match="is a generator and works while others ask it"):
            joulemark.measure()(function)


def test_a_decorator_keeps_every_call() -> None:
    @joulemark.measure()
    def double(number: int) -> int:
        """Twice."""
        return 2 * number

    assert [double(1), double(number=2)] == [2, 4]
    assert double.__doc__ == "Twice."
    calls: list[Measurement] = double.calls  # type: ignore[attr-defined]
    assert len(calls) == 2


def test_threads_share_the_meter() -> None:
    durations_s: list[float] = []

    def work() -> None:
        with joulemark.measure() as m:
            time.sleep(0.05)
        durations_s.append(m.measurement.duration_s)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(durations_s) == 8
    assert min(durations_s) >= 0.05


def test_a_forked_child_measures_too() -> None:
    with joulemark.measure():
        pass
    child = os.fork()
    if child == 0:
        with joulemark.measure() as m:
            time.sleep(0.01)
        os._exit(0 if m.measurement.duration_s >= 0.01 else 1)
    assert os.waitpid(child, 0)[1] == 0


QUIET = """
import os, sys, threading, time
import joulemark
def woken():
    return next(line.split()[1] for line in open('/proc/self/status') if line.startswith('voluntary_ctxt'))
before = len(os.listdir('/proc/self/task'))
wakeups = []
for _ in range(3):  # a page that has to be fetched counts as a wake-up, which is not ours: the calmest of three
    with joulemark.measure() as m:
        woken_before, until = int(woken()), time.monotonic() + 0.2
        while time.monotonic() < until:
            pass
        wakeups.append(int(woken()) - woken_before)
        inside = len(os.listdir('/proc/self/task'))
        children = open('/proc/self/task/%d/children' % os.getpid()).read()
assert (before, inside) == (1, 1), (before, inside)
assert children == '', children
assert min(wakeups) == 0, wakeups
assert not any(name in sys.modules for name in ('socket', 'http', 'urllib.request', 'torch', 'importlib.metadata'))
assert threading.active_count() == 1
print(m.measurement.channels[0].name)
"""


def test_counters_need_no_thread_no_process_and_no_network(tmp_path: Path) -> None:
    from powercap import zone

    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    done = subprocess.run(
        [sys.executable, "-c", QUIET],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"JOULEMARK_SYSFS": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "package-0"


def test_the_public_names() -> None:
    assert joulemark.__all__ == sorted(joulemark.__all__)
    for name in joulemark.__all__:
        assert getattr(joulemark, name) is not None
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = joulemark.nothing_here
