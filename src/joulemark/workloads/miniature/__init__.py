"""Tiny real models, built on the spot and kept in a cache: what runs where no model can be downloaded.

A recipe writes a folder with ``save_pretrained``; from there it is loaded like any other model. The folder's name
carries a hash of the recipes' source and of the libraries' major versions, so a changed recipe is a new folder.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from joulemark.records import digest
from joulemark.workloads.cache_folder import alone, cache_folder
from joulemark.workloads.miniature import text_models, vision_models
from joulemark.workloads.miniature.training import reproducibly
from joulemark.workloads.torch_setup import quietly
from joulemark.workloads.workload import WorkloadError

FACTS_FILE = "joulemark.json"  # {"weights": "trained" | "random", "weights_sha256": …}, next to the weights


@dataclass(frozen=True, slots=True)
class Recipe:
    """``build`` writes the model into an empty folder; ``weights`` is "trained" or "random"."""

    task: str
    build: Callable[[Path], None]
    weights: str
    description: str


RECIPES: dict[str, Recipe] = {
    "sentiment-encoder": Recipe(
        "text-classification", text_models.sentiment_encoder, "trained", "BERT made for the sentiment of a sentence"
    ),
    "prompted-decoder": Recipe(
        "text-classification", text_models.prompted_decoder, "trained", "Llama told in a prompt which task to do"
    ),
    "entity-tagger": Recipe(
        "token-classification", text_models.entity_tagger, "trained", "BERT that tags persons, places, organisations"
    ),
    "question-reader": Recipe(
        "question-answering", text_models.question_reader, "trained", "BERT that marks the answer in a text"
    ),
    "masked-encoder": Recipe("fill-mask", text_models.masked_encoder, "trained", "BERT that fills in a word"),
    "text-decoder": Recipe("text-generation", text_models.text_decoder, "random", "Llama that continues a text"),
    "summarizer": Recipe("summarization", text_models.summarizer, "random", "T5"),
    "digit-classifier": Recipe(
        "image-classification", vision_models.digit_classifier, "trained", "ResNet that reads handwritten digits"
    ),
    "object-detector": Recipe("object-detection", vision_models.object_detector, "random", "YOLOS"),
    "captioner": Recipe("image-to-text", vision_models.captioner, "random", "ViT with GPT-2"),
    "picture-maker": Recipe("text-to-image", vision_models.picture_maker, "random", "Stable Diffusion"),
}


def recipe(name: str) -> Recipe:
    """The recipe of a miniature model.

    Raises:
        WorkloadError: there is none of that name.
    """
    if name not in RECIPES:
        raise WorkloadError(f"no miniature model {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]


def folder_of(name: str) -> Path:
    """Where the model lies, or will lie once it is built."""
    recipe(name)
    return cache_folder() / "miniature" / f"{name}-{_fingerprint()}"


def build(name: str) -> Path:
    """Build the model unless it is in the cache, and return its folder.

    Several processes may ask for the same model: one builds, the others wait. A folder appears under its name only
    when it is complete.

    Raises:
        WorkloadError: no such model, or the cache cannot be written.
    """
    wanted, folder = recipe(name), folder_of(name)
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(folder.with_suffix(".lock")):
            if not folder.is_dir():
                with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as scratch:
                    unfinished = Path(scratch) / "model"
                    unfinished.mkdir()
                    with reproducibly(), quietly("transformers"):
                        wanted.build(unfinished)
                    facts = {"weights": wanted.weights, "weights_sha256": _weights_sha256(unfinished)}
                    (unfinished / FACTS_FILE).write_text(json.dumps(facts))
                    unfinished.rename(folder)
    except OSError as error:
        raise WorkloadError(f"cannot write the model cache {folder.parent}: {error.strerror or error}") from error
    return folder


def _fingerprint() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    majors: dict[str, str | None] = {}
    for library in ("torch", "transformers", "diffusers"):
        try:
            majors[library] = version(library).split(".")[0]
        except PackageNotFoundError:
            majors[library] = None
    return digest({"majors": majors, "sources": [source.read_text() for source in sources]})[:12]


def _weights_sha256(folder: Path) -> str:
    content = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        content.update(path.read_bytes())
    return content.hexdigest()
