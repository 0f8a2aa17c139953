"""Checks 7, 8 and 9: many dislocations on one plane."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    UP,
    WIDE_NM,
    lay_crystal,
    positions,
    press,
)
from numpy.polynomial import laguerre
from numpy.typing import NDArray

from strainprint.report.figures.style import INK, SERIES_COLOURS
from strainprint.specimens.crystal import BULK
from strainprint.specimens.displacement import displacement_nm
from verification.pairs import LINE_STRENGTH, MIDDLE
from verification.populations import Effort
from verification.record import Check, panels, plain_ticks

LOCK_MPA = 1e6
NU, B = ALUMINIUM.poissons_ratio, ALUMINIUM.burgers_vector_nm


def _pile_up(count: int, shear_mpa: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distances (nm) behind the lock, computed and exact, without the leader."""
    zeros = np.sort(laguerre.lagroots(laguerre.lagder(np.eye(count + 1)[count])).real)
    exact = C_MPA_NM / (2 * shear_mpa) * zeros
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], obstacles=[(0, MIDDLE, LOCK_MPA)])
    start = MIDDLE - np.linspace(1.0, 1.3 * exact[-1], count)
    specimen = press(crystal, *[(0, r, 1) for r in start], shear_mpa=shear_mpa)
    if not specimen.settle():
        raise RuntimeError(f"a pile-up of {count} did not come to rest")
    return np.sort(MIDDLE - positions(specimen))[1:], exact


def pile_up(effort: Effort) -> Check:
    """Compare a pile-up against a lock with the zeros of Laguerre polynomials."""
    shear = 60.0
    figure, (left, right) = panels(2)
    worst = 0.0
    for colour, count in zip(SERIES_COLOURS, (5, 10, 20), strict=False):
        found, exact = _pile_up(count, shear)
        worst = max(worst, float(np.abs(found / exact - 1).max()))
        left.vlines(exact, count - 1.5, count + 1.5, color=INK, lw=0.8)
        left.plot(found, np.full(count - 1, count), "o", ms=3.5, mfc="none", color=colour)
    left.set_xlabel("distance behind the locked leader (nm)")
    left.set_ylabel("dislocations n in the pile-up")
    left.set_yticks([5, 10, 20])
    counts = np.array([2, 3, 5, 8, 12, 20, 30])
    leader = np.array(
        [shear + np.sum(C_MPA_NM / _pile_up(int(count), shear)[0]) for count in counts]
    )
    right.plot(counts, counts * shear, color=INK, lw=0.8, label="nτ")
    right.plot(counts, leader, "o", ms=3, color=SERIES_COLOURS[0], label="computed")
    right.set_xlabel("dislocations n in the pile-up")
    right.set_ylabel("stress on the leader (MPa)")
    right.legend()
    factor = float(np.abs(leader / (counts * shear) - 1).max())
    return Check(
        name="pile_up",
        title="7a. Pile-up against a lock",
        what=(
            "Dislocations of one sign under τ = 60 MPa against a lock. Left: rest positions "
            "(circles) and the closed form (bars). Right: the stress on the leader, summed from "
            "the positions of the others."
        ),
        closed_form="positions −(C/2τ) × zeros of L′ₙ (Laguerre); leader stress nτ",
        source="Eshelby, Frank & Nabarro, Phil. Mag. 42 (1951) 351",
        found=f"positions within {worst:.1e}; leader stress within {factor:.1e}",
        tolerance="2e-3; 2e-3",
        passed=worst < 2e-3 and factor < 2e-3,
        figure=figure,
        alternative="Positions on the zeros, leader stress on the line n tau.",
    )


def between_locks(distance_nm: float, strength_mpa: float, shear_mpa: float):  # type: ignore[no-untyped-def]
    """Return a specimen at rest with a source amid two locks, and X of its dislocations, sorted."""
    crystal = lay_crystal(
        WIDE_NM,
        [(UP, 0.0)],
        [(0, MIDDLE, strength_mpa, BULK)],
        [(0, MIDDLE + at, LOCK_MPA) for at in (-distance_nm / 2, distance_nm / 2)],
    )
    specimen = press(
        crystal, shear_mpa=shear_mpa, source_hardening=0.0, hold_time_ns=1e6, hold_steps=10**6
    )
    if not specimen.settle():
        raise RuntimeError(f"a source between locks {distance_nm} nm apart did not come to rest")
    return specimen, np.sort(positions(specimen) - MIDDLE)


