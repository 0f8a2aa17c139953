"""Why a point of a measured map holds no value, or a value to be trusted less.

The flags are those of a CF ``quality_flag`` variable: bits with names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOT_CORRELATED = 1
OUTSIDE_ROI = 2
LOW_CORRELATION = 4
WINDOW_INCOMPLETE = 8
EDGE_OF_BODY = 16
INTERPOLATED = 32

MEANINGS = {
    "not_correlated": NOT_CORRELATED,
    "outside_roi": OUTSIDE_ROI,
    "low_correlation": LOW_CORRELATION,
    "window_incomplete": WINDOW_INCOMPLETE,
    "edge_of_body": EDGE_OF_BODY,
    "interpolated": INTERPOLATED,
}
"""Name and bit of every flag. The first three mean that the point holds nothing at all;
``window_incomplete`` and ``edge_of_body`` that the strain window lacked measured points or reached
over the edge of the grid (the strain is NaN where too little was left); ``interpolated`` that the
point lies between scattered measurements."""

NOTHING_MEASURED = NOT_CORRELATED | OUTSIDE_ROI | LOW_CORRELATION


def flagged(where: NDArray[np.bool_], flag: int) -> NDArray[np.uint8]:
    """Return an array of that flag where it applies, 0 elsewhere."""
    flags = where.astype(np.uint8)
    flags *= np.uint8(flag)
    return flags
