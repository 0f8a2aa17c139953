"""The dislocations of one specimen, and the stress that each exerts on each.

Pair stresses are kept in matrices of which only rows and columns of moved dislocations are
recomputed, and their sums follow the changes, so pinned populations cost nothing. A glide waits
until some partner would feel it; then all sums follow it to first order (:func:`shift`), which
reads one row. What is left falls with the third power of the distance, so that each shell of
partners is recomputed (:func:`exert`) only when enough glide for it has added up: neighbours often,
far partners hardly ever.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, folded, uncounted
from strainprint.specimens.crystal import Crystal
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.pair_sums import (
    ROWS,
    X,
    Y,
    slopes_at,
    slopes_of,
    tabulate,
)
from strainprint.specimens.pillar import (
    Pillar,
    mean_axial_stress,
    shear_weights,
    side_traction_modes,
)
from strainprint.specimens.state import State

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROOM_AXES = {
    **dict.fromkeys(("table", "near", "at", "of", "before"), (1,)),
    **dict.fromkeys(("pair", "slope", "push", "known"), (0, 1)),
    **dict.fromkeys(("number", "slip", "charge", "hindrance", "hardening", "emissions"), ()),
    **dict.fromkeys(("emitted_under", "felt_at_source", "side_at_source"), ()),
    **dict.fromkeys(("mode_total", "mode_seen", "exertions"), ()),
}
"""Axes of the fields of :class:`Population` that count dislocations, where not the first alone."""

SHELL_NM = (20.0, 60.0, 180.0, 540.0, np.inf)
"""Outer radii of the shells of partners and sources around a dislocation that learn exactly where
it is: each when it has glided three times as far as the shell within bears."""

_NEAR_NM = 60.0
"""Up to this distance a partner bears the error of a single one; farther ones are more in number,
and the sum of what they lack grows with their distance."""

BLOCK = 64
"""Columns that are compared at once, before any is looked at by itself."""

_PAD = 8
"""Unused columns of the pair matrices: columns whose numbers are a power of two apart in memory
share few places of the cache."""

_ANEW_AFTER = 8
"""Exertions for each dislocation after which the running sums are formed anew."""

CORE_RADIUS_NM = 0.5
"""ASSUME: core radius 2 b. Only partners on intersecting planes come so close (opposite ones on one
plane annihilate at 6 b before); without a core they would fall into each other for ever. With it
they form a junction that a sufficient stress breaks."""


class Population(NamedTuple):
    """Dislocations in slots 0 … number-1 of arrays with room for more, and what they exert.

    ``pair[i, j]`` and ``at_source[j, s]`` are the resolved shear stresses (MPa) that the closed
    field of dislocation j exerts on dislocation i and on source s, as last computed: with i at
    ``known[i, j]``, j at ``known[j, i]`` or ``known_at_source[j, s]`` on their planes. ``slope[i,
    j]`` and ``push[j, i]`` are the derivatives (MPa/nm) of the former as i and as j glide,
    ``push_at_source[j, s]`` that of ``at_source``. Sums over j, to first order where the
    dislocations were placed since, are ``felt`` and ``felt_at_source``; that of ``slope`` is
    ``stiffness``. ``side`` and ``side_at_source`` are the stresses of the side correction.
    """

    number: Integers
    plane: Integers
    position: Array
    sign: Integers
    pinned_at: Integers
    passed: Integers
    """Obstacle that let this dislocation go last, -1 for none."""
    emitter: Integers
    """Serial number of the emission it came from."""
    heading: Integers
    """+1 where it was emitted towards larger r, -1 towards smaller."""
    last_glide: Array
    relaxation: Array
    """Below 1 for one that turned back: its own stiffness counts as the inverse times as large."""
    x: Array
    y: Array
    gamma: NDArray[np.complex128]
    table: Array
    """The dislocations as columns for :mod:`pair_sums`, (rows, room)."""
    placed: Array
    """Position at which it was last placed: all know it at least to first order."""
    announced: Array
    """Position that each shell knows exactly, (room, shells)."""
    gap: Array
    """Distance (nm) to the nearest partner or source in the first shell or to its image, when last
    recomputed."""
    strongest_push: Array
    """Bound (MPa/nm) on what a partner or a source feels of its glide, at most twice that."""
    moded: Array
    """Position at which its modes and weights were computed."""
    modes: Array
    weights: Array
    pair: Array
    slope: Array
    push: NDArray[np.float32]
    """Seven digits: it tells small changes, and whole rows of it are read in every step."""
    known: Array
    at_source: Array
    push_at_source: NDArray[np.float32]
    known_at_source: Array
    felt: Array
    stiffness: Array
    side: Array
    felt_at_source: Array
    side_at_source: Array
    mode_total: Array
    mode_seen: Array
    """The total that ``side`` and ``side_at_source`` were evaluated with."""
    outdated: Integers
    """Number of its shells that wait to learn exactly where it was placed."""
    near: Array
    """Scratch: columns of a table, of as many partners or sources as there may be."""
    which: Integers
    """Scratch: their numbers."""
    at: Array
    of: Array
    """Scratch: what :func:`slopes_at` (6 rows) and :func:`slopes_of` (3 rows) find."""
    before: Array
    """Scratch: what was known before, (3, room)."""
    order: Integers
    """Slots sorted by plane, then position."""
    slip: Integers
    """N_p of every plane."""
    charge: Array
    """Time (ns) each source has been above its threshold."""
    hardening: Array
    """Stress (MPa) by which its emissions so far have raised each source's threshold."""
    emitted_under: Array
    """Stress (MPa) at the last emission of every source."""
    hindrance: Array
    """Stress (MPa) that a source must exceed besides its threshold, 0 where unhindered."""
    emissions: Integers
    """[number of emissions so far]."""
    exertions: Integers
    """[calls of :func:`exert` since the sums were formed anew]."""


