"""The models of Luccioni et al. (FAccT 2024) as data: what each is called, and from which configuration it is built.

The rows are in ``catalogue/models.csv``, the configurations in ``catalogue/architectures``; ``catalogue/README.md``
says what the columns and keys mean and how far each row was verified.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from joulemark.records import Purpose
from joulemark.workloads.workload import WorkloadError


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model of the study.

    ``parameters_n`` is what the study published; the class that has so many is ``counted_class``, which lacks the
    task's head as a rule. ``parameters_note`` says why another number comes out, where it does.
    """

    model: str  # the study's name for it
    hub_id: str  # the hub's name for it today
    task: str | None  # None: it is prompted for several
    purpose: Purpose
    in_paper: bool
    family: str
    model_class: str  # of transformers, or a pipeline of diffusers
    architecture: str | None  # its file, without .json; None: not described, so it cannot be built
    labels_n: int | None
    beams_n: int  # its own default for generating
    parameters_n: int
    counted_class: str
    licence: str | None
    revision: str | None
    source: str
    verification: str
    parameters_note: str | None
    note: str | None
    trained_needs: str | None  # what loading the hub's weights takes besides: "timm", or "transformers<5"


@cache
def catalogue_models() -> tuple[CatalogueModel, ...]:
    """All rows, task by task: the 88 models of the paper, and three more that its logs or files name."""
    text = files("joulemark").joinpath("catalogue", "models.csv").read_text(encoding="utf-8")
    return tuple(
        CatalogueModel(
            model=row["model"],
            hub_id=row["hub_id"],
            task=row["task"] if row["purpose"] == Purpose.TASK_SPECIFIC else None,
            purpose=Purpose(row["purpose"]),
            in_paper=row["in_paper"] == "yes",
            family=row["family"],
            model_class=row["model_class"],
            architecture=row["architecture"] or None,
            labels_n=int(row["labels_n"]) if row["labels_n"] else None,
            beams_n=int(row["beams_n"]),
            parameters_n=int(row["parameters_n"]),
            counted_class=row["counted_class"],
            licence=row["licence"] or None,
            revision=row["revision"] or None,
            source=row["source"],
            verification=row["verification"],
            parameters_note=row["parameters_note"] or None,
            note=row["note"] or None,
            trained_needs=row["trained_needs"] or None,
        )
        for row in csv.DictReader(text.splitlines())
    )


def find_catalogue_model(name: str) -> CatalogueModel | None:
    """The model that the study or the hub calls so, letter for letter."""
    return next((model for model in catalogue_models() if name in (model.model, model.hub_id)), None)


def architecture_of(model: CatalogueModel) -> Mapping[str, Any]:
    """The model's configuration with its tokenizer, image processor and settings for generating.

    A model whose ``architecture`` is a path has its file there, not in the catalogue.

    Raises:
        WorkloadError: the catalogue does not describe it.
    """
    if model.architecture is None:
        raise WorkloadError(f"the catalogue does not describe the architecture of {model.model}: {model.note}")
    return _read(model.architecture)


@cache
def _read(name: str) -> Mapping[str, Any]:
    text = files("joulemark").joinpath("catalogue", "architectures", f"{name}.json").read_text(encoding="utf-8")
    architecture: Mapping[str, Any] = json.loads(text)
    return architecture
