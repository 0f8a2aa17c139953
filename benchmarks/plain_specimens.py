"""The same specimens, computed the plain way: the oracle of the fast simulator.

The rules of a step are those of :mod:`strainprint.specimens.dynamics`, written once more without
anything that makes it fast: every step has the same length, every stress is summed anew over all
pairs in every step, the platen moves at a constant rate and never jumps to the next event, and
glides follow velocity by velocity (semi-implicit in the diagonal alone). Only the field of one
dislocation in the body (:mod:`strainprint.specimens.pillar`, tested against closed forms) and the
crystal are shared.

As there, no dislocation glides further in a step than ``largest_glide_nm`` beside another one and
``free_glide_nm`` far from any. In steps of one length that cuts velocities off, at 20 m/s for the
free ones; with less, sources emit again before their last dislocations are away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import SURFACE, Crystal
from strainprint.specimens.interactions import CORE_RADIUS_NM
from strainprint.specimens.losses import HINDERED_RISE
from strainprint.specimens.material import Material
from strainprint.specimens.pillar import (
    closed_stress,
    image_stress,
    make_pillar,
    mean_axial_stress,
    shear_weights,
    side_traction_modes,
    wave_factor,
)
from strainprint.specimens.rules import DynamicsSettings, make_rules
from strainprint.specimens.state import State

RATE_PER_S = 1e3
"""Strain rate of the platen: 5e-7 per step, 0.04 MPa while nothing slips."""

LOAD, UNLOAD, REST = 0, 1, 2
"""Phases: until the platen is at its target; until the mean stress is zero; at zero mean stress
until nothing moves."""

DONE, TOO_LONG, TOO_MANY = 0, 1, 2
"""Why :func:`advance` returned."""


class Planes(NamedTuple):
    """Slip planes, sources and obstacles; lengths in nm, stresses in MPa."""

    cos: np.ndarray
    sin: np.ndarray
    origin_x: np.ndarray
    origin_y: np.ndarray
    length: float
    source_plane: np.ndarray
    source_r: np.ndarray
    source_threshold: np.ndarray
    source_kind: np.ndarray
    source_length: np.ndarray
    source_x: np.ndarray
    source_y: np.ndarray
    source_weights: np.ndarray
    obstacle_plane: np.ndarray
    obstacle_r: np.ndarray
    obstacle_strength: np.ndarray


def make_planes(crystal, pillar):
    """Return the crystal as arrays; a surface source must also beat the image attraction."""
    angle = crystal.plane_angle[crystal.source_plane]
    x, y = crystal.plane_origin_nm[crystal.source_plane].T
    x = x + crystal.source_position_nm * np.cos(angle)
    y = y + crystal.source_position_nm * np.sin(angle)
    threshold = crystal.source_strength_mpa.copy()
    weights = np.empty((len(x), 4 * pillar.modes))
    for s in range(len(x)):
        shear_weights(pillar, x[s], y[s], np.sin(2 * angle[s]), np.cos(2 * angle[s]), weights[s])
        if crystal.source_kind[s] == SURFACE:
            threshold[s] = max(threshold[s], abs(image_stress(pillar, x[s], y[s], angle[s])))
    return Planes(
        cos=np.cos(crystal.plane_angle),
        sin=np.sin(crystal.plane_angle),
        origin_x=crystal.plane_origin_nm[:, 0].copy(),
        origin_y=crystal.plane_origin_nm[:, 1].copy(),
        length=crystal.plane_length_nm,
        source_plane=crystal.source_plane,
        source_r=crystal.source_position_nm,
        source_threshold=threshold,
        source_kind=crystal.source_kind,
        source_length=crystal.source_length_nm,
        source_x=x,
        source_y=y,
        source_weights=weights,
        obstacle_plane=crystal.obstacle_plane,
        obstacle_r=crystal.obstacle_position_nm,
        obstacle_strength=crystal.obstacle_strength_mpa,
    )


class Plain(NamedTuple):
    """Dislocations in slots 0 ... number-1, planes and sources; lengths in nm."""

    number: np.ndarray
    plane: np.ndarray
    r: np.ndarray
    sign: np.ndarray
    pinned_at: np.ndarray
    passed: np.ndarray
    source: np.ndarray
    emission: np.ndarray
    heading: np.ndarray
    """1 where it was emitted towards larger r, -1 towards smaller."""
    last_glide: np.ndarray
    relaxation: np.ndarray
    slip: np.ndarray
    charge: np.ndarray
    emitted_under: np.ndarray
    hindrance: np.ndarray
    hardening: np.ndarray
    counts: np.ndarray
    """Emissions, annihilations, exits."""
    platen: np.ndarray


def make_plain(planes, room):
    """Return the virgin crystal with room for ``room`` dislocations."""
    integers, sources = np.zeros(room, np.int64), len(planes.source_threshold)
    return Plain(
        number=np.zeros(1, np.int64),
        plane=integers.copy(),
        r=np.zeros(room),
        sign=integers.copy(),
        pinned_at=integers.copy(),
        passed=integers.copy(),
        source=integers.copy(),
        emission=integers.copy(),
        heading=integers.copy(),
        last_glide=np.zeros(room),
        relaxation=np.zeros(room),
        slip=np.zeros(len(planes.cos), np.int64),
        charge=np.zeros(sources),
        emitted_under=np.zeros(sources),
        hindrance=np.zeros(sources),
        hardening=np.zeros(sources),
        counts=np.zeros(3, np.int64),
        platen=np.zeros(1),
    )


@compiled
def infinite_stress(dx, dy, gamma, along, core):
    """Resolved shear stress at (dx, dy) from a dislocation in an infinite medium, and its slope
    along the plane on which it is resolved; the core as in the simulator."""
    back = complex(dx, -dy)
    r2 = dx * dx + dy * dy
    s = r2 * r2 + core**4
    ds = 4.0 * r2 * (along * back).real
    first = gamma.conjugate() / np.sqrt(s)
    second = gamma * back * back / s
    field = first * back - second * back
    slope = (first - 3.0 * second) * along.conjugate() + (second - 0.5 * first) * back * ds / s
    turn = along * along
    return (turn * field).imag, (turn * slope).imag


@compiled
def pair_stress(pillar, x, y, q, along, plane, x0, y0, q0, gamma, plane0):
    """Resolved shear stress at (x, y) of the closed field of a dislocation at (x0, y0)."""
    distance = np.hypot(x - x0, y - y0)
    core = 0.0 if plane == plane0 else CORE_RADIUS_NM
    direct = distance >= max(6.0 * core, 1e-9)
    _, deviator = closed_stress(pillar.wave, pillar.half_width, x, q, x0, q0, gamma, direct)
    stress = 0.5 * (deviator * along * along).imag
    if not direct and distance > 1e-9:
        stress += infinite_stress(x - x0, y - y0, gamma, along, core)[0]
    return stress


@compiled
def mean_stress(planes, pillar, plain):
    """Return E' (U / h - eps_p) in MPa and eps_p."""
    slipped = 0.0
    for p in range(len(plain.slip)):
        slipped += planes.sin[p] * planes.cos[p] * plain.slip[p] * planes.length
    for i in range(plain.number[0]):
        p = plain.plane[i]
        slipped += planes.sin[p] * planes.cos[p] * plain.sign[i] * plain.r[i]
    strain = pillar.burgers * slipped / (2.0 * pillar.half_width * pillar.height)
    return pillar.modulus * (plain.platen[0] / pillar.height - strain), strain


