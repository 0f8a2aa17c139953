"""Velocities, how far dislocations may glide in one step, and the glide along their planes."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import folded, uncounted
from strainprint.specimens.interactions import CORE_RADIUS_NM, find_partners, own_stiffness
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.pillar import Pillar
from strainprint.specimens.population import BLOCK, Population, macroscopic_of_one
from strainprint.specimens.rules import THRESHOLD_TOLERANCE, Rules

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_UNFELT_MPA = 0.2
"""While no glide changes it by more, the stress on a charging source counts as constant."""

_GLIDE_PER_DISTANCE = 0.2
"""A dislocation may glide this share of the distance to the nearest other one in one step."""

_STANDS = 0.08
"""What owes less glide than this share of ``largest_glide_nm`` stands still while fast ones limit
the step."""

_BESIDE = 32
"""Dislocations of which a processor asks several at once, before any is looked at by itself."""

_LEAST_RELAXATION = 1e-3
"""A dislocation that keeps turning back is held as if its own stiffness were at most the inverse
times as large."""


@uncounted
def release_and_measure(
    lattice: Lattice,
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    machine: float,
    tau: Array,
    velocity: Array,
    restoring: Array,
) -> tuple[float, int]:
    """Free what the stress tears off its obstacle; fill velocities (nm/ns, 0 for pinned) and rates.

    ``restoring`` (1/ns) is how fast a glide takes its own driving force away. Returns the largest
    velocity of those that are not at rest, and whose it is.
    """
    n = pop.number[0]
    force = tau[len(pop.charge) :]
    for i in range(n):
        if pop.pinned_at[i] >= 0:
            hold = lattice.obstacle_strength[pop.pinned_at[i]]
            if abs(force[i]) >= hold * (1.0 - THRESHOLD_TOLERANCE):
                pop.passed[i] = pop.pinned_at[i]
                pop.pinned_at[i] = -1
    cutoff = rules.velocity_cutoff if rules.velocity_cutoff > 0.0 else np.inf
    # of loops that write two arrays, compilers do not see that they may be vectorised
    for i in range(n):
        mobility = pillar.mobility if pop.sign[i] > 0 else -pillar.mobility
        free = min(max(mobility * force[i], -cutoff), cutoff)
        velocity[i] = free if pop.pinned_at[i] < 0 else 0.0
    for i in range(n):
        mobility = pillar.mobility if pop.sign[i] > 0 else -pillar.mobility
        # twice the diagonal keeps a pair of movable partners from overshooting each other
        restoring[i] = max(0.0, -2.0 * mobility * own_stiffness(pop, i)) + machine
    fastest, leader = 0.0, 0
    for i in range(n):
        # at rest: slow, or bound so stiffly that a whole rest step would not move it
        speed = abs(velocity[i])
        if speed > fastest and would_glide(
            speed, restoring[i], rules.rest_time_step, rules.rest_glide
        ):
            fastest, leader = speed, i
    return fastest, leader


@folded
def would_glide(velocity: float, restoring: float, step: float, glide: float) -> bool:
    """Return whether a step of this length would move a dislocation by more than ``glide``."""
    return abs(velocity) * step > glide * (1.0 + restoring * step)


@partial(folded, error_model="numpy")
def owe(owed: float, velocity: float, restoring: float, step: float) -> float:
    """Return the glide (nm) that one owes after it stood still through another step."""
    return (owed + velocity * step) / (1.0 + restoring * step)


@folded
def _owes(owed: float, velocity: float, restoring: float, step: float, least: float) -> bool:
    """Return whether one would :func:`owe` more than ``least`` nm."""
    return abs(owed + velocity * step) > least * (1.0 + restoring * step)


@uncounted
def choose_in_motion(
    rules: Rules, pop: Population, velocity: Array, restoring: Array, step: float, moving: Integers
) -> int:
    """Fill ``moving`` with those that glide while fast ones limit the step (ns); returns how many.

    Those stand still that owe hardly any glide at its end.
    """
    n = pop.number[0]
    least = _STANDS * rules.largest_glide
    count = 0
    for begin in range(0, n, _BESIDE):
        end = min(n, begin + _BESIDE)
        found = 0
        for i in range(begin, end):
            found += _owes(pop.owed[i], velocity[i], restoring[i], step, least)
        if found > 0:
            for i in range(begin, end):
                if _owes(pop.owed[i], velocity[i], restoring[i], step, least):
                    moving[count] = i
                    count += 1
    return count


@uncounted
def note_what_stands(pop: Population, velocity: Array, restoring: Array, step: float) -> None:
    """Let all owe what they would have glided in a step (ns)."""
    for i in range(pop.number[0]):
        pop.owed[i] = owe(pop.owed[i], velocity[i], restoring[i], step)


@uncounted
def find_reach(pillar: Pillar, rules: Rules, pop: Population, i: int) -> float:
    """Return how far dislocation i may glide in one step, given its distance to the nearest."""
    x, y, which = pop.x[i], pop.y[i], pop.which
    # those farther away do not matter
    radius = rules.free_glide / _GLIDE_PER_DISTANCE
    nearest = radius * radius
    for k in range(find_partners(pillar, pop, i, radius)):
        if which[k] != i:
            nearest = min(nearest, (pop.x[which[k]] - x) ** 2 + (pop.y[which[k]] - y) ** 2)
    room = min(rules.free_glide, _GLIDE_PER_DISTANCE * np.sqrt(nearest))
    reach: float = max(rules.largest_glide, room)
    return reach


@uncounted
def longest_step(
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    velocity: Array,
    restoring: Array,
    leader: int,
    step: float,
    reach: Array,
) -> float:
    """Return the step (ns), at most ``step``, in which no dislocation glides beyond its reach.

    One that keeps turning back, whose place of rest is narrower, has its glide cut afterwards: it
    does not keep the others from coming to rest, nor does a slow one.
    """
    n = pop.number[0]
    glide = rules.largest_glide
    # the leader first: it mostly limits most, and the reach of the others need not be known
    if n > 0:
        step = _within_reach(pillar, rules, pop, velocity, restoring, leader, step, reach)
    for begin in range(0, n, _BESIDE):
        end = min(n, begin + _BESIDE)
        farther = 0
        for i in range(begin, end):
            farther += would_glide(velocity[i], restoring[i], step, glide)
        if farther > 0:
            for i in range(begin, end):
                if would_glide(velocity[i], restoring[i], step, glide):
                    step = _within_reach(pillar, rules, pop, velocity, restoring, i, step, reach)
    return step


@uncounted
def _within_reach(
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    velocity: Array,
    restoring: Array,
    i: int,
    step: float,
    reach: Array,
) -> float:
    """Return the step (ns), at most ``step``, in which dislocation i glides no farther than it
    may."""
    if abs(velocity[i]) < rules.rest_velocity:
        return step
    if reach[i] < 0.0:
        reach[i] = find_reach(pillar, rules, pop, i)
    # glide = v dt / (1 + restoring dt) <= reach, solved for dt
    excess = abs(velocity[i]) - restoring[i] * reach[i]
    return min(step, reach[i] / excess) if excess > 0.0 else step


@uncounted
def unfelt_step(
    pop: Population,
    platen_mpa: float,
    velocity: Array,
    restoring: Array,
    step: float,
) -> float:
    """Return the step (ns), at most ``step``, in which no glide changes the stress on a charging
    source noticeably.

    ``platen_mpa`` is how much a held platen changes the mean shear stress, per nm of glide.
    """
    count = 0
    for s in range(len(pop.charge)):
        # the others do not charge, says find_charging
        if pop.charge[s] >= 0.0:
            pop.which[count] = s
            count += 1
    n = pop.number[0]
    for begin in range(0, n, _BESIDE):
        end = min(n, begin + _BESIDE)
        felt = 0
        for i in range(begin, end):
            felt += _may_be_felt(pop, platen_mpa, velocity, restoring, step, i)
        if felt == 0:
            continue
        for i in range(begin, end):
            if not _may_be_felt(pop, platen_mpa, velocity, restoring, step, i):
                continue
            # what would be felt noticeably of the glide in this step
            least = _UNFELT_MPA * (1.0 / step + restoring[i]) / abs(velocity[i]) - platen_mpa
            strongest = np.float32(0.0)
            for s in pop.which[:count]:
                if pop.bound_at_source[i, s // BLOCK].strongest > least:
                    strongest = max(strongest, abs(pop.push_at_source[i, s]))
            if strongest > least:
                unfelt = _UNFELT_MPA / (strongest + platen_mpa)
                excess = abs(velocity[i]) - restoring[i] * unfelt
                if excess > 0.0:
                    step = min(step, unfelt / excess)
    return step


@folded
def _may_be_felt(
    pop: Population, platen_mpa: float, velocity: Array, restoring: Array, step: float, i: int
) -> bool:
    """Return whether any source may feel a glide of dislocation i: most need no look at the
    matrix."""
    strongest = pop.strongest_at_source[i] + platen_mpa
    return would_glide(velocity[i] * strongest, restoring[i], step, _UNFELT_MPA)


@uncounted
def hold_what_turned(
    rules: Rules, pop: Population, moving: Integers, let_go: float, glide: Array
) -> None:
    """Hold each that turned back twice as tight and let others go by a factor ``let_go``; cut the
    glides of those that are held."""
    for i in moving:
        last = abs(pop.last_glide[i])
        back = min(abs(glide[i]), last)
        turned = glide[i] * pop.last_glide[i] < 0.0 and back > max(rules.rest_glide, 0.5 * last)
        if turned:
            pop.relaxation[i] = max(_LEAST_RELAXATION, 0.5 * pop.relaxation[i])
        else:
            pop.relaxation[i] = min(1.0, let_go * pop.relaxation[i])
        # uncut, one that is held would glide to and fro across a narrow place of rest
        widest = pop.relaxation[i] * max(rules.free_glide, rules.largest_glide)
        glide[i] = min(max(glide[i], -widest), widest)
        pop.last_glide[i] = glide[i]
        pop.owed[i] = 0.0


@uncounted
def keep_order(
    lattice: Lattice,
    pop: Population,
    moving: Integers,
    glide: Array,
    ahead: Integers,
    marked: NDArray[np.bool_],
    any_marked: NDArray[np.bool_],
    places: Integers,
) -> int:
    """Shorten the glides of same-sign neighbours so that none passes the one ahead.

    A follower may gain at most half of what its gap has beyond the core radius, counted from where
    an obstacle stops the one ahead. Those gliding to larger r are limited from the far end of the
    plane on, the others from the near end, so that one sweep each settles all. Fills ``ahead``
    with the obstacle that stops each, unless its neighbours stop it before, -1 for none, and
    ``places`` with the places in ``order`` of all ``moving``; returns how many. ``marked`` and, for
    strides of such places, ``any_marked`` are false everywhere, before and after.
    """
    n = pop.number[0]
    for i in moving:
        marked[pop.rank[i]] = any_marked[pop.rank[i] // _BESIDE] = True
        ahead[i] = _obstacle_ahead(lattice, pop, i, glide[i])
        if ahead[i] >= 0:
            # a hair beyond, so that rounding cannot leave the obstacle unreached
            way = lattice.obstacle_position[ahead[i]] - pop.position[i]
            glide[i] = way + (1e-9 if way > 0.0 else -1e-9)
    count = 0
    for begin in range(0, n, _BESIDE):
        if any_marked[begin // _BESIDE]:
            any_marked[begin // _BESIDE] = False
            for k in range(begin, min(n, begin + _BESIDE)):
                if marked[k]:
                    marked[k] = False
                    places[count] = k
                    count += 1
    for m in range(count):
        # those to larger r, the last first
        k = places[count - 1 - m]
        i = pop.order[k]
        if glide[i] > 0.0 and k + 1 < pop.number[0]:
            j = pop.order[k + 1]
            glide[i] = min(glide[i], max(0.0, glide[j]) + _room_between(pop, i, j, glide))
    for m in range(count):
        k = places[m]
        j = pop.order[k]
        if glide[j] < 0.0 and k > 0:
            i = pop.order[k - 1]
            glide[j] = max(glide[j], min(0.0, glide[i]) - _room_between(pop, i, j, glide))
    return count


@uncounted
def _obstacle_ahead(lattice: Lattice, pop: Population, i: int, glide: float) -> int:
    """Return the first obstacle that dislocation i meets on its way, -1 for none."""
    obstacles = lattice.obstacle_position
    plane = pop.plane[i]
    start = pop.position[i]
    end = start + glide
    best = -1
    for k in range(lattice.obstacle_first[plane], lattice.obstacle_first[plane + 1]):
        if k == pop.passed[i]:
            continue
        at = obstacles[k]
        crossed = (start < at <= end) or (end <= at < start)
        if crossed and (best < 0 or abs(at - start) < abs(obstacles[best] - start)):
            best = k
    return best


@folded
def _room_between(pop: Population, i: int, j: int, glide: Array) -> float:
    """Return how much (nm) dislocation i may gain on its neighbour j, or j on i; half of it each
    where they glide towards each other."""
    if pop.plane[i] != pop.plane[j] or pop.sign[i] != pop.sign[j]:
        return np.inf
    room: float = 0.5 * max(0.0, pop.position[j] - pop.position[i] - CORE_RADIUS_NM)
    return 0.5 * room if glide[i] > 0.0 > glide[j] else room


@uncounted
def glide_along(
    lattice: Lattice,
    pillar: Pillar,
    pop: Population,
    moving: Integers,
    glide: Array,
    ahead: Integers,
) -> tuple[float, float]:
    """Move all that glide along their planes, each up to the obstacle ahead; returns what that adds
    to both numbers of :func:`macroscopic`."""
    strain = carried = 0.0
    for i in moving:
        if glide[i] == 0.0:
            continue
        before = macroscopic_of_one(lattice, pillar, pop, i)
        stop = lattice.obstacle_position[ahead[i]] if ahead[i] >= 0 else np.inf
        if abs(stop - pop.position[i]) <= abs(glide[i]):
            pop.position[i] = stop
            pop.pinned_at[i] = ahead[i]
            pop.last_glide[i] = 0.0
            pop.relaxation[i] = 1.0
        else:
            pop.position[i] += glide[i]
        pop.shuffled[pop.plane[i]] += 1
        after = macroscopic_of_one(lattice, pillar, pop, i)
        strain += after[0] - before[0]
        carried += after[1] - before[1]
    return strain, carried
