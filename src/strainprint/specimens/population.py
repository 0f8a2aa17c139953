"""The dislocations of one specimen, and the stress that each exerts on each.

Pair stresses are kept in a matrix of which only rows and columns of moved dislocations are
recomputed, and their sums follow the changes, so pinned populations cost nothing. What a small
movement changes far away is less than any threshold notices: near partners learn of every
movement, the others (:func:`exert` ``everywhere``) when enough of it has added up.
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
    slope_at,
    slope_of,
    stress_at,
    stress_of,
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
    **dict.fromkeys(("pair", "slope"), (0, 1)),
    **dict.fromkeys(("number", "slip", "charge", "hindrance", "hardening", "emissions"), ()),
    **dict.fromkeys(("emitted_under", "felt_at_source", "side_at_source"), ()),
    **dict.fromkeys(("mode_total", "mode_seen", "exertions"), ()),
}
"""Axes of the fields of :class:`Population` that count dislocations, where not the first alone."""

NEAR_NM = 100.0
"""Partners within it learn of every movement; beyond it, derivatives of the stress do not count."""

_ANEW_AFTER = 8
"""Exertions for each dislocation after which the running sums are formed anew."""

CORE_RADIUS_NM = 0.5
"""ASSUME: core radius 2 b. Only partners on intersecting planes come so close (opposite ones on one
plane annihilate at 6 b before); without a core they would fall into each other for ever. With it
they form a junction that a sufficient stress breaks."""


class Population(NamedTuple):
    """Dislocations in slots 0 … number-1 of arrays with room for more, and what they exert.

    ``pair[i, j]`` and ``at_source[j, s]`` are the resolved shear stresses (MPa) that the closed
    field of dislocation j exerts on dislocation i and on source s; ``slope[i, j]`` is the
    derivative of the former as i glides. Their sums over j are ``felt``, ``felt_at_source`` and
    ``stiffness``; ``side`` and ``side_at_source`` are the stresses of the side correction.
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
    """Position at which it was last placed, which its near partners know."""
    announced: Array
    """Position that all its partners know."""
    moded: Array
    """Position at which its modes and weights were computed."""
    modes: Array
    weights: Array
    pair: Array
    slope: Array
    at_source: Array
    felt: Array
    stiffness: Array
    side: Array
    felt_at_source: Array
    side_at_source: Array
    mode_total: Array
    mode_seen: Array
    """The total that ``side`` and ``side_at_source`` were evaluated with."""
    fresh: NDArray[np.bool_]
    """Whether it moved and its partners have not learnt of it yet."""
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
        announced=np.zeros(room),
        moded=np.zeros(room),
        modes=np.zeros((room, modes)),
        weights=np.zeros((room, modes)),
        pair=np.zeros((room, room)),
        slope=np.zeros((room, room)),
        at_source=np.zeros((room, sources)),
        felt=np.zeros(room),
        stiffness=np.zeros(room),
        side=np.zeros(room),
        felt_at_source=np.zeros(sources),
        side_at_source=np.zeros(sources),
        mode_total=np.zeros(modes),
        mode_seen=np.zeros(modes),
        fresh=np.zeros(room, np.bool_),
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


@compiled
def shear_slope(
    dx: float,
    dy: float,
    gamma: complex,
    own: complex,
    along: complex,
    core: float = CORE_RADIUS_NM,
) -> float:
    """Return the derivative (MPa/nm) along ``along`` of the infinite-medium stress of j at i.

    ``own`` is the unit slip direction of i, (dx, dy) its place seen from j. As i glides the
    derivative is that along ``own``; as j glides, minus that along j's direction. Image fields
    vary over longer distances and are left out: the derivatives only steer the implicit step.
    """
    r2 = dx * dx + dy * dy
    s = r2 * r2 + core**4
    back = complex(dx, -dy)
    straight = gamma.conjugate() / np.sqrt(s)
    twisted = gamma * back * back / s
    # d(s) = 4 r^2 Re(a conj(zeta)) along the direction a
    steep = back * (twisted - 0.5 * straight) / s
    slope = (straight - 3.0 * twisted) * along.conjugate() + steep * (
        4.0 * r2 * (along.real * dx + along.imag * dy)
    )
    stress: complex = own * own * slope
    return stress.imag


@inner
def exert(lattice: Lattice, pillar: Pillar, pop: Population, i: int, everywhere: bool) -> None:
    """Recompute row and column of dislocation i in the pair matrices, and the sums.

    Unless ``everywhere``, only near partners learn of its movement. Derivatives are those of near
    partners: they only steer the implicit step.
    """
    wave, half_width, core = pillar.wave, pillar.half_width, CORE_RADIUS_NM
    n, sources = pop.number[0], len(pop.charge)
    pop.exertions[0] += 1
    near = np.empty((ROWS + 2, max(n, sources)))
    which = np.empty(n, np.int64)
    first, second = near[ROWS], near[ROWS + 1]
    if everywhere:
        pop.announced[i] = pop.position[i]
        stress_of(wave, half_width, core, pop.table, i, lattice.source_table, sources, first)
        for s in range(sources):
            pop.felt_at_source[s] += first[s] - pop.at_source[i, s]
            pop.at_source[i, s] = first[s]
    count = _gather(pop.table, n, i, wave * NEAR_NM, which, near)
    slope_at(wave, core, pop.table, i, near, count, first)
    slope_of(wave, core, pop.table, i, near, count, second)
    if everywhere:
        k = 0
        for j in range(n):
            if k < count and which[k] == j:
                k += 1
            elif pop.slope[i, j] != 0.0:
                pop.stiffness[i] -= pop.slope[i, j]
                pop.stiffness[j] -= pop.slope[j, i]
                pop.slope[i, j] = pop.slope[j, i] = 0.0
    for k in range(count):
        j = which[k]
        if j != i:
            pop.stiffness[i] += first[k] - pop.slope[i, j]
            pop.slope[i, j] = first[k]
            pop.stiffness[j] += second[k] - pop.slope[j, i]
            pop.slope[j, i] = second[k]
    if everywhere:
        stress_at(wave, half_width, core, pop.table, i, pop.table, n, first)
        stress_of(wave, half_width, core, pop.table, i, pop.table, n, second)
        count = n
    else:
        stress_at(wave, half_width, core, pop.table, i, near, count, first)
        stress_of(wave, half_width, core, pop.table, i, near, count, second)
    for k in range(count):
        j = k if everywhere else which[k]
        pop.felt[i] += first[k] - pop.pair[i, j]
        pop.pair[i, j] = first[k]
        if j != i:
            pop.felt[j] += second[k] - pop.pair[j, i]
            pop.pair[j, i] = second[k]


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
    pop.number[0] += 1
    place(lattice, pillar, pop, i, np.inf)
    _place_modes(lattice, pillar, pop, i)
    exert(lattice, pillar, pop, i, True)
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
        pop.moded[i] = pop.moded[last]
        pop.modes[i] = pop.modes[last]
        pop.weights[i] = pop.weights[last]
        pop.felt[i] = pop.felt[last]
        pop.stiffness[i] = pop.stiffness[last]
        pop.side[i] = pop.side[last]
        pop.at_source[i] = pop.at_source[last]
        # row first, then column, so that [i, i] ends as the last one's own image stress
        for j in range(last + 1):
            pop.pair[i, j] = pop.pair[last, j]
            pop.slope[i, j] = pop.slope[last, j]
        for t in range(last + 1):
            pop.pair[t, i] = pop.pair[t, last]
            pop.slope[t, i] = pop.slope[t, last]
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
        carried += mean_axial_stress(pillar, pop.x[i], pop.gamma[i])
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
