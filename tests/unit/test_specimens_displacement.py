from math import cos, pi, radians, sin

import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    DOWN,
    SCHMID,
    UP,
    burgers_circuit,
    lay_crystal,
    press,
    stress_by_hooke,
)

from strainprint.specimens.crystal import SURFACE
from strainprint.specimens.displacement import (
    axial_stress_from_superposition_mpa,
    displacement_nm,
)
from strainprint.specimens.state import State, macroscopic_stress_mpa, plane_slip

B = 0.25
ONE_PLANE = lay_crystal(125.0, [(UP, 0.0)])
TWO_PLANES = lay_crystal(125.0, [(UP, 0.0), (DOWN, 30.0)])


def state_of(dislocations, slip, platen_nm=0.0):
    plane, position, sign = zip(*dislocations, strict=True) if dislocations else ((), (), ())
    return State(
        np.array(plane, np.int64),
        np.array(position, float),
        np.array(sign, np.int64),
        np.array(slip, np.int64),
        platen_nm,
    )


def jump_across(crystal, state, plane, position):
    """(along s, along n) of the displacement just above the plane minus that just below."""
    angle = crystal.plane_angle[plane]
    s, n = np.array([cos(angle), sin(angle)]), np.array([-sin(angle), cos(angle)])
    point = crystal.plane_origin_nm[plane] + position * s
    x, y = (point + np.outer([1e-8, -1e-8], n)).T
    ux, uy = displacement_nm(crystal, ALUMINIUM, state, x, y)
    jump = np.array([ux[0] - ux[1], uy[0] - uy[1]])
    return jump @ s, jump @ n


def test_a_slipped_plane_moves_the_top_by_one_burgers_vector_rigidly():
    virgin, slipped = (
        displacement_nm(
            ONE_PLANE, ALUMINIUM, state_of([], [n]), [-60, 0, 60], [500.0] * 3, axial_stress_mpa=0.0
        )
        for n in (0, 1)
    )
    np.testing.assert_allclose(slipped[0] - virgin[0], B * cos(UP), rtol=1e-12)
    np.testing.assert_allclose(slipped[1] - virgin[1], B * cos(radians(30)), rtol=1e-12)
    assert B * cos(radians(30)) == pytest.approx(0.2165, abs=1e-4)


def test_the_bottom_platen_is_held():
    state = state_of([(0, 90.0, 1), (1, 200.0, -1)], [1, -2], -3.0)
    ux, uy = displacement_nm(TWO_PLANES, ALUMINIUM, state, [-60.0, 0.0, 60.0], [0.0, 0.0, 0.0])
    np.testing.assert_allclose(uy, 0, atol=1e-12)
    assert ux[1] == 0


def test_an_empty_crystal_is_strained_uniformly():
    x, y = np.meshgrid([-60.0, 0.0, 45.0], [0.0, 200.0, 500.0])
    ux, uy = displacement_nm(TWO_PLANES, ALUMINIUM, state_of([], [0, 0], -5.0), x, y)
    assert ux.shape == (3, 3)
    np.testing.assert_allclose(uy, -0.01 * y, atol=1e-12)
    np.testing.assert_allclose(ux, 0.33 / 0.67 * 0.01 * x, atol=1e-12)


def test_strain_under_load_gives_the_stress_through_hookes_law_and_free_sides():
    state = state_of([(0, 90.0, 1), (0, 150.0, -1), (1, 200.0, -1)], [1, -2], -1.5)

    def displacement(x, y):
        return displacement_nm(TWO_PLANES, ALUMINIUM, state, x, y)

    # three fifths of the way up no slip trace is near
    section = []
    nodes, weights = np.polynomial.legendre.leggauss(24)
    for x in nodes * 62.4:
        section.append(stress_by_hooke(displacement, x, 440.0, 0.02)[1])
    expected = macroscopic_stress_mpa(TWO_PLANES, ALUMINIUM, state)
    assert weights @ section / 2 == pytest.approx(expected, rel=2e-3)
    xx, _, xy = stress_by_hooke(displacement, 62.4, 440.0, 0.02)
    assert max(abs(xx), abs(xy)) < 0.5


