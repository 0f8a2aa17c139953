"""The dislocations of one specimen, and the stress that each exerts on each.

Pair stresses are kept in matrices of which only rows and columns of moved dislocations are
recomputed, and their sums follow the changes, so pinned populations cost nothing. A glide waits
until some partner would feel it; then all sums follow it to first order (:func:`shift`), which
reads one row. What is left falls with the third power of the distance, so that each shell of
partners is recomputed (:func:`exert`) only when enough glide for it has added up: neighbours often,
far partners hardly ever. Whoever is near is found in cells (:mod:`neighbours`), and slots are
sorted in space from time to time (:func:`arrange`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, folded, uncounted
from strainprint.specimens.crystal import Crystal
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.neighbours import (
    cell_of,
    empty_cells,
    enter_cell,
    find_within,
    leave_cell,
)
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
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_ROOM_AXES = {
    **dict.fromkeys(("table", "near", "at", "of", "before", "weights"), (1,)),
    **dict.fromkeys(("pair", "push"), (0, 1)),
    **dict.fromkeys(("number", "slip", "charge", "hindrance", "hardening", "emissions"), ()),
    **dict.fromkeys(("emitted_under", "felt_at_source", "side_at_source"), ()),
    **dict.fromkeys(("mode_total", "mode_seen", "exertions"), ()),
    **dict.fromkeys(("first_in_cell", "weights_of_one", "arranged_at"), ()),
}
"""Axes of the fields of :class:`Population` that count dislocations, where not the first alone."""

SHELL_NM = (20.0, 60.0, 180.0, 540.0, np.inf)
"""Outer radii of the shells of partners and sources around a dislocation that learn exactly where
it is: each when it has glided three times as far as the shell within bears."""

_NEAR_NM = 180.0
"""Up to this distance a partner bears the error of a single one; farther ones are more in number,
and the sum of what they lack grows with their distance."""

BLOCK = 64
"""Partners that have one bound on what they feel."""

_PAD = 8
"""Unused columns of the pair matrices: columns whose numbers are a power of two apart in memory
share few places of the cache."""

_FINEST_NM = 15.0
"""Points closer than this may lie in any order on the curve of :func:`arrange`."""

_LEAST_ARRANGED = 4 * BLOCK
"""Slots of fewer dislocations stay as they are."""

_ANEW_AFTER = 64
"""Exertions for each dislocation after which the running sums are formed anew."""

CORE_RADIUS_NM = 0.5
"""ASSUME: core radius 2 b. Only partners on intersecting planes come so close (opposite ones on one
plane annihilate at 6 b before); without a core they would fall into each other for ever. With it
they form a junction that a sufficient stress breaks."""


PAIR = np.dtype([("offset", np.float64), ("slope", np.float32), ("known", np.float32)])
"""What a dislocation feels of a partner: the stress (MPa) extrapolated to both at 0 on their
planes, its derivative (MPa/nm) as the dislocation glides, and the place (nm) at which the partner
knew it when both were computed. Together in one line of the cache, of which every one read takes
longer than the arithmetic of a pair."""


class Population(NamedTuple):
    """Dislocations in slots 0 … number-1 of arrays with room for more, and what they exert.

    ``pair[i, j]`` and ``at_source[j, s]`` tell the resolved shear stresses (MPa) that the closed
    field of dislocation j exerts on dislocation i and on source s, as last computed: to first order
    in the places on their planes, of which ``push[j, i]`` and ``push_at_source[j, s]`` hold the
    derivatives (MPa/nm) as j glides. Sums over j where the dislocations were last placed are
    ``felt`` and ``felt_at_source``; that of the slopes is ``stiffness``. ``side`` and
    ``side_at_source`` are the stresses of the side correction.
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
    owed: Array
    """Glide (nm) that it would have made while it stood still though a force was on it."""
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
    cell: Integers
    """The cell of :mod:`neighbours` where it was last placed."""
    first_in_cell: Integers
    next_in_cell: Integers
    lowest_known: Array
    highest_known: Array
    """Between these positions (nm) all that partners and sources know of it lies."""
    checked: Array
    """Where it was placed when :func:`exert_what_lacks` last asked all, NaN before."""
    strongest_push: Floats
    """Bound (MPa/nm) on what a partner feels of its glide, for every ``BLOCK`` of them: at most
    twice that, (room, blocks)."""
    strongest_at_source: Floats
    """The same for all sources."""
    moded: Array
    """Position at which its modes and weights were computed."""
    modes: Array
    weights: Array
    """(4 modes, room): resolved shear stress where it is per unit of each mode."""
    pair: NDArray[np.void]
    """(room, room) of :data:`PAIR`."""
    push: Floats
    """Seven digits: it tells small changes, and whole rows of it are read in every step."""
    at_source: Array
    push_at_source: Floats
    known_at_source: Floats
    """Places (nm) at which ``at_source`` was computed."""
    felt: Array
    stiffness: Array
    side: Array
    side_slope: Array
    """Change of ``side`` per glide (MPa/nm) when its modes were last computed, infinite before."""
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
    """Scratch: pushes of pairs before they are computed anew, or glides, (2, room)."""
    weights_of_one: Array
    """Scratch: one column of ``weights``."""
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
    arranged_at: Integers
    """[number of emissions when :func:`arrange` last sorted the slots]."""


