"""Checks 1 and 4: fields of one dislocation, its image, and what the side correction leaves."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    DOWN,
    UP,
    WIDE_NM,
    body_field,
    burgers_circuit,
    strength_of,
    stress_by_hooke,
)
from numpy.typing import NDArray

from strainprint.report.figures.style import INK, SERIES_COLOURS
from strainprint.seeds import generator
from strainprint.specimens.fields import edge_displacement_nm, edge_stress_mpa
from strainprint.specimens.pillar import MODES, Pillar, correction_field, image_stress, make_pillar
from verification.populations import Effort
from verification.record import Check, panels

WIDTH_NM, HEIGHT_NM = 125.0, 500.0


def hooke_and_burgers(effort: Effort) -> Check:
    """Differentiate the displacement and compare with the stress; close circuits around b."""
    rng = generator(0, "verification", "hooke")
    body = make_pillar(WIDTH_NM, HEIGHT_NM, ALUMINIUM)
    figure, (axes,) = panels()
    worst = 0.0
    distance, error = [], []
    for x, y in rng.uniform(-60, 60, (60, 2)):
        r = float(np.hypot(x, y))
        found = stress_by_hooke(
            lambda x, y: edge_displacement_nm(x, y, 1, ALUMINIUM), x, y, 1e-3 * r
        )
        exact = np.array(edge_stress_mpa(x, y, 1, ALUMINIUM))
        distance.append(r)
        error.append(float(np.abs(found - exact).max() / np.abs(exact).max()))
    axes.loglog(distance, error, "o", ms=3, color=SERIES_COLOURS[0], label="infinite medium")
    worst = max(error)
    distance, error = [], []
    for x0, y0, angle, sign in [(20.0, 230.0, UP, 1), (-45.0, 300.0, DOWN, 1), (61, 190, DOWN, -1)]:
        for x, y in np.column_stack([rng.uniform(-60, 60, 25), rng.uniform(5, 495, 25)]):
            r = float(np.hypot(x - x0, y - y0))
            if r < 5:
                continue
            exact = body_field(body, [(x0, y0, angle, sign)], x, y)[:3]
            found = stress_by_hooke(
                lambda x, y, at=(x0, y0, angle, sign): body_field(body, [at], x, y)[3:], x, y, 0.02
            )
            distance.append(r)
            error.append(float(np.abs(found - exact).max() / (C_MPA_NM / r)))
    axes.loglog(distance, error, "s", ms=3, color=SERIES_COLOURS[1], label="pillar of 125 nm")
    worst = max(worst, *error)
    axes.axhline(1e-6, color=INK, lw=0.8, ls="--", label="tolerance")
    axes.set_xlabel("distance from the dislocation (nm)")
    axes.set_ylabel("relative error of the stress")
    axes.legend()
    circuit = 0.0
    for angle in np.radians([0, 30, 60, 90, 120, 165, -60, -120]):
        for x0, radius in [(15.0, 30.0), (-58.0, 3.0)]:
            closed = burgers_circuit(
                lambda x, y, at=(x0, 240.0, angle, 1): body_field(body, [at], x, y)[3:],
                *(x0, 240.0, radius),
                cut_angle=angle + pi,
            )
            b = ALUMINIUM.burgers_vector_nm * np.array([cos(angle), sin(angle)])
            circuit = max(circuit, float(np.abs(closed - b).max()))
    return Check(
        name="hooke",
        title="1. Displacement and stress agree",
        what=(
            "Strains from central differences of the displacement, through Hooke's law in plane "
            "strain, against the stress that the code computes: a dislocation in an infinite "
            "medium, and three in a pillar of 125 nm with all their images and the side "
            "correction. Circuits of the displacement around dislocations of eight directions."
        ),
        closed_form="σ = Hooke(∇u); ∮du = b",
        source="definition",
        found=f"largest relative error {worst:.1e}; circuits close to {circuit:.1e} nm",
        tolerance="1e-6; 1e-6 nm",
        passed=worst < 1e-6 and circuit < 1e-6,
        figure=figure,
        alternative="Relative error of the stress against distance, all points below 1e-6.",
    )


def image_force(effort: Effort) -> Check:
    """Compare the pull of a free side with that of the half-plane."""
    distance = np.geomspace(0.5, 500, 25)
    body = make_pillar(WIDE_NM, 4 * WIDE_NM, ALUMINIUM)
    narrow = make_pillar(WIDTH_NM, HEIGHT_NM, ALUMINIUM)
    figure, (axes,) = panels()
    axes.loglog(distance, C_MPA_NM / (2 * distance), color=INK, lw=0.8, label="C / 2d")
    found = np.array(
        [image_stress(body, body.half_width - d * cos(UP), body.height / 2, UP) for d in distance]
    )
    axes.loglog(distance, found, "o", ms=3, color=SERIES_COLOURS[0], label="wide body")
    inside = distance[distance * cos(UP) < 60]
    pillar = [
        image_stress(narrow, narrow.half_width - d * cos(UP), HEIGHT_NM / 2, UP) for d in inside
    ]
    axes.loglog(inside, pillar, "s", ms=3, mfc="none", color=SERIES_COLOURS[1], label="125 nm")
    axes.set_xlabel("distance d to the side, along the slip plane (nm)")
    axes.set_ylabel("image stress (MPa)")
    axes.legend()
    near = distance <= 200  # further out the wide body's other side begins to count
    error = float(np.abs(found * 2 * distance / C_MPA_NM - 1)[near].max())
    return Check(
        name="image_force",
        title="4a. Image force of a free side",
        what=(
            "The resolved shear stress of a dislocation's own images on it, 0.5 to 500 nm from a "
            "side. In a pillar of 125 nm the other side pulls back, so that the stress vanishes "
            "in the middle."
        ),
        closed_form="µb²/(4π(1−ν)d) for every direction of b, i.e. C/(2d) along a slip plane",
        source="Hirth & Lothe, 5-7",
        found=f"largest relative error {error:.1e} up to 200 nm",
        tolerance="1e-3",
        passed=error < 1e-3,
        figure=figure,
        alternative="Image stress against distance on the line C/2d.",
    )


def _free_field(
    body: Pillar, x: float, y: NDArray[np.float64], x0: float, y0: float, angle: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (sigma_xx, sigma_xy) of a dislocation and its platen mirrors, without any image in a
    side: the sums over period 2h of the textbook field (docstring of the pillar module)."""
    total = np.zeros(len(y), complex)
    trace = np.zeros(len(y))
    for gamma, source in (
        (strength_of(body, angle), complex(x0, y0)),
        (strength_of(body, angle).conjugate(), complex(x0, -y0)),
    ):
        zeta = x + 1j * y - source
        s1 = body.wave / np.tanh(body.wave * zeta)
        s2 = s1**2 - body.wave**2
        trace += 4 * (gamma * s1).real
        total += 2 * (2 * gamma.real * s1 - 2 * gamma * zeta.real * s2)
    return (trace - total.real) / 2, total.imag / 2


