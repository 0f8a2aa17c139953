"""Maps from anywhere in the form that the networks' data have: rows across the width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration
from strainprint.maps.map_file import FORMAT, read_map_h5
from strainprint.maps.measured_map import MeasuredMap, as_strain_map
from strainprint.maps.readers.guarded_hdf5 import SIGNATURE, attribute, open_hdf5
from strainprint.maps.readers.reading import Source
from strainprint.maps.readers.recognise import read_map
from strainprint.maps.strain_map import StrainMap

_ROWS_AT_ONCE = 256


def read_strain_map(
    path: str | Path, declared: Declaration | None = None
) -> StrainMap | NDArray[np.uint8]:
    """Read a map of the project or of any tool; a picture without scale comes as grey levels.

    Raises
    ------
    BadInputError
        As :func:`strainprint.maps.readers.recognise.read_map` and
        :func:`strainprint.maps.measured_map.as_strain_map`.
    """
    if is_own_map(path):
        return read_map_h5(path)
    measured = read_map(path, declared)
    if "intensity" in measured.fields:
        return _grey_levels(measured)
    return as_strain_map(measured, path, in_place=True)


def is_own_map(path: str | Path) -> bool:
    """Tell whether a file is a map of ``strainprint measure``."""
    source = Source.open(path)
    if not source.head.startswith(SIGNATURE):
        return False
    with open_hdf5(source) as handle:
        return bool(attribute(source, handle, "format") == FORMAT)


def _grey_levels(measured: MeasuredMap) -> NDArray[np.uint8]:
    """Return relative intensity as grey levels, least to 0 and largest to 255, nothing as 0."""
    intensity = measured.fields["intensity"]
    low, high = float(np.nanmin(intensity)), float(np.nanmax(intensity))
    if not high > low:
        raise BadInputError(f"every pixel is {low:g}", where=measured.attributes.get("source_file"))
    picture = np.empty(intensity.shape, dtype=np.uint8)
    for first in range(0, len(intensity), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        scaled = (intensity[rows].astype(np.float64) - low) * (255.0 / (high - low))
        picture[rows] = np.rint(np.nan_to_num(scaled, nan=0.0)).astype(np.uint8)
    return turned_picture(picture, str(measured.attributes["loading_axis"]))


def turned_picture(picture: NDArray[np.uint8], loading_axis: str) -> NDArray[np.uint8]:
    """Return a picture (rows of y ascending upwards, columns of x) with the load along columns."""
    turned = picture.T if loading_axis == "y" else picture[::-1]
    return np.ascontiguousarray(turned)
