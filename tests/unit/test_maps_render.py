import time

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes

from strainprint.errors import BadInputError
from strainprint.maps.render import lay_grid, render_increment, render_on_grid
from strainprint.maps.scalars import equivalent_strain

BODY = {"width_nm": 125.0, "height_nm": 500.0, "pitch_nm": 2.0}
SLIP = np.array([0.5, np.sqrt(3) / 2])  # 60 degrees from x, 30 from the loading axis
NORMAL = np.array([-SLIP[1], SLIP[0]])


def uniform(state, x, y):
    """A state is (exx, eyy) of a homogeneous strain."""
    return state[0] * x, state[1] * y


def step(state, x, y):
    """A state is a list of (height of the plane's centre, slip); above slides along the plane."""
    ux, uy = np.zeros_like(x), np.zeros_like(y)
    for centre, slip in state:
        above = NORMAL[0] * x + NORMAL[1] * (y - centre) > 0
        ux, uy = ux - slip * SLIP[0] * above, uy - slip * SLIP[1] * above
    return ux, uy


def rotation(state, x, y):
    c, s = np.cos(state), np.sin(state)
    return c * x - s * y - x, s * x + c * y - y


def test_reference_frame_has_the_size_of_the_body():
    grid = lay_grid(uniform, (0, 0), **BODY, frame="reference")
    assert grid.x_nm.shape == (62, 250)
    assert grid.seen is None
    assert (grid.x_nm[0, 0], grid.y_nm[0, 0]) == (-61.5, 1.0)


@pytest.mark.parametrize("frame", ["reference", "deformed"])
def test_uniform_compression_is_recovered(frame):
    strain_map = render_increment(uniform, (0, 0), (0.004, -0.01), **BODY, frame=frame)
    assert strain_map.shape == (62, 250)
    assert strain_map.valid.all()
    np.testing.assert_allclose(strain_map.exx, 0.004, rtol=1e-5)
    np.testing.assert_allclose(strain_map.eyy, -0.01, rtol=1e-5)
    np.testing.assert_allclose(strain_map.exy, 0, atol=1e-8)


def test_prior_strain_shortens_the_deformed_frame_only():
    prior, loaded = (0.03, -0.10), (0.03, -0.11)
    assert render_increment(uniform, prior, loaded, **BODY, frame="reference").shape == (62, 250)
    strain_map = render_increment(uniform, prior, loaded, **BODY, frame="deformed")
    assert strain_map.shape == (64, 225)  # 128.75 nm and 450 nm
    assert strain_map.valid.all()
    np.testing.assert_allclose(strain_map.eyy, -0.01, rtol=1e-5)


@pytest.mark.parametrize("frame", ["reference", "deformed"])
def test_one_slip_step_is_one_band_and_nothing_else(frame):
    b = 0.25
    strain_map = render_increment(step, [], [(250.0, b)], **BODY, frame=frame)
    strain = equivalent_strain(strain_map)
    grid = lay_grid(step, [], **BODY, frame=frame)
    distance = NORMAL[0] * grid.x_nm + NORMAL[1] * (grid.y_nm - 250.0)
    band = np.abs(distance) < 2.0 * (abs(NORMAL[0]) + abs(NORMAL[1])) / 2
    band[[0, -1]] = False  # at the sides a one-sided difference may miss the step
    assert (strain[band] > 0.1 * b / 4).all()
    np.testing.assert_allclose(strain[np.abs(distance) > 4.0], 0, atol=1e-7)
    # a simple shear conserves area: the band's mean exx + eyy vanishes
    assert abs(np.mean(strain_map.exx + strain_map.eyy)) < 1e-5


def test_the_mean_axial_strain_of_a_step_is_its_platen_displacement():
    b = 0.25
    strain_map = render_increment(step, [], [(250.0, b)], **BODY, frame="reference")
    # the difference over a row sums to the displacement between its ends (edges count half)
    rise = strain_map.uy_nm[:, -1] - strain_map.uy_nm[:, 0]
    np.testing.assert_allclose(rise, -b * SLIP[1], rtol=1e-5)


