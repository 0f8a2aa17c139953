"""Check 13: what must not depend on orientation, threads, pieces or steps; falling energy."""

from __future__ import annotations

import os
import subprocess
import sys
from math import pi

import numpy as np
from hand_built_crystals import (
    ALUMINIUM,
    DOWN,
    UP,
    WIDE_NM,
    lay_crystal,
    mirror,
    press,
    rotate_half_turn,
)

from strainprint.report.figures.style import INK, SERIES_COLOURS
from strainprint.seeds import generator
from strainprint.specimens.state import State
from verification.populations import Effort, drawn_crystal, specimen_of
from verification.record import Check, panels

MU, NU, B = ALUMINIUM.shear_modulus_mpa, ALUMINIUM.poissons_ratio, ALUMINIUM.burgers_vector_nm


def symmetry(effort: Effort) -> Check:
    """Compare the curves of turned and mirrored crystals."""
    figure, (axes,) = panels()
    apart = 0.0
    most, equal = 0, 0
    # at rest at every point: what passes on earlier is not known as well
    at_rest = {"passing_mpa": 0.2}
    for k, index in enumerate((1, 2, 3)):
        crystal = drawn_crystal(62.5, index, obstacle_density_per_um2=20000.0)
        specimen = specimen_of(crystal, **at_rest)
        curve = specimen.load(0.01, sense=-1)
        most = max(most, int(curve.dislocations.max()))
        offset = 250 * k
        axes.plot(100 * curve.strain, curve.stress_mpa + offset, color=INK, lw=0.8,
                  label="as drawn" if k == 0 else None)  # fmt: skip
        for change, marker, colour, name in (
            (rotate_half_turn, "o", SERIES_COLOURS[0], "turned by 180°"),
            (mirror, "s", SERIES_COLOURS[1], "mirrored"),
        ):
            other = specimen_of(change(crystal), **at_rest).load(0.01, sense=-1)
            difference = np.abs(other.stress_mpa - curve.stress_mpa)
            apart = max(apart, float(difference.max()))
            equal += bool(difference.max() < 1e-9)
            shown = slice(2 if marker == "o" else 5, None, 6)
            axes.plot(100 * other.strain[shown], other.stress_mpa[shown] + offset, marker, ms=2.5,
                      mfc="none", color=colour, label=name if k == 0 else None)  # fmt: skip
    axes.set_ylim(0, 950)
    axes.set_xlabel("strain (%)")
    axes.set_ylabel("stress, each 250 MPa up (MPa)")
    axes.legend(ncols=3, loc="upper center", fontsize=6)
    rest_mpa = specimen.passing.rest_velocity / specimen.pillar.mobility
    return Check(
        name="symmetry",
        title="13a. Turned and mirrored crystals",
        what=(
            "Stress–strain curves of three crystals of 62.5 nm with dense obstacles, and of the "
            "same crystals turned by 180° and mirrored (which swaps the slip systems). Stresses "
            "turn and mirror to rounding. Where a mode runs away from an instability rounding "
            "grows, but the place of rest behind it is the same: it is known to the stress at "
            "which a dislocation counts as at rest, here at every point."
        ),
        closed_form="equal curves",
        source="symmetry of body and load",
        found=(
            f"largest difference {apart:.1e} MPa up to 1 %, with up to {most} dislocations; "
            f"{equal} of 6 curves equal to rounding"
        ),
        tolerance=f"{rest_mpa:.2g} MPa, at which a dislocation counts as at rest",
        passed=apart < rest_mpa,
        figure=figure,
        alternative="Curves of turned and mirrored crystals lie on those of the crystals as drawn.",
    )


_IN_PIECES = """
import sys
from verification.populations import drawn_crystal, specimen_of
specimen = specimen_of(drawn_crystal(125.0, 1))
for piece in sys.argv[1:]:
    curve = specimen.load(float(piece), sense=-1)
    for strain, stress in zip(curve.strain, curve.stress_mpa):
        print(strain.hex(), stress.hex())
for position in specimen.state.position_nm:
    print(position.hex())
"""