def make_population(crystal: Crystal, pillar: Pillar, room: int = 64) -> Population:
    """Return an empty population with room for ``room`` dislocations."""
    sources = len(crystal.source_plane)
    modes = 4 * pillar.modes
    return Population(
        number=np.zeros(1, np.int64),
        plane=np.zeros(room, np.int64),
        position=np.zeros(room),
        sign=np.zeros(room, np.int64),
        pinned_at=np.full(room, -1, np.int64),
        passed=np.full(room, -1, np.int64),
        emitter=np.zeros(room, np.int64),
        heading=np.zeros(room, np.int64),
        last_glide=np.zeros(room),
        relaxation=np.ones(room),
        x=np.zeros(room),
        y=np.zeros(room),
        gamma=np.zeros(room, np.complex128),
        table=np.zeros((ROWS, room)),
        placed=np.zeros(room),
        announced=np.zeros((room, len(SHELL_NM))),
        gap=np.zeros(room),
        strongest_push=np.zeros(room),
        moded=np.zeros(room),
        modes=np.zeros((room, modes)),
        weights=np.zeros((room, modes)),
        pair=np.zeros((room, room + _PAD)),
        slope=np.zeros((room, room + _PAD)),
        push=np.zeros((room, room + _PAD), np.float32),
        known=np.zeros((room, room + _PAD)),
        at_source=np.zeros((room, sources)),
        push_at_source=np.zeros((room, sources), np.float32),
        known_at_source=np.zeros((room, sources)),
        felt=np.zeros(room),
        stiffness=np.zeros(room),
        side=np.zeros(room),
        felt_at_source=np.zeros(sources),
        side_at_source=np.zeros(sources),
        mode_total=np.zeros(modes),
        mode_seen=np.zeros(modes),
        outdated=np.zeros(room, np.int64),
        near=np.zeros((ROWS, room + sources)),
        which=np.zeros(room + sources, np.int64),
        at=np.zeros((6, room)),
        of=np.zeros((3, room + sources)),
        before=np.zeros((3, room)),
        order=np.zeros(room, np.int64),
        slip=np.zeros(len(crystal.plane_angle), np.int64),
        charge=np.zeros(sources),
        hardening=np.zeros(sources),
        emitted_under=np.zeros(sources),
        hindrance=np.zeros(sources),
        emissions=np.zeros(1, np.int64),
        exertions=np.zeros(1, np.int64),
    )


def copy_population(population: Population, room: int | None = None) -> Population:
    """Return an independent copy, with room for ``room`` dislocations if that is more."""
    old = len(population.plane)
    if room is None or room <= old:
        return Population(**{name: array.copy() for name, array in population._asdict().items()})
    grown = {}
    for name, array in population._asdict().items():
        axes = _ROOM_AXES.get(name, (0,))
        grown[name] = np.pad(
            array, [(0, room - old if axis in axes else 0) for axis in range(array.ndim)]
        )
    return Population(**grown)


