"""Where a model's files lie: in the cache of miniatures, in a folder of one's own, or in the hub's local cache.

Nothing here loads a model, and only :func:`fetch_model` touches the network.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from joulemark.records import Cell, Purpose
from joulemark.units import show
from joulemark.workloads import hub, miniature
from joulemark.workloads.catalogue import find_catalogue_model
from joulemark.workloads.datasets import MINIATURE
from joulemark.workloads.tasks import WRITTEN
from joulemark.workloads.workload import WorkloadError, path_errors

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_WRITERS = ("prompted-decoder", "text-decoder", "summarizer")  # miniatures that write, whatever they are asked
_WRITTEN = ("text-generation", "summarization")  # the tasks that they can be asked without a prompt
# What the class of a model is called that has the head for a task.
_HEADS = {
    "text-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "image-classification": "ForImageClassification",
    "object-detection": "ForObjectDetection",
}
_HEADLESS = ("Model", "ForMaskedLM", "ForCausalLM", "ForConditionalGeneration", "ForPreTraining")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder with weights in safetensors, and what its ``joulemark.json`` says of them, if it has one."""

    path: Path
    weights: str  # "trained" or "random"
    weights_sha256: str | None
    revision: str | None = None  # the commit of a model of the hub


class NotHere(WorkloadError):
    """A model of the hub that is not on this machine yet."""


def find_model(cell: Cell) -> ModelFolder:
    """The folder of the cell's model.

    Raises:
        WorkloadError: it does not exist, or holds no weights, or only pickled ones, which could run any code.
    """
    with path_errors(f"model {cell.model}"):
        path = path_of(cell)
        if not path.is_dir():
            raise WorkloadError(f"model {cell.model} is not built yet; joulemark.workloads.prepare builds it")
        if not any(path.rglob("*.safetensors")):
            pickled = any(found for pattern in _PICKLES for found in path.rglob(pattern))
            if not pickled:
                raise WorkloadError(f"model folder {path} holds no weights (*.safetensors)")
            if "pickled-weights" not in cell.settings.trust:
                raise WorkloadError(
                    f"model folder {path} holds only pickled weights, which could run any code; "
                    "convert them to safetensors, or allow them with --set trust=pickled-weights"
                )
        facts_file = path / miniature.FACTS_FILE
        facts = json.loads(facts_file.read_text()) if facts_file.is_file() else {}
    return ModelFolder(path, facts.get("weights", "trained"), facts.get("weights_sha256"), _commit(path))


def fetch_model(cell: Cell) -> None:
    """Put the cell's model in place: build the miniature, or fetch what is missing from the hub.

    Raises:
        WorkloadError: it can neither be found nor built nor fetched, or may not be used.
    """
    if cell.model.startswith(MINIATURE):
        _check_made_for(cell)
        miniature.build(cell.model.removeprefix(MINIATURE))
        return
    _check_libraries(cell)
    try:
        _need_here(cell)
    except NotHere:
        name, revision = hub_id_of(cell.model), cell.model_revision
        if _needs_head(cell):
            _check_head(cell, hub.model_config(name, revision))  # before its weights, which are large
        hub.download_model(name, revision, trust=cell.settings.trust, texts_only=is_architecture_only(cell))
    _check_head_of_folder(cell)


def check_model(cell: Cell) -> None:
    """Make sure, without loading anything, that the cell's model can be had: it is here, or the hub can be asked.

    Raises:
        WorkloadError: it cannot.
    """
    if cell.model.startswith(MINIATURE):
        path_of(cell)
        _check_made_for(cell)
    else:
        _check_libraries(cell)
        try:
            _need_here(cell)
            _check_head_of_folder(cell)
        except NotHere as error:
            if why := _why_unreachable(hub.endpoint(), hub.is_offline()):
                raise WorkloadError(
                    f"model {cell.model} is not on this machine, and the hub cannot be asked for it ({why})"
                ) from error
    _check_memory(cell)


def _check_made_for(cell: Cell) -> None:
    """Refuse a miniature that was made for another task. One that writes text can be told to do any."""
    name = cell.model.removeprefix(MINIATURE)
    made = miniature.recipe(name)
    writes = name in _WRITERS and (cell.purpose is Purpose.MULTI_PURPOSE or cell.task in _WRITTEN)
    if cell.task != made.task and not writes:
        raise WorkloadError(f"{cell.model} was made for {made.task}, not for {cell.task}: {made.description}")


def _needs_head(cell: Cell) -> bool:
    """Whether the cell's model must have been made for its task."""
    if is_architecture_only(cell) or cell.purpose is Purpose.MULTI_PURPOSE:
        return False
    return cell.task == "fill-mask" or cell.task in WRITTEN or cell.task in _HEADS


def _check_head_of_folder(cell: Cell) -> None:
    """Look at the head of a model that is here, but not of a miniature, which may be opened for its cost alone."""
    if not _needs_head(cell):
        return
    path = path_of(cell)
    if (path / miniature.FACTS_FILE).is_file():
        return
    try:
        config = (path / "config.json").read_bytes()
    except OSError:
        return
    _check_head(cell, config)