def test_prior_step_shears_the_deformed_body_and_keeps_the_increment_in_place():
    # the prior step moves the upper half by 40 nm; the reload slips a second plane above it
    prior, loaded = [(200.0, 40.0)], [(200.0, 40.0), (350.0, 0.5)]
    grid = lay_grid(step, prior, **BODY, frame="deformed")
    rows, columns = grid.seen.shape
    assert columns == pytest.approx((500 - 40 * SLIP[1]) / 2, abs=1)
    assert rows == pytest.approx((125 + 40 * SLIP[0]) / 2, abs=1)
    inside = grid.seen >= 0
    # the body's area in grid cells: nothing gapes, nothing is counted twice
    assert inside.sum() == pytest.approx(125 * 500 / 4, rel=0.01)
    # what a grid point sees lies within its cell, but for the staircases along the step
    x_moved, y_moved = grid.x_nm + grid.ux_nm, grid.y_nm + grid.uy_nm
    x_seen, y_seen = x_moved.ravel()[grid.seen], y_moved.ravel()[grid.seen]
    x_grid = -61.5 - 40 * SLIP[0] + np.arange(rows)[:, None] * 2.0
    y_grid = 1.0 + np.arange(columns)[None, :] * 2.0
    off = np.maximum(np.abs(x_seen - x_grid), np.abs(y_seen - y_grid))[inside]
    assert np.mean(off > 1.06) < 0.01
    assert off.max() <= 2.0
    strain_map = render_on_grid(step, grid, loaded)
    hot = np.nan_to_num(equivalent_strain(strain_map)) > 1e-4
    x, y = grid.x_nm.ravel()[grid.seen], grid.y_nm.ravel()[grid.seen]
    distance = NORMAL[0] * x + NORMAL[1] * (y - 350.0)
    assert hot.any()
    assert np.abs(distance[hot]).max() < 3.0


@pytest.mark.parametrize("frame", ["reference", "deformed"])
def test_old_slip_leaves_no_trace_in_an_elastic_increment(frame):
    def slip_and_press(state, x, y):
        slip, pressing = state
        ux, uy = step(slip, x, y)
        return ux, uy + pressing * y

    prior = [(150.0, 7.3), (220.0, 12.0), (222.5, 30.0)]
    strain_map = render_increment(slip_and_press, (prior, 0.0), (prior, -1e-3), **BODY, frame=frame)
    np.testing.assert_allclose(strain_map.eyy[strain_map.valid], -1e-3, rtol=1e-5)
    np.testing.assert_allclose(strain_map.exy[strain_map.valid], 0, atol=1e-8)


def test_a_block_half_a_pitch_off_the_grid_is_seen_whole():
    grid = lay_grid(step, [(200.0, 58.0)], **BODY, frame="deformed")  # 29 nm aside
    assert np.unique(grid.seen[grid.seen >= 0]).size > 0.995 * grid.x_nm.size


def test_the_deformed_body_has_no_holes():
    prior = [(150.0, 7.3), (220.0, 12.0), (222.5, 30.0), (300.0, -11.0)]
    inside = lay_grid(step, prior, **BODY, frame="deformed").seen >= 0
    np.testing.assert_array_equal(inside, binary_fill_holes(inside))


def test_rigid_rotation_of_the_body_turns_the_increment_not_its_size():
    def press_then_turn(state, x, y):
        angle, pressing = state
        y_pressed = y * (1 + pressing)
        ux, uy = rotation(angle, x, y_pressed)
        return ux, uy + pressing * y

    strain_map = render_increment(
        press_then_turn, (0.02, 0.0), (0.02, -0.01), **BODY, frame="deformed"
    )
    assert not strain_map.valid.all()  # corners of the box are empty
    values = equivalent_strain(strain_map)[strain_map.valid]
    np.testing.assert_allclose(values, 2 / 3 * 0.01, rtol=5e-2)


def test_an_unmoved_body_looks_the_same_in_both_frames():
    grid = lay_grid(uniform, (0, 0), **BODY, frame="deformed")
    np.testing.assert_array_equal(grid.seen, np.arange(62 * 250).reshape(62, 250))


@pytest.mark.parametrize("frame", ["reference", "deformed"])
def test_each_state_is_evaluated_once(frame):
    calls = []

    def counting(state, x, y):
        calls.append((state, x.size))
        return uniform(state, x, y)

    render_increment(counting, (0, 0), (0, -0.01), **BODY, frame=frame)
    assert calls == [((0, 0), 62 * 250), ((0, -0.01), 62 * 250)]


def test_a_map_of_125_nm_takes_well_under_a_third_of_a_second():
    prior = [(150.0, 7.3), (220.0, 12.0)]
    start = time.process_time()
    render_increment(step, prior, [*prior, (300.0, 1.0)], **BODY, frame="deformed")
    assert time.process_time() - start < 0.3


def test_bad_frame_and_pitch_are_refused():
    with pytest.raises(BadInputError, match="reference or deformed"):
        lay_grid(uniform, (0, 0), **BODY, frame="moon")
    with pytest.raises(BadInputError, match="pitch 100"):
        lay_grid(uniform, (0, 0), **{**BODY, "pitch_nm": 100.0}, frame="reference")
