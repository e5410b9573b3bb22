"""Importing this module imports, without a word, what loading a model with transformers needs.

For a server that forks the processes which measure: a process that has these modules already does not spend the first
seconds of loading its model on reading Python files.
"""

from __future__ import annotations

from importlib import import_module

from joulemark.workloads.torch_setup import cuda_left_alone, quietly

with cuda_left_alone(), quietly("transformers"):
    for _module in (
        "torch",
        "transformers.generation.utils",
        "transformers.models.auto",
        "transformers.modeling_utils",
    ):
        import_module(_module)