def _largest_traction(body: Pillar, distance: float, with_image: bool) -> float:
    """Return the largest traction (MPa) left on the sides by one dislocation this far from one."""
    x0, y0 = body.half_width - distance, HEIGHT_NM / 2
    points = max(4096, 32 * body.modes)
    y = (np.arange(points) + 0.5) * HEIGHT_NM / points
    shown = np.concatenate([np.linspace(0, HEIGHT_NM, 101), y0 + distance * np.linspace(-3, 3, 61)])
    sides = (body.half_width, -body.half_width)
    if with_image:
        field = [body_field(body, [(x0, y0, UP, 1)], side, at) for side in sides for at in shown]
        return max(float(np.hypot(f[0], f[2])) for f in field)
    k = np.arange(1, body.modes + 1)[:, None] * pi / HEIGHT_NM
    modes = np.zeros((4, body.modes))
    for row, side in enumerate(sides):
        xx, xy = _free_field(body, side, y, x0, y0, UP)
        modes[row] = 2 / points * (np.cos(k * y) @ xx)
        modes[2 + row] = 2 / points * (np.sin(k * y) @ xy)
    worst = 0.0
    for side in sides:
        xx, xy = _free_field(body, side, shown, x0, y0, UP)
        rest = np.array([correction_field(body, modes.ravel(), side, at) for at in shown])
        # the mean traction of one side is what the other side carries back: no mode holds it
        uniform = _free_field(body, side, y, x0, y0, UP)[0].mean()
        worst = max(worst, float(np.hypot(xx - uniform + rest[:, 0], xy + rest[:, 2]).max()))
    return worst


