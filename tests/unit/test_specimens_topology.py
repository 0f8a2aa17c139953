from itertools import pairwise
from math import cos, radians, tan

import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    DOWN,
    GAP,
    MIDDLE,
    SCHMID,
    UP,
    WIDE_NM,
    lay_crystal,
    parallel_planes,
    positions,
    press,
    put,
)

from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import BULK
from strainprint.specimens.loading import Specimen
from strainprint.specimens.population import exerted
from strainprint.specimens.topology import enter, remove, sort_by_plane, sort_moved, take_up


@pytest.mark.parametrize(
    "position, sign, slip",
    [(3.0, 1, 0), (3.0, -1, 0), (247.0, 1, 1), (247.0, -1, -1)],
)
def test_a_dislocation_near_a_side_leaves_and_only_the_far_end_counts_as_slip(position, sign, slip):
    specimen = press(lay_crystal(125.0, [(UP, 0.0)]), (0, position, sign))
    assert specimen.settle()
    assert len(positions(specimen)) == 0
    assert specimen.population.slip.tolist() == [slip]


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("angle", [UP, DOWN])
def test_a_dipole_that_leaves_slips_its_plane_once_and_relaxes_the_held_platen(sense, angle):
    crystal = lay_crystal(125.0, [(angle, 0.0)])
    # the resolved stress on the mirrored system has the opposite sign
    sign = sense * int(np.sign(tan(angle)))
    specimen = press(crystal, (0, 105.0, -sign), (0, 145.0, sign), shear_mpa=sense * 100.0)
    applied = sense * 100.0 / SCHMID
    assert specimen.settle()
    assert len(positions(specimen)) == 0
    assert specimen.population.slip.tolist() == [sign]
    drop = ALUMINIUM.plane_strain_modulus_mpa * 2 * 0.25 * SCHMID / 500.0
    assert specimen.stress_mpa == pytest.approx(applied - sense * drop, rel=1e-12)
    # without a load the platen follows by b cos 30 deg
    assert specimen.settle(hold_stress=True)
    assert specimen.platen[0] == pytest.approx(sense * 0.25 * cos(radians(30)), rel=1e-12)


def _in_order(population):
    """Slots by plane and place, and the distances of neighbours who are opposite, by both slots."""
    plane, position, sign = population.plane, population.position, population.sign
    order = sorted(range(population.number[0]), key=lambda i: (plane[i], position[i]))
    return order, {
        (i, j): position[j] - position[i]
        for i, j in pairwise(order)
        if plane[i] == plane[j] and sign[i] != sign[j]
    }


@compiled
def _sort(pop):
    return sort_by_plane(pop)


@pytest.mark.parametrize("seed", range(5))
def test_sorting_finds_the_closest_opposite_neighbours(seed):
    rng = np.random.default_rng(seed)
    crystal = parallel_planes(WIDE_NM, GAP)
    rows = [(int(rng.integers(2)), MIDDLE + 10.0 * k, int(rng.choice([-1, 1]))) for k in range(12)]
    population = press(crystal, *rows).population
    position, order = population.position[:12], population.order[:12]
    # some pass others, on their own plane too
    position += rng.uniform(-40.0, 40.0, 12)
    expected, opposite = _in_order(population)
    gaps = list(opposite.values())
    # pairs that were neighbours only while it was sorted may count too
    assert _sort(population) <= min(gaps)
    np.testing.assert_array_equal(order, expected)
    np.testing.assert_array_equal(order[population.rank[:12]], range(12))
    assert _sort(population) == min(gaps)


@compiled
def _sort_moved(pop, places):
    return sort_moved(pop, places, len(places))