@compiled
def stresses(planes, pillar, plain, tau, stiffness):
    """Fill ``tau`` (sources, then dislocations) in MPa and d tau / d r of the dislocations."""
    n, sources = plain.number[0], len(plain.charge)
    x, y = np.empty(n), np.empty(n)
    q, gamma, along = np.empty((3, n), np.complex128)
    modes, one = np.zeros(4 * pillar.modes), np.zeros(4 * pillar.modes)
    uniform, _ = mean_stress(planes, pillar, plain)
    for j in range(n):
        p = plain.plane[j]
        along[j] = complex(planes.cos[p], planes.sin[p])
        gamma[j] = -1j * pillar.strength * plain.sign[j] * along[j]
        x[j] = planes.origin_x[p] + plain.r[j] * planes.cos[p]
        y[j] = planes.origin_y[p] + plain.r[j] * planes.sin[p]
        q[j] = wave_factor(pillar, x[j], y[j])
        uniform -= mean_axial_stress(pillar, x[j], gamma[j])
        side_traction_modes(pillar, x[j], y[j], gamma[j], one)
        modes += one
    for s in range(sources):
        p = planes.source_plane[s]
        turn = complex(planes.cos[p], planes.sin[p])
        x_s, y_s = planes.source_x[s], planes.source_y[s]
        q_s = wave_factor(pillar, x_s, y_s)
        tau[s] = turn.real * turn.imag * uniform + np.dot(planes.source_weights[s], modes)
        for j in range(n):
            tau[s] += pair_stress(
                pillar, x_s, y_s, q_s, turn, -1, x[j], y[j], q[j], gamma[j], plain.plane[j]
            )
    for i in range(n):
        turn, p = along[i], plain.plane[i]
        shear_weights(pillar, x[i], y[i], (turn * turn).imag, (turn * turn).real, one)
        total = turn.real * turn.imag * uniform + np.dot(one, modes)
        stiffness[i] = 0.0
        for j in range(n):
            total += pair_stress(
                pillar, x[i], y[i], q[i], turn, p, x[j], y[j], q[j], gamma[j], plain.plane[j]
            )
            if i != j:
                core = 0.0 if p == plain.plane[j] else CORE_RADIUS_NM
                slope = infinite_stress(x[i] - x[j], y[i] - y[j], gamma[j], turn, core)[1]
                stiffness[i] += slope
        tau[sources + i] = total


