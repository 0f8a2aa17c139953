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
from scipy.ndimage import binary_closing
from scipy.spatial import cKDTree

from strainprint.errors import BadInputError
from strainprint.maps.strain_map import FRAMES, StrainMap

Points = NDArray[np.float64]
Displacement = Callable[[Any, Points, Points], tuple[Points, Points]]

# In half pitches. A material point owns the square of one pitch around it; 5 % more bridges the
# squares that the lattice's elastic strain and rotation pull apart.
_OWN_SQUARE = 1.05
# In pitches. Slip comes in Burgers vectors, so a block may lie exactly half a pitch off the grid;
# looking this far aside makes all its points choose the same neighbour.
_ASIDE = 1e-6


@dataclass(frozen=True)
class MaterialGrid:
    """Material points ``pitch_nm`` apart, how the reference state moved them, and who sees them.

    ``x_nm, y_nm, ux_nm, uy_nm`` have the shape (rows, columns) of the undeformed body. In frame
    ``deformed``, ``seen`` has the shape of the map: the flat index of the material point that
    each of its points sees, -1 where there is none. In frame ``reference`` it is None.
    """

    x_nm: Points
    y_nm: Points
    ux_nm: Points
    uy_nm: Points
    pitch_nm: float
    frame: str
    seen: NDArray[np.int64] | None


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
    """Lay a measurement's grid on the body in its ``reference`` state (one displacement call).

    In frame ``reference`` the map shows the undeformed body, points (i + 1/2) pitch from its
    corner. In frame ``deformed`` it shows the relaxed body after the prior strain, as the authors'
    maps do (physics.md 1): points (i + 1/2) pitch from the corner of the deformed body's bounding
    box, each seeing the material point next to it, those without material masked. The map's
    length thus shrinks with the plastic strain that the prior loading left.

    Raises
    ------
    BadInputError
        Unknown frame, a body too small for two points each way, or a displacement not finite.
    """
    if frame not in FRAMES:
        raise BadInputError(f"unknown frame {frame!r}", allowed=" or ".join(FRAMES))
    if not (pitch_nm > 0 and min(width_nm, height_nm) >= 2 * pitch_nm):
        raise BadInputError(
            f"pitch {pitch_nm} nm on a body of {width_nm} x {height_nm} nm",
            allowed="a pitch above 0 and at most half the width",
        )
    x, y = np.meshgrid(
        _cell_centres(-width_nm / 2, width_nm / 2, pitch_nm),
        _cell_centres(0.0, height_nm, pitch_nm),
        indexing="ij",
    )
    ux, uy = displacement(reference, x, y)
    if not (np.isfinite(ux).all() and np.isfinite(uy).all()):
        raise BadInputError("the reference state's displacement is NaN or infinite in places")
    seen = _seen_from(x + ux, y + uy, pitch_nm) if frame == "deformed" else None
    return MaterialGrid(x, y, ux, uy, pitch_nm, frame, seen)


def _seen_from(x_moved: Points, y_moved: Points, pitch: float) -> NDArray[np.int64]:
    """Return, for each point of a grid over the moved material, the flat index of what lies there.

    Blocks between slip planes move almost rigidly, so that within one the nearest material point
    is the same shift away everywhere. Where blocks slid along each other their squares leave
    gaps of up to a pitch, which the body does not have: closed.
    """
    moved = np.column_stack([x_moved.ravel(), y_moved.ravel()])
    low, high = moved.min(axis=0) - pitch / 2, moved.max(axis=0) + pitch / 2
    grid = np.meshgrid(
        _cell_centres(low[0], high[0], pitch), _cell_centres(low[1], high[1], pitch), indexing="ij"
    )
    distance, nearest = cKDTree(moved).query(
        np.column_stack([g.ravel() for g in grid]) + _ASIDE * pitch,
        p=np.inf,
        distance_upper_bound=3 * pitch,
    )
    distance = np.reshape(distance, grid[0].shape)
    owned = distance <= _OWN_SQUARE * pitch / 2
    inside = binary_closing(np.pad(owned, 2), np.ones((3, 3), dtype=bool))[
        2:-2, 2:-2
    ] & np.isfinite(distance)
    return np.where(inside, np.reshape(nearest, inside.shape), -1).astype(np.int64)


def render_on_grid(
    displacement: Displacement,
    grid: MaterialGrid,
    loaded: Any,
    attributes: Mapping[str, Any] | None = None,
) -> StrainMap:
    """Return the strain map of ``loaded`` against the state that ``grid`` was laid on.

    One displacement call. Strains are differences of the increment between material neighbours in
    either frame. Differences between neighbours on the deformed body would be wrong: an old slip
    step puts material side by side that small-strain theory still has apart, and would show in
    every later map although nothing happens there (1e-3 of elastic strain across a step of 40 nm:
    1 % of false strain).
    """
    ux, uy = displacement(loaded, grid.x_nm, grid.y_nm)
    body = StrainMap.from_displacement(
        ux - grid.ux_nm,
        uy - grid.uy_nm,
        np.ones(grid.x_nm.shape, dtype=bool),
        pitch_nm=grid.pitch_nm,
        frame=grid.frame,
        attributes=attributes,
    )
    return body if grid.seen is None else body.taken_at(grid.seen)


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