@compiled
def blocks(count: int) -> int:
    """Return the number of blocks of so many partners."""
    return (count + BLOCK - 1) // BLOCK


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
        owed=np.zeros(room),
        x=np.zeros(room),
        y=np.zeros(room),
        gamma=np.zeros(room, np.complex128),
        table=np.zeros((ROWS, room)),
        placed=np.zeros(room),
        announced=np.zeros((room, len(SHELL_NM))),
        gap=np.zeros(room),
        cell=np.zeros(room, np.int64),
        first_in_cell=empty_cells(pillar),
        next_in_cell=np.zeros(room, np.int64),
        lowest_known=np.zeros(room),
        highest_known=np.zeros(room),
        checked=np.zeros(room),
        strongest_push=np.zeros((room, blocks(room)), np.float32),
        strongest_at_source=np.zeros(room, np.float32),
        moded=np.zeros(room),
        modes=np.zeros((room, modes)),
        weights=np.zeros((modes, room)),
        pair=np.zeros((room, room + _PAD), PAIR),
        push=np.zeros((room, room + _PAD), np.float32),
        at_source=np.zeros((room, sources)),
        push_at_source=np.zeros((room, sources), np.float32),
        known_at_source=np.zeros((room, sources), np.float32),
        felt=np.zeros(room),
        stiffness=np.zeros(room),
        side=np.zeros(room),
        side_slope=np.zeros(room),
        felt_at_source=np.zeros(sources),
        side_at_source=np.zeros(sources),
        mode_total=np.zeros(modes),
        mode_seen=np.zeros(modes),
        outdated=np.zeros(room, np.int64),
        near=np.zeros((ROWS, room + sources)),
        which=np.zeros(room + sources, np.int64),
        at=np.zeros((6, room)),
        of=np.zeros((3, room + sources)),
        before=np.zeros((2, room)),
        weights_of_one=np.zeros(modes),
        order=np.zeros(room, np.int64),
        slip=np.zeros(len(crystal.plane_angle), np.int64),
        charge=np.zeros(sources),
        hardening=np.zeros(sources),
        emitted_under=np.zeros(sources),
        hindrance=np.zeros(sources),
        emissions=np.zeros(1, np.int64),
        exertions=np.zeros(1, np.int64),
        arranged_at=np.zeros(1, np.int64),
    )


def copy_population(population: Population, room: int | None = None) -> Population:
    """Return an independent copy, with room for ``room`` dislocations if that is more."""
    old = len(population.plane)
    if room is None or room <= old:
        return Population(**{name: array.copy() for name, array in population._asdict().items()})
    grown = {}
    for name, array in population._asdict().items():
        axes = _ROOM_AXES.get(name, (0,))
        more = [room - old if axis in axes else 0 for axis in range(array.ndim)]
        if name == "strongest_push":
            more[1] = blocks(room) - blocks(old)
        grown[name] = np.zeros(np.add(array.shape, more), array.dtype)
        grown[name][tuple(map(slice, array.shape))] = array
    return Population(**grown)


@folded
def scattered(pop: Population) -> bool:
    """Return whether so many dislocations came since slots were arranged that it is time again."""
    n = pop.number[0]
    return bool(n >= _LEAST_ARRANGED and 2 * (pop.emissions[0] - pop.arranged_at[0]) > n)


