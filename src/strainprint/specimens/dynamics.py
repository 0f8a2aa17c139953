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
from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import SURFACE, Crystal
from strainprint.specimens.lattice import Lattice, make_lattice
from strainprint.specimens.material import Material
from strainprint.specimens.pillar import MODES, Pillar, make_pillar
from strainprint.specimens.population import (
    CORE_RADIUS_NM,
    Population,
    add,
    exert,
    macroscopic,
    place,
    remove,
    resolved_stresses,
    shear_slope,
    sort_by_plane,
    sum_up,
    update_side,
)

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SETTLED, OUT_OF_TIME, OUT_OF_ROOM = 0, 1, 2
"""Why :func:`settle` returned."""

_PINNED_TOLERANCE = 1e-9
_NEAR_NM = 100.0
_STALE_NM, _STALE_FAR_NM = 0.01, 0.1
"""Glides after which the near and the other partners of a dislocation learn of it while a fast one
limits the step: beyond 100 nm the stress has changed by C 0.1 nm / (100 nm)^2 = 0.016 MPa."""

_STALE_AT_REST_NM, _STALE_FAR_AT_REST_NM = 1e-6, 1e-3
"""The same while all come to rest. Before a population counts as settled, all partners know all."""

_LONGEST_CALM = 256.0
"""Steps grow up to this many times the rest step while all come to rest: soft clusters creep
there, and an implicit step finds their place the sooner the longer it is."""

_GLIDE_PER_DISTANCE = 0.2
"""A dislocation may glide this share of the distance to the nearest other one in one step."""

_WEAK_COUPLING = 0.02
"""Couplings below this share of both partners' own stiffness are left out of the implicit step."""

_LARGEST_CLUSTER = 150
"""Coupled dislocations solved together; beyond, twice as strong couplings count as weak."""

_MOST_SHORTENINGS = 30
"""Times an unstable cluster's step is quartered."""