def _check_head(cell: Cell, config_json: bytes) -> None:
    """Refuse trained weights whose configuration says that they were made for another task.

    Loading would refuse them too, after the libraries' seconds. What says nothing, or names a class of its own, is left
    to it.
    """
    try:
        config = json.loads(config_json)
        names = [str(name) for name in config.get("architectures") or ()]
    except (ValueError, AttributeError, TypeError):
        return
    if not names or "auto_map" in config:
        return
    wanted = _HEADS.get(cell.task)
    others = [head for head in _HEADS.values() if head != wanted]
    headless = () if wanted is None else _HEADLESS
    if all(any(head in name for head in others) or name.endswith(headless) for name in names):
        raise WorkloadError(f"{cell.model} has no weights for {cell.task}: it was made for {', '.join(names)}")


def _need_here(cell: Cell) -> None:
    """Raise :class:`WorkloadError` unless the cell's model is here. An architecture alone needs no weights."""
    if not is_architecture_only(cell):
        find_model(cell)
    elif not is_made_up(cell):
        path_of(cell)


@cache
def _why_unreachable(_endpoint: str, _offline: bool) -> str | None:
    """Asked once for all cells of a study."""
    return hub.why_unreachable()


def _check_libraries(cell: Cell) -> None:
    """Refuse trained weights of the catalogue that the installed libraries cannot load, before they are fetched.

    A revision that the cell names may need less: facebook/detr-resnet-50 has one without timm.
    """
    found = find_catalogue_model(cell.model)
    if found is None or is_architecture_only(cell) or cell.model_revision:
        return
    if found.trained_needs == "timm" and find_spec("timm") is None:
        raise WorkloadError(
            f"{cell.model} has a backbone of timm, which is not installed: pip install 'joulemark[detection]', which "
            "brings torchvision along; its architecture alone (weights = random) runs without"
        )
    if found.trained_needs == "transformers<5" and int(version("transformers").split(".")[0]) >= 5:
        raise WorkloadError(
            f"transformers {version('transformers')} can no longer load {cell.model}: pip install 'transformers<5' in "
            "an environment of its own; its architecture alone (weights = random) runs here"
        )


def _check_memory(cell: Cell) -> None:
    """Refuse a model of the catalogue that is larger than the machine's memory, where it would run on the processor."""
    found, device = find_catalogue_model(cell.model), cell.settings.device
    on_processor = device == "cpu" or (device == "auto" and not Path("/dev/nvidiactl").exists())
    if found is None or not on_processor:
        return
    needed_byte = found.parameters_n * _BYTES.get(cell.settings.dtype, 4)
    there_byte = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed_byte > there_byte:
        raise WorkloadError(
            f"the weights of {cell.model} take {show(needed_byte, 'byte')} in {cell.settings.dtype}; "
            f"this machine has {show(there_byte, 'byte')} of memory"
        )


def is_architecture_only(cell: Cell) -> bool:
    """Whether the cell's model is its architecture with random weights, for which nothing is downloaded."""
    return cell.settings.weights == "random"


def is_made_up(cell: Cell) -> bool:
    """Whether the model is built from the catalogue alone, so that its tokenizer and samples are made up too."""
    return is_architecture_only(cell) and find_catalogue_model(cell.model) is not None


def hub_id_of(model: str) -> str:
    """What the hub calls a model today: many of the study's have moved."""
    found = find_catalogue_model(model)
    return found.hub_id if found is not None else model


def path_of(cell: Cell) -> Path:
    """Where the cell's model lies; a miniature that is not built yet has a path already.

    Raises:
        NotHere: it is a name for the hub, and not in the hub's cache.
        WorkloadError: no such miniature or folder.
    """
    with path_errors(f"model {cell.model}"):
        model = cell.model
        folder = Path(model).expanduser()
        if cell.model_revision and (model.startswith(MINIATURE) or folder.is_dir()):
            raise WorkloadError(f"model_revision is for models of the hub; {model} has none: leave it out")
        if model.startswith(MINIATURE):
            return miniature.folder_of(model.removeprefix(MINIATURE))
        if folder.is_dir():
            return folder
        if model.startswith(("/", "./", "../", "~")) or not _HUB_ID.fullmatch(model):
            raise WorkloadError(f"model folder {model} does not exist")
        for name in (hub_id_of(model), model):
            if (snapshot := hub.snapshot(name, cell.model_revision)) is not None:
                return snapshot
        at = f" at {cell.model_revision}" if cell.model_revision else ""
        raise NotHere(f"model {model}{at} is neither a folder nor in the hub's cache; `joulemark run` fetches it")


def _commit(path: Path) -> str | None:
    """The commit of a folder in the hub's cache."""
    return path.name if path.parent.name == "snapshots" and _COMMIT.fullmatch(path.name) else None
