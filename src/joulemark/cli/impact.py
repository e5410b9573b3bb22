"""``joulemark impact``: from joules to grams, litres, money and things people can picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from joulemark.cli.impact_explained import explanation, print_explanation
from joulemark.cli.impact_list import show_list
from joulemark.cli.impact_subject import Choice, Subject, for_a_year, subjects, with_device
from joulemark.cli.impact_text import energy_notes, print_impact, print_notes, print_overview
from joulemark.cli.table import print_json
from joulemark.impact.assess import Conditions, Impact, assess
from joulemark.impact.cost import find_price
from joulemark.impact.facilities import figure, find_pue
from joulemark.impact.grids import ENVIRONMENT, chosen_grid, during
from joulemark.impact.quantity_text import COUNT_MAX_N, queries_per_year_n
from joulemark.impact.ranged import ImpactError

NO_GRID = (
    f"no grid chosen, so no carbon and no water: --grid FRA, egrid:NWPP, aws:us-west-2 …, or {ENVIRONMENT} for this "
    "machine; a location is never guessed"
)


@dataclass(frozen=True, slots=True)
class ImpactOptions:
    """What was given on the command line; ``None`` is not given."""

    what: str | None
    grid: str | None
    pue: str | None
    price: str | None
    per_n: float | None
    year_at: str | None
    device: str | None
    hours: float | None
    choice: Choice
    listed: str | None
    search: str | None
    explain: bool
    json_out: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The impact of one subject, with what it was multiplied by."""

    subject: Subject
    conditions: Conditions
    impact: Impact | None  # None: the energy is not known
    notes: tuple[str, ...]


def show_impact(options: ImpactOptions) -> None:
    """Print what an energy or the cells of a study cause. Raises :class:`~joulemark.failures.MendableError`."""
    if options.listed is not None:
        if given := _beside_list(options):
            raise ImpactError(f"--list shows a list of its own: leave out {given[0]}")
        show_list(options.listed, options.search, options.json_out)
        return
    if options.search is not None:
        raise ImpactError("--search looks through a list: --list grids --search oregon")
    if options.what is None:
        raise ImpactError("the impact of what? An energy (1.35kWh), a results folder or luccioni2024")
    if options.per_n is not None and not 0 < options.per_n <= COUNT_MAX_N:
        raise ImpactError(f"--per {options.per_n:g}: a number of queries above 0")
    found = [
        with_device(one, options.device, options.hours) for one in subjects(options.what, options.choice, options.per_n)
    ]
    answers = [_answer(one, options) for one in found]
    years: list[Answer] = []
    if options.year_at is not None:
        per_year_n = queries_per_year_n(options.year_at)
        years = [_answer(for_a_year(one, per_year_n), options) for one in found]
    if options.json_out:
        _print_json(answers, years, options)
    elif len(answers) > 1:
        _print_overview(answers, years, options)
    else:
        _print_one(answers[0], years[0] if years else None, options)


def _beside_list(options: ImpactOptions) -> list[str]:
    """What was given that means nothing to a list."""
    values = {
        f"'{options.what}'": options.what,
        "--grid": options.grid,
        "--pue": options.pue,
        "--price": options.price,
        "--per": options.per_n,
        "--year-at": options.year_at,
        "--device": options.device,
        "--hours": options.hours,
        "--task": options.choice.task,
        "--model": options.choice.model,
        "--dataset": options.choice.dataset,
        "--explain": options.explain or None,
    }
    return [name for name, value in values.items() if value is not None]


def _answer(subject: Subject, options: ImpactOptions) -> Answer:
    grid = chosen_grid(options.grid, subject.grid)
    notes = list(subject.notes)
    if grid is None:
        notes.append(NO_GRID)
    elif grid.area == "series" and not subject.windows:
        notes.append(f"{grid.name}: the hours are not known, so this is the mean over all of it")
    if grid is not None and options.grid is None:
        notes.append(f"grid from {'the study' if subject.grid else ENVIRONMENT}")
    placed = during(grid, subject.windows) if grid is not None else None
    if placed is not None and placed.note and placed.area in ("published", "cloud_region", "place", "series"):
        notes.append(f"{placed.name if placed.area == 'series' else placed.id}: {placed.note}")
    stated = figure(grid.id, "pue") if grid is not None and options.pue is None else None
    if stated is not None:
        notes.append(
            f"PUE 1.0 is the equipment alone; {stated.id} states {stated.amount.value:g} ({stated.year}): "
            f"--pue {stated.id}"
        )
    conditions = Conditions(
        grid=placed,
        pue=find_pue(options.pue),
        price=find_price(options.price) if options.price is not None else None,
    )
    impact = None
    if subject.energy_j is not None:
        impact = assess(subject.energy_j, conditions, subject.devices, subject.device_s, subject.left_out)
        notes += _water_notes(impact, conditions)
    return Answer(subject, conditions, impact, tuple(notes))