def _apart(threads: int, *pieces: float) -> list[str]:
    """Load one specimen in a process of its own; every number as exact hexadecimal text."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    run = subprocess.run(
        [sys.executable, "-c", _IN_PIECES, *map(str, pieces)],
        env={**os.environ, **dict.fromkeys(names, str(threads))},
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.splitlines()


def _curve(lines: list[str]) -> tuple[list[float], list[float]]:
    rows = [[float.fromhex(word) for word in line.split()] for line in lines if " " in line]
    return [row[0] for row in rows], [row[1] for row in rows]


def determinism(effort: Effort) -> Check:
    """Compare one thread with several, one load with two pieces, a copy with its original."""
    alone = _apart(1, 0.006)
    several = _apart(max(2, os.cpu_count() or 2), 0.006)
    pieces = _apart(1, 0.003, 0.003)
    strain, stress = _curve(alone)
    later, again = _curve(pieces)
    middle = next(k for k in range(1, len(later)) if later[k] == 0)
    joined = again[:middle] + again[middle + 1 :]
    difference = float(np.abs(np.array(joined) - stress).max())
    specimen = specimen_of(drawn_crystal(125.0, 1))
    specimen.load(0.003, sense=-1)
    twin = specimen.copy()
    specimen.unload()
    restarted = twin.load(0.003, sense=-1)
    copied = float(np.abs(restarted.stress_mpa - stress[middle - 1 :]).max())
    figure, (axes,) = panels()
    axes.plot(100 * np.array(strain), stress, color=INK, lw=0.8, label="one thread, one piece")
    _, other = _curve(several)
    axes.plot(100 * np.array(strain)[::4], other[::4], "o", ms=3, mfc="none",
              color=SERIES_COLOURS[0], label="several threads")  # fmt: skip
    axes.plot(100 * np.array(strain)[2::4], joined[2::4], "s", ms=3, mfc="none",
              color=SERIES_COLOURS[1], label="two pieces")  # fmt: skip
    axes.plot(100 * (0.003 + restarted.strain[1::4]), restarted.stress_mpa[1::4], "^", ms=3,
              mfc="none", color=SERIES_COLOURS[2], label="from a copy")  # fmt: skip
    axes.set_xlabel("strain (%)")
    axes.set_ylabel("stress (MPa)")
    axes.legend(loc="lower right")
    same = alone == several
    return Check(
        name="determinism",
        title="13b. Threads and restarts",
        what=(
            "One specimen of 125 nm, each time in a process of its own: with one thread and with "
            "several, loaded at once and in two pieces; and a copy that goes on while the "
            "original is unloaded."
        ),
        closed_form="the same bytes; the same curve",
        source="definition",
        found=(
            f"{'every bit equal' if same else 'bits differ'} between thread counts; two pieces "
            f"within {difference:.1e} MPa; the copy within {copied:.1e} MPa"
        ),
        tolerance="every bit; 1e-6 MPa; 1e-6 MPa",
        passed=same and difference < 1e-6 and copied < 1e-6,
        figure=figure,
        alternative="Four runs of one specimen on one curve.",
    )


def interaction_energy(crystal, state: State) -> float:  # type: ignore[no-untyped-def]
    """Return the pair energies (MPa nm²) of edge dislocations in an infinite medium.

    Hirth & Lothe, equation 5-17, for Burgers vectors in the plane of the drawing.
    """
    angle = crystal.plane_angle[state.plane]
    s = np.column_stack([np.cos(angle), np.sin(angle)])
    # from the centre of the body, lest large numbers hide small differences
    centre = crystal.plane_origin_nm - [0, crystal.height_nm / 2]
    at = centre[state.plane] + state.position_nm[:, None] * s
    normal = B * state.sign[:, None] * np.column_stack([s[:, 1], -s[:, 0]])
    total = 0.0
    for i in range(len(at)):
        for j in range(i):
            apart = at[i] - at[j]
            r2 = float(apart @ apart)
            total -= 0.5 * float(normal[i] @ normal[j]) * np.log(r2)
            total -= float(normal[i] @ apart) * float(normal[j] @ apart) / r2
    return float(MU / (2 * pi * (1 - NU)) * total)


def energy(effort: Effort) -> Check:
    """Follow the elastic energy of relaxing populations step by step."""
    planes = [(UP, 30.0 * k) for k in range(8)] + [(DOWN, 2000.0 + 30.0 * k) for k in range(4)]
    crystal = lay_crystal(WIDE_NM, planes)
    figure, (axes,) = panels()
    unit = MU * B**2 / (2 * pi * (1 - NU))
    worst = -np.inf
    for colour, (seed, shear) in zip(
        SERIES_COLOURS, ((0, 0.0), (1, 0.0), (2, 60.0), (3, 60.0)), strict=False
    ):
        rng = generator(0, "verification", "energy", seed)
        rows = [(p, WIDE_NM + rng.uniform(-60, 60), int(rng.choice([-1, 1]))) for p in range(12)]
        specimen = press(crystal, *rows, shear_mpa=shear, hold_steps=1)
        energies: list[float] = []
        settled = False
        while not settled and len(energies) < 200:
            state = specimen.state
            sense = np.sign(np.sin(2 * crystal.plane_angle[state.plane]))
            slipped = np.sum(state.sign * sense * (state.position_nm - WIDE_NM))
            energies.append((interaction_energy(crystal, state) - B * shear * slipped) / unit)
            settled = specimen.settle()
        worst = max(worst, float(np.diff(energies).max()))
        axes.plot(np.array(energies) - energies[0], color=colour, label=f"{shear:.0f} MPa")
    axes.set_xlabel("step")
    axes.set_ylabel("energy − first energy\n(µb²/(2π(1−ν)) per length)")
    axes.legend()
    return Check(
        name="energy",
        title="13c. Energy falls while a population relaxes",
        what=(
            "Twelve dislocations at random places on twelve planes of both systems relax, step by "
            "step, with and without an applied shear stress. The energy is computed from their "
            "places alone: pair energies in an infinite medium less the work of the load."
        ),
        closed_form="E = Σ pair energies − Σ τbβr never rises",
        source="Hirth & Lothe, 5-17; linear drag only dissipates",
        found=f"largest change in a step {worst:.1e} µb²/(2π(1−ν)) (negative: it falls)",
        tolerance="below 1e-9",
        passed=worst < 1e-9,
        figure=figure,
        alternative="Energy against step, falling in every run.",
    )