def arrange(population: Population) -> Population:
    """Return a copy whose slots follow a curve that fills the body.

    Then strong partners share few blocks and near ones lie side by side in memory.
    """
    n = int(population.number[0])
    x, y = population.x[:n], population.y[:n]
    new_of = np.argsort(_morton(x - x.min(), y - y.min()), kind="stable")
    slot_of = np.empty(n, np.int64)
    slot_of[new_of] = np.arange(n)
    arranged = {}
    for name, array in population._asdict().items():
        arranged[name] = array.copy()
        for axis in _ROOM_AXES.get(name, (0,)):
            first = (slice(None),) * axis + (slice(n),)
            arranged[name][first] = arranged[name][first].take(new_of, axis=axis)
    arranged["order"][:n] = slot_of[population.order[:n]]
    for name, numbers in (
        ("first_in_cell", population.first_in_cell),
        ("next_in_cell", population.next_in_cell[new_of]),
    ):
        arranged[name][: len(numbers)] = np.where(numbers >= 0, slot_of[numbers], -1)
    for block in range(blocks(n)):
        push = np.abs(arranged["push"][:n, block * BLOCK : min(n, (block + 1) * BLOCK)])
        arranged["strongest_push"][:n, block] = push.max(axis=1)
    arranged["arranged_at"][:] = population.emissions
    return Population(**arranged)


def _morton(x: Array, y: Array) -> Integers:
    """Return the places of points (nm, not negative) on Morton's curve."""
    code = np.zeros(len(x), np.int64)
    for bit in range(20):
        for shift_by, distance in enumerate((x, y)):
            code |= (((distance / _FINEST_NM).astype(np.int64) >> bit) & 1) << (2 * bit + shift_by)
    return code


def exerted(population: Population) -> Array:
    """Return (n, n): resolved shear stress (MPa) on each dislocation by each, itself its images."""
    n = population.number[0]
    pair, placed = population.pair[:n, :n], population.placed[:n]
    pushed = population.push[:n, :n].T.astype(float) * placed
    stress: Array = pair["offset"] + pair["slope"] * placed[:, None] + pushed
    return stress


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
    pop.lowest_known[i] = min(pop.lowest_known[i], pop.placed[i])
    pop.highest_known[i] = max(pop.highest_known[i], pop.placed[i])
    cell = cell_of(pillar, pop.x[i], pop.y[i])
    if cell != pop.cell[i]:
        _change_cell(pop, i, cell)
    # -i |gamma| sign exp(i theta)
    pop.gamma[i] = complex(s, -c) * (pillar.strength * pop.sign[i])
    tabulate(pillar.wave, pop.x[i], pop.y[i], c, s, pop.gamma[i], plane, pop.table, i)


@folded
def _change_cell(pop: Population, i: int, cell: int) -> None:
    """Put dislocation i into another cell than the one that holds it; -1: none, as at first."""
    if pop.cell[i] >= 0:
        leave_cell(pop.first_in_cell, pop.next_in_cell, pop.cell[i], i)
    if cell >= 0:
        enter_cell(pop.first_in_cell, pop.next_in_cell, cell, i)
    pop.cell[i] = cell


@uncounted
def place_modes(lattice: Lattice, pillar: Pillar, pop: Population, i: int) -> None:
    """Recompute the traction modes of dislocation i where it is and the weights of all modes at it.

    They vary over the distance to the farther side, where others push hard from there much faster.
    """
    plane = pop.plane[i]
    x = _present_x(lattice, pop, i)
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


@uncounted
def shift(pop: Population, which: Integers, glides: Array, count: int) -> None:
    """Let all sums know to first order that the first ``count`` dislocations of ``which`` were
    placed ``glides`` nm on.

    To be called for all that were placed before :func:`exert` replaces what is known better.
    """
    n = pop.number[0]
    for k in range(count):
        pop.felt[which[k]] += glides[k] * pop.stiffness[which[k]]
    sources = len(pop.felt_at_source)
    # two rows at a time, the last beside itself: memory is slower than sums
    for k in range(0, count, 2):
        i, j, glide, other = which[k], which[k], glides[k], 0.0
        if k + 1 < count:
            j, other = which[k + 1], glides[k + 1]
        _add_two(pop.felt, n, glide, pop.push[i], other, pop.push[j])
        at_source = pop.push_at_source
        _add_two(pop.felt_at_source, sources, glide, at_source[i], other, at_source[j])


