"""A crystal before it is loaded: slip planes, dislocation sources and obstacles, seeded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, floor, pi, radians, sin

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.specimens.bounds import (
    NOT_NEGATIVE,
    POSITIVE,
    SCATTER,
    Bounds,
    check_bounds,
    check_fit,
)
from strainprint.specimens.material import Material

SLIP_ANGLE_DEG = 30.0
"""Angle between slip direction and loading axis (paper, Introduction: +30 deg, or +-30 deg)."""

BULK, SURFACE = 0, 1

_DRAWS = 200
"""Of a source's own obstacle, before its plane counts as full."""


@dataclass(frozen=True)
class CrystalSettings:
    """How a crystal is populated; every number with its evidence in config/README.md.

    Attributes
    ----------
    aspect
        Height over width of the specimen.
    plane_spacing_nm
        Distance between neighbouring slip planes of one system.
    bulk_source_density_per_um2, bulk_source_strength_mpa, bulk_source_scatter
        Frank-Read sources: number per area, mean strength and relative standard deviation.
    fewest_bulk_sources
        Number of them that every specimen has at least, however small it is.
    surface_source_density_per_um, surface_source_strength_mpa, surface_source_scatter
        Sources at the ends of slip planes: number per length of free side, strength, scatter.
    surface_source_depth_nm
        Distance along the plane at which a surface source places its dislocation.
    obstacle_density_per_um2, obstacle_strength_mpa, obstacle_scatter
        Point obstacles anywhere on the slip planes.
    obstacles_per_source
        Number of obstacles that every source has on its own plane besides those. Where nucleation
        intervals leave no room there are fewer.
    """

    aspect: float = 4.0
    plane_spacing_nm: float = 2.5
    bulk_source_density_per_um2: float = 60.0
    bulk_source_strength_mpa: float = 50.0
    bulk_source_scatter: float = 0.1
    fewest_bulk_sources: int = 1
    surface_source_density_per_um: float = 40.0
    surface_source_strength_mpa: float = 200.0
    surface_source_scatter: float = 0.2
    surface_source_depth_nm: float = 10.0
    obstacle_density_per_um2: float = 0.0
    obstacle_strength_mpa: float = 300.0
    obstacle_scatter: float = 0.2
    obstacles_per_source: int = 2

    def __post_init__(self) -> None:
        """Refuse what no crystal can have."""
        check_bounds(
            self,
            "crystal",
            {
                "aspect": POSITIVE,
                "plane_spacing_nm": POSITIVE,
                "bulk_source_density_per_um2": NOT_NEGATIVE,
                "bulk_source_strength_mpa": POSITIVE,
                "bulk_source_scatter": SCATTER,
                "fewest_bulk_sources": Bounds(0, whole=True),
                "surface_source_density_per_um": NOT_NEGATIVE,
                "surface_source_strength_mpa": POSITIVE,
                "surface_source_scatter": SCATTER,
                "surface_source_depth_nm": POSITIVE,
                "obstacle_density_per_um2": NOT_NEGATIVE,
                "obstacle_strength_mpa": POSITIVE,
                "obstacle_scatter": SCATTER,
                "obstacles_per_source": Bounds(0, whole=True),
            },
        )


@dataclass(frozen=True)
class Crystal:
    """Geometry and defects of one specimen; lengths in nm, stresses in MPa.

    Positions on a plane are distances r from its end ``plane_origin_nm`` along the slip direction
    ``(cos theta, sin theta)``, 0 <= r <= ``plane_length_nm``. x runs across the width from -w/2 to
    w/2, y along the loading axis from 0 to h.
    """

    width_nm: float
    height_nm: float
    slip_systems: int
    plane_angle: NDArray[np.float64]
    plane_origin_nm: NDArray[np.float64]
    plane_length_nm: float
    source_plane: NDArray[np.int64]
    source_position_nm: NDArray[np.float64]
    source_strength_mpa: NDArray[np.float64]
    source_kind: NDArray[np.int64]
    source_length_nm: NDArray[np.float64]
    obstacle_plane: NDArray[np.int64]
    obstacle_position_nm: NDArray[np.float64]
    obstacle_strength_mpa: NDArray[np.float64]


def slip_angles(slip_systems: int) -> tuple[float, ...]:
    """Return the angles (radians, from x) of the slip directions: +30 deg, or +-30 deg, to y."""
    if slip_systems not in (1, 2):
        raise BadInputError(f"slip_systems is {slip_systems}", allowed="1 or 2")
    up = radians(90 - SLIP_ANGLE_DEG)
    return (up,) if slip_systems == 1 else (up, pi - up)


