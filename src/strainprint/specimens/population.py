"""The dislocations of one specimen, and the stress that each exerts on each.

Pair stresses are kept in a matrix of which only rows and columns of moved dislocations are
recomputed, and their sums follow the changes, so pinned populations cost nothing. All partners
follow small glides to first order (:func:`follow`, :func:`shift`); what is left falls with the
third power of the distance, so that each shell of partners is recomputed (:func:`exert`) only when
enough glide for it has added up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, inner
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
    "table": (1,),
    **dict.fromkeys(("pair", "slope", "push"), (0, 1)),
    **dict.fromkeys(("number", "slip", "charge", "hindrance", "hardening", "emissions"), ()),
    **dict.fromkeys(("emitted_under", "felt_at_source", "drift_at_source", "side_at_source"), ()),
    **dict.fromkeys(("mode_total", "mode_seen", "exertions"), ()),
}
"""Axes of the fields of :class:`Population` that count dislocations, where not the first alone."""

SHELL_NM = (20.0, 60.0, 180.0, np.inf)
"""Outer radii of the shells of partners around a dislocation that learn exactly where it is: each
when it has glided three times as far as the shell within bears."""

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
    field of dislocation j exerts on dislocation i and on source s, with the dislocations where they
    were placed; ``slope[i, j]`` and ``push[j, i]`` are the derivatives (MPa/nm) of the former as i
    and as j glide, ``push_at_source[j, s]`` that of ``at_source``. Sums over j are ``felt``,
    ``felt_at_source`` and ``stiffness``; ``drift`` and ``drift_at_source`` are what these changed,
    to first order, as all glided from where partners and sources know them to where they are.
    ``side`` and ``side_at_source`` are the stresses of the side correction.
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
    """Position at which it was last placed, which all partners know at least to first order."""
    announced: Array
    """Position that the partners in each shell know exactly, (room, shells)."""
    sourced: Array
    """Position that the sources know exactly."""
    gap: Array
    """Distance (nm) to the nearest other one in the first shell or to its image, when last
    recomputed."""
    source_gap: Array
    """Distance (nm) to the nearest source, when the sources learnt of it."""
    moded: Array
    """Position at which its modes and weights were computed."""
    modes: Array
    weights: Array
    pair: Array
    slope: Array
    push: Array
    at_source: Array
    push_at_source: Array
    felt: Array
    drift: Array
    stiffness: Array
    side: Array
    felt_at_source: Array
    drift_at_source: Array
    side_at_source: Array
    mode_total: Array
    mode_seen: Array
    """The total that ``side`` and ``side_at_source`` were evaluated with."""
    outdated: Integers
    """Number of its shells that wait to learn exactly where it was placed."""
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
        sourced=np.zeros(room),
        gap=np.zeros(room),
        source_gap=np.zeros(room),
        moded=np.zeros(room),
        modes=np.zeros((room, modes)),
        weights=np.zeros((room, modes)),
        pair=np.zeros((room, room + _PAD)),
        slope=np.zeros((room, room + _PAD)),
        push=np.zeros((room, room + _PAD)),
        at_source=np.zeros((room, sources)),
        push_at_source=np.zeros((room, sources)),
        felt=np.zeros(room),
        drift=np.zeros(room),
        stiffness=np.zeros(room),
        side=np.zeros(room),
        felt_at_source=np.zeros(sources),
        drift_at_source=np.zeros(sources),
        side_at_source=np.zeros(sources),
        mode_total=np.zeros(modes),
        mode_seen=np.zeros(modes),
        outdated=np.zeros(room, np.int64),
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


@inner
def place(lattice: Lattice, pillar: Pillar, pop: Population, i: int, stale: float) -> None:
    """Recompute what depends on the position of dislocation i alone.

    The modes, which vary over the distance to the farther side, only where it moved by more than
    ``stale`` (nm) since they were computed last.
    """
    plane = pop.plane[i]
    c = lattice.cos_theta[plane]
    s = lattice.sin_theta[plane]
    pop.placed[i] = pop.position[i]
    pop.x[i] = lattice.origin_x[plane] + pop.position[i] * c
    pop.y[i] = lattice.origin_y[plane] + pop.position[i] * s
    # -i |gamma| sign exp(i theta)
    pop.gamma[i] = complex(s, -c) * (pillar.strength * pop.sign[i])
    tabulate(pillar.wave, pop.x[i], pop.y[i], c, s, pop.gamma[i], plane, pop.table, i)
    if abs(pop.position[i] - pop.moded[i]) > stale:
        _place_modes(lattice, pillar, pop, i)


@inner
def _place_modes(lattice: Lattice, pillar: Pillar, pop: Population, i: int) -> None:
    """Recompute the traction modes of dislocation i and the weights of all modes at it."""
    plane = pop.plane[i]
    pop.moded[i] = pop.position[i]
    for m in range(len(pop.mode_total)):
        pop.mode_total[m] -= pop.modes[i, m]
    side_traction_modes(pillar, pop.x[i], pop.y[i], pop.gamma[i], pop.modes[i])
    for m in range(len(pop.mode_total)):
        pop.mode_total[m] += pop.modes[i, m]
    shear_weights(
        pillar,
        pop.x[i],
        pop.y[i],
        lattice.sin_2theta[plane],
        lattice.cos_2theta[plane],
        pop.weights[i],
    )
    pop.side[i] = np.dot(pop.weights[i], pop.mode_seen)


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


@inner
def shift(pop: Population, i: int, glide: float) -> None:
    """Let all partners of dislocation i know to first order that it was placed ``glide`` nm on.

    To be called for all that were placed before :func:`exert` replaces what is known better.
    """
    n = pop.number[0]
    pop.felt[i] += glide * pop.stiffness[i]
    for j in range(n):
        pop.pair[i, j] += glide * pop.slope[i, j]
    for j in range(n):
        pop.felt[j] += glide * pop.push[i, j]
    for j in range(n):
        pop.pair[j, i] += glide * pop.push[i, j]


@inner
def outdated_shells(pop: Population, i: int, bend: float) -> int:
    """Return how many shells around dislocation i know too little of where it is.

    To first order they know; ``bend`` (1/nm) is the square of the glide over the third power of the
    distance beyond which that is too little for a single partner. Partners of a shell grow in
    number with the square of its radius, the sum of their errors with its radius.
    """
    outdated = 0
    inner_radius = pop.gap[i]
    for shell in range(len(SHELL_NM)):
        lead = pop.position[i] - pop.announced[i, shell]
        if lead * lead > bend * inner_radius**2 * min(inner_radius, SHELL_NM[0]):
            outdated = shell + 1
        inner_radius = SHELL_NM[shell]
    return outdated


@inner
def crosses_middle(lattice: Lattice, pop: Population, i: int) -> bool:
    """Return whether dislocation i is on the other side of the middle than where it was placed.

    Its closed field holds the image in the nearer side only, the side correction that in the other.
    """
    return bool((pop.x[i] > 0.0) != (_present_x(lattice, pop, i) > 0.0))


@inner
def _present_x(lattice: Lattice, pop: Population, i: int) -> float:
    """Return x (nm) of dislocation i where it is, not where it was placed."""
    x: float = pop.x[i] + (pop.position[i] - pop.placed[i]) * lattice.cos_theta[pop.plane[i]]
    return x


@inner
def exert(lattice: Lattice, pillar: Pillar, pop: Population, i: int, shells: int) -> None:
    """Recompute rows and columns of dislocation i in the pair matrices, and the sums, for the
    partners in its first ``shells`` shells."""
    wave, half_width, core = pillar.wave, pillar.half_width, CORE_RADIUS_NM
    n = pop.number[0]
    pop.exertions[0] += 1
    which = np.empty(n, np.int64)
    near = np.empty((ROWS, n))
    count = _gather(pop.table, n, i, wave * SHELL_NM[shells - 1], which, near)
    at = np.empty((3, count))
    of = np.empty((3, count))
    slopes_at(wave, half_width, core, pop.table, i, near, count, at)
    slopes_of(wave, half_width, core, pop.table, i, near, count, of)
    felt = stiffness = 0.0
    for k in range(count):
        j = which[k]
        if j == i:
            # on itself act only its images, which glide with it
            at[1, k] += at[2, k]
            at[2, k] = 0.0
        felt += at[0, k] - pop.pair[i, j]
        stiffness += at[1, k] - pop.slope[i, j]
        pop.pair[i, j] = at[0, k]
        pop.slope[i, j] = at[1, k]
        pop.push[j, i] = at[2, k]
    gap = min(SHELL_NM[0], 2.0 * (pillar.half_width - abs(pop.x[i])))
    gap2 = gap * gap
    for k in range(count):
        j = which[k]
        if j == i:
            continue
        pop.felt[j] += of[0, k] - pop.pair[j, i]
        pop.stiffness[j] += of[1, k] - pop.slope[j, i]
        pop.pair[j, i] = of[0, k]
        pop.slope[j, i] = of[1, k]
        pop.push[i, j] = of[2, k]
        r2 = (pop.x[j] - pop.x[i]) ** 2 + (pop.y[j] - pop.y[i]) ** 2
        gap2 = min(gap2, r2)
        if r2 < pop.gap[j] * pop.gap[j]:
            pop.gap[j] = np.sqrt(r2)
    pop.gap[i] = np.sqrt(gap2)
    pop.felt[i] += felt
    pop.stiffness[i] += stiffness
    for shell in range(shells):
        pop.announced[i, shell] = pop.position[i]


@inner
def exert_on_sources(lattice: Lattice, pillar: Pillar, pop: Population, i: int) -> None:
    """Recompute what dislocation i exerts on the sources."""
    sources = len(pop.charge)
    found = np.empty((3, sources))
    pop.sourced[i] = pop.position[i]
    slopes_of(
        pillar.wave,
        pillar.half_width,
        CORE_RADIUS_NM,
        pop.table,
        i,
        lattice.source_table,
        sources,
        found,
    )
    gap2 = np.inf
    for s in range(sources):
        dx = lattice.source_table[X, s] - pop.table[X, i]
        dy = lattice.source_table[Y, s] - pop.table[Y, i]
        gap2 = min(gap2, dx * dx + dy * dy)
        pop.felt_at_source[s] += found[0, s] - pop.at_source[i, s]
        pop.at_source[i, s] = found[0, s]
        pop.push_at_source[i, s] = found[2, s]
    pop.source_gap[i] = np.sqrt(gap2) / pillar.wave


@inner
def _gather(table: Array, n: int, i: int, radius: float, which: Integers, near: Array) -> int:
    """Copy the first n columns of a table as far as they lie within ``radius`` of column i.

    Fills ``which`` with their numbers; returns how many there are.
    """
    count = 0
    x, y = table[X, i], table[Y, i]
    within = radius * radius
    for j in range(n):
        if (table[X, j] - x) ** 2 + (table[Y, j] - y) ** 2 <= within:
            which[count] = j
            count += 1
    for row in range(ROWS):
        for k in range(count):
            near[row, k] = table[row, which[k]]
    return count


@inner
def sum_up(pop: Population) -> None:
    """Sum the pair matrices anew from time to time, lest rounding of the running sums builds up."""
    n = pop.number[0]
    if pop.exertions[0] < _ANEW_AFTER * n:
        return
    pop.exertions[0] = 0
    pop.felt_at_source[:] = 0.0
    for i in range(n):
        felt = 0.0
        stiffness = 0.0
        for j in range(n):
            felt += pop.pair[i, j]
            stiffness += pop.slope[i, j]
        pop.felt[i] = felt
        pop.stiffness[i] = stiffness
        for s in range(len(pop.charge)):
            pop.felt_at_source[s] += pop.at_source[i, s]
    pop.mode_total[:] = 0.0
    for i in range(n):
        for m in range(len(pop.mode_total)):
            pop.mode_total[m] += pop.modes[i, m]


@inner
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
    pop.at_source[i] = 0.0
    for j in range(i + 1):
        pop.pair[i, j] = pop.pair[j, i] = 0.0
        pop.slope[i, j] = pop.slope[j, i] = 0.0
        pop.push[i, j] = pop.push[j, i] = 0.0
    pop.number[0] += 1
    place(lattice, pillar, pop, i, np.inf)
    _place_modes(lattice, pillar, pop, i)
    exert(lattice, pillar, pop, i, len(SHELL_NM))
    exert_on_sources(lattice, pillar, pop, i)
    sort_by_plane(pop)


@compiled
def remove(pop: Population, i: int) -> None:
    """Take dislocation i and what it exerts out; the last slot moves into its place."""
    last = pop.number[0] - 1
    for j in range(last + 1):
        pop.felt[j] -= pop.pair[j, i]
        pop.stiffness[j] -= pop.slope[j, i]
    for s in range(len(pop.charge)):
        pop.felt_at_source[s] -= pop.at_source[i, s]
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
        pop.sourced[i] = pop.sourced[last]
        pop.gap[i] = pop.gap[last]
        pop.source_gap[i] = pop.source_gap[last]
        pop.moded[i] = pop.moded[last]
        pop.modes[i] = pop.modes[last]
        pop.weights[i] = pop.weights[last]
        pop.felt[i] = pop.felt[last]
        pop.stiffness[i] = pop.stiffness[last]
        pop.side[i] = pop.side[last]
        pop.at_source[i] = pop.at_source[last]
        pop.push_at_source[i] = pop.push_at_source[last]
        # row first, then column, so that [i, i] ends as the last one's own image stress
        for j in range(last + 1):
            pop.pair[i, j] = pop.pair[last, j]
            pop.slope[i, j] = pop.slope[last, j]
            pop.push[i, j] = pop.push[last, j]
        for t in range(last + 1):
            pop.pair[t, i] = pop.pair[t, last]
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
def follow(pop: Population) -> None:
    """Fill ``drift`` and ``drift_at_source``: what all feel more, to first order, since each was
    placed and sources learnt of it."""
    n = pop.number[0]
    drift, at_source = pop.drift, pop.drift_at_source
    drift[:n] = 0.0
    at_source[:] = 0.0
    for i in range(n):
        lead = pop.position[i] - pop.placed[i]
        if lead != 0.0:
            push = pop.push[i]
            for j in range(n):
                drift[j] += lead * push[j]
            drift[i] += lead * pop.stiffness[i]
        lead = pop.position[i] - pop.sourced[i]
        if lead != 0.0:
            push = pop.push_at_source[i]
            for t in range(len(at_source)):
                at_source[t] += lead * push[t]


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
    follow(pop)
    sources = len(pop.charge)
    uniform = axial_stress - carried
    for s in range(sources):
        schmid = 0.5 * lattice.sin_2theta[lattice.source_plane[s]]
        felt = pop.felt_at_source[s] + pop.drift_at_source[s]
        tau[s] = schmid * uniform + felt + pop.side_at_source[s]
    for i in range(pop.number[0]):
        schmid = 0.5 * lattice.sin_2theta[pop.plane[i]]
        tau[sources + i] = schmid * uniform + pop.felt[i] + pop.drift[i] + pop.side[i]
