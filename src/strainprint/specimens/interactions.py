"""The stress that each dislocation exerts on each and on the sources, kept up to date.

Pair stresses are kept in matrices of which only rows and columns of moved dislocations are
recomputed, and their sums follow the changes, so pinned populations cost nothing. A glide waits
until some partner would feel it; then the sums of those who do follow it to first order
(:mod:`following`). What is left falls with the third power of the distance, so that each shell of
partners is asked (:func:`exert`) only when enough glide for it has added up, and of them only those
are recomputed to whom it matters: neighbours often, far partners hardly ever. Far ones are computed
for a place some way on, as what glides mostly glides on. Whoever is near is found in cells
(:mod:`neighbours`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, folded, uncounted
from strainprint.specimens.following import (
    anybody_feels,
    bound_push,
    bound_push_at_source,
    find_strongest_push,
    followed_at_source,
    shift,
    tell_if_felt,
    untold_of,
)
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.neighbours import cell_of, enter_cell, find_within, leave_cell
from strainprint.specimens.pair_sums import ROWS, SIN_2THETA, X, Y, slopes_at, slopes_of, tabulate
from strainprint.specimens.pillar import Pillar
from strainprint.specimens.population import BLOCK, EVERYBODY, SHELL_NM, Population, blocks
from strainprint.specimens.prefetching import prefetch
from strainprint.specimens.side_correction import crosses_middle, place_modes

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_NEAR_NM = 180.0
"""Up to this distance a partner bears the error of a single one; farther ones are more in number,
and the sum of what they lack grows with their distance."""

_IN_FLIGHT = 5.0
"""How many times what a partner may lack otherwise it may lack of a dislocation that glides on: few
do at a time, and what slows down is asked as strictly as others. Of one that stops within a step
partners learn as much when it goes on, or at a rest that is kept."""

_AHEAD = 0.7
"""Share of the glide that partners bear by which one that glides on counts as farther on when
partners in the outer shells are computed anew: what they know to first order holds as far behind
a place as beyond it."""

_GLIDES_ON = 0.02
"""Share of the glide that partners bear that it must have glided in its last step."""

_NEAR_SHELLS = 3
"""Shells whose partners are computed for the place where a dislocation is."""

_ABREAST = 4
"""Pairs that a processor computes at once; what is left over takes it as long by itself."""

_AT_ONCE = 32
"""Pairs that are computed while the lines of memory that hold the next ones come."""

_ANEW_AFTER = 64
"""Exertions for each dislocation after which the running sums are formed anew."""

CORE_RADIUS_NM = 0.5
"""ASSUME: core radius 2 b. Only partners on intersecting planes come so close (opposite ones on one
plane annihilate at 6 b before); without a core they would fall into each other for ever. With it
they form a junction that a sufficient stress breaks."""

_STALE_MODES = 0.02
"""Glide, in half widths per MPa that may lack, after which the modes of the side correction are
computed anew, or earlier where that varies faster."""


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
        change_cell(pop, i, cell)
    # -i |gamma| sign exp(i theta)
    pop.gamma[i] = complex(s, -c) * (pillar.strength * pop.sign[i])
    tabulate(pillar.wave, pop.x[i], pop.y[i], c, s, pop.gamma[i], plane, pop.table, i)


@folded
def change_cell(pop: Population, i: int, cell: int) -> None:
    """Put dislocation i into another cell than the one that holds it; -1: none, as at first."""
    if pop.cell[i] >= 0:
        leave_cell(pop.first_in_cell, pop.next_in_cell, pop.cell[i], i)
    if cell >= 0:
        enter_cell(pop.first_in_cell, pop.next_in_cell, cell, i)
    pop.cell[i] = cell


@folded
def own_stiffness(pop: Population, i: int) -> float:
    """Return how the stress (MPa/nm) on dislocation i changes with its glide, all else at rest."""
    side = pop.side_slope[i]
    stiffness: float = pop.stiffness[i] + (side if abs(side) < np.inf else 0.0)
    return stiffness


@folded
def bend_of(pillar: Pillar, stale: float) -> float:
    """Return the square of a glide over the third power of a distance (1/nm) at which what is known
    to first order lacks ``stale`` (MPa).

    Second derivatives of a stress C / r reach 6 C / r^3: error = 3 C lead^2 / r^3.
    """
    bend: float = stale / (6.0 * pillar.strength)
    return bend


@folded
def stale_of(pillar: Pillar, bend: float) -> float:
    """Return the stress (MPa) that belongs to a :func:`bend_of`."""
    stale: float = 6.0 * pillar.strength * bend
    return stale


@folded
def outdated_shells(pop: Population, i: int, bend: float) -> int:
    """Return how many shells around dislocation i know too little of where it is.

    To first order they know; ``bend`` (1/nm) is the square of the glide over the third power of the
    distance beyond which that is too little for a single partner, of one that does not glide on.
    """
    outdated = 0
    inner_radius = pop.gap[i]
    for shell in range(len(SHELL_NM)):
        lead = pop.position[i] - pop.announced[i, shell]
        bearable2 = _bearable2(bend, inner_radius)
        if _glides_on(pop, i, bearable2):
            bearable2 *= _IN_FLIGHT
        if lead * lead > bearable2:
            outdated = shell + 1
        inner_radius = SHELL_NM[shell]
    return outdated


@folded
def _bearable2(bend: float, radius: float) -> float:
    """Return the square of the glide (nm^2) that partners at a distance (nm) bear."""
    bearable2: float = bend * radius**2 * min(radius, _NEAR_NM)
    return bearable2


@folded
def _glides_on(pop: Population, i: int, bearable2: float) -> bool:
    """Return whether dislocation i is in flight, for partners who bear a glide of which this is the
    square (nm^2)."""
    return bool(pop.last_glide[i] ** 2 > _GLIDES_ON**2 * bearable2)


@uncounted
def announce(
    lattice: Lattice, pillar: Pillar, pop: Population, who: Integers, stale: float
) -> bool:
    """Let partners and sources of all of ``who`` that glided learn of it, but for ``stale`` (MPa);
    returns whether any did. Slots without a dislocation are passed over.

    Of one that an obstacle stopped all learn where it is: it stands there, is not asked again, and
    others come nearer than those that it was compared with.
    """
    count = 0
    modes = stale * _STALE_MODES * pillar.half_width
    bend = bend_of(pillar, stale)
    for i in who:
        if i >= pop.number[0]:
            continue
        # its image changes sides: all learn of it at once, or a jump stays
        crossed = crosses_middle(lattice, pop, i)
        outdated = EVERYBODY if crossed else outdated_shells(pop, i, bend)
        lead = pop.position[i] - pop.placed[i]
        if outdated > 0 or (
            lead != 0.0 and (pop.pinned_at[i] >= 0 or anybody_feels(pop, i, stale / abs(lead)))
        ):
            # the second loop needs every partner at its new place
            pop.outdated[i] = outdated
            place(lattice, pillar, pop, i)
            pop.which[count], pop.before[0, count] = i, lead
            in_flight = _glides_on(pop, i, _bearable2(bend, pop.gap[i]))
            pop.before[1, count] = untold_of(_IN_FLIGHT * stale if in_flight else stale)
            count += 1
        glide = abs(pop.position[i] - pop.moded[i])
        if crossed or glide > modes or glide * abs(pop.side_slope[i]) > stale:
            place_modes(lattice, pillar, pop, i)
            if crossed:
                # a jump is no slope
                pop.side_slope[i] = np.inf
    shift(pop, pop.which, pop.before[0], pop.before[1], count)
    for i in who:
        if i < pop.number[0] and pop.outdated[i] > 0:
            exert(lattice, pillar, pop, i, pop.outdated[i], bend)
            pop.outdated[i] = 0
    return count > 0


@uncounted
def exert(
    lattice: Lattice, pillar: Pillar, pop: Population, i: int, shells: int, bend: float
) -> None:
    """Recompute the pairs of dislocation i with partners in its first ``shells`` shells, what it
    exerts on the sources there, and the sums.

    Only those that know too little, by the ``bend`` of :func:`outdated_shells`; with ``EVERYBODY``
    for the shells, all, whatever they know.
    """
    pop.exertions[0] += 1
    everybody = shells == EVERYBODY
    shells = min(shells, len(SHELL_NM))
    for shell in range(shells):
        outer = shell >= _NEAR_SHELLS and not everybody
        ahead = _way_ahead(lattice, pillar, pop, i, SHELL_NM[shell - 1], bend) if outer else 0.0
        pop.announced[i, shell] = pop.placed[i] + ahead
    pop.gap[i] = min(SHELL_NM[0], 2.0 * (pillar.half_width - abs(pop.x[i])))
    if shells == len(SHELL_NM):
        pop.lowest_known[i] = pop.highest_known[i] = pop.placed[i]
    told = pop.announced[i]
    middle = told[_NEAR_SHELLS] if shells > _NEAR_SHELLS else pop.placed[i]
    far = told[_NEAR_SHELLS + 1] if shells > _NEAR_SHELLS + 1 else middle
    radius = SHELL_NM[shells - 1]
    _exert_within(lattice, pillar, pop, i, radius, bend, everybody, middle, far)


@folded
def _way_ahead(
    lattice: Lattice, pillar: Pillar, pop: Population, i: int, inner_radius: float, bend: float
) -> float:
    """Return the way (nm, along its plane) from dislocation i to where partners of a shell are told
    that it is: 0 unless it glides on, in the body and on its side of the middle.

    ``bend`` is that of :func:`outdated_shells`.
    """
    bearable2 = _bearable2(bend, inner_radius)
    if pop.pinned_at[i] >= 0 or not _glides_on(pop, i, bearable2):
        return 0.0
    way: float = _AHEAD * np.sqrt(bearable2)
    if pop.last_glide[i] < 0.0:
        way = -way
    x = pop.x[i] + way * lattice.cos_theta[pop.plane[i]]
    if abs(x) >= pillar.half_width or (x > 0.0) != (pop.x[i] > 0.0):
        return 0.0
    return way


@uncounted
def exert_what_lacks(
    lattice: Lattice, pillar: Pillar, pop: Population, i: int, bend: float
) -> bool:
    """Recompute each pair of dislocation i that knows too little of where it was placed, and what
    it exerts on such sources; returns whether there were any.

    Shells answer for the partners that they hold now: one that went from shell to shell may know
    less. ``bend`` is that of :func:`outdated_shells`. Where it was not placed anew since it asked
    last, as strictly, none does: partners that moved ask for themselves.
    """
    if pop.placed[i] == pop.checked[i] and bend >= pop.checked_bend[i]:
        return False
    pop.checked[i], pop.checked_bend[i] = pop.placed[i], bend
    lead = max(pop.placed[i] - pop.lowest_known[i], pop.highest_known[i] - pop.placed[i])
    if lead == 0.0:
        return False
    # beyond, the longest lead is little enough
    radius = (lead * lead / bend) ** (1.0 / 3.0)
    if radius > _NEAR_NM:
        radius = np.sqrt(lead * lead / (bend * _NEAR_NM))
    placed = pop.placed[i]
    return _exert_within(lattice, pillar, pop, i, radius, bend, False, placed, placed)


@folded
def _exert_within(
    lattice: Lattice,
    pillar: Pillar,
    pop: Population,
    i: int,
    radius: float,
    bend: float,
    everybody: bool,
    middle: float,
    far: float,
) -> bool:
    """Recompute the pairs of dislocation i with the partners within a radius (nm) that know too
    little of it, or with ``everybody`` there, and what it exerts on such sources; returns whether
    there were any.

    Those in the last shell are computed for its position ``far`` (nm on its plane), those in the
    last but one for ``middle``, others for where it is.
    """
    pop.lowest_known[i] = min(pop.lowest_known[i], middle, far)
    pop.highest_known[i] = max(pop.highest_known[i], middle, far)
    count = find_partners(pillar, pop, i, radius)
    if not everybody:
        known = pop.pair[i].known
        count = _keep_lacking(pop, i, pop.x, pop.y, known, bend, middle, far, count)
    any_partners = count > 0
    least = untold_of(stale_of(pillar, bend))
    first = 0
    for part in range(3):
        place, end = _next_part(pop, i, pop.x, pop.y, part, middle, far, first, count)
        if end > first:
            column = _tabulate_at(lattice, pillar, pop, i, place)
            _exert_on_partners(pillar, pop, i, column, place, pop.which[first:end], least)
        first = end
    count = _find_sources(lattice, pillar, pop, i, radius)
    xs, ys = lattice.source_x, lattice.source_y
    if not everybody:
        known = pop.known_at_source[i]
        count = _keep_lacking(pop, i, xs, ys, known, bend, middle, far, count)
    any_sources = count > 0
    first = 0
    for part in range(3):
        place, end = _next_part(pop, i, xs, ys, part, middle, far, first, count)
        if end > first:
            column = _tabulate_at(lattice, pillar, pop, i, place)
            _exert_on_sources(lattice, pillar, pop, i, column, place, pop.which[first:end])
        first = end
    return any_partners or any_sources


@folded
def _next_part(
    pop: Population,
    i: int,
    xs: Array,
    ys: Array,
    part: int,
    middle: float,
    far: float,
    first: int,
    count: int,
) -> tuple[float, int]:
    """Put those of ``which[first:count]`` first that belong to a part: those in the near shells, in
    the last but one, or in the last; returns the position of dislocation i (nm on its plane) for
    which they are computed, and where they end: behind all where that is the same for the rest."""
    place: float = pop.placed[i]
    if part > 0:
        place = middle if part == 1 else far
    if part == 2 or place == middle == far:
        return place, count
    x, y, radius2 = pop.x[i], pop.y[i], SHELL_NM[_NEAR_SHELLS - 1 + part] ** 2
    end = first
    for k in range(first, count):
        j = pop.which[k]
        if (xs[j] - x) ** 2 + (ys[j] - y) ** 2 <= radius2:
            pop.which[k], pop.which[end] = pop.which[end], j
            end += 1
    return place, end


@folded
def _tabulate_at(lattice: Lattice, pillar: Pillar, pop: Population, i: int, position: float) -> int:
    """Return the column of ``table`` that holds dislocation i at a position (nm) on its plane: its
    own where it was placed there, else one that no dislocation has."""
    if position == pop.placed[i]:
        return i
    column: int = pop.table.shape[1] - 1
    plane = pop.plane[i]
    c, s = lattice.cos_theta[plane], lattice.sin_theta[plane]
    x, y = lattice.origin_x[plane] + position * c, lattice.origin_y[plane] + position * s
    tabulate(pillar.wave, x, y, c, s, pop.gamma[i], plane, pop.table, column)
    return column


@folded
def find_partners(pillar: Pillar, pop: Population, i: int, radius: float) -> int:
    """Fill ``which`` with the dislocations within a radius (nm) of one; returns how many."""
    if radius > pillar.height:
        for j in range(pop.number[0]):
            pop.which[j] = j
        return int(pop.number[0])
    first, following = pop.first_in_cell, pop.next_in_cell
    x, y = pop.x[i], pop.y[i]
    return find_within(pillar, first, following, pop.x, pop.y, x, y, radius, pop.which)


@folded
def _find_sources(lattice: Lattice, pillar: Pillar, pop: Population, i: int, radius: float) -> int:
    """Fill ``which`` with the sources within a radius (nm) of a dislocation; returns how many."""
    first, following = lattice.source_first_in_cell, lattice.source_next_in_cell
    xs, ys = lattice.source_x, lattice.source_y
    x, y = pop.x[i], pop.y[i]
    return find_within(pillar, first, following, xs, ys, x, y, radius, pop.which)


@folded
def _keep_lacking(
    pop: Population,
    i: int,
    xs: Array,
    ys: Array,
    known: Floats,
    bend: float,
    middle: float,
    far: float,
    count: int,
) -> int:
    """Keep of the first ``count`` points of ``which`` those that know too little of dislocation i,
    of which they know that it was at ``known``; returns how many.

    What they have to know is where :func:`_exert_within` says that they are told that it is.

    Its gap is the distance to the nearest of them all if that is less.
    """
    x, y, placed = pop.x[i], pop.y[i], np.float32(pop.placed[i])
    middle_radius2, far_radius2 = SHELL_NM[_NEAR_SHELLS - 1] ** 2, SHELL_NM[_NEAR_SHELLS] ** 2
    lowest, highest = pop.lowest_known[i], pop.highest_known[i]
    gap2 = pop.gap[i] ** 2
    kept = 0
    for k in range(count):
        j = pop.which[k]
        r2 = (xs[j] - x) ** 2 + (ys[j] - y) ** 2
        place = placed
        if r2 > middle_radius2:
            place = np.float32(middle if r2 <= far_radius2 else far)
        lead = place - known[j]
        if 0.0 < r2 < gap2:
            gap2 = r2
        if lead * lead > bend * r2 * min(np.sqrt(r2), _NEAR_NM):
            pop.which[kept] = j
            kept += 1
        else:
            lowest, highest = min(lowest, known[j]), max(highest, known[j])
    pop.gap[i] = np.sqrt(gap2)
    pop.lowest_known[i], pop.highest_known[i] = lowest, highest
    return kept


@uncounted
def _gather(table: Array, which: Integers, count: int, near: Array) -> int:
    """Copy ``count`` columns of a table, the last one again until a processor computes all of them
    side by side; returns how many that are."""
    padded = (count + _ABREAST - 1) // _ABREAST * _ABREAST
    for row in range(ROWS):
        for k in range(count):
            near[row, k] = table[row, which[k]]
        for k in range(count, padded):
            near[row, k] = near[row, count - 1]
    return padded


@folded
def _exert_on_partners(
    pillar: Pillar,
    pop: Population,
    i: int,
    column: int,
    place: float,
    which: Integers,
    least: float,
) -> None:
    """Recompute the pairs with these partners, as if dislocation i were at ``place`` (nm on its
    plane) as that column of ``table`` has it, and the sums; nobody is to feel more than ``least``
    (MPa) of a glide that he was not told."""
    count = len(which)
    _prefetch_partners(pop, i, which[:_AT_ONCE])
    for first in range(0, count, _AT_ONCE):
        _prefetch_partners(pop, i, which[first + _AT_ONCE : first + 2 * _AT_ONCE])
        some = which[first : first + _AT_ONCE]
        _exert_on_some(pillar, pop, i, column, place, some, least)


@uncounted
def exert_anew(lattice: Lattice, pillar: Pillar, pop: Population, first: int) -> None:
    """Compute all pairs of the dislocations in slots ``first`` and beyond, which exert nothing yet,
    what they exert on all sources, and the sums.

    Each with those in the slots before and itself, so that every pair has its turn once. Side by
    side: what partners feel of one lies beside what they feel of the next, and its way from
    memory takes longer than both pairs.
    """
    n = find_partners(pillar, pop, first, np.inf)
    for i in range(first, n):
        pop.exertions[0] += 1
        pop.announced[i] = pop.lowest_known[i] = pop.highest_known[i] = pop.placed[i]
        pop.gap[i] = min(SHELL_NM[0], 2.0 * (pillar.half_width - abs(pop.x[i])))
    least = untold_of(0.0)
    _prefetch_partners(pop, first, pop.which[: min(n, _AT_ONCE)])
    for begin in range(0, n, _AT_ONCE):
        end, end_of_next = min(n, begin + _AT_ONCE), min(n, begin + 2 * _AT_ONCE)
        _prefetch_partners(pop, first, pop.which[end:end_of_next])
        for i in range(first, n):
            for j in range(begin, min(end, i + 1)):
                pop.pair[i, j].offset = pop.pair[j, i].offset = 0.0
                pop.pair[i, j].slope = pop.pair[j, i].slope = 0.0
                pop.push[i, j] = pop.push[j, i] = 0.0
        for i in range(first, n):
            some = pop.which[begin : min(end, i + 1)]
            _exert_on_some(pillar, pop, i, i, pop.placed[i], some, least)
    for s in range(len(pop.charge)):
        pop.which[s] = s
    for i in range(first, n):
        _exert_on_sources(lattice, pillar, pop, i, i, pop.placed[i], pop.which[: len(pop.charge)])


@folded
def _prefetch_partners(pop: Population, i: int, which: Integers) -> None:
    """Have the lines of memory come that hold what these partners feel of dislocation i: each lies
    far from the next."""
    for j in which:
        prefetch(pop.pair, j, i)
        prefetch(pop.push, j, i)
        prefetch(pop.bound, j, i // BLOCK)


@uncounted
def _exert_on_some(
    pillar: Pillar,
    pop: Population,
    i: int,
    column: int,
    place: float,
    which: Integers,
    least: float,
) -> None:
    """Recompute the pairs with these partners, and the sums."""
    wave, half_width, core = pillar.wave, pillar.half_width, CORE_RADIUS_NM
    at, of, before = pop.at, pop.of, pop.before
    count = len(which)
    padded = _gather(pop.table, which, count, pop.near)
    slopes_at(wave, half_width, core, pop.table, column, pop.near, padded, at)
    slopes_of(wave, half_width, core, pop.table, column, pop.near, padded, of)
    for k in range(count):
        if which[k] == i:
            # on itself act only its images, which glide with it
            at[1, k] += at[2, k]
            at[2, k] = 0.0
            of[0, k], of[1, k], of[2, k] = at[0, k], at[1, k], 0.0
    # two short loops without a choice, so that a processor can wait for many cache lines at once
    by_them, told, stiffness, near = 0.0, 0.0, 0.0, 0
    own = pop.placed[i]
    behind = own - place
    for k in range(count):
        j = which[k]
        pair = pop.pair[i, j]
        slope, push, pull = np.float32(at[1, k]), np.float32(of[2, k]), np.float32(at[2, k])
        by_them += at[0, k] + behind * slope - (pair.offset + own * pair.slope)
        stiffness += slope - pair.slope
        before[0, k] = pop.push[i, j]
        pair.offset = at[0, k] - place * slope - pop.placed[j] * pull
        pair.slope = slope
        pair.known = place
        pop.push[i, j] = push
    for k in range(count):
        j = which[k]
        pair = pop.pair[j, i]
        other = pop.placed[j]
        slope, push, pull = np.float32(of[1, k]), np.float32(at[2, k]), np.float32(of[2, k])
        before[1, k] = pop.push[j, i]
        # partners not told yet where a dislocation is know the new pair as if it were there
        untold = np.float64(pop.bound[i, j // BLOCK].untold)
        untold_by_it = np.float64(pop.bound[j, i // BLOCK].untold)
        told += (other - untold_by_it) * before[1, k] + untold_by_it * push
        near += int(abs(untold_by_it * push) > least)
        known = pair.offset + other * pair.slope + (own - untold) * before[0, k]
        pop.felt[j] += of[0, k] + (behind - untold) * pull - known
        pop.stiffness[j] += slope - pair.slope
        pair.offset = of[0, k] - other * slope - place * pull
        pair.slope = slope
        pair.known = other
        pop.push[j, i] = push
    pop.felt[i] += by_them - told
    pop.stiffness[i] += stiffness
    if near > 0:
        for k in range(count):
            tell_if_felt(pop, which[k], i, least)
    for k in range(count):
        bound_push(pop, i, which[k], before[0, k], of[2, k])
        bound_push(pop, which[k], i, before[1, k], at[2, k])
    if _nearest_of(pop, i, padded) > pillar.wave * SHELL_NM[0]:
        # no gap is wider
        return
    for k in range(count):
        j = which[k]
        if j != i:
            gap2 = (pop.x[j] - pop.x[i]) ** 2 + (pop.y[j] - pop.y[i]) ** 2
            if gap2 < pop.gap[i] ** 2:
                pop.gap[i] = np.sqrt(gap2)
            if gap2 < pop.gap[j] ** 2:
                pop.gap[j] = np.sqrt(gap2)


@folded
def _nearest_of(pop: Population, i: int, count: int) -> float:
    """Return the distance, in the unit of the tables, from dislocation i to the nearest of the
    first ``count`` columns that were gathered."""
    xs, ys = pop.near[X], pop.near[Y]
    x, y = pop.table[X, i], pop.table[Y, i]
    nearest2 = np.inf
    for k in range(count):
        nearest2 = min(nearest2, (xs[k] - x) ** 2 + (ys[k] - y) ** 2)
    return float(np.sqrt(nearest2))


@folded
def _exert_on_sources(
    lattice: Lattice,
    pillar: Pillar,
    pop: Population,
    i: int,
    column: int,
    place: float,
    which: Integers,
) -> None:
    """Recompute what dislocation i exerts on these sources, as :func:`_exert_on_partners` does."""
    padded = _gather(lattice.source_table, which, len(which), pop.near)
    wave, half_width, core = pillar.wave, pillar.half_width, CORE_RADIUS_NM
    slopes_of(wave, half_width, core, pop.table, column, pop.near, padded, pop.of)
    for k in range(len(which)):
        s = which[k]
        push = np.float32(pop.of[2, k])
        untold = np.float64(pop.bound_at_source[i, s // BLOCK].untold)
        pop.felt_at_source[s] += pop.of[0, k] - followed_at_source(pop, i, s)
        pop.felt_at_source[s] += (pop.placed[i] - place - untold) * push
        pop.at_source[i, s] = pop.of[0, k] - push * place
        pop.push_at_source[i, s] = push
        pop.known_at_source[i, s] = place
        bound_push_at_source(pop, i, s)
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
            pop.bound[i, block].untold = 0.0
            find_strongest_push(pop, i, block)
        for block in range(blocks(len(pop.charge))):
            pop.bound_at_source[i, block].untold = 0.0
            pop.bound_at_source[i, block].strongest = 0.0
        pop.strongest_at_source[i] = 0.0
        for s in range(len(pop.charge)):
            pop.felt_at_source[s] += followed_at_source(pop, i, s)
            bound_push_at_source(pop, i, s)
    pop.mode_total[:] = 0.0
    for i in range(n):
        for m in range(len(pop.mode_total)):
            pop.mode_total[m] += pop.modes[i, m]
    pop.mode_seen[:] = 0.0
    pop.side[:n] = 0.0
    pop.side_at_source[:] = 0.0


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
    of_dislocation, sin_2theta = tau[sources:], pop.table[SIN_2THETA]
    for i in range(pop.number[0]):
        of_dislocation[i] = 0.5 * sin_2theta[i] * uniform + pop.felt[i] + pop.side[i]
