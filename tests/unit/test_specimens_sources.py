from math import cos, sin

import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    MIDDLE,
    ONE_PLANE,
    SCHMID,
    UP,
    WIDE_NM,
    lay_crystal,
    positions,
    press,
    put,
    shift,
)

from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import BULK, SURFACE, CrystalSettings, place_crystal
from strainprint.specimens.pillar import image_stress
from strainprint.specimens.population import exerted
from strainprint.specimens.rules import DynamicsSettings
from strainprint.specimens.sources import blocked
from strainprint.specimens.topology import remove

STRENGTH = 50.0


L_NUC = C_MPA_NM / STRENGTH


def test_partner_at_the_nucleation_length_exerts_the_source_strength():
    crystal = place_crystal(
        125.0, 2, CrystalSettings(), ALUMINIUM, np.random.Generator(np.random.PCG64(0))
    )
    bulk = crystal.source_kind == BULK
    for strength, length in zip(
        crystal.source_strength_mpa[bulk], crystal.source_length_nm[bulk], strict=True
    ):
        specimen = press(ONE_PLANE, (0, MIDDLE - length / 2, -1), (0, MIDDLE + length / 2, 1))
        # each pulls the other inwards with the strength of the source
        stress = exerted(specimen.population)
        assert stress[1, 0] == pytest.approx(-strength, rel=1e-4)
        assert stress[0, 1] == pytest.approx(-strength, rel=1e-4)


@pytest.mark.parametrize("others", [2, 61])
def test_sources_that_are_ready_at_once_all_emit_whatever_room_there_is(others):
    # the first turns the stress on the other around as soon as it has emitted
    apart_nm = 5.0
    sources = [(0, MIDDLE, STRENGTH, BULK), (1, MIDDLE + shift(apart_nm), STRENGTH, BULK)]
    planes = [(UP, 0.0), (UP, apart_nm / cos(UP)), (UP, 1e6)]
    held = [(2, 1e3 * k, 1e6) for k in range(1, others + 1)]
    crystal = lay_crystal(WIDE_NM, planes, sources, held)
    specimen = press(
        crystal,
        *((plane, at, 1) for plane, at, _ in held),
        shear_mpa=1.001 * STRENGTH,
        hold_time_ns=1.0,
        nucleation_time_ns=10.0,
    )
    specimen.population.pinned_at[:others] = np.arange(others)
    specimen.population.charge[:] = 9.5
    assert len(specimen.population.plane) == 64
    specimen.settle()
    used = specimen.population
    assert used.sign[others : used.number[0]].tolist() == [1, -1, 1, -1]


@compiled
def ask(lattice, rules, pop, s):
    return blocked(lattice, rules, pop, s)


def test_a_source_is_blocked_by_whom_it_holds_wherever_it_was_looked_for_last():
    places = np.linspace(0.2, 1.8, 5) * MIDDLE
    planes = [(UP, 0.0), (UP, 30.0), (UP, 60.0)]
    sources = [(plane, at, STRENGTH, BULK) for plane in range(3) for at in places]
    reach = 0.5 * L_NUC + DynamicsSettings().annihilation_distance_nm
    rows = [
        (plane, at + side * beyond * reach, 1)
        for plane, at, side, beyond in (
            (0, places[0], -1, 0.99),
            (0, places[1], -1, 1.01),
            (0, places[3], 1, 0.99),
            (2, places[2], 1, 1.01),
            (2, places[4], 1, 0.5),
        )
    ]
    specimen = press(lay_crystal(WIDE_NM, planes, sources), *rows)
    used = specimen.population
    for s, (plane, at, _, _) in enumerate(sources):
        expected = any(p == plane and abs(r - at) <= reach for p, r, _ in rows)
        for found_at in range(len(rows) + 2):
            used.found_at[s], used.found_when[s] = found_at, -1
            assert ask(specimen.lattice, specimen.rules, used, s) == expected
    assert sum(ask(specimen.lattice, specimen.rules, used, s) for s in range(len(sources))) == 3


def test_a_source_notices_who_comes_glides_on_and_leaves():
    specimen = press(
        lay_crystal(WIDE_NM, [(UP, 0.0), (UP, 30.0)], [(0, MIDDLE, 10 * STRENGTH, BULK)]),
        shear_mpa=STRENGTH,
        hold_time_ns=2.0,
    )

    def blocked_now():
        return ask(specimen.lattice, specimen.rules, specimen.population, 0)

    assert not blocked_now()
    put(specimen, (1, MIDDLE, 1))
    assert not blocked_now()
    put(specimen, (0, MIDDLE, 1))
    assert blocked_now()
    for slot in (0, 0):
        remove(specimen.population, slot)
    assert not blocked_now()
    put(specimen, (0, MIDDLE, 1))
    assert blocked_now()
    specimen.settle()
    assert abs(positions(specimen)[0] - MIDDLE) > L_NUC
    assert not blocked_now()


