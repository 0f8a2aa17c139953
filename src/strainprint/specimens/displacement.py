"""Displacement of a whole specimen, by superposition: what a camera would see."""

from __future__ import annotations

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


@compiled
def _dislocation_displacement(
    pillar: Pillar,
    x: Array,
    y: Array,
    x0: Array,
    y0: Array,
    gamma: NDArray[np.complex128],
    sign: NDArray[np.int64],
    modes: Array,
    u_x: Array,
    u_y: Array,
) -> None:
    """Add the fields of all dislocations and of the side correction to u_x, u_y (nm)."""
    for i in range(len(x)):
        total = 0j
        for j in range(len(x0)):
            total += closed_displacement(pillar, x[i], y[i], x0[j], y0[j], gamma[j], sign[j])
        _, _, _, c_x, c_y = correction_field(pillar, modes, x[i], y[i])
        u_x[i] += total.real + c_x
        u_y[i] += total.imag + c_y


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
    pillar = make_pillar(crystal.width_nm, crystal.height_nm, material)
    angle = crystal.plane_angle[state.plane]
    x0 = crystal.plane_origin_nm[state.plane, 0] + state.position_nm * np.cos(angle)
    y0 = crystal.plane_origin_nm[state.plane, 1] + state.position_nm * np.sin(angle)
    gamma = -1j * pillar.strength * state.sign * np.exp(1j * angle)
    modes = np.zeros(4 * pillar.modes)
    one = np.empty(4 * pillar.modes)
    carried = 0.0
    for j in range(len(x0)):
        side_traction_modes(pillar, x0[j], y0[j], gamma[j], one)
        modes += one
        carried += mean_axial_stress(pillar, x0[j], gamma[j])
    u_x, u_y = np.zeros(px.shape), np.zeros(px.shape)
    _dislocation_displacement(pillar, px, py, x0, y0, gamma, state.sign, modes, u_x, u_y)

    if axial_stress_mpa is None:
        axial_stress_mpa = macroscopic_stress_mpa(crystal, material, state)
    uniform = (axial_stress_mpa - carried) / pillar.modulus
    nu = material.poissons_ratio
    u_x -= nu / (1 - nu) * uniform * px
    u_y += uniform * py
    for plane in np.flatnonzero(state.whole_plane_slip):
        c, s = np.cos(crystal.plane_angle[plane]), np.sin(crystal.plane_angle[plane])
        ox, oy = crystal.plane_origin_nm[plane]
        above = np.where(-(px - ox) * s + (py - oy) * c > 0, 0.5, -0.5)
        offset = state.whole_plane_slip[plane] * material.burgers_vector_nm * above
        u_x += offset * c
        u_y += offset * s
    return (u_x[:-1] - u_x[-1]).reshape(shape), (u_y[:-1] - u_y[-1]).reshape(shape)


def axial_stress_from_superposition_mpa(
    crystal: Crystal, material: Material, state: State
) -> float:
    """Return the axial stress that makes the summed displacement meet the prescribed platens.

    Independent of the macroscopic relation: the displacement of the dislocations alone is
    evaluated on both platens, and the uniform stress that closes the gap to U follows.
    """
    x = crystal.width_nm * np.array([-0.41, -0.13, 0.17, 0.39])
    _, top = displacement_nm(crystal, material, state, x, crystal.height_nm, axial_stress_mpa=0.0)
    _, bottom = displacement_nm(crystal, material, state, x, 0.0, axial_stress_mpa=0.0)
    gap = state.platen_displacement_nm - (top - bottom)
    return float(material.plane_strain_modulus_mpa * gap.mean() / crystal.height_nm)
