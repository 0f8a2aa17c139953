"""From a strain map to the 8-bit grey picture that a network sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.scalars import scalar_field
from strainprint.maps.strain_map import StrainMap


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
    values = scalar_field(strain_map, scalar)[strain_map.valid]
    if values.size == 0 or not np.isfinite(values).all():
        raise BadInputError(
            "the map has no valid point or a NaN at a valid point",
            where=strain_map.attributes.get("map_id"),
            way_out="check the map before drawing it (StrainMap.check)",
        )
    low = float(values.min())
    span = float(values.max()) - low
    floored = span < range_floor
    picture = np.zeros(strain_map.shape, dtype=np.uint8)
    scaled = (values - low) * (255.0 / (range_floor if floored else span))
    picture[strain_map.valid] = np.rint(scaled).astype(np.uint8)
    return picture, floored