def slip_planes(
    width_nm: float, height_nm: float, angle: float, spacing_nm: float, phase: float
) -> NDArray[np.float64]:
    """Return the origins (n, 2) of the planes of one system that cut both free sides.

    ``phase`` in [0, 1) shifts the whole stack by a fraction of the spacing.
    """
    rise = width_nm * abs(sin(angle) / cos(angle))
    step = spacing_nm / abs(cos(angle))
    # half a step from the corners, so that no plane touches a platen
    count = floor((height_nm - rise) / step - phase)
    y = (np.arange(count) + phase + 0.5) * step
    y = y[y + rise < height_nm - 1e-6 * height_nm]
    x = -width_nm / 2 if cos(angle) > 0 else width_nm / 2
    return np.column_stack([np.full(len(y), x), y])


def _scattered(
    rng: np.random.Generator, mean: float, scatter: float, count: int, lowest: float = 0.0
) -> NDArray[np.float64]:
    """Draw strengths from a normal distribution.

    What falls below a tenth of the mean, or is not above ``lowest`` (< mean), is drawn again.
    """
    values = rng.normal(mean, scatter * mean, count)
    while np.any(low := (values < 0.1 * mean) | (values <= lowest)):
        values[low] = rng.normal(mean, scatter * mean, int(low.sum()))
    return values


def _count(rng: np.random.Generator, expected: float) -> int:
    """Return floor or ceiling of an expected number, with the right mean."""
    return floor(expected + rng.random())


