"""Many dislocations on one plane, and one among many: closed forms of Hirth & Lothe, chapter 21."""

from math import cos, pi, tan

import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    SCHMID,
    UP,
    WIDE_NM,
    lay_crystal,
    positions,
    press,
)
from numpy.polynomial import laguerre

from strainprint.specimens.crystal import BULK
from strainprint.specimens.displacement import displacement_nm

MIDDLE = WIDE_NM
UNBREAKABLE_MPA = 1e6
LINE_STRENGTH = ALUMINIUM.shear_modulus_mpa * ALUMINIUM.burgers_vector_nm  # mu b


def between_locks(distance_nm, strength_mpa, shear_mpa):
    """A source amid two locks; what it emitted, at rest, as (X, sign) sorted by X."""
    half = distance_nm / 2
    crystal = lay_crystal(
        WIDE_NM,
        [(UP, 0.0)],
        [(0, MIDDLE, strength_mpa, BULK)],
        [(0, MIDDLE + at, UNBREAKABLE_MPA) for at in (-half, half)],
    )
    specimen = press(
        crystal, shear_mpa=shear_mpa, source_hardening=0.0, hold_time_ns=1e5, hold_steps=10**6
    )
    assert specimen.settle()
    found = positions(specimen) - MIDDLE
    order = np.argsort(found)
    return specimen, found[order], specimen.population.sign[: len(found)][order]


@pytest.mark.parametrize("count", [2, 5, 10])
def test_a_pile_up_rests_at_the_zeros_of_the_laguerre_derivative(count):
    # Eshelby, Frank & Nabarro (1951): -(C / 2 tau) times the zeros of L_n'
    shear = 60.0
    zeros = np.sort(laguerre.lagroots(laguerre.lagder(np.eye(count + 1)[count])))
    behind = C_MPA_NM / (2 * shear) * zeros
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], obstacles=[(0, MIDDLE, UNBREAKABLE_MPA)])
    start = MIDDLE - np.linspace(1.0, 1.3 * behind[-1], count)
    specimen = press(crystal, *[(0, r, 1) for r in start], shear_mpa=shear)
    assert specimen.settle()
    found = np.sort(MIDDLE - positions(specimen))
    assert found[0] == 0
    np.testing.assert_allclose(found[1:], behind, rtol=2e-3)
    assert shear + np.sum(C_MPA_NM / found[1:]) == pytest.approx(count * shear, rel=2e-3)


@pytest.mark.parametrize("shear", [50.0, 100.0])
def test_a_double_ended_pile_up_holds_the_dislocations_of_a_freely_slipping_crack(shear):
    distance = 1000.0
    _, x, sign = between_locks(distance, strength_mpa=10.0, shear_mpa=shear)
    count = np.count_nonzero(sign > 0)
    expected = (1 - ALUMINIUM.poissons_ratio) * distance * shear / LINE_STRENGTH
    assert count == pytest.approx(expected, abs=1)
    assert np.count_nonzero(sign < 0) == count
    assert np.all(np.sign(x) == sign)


def test_slip_between_two_locks_is_the_opening_of_a_shear_crack():
    distance, shear = 1000.0, 100.0
    specimen, x, _ = between_locks(distance, strength_mpa=10.0, shear_mpa=shear)
    crystal, state = specimen.crystal, specimen.state
    s, n = np.array([cos(UP), np.sin(UP)]), np.array([-np.sin(UP), cos(UP)])
    gaps = (x[:-1] + x[1:]) / 2
    sides = [
        crystal.plane_origin_nm[0] + np.outer(MIDDLE + gaps, s) + side * 1e-3 * n
        for side in (1, -1)
    ]
    above, below = (
        np.array(displacement_nm(crystal, ALUMINIUM, state, *points.T)).T @ s for points in sides
    )
    half = distance / 2
    crack = (
        2
        * (1 - ALUMINIUM.poissons_ratio)
        * shear
        / ALUMINIUM.shear_modulus_mpa
        * np.sqrt(half**2 - gaps**2)
    )
    # steps of one Burgers vector cannot follow a smooth curve closer than that
    assert np.abs(above - below - crack).max() < ALUMINIUM.burgers_vector_nm
    assert (above - below).max() == pytest.approx(crack.max(), rel=0.1)


@pytest.mark.parametrize("distance", [400.0, 1000.0])
@pytest.mark.parametrize("fraction, pairs", [(0.99, 1), (1.01, 2)])
def test_a_source_between_two_locks_emits_again_against_the_stress_of_its_first_pair(
    distance, fraction, pairs
):
    strength = 60.0
    back = 2 * LINE_STRENGTH / (pi * (1 - ALUMINIUM.poissons_ratio) * distance)
    _, x, _ = between_locks(distance, strength, strength + fraction * back)
    assert len(x) == 2 * pairs
    assert (x[0], x[-1]) == (-distance / 2, distance / 2)


def stress_through_a_forest(spacing_nm, seed):
    """Shear stress, in units of mu b over the forest's mean spacing, under which one dislocation
    moves half a spacing through parallel ones that are held at random places (Taylor 1934)."""
    rng = np.random.default_rng(seed)
    count = 49
    reach = np.sqrt(count) / 2 * spacing_nm
    along, across = rng.uniform(-reach, reach, (2, count))
    signs = rng.permutation(np.resize([1, -1], count))
    planes, obstacles, forest = [(UP, 0.0)], [], []
    for k, (x, y, sign) in enumerate(zip(along, across, signs, strict=True), 1):
        at = MIDDLE + x - y * tan(UP)
        planes.append((UP, y / cos(UP)))
        # held between two obstacles that nothing breaks
        obstacles += [(k, at - 1e-3, 1e9), (k, at + 1e-3, 1e9)]
        forest.append((k, at, int(sign)))
    crystal = lay_crystal(WIDE_NM, planes, obstacles=obstacles)
    specimen = press(crystal, (0, MIDDLE, 1), *forest, hold_steps=3000)
    specimen.settle()
    start = positions(specimen)[0]
    alpha, step = 0.0, 0.01
    per_alpha = LINE_STRENGTH / spacing_nm / SCHMID / specimen.pillar.modulus * crystal.height_nm
    while positions(specimen)[0] < start + spacing_nm / 2:
        alpha += step
        specimen.platen[0] = alpha * per_alpha
        specimen.settle()
    return alpha


def test_flow_stress_of_a_frozen_forest_is_taylors_at_every_density():
    # similitude: tau = alpha mu b sqrt(rho), whatever rho; alpha itself depends on how far a
    # dislocation must go and how rigid the forest is (`make verify` has its distribution)
    wide, dense = (
        np.array([stress_through_a_forest(spacing, seed) for seed in range(12)])
        for spacing in (200.0, 50.0)
    )
    assert np.median(dense) == pytest.approx(np.median(wide), rel=0.05)
    assert 0.1 < np.median(wide) < 1.0