@compiled
def add(plain, plane, r, sign, source, heading=1):
    """Put a new dislocation into the next slot."""
    i = plain.number[0]
    plain.plane[i], plain.r[i], plain.sign[i] = plane, r, sign
    plain.pinned_at[i] = plain.passed[i] = -1
    plain.source[i], plain.emission[i] = source, plain.counts[0]
    plain.heading[i] = heading
    plain.last_glide[i], plain.relaxation[i] = 0.0, 1.0
    plain.number[0] += 1


@compiled
def remove(plain, i):
    """Take a dislocation out; those behind it move up."""
    n = plain.number[0]
    for array in (
        plain.plane,
        plain.sign,
        plain.pinned_at,
        plain.passed,
        plain.source,
        plain.emission,
        plain.heading,
    ):
        array[i : n - 1] = array[i + 1 : n].copy()
    for array in (plain.r, plain.last_glide, plain.relaxation):
        array[i : n - 1] = array[i + 1 : n].copy()
    plain.number[0] -= 1


@compiled
def reach(planes, rules, plain, i):
    """Return how far dislocation i may glide in one step: a fifth of the way to the nearest."""
    p = plain.plane[i]
    x = planes.origin_x[p] + plain.r[i] * planes.cos[p]
    y = planes.origin_y[p] + plain.r[i] * planes.sin[p]
    nearest = 1e300
    for j in range(plain.number[0]):
        if j != i:
            p = plain.plane[j]
            dx = planes.origin_x[p] + plain.r[j] * planes.cos[p] - x
            dy = planes.origin_y[p] + plain.r[j] * planes.sin[p] - y
            nearest = min(nearest, dx * dx + dy * dy)
    return max(rules.largest_glide, min(rules.free_glide, 0.2 * np.sqrt(nearest)))


@compiled
def obstacle_between(planes, plain, i, end):
    """Return the obstacle nearest to dislocation i on its way to ``end``, -1 for none."""
    start, found = plain.r[i], -1
    on_plane = np.searchsorted(planes.obstacle_plane, np.array([0, 1]) + plain.plane[i])
    for k in range(on_plane[0], on_plane[1]):
        at = planes.obstacle_r[k]
        on_the_way = start < at <= end or end <= at < start
        nearer = found < 0 or abs(at - start) < abs(planes.obstacle_r[found] - start)
        if k != plain.passed[i] and on_the_way and nearer:
            found = k
    return found