@pytest.mark.parametrize("angle", [UP, DOWN])
@pytest.mark.parametrize("whole", [0, 1, -3])
def test_displacement_jumps_by_the_slip_of_the_plane_and_nowhere_else(angle, whole):
    crystal = lay_crystal(125.0, [(angle, 0.0)])
    state = state_of([(0, 40.0, 1), (0, 130.0, -1), (0, 190.0, -1)], [whole], -2.0)
    for position, slip in [
        (20.0, whole - 1),
        (80.0, whole - 2),
        (160.0, whole - 1),
        (230.0, whole),
    ]:
        assert plane_slip(crystal, state, 0, position) == slip
        along, opening = jump_across(crystal, state, 0, position)
        assert along == pytest.approx(B * slip, abs=1e-8)
        assert opening == pytest.approx(0, abs=1e-8)
    # beside the plane nothing jumps
    for x in (-40.0, 0.0, 40.0):
        below = displacement_nm(crystal, ALUMINIUM, state, [x, x], [120.0, 120.0 + 1e-7])
        np.testing.assert_allclose(np.diff(below), 0, atol=1e-8)


@pytest.mark.parametrize("angle", [UP, DOWN])
def test_burgers_circuit_around_a_dislocation_in_a_specimen_closes_with_b(angle):
    crystal = lay_crystal(125.0, [(angle, 0.0)])
    state = state_of([(0, 110.0, 1)], [0])
    centre = crystal.plane_origin_nm[0] + 110.0 * np.array([cos(angle), sin(angle)])
    found = burgers_circuit(
        lambda x, y: displacement_nm(crystal, ALUMINIUM, state, x, y), *centre, 20.0, angle + pi
    )
    np.testing.assert_allclose(found, [B * cos(angle), B * sin(angle)], atol=1e-6)


@pytest.mark.parametrize("end", ["left", "right"])
@pytest.mark.parametrize("sense", [1, -1])
def test_surface_emission_slips_the_plane_between_its_end_and_the_dislocation(end, sense):
    depth, lock = (10.0, 60.0) if end == "left" else (240.0, 190.0)
    crystal = lay_crystal(125.0, [(UP, 0.0)], [(0, depth, 150.0, SURFACE)], [(0, lock, 1e6)])
    specimen = press(crystal, shear_mpa=sense * 155.0)
    assert specimen.settle()
    state = specimen.state
    assert state.position_nm.tolist() == [lock]
    slipped = (5.0, 40.0, 59.0) if end == "left" else (191.0, 210.0, 245.0)
    rest = (61.0, 120.0, 245.0) if end == "left" else (5.0, 120.0, 189.0)
    for position in slipped:
        # both ends slip in the sense of the load: s . [u] has the sign of the resolved stress
        assert jump_across(crystal, state, 0, position)[0] == pytest.approx(sense * B, abs=1e-8)
    for position in rest:
        assert jump_across(crystal, state, 0, position)[0] == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("start", [(60.0, 1), (60.0, -1), (200.0, 1), (200.0, -1)])
def test_an_exit_changes_no_displacement_but_the_vanishing_one_of_the_dislocation(start):
    position, sign = start
    leaving = 1e-5 if position < 125 else 250.0 - 1e-5
    inside = state_of([(0, leaving, sign)], [0])
    gone = state_of([], [sign if leaving > 125 else 0])
    x, y = np.meshgrid([-50.0, 0.0, 50.0], [0.0, 100.0, 240.0, 400.0, 500.0])
    before = displacement_nm(ONE_PLANE, ALUMINIUM, inside, x, y, axial_stress_mpa=0.0)
    after = displacement_nm(ONE_PLANE, ALUMINIUM, gone, x, y, axial_stress_mpa=0.0)
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_macroscopic_relation_is_the_full_superposition_for_any_state():
    rng = np.random.default_rng(5)
    for width, height in [(62.5, 250.0), (125.0, 500.0), (125.0, 312.5), (500.0, 2000.0)]:
        offsets = rng.uniform(-0.1, 0.1, 8) * height
        crystal = lay_crystal(
            width, [((UP, DOWN)[i % 2], o) for i, o in enumerate(offsets)], height_nm=height
        )
        for count in (1, 7, 60):
            dislocations = list(
                zip(
                    rng.integers(0, 8, count),
                    rng.uniform(0.5, 2 * width - 0.5, count),
                    rng.choice([-1, 1], count),
                    strict=True,
                )
            )
            state = state_of(dislocations, rng.integers(-20, 20, 8), rng.normal() * height * 0.02)
            exact = macroscopic_stress_mpa(crystal, ALUMINIUM, state)
            summed = axial_stress_from_superposition_mpa(crystal, ALUMINIUM, state)
            assert summed == pytest.approx(exact, rel=1e-6)


def test_plastic_strain_of_one_full_slip_is_two_schmid_b_over_the_height():
    state = state_of([], [1])
    expected = -ALUMINIUM.plane_strain_modulus_mpa * 2 * B * SCHMID / 500.0
    assert macroscopic_stress_mpa(ONE_PLANE, ALUMINIUM, state) == pytest.approx(expected)