@pytest.mark.parametrize("seed", range(20))
def test_sorting_what_moved_is_sorting_all(seed):
    rng = np.random.default_rng(seed)
    crystal = parallel_planes(WIDE_NM, GAP)
    rows = [(int(rng.integers(2)), MIDDLE + 10.0 * k, int(rng.choice([-1, 1]))) for k in range(30)]
    population = press(crystal, *rows).population
    position, order = population.position[:30], population.order[:30]
    moved = np.flatnonzero(rng.random(30) < rng.choice([0.1, 0.5, 0.9]))
    position[moved] += rng.uniform(-60.0, 60.0, len(moved))
    expected, opposite = _in_order(population)
    gaps = [gap for (i, j), gap in opposite.items() if i in moved or j in moved]
    assert _sort_moved(population, np.sort(population.rank[moved])) <= min(gaps, default=np.inf)
    np.testing.assert_array_equal(order, expected)
    np.testing.assert_array_equal(order[population.rank[:30]], range(30))


def _enter_both(lattice, pillar, population, plane, first, second):
    enter(lattice, pillar, population, plane, first, 1, 0, 1)
    enter(lattice, pillar, population, plane, second, -1, 0, -1)
    take_up(lattice, pillar, population, population.number[0] - 2)


@pytest.mark.parametrize("others", [0, 30, 31, 61])
def test_both_that_enter_at_once_exert_what_they_would_one_by_one(others):
    rng = np.random.default_rng(others)
    planes = [(angle, 25.0 * k) for k, angle in enumerate([UP, DOWN] * 4)]
    source = (3, 140.0, 50.0, BULK)
    crystal = lay_crystal(250.0, planes, [source])
    rows = [
        (int(rng.integers(8)), float(rng.uniform(20.0, 480.0)), int(rng.choice([-1, 1])))
        for _ in range(others)
    ]
    at_once, one_by_one = (
        press(crystal, *rows),
        press(crystal, *rows, (3, 145.0, 1), (3, 135.0, -1)),
    )
    pop, expected = at_once.population, one_by_one.population
    # what the slots held before
    for field in ("offset", "slope", "known"):
        pop.pair[field][others:], pop.pair[field][:, others:] = 7.0, 7.0
    pop.push[others:], pop.push[:, others:] = 7.0, 7.0
    _enter_both(at_once.lattice, at_once.pillar, pop, 3, 145.0, 135.0)
    n = others + 2
    for name in ("plane", "position", "sign", "order", "rank", "gap", "announced", "cell"):
        np.testing.assert_array_equal(getattr(pop, name)[:n], getattr(expected, name)[:n], name)
    for name in ("felt", "stiffness"):
        found, right = getattr(pop, name)[:n], getattr(expected, name)[:n]
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(pop.felt_at_source, expected.felt_at_source, rtol=1e-9)
    np.testing.assert_array_equal(pop.pair[:n, :n], expected.pair[:n, :n])
    np.testing.assert_array_equal(pop.push[:n, :n], expected.push[:n, :n])
    strongest = np.abs(pop.push[:n, :n]).max(axis=1)
    assert np.all(pop.bound["strongest"][:n].max(axis=1) >= strongest)


def test_removed_slots_leave_the_others_untouched():
    crystal = lay_crystal(125.0, [(UP, 0.0), (DOWN, 20.0), (UP, 40.0)])
    rows = [(0, 50.0, 1), (1, 90.0, -1), (2, 30.0, 1), (0, 200.0, -1), (1, 20.0, 1)]
    specimen = press(crystal, *rows)
    remove(specimen.population, 1)
    kept = [rows[0], rows[4], rows[2], rows[3]]
    expected = put(Specimen(crystal, ALUMINIUM, specimen.dynamics, specimen.loading), *kept)
    for name in ("plane", "position", "sign", "modes", "order", "rank", "cell"):
        found = getattr(specimen.population, name)[:4]
        np.testing.assert_array_equal(found, getattr(expected, name)[:4], err_msg=name)
    np.testing.assert_array_equal(specimen.population.weights[:, :4], expected.weights[:, :4])
    np.testing.assert_allclose(exerted(specimen.population), exerted(expected), rtol=1e-12)
    slope, expected_slope = (p.pair["slope"][:4, :4] for p in (specimen.population, expected))
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-12)
    for name in ("felt", "stiffness"):
        found = getattr(specimen.population, name)[:4]
        np.testing.assert_allclose(found, getattr(expected, name)[:4], rtol=1e-9)
