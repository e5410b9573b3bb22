"""What torch is told, and what it tells of itself."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from joulemark.workloads.torch_setup import tf32_of  # noqa: E402 - after torch is known to be there


@pytest.mark.parametrize(
    ("matrices", "convolutions", "said"),
    [
        (False, True, "convolution"),
        (True, True, "matrix product+convolution"),
        (True, False, "matrix product"),
        (False, False, None),
    ],
)
def test_what_is_computed_with_fewer_digits_is_told(matrices: bool, convolutions: bool, said: str | None) -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matrices, convolutions
        assert tf32_of(torch.device("cuda:0"), torch.float32) == said
        assert tf32_of(torch.device("cuda:0"), torch.bfloat16) is None
        assert tf32_of(torch.device("cpu"), torch.float32) is None
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
