"""What the sides that stay free of traction add to the stress on dislocations and sources.

Closed fields hold the image in the nearer side only; what they leave on both sides is taken off by
modes along the body (:mod:`pillar`). Modes follow a glide when that matters to somebody.
"""

from __future__ import annotations

import numpy as np

from strainprint.specimens.compilation import compiled, folded, uncounted
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.pillar import Pillar, shear_weights, side_traction_modes
from strainprint.specimens.population import Population, present_x


@folded
def crosses_middle(lattice: Lattice, pop: Population, i: int) -> bool:
    """Return whether dislocation i is on the other side of the middle than where it was placed.

    Its closed field holds the image in the nearer side only, the side correction that in the other.
    """
    return bool((pop.x[i] > 0.0) != (present_x(lattice, pop, i) > 0.0))


@uncounted
def place_modes(lattice: Lattice, pillar: Pillar, pop: Population, i: int) -> None:
    """Recompute the traction modes of dislocation i where it is and the weights of all modes at it.

    They vary over the distance to the farther side, where others push hard from there much faster.
    """
    plane = pop.plane[i]
    x = present_x(lattice, pop, i)
    y = lattice.origin_y[plane] + pop.position[i] * lattice.sin_theta[plane]
    glide = pop.position[i] - pop.moded[i]
    pop.moded[i] = pop.position[i]
    for m in range(len(pop.mode_total)):
        pop.mode_total[m] -= pop.modes[i, m]
    side_traction_modes(pillar, x, y, pop.gamma[i], pop.modes[i])
    for m in range(len(pop.mode_total)):
        pop.mode_total[m] += pop.modes[i, m]
    sin_2theta, cos_2theta = lattice.sin_2theta[plane], lattice.cos_2theta[plane]
    weights = pop.weights_of_one
    shear_weights(pillar, x, y, sin_2theta, cos_2theta, weights)
    side = 0.0
    for m in range(len(pop.mode_total)):
        pop.weights[m, i] = weights[m]
        side += weights[m] * pop.mode_seen[m]
    if glide != 0.0:
        pop.side_slope[i] = (side - pop.side[i]) / glide
    pop.side[i] = side


@compiled
def update_side(lattice: Lattice, pop: Population, tolerance: float) -> bool:
    """Let the side correction follow the modes if it may lack ``tolerance`` (MPa) anywhere.

    It follows those that changed most, until it lacks less than half of that. Returns whether it
    did.
    """
    lacks = _lacks_of_modes(lattice, pop, np.inf)
    if lacks <= tolerance:
        return False
    # halved until what is left out is little enough; without a tolerance, all follow
    least = lacks if tolerance > 0.0 else 0.0
    while least > 0.0 and _lacks_of_modes(lattice, pop, least) > 0.5 * tolerance:
        least *= 0.5
    n = pop.number[0]
    for m in range(len(pop.mode_total)):
        change = pop.mode_total[m] - pop.mode_seen[m]
        if abs(change) * lattice.weight_bound[m] <= least:
            continue
        pop.mode_seen[m] = pop.mode_total[m]
        side, weights = pop.side, pop.weights[m]
        for i in range(n):
            side[i] += change * weights[i]
        side, weights = pop.side_at_source, lattice.source_weights[m]
        for s in range(len(side)):
            side[s] += change * weights[s]
    return True


@folded
def _lacks_of_modes(lattice: Lattice, pop: Population, most: float) -> float:
    """Return the stress (MPa) that the side correction may lack by modes lacking up to ``most``."""
    lacks = 0.0
    for m in range(len(pop.mode_total)):
        lack = abs(pop.mode_total[m] - pop.mode_seen[m]) * lattice.weight_bound[m]
        lacks += lack if lack <= most else 0.0
    return lacks
