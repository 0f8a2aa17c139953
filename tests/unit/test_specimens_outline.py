from math import cos, sin

import numpy as np
import pytest
from hand_built_crystals import ALUMINIUM, DOWN, UP, lay_crystal

from strainprint.specimens.outline import (
    deformed_outline,
    moved_on_planes,
    slip_segments,
    surface_steps,
)
from strainprint.specimens.state import State

WIDTH_NM, LENGTH_NM, B_NM = 125.0, 250.0, 0.25


def state_of(crystal, *dislocations, whole=(), platen_nm=0.0):
    """A state with (plane, r, sign) dislocations and whole-plane slips by plane."""
    slip = np.zeros(len(crystal.plane_angle), np.int64)
    for plane, number in whole:
        slip[plane] = number
    plane, position, sign = zip(*dislocations, strict=True) if dislocations else ((), (), ())
    return State(
        np.array(plane, np.int64),
        np.array(position, float),
        np.array(sign, np.int64),
        slip,
        platen_nm,
    )


def test_an_unloaded_crystal_without_slip_is_a_rectangle():
    crystal = lay_crystal(WIDTH_NM, [(UP, 0.0)])
    outline = deformed_outline(crystal, ALUMINIUM, state_of(crystal))
    np.testing.assert_array_equal(outline[0], outline[-1])
    assert set(np.unique(outline[:, 0])) == {-WIDTH_NM / 2, WIDTH_NM / 2}
    assert (outline[:, 1].min(), outline[:, 1].max()) == (0.0, 4 * WIDTH_NM)
    assert len(surface_steps(crystal, state_of(crystal)).plane) == 0


def test_loading_without_slip_shortens_and_widens_the_rectangle():
    crystal = lay_crystal(WIDTH_NM, [(UP, 0.0)])
    outline = deformed_outline(crystal, ALUMINIUM, state_of(crystal, platen_nm=-1.0))
    assert outline[:, 1].max() == pytest.approx(4 * WIDTH_NM - 1.0)
    # plane strain: the sides move out by nu / (1 - nu) of the axial strain
    widened = 0.33 / 0.67 * 1.0 / (4 * WIDTH_NM) * WIDTH_NM
    assert np.ptp(outline[:, 0]) == pytest.approx(WIDTH_NM + widened)


@pytest.mark.parametrize("angle", [UP, DOWN])
def test_a_plane_that_slipped_through_leaves_a_step_of_its_size_on_both_sides(angle):
    crystal = lay_crystal(WIDTH_NM, [(angle, 0.0)])
    # the platen moved with the upper part: no stress
    state = state_of(crystal, whole=[(0, 3)], platen_nm=3 * B_NM * sin(angle))
    steps = surface_steps(crystal, state)
    assert steps.burgers_vectors.tolist() == [3, 3]
    np.testing.assert_allclose(np.sort(steps.position_nm[:, 0]), [-62.5, 62.5])
    outline = deformed_outline(crystal, ALUMINIUM, state)
    along = np.array([cos(angle), sin(angle)])
    jumps = np.diff(outline, axis=0)
    largest = jumps[np.argsort(-np.abs(jumps @ [1, 0]))]
    beside = np.abs(largest @ [0, 1]) < 100
    # both platens are the longest pieces; the two next are the steps, one up and one down
    found = largest[beside & (np.abs(largest @ [1, 0]) < 100)][:2]
    np.testing.assert_allclose(np.abs(found), 3 * B_NM * np.abs([along, along]), atol=0.01)


def test_a_dislocation_on_its_way_leaves_a_step_behind_it_alone():
    crystal = lay_crystal(WIDTH_NM, [(UP, 0.0), (UP, 40.0)])
    steps = surface_steps(crystal, state_of(crystal, (0, 100.0, 1), (1, 60.0, -1)))
    assert steps.plane.tolist() == [0, 1]
    assert steps.burgers_vectors.tolist() == [1, -1]
    np.testing.assert_allclose(steps.position_nm, crystal.plane_origin_nm[[0, 1]])
    dipole = surface_steps(crystal, state_of(crystal, (0, 100.0, 1), (0, 60.0, -1)))
    assert len(dipole.plane) == 0


def test_a_magnified_outline_moves_that_many_times_further():
    crystal = lay_crystal(WIDTH_NM, [(UP, 0.0)])
    state = state_of(crystal, (0, 100.0, 1), whole=[(0, 2)])
    at = [
        deformed_outline(crystal, ALUMINIUM, state, magnification=factor) for factor in (0, 1, 10)
    ]
    np.testing.assert_allclose(at[2] - at[0], 10 * (at[1] - at[0]))


def test_slip_is_uniform_between_dislocations_and_what_a_reload_adds_is_the_difference():
    crystal = lay_crystal(WIDTH_NM, [(UP, 0.0), (UP, 40.0)])
    before = state_of(crystal, (0, 100.0, 1), whole=[(0, 1)])
    after = state_of(crystal, (0, 150.0, 1), (0, 20.0, 1), whole=[(0, 1)])
    total = slip_segments(crystal, before)
    assert total.plane.tolist() == [0, 0]
    assert total.start_nm.tolist() == [0.0, 100.0]
    assert total.end_nm.tolist() == [100.0, LENGTH_NM]
    assert total.burgers_vectors.tolist() == [2, 1]
    gained = slip_segments(crystal, after, before)
    assert gained.start_nm.tolist() == [0.0, 100.0]
    assert gained.end_nm.tolist() == [20.0, 150.0]
    assert gained.burgers_vectors.tolist() == [1, 1]
    assert len(slip_segments(crystal, before, before).plane) == 0


def test_a_place_on_a_slipped_plane_moves_by_the_mean_of_its_sides():
    crystal = lay_crystal(WIDTH_NM, [(UP, 0.0)])
    state = state_of(crystal, whole=[(0, 4)], platen_nm=4 * B_NM * sin(UP))
    middle = crystal.plane_origin_nm[0] + 125.0 * np.array([cos(UP), sin(UP)])
    (moved,) = moved_on_planes(crystal, ALUMINIUM, state, np.array([0]), np.array([125.0]))
    np.testing.assert_allclose(moved - middle, 2 * B_NM * np.array([cos(UP), sin(UP)]), atol=1e-9)