def observe(population: Population, platen_displacement_nm: float) -> State:
    """Return the population as a :class:`State`, ordered by plane and position."""
    order = population.order[: population.number[0]]
    return State(
        plane=population.plane[order].copy(),
        position_nm=population.position[order].copy(),
        sign=population.sign[order].copy(),
        whole_plane_slip=population.slip.copy(),
        platen_displacement_nm=platen_displacement_nm,
    )


@uncounted
def place(lattice: Lattice, pillar: Pillar, pop: Population, i: int) -> None:
    """Recompute what depends on the position of dislocation i alone, but for its modes."""
    plane = pop.plane[i]
    c = lattice.cos_theta[plane]
    s = lattice.sin_theta[plane]
    pop.placed[i] = pop.position[i]
    pop.x[i] = lattice.origin_x[plane] + pop.position[i] * c
    pop.y[i] = lattice.origin_y[plane] + pop.position[i] * s
    # -i |gamma| sign exp(i theta)
    pop.gamma[i] = complex(s, -c) * (pillar.strength * pop.sign[i])
    tabulate(pillar.wave, pop.x[i], pop.y[i], c, s, pop.gamma[i], plane, pop.table, i)


@uncounted
def place_modes(lattice: Lattice, pillar: Pillar, pop: Population, i: int) -> None:
    """Recompute the traction modes of dislocation i where it is and the weights of all modes at it.

    They vary over the distance to the farther side.
    """
    plane = pop.plane[i]
    x = _present_x(lattice, pop, i)
    y = lattice.origin_y[plane] + pop.position[i] * lattice.sin_theta[plane]
    pop.moded[i] = pop.position[i]
    for m in range(len(pop.mode_total)):
        pop.mode_total[m] -= pop.modes[i, m]
    side_traction_modes(pillar, x, y, pop.gamma[i], pop.modes[i])
    for m in range(len(pop.mode_total)):
        pop.mode_total[m] += pop.modes[i, m]
    sin_2theta, cos_2theta = lattice.sin_2theta[plane], lattice.cos_2theta[plane]
    shear_weights(pillar, x, y, sin_2theta, cos_2theta, pop.weights[i])
    side = 0.0
    for m in range(len(pop.mode_total)):
        side += pop.weights[i, m] * pop.mode_seen[m]
    pop.side[i] = side


@compiled
def update_side(lattice: Lattice, pop: Population, tolerance: float) -> bool:
    """Evaluate the side correction if it may have changed by ``tolerance`` (MPa) anywhere.

    Returns whether it was.
    """
    change = 0.0
    for m in range(len(pop.mode_total)):
        change += abs(pop.mode_total[m] - pop.mode_seen[m]) * lattice.weight_bound[m]
    if change <= tolerance:
        return False
    pop.mode_seen[:] = pop.mode_total
    n = pop.number[0]
    pop.side_at_source[:] = np.dot(lattice.source_weights, pop.mode_seen)
    pop.side[:n] = np.dot(pop.weights[:n], pop.mode_seen)
    return True


@uncounted
def shift(pop: Population, i: int, glide: float) -> None:
    """Let all sums know to first order that dislocation i was placed ``glide`` nm on.

    To be called for all that were placed before :func:`exert` replaces what is known better.
    """
    felt, push = pop.felt, pop.push[i]
    felt[i] += glide * pop.stiffness[i]
    for j in range(pop.number[0]):
        felt[j] += glide * push[j]
    felt, push = pop.felt_at_source, pop.push_at_source[i]
    for s in range(len(felt)):
        felt[s] += glide * push[s]


@folded
def _followed(pop: Population, i: int, j: int) -> float:
    """Return the stress (MPa) of dislocation j on i that ``felt`` holds."""
    stress: float = (
        pop.pair[i, j]
        + pop.slope[i, j] * (pop.placed[i] - pop.known[i, j])
        + pop.push[j, i] * (pop.placed[j] - pop.known[j, i])
    )
    return stress


@folded
def _followed_at_source(pop: Population, i: int, s: int) -> float:
    """Return the stress (MPa) of dislocation i on source s that ``felt_at_source`` holds."""
    lead = pop.placed[i] - pop.known_at_source[i, s]
    stress: float = pop.at_source[i, s] + lead * pop.push_at_source[i, s]
    return stress


