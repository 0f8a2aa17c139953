"""From a strain map to the 8-bit grey picture that a network sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.scalars import scalar_field
from strainprint.maps.strain_map import COMPONENTS, StrainMap

# The largest maps are drawn part by part: their scalar in float64 would outweigh the map itself.
_POINTS_AT_ONCE = 1 << 18


def grey_picture(
    strain_map: StrainMap, scalar: str, range_floor: float
) -> tuple[NDArray[np.uint8], bool]:
    """Return the picture (rows, columns) uint8 and whether its range was floored.

    The scalar is scaled per picture over its valid points, minimum to 0 and maximum to 255, as in
    the authors' pictures (learning.md 4); points outside the body are 0. Where maximum - minimum
    is below ``range_floor`` (a strain) that would blow rounding noise up to a picture: the
    floor is then used as the range, and the second value is True.

    ASSUME: grey levels are rounded to the nearest one; the authors do not say, and 8-bit pictures
    cannot tell.
    """
    if not range_floor > 0:
        raise BadInputError(f"range_floor is {range_floor}", allowed="a strain above 0, like 1e-6")
    low, high = np.inf, -np.inf
    finite = True
    for _, values in _parts(strain_map, scalar):
        finite &= bool(np.isfinite(values).all())
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if not finite or not low <= high:
        raise BadInputError(
            "the map has no valid point or a NaN at a valid point",
            where=strain_map.attributes.get("map_id"),
            way_out="check the map before drawing it (StrainMap.check)",
        )
    span = high - low
    floored = span < range_floor
    picture = np.zeros(strain_map.shape, dtype=np.uint8)
    for rows, values in _parts(strain_map, scalar):
        scaled = (values - low) * (255.0 / (range_floor if floored else span))
        picture[rows][strain_map.valid[rows]] = np.rint(scaled).astype(np.uint8)
    return picture, floored


def _parts(strain_map: StrainMap, scalar: str) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield the scalar at the valid points of some rows at a time."""
    rows, columns = strain_map.shape
    step = max(1, _POINTS_AT_ONCE // columns)
    for first in range(0, rows, step):
        part = slice(first, first + step)
        cut = {name: getattr(strain_map, name)[part] for name in (*COMPONENTS, "valid")}
        of_part = replace(strain_map, **cut)
        yield part, scalar_field(of_part, scalar)[of_part.valid]