@compiled
def occupied(planes, rules, plain, s):
    """Return whether a dislocation is where source s would put its own."""
    centre = planes.source_r[s]
    reach = 0.5 * planes.source_length[s]
    if planes.source_kind[s] == SURFACE:
        reach = min(centre, planes.length - centre)
    for i in range(plain.number[0]):
        near = abs(plain.r[i] - centre) <= reach + rules.annihilation_distance
        if plain.plane[i] == planes.source_plane[s] and near:
            return True
    return False


@compiled
def emit(planes, plain, s, sense):
    """Let source s emit under a stress of sign ``sense``."""
    plane, r = planes.source_plane[s], planes.source_r[s]
    plain.counts[0] += 1
    if planes.source_kind[s] != SURFACE:
        add(plain, plane, r + 0.5 * planes.source_length[s], sense, s, 1)
        add(plain, plane, r - 0.5 * planes.source_length[s], -sense, s, -1)
    elif r < 0.5 * planes.length:
        add(plain, plane, r, sense, s, 1)
    else:
        plain.slip[plane] += sense
        add(plain, plane, r, -sense, s, -1)


@compiled
def by_place(plain):
    """Return the slots sorted by plane, then by r."""
    n = plain.number[0]
    return np.argsort(plain.plane[:n] * 1e7 + plain.r[:n], kind="mergesort")


@compiled
def limit_glides(planes, plain, glide):
    """Stop glides at obstacles and keep same-sign neighbours from passing the one ahead."""
    n = plain.number[0]
    for i in range(n):
        k = obstacle_between(planes, plain, i, plain.r[i] + glide[i])
        if k >= 0:
            glide[i] = planes.obstacle_r[k] - plain.r[i]
            glide[i] += 1e-9 if glide[i] > 0 else -1e-9
    order = by_place(plain)
    for backward in (True, False):
        for step in range(n - 1):
            k = n - 2 - step if backward else step
            i, j = order[k], order[k + 1]
            if plain.plane[i] != plain.plane[j] or plain.sign[i] != plain.sign[j]:
                continue
            room = 0.5 * max(0.0, plain.r[j] - plain.r[i] - CORE_RADIUS_NM)
            if glide[i] > 0.0 > glide[j]:
                room *= 0.5
            if backward and glide[i] > 0.0:
                glide[i] = min(glide[i], max(0.0, glide[j]) + room)
            if not backward and glide[j] < 0.0:
                glide[j] = max(glide[j], min(0.0, glide[i]) - room)


@compiled
def hinder(planes, plain, s):
    """Let source s wait for more stress than it emitted under."""
    stress = max(plain.emitted_under[s], planes.source_threshold[s] + plain.hardening[s])
    plain.hindrance[s] = HINDERED_RISE * stress


@compiled
def annihilate(planes, rules, plain):
    """Take out opposite neighbours on one plane that met."""
    k = 0
    order = by_place(plain)
    while k < plain.number[0] - 1:
        i, j = order[k], order[k + 1]
        met = plain.r[j] - plain.r[i] <= rules.annihilation_distance
        if plain.plane[i] == plain.plane[j] and plain.sign[i] != plain.sign[j] and met:
            # the source of the younger one waits
            hinder(planes, plain, plain.source[i if plain.emission[i] > plain.emission[j] else j])
            remove(plain, max(i, j))
            remove(plain, min(i, j))
            plain.counts[1] += 1
            order = by_place(plain)
            k = max(0, k - 1)
        else:
            k += 1