@folded
def outdated_shells(pop: Population, i: int, bend: float) -> int:
    """Return how many shells around dislocation i know too little of where it is.

    To first order they know; ``bend`` (1/nm) is the square of the glide over the third power of the
    distance beyond which that is too little for a single partner.
    """
    outdated = 0
    inner_radius = pop.gap[i]
    for shell in range(len(SHELL_NM)):
        lead = pop.position[i] - pop.announced[i, shell]
        if lead * lead > bend * inner_radius**2 * min(inner_radius, _NEAR_NM):
            outdated = shell + 1
        inner_radius = SHELL_NM[shell]
    return outdated


@folded
def crosses_middle(lattice: Lattice, pop: Population, i: int) -> bool:
    """Return whether dislocation i is on the other side of the middle than where it was placed.

    Its closed field holds the image in the nearer side only, the side correction that in the other.
    """
    return bool((pop.x[i] > 0.0) != (_present_x(lattice, pop, i) > 0.0))


@folded
def _present_x(lattice: Lattice, pop: Population, i: int) -> float:
    """Return x (nm) of dislocation i where it is, not where it was placed."""
    x: float = pop.x[i] + (pop.position[i] - pop.placed[i]) * lattice.cos_theta[pop.plane[i]]
    return x


@uncounted
def exert(lattice: Lattice, pillar: Pillar, pop: Population, i: int, shells: int) -> None:
    """Recompute the pairs of dislocation i with the partners in its first ``shells`` shells, what
    it exerts on the sources there, and the sums."""
    pop.exertions[0] += 1
    for shell in range(shells):
        pop.announced[i, shell] = pop.placed[i]
    pop.gap[i] = min(SHELL_NM[0], 2.0 * (pillar.half_width - abs(pop.x[i])))
    radius = pillar.wave * SHELL_NM[shells - 1]
    x, y = pop.table[X, i], pop.table[Y, i]
    count = _within(pop.table[X], pop.table[Y], pop.number[0], x, y, radius, pop.which)
    _exert_on_partners(pillar, pop, i, count)
    xs, ys = lattice.source_table[X], lattice.source_table[Y]
    count = _within(xs, ys, len(pop.charge), x, y, radius, pop.which)
    if count > 0:
        _exert_on_sources(lattice, pillar, pop, i, count)


@uncounted
def exert_what_lacks(
    lattice: Lattice, pillar: Pillar, pop: Population, i: int, bend: float
) -> bool:
    """Recompute each pair of dislocation i that knows too little of where it was placed, and what
    it exerts on such sources; returns whether there were any.

    Shells answer for the partners that they hold now: one that went from shell to shell may know
    less. ``bend`` is that of :func:`outdated_shells`.
    """
    wave, placed = pillar.wave, pop.placed[i]
    x, y = pop.table[X, i], pop.table[Y, i]
    xs, ys = pop.table[X], pop.table[Y]
    count = _lacking(wave, xs, ys, pop.known[i], pop.number[0], x, y, placed, bend, pop.which)
    any_lacks = count > 0
    if any_lacks:
        _exert_on_partners(pillar, pop, i, count)
    xs, ys, known = lattice.source_table[X], lattice.source_table[Y], pop.known_at_source[i]
    count = _lacking(wave, xs, ys, known, len(pop.charge), x, y, placed, bend, pop.which)
    if count > 0:
        _exert_on_sources(lattice, pillar, pop, i, count)
    return any_lacks or count > 0


@uncounted
def _lacking(
    wave: float,
    xs: Array,
    ys: Array,
    known: Array,
    n: int,
    x: float,
    y: float,
    placed: float,
    bend: float,
    which: Integers,
) -> int:
    """Fill ``which`` with the first n points that know too little of a dislocation at (x, y), of
    which they know that it was at ``known``; returns how many."""
    # squared distance and squared glide, both squared: compilers vectorise what has no root
    nm2 = 1.0 / wave**2
    least, near2 = (bend * nm2) ** 2 * nm2, _NEAR_NM**2 / nm2
    count = 0
    for first in range(0, n, BLOCK):
        end = min(n, first + BLOCK)
        lacking = 0
        for j in range(first, end):
            dx, dy, lead = xs[j] - x, ys[j] - y, placed - known[j]
            r2, lead2 = dx * dx + dy * dy, lead * lead
            lacking += lead2 * lead2 > least * r2 * r2 * min(r2, near2)
        if lacking > 0:
            for j in range(first, end):
                dx, dy, lead = xs[j] - x, ys[j] - y, placed - known[j]
                r2, lead2 = dx * dx + dy * dy, lead * lead
                if lead2 * lead2 > least * r2 * r2 * min(r2, near2):
                    which[count] = j
                    count += 1
    return count


