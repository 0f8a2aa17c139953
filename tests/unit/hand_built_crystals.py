"""Crystals laid by hand and the total field of a few dislocations, for closed-form answers."""

from dataclasses import replace
from math import cos, pi, radians, sin, tan

import numpy as np

from strainprint.specimens import dynamics, pillar
from strainprint.specimens.crystal import BULK, Crystal
from strainprint.specimens.loading import LoadingSettings, Specimen
from strainprint.specimens.material import Material
from strainprint.specimens.population import make_population
from strainprint.specimens.rules import DynamicsSettings
from strainprint.specimens.side_correction import update_side
from strainprint.specimens.topology import enter, take_up

ALUMINIUM = Material()
C_MPA_NM = ALUMINIUM.edge_constant_mpa_nm
SCHMID = sin(radians(30)) * cos(radians(30))
UP, DOWN = radians(60), radians(120)
WIDE_NM = 1e6
"""A pillar so wide that its images change a stress between neighbours by 1e-5 of itself."""
MIDDLE = WIDE_NM
"""Of one of its planes, which are two widths long."""
GAP = 20.0
"""Distance (nm) of the planes of :func:`neighbours`."""

OBSTRUCTED = {
    "bulk_source_density_per_um2": 120.0,
    "surface_source_density_per_um": 20.0,
    "surface_source_strength_mpa": 150.0,
    "surface_source_scatter": 0.1,
    "obstacle_density_per_um2": 6000.0,
    "obstacle_strength_mpa": 150.0,
    "obstacles_per_source": 0,
}
"""Crystal settings with which even a few narrow specimens keep dislocations, obstacles anywhere."""


ANYWHERE = {
    "bulk_source_density_per_um2": 120.0,
    "surface_source_strength_mpa": 150.0,
    "obstacle_density_per_um2": 4000.0,
    "obstacle_strength_mpa": 150.0,
    "obstacles_per_source": 0,
}
"""Crystal settings with weaker obstacles anywhere, under which a narrow specimen goes on with few
events and rests without dislocations."""


def lay_crystal(width_nm, planes, sources=(), obstacles=(), height_nm=None):
    """Planes as (angle, offset of the plane's centre along y from mid-height), sources as
    (plane, r, strength, kind), obstacles as (plane, r, strength) sorted by plane and r.

    Without sources there is one that no stress can start.
    """
    height_nm = height_nm or 4 * width_nm
    length = 2 * width_nm
    sources = sources or [(0, length / 2, 1e9, BULK)]
    angle = np.array([a for a, _ in planes])
    y = [height_nm / 2 + offset - abs(tan(a)) * width_nm / 2 for a, offset in planes]
    x = [-width_nm / 2 if cos(a) > 0 else width_nm / 2 for a in angle]
    source_plane, source_position, source_strength, source_kind = zip(*sources, strict=True)
    obstacle_plane, obstacle_position, obstacle_strength = (
        zip(*obstacles, strict=True) if obstacles else ((), (), ())
    )
    strength = np.array(source_strength, float)
    kind = np.array(source_kind, np.int64)
    return Crystal(
        width_nm=width_nm,
        height_nm=height_nm,
        slip_systems=len(set(angle)),
        plane_angle=angle,
        plane_origin_nm=np.column_stack([x, y]),
        plane_length_nm=length,
        source_plane=np.array(source_plane, np.int64),
        source_position_nm=np.array(source_position, float),
        source_strength_mpa=strength,
        source_kind=kind,
        source_length_nm=np.where(kind == BULK, C_MPA_NM / strength, 0.0),
        obstacle_plane=np.array(obstacle_plane, np.int64),
        obstacle_position_nm=np.array(obstacle_position, float),
        obstacle_strength_mpa=np.array(obstacle_strength, float),
    )


ONE_PLANE = lay_crystal(WIDE_NM, [(UP, 0.0)])


def parallel_planes(width_nm, distance_nm, **defects):
    """Two planes of one system, ``distance_nm`` apart; equal r is not equal X: see shift."""
    return lay_crystal(width_nm, [(UP, 0.0), (UP, distance_nm / cos(UP))], **defects)


def shift(distance_nm):
    """r on the second of two parallel planes minus r on the first, at equal X."""
    return -distance_nm * tan(UP)


def add(lattice, pillar, population, *dislocation):
    """Add one (plane, r, sign, emission, heading) by itself."""
    enter(lattice, pillar, population, *dislocation)
    take_up(lattice, pillar, population, population.number[0] - 1)


def put(specimen, *dislocations):
    """Add (plane, r, sign) dislocations in slots 0, 1, ...; returns the population."""
    for plane, position, sign in dislocations:
        add(specimen.lattice, specimen.pillar, specimen.population, plane, position, sign, 0, 1)
    return specimen.population


def press(crystal, *dislocations, shear_mpa=0.0, **settings):
    """A specimen with these dislocations, its platen where the applied resolved shear would be
    ``shear_mpa`` on planes at UP if nothing slipped. At rest to a tenth of the default stress, so
    that places of rest can be held against closed forms."""
    settings = {"rest_velocity_nm_per_ns": 0.05} | settings
    specimen = Specimen(crystal, ALUMINIUM, DynamicsSettings(**settings), LoadingSettings())
    put(specimen, *dislocations)
    specimen.platen[0] = shear_mpa / SCHMID / specimen.pillar.modulus * crystal.height_nm
    return specimen


