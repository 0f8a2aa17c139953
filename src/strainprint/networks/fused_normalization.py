"""Batch normalisation, the sum with a shortcut and ReLU as one, for training in bf16 on a CPU.

Where the products run in bf16, most of a step is left to what moves every activation through
memory and multiplies next to nothing. torch takes normalisation, sum and ReLU one after the other
and computes bf16 slower than memory delivers it; here all three are two passes forward, two back.

Sums are taken in float32 over one image and in float64 over the batch, each image by itself: the
bits do not depend on the number of threads. Only what goes to memory is rounded to bf16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from strainprint.specimens.compilation import compiled

_LANES = 64
"""Numbers in a row of the kernels where that divides an image: whole pixels, one or several."""

_HALF, _ONE, _SIXTEEN = np.uint32(0x7FFF), np.uint32(1), np.uint32(16)

Bits: TypeAlias = NDArray[np.uint16]
Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]


def helps_on(device: torch.device, precision: str) -> bool:
    """Say whether a training runs this way; it follows from device and precision alone."""
    return device.type == "cpu" and precision == "bf16"


def normalized(
    x: Tensor, normalization: nn.BatchNorm2d, shortcut: Tensor | None = None, floor: float = 0.0
) -> Tensor:
    """Return max(floor, normalised x + shortcut) and update the running statistics.

    Parameters
    ----------
    x
        Output of a convolution (n, c, h, w), bf16.
    normalization
        In training.
    shortcut
        What is added, of the shape of ``x``, bf16; None for nothing.
    floor
        0 for ReLU, -inf for none.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    mean, variance = _moments(x)
    _update_running(normalization, mean, variance, x.numel() // len(mean))
    deviation = np.sqrt(variance + normalization.eps)
    out: Tensor = _Normalized.apply(  # type: ignore[no-untyped-call]
        *(x, normalization.weight, normalization.bias, shortcut, mean, deviation, floor)
    )
    return out


class _Normalized(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        shortcut: Tensor | None,
        mean: Doubles,
        deviation: Doubles,
        floor: float,
    ) -> Tensor:
        factor = weight.detach().numpy() / deviation
        offset = bias.detach().numpy() - mean * factor
        out = torch.empty_like(x)
        added = None if shortcut is None else _rows(_channels_last(shortcut))
        _run(_scale, [_rows(x), added, _rows(out)], [*_lanes(x, factor, offset), np.float32(floor)])
        ctx.save_for_backward(x, out, weight)
        ctx.mean, ctx.deviation, ctx.floor = mean, deviation, np.float32(floor)
        ctx.has_shortcut = shortcut is not None
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, out, weight = ctx.saved_tensors
        gradient = _channels_last(gradients[0])
        mean, deviation, floor = ctx.mean, ctx.deviation, ctx.floor
        c = len(mean)
        inputs = [_rows(x), _rows(out), _rows(gradient)]
        sums, products = _partial_sums(x), _partial_sums(x)
        _run(_sum_gradients, [*inputs, sums, products], [*_lanes(x, mean), floor])
        of_bias = _total(sums, c)
        of_weight = _total(products, c) / deviation
        # Of the input: factor · (gradient - mean gradient - normalised x · mean product).
        count = x.numel() // c
        factor = weight.detach().numpy() / deviation
        slope = -factor * of_weight / (deviation * count)
        offset = -factor * of_bias / count - slope * mean
        of_x = torch.empty_like(x)
        of_shortcut = torch.empty_like(x) if ctx.has_shortcut else None
        outputs = [_rows(of_x), None if of_shortcut is None else _rows(of_shortcut)]
        _run(_scale_gradients, [*inputs, *outputs], [*_lanes(x, factor, slope, offset), floor])
        of_parameters = (torch.from_numpy(one.astype(np.float32)) for one in (of_weight, of_bias))
        return of_x, *of_parameters, of_shortcut, None, None, None


def _moments(x: Tensor) -> tuple[Doubles, Doubles]:
    """Return mean and (biased) variance of every channel."""
    c = x.shape[1]
    origin = x[0, :, 0, 0].detach().double().numpy()  # near the mean: nothing cancels
    sums, squares = _partial_sums(x), _partial_sums(x)
    _run(_sum_squares, [_rows(x), sums, squares], _lanes(x, origin))
    count = x.numel() // c
    mean = _total(sums, c) / count
    variance = np.maximum(_total(squares, c) / count - mean**2, 0.0)
    return mean + origin, variance


def _update_running(
    normalization: nn.BatchNorm2d, mean: Doubles, variance: Doubles, count: int
) -> None:
    """Do what torch's batch normalisation does in training."""
    assert normalization.running_mean is not None
    assert normalization.running_var is not None
    assert normalization.num_batches_tracked is not None
    assert normalization.momentum is not None
    unbiased = variance * (count / max(count - 1, 1))
    for running, of_batch in (
        (normalization.running_mean, mean),
        (normalization.running_var, unbiased),
    ):
        running.lerp_(torch.from_numpy(of_batch).to(running.dtype), normalization.momentum)
    normalization.num_batches_tracked.add_(1)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _width(x: Tensor) -> int:
    """Return the numbers in a row of the kernels."""
    c, per_image = x.shape[1], x[0].numel()
    return _LANES if _LANES % c == 0 and per_image % _LANES == 0 else c


def _rows(x: Tensor) -> Bits:
    """Return the bits of (n, c, h, w), channels last, as (n, rows, width), in the same memory."""
    by_pixel = x.detach().permute(0, 2, 3, 1).view(len(x), -1, _width(x))
    bits: Bits = by_pixel.view(torch.uint16).numpy()
    return bits


def _lanes(x: Tensor, *of_channels: Doubles) -> list[Floats]:
    """Return values of channels for every lane of a row of ``x``."""
    times = _width(x) // x.shape[1]
    return [np.tile(one, times).astype(np.float32) for one in of_channels]


def _partial_sums(x: Tensor) -> Floats:
    return np.zeros((len(x), _width(x)), dtype=np.float32)


def _total(of_images: Floats, c: int) -> Doubles:
    """Return the sum of every channel (c,) from those of images and lanes."""
    total: Doubles = of_images.reshape(-1, c).sum(axis=0, dtype=np.float64)
    return total


def _run(kernel: Callable[..., None], of_images: Sequence[Any], shared: Sequence[Any]) -> None:
    """Run a kernel on as many shares of the images as torch has threads."""
    n = len(of_images[0])
    threads = min(torch.get_num_threads(), n)
    if threads == 1:
        return kernel(*of_images, *shared)
    bounds = [n * i // threads for i in range(threads + 1)]
    shares = [slice(*pair) for pair in pairwise(bounds)]

    def run_share(share: slice) -> None:
        kernel(*(None if one is None else one[share] for one in of_images), *shared)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run_share, shares))
    return None


