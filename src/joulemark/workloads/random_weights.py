"""Random weights for large models, in the time that it takes to write them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_BLOCK_N = 1_000_003  # prime, so that no row of a matrix starts where another does
_NOISE_PX = 224
_VARIANCE_MIN = 1e-6


@contextmanager
def repeated_random_numbers(seed: int) -> Iterator[None]:
    """Inside, ``normal_`` and ``uniform_`` fill tensors from one block of a million numbers, over and over.

    A model that is built inside runs its own initialisation, so that its norms, biases and buffers are as they must
    be. Drawing billions of numbers anew would take a processor minutes and make its weights no better: what the model
    says is noise either way. Tensors on the meta device are left alone.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    drawn = torch.Generator().manual_seed(seed)
    normal = torch.randn(_BLOCK_N, generator=drawn, dtype=torch.float32, device="cpu")
    uniform = torch.rand(_BLOCK_N, generator=drawn, dtype=torch.float32, device="cpu")
    blocks: dict[tuple[str, Any, Any], Any] = {}
    next_i = 0

    def fill(tensor: Any, kind: str, numbers: Any) -> None:
        nonlocal next_i
        key = (kind, tensor.device, tensor.dtype)
        if key not in blocks:
            blocks[key] = numbers.to(tensor.device, tensor.dtype)
        flat, done_n = tensor.view(-1), 0
        while done_n < len(flat):
            copied_n = min(len(flat) - done_n, _BLOCK_N - next_i)
            flat[done_n : done_n + copied_n].copy_(blocks[key][next_i : next_i + copied_n])
            done_n, next_i = done_n + copied_n, (next_i + copied_n) % _BLOCK_N

    class Repeated(TorchDispatchMode):  # type: ignore[misc]  # torch is not typed here
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            is_normal = func is torch.ops.aten.normal_.default
            if not (is_normal or func is torch.ops.aten.uniform_.default) or not args[0].is_contiguous():
                return func(*args, **(kwargs or {}))
            tensor, given = args[0], tuple(args[1:])
            if tensor.is_meta:
                return tensor
            first, second = given + (0.0, 1.0)[len(given) :]  # mean and deviation, or low and high
            fill(tensor, "normal" if is_normal else "uniform", normal if is_normal else uniform)
            tensor.mul_(second if is_normal else second - first)
            return tensor.add_(first) if first else tensor

    with Repeated():
        yield


def set_norm_statistics(model: Any, seed: int) -> None:
    """Give a model's batch norms the mean and variance of what reaches them, as training would have.

    With the mean 0 and variance 1 that they start with, a deep network's activations overflow half precision, or
    vanish. An image of noise goes through the model once; a model without batch norms, or on the meta device,
    is left as it is.
    """
    import torch

    def settle(norm: Any, inputs: tuple[Any, ...]) -> None:
        reaching = inputs[0].float()
        norm.running_mean.copy_(reaching.mean((0, 2, 3)))
        norm.running_var.copy_(reaching.var((0, 2, 3)).clamp_min(_VARIANCE_MIN))

    norms = [part for part in model.modules() if getattr(part, "running_var", None) is not None]
    if not norms or norms[0].running_var.is_meta:
        return
    noise = torch.Generator().manual_seed(seed)
    pixels = torch.randn(1, 3, _NOISE_PX, _NOISE_PX, generator=noise, dtype=torch.float32)
    hooks = [norm.register_forward_pre_hook(settle) for norm in norms]
    with torch.no_grad():
        model(pixel_values=pixels.to(model.device, model.dtype))
    for hook in hooks:
        hook.remove()
