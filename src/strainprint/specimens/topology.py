"""Dislocations put in, taken out and kept in order along their planes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, folded, uncounted
from strainprint.specimens.following import (
    bound_push,
    followed,
    followed_at_source,
    tell_if_felt,
    untold_of,
)
from strainprint.specimens.interactions import change_cell, exert_anew, place
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.pillar import Pillar
from strainprint.specimens.population import BLOCK, Population
from strainprint.specimens.side_correction import place_modes

Integers = NDArray[np.int64]


@uncounted
def sort_by_plane(pop: Population) -> float:
    """Sort the order by plane and position; returns the least distance (nm) of opposite neighbours.

    Insertion sort: nearly sorted, so linear. Whoever are neighbours at last were so when the second
    of them was put in its place; some that were only for a while count too.
    """
    closest = np.inf
    for k in range(1, pop.number[0]):
        closest = min(closest, _put_in_place(pop, k)[1])
    return closest


@uncounted
def sort_moved(pop: Population, places: Integers, count: int) -> float:
    """Sort the order again after those at its first ``count`` ``places``, which ascend, moved;
    returns the least distance (nm) of opposite neighbours of which one did.

    As :func:`sort_by_plane` does, without those who stand where they stood behind one who does too.
    """
    n = pop.number[0]
    closest = np.inf
    k = 1
    for m in range(count):
        k = max(k, places[m])
        went = False
        while k < n and (went or k <= places[m] + 1):
            went, distance = _put_in_place(pop, k)
            closest = min(closest, distance)
            k += 1
    return closest


@uncounted
def _put_in_place(pop: Population, k: int) -> tuple[bool, float]:
    """Put who is at place k of the order, sorted up to there, in its own place; returns whether
    that is another, and the distance (nm) to its nearer neighbour there, if opposite."""
    order = pop.order
    i = order[k]
    closest = np.inf
    m = k - 1
    while m >= 0:
        j = order[m]
        if pop.plane[j] < pop.plane[i] or (
            pop.plane[j] == pop.plane[i] and pop.position[j] <= pop.position[i]
        ):
            closest = opposite_distance(pop, j, i)
            break
        order[m + 1] = j
        pop.rank[j] = m + 1
        m -= 1
    if m + 1 == k:
        return False, closest
    order[m + 1] = i
    pop.rank[i] = m + 1
    return True, min(closest, opposite_distance(pop, i, order[m + 2]))


@folded
def opposite_distance(pop: Population, i: int, j: int) -> float:
    """Return the distance (nm) from dislocation i to j behind it, infinite where they are not
    opposite on one plane."""
    if pop.plane[i] != pop.plane[j] or pop.sign[i] == pop.sign[j]:
        return np.inf
    distance: float = pop.position[j] - pop.position[i]
    return distance


@compiled
def enter(
    lattice: Lattice,
    pillar: Pillar,
    pop: Population,
    plane: int,
    position: float,
    sign: int,
    emission: int,
    heading: int,
) -> None:
    """Put a new dislocation, which exerts nothing yet, into the next free slot, behind all others
    in the order; :func:`take_up` is to follow."""
    i = pop.number[0]
    pop.shuffled[plane] += 1
    pop.plane[i] = plane
    pop.position[i] = position
    pop.sign[i] = sign
    pop.pinned_at[i] = -1
    pop.passed[i] = -1
    pop.emitter[i] = emission
    pop.heading[i] = heading
    pop.last_glide[i] = 0.0
    pop.relaxation[i] = 1.0
    pop.owed[i] = 0.0
    pop.order[i] = pop.rank[i] = i
    pop.moded[i] = position
    pop.modes[i] = 0.0
    pop.side_slope[i] = np.inf
    pop.felt[i] = 0.0
    pop.stiffness[i] = 0.0
    pop.cell[i] = -1
    pop.checked[i] = np.nan
    for block in range(pop.bound.shape[1]):
        pop.bound[i, block].untold = pop.bound[i, block].strongest = 0.0
    for block in range(pop.bound_at_source.shape[1]):
        bound = pop.bound_at_source[i, block]
        bound.untold = bound.strongest = 0.0
    pop.strongest_at_source[i] = 0.0
    pop.at_source[i] = 0.0
    pop.push_at_source[i] = 0.0
    pop.number[0] += 1
    place(lattice, pillar, pop, i)
    place_modes(lattice, pillar, pop, i)


@compiled
def take_up(lattice: Lattice, pillar: Pillar, pop: Population, first: int) -> None:
    """Let those that entered in slots ``first`` and beyond exert, and put them in order."""
    exert_anew(lattice, pillar, pop, first)
    sort_by_plane(pop)


@compiled
def remove(pop: Population, i: int) -> None:
    """Take dislocation i and what it exerts out; the last slot moves into its place."""
    last = pop.number[0] - 1
    pop.shuffled[pop.plane[i]] += 1
    for j in range(last + 1):
        pop.felt[j] -= followed(pop, j, i)
        pop.stiffness[j] -= pop.pair[j, i].slope
    for s in range(len(pop.charge)):
        pop.felt_at_source[s] -= followed_at_source(pop, i, s)
    for m in range(len(pop.mode_total)):
        pop.mode_total[m] -= pop.modes[i, m]
    change_cell(pop, i, -1)
    if i != last:
        cell = pop.cell[last]
        change_cell(pop, last, -1)
        change_cell(pop, i, cell)
        pop.plane[i] = pop.plane[last]
        pop.position[i] = pop.position[last]
        pop.sign[i] = pop.sign[last]
        pop.pinned_at[i] = pop.pinned_at[last]
        pop.passed[i] = pop.passed[last]
        pop.emitter[i] = pop.emitter[last]
        pop.heading[i] = pop.heading[last]
        pop.last_glide[i] = pop.last_glide[last]
        pop.relaxation[i] = pop.relaxation[last]
        pop.owed[i] = pop.owed[last]
        pop.x[i] = pop.x[last]
        pop.y[i] = pop.y[last]
        pop.gamma[i] = pop.gamma[last]
        pop.table[:, i] = pop.table[:, last]
        pop.placed[i] = pop.placed[last]
        pop.announced[i] = pop.announced[last]
        pop.gap[i] = pop.gap[last]
        pop.lowest_known[i] = pop.lowest_known[last]
        pop.highest_known[i] = pop.highest_known[last]
        pop.checked[i] = pop.checked[last]
        pop.checked_bend[i] = pop.checked_bend[last]
        pop.bound[i] = pop.bound[last]
        pop.bound_at_source[i] = pop.bound_at_source[last]
        pop.strongest_at_source[i] = pop.strongest_at_source[last]
        pop.moded[i] = pop.moded[last]
        pop.modes[i] = pop.modes[last]
        pop.weights[:, i] = pop.weights[:, last]
        pop.felt[i] = pop.felt[last]
        pop.stiffness[i] = pop.stiffness[last]
        pop.side[i] = pop.side[last]
        pop.side_slope[i] = pop.side_slope[last]
        pop.at_source[i] = pop.at_source[last]
        pop.push_at_source[i] = pop.push_at_source[last]
        pop.known_at_source[i] = pop.known_at_source[last]
        # row first, then column, so that [i, i] ends as the last one's own image stress
        for j in range(last + 1):
            pop.pair[i, j] = pop.pair[last, j]
            pop.push[i, j] = pop.push[last, j]
        for t in range(last + 1):
            pop.pair[t, i] = pop.pair[t, last]
            pop.push[t, i] = pop.push[t, last]
            bound_push(pop, t, i, 0.0, pop.push[t, i])
            # it was told elsewhere
            there, here = pop.bound[t, last // BLOCK], pop.bound[t, i // BLOCK]
            pop.felt[i] += pop.push[t, i] * (np.float64(there.untold) - np.float64(here.untold))
            tell_if_felt(pop, t, i, untold_of(0.0))
    write = 0
    for k in range(last + 1):
        slot = pop.order[k]
        if slot == i:
            continue
        pop.order[write] = i if slot == last else slot
        pop.rank[pop.order[write]] = write
        write += 1
    pop.number[0] = last
