"""Glide of dislocations at a held platen: forces, nucleation, pinning, annihilation, exits.

One call of :func:`settle` moves the population until nothing moves and no source charges. The
order within a step is the one all codes of the family share: stresses, velocities, move, exits,
annihilation, nucleation (Van der Giessen & Needleman, Modelling Simul. Mater. Sci. Eng. 3 (1995)
689). Pair stresses are kept in a matrix of which only rows and columns of moved dislocations are
recomputed, so pinned populations cost nothing and no rounding error builds up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strainprint.specimens.crystal import SURFACE, Crystal
from strainprint.specimens.material import Material
from strainprint.specimens.pillar import (
    MODES,
    Pillar,
    closed_stress,
    make_pillar,
    mean_axial_stress,
    shear_weights,
    side_traction_modes,
    wave_factor,
)
from strainprint.specimens.state import State

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SETTLED, OUT_OF_TIME, OUT_OF_ROOM = 0, 1, 2
"""Why :func:`settle` returned."""

_PINNED_TOLERANCE = 1e-9
_PER_CRYSTAL = ("number", "slip", "charge", "hindrance", "emissions", "at_source")
"""Fields of :class:`Population` whose first axis does not count dislocations."""
_STALE_NM, _STALE_AT_REST_NM = 0.01, 1e-4
"""Glide after which a dislocation is re-evaluated, while a fast one limits the step and otherwise.
Before a population counts as settled, all are."""

_LARGEST_SYSTEM = 100
"""Mobile dislocations up to which the implicit step is solved with all couplings."""

HINDERED_RISE = 1.05
"""Factor by which the stress on a source must rise after a dislocation it emitted annihilated."""

CORE_RADIUS_NM = 0.5
"""ASSUME: core radius 2 b. Only partners on intersecting planes come so close (opposite ones on one
plane annihilate at 6 b before); without a core they would fall into each other for ever. With it
they form a junction that a sufficient stress breaks."""


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
        Largest step while none does: the semi-implicit step then only finds the rest position.
    largest_glide_nm
        Largest distance a dislocation glides in one step (half a plane spacing by default, so that
        neighbours on adjacent planes cannot pass unseen).
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
    density_limit_per_um2
        Above it the run is unphysical and stops with an error (mean spacing of 5 nm by default).
    """

    nucleation_time_ns: float = 10.0
    time_step_ns: float = 0.5
    rest_time_step_ns: float = 50.0
    largest_glide_nm: float = 1.25
    velocity_cutoff_nm_per_ns: float = 0.0
    rest_velocity_nm_per_ns: float = 0.05
    rest_glide_nm: float = 1e-3
    annihilation_distance_nm: float = 1.5
    exit_distance_nm: float = 0.5
    hold_time_ns: float = 500.0
    hold_steps: int = 20000
    density_limit_per_um2: float = 4e4


class Rules(NamedTuple):
    """:class:`DynamicsSettings` as the kernels take them."""

    nucleation_time: float
    time_step: float
    rest_time_step: float
    largest_glide: float
    velocity_cutoff: float
    rest_velocity: float
    rest_glide: float
    annihilation_distance: float
    exit_distance: float
    hold_time: float
    hold_steps: int


class Lattice(NamedTuple):
    """The crystal as the kernels take it."""

    cos_theta: Array
    sin_theta: Array
    sin_2theta: Array
    cos_2theta: Array
    origin_x: Array
    origin_y: Array
    length: float
    source_plane: Integers
    source_position: Array
    source_threshold: Array
    source_kind: Integers
    source_length: Array
    source_x: Array
    source_y: Array
    source_wave: NDArray[np.complex128]
    source_weights: Array
    obstacle_first: Integers
    """(planes + 1,): obstacles of plane p are obstacle_first[p] : obstacle_first[p + 1]."""
    obstacle_position: Array
    obstacle_strength: Array


