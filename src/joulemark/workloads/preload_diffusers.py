"""Importing this module imports, without a word, what loading a pipeline of diffusers needs, for a forking server."""

from __future__ import annotations

from importlib import import_module

from joulemark.workloads.torch_setup import cuda_left_alone, quietly

with cuda_left_alone(), quietly("transformers", "diffusers"):
    import_module("joulemark.workloads.preload_transformers")
    import_module("diffusers.pipelines.auto_pipeline")
