"""What every runner on torch sets up first: device, number type, threads, and silence."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from joulemark.workloads.workload import WorkloadError

DTYPES = ("float32", "float16", "bfloat16", "float64")
DEVICES = ("auto", "cpu", "cuda", "mps", "xpu", "npu", "hpu")  # all but the first two with or without a number

_MEMINFO = Path("/proc/meminfo")
_NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"


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


def tf32_of(device: Any, dtype: Any) -> str | None:
    """What torch computes with the ten binary digits of TF32 where float32 is asked for; ``None``: nothing.

    Only CUDA boards can. Convolutions do by default, products of matrices where the environment or a program says so.
    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html (TensorFloat-32)
    """
    import torch

    if device.type != "cuda" or dtype is not torch.float32:
        return None
    kinds = (
        ("matrix product", torch.backends.cuda.matmul.allow_tf32),
        ("convolution", torch.backends.cudnn.allow_tf32),
    )
    return "+".join(name for name, allowed in kinds if allowed) or None


def synchronise(device: Any) -> None:
    """Wait until the device has done all that it was told. A processor has, whenever torch returns."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize()


def free_byte(device: Any) -> int | None:
    """Memory that a model could still take on the device; ``None`` where that is not known.

    For a processor it is the kernel's own estimate, MemAvailable in ``/proc/meminfo`` (proc(5)).
    """
    if device.type == "cuda":
        import torch

        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    if device.type != "cpu" or not _MEMINFO.is_file():
        return None
    for line in _MEMINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None


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
def cuda_left_alone() -> Iterator[None]:
    """Let libraries that look for a board while they are imported ask NVML for it, and not CUDA.

    A process in which CUDA has been asked forks only processes that cannot use it. Source: "poison fork" in
    https://docs.pytorch.org/docs/stable/notes/multiprocessing.html
    """
    before = os.environ.get(_NVML_CHECK)
    os.environ[_NVML_CHECK] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_NVML_CHECK]
        else:
            os.environ[_NVML_CHECK] = before


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
