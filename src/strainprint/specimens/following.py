"""Sums that follow a glide to first order, and bounds that say for whom that is needed.

A glide is told block by block of partners, who lie near each other in memory and in space
(:func:`arrange`): most blocks are too far away to feel it yet, and reading memory is what takes the
time. What was not told yet is kept beside the bound that decides it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import folded, uncounted
from strainprint.specimens.population import BLOCK, Population, blocks
from strainprint.specimens.prefetching import prefetch

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_UNTOLD = 0.05
"""What a partner feels of a glide at most that it is not told to first order, as a share of what
one may lack. Most blocks of partners are too far from a dislocation that comes to rest to feel
more."""

_UNTOLD_MPA = 5e-4
"""The same where all partners learn: so little that even thousands of them would hardly count."""

_FLOATS_IN_LINE = 16
"""Numbers of four bytes in a line of the cache."""


@uncounted
def shift(pop: Population, which: Integers, glides: Array, least: Array, count: int) -> None:
    """Let all sums know to first order that the first ``count`` dislocations of ``which`` were
    placed ``glides`` nm on, but for blocks of those who would feel ``least`` (MPa) of it at most.

    To be called for all that were placed before :func:`exert` replaces what is known better.
    """
    for k in range(count):
        i, glide = which[k], glides[k]
        pop.felt[i] += glide * pop.stiffness[i]
        tell_who_feels(pop, i, glide, least[k])


@uncounted
def tell_who_feels(pop: Population, i: int, glide: float, least: float) -> bool:
    """Let blocks of partners and sources who would feel more than ``least`` (MPa) know to first
    order where dislocation i was placed, ``glide`` nm on; returns whether there were any."""
    count = 0
    for block in range(blocks(pop.number[0])):
        bound = pop.bound[i, block]
        bound.untold += glide
        if abs(bound.untold) * bound.strongest > least:
            pop.told[count] = block
            count += 1
            # comes while the others are looked at
            for j in range(block * BLOCK, (block + 1) * BLOCK, _FLOATS_IN_LINE):
                prefetch(pop.push, i, j)
    any_felt = count > 0
    for block in pop.told[:count]:
        _tell(pop, i, block)
    for block in range(blocks(len(pop.charge))):
        bound = pop.bound_at_source[i, block]
        bound.untold += glide
        if abs(bound.untold) * bound.strongest > least:
            any_felt = True
            sources = slice(block * BLOCK, min((block + 1) * BLOCK, len(pop.charge)))
            _add(
                pop.felt_at_source[sources],
                np.float64(bound.untold),
                pop.push_at_source[i, sources],
            )
            bound.untold = 0.0
    return any_felt


@folded
def tell_if_felt(pop: Population, i: int, j: int, least: float) -> None:
    """Let the block of dislocation j know where i was placed if j, which came near, feels more than
    ``least`` (MPa) of it."""
    if abs(pop.bound[i, j // BLOCK].untold * pop.push[i, j]) > least:
        _tell(pop, i, j // BLOCK)


@uncounted
def _tell(pop: Population, i: int, block: int) -> None:
    """Let a block of partners know to first order where dislocation i was placed."""
    partners = slice(block * BLOCK, min((block + 1) * BLOCK, pop.number[0]))
    _add(pop.felt[partners], np.float64(pop.bound[i, block].untold), pop.push[i, partners])
    pop.bound[i, block].untold = 0.0


@folded
def _add(total: Array, glide: float, push: Floats) -> None:
    """Add what partners or sources feel of a glide."""
    for j in range(len(total)):
        total[j] += glide * push[j]


@folded
def untold_of(stale: float) -> float:
    """Return the stress (MPa) that partners may lack of a glide to first order, where they may lack
    ``stale`` in all."""
    least: float = max(_UNTOLD_MPA, _UNTOLD * stale)
    return least


@folded
def followed(pop: Population, i: int, j: int) -> float:
    """Return the stress (MPa) of dislocation j on i that ``felt`` holds."""
    pair = pop.pair[i, j]
    told = pop.placed[j] - pop.bound[j, i // BLOCK].untold
    stress: float = pair.offset + pair.slope * pop.placed[i] + pop.push[j, i] * told
    return stress


@folded
def followed_at_source(pop: Population, i: int, s: int) -> float:
    """Return the stress (MPa) of dislocation i on source s that ``felt_at_source`` holds."""
    told = pop.placed[i] - pop.bound_at_source[i, s // BLOCK].untold
    stress: float = pop.at_source[i, s] + told * pop.push_at_source[i, s]
    return stress


@folded
def anybody_feels(pop: Population, i: int, least: float) -> bool:
    """Return whether anybody, itself included, may feel more than ``least`` (MPa/nm) of a glide of
    dislocation i."""
    feel = int(max(pop.strongest_at_source[i], abs(pop.stiffness[i])) > least)
    for block in range(blocks(pop.number[0])):
        feel += pop.bound[i, block].strongest > least
    return feel > 0


@folded
def bound_push(pop: Population, i: int, j: int, before: float, push: float) -> None:
    """Bound what is felt of a glide of dislocation i (MPa/nm) after the share of j changed."""
    bound = pop.bound[i, j // BLOCK]
    if abs(push) > bound.strongest:
        bound.strongest = abs(push)
    elif abs(before) > 0.5 * bound.strongest >= abs(push):
        find_strongest_push(pop, i, j // BLOCK)


@uncounted
def find_strongest_push(pop: Population, i: int, block: int) -> None:
    """Bound anew what a block of partners feels of a glide of dislocation i."""
    strongest = np.float32(0.0)
    for j in range(block * BLOCK, min((block + 1) * BLOCK, pop.number[0])):
        strongest = max(strongest, abs(pop.push[i, j]))
    pop.bound[i, block].strongest = strongest


@folded
def bound_push_at_source(pop: Population, i: int, s: int) -> None:
    """Bound what sources feel of a glide of dislocation i (MPa/nm) after the share of s changed."""
    push, bound = abs(pop.push_at_source[i, s]), pop.bound_at_source[i, s // BLOCK]
    bound.strongest = max(bound.strongest, push)
    pop.strongest_at_source[i] = max(pop.strongest_at_source[i], push)
