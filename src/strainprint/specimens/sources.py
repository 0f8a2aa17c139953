"""Sources: when they emit, what holds them back, and what they emit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import folded, inlined, uncounted
from strainprint.specimens.crystal import SURFACE
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.pillar import Pillar
from strainprint.specimens.population import Population
from strainprint.specimens.rules import THRESHOLD_TOLERANCE, Rules
from strainprint.specimens.topology import enter, take_up

Array = NDArray[np.float64]


@folded
def hardened_threshold(lattice: Lattice, pop: Population, s: int) -> float:
    """Return the strength (MPa) of source s, hardened by its emissions so far."""
    threshold: float = lattice.source_threshold[s] + pop.hardening[s]
    return threshold


@folded
def needed_stress(lattice: Lattice, pop: Population, s: int) -> float:
    """Return the stress (MPa) that source s has to reach now: its strength or its hindrance."""
    needed: float = max(hardened_threshold(lattice, pop, s), pop.hindrance[s])
    return needed


@uncounted
def forget_hindrance(lattice: Lattice, pop: Population, tau: Array) -> None:
    """Let sources whose stress fell below their strength emit again as soon as it is reached."""
    for s in range(len(pop.charge)):
        if abs(tau[s]) < hardened_threshold(lattice, pop, s):
            pop.hindrance[s] = 0.0


@folded
def _is_before(pop: Population, k: int, plane: int, position: float) -> bool:
    """Return whether who is at place k of the order lies before a position (nm) on a plane."""
    i = pop.order[k]
    return bool(pop.plane[i] < plane or (pop.plane[i] == plane and pop.position[i] < position))


@folded
def blocked(lattice: Lattice, rules: Rules, pop: Population, s: int) -> bool:
    """Return whether a dislocation occupies the place where source s would put its own.

    ASSUME: an occupied source waits. Dropping new dipoles onto occupied planes lets sources
    multiply without bound.
    """
    plane = lattice.source_plane[s]
    if pop.found_when[s] == pop.shuffled[plane]:
        return bool(pop.occupied[s])
    centre = lattice.source_position[s]
    reach = 0.5 * lattice.source_length[s] + rules.annihilation_distance
    if lattice.source_kind[s] == SURFACE:
        reach = min(centre, lattice.length - centre) + rules.annihilation_distance
    # the first, in order of plane and position, that is not before that place: mostly the same one
    # as the last time
    first, n = min(pop.found_at[s], pop.number[0]), pop.number[0]
    after = first > 0 and not _is_before(pop, first - 1, plane, centre - reach)
    if after or (first < n and _is_before(pop, first, plane, centre - reach)):
        first, end = 0, n
        while first < end:
            middle = (first + end) // 2
            if _is_before(pop, middle, plane, centre - reach):
                first = middle + 1
            else:
                end = middle
        pop.found_at[s] = first
    occupied = False
    if first < n:
        i = pop.order[first]
        occupied = bool(pop.plane[i] == plane and pop.position[i] <= centre + reach)
    pop.found_when[s], pop.occupied[s] = pop.shuffled[plane], occupied
    return occupied


@uncounted
def find_charging(
    lattice: Lattice, rules: Rules, pop: Population, tau: Array
) -> tuple[bool, float]:
    """Return whether any source charges and the time (ns) until the first is ready.

    The charge of the others becomes negative: they start from zero when they do.
    """
    # most are far from it: a processor asks several of them at once
    for s in range(len(pop.charge)):
        needed = needed_stress(lattice, pop, s) * (1.0 - THRESHOLD_TOLERANCE)
        pop.charge[s] = max(0.0, pop.charge[s]) if abs(tau[s]) >= needed else -1.0
    charging = False
    ready = 1e300
    for s in range(len(pop.charge)):
        if pop.charge[s] < 0.0:
            continue
        if blocked(lattice, rules, pop, s):
            pop.charge[s] = -1.0
            continue
        charging = True
        ready = min(ready, max(0.0, rules.nucleation_time - pop.charge[s]))
    return charging, ready


@inlined
def nucleate(
    lattice: Lattice, pillar: Pillar, rules: Rules, pop: Population, step: float, tau: Array
) -> None:
    """Charge the sources by one step; those ready emit."""
    s = _charge(lattice, rules, pop, step, tau, 0)
    while s < len(pop.charge):
        if pop.number[0] + 2 <= len(pop.plane):
            pop.charge[s] = 0.0
            if not blocked(lattice, rules, pop, s):
                _emit(lattice, pillar, pop, s, 1 if tau[s] > 0.0 else -1)
                pop.emitted_under[s] = abs(tau[s])
                pop.hardening[s] += rules.source_hardening * lattice.source_threshold[s]
        s = _charge(lattice, rules, pop, step, tau, s + 1)


@uncounted
def _charge(
    lattice: Lattice, rules: Rules, pop: Population, step: float, tau: Array, first: int
) -> int:
    """Charge the sources from ``first`` on by one step, up to one that is ready; returns it, or
    their number where none is."""
    for s in range(first, len(pop.charge)):
        if pop.charge[s] < 0.0:
            # does not charge, says find_charging
            pop.charge[s] = 0.0
            continue
        if abs(tau[s]) < needed_stress(lattice, pop, s) * (1.0 - THRESHOLD_TOLERANCE):
            # hindered since
            continue
        pop.charge[s] += step
        if pop.charge[s] >= rules.nucleation_time * (1.0 - 1e-12):
            return s
    return len(pop.charge)


@uncounted
def _emit(lattice: Lattice, pillar: Pillar, pop: Population, s: int, sense: int) -> None:
    """Emit from source s under a resolved stress of sign ``sense``."""
    first = pop.number[0]
    plane = lattice.source_plane[s]
    r = lattice.source_position[s]
    serial = pop.emissions[0] * len(pop.charge) + s
    pop.emissions[0] += 1
    if lattice.source_kind[s] == SURFACE:
        if 2.0 * r < lattice.length:
            enter(lattice, pillar, pop, plane, r, sense, serial, 1)
        else:
            pop.slip[plane] += sense
            enter(lattice, pillar, pop, plane, r, -sense, serial, -1)
    else:
        half = 0.5 * lattice.source_length[s]
        enter(lattice, pillar, pop, plane, r + half, sense, serial, 1)
        enter(lattice, pillar, pop, plane, r - half, -sense, serial, -1)
    take_up(lattice, pillar, pop, first)