class Population(NamedTuple):
    """Dislocations in slots 0 … number-1 of arrays with room for more, and what they exert.

    ``at_source[s, j]`` and ``pair[i, j]`` are the resolved shear stresses (MPa) of dislocation j
    at source s and at dislocation i; ``slope_own[i, j]`` and ``slope_other[i, j]`` the derivatives
    of the latter as i and as j glides.
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
    last_glide: Array
    relaxation: Array
    x: Array
    y: Array
    wave: NDArray[np.complex128]
    gamma: NDArray[np.complex128]
    modes: Array
    weights: Array
    at_source: Array
    pair: Array
    slope_own: Array
    slope_other: Array
    placed: Array
    """Position at which the row and column of a dislocation were last computed."""
    order: Integers
    """Slots sorted by plane, then position."""
    slip: Integers
    """N_p of every plane."""
    charge: Array
    """Time (ns) each source has been above its threshold."""
    hindrance: Array
    """Stress (MPa) that a source must exceed besides its threshold, 0 where unhindered."""
    emissions: Integers
    """[number of emissions so far]."""


def make_rules(settings: DynamicsSettings) -> Rules:
    """Return the settings as a plain tuple."""
    return Rules(
        nucleation_time=settings.nucleation_time_ns,
        time_step=settings.time_step_ns,
        rest_time_step=settings.rest_time_step_ns,
        largest_glide=settings.largest_glide_nm,
        velocity_cutoff=settings.velocity_cutoff_nm_per_ns,
        rest_velocity=settings.rest_velocity_nm_per_ns,
        rest_glide=settings.rest_glide_nm,
        annihilation_distance=settings.annihilation_distance_nm,
        exit_distance=settings.exit_distance_nm,
        hold_time=settings.hold_time_ns,
        hold_steps=settings.hold_steps,
    )


def make_lattice(crystal: Crystal, pillar: Pillar) -> Lattice:
    """Return the crystal as arrays for the kernels.

    A surface source emits only if the stress also beats the image attraction at its depth, so its
    threshold is the larger of the two (the image force is part of "the total force there").
    """
    angle = crystal.plane_angle
    counts = np.bincount(crystal.obstacle_plane, minlength=len(angle))
    source_angle = angle[crystal.source_plane]
    origin = crystal.plane_origin_nm[crystal.source_plane]
    source_x = origin[:, 0] + crystal.source_position_nm * np.cos(source_angle)
    source_y = origin[:, 1] + crystal.source_position_nm * np.sin(source_angle)
    threshold = crystal.source_strength_mpa.copy()
    for s in np.flatnonzero(crystal.source_kind == SURFACE):
        image = image_stress(pillar, source_x[s], source_y[s], float(source_angle[s]))
        threshold[s] = max(threshold[s], abs(image))
    weights = np.empty((len(source_x), 4 * pillar.modes))
    wave = np.empty(len(source_x), np.complex128)
    for i, (x, y, theta) in enumerate(zip(source_x, source_y, source_angle, strict=True)):
        shear_weights(pillar, x, y, np.sin(2 * theta), np.cos(2 * theta), weights[i])
        wave[i] = wave_factor(pillar, x, y)
    return Lattice(
        cos_theta=np.cos(angle),
        sin_theta=np.sin(angle),
        sin_2theta=np.sin(2 * angle),
        cos_2theta=np.cos(2 * angle),
        origin_x=np.ascontiguousarray(crystal.plane_origin_nm[:, 0]),
        origin_y=np.ascontiguousarray(crystal.plane_origin_nm[:, 1]),
        length=crystal.plane_length_nm,
        source_plane=crystal.source_plane,
        source_position=crystal.source_position_nm,
        source_threshold=threshold,
        source_kind=crystal.source_kind,
        source_length=crystal.source_length_nm,
        source_x=source_x,
        source_y=source_y,
        source_wave=wave,
        source_weights=weights,
        obstacle_first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        obstacle_position=crystal.obstacle_position_nm,
        obstacle_strength=crystal.obstacle_strength_mpa,
    )


def image_stress(pillar: Pillar, x: float, y: float, angle: float) -> float:
    """Return the resolved shear stress (MPa) of a positive dislocation's images on itself."""
    gamma = complex(-1j * pillar.strength * np.exp(1j * angle))
    wave = wave_factor(pillar, x, y)
    _, deviator = closed_stress(pillar.wave, pillar.half_width, x, wave, x, wave, gamma, False)
    closed = 0.5 * (deviator * np.exp(2j * angle)).imag
    modes, weights = np.empty(4 * pillar.modes), np.empty(4 * pillar.modes)
    side_traction_modes(pillar, x, y, gamma, modes)
    shear_weights(pillar, x, y, np.sin(2 * angle), np.cos(2 * angle), weights)
    # the mean axial stress of the closed part is not the dislocation's own: the platens hold it
    uniform = -mean_axial_stress(pillar, x, gamma) * 0.5 * np.sin(2 * angle)
    return float(closed + modes @ weights + uniform)


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
        last_glide=np.zeros(room),
        relaxation=np.ones(room),
        x=np.zeros(room),
        y=np.zeros(room),
        wave=np.zeros(room, np.complex128),
        gamma=np.zeros(room, np.complex128),
        modes=np.zeros((room, modes)),
        weights=np.zeros((room, modes)),
        at_source=np.zeros((sources, room)),
        pair=np.zeros((room, room)),
        slope_own=np.zeros((room, room)),
        slope_other=np.zeros((room, room)),
        placed=np.zeros(room),
        order=np.zeros(room, np.int64),
        slip=np.zeros(len(crystal.plane_angle), np.int64),
        charge=np.zeros(sources),
        hindrance=np.zeros(sources),
        emissions=np.zeros(1, np.int64),
    )


