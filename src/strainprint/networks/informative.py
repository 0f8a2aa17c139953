"""Which crops of a map show something: the paper names crops without dislocations as a limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strainprint.dataset.store import CropStore
from strainprint.errors import BadInputError


def informative_crops(crops: NDArray[np.uint8], least_contrast: float) -> NDArray[np.bool_]:
    """Return which crops have at least this share of the contrast of their map's richest crop.

    The contrast of a crop is the standard deviation of its grey levels. Every map keeps one crop
    or more; with ``least_contrast`` 0 it keeps all.

    Parameters
    ----------
    crops
        Shape (n_maps, n_crops, px, px), uint8.
    least_contrast
        0 to 1.

    Returns
    -------
    Shape (n_maps, n_crops).

    Raises
    ------
    BadInputError
        The share is out of range.
    """
    if not 0 <= least_contrast <= 1:
        raise BadInputError(f"least_contrast is {least_contrast}", allowed="0 to 1")
    contrast = crops.std(axis=(2, 3), dtype=np.float64)
    richest = contrast.max(axis=1, keepdims=True)
    # A share of 1 must keep the richest crop whatever its rounding.
    kept: NDArray[np.bool_] = contrast >= least_contrast * richest * (1 - 1e-12)
    return kept


def informative_of_store(
    crops: CropStore, rows: NDArray[np.integer], least_contrast: float
) -> NDArray[np.bool_]:
    """Return :func:`informative_crops` of these maps, read a few at a time.

    Shape (n_maps of the store, n_crops); maps that were not asked for count as informative.
    """
    kept = np.ones(crops.shape[:2], dtype=np.bool_)
    for start in range(0, len(rows), 32):
        some = rows[start : start + 32]
        kept[some] = informative_crops(crops.maps(some), least_contrast)
    return kept
