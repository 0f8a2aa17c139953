"""From dislocation states to strain maps, on the grid of an emulated measurement.

The displacement of a state is any callable ``displacement(state, x_nm, y_nm) -> (ux_nm, uy_nm)``
over points of the undeformed body, x in [-width/2, width/2] and y in [0, height]. It jumps across
slip planes, so it is only ever evaluated, never interpolated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from strainprint.errors import BadInputError
from strainprint.maps.strain_map import FRAMES, StrainMap

Points = NDArray[np.float64]
Displacement = Callable[[Any, Points, Points], tuple[Points, Points]]

# Newton-like steps of the inverse mapping: one suffices where no slip plane lies between the
# first guess and the answer, a second crosses one plane; the rest are for crossings of bands.
_INVERSE_STEPS = 8
# In pitches. A misplaced point reads the increment of its neighbour: 1e-5 pitch under a strain of
# 1 % is an error of 1e-7, below the floor of the pictures' range.
_INVERSE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class MaterialGrid:
    """The material points under a map's grid and their displacement in the reference state.

    All arrays have the shape (rows, columns); where ``valid`` is False there is no material and
    the rest is NaN.
    """

    x_nm: Points
    y_nm: Points
    ux_nm: Points
    uy_nm: Points
    valid: NDArray[np.bool_]
    pitch_nm: float
    frame: str


def _cell_centres(low: float, high: float, pitch: float) -> Points:
    """Return low + (i + 1/2) pitch for all i that lie below ``high``."""
    count = max(int(np.ceil((high - low) / pitch - 0.5 - 1e-9)), 0)
    return np.asarray(low + (np.arange(count) + 0.5) * pitch, dtype=np.float64)


def lay_grid(
    displacement: Displacement,
    reference: Any,
    *,
    width_nm: float,
    height_nm: float,
    pitch_nm: float,
    frame: str,
) -> MaterialGrid:
    """Find the material points that a measurement of ``reference`` sees, ``pitch_nm`` apart.

    In frame ``reference`` the grid lies on the undeformed body: points (i + 1/2) pitch from its
    corner. In frame ``deformed`` it lies on the relaxed body after the prior strain, as the
    authors' maps do (physics.md 1): the same construction in the bounding box of the deformed
    body, points without material masked. Its length thus shrinks with the plastic strain that the
    prior loading left.

    Raises
    ------
    BadInputError
        Unknown frame, or a body too small for two points each way.
    """
    if frame not in FRAMES:
        raise BadInputError(f"unknown frame {frame!r}", allowed=" or ".join(FRAMES))
    if not (pitch_nm > 0 and min(width_nm, height_nm) >= 2 * pitch_nm):
        raise BadInputError(
            f"pitch {pitch_nm} nm on a body of {width_nm} x {height_nm} nm",
            allowed="a pitch above 0 and at most half the width",
        )
    if frame == "reference":
        x, y = np.meshgrid(
            _cell_centres(-width_nm / 2, width_nm / 2, pitch_nm),
            _cell_centres(0.0, height_nm, pitch_nm),
            indexing="ij",
        )
        ux, uy = displacement(reference, x, y)
        return MaterialGrid(x, y, ux, uy, np.ones(x.shape, dtype=bool), pitch_nm, frame)

    fine = pitch_nm / 2
    xs = np.linspace(-width_nm / 2, width_nm / 2, int(np.ceil(width_nm / fine)) + 1)
    ys = np.linspace(0.0, height_nm, int(np.ceil(height_nm / fine)) + 1)
    xm, ym = (a.ravel() for a in np.meshgrid(xs, ys, indexing="ij"))
    uxm, uym = displacement(reference, xm, ym)
    moved = np.column_stack([xm + uxm, ym + uym])
    (x_low, y_low), (x_high, y_high) = moved.min(axis=0), moved.max(axis=0)
    grid_x, grid_y = np.meshgrid(
        _cell_centres(float(x_low), float(x_high), pitch_nm),
        _cell_centres(float(y_low), float(y_high), pitch_nm),
        indexing="ij",
    )
    # A point of the deformed body has a mapped fine point within 0.71 fine pitches where the
    # body is unstrained; twice the pitch leaves room for stretched places next to slip bands.
    target = np.column_stack([grid_x.ravel(), grid_y.ravel()])
    distance, nearest = cKDTree(moved).query(target, distance_upper_bound=2 * pitch_nm)
    near = np.flatnonzero(np.isfinite(distance))
    nearest = np.asarray(nearest)[near]
    guess = target[near] - np.column_stack([uxm[nearest], uym[nearest]])
    found, at, u = _inverse_map(
        displacement, reference, target[near], guess, width_nm, height_nm, pitch_nm
    )
    shape, chosen = grid_x.shape, near[found]
    valid = np.zeros(grid_x.size, dtype=bool)
    valid[chosen] = True

    def on_grid(values: Points) -> Points:
        full = np.full(grid_x.size, np.nan)
        full[chosen] = values[found]
        return full.reshape(shape)

    return MaterialGrid(
        x_nm=on_grid(at[:, 0]),
        y_nm=on_grid(at[:, 1]),
        ux_nm=on_grid(u[:, 0]),
        uy_nm=on_grid(u[:, 1]),
        valid=valid.reshape(shape),
        pitch_nm=pitch_nm,
        frame=frame,
    )


def _inverse_map(
    displacement: Displacement,
    reference: Any,
    target: Points,
    guess: Points,
    width_nm: float,
    height_nm: float,
    pitch_nm: float,
) -> tuple[NDArray[np.bool_], Points, Points]:
    """Solve x + u(x) = target from ``guess``: (found (n,), x (n, 2), u(x) (n, 2)).

    Fixed point x <- target - u(x), which converges at the rate of the displacement gradient and
    steps over a slip plane when it must. The best point seen is kept: where slip systems cross,
    the small-strain body overlaps or gapes by a few Burgers vectors and has no exact answer.
    """
    low, high = np.array([-width_nm / 2, 0.0]), np.array([width_nm / 2, height_nm])
    best = np.full(len(target), np.inf)
    at, u = np.empty_like(target), np.empty_like(target)
    todo = np.arange(len(target))
    trial = guess
    for _ in range(_INVERSE_STEPS):
        if todo.size == 0:
            break
        x = np.clip(trial, low, high)
        ux = np.column_stack(displacement(reference, x[:, 0].copy(), x[:, 1].copy()))
        residual = target[todo] - x - ux
        size = np.hypot(residual[:, 0], residual[:, 1])
        better = size < best[todo]
        improved = todo[better]
        best[improved], at[improved], u[improved] = size[better], x[better], ux[better]
        going = size > _INVERSE_TOLERANCE * pitch_nm
        trial, todo = (x + residual)[going], todo[going]
    # On a surface of the body a residual means that the target lies outside; inside, that it lies
    # in a gap between slip steps, where the nearest material is what an instrument would see.
    surface = ((at <= low) | (at >= high)).any(axis=1)
    found = best <= np.where(surface, _INVERSE_TOLERANCE * pitch_nm, pitch_nm / 2)
    return found, at, u


def render_on_grid(
    displacement: Displacement,
    grid: MaterialGrid,
    loaded: Any,
    attributes: Mapping[str, Any] | None = None,
) -> StrainMap:
    """Return the strain map of ``loaded`` against the state that ``grid`` was laid on.

    The displacement increment is taken at the material points, the strains by differences on the
    grid: a measurement cannot see the material points.
    """
    ux, uy = np.full(grid.valid.shape, np.nan), np.full(grid.valid.shape, np.nan)
    ux_loaded, uy_loaded = displacement(loaded, grid.x_nm[grid.valid], grid.y_nm[grid.valid])
    ux[grid.valid] = ux_loaded - grid.ux_nm[grid.valid]
    uy[grid.valid] = uy_loaded - grid.uy_nm[grid.valid]
    return StrainMap.from_displacement(
        ux, uy, grid.valid, pitch_nm=grid.pitch_nm, frame=grid.frame, attributes=attributes
    )


def render_increment(
    displacement: Displacement,
    reference: Any,
    loaded: Any,
    *,
    width_nm: float,
    height_nm: float,
    pitch_nm: float,
    frame: str,
    attributes: Mapping[str, Any] | None = None,
) -> StrainMap:
    """Return the strain map of the increment from ``reference`` to ``loaded``.

    For several loaded states of one reference lay the grid once (:func:`lay_grid`) and call
    :func:`render_on_grid` for each.
    """
    grid = lay_grid(
        displacement,
        reference,
        width_nm=width_nm,
        height_nm=height_nm,
        pitch_nm=pitch_nm,
        frame=frame,
    )
    return render_on_grid(displacement, grid, loaded, attributes)
