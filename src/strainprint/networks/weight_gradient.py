"""The gradient of 3×3 kernels as nine products of matrices, for CPUs whose library is slow at it.

On CPUs with AVX2 and no AVX-512 oneDNN finds the gradient of the kernels at a third of the speed
of the convolution itself (channels last, fp32). With pixels as rows and a border of zeros, the
gradient of each of the nine taps is one product of the input, shifted by the tap, with the
gradient of the output; nothing is copied but the border.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_PIXELS = 56 * 56
"""Of an image: below, the library is as fast."""

_PIXELS = 112 * 112  # of as many images as a product takes at once: they stay in the cache


def helps_on(device: torch.device, precision: str) -> bool:
    """Say whether this is the kind of processor where the products were measured to be faster.

    They round otherwise than the library, so this follows from the hardware alone and never from
    a time measured in the run.
    """
    on_cpu = device.type == "cpu" and precision == "fp32"
    return on_cpu and torch.backends.cpu.get_cpu_capability() == "AVX2"


class ConvolutionByProducts(torch.autograd.Function):
    """3×3 'same' convolution whose kernels' gradient is :func:`kernel_gradient`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Return the convolution (n, c_out, h, w) of (n, c_in, h, w)."""
        ctx.save_for_backward(x, kernel)
        return F.conv2d(x, kernel, bias, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """Return the gradients of input, kernels and bias."""
        x, kernel = ctx.saved_tensors
        (gradient,) = gradients
        of_input, _, _ = torch.ops.aten.convolution_backward(
            *(gradient, x, kernel, [len(kernel)], [1, 1], [1, 1], [1, 1], False, [0, 0], 1),
            [ctx.needs_input_grad[0], False, False],
        )
        return of_input, kernel_gradient(x, gradient), gradient.sum((0, 2, 3))


def kernel_gradient(x: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of the kernels of a 3×3 'same' convolution, (c_out, c_in, 3, 3).

    Parameters
    ----------
    x, gradient
        Input (n, c_in, h, w) and gradient of the output (n, c_out, h, w).
    """
    n, c_in, h, w = x.shape
    c_out = gradient.shape[1]
    step = min(n, max(1, _PIXELS // (h * w)))
    padded = x.new_zeros(step, h + 2, w + 2, c_in)
    opposite = x.new_zeros(step, h + 2, w + 2, c_out)  # zeros at its end meet what wraps around
    taps = x.new_zeros(9, c_in, c_out)
    for start in range(0, n, step):
        images = min(step, n - start)
        padded[:images, 1:-1, 1:-1] = x[start : start + images].permute(0, 2, 3, 1)
        opposite[:images, :h, :w] = gradient[start : start + images].permute(0, 2, 3, 1)
        pixels = images * (h + 2) * (w + 2) - 2 * (w + 2) - 2
        of_input, of_output = padded.view(-1, c_in), opposite.view(-1, c_out)[:pixels]
        for tap in range(9):
            first = tap // 3 * (w + 2) + tap % 3
            taps[tap].addmm_(of_input[first : first + pixels].T, of_output)
    return (
        taps.view(3, 3, c_in, c_out)
        .permute(3, 2, 0, 1)
        .contiguous(memory_format=torch.channels_last)
    )