@pytest.mark.parametrize("fraction", [0.97, 1.03])
@pytest.mark.parametrize("sense", [1, -1])
def test_a_new_dipole_expands_above_the_source_strength_and_collapses_below(fraction, sense):
    specimen = press(
        ONE_PLANE,
        (0, MIDDLE - L_NUC / 2, -sense),
        (0, MIDDLE + L_NUC / 2, sense),
        shear_mpa=sense * fraction * STRENGTH,
        hold_steps=400,
    )
    settled = specimen.settle()
    if fraction < 1:
        assert settled
        assert len(positions(specimen)) == 0
        assert specimen.stress_mpa == pytest.approx(sense * fraction * STRENGTH / SCHMID)
    else:
        assert np.ptp(positions(specimen)) > 5 * L_NUC


@pytest.mark.parametrize("sense", [1, -1])
def test_a_bulk_source_emits_a_dipole_of_its_length_at_its_strength(sense):
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], [(0, MIDDLE, STRENGTH, BULK)])
    still = press(
        crystal, shear_mpa=sense * 0.999 * STRENGTH, hold_time_ns=10.0, nucleation_time_ns=10.0
    )
    assert still.settle()
    assert len(positions(still)) == 0
    # as long as the nucleation time
    active = press(
        crystal, shear_mpa=sense * 1.001 * STRENGTH, hold_time_ns=10.0, nucleation_time_ns=10.0
    )
    # and no longer for one that has waited for the stress
    still.platen[0] *= 1.001 / 0.999
    for specimen in (active, still):
        specimen.settle()
        assert positions(specimen) == pytest.approx([MIDDLE + L_NUC / 2, MIDDLE - L_NUC / 2])
        assert specimen.population.sign[:2].tolist() == [sense, -sense]
        assert specimen.population.slip[0] == 0


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("before, now, hindered", [(1.1, 0.97, False), (0.97, 1.1, True)])
def test_a_source_is_hindered_until_it_rests_below_its_strength(before, now, hindered, sense):
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], [(0, MIDDLE, STRENGTH, BULK)])
    specimen = press(crystal, shear_mpa=sense * now * STRENGTH)
    specimen.population.hindrance[0] = 1.2 * STRENGTH
    specimen.press.tau[0] = sense * before * STRENGTH
    assert specimen.settle()
    assert specimen.emissions == 0
    assert specimen.population.hindrance[0] == (1.2 * STRENGTH if hindered else 0.0)


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_every_emission_raises_the_threshold_of_its_source_alone(share):
    crystal = lay_crystal(
        WIDE_NM, [(UP, 0.0)], [(0, MIDDLE, STRENGTH, BULK), (0, 0.2 * MIDDLE, 9 * STRENGTH, BULK)]
    )
    specimen = press(crystal, shear_mpa=1.001 * STRENGTH, hold_time_ns=10.0, source_hardening=share)
    specimen.settle()
    assert len(positions(specimen)) == 2
    assert specimen.population.hardening == pytest.approx([share * STRENGTH, 0.0])


@pytest.mark.parametrize(("stress", "emits"), [(1.09, False), (1.11, True)])
def test_a_hardened_source_emits_at_its_raised_threshold(stress, emits):
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], [(0, MIDDLE, STRENGTH, BULK)])
    specimen = press(crystal, shear_mpa=stress * STRENGTH, hold_time_ns=10.0)
    specimen.population.hardening[0] = 0.1 * STRENGTH
    specimen.settle()
    assert (len(positions(specimen)) == 2) == emits


@pytest.mark.parametrize("end", ["left", "right"])
@pytest.mark.parametrize("sense", [1, -1])
def test_a_surface_source_emits_inwards_and_leaves_a_step_at_its_end_only(end, sense):
    depth, lock = (10.0, 30.0) if end == "left" else (240.0, 220.0)
    crystal = lay_crystal(125.0, [(UP, 0.0)], [(0, depth, 150.0, SURFACE)], [(0, lock, 1e6)])
    quiet = press(crystal, shear_mpa=sense * 149.0)
    assert quiet.settle()
    assert len(positions(quiet)) == 0
    specimen = press(crystal, shear_mpa=sense * 160.0)
    assert specimen.settle()
    assert positions(specimen).tolist() == [lock]
    inward = 1 if end == "left" else -1
    assert specimen.population.sign[0] == sense * inward
    assert specimen.population.slip.tolist() == [0 if end == "left" else sense]


def test_a_surface_source_waits_until_the_stress_beats_the_image_attraction():
    crystal = lay_crystal(125.0, [(UP, 0.0)], [(0, 10.0, 20.0, SURFACE)])
    specimen = press(crystal)
    image = abs(image_stress(specimen.pillar, *_point(crystal, 10.0), UP))
    assert image == pytest.approx(C_MPA_NM / 20, rel=0.05)
    assert specimen.lattice.source_threshold[0] == pytest.approx(image)


def _point(crystal, position):
    return crystal.plane_origin_nm[0] + position * np.array([cos(UP), sin(UP)])
