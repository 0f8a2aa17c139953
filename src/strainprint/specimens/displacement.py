"""Displacement of a whole specimen, by superposition: what a camera would see.

Here the fields are summed point by point and dislocation by dislocation, at any points. On a grid
:mod:`strainprint.specimens.rendering` gives the same displacement far faster; this sum is its
oracle.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import Crystal
from strainprint.specimens.material import Material
from strainprint.specimens.pillar import (
    Pillar,
    closed_displacement,
    correction_field,
    make_pillar,
    mean_axial_stress,
    side_traction_modes,
)
from strainprint.specimens.state import State, macroscopic_stress_mpa

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Placed(NamedTuple):
    """Dislocations as the displacement kernels take them: a body, places and strengths."""

    pillar: Pillar
    x: Array
    y: Array
    gamma: Complex
    modes: Array
    """(4 modes,): traction on the sides that all dislocations together leave to the correction."""
    carried: float
    """Section mean of sigma_yy (MPa) that their closed fields carry."""


@lru_cache(maxsize=8)
def _pillar(width_nm: float, height_nm: float, material: Material) -> Pillar:
    return make_pillar(width_nm, height_nm, material)


@compiled
def _left_over(pillar: Pillar, x0: Array, y0: Array, gamma: Complex, modes: Array) -> float:
    """Fill ``modes`` with the summed traction on the sides; return the summed axial stress."""
    one = np.empty(4 * pillar.modes)
    for m in range(len(modes)):
        modes[m] = 0.0
    carried = 0.0
    for j in range(len(x0)):
        side_traction_modes(pillar, x0[j], y0[j], gamma[j], one)
        for m in range(len(modes)):
            modes[m] += one[m]
        carried += mean_axial_stress(pillar, x0[j], gamma[j])
    return carried


def place(crystal: Crystal, material: Material, state: State) -> Placed:
    """Return the state's dislocations with their places in the body."""
    pillar = _pillar(crystal.width_nm, crystal.height_nm, material)
    along = np.exp(1j * crystal.plane_angle[state.plane])
    x = crystal.plane_origin_nm[state.plane, 0] + state.position_nm * along.real
    y = crystal.plane_origin_nm[state.plane, 1] + state.position_nm * along.imag
    gamma = -1j * pillar.strength * state.sign * along
    modes = np.empty(4 * pillar.modes)
    carried = _left_over(pillar, x, y, gamma, modes)
    return Placed(pillar, x, y, gamma, modes, carried)


@compiled
def _superpose(
    pillar: Pillar,
    x: Array,
    y: Array,
    x0: Array,
    y0: Array,
    gamma: Complex,
    sign: NDArray[np.int64],
    modes: Array,
    along: Complex,
    origin: Array,
    offset: Array,
    u: Complex,
) -> None:
    """Fill u = u_x + i u_y (nm): dislocations, side correction and slipped planes.

    Planes with direction ``along`` and ``origin`` (n, 2) are displaced by ``offset`` nm along
    themselves, half of it above and half of it below.
    """
    for i in range(len(x)):
        total = 0j
        for j in range(len(x0)):
            total += closed_displacement(pillar, x[i], y[i], x0[j], y0[j], gamma[j], sign[j])
        if len(x0) > 0:
            _, _, _, c_x, c_y = correction_field(pillar, modes, x[i], y[i])
            total += complex(c_x, c_y)
        for p in range(len(along)):
            c, s = along[p].real, along[p].imag
            above = -(x[i] - origin[p, 0]) * s + (y[i] - origin[p, 1]) * c > 0
            total += (0.5 * offset[p] if above else -0.5 * offset[p]) * along[p]
        u[i] = total


def _summed(
    crystal: Crystal, material: Material, state: State, dislocations: Placed, x: Array, y: Array
) -> Complex:
    """Return u_x + i u_y (nm) without the uniform strain, up to a translation."""
    slipped = np.flatnonzero(state.whole_plane_slip)
    offset = np.asarray(state.whole_plane_slip[slipped] * material.burgers_vector_nm, np.float64)
    u = np.empty(len(x), np.complex128)
    _superpose(
        dislocations.pillar,
        x,
        y,
        dislocations.x,
        dislocations.y,
        dislocations.gamma,
        state.sign,
        dislocations.modes,
        np.exp(1j * crystal.plane_angle[slipped]),
        crystal.plane_origin_nm[slipped],
        offset,
        u,
    )
    return u


