"""Every rule of the audit: a clean study gives nothing; each rule has data where it alone fires, or nearly does."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from joulemark.analysis.audit import RULES, audit, evidence, find_rule
from joulemark.analysis.claims import Claim, claims_of
from joulemark.failures import MendableError
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Failure, Machine, ModelFacts, Protocol, Purpose, Quality, Run, Settings, Study
from joulemark.student import t_quantile

QUERIES_N, REPEATS_N = 1000, 8
MODELS = {"small": 20.0, "middle": 40.0, "large": 80.0}  # J per query
DATASETS = ("reviews", "letters")
CELLS = tuple(Cell("text-classification", model, dataset) for model in MODELS for dataset in DATASETS)
STUDY = Study("clean", CELLS, Protocol(queries_n=QUERIES_N, repeats_n=REPEATS_N))
START = datetime(2026, 1, 1, tzinfo=UTC)
BOARD_W = {"small": 110.0, "middle": 205.0, "large": 310.0}
MACHINE = Machine("a processor", 16, 2**36, ("a board",) * 4, False, "6.1", "Linux")


@dataclass(frozen=True)
class Results:
    study: Study = STUDY
    runs: tuple[Run, ...] = ()
    claims: tuple[Claim, ...] = ()


def channel(energy_j: float, name: str = "gpu0", **changes: Any) -> ChannelEnergy:
    component = {
        "gpu0": Component.GPU,
        "package-0": Component.CPU,
        "dram-0": Component.DRAM,
        "psys": Component.SYSTEM,
    }[name]
    half_j = 0.001 * energy_j
    blank = ChannelEnergy(
        name, component, Provenance.COUNTER, energy_j, energy_j - half_j, energy_j + half_j, ErrorBudget()
    )
    return replace(blank, **changes)


def measured_run(cell: Cell, repeat_i: int, order_i: int, noise: float) -> Run:
    energy_j = MODELS[cell.model] * QUERIES_N * noise
    duration_s = energy_j / BOARD_W[cell.model]
    started = START + timedelta(hours=order_i)
    stamp = started.isoformat()
    window = Measurement(stamp, duration_s, (channel(energy_j),), 0.0)
    idle = Measurement(stamp, 10.0, (channel(500.0),), 0.0)
    return Run(
        run_id=STUDY.run_id(cell, repeat_i),
        cell=cell,
        repeat_i=repeat_i,
        order_i=order_i,
        queries_n=QUERIES_N,
        machine_id=MACHINE.machine_id,
        versions={"torch": "2.13.0"},
        started_at=stamp,
        measurement=window,
        idle_before=idle,
        idle_after=idle,
        load=Measurement(stamp, 5.0, (channel(1000.0),), 0.0),
        warmup_n=10,
        quality=Quality("accuracy", 0.9, scored_n=QUERIES_N),
        model=ModelFacts(1_000_000, "Encoder", "trained", "float32", "cuda:0"),
        samples_sha256="s",
        samples_n=QUERIES_N,
        input_tokens_n=50 * QUERIES_N,
        output_tokens_n=QUERIES_N,
    )


def clean() -> Results:
    """Three models on two datasets in shuffled blocks, each repetition within half a percent of the others."""
    chance = random.Random(7)
    runs: list[Run] = []
    for repeat_i in range(REPEATS_N):
        block = list(CELLS)
        chance.shuffle(block)
        runs += [measured_run(cell, repeat_i, len(runs) + i, chance.gauss(1, 0.004)) for i, cell in enumerate(block)]
    return Results(runs=tuple(runs))


def codes(results: Results) -> set[str]:
    found = evidence(results.study, results.runs, (MACHINE,), results.claims)
    return {finding.code for finding in audit(found)}


Change = Callable[[Run], Run]


def each(change: Change, where: Callable[[Run], bool] = lambda run: True) -> Callable[[Results], Results]:
    return lambda results: replace(results, runs=tuple(change(run) if where(run) else run for run in results.runs))


def scaled(run: Run, factor: float) -> Run:
    """The same run with another energy, in as much more time, so that its power stays."""
    assert run.measurement is not None
    channels = tuple(
        replace(one, energy_j=one.energy_j * factor, low_j=(one.low_j or 0) * factor, high_j=(one.high_j or 0) * factor)
        for one in run.measurement.channels
        if one.energy_j is not None
    )
    window = replace(run.measurement, channels=channels, duration_s=run.measurement.duration_s * factor)
    return replace(run, measurement=window)


def with_channels(run: Run, *channels: ChannelEnergy) -> Run:
    assert run.measurement is not None
    return replace(run, measurement=replace(run.measurement, channels=(*run.measurement.channels, *channels)))


def board(run: Run, **changes: Any) -> Run:
    assert run.measurement is not None
    channels = tuple(replace(one, **changes) for one in run.measurement.channels)
    return replace(run, measurement=replace(run.measurement, channels=channels))


def processor(run: Run, share: float, provenance: Provenance) -> Run:
    """A processor beside the board that has such a share of the whole."""
    assert run.measurement is not None
    board_j = run.measurement.channels[0].energy_j or 0.0
    return with_channels(run, channel(board_j * share / (1 - share), "package-0", provenance=provenance))


def steady(run: Run, spread: float) -> Run:
    """A processor of 50 W in every run, within such a spread."""
    assert run.measurement is not None
    power_w = 50 * (1 + spread * (run.repeat_i / (REPEATS_N - 1) - 0.5))
    return with_channels(run, channel(power_w * run.measurement.duration_s, "package-0"))


def claiming(*claims: Claim) -> Callable[[Results], Results]:
    return lambda results: replace(results, claims=claims)


def both(*changes: Callable[[Results], Results]) -> Callable[[Results], Results]:
    def change(results: Results) -> Results:
        for one in changes:
            results = one(results)
        return results

    return change


def of(model: str, dataset: str | None = None) -> Callable[[Run], bool]:
    return lambda run: run.cell.model == model and dataset in (None, run.cell.dataset)


def wobble(run: Run, size: float) -> Run:
    """Every other repetition up, the others down, differently for each cell, so that no block is moved."""
    up = (run.repeat_i + CELLS.index(run.cell)) % 2 == 0
    return scaled(run, 1 + size if up else 1 - size)


def logged(run: Run, g_per_kwh: float) -> Run:
    assert run.measurement is not None
    energy_j = sum(one.energy_j or 0.0 for one in run.measurement.channels)
    return replace(run, carbon_logged_g=energy_j / 3.6e6 * g_per_kwh)


def claim(quantity: str, statistic: str, value: float, **more: Any) -> Claim:
    return Claim("so it is printed", quantity, statistic, value, "Table 9", **more)


def sum_kwh(results: Results, component: Component | None = None) -> float:
    return sum(
        (one.energy_j or 0.0) / 3.6e6
        for run in results.runs
        for window in (run.measurement, run.load)
        if window is not None
        for one in window.channels
        if component in (None, one.component)
    )


def mean_kwh(results: Results, model: str) -> float:
    means = []
    for dataset in DATASETS:
        runs = [run for run in results.runs if of(model, dataset)(run) and run.measurement]
        means.append(sum((run.measurement.channels[0].energy_j or 0) for run in runs if run.measurement) / len(runs))
    return sum(means) / len(means) / 3.6e6


def largest_kwh(results: Results, model: str) -> float:
    return max(
        (run.measurement.channels[0].energy_j or 0) / 3.6e6
        for run in results.runs
        if run.measurement and run.cell.model == model
    )


def without(where: Callable[[Run], bool]) -> Callable[[Results], Results]:
    return lambda results: replace(results, runs=tuple(run for run in results.runs if not where(run)))


def plus(cell: Cell, repeats: Sequence[int] = range(REPEATS_N)) -> Callable[[Results], Results]:
    """Runs of a cell that is not in the study, like those of a model that is."""
    like = next(one for one in CELLS if one.dataset == cell.dataset)

    def change(results: Results) -> Results:
        more = [
            replace(
                scaled(run, 1.37), run_id=f"{cell.cell_id}{run.repeat_i}", cell=cell,
                measurement=replace(
                    scaled(run, 1.37).measurement or run.measurement,  # type: ignore[type-var]
                    started_at=(START + timedelta(days=60, hours=run.order_i)).isoformat(),
                ),
            )
            for run in results.runs
            if run.cell == like and run.repeat_i in repeats
        ]  # fmt: skip
        return replace(results, runs=(*results.runs, *more))

    return change


def together(results: Results, size: float) -> Results:
    """The machine's state moves all cells of a repetition."""
    chance = random.Random(3)
    states = [1 + size * chance.uniform(-1, 1) for _ in range(REPEATS_N)]
    middle = sum(states) / len(states)
    return each(lambda run: scaled(run, states[run.repeat_i] / middle))(results)