def positions(specimen):
    return specimen.population.position[: specimen.population.number[0]]


def strength_of(body, angle, sign=1):
    """gamma of a dislocation whose slip direction lies at ``angle``."""
    return complex(-1j * body.strength * sign * np.exp(1j * angle))


def body_field(body, dislocations, x, y):
    """(sigma_xx, sigma_yy, sigma_xy, u_x, u_y) at one point, of (x0, y0, angle, sign) each with its
    images and side correction; the uniform part is left out."""
    modes, one = np.zeros(4 * body.modes), np.zeros(4 * body.modes)
    total = np.zeros(5)
    for x0, y0, angle, sign in dislocations:
        gamma = strength_of(body, angle, sign)
        trace, deviator = pillar.closed_stress(
            body.wave,
            body.half_width,
            x,
            pillar.wave_factor(body, x, y),
            x0,
            pillar.wave_factor(body, x0, y0),
            gamma,
            True,
        )
        u = pillar.closed_displacement(body, x, y, x0, y0, gamma, sign)
        total += (
            (trace - deviator.real) / 2,
            (trace + deviator.real) / 2,
            deviator.imag / 2,
            u.real,
            u.imag,
        )
        pillar.side_traction_modes(body, x0, y0, gamma, one)
        modes += one
    return total + pillar.correction_field(body, modes, x, y)


def stress_by_hooke(displacement, x, y, step_nm):
    """Plane-strain stress from central differences of ``displacement(x, y)``, fourth order."""

    def difference(dx, dy):
        near = np.subtract(displacement(x + dx, y + dy), displacement(x - dx, y - dy))
        far = np.subtract(
            displacement(x + 2 * dx, y + 2 * dy), displacement(x - 2 * dx, y - 2 * dy)
        )
        return (8 * near - far) / (12 * step_nm)

    (xx, yx), (xy, yy) = difference(step_nm, 0.0), difference(0.0, step_nm)
    mu, nu = ALUMINIUM.shear_modulus_mpa, ALUMINIUM.poissons_ratio
    lame = 2 * mu * nu / (1 - 2 * nu)
    pressure = lame * (xx + yy)
    return np.array([pressure + 2 * mu * xx, pressure + 2 * mu * yy, mu * (xy + yx)])


def burgers_circuit(displacement, x0, y0, radius_nm, cut_angle, points=96):
    """Closed integral of du along a counter-clockwise circle, from slopes beside the cut."""
    phi = cut_angle + (np.arange(points) + 0.5) * 2 * pi / points
    turn = 1e-3

    def on_circle(at):
        return np.array(displacement(x0 + radius_nm * cos(at), y0 + radius_nm * sin(at)))

    slope = [(on_circle(at + turn) - on_circle(at - turn)) / (2 * turn) for at in phi]
    return np.sum(slope, axis=0) * 2 * pi / points


def rotate_half_turn(crystal):
    """Turn the crystal by 180 degrees about its centre; r then counts from the other end."""
    end = crystal.plane_origin_nm + crystal.plane_length_nm * np.column_stack(
        [np.cos(crystal.plane_angle), np.sin(crystal.plane_angle)]
    )
    order = np.lexsort((-crystal.obstacle_position_nm, crystal.obstacle_plane))
    return replace(
        crystal,
        plane_origin_nm=np.column_stack([-end[:, 0], crystal.height_nm - end[:, 1]]),
        source_position_nm=crystal.plane_length_nm - crystal.source_position_nm,
        obstacle_position_nm=(crystal.plane_length_nm - crystal.obstacle_position_nm)[order],
        obstacle_plane=crystal.obstacle_plane[order],
        obstacle_strength_mpa=crystal.obstacle_strength_mpa[order],
    )


def mirror(crystal):
    """Mirror the crystal in x = 0: the two slip systems change places."""
    return replace(
        crystal,
        plane_angle=np.pi - crystal.plane_angle,
        plane_origin_nm=crystal.plane_origin_nm * [-1, 1],
    )


def turn_upside_down(crystal):
    return mirror(rotate_half_turn(crystal))


def neighbours(x, sign, **settings):
    """A positive dislocation amid the wide pillar and one at X = x on the plane above."""
    return press(
        parallel_planes(WIDE_NM, GAP),
        (0, MIDDLE, 1),
        (1, MIDDLE + shift(GAP) + x, sign),
        **settings,
    )


def settle(specimen, rules=None):
    """Why settling returned, the time it took (ns) and its steps."""
    tau = np.zeros(len(specimen.population.charge) + len(specimen.population.plane))
    return dynamics.settle(
        specimen.lattice,
        specimen.pillar,
        rules or specimen.rules,
        specimen.population,
        specimen.platen,
        False,
        tau,
    )


def afresh(specimen):
    """The same dislocations, everything computed anew."""
    used = specimen.population
    fresh = make_population(specimen.crystal, specimen.pillar, len(used.plane))
    for i in range(used.number[0]):
        add(
            specimen.lattice,
            specimen.pillar,
            fresh,
            used.plane[i],
            used.position[i],
            used.sign[i],
            used.emitter[i],
            used.heading[i],
        )
    update_side(specimen.lattice, fresh, 0.0)
    return fresh


def put_roomy(crystal, *dislocations):
    """A specimen with these dislocations, more than most tests have."""
    specimen = press(crystal)
    specimen._give_room(1024)
    put(specimen, *dislocations)
    return specimen
