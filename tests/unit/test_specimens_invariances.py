"""What must not depend on how a run is cut into steps, pieces, threads or pairs of dislocations.

Turned and mirrored specimens are in test_specimens_loading.
"""

import hashlib
import os
import subprocess
import sys
from math import cos, pi, sin

import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    ANYWHERE,
    DOWN,
    UP,
    WIDE_NM,
    body_field,
    lay_crystal,
    positions,
    press,
    strength_of,
)

from strainprint.specimens.crystal import CrystalSettings, place_crystal
from strainprint.specimens.loading import LoadingSettings, Specimen
from strainprint.specimens.pillar import MODES, make_pillar, mean_axial_stress
from strainprint.specimens.rules import DynamicsSettings

MU, NU, B = ALUMINIUM.shear_modulus_mpa, ALUMINIUM.poissons_ratio, ALUMINIUM.burgers_vector_nm
SIMULATE = """
import sys
from strainprint.specimens.simulate import simulate_shard
simulate_shard(
    sys.argv[1], sys.argv[1] + ".json", width_nm=125.0, slip_systems=2, first=0, count=1, seed=4,
    prior_strains=[0.003], reload_strains={"small": 0.001, "large": 0.002},
)
"""


def draw(seed, width_nm=62.5, **settings):
    rng = np.random.Generator(np.random.PCG64(seed))
    return place_crystal(width_nm, 2, CrystalSettings(**settings), ALUMINIUM, rng)


def specimen_of(crystal, **settings):
    return Specimen(crystal, ALUMINIUM, DynamicsSettings(**settings), LoadingSettings())