_LEAST_RELAXATION = 1e-3
"""Smallest share of its reach that a dislocation is left which keeps turning back."""

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
        Largest step while a source charges.
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
        (partners bound in each other's cores), a dislocation counts as at rest.
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
    rest_velocity_nm_per_ns: float = 0.05
    rest_glide_nm: float = 1e-3
    annihilation_distance_nm: float = 1.5
    exit_distance_nm: float = 0.5
    hold_time_ns: float = 1e6
    hold_steps: int = 5000
    source_hardening: float = 0.001
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


@compiled
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
    for i in range(pop.number[0]):
        if pop.plane[i] == plane and abs(pop.position[i] - centre) <= reach:
            return True
    return False


@compiled
def _emit(lattice: Lattice, pillar: Pillar, pop: Population, s: int, sense: int) -> None:
    """Emit from source s under a resolved stress of sign ``sense``."""
    plane = lattice.source_plane[s]
    r = lattice.source_position[s]
    serial = pop.emissions[0] * len(pop.charge) + s
    pop.emissions[0] += 1
    if lattice.source_kind[s] == SURFACE:
        if 2.0 * r < lattice.length:
            add(lattice, pillar, pop, plane, r, sense, serial)
        else:
            pop.slip[plane] += sense
            add(lattice, pillar, pop, plane, r, -sense, serial)
        return
    half = 0.5 * lattice.source_length[s]
    add(lattice, pillar, pop, plane, r + half, sense, serial)
    add(lattice, pillar, pop, plane, r - half, -sense, serial)


@compiled
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


@compiled
def _keep_order(lattice: Lattice, pop: Population, glide: Array) -> None:
    """Shorten the glides of same-sign neighbours so that none passes the one ahead.

    A follower may gain at most half of what its gap has beyond the core radius, counted from where
    an obstacle stops the one ahead. Those gliding to larger r are limited from the far end of the
    plane on, the others from the near end, so that one sweep each settles all.
    """
    n = pop.number[0]
    for i in range(n):
        if glide[i] == 0.0:
            continue
        obstacle = _obstacle_ahead(lattice, pop, i, glide[i])
        if obstacle >= 0:
            # a hair beyond, so that rounding cannot leave the obstacle unreached
            way = lattice.obstacle_position[obstacle] - pop.position[i]
            glide[i] = way + (1e-9 if way > 0.0 else -1e-9)
    for pair in range(2 * (n - 1)):
        backward = pair < n - 1
        k = n - 2 - pair if backward else pair - (n - 1)
        i = pop.order[k]
        j = pop.order[k + 1]
        if pop.plane[i] != pop.plane[j] or pop.sign[i] != pop.sign[j]:
            continue
        room = 0.5 * max(0.0, pop.position[j] - pop.position[i] - CORE_RADIUS_NM)
        if glide[i] > 0.0 > glide[j]:
            room *= 0.5
        if backward and glide[i] > 0.0:
            glide[i] = min(glide[i], max(0.0, glide[j]) + room)
        elif not backward and glide[j] < 0.0:
            glide[j] = max(glide[j], min(0.0, glide[i]) - room)


@compiled
def _glide(lattice: Lattice, pop: Population, i: int, glide: float) -> None:
    """Move dislocation i along its plane, stopping at the first obstacle in its way."""
    obstacle = _obstacle_ahead(lattice, pop, i, glide)
    if obstacle >= 0:
        pop.position[i] = lattice.obstacle_position[obstacle]
        pop.pinned_at[i] = obstacle
        pop.last_glide[i] = 0.0
        pop.relaxation[i] = 1.0
    else:
        pop.position[i] += glide


@compiled
def _annihilate(lattice: Lattice, rules: Rules, pop: Population) -> None:
    """Remove opposite neighbours on one plane that met."""
    k = 0
    while k < pop.number[0] - 1:
        i = pop.order[k]
        j = pop.order[k + 1]
        if (
            pop.plane[i] == pop.plane[j]
            and pop.sign[i] != pop.sign[j]
            and pop.position[j] - pop.position[i] <= rules.annihilation_distance
        ):
            # ASSUME: the source of the younger one waits until its stress has risen above that of
            # its last emission (or fallen below its threshold since). Otherwise a source beside a
            # stuck dislocation emits, loses one partner to it and emits again for ever under the
            # same load. The present stress would not do: it holds the back stress of the pair.
            source = max(pop.emitter[i], pop.emitter[j]) % len(pop.charge)
            pop.hindrance[source] = HINDERED_RISE * max(
                pop.emitted_under[source],
                lattice.source_threshold[source] + pop.hardening[source],
            )
            first, second = max(i, j), min(i, j)
            remove(pop, first)
            remove(pop, second)
            k = max(0, k - 1)
        else:
            k += 1


@compiled
def _reach(rules: Rules, pop: Population, i: int) -> float:
    """Return how far dislocation i may glide in one step, given its distance to the nearest.

    Less where it keeps turning back: its place of rest is narrower than that.
    """
    nearest = np.inf
    x, y = pop.x[i], pop.y[i]
    for j in range(pop.number[0]):
        if j != i:
            nearest = min(nearest, (pop.x[j] - x) ** 2 + (pop.y[j] - y) ** 2)
    room = min(rules.free_glide, _GLIDE_PER_DISTANCE * np.sqrt(nearest))
    reach: float = pop.relaxation[i] * max(rules.largest_glide, room)
    return reach


@compiled
def _release_and_measure(
    lattice: Lattice,
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    machine: float,
    tau: Array,
    velocity: Array,
    restoring: Array,
) -> float:
    """Free what the stress tears off its obstacle; fill velocities (nm/ns, 0 for pinned) and rates.

    ``restoring`` (1/ns) is how fast a glide takes its own driving force away. Returns the largest
    velocity of those that are not at rest.
    """
    sources = len(pop.charge)
    fastest = 0.0
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
        restoring[i] = max(0.0, -2.0 * pop.sign[i] * pillar.mobility * pop.stiffness[i]) + machine
        # at rest: slow, or bound so stiffly that a whole rest step would not move it
        if _would_glide(velocity[i], restoring[i], rules.rest_time_step, rules.rest_glide):
            fastest = max(fastest, abs(v))
    return fastest


@compiled
def _would_glide(velocity: float, restoring: float, step: float, glide: float) -> bool:
    """Return whether a step of this length would move a dislocation by more than ``glide``."""
    return abs(velocity) * step > glide * (1.0 + restoring * step)


@compiled
def _charging(lattice: Lattice, rules: Rules, pop: Population, tau: Array) -> tuple[bool, float]:
    """Return whether any source charges and the time (ns) until the first is ready.

    The charge of the others becomes negative: they start from zero.
    """
    charging = False
    ready = 1e300
    for s in range(len(pop.charge)):
        threshold = (lattice.source_threshold[s] + pop.hardening[s]) * (1.0 - _PINNED_TOLERANCE)
        if abs(tau[s]) >= max(threshold, pop.hindrance[s]) and not blocked(lattice, rules, pop, s):
            charging = True
            ready = min(ready, max(0.0, rules.nucleation_time - pop.charge[s]))
        else:
            pop.charge[s] = -1.0
    return charging, ready


@compiled
def _longest_step(
    rules: Rules, pop: Population, velocity: Array, restoring: Array, step: float
) -> float:
    """Return the step (ns) in which no dislocation glides beyond its reach."""
    for i in range(pop.number[0]):
        # glide = v dt / (1 + restoring dt) <= reach, solved for dt
        size = abs(velocity[i])
        near = pop.relaxation[i] * rules.largest_glide
        if size * step <= near * (1.0 + restoring[i] * step):
            continue
        reach = _reach(rules, pop, i)
        excess = size - restoring[i] * reach
        if excess > 0.0:
            step = min(step, reach / excess)
    return step


@compiled
def _find(parent: Integers, a: int) -> int:
    """Return the root of a's cluster."""
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a


@compiled
def _couple(
    lattice: Lattice,
    pillar: Pillar,
    pop: Population,
    moving: Integers,
    rate: Array,
    weak: float,
    parent: Integers,
) -> tuple[int, Integers, Integers, Array, Array]:
    """Join what moves into clusters by the couplings that count.

    Returns their number, the partners a < b of each, and the negative derivatives of the velocity
    of a as b glides and of b as a does. ``rate`` holds the diagonal. Fills ``parent``.
    """
    n = len(moving)
    first = np.empty(n * 8, np.int64)
    second = np.empty(n * 8, np.int64)
    forth = np.empty(n * 8)
    back = np.empty(n * 8)
    count = 0
    for a in range(n):
        parent[a] = a
    # no derivative of a pair exceeds four times that of equal ones in line
    most = 16.0 * pillar.mobility * pillar.strength
    for a in range(n):
        i = moving[a]
        x, y = pop.x[i], pop.y[i]
        for b in range(a):
            j = moving[b]
            dx, dy = x - pop.x[j], y - pop.y[j]
            least = weak * np.sqrt(abs(rate[a] * rate[b]))
            if most < least * (dx * dx + dy * dy):
                continue
            plane, other = pop.plane[i], pop.plane[j]
            if plane == other:
                at_a, at_b = pop.slope[i, j], pop.slope[j, i]
            else:
                along = complex(lattice.cos_theta[plane], lattice.sin_theta[plane])
                across = complex(lattice.cos_theta[other], lattice.sin_theta[other])
                at_a = shear_slope(dx, dy, pop.gamma[j], along, across)
                at_b = shear_slope(-dx, -dy, pop.gamma[i], across, along)
            at_a *= pillar.mobility * pop.sign[i]
            at_b *= pillar.mobility * pop.sign[j]
            if max(abs(at_a), abs(at_b)) < least:
                continue
            if count == len(first):
                first = np.append(first, first)
                second = np.append(second, second)
                forth = np.append(forth, forth)
                back = np.append(back, back)
            first[count], second[count] = b, a
            forth[count], back[count] = at_b, at_a
            count += 1
            parent[_find(parent, b)] = _find(parent, a)
    return count, first, second, forth, back


@compiled
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
    glide: Array,
) -> float:
    """Fill the glides (nm) of one linearly implicit step of all that move; returns the step (ns).

    Solves (1/dt - dv/dr) glide = v, so that stiff couplings (dipoles, junctions, pile-ups) relax in
    a few steps whatever their rate. Strongly coupled dislocations are solved together, cluster by
    cluster; the held platen couples all (Sherman-Morrison). A cluster whose solution runs against
    the force is unstable and takes a shorter step. Glides beyond reach are scaled back: those of
    the cluster while all comes to rest (``calm``), else all and the step with them.
    """
    n = len(moving)
    rate = np.empty(n)
    turn = np.empty(n)
    for a in range(n):
        i = moving[a]
        rate[a] = 1.0 / step - pillar.mobility * pop.sign[i] * pop.stiffness[i]
        turn[a] = pop.sign[i] * np.sign(lattice.sin_2theta[pop.plane[i]])
    parent = np.empty(n, np.int64)
    size = np.empty(n, np.int64)
    weak = _WEAK_COUPLING
    while True:
        count, first, second, forth, back = _couple(
            lattice, pillar, pop, moving, rate, weak, parent
        )
        size[:] = 0
        for a in range(n):
            size[_find(parent, a)] += 1
        if np.max(size) <= _LARGEST_CLUSTER:
            break
        weak *= 2.0

    # members and couplings of every cluster, as linked lists
    member = np.full(n, -1, np.int64)
    next_member = np.empty(n, np.int64)
    coupling = np.full(n, -1, np.int64)
    next_coupling = np.empty(count, np.int64)
    for a in range(n):
        root = _find(parent, a)
        next_member[a] = member[root]
        member[root] = a
    for k in range(count):
        root = _find(parent, first[k])
        next_coupling[k] = coupling[root]
        coupling[root] = k

    # glide without the platen, and what a unit of its answer changes
    alone = np.empty(n)
    answer = np.empty(n)
    place_in = np.empty(n, np.int64)
    for root in range(n):
        m = size[root]
        if m == 0:
            continue
        matrix = np.zeros((m, m))
        right = np.empty((m, 2))
        a, k = member[root], 0
        while a >= 0:
            place_in[a] = k
            matrix[k, k] = rate[a]
            right[k, 0] = velocity[moving[a]]
            right[k, 1] = turn[a]
            a, k = next_member[a], k + 1
        c = coupling[root]
        while c >= 0:
            a, b = place_in[first[c]], place_in[second[c]]
            matrix[a, b] = forth[c]
            matrix[b, a] = back[c]
            c = next_coupling[c]
        shorter = 1.0 / step
        for _ in range(_MOST_SHORTENINGS):
            # a singular matrix gives inf or nan, which fail the comparison
            solution = right / matrix[0, 0] if m == 1 else np.linalg.solve(matrix, right)
            if np.sum(solution[:, 0] * right[:, 0]) >= 0.0:
                break
            for k in range(m):
                matrix[k, k] += 3.0 * shorter
            shorter *= 4.0
        a, k = member[root], 0
        while a >= 0:
            alone[a] = solution[k, 0]
            answer[a] = solution[k, 1]
            a, k = next_member[a], k + 1

    # the platen answers what glides at last: thrice, since that depends on its answer
    share = np.ones(n)
    worst = np.ones(n)
    for _ in range(3):
        platen = machine * np.sum(share * turn * alone)
        platen /= 1.0 + machine * max(0.0, np.sum(share * turn * answer))
        worst[:] = 1.0
        for a in range(n):
            i = moving[a]
            distance = abs(alone[a] - platen * answer[a])
            if distance > pop.relaxation[i] * rules.largest_glide:
                root = _find(parent, a) if calm else 0
                worst[root] = max(worst[root], distance / _reach(rules, pop, i))
        if not calm:
            break
        for a in range(n):
            share[a] = 1.0 / worst[_find(parent, a)]
    for a in range(n):
        whole = worst[_find(parent, a)] if calm else worst[0]
        glide[moving[a]] = (alone[a] - platen * answer[a]) / whole
    return step if calm else step / worst[0]


