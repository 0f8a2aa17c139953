"""Checks 2 and 3: two dislocations, and the smallest dipole that a source can make."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    UP,
    WIDE_NM,
    body_field,
    lay_crystal,
    parallel_planes,
    positions,
    press,
    shift,
)

from strainprint.report.figures.style import INK, MUTED, SERIES_COLOURS
from strainprint.specimens import dynamics
from strainprint.specimens.pillar import make_pillar
from strainprint.specimens.rules import DynamicsSettings
from verification.populations import Effort
from verification.record import Check, panels, plain_ticks

MIDDLE = WIDE_NM
GAP_NM = 20.0


def _neighbours(x: float, sign: int, **settings: float):  # type: ignore[no-untyped-def]
    """Press a positive dislocation with one of this sign at X = x on the plane above."""
    return press(
        parallel_planes(WIDE_NM, GAP_NM),
        (0, MIDDLE, 1),
        (1, MIDDLE + shift(GAP_NM) + x, sign),
        **settings,
    )


def _separation(specimen) -> float:  # type: ignore[no-untyped-def]
    first, second = positions(specimen)
    return float(second - shift(GAP_NM) - first)


def _resolved(x: float, y: float) -> float:
    """Return the shear stress at (X, Y) from a positive dislocation amid a wide body."""
    body = make_pillar(WIDE_NM, 4 * WIDE_NM, ALUMINIUM)
    s, n = np.array([np.cos(UP), np.sin(UP)]), np.array([-np.sin(UP), np.cos(UP)])
    centre = np.array([0.0, body.height / 2])
    xx, yy, xy, _, _ = body_field(body, [(*centre, UP, 1)], *(centre + x * s + y * n))
    return float(s @ np.array([[xx, xy], [xy, yy]]) @ n)


def _breaking_stress() -> float:
    """Bisect for the shear stress (MPa) at which a dipole on parallel planes breaks."""
    low, high = 0.9 * C_MPA_NM / (4 * GAP_NM), 1.1 * C_MPA_NM / (4 * GAP_NM)
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        specimen = _neighbours(-GAP_NM, -1, shear_mpa=middle, hold_steps=2000)
        if specimen.settle():
            low = middle
        else:
            high = middle
    return float((low + high) / 2)


def pair_force(effort: Effort) -> Check:
    """Compare pair stress, rest positions and the passing stress."""
    x = np.linspace(-6, 6, 97)
    exact = x * (x**2 - 1) / (x**2 + 1) ** 2
    found = np.array([_resolved(at * GAP_NM, GAP_NM) for at in x]) * GAP_NM / C_MPA_NM
    error = float(np.abs(found - exact).max() / 0.25)
    figure, (axes,) = panels()
    axes.plot(x, exact, color=INK, lw=0.8, label="closed form")
    axes.plot(x[::3], found[::3], "o", ms=3, color=SERIES_COLOURS[0], label="computed")
    rest: dict[int, list[float]] = {1: [], -1: []}
    for sign, starts in ((-1, (9.0, -12.0, 35.0)), (1, (15.0, -8.0))):
        for start in starts:
            specimen = _neighbours(start, sign)
            specimen.settle()
            rest[sign].append(_separation(specimen) / GAP_NM)
    axes.plot(rest[-1], np.zeros(3), "s", ms=5, mfc="none", color=SERIES_COLOURS[1],
              label="rest, opposite signs")  # fmt: skip
    axes.plot(rest[1], np.zeros(2), "D", ms=5, mfc="none", color=SERIES_COLOURS[2],
              label="rest, equal signs")  # fmt: skip
    axes.axvline(1 + sqrt(2), color=MUTED, lw=0.6, ls=":")
    axes.set_ylim(-0.3, 0.55)
    axes.set_xlabel("x / h")
    axes.set_ylabel("pair stress / (C/h)")
    axes.legend(ncols=2, loc="upper center")
    at_rest = max(
        max(abs(abs(value) - 1) for value in rest[-1]), max(abs(value) for value in rest[1])
    )
    broken = _breaking_stress() / (C_MPA_NM / (4 * GAP_NM))
    return Check(
        name="pair_force",
        title="2. Two dislocations on parallel planes",
        what=(
            "The shear stress between two dislocations on planes h = 20 nm apart against their "
            "offset x; where pairs let go at several offsets come to rest; and the applied shear "
            "stress at which a dipole breaks, by bisection of whole relaxations. Dotted: "
            "x/h = 1+√2."
        ),
        closed_form=(
            "f = (µb²/(2π(1−ν))) x(x²−h²)/(x²+h²)²; rest at x = ±h (opposite) and 0 (equal signs); "
            "passing stress µb/(8π(1−ν)h) at x/h = 1+√2"
        ),
        source="Hirth & Lothe, 5-3 and 21-5",
        found=(
            f"force within {error:.1e} of its peak; rest positions within {at_rest:.1e} h; dipole "
            f"breaks at {broken:.4f} of the passing stress"
        ),
        tolerance="1e-4; 2e-3 h; 1 %",
        passed=error < 1e-4 and at_rest < 2e-3 and abs(broken - 1) < 0.01,
        figure=figure,
        alternative="Pair stress against offset on the closed form, with the rest positions.",
    )


def _critical_stress(separation_nm: float) -> float:
    """Bisect for the shear stress (MPa) above which a dipole of this length expands."""
    low, high = 0.8 * C_MPA_NM / separation_nm, 1.2 * C_MPA_NM / separation_nm
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)])
    ends = [(0, MIDDLE - separation_nm / 2, -1), (0, MIDDLE + separation_nm / 2, 1)]
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        specimen = press(crystal, *ends, shear_mpa=middle, hold_steps=2000)
        specimen.settle()
        if len(positions(specimen)) == 0:
            low = middle
        else:
            high = middle
    return float((low + high) / 2)


def collapse_time_ns(start_nm: float, largest_glide_nm: float) -> float:
    """Return how long opposite dislocations on one plane take to meet."""
    specimen = press(
        lay_crystal(WIDE_NM, [(UP, 0.0)]),
        (0, MIDDLE, 1),
        (0, MIDDLE + start_nm, -1),
        largest_glide_nm=largest_glide_nm,
        free_glide_nm=largest_glide_nm,
    )
    tau = np.zeros(len(specimen.population.charge) + len(specimen.population.plane))
    why, time_ns, _ = dynamics.settle(
        specimen.lattice,
        specimen.pillar,
        specimen.rules,
        specimen.population,
        specimen.platen,
        False,
        tau,
    )
    if why != dynamics.SETTLED or len(positions(specimen)):
        raise RuntimeError(f"a pair {start_nm} nm apart did not annihilate")
    return float(time_ns)


def exact_collapse_ns(start_nm: float) -> float:
    """Return x0^2 B / (4 C b), less the rest of the way that annihilation saves."""
    saved = DynamicsSettings().annihilation_distance_nm
    b = ALUMINIUM.burgers_vector_nm
    return float((start_nm**2 - saved**2) * ALUMINIUM.drag_pa_s / (4 * C_MPA_NM * b) * 1e3)


def nucleation(effort: Effort) -> Check:
    """Compare the smallest stable dipole and the collapse time of a pair."""
    lengths = np.geomspace(10, 200, 9)
    critical = np.array([_critical_stress(length) for length in lengths])
    starts = np.array([5.0, 10.0, 20.0, 40.0, 80.0])
    times = np.array([collapse_time_ns(start, 0.02) for start in starts])
    exact = np.array([exact_collapse_ns(start) for start in starts])
    figure, (left, right) = panels(2)
    left.loglog(lengths, C_MPA_NM / lengths, color=INK, lw=0.8, label="C / L")
    left.loglog(lengths, critical, "o", ms=3, color=SERIES_COLOURS[0], label="expands above")
    left.set_xlabel("length L of the new dipole (nm)")
    left.set_ylabel("shear stress (MPa)")
    left.legend()
    right.loglog(starts, exact, color=INK, lw=0.8, label="closed form")
    right.loglog(starts, times, "o", ms=3, color=SERIES_COLOURS[0], label="computed")
    right.set_xlabel("first distance x₀ (nm)")
    right.set_ylabel("time to annihilate (ns)")
    plain_ticks(left.xaxis, [10, 20, 50, 100, 200])
    plain_ticks(left.yaxis, [10, 20, 50, 100])
    plain_ticks(right.xaxis, [5, 10, 20, 40, 80])
    right.legend()
    stress_error = float(np.abs(critical * lengths / C_MPA_NM - 1).max())
    time_error = float(np.abs(times / exact - 1).max())
    return Check(
        name="nucleation",
        title="3. Nucleation length, and collapse of a pair",
        what=(
            "Left: the shear stress above which a dipole of length L expands and below which it "
            "collapses, by bisection. Right: how long an opposite pair takes to annihilate when "
            "it is let go (at steps of 0.02 nm; the closed form less the last 1.5 nm, within "
            "which pairs annihilate at once)."
        ),
        closed_form="τ_nuc = µb/(2π(1−ν)L_nuc); collapse time x₀²B/(4Cb)",
        source="partner's stress at L_nuc; integral of linear drag",
        found=f"stress within {stress_error:.1e}; time within {time_error:.1e}",
        tolerance="1 %; 1 %",
        passed=stress_error < 0.01 and time_error < 0.01,
        figure=figure,
        alternative="Critical stress and collapse time on their closed forms.",
    )


LINE_STRENGTH = 2 * pi * (1 - ALUMINIUM.poissons_ratio) * C_MPA_NM
"""mu b in MPa nm."""
