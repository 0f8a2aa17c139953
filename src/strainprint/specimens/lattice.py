"""The crystal as the compiled kernels take it: plain arrays, what never changes worked out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens import pair_sums
from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import SURFACE, Crystal
from strainprint.specimens.neighbours import fill_cells
from strainprint.specimens.pillar import Pillar, image_stress, shear_weights

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


class Lattice(NamedTuple):
    """Slip planes, sources and obstacles; lengths in nm, stresses in MPa."""

    cos_theta: Array
    sin_theta: Array
    sin_2theta: Array
    cos_2theta: Array
    origin_x: Array
    origin_y: Array
    length: float
    source_plane: Integers
    source_position: Array
    source_threshold: Array
    source_kind: Integers
    source_length: Array
    source_x: Array
    source_y: Array
    source_table: Array
    """The sources as points of :mod:`pair_sums`."""
    source_first_in_cell: Integers
    source_next_in_cell: Integers
    """The sources in the cells of :mod:`neighbours`."""
    source_weights: Array
    """(4 modes, sources): resolved shear stress per unit of each traction mode."""
    weight_bound: Array
    """(4 modes,): bound on the resolved shear stress anywhere per unit of each traction mode."""
    obstacle_first: Integers
    """(planes + 1,): obstacles of plane p are obstacle_first[p] : obstacle_first[p + 1]."""
    obstacle_position: Array
    obstacle_strength: Array


@compiled
def weight_bound(pillar: Pillar, angles: Array) -> Array:
    """Return the largest size of each weight over points that catch every mode at its crests."""
    bound = np.zeros(4 * pillar.modes)
    weights = np.empty(4 * pillar.modes)
    for angle in angles:
        for x in np.linspace(-pillar.half_width, pillar.half_width, 17):
            for y in np.linspace(0.0, 0.5 * pillar.height, pillar.modes + 1):
                shear_weights(pillar, x, y, np.sin(2 * angle), np.cos(2 * angle), weights)
                bound = np.maximum(bound, np.abs(weights))
    return bound


def make_lattice(crystal: Crystal, pillar: Pillar) -> Lattice:
    """Return the crystal as arrays for the kernels.

    A surface source emits only if the stress also beats the image attraction at its depth, so its
    threshold is the larger of the two (the image force is part of "the total force there").
    """
    angle = crystal.plane_angle
    counts = np.bincount(crystal.obstacle_plane, minlength=len(angle))
    source_angle = angle[crystal.source_plane]
    origin = crystal.plane_origin_nm[crystal.source_plane]
    source_x = origin[:, 0] + crystal.source_position_nm * np.cos(source_angle)
    source_y = origin[:, 1] + crystal.source_position_nm * np.sin(source_angle)
    threshold = crystal.source_strength_mpa.copy()
    for s in np.flatnonzero(crystal.source_kind == SURFACE):
        image = image_stress(pillar, source_x[s], source_y[s], float(source_angle[s]))
        threshold[s] = max(threshold[s], abs(image))
    weights = np.empty((len(source_x), 4 * pillar.modes))
    table = np.empty((pair_sums.ROWS, len(source_x)))
    for i, (x, y, theta) in enumerate(zip(source_x, source_y, source_angle, strict=True)):
        shear_weights(pillar, x, y, np.sin(2 * theta), np.cos(2 * theta), weights[i])
        pair_sums.tabulate(pillar.wave, x, y, np.cos(theta), np.sin(theta), 0j, -1, table, i)
    first, following = fill_cells(pillar, source_x, source_y)
    return Lattice(
        cos_theta=np.cos(angle),
        sin_theta=np.sin(angle),
        sin_2theta=np.sin(2 * angle),
        cos_2theta=np.cos(2 * angle),
        origin_x=np.ascontiguousarray(crystal.plane_origin_nm[:, 0]),
        origin_y=np.ascontiguousarray(crystal.plane_origin_nm[:, 1]),
        length=crystal.plane_length_nm,
        source_plane=crystal.source_plane,
        source_position=crystal.source_position_nm,
        source_threshold=threshold,
        source_kind=crystal.source_kind,
        source_length=crystal.source_length_nm,
        source_x=source_x,
        source_y=source_y,
        source_table=table,
        source_first_in_cell=first,
        source_next_in_cell=following,
        source_weights=np.ascontiguousarray(weights.T),
        weight_bound=weight_bound(pillar, np.unique(angle)),
        obstacle_first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        obstacle_position=crystal.obstacle_position_nm,
        obstacle_strength=crystal.obstacle_strength_mpa,
    )