def drifting(results: Results, size: float) -> Results:
    last_i = len(results.runs) - 1
    return each(lambda run: scaled(run, 1 + size * (run.order_i / last_i - 0.5)))(results)


def once(run: Run) -> bool:
    return run.cell == CELLS[0] and run.repeat_i == 0


def overlapping(seconds: float) -> Callable[[Results], Results]:
    """One run starts so many seconds before the run before it has ended."""

    def change(results: Results) -> Results:
        first = results.runs[3]
        assert first.measurement is not None
        end = datetime.fromisoformat(first.measurement.started_at) + timedelta(seconds=first.measurement.duration_s)
        start = (end - timedelta(seconds=seconds)).isoformat()
        return each(
            lambda run: replace(run, measurement=replace(run.measurement, started_at=start)),  # type: ignore[type-var]
            lambda run: run.run_id == results.runs[4].run_id,
        )(results)

    return change


def doubled(results: Results, factor: float) -> Results:
    """One run more, which is another one's copy, or nearly."""
    original = results.runs[0]
    copy = scaled(original, factor)
    assert copy.measurement is not None
    later = replace(copy.measurement, started_at=(START + timedelta(days=90)).isoformat())
    return replace(results, runs=(*results.runs[1:], original, replace(copy, run_id="again", measurement=later)))