def place_crystal(
    width_nm: float,
    slip_systems: int,
    settings: CrystalSettings,
    material: Material,
    rng: np.random.Generator,
) -> Crystal:
    """Draw one crystal.

    ASSUME: at least ``fewest_bulk_sources``, since a pillar without any source would stay elastic
    at every stress; obstacles only on planes that hold a source (the others never see a
    dislocation) and never inside the nucleation interval of a bulk source (a dipole cannot form
    around one). Bulk sources whose nucleation length would not fit their plane are drawn again: a
    narrow specimen has lost the longest, weakest ones to its sides.

    Raises
    ------
    BadInputError
        The specimen is too narrow for its planes or for the nucleation length of its sources.
    """
    if width_nm not in POSITIVE:
        raise BadInputError(f"width_nm is {width_nm}", allowed=str(POSITIVE))
    check_fit(width_nm, settings.plane_spacing_nm, settings.surface_source_depth_nm)
    height = settings.aspect * width_nm
    angles = slip_angles(slip_systems)
    stacks = [
        slip_planes(width_nm, height, angle, settings.plane_spacing_nm, rng.random())
        for angle in angles
    ]
    origin = np.concatenate(stacks)
    angle = np.repeat(angles, [len(s) for s in stacks])
    if len(origin) == 0:
        raise BadInputError(
            f"no slip plane cuts both sides at width {width_nm} nm and aspect {settings.aspect}",
            allowed=f"aspect above {np.tan(angles[0]):.3g}",
        )
    length = width_nm / abs(cos(angles[0]))
    area_um2 = width_nm * height * 1e-6

    bulk = _count(rng, settings.bulk_source_density_per_um2 * area_um2)
    bulk = max(settings.fewest_bulk_sources, bulk)
    mean_strength = settings.bulk_source_strength_mpa
    longest = length - 4 * settings.plane_spacing_nm
    weakest = material.edge_constant_mpa_nm / longest if longest > 0 else float("inf")
    if mean_strength <= weakest:
        raise BadInputError(
            f"a source of {mean_strength:.1f} MPa needs "
            f"{material.edge_constant_mpa_nm / mean_strength:.1f} nm, "
            f"its plane is {length:.1f} nm long",
            where="specimens.crystal.bulk_source_strength_mpa",
            allowed="stronger sources or wider specimens",
        )
    bulk_strength = _scattered(rng, mean_strength, settings.bulk_source_scatter, bulk, weakest)
    nucleation_length = material.edge_constant_mpa_nm / bulk_strength
    room = longest - nucleation_length
    bulk_plane = rng.integers(0, len(origin), bulk)
    bulk_position = length / 2 + (rng.random(bulk) - 0.5) * room

    ends = _count(rng, settings.surface_source_density_per_um * 2 * height * 1e-3)
    ends = min(ends, 2 * len(origin))
    end = rng.permutation(2 * len(origin))[:ends]
    surface_strength = _scattered(
        rng, settings.surface_source_strength_mpa, settings.surface_source_scatter, ends
    )
    depth = settings.surface_source_depth_nm
    surface_position = np.where(end % 2 == 0, depth, length - depth)

    source_plane = np.concatenate([bulk_plane, end // 2])
    source_position = np.concatenate([bulk_position, surface_position])
    source_length = np.concatenate([nucleation_length, np.zeros(ends)])

    def takes_obstacle(plane: NDArray[np.int64], at: NDArray[np.float64]) -> NDArray[np.bool_]:
        takes = (at > 2 * depth) & (at < length - 2 * depth)
        for p, r, reach in zip(bulk_plane, bulk_position, nucleation_length, strict=True):
            takes &= (plane != p) | (np.abs(at - r) >= reach / 2 + settings.plane_spacing_nm)
        return takes

    total = _count(rng, settings.obstacle_density_per_um2 * area_um2)
    plane = rng.integers(0, len(origin), total)
    position = rng.random(total) * length
    strength = _scattered(rng, settings.obstacle_strength_mpa, settings.obstacle_scatter, total)
    own_plane = np.repeat(source_plane, settings.obstacles_per_source)
    own = rng.random(len(own_plane)) * length
    again = np.arange(len(own))
    for _ in range(_DRAWS):
        again = again[~takes_obstacle(own_plane[again], own[again])]
        if len(again) == 0:
            break
        own[again] = rng.random(len(again)) * length
    own_strength = _scattered(
        rng, settings.obstacle_strength_mpa, settings.obstacle_scatter, len(own)
    )
    plane = np.concatenate([plane, own_plane])
    position = np.concatenate([position, own])
    strength = np.concatenate([strength, own_strength])
    keep = np.isin(plane, source_plane) & takes_obstacle(plane, position)
    order = np.lexsort((position[keep], plane[keep]))
    # from the lower platen on, so that near sources are near in memory
    upward = np.argsort(
        origin[source_plane, 1] + source_position * np.sin(angle[source_plane]), kind="stable"
    )
    source_strength = np.concatenate([bulk_strength, surface_strength])
    source_kind = np.concatenate([np.full(bulk, BULK), np.full(ends, SURFACE)])

    return Crystal(
        width_nm=width_nm,
        height_nm=height,
        slip_systems=slip_systems,
        plane_angle=angle,
        plane_origin_nm=origin,
        plane_length_nm=length,
        source_plane=source_plane[upward].astype(np.int64),
        source_position_nm=source_position[upward],
        source_strength_mpa=source_strength[upward],
        source_kind=source_kind[upward].astype(np.int64),
        source_length_nm=source_length[upward],
        obstacle_plane=plane[keep][order].astype(np.int64),
        obstacle_position_nm=position[keep][order],
        obstacle_strength_mpa=strength[keep][order],
    )


def shifted_crystal(
    crystal: Crystal, settings: CrystalSettings, shift_nm: float, rng: np.random.Generator
) -> Crystal:
    """Return a twin: the same crystal with bulk sources and obstacles moved along their planes.

    Shifts are normal with standard deviation ``shift_nm``. Strengths, planes and surface sources
    stay. Sources keep the room that :func:`place_crystal` gives them. An obstacle that would come
    too close to a source moves with that source instead; a plane on which that does not help
    stays as it was.

    Parameters
    ----------
    crystal, settings
        As drawn by :func:`place_crystal`.
    shift_nm
        Standard deviation of the shifts, above 0.
    """
    if shift_nm not in POSITIVE:
        raise BadInputError(f"shift is {shift_nm} nm", allowed=str(POSITIVE))
    length, margin = crystal.plane_length_nm, 2 * settings.surface_source_depth_nm
    bulk = np.flatnonzero(crystal.source_kind == BULK)
    centre, reach = crystal.source_position_nm[bulk], crystal.source_length_nm[bulk] / 2
    room = reach + 2 * settings.plane_spacing_nm
    moved = np.clip(centre + rng.normal(0, shift_nm, len(bulk)), room, length - room)
    old = crystal.obstacle_position_nm
    new = old + rng.normal(0, shift_nm, len(old))
    new = np.where((new > margin) & (new < length - margin), new, old)
    source_plane = crystal.source_plane[bulk]
    for plane in np.unique(source_plane):
        here = np.flatnonzero(source_plane == plane)
        first, stop = np.searchsorted(crystal.obstacle_plane, [plane, plane + 1])
        at = new[first:stop]
        for s in here:
            close = np.abs(at - moved[s]) < reach[s] + settings.plane_spacing_nm
            at = np.where(close, old[first:stop] + (moved[s] - centre[s]), at)
        apart = np.abs(at[:, np.newaxis] - moved[here])
        free = (apart >= reach[here] + settings.plane_spacing_nm - 1e-9).all()
        if free and ((at > margin) & (at < length - margin)).all():
            new[first:stop] = at
        else:
            new[first:stop], moved[here] = old[first:stop], centre[here]
    position = crystal.source_position_nm.copy()
    position[bulk] = moved
    order = np.lexsort((new, crystal.obstacle_plane))
    return replace(
        crystal,
        source_position_nm=position,
        obstacle_position_nm=new[order],
        obstacle_strength_mpa=crystal.obstacle_strength_mpa[order],
    )