@uncounted
def _add_two(
    total: Array,
    n: int,
    glide: float,
    push: Floats,
    other_glide: float,
    other_push: Floats,
) -> None:
    """Add what the first n partners or sources feel of two glides."""
    for j in range(n):
        total[j] += glide * push[j] + other_glide * other_push[j]


@folded
def strongest_felt(pop: Population, i: int) -> float:
    """Return a bound (MPa/nm) on what anybody, itself included, feels of a glide of dislocation
    i."""
    strongest: float = max(pop.strongest_at_source[i], abs(pop.stiffness[i]))
    for block in range(blocks(pop.number[0])):
        strongest = max(strongest, pop.strongest_push[i, block])
    return strongest


@folded
def own_stiffness(pop: Population, i: int) -> float:
    """Return how the stress (MPa/nm) on dislocation i changes with its glide, all else at rest."""
    side = pop.side_slope[i]
    stiffness: float = pop.stiffness[i] + (side if abs(side) < np.inf else 0.0)
    return stiffness


@folded
def _followed(pop: Population, i: int, j: int) -> float:
    """Return the stress (MPa) of dislocation j on i that ``felt`` holds."""
    pair = pop.pair[i, j]
    stress: float = pair.offset + pair.slope * pop.placed[i] + pop.push[j, i] * pop.placed[j]
    return stress


@folded
def _followed_at_source(pop: Population, i: int, s: int) -> float:
    """Return the stress (MPa) of dislocation i on source s that ``felt_at_source`` holds."""
    stress: float = pop.at_source[i, s] + pop.placed[i] * pop.push_at_source[i, s]
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
    if shells == len(SHELL_NM):
        pop.lowest_known[i] = pop.highest_known[i] = pop.placed[i]
    radius = SHELL_NM[shells - 1]
    _exert_on_partners(pillar, pop, i, find_partners(pillar, pop, i, radius))
    count = _find_sources(lattice, pillar, pop, i, radius)
    if count > 0:
        _exert_on_sources(lattice, pillar, pop, i, count)


@uncounted
def exert_what_lacks(
    lattice: Lattice, pillar: Pillar, pop: Population, i: int, bend: float
) -> bool:
    """Recompute each pair of dislocation i that knows too little of where it was placed, and what
    it exerts on such sources; returns whether there were any.

    Shells answer for the partners that they hold now: one that went from shell to shell may know
    less. ``bend`` is that of :func:`outdated_shells`, always the same. Where it was not placed anew
    since it asked last, none does: partners that moved ask for themselves.
    """
    if pop.placed[i] == pop.checked[i]:
        return False
    pop.checked[i] = pop.placed[i]
    lead = max(pop.placed[i] - pop.lowest_known[i], pop.highest_known[i] - pop.placed[i])
    if lead == 0.0:
        return False
    # beyond, the longest lead is little enough
    radius = (lead * lead / bend) ** (1.0 / 3.0)
    if radius > _NEAR_NM:
        radius = np.sqrt(lead * lead / (bend * _NEAR_NM))
    count = find_partners(pillar, pop, i, radius)
    count = _keep_lacking(pop, i, pop.x, pop.y, pop.pair[i].known, bend, count)
    any_lacks = count > 0
    if any_lacks:
        _exert_on_partners(pillar, pop, i, count)
    count = _find_sources(lattice, pillar, pop, i, radius)
    xs, ys = lattice.source_x, lattice.source_y
    count = _keep_lacking(pop, i, xs, ys, pop.known_at_source[i], bend, count)
    if count > 0:
        _exert_on_sources(lattice, pillar, pop, i, count)
    return any_lacks or count > 0


@uncounted
def find_partners(pillar: Pillar, pop: Population, i: int, radius: float) -> int:
    """Fill ``which`` with the dislocations within a radius (nm) of one; returns how many."""
    if radius > pillar.height:
        for j in range(pop.number[0]):
            pop.which[j] = j
        return int(pop.number[0])
    first, following = pop.first_in_cell, pop.next_in_cell
    x, y = pop.x[i], pop.y[i]
    return find_within(pillar, first, following, pop.x, pop.y, x, y, radius, pop.which)