@uncounted
def _within(
    xs: Array, ys: Array, n: int, x: float, y: float, radius: float, which: Integers
) -> int:
    """Fill ``which`` with the numbers of the first n points within a radius; returns how many."""
    radius2 = radius * radius
    count = 0
    for first in range(0, n, BLOCK):
        end = min(n, first + BLOCK)
        within = 0
        for j in range(first, end):
            dx, dy = xs[j] - x, ys[j] - y
            within += dx * dx + dy * dy <= radius2
        if within > 0:
            for j in range(first, end):
                dx, dy = xs[j] - x, ys[j] - y
                if dx * dx + dy * dy <= radius2:
                    which[count] = j
                    count += 1
    return count


@uncounted
def _gather(table: Array, which: Integers, count: int, near: Array) -> None:
    """Copy ``count`` columns of a table."""
    for row in range(ROWS):
        for k in range(count):
            near[row, k] = table[row, which[k]]


@uncounted
def _exert_on_partners(pillar: Pillar, pop: Population, i: int, count: int) -> None:
    """Recompute the first ``count`` pairs of ``which``, and the sums."""
    wave, half_width, core = pillar.wave, pillar.half_width, CORE_RADIUS_NM
    at, of, before, which = pop.at, pop.of, pop.before, pop.which
    _gather(pop.table, which, count, pop.near)
    slopes_at(wave, half_width, core, pop.table, i, pop.near, count, at)
    slopes_of(wave, half_width, core, pop.table, i, pop.near, count, of)
    for k in range(count):
        if which[k] == i:
            # on itself act only its images, which glide with it
            at[1, k] += at[2, k]
            at[2, k] = 0.0
            of[0, k], of[1, k], of[2, k] = at[0, k], at[1, k], 0.0
    # two short loops without a choice, so that a processor can wait for many cache lines at once
    row, column, stiffness = 0.0, 0.0, 0.0
    for k in range(count):
        j = which[k]
        lead = pop.placed[i] - pop.known[i, j]
        row += at[0, k] - (pop.pair[i, j] + lead * pop.slope[i, j])
        stiffness += at[1, k] - pop.slope[i, j]
        before[0, k] = lead * pop.push[i, j]
        before[1, k] = pop.push[i, j]
        pop.pair[i, j] = at[0, k]
        pop.slope[i, j] = at[1, k]
        pop.push[i, j] = of[2, k]
        pop.known[i, j] = pop.placed[i]
    for k in range(count):
        j = which[k]
        lead = pop.placed[j] - pop.known[j, i]
        column += lead * pop.push[j, i]
        pop.felt[j] += of[0, k] - (pop.pair[j, i] + lead * pop.slope[j, i] + before[0, k])
        pop.stiffness[j] += of[1, k] - pop.slope[j, i]
        before[2, k] = pop.push[j, i]
        pop.pair[j, i] = of[0, k]
        pop.slope[j, i] = of[1, k]
        pop.push[j, i] = at[2, k]
        pop.known[j, i] = pop.placed[j]
    pop.felt[i] += row - column
    pop.stiffness[i] += stiffness
    for k in range(count):
        j = which[k]
        _bound_push(pop, i, before[1, k], of[2, k])
        _bound_push(pop, j, before[2, k], at[2, k])
        if j != i:
            gap2 = (pop.x[j] - pop.x[i]) ** 2 + (pop.y[j] - pop.y[i]) ** 2
            if gap2 < pop.gap[i] ** 2:
                pop.gap[i] = np.sqrt(gap2)
            if gap2 < pop.gap[j] ** 2:
                pop.gap[j] = np.sqrt(gap2)


@folded
def _bound_push(pop: Population, i: int, before: float, push: float) -> None:
    """Bound what is felt of a glide of dislocation i (MPa/nm) after a partner's share changed."""
    bound = pop.strongest_push[i]
    if abs(push) > bound:
        pop.strongest_push[i] = abs(push)
    elif abs(before) > 0.5 * bound >= abs(push):
        _find_strongest_push(pop, i)


