"""The dislocations of one specimen: where they are, and what each exerts on each.

Slots are sorted in space from time to time (:func:`arrange`). Who keeps what they exert up to date
is :mod:`interactions`; who puts dislocations in and takes them out, :mod:`topology`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, folded
from strainprint.specimens.crystal import Crystal
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.neighbours import empty_cells
from strainprint.specimens.pair_sums import ROWS
from strainprint.specimens.pillar import Pillar, mean_axial_stress
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
    **dict.fromkeys(("shuffled", "found_at", "found_when", "occupied"), ()),
}
"""Axes of the fields of :class:`Population` that count dislocations, where not the first alone."""

SHELL_NM = (20.0, 60.0, 180.0, 540.0, np.inf)
"""Outer radii of the shells around a dislocation whose partners and sources are asked whether they
know well enough where it is: each when it has glided three times as far as for the shell within."""

EVERYBODY = len(SHELL_NM) + 1
"""Instead of a number of shells: all partners and sources, whatever they know."""

BLOCK = 64
"""Partners that have one bound on what they feel."""

_PAD = 8
"""Unused columns of the pair matrices: columns whose numbers are a power of two apart in memory
share few places of the cache."""

_FINEST_NM = 15.0
"""Points closer than this may lie in any order on the curve of :func:`arrange`."""

_LEAST_ARRANGED = 4 * BLOCK
"""Slots of fewer dislocations stay as they are."""

_NEW = 0.0625
"""Share of the dislocations that may have come since slots were sorted: the more, the more blocks
of partners have to be looked at in every step. Sorting takes as long as some hundred steps."""

PAIR = np.dtype([("offset", np.float64), ("slope", np.float32), ("known", np.float32)])
"""What a dislocation feels of a partner: the stress (MPa) extrapolated to both at 0 on their
planes, its derivative (MPa/nm) as the dislocation glides, and the place (nm) at which the partner
knew it when both were computed. Together in one line of the cache, of which every one read takes
longer than the arithmetic of a pair."""


BOUND = np.dtype([("untold", np.float32), ("strongest", np.float32)])
"""What a block of partners or sources was told of a dislocation: glide (nm) since it was last told
to first order, and a bound (MPa/nm) on what one of them feels of a glide. Looked at together."""


class Population(NamedTuple):
    """Dislocations in slots 0 … number-1 of arrays with room for more, and what they exert.

    ``pair[i, j]`` and ``at_source[j, s]`` tell the resolved shear stresses (MPa) that the closed
    field of dislocation j exerts on dislocation i and on source s, as last computed: to first order
    in the places on their planes, of which ``push[j, i]`` and ``push_at_source[j, s]`` hold the
    derivatives (MPa/nm) as j glides. Sums over j where i was last placed and j told that it is are
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
    """Position at which it was last placed."""
    announced: Array
    """Position at which each shell was last told that it is, (room, shells)."""
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
    checked_bend: Array
    """The ``bend`` (1/nm) of then."""
    bound: NDArray[np.void]
    """(room, blocks) of :data:`BOUND`, the bound at most twice what one of the partners feels."""
    bound_at_source: NDArray[np.void]
    """The same for blocks of sources, the most that one felt since the sums were formed anew."""
    strongest_at_source: Floats
    """The largest bound of these."""
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
    """Number of its shells that wait to learn exactly where it was placed, or ``EVERYBODY``."""
    told: Integers
    """Scratch: blocks that are told."""
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
    rank: Integers
    """Place of each in ``order``."""
    slip: Integers
    """N_p of every plane."""
    shuffled: Integers
    """How often who lies where on each plane has changed."""
    charge: Array
    """Time (ns) each source has been above its threshold."""
    hardening: Array
    """Stress (MPa) by which its emissions so far have raised each source's threshold."""
    emitted_under: Array
    """Stress (MPa) at the last emission of every source."""
    hindrance: Array
    """Stress (MPa) that a source must exceed besides its threshold, 0 where unhindered."""
    found_at: Integers
    """Place in ``order`` where :func:`blocked` last found the first that may block each source."""
    found_when: Integers
    """How often its plane had been ``shuffled`` then, -1 before."""
    occupied: NDArray[np.bool_]
    """What was found."""
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
        table=np.zeros((ROWS, room + _PAD)),
        placed=np.zeros(room),
        announced=np.zeros((room, len(SHELL_NM))),
        gap=np.zeros(room),
        cell=np.zeros(room, np.int64),
        first_in_cell=empty_cells(pillar),
        next_in_cell=np.zeros(room, np.int64),
        lowest_known=np.zeros(room),
        highest_known=np.zeros(room),
        checked=np.zeros(room),
        checked_bend=np.zeros(room),
        bound=np.zeros((room, blocks(room)), BOUND),
        bound_at_source=np.zeros((room, blocks(sources)), BOUND),
        strongest_at_source=np.zeros(room, np.float32),
        moded=np.zeros(room),
        modes=np.zeros((room, modes)),
        weights=np.zeros((modes, room + _PAD)),
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
        told=np.zeros(room, np.int64),
        near=np.zeros((ROWS, room + sources + _PAD)),
        which=np.zeros(room + sources, np.int64),
        at=np.zeros((6, room + _PAD)),
        of=np.zeros((3, room + sources + _PAD)),
        before=np.zeros((2, room + _PAD)),
        weights_of_one=np.zeros(modes),
        order=np.zeros(room, np.int64),
        rank=np.zeros(room, np.int64),
        slip=np.zeros(len(crystal.plane_angle), np.int64),
        shuffled=np.zeros(len(crystal.plane_angle), np.int64),
        charge=np.zeros(sources),
        hardening=np.zeros(sources),
        emitted_under=np.zeros(sources),
        hindrance=np.zeros(sources),
        found_at=np.zeros(sources, np.int64),
        found_when=np.full(sources, -1, np.int64),
        occupied=np.zeros(sources, np.bool_),
        emissions=np.zeros(1, np.int64),
        exertions=np.zeros(1, np.int64),
        arranged_at=np.zeros(1, np.int64),
    )


