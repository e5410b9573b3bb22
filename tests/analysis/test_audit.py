"""Every rule of the audit: a clean study gives nothing; each rule has data where it alone fires, or nearly does."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from joulemark.analysis.audit import RULES, audit, evidence, find_rule
from joulemark.analysis.claims import Claim, claims_of
from joulemark.measurement import ChannelEnergy, Component, ErrorBudget, Measurement, Provenance
from joulemark.records import Cell, Failure, Machine, ModelFacts, Protocol, Purpose, Quality, Run, Study

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
    component = {"gpu0": Component.GPU, "package-0": Component.CPU, "dram-0": Component.DRAM}[name]
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