# rule: data in which exactly it fires, and data in which it nearly does
CASES: dict[str, tuple[Callable[[Results], Results], Callable[[Results], Results]]] = {
    "JM101": (
        each(lambda run: board(run, reasons=("all-boards-counted",))),
        each(lambda run: with_channels(run, channel(4000.0 + run.order_i, in_use=False))),
    ),
    "JM102": (
        each(lambda run: processor(run, 0.12, Provenance.MODELLED)),
        each(lambda run: processor(run, 0.08, Provenance.MODELLED)),
    ),
    "JM103": (each(lambda run: steady(run, 0.002)), each(lambda run: steady(run, 0.02))),
    "JM104": (
        each(lambda run: wobble(run, 0.075), of("large", "letters")),
        each(lambda run: wobble(run, 0.045), of("large", "letters")),
    ),
    "JM105": (
        each(lambda run: logged(run, 300.0 if once(run) else 400.0)),
        each(lambda run: logged(run, 398.0 if once(run) else 400.0)),
    ),
    "JM106": (
        both(
            each(lambda run: processor(run, 0.3, Provenance.COUNTER)),
            lambda results: replace(
                results, claims=(claim("energy_kwh", "sum", sum_kwh(results, Component.GPU), decimals_n=3),)
            ),
        ),
        both(
            each(lambda run: processor(run, 0.3, Provenance.COUNTER)),
            lambda results: replace(results, claims=(claim("energy_kwh", "sum", sum_kwh(results), decimals_n=3),)),
        ),
    ),
    "JM107": (
        each(lambda run: board(run, reasons=("window-too-short",)), once),
        each(
            lambda run: with_channels(run, channel(50.0, "dram-0", in_use=False, reasons=("window-too-short",))), once
        ),
    ),
    "JM108": (each(lambda run: replace(run, idle_after=None), once), lambda results: results),
    "JM109": (
        each(lambda run: replace(run, warmup_n=0)),
        each(lambda run: replace(run, warmup_n=1)),
    ),
    "JM110": (lambda results: together(results, 0.012), lambda results: together(results, 0.001)),
    "JM112": (each(lambda run: scaled(run, 1.09), once), each(lambda run: scaled(run, 1.03), once)),
    "JM113": (
        lambda results: replace(
            results,
            claims=(claim("energy_kwh", "typical", largest_kwh(results, "large"), decimals_n=5, model="large"),),
        ),
        lambda results: replace(
            results, claims=(claim("energy_kwh", "typical", mean_kwh(results, "large"), decimals_n=5, model="large"),)
        ),
    ),
    "JM114": (
        each(lambda run: replace(run, output_tokens_n=1200), of("large")),
        each(lambda run: replace(run, output_tokens_n=1090), of("large")),
    ),
    "JM115": (
        each(lambda run: replace(run, quality=Quality("accuracy", 0.9, scored_n=0)), of("small")),
        each(lambda run: replace(run, quality=Quality("accuracy", None, reason="no labels")), of("small")),
    ),
    "JM116": (
        each(lambda run: replace(run, reasons=("samples-repeated",)), once),
        each(lambda run: replace(run, reasons=("harness-heavy",)), once),
    ),
    "JM117": (overlapping(5.0), overlapping(0.5)),
    "JM118": (
        each(lambda run: replace(run, versions={"torch": "2.12.0"}), once),
        each(lambda run: replace(run, versions={"torch": "2.13.0", "numpy": "2"}), once),
    ),
    "JM119": (
        each(lambda run: scaled(run, 1.996), of("small", "letters")),
        each(lambda run: scaled(run, 1.9), of("small", "letters")),
    ),
    "JM120": (
        lambda results: replace(
            results,
            runs=(
                *results.runs,
                replace(results.runs[0], run_id="f", measurement=None, failure=Failure("load", "OSError", "gone")),
            ),
        ),
        lambda results: results,
    ),
    "JM121": (
        each(lambda run: replace(run, input_tokens_n=60_000), of("large")),
        each(lambda run: replace(run, input_tokens_n=54_000), of("large")),
    ),
    "JM122": (
        without(lambda run: run.cell == CELLS[0] and run.repeat_i == 7),
        without(lambda run: run.repeat_i == 7),
    ),
    "JM123": (
        claiming(claim("ratio", "derived", 2100.0, decimals_n=0, inputs={"+a": 1500.0, "+b": 500.0, "/c": 1.0})),
        claiming(claim("ratio", "derived", 2001.0, decimals_n=0, inputs={"+a": 1500.0, "+b": 500.0, "/c": 1.0})),
    ),
    "JM124": (
        claiming(claim("energy_kwh", "typical", 1.0, task="summarization", model="small")),
        claiming(claim("energy_kwh", "typical", 1.0, task="summarization", model="never measured")),
    ),
    "JM125": (
        both(
            plus(Cell("text-classification", "forgotten", "reviews")),
            plus(Cell("text-classification", "forgotten", "letters")),
        ),
        both(
            plus(Cell("fill-mask", "for another task", "reviews")),
            plus(Cell("fill-mask", "for another task", "letters")),
        ),
    ),
    "JM126": (
        each(lambda run: replace(run, versions={"torch": "2.13.0", "model as logged": "tiny"}), of("small")),
        each(lambda run: replace(run, versions={"torch": "2.13.0", "model as logged": "small"}), of("small")),
    ),
    "JM127": (
        each(lambda run: replace(run, reasons=("inputs-cut",)), of("small")),
        each(lambda run: replace(run, reasons=("harness-heavy",)), of("small")),
    ),
    "JM129": (
        each(lambda run: board(run, reasons=("fake-sensor",)), once),
        each(lambda run: with_channels(run, channel(50.0, "dram-0", in_use=False, reasons=("fake-sensor",))), once),
    ),
    "JM130": (
        each(lambda run: board(run, reasons=("replayed",)), once),
        each(lambda run: board(run, reasons=("two-dies",)), once),
    ),
    "JM131": (claiming(claim("gpus_n", "stated", 2)), claiming(claim("gpus_n", "stated", 1))),
    "JM128": (
        each(lambda run: replace(run, samples_sha256="other"), lambda run: run.cell == CELLS[0] and run.repeat_i > 5),
        each(lambda run: replace(run, samples_sha256="other"), lambda run: run.cell == CELLS[0]),
    ),
}  # fmt: skip


