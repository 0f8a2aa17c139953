import numpy as np
import pytest
from hand_built_crystals import ALUMINIUM, afresh, put_roomy

from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import CrystalSettings, place_crystal
from strainprint.specimens.following import shift, tell_who_feels
from strainprint.specimens.interactions import announce, exert, place
from strainprint.specimens.population import BLOCK, EVERYBODY, arrange, exerted
from strainprint.specimens.topology import remove


@compiled
def glide(lattice, pillar, pop, i, by_nm, least_mpa):
    """Place one dislocation farther on and tell it those who feel more than that."""
    pop.position[i] += by_nm
    place(lattice, pillar, pop, i)
    shift(pop, np.array([i]), np.array([by_nm]), np.array([least_mpa]), 1)


@compiled
def tell_all(pop):
    told = False
    for i in range(pop.number[0]):
        told |= tell_who_feels(pop, i, 0.0, 0.0)
    return told


@compiled
def exert_on_everybody(lattice, pillar, pop, i):
    exert(lattice, pillar, pop, i, EVERYBODY, 0.0)


@compiled
def announce_one(lattice, pillar, pop, i, stale_mpa):
    announce(lattice, pillar, pop, np.array([i]), stale_mpa)


@pytest.fixture
def specimen():
    """Three blocks of dislocations along a narrow pillar, slots in the order of their places."""
    crystal = place_crystal(
        125.0, 2, CrystalSettings(), ALUMINIUM, np.random.Generator(np.random.PCG64(8))
    )
    rng = np.random.Generator(np.random.PCG64(9))
    planes = rng.choice(len(crystal.plane_angle), 100, replace=False)
    rows = [(int(p), float(at), 1) for p in planes for at in (60.0, 190.0)]
    crowd = put_roomy(crystal, *rows[:190])
    arrange(crowd.population)
    return crowd


def largest_lack(specimen):
    """How far sums and fresh ones are from each other (MPa)."""
    used, fresh = specimen.population, afresh(specimen)
    count = used.number[0]
    return max(
        np.abs(used.felt[:count] - fresh.felt[:count]).max(),
        np.abs(used.felt_at_source - fresh.felt_at_source).max(),
    )


def sums_are_those_of_pairs(population):
    # glides that wait to be told have seven digits
    stress = exerted(population).sum(axis=1)
    np.testing.assert_allclose(population.felt[: len(stress)], stress, rtol=0, atol=1e-5)


def test_only_blocks_who_feel_a_glide_are_told(specimen):
    used, i, by_nm, least_mpa = specimen.population, 5, 1e-3, 1e-3
    before = used.felt.copy()
    glide(specimen.lattice, specimen.pillar, used, i, by_nm, least_mpa)
    count = used.number[0]
    felt = np.abs(used.push[i, :count]) * by_nm
    untold = used.bound["untold"][i, np.arange(count) // BLOCK]
    changed = np.flatnonzero(used.felt != before)
    assert 0 < len(changed) < count
    assert (untold[np.setdiff1d(changed, [i])] == 0.0).all()
    assert (felt[untold != 0.0] <= least_mpa).all()
    assert felt.max() > least_mpa
    sums_are_those_of_pairs(used)
    assert largest_lack(specimen) < 1.1 * least_mpa
    # whoever was not told is, at last
    assert tell_all(used)
    assert not tell_all(used)
    sums_are_those_of_pairs(used)
    assert largest_lack(specimen) < 1e-4


def test_what_was_not_told_adds_up_until_it_is_felt(specimen):
    used, i, by_nm, least_mpa = specimen.population, 5, 2e-3, 1e-3
    longest = np.zeros(3)
    for _ in range(400):
        glide(specimen.lattice, specimen.pillar, used, i, by_nm, least_mpa)
        untold = np.abs(used.bound["untold"][i, :3])
        assert (untold * used.bound["strongest"][i, :3]).max() <= least_mpa
        longest = np.maximum(longest, untold)
    # its own block is told every time, the farthest after many glides
    assert longest[0] == 0.0
    assert 3.0 * by_nm < longest[2] < 400 * by_nm
    sums_are_those_of_pairs(used)


@pytest.mark.parametrize("in_flight", [True, False])
def test_of_one_in_flight_far_blocks_learn_later(specimen, in_flight):
    used, i, stale_mpa = specimen.population, 5, 0.1
    # those in the farthest block feel a tenth of what one may lack
    by_nm = 0.1 * stale_mpa / used.bound["strongest"][i, 2]
    used.position[i] += by_nm
    used.last_glide[i] = by_nm if in_flight else 0.0
    announce_one(specimen.lattice, specimen.pillar, used, i, stale_mpa)
    assert used.placed[i] == used.position[i]
    untold_nm = used.bound["untold"][i, [0, 2]]
    np.testing.assert_allclose(untold_nm, [0.0, by_nm if in_flight else 0.0], rtol=1e-6)
    sums_are_those_of_pairs(used)


@pytest.mark.parametrize("untold_nm", [0.01, 5.0])
def test_pairs_computed_anew_arranged_or_moved_to_other_slots_keep_what_was_not_told(
    specimen, untold_nm
):
    used = specimen.population
    for i in (5, 70, 180):
        glide(specimen.lattice, specimen.pillar, used, i, untold_nm, 1e9)
    assert np.count_nonzero(used.bound["untold"]) == 9
    for i in (5, 6, 100):
        exert_on_everybody(specimen.lattice, specimen.pillar, used, i)
        sums_are_those_of_pairs(used)
    # the last slot, of the third block, goes to the first
    remove(used, 10)
    sums_are_those_of_pairs(used)
    arrange(used)
    assert not used.bound["untold"].any()
    sums_are_those_of_pairs(used)


def test_a_partner_that_comes_near_is_told(specimen):
    used, i = specimen.population, 5
    on_its_plane = np.flatnonzero(used.plane[:190] == used.plane[i])
    j = int(on_its_plane[on_its_plane != i][0])
    # nobody is told of a long glide; the pair that is computed anew is near
    glide(specimen.lattice, specimen.pillar, used, i, 2.0, 1e9)
    way_nm = used.position[i] + 5.0 - used.position[j]
    glide(specimen.lattice, specimen.pillar, used, j, way_nm, 0.0)
    assert used.bound["untold"][i, j // BLOCK] == 2.0
    exert_on_everybody(specimen.lattice, specimen.pillar, used, j)
    assert used.bound["untold"][i, j // BLOCK] == 0.0
    sums_are_those_of_pairs(used)