@uncounted
def _find_sources(lattice: Lattice, pillar: Pillar, pop: Population, i: int, radius: float) -> int:
    """Fill ``which`` with the sources within a radius (nm) of a dislocation; returns how many."""
    first, following = lattice.source_first_in_cell, lattice.source_next_in_cell
    xs, ys = lattice.source_x, lattice.source_y
    x, y = pop.x[i], pop.y[i]
    return find_within(pillar, first, following, xs, ys, x, y, radius, pop.which)


@uncounted
def _keep_lacking(
    pop: Population, i: int, xs: Array, ys: Array, known: Floats, bend: float, count: int
) -> int:
    """Keep of the first ``count`` points of ``which`` those that know too little of dislocation i,
    of which they know that it was at ``known``; returns how many."""
    x, y, placed = pop.x[i], pop.y[i], np.float32(pop.placed[i])
    kept = 0
    for k in range(count):
        j = pop.which[k]
        lead = placed - known[j]
        r2 = (xs[j] - x) ** 2 + (ys[j] - y) ** 2
        if lead * lead > bend * r2 * min(np.sqrt(r2), _NEAR_NM):
            pop.which[kept] = j
            kept += 1
    return kept


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
    own = pop.placed[i]
    for k in range(count):
        j = which[k]
        pair = pop.pair[i, j]
        slope, push, pull = np.float32(at[1, k]), np.float32(of[2, k]), np.float32(at[2, k])
        row += at[0, k] - (pair.offset + own * pair.slope)
        stiffness += slope - pair.slope
        before[0, k] = pop.push[i, j]
        pair.offset = at[0, k] - own * slope - pop.placed[j] * pull
        pair.slope = slope
        pair.known = own
        pop.push[i, j] = push
    for k in range(count):
        j = which[k]
        pair = pop.pair[j, i]
        other = pop.placed[j]
        slope, push, pull = np.float32(of[1, k]), np.float32(at[2, k]), np.float32(of[2, k])
        column += other * pop.push[j, i]
        pop.felt[j] += of[0, k] - (pair.offset + other * pair.slope + own * before[0, k])
        pop.stiffness[j] += slope - pair.slope
        before[1, k] = pop.push[j, i]
        pair.offset = of[0, k] - other * slope - own * pull
        pair.slope = slope
        pair.known = other
        pop.push[j, i] = push
    pop.felt[i] += row - column
    pop.stiffness[i] += stiffness
    for k in range(count):
        j = which[k]
        _bound_push(pop, i, j, before[0, k], of[2, k])
        _bound_push(pop, j, i, before[1, k], at[2, k])
        if j != i:
            gap2 = (pop.x[j] - pop.x[i]) ** 2 + (pop.y[j] - pop.y[i]) ** 2
            if gap2 < pop.gap[i] ** 2:
                pop.gap[i] = np.sqrt(gap2)
            if gap2 < pop.gap[j] ** 2:
                pop.gap[j] = np.sqrt(gap2)