@compiled
def _leave(lattice: Lattice, rules: Rules, pop: Population, glide: Array) -> None:
    """Take out what reached a side; an exit at the far end slips the whole plane."""
    # from the last slot on, so that the swap moves only slots already seen
    for i in range(pop.number[0] - 1, -1, -1):
        r = pop.position[i]
        if glide[i] == 0.0 or rules.exit_distance < r < lattice.length - rules.exit_distance:
            continue
        if r > rules.exit_distance:
            pop.slip[pop.plane[i]] += pop.sign[i]
        remove(pop, i)


@compiled
def _announce(
    lattice: Lattice, pillar: Pillar, pop: Population, near: float, far: float, exact: bool
) -> bool:
    """Let the partners of all that glided learn of it; returns whether anybody had.

    Near partners after a glide of ``near`` nm since they last did, the others after ``far``.
    """
    any_moved = False
    for i in range(pop.number[0]):
        if abs(pop.position[i] - pop.placed[i]) > near or (
            exact and pop.position[i] != pop.moded[i]
        ):
            place(lattice, pillar, pop, i, exact)
            # marked for the second loop, in which every partner stands at its new place
            pop.fresh[i] = True
            any_moved = True
    for i in range(pop.number[0]):
        if exact and pop.announced[i] != pop.placed[i]:
            pop.fresh[i] = True
            any_moved = True
        if pop.fresh[i]:
            pop.fresh[i] = False
            everyone = abs(pop.placed[i] - pop.announced[i]) > far
            exert(lattice, pillar, pop, i, np.inf if everyone else _NEAR_NM)
    return any_moved


