"""The picture that goes with a verdict."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from strainprint.files import write_whole

_GAP_PX = 4
# Least side that shows anything on a screen.
_LEAST_ROWS = 120


def write_saliency_png(
    path: str | Path, picture: NDArray[np.uint8], saliency: NDArray[np.float32]
) -> None:
    """Write a map's grey picture and below it its saliency, black (none) to bright (most).

    Parameters
    ----------
    path
        PNG to write, whole or not at all.
    picture
        Grey levels, shape (rows, columns), uint8.
    saliency
        Of the same shape; NaN, where no crop looked, is drawn grey.
    """
    most = float(np.nanmax(saliency, initial=0.0))
    looked = np.isfinite(saliency)
    share = np.where(looked, saliency, 0.0) / (most if most > 0 else 1.0)
    coloured = matplotlib.colormaps["inferno"](share, bytes=True)[..., :3]
    coloured[~looked] = 128
    grey = np.repeat(picture[..., np.newaxis], 3, axis=2)
    gap = np.full((_GAP_PX, picture.shape[1], 3), 255, dtype=np.uint8)
    both = np.concatenate([grey, gap, coloured])
    times = max(1, -(-_LEAST_ROWS // picture.shape[0]))
    enlarged = both.repeat(times, axis=0).repeat(times, axis=1)
    with write_whole(path) as partial:
        Image.fromarray(enlarged).save(partial, format="PNG")
