"""Strain from displacement over a virtual strain gauge: a plane fitted to each point's window.

Failed points are left out of every fit: mask first, strain afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from strainprint.errors import BadInputError
from strainprint.maps.quality import EDGE_OF_BODY, WINDOW_INCOMPLETE

MEASURES = ("infinitesimal", "green_lagrange", "hencky")
CONFIGURATIONS = ("reference", "deformed")

Floats = NDArray[np.float64]

_LARGEST_WINDOW = 501
_POINTS_AT_ONCE = 1 << 18
# A corner of the grid still has more than a quarter of its window; with less there is no strain.
_LEAST_FILL = 0.25
# Spread of the window's points in both directions, of that of a full window.
_LEAST_SPREAD = 0.003


@dataclass(frozen=True)
class Strain:
    """Strain components (1, tensor shear) as float32 of one shape, NaN where there is none.

    ``flags`` (uint8) marks windows that lacked points (``window_incomplete``) or reached over the
    edge of the grid (``edge_of_body``).
    """

    exx: NDArray[np.float32]
    eyy: NDArray[np.float32]
    exy: NDArray[np.float32]
    flags: NDArray[np.uint8]


def virtual_gauge(window_points: int, step: float, subset: float) -> float:
    """Return the length of the virtual strain gauge, ``(window - 1) * step + subset``.

    ``step`` and ``subset`` share a unit, which is that of the result. Source: the common
    definition of the DIC community (iDICs Good Practices Guide); tools count windows differently,
    so the raw parameters are kept beside it.
    """
    return (window_points - 1) * step + subset


def strain_from_displacement(
    u: NDArray[np.floating],
    v: NDArray[np.floating],
    *,
    pitch_x: float,
    pitch_y: float,
    window_points: int,
    measure: str,
    configuration: str = "reference",
) -> Strain:
    """Return the strain of a displacement field by plane fits over square windows of points.

    Parameters
    ----------
    u, v
        Displacement along x and y, shape (rows of y, columns of x), x and y ascending; NaN where
        nothing was measured. Unit as that of the pitches.
    pitch_x, pitch_y
        Distance of the points along x and y.
    window_points
        Side of the window in points, odd, 3 or more.
    measure
        ``infinitesimal``, ``green_lagrange`` (E = (FᵀF - 1)/2) or ``hencky`` (ln U).
    configuration
        Body on which the grid lies: ``reference`` or ``deformed``, where F is the inverse of
        1 - ∂u/∂x.

    Raises
    ------
    BadInputError
        A setting is not allowed, or the shapes differ.
    """
    if measure not in MEASURES:
        raise BadInputError(f"strain measure {measure!r}", allowed=", ".join(MEASURES))
    if configuration not in CONFIGURATIONS:
        raise BadInputError(f"configuration {configuration!r}", allowed=", ".join(CONFIGURATIONS))
    if window_points % 2 == 0 or not 3 <= window_points <= _LARGEST_WINDOW:
        raise BadInputError(
            f"a window of {window_points} points", allowed=f"odd, 3 to {_LARGEST_WINDOW}"
        )
    if u.ndim != 2 or u.shape != v.shape:
        raise BadInputError(f"shapes u {u.shape}, v {v.shape}", allowed="one shape (y, x)")
    if not (np.isfinite([pitch_x, pitch_y]).all() and min(pitch_x, pitch_y) > 0):
        raise BadInputError(f"pitch {pitch_x}, {pitch_y}", allowed="above 0")
    rows, columns = u.shape
    exx, eyy, exy = (np.empty(u.shape, dtype=np.float32) for _ in range(3))
    strain = Strain(exx, eyy, exy, np.empty(u.shape, dtype=np.uint8))
    half = window_points // 2
    block = max(1, _POINTS_AT_ONCE // columns)
    for first in range(0, rows, block):
        last = min(first + block, rows)
        low, high = max(0, first - half), min(rows, last + half)
        inner = slice(first - low, last - low)
        gradient, flags = _gradient(
            u[low:high], v[low:high], pitch_x, pitch_y, window_points, (low, rows), inner
        )
        components = strain_of_gradient(*gradient, measure=measure, configuration=configuration)
        for out, values in zip((strain.exx, strain.eyy, strain.exy), components, strict=True):
            out[first:last] = values
        strain.flags[first:last] = flags
    return strain


def _gradient(
    u: NDArray[np.floating],
    v: NDArray[np.floating],
    pitch_x: float,
    pitch_y: float,
    window_points: int,
    place: tuple[int, int],
    inner: slice,
) -> tuple[list[Floats], NDArray[np.uint8]]:
    """Return (∂u/∂x, ∂u/∂y, ∂v/∂x, ∂v/∂y) and flags of the inner rows of a block.

    ``place``: number of the block's first row, and rows of the whole grid.
    """
    valid = np.isfinite(u) & np.isfinite(v)
    k = np.arange(window_points, dtype=np.float64) - window_points // 2
    ones = np.ones_like(k)

    def summed(values: Floats, along_x: Floats, along_y: Floats) -> Floats:
        partial = correlate1d(values, along_x, axis=1, mode="constant")
        return np.asarray(correlate1d(partial, along_y, axis=0, mode="constant")[inner])

    weight = valid.astype(np.float64)
    count = summed(weight, ones, ones)
    safe = np.maximum(count, 1.0)
    sum_x, sum_y = summed(weight, k, ones), summed(weight, ones, k)
    c_xx = summed(weight, k * k, ones) - sum_x * sum_x / safe
    c_yy = summed(weight, ones, k * k) - sum_y * sum_y / safe
    c_xy = summed(weight, k, k) - sum_x * sum_y / safe
    determinant = c_xx * c_yy - c_xy * c_xy
    full = (window_points**2 * (window_points**2 - 1) / 12) ** 2
    enough = (
        valid[inner]
        & (count >= _LEAST_FILL * window_points**2)
        & (determinant > _LEAST_SPREAD * full)
    )
    gradient = []
    for values in (u, v):
        field = np.where(valid, values, 0.0).astype(np.float64)
        # Rigid translation of many pixels would cost digits in the sums.
        field -= field.sum() / max(1.0, weight.sum())
        field *= weight
        mean = summed(field, ones, ones) / safe
        d_x = summed(field, k, ones) - mean * sum_x
        d_y = summed(field, ones, k) - mean * sum_y
        with np.errstate(divide="ignore", invalid="ignore"):
            along_x = (d_x * c_yy - d_y * c_xy) / determinant / pitch_x
            along_y = (d_y * c_xx - d_x * c_xy) / determinant / pitch_y
        gradient += [np.where(enough, along_x, np.nan), np.where(enough, along_y, np.nan)]

    first, rows = place
    on_grid = _inside(np.arange(u.shape[0]) + first, rows, window_points)[inner, np.newaxis]
    on_grid = on_grid * _inside(np.arange(u.shape[1]), u.shape[1], window_points)
    flags = np.zeros(count.shape, dtype=np.uint8)
    flags[on_grid < window_points**2] |= EDGE_OF_BODY
    flags[count < on_grid - 0.5] |= WINDOW_INCOMPLETE
    return gradient, flags


def _inside(index: NDArray[np.int64], size: int, window_points: int) -> NDArray[np.int64]:
    """Return how many points of a window about each index lie on an axis of ``size`` points."""
    half = window_points // 2
    return np.minimum(index + half, size - 1) - np.maximum(index - half, 0) + 1


def strain_of_gradient(
    u_x: Floats,
    u_y: Floats,
    v_x: Floats,
    v_y: Floats,
    *,
    measure: str,
    configuration: str = "reference",
) -> tuple[Floats, Floats, Floats]:
    """Return (exx, eyy, exy) of a displacement gradient; the shear is the tensor component.

    With F = 1 + ∂u/∂X: infinitesimal (F + Fᵀ)/2 - 1, Green-Lagrange (FᵀF - 1)/2, Hencky
    ln √(FᵀF). On the deformed body the gradient is ∂u/∂x and F = (1 - ∂u/∂x)⁻¹. NaN where F turns
    the body inside out.
    """
    if configuration == "deformed" and measure != "infinitesimal":
        determinant = (1 - u_x) * (1 - v_y) - u_y * v_x
        with np.errstate(divide="ignore", invalid="ignore"):
            f_xx, f_xy = (1 - v_y) / determinant, u_y / determinant
            f_yx, f_yy = v_x / determinant, (1 - u_x) / determinant
        u_x, u_y, v_x, v_y = f_xx - 1, f_xy, f_yx, f_yy - 1
    if measure == "infinitesimal":
        return u_x, v_y, 0.5 * (u_y + v_x)
    exx = u_x + 0.5 * (u_x * u_x + v_x * v_x)
    eyy = v_y + 0.5 * (u_y * u_y + v_y * v_y)
    exy = 0.5 * (u_y + v_x + u_x * u_y + v_x * v_y)
    inverted = ~((1 + u_x) * (1 + v_y) - u_y * v_x > 0)
    exx, eyy, exy = (np.where(inverted, np.nan, component) for component in (exx, eyy, exy))
    if measure == "green_lagrange":
        return exx, eyy, exy
    # ln U = ln(C)/2 with C = 1 + 2E, from its principal values mean ± radius.
    mean, half_difference = 0.5 * (exx + eyy), 0.5 * (exx - eyy)
    radius = np.hypot(half_difference, exy)
    with np.errstate(divide="ignore", invalid="ignore"):
        upper, lower = 0.5 * np.log1p(2 * (mean + radius)), 0.5 * np.log1p(2 * (mean - radius))
        # Where both principal strains agree, the slope of ln √(1 + 2E) is 1 / (1 + 2 mean).
        slope = np.where(radius > 1e-12, (upper - lower) / (2 * radius), 1 / (1 + 2 * mean))
    centre = 0.5 * (upper + lower)
    return centre + slope * half_difference, centre - slope * half_difference, slope * exy
