"""Where a model's files lie: in the cache of miniatures, in a folder of one's own, or in the hub's local cache.

Nothing here loads a model or touches the network.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from joulemark.records import Cell
from joulemark.workloads import miniature
from joulemark.workloads.datasets import MINIATURE
from joulemark.workloads.workload import WorkloadError

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder with weights in safetensors, and what its ``joulemark.json`` says of them, if it has one."""

    path: Path
    weights: str  # "trained" or "random"
    weights_sha256: str | None


def find_model(cell: Cell) -> ModelFolder:
    """The folder of the cell's model.

    Raises:
        WorkloadError: it does not exist, or holds no weights, or only pickled ones, which could run any code.
    """
    path = path_of(cell)
    if not path.is_dir():
        raise WorkloadError(f"model {cell.model} is not built yet; joulemark.workloads.prepare builds it")
    if not any(path.rglob("*.safetensors")):
        if any(found for pattern in _PICKLES for found in path.rglob(pattern)):
            raise WorkloadError(f"model folder {path} holds only pickled weights; convert them to safetensors")
        raise WorkloadError(f"model folder {path} holds no weights (*.safetensors)")
    facts_file = path / miniature.FACTS_FILE
    facts = json.loads(facts_file.read_text()) if facts_file.is_file() else {}
    return ModelFolder(path, facts.get("weights", "trained"), facts.get("weights_sha256"))


def path_of(cell: Cell) -> Path:
    """Where the cell's model lies; a miniature that is not built yet has a path already.

    Raises:
        WorkloadError: no such miniature or folder, or not in the hub's cache.
    """
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
    snapshot = _hub_snapshot(model, cell.model_revision or "main")
    if snapshot is None:
        at = f" at {cell.model_revision}" if cell.model_revision else ""
        raise WorkloadError(f"model {model}{at} is neither a folder nor in the hub's cache; hf download {model}")
    return snapshot


def _hub_snapshot(model: str, revision: str) -> Path | None:
    """The snapshot of a hub model in the local cache: ``refs/<branch or tag>`` names a commit under ``snapshots``."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    repository = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{model.replace('/', '--')}"
    ref = repository / "refs" / revision
    snapshot = repository / "snapshots" / (ref.read_text().strip() if ref.is_file() else revision)
    return snapshot if snapshot.is_dir() else None