def copy_population(population: Population, room: int | None = None) -> Population:
    """Return an independent copy, with room for ``room`` dislocations if that is more."""
    old = len(population.plane)
    if room is None or room <= old:
        return Population(**{name: array.copy() for name, array in population._asdict().items()})
    extra = room - old
    grown = {}
    for name, array in population._asdict().items():
        rows = 0 if name in _PER_CRYSTAL else extra
        columns = (
            [(0, extra)] if name in ("at_source", "pair", "slope_own", "slope_other") else [(0, 0)]
        )
        grown[name] = np.pad(array, [(0, rows), *columns][: array.ndim])
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


@njit(cache=True)
def _resolved(
    wave: float,
    half_width: float,
    cos_2theta: float,
    sin_2theta: float,
    x: float,
    y: float,
    q: complex,
    x0: float,
    y0: float,
    q0: complex,
    gamma: complex,
    with_direct: bool,
) -> float:
    """Resolved shear stress (MPa) at (x, y) on a plane of angle theta, of one dislocation.

    Close to the core, 1/zeta and conj(zeta)/zeta^2 are replaced by conj(zeta) / s^(1/2) and
    conj(zeta)^3 / s with s = |zeta|^4 + core^4: smooth, zero at the centre, and equal to the
    singular field to 4e-4 at six core radii. Scalars, not tuples, so that the compiler inlines it.
    """
    core = 0.0
    if with_direct:
        dx = x - x0
        dy = y - y0
        r2 = dx * dx + dy * dy
        if r2 < (6.0 * CORE_RADIUS_NM) ** 2:
            with_direct = False
            back = complex(dx, -dy)
            s = r2 * r2 + CORE_RADIUS_NM**4
            field = gamma.conjugate() * back / np.sqrt(s) - gamma * back * back * back / s
            core = cos_2theta * field.imag + sin_2theta * field.real
    _, deviator = closed_stress(wave, half_width, x, q, x0, q0, gamma, with_direct)
    return core + 0.5 * (cos_2theta * deviator.imag + sin_2theta * deviator.real)


@njit(cache=True)
def _place(lattice: Lattice, pillar: Pillar, pop: Population, i: int) -> None:
    """Recompute everything that depends on the position of dislocation i alone."""
    plane = pop.plane[i]
    c = lattice.cos_theta[plane]
    s = lattice.sin_theta[plane]
    pop.placed[i] = pop.position[i]
    pop.x[i] = lattice.origin_x[plane] + pop.position[i] * c
    pop.y[i] = lattice.origin_y[plane] + pop.position[i] * s
    pop.wave[i] = wave_factor(pillar, pop.x[i], pop.y[i])
    # -i |gamma| sign exp(i theta)
    pop.gamma[i] = complex(s, -c) * (pillar.strength * pop.sign[i])
    side_traction_modes(pillar, pop.x[i], pop.y[i], pop.gamma[i], pop.modes[i])
    shear_weights(
        pillar,
        pop.x[i],
        pop.y[i],
        lattice.sin_2theta[plane],
        lattice.cos_2theta[plane],
        pop.weights[i],
    )


