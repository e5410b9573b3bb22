"""The public Python API."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from known_power import steady
from rapl_tree import Zone, best_backend, rapl_tree

import joulemark
from joulemark.measurement import Measurement
from joulemark.meter.session import NotMeasured, Overlapping


def run(sysfs: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, on a tree of its own: what it asserts holds."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"JOULEMARK_SYSFS": str(sysfs)},
    )
    assert done.returncode == 0, done.stderr
    return done


def gauge(sysfs: Path) -> Path:
    """A tree with one power gauge, which a sampler reads."""
    folder = sysfs / "class" / "hwmon" / "hwmon0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("power_meter\n")
    (folder / "power1_average").write_text("90000000\n")
    (folder / "power1_oem_info").write_text("CPU Power Socket 0\n")
    return sysfs


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
    assert len(session.windows["part"]) == 1
    with pytest.raises(NotMeasured, match="ends it once"):
        session.stop()
    assert 0.1 <= session.measurement.duration_s < 1.0


def test_a_block_inside_itself_is_refused_and_the_outer_one_measured() -> None:
    session = joulemark.measure()
    with session:
        time.sleep(0.1)
        with pytest.raises(Overlapping, match="has begun and not ended"), session:
            pass
        with pytest.raises(Overlapping), session.window("part"):
            session.start()
        time.sleep(0.1)
    assert session.measurement.duration_s >= 0.2
    assert len(session.windows["part"]) == 1


def test_a_second_block_knows_nothing_of_the_first() -> None:
    session = joulemark.measure()
    with session, session.window("first"), session.query():
        time.sleep(0.1)
    with session:
        with pytest.raises(NotMeasured, match="has not ended"):
            _ = session.measurement
        with pytest.raises(NotMeasured):
            session.total()
    assert session.measurement.duration_s < 0.1
    assert (session.windows, session.queries) == ({}, ())


def test_a_window_that_outlives_its_block_is_still_one_of_it() -> None:
    session = joulemark.measure()
    with session:
        late = session.window("late")
        late.__enter__()
    of_first = session.windows
    with session:
        late.__exit__(None, None, None)
    assert len(of_first["late"]) == 1
    assert session.windows == {}


def test_the_processor_time_of_windows_and_queries_is_in_that_of_their_block() -> None:
    with joulemark.measure() as m:
        for _ in range(100):
            with m.window("part"):
                pass
    inside_s = sum(part.harness_cpu_s for part in m.windows["part"])
    assert 0 < inside_s < m.measurement.harness_cpu_s < m.measurement.duration_s


THREADS = """
    import json, sys, threading, time
    import joulemark
    sys.setswitchinterval(1e-5)
    def work():
        while time.monotonic() < until_s:
            m.refresh()
    until_s = time.monotonic() + 0.7
    with joulemark.measure() as m:
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        while time.monotonic() < until_s:
            with m.window("part"):
                pass
        for thread in threads:
            thread.join()
    print(json.dumps([m.measurement.duration_s, [channel.energy_j for channel in m.measurement.channels]]))
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="the simulators need a C compiler")
def test_threads_may_refresh_the_same_block(tmp_path: Path) -> None:
    power_w = 40.0  # 2.5 s a turn; read again after 25 ms, as 1000 W might be drawn
    zones = [
        Zone(f"intel-rapl:{i}", f"package-{i}", steady(power_w), range_uj=10**8, power_limit_w=1000.0, start_j=i)
        for i in range(4)
    ]
    with rapl_tree(tmp_path, zones, best_backend()) as tree:
        duration_s, energies_j = json.loads(run(tree.sysfs, THREADS).stdout)
    assert energies_j == pytest.approx([power_w * duration_s] * 4, rel=0.1)


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
        with pytest.raises(TypeError, match="gives a generator, which works while others ask it"):
            joulemark.measure()(function)


def forwarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """What many decorators make of a function: a plain one, that gives what the function does."""

    @wraps(function)
    def forward(*arguments: object) -> object:
        return function(*arguments)

    return forward


class Answer:
    async def __call__(self, question: str) -> str:
        await asyncio.sleep(0.2)
        return question.upper()


class Later:
    """Something to await that is no coroutine and no task."""

    def __await__(self) -> Generator[Any, None, str]:
        yield from asyncio.sleep(0.2).__await__()
        return "WHY"


async def answered(question: str) -> str:
    return await Answer()(question)


@pytest.mark.parametrize("function", [forwarded(answered), Answer(), lambda question: Later()])
def test_what_is_given_to_await_is_measured_until_it_has_been_awaited(function: Callable[[str], Any]) -> None:
    measured = joulemark.measure()(function)

    async def ask() -> str:
        answer: str = await measured("why")
        return answer

    assert asyncio.run(ask()) == "WHY"
    (call,) = measured.calls  # type: ignore[attr-defined]
    assert 0.2 <= call.duration_s < 1.0


