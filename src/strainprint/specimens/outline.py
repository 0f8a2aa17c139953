"""The body as slip left it: steps on its sides, its outline, and where things moved to.

A dislocation that left through a side, or that lies between a side and its source, shifts the two
parts of its plane against each other: where the plane meets the side stands a step of delta_p b
along the slip direction, delta_p = N_p + sum of the signs of the dislocations beyond that end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strainprint.specimens.crystal import Crystal
from strainprint.specimens.displacement import displacement_nm
from strainprint.specimens.material import Material
from strainprint.specimens.state import State

Array = NDArray[np.float64]

_BESIDE = 1e-3
"""Distance from a slipped plane, in parts of the smallest distance between plane ends."""


@dataclass(frozen=True)
class SurfaceSteps:
    """The slip steps on both sides, one entry for each end of a plane that has one.

    Attributes
    ----------
    plane
        Index of the plane.
    position_nm
        (n, 2): where the plane meets the side, in the undeformed body.
    burgers_vectors
        Signed size delta_p, in Burgers vectors: the part on the side of the plane's normal
        (-sin theta, cos theta) stands this far along (cos theta, sin theta).
    """

    plane: NDArray[np.int64]
    position_nm: Array
    burgers_vectors: NDArray[np.int64]


def slip_of_planes(crystal: Crystal, state: State) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return delta_p / b at the near end (r = 0) and at the far end (r = L) of every plane."""
    far = state.whole_plane_slip.astype(np.int64)
    near = far.copy()
    np.add.at(near, state.plane, state.sign)
    return near, far


def surface_steps(crystal: Crystal, state: State) -> SurfaceSteps:
    """Return every slip step on the sides: those at the near ends first, then at the far ends."""
    near, far = slip_of_planes(crystal, state)
    along = np.column_stack([np.cos(crystal.plane_angle), np.sin(crystal.plane_angle)])
    ends = crystal.plane_origin_nm + crystal.plane_length_nm * along
    stepped = [np.flatnonzero(near), np.flatnonzero(far)]
    return SurfaceSteps(
        plane=np.concatenate(stepped),
        position_nm=np.concatenate([crystal.plane_origin_nm[stepped[0]], ends[stepped[1]]]),
        burgers_vectors=np.concatenate([near[stepped[0]], far[stepped[1]]]),
    )


def moved_points(
    crystal: Crystal,
    material: Material,
    state: State,
    points_nm: ArrayLike,
    *,
    magnification: float = 1.0,
) -> Array:
    """Return points (n, 2) of the undeformed body where the displacement takes them, nm."""
    points = np.asarray(points_nm, dtype=np.float64).reshape(-1, 2)
    u_x, u_y = displacement_nm(crystal, material, state, points[:, 0], points[:, 1])
    return points + magnification * np.column_stack([u_x, u_y])


def deformed_outline(
    crystal: Crystal,
    material: Material,
    state: State,
    *,
    points_per_side: int = 200,
    magnification: float = 1.0,
) -> Array:
    """Return the outline of the body with its slip steps: a closed polyline (n, 2) in nm.

    It runs along the bottom platen, up the right side, back along the top platen and down the left
    side. At every plane that left a step the side is sampled just below and just above, so that
    the step is as sharp as the model's.

    Parameters
    ----------
    points_per_side
        Points along each side besides those at the steps.
    magnification
        Factor on the displacement; 1 draws the body as it is.
    """
    half, height = crystal.width_nm / 2, crystal.height_nm
    steps = surface_steps(crystal, state).position_nm
    sides = {}
    for x in (-half, half):
        at = np.unique(steps[np.isclose(steps[:, 0], x), 1])
        gap = np.diff(at).min() if len(at) > 1 else height
        beside = _BESIDE * min(gap, height / points_per_side)
        regular = np.linspace(0.0, height, points_per_side)
        if len(at):
            near = np.abs(regular[:, None] - at[None, :]).min(axis=1) < beside
            regular = regular[~near]
        y = np.sort(np.concatenate([regular, at - beside, at + beside]))
        sides[x] = np.column_stack([np.full(len(y), x), y])
    left, right = sides[-half][::-1], sides[half]
    outline = np.concatenate([right, left, right[:1]])
    return moved_points(crystal, material, state, outline, magnification=magnification)


@dataclass(frozen=True)
class SlipSegments:
    """Pieces of planes along which slip is uniform and not zero.

    Attributes
    ----------
    plane
        Index of the plane.
    start_nm, end_nm
        Distances r from the plane's origin between which the piece lies.
    burgers_vectors
        Signed slip delta_p(r) / b.
    """

    plane: NDArray[np.int64]
    start_nm: Array
    end_nm: Array
    burgers_vectors: NDArray[np.int64]


def slip_segments(crystal: Crystal, state: State, since: State | None = None) -> SlipSegments:
    """Return where planes have slipped, altogether or ``since`` an earlier state."""
    counted = [(state, 1)] if since is None else [(state, 1), (since, -1)]
    whole = np.sum([factor * one.whole_plane_slip for one, factor in counted], axis=0)
    plane = np.concatenate([one.plane for one, _ in counted])
    position = np.concatenate([one.position_nm for one, _ in counted])
    sign = np.concatenate([factor * one.sign for one, factor in counted])
    pieces = []
    for p in sorted({*np.flatnonzero(whole).tolist(), *plane.tolist()}):
        here = np.flatnonzero(plane == p)
        here = here[np.argsort(position[here], kind="stable")]
        bounds = [0.0, *position[here].tolist(), crystal.plane_length_nm]
        # delta_p(r) counts the dislocations beyond r
        beyond = np.concatenate([np.cumsum(sign[here][::-1])[::-1], [0]])
        for start, end, slip in zip(bounds[:-1], bounds[1:], whole[p] + beyond, strict=True):
            if slip and end > start:
                pieces.append((p, start, end, slip))
    columns = list(zip(*pieces, strict=True)) if pieces else [(), (), (), ()]
    return SlipSegments(
        plane=np.array(columns[0], np.int64),
        start_nm=np.array(columns[1], np.float64),
        end_nm=np.array(columns[2], np.float64),
        burgers_vectors=np.array(columns[3], np.int64),
    )


def moved_on_planes(
    crystal: Crystal,
    material: Material,
    state: State,
    plane: NDArray[np.int64],
    position_nm: Array,
    *,
    magnification: float = 1.0,
) -> Array:
    """Return places (n, 2) on planes, moved by the mean of the displacements on their two sides."""
    angle = crystal.plane_angle[plane]
    along = np.column_stack([np.cos(angle), np.sin(angle)])
    normal = np.column_stack([-np.sin(angle), np.cos(angle)])
    # off the ends, so that both sides of the plane are inside the body
    beside = 1e-3 * crystal.plane_length_nm / max(len(crystal.plane_angle), 1)
    inside = np.clip(position_nm, 4 * beside, crystal.plane_length_nm - 4 * beside)
    points = crystal.plane_origin_nm[plane] + inside[:, None] * along
    sides = [
        moved_points(
            crystal, material, state, points + side * beside * normal, magnification=magnification
        )
        for side in (1, -1)
    ]
    mean: Array = (sides[0] + sides[1]) / 2
    return mean