@njit(cache=True)
def _slopes(
    dx: float, dy: float, gamma: complex, own: complex, other: complex
) -> tuple[float, float]:
    """Return d tau / d r_i and d tau / d r_j (MPa/nm) of the infinite-medium stress of j at i.

    ``own`` and ``other`` are the unit slip directions of i and j. Image fields vary over longer
    distances and are left out: the derivatives only steer the implicit step.
    """
    r2 = dx * dx + dy * dy
    s = r2 * r2 + CORE_RADIUS_NM**4
    back = complex(dx, -dy)
    turn = own * own
    straight = gamma.conjugate() / np.sqrt(s)
    twisted = gamma * back * back / s
    # d(s) = 4 r^2 Re(a conj(zeta)) along the direction a
    steep = back * (twisted - 0.5 * straight) / s
    slope_own = turn * (
        (straight - 3.0 * twisted) * own.conjugate()
        + steep * (4.0 * r2 * (own.real * dx + own.imag * dy))
    )
    slope_other = turn * (
        (straight - 3.0 * twisted) * other.conjugate()
        + steep * (4.0 * r2 * (other.real * dx + other.imag * dy))
    )
    return slope_own.imag, -slope_other.imag


@njit(cache=True)
def _exert(lattice: Lattice, pillar: Pillar, pop: Population, i: int) -> None:
    """Recompute row and column of dislocation i in the pair matrices."""
    wave = pillar.wave
    half_width = pillar.half_width
    x_i, y_i, q_i, gamma_i = pop.x[i], pop.y[i], pop.wave[i], pop.gamma[i]
    plane_i = pop.plane[i]
    cos_i, sin_i = lattice.cos_2theta[plane_i], lattice.sin_2theta[plane_i]
    along_i = complex(lattice.cos_theta[plane_i], lattice.sin_theta[plane_i])
    for s in range(len(pop.charge)):
        plane = lattice.source_plane[s]
        x, y = lattice.source_x[s], lattice.source_y[s]
        pop.at_source[s, i] = _resolved(
            wave,
            half_width,
            lattice.cos_2theta[plane],
            lattice.sin_2theta[plane],
            x,
            y,
            lattice.source_wave[s],
            x_i,
            y_i,
            q_i,
            gamma_i,
            abs(x - x_i) + abs(y - y_i) > 1e-9,
        )
    for j in range(pop.number[0]):
        plane = pop.plane[j]
        x, y, q, gamma = pop.x[j], pop.y[j], pop.wave[j], pop.gamma[j]
        cos_j, sin_j = lattice.cos_2theta[plane], lattice.sin_2theta[plane]
        if i == j:
            pop.pair[i, i] = _resolved(
                wave, half_width, cos_i, sin_i, x_i, y_i, q_i, x_i, y_i, q_i, gamma_i, False
            )
            pop.slope_own[i, i] = 0.0
            pop.slope_other[i, i] = 0.0
            continue
        pop.pair[j, i] = _resolved(
            wave, half_width, cos_j, sin_j, x, y, q, x_i, y_i, q_i, gamma_i, True
        )
        pop.pair[i, j] = _resolved(
            wave, half_width, cos_i, sin_i, x_i, y_i, q_i, x, y, q, gamma, True
        )
        along_j = complex(lattice.cos_theta[plane], lattice.sin_theta[plane])
        pop.slope_own[i, j], pop.slope_other[i, j] = _slopes(
            x_i - x, y_i - y, gamma, along_i, along_j
        )
        pop.slope_own[j, i], pop.slope_other[j, i] = _slopes(
            x - x_i, y - y_i, gamma_i, along_j, along_i
        )


@njit(cache=True)
def _sort(pop: Population) -> None:
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


@njit(cache=True)
def _add(
    lattice: Lattice,
    pillar: Pillar,
    pop: Population,
    plane: int,
    position: float,
    sign: int,
    emission: int,
) -> None:
    """Put a new dislocation into the next free slot."""
    i = pop.number[0]
    pop.plane[i] = plane
    pop.position[i] = position
    pop.sign[i] = sign
    pop.pinned_at[i] = -1
    pop.passed[i] = -1
    pop.emitter[i] = emission
    pop.last_glide[i] = 0.0
    pop.relaxation[i] = 1.0
    pop.order[i] = i
    pop.number[0] += 1
    _place(lattice, pillar, pop, i)
    _exert(lattice, pillar, pop, i)
    _sort(pop)