@compiled
def _nucleate(
    lattice: Lattice, pillar: Pillar, rules: Rules, pop: Population, step: float, tau: Array
) -> None:
    """Charge the sources by one step; those ready emit."""
    for s in range(len(pop.charge)):
        if pop.charge[s] < 0.0:
            pop.charge[s] = 0.0
            continue
        threshold = (lattice.source_threshold[s] + pop.hardening[s]) * (1.0 - _PINNED_TOLERANCE)
        if abs(tau[s]) < max(threshold, pop.hindrance[s]):
            continue
        pop.charge[s] += step
        ready = pop.charge[s] >= rules.nucleation_time * (1.0 - 1e-12)
        if ready and pop.number[0] + 2 <= len(pop.plane):
            pop.charge[s] = 0.0
            if not blocked(lattice, rules, pop, s):
                _emit(lattice, pillar, pop, s, 1 if tau[s] > 0.0 else -1)
                pop.emitted_under[s] = abs(tau[s])
                pop.hardening[s] += rules.source_hardening * lattice.source_threshold[s]


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
    moving = np.zeros(room, np.int64)
    # a held platen answers glide with stress: its share of the stiffness, per dislocation
    machine = 0.0
    if not hold_stress:
        machine = (
            pillar.mobility
            * pillar.modulus
            * pillar.burgers
            * (0.5 * lattice.sin_2theta[0]) ** 2
            / (2.0 * pillar.half_width * pillar.height)
        )
    sum_up(pop)
    calm_step = rules.rest_time_step
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
        update_side(lattice, pop, False)
        resolved_stresses(lattice, pillar, pop, stress, carried, tau)
        fastest = _release_and_measure(
            lattice, pillar, rules, pop, machine, tau, velocity, restoring
        )
        charging, ready = _charging(lattice, rules, pop, tau)
        if not charging and fastest < rules.rest_velocity:
            stale = _announce(lattice, pillar, pop, 0.0, 0.0, True)
            if update_side(lattice, pop, True) or stale:
                continue
            return SETTLED, time, steps
        if time >= rules.hold_time or steps >= rules.hold_steps:
            return OUT_OF_TIME, time, steps

        longest = min(rules.time_step, ready) if charging else calm_step
        step = _longest_step(rules, pop, velocity, restoring, longest)
        limited = step < longest
        calm = not (limited or charging)
        calm_step = rules.rest_time_step
        if calm:
            # longer while it helps, shorter where the step swings to and fro across the rest
            grown = 2.0 * longest if fastest < 0.9 * before else 0.25 * longest
            calm_step = min(max(grown, rules.time_step), _LONGEST_CALM * rules.rest_time_step)
        before = fastest if calm else np.inf
        count = 0
        for i in range(pop.number[0]):
            glide[i] = 0.0
            # coming to rest, all that can move do so together, else soft clusters creep there;
            # before, those stand still whose partners would not learn of their glide
            least = _STALE_NM * pop.relaxation[i]
            if pop.pinned_at[i] < 0 and (
                calm or _would_glide(velocity[i], restoring[i], step, least)
            ):
                moving[count] = i
                count += 1
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
                glide,
            )
        for k in range(count):
            i = moving[k]
            back = min(abs(glide[i]), abs(pop.last_glide[i]))
            turned = glide[i] * pop.last_glide[i] < 0.0 and back > rules.rest_glide
            pop.relaxation[i] = (
                max(_LEAST_RELAXATION, 0.5 * pop.relaxation[i])
                if turned
                else min(1.0, 1.5 * pop.relaxation[i])
            )
            pop.last_glide[i] = glide[i]
        _keep_order(lattice, pop, glide)
        for i in range(pop.number[0]):
            if glide[i] != 0.0:
                _glide(lattice, pop, i, glide[i])
        _leave(lattice, rules, pop, glide)
        near, far = (
            (_STALE_AT_REST_NM, _STALE_FAR_AT_REST_NM) if calm else (_STALE_NM, _STALE_FAR_NM)
        )
        _announce(lattice, pillar, pop, near, far, False)
        sort_by_plane(pop)
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
            threshold = max(lattice.source_threshold[t] + pop.hardening[t], pop.hindrance[t])
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