@uncounted
def _find_strongest_push(pop: Population, i: int) -> None:
    """Bound anew what partners and sources feel of a glide of dislocation i."""
    strongest = 0.0
    for push in pop.push[i, : pop.number[0]]:
        strongest = max(strongest, abs(push))
    for push in pop.push_at_source[i]:
        strongest = max(strongest, abs(push))
    pop.strongest_push[i] = strongest


@uncounted
def _exert_on_sources(
    lattice: Lattice, pillar: Pillar, pop: Population, i: int, count: int
) -> None:
    """Recompute what dislocation i exerts on the first ``count`` sources of ``which``."""
    _gather(lattice.source_table, pop.which, count, pop.near)
    slopes_of(pillar.wave, pillar.half_width, CORE_RADIUS_NM, pop.table, i, pop.near, count, pop.of)
    for k in range(count):
        s = pop.which[k]
        pop.felt_at_source[s] += pop.of[0, k] - _followed_at_source(pop, i, s)
        pop.at_source[i, s] = pop.of[0, k]
        pop.push_at_source[i, s] = pop.of[2, k]
        pop.known_at_source[i, s] = pop.placed[i]
        pop.strongest_push[i] = max(pop.strongest_push[i], abs(pop.of[2, k]))
        gap2 = (pop.near[X, k] - pop.table[X, i]) ** 2 + (pop.near[Y, k] - pop.table[Y, i]) ** 2
        if gap2 < (pillar.wave * pop.gap[i]) ** 2:
            pop.gap[i] = np.sqrt(gap2) / pillar.wave


@uncounted
def sum_up(pop: Population) -> None:
    """Sum the pair matrices anew from time to time, lest rounding of the running sums builds up."""
    n = pop.number[0]
    if pop.exertions[0] < _ANEW_AFTER * n:
        return
    pop.exertions[0] = 0
    pop.felt[:n] = 0.0
    pop.felt_at_source[:] = 0.0
    for i in range(n):
        felt = stiffness = 0.0
        for j in range(n):
            lead = pop.placed[i] - pop.known[i, j]
            felt += pop.pair[i, j] + lead * pop.slope[i, j]
            stiffness += pop.slope[i, j]
            pop.felt[j] += lead * pop.push[i, j]
        pop.felt[i] += felt
        pop.stiffness[i] = stiffness
        _find_strongest_push(pop, i)
        for s in range(len(pop.charge)):
            pop.felt_at_source[s] += _followed_at_source(pop, i, s)
    pop.mode_total[:] = 0.0
    for i in range(n):
        for m in range(len(pop.mode_total)):
            pop.mode_total[m] += pop.modes[i, m]


@uncounted
def sort_by_plane(pop: Population) -> None:
    """Insertion sort of the order by plane and position: nearly sorted, so linear."""
    order = pop.order
    for k in range(1, pop.number[0]):
        i = order[k]
        m = k - 1
        while m >= 0:
            j = order[m]
            if pop.plane[j] < pop.plane[i] or (
                pop.plane[j] == pop.plane[i] and pop.position[j] <= pop.position[i]
            ):
                break
            order[m + 1] = j
            m -= 1
        order[m + 1] = i


@compiled
def add(
    lattice: Lattice,
    pillar: Pillar,
    pop: Population,
    plane: int,
    position: float,
    sign: int,
    emission: int,
    heading: int,
) -> None:
    """Put a new dislocation into the next free slot."""
    i = pop.number[0]
    pop.plane[i] = plane
    pop.position[i] = position
    pop.sign[i] = sign
    pop.pinned_at[i] = -1
    pop.passed[i] = -1
    pop.emitter[i] = emission
    pop.heading[i] = heading
    pop.last_glide[i] = 0.0
    pop.relaxation[i] = 1.0
    pop.order[i] = i
    pop.modes[i] = 0.0
    pop.felt[i] = 0.0
    pop.stiffness[i] = 0.0
    pop.strongest_push[i] = 0.0
    pop.at_source[i] = 0.0
    pop.push_at_source[i] = 0.0
    for j in range(i + 1):
        pop.pair[i, j] = pop.pair[j, i] = 0.0
        pop.slope[i, j] = pop.slope[j, i] = 0.0
        pop.push[i, j] = pop.push[j, i] = 0.0
    pop.number[0] += 1
    place(lattice, pillar, pop, i)
    place_modes(lattice, pillar, pop, i)
    exert(lattice, pillar, pop, i, len(SHELL_NM))
    sort_by_plane(pop)