@njit(cache=True)
def _remove(pop: Population, i: int) -> None:
    """Take dislocation i out; the last slot moves into its place."""
    last = pop.number[0] - 1
    if i != last:
        pop.plane[i] = pop.plane[last]
        pop.position[i] = pop.position[last]
        pop.sign[i] = pop.sign[last]
        pop.pinned_at[i] = pop.pinned_at[last]
        pop.passed[i] = pop.passed[last]
        pop.emitter[i] = pop.emitter[last]
        pop.last_glide[i] = pop.last_glide[last]
        pop.relaxation[i] = pop.relaxation[last]
        pop.placed[i] = pop.placed[last]
        pop.x[i] = pop.x[last]
        pop.y[i] = pop.y[last]
        pop.wave[i] = pop.wave[last]
        pop.gamma[i] = pop.gamma[last]
        pop.modes[i] = pop.modes[last]
        pop.weights[i] = pop.weights[last]
        # row first, then column, so that [i, i] ends as the last one's own image stress
        for j in range(last + 1):
            pop.pair[i, j] = pop.pair[last, j]
            pop.slope_own[i, j] = pop.slope_own[last, j]
            pop.slope_other[i, j] = pop.slope_other[last, j]
        for t in range(last + 1):
            pop.pair[t, i] = pop.pair[t, last]
            pop.slope_own[t, i] = pop.slope_own[t, last]
            pop.slope_other[t, i] = pop.slope_other[t, last]
        pop.at_source[:, i] = pop.at_source[:, last]
    write = 0
    for k in range(last + 1):
        slot = pop.order[k]
        if slot == i:
            continue
        pop.order[write] = i if slot == last else slot
        write += 1
    pop.number[0] = last


@njit(cache=True)
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


@njit(cache=True)
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
    n = pop.number[0]
    width = pop.modes.shape[1]
    total = np.zeros(width)
    for i in range(n):
        for m in range(width):
            total[m] += pop.modes[i, m]
    uniform = axial_stress - carried
    for s in range(sources):
        value = 0.5 * lattice.sin_2theta[lattice.source_plane[s]] * uniform
        for j in range(n):
            value += pop.at_source[s, j]
        tau[s] = value + np.dot(lattice.source_weights[s], total)
    for i in range(n):
        value = 0.5 * lattice.sin_2theta[pop.plane[i]] * uniform
        for j in range(n):
            value += pop.pair[i, j]
        tau[sources + i] = value + np.dot(pop.weights[i], total)


@njit(cache=True)
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


@njit(cache=True)
def _emit(lattice: Lattice, pillar: Pillar, pop: Population, s: int, sense: int) -> None:
    """Emit from source s under a resolved stress of sign ``sense``."""
    plane = lattice.source_plane[s]
    r = lattice.source_position[s]
    serial = pop.emissions[0] * len(pop.charge) + s
    pop.emissions[0] += 1
    if lattice.source_kind[s] == SURFACE:
        if 2.0 * r < lattice.length:
            _add(lattice, pillar, pop, plane, r, sense, serial)
        else:
            pop.slip[plane] += sense
            _add(lattice, pillar, pop, plane, r, -sense, serial)
        return
    half = 0.5 * lattice.source_length[s]
    _add(lattice, pillar, pop, plane, r + half, sense, serial)
    _add(lattice, pillar, pop, plane, r - half, -sense, serial)


@njit(cache=True)
def _glide(lattice: Lattice, pop: Population, i: int, glide: float) -> None:
    """Move dislocation i along its plane, stopping at the first obstacle in its way."""
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
    if best >= 0:
        pop.position[i] = obstacles[best]
        pop.pinned_at[i] = best
        pop.last_glide[i] = 0.0
        pop.relaxation[i] = 1.0
    else:
        pop.position[i] = end


@njit(cache=True)
def _annihilate(lattice: Lattice, rules: Rules, pop: Population, tau: Array) -> bool:
    """Remove opposite neighbours on one plane that met; True if any did."""
    found = False
    k = 0
    while k < pop.number[0] - 1:
        i = pop.order[k]
        j = pop.order[k + 1]
        if (
            pop.plane[i] == pop.plane[j]
            and pop.sign[i] != pop.sign[j]
            and pop.position[j] - pop.position[i] <= rules.annihilation_distance
        ):
            # ASSUME: the source of the younger one waits until its stress has risen further (or
            # fallen below its threshold since). Otherwise a source beside a stuck dislocation
            # emits, loses one partner to it and emits again for ever under the same load.
            source = max(pop.emitter[i], pop.emitter[j]) % len(pop.charge)
            pop.hindrance[source] = HINDERED_RISE * max(
                abs(tau[source]), lattice.source_threshold[source]
            )
            first, second = max(i, j), min(i, j)
            _remove(pop, first)
            _remove(pop, second)
            found = True
            k = max(0, k - 1)
        else:
            k += 1
    return found