@compiled
def advance(planes, pillar, rules, plain, phase, target, sense, rate, most_steps, tau):
    """Take steps until a phase is over; returns why it ended and the number of steps.

    ``rate`` is the velocity of the platen (nm/ns), ``sense`` its direction in LOAD and UNLOAD.
    """
    room, sources, dt = len(plain.r), len(plain.charge), rules.time_step
    glide, stiffness = np.zeros(room), np.zeros(room)
    # a held platen answers glide with stress
    machine = pillar.mobility * pillar.modulus * pillar.burgers
    machine *= (planes.sin[0] * planes.cos[0]) ** 2 / (2.0 * pillar.half_width * pillar.height)
    if phase == REST:
        machine = 0.0
    for steps in range(most_steps):
        if plain.number[0] + 2 * sources > room:
            return TOO_MANY, steps
        stress, strain = mean_stress(planes, pillar, plain)
        if phase == LOAD and (target - plain.platen[0]) * sense <= 0.0:
            return DONE, steps
        if phase == UNLOAD and stress * sense >= 0.0:
            return DONE, steps
        if phase == REST:
            plain.platen[0] = strain * pillar.height
        elif phase == LOAD:
            plain.platen[0] += sense * min(rate * dt, abs(target - plain.platen[0]))
        else:
            plain.platen[0] += sense * rate * dt

        stresses(planes, pillar, plain, tau, stiffness)

        n, resting = plain.number[0], True
        for i in range(n):
            glide[i] = 0.0
            force = tau[sources + i]
            if plain.pinned_at[i] >= 0:
                if abs(force) < planes.obstacle_strength[plain.pinned_at[i]] * (1.0 - 1e-9):
                    continue
                plain.passed[i], plain.pinned_at[i] = plain.pinned_at[i], -1
            velocity = plain.sign[i] * pillar.mobility * force
            if rules.velocity_cutoff > 0.0:
                velocity = max(-rules.velocity_cutoff, min(rules.velocity_cutoff, velocity))
            pull = plain.sign[i] * pillar.mobility * stiffness[i]
            restoring = max(0.0, -2.0 * pull) + machine
            reached = rules.rest_time_step / (1.0 + restoring * rules.rest_time_step)
            if abs(velocity) >= rules.rest_velocity and abs(velocity) * reached > rules.rest_glide:
                resting = False
            glide[i] = velocity * dt / (1.0 + restoring * dt)
            if abs(glide[i]) > rules.largest_glide:
                furthest = reach(planes, rules, plain, i)
                glide[i] = max(-furthest, min(furthest, glide[i]))
            if glide[i] * plain.last_glide[i] < 0.0:
                plain.relaxation[i] = max(1e-3, 0.5 * plain.relaxation[i])
            else:
                plain.relaxation[i] = min(1.0, 1.5 * plain.relaxation[i])
            glide[i] *= plain.relaxation[i]
            plain.last_glide[i] = glide[i]
        limit_glides(planes, plain, glide)
        for i in range(n):
            k = obstacle_between(planes, plain, i, plain.r[i] + glide[i])
            if k >= 0:
                plain.r[i], plain.pinned_at[i] = planes.obstacle_r[k], k
                plain.last_glide[i], plain.relaxation[i] = 0.0, 1.0
            else:
                plain.r[i] += glide[i]
        for i in range(n - 1, -1, -1):
            if glide[i] == 0.0:
                continue
            end = 0
            if plain.r[i] >= planes.length - rules.exit_distance:
                plain.slip[plain.plane[i]] += plain.sign[i]
                end = 1
            elif plain.r[i] <= rules.exit_distance:
                end = -1
            else:
                continue
            if end != plain.heading[i]:
                # back over its source
                hinder(planes, plain, plain.source[i])
            plain.counts[2] += 1
            remove(plain, i)
        annihilate(planes, rules, plain)
        for s in range(sources):
            threshold = planes.source_threshold[s] + plain.hardening[s]
            if abs(tau[s]) < threshold:
                plain.hindrance[s] = 0.0
            strong = abs(tau[s]) >= max(threshold * (1.0 - 1e-9), plain.hindrance[s])
            if not strong or occupied(planes, rules, plain, s):
                plain.charge[s] = 0.0
                continue
            resting = False
            plain.charge[s] += dt
            if plain.charge[s] >= rules.nucleation_time * (1.0 - 1e-12):
                plain.charge[s] = 0.0
                emit(planes, plain, s, 1 if tau[s] > 0.0 else -1)
                plain.emitted_under[s] = abs(tau[s])
                plain.hardening[s] += rules.source_hardening * planes.source_threshold[s]
        if phase == REST and resting:
            return DONE, steps + 1
    return TOO_LONG, most_steps