def side_traction(effort: Effort) -> Check:
    """Show what traction stays on the sides, with and without the half-plane image."""
    scale = C_MPA_NM / WIDTH_NM
    counts = np.array([4, 8, 16, 24, 32, 48, 64, 96, 128])
    figure, (left, right) = panels(2)
    slopes = []
    for colour, distance in zip(SERIES_COLOURS, (62.4, 20.0, 5.0), strict=False):
        for with_image, style in ((True, "o-"), (False, "s--")):
            rest = [
                _largest_traction(
                    make_pillar(WIDTH_NM, HEIGHT_NM, ALUMINIUM, int(n)), distance, with_image
                )
                / scale
                for n in counts
            ]
            label = f"{distance:.0f} nm, {'with' if with_image else 'without'} image"
            mfc = colour if with_image else "none"
            left.semilogy(counts, rest, style, ms=3, mfc=mfc, color=colour, label=label)
            if with_image and distance > 60:
                fitted = counts <= 48
                slopes.append(
                    np.polyfit(counts[fitted], np.log(np.array(rest)[fitted] / counts[fitted]), 1)[
                        0
                    ]
                )
    left.set_xlabel("Fourier modes")
    left.set_ylabel("largest side traction / (C/w)")
    left.set_ylim(1e-15, 1e10)
    left.legend(ncols=2, fontsize=5.5, loc="upper center")
    body = make_pillar(WIDTH_NM, HEIGHT_NM, ALUMINIUM)
    distances = np.geomspace(1, 62.4, 13)
    corrected = [_largest_traction(body, d, True) / scale for d in distances]
    plain = [_largest_traction(body, d, False) / scale for d in distances]
    right.loglog(distances, corrected, "o-", ms=3, color=SERIES_COLOURS[0], label="with image")
    right.loglog(distances, plain, "s--", ms=3, mfc="none", color=SERIES_COLOURS[1],
                 label="without image")  # fmt: skip
    right.set_xlabel("distance to the nearer side (nm)")
    right.set_ylabel("largest side traction / (C/w)")
    right.set_title(f"{MODES} modes")
    right.legend()
    rate = float(slopes[0])
    expected = -pi * WIDTH_NM / (2 * HEIGHT_NM)
    worst = max(corrected)
    return Check(
        name="side_traction",
        title="4b. Convergence in the number of Fourier modes",
        what=(
            "This code has no mesh. A Fourier series along the sides removes what the half-plane "
            "image in the nearer side leaves on the farther one. Left: the largest traction left "
            "on either side of a 125 nm pillar against the number of modes, for dislocations at "
            "three distances from a side; dashed, the same series without the analytic image. "
            f"Right: the same against the distance at the {MODES} modes that the code uses."
        ),
        closed_form="exp(−nπw/(2h)) per mode n for a dislocation amid the pillar",
        source="poles of coth; series of the traction at a distance w/2",
        found=(
            f"rate {rate:.4f} per mode where {expected:.4f} is expected; largest traction at "
            f"{MODES} modes {worst:.1e} C/w at any distance, {max(plain):.1e} C/w without the "
            "image"
        ),
        tolerance="10 % of the rate; 1e-4 C/w",
        passed=abs(rate / expected - 1) < 0.1 and worst < 1e-4,
        figure=figure,
        alternative=(
            "Traction falls exponentially with the modes, at every distance with the image, only "
            "amid the pillar without it."
        ),
    )