@folded
def _bound_push(pop: Population, i: int, j: int, before: float, push: float) -> None:
    """Bound what is felt of a glide of dislocation i (MPa/nm) after the share of j changed."""
    bound = pop.strongest_push[i, j // BLOCK]
    if abs(push) > bound:
        pop.strongest_push[i, j // BLOCK] = abs(push)
    elif abs(before) > 0.5 * bound >= abs(push):
        _find_strongest_push(pop, i, j // BLOCK)


@uncounted
def _find_strongest_push(pop: Population, i: int, block: int) -> None:
    """Bound anew what a block of partners feels of a glide of dislocation i."""
    strongest = np.float32(0.0)
    for j in range(block * BLOCK, min((block + 1) * BLOCK, pop.number[0])):
        strongest = max(strongest, abs(pop.push[i, j]))
    pop.strongest_push[i, block] = strongest


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
        push = np.float32(pop.of[2, k])
        pop.at_source[i, s] = pop.of[0, k] - push * pop.placed[i]
        pop.push_at_source[i, s] = push
        pop.known_at_source[i, s] = pop.placed[i]
        pop.strongest_at_source[i] = max(pop.strongest_at_source[i], abs(push))
        gap2 = (pop.near[X, k] - pop.table[X, i]) ** 2 + (pop.near[Y, k] - pop.table[Y, i]) ** 2
        if gap2 < (pillar.wave * pop.gap[i]) ** 2:
            pop.gap[i] = np.sqrt(gap2) / pillar.wave


@uncounted
def sum_up(pop: Population) -> None:
    """Sum the pair matrices anew from time to time, lest rounding of the running sums builds up.

    The side correction starts from nothing then: :func:`update_side` is to follow.
    """
    n = pop.number[0]
    if pop.exertions[0] < _ANEW_AFTER * n:
        return
    pop.exertions[0] = 0
    pop.felt[:n] = 0.0
    pop.felt_at_source[:] = 0.0
    for i in range(n):
        felt = stiffness = 0.0
        for j in range(n):
            pair = pop.pair[i, j]
            felt += pair.offset + pair.slope * pop.placed[i]
            stiffness += pair.slope
            pop.felt[j] += pop.placed[i] * pop.push[i, j]
        pop.felt[i] += felt
        pop.stiffness[i] = stiffness
        for block in range(blocks(n)):
            _find_strongest_push(pop, i, block)
        pop.strongest_at_source[i] = 0.0
        for s in range(len(pop.charge)):
            pop.felt_at_source[s] += _followed_at_source(pop, i, s)
            push = abs(pop.push_at_source[i, s])
            pop.strongest_at_source[i] = max(pop.strongest_at_source[i], push)
    pop.mode_total[:] = 0.0
    for i in range(n):
        for m in range(len(pop.mode_total)):
            pop.mode_total[m] += pop.modes[i, m]
    pop.mode_seen[:] = 0.0
    pop.side[:n] = 0.0
    pop.side_at_source[:] = 0.0


@uncounted
def sort_by_plane(pop: Population) -> float:
    """Sort the order by plane and position; returns the least distance (nm) of opposite neighbours.

    Insertion sort: nearly sorted, so linear. Whoever are neighbours at last were so when the second
    of them was put in its place; some that were only for a while count too.
    """
    order, n = pop.order, pop.number[0]
    closest = np.inf
    for k in range(1, n):
        i = order[k]
        m = k - 1
        while m >= 0:
            j = order[m]
            if pop.plane[j] < pop.plane[i] or (
                pop.plane[j] == pop.plane[i] and pop.position[j] <= pop.position[i]
            ):
                closest = min(closest, opposite_distance(pop, j, i))
                break
            order[m + 1] = j
            m -= 1
        order[m + 1] = i
        if m + 1 < k:
            closest = min(closest, opposite_distance(pop, i, order[m + 2]))
    return closest


@folded
def opposite_distance(pop: Population, i: int, j: int) -> float:
    """Return the distance (nm) from dislocation i to j behind it, infinite where they are not
    opposite on one plane."""
    if pop.plane[i] != pop.plane[j] or pop.sign[i] == pop.sign[j]:
        return np.inf
    distance: float = pop.position[j] - pop.position[i]
    return distance


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
    pop.owed[i] = 0.0
    pop.order[i] = i
    pop.moded[i] = position
    pop.modes[i] = 0.0
    pop.side_slope[i] = np.inf
    pop.felt[i] = 0.0
    pop.stiffness[i] = 0.0
    pop.cell[i] = -1
    pop.checked[i] = np.nan
    pop.strongest_push[i] = 0.0
    pop.strongest_at_source[i] = 0.0
    pop.at_source[i] = 0.0
    pop.push_at_source[i] = 0.0
    for j in range(i + 1):
        pop.pair[i, j].offset = pop.pair[j, i].offset = 0.0
        pop.pair[i, j].slope = pop.pair[j, i].slope = 0.0
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
        pop.stiffness[j] -= pop.pair[j, i].slope
    for s in range(len(pop.charge)):
        pop.felt_at_source[s] -= _followed_at_source(pop, i, s)
    for m in range(len(pop.mode_total)):
        pop.mode_total[m] -= pop.modes[i, m]
    _change_cell(pop, i, -1)
    if i != last:
        cell = pop.cell[last]
        _change_cell(pop, last, -1)
        _change_cell(pop, i, cell)
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
        pop.strongest_push[i] = pop.strongest_push[last]
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
            _bound_push(pop, t, i, 0.0, pop.push[t, i])
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
