"""Stress and displacement of an edge dislocation in an infinite medium, plane strain.

The plain textbook form (Hirth & Lothe, Theory of Dislocations, 3-4): X along the slip direction,
Y along the slip-plane normal. The simulator itself uses the periodic, mirrored form of
:mod:`strainprint.specimens.pillar`; these functions are its oracle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strainprint.specimens.material import Material

Array = NDArray[np.float64]


def edge_stress_mpa(
    x_nm: ArrayLike, y_nm: ArrayLike, sign: int, material: Material
) -> tuple[Array, Array, Array]:
    """Return (sigma_XX, sigma_YY, sigma_XY) in MPa at points relative to the dislocation."""
    x, y = np.asarray(x_nm, float), np.asarray(y_nm, float)
    constant = sign * material.edge_constant_mpa_nm
    r4 = (x * x + y * y) ** 2
    return (
        -constant * y * (3 * x * x + y * y) / r4,
        constant * y * (x * x - y * y) / r4,
        constant * x * (x * x - y * y) / r4,
    )


def edge_displacement_nm(
    x_nm: ArrayLike, y_nm: ArrayLike, sign: int, material: Material
) -> tuple[Array, Array]:
    """Return (u_X, u_Y) in nm; the cut lies on Y = 0, X < 0, where [u_X] = +b for ``sign`` = +1."""
    x, y = np.asarray(x_nm, float), np.asarray(y_nm, float)
    nu, b = material.poissons_ratio, material.burgers_vector_nm
    r2 = x * x + y * y
    scale = sign * b / (2 * np.pi * (1 - nu))
    u_x = scale * (x * y / (2 * r2) + (1 - nu) * np.arctan2(y, x))
    u_y = scale * (y * y / (2 * r2) - (1 - 2 * nu) / 4 * np.log(r2 / b**2))
    return u_x, u_y
