"""The page writes numbers, units and marks as the program does."""

import random

from browser import seen
from pages import PageOf
from visits import Opener

from joulemark.cli.impact_text import word
from joulemark.explorer.facts import facts
from joulemark.units import LADDERS, number, show

LADDER_OF = {"j": "Wh", "w": "W", "s": "s", "g": "g"}  # the program's quantity: the page's ladder
ENDS = [0.0, 1e-12, 9.999e-4, 1e-3, 999_999.0, 1e6, 1e15]


def test_ladders_are_the_program_s(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("one_run"), "data")
    of_page = page.evaluate("LADDERS")
    for quantity, ladder in LADDER_OF.items():
        assert of_page[ladder] == [[unit.symbol, unit.size] for unit in LADDERS[quantity]]
    assert [unit for unit in of_page["J"] if unit[1] <= 1] == [[unit.symbol, unit.size] for unit in LADDERS["step"]]
    assert of_page["days"][0] == ["years", page.evaluate("DAYS_PER_YEAR")] == ["years", 365.25]


def test_numbers_have_the_program_s_digits(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("one_run"), "data")
    numbers = random.Random(1)
    values = [*ENDS, *(numbers.choice((-1, 1)) * 10 ** numbers.uniform(-9, 12) for _ in range(400))]
    assert page.evaluate("values => values.map((value) => number(value))", values) == [number(one) for one in values]
    for quantity, ladder in LADDER_OF.items():
        shown = page.evaluate("([values, ladder]) => values.map((value) => show(value, ladder))", [values, ladder])
        assert shown == [show(one, quantity) for one in values]


def test_what_is_only_recalled_is_marked_as_the_program_marks_it(opened: Opener, page_of: PageOf) -> None:
    page = opened().to(page_of("one_run"), "data")
    said = sorted({row["verification"] for name in ("things", "prices", "pues", "grids") for row in facts()[name]})
    words = page.evaluate("all => all.map(verifiedText)", [*said, ""])
    assert words == [word(one) for one in (*said, "")]
    assert {"primary", "◌ unverified", "secondary, ◌ partly unverified"} <= set(words)


def test_marks_stand_where_facts_are_used(opened: Opener, page_of: PageOf) -> None:
    """Beside things of every day, the price of a country, its grid, and published buildings."""
    visit = opened()
    choose = seen(visit.to(page_of("one_run"), "choose", grid="FRA")).text
    grid = next(row for row in facts()["grids"] if row["id"] == "FRA")
    for name, verification in (("Grid:", grid["verification"]), ("Price:", grid["price"]["verification"])):
        assert word(verification) in next(line for line in choose.split(". ") if name in line), name
    building = next(row for row in facts()["pues"] if row["pue"][0] >= 1)
    method = seen(visit.to(page_of("one_run"), "method", pue=str(building["pue"][0]))).text
    assert f"; {word(building['verification'])})" in method
