"""Dislocations that go: out at a free side, or by meeting an opposite one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import folded, inner, uncounted
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.population import Population
from strainprint.specimens.rules import Rules
from strainprint.specimens.sources import hardened_threshold
from strainprint.specimens.topology import opposite_distance, remove

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

HINDERED_RISE = 1.05
"""Factor by which the stress on a source must rise after a dislocation it emitted annihilated."""


@uncounted
def any_leaves(
    lattice: Lattice, rules: Rules, pop: Population, moving: Integers, glide: Array
) -> bool:
    """Return whether any of those ``moving`` reached a side."""
    leaving = 0
    for i in moving:
        leaving += _leaves(lattice, rules, pop, i, glide)
    return leaving > 0


@inner
def leave(lattice: Lattice, rules: Rules, pop: Population, glide: Array) -> None:
    """Take out what reached a side; an exit at the far end slips the whole plane.

    One that leaves back over its source undoes the emission.
    """
    # from the last slot on, so that the swap moves only slots already seen
    for i in range(pop.number[0] - 1, -1, -1):
        if not _leaves(lattice, rules, pop, i, glide):
            continue
        far = pop.position[i] > rules.exit_distance
        if far:
            pop.slip[pop.plane[i]] += pop.sign[i]
        if far == (pop.heading[i] < 0):
            _hinder(lattice, pop, pop.emitter[i])
        remove(pop, i)


@folded
def _leaves(lattice: Lattice, rules: Rules, pop: Population, i: int, glide: Array) -> bool:
    """Return whether dislocation i glided and reached a side."""
    inside = rules.exit_distance < pop.position[i] < lattice.length - rules.exit_distance
    return bool(glide[i] != 0.0 and not inside)


@inner
def annihilate(lattice: Lattice, rules: Rules, pop: Population) -> None:
    """Remove opposite neighbours on one plane that met."""
    k = 0
    while k < pop.number[0] - 1:
        i = pop.order[k]
        j = pop.order[k + 1]
        if opposite_distance(pop, i, j) <= rules.annihilation_distance:
            _hinder(lattice, pop, max(pop.emitter[i], pop.emitter[j]))
            first, second = max(i, j), min(i, j)
            remove(pop, first)
            remove(pop, second)
            k = max(0, k - 1)
        else:
            k += 1


@uncounted
def _hinder(lattice: Lattice, pop: Population, emission: int) -> None:
    """Let the source of an emission that was undone wait for more stress.

    ASSUME: it waits until its stress has risen above that of its last emission (or fallen below
    its threshold since). Otherwise a source beside a stuck dislocation emits, loses one partner to
    it and emits again for ever under the same load, and so does one beside a side that draws both
    partners out. The present stress would not do: it holds the back stress of the pair.
    """
    s = emission % len(pop.charge)
    pop.hindrance[s] = HINDERED_RISE * max(
        pop.emitted_under[s], hardened_threshold(lattice, pop, s)
    )
