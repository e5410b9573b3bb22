from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from joulemark.protocol.order import jobs, remaining
from joulemark.records import Cell, Protocol, Study


def study(cells_n: int, repeats_n: int, seed: int) -> Study:
    cells = tuple(Cell("fill-mask", f"./{number}", "d.jsonl") for number in range(cells_n))
    return Study("s", cells, Protocol(repeats_n=repeats_n, seed=seed))


studies = st.builds(study, st.integers(1, 12), st.integers(1, 6), st.integers(0, 99))


@given(studies)
def test_each_block_holds_every_cell_once(some: Study) -> None:
    sequence = jobs(some)
    cells_n = len(some.cells)
    assert [job.order_i for job in sequence] == list(range(cells_n * some.protocol.repeats_n))
    for repeat_i in range(some.protocol.repeats_n):
        block = sequence[repeat_i * cells_n : (repeat_i + 1) * cells_n]
        assert {job.repeat_i for job in block} == {repeat_i}
        assert {job.cell for job in block} == set(some.cells)
    assert len({job.run_id for job in sequence}) == len(sequence)


@given(studies, st.integers(1, 4))
def test_more_repeats_go_on_where_the_others_ended(some: Study, extra_n: int) -> None:
    more = replace(some, protocol=replace(some.protocol, repeats_n=some.protocol.repeats_n + extra_n))
    assert jobs(more)[: len(jobs(some))] == jobs(some)


@given(studies, st.data())
def test_what_is_done_is_not_done_again(some: Study, data: st.DataObject) -> None:
    done = data.draw(st.sets(st.sampled_from([job.run_id for job in jobs(some)])))
    left = remaining(some, some.cells, done)
    assert {job.run_id for job in left} == {job.run_id for job in jobs(some)} - done
    assert [job.order_i for job in left] == sorted(job.order_i for job in left)


def test_blocks_are_shuffled_differently_and_by_the_seed() -> None:
    orders = [tuple(job.cell.model for job in jobs(study(10, 4, 1))[start : start + 10]) for start in range(0, 40, 10)]
    assert len(set(orders)) == 4
    assert jobs(study(10, 4, 1)) == jobs(study(10, 4, 1))
    assert [job.cell for job in jobs(study(10, 1, 1))] != [job.cell for job in jobs(study(10, 1, 2))]


def test_only_some_cells() -> None:
    some = study(5, 3, 0)
    left = remaining(some, some.cells[:2], ())
    assert {job.cell for job in left} == set(some.cells[:2])
    assert len(left) == 6
