"""Many recorded points of a loading in one compiled call.

Between two points the platen moves from threshold to threshold: everything comes almost to rest,
the next threshold is found in closed form, the platen jumps there. In narrow pillars that takes a
few microseconds, less than the way from Python to a kernel and back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, inlined
from strainprint.specimens.displacement import unstressed_displacement
from strainprint.specimens.dynamics import OUT_OF_ROOM, SETTLED, next_event, settle
from strainprint.specimens.lattice import Lattice
from strainprint.specimens.pillar import Pillar
from strainprint.specimens.population import Population, macroscopic, scattered
from strainprint.specimens.rules import Rules
from strainprint.specimens.sources import forget_hindrance

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

REACHED, FULL, SCATTERED, NO_NUMBER, STUCK, TOO_DENSE, IDENTITY_BROKEN = range(7)
"""Why :func:`advance` returned."""

STRESS, PLASTIC_STRAIN, DISLOCATIONS, ALL_SETTLED = range(4)
"""Columns of what :func:`advance` records."""


class Press(NamedTuple):
    """The platen and how far a call of :func:`advance` came; arrays of one number each but tau."""

    platen: Array
    """Displacement U (nm) of the top platen."""
    tau: Array
    """Resolved shear stress (MPa) at the last rest on every source, then every dislocation, by the
    slots of then."""
    steps: Integers
    """Steps since the specimen was virgin."""
    stops: Integers
    """Stops of the platen left on the way to the next point, below 0 before the way begins."""
    settled: NDArray[np.bool_]
    """Whether all came to rest at every stop so far."""
    unstressed: Array
    """The last :func:`unstressed_displacement`."""
    known_at: Integers
    """The number of steps after which that was, -1 for never."""
    identity_error: Array
    """Largest relative error of the macroscopic identity so far."""


def make_press(sources: int, room: int) -> Press:
    """Return a press that has not moved yet."""
    return Press(
        platen=np.zeros(1),
        tau=np.zeros(sources + room),
        steps=np.zeros(1, np.int64),
        stops=np.full(1, -1),
        settled=np.ones(1, np.bool_),
        unstressed=np.zeros(1),
        known_at=np.full(1, -1),
        identity_error=np.zeros(1),
    )


def copy_press(press: Press, sources: int, room: int) -> Press:
    """Return an independent copy for a population with that much room."""
    copied = Press(**{name: array.copy() for name, array in press._asdict().items()})
    tau = np.zeros(sources + room)
    tau[: len(press.tau)] = press.tau
    return copied._replace(tau=tau)


@inlined
def _rest(
    lattice: Lattice, pillar: Pillar, rules: Rules, pop: Population, press: Press, hold: bool
) -> int:
    """Let everything come to rest; a call after one that ended ``FULL`` goes on with it."""
    why, _, steps = settle(lattice, pillar, rules, pop, press.platen, hold, press.tau)
    press.steps[0] += steps
    if why == OUT_OF_ROOM:
        return FULL
    # before the next threshold is sought
    forget_hindrance(lattice, pop, press.tau)
    press.settled[0] = press.settled[0] and why == SETTLED
    finite = np.isfinite(press.platen[0])
    for t in range(len(pop.charge) + pop.number[0]):
        finite = finite and np.isfinite(press.tau[t])
    for i in range(pop.number[0]):
        finite = finite and np.isfinite(pop.position[i])
    return REACHED if finite else NO_NUMBER


@inlined
def _move(
    lattice: Lattice,
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    press: Press,
    target: float,
    sense: int,
    most_stops: int,
) -> int:
    """Move the platen to U = ``target``, stopping at every threshold on the way.

    With ``sense`` 0 there is no way to go: the mean stress is held at zero until all rests.
    """
    if press.stops[0] < 0:
        press.stops[0] = most_stops
        press.settled[0] = True
    why = REACHED
    while why == REACHED:
        why = _rest(lattice, pillar, rules, pop, press, sense == 0)
        if why != REACHED:
            break
        if (target - press.platen[0]) * sense <= 0.0:
            press.stops[0] = -1
            break
        if press.stops[0] == 0:
            why = STUCK
            break
        press.stops[0] -= 1
        event = next_event(lattice, pillar, rules, pop, press.tau, sense)
        # a hair beyond the threshold, so that rounding cannot leave it unreached
        jump = event * (1.0 + 1e-9) / pillar.modulus * pillar.height
        jump = max(jump, 1e-9 * pillar.height)
        if (target - press.platen[0]) * sense <= jump:
            press.platen[0] = target
        else:
            press.platen[0] += sense * jump
    return why


@inlined
def _check_identity(lattice: Lattice, pillar: Pillar, pop: Population, press: Press) -> float:
    """Return the mean stress (MPa) after comparing it with the full superposition.

    What the dislocations contribute is summed anew after every step, and only then.
    """
    if press.known_at[0] != press.steps[0]:
        n = pop.number[0]
        press.unstressed[0] = unstressed_displacement(
            pillar,
            lattice.cos_theta,
            lattice.sin_theta,
            lattice.origin_x,
            lattice.origin_y,
            pop.plane[:n],
            pop.position[:n],
            pop.sign[:n],
            pop.slip,
        )
        press.known_at[0] = press.steps[0]
    strain, _ = macroscopic(lattice, pillar, pop)
    exact: float = pillar.modulus * (press.platen[0] / pillar.height - strain)
    summed = pillar.modulus * (press.platen[0] - press.unstressed[0]) / pillar.height
    # relative to the stress a specimen carries; 1 MPa keeps the unloaded state meaningful
    error = abs(summed - exact) / max(abs(exact), 1.0)
    if not error <= press.identity_error[0]:
        press.identity_error[0] = error
    return exact


@compiled
def advance(
    lattice: Lattice,
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    press: Press,
    targets: Array,
    sense: int,
    limits: tuple[int, int, float],
    rows: Array,
) -> tuple[int, int]:
    """Move the platen to one target after the other, recording at each; returns (why, points).

    A call after one that ended ``FULL``, with the population copied into more room, or
    ``SCATTERED``, with its slots arranged anew, and with the targets that are left, goes on where
    that one ended.

    Parameters
    ----------
    rules
        Those that say what counts as at rest at thresholds and at the targets.
    targets
        Displacements U of the platen (nm).
    sense
        -1 where the platen moves down, +1 where it moves up, 0 where it follows the crystal at
        zero mean stress; there is one target then, whatever it is.
    limits
        Most dislocations; most stops of the platen between two points; largest relative error of
        the macroscopic identity.
    rows
        (len(targets), 4) filled with mean stress (MPa) and plastic strain, tension positive, the
        number of dislocations, and whether all came to rest at every stop.
    """
    most_dislocations, most_stops, tolerance = limits
    for point in range(len(targets)):
        if scattered(pop):
            return SCATTERED, point
        why = _move(lattice, pillar, rules, pop, press, targets[point], sense, most_stops)
        if why != REACHED:
            return why, point
        if pop.number[0] > most_dislocations:
            return TOO_DENSE, point
        rows[point, STRESS] = _check_identity(lattice, pillar, pop, press)
        if not press.identity_error[0] <= tolerance:
            return IDENTITY_BROKEN, point
        rows[point, PLASTIC_STRAIN] = macroscopic(lattice, pillar, pop)[0]
        rows[point, DISLOCATIONS] = pop.number[0]
        rows[point, ALL_SETTLED] = press.settled[0]
    return REACHED, len(targets)