def displacement_nm(
    crystal: Crystal,
    material: Material,
    state: State,
    x_nm: ArrayLike,
    y_nm: ArrayLike,
    *,
    axial_stress_mpa: float | None = None,
) -> tuple[Array, Array]:
    """Return (u_x, u_y) in nm at body points, in the shape of ``x_nm``.

    The sum of the dislocations' fields, the side correction, the uniform strain under the mean
    axial stress and the rigid offsets of fully slipped planes. The centre of the bottom platen is
    held, u_y = 0 on the bottom platen. Discontinuous across slipped planes.

    Parameters
    ----------
    x_nm, y_nm
        Points with |x| <= w/2, 0 <= y <= h.
    axial_stress_mpa
        Mean axial stress; by default the exact macroscopic relation of ``state``. Passing 0 gives
        the dislocations' displacement alone, from which the relation can be tested.
    """
    x, y = np.broadcast_arrays(np.asarray(x_nm, float), np.asarray(y_nm, float))
    shape = x.shape
    # the last point is the held one: the centre of the bottom platen
    px, py = np.append(x.ravel(), 0.0), np.append(y.ravel(), 0.0)
    dislocations = place(crystal, material, state)
    u = _summed(crystal, material, state, dislocations, px, py)
    e_x, e_y = uniform_strain(crystal, material, state, dislocations, axial_stress_mpa)
    u += e_x * px + 1j * e_y * py
    return (u.real[:-1] - u.real[-1]).reshape(shape), (u.imag[:-1] - u.imag[-1]).reshape(shape)


def uniform_strain(
    crystal: Crystal,
    material: Material,
    state: State,
    dislocations: Placed,
    axial_stress_mpa: float | None,
) -> tuple[float, float]:
    """Return (e_xx, e_yy) of the uniform stress beside the dislocations' fields.

    The mean axial stress is ``axial_stress_mpa``, by default that of the macroscopic relation.
    """
    if axial_stress_mpa is None:
        axial_stress_mpa = macroscopic_stress_mpa(crystal, material, state)
    e_y = (axial_stress_mpa - dislocations.carried) / material.plane_strain_modulus_mpa
    nu = material.poissons_ratio
    return -nu / (1 - nu) * e_y, e_y


_PLATEN_POINTS = (-0.41, -0.13, 0.17, 0.39)
"""Where the displacement of the platens is evaluated, in widths."""


@compiled
def unstressed_displacement(
    pillar: Pillar,
    cos_theta: Array,
    sin_theta: Array,
    origin_x: Array,
    origin_y: Array,
    plane: NDArray[np.int64],
    position: Array,
    sign: NDArray[np.int64],
    slip: NDArray[np.int64],
) -> float:
    """Return the platen displacement U (nm) at which the summed field has no mean axial stress.

    The displacement of dislocations and slipped planes alone is evaluated on both platens; the
    uniform strain takes away the stress that their closed fields carry.
    """
    n = len(plane)
    x0, y0 = np.empty(n), np.empty(n)
    gamma = np.empty(n, np.complex128)
    for i in range(n):
        p = plane[i]
        x0[i] = origin_x[p] + position[i] * cos_theta[p]
        y0[i] = origin_y[p] + position[i] * sin_theta[p]
        gamma[i] = complex(sin_theta[p], -cos_theta[p]) * (pillar.strength * sign[i])
    modes = np.empty(4 * pillar.modes)
    carried = _left_over(pillar, x0, y0, gamma, modes)
    slipped = np.flatnonzero(slip)
    along = np.empty(len(slipped), np.complex128)
    origin = np.empty((len(slipped), 2))
    offset = np.empty(len(slipped))
    for k in range(len(slipped)):
        p = slipped[k]
        along[k] = complex(cos_theta[p], sin_theta[p])
        origin[k, 0], origin[k, 1] = origin_x[p], origin_y[p]
        offset[k] = slip[p] * pillar.burgers
    points = len(_PLATEN_POINTS)
    x, y = np.empty(2 * points), np.zeros(2 * points)
    for k in range(points):
        x[k] = x[points + k] = 2.0 * pillar.half_width * _PLATEN_POINTS[k]
        y[points + k] = pillar.height
    u = np.empty(2 * points, np.complex128)
    _superpose(pillar, x, y, x0, y0, gamma, sign, modes, along, origin, offset, u)
    moved = 0.0
    for k in range(points):
        moved += (u[points + k].imag - u[k].imag) / points
    return float(moved - carried / pillar.modulus * pillar.height)


def axial_stress_from_superposition_mpa(
    crystal: Crystal, material: Material, state: State
) -> float:
    """Return the axial stress that makes the summed displacement meet the prescribed platens.

    Independent of the macroscopic relation: the displacement of the dislocations alone is
    evaluated on both platens, and the uniform stress that closes the gap to U follows.
    """
    unstressed = unstressed_displacement(
        _pillar(crystal.width_nm, crystal.height_nm, material),
        np.cos(crystal.plane_angle),
        np.sin(crystal.plane_angle),
        np.ascontiguousarray(crystal.plane_origin_nm[:, 0]),
        np.ascontiguousarray(crystal.plane_origin_nm[:, 1]),
        state.plane,
        state.position_nm,
        state.sign,
        state.whole_plane_slip,
    )
    gap = state.platen_displacement_nm - unstressed
    return float(material.plane_strain_modulus_mpa * gap / crystal.height_nm)