@numba.njit
def _widened(bits):  # type: ignore[no-untyped-def]
    """Return a bf16 number as float32."""
    return np.uint32(np.uint32(bits) << _SIXTEEN).view(np.float32)


@numba.njit
def _rounded(number):  # type: ignore[no-untyped-def]
    """Return the nearest bf16 of a float32, of two the even one."""
    bits = np.float32(number).view(np.uint32)
    odd = np.uint32(np.uint32(bits >> _SIXTEEN) & _ONE)
    return np.uint16(np.uint32(np.uint32(bits + _HALF) + odd) >> _SIXTEEN)


@partial(compiled, nogil=True)
def _sum_squares(x: Bits, sums: Floats, squares: Floats, origin: Floats) -> None:
    """Sum distances from ``origin`` and their squares over every image."""
    n, rows, width = x.shape
    for i in range(n):
        for j in range(rows):
            for k in range(width):
                distance = _widened(x[i, j, k]) - origin[k]
                sums[i, k] += distance
                squares[i, k] += distance * distance


@partial(compiled, nogil=True)
def _scale(
    x: Bits, shortcut: Bits | None, out: Bits, factor: Floats, offset: Floats, floor: np.float32
) -> None:
    """Write max(floor, factor · x + offset + shortcut)."""
    n, rows, width = x.shape
    for i in range(n):
        for j in range(rows):
            for k in range(width):
                number = _widened(x[i, j, k]) * factor[k] + offset[k]
                if shortcut is not None:
                    number += _widened(shortcut[i, j, k])
                out[i, j, k] = _rounded(floor if number < floor else number)


@partial(compiled, nogil=True)
def _sum_gradients(
    x: Bits,
    out: Bits,
    gradient: Bits,
    sums: Floats,
    products: Floats,
    mean: Floats,
    floor: np.float32,
) -> None:
    """Sum the gradients that pass the ReLU, and their products with x - mean, over every image."""
    n, rows, width = x.shape
    for i in range(n):
        for j in range(rows):
            for k in range(width):
                passes = _widened(out[i, j, k]) > floor
                passed = _widened(gradient[i, j, k]) if passes else np.float32(0)
                sums[i, k] += passed
                products[i, k] += passed * (_widened(x[i, j, k]) - mean[k])


@partial(compiled, nogil=True)
def _scale_gradients(
    x: Bits,
    out: Bits,
    gradient: Bits,
    of_x: Bits,
    of_shortcut: Bits | None,
    factor: Floats,
    slope: Floats,
    offset: Floats,
    floor: np.float32,
) -> None:
    """Write the gradient that passes the ReLU, and factor times it + slope · x + offset."""
    n, rows, width = x.shape
    for i in range(n):
        for j in range(rows):
            for k in range(width):
                passes = _widened(out[i, j, k]) > floor
                passed = gradient[i, j, k] if passes else np.uint16(0)
                if of_shortcut is not None:
                    of_shortcut[i, j, k] = passed
                scaled = _widened(passed) * factor[k] + _widened(x[i, j, k]) * slope[k]
                of_x[i, j, k] = _rounded(scaled + offset[k])