def test_a_task_is_measured_until_it_is_done_and_can_be_cancelled() -> None:
    @joulemark.measure()
    def begin(question: str) -> asyncio.Task[str]:
        return asyncio.get_running_loop().create_task(answered(question))

    async def ask() -> None:
        assert await begin("why") == "WHY"
        unwanted = begin("how")
        await asyncio.sleep(0.05)
        unwanted.cancel()
        with pytest.raises(asyncio.CancelledError):
            await unwanted

    asyncio.run(ask())
    done, cancelled = begin.calls  # type: ignore[attr-defined]
    assert 0.2 <= done.duration_s < 1.0
    assert 0.05 <= cancelled.duration_s < 0.2


def test_what_is_awaited_in_vain_is_measured_too() -> None:
    @joulemark.measure()
    @forwarded
    async def fail() -> None:
        await asyncio.sleep(0.1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())
    (call,) = fail.calls  # type: ignore[attr-defined]
    assert 0.1 <= call.duration_s < 1.0


def test_a_generator_that_a_call_gives_is_refused() -> None:
    def tokens() -> Iterator[str]:
        yield "a"

    async def later() -> AsyncIterator[str]:
        yield "a"

    async def opened() -> AsyncIterator[str]:
        return later()

    for function in (tokens, later):
        measured = joulemark.measure()(forwarded(function))
        with pytest.raises(TypeError, match=r"tokens|later gives a generator, .*put the loop that asks it into"):
            measured()
        assert measured.calls == []  # type: ignore[attr-defined]
    for asked in (opened, forwarded(opened)):
        measured = joulemark.measure()(asked)
        with pytest.raises(TypeError, match="opened gives a generator"):
            asyncio.run(measured())
        assert measured.calls == []  # type: ignore[attr-defined]


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


FORKED_INSIDE = """
    import os
    from pathlib import Path
    import joulemark
    from joulemark.meter.session import NotMeasured
    root = Path(os.environ["JOULEMARK_SYSFS"])
    def code(child):
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with joulemark.measure() as m:
        child = os.fork()
        if child == 0:
            # Its own meter has another number of counters.
            os.environ["JOULEMARK_SYSFS"] = str(root / "other")
            with m.window("part"), m.query():
                m.refresh()
            assert len(m.windows["part"][0].channels) == 1, m.windows
            try:
                m.stop()
            except NotMeasured as error:
                assert "before this process was forked" in str(error)
                with m:
                    pass
                assert len(m.measurement.channels) == 1
                os._exit(7)
        assert code(child) == 7
    assert len(m.measurement.channels) == 2 and m.windows == {}
"""


def test_a_child_that_is_forked_in_a_block_leaves_it_to_its_parent(tmp_path: Path) -> None:
    from powercap import zone

    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    zone(tmp_path, "intel-rapl:1", "package-1", 9)
    zone(tmp_path / "other", "intel-rapl:0", "package-0", 5)
    run(tmp_path, FORKED_INSIDE)


FORKED_AND_ENDED = """
    import os, sys, time
    import joulemark
    m = joulemark.measure().start()
    child = os.fork()
    if child == 0:
        if "measures" in sys.argv:
            with joulemark.measure() as own:
                time.sleep(0.1)
            assert own.measurement.channels[0].energy_j / own.measurement.duration_s > 89
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    time.sleep(0.3)
    m.stop()
    print(m.measurement.channels[0].energy_j / m.measurement.duration_s)
"""


@pytest.mark.parametrize("child", ["measures", "only ends"])
def test_a_forked_child_that_ends_costs_its_parent_nothing(tmp_path: Path, child: str) -> None:
    done = run(gauge(tmp_path), FORKED_AND_ENDED, child)
    assert float(done.stdout) == pytest.approx(90.0)
    assert done.stderr == ""


FORKED_WHILE_OPENING = """
    import os, signal, threading, time
    from pathlib import Path
    import joulemark
    from joulemark.meter import sampler, session  # a fork amid an import waits for that, which is not ours
    def measure():
        with joulemark.measure() as m:
            pass
        return m
    other = threading.Thread(target=measure)
    other.start()
    while other.is_alive() and not any(task.read_text() for task in Path("/proc/self/task").glob("*/children")):
        pass  # until it waits for the sampler, which starts
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if measure().measurement.duration_s > 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    other.join()
"""


def test_a_child_that_is_forked_while_a_thread_opens_the_sensors_opens_its_own(tmp_path: Path) -> None:
    run(gauge(tmp_path), FORKED_WHILE_OPENING)


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
    done = run(tmp_path, QUIET)
    assert done.stdout.strip() == "package-0"


def test_the_public_names() -> None:
    assert joulemark.__all__ == sorted(joulemark.__all__)
    for name in joulemark.__all__:
        assert getattr(joulemark, name) is not None
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = joulemark.nothing_here
