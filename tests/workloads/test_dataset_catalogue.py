from __future__ import annotations

import pytest

from joulemark.records import Cell
from joulemark.workloads import task_ids
from joulemark.workloads.dataset_catalogue import QUANTILES, KnownDataset, known_datasets
from joulemark.workloads.dataset_choice import choose
from joulemark.workloads.preprocessing import preprocessed, size_px, words_max_n
from joulemark.workloads.tasks import TEXT_CLASSIFICATION

DATASETS = list(known_datasets().values())


def test_the_30_pairs_of_the_study() -> None:
    """Table 1 of the paper: three datasets for each of ten tasks."""
    per_task = {
        task_id: [known.name for known in DATASETS if task_id in known.tasks]
        for known in DATASETS
        for task_id in known.tasks
    }
    assert sorted(per_task) == sorted(task_ids())
    assert {len(names) for names in per_task.values()} == {3}
    assert len(DATASETS) == 26  # four serve two tasks


@pytest.mark.parametrize("known", DATASETS, ids=lambda known: known.name)
def test_an_entry_says_where_it_is_from(known: KnownDataset) -> None:
    assert "/" in known.hub_id
    assert known.source.endswith(".py")
    assert known.verification in ("primary", "secondary", "secondary-weak", "derived", "unverified")
    assert known.empty_rows
    assert known.long_inputs
    for words in (
        *known.words.values(),
        *(one for variant in known.variants.values() for one in variant.words.values()),
    ):
        assert words.basis in ("logged", "published", "derived", "assumed")
        assert words.source
        assert len(words.quantiles_n) == len(QUANTILES)
        assert list(words.quantiles_n) == sorted(words.quantiles_n)
    if known.output_words:
        assert known.output_words[0] <= known.output_words[1]


@pytest.mark.parametrize("known", DATASETS, ids=lambda known: known.name)
def test_the_rules_are_known(known: KnownDataset) -> None:
    from PIL import Image

    for rules in [use.preprocessing for use in known.tasks.values()] + [
        one.preprocessing for one in known.variants.values()
    ]:
        row = preprocessed({"id": 0, "text": "one two. three", "image": Image.new("RGB", (4, 2))}, rules)
        assert words_max_n(rules) in (None, 20, 50)
        assert size_px(rules) in (None, (640, 480))
        assert set(row) <= {"id", "text", "image", "answer"}


def test_resizing_takes_boxes_along() -> None:
    from PIL import Image

    row = {"id": 0, "image": Image.new("RGB", (320, 120)), "boxes": (("cat", 10, 20, 30, 40),)}
    assert preprocessed(row, ["resize:640x480:nearest"])["boxes"] == (("cat", 20, 80, 60, 160),)


def test_the_user_has_the_last_word() -> None:
    plain = choose(Cell("text-classification", "m", "sst2"), TEXT_CLASSIFICATION)
    assert (plain.hub_id, plain.split, plain.usual_columns["text"]) == ("stanfordnlp/sst2", "test", "sentence")
    cell = Cell(
        "text-classification",
        "m",
        "sst2",
        split="validation",
        dataset_config="a",
        dataset_revision="b",
        columns={"text": "c"},
    )
    own = choose(cell, TEXT_CLASSIFICATION)
    assert (own.split, own.config, own.revision, own.columns["text"]) == ("validation", "a", "b", "c")