def copy_population(population: Population, room: int | None = None) -> Population:
    """Return an independent copy, with room for ``room`` dislocations if that is more.

    Only slots in use are copied: memory of the others is none until they are used.
    """
    n, old = int(population.number[0]), len(population.plane)
    more = max(old, room or 0) - old
    copied = {}
    for name, array in population._asdict().items():
        axes = _ROOM_AXES.get(name, (0,))
        shape = [size + more * (axis in axes) for axis, size in enumerate(array.shape)]
        if name == "bound":
            shape[1] = blocks(old + more)
        used = tuple(slice(n if axis in axes else size) for axis, size in enumerate(array.shape))
        copied[name] = np.zeros(shape, array.dtype)
        copied[name][used] = array[used]
    return Population(**copied)


@folded
def scattered(pop: Population) -> bool:
    """Return whether so many dislocations came since slots were arranged that it is time again."""
    n = pop.number[0]
    return bool(n >= _LEAST_ARRANGED and pop.emissions[0] - pop.arranged_at[0] > _NEW * n)


def arrange(population: Population) -> None:
    """Sort the slots along a curve that fills the body.

    Then strong partners share few blocks and near ones lie side by side in memory. In place: fresh
    memory for the matrices would take longer than sorting them.
    """
    n = int(population.number[0])
    population.felt[:n] = _felt_if_told(population)
    population.bound["untold"][:n] = 0.0
    x, y = population.x[:n], population.y[:n]
    new_of = np.argsort(_morton(x - x.min(), y - y.min()), kind="stable")
    slot_of = np.empty(n + 1, np.int64)
    slot_of[new_of] = np.arange(n)
    # what points to no slot stays so
    slot_of[-1] = -1
    order = slot_of[population.order[:n]]
    for name, array in population._asdict().items():
        axes = _ROOM_AXES.get(name, (0,))
        if axes == (0,):
            array[:n] = array[new_of]
        elif axes == (1,):
            array[:, :n] = array[:, new_of]
        elif axes == (0, 1):
            _sort_matrix(array[:n, :n], new_of)
    population.order[:n] = order
    population.first_in_cell[:] = slot_of[population.first_in_cell]
    population.next_in_cell[:n] = slot_of[population.next_in_cell[:n]]
    for block in range(blocks(n)):
        push = np.abs(population.push[:n, block * BLOCK : min(n, (block + 1) * BLOCK)])
        population.bound["strongest"][:n, block] = push.max(axis=1)
    population.arranged_at[:] = population.emissions


def _sort_matrix(matrix: NDArray[Any], new_of: Integers) -> None:
    """Put ``matrix[new_of[k], new_of[l]]`` at k, l with room for one row more."""
    if matrix.dtype == PAIR:
        # items that are no records are moved several times as fast
        matrix = matrix.view(np.complex128)
    waiting = np.ones(len(matrix), np.bool_)
    for start in range(len(matrix)):
        if not waiting[start]:
            continue
        first, k = matrix[start].copy(), start
        while new_of[k] != start:
            # no index is out of bounds, and only with this mode no copy is made first
            np.take(matrix[new_of[k]], new_of, out=matrix[k], mode="clip")
            waiting[k] = False
            k = new_of[k]
        np.take(first, new_of, out=matrix[k], mode="clip")
        waiting[k] = False


def _felt_if_told(population: Population) -> Array:
    """Return ``felt`` of all as if each had told all partners where it was placed."""
    n = int(population.number[0])
    felt = population.felt[:n].copy()
    for block in range(blocks(n)):
        partners = slice(block * BLOCK, min(n, (block + 1) * BLOCK))
        untold = population.bound["untold"][:n, block].astype(float)
        felt[partners] += untold @ population.push[:n, partners]
    return felt


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
    told = placed[:, None] - population.bound["untold"][:n, np.arange(n) // BLOCK]
    pushed = (population.push[:n, :n] * told).T
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


@folded
def present_x(lattice: Lattice, pop: Population, i: int) -> float:
    """Return x (nm) of dislocation i where it is, not where it was placed."""
    x: float = pop.x[i] + (pop.position[i] - pop.placed[i]) * lattice.cos_theta[pop.plane[i]]
    return x


@compiled
def macroscopic(lattice: Lattice, pillar: Pillar, pop: Population) -> tuple[float, float]:
    """Return (plastic strain, mean sigma_yy in MPa that the closed fields carry)."""
    strain = 0.0
    carried = 0.0
    for p in range(len(pop.slip)):
        strain += 0.5 * lattice.sin_2theta[p] * pop.slip[p] * lattice.length
    strain *= pillar.burgers / (2.0 * pillar.half_width * pillar.height)
    for i in range(pop.number[0]):
        of_one = macroscopic_of_one(lattice, pillar, pop, i)
        strain += of_one[0]
        carried += of_one[1]
    return strain, carried


@folded
def macroscopic_of_one(
    lattice: Lattice, pillar: Pillar, pop: Population, i: int
) -> tuple[float, float]:
    """Return what dislocation i adds to both numbers of :func:`macroscopic`."""
    share = 0.5 * lattice.sin_2theta[pop.plane[i]] * pop.sign[i] * pop.position[i]
    share *= pillar.burgers / (2.0 * pillar.half_width * pillar.height)
    return share, mean_axial_stress(pillar, present_x(lattice, pop, i), pop.gamma[i])
