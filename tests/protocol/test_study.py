from pathlib import Path

import pytest

from joulemark.protocol.study import StudyError, load_study, parse_study, select, study_names
from joulemark.records import Protocol, Purpose

GOOD = """
name = "mine"
grid = "FRA"
[protocol]
queries_n = 20
[settings]
threads_n = 1
dtype = "float32"
[[cells]]
task = "text-classification"
model = "./a"
dataset = "x.jsonl"
[[cells]]
task = "summarization"
model = "./b"
dataset = "y.jsonl"
purpose = "multi-purpose"
settings = { dtype = "float16", prompt = "Summarize: {text}" }
"""


def test_a_study_is_read() -> None:
    study = parse_study(GOOD, "mine.toml")
    assert study.name == "mine"
    assert study.grid == "FRA"
    assert study.protocol == Protocol(queries_n=20)
    first, second = study.cells
    assert first.settings.dtype == "float32"
    assert second.settings.dtype == "float16"
    assert second.settings.threads_n == 1
    assert second.purpose is Purpose.MULTI_PURPOSE


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("queries_n = 20", "querys_n = 20", "did you mean 'queries_n'"),
        ("grid =", "grit =", "did you mean 'grid'"),
        ("threads_n = 1", "thread_n = 1", "did you mean 'threads_n'"),
        ('model = "./a"', 'modle = "./a"', "did you mean 'model'"),
        ('dtype = "float16"', 'dtyp = "float16"', "did you mean 'dtype'"),
        ('"text-classification"', '"text-clasification"', "did you mean 'text-classification'"),
        ('dataset = "x.jsonl"', "", "'dataset' is missing"),
        ("queries_n = 20", "queries_n = 0", "at least 1"),
        ("queries_n = 20", 'queries_n = "many"', "int"),
        ("queries_n = 20", "idle_s = nan", "at least 0"),
        ('"multi-purpose"', '"general"', "purpose"),
        ("[[cells]]", "[cells]", "TOML"),
        ("[protocol]\nqueries_n = 20", "protocol = 3", "must be a table"),
        ('"./b"\ndataset = "y.jsonl"', '"./b"\ndataset = 3', "str"),
    ],
)
def test_a_mistake_is_named_in_one_line(before: str, after: str, says: str) -> None:
    assert before in GOOD
    with pytest.raises(StudyError) as error:
        parse_study(GOOD.replace(before, after), "mine.toml")
    assert says in str(error.value)
    assert "mine.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_same_cell_twice_is_refused() -> None:
    text = GOOD[: GOOD.index("[[cells]]")] + GOOD[GOOD.index("[[cells]]") : GOOD.rindex("[[cells]]")] * 2
    with pytest.raises(StudyError, match="twice"):
        parse_study(text, "mine.toml")


def test_no_cells_are_refused() -> None:
    with pytest.raises(StudyError, match="at least one"):
        parse_study('name = "empty"', "mine.toml")


def test_unknown_names_list_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="quickstart"):
        load_study("quickstrat")
    with pytest.raises(StudyError, match="no study"):
        load_study(str(tmp_path))


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(str(file))


def test_our_own_studies_can_be_read() -> None:
    assert "quickstart" in study_names()
    for name in study_names():
        assert load_study(name).name == name


def test_only_selects_by_task_model_dataset_and_purpose() -> None:
    study = parse_study(GOOD, "mine.toml")
    assert select(study, ()) == study.cells
    assert select(study, ("summar*",)) == study.cells[1:]
    assert select(study, ("./a",)) == study.cells[:1]
    assert select(study, ("multi-purpose", "x.jsonl")) == study.cells
    with pytest.raises(StudyError, match="did you mean 'summarization'"):
        select(study, ("sumarization",))
