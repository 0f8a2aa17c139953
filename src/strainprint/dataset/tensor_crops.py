"""The crops of a picture as integer tensor code, on any device, with Pillow's bits.

Pillow resizes 8-bit pictures with weights rounded to 22 bits after the point, first along the rows
and then along the columns, each pass rounded to 8 bits (libImaging/Resample.c). In whole numbers
that is the same on every device, which no floating-point resize is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from strainprint.dataset.crops import (
    PAPER_CROP_PX,
    PAPER_SCALES,
    crops_per_picture,
    proportional_scales,
    resized_shape,
)
from strainprint.errors import BadInputError

_BITS = 22


def crop_tensor(
    picture: Tensor,
    *,
    crop_px: int = PAPER_CROP_PX,
    scales: Sequence[int] = PAPER_SCALES,
    aspect: str = "1:3",
) -> Tensor:
    """Return the crops of one picture on its device, shape (n_crops, crop_px, crop_px), uint8.

    Equal to :func:`strainprint.dataset.crops.crop_picture` bit for bit; parameters as there.

    Raises
    ------
    BadInputError
        The picture is not 2-D uint8 or is empty, or a setting is not allowed.
    """
    if picture.dtype != torch.uint8 or picture.ndim != 2 or 0 in picture.shape:
        raise BadInputError(
            f"picture of shape {tuple(picture.shape)} and type {picture.dtype}",
            allowed="2-D uint8, at least 1 x 1",
        )
    rows, columns = picture.shape
    shape = (crops_per_picture(scales), crop_px, crop_px)
    crops = torch.empty(shape, dtype=torch.uint8, device=picture.device)
    index = 0
    for short_side in proportional_scales(crop_px, scales):
        _, length = resized_shape(rows, columns, short_side, aspect)
        resized = _resized(picture, short_side, length)
        margin = (short_side - crop_px) // 2
        for left in (0, (length - short_side) // 2, length - short_side):
            square = resized[:, left : left + short_side]
            inner = slice(margin, margin + crop_px)
            crops[index] = square[inner, inner]
            crops[index + 1] = _resized(square, crop_px, crop_px)
            index += 2
    return crops


def _resized(picture: Tensor, rows: int, columns: int) -> Tensor:
    """Resize (h, w) uint8 as Pillow's antialiased bilinear filter does."""
    along_rows = _resized_columns(picture, columns)
    return _resized_columns(along_rows.T, rows).T


def _resized_columns(picture: Tensor, columns: int) -> Tensor:
    if picture.shape[1] == columns:
        return picture
    places, weights = (t.to(picture.device) for t in _taps(picture.shape[1], columns))
    grey = picture.int()
    total = torch.full((len(grey), columns), 1 << (_BITS - 1), device=grey.device).int()
    for place, weight in zip(places, weights, strict=True):  # below 2^30: int32 holds it
        total += grey[:, place] * weight
    return (total >> _BITS).clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=64)
def _taps(size: int, out_size: int) -> tuple[Tensor, Tensor]:
    """Return which pixels make each new one, and how much: (taps, out_size), int64 and int32."""
    scale = size / out_size
    support = max(scale, 1.0)  # the triangle is widened where the picture shrinks
    count = math.ceil(support) * 2 + 1
    places = torch.zeros((count, out_size), dtype=torch.int64)
    weights = torch.zeros((count, out_size), dtype=torch.int32)
    for new in range(out_size):
        centre = (new + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), size)
        heights = [
            max(0.0, 1.0 - abs((pixel - centre + 0.5) * (1.0 / support)))
            for pixel in range(first, last)
        ]
        total = 0.0
        for height in heights:  # in this order: the last bit of the sum counts
            total += height
        for tap, height in enumerate(heights):
            places[tap, new] = first + tap
            weights[tap, new] = int(0.5 + height / total * (1 << _BITS))
    return places, weights
