"""One linearly implicit step of all that move.

Explicit steps would have to follow the fastest vibration of the stiffest pair. Here strongly
coupled dislocations are solved together, so that dipoles, junctions and pile-ups come to rest in a
few steps whatever their rate.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import folded, inner, uncounted
from strainprint.specimens.gliding import find_reach, would_glide
from strainprint.specimens.interactions import own_stiffness
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.pillar import Pillar
from strainprint.specimens.population import BLOCK, Population, blocks
from strainprint.specimens.rules import Rules

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_UNMOVED = 0.6
"""Share of ``rest_velocity_nm_per_ns`` or of ``rest_glide_nm`` below which a dislocation stands
still while others come to rest, unless one draws it along."""

_SLOW = 0.1
"""The same as a share of the velocity of the fastest, falling from calm step to calm step: most
runs of them are short, as one that comes loose breaks them off."""

_SLOW_FALLS = 0.8
"""Factor by which that falls."""

_DRAWN_ALONG = 0.3
"""Couplings above this share draw partners along while others come to rest."""

_CREEP = 16
"""Calm steps on end after which couplings half as strong do: in a chain each holds each by a small
share only, and where one glides at a time, all creep."""

_WEAK_COUPLING = 0.02
"""Couplings below this share of both partners' own stiffness are left out of the implicit step."""

_LARGEST_CLUSTER = 150
"""Coupled dislocations solved together; beyond, twice as strong couplings count as weak."""

_MOST_HELD = 10
"""Pairs of an unstable cluster that are held one after the other, before all are."""


