"""A moment in a specimen's life: where its dislocations are and how far its planes have slipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.crystal import Crystal
from strainprint.specimens.material import Material


@dataclass(frozen=True)
class State:
    """Dislocations of one crystal at one moment.

    Attributes
    ----------
    plane, position_nm, sign
        Slip plane, distance r from its origin and sign (+1, -1) of every dislocation, (n,).
    whole_plane_slip
        N_p: Burgers vectors of uniform slip of every plane, (planes,).
    platen_displacement_nm
        U, the y displacement of the top platen, negative in compression.
    """

    plane: NDArray[np.int64]
    position_nm: NDArray[np.float64]
    sign: NDArray[np.int64]
    whole_plane_slip: NDArray[np.int64]
    platen_displacement_nm: float


def plastic_strain(crystal: Crystal, material: Material, state: State) -> float:
    """Return eps_p = (b / (w h)) sum_p s_y n_y (N_p L + sum_d beta_d r_d)."""
    schmid = np.sin(crystal.plane_angle) * np.cos(crystal.plane_angle)
    slipped = np.zeros(len(schmid))
    np.add.at(slipped, state.plane, state.sign * state.position_nm)
    slipped += state.whole_plane_slip * crystal.plane_length_nm
    area = crystal.width_nm * crystal.height_nm
    return float(material.burgers_vector_nm / area * np.sum(schmid * slipped))


def macroscopic_stress_mpa(crystal: Crystal, material: Material, state: State) -> float:
    """Return the exact mean axial stress sigma = E' (U / h - eps_p), tension positive."""
    strain = state.platen_displacement_nm / crystal.height_nm
    return material.plane_strain_modulus_mpa * (strain - plastic_strain(crystal, material, state))


def plane_slip(crystal: Crystal, state: State, plane: int, position_nm: float) -> float:
    """Return the slip delta_p(r) / b = N_p + sum_d beta_d H(r_d - r); at an end, the step there."""
    on_plane = state.plane == plane
    beyond = state.position_nm[on_plane] > position_nm
    return float(state.whole_plane_slip[plane] + state.sign[on_plane][beyond].sum())
