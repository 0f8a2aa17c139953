"""The 24 square crops of a strain map's grey picture, as the paper takes them.

Source: Yang et al. 2020 (doi 10.1038/s41598-020-65157-z), "Data preprocessing" and Figure 10;
the order of the crops is that of the authors' published code.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from strainprint.errors import BadInputError

PAPER_CROP_PX = 224
PAPER_SCALES = (256, 288, 320, 352)
ASPECTS = ("1:3", "keep")
SQUARES = ("left", "middle", "right")
KINDS = ("centre", "resized")

_ALLOWED_PICTURE = "2-D uint8, at least 1 x 1"


def crops_per_picture(scales: Sequence[int] = PAPER_SCALES) -> int:
    """Return the number of crops: three squares in two kinds at every scale, 24 in the paper."""
    return len(scales) * len(SQUARES) * len(KINDS)


def proportional_scales(crop_px: int, scales: Sequence[int] = PAPER_SCALES) -> tuple[int, ...]:
    """Return the short sides in pixels that keep the paper's geometry at another crop size.

    ``scales`` are those for crops of 224 px; at 56 px, (256, 288, 320, 352) become
    (64, 72, 80, 88). Rounded to the nearest pixel.

    Raises
    ------
    BadInputError
        ``crop_px`` is below 1, or a scale is smaller than the paper's crop of 224 px.
    """
    if crop_px < 1:
        raise BadInputError(f"crop_px is {crop_px}", allowed="a whole number of pixels, 1 or more")
    if not scales or min(scales) < PAPER_CROP_PX:
        raise BadInputError(
            f"scales are {list(scales)}",
            allowed=f"one or more short sides of {PAPER_CROP_PX} px or more",
        )
    return tuple(max(crop_px, round(scale * crop_px / PAPER_CROP_PX)) for scale in scales)


def resized_shape(rows: int, columns: int, short_side: int, aspect: str) -> tuple[int, int]:
    """Return (rows, columns) of the resized picture whose squares are cropped.

    ``"1:3"`` stretches every picture to three times as long as wide, as the paper does;
    ``"keep"`` leaves the aspect as it was, but never shorter than one square.
    """
    if aspect not in ASPECTS:
        raise BadInputError(f"aspect {aspect!r}", allowed=" or ".join(ASPECTS))
    if aspect == "1:3":
        return short_side, 3 * short_side
    return short_side, max(short_side, round(short_side * columns / rows))


def crop_picture(
    picture: NDArray[np.uint8],
    *,
    crop_px: int = PAPER_CROP_PX,
    scales: Sequence[int] = PAPER_SCALES,
    aspect: str = "1:3",
) -> NDArray[np.uint8]:
    """Return the crops of one picture, shape (n_crops, crop_px, crop_px), uint8.

    The picture (rows across the width, columns along the loading axis) is resized to each scale;
    its left, middle and right squares are taken; of each square the centre ``crop_px`` and the
    whole square resized to ``crop_px``. Index = (scale * 3 + square) * 2 + kind. Every resize is
    Pillow's antialiased bilinear one, bit for bit.

    Parameters
    ----------
    picture
        Grey levels, shape (rows, columns), uint8.
    crop_px
        Side of every crop in pixels; 224 in the paper.
    scales
        Short sides for crops of 224 px; scaled in proportion to ``crop_px``.
    aspect
        ``"1:3"`` (forced, as published) or ``"keep"``.

    Raises
    ------
    BadInputError
        The picture is not 2-D uint8 or is empty, or a setting is not allowed.
    """
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        kind = getattr(picture, "dtype", type(picture).__name__)
        raise BadInputError(
            f"picture is of type {kind}",
            allowed=_ALLOWED_PICTURE,
            way_out="make it with maps.picture.grey_picture",
        )
    if picture.ndim != 2 or 0 in picture.shape:
        raise BadInputError(f"picture has shape {picture.shape}", allowed=_ALLOWED_PICTURE)
    rows, columns = picture.shape
    image = Image.fromarray(picture)
    short_sides = proportional_scales(crop_px, scales)
    crops = np.empty((crops_per_picture(scales), crop_px, crop_px), dtype=np.uint8)
    index = 0
    for short_side in short_sides:
        _, length = resized_shape(rows, columns, short_side, aspect)
        resized = image.resize((length, short_side), Image.Resampling.BILINEAR)
        for left in (0, (length - short_side) // 2, length - short_side):
            square = resized.crop((left, 0, left + short_side, short_side))
            margin = (short_side - crop_px) // 2
            centre = square.crop((margin, margin, margin + crop_px, margin + crop_px))
            whole = square.resize((crop_px, crop_px), Image.Resampling.BILINEAR)
            crops[index], crops[index + 1] = np.asarray(centre), np.asarray(whole)
            index += 2
    return crops


def crop_boxes(
    rows: int,
    columns: int,
    *,
    crop_px: int = PAPER_CROP_PX,
    scales: Sequence[int] = PAPER_SCALES,
    aspect: str = "1:3",
) -> NDArray[np.float64]:
    """Return the part of a picture that each of its crops shows, in the order of the crops.

    Parameters
    ----------
    rows, columns
        Size of the picture.
    crop_px, scales, aspect
        As for :func:`crop_picture`.

    Returns
    -------
    Edges (top, bottom, left, right) in pixels of the picture, shape (n_crops, 4).
    """
    boxes: list[NDArray[np.float64]] = []
    for short_side in proportional_scales(crop_px, scales):
        _, length = resized_shape(rows, columns, short_side, aspect)
        across, along = rows / short_side, columns / length
        margin = (short_side - crop_px) // 2
        for left in (0, (length - short_side) // 2, length - short_side):
            for inset, side in ((margin, crop_px), (0, short_side)):
                edges = (inset, inset + side, left + inset, left + inset + side)
                boxes.append(np.multiply(edges, (across, across, along, along)))
    return np.array(boxes)