@njit(cache=True)
def _implicit_glide(
    lattice: Lattice,
    pillar: Pillar,
    rules: Rules,
    pop: Population,
    mobile: Integers,
    machine: float,
    step: float,
    glide: Array,
) -> float:
    """Turn the velocities in ``glide`` into glides of one linearly implicit step (nm).

    Solves (1/dt - dv/dr) glide = v over the mobile dislocations, so that stiff couplings (dipoles,
    junctions, the held platen) relax in a few steps whatever their rate. Returns the step taken
    (ns): it is shortened where a glide exceeds the largest one or an instability turns the
    solution against the force.
    """
    n = len(mobile)
    velocity = np.empty(n)
    matrix = np.empty((n, n))
    for a in range(n):
        i = mobile[a]
        velocity[a] = glide[i]
        pull = pillar.mobility * pop.sign[i]
        orientation = pop.sign[i] * np.sign(lattice.sin_2theta[pop.plane[i]])
        own = 0.0
        for j in range(pop.number[0]):
            own += pop.slope_own[i, j]
        for b in range(n):
            j = mobile[b]
            same = orientation * pop.sign[j] * np.sign(lattice.sin_2theta[pop.plane[j]])
            matrix[a, b] = -pull * pop.slope_other[i, j] + machine * same
        matrix[a, a] += -pull * own
    while True:
        system = matrix.copy()
        for a in range(n):
            system[a, a] += 1.0 / step
        solution = np.linalg.solve(system, velocity)
        largest = 0.0
        work = 0.0
        for a in range(n):
            largest = max(largest, abs(solution[a]))
            work += solution[a] * velocity[a]
        # a singular system gives inf or nan, which fail both comparisons
        if work >= 0.0 and largest <= 1.0001 * rules.largest_glide:
            break
        step *= 0.25
    for a in range(n):
        glide[mobile[a]] = solution[a]
    return step