def test_the_same_bytes_come_from_one_thread_and_from_two(tmp_path):
    digests = set()
    for threads in ("1", "2"):
        path = tmp_path / f"{threads}.h5"
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        subprocess.run(
            [sys.executable, "-c", SIMULATE, str(path)],
            env={**os.environ, **dict.fromkeys(names, threads)},
            check=True,
        )
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_load_in_two_pieces_is_the_same_as_in_one():
    whole, halves = (specimen_of(draw(1)) for _ in range(2))
    curve = whole.load(0.006, sense=-1)
    first, second = (halves.load(0.003, sense=-1) for _ in range(2))
    pieces = np.append(first.stress_mpa, second.stress_mpa[1:])
    np.testing.assert_allclose(pieces, curve.stress_mpa, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(halves.state.position_nm, whole.state.position_nm, rtol=1e-9)
    np.testing.assert_array_equal(halves.state.whole_plane_slip, whole.state.whole_plane_slip)


def halved():
    usual = DynamicsSettings()
    return {
        name: getattr(usual, name) / 2
        for name in ("time_step_ns", "rest_time_step_ns", "largest_glide_nm", "free_glide_nm")
    }


def test_halving_every_step_leaves_a_pile_up_where_it_rests():
    lock = WIDE_NM
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], obstacles=[(0, lock, 1e6)])
    rest = []
    for settings in ({}, halved()):
        start = lock - np.linspace(1.0, 150.0, 8)
        specimen = press(crystal, *[(0, r, 1) for r in start], shear_mpa=60.0, **settings)
        assert specimen.settle()
        rest.append(lock - positions(specimen))
    np.testing.assert_allclose(rest[1], rest[0], rtol=2e-3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_halving_every_step_leaves_the_curve_of_a_narrow_specimen(seed):
    curve, finer = (
        specimen_of(draw(seed, **ANYWHERE), source_hardening=0.001, **settings).load(
            0.006, sense=-1
        )
        for settings in ({}, halved())
    )
    assert curve.plastic_strain[-1] > 0
    np.testing.assert_allclose(finer.stress_mpa, curve.stress_mpa, rtol=0.01, atol=0.1)


def pair_energy(first, second):
    """Interaction energy (MPa nm^2) of two edge dislocations (x, y, angle, sign): Hirth & Lothe,
    equation 5-17, for Burgers vectors in the plane of the drawing."""
    (x1, y1, angle1, sign1), (x2, y2, angle2, sign2) = first, second
    dx, dy = x1 - x2, y1 - y2
    r2 = dx * dx + dy * dy
    # b cross line direction
    normal = [
        sign * B * np.array([sin(a), -cos(a)]) for a, sign in ((angle1, sign1), (angle2, sign2))
    ]
    along = (normal[0] @ [dx, dy]) * (normal[1] @ [dx, dy]) / r2
    return -MU / (2 * pi * (1 - NU)) * (normal[0] @ normal[1] * 0.5 * np.log(r2) + along)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("shear", [0.0, 60.0])
def test_energy_falls_in_every_step_of_relaxing(seed, shear):
    # planes of one system 15 nm apart, crossed by the other system further out: no partners meet
    # within the core or the annihilation distance
    rng = np.random.default_rng(seed)
    planes = [(UP, 30.0 * k) for k in range(8)] + [(DOWN, 2000.0 + 30.0 * k) for k in range(4)]
    crystal = lay_crystal(WIDE_NM, planes)
    rows = [(p, WIDE_NM + rng.uniform(-60, 60), int(rng.choice([-1, 1]))) for p in range(12)]
    specimen = press(crystal, *rows, shear_mpa=shear, hold_steps=1)
    origin = crystal.plane_origin_nm

    def energy():
        count = len(rows)
        body = specimen.population
        at = [
            (
                *(origin[p] - [0, crystal.height_nm / 2] + r * np.array([cos(a), sin(a)])),
                a,
                int(sign),
            )
            for p, r, a, sign in zip(
                body.plane[:count],
                body.position[:count],
                crystal.plane_angle[body.plane[:count]],
                body.sign[:count],
                strict=True,
            )
        ]
        pairs = sum(pair_energy(at[i], at[j]) for i in range(count) for j in range(i))
        sense = np.sign(np.sin(2 * crystal.plane_angle[body.plane[:count]]))
        slipped = body.sign[:count] * sense * (body.position[:count] - WIDE_NM)
        return pairs - B * shear * slipped.sum()

    energies = [energy()]
    while not specimen.settle() and len(energies) < 150:
        energies.append(energy())
    assert len(energies) > 10
    scale = abs(energies[-1] - energies[0])
    assert scale > MU * B**2 / (2 * pi * (1 - NU))
    assert np.diff(energies).max() < 1e-9 * scale


def _asymmetry(modes):
    """Largest |d(force on 1)/d(place of 2) - d(force on 2)/d(place of 1)| of some pairs in a body
    of 125 nm, relative to C b / w^2."""
    body = make_pillar(125.0, 500.0, ALUMINIUM, modes)

    def force(on, by):
        """Glide force (MPa nm) on one from the field of the other with all its images."""
        x, y, angle, sign = on
        xx, yy, xy, _, _ = body_field(body, [by], x, y)
        yy -= mean_axial_stress(body, by[0], strength_of(body, *by[2:]))
        return sign * B * (0.5 * sin(2 * angle) * (yy - xx) + cos(2 * angle) * xy)

    def moved(dislocation, glide):
        x, y, angle, sign = dislocation
        return x + glide * cos(angle), y + glide * sin(angle), angle, sign

    rng = np.random.default_rng(8)
    step, worst = 1e-3, 0.0
    for _ in range(20):
        x, y = rng.uniform(-60, 60, 2), rng.uniform(20, 480, 2)
        one, two = zip(x, y, rng.choice([UP, DOWN], 2), rng.choice([-1, 1], 2), strict=True)
        answers = [
            (force(a, moved(b, step)) - force(a, moved(b, -step))) / (2 * step)
            for a, b in ((one, two), (two, one))
        ]
        worst = max(worst, abs(answers[0] - answers[1]))
    return worst / (ALUMINIUM.edge_constant_mpa_nm * B / 125.0**2)


def test_an_elastic_energy_exists_in_the_body():
    # forces have a potential only if each dislocation answers to the other's place alike
    assert _asymmetry(MODES) < 1e-3
    assert _asymmetry(48) < 1e-6
