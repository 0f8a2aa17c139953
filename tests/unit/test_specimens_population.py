import numpy as np
from hand_built_crystals import ALUMINIUM, afresh, put_roomy

from strainprint.specimens.crystal import CrystalSettings, place_crystal
from strainprint.specimens.population import BLOCK, arrange, copy_population, exerted


def test_arranged_slots_hold_the_same_dislocations_neighbours_side_by_side():
    rng = np.random.Generator(np.random.PCG64(8))
    crystal = place_crystal(250.0, 2, CrystalSettings(), ALUMINIUM, rng)
    length = crystal.plane_length_nm
    planes = rng.choice(len(crystal.plane_angle), 150, replace=False)
    rows = [(int(p), rng.uniform(1, length - 1), int(rng.choice([-1, 1]))) for p in planes]
    specimen = put_roomy(crystal, *rows)
    before, after = copy_population(specimen.population), specimen.population
    arrange(after)
    count = before.number[0]
    old, new = before.order[:count], after.order[:count]
    for name in ("plane", "position", "sign", "x", "y", "felt", "stiffness", "modes", "cell"):
        found = getattr(after, name)[new]
        np.testing.assert_array_equal(found, getattr(before, name)[old], err_msg=name)
    stress = exerted(before)
    np.testing.assert_array_equal(exerted(after)[np.ix_(new, new)], stress[np.ix_(old, old)])
    walked_nm = []
    for population in (before, after):
        steps = np.hypot(np.diff(population.x[:count]), np.diff(population.y[:count]))
        walked_nm.append(steps.sum())
        for cell, i in enumerate(population.first_in_cell):
            while i >= 0:
                assert population.cell[i] == cell
                i = population.next_in_cell[i]
        push = np.abs(population.push[:count, :count])
        for block in range(-(-count // BLOCK)):
            most = push[:, block * BLOCK : (block + 1) * BLOCK].max(axis=1)
            assert (population.bound["strongest"][:count, block] >= most).all()
    assert walked_nm[0] > 4.0 * walked_nm[1]


def test_a_loading_goes_on_with_arranged_slots(monkeypatch):
    crystal = place_crystal(
        125.0, 2, CrystalSettings(), ALUMINIUM, np.random.Generator(np.random.PCG64(3))
    )
    arranged = []

    def note(population):
        arranged.append(population.number[0])
        arrange(population)

    monkeypatch.setattr("strainprint.specimens.loading.arrange", note)
    planes, places = len(crystal.plane_angle), np.arange(20.0, 240.0, 20.0)
    specimen = put_roomy(crystal, *((p, at, 1) for p in range(0, planes, 4) for at in places))
    count = specimen.population.number[0]
    assert count > 256
    specimen.population.emissions[0] = 1000
    specimen.load(1e-7, sense=-1)
    assert arranged == [count]
    assert specimen.population.arranged_at[0] == 1000
    # at a rest that is kept all are asked
    specimen.settle()
    fresh = afresh(specimen)
    count = specimen.population.number[0]
    found, expected = specimen.population.felt[:count], fresh.felt[:count]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=0.1)