@njit(cache=True)
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
    sources = len(pop.charge)
    room = len(pop.plane)
    glide = np.zeros(room)
    mobile = np.zeros(room, np.int64)
    machine_stiffness = (
        pillar.mobility
        * pillar.modulus
        * pillar.burgers
        * (0.5 * lattice.sin_2theta[0]) ** 2
        / (2.0 * pillar.half_width * pillar.height)
    )
    moved = np.zeros(room, np.bool_)
    time = 0.0
    steps = 0
    while True:
        if pop.number[0] + 2 > room:
            return OUT_OF_ROOM, time, steps
        strain, carried = macroscopic(lattice, pillar, pop)
        if hold_stress:
            platen[0] = strain * pillar.height
        stress = pillar.modulus * (platen[0] / pillar.height - strain)
        resolved_stresses(lattice, pillar, pop, stress, carried, tau)
        n = pop.number[0]
        # a held platen answers glide with stress: its share of the stiffness, per dislocation
        machine = 0.0 if hold_stress else machine_stiffness

        fastest = 0.0
        step_limit = 1e300
        free = 0
        for i in range(n):
            force = tau[sources + i]
            glide[i] = 0.0
            if pop.pinned_at[i] >= 0:
                hold = lattice.obstacle_strength[pop.pinned_at[i]]
                if abs(force) < hold * (1.0 - _PINNED_TOLERANCE):
                    continue
                pop.passed[i] = pop.pinned_at[i]
                pop.pinned_at[i] = -1
            velocity = pop.sign[i] * pillar.mobility * force
            if rules.velocity_cutoff > 0.0 and abs(velocity) > rules.velocity_cutoff:
                velocity = rules.velocity_cutoff if velocity > 0.0 else -rules.velocity_cutoff
            slope = 0.0
            for j in range(n):
                slope += pop.slope_own[i, j]
            # twice the diagonal keeps a pair of movable partners from overshooting each other
            restoring = max(0.0, -2.0 * pop.sign[i] * pillar.mobility * slope) + machine
            size = abs(velocity)
            # at rest: slow, or bound so stiffly that a whole rest step would not move it
            if size * rules.rest_time_step > rules.rest_glide * (
                1.0 + restoring * rules.rest_time_step
            ):
                fastest = max(fastest, size)
            # glide = v dt / (1 + restoring dt) <= largest glide, solved for dt
            excess = size - restoring * rules.largest_glide
            if excess > 0.0:
                step_limit = min(step_limit, rules.largest_glide / excess)
            mobile[free] = i
            free += 1
            glide[i] = velocity
            tau[sources + i] = restoring

        charging = False
        ready = 1e300
        for s in range(sources):
            threshold = lattice.source_threshold[s] * (1.0 - _PINNED_TOLERANCE)
            if abs(tau[s]) >= max(threshold, pop.hindrance[s]) and not blocked(
                lattice, rules, pop, s
            ):
                charging = True
                ready = min(ready, max(0.0, rules.nucleation_time - pop.charge[s]))
            else:
                pop.charge[s] = -1.0
        if not charging and fastest < rules.rest_velocity:
            stale = False
            for i in range(n):
                if pop.position[i] != pop.placed[i]:
                    _place(lattice, pillar, pop, i)
                    _exert(lattice, pillar, pop, i)
                    stale = True
            if stale:
                continue
            break
        if time >= rules.hold_time or steps >= rules.hold_steps:
            resolved_stresses(lattice, pillar, pop, stress, carried, tau)
            return OUT_OF_TIME, time, steps

        step = min(rules.time_step, ready) if charging else rules.rest_time_step
        limited = step_limit < step
        step = min(step, step_limit)
        if free <= _LARGEST_SYSTEM:
            step = _implicit_glide(lattice, pillar, rules, pop, mobile[:free], machine, step, glide)
        else:
            for k in range(free):
                i = mobile[k]
                glide[i] *= step / (1.0 + tau[sources + i] * step)
        for k in range(free):
            i = mobile[k]
            # under-relax on reversal
            if glide[i] * pop.last_glide[i] < 0.0:
                pop.relaxation[i] = max(1e-3, 0.5 * pop.relaxation[i])
            else:
                pop.relaxation[i] = min(1.0, 1.5 * pop.relaxation[i])
            glide[i] *= pop.relaxation[i]
            pop.last_glide[i] = glide[i]
        # same-sign neighbours never pass: they may at most halve their gap
        for k in range(n - 1):
            i = pop.order[k]
            j = pop.order[k + 1]
            if pop.plane[i] != pop.plane[j] or pop.sign[i] != pop.sign[j]:
                continue
            gap = pop.position[j] - pop.position[i]
            closing = glide[i] - glide[j]
            if closing > 0.5 * gap:
                scale = 0.5 * gap / closing
                glide[i] *= scale
                glide[j] *= scale
        for i in range(n):
            moved[i] = glide[i] != 0.0
            if moved[i]:
                _glide(lattice, pop, i, glide[i])
        # exits, from the last slot so that the swap moves only slots already seen
        for i in range(n - 1, -1, -1):
            if not moved[i]:
                continue
            r = pop.position[i]
            if r >= lattice.length - rules.exit_distance:
                pop.slip[pop.plane[i]] += pop.sign[i]
            elif r > rules.exit_distance:
                continue
            last = pop.number[0] - 1
            _remove(pop, i)
            moved[i] = moved[last] if i != last else False
            moved[last] = False
        allowance = _STALE_NM if limited else _STALE_AT_REST_NM
        for i in range(pop.number[0]):
            moved[i] = abs(pop.position[i] - pop.placed[i]) > allowance
            if moved[i]:
                _place(lattice, pillar, pop, i)
        for i in range(pop.number[0]):
            if moved[i]:
                _exert(lattice, pillar, pop, i)
        _sort(pop)
        _annihilate(lattice, rules, pop, tau)
        time += step
        steps += 1
        for s in range(sources):
            if pop.charge[s] < 0.0:
                pop.charge[s] = 0.0
                continue
            threshold = lattice.source_threshold[s] * (1.0 - _PINNED_TOLERANCE)
            if abs(tau[s]) < max(threshold, pop.hindrance[s]):
                continue
            pop.charge[s] += step
            if pop.charge[s] >= rules.nucleation_time * (1.0 - 1e-12) and pop.number[0] + 2 <= room:
                pop.charge[s] = 0.0
                if not blocked(lattice, rules, pop, s):
                    _emit(lattice, pillar, pop, s, 1 if tau[s] > 0.0 else -1)
    resolved_stresses(lattice, pillar, pop, stress, carried, tau)
    return SETTLED, time, steps


@njit(cache=True)
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
            threshold = max(lattice.source_threshold[t], pop.hindrance[t])
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
