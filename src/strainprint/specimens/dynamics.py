"""Glide of dislocations at a held platen: forces, nucleation, pinning, annihilation, exits.

One call of :func:`settle` moves the population until nothing moves and no source charges. The
order within a step is the one all codes of the family share: stresses, velocities, move, exits,
annihilation, nucleation (Van der Giessen & Needleman, Modelling Simul. Mater. Sci. Eng. 3 (1995)
689).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.bounds import NOT_NEGATIVE, POSITIVE, Bounds, check_bounds
from strainprint.specimens.compilation import compiled, folded, inlined, inner, uncounted
from strainprint.specimens.crystal import SURFACE, Crystal
from strainprint.specimens.lattice import Lattice, make_lattice
from strainprint.specimens.material import Material
from strainprint.specimens.pillar import MODES, Pillar, make_pillar
from strainprint.specimens.population import (
    BLOCK,
    CORE_RADIUS_NM,
    SHELL_NM,
    Population,
    add,
    blocks,
    crosses_middle,
    exert,
    exert_what_lacks,
    find_partners,
    macroscopic,
    opposite_distance,
    outdated_shells,
    own_stiffness,
    place,
    place_modes,
    remove,
    resolved_stresses,
    shift,
    sort_by_plane,
    strongest_felt,
    sum_up,
    update_side,
)

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

SETTLED, OUT_OF_TIME, OUT_OF_ROOM = 0, 1, 2
"""Why :func:`settle` returned."""

_PINNED_TOLERANCE = 1e-9


_STALE_MPA = 0.1
"""Stress that a partner or a source may lack of what a dislocation exerts, while fast ones limit
the step. The smallest thresholds are about 50 MPa."""

_STALE_IN_REST = 0.1
"""The same while all come to rest, as a share of the stress at which a dislocation counts as at
rest. What lags behind makes a force that depends on the way: it must stay below that stress, or the
crowd swings for ever between what it knows and what is. Half of it before all counts as settled."""

_STALE_MODES = 0.02
"""Glide, in half widths per MPa that may lack, after which the modes of the side correction are
computed anew, or earlier where that varies faster."""

_STANDS = 0.08
"""What owes less glide than this share of ``largest_glide_nm`` stands still while fast ones limit
the step."""

_UNMOVED = 0.3
"""Share of ``rest_velocity_nm_per_ns`` or of ``rest_glide_nm`` below which a dislocation stands
still while others come to rest, unless one draws it along."""

_SLOW = 0.1
"""The same as a share of the velocity of the fastest, falling from calm step to calm step: most
runs of them are short, as one that comes loose breaks them off."""

_SLOW_FALLS = 0.8
"""Factor by which that falls."""

_UNFELT_MPA = 0.2
"""While no glide changes it by more, the stress on a charging source counts as constant."""

_LONGEST_CALM = 64.0
"""Steps grow up to this many times the rest step while all come to rest: soft clusters creep
there, and an implicit step finds their place the sooner the longer it is."""

_PATIENCE = 12
"""Calm steps of one and the same crowd that swing to and fro or are broken off, after which the
longest of them is halved, and those that have turned back are let go half as fast: what still
swings then follows the gradient flow ever more closely, which cannot."""

_GLIDE_PER_DISTANCE = 0.2
"""A dislocation may glide this share of the distance to the nearest other one in one step."""

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

_LEAST_RELAXATION = 1e-3
"""A dislocation that keeps turning back is held as if its own stiffness were at most the inverse
times as large."""

_RECOVERY = 1.6
"""Factor by which that lets go in every step in which it does not turn."""

_PASSING = 3.0
"""At a stop of the platen on the way to a recorded point, where all go on soon, what moves up to
this many times as fast counts as at rest."""

HINDERED_RISE = 1.05
"""Factor by which the stress on a source must rise after a dislocation it emitted annihilated."""


@dataclass(frozen=True)
class DynamicsSettings:
    """Numerical and kinetic choices; evidence in config/README.md.

    Attributes
    ----------
    nucleation_time_ns
        Time a source must stay above its strength before it emits.
    time_step_ns
        Largest step while a source charges and feels a glide by 0.2 MPa or more.
    rest_time_step_ns
        Step while none does: the implicit step then only finds the rest position. It grows while
        nothing limits it.
    largest_glide_nm
        Largest distance a dislocation glides in one step beside another one (half a plane spacing
        by default, so that neighbours on adjacent planes cannot pass unseen).
    free_glide_nm
        The same far from any other: in between, a fifth of the distance to the nearest.
    velocity_cutoff_nm_per_ns
        Cut-off of the glide velocity, 0 for none (1 nm/ns = 1 m/s).
    rest_velocity_nm_per_ns, rest_glide_nm
        Below this velocity, or where a whole rest step would move it less than this distance
        (partners bound in each other's cores), a dislocation counts as at rest; three times as fast
        at stops of the platen between recorded points.
    annihilation_distance_nm
        Opposite dislocations on one plane closer than this annihilate.
    exit_distance_nm
        A dislocation closer than this to a free side leaves.
    hold_time_ns, hold_steps
        Longest time and most steps spent at one platen position; reaching either is recorded.
    source_hardening
        Share of its threshold by which every emission raises a source's threshold. 0: never.
    density_limit_per_um2
        Above it the run is unphysical and stops with an error (mean spacing of 5 nm by default).
    """

    nucleation_time_ns: float = 10.0
    time_step_ns: float = 0.5
    rest_time_step_ns: float = 50.0
    largest_glide_nm: float = 1.25
    free_glide_nm: float = 10.0
    velocity_cutoff_nm_per_ns: float = 0.0
    rest_velocity_nm_per_ns: float = 0.5
    rest_glide_nm: float = 1e-3
    annihilation_distance_nm: float = 1.5
    exit_distance_nm: float = 0.5
    hold_time_ns: float = 1e6
    hold_steps: int = 5000
    source_hardening: float = 0.002
    density_limit_per_um2: float = 4e4

    def __post_init__(self) -> None:
        """Refuse what no clock and no glide law can have."""
        check_bounds(
            self,
            "dynamics",
            {
                "nucleation_time_ns": POSITIVE,
                "time_step_ns": POSITIVE,
                "rest_time_step_ns": POSITIVE,
                "largest_glide_nm": POSITIVE,
                "free_glide_nm": POSITIVE,
                "velocity_cutoff_nm_per_ns": NOT_NEGATIVE,
                "rest_velocity_nm_per_ns": POSITIVE,
                "rest_glide_nm": POSITIVE,
                "annihilation_distance_nm": POSITIVE,
                "exit_distance_nm": POSITIVE,
                "hold_time_ns": POSITIVE,
                "hold_steps": Bounds(1, whole=True),
                "source_hardening": NOT_NEGATIVE,
                "density_limit_per_um2": POSITIVE,
            },
        )


class Rules(NamedTuple):
    """:class:`DynamicsSettings` as the kernels take them."""

    nucleation_time: float
    time_step: float
    rest_time_step: float
    largest_glide: float
    free_glide: float
    velocity_cutoff: float
    rest_velocity: float
    rest_glide: float
    annihilation_distance: float
    exit_distance: float
    hold_time: float
    hold_steps: int
    source_hardening: float


def make_rules(settings: DynamicsSettings) -> Rules:
    """Return the settings as a plain tuple."""
    return Rules(
        nucleation_time=settings.nucleation_time_ns,
        time_step=settings.time_step_ns,
        rest_time_step=settings.rest_time_step_ns,
        largest_glide=settings.largest_glide_nm,
        free_glide=settings.free_glide_nm,
        velocity_cutoff=settings.velocity_cutoff_nm_per_ns,
        rest_velocity=settings.rest_velocity_nm_per_ns,
        rest_glide=settings.rest_glide_nm,
        annihilation_distance=settings.annihilation_distance_nm,
        exit_distance=settings.exit_distance_nm,
        hold_time=settings.hold_time_ns,
        hold_steps=settings.hold_steps,
        source_hardening=settings.source_hardening,
    )


def make_passing_rules(rules: Rules) -> Rules:
    """Return the rules for stops of the platen on the way to a recorded point."""
    return rules._replace(rest_velocity=_PASSING * rules.rest_velocity)


@folded
def hardened_threshold(lattice: Lattice, pop: Population, s: int) -> float:
    """Return the strength (MPa) of source s, hardened by its emissions so far."""
    threshold: float = lattice.source_threshold[s] + pop.hardening[s]
    return threshold


@folded
def needed_stress(lattice: Lattice, pop: Population, s: int) -> float:
    """Return the stress (MPa) that source s has to reach now: its strength or its hindrance."""
    needed: float = max(hardened_threshold(lattice, pop, s), pop.hindrance[s])
    return needed


@uncounted
def forget_hindrance(lattice: Lattice, pop: Population, tau: Array) -> None:
    """Let sources whose stress fell below their strength emit again as soon as it is reached."""
    for s in range(len(pop.charge)):
        if abs(tau[s]) < hardened_threshold(lattice, pop, s):
            pop.hindrance[s] = 0.0


@uncounted
def blocked(lattice: Lattice, rules: Rules, pop: Population, s: int) -> bool:
    """Return whether a dislocation occupies the place where source s would put its own.

    ASSUME: an occupied source waits. Dropping new dipoles onto occupied planes lets sources
    multiply without bound.
    """
    centre = lattice.source_position[s]
    reach = 0.5 * lattice.source_length[s] + rules.annihilation_distance
    if lattice.source_kind[s] == SURFACE:
        reach = min(centre, lattice.length - centre) + rules.annihilation_distance
    plane = lattice.source_plane[s]
    # the first, in order of plane and position, that is not before that place
    first, end = 0, pop.number[0]
    while first < end:
        middle = (first + end) // 2
        i = pop.order[middle]
        behind = pop.plane[i] == plane and pop.position[i] < centre - reach
        if pop.plane[i] < plane or behind:
            first = middle + 1
        else:
            end = middle
    if first == pop.number[0]:
        return False
    i = pop.order[first]
    return bool(pop.plane[i] == plane and pop.position[i] <= centre + reach)


@inlined
def _emit(lattice: Lattice, pillar: Pillar, pop: Population, s: int, sense: int) -> None:
    """Emit from source s under a resolved stress of sign ``sense``."""
    plane = lattice.source_plane[s]
    r = lattice.source_position[s]
    serial = pop.emissions[0] * len(pop.charge) + s
    pop.emissions[0] += 1
    if lattice.source_kind[s] == SURFACE:
        if 2.0 * r < lattice.length:
            add(lattice, pillar, pop, plane, r, sense, serial, 1)
        else:
            pop.slip[plane] += sense
            add(lattice, pillar, pop, plane, r, -sense, serial, -1)
        return
    half = 0.5 * lattice.source_length[s]
    add(lattice, pillar, pop, plane, r + half, sense, serial, 1)
    add(lattice, pillar, pop, plane, r - half, -sense, serial, -1)


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


@uncounted
def _keep_order(
    lattice: Lattice, pop: Population, glide: Array, ahead: Integers, places: Integers
) -> None:
    """Shorten the glides of same-sign neighbours so that none passes the one ahead.

    A follower may gain at most half of what its gap has beyond the core radius, counted from where
    an obstacle stops the one ahead. Those gliding to larger r are limited from the far end of the
    plane on, the others from the near end, so that one sweep each settles all. Fills ``ahead``
    with the obstacle that stops each, unless its neighbours stop it before, -1 for none, and
    ``places`` with the places in ``order`` of all that glide.
    """
    count = 0
    for k in range(pop.number[0]):
        i = pop.order[k]
        if glide[i] == 0.0:
            continue
        places[count] = k
        count += 1
        ahead[i] = _obstacle_ahead(lattice, pop, i, glide[i])
        if ahead[i] >= 0:
            # a hair beyond, so that rounding cannot leave the obstacle unreached
            way = lattice.obstacle_position[ahead[i]] - pop.position[i]
            glide[i] = way + (1e-9 if way > 0.0 else -1e-9)
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


@folded
def _room_between(pop: Population, i: int, j: int, glide: Array) -> float:
    """Return how much (nm) dislocation i may gain on its neighbour j, or j on i; half of it each
    where they glide towards each other."""
    if pop.plane[i] != pop.plane[j] or pop.sign[i] != pop.sign[j]:
        return np.inf
    room: float = 0.5 * max(0.0, pop.position[j] - pop.position[i] - CORE_RADIUS_NM)
    return 0.5 * room if glide[i] > 0.0 > glide[j] else room


@uncounted
def _glide(lattice: Lattice, pop: Population, glide: Array, ahead: Integers) -> None:
    """Move all that glide along their planes, each up to the obstacle ahead."""
    for i in range(pop.number[0]):
        if glide[i] == 0.0:
            continue
        stop = lattice.obstacle_position[ahead[i]] if ahead[i] >= 0 else np.inf
        if abs(stop - pop.position[i]) <= abs(glide[i]):
            pop.position[i] = stop
            pop.pinned_at[i] = ahead[i]
            pop.last_glide[i] = 0.0
            pop.relaxation[i] = 1.0
        else:
            pop.position[i] += glide[i]


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


@inner
def _annihilate(lattice: Lattice, rules: Rules, pop: Population) -> None:
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
def _reach(pillar: Pillar, rules: Rules, pop: Population, i: int) -> float:
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
def _release_and_measure(
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
    sources = len(pop.charge)
    fastest, leader = 0.0, 0
    for i in range(pop.number[0]):
        force = tau[sources + i]
        velocity[i] = 0.0
        if pop.pinned_at[i] >= 0:
            hold = lattice.obstacle_strength[pop.pinned_at[i]]
            if abs(force) < hold * (1.0 - _PINNED_TOLERANCE):
                continue
            pop.passed[i] = pop.pinned_at[i]
            pop.pinned_at[i] = -1
        v = pop.sign[i] * pillar.mobility * force
        if rules.velocity_cutoff > 0.0 and abs(v) > rules.velocity_cutoff:
            v = rules.velocity_cutoff if v > 0.0 else -rules.velocity_cutoff
        velocity[i] = v
        # twice the diagonal keeps a pair of movable partners from overshooting each other
        own = pop.sign[i] * pillar.mobility * own_stiffness(pop, i)
        restoring[i] = max(0.0, -2.0 * own) + machine
        # at rest: slow, or bound so stiffly that a whole rest step would not move it
        if abs(v) > fastest and _would_glide(
            velocity[i], restoring[i], rules.rest_time_step, rules.rest_glide
        ):
            fastest, leader = abs(v), i
    return fastest, leader


@folded
def _would_glide(velocity: float, restoring: float, step: float, glide: float) -> bool:
    """Return whether a step of this length would move a dislocation by more than ``glide``."""
    return abs(velocity) * step > glide * (1.0 + restoring * step)


@folded
def _owe(owed: float, velocity: float, restoring: float, step: float) -> float:
    """Return the glide (nm) that one owes after it stood still through another step."""
    return (owed + velocity * step) / (1.0 + restoring * step)


@uncounted
def _note_what_stands(pop: Population, velocity: Array, restoring: Array, step: float) -> None:
    """Let all owe what they would have glided in a step (ns)."""
    for i in range(pop.number[0]):
        pop.owed[i] = _owe(pop.owed[i], velocity[i], restoring[i], step)


@uncounted
def _charging(lattice: Lattice, rules: Rules, pop: Population, tau: Array) -> tuple[bool, float]:
    """Return whether any source charges and the time (ns) until the first is ready.

    The charge of the others becomes negative: they start from zero.
    """
    charging = False
    ready = 1e300
    for s in range(len(pop.charge)):
        needed = needed_stress(lattice, pop, s) * (1.0 - _PINNED_TOLERANCE)
        if abs(tau[s]) >= needed and not blocked(lattice, rules, pop, s):
            charging = True
            ready = min(ready, max(0.0, rules.nucleation_time - pop.charge[s]))
        else:
            pop.charge[s] = -1.0
    return charging, ready


@uncounted
def _longest_step(
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
    for k in range(n):
        # the leader first: it mostly limits most, and the reach of the others need not be known
        i = leader + k if leader + k < n else leader + k - n
        # glide = v dt / (1 + restoring dt) <= reach, solved for dt
        size = abs(velocity[i])
        if size < rules.rest_velocity:
            continue
        if size * step <= rules.largest_glide * (1.0 + restoring[i] * step):
            continue
        if reach[i] < 0.0:
            reach[i] = _reach(pillar, rules, pop, i)
        excess = size - restoring[i] * reach[i]
        if excess > 0.0:
            step = min(step, reach[i] / excess)
    return step


@uncounted
def _unfelt_step(
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
        # the others do not charge, says _charging
        if pop.charge[s] >= 0.0:
            pop.which[count] = s
            count += 1
    for i in range(pop.number[0]):
        speed = abs(velocity[i])
        if speed * step * (pop.strongest_at_source[i] + platen_mpa) <= _UNFELT_MPA:
            # whatever the source: most need no look at the matrix
            continue
        for s in pop.which[:count]:
            unfelt = _UNFELT_MPA / (abs(pop.push_at_source[i, s]) + platen_mpa)
            excess = speed - restoring[i] * unfelt
            if excess > 0.0:
                step = min(step, unfelt / excess)
    return step


@uncounted
def _bound_blocks(bound: Floats, of_block: Floats) -> None:
    """Fill ``of_block`` with the least of every block of ``bound``."""
    of_block[:] = np.inf
    for j in range(len(bound)):
        of_block[j // BLOCK] = min(of_block[j // BLOCK], bound[j])


@uncounted
def _find_strong(
    push: Floats,
    strongest: Floats,
    least: float,
    bound: Floats,
    of_block: Floats,
    first: int,
    strong: Integers,
) -> int:
    """Fill ``strong`` with the partners from ``first`` on that feel |push| > least * bound; returns
    how many.

    ``strongest`` and ``of_block`` bound both in every block of partners, most of which need not be
    looked at then; what is in one is compared at once before any is looked at by itself.
    """
    n = len(bound)
    factor = np.float32(least)
    count = 0
    for block in range(first // BLOCK, blocks(n)):
        if strongest[block] <= factor * of_block[block]:
            continue
        begin, end = max(first, block * BLOCK), min(n, (block + 1) * BLOCK)
        found = 0
        for j in range(begin, end):
            found += abs(push[j]) > factor * bound[j]
        if found > 0:
            for j in range(begin, end):
                if abs(push[j]) > factor * bound[j]:
                    strong[count] = j
                    count += 1
    return count


@inner
def _choose_moving(
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
    """Fill ``moving`` with those that glide in this step; returns how many.

    Before all comes to rest, those stand still that owe hardly any glide. Coming to rest
    (``calm_steps`` on end, 0 else), slow ones do; clusters move as a whole, else soft ones creep.
    """
    n = pop.number[0]
    count = 0
    if calm_steps == 0:
        for i in range(n):
            owed = _owe(pop.owed[i], velocity[i], restoring[i], step)
            if abs(owed) > _STANDS * rules.largest_glide:
                moving[count] = i
                count += 1
        return count
    least = _UNMOVED * rules.rest_glide
    slowest = _SLOW * _SLOW_FALLS**calm_steps * fastest
    slowest = max(_UNMOVED * rules.rest_velocity, slowest)
    # of those that may be drawn along: infinite for all others
    bound = np.full(n, np.inf, np.float32)
    for i in range(n):
        if pop.pinned_at[i] >= 0:
            continue
        if abs(velocity[i]) >= slowest and _would_glide(velocity[i], restoring[i], step, least):
            moving[count] = i
            count += 1
        else:
            bound[i] = np.sqrt(restoring[i])
    drawn_along = max(_WEAK_COUPLING, _DRAWN_ALONG * 0.5 ** (calm_steps // _CREEP))
    of_block = np.empty(pop.strongest_push.shape[1], np.float32)
    _bound_blocks(bound, of_block)
    return _draw_along(pillar, pop, restoring, drawn_along, bound, of_block, moving, count)


@uncounted
def _draw_along(
    pillar: Pillar,
    pop: Population,
    restoring: Array,
    drawn_along: float,
    bound: Floats,
    of_block: Floats,
    moving: Integers,
    count: int,
) -> int:
    """Add to the first ``count`` of ``moving`` those that they draw along; returns how many move.

    ``bound`` is the square root of the own stiffness (1/ns) of all that do not move yet, infinite
    for others; ``of_block`` bounds its blocks.
    """
    done = 0
    while done < count and count < len(bound):
        i = moving[done]
        done += 1
        weak = drawn_along * np.sqrt(restoring[i]) / pillar.mobility
        push, strongest = pop.push[i], pop.strongest_push[i]
        found = _find_strong(push, strongest, weak, bound, of_block, 0, moving[count:])
        for j in moving[count : count + found]:
            bound[j] = np.inf
        count += found
    return count


@folded
def _find(parent: Integers, a: int) -> int:
    """Return the root of a's cluster."""
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a


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
    place_in = np.empty(slots, np.int64)
    for a in range(len(moving)):
        place_in[moving[a]] = a
        root[moving[a]] = np.sqrt(np.abs(rate[a]))
    of_block = np.empty(pop.strongest_push.shape[1], np.float32)
    _bound_blocks(root, of_block)
    room = 4 * slots
    while True:
        first = np.empty(room, np.int64)
        second = np.empty(room, np.int64)
        strength = np.empty(room)
        share = np.empty(room)
        count = _find_couplings(
            pillar, pop, moving, root, of_block, place_in, first, second, strength, share
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
    of_block: Floats,
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
        push, strongest = pop.push[i], pop.strongest_push[i]
        found = _find_strong(push, strongest, least, root, of_block, i + 1, pop.which)
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


@inner
def _implicit_glide(
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
                    reach[i] = _reach(pillar, rules, pop, i)
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


@uncounted
def _hold_what_turned(
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


@inner
def _leave(lattice: Lattice, rules: Rules, pop: Population, glide: Array) -> None:
    """Take out what reached a side; an exit at the far end slips the whole plane.

    One that leaves back over its source undoes the emission.
    """
    # from the last slot on, so that the swap moves only slots already seen
    for i in range(pop.number[0] - 1, -1, -1):
        r = pop.position[i]
        if glide[i] == 0.0 or rules.exit_distance < r < lattice.length - rules.exit_distance:
            continue
        far = r > rules.exit_distance
        if far:
            pop.slip[pop.plane[i]] += pop.sign[i]
        if far == (pop.heading[i] < 0):
            _hinder(lattice, pop, pop.emitter[i])
        remove(pop, i)


@folded
def _bend(pillar: Pillar, stale: float) -> float:
    """Return the square of a glide over the third power of a distance (1/nm) at which what is known
    to first order lacks ``stale`` (MPa).

    Second derivatives of a stress C / r reach 6 C / r^3: error = 3 C lead^2 / r^3.
    """
    bend: float = stale / (6.0 * pillar.strength)
    return bend


@uncounted
def _announce(lattice: Lattice, pillar: Pillar, pop: Population, stale: float) -> bool:
    """Let partners and sources of all that glided learn of it, but for ``stale`` (MPa); returns
    whether anybody had."""
    count = 0
    modes = stale * _STALE_MODES * pillar.half_width
    bend = _bend(pillar, stale)
    for i in range(pop.number[0]):
        # its image changes sides: all learn of it at once, or a jump stays
        crossed = crosses_middle(lattice, pop, i)
        outdated = len(SHELL_NM) if crossed else outdated_shells(pop, i, bend)
        lead = pop.position[i] - pop.placed[i]
        if outdated > 0 or (lead != 0.0 and abs(lead) * strongest_felt(pop, i) > stale):
            # the second loop needs every partner at its new place
            pop.outdated[i] = outdated
            place(lattice, pillar, pop, i)
            pop.which[count], pop.before[0, count] = i, lead
            count += 1
        glide = abs(pop.position[i] - pop.moded[i])
        if crossed or glide > modes or glide * abs(pop.side_slope[i]) > stale:
            place_modes(lattice, pillar, pop, i)
            if crossed:
                # a jump is no slope
                pop.side_slope[i] = np.inf
    shift(pop, pop.which, pop.before[0], count)
    for i in range(pop.number[0]):
        if pop.outdated[i] > 0:
            exert(lattice, pillar, pop, i, pop.outdated[i])
            pop.outdated[i] = 0
    return count > 0


@uncounted
def _charge(
    lattice: Lattice, rules: Rules, pop: Population, step: float, tau: Array, first: int
) -> int:
    """Charge the sources from ``first`` on by one step, up to one that is ready; returns it, or
    their number where none is."""
    for s in range(first, len(pop.charge)):
        if pop.charge[s] < 0.0:
            # does not charge, says _charging
            pop.charge[s] = 0.0
            continue
        if abs(tau[s]) < needed_stress(lattice, pop, s) * (1.0 - _PINNED_TOLERANCE):
            # hindered since
            continue
        pop.charge[s] += step
        if pop.charge[s] >= rules.nucleation_time * (1.0 - 1e-12):
            return s
    return len(pop.charge)


@inlined
def _nucleate(
    lattice: Lattice, pillar: Pillar, rules: Rules, pop: Population, step: float, tau: Array
) -> None:
    """Charge the sources by one step; those ready emit."""
    s = _charge(lattice, rules, pop, step, tau, 0)
    while s < len(pop.charge):
        if pop.number[0] + 2 <= len(pop.plane):
            pop.charge[s] = 0.0
            if not blocked(lattice, rules, pop, s):
                _emit(lattice, pillar, pop, s, 1 if tau[s] > 0.0 else -1)
                pop.emitted_under[s] = abs(tau[s])
                pop.hardening[s] += rules.source_hardening * lattice.source_threshold[s]
        s = _charge(lattice, rules, pop, step, tau, s + 1)


@compiled
def settle(
    lattice: Lattice,
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    platen: Array,
    hold_stress: bool,
    tau: Array,
) -> tuple[int, float, int]:
    """Move the population until it rests; returns (why it returned, time in ns, steps).

    Parameters
    ----------
    platen
        (1,) displacement U of the top platen in nm; changed only with ``hold_stress``.
    hold_stress
        False: the platen is held. True: the mean stress is held at zero, U follows.
    tau
        (sources + room,) filled with the resolved stresses of the final state, MPa.
    """
    room = len(pop.plane)
    velocity = np.zeros(room)
    restoring = np.zeros(room)
    glide = np.zeros(room)
    reach = np.zeros(room)
    moving = np.zeros(room, np.int64)
    ahead = np.full(room, -1, np.int64)
    # a held platen answers glide with stress: its share of the stiffness, per dislocation
    platen_mpa = 0.0
    if not hold_stress:
        platen_mpa = (
            pillar.modulus
            * pillar.burgers
            * (0.5 * lattice.sin_2theta[0]) ** 2
            / (2.0 * pillar.half_width * pillar.height)
        )
    machine = pillar.mobility * platen_mpa
    rest_mpa = rules.rest_velocity / pillar.mobility
    sum_up(pop)
    update_side(lattice, pop, 0.0)
    pop.last_glide[:] = 0.0
    pop.owed[:] = 0.0
    calm_step = rules.rest_time_step
    stale = _STALE_MPA
    calm_steps = 0
    swings = 0
    crowd = pop.number[0]
    before = np.inf
    time = 0.0
    steps = 0
    while True:
        if pop.number[0] + 2 > room:
            return OUT_OF_ROOM, time, steps
        strain, carried = macroscopic(lattice, pillar, pop)
        if hold_stress:
            platen[0] = strain * pillar.height
        stress = pillar.modulus * (platen[0] / pillar.height - strain)
        if not np.isfinite(stress):
            # a position is no number and never settles: the caller sees it in the population
            return OUT_OF_TIME, time, steps
        update_side(lattice, pop, stale)
        resolved_stresses(lattice, pillar, pop, stress, carried, tau)
        fastest, leader = _release_and_measure(
            lattice, pillar, rules, pop, machine, tau, velocity, restoring
        )
        charging, ready = _charging(lattice, rules, pop, tau)
        if not charging and fastest < rules.rest_velocity:
            stale = 0.5 * _STALE_IN_REST * rest_mpa
            any_moved = _announce(lattice, pillar, pop, stale)
            for i in range(pop.number[0]):
                any_moved |= exert_what_lacks(lattice, pillar, pop, i, _bend(pillar, stale))
            if update_side(lattice, pop, stale) or any_moved:
                continue
            return SETTLED, time, steps
        if time >= rules.hold_time or steps >= rules.hold_steps:
            return OUT_OF_TIME, time, steps

        reach[:] = -1.0
        longest = ready if charging else calm_step
        step = _longest_step(pillar, rules, pop, velocity, restoring, leader, longest, reach)
        if charging:
            unfelt = _unfelt_step(pop, platen_mpa, velocity, restoring, step)
            step = min(step, max(unfelt, rules.time_step))
        calm = not charging and step == longest
        if calm_steps > 0 and not calm:
            # what a calm step brings about may be what the next ones undo
            swings += 1
        calm_steps = calm_steps + 1 if calm else 0
        if pop.number[0] != crowd:
            crowd = pop.number[0]
            swings = 0
        calm_step = rules.rest_time_step
        if calm:
            goes_on = velocity[leader] * pop.last_glide[leader] > 0.0
            if fastest < 0.9 * before or (goes_on and fastest < 1.1 * before):
                # longer while it helps, or while the fastest creeps on
                calm_step = 2.0 * longest
            else:
                # shorter where the step swings to and fro across the rest
                calm_step = 0.25 * longest
                swings += 1
        most = _LONGEST_CALM * rules.rest_time_step * 0.5 ** (swings // _PATIENCE)
        calm_step = max(min(calm_step, most), rules.time_step)
        before = fastest if calm else np.inf
        glide[:] = 0.0
        count = _choose_moving(
            pillar, rules, pop, velocity, restoring, step, calm_steps, fastest, moving
        )
        if count > 0:
            step = _implicit_glide(
                lattice,
                pillar,
                rules,
                pop,
                moving[:count],
                machine,
                step,
                calm,
                velocity,
                reach,
                glide,
            )
        if calm:
            pop.owed[:] = 0.0
        else:
            _note_what_stands(pop, velocity, restoring, step)
        let_go = 1.0 + (_RECOVERY - 1.0) * (0.5 ** (swings // _PATIENCE) if calm else 1.0)
        _hold_what_turned(rules, pop, moving[:count], let_go, glide)
        _keep_order(lattice, pop, glide, ahead, moving)
        _glide(lattice, pop, glide, ahead)
        _leave(lattice, rules, pop, glide)
        stale = _STALE_MPA
        if calm:
            eased = max(1.0, fastest / rules.rest_velocity)
            stale = min(stale, eased * _STALE_IN_REST * rest_mpa)
        _announce(lattice, pillar, pop, stale)
        if sort_by_plane(pop) <= rules.annihilation_distance:
            _annihilate(lattice, rules, pop)
        time += step
        steps += 1
        _nucleate(lattice, pillar, rules, pop, step, tau)


@compiled
def next_event(
    lattice: Lattice, pillar: Pillar, rules: Rules, pop: Population, tau: Array, direction: int
) -> float:
    """Return the smallest change of the mean stress (MPa, >= 0, along ``direction``) that starts
    a source or frees a pinned dislocation, from the resolved stresses of a settled state.

    With nothing moving, all stresses are affine in the platen position, so the threshold is
    reached by one jump instead of many steps.
    """
    sources = len(pop.charge)
    nearest = 1e300
    for t in range(sources + pop.number[0]):
        if t < sources:
            if blocked(lattice, rules, pop, t):
                continue
            threshold = needed_stress(lattice, pop, t)
            plane = lattice.source_plane[t]
        else:
            i = t - sources
            if pop.pinned_at[i] < 0:
                continue
            threshold = lattice.obstacle_strength[pop.pinned_at[i]]
            plane = pop.plane[i]
        slope = 0.5 * lattice.sin_2theta[plane] * direction
        target = threshold if slope > 0.0 else -threshold
        change = (target - tau[t]) / slope
        if change >= 0.0:
            nearest = min(nearest, change)
    return nearest


def make_kernel_inputs(
    crystal: Crystal, material: Material, settings: DynamicsSettings, modes: int = MODES
) -> tuple[Lattice, Pillar, Rules]:
    """Return crystal, body and rules in the form the kernels take."""
    pillar = make_pillar(crystal.width_nm, crystal.height_nm, material, modes)
    return make_lattice(crystal, pillar), pillar, make_rules(settings)
