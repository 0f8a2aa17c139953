"""One number per point of a strain map: what the picture shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.strain_map import StrainMap


def equivalent_strain(strain_map: StrainMap) -> NDArray[np.float64]:
    """Return the equivalent deviatoric strain of plane strain (ezz = 0).

    ``sqrt(2/3 e'_ij e'_ij)`` with ``e' = e - tr(e)/3 I``, summed over the three axes: for a simple
    shear of tensor component exy it is ``2/sqrt(3) |exy|``, for incompressible compression
    ``2/sqrt(3) |eyy|``.
    """
    exx, eyy, exy = (
        np.asarray(e, dtype=np.float64) for e in (strain_map.exx, strain_map.eyy, strain_map.exy)
    )
    mean = (exx + eyy) / 3.0
    squares = (exx - mean) ** 2 + (eyy - mean) ** 2 + mean**2 + 2.0 * exy**2
    return np.sqrt(2.0 / 3.0 * squares)


def axial_strain(strain_map: StrainMap) -> NDArray[np.float64]:
    """Return ``|eyy|``, the size of the strain along the loading axis."""
    return np.abs(np.asarray(strain_map.eyy, dtype=np.float64))


def max_shear_strain(strain_map: StrainMap) -> NDArray[np.float64]:
    """Return the largest in-plane tensor shear, ``sqrt(((exx - eyy)/2)^2 + exy^2)``."""
    exx, eyy, exy = (
        np.asarray(e, dtype=np.float64) for e in (strain_map.exx, strain_map.eyy, strain_map.exy)
    )
    return np.hypot(0.5 * (exx - eyy), exy)


def _component(name: str) -> Callable[[StrainMap], NDArray[np.float64]]:
    def component(strain_map: StrainMap) -> NDArray[np.float64]:
        return np.asarray(getattr(strain_map, name), dtype=np.float64)

    return component


SCALARS: dict[str, Callable[[StrainMap], NDArray[np.float64]]] = {
    "equivalent": equivalent_strain,
    "axial": axial_strain,
    "max_shear": max_shear_strain,
    # With their sign, as channels beside each other.
    "exx": _component("exx"),
    "eyy": _component("eyy"),
    "exy": _component("exy"),
}


def scalar_field(strain_map: StrainMap, scalar: str) -> NDArray[np.float64]:
    """Return the named scalar (rows, columns), NaN where the map is invalid."""
    if scalar not in SCALARS:
        raise BadInputError(f"unknown scalar {scalar!r}", allowed=", ".join(SCALARS))
    return SCALARS[scalar](strain_map)