def double_ended(effort: Effort) -> Check:
    """Count the dipoles that a weak source fills the room between two locks with."""
    figure, (axes,) = panels()
    worst = 0.0
    for colour, distance in zip(SERIES_COLOURS, (1000.0, 1500.0, 2000.0), strict=False):
        shear = np.array([40.0, 55.0, 70.0, 85.0, 100.0])
        found = [len(between_locks(distance, 10.0, s)[1]) / 2 for s in shear]
        exact = (1 - NU) * distance * shear / LINE_STRENGTH
        axes.plot(shear, exact, color=colour, lw=0.8)
        axes.plot(shear, found, "o", ms=3, color=colour, label=f"L = {distance:.0f} nm")
        worst = max(worst, float(np.abs(found - exact).max()))
    axes.set_xlabel("shear stress τ (MPa)")
    axes.set_ylabel("dipoles N between the locks")
    axes.legend()
    return Check(
        name="double_ended",
        title="7b. Double-ended pile-up",
        what=(
            "A source of 10 MPa amid two locks at a distance L emits until its own dislocations "
            "hold it. Points: dipoles emitted; lines: closed form, that of a continuum. The last "
            "dipole may come to stay, or fall back and leave its source hindered."
        ),
        closed_form="N = (1−ν)Lτ/(µb)",
        source="Hirth & Lothe, 21-3; continuum limit",
        found=f"within {worst:.2f} dipoles everywhere",
        tolerance="1.1 dipoles, since N is whole and the last one may stay or fall back",
        passed=worst <= 1.1,
        figure=figure,
        alternative="Number of dipoles against stress, on straight lines for three distances.",
    )


def source_between_locks(effort: Effort) -> Check:
    """Bisect for the stress at which a blocked source emits its second dipole."""
    strength = 60.0
    distances = np.array([300.0, 500.0, 800.0, 1300.0, 2000.0])
    back = 2 * LINE_STRENGTH / (pi * (1 - NU) * distances)
    found = []
    for distance, rise in zip(distances, back, strict=True):
        low, high = strength + 0.5 * rise, strength + 1.5 * rise
        while high - low > 2e-3 * rise:
            middle = (low + high) / 2
            if len(between_locks(distance, strength, middle)[1]) > 2:
                high = middle
            else:
                low = middle
        found.append((low + high) / 2 - strength)
    error = float(np.abs(np.array(found) / back - 1).max())
    figure, (axes,) = panels()
    axes.loglog(distances, back, color=INK, lw=0.8, label="2µb / (π(1−ν)L)")
    axes.loglog(distances, found, "o", ms=3, color=SERIES_COLOURS[0], label="computed")
    axes.set_xlabel("distance L between the locks (nm)")
    axes.set_ylabel("rise of the emission stress (MPa)")
    plain_ticks(axes.xaxis, [300, 500, 1000, 2000])
    plain_ticks(axes.yaxis, [3, 5, 10, 20])
    axes.legend()
    return Check(
        name="source_between_locks",
        title="8. Source between two locks",
        what=(
            "The first dipole of a source of 60 MPa stands at two locks and pushes back. By "
            "bisection of whole relaxations: the stress at which a second dipole comes and stays."
        ),
        closed_form="τ_nuc + 2µb/(π(1−ν)L)",
        source="stress of two dislocations at ±L/2",
        found=f"the rise within {100 * error:.1f} %",
        tolerance="3 % (the closed form takes the back stress at the source only)",
        passed=error < 0.03,
        figure=figure,
        alternative="Rise of the emission stress against the distance, on the closed form.",
    )


def slip_band(effort: Effort) -> Check:
    """Compare the slip between two locks with a shear crack."""
    distance, shear = 2000.0, 100.0
    specimen, x = between_locks(distance, 10.0, shear)
    s, n = np.array([cos(UP), sin(UP)]), np.array([-sin(UP), cos(UP)])
    gaps = (x[:-1] + x[1:]) / 2
    origin = specimen.crystal.plane_origin_nm[0]
    above, below = (
        np.array(
            displacement_nm(
                specimen.crystal,
                ALUMINIUM,
                specimen.state,
                *(origin + np.outer(MIDDLE + gaps, s) + side * 1e-3 * n).T,
            )
        ).T
        @ s
        for side in (1, -1)
    )
    half = distance / 2

    def crack(at: NDArray[np.float64]) -> NDArray[np.float64]:
        stiffness = ALUMINIUM.shear_modulus_mpa / (2 * (1 - NU))
        return np.asarray(shear / stiffness * np.sqrt(half**2 - at**2))

    error = float(np.abs(above - below - crack(gaps)).max() / B)
    figure, (axes,) = panels()
    line = np.linspace(-half, half, 400)
    axes.plot(line, crack(line), color=INK, lw=0.8, label="crack")
    axes.plot(gaps, above - below, "o", ms=3, color=SERIES_COLOURS[0], label="computed")
    axes.set_xlabel("place on the slip plane (nm)")
    axes.set_ylabel("slip (nm)")
    axes.legend(loc="lower center")
    return Check(
        name="slip_band",
        title="9. Slip band as a crack",
        what=(
            "The jump of the displacement across the plane of a weak source between two locks "
            "2000 nm apart under 100 MPa, midway between its dislocations."
        ),
        closed_form="δ(x) = 2(1−ν)(τ/µ)√(a²−x²)",
        source="shear crack of half length a; Hirth & Lothe, 21-3",
        found=f"within {error:.2f} b everywhere, of {crack(np.zeros(1))[0] / B:.1f} b",
        tolerance="1 b, the height of a step",
        passed=error < 1,
        figure=figure,
        alternative="Slip along the plane, on the half ellipse of a crack.",
    )