def test_nothing_is_found_in_a_clean_study() -> None:
    assert codes(clean()) == set()


@pytest.mark.parametrize("code", CASES)
def test_exactly_the_rule_fires(code: str) -> None:
    assert codes(CASES[code][0](clean())) == {code}


@pytest.mark.parametrize("code", CASES)
def test_nothing_fires_where_it_nearly_does(code: str) -> None:
    assert codes(CASES[code][1](clean())) == set()


def findings(results: Results) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for finding in audit(evidence(results.study, results.runs, (MACHINE,), results.claims)):
        found.setdefault(finding.code, []).append(finding)
    return found


def test_one_repetition_is_a_finding() -> None:
    (finding,) = findings(without(lambda run: run.repeat_i > 0)(clean()))["JM104"]
    assert "6 of 6 cells" in finding.subject
    assert "one repetition" in finding.message


def test_the_spread_of_repetitions_is_not_the_whole_interval() -> None:
    (finding,) = findings(CASES["JM104"][0](clean()))["JM104"]
    assert "by the repetitions alone" in finding.message
    assert "The sensors' part of the interval comes on top and stays" in finding.message


def test_the_remedy_of_a_cold_start_goes_by_the_study() -> None:
    def with_warmup(warmup_n: int) -> str:
        study = replace(STUDY, protocol=replace(STUDY.protocol, warmup_n=warmup_n))
        cold = each(lambda run: replace(run, reasons=("warm-up-inside",)))(replace(clean(), study=study))
        (finding,) = findings(cold)["JM109"]
        return str(finding.remedy)

    assert with_warmup(5) == "warmup_n = 10 instead of 5 in the study, or --warmup 10"
    assert with_warmup(30) == "warmup_n = 60 instead of 30 in the study, or --warmup 60"


