"""Models as bare architectures: their true size and random weights, for which nothing is downloaded.

A model of the catalogue is built from the catalogue, with a tokenizer and samples that are made up; any other from
the configuration in its folder, with the folder's tokenizer and the cell's own samples.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from joulemark.records import Cell
from joulemark.units import show
from joulemark.workloads.architectures import build_model, build_pipeline, weights_byte
from joulemark.workloads.catalogue import CatalogueModel, architecture_of, find_catalogue_model
from joulemark.workloads.datasets import load_samples, synthetic_samples
from joulemark.workloads.models import path_of
from joulemark.workloads.pretrained.loading import Loaded, attention_option, from_disk, parts_of, writer_of
from joulemark.workloads.random_weights import repeated_random_numbers, set_norm_statistics
from joulemark.workloads.samples import Samples
from joulemark.workloads.synthetic_processor import synthetic_processor
from joulemark.workloads.synthetic_tokenizer import synthetic_tokenizer, synthetic_vocabulary_n
from joulemark.workloads.tasks import Task
from joulemark.workloads.torch_setup import device_of, dtype_of, first_line, free_byte
from joulemark.workloads.workload import WorkloadError

BECAUSE = "architecture only"  # why such a model has no quality
MEMORY_MARGIN = 1.2  # what a model computes takes about a fifth of what its weights take

_SEED = 0


def bare_samples(cell: Cell, task: Task, queries_n: int) -> Samples:
    """Samples for the cell's bare architecture.

    Raises:
        WorkloadError: the dataset cannot be used, or the model cannot be asked for this task.
    """
    known = find_catalogue_model(cell.model)
    if known is None:
        return load_samples(cell, task, queries_n)
    reads = task.inputs != ("image",)
    return synthetic_samples(cell, task, queries_n, synthetic_vocabulary_n(known) if reads else 1)


def build(model_class: str | None, cell: Cell, task: Task) -> Loaded:
    """The cell's bare architecture by a class of transformers; ``None`` is the one that writes text.

    Raises:
        WorkloadError: it cannot be built for the task, has no such attention, or does not fit into the free memory.
    """
    device, dtype = device_of(cell.settings.device), dtype_of(cell.settings.dtype)
    known = find_catalogue_model(cell.model)
    try:
        if known is not None:
            _fit(cell, weights_byte(known, dtype), device)
            model = build_model(
                known,
                model_class or writer_of(_catalogue_config(known)),
                device=device,
                dtype=dtype,
                attention=attention_option(cell).get("attn_implementation"),
                seed=_SEED,
            )
            return Loaded(cell, task, model, device, dtype, _made_up(known))
        folder = path_of(cell)
        model = _build_from_folder(model_class, cell, folder, device, dtype)
        return Loaded(cell, task, model, device, dtype, parts_of(cell, folder))
    except (OSError, ValueError, ImportError) as error:
        raise WorkloadError(f"{cell.model} cannot be built for {task.task_id}: {first_line(error)}") from error


def build_drawing_pipeline(cell: Cell, device: Any, dtype: Any) -> Any:
    """The cell's bare pipeline of diffusers, on the device.

    Raises:
        WorkloadError: it is not in the catalogue, or does not fit into the free memory.
    """
    known = find_catalogue_model(cell.model)
    if known is None:
        raise WorkloadError(f"only pipelines of the catalogue can have random weights, and {cell.model} is not in it")
    _fit(cell, weights_byte(known, dtype), device)
    return build_pipeline(known, device=device, dtype=dtype, seed=_SEED)


def _build_from_folder(model_class: str | None, cell: Cell, folder: Path, device: Any, dtype: Any) -> Any:
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, **from_disk(cell))
    build_from = getattr(transformers, model_class or writer_of(config)).from_config
    options = {"dtype": dtype, **attention_option(cell)}
    with torch.device("meta"):
        empty = build_from(config, **options)
    _fit(cell, sum(parameter.nbytes for parameter in empty.parameters()), device)
    with repeated_random_numbers(_SEED), torch.device(device):
        model = build_from(config, **options).eval()
    set_norm_statistics(model, _SEED)
    return model


def _fit(cell: Cell, weights_size_byte: int, device: Any) -> None:
    """Refuse weights that leave no room on the device, before they fill it."""
    needed_byte, there_byte = weights_size_byte * MEMORY_MARGIN, free_byte(device)
    if there_byte is not None and needed_byte > there_byte:
        raise WorkloadError(
            f"{cell.model} needs {show(needed_byte, 'byte')}, its weights in {cell.settings.dtype} and a fifth more; "
            f"{device} has {show(there_byte, 'byte')} free"
        )


def _catalogue_config(known: CatalogueModel) -> Any:
    from transformers import AutoConfig

    described = architecture_of(known)
    if "config" not in described:
        raise WorkloadError(f"{known.model} is a pipeline that draws")
    fields = dict(described["config"])
    return AutoConfig.for_model(fields.pop("model_type"), **fields)


def _made_up(known: CatalogueModel) -> Callable[..., Any]:
    def part(auto_class: str, **_: Any) -> Any:
        return synthetic_tokenizer(known) if auto_class == "AutoTokenizer" else synthetic_processor(known)

    return part
