"""Glide of dislocations at a held platen: forces, nucleation, pinning, annihilation, exits.

One call of :func:`settle` moves the population until nothing moves and no source charges. The
order within a step is the one all codes of the family share: stresses, velocities, move, exits,
annihilation, nucleation (Van der Giessen & Needleman, Modelling Simul. Mater. Sci. Eng. 3 (1995)
689).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, folded
from strainprint.specimens.crystal import Crystal
from strainprint.specimens.following import tell_who_feels, untold_of
from strainprint.specimens.gliding import (
    choose_in_motion,
    glide_along,
    hold_what_turned,
    keep_order,
    longest_step,
    note_what_stands,
    release_and_measure,
    unfelt_step,
)
from strainprint.specimens.implicit_step import choose_in_calm, implicit_glide
from strainprint.specimens.interactions import (
    announce,
    bend_of,
    exert_what_lacks,
    resolved_stresses,
    sum_up,
)
from strainprint.specimens.lattice import Lattice, make_lattice
from strainprint.specimens.losses import annihilate, any_leaves, leave
from strainprint.specimens.material import Material
from strainprint.specimens.pillar import MODES, Pillar, make_pillar
from strainprint.specimens.population import Population, macroscopic
from strainprint.specimens.rules import DynamicsSettings, Rules, make_rules
from strainprint.specimens.side_correction import update_side
from strainprint.specimens.sources import blocked, find_charging, needed_stress, nucleate
from strainprint.specimens.topology import sort_moved

Array = NDArray[np.float64]

SETTLED, OUT_OF_TIME, OUT_OF_ROOM = 0, 1, 2
"""Why :func:`settle` returned."""

_STALE_MPA = 0.1
"""Stress that a partner or a source may lack of what a dislocation exerts, while fast ones limit
the step. The smallest thresholds are about 50 MPa."""

_STALE_IN_REST = 0.1
"""The same while all come to rest, as a share of the stress at which a dislocation counts as at
rest. What lags behind makes a force that depends on the way: it must stay below that stress, or the
crowd swings for ever between what it knows and what is. Half of it before all counts as settled."""

_STALE_SIDE = 3.0
"""How many times that the side correction may lack: a bound on the sum of what all modes may lack
anywhere, of which they do lack a small share."""

_LONGEST_CALM = 64.0
"""Steps grow up to this many times the rest step while all come to rest: soft clusters creep
there, and an implicit step finds their place the sooner the longer it is."""

_PATIENCE = 12
"""Calm steps of one and the same crowd that swing to and fro or are broken off, after which the
longest of them is halved, and those that have turned back are let go half as fast: what still
swings then follows the gradient flow ever more closely, which cannot."""

_RECOVERY = 1.6
"""Factor by which that lets go in every step in which it does not turn."""


class _Pace(NamedTuple):
    """How calm steps go, in which nothing limits the step but how all come to rest."""

    calm_step: float
    """Length (ns) of the next one."""
    calm_steps: int
    """Number of the last steps on end that were calm."""
    swings: int
    """Calm steps that did not help or were broken off, since the crowd last changed."""
    crowd: int
    """Number of dislocations."""
    fastest: float
    """Largest velocity (nm/ns) before the last step, infinite where that was not calm."""


@folded
def _follow(
    rules: Rules, pace: _Pace, calm: bool, crowd: int, step: float, fastest: float, goes_on: bool
) -> _Pace:
    """Return the pace after one more step (ns), calm or not, before which the fastest dislocation
    was that fast (nm/ns) and went on where it had been going or not."""
    # what a calm step brings about may be what the next ones undo
    swings = pace.swings + (pace.calm_steps > 0 and not calm)
    if crowd != pace.crowd:
        swings = 0
    calm_step = rules.rest_time_step
    if calm:
        if fastest < 0.9 * pace.fastest or (goes_on and fastest < 1.1 * pace.fastest):
            # longer while it helps, or while the fastest creeps on
            calm_step = 2.0 * step
        else:
            # shorter where the step swings to and fro across the rest
            calm_step = 0.25 * step
            swings += 1
    most = _LONGEST_CALM * rules.rest_time_step * 0.5 ** (swings // _PATIENCE)
    calm_step = max(min(calm_step, most), rules.time_step)
    calm_steps = pace.calm_steps + 1 if calm else 0
    return _Pace(calm_step, calm_steps, swings, crowd, fastest if calm else np.inf)


@partial(compiled, inline="always")
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
    places = np.zeros(room, np.int64)
    marked = np.zeros(room, np.bool_)
    any_marked = np.zeros(room, np.bool_)
    everybody = np.arange(room)
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
    # whoever calls may have moved some
    pop.shuffled[:] += 1
    pace = _Pace(rules.rest_time_step, 0, 0, pop.number[0], np.inf)
    stale = _STALE_MPA
    # no more than that any lacks of what stood still since
    asked_stale = np.inf
    # those that were ready when there was no room
    nucleate(lattice, pillar, rules, pop, 0.0, tau)
    strain = carried = 0.0
    crowd_changed = True
    time = 0.0
    steps = 0
    while True:
        if pop.number[0] + 2 > room:
            return OUT_OF_ROOM, time, steps
        if crowd_changed:
            strain, carried = macroscopic(lattice, pillar, pop)
        if hold_stress:
            platen[0] = strain * pillar.height
        stress = pillar.modulus * (platen[0] / pillar.height - strain)
        if not np.isfinite(stress):
            # a position is no number and never settles: the caller sees it in the population
            return OUT_OF_TIME, time, steps
        update_side(lattice, pop, _STALE_SIDE * stale)
        resolved_stresses(lattice, pillar, pop, stress, carried, tau)
        fastest, leader = release_and_measure(
            lattice, pillar, rules, pop, machine, tau, velocity, restoring
        )
        charging, ready = find_charging(lattice, rules, pop, tau)
        if not charging and fastest < rules.rest_velocity:
            in_rest = min(_STALE_MPA, 0.5 * _STALE_IN_REST * rest_mpa)
            # but for rounding as strictly, all that slowed down were asked: in every step, or just
            # now
            if in_rest > 0.99 * stale:
                return SETTLED, time, steps
            stale = asked_stale = in_rest
            announce(lattice, pillar, pop, everybody, stale)
            for i in range(pop.number[0]):
                exert_what_lacks(lattice, pillar, pop, i, bend_of(pillar, stale))
                tell_who_feels(pop, i, 0.0, untold_of(stale))
            continue
        if time >= rules.hold_time or steps >= rules.hold_steps:
            return OUT_OF_TIME, time, steps

        reach[: pop.number[0]] = -1.0
        longest = ready if charging else pace.calm_step
        step = longest_step(pillar, rules, pop, velocity, restoring, leader, longest, reach)
        if charging:
            unfelt = unfelt_step(pop, platen_mpa, velocity, restoring, step)
            step = min(step, max(unfelt, rules.time_step))
        calm = not charging and step == longest
        goes_on = velocity[leader] * pop.last_glide[leader] > 0.0
        pace = _follow(rules, pace, calm, pop.number[0], step, fastest, goes_on)
        if calm:
            count = choose_in_calm(
                pillar, rules, pop, velocity, restoring, step, pace.calm_steps, fastest, moving
            )
        else:
            count = choose_in_motion(rules, pop, velocity, restoring, step, moving)
        if count > 0:
            step = implicit_glide(
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
            note_what_stands(pop, velocity, restoring, step)
        let_go = 1.0 + (_RECOVERY - 1.0) * (0.5 ** (pace.swings // _PATIENCE) if calm else 1.0)
        moved = moving[:count]
        hold_what_turned(rules, pop, moved, let_go, glide)
        count = keep_order(lattice, pop, moved, glide, ahead, marked, any_marked, places)
        more_strain, more_carried = glide_along(lattice, pillar, pop, moved, glide, ahead)
        strain, carried = strain + more_strain, carried + more_carried
        closest = sort_moved(pop, places, count)
        crowd, emissions = pop.number[0], pop.emissions[0]
        if any_leaves(lattice, rules, pop, moved, glide):
            leave(lattice, rules, pop, glide)
        stale = _STALE_MPA
        if calm:
            eased = max(1.0, fastest / rules.rest_velocity)
            stale = min(stale, eased * _STALE_IN_REST * rest_mpa)
        # the others lack no more than when all were asked
        announce(lattice, pillar, pop, everybody if stale < asked_stale else moved, stale)
        asked_stale = stale
        if closest <= rules.annihilation_distance:
            annihilate(lattice, rules, pop)
        time += step
        steps += 1
        nucleate(lattice, pillar, rules, pop, step, tau)
        # those alone are not zero
        glide[moved] = 0.0
        crowd_changed = pop.emissions[0] > emissions or pop.number[0] < crowd


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
