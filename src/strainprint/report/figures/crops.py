"""Figure 10: how a map becomes the crops that the networks see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from strainprint.dataset.crops import (
    KINDS,
    SQUARES,
    crop_boxes,
    crop_picture,
    crops_per_picture,
    proportional_scales,
    resized_shape,
)
from strainprint.report.figures.strain_maps import round_length
from strainprint.report.figures.style import COLUMN_IN, SERIES_COLOURS, Plate
from strainprint.report.wording import counted, listed, width_label

_PER_SCALE = len(SQUARES) * len(KINDS)


def draw_crops(
    picture: NDArray[np.uint8],
    *,
    map_id: str,
    pitch_nm: float,
    crop_px: int,
    scales: Sequence[int],
    aspect: str,
    study: str,
    split: str,
) -> Plate:
    """Draw a map's picture with its three squares and, below, the six crops of the first scale.

    Parameters
    ----------
    picture
        Grey levels, shape (rows, columns), uint8.
    map_id, pitch_nm
        Of the map.
    crop_px, scales, aspect
        As for :func:`strainprint.dataset.crops.crop_picture`.
    """
    rows, columns = picture.shape
    crops = crop_picture(picture, crop_px=crop_px, scales=scales, aspect=aspect)
    boxes = crop_boxes(rows, columns, crop_px=crop_px, scales=scales, aspect=aspect)
    tall = COLUMN_IN * rows / columns
    figure = Figure(figsize=(COLUMN_IN, tall + 2.55))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[tall + 0.3, 2.25])[:, 0]
    axes = above.subplots()
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, aspect="equal", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    length_nm = round_length(0.3 * columns * pitch_nm)
    axes.plot([2, 2 + length_nm / pitch_nm], [rows * 1.1] * 2, color="black", lw=1.6, clip_on=False)
    axes.text(4 + length_nm / pitch_nm, rows * 1.1, width_label(length_nm), fontsize=6, va="center")
    for square in range(len(SQUARES)):
        for kind, style in zip(range(len(KINDS)), ("--", "-"), strict=True):
            top, bottom, left, right = boxes[square * len(KINDS) + kind]
            axes.add_patch(
                Rectangle(
                    (left - 0.5, top - 0.5),
                    right - left,
                    bottom - top,
                    fill=False,
                    edgecolor=SERIES_COLOURS[square],
                    linestyle=style,
                    linewidth=1.1,
                    clip_on=False,
                )
            )
    grid = below.subplots(len(KINDS), len(SQUARES))
    for (kind, square), one in np.ndenumerate(grid):
        one.imshow(crops[square * len(KINDS) + kind], cmap="gray", vmin=0, vmax=255)
        one.set_xticks([])
        one.set_yticks([])
        one.spines[:].set(color=SERIES_COLOURS[square], linewidth=1.1, linestyle=("--", "-")[kind])
        one.spines[:].set_visible(True)
        if kind == 0:
            one.set_title(SQUARES[square], fontsize=7, color=SERIES_COLOURS[square])
        if square == 0:
            one.set_ylabel(("centre", "whole square,\nresized")[kind], fontsize=7)
    sides = proportional_scales(crop_px, scales)
    sizes = [" × ".join(map(str, resized_shape(rows, columns, side, aspect))) for side in sides]
    shape = "stretched to 1:3" if aspect == "1:3" else "with its own proportions"
    return Plate(
        figure,
        "From a map to its crops",
        f"Map {map_id} as a grey picture of {rows} × {columns} px, {pitch_nm:g} nm each (above; "
        f"0 to 255 between its least and largest strain). It is resized {shape} to "
        f"{listed(sizes)} px; of each size the left, middle and right square are taken, and "
        f"of each square its centre (dashed) and the whole, resized to {crop_px} px (solid; below, "
        f"at the first of {counted(len(scales), 'size')}): {crops_per_picture(scales)} crops. "
        f"Study {study} (drawn for split {split}). Compare Figure 10 of the paper.",
        "A strain map with the outlines of three squares, and the six crops cut from them.",
        "1 map",
    )