def _water_notes(impact: Impact, conditions: Conditions) -> list[str]:
    """That the on-site water and the PUE are of two data centres, where both have a name."""
    pue = conditions.pue
    factors = impact.water_l.factors if impact.water_l else ()
    others = [factor.id for factor in factors if factor.metric == "wue_onsite" and factor.id != pue.id]
    return [f"on-site water is that of {id_}, the PUE that of {pue.id}" for id_ in others if pue.operator]


def _print_overview(answers: Sequence[Answer], years: Sequence[Answer], options: ImpactOptions) -> None:
    of_one = {
        "--explain": options.explain or None,
        "--price": options.price,
        "--device": options.device,
        "--hours": options.hours,
    }
    if given := [flag for flag, value in of_one.items() if value is not None]:
        raise ImpactError(
            f"{given[0]} is for one cell, and there are {len(answers)}: choose one with --task, --model and "
            "--dataset, or add --json"
        )
    print_overview([(one.subject, one.conditions, one.impact) for one in answers])
    known = [one for one in answers if one.impact is not None] or answers
    notes = [note for one in known for note in one.notes]
    print_notes([*notes, *energy_notes([one.subject for one in known])])
    if years:
        print(f"\nin a year of {options.year_at}")
        print_overview([(one.subject, one.conditions, one.impact) for one in years])


def _print_one(answer: Answer, year: Answer | None, options: ImpactOptions) -> None:
    impact = _known(answer)
    print_impact(answer.subject, impact, answer.conditions)
    if year is not None:
        print(f"\nin a year of {options.year_at}:")
        print_impact(year.subject, _known(year), year.conditions)
    print_notes([*answer.notes, *(year.notes if year else ()), *energy_notes([answer.subject])])
    if options.explain:
        print_explanation(explanation(answer.subject, impact, answer.conditions))


def _known(answer: Answer) -> Impact:
    if answer.impact is None:
        subject = answer.subject
        raise ImpactError(f"the energy of {subject.model} is not known: {subject.why_unknown}")
    return answer.impact


def _print_json(answers: Sequence[Answer], years: Sequence[Answer], options: ImpactOptions) -> None:
    found = []
    for index, answer in enumerate(answers):
        one = _as_json(answer)
        one["year"] = None
        if years:
            one["year"] = {"rate": options.year_at, **_as_json(years[index])}
        if options.explain and answer.impact is not None:
            one["explain"] = asdict(explanation(answer.subject, answer.impact, answer.conditions))
        found.append(one)
    print_json(found[0] if len(found) == 1 else {"rows": found})


def _as_json(answer: Answer) -> dict[str, object]:
    subject, conditions, impact = answer.subject, answer.conditions, answer.impact
    water = None
    if impact is not None and impact.water_l is not None:
        water = {
            name: value for name, value in asdict(replace(impact.water_l, factors=())).items() if name != "factors"
        }
    return {
        "task": subject.task,
        "model": subject.model,
        "dataset": subject.dataset,
        "queries_n": subject.queries_n,
        "energy_j": asdict(impact.energy_j) if impact else None,
        "why_unknown": None if impact else subject.why_unknown,
        "provenance": subject.provenance,
        "made_up": list(subject.made_up),
        "missing": list(subject.missing),
        "reasons": list(subject.reasons),
        "grid": asdict(conditions.grid) if conditions.grid else None,
        "pue": {
            **asdict(conditions.pue.amount),
            "id": conditions.pue.id,
            "basis": conditions.pue.basis,
            "year": conditions.pue.year,
            "source": conditions.pue.source,
            "verification": conditions.pue.verification,
        },
        "carbon_g": asdict(impact.carbon_g) if impact and impact.carbon_g else None,
        "water_l": water,
        "embodied_g": asdict(impact.embodied_g) if impact and impact.embodied_g else None,
        "cost": asdict(impact.cost) if impact and impact.cost else None,
        "equivalences": [asdict(one) for one in impact.equivalences] if impact else [],
        "notes": list(answer.notes),
    }