@dataclass(frozen=True)
class PlainCurve:
    """Recorded points of one loading; strain and stress positive along the loading sense."""

    strain: np.ndarray
    stress_mpa: np.ndarray
    dislocations: np.ndarray
    exits: np.ndarray


class PlainSpecimen:
    """One crystal under a press that moves at ``RATE_PER_S``."""

    def __init__(
        self, crystal: Crystal, material: Material, dynamics: DynamicsSettings, room: int = 4000
    ) -> None:
        """Start from the virgin, stress-free crystal."""
        self.pillar = make_pillar(crystal.width_nm, crystal.height_nm, material)
        self.planes, self.rules = make_planes(crystal, self.pillar), make_rules(dynamics)
        self.plain = make_plain(self.planes, room)
        self.steps = 0
        self._tau = np.zeros(len(self.plain.charge) + room)

    def copy(self) -> PlainSpecimen:
        """Return an independent specimen in the same state."""
        twin = object.__new__(PlainSpecimen)
        twin.__dict__.update(self.__dict__)
        twin.plain = Plain(*(array.copy() for array in self.plain))
        return twin

    @property
    def stress_mpa(self) -> float:
        """Mean axial stress, tension positive."""
        return float(mean_stress(self.planes, self.pillar, self.plain)[0])

    @property
    def state(self) -> State:
        """The present state."""
        order = by_place(self.plain)
        return State(
            plane=self.plain.plane[order],
            position_nm=self.plain.r[order],
            sign=self.plain.sign[order],
            whole_plane_slip=self.plain.slip.copy(),
            platen_displacement_nm=float(self.plain.platen[0]),
        )

    def resolved_stresses_mpa(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the resolved shear stresses on all sources and on all dislocations."""
        sources, n = len(self.plain.charge), self.plain.number[0]
        stresses(self.planes, self.pillar, self.plain, self._tau, np.zeros(n))
        return self._tau[:sources].copy(), self._tau[sources : sources + n].copy()

    def _advance(self, phase: int, target: float, sense: int, most_steps: int) -> int:
        rate = RATE_PER_S * 1e-9 * self.pillar.height
        why, steps = advance(
            self.planes,
            self.pillar,
            self.rules,
            self.plain,
            phase,
            target,
            sense,
            rate,
            most_steps,
            self._tau,
        )
        self.steps += steps
        if why == TOO_MANY:
            raise RuntimeError(f"more than {len(self.plain.r)} dislocations")
        return why

    def load(self, strain: float, *, sense: int = -1, strain_step: float = 1e-4, keep=None):
        """Move the platen by ``strain`` along ``sense``, recording every ``strain_step``.

        ``keep`` is called with the strain at every recorded point; the loading ends where it
        returns True.
        """
        start, rows = float(self.plain.platen[0]), []
        for point in range(round(strain / strain_step) + 1):
            at = point * strain_step
            self._advance(LOAD, start + sense * self.pillar.height * at, sense, 2**62)
            rows.append(
                (at, sense * self.stress_mpa, self.plain.number[0], int(self.plain.counts[2]))
            )
            if keep is not None and keep(at):
                break
        return PlainCurve(*map(np.array, zip(*rows, strict=True)))

    def unload(self, most_rest_steps: int = 20000) -> bool:
        """Unload to zero mean stress and rest there; returns whether everything came to rest."""
        self._advance(UNLOAD, 0.0, 1 if self.stress_mpa < 0 else -1, 2**62)
        return self._advance(REST, 0.0, 0, most_rest_steps) == DONE


def reload(specimen, reload_strain):
    """Unload, rest and reload: the reference state, the curve, and whether it rested."""
    rested = specimen.unload()
    return specimen.state, specimen.load(reload_strain), rested