@inner
def choose_in_calm(
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    velocity: Array,
    restoring: Array,
    step: float,
    calm_steps: int,
    fastest: float,
    moving: Integers,
) -> int:
    """Fill ``moving`` with those that glide while all comes to rest; returns how many.

    After ``calm_steps`` of such on end, slow ones stand still; clusters move as a whole, else soft
    ones creep.
    """
    n = pop.number[0]
    count = 0
    least = _UNMOVED * rules.rest_glide
    slowest = _SLOW * _SLOW_FALLS**calm_steps * fastest
    slowest = max(_UNMOVED * rules.rest_velocity, slowest)
    # infinite for all but those that may be drawn along
    root = np.full(n, np.inf, np.float32)
    for i in range(n):
        if pop.pinned_at[i] >= 0:
            continue
        if abs(velocity[i]) >= slowest and would_glide(velocity[i], restoring[i], step, least):
            moving[count] = i
            count += 1
        else:
            root[i] = np.sqrt(restoring[i])
    drawn_along = max(_WEAK_COUPLING, _DRAWN_ALONG * 0.5 ** (calm_steps // _CREEP))
    least_root = np.empty(pop.bound.shape[1], np.float32)
    _find_least_of_blocks(root, least_root)
    return _draw_along(pillar, pop, restoring, drawn_along, root, least_root, moving, count)


@uncounted
def _draw_along(
    pillar: Pillar,
    pop: Population,
    restoring: Array,
    drawn_along: float,
    root: Floats,
    least_root: Floats,
    moving: Integers,
    count: int,
) -> int:
    """Add to the first ``count`` of ``moving`` those that they draw along; returns how many move.

    ``root`` is the square root of the own stiffness (1/ns) of all that do not move yet, infinite
    for others; ``least_root`` the least of every block.
    """
    done = 0
    while done < count and count < len(root):
        i = moving[done]
        done += 1
        weak = drawn_along * np.sqrt(restoring[i]) / pillar.mobility
        push, bounds = pop.push[i], pop.bound[i]
        found = _find_strong(push, bounds, weak, root, least_root, 0, moving[count:])
        for j in moving[count : count + found]:
            root[j] = np.inf
        count += found
    return count


@partial(uncounted, fastmath={"nnan"})
def _find_least_of_blocks(root: Floats, least_root: Floats) -> None:
    """Fill ``least_root`` with the least of every block of ``root``."""
    least_root[:] = np.inf
    for block in range(blocks(len(root))):
        least = np.float32(np.inf)
        for j in range(block * BLOCK, min((block + 1) * BLOCK, len(root))):
            least = min(least, root[j])
        least_root[block] = least


@uncounted
def _find_strong(
    push: Floats,
    bounds: NDArray[np.void],
    least: float,
    root: Floats,
    least_root: Floats,
    first: int,
    strong: Integers,
) -> int:
    """Fill ``strong`` with the partners from ``first`` on that feel |push| > least * root; returns
    how many.

    ``bounds`` and ``least_root`` bound both in every block of partners, most of which need not be
    looked at then; what is in one is compared at once before any is looked at by itself.
    """
    n = len(root)
    factor = np.float32(least)
    count = 0
    for block in range(first // BLOCK, blocks(n)):
        if bounds[block].strongest <= factor * least_root[block]:
            continue
        begin, end = max(first, block * BLOCK), min(n, (block + 1) * BLOCK)
        found = 0
        for j in range(begin, end):
            found += abs(push[j]) > factor * root[j]
        if found > 0:
            for j in range(begin, end):
                if abs(push[j]) > factor * root[j]:
                    strong[count] = j
                    count += 1
    return count


@inner
def implicit_glide(
    lattice: Lattice,
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    moving: Integers,
    machine: float,
    step: float,
    calm: bool,
    velocity: Array,
    reach: Array,
    glide: Array,
) -> float:
    """Fill the glides (nm) of one linearly implicit step of all that move; returns the step (ns).

    Solves (1/dt - dv/dr) glide = v + owed/dt, so that stiff couplings (dipoles, junctions,
    pile-ups) relax in a few steps whatever their rate. Strongly coupled dislocations are solved
    together, cluster by cluster; the held platen couples all (Sherman-Morrison). Glides beyond
    reach are scaled back: those of the cluster while all comes to rest (``calm``), else all and
    the step with them.
    """
    n = len(moving)
    rate = np.empty(n)
    turn = np.empty(n)
    for a in range(n):
        i = moving[a]
        own = pillar.mobility * pop.sign[i] * own_stiffness(pop, i)
        rate[a] = 1.0 / step - own
        # what keeps turning back is held the tighter, so that the others come to rest around it
        rate[a] += (1.0 / pop.relaxation[i] - 1.0) * max(abs(own), 1.0 / step)
        turn[a] = pop.sign[i] * np.sign(lattice.sin_2theta[pop.plane[i]])
    count, first, second, strength, share = _couple(pillar, pop, moving, rate)
    root = np.empty(n, np.int64)
    weak = _cluster(first[:count], second[:count], share[:count], root)

    # members and couplings of every cluster, as linked lists
    member = np.full(n, -1, np.int64)
    next_member = np.empty(n, np.int64)
    coupling = np.full(n, -1, np.int64)
    next_coupling = np.empty(count, np.int64)
    size = np.zeros(n, np.int64)
    for a in range(n):
        next_member[a] = member[root[a]]
        member[root[a]] = a
        size[root[a]] += 1
    for k in range(count):
        if share[k] >= weak:
            cluster = root[first[k]]
            next_coupling[k] = coupling[cluster]
            coupling[cluster] = k

    # glide without the platen, and what a unit of its answer changes
    alone = np.empty(n)
    answer = np.empty(n)
    place_in = np.empty(n, np.int64)
    for cluster in range(n):
        m = size[cluster]
        if m == 0:
            continue
        matrix = np.zeros((m, m))
        right = np.empty((m, 2))
        a, k = member[cluster], 0
        while a >= 0:
            place_in[a] = k
            matrix[k, k] = rate[a]
            right[k, 0] = velocity[moving[a]] + pop.owed[moving[a]] / step
            right[k, 1] = turn[a]
            a, k = next_member[a], k + 1
        c = coupling[cluster]
        while c >= 0:
            a, b = place_in[first[c]], place_in[second[c]]
            matrix[a, b] = matrix[b, a] = strength[c]
            c = next_coupling[c]
        upper = np.empty((m, m))
        _factorise_stable(matrix, 1.0 / step, upper)
        _solve(upper, right)
        a, k = member[cluster], 0
        while a >= 0:
            alone[a] = right[k, 0]
            answer[a] = right[k, 1]
            a, k = next_member[a], k + 1

    # the platen answers what glides at last: thrice, since that depends on its answer
    part = np.ones(n)
    worst = np.ones(n)
    for _ in range(3):
        platen = machine * np.sum(part * turn * alone)
        platen /= 1.0 + machine * max(0.0, np.sum(part * turn * answer))
        worst[:] = 1.0
        for a in range(n):
            i = moving[a]
            distance = abs(alone[a] - platen * answer[a])
            if distance > rules.largest_glide:
                if reach[i] < 0.0:
                    reach[i] = find_reach(pillar, rules, pop, i)
                cluster = root[a] if calm else 0
                worst[cluster] = max(worst[cluster], distance / reach[i])
        if not calm:
            break
        for a in range(n):
            part[a] = 1.0 / worst[root[a]]
    for a in range(n):
        whole = worst[root[a]] if calm else worst[0]
        glide[moving[a]] = (alone[a] - platen * answer[a]) / whole
    return step if calm else step / worst[0]


@inner
def _couple(
    pillar: Pillar, pop: Population, moving: Integers, rate: Array
) -> tuple[int, Integers, Integers, Array, Array]:
    """Find the couplings that count among what moves.

    Returns their number, the partners of each, the negative derivative of the velocity of either as
    the other glides, and this as a share of both partners' own stiffness. ``rate`` holds the
    diagonal. Forces have a potential (to 1e-3, see the tests), so one side of a pair tells the
    other's: rows alone are read.
    """
    slots = pop.number[0]
    root = np.full(slots, np.inf, np.float32)
    least_root = np.full(pop.bound.shape[1], np.inf, np.float32)
    place_in = np.empty(slots, np.int64)
    for a in range(len(moving)):
        i = moving[a]
        place_in[i] = a
        root[i] = np.sqrt(np.abs(rate[a]))
        least_root[i // BLOCK] = min(least_root[i // BLOCK], root[i])
    room = 4 * slots
    while True:
        first = np.empty(room, np.int64)
        second = np.empty(room, np.int64)
        strength = np.empty(room)
        share = np.empty(room)
        count = _find_couplings(
            pillar, pop, moving, root, least_root, place_in, first, second, strength, share
        )
        if count >= 0:
            return count, first, second, strength, share
        room *= 2


@uncounted
def _find_couplings(
    pillar: Pillar,
    pop: Population,
    moving: Integers,
    root: Floats,
    least_root: Floats,
    place_in: Integers,
    first: Integers,
    second: Integers,
    strength: Array,
    share: Array,
) -> int:
    """Fill the last four arrays as :func:`_couple` returns them, as far as they have room; returns
    how many couplings there are, -1 for more than that.

    ``root`` is the square root of the size of ``rate``, infinite for what does not move, by slot.
    """
    count = 0
    for a in range(len(moving)):
        i = moving[a]
        least = _WEAK_COUPLING * root[i] / pillar.mobility
        push, bounds = pop.push[i], pop.bound[i]
        found = _find_strong(push, bounds, least, root, least_root, i + 1, pop.which)
        if count + found > len(first):
            return -1
        for j in pop.which[:found]:
            first[count], second[count] = a, place_in[j]
            strength[count] = -pillar.mobility * pop.sign[j] * push[j]
            share[count] = pillar.mobility * abs(push[j]) / (root[i] * root[j])
            count += 1
    return count


@inner
def _cluster(first: Integers, second: Integers, share: Array, root: Integers) -> float:
    """Fill ``root`` with the cluster of each that the couplings join; returns the weakest share
    that still does, so that no cluster becomes too large."""
    n = len(root)
    size = np.empty(n, np.int64)
    weak = _WEAK_COUPLING
    while True:
        for a in range(n):
            root[a] = a
        for k in range(len(first)):
            if share[k] >= weak:
                root[_find(root, second[k])] = _find(root, first[k])
        size[:] = 0
        for a in range(n):
            size[_find(root, a)] += 1
        if np.max(size) <= _LARGEST_CLUSTER:
            break
        weak *= 2.0
    for a in range(n):
        root[a] = _find(root, a)
    return weak


@folded
def _find(parent: Integers, a: int) -> int:
    """Return the root of a's cluster."""
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a


@inner
def _factorise_stable(matrix: Array, inertia: float, upper: Array) -> None:
    """Fill ``upper`` as :func:`_factorise` does, after taking from the matrix what is unstable.

    A mode that runs away faster than the step would be taken to the saddle that it leaves. So those
    dislocations are held that are unstable alone or in a pair; then, as long as a mode is left, the
    one that shows it and its strongest partner; at last all: a dominant diagonal is positive
    definite.
    """
    bad = _factorise(matrix, inertia, upper)
    if bad < 0:
        return
    m = len(matrix)
    unstable = np.zeros(m, np.bool_)
    for i in range(m):
        unstable[i] = matrix[i, i] < 0.5 * inertia
        for j in range(m):
            both = matrix[i, i] * matrix[j, j]
            if j != i and matrix[j, j] > 0.0 and matrix[i, j] * matrix[i, j] > both:
                unstable[i] = True
    for i in range(m):
        if unstable[i]:
            _hold(matrix, inertia, i)
    for _ in range(_MOST_HELD):
        bad = _factorise(matrix, inertia, upper)
        if bad < 0:
            return
        partner = bad
        strongest = 0.0
        for j in range(m):
            if j != bad and abs(matrix[bad, j]) > strongest:
                strongest = abs(matrix[bad, j])
                partner = j
        looser = _hold(matrix, inertia, bad)
        if not (_hold(matrix, inertia, partner) or looser):
            break
    for i in range(m):
        _hold(matrix, inertia, i)
    _factorise(matrix, inertia, upper)


@uncounted
def _factorise(matrix: Array, inertia: float, upper: Array) -> int:
    """Fill ``upper`` with U of U^T U = matrix (Cholesky), a symmetric one with ``inertia`` = 1/dt
    on its diagonal.

    Returns the first row with which a mode runs away faster than half of that, -1 for none.
    """
    m = len(matrix)
    for i in range(m):
        for j in range(i, m):
            upper[i, j] = matrix[i, j]
        for k in range(i):
            share = upper[k, i]
            if share != 0.0:
                for j in range(i, m):
                    upper[i, j] -= share * upper[k, j]
        if not upper[i, i] > 0.5 * inertia:
            return i
        scale = 1.0 / np.sqrt(upper[i, i])
        for j in range(i, m):
            upper[i, j] *= scale
    return -1


@uncounted
def _hold(matrix: Array, inertia: float, i: int) -> bool:
    """Hold row i by as much as all others pull at it; returns whether it was held by less."""
    pulled = inertia
    for j in range(len(matrix)):
        if j != i:
            pulled += abs(matrix[i, j])
    looser: bool = matrix[i, i] < pulled
    matrix[i, i] = max(matrix[i, i], pulled)
    return looser


@uncounted
def _solve(upper: Array, right: Array) -> None:
    """Replace both columns of ``right`` by the solution of U^T U x = right."""
    m = len(upper)
    for i in range(m):
        for c in range(2):
            right[i, c] /= upper[i, i]
        first, second = right[i, 0], right[i, 1]
        for j in range(i + 1, m):
            right[j, 0] -= upper[i, j] * first
            right[j, 1] -= upper[i, j] * second
    for i in range(m - 1, -1, -1):
        first, second = right[i, 0], right[i, 1]
        for j in range(i + 1, m):
            first -= upper[i, j] * right[j, 0]
            second -= upper[i, j] * right[j, 1]
        right[i, 0], right[i, 1] = first / upper[i, i], second / upper[i, i]