@compiled
def remove(pop: Population, i: int) -> None:
    """Take dislocation i and what it exerts out; the last slot moves into its place."""
    last = pop.number[0] - 1
    for j in range(last + 1):
        pop.felt[j] -= _followed(pop, j, i)
        pop.stiffness[j] -= pop.slope[j, i]
    for s in range(len(pop.charge)):
        pop.felt_at_source[s] -= _followed_at_source(pop, i, s)
    for m in range(len(pop.mode_total)):
        pop.mode_total[m] -= pop.modes[i, m]
    if i != last:
        pop.plane[i] = pop.plane[last]
        pop.position[i] = pop.position[last]
        pop.sign[i] = pop.sign[last]
        pop.pinned_at[i] = pop.pinned_at[last]
        pop.passed[i] = pop.passed[last]
        pop.emitter[i] = pop.emitter[last]
        pop.heading[i] = pop.heading[last]
        pop.last_glide[i] = pop.last_glide[last]
        pop.relaxation[i] = pop.relaxation[last]
        pop.x[i] = pop.x[last]
        pop.y[i] = pop.y[last]
        pop.gamma[i] = pop.gamma[last]
        pop.table[:, i] = pop.table[:, last]
        pop.placed[i] = pop.placed[last]
        pop.announced[i] = pop.announced[last]
        pop.gap[i] = pop.gap[last]
        pop.strongest_push[i] = pop.strongest_push[last]
        pop.moded[i] = pop.moded[last]
        pop.modes[i] = pop.modes[last]
        pop.weights[i] = pop.weights[last]
        pop.felt[i] = pop.felt[last]
        pop.stiffness[i] = pop.stiffness[last]
        pop.side[i] = pop.side[last]
        pop.at_source[i] = pop.at_source[last]
        pop.push_at_source[i] = pop.push_at_source[last]
        pop.known_at_source[i] = pop.known_at_source[last]
        # row first, then column, so that [i, i] ends as the last one's own image stress
        for j in range(last + 1):
            pop.pair[i, j] = pop.pair[last, j]
            pop.known[i, j] = pop.known[last, j]
            pop.slope[i, j] = pop.slope[last, j]
            pop.push[i, j] = pop.push[last, j]
        for t in range(last + 1):
            pop.pair[t, i] = pop.pair[t, last]
            pop.known[t, i] = pop.known[t, last]
            pop.slope[t, i] = pop.slope[t, last]
            pop.push[t, i] = pop.push[t, last]
    write = 0
    for k in range(last + 1):
        slot = pop.order[k]
        if slot == i:
            continue
        pop.order[write] = i if slot == last else slot
        write += 1
    pop.number[0] = last


@compiled
def macroscopic(lattice: Lattice, pillar: Pillar, pop: Population) -> tuple[float, float]:
    """Return (plastic strain, mean sigma_yy in MPa that the closed fields carry)."""
    strain = 0.0
    carried = 0.0
    for p in range(len(pop.slip)):
        strain += 0.5 * lattice.sin_2theta[p] * pop.slip[p] * lattice.length
    for i in range(pop.number[0]):
        strain += 0.5 * lattice.sin_2theta[pop.plane[i]] * pop.sign[i] * pop.position[i]
        carried += mean_axial_stress(pillar, _present_x(lattice, pop, i), pop.gamma[i])
    strain *= pillar.burgers / (2.0 * pillar.half_width * pillar.height)
    return strain, carried


@compiled
def resolved_stresses(
    lattice: Lattice,
    pillar: Pillar,
    pop: Population,
    axial_stress: float,
    carried: float,
    tau: Array,
) -> None:
    """Fill ``tau`` with the resolved shear stress (MPa) on every source and dislocation."""
    sources = len(pop.charge)
    uniform = axial_stress - carried
    for s in range(sources):
        schmid = 0.5 * lattice.sin_2theta[lattice.source_plane[s]]
        tau[s] = schmid * uniform + pop.felt_at_source[s] + pop.side_at_source[s]
    for i in range(pop.number[0]):
        schmid = 0.5 * lattice.sin_2theta[pop.plane[i]]
        tau[sources + i] = schmid * uniform + pop.felt[i] + pop.side[i]
