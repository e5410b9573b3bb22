"""Work queued on accelerators: a window begins after what was queued before it, and ends after its own is done.

For NVIDIA boards the CUDA driver is asked, whichever framework has loaded it: each device of which this process has
an active context is waited for. Nothing is loaded and no context is made. No window may begin or end while a CUDA
graph is being captured: waiting ends the capture, as it does when a program waits by itself. Devices of other makers
are waited for through torch, if the program has imported it.
Source: https://docs.nvidia.com/cuda/cuda-driver-api/ (primary context and context management).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType

from joulemark.sensors import linker_finds

LIBRARY = "libcuda.so.1"

# What is loaded stays loaded: the functions of the driver, once they are found.
_wait_for_cuda: Callable[[], bool] | None = None
_can_be_loaded: bool | None = None


def wait_for_devices() -> bool:
    """Return when no device has work queued by this process. What fails there is left for the program to find.

    Returns:
        Whether this process uses such a device: it has a context on one.
    """
    global _wait_for_cuda, _can_be_loaded
    if _can_be_loaded is None:
        _can_be_loaded = linker_finds(LIBRARY.encode())
    used = False
    if _can_be_loaded:
        if _wait_for_cuda is None:
            _wait_for_cuda = _loaded_driver()
        if _wait_for_cuda is not None:
            used = _wait_for_cuda()
    torch = sys.modules.get("torch")
    if torch is not None:
        used = _wait_through_torch(torch) or used
    return used


def _loaded_driver() -> Callable[[], bool] | None:
    """A function that waits for every device with a context of this process; ``None`` while no driver is loaded.

    It says whether there was one.
    """
    import ctypes

    try:
        cuda = ctypes.CDLL(LIBRARY, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return None
    by = ctypes.byref

    def wait() -> bool:
        used = False
        count, device, active, flags = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(), ctypes.c_uint()
        current, context, popped = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        if cuda.cuCtxGetCurrent(by(current)) == 0 and current.value is not None:
            used = True
            cuda.cuCtxSynchronize()
        if cuda.cuDeviceGetCount(by(count)) != 0:  # the program has loaded the driver and not started it
            return used
        for index in range(count.value):
            if cuda.cuDeviceGet(by(device), index) != 0:
                continue
            if cuda.cuDevicePrimaryCtxGetState(device, by(flags), by(active)) != 0 or not active.value:
                continue
            used = True
            if cuda.cuDevicePrimaryCtxRetain(by(context), device) != 0:
                continue
            if context.value != current.value and cuda.cuCtxPushCurrent_v2(context) == 0:
                cuda.cuCtxSynchronize()
                cuda.cuCtxPopCurrent_v2(by(popped))
            cuda.cuDevicePrimaryCtxRelease_v2(device)
        return used

    return wait


def _wait_through_torch(torch: ModuleType) -> bool:
    """AMD (which torch calls cuda as well), Intel and Apple boards, if the program has used them; whether it has."""
    used, version = False, getattr(torch, "version", None)
    # Waiting meets the faults of earlier work, which are the program's to handle; torch may be half imported as well.
    with suppress(Exception):
        if getattr(version, "hip", None) and torch.cuda.is_initialized():
            used = True
            torch.cuda.synchronize()
    with suppress(Exception):
        if getattr(version, "xpu", None) and torch.xpu.is_initialized():
            used = True
            torch.xpu.synchronize()
    if sys.platform == "darwin":
        with suppress(Exception):
            if torch.backends.mps.is_available():
                used = used or torch.mps.current_allocated_memory() > 0
                torch.mps.synchronize()
    return used
