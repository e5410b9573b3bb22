"""Image processors of the catalogue's models, built from their classes and sizes without a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulemark.workloads.catalogue import CatalogueModel, architecture_of
from joulemark.workloads.workload import WorkloadError


def synthetic_processor(model: CatalogueModel) -> Any:
    """The model's image processor, with its sizes and normalisation, in the variant that works on PIL images.

    Raises:
        WorkloadError: the model looks at no images.
    """
    described = architecture_of(model).get("image_processor")
    if described is None:
        raise WorkloadError(f"{model.model} looks at no images: it has no image processor")
    return processor_of(described)


def processor_of(described: Mapping[str, Any]) -> Any:
    """The image processor of ``described["class"]`` with the other entries as its options."""
    import transformers

    options = dict(described)
    name = options.pop("class")
    # Version 5 of transformers has the processor that needs no torchvision under a name of its own.
    return (getattr(transformers, f"{name}Pil", None) or getattr(transformers, name))(**options)
