from pathlib import Path

import pytest

from joulemark.protocol.study import (
    StudyError,
    load_study,
    parse_study,
    select,
    single_cell_study,
    study_names,
    with_settings,
)
from joulemark.records import Protocol, Purpose, Settings
from joulemark.workloads.catalogue import catalogue_models

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
        ("queries_n = 20", "idle_s = inf", "at most 1000000"),
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


LISTS = """
[[cells]]
task = "fill-mask"
model = ["./a", "./b"]
dataset = ["x.jsonl", "y.jsonl", "z.jsonl"]
"""


def test_lists_are_every_pair_model_by_model() -> None:
    cells = parse_study(LISTS, "lists.toml").cells
    assert [(cell.model, cell.dataset) for cell in cells] == [
        (model, dataset) for model in ("./a", "./b") for dataset in ("x.jsonl", "y.jsonl", "z.jsonl")
    ]
    with pytest.raises(StudyError, match="twice"):
        parse_study(LISTS.replace('"./b"', '"./a"'), "lists.toml")
    with pytest.raises(StudyError, match="'model' is missing"):
        parse_study(LISTS.replace('["./a", "./b"]', "[]"), "lists.toml")


def test_a_group_of_the_catalogue_stands_for_its_models() -> None:
    study = parse_study(LISTS.replace('["./a", "./b"]', '"catalogue:fill-mask"'), "lists.toml")
    assert len(study.cells) == 8 * 3
    assert study.cells[0].model == "albert-base-v2"
    with pytest.raises(StudyError, match="no models for 'fil-mask'"):
        parse_study(LISTS.replace('["./a", "./b"]', '"catalogue:fil-mask"'), "lists.toml")


def test_the_papers_study_in_both_protocols_has_the_same_cells() -> None:
    published, sound = (
        {(cell.task, cell.purpose, cell.model, cell.dataset) for cell in load_study(name).cells}
        for name in ("paper", "paper-sound")
    )
    assert len(published) == 80 * 3 + 8 * 9
    assert published == sound


def test_the_sound_protocol_gives_all_models_of_a_task_inputs_and_outputs_of_one_length() -> None:
    settings: dict[tuple[str, Purpose], set[tuple[int | None, ...]]] = {}
    for cell in load_study("paper-sound").cells:
        own = cell.settings
        key = (cell.task, cell.purpose)
        settings.setdefault(key, set()).add((own.input_tokens_max_n, own.new_tokens_min_n, own.new_tokens_max_n))
        assert own.new_tokens_min_n == own.new_tokens_max_n
        assert own.beams_n == 1
    assert all(len(found) == 1 for found in settings.values())


def test_the_published_beams_are_the_models_own() -> None:
    own = {model.model: model.beams_n for model in catalogue_models()}
    for cell in load_study("paper").cells:
        if cell.task in ("summarization", "image-to-text") and cell.purpose is Purpose.TASK_SPECIFIC:
            assert (cell.model, cell.settings.beams_n) == (cell.model, own[cell.model])


def test_a_setting_of_all_cells() -> None:
    study = parse_study(GOOD, "mine.toml")
    changed = with_settings(study, {"batch_n": 4, "dtype": "bfloat16"}, "--set")
    assert {(cell.settings.batch_n, cell.settings.dtype) for cell in changed.cells} == {(4, "bfloat16")}
    assert changed.cells[1].settings.prompt == study.cells[1].settings.prompt
    assert changed.study_id != study.study_id
    for wrong in ({"batch_n": 0}, {"weights": "drawn"}, {"trust": ["everything"]}, {"bach_n": 2}, {"batch_n": "four"}):
        with pytest.raises(StudyError, match="--set"):
            with_settings(study, wrong, "--set")


def test_a_single_cell_is_a_study_with_a_name_fit_for_a_folder() -> None:
    study = single_cell_study(
        {"task": "fill-mask", "model": "../my models/a:b", "dataset": "/x/y.jsonl", "split": None}
    )
    assert len(study.cells) == 1
    assert "/" not in study.name
    assert not study.name.startswith(".")


@pytest.mark.parametrize(
    ("cell", "settings", "says"),
    [
        ('task = "text-classification"', "image_px = 64", "text-classification does not use image_px"),
        ('task = "text-classification"', 'prompt = "{text}"', "does not use prompt"),
        ('task = "text-classification"\npurpose = "multi-purpose"', 'prompt = "{text}"', None),
        ('task = "image-to-text"', 'prompt = "what is this?"', "does not use prompt"),
        ('task = "image-to-text"', "new_tokens_max_n = 5", None),
        ('task = "image-classification"', "input_tokens_max_n = 5", "does not use input_tokens_max_n"),
        ('task = "text-to-image"', "steps_n = 3", None),
        ('task = "text-to-image"', "beams_n = 3", "does not use beams_n"),
        ('task = "text-to-image"', "beams_n = 1", None),
    ],
)
def test_a_setting_that_changes_nothing_is_refused(cell: str, settings: str, says: str | None) -> None:
    text = f'[[cells]]\n{cell}\nmodel = "./m"\ndataset = "d.jsonl"\n[cells.settings]\n{settings}\n'
    if says is None:
        (found,) = parse_study(text, "mine.toml").cells
        assert "beams_n" in settings or found.settings != Settings()
        return
    with pytest.raises(StudyError, match=says):
        parse_study(text, "mine.toml")


def test_a_setting_of_all_cells_has_to_concern_one_of_them() -> None:
    cells = "".join(
        f'[[cells]]\ntask = "{task}"\nmodel = "./m"\ndataset = "d.jsonl"\n'
        for task in ("text-classification", "text-to-image")
    )
    study = parse_study(f"[settings]\nimage_px = 64\n{cells}", "mine.toml")
    assert [cell.settings.image_px for cell in study.cells] == [64, 64]
    with pytest.raises(StudyError, match="no cell uses beams_n"):
        parse_study(f"[settings]\nbeams_n = 2\n{cells}", "mine.toml")
    assert with_settings(study, {"steps_n": 2}, "--set").cells[1].settings.steps_n == 2
    with pytest.raises(StudyError, match="--set: no cell uses new_tokens_max_n"):
        with_settings(study, {"new_tokens_max_n": 2}, "--set")
    own = parse_study('[[cells]]\ntask = "text-classification"\nmodel = "m:f"\ndataset = "d.csv"\n', "mine.toml")
    with pytest.raises(StudyError, match="--set: m:f does not use prompt"):
        with_settings(own, {"prompt": "x"}, "--set")
