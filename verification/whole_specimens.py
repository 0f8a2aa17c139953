"""Checks 5 and 6: the exact stress of a whole specimen, and one dipole that leaves it."""

from __future__ import annotations

from math import cos, radians

import numpy as np
from hand_built_crystals import ALUMINIUM, SCHMID, UP, lay_crystal, positions, press

from strainprint.report.figures.style import INK, SERIES_COLOURS
from strainprint.specimens.displacement import axial_stress_from_superposition_mpa
from strainprint.specimens.state import macroscopic_stress_mpa
from verification.populations import Effort, drawn_crystal, specimen_of
from verification.record import Check, panels

MODULUS_MPA = ALUMINIUM.plane_strain_modulus_mpa


def macroscopic_relation(effort: Effort) -> Check:
    """Compare the exact macroscopic relation with the full superposition at every point."""
    figure, (axes,) = panels()
    worst, points = 0.0, 0
    for colour, width in zip(SERIES_COLOURS, (62.5, 125.0, 250.0), strict=False):
        specimen = specimen_of(drawn_crystal(width, 0))
        strains: list[float] = []
        errors: list[float] = []

        def keep(strain: float, specimen=specimen, strains=strains, errors=errors) -> None:  # type: ignore[no-untyped-def]
            state = specimen.state
            exact = macroscopic_stress_mpa(specimen.crystal, ALUMINIUM, state)
            summed = axial_stress_from_superposition_mpa(specimen.crystal, ALUMINIUM, state)
            strains.append(100 * strain)
            errors.append(abs(summed - exact) / max(abs(exact), 1.0))

        specimen.load(0.005 if width > 200 else 0.01, sense=-1, keep=keep)
        # rounding below the last digit shows as the last digit
        axes.semilogy(strains, np.maximum(errors, 1e-16), ".", ms=3, color=colour,
                      label=f"{width:g} nm")  # fmt: skip
        worst, points = max(worst, *errors), points + len(errors)
    axes.axhline(1e-6, color=INK, lw=0.8, ls="--")
    axes.set_xlabel("strain (%)")
    axes.set_ylabel("relative difference of the stress")
    axes.set_ylim(3e-17, 1e-4)
    axes.legend(ncols=3, loc="upper center")
    empty = press(lay_crystal(125.0, [(UP, 0.0)])).load(0.01, sense=-1)
    modulus = float(empty.stress_mpa[-1] / empty.strain[-1] / 1e3)
    return Check(
        name="macroscopic_relation",
        title="5. Macroscopic stress",
        what=(
            "The stress from the macroscopic relation against the stress that makes the summed "
            "displacement field meet the platens, at every recorded point of three compressions. "
            "Every run of the simulator makes this comparison and stops where it fails."
        ),
        closed_form=f"σ = E′(U/h − ε_p); elastic modulus E′ = {MODULUS_MPA / 1e3:.2f} GPa",
        source="reciprocity; frictionless platens, free sides",
        found=(
            f"largest relative difference {worst:.1e} over {points} points; modulus "
            f"{modulus:.2f} GPa"
        ),
        tolerance="1e-6; 1e-5",
        passed=worst < 1e-6 and abs(modulus * 1e3 / MODULUS_MPA - 1) < 1e-5,
        figure=figure,
        alternative="Relative difference against strain, below 1e-6 for three widths.",
    )


def one_dipole(effort: Effort) -> Check:
    """Follow one dipole out of a held pillar."""
    width, height = 125.0, 500.0
    b = ALUMINIUM.burgers_vector_nm
    crystal = lay_crystal(width, [(UP, 0.0)])
    specimen = press(crystal, (0, 105.0, -1), (0, 145.0, 1), shear_mpa=100.0, hold_steps=1)
    slipped, stress = [], []
    settled = False
    while not settled:
        state = specimen.state
        whole = state.whole_plane_slip[0] * crystal.plane_length_nm
        slipped.append(float(whole + np.sum(state.sign * state.position_nm)))
        stress.append(specimen.stress_mpa)
        settled = specimen.settle()
    slipped.append(float(specimen.state.whole_plane_slip[0] * crystal.plane_length_nm))
    stress.append(specimen.stress_mpa)
    applied = 100.0 / SCHMID
    drop = MODULUS_MPA * 2 * b * SCHMID / height
    exact = applied - MODULUS_MPA * b * SCHMID / (width * height) * np.array(slipped)
    left = len(positions(specimen)) == 0
    error = float(np.abs(np.array(stress) - exact).max() / drop)
    free = press(crystal, (0, 2.0, -1), (0, 248.0, 1), shear_mpa=100.0)
    free.settle()
    free.settle(hold_stress=True)
    rise = float(free.state.platen_displacement_nm)
    rise_error = abs(rise / (b * cos(radians(30))) - 1)
    figure, (axes,) = panels()
    axes.plot(slipped, exact, color=INK, lw=0.8, label="closed form")
    # every tenth step and the last
    shown = sorted({*range(0, len(slipped), 10), len(slipped) - 1})
    axes.plot(np.array(slipped)[shown], np.array(stress)[shown], "o", ms=3, mfc="none",
              color=SERIES_COLOURS[0], label="computed")  # fmt: skip
    axes.axhline(applied - drop, color=INK, lw=0.6, ls=":")
    axes.set_xlabel("slipped length of the plane (nm)")
    axes.set_ylabel("axial stress (MPa)")
    axes.legend()
    return Check(
        name="one_dipole",
        title="6. One dipole leaves",
        what=(
            "A dipole amid a pillar of 125 × 500 nm runs out of both sides while the platen is "
            "held: axial stress against the slipped length. Dotted: the closed form after both "
            "have left. Then the load is taken off and the platen follows."
        ),
        closed_form=(
            f"stress drop E′·2b·0.433/h = {drop:.2f} MPa; the top moves by b cos 30° = "
            f"{b * cos(radians(30)):.4f} nm"
        ),
        source="geometry of one slip step",
        found=(
            f"drop {stress[0] + (slipped[0] * drop / 250) - stress[-1]:.2f} MPa, path within "
            f"{error:.1e}; top moves by {rise:.4f} nm"
        ),
        tolerance="1e-9; 1e-9",
        passed=left and error < 1e-9 and rise_error < 1e-9,
        figure=figure,
        alternative="Stress falls linearly with the slipped length, to the closed form.",
    )