def test_drift_is_found_and_shows_in_the_blocks_too() -> None:
    """What drifts over the study also moves its blocks: both are true."""
    assert codes(drifting(clean(), 0.04)) == {"JM110", "JM111"}
    assert "JM111" not in codes(drifting(clean(), 0.005))


def test_a_copy_of_a_run_is_found() -> None:
    assert codes(doubled(clean(), 1.0)) >= {"JM117"}
    assert "JM117" not in codes(doubled(clean(), 1.0001))


def test_a_stated_factor_that_was_not_used_is_found() -> None:
    results = each(lambda run: logged(run, 138.75))(clean())
    found = evidence(results.study, results.runs, (MACHINE,), (claim("intensity_g_per_kwh", "stated", 297.6),))
    (finding,) = audit(found)
    assert finding.code == "JM105"
    assert "297.6" in finding.message
    assert "138.75" in finding.message


def test_every_rule_is_tested_and_explained() -> None:
    assert {rule.code for rule in RULES} == set(CASES) | {"JM111"}
    assert len({rule.code for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert len(rule.explanation) > 60
        assert rule.remedy
        assert find_rule(rule.code.lower()) is rule


def test_random_clean_studies_give_few_findings() -> None:
    """Rules that test for chance are allowed to be wrong now and then: at one in a hundred, not in ten."""
    found_n = 0
    for seed in range(60):
        chance = random.Random(seed)
        runs: list[Run] = []
        for repeat_i in range(REPEATS_N):
            block = list(CELLS)
            chance.shuffle(block)
            runs += [measured_run(c, repeat_i, len(runs) + i, chance.gauss(1, 0.004)) for i, c in enumerate(block)]
        found_n += bool(codes(Results(runs=tuple(runs))))
    assert found_n <= 4


def test_results_with_nothing_measured() -> None:
    failed = replace(clean().runs[0], measurement=None, failure=Failure("load", "OSError", "gone"))
    assert codes(Results()) == set()
    assert codes(Results(runs=(failed,))) == {"JM120"}


def test_the_papers_claims_are_read() -> None:
    claims = claims_of("luccioni2024", None)
    assert len(claims) > 15
    assert claims_of("../secrets", None) == ()
    assert claims_of("no such study", None) == ()
    assert all(one.purpose is Purpose.TASK_SPECIFIC for one in CELLS)


def test_the_page_about_the_audit_lists_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"| {rule.code} | {rule.severity} | {rule.title} | {rule.explanation} |" in page


UNKNOWN: dict[str, Any] = {"energy_j": None, "low_j": None, "high_j": None}


def found_by(code: str, results: Results) -> list[Any]:
    """What one rule finds alone."""
    rule = find_rule(code)
    assert rule is not None
    return list(rule.check(evidence(results.study, results.runs, (MACHINE,), results.claims)))


def in_order(datasets_n: int, repeats_n: int, order: str, noise: Callable[[Cell, int, int], float]) -> Results:
    """All models on so many datasets, listed or in shuffled blocks, with such factors by cell, repetition and order."""
    cells = tuple(Cell("text-classification", model, f"dataset {i}") for i in range(datasets_n) for model in MODELS)
    chance = random.Random(5)
    blocks = [(cell, repeat_i) for cell in cells for repeat_i in range(repeats_n)]
    if order == "shuffled":
        blocks = [(cell, i) for i in range(repeats_n) for cell in chance.sample(cells, len(cells))]
    runs = tuple(
        replace(measured_run(cell, repeat_i, order_i, noise(cell, repeat_i, order_i)), run_id=str(order_i))
        for order_i, (cell, repeat_i) in enumerate(blocks)
    )
    return Results(Study("ordered", cells, Protocol(QUERIES_N, repeats_n, order)), runs)


def test_drift_is_found_in_listed_order_too() -> None:
    chance = random.Random(5)
    results = in_order(
        4, 10, "listed", lambda cell, repeat_i, order_i: 1 + 0.3 * order_i / 120 + chance.gauss(0, 0.005)
    )
    (found,) = found_by("JM111", results)
    assert found.message.startswith("energies rise by 2.")
    assert "of a cell: at that rate by 2" in found.message


def test_without_drift_it_is_found_in_one_of_a_hundred_studies() -> None:
    chance = random.Random(1)
    found_n = sum(
        bool(found_by("JM111", in_order(2, 2, "shuffled", lambda *_: chance.gauss(1, 0.05)))) for _ in range(400)
    )
    assert found_n <= 12  # of 4 expected


def test_many_groups_are_no_more_often_wrong_than_one() -> None:
    chance = random.Random(2)
    found_n = sum(
        bool(found_by("JM110", in_order(30, 6, "listed", lambda *_: chance.gauss(1, 0.02)))) for _ in range(15)
    )
    assert found_n <= 1


def test_one_group_among_many_is_found_where_its_blocks_move() -> None:
    chance = random.Random(4)
    moved = [0.9, 1.1, 0.95, 1.08, 0.91, 1.06, 0.94, 1.06]

    def noise(cell: Cell, repeat_i: int, _: int) -> float:
        return chance.gauss(1, 0.01) * (moved[repeat_i] if cell.dataset == "dataset 3" else 1.0)

    (found,) = found_by("JM110", in_order(10, 8, "listed", noise))
    assert "in 1 of 10 groups" in found.message


def metered_whole(run: Run) -> Run:
    """A meter of the whole machine, which reads twice what the board takes; loading was not metered."""
    assert run.measurement is not None
    board_j = run.measurement.channels[0].energy_j or 0.0
    return replace(with_channels(run, channel(2 * board_j, "psys")), load=None)


def test_a_meter_of_the_whole_machine_is_not_added_to_its_parts() -> None:
    results = each(metered_whole)(clean())
    whole_kwh = sum_kwh(results, Component.SYSTEM)
    assert found_by("JM106", claiming(claim("energy_kwh", "sum", whole_kwh, decimals_n=4))(results)) == []
    (found,) = found_by("JM106", claiming(claim("energy_kwh", "sum", whole_kwh / 2, decimals_n=4))(results))
    assert "that is the gpu alone; all parts are 1.2" in found.message
    both_kwh = sum_kwh(results)
    (found,) = found_by("JM106", claiming(claim("energy_kwh", "sum", both_kwh, decimals_n=4))(results))
    assert "the runs add up to 1.2" in found.message


def test_a_total_of_some_runs_is_held_against_these() -> None:
    results = clean()
    small = replace(results, runs=tuple(filter(of("small"), results.runs)))
    right = claim("energy_kwh", "sum", sum_kwh(small), decimals_n=4, model="small")
    assert found_by("JM106", claiming(right)(results)) == []
    (found,) = found_by("JM106", claiming(replace(right, value=sum_kwh(results)))(results))
    assert "the runs add up to 0.09" in found.message
    assert found_by("JM106", claiming(replace(right, model="never measured"))(results)) == []


def test_a_total_is_not_held_against_less_than_all_of_it() -> None:
    results = clean()
    known_kwh = sum_kwh(without(once)(results)) + 1000 / 3.6e6  # loading of the unknown run
    results = each(lambda run: board(run, **UNKNOWN), once)(results)
    assert found_by("JM106", claiming(claim("energy_kwh", "sum", 5.0))(results)) == []
    (found,) = found_by("JM106", claiming(claim("energy_kwh", "sum", 0.1))(results))
    assert f"the runs add up to at least {known_kwh:.6f} kWh" in found.message
    carbon = each(lambda run: logged(run, 400.0), lambda run: not once(run))(results)
    assert found_by("JM106", claiming(claim("carbon_kg", "sum", 5.0))(carbon)) == []
    (found,) = found_by("JM106", claiming(claim("carbon_kg", "sum", 0.1))(carbon))
    assert "at least 0.2" in found.message


def test_a_counter_held_by_a_power_limit_is_a_note() -> None:
    def held(run: Run) -> Run:
        assert run.measurement is not None
        duration_s = (run.measurement.channels[0].energy_j or 0.0) / 700
        return replace(run, measurement=replace(run.measurement, duration_s=duration_s))

    (finding,) = findings(each(held)(clean()))["JM103"]
    assert finding.severity == "note"
    assert "a power limit may have held it there" in finding.message
    modelled = each(lambda run: board(held(run), provenance=Provenance.MODELLED))(clean())
    assert [finding.severity for finding in findings(modelled)["JM103"]] == ["error"]


def test_one_model_at_one_power_is_no_constant() -> None:
    results = without(lambda run: run.cell.model != "small")(clean())
    assert found_by("JM103", replace(results, study=replace(STUDY, cells=CELLS[:2]))) == []


def test_an_assumed_channel_is_called_constant_only_where_it_is() -> None:
    def message(spread: float, outside_n: int = 0) -> str:
        def assumed(run: Run) -> Run:
            assert run.measurement is not None
            power_w = 1.0 if run.order_i < outside_n else 50 * (1 + spread * run.order_i / 47)
            energy_j = power_w * run.measurement.duration_s
            return with_channels(run, channel(energy_j, "package-0", provenance=Provenance.ASSUMED))

        (found,) = found_by("JM103", each(assumed)(clean()))
        return str(found.message)

    assert message(0.0).startswith("is an assumed constant: about 50.0 W in 44 of 48 runs")
    assert message(0.0, outside_n=2).startswith("is an assumed constant: about 50.0 W in 44 of 48 runs")
    assert message(0.0, outside_n=9).startswith("is assumed, not measured: 1.00 to 50.0 W")
    assert message(0.5).startswith("is assumed, not measured: 50.0 to 75.0 W")


def test_a_share_is_not_that_of_a_run_of_which_a_part_is_unknown() -> None:
    def boards(run: Run, unknown: bool) -> Run:
        assert run.measurement is not None
        duration_s = run.measurement.duration_s
        powers_w = (300, 60, 60, 60)
        channels = tuple(
            replace(channel(power_w * duration_s), name=f"gpu{i}", reasons=("all-boards-counted",))
            for i, power_w in enumerate(powers_w)
        )
        if unknown and run.order_i == 0:
            channels = (replace(channels[0], **UNKNOWN), *channels[1:])
        return replace(run, measurement=replace(run.measurement, channels=channels))

    (known,) = found_by("JM101", each(lambda run: boards(run, unknown=False))(clean()))
    (partly,) = found_by("JM101", each(lambda run: boards(run, unknown=True))(clean()))
    assert partly.message == known.message + " of the 47 in which all of it is known"
    none = each(lambda run: board(boards(run, unknown=False), **UNKNOWN))(clean())
    (found,) = found_by("JM101", none)
    assert found.message.endswith("the share of the 3 others is not known")


def test_a_modelled_share_is_of_known_devices_and_not_of_the_meter_beside_them() -> None:
    unknown_board = each(lambda run: board(run, **UNKNOWN))(clean())
    beside = each(lambda run: with_channels(run, channel(10.0, "package-0", provenance=Provenance.MODELLED)))
    assert found_by("JM102", beside(unknown_board)) == []
    modelled = each(lambda run: board(run, provenance=Provenance.MODELLED))(clean())
    metered = each(lambda run: with_channels(run, channel(1e9, "psys", provenance=Provenance.SAMPLED)))(modelled)
    (found,) = found_by("JM102", metered)
    assert found.message.startswith("100% of the energy of the devices is modelled")


def test_a_fake_meter_of_the_whole_machine_is_found() -> None:
    fake = each(lambda run: with_channels(run, channel(1e9, "psys", reasons=("fake-sensor",))), once)
    assert codes(fake(clean())) == {"JM129"}


def test_a_typical_figure_of_one_run_is_held_against_it() -> None:
    one = without(lambda run: not once(run))(clean())
    printed = claim("energy_kwh", "typical", 5.0, decimals_n=1, task="text-classification", model="small")
    (found,) = found_by("JM113", claiming(printed)(one))
    assert "the one run gives 0.005" in found.message
    right = replace(printed, value=largest_kwh(one, "small"), decimals_n=5)
    assert found_by("JM113", claiming(right)(one)) == []


def test_a_model_quoted_for_another_dataset_is_not_said_to_be_of_another_task() -> None:
    quoted = claim("energy_kwh", "typical", 5.0, task="text-classification", model="small", dataset="squad")
    (found,) = found_by("JM124", claiming(quoted)(clean()))
    assert "small was measured for text-classification on reviews, letters only" in found.message
    untold = each(lambda run: replace(run, cell=replace(run.cell, dataset="not stated")), once)(clean())
    assert found_by("JM124", claiming(quoted)(untold)) == []


def test_a_small_ratio_is_told_with_its_decimals() -> None:
    (found,) = found_by(
        "JM123", claiming(claim("ratio", "derived", 0.9, decimals_n=1, inputs={"+a": 1.0, "/b": 2.0}))(clean())
    )
    assert found.message.endswith("give 0.500, 0.400 away")


@pytest.mark.parametrize(
    ("unreadable", "why"),
    [
        (claim("ratio", "derived", 3.0, inputs={"a": 3.0}), "the input 'a' has no sign"),
        (claim("ratio", "derived", 3.0, inputs={"/a": 3.0}), "'derived' needs inputs"),
        (claim("gpus_n", "typical", 1.0), "'typical' goes with energy_kwh or carbon_kg, not 'gpus_n'"),
        (claim("ratio", "sum", 1.0), "'sum' goes with energy_kwh or carbon_kg, not 'ratio'"),
        (claim("energy_kwh", "stated", 1.0), "'stated' goes with intensity_g_per_kwh or gpus_n, not 'energy_kwh'"),
    ],
)
def test_a_claim_that_no_rule_can_read_is_refused(unreadable: Claim, why: str) -> None:
    with pytest.raises(MendableError, match=why):
        codes(claiming(unreadable)(clean()))


def test_boards_are_counted_by_channel_or_by_machine() -> None:
    one_claim = claiming(claim("gpus_n", "stated", 1))
    all_in_one = each(lambda run: board(run, reasons=("all-boards-counted",)))(clean())  # as in an imported log
    (found,) = found_by("JM131", one_claim(all_in_one))
    assert found.message.endswith("in 48 of 48 runs the energy of 4 boards is counted")
    idle = each(lambda run: with_channels(run, channel(9.0, in_use=False)))
    assert found_by("JM131", one_claim(idle(clean()))) == []
    no_board = each(lambda run: board(run, name="package-0", component=Component.CPU))(clean())
    (found,) = found_by("JM131", one_claim(no_board))
    assert "the energy of 0 boards" in found.message
    covered = each(lambda run: board(run, component=Component.BOARD, covers=(Component.GPU,)))(clean())
    assert found_by("JM131", one_claim(covered)) == []


@pytest.mark.parametrize(("first_n", "second_n"), [(3, 8), (8, 3)])
def test_fewer_runs_than_a_neighbour_are_found_in_any_order(first_n: int, second_n: int) -> None:
    first, second = CELLS[0], CELLS[2]
    runs_n = {first: first_n, second: second_n}
    few = without(lambda run: run.repeat_i >= runs_n.get(run.cell, 0))(clean())
    (found,) = found_by("JM122", replace(few, study=replace(STUDY, cells=(first, second))))
    assert found.message.endswith("3 runs, its neighbours 8")


def test_cells_without_any_run_are_found() -> None:
    alone = without(lambda run: run.cell != CELLS[0])(clean())
    (found,) = found_by("JM122", replace(alone, study=replace(STUDY, cells=(CELLS[2], CELLS[0]))))
    assert found.message == "middle × reviews: no run (text-classification)"
    batches = tuple(replace(CELLS[0], settings=Settings(batch_n=batch_n)) for batch_n in (8, 1))
    (found,) = found_by("JM122", replace(alone, study=replace(STUDY, cells=batches)))
    assert found.subject == "small × reviews [batch_n = 8]"


def test_a_warm_up_that_was_not_recorded_is_not_said_to_be_missing() -> None:
    (found,) = found_by("JM109", each(lambda run: replace(run, warmup_n=None))(clean()))
    assert found.message.startswith("it is not recorded whether queries ran before the window")
    some = each(lambda run: replace(run, warmup_n=0 if once(run) else None))(clean())
    assert [found.subject for found in found_by("JM109", some)] == ["small × reviews", "6 of 6 cells"]


def test_the_repeats_that_are_needed_are_enough() -> None:
    """Of one far run among ten, thousands are needed; one less would not do."""
    factors = [1, 1, 1, 1, 1, 1, 1, 1, 60, 100]
    wide = in_order(1, 10, "listed", lambda cell, repeat_i, _: factors[repeat_i] if cell.model == "small" else 1.0)
    (found,) = found_by("JM104", wide)
    mean, sd = statistics.fmean(factors), statistics.stdev(factors)

    def half(repeats_n: int) -> float:
        return t_quantile(0.975, repeats_n - 1) * sd / math.sqrt(repeats_n) / mean

    more_n = int(found.message.partition("); ")[2].partition(" more")[0].replace(",", ""))
    assert half(10 + more_n) <= 0.05 < half(10 + more_n - 1)


def test_repetitions_without_a_known_energy_are_no_spread() -> None:
    first = each(lambda run: board(run, **UNKNOWN), lambda run: run.repeat_i > 0)
    two = first(without(lambda run: run.repeat_i > 1)(clean()))
    (found,) = found_by("JM104", two)
    assert "the energy of fewer than two repetitions is known" in found.message
