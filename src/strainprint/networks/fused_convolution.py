"""Convolution, the sum with a shortcut and ReLU as one, for prediction in fp32 on a CPU.

oneDNN adds and clips what it has in registers, so that sum and ReLU cost no pass over memory. The
bits are those of the three one after the other.
"""

from __future__ import annotations

import platform

import torch
from torch import Tensor, nn


def helps_on(x: Tensor) -> bool:
    """Say whether :func:`convolved` may take an input; nothing is gained or known elsewhere.

    torch convolves a single small image by other means, with other bits.

    ASSUME: oneDNN's fused convolution keeps its name in torch, where it is private; a torch without
    it takes the three one after the other.
    """
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and len(x) > 1
        and not torch.is_grad_enabled()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and platform.machine() in ("x86_64", "AMD64")
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )


def convolved(convolution: nn.Conv2d, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
    """Return the ReLU of a 'same' convolution with bias, or of its sum with a shortcut.

    It has no gradient.
    """
    fused = torch.ops.mkldnn._convolution_pointwise
    padding = [size // 2 for size in convolution.kernel_size]
    how = (convolution.weight, convolution.bias, padding, [1, 1], [1, 1], 1)
    if shortcut is None:
        out: Tensor = fused(x, *how, "relu", [], None)
    else:
        out = fused.binary(x, shortcut, *how, "add", 1.0, "relu", [], None)
    return out
