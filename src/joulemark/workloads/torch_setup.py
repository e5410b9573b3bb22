"""What every runner on torch sets up first: device, number type, threads, and silence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

from joulemark.workloads.workload import WorkloadError


def device_of(name: str) -> Any:
    """The torch device that a setting names; "auto" is the first CUDA device, else the processor.

    Raises:
        WorkloadError: there is no such device.
    """
    import torch

    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (AssertionError, RuntimeError) as error:
        raise WorkloadError(f"no device {name!r} here: {first_line(error)}") from error


def dtype_of(name: str) -> Any:
    """The torch dtype that a setting names.

    Raises:
        WorkloadError: it is no floating-point type of torch.
    """
    import torch

    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise WorkloadError(f"dtype {name!r} is not float32, float16 or bfloat16")
    return dtype


@contextmanager
def threads(threads_n: int | None) -> Iterator[None]:
    """Let torch use so many threads inside; ``None`` leaves it at what it uses."""
    import torch

    before_n = torch.get_num_threads()
    torch.set_num_threads(threads_n or before_n)
    try:
        yield
    finally:
        torch.set_num_threads(before_n)


@contextmanager
def quietly(*libraries: str) -> Iterator[None]:
    """Keep the progress bars, load reports and warnings of "transformers" or "diffusers" to themselves."""
    with warnings.catch_warnings(), ExitStack() as afterwards:
        warnings.simplefilter("ignore")
        for library in libraries:
            logging = import_module(f"{library}.utils.logging")
            afterwards.callback(logging.set_verbosity, logging.get_verbosity())
            logging.set_verbosity_error()
            if logging.is_progress_bar_enabled():
                afterwards.callback(logging.enable_progress_bar)
            logging.disable_progress_bar()
        yield


def first_line(error: BaseException) -> str:
    """The first line of an error's message: libraries put a page behind it."""
    return str(error).strip().split("\n")[0]
