from dataclasses import replace

import numpy as np
import pytest
from hand_built_crystals import ALUMINIUM, DOWN, UP, lay_crystal

from strainprint.errors import BadInputError
from strainprint.maps.strain_map import strain_from_displacement
from strainprint.specimens import rendering
from strainprint.specimens.displacement import displacement_nm
from strainprint.specimens.rendering import displacement_on_axes_nm, displacement_on_mesh_nm
from strainprint.specimens.state import State

TOLERANCE = 1e-6
"""Of the peak: what a map may differ from the direct sum."""


def a_specimen(width, count, *, seed=1, systems=2, aspect=4.0, planes=24):
    """Planes 2.5 nm apart about mid-height, ``count`` dislocations, whole-plane slip."""
    rng = np.random.default_rng(seed)
    spacing = 2.5 / abs(np.cos(UP))
    crystal = lay_crystal(
        width,
        [((UP, DOWN)[i % systems], spacing * (i - planes / 2) + 1.1) for i in range(planes)],
        height_nm=aspect * width,
    )
    state = State(
        plane=rng.integers(0, planes, count),
        position_nm=rng.uniform(0, 2 * width, count),
        sign=rng.choice([-1, 1], count),
        whole_plane_slip=rng.integers(-9, 10, planes),
        platen_displacement_nm=-0.03 * aspect * width,
    )
    return crystal, state


def places(crystal, state):
    """(x, y) of the dislocations."""
    angle = crystal.plane_angle[state.plane]
    along = np.column_stack([np.cos(angle), np.sin(angle)])
    return (crystal.plane_origin_nm[state.plane] + along * state.position_nm[:, None]).T


def grid_of(crystal, pitch):
    rows, columns = int(crystal.width_nm / pitch), int(crystal.height_nm / pitch)
    x = -crystal.width_nm / 2 + (np.arange(rows) + 0.5) * pitch
    return x, (np.arange(columns) + 0.5) * pitch


def both(crystal, state, x, y, **options):
    """Displacement (2, rows, columns) by the fast method and by direct summation."""
    return (
        np.array(displacement_on_axes_nm(crystal, ALUMINIUM, state, x, y, **options)),
        np.array(displacement_nm(crystal, ALUMINIUM, state, x[:, None], y, **options)),
    )


def assert_the_same(crystal, state, x, y):
    fast, direct = both(crystal, state, x, y)
    np.testing.assert_allclose(fast, direct, rtol=0, atol=TOLERANCE * np.abs(direct).max())
    everywhere = np.ones(fast.shape[1:], bool)
    fast_strain, strain = (strain_from_displacement(*u, 2.0, everywhere) for u in (fast, direct))
    # float32: a unit in the last place of the peak is 1e-7 of it
    np.testing.assert_allclose(fast_strain, strain, rtol=0, atol=TOLERANCE * np.abs(strain).max())


@pytest.mark.parametrize("systems", [1, 2])
@pytest.mark.parametrize(
    ("width", "count", "aspect"),
    [(62.5, 0, 4.0), (62.5, 1, 4.0), (62.5, 40, 4.0), (125.0, 60, 4.0), (125.0, 30, 2.5)],
)
def test_a_map_is_the_direct_sum(width, count, aspect, systems):
    crystal, state = a_specimen(width, count, systems=systems, aspect=aspect)
    assert_the_same(crystal, state, *grid_of(crystal, 2.0))


def test_the_sum_holds_up_to_sides_and_platens():
    crystal, state = a_specimen(62.5, 20)
    x, y = np.linspace(-31.25, 31.25, 41), np.linspace(0, 250, 83)
    fast, direct = both(crystal, state, x, y)
    np.testing.assert_allclose(fast, direct, rtol=0, atol=1e-9)


def test_dislocations_next_to_the_sides_and_to_the_platens_are_exact_too():
    crystal, state = a_specimen(62.5, 8)
    # a crystal whose outermost planes end 0.1 nm from the platens
    rise = np.tan(UP) * 62.5
    corners = lay_crystal(62.5, [(UP, rise / 2 + 0.1 - 125), (DOWN, 125 - rise / 2 - 0.1)])
    depths = [1e-5, 125.0 - 1e-5, 0.01, 124.99, 1.0, 124.0, 3.0, 122.0]
    for at in (crystal, corners):
        near = replace(
            state,
            plane=np.arange(8) % 2,
            position_nm=np.array(depths),
            whole_plane_slip=np.arange(len(at.plane_angle)),
        )
        assert_the_same(at, near, *grid_of(at, 2.0))


def test_points_next_to_dislocations_and_level_with_them_are_exact():
    crystal, state = a_specimen(125.0, 30)
    x0, y0 = places(crystal, state)
    x, y = grid_of(crystal, 10.0)
    x = np.unique([*x, *(x0 + 1e-3), *(x0 - 1e-6)])
    y = np.unique([*y, *y0, *(y0 + 1e-6), *(y0 - 1e-3)])
    x = x[np.abs(x) <= 62.5]
    assert len(x) > 60 and len(y) > 100
    fast, direct = both(crystal, state, x, y)
    np.testing.assert_allclose(fast, direct, rtol=0, atol=1e-7)


def test_points_on_either_side_of_slip_planes_see_the_right_step():
    crystal, state = a_specimen(125.0, 30, seed=4)
    y = np.arange(200.0, 300.0, 7.0)
    crossing = [
        ox + (y - oy) / np.tan(angle)
        for angle, (ox, oy) in zip(crystal.plane_angle, crystal.plane_origin_nm, strict=True)
    ]
    x = np.concatenate(crossing)
    x = np.unique(np.concatenate([x - 1e-8, x + 1e-8])[np.abs(np.tile(x, 2)) < 62])
    fast, direct = both(crystal, state, x, y)
    np.testing.assert_allclose(fast, direct, rtol=0, atol=1e-8)


def test_a_pile_up_on_one_plane_is_exact():
    crystal, state = a_specimen(62.5, 200, planes=1, systems=1)
    # within 20 nm, all of one sign: twenty in the square of four grid points
    crowded = replace(
        state, position_nm=50 + state.position_nm / 125 * 20, sign=np.ones(200, np.int64)
    )
    assert_the_same(crystal, crowded, *grid_of(crystal, 2.0))


def test_every_size_of_rectangle_gives_the_same_field():
    crystal, state = a_specimen(125.0, 40, seed=2)
    x, y = grid_of(crystal, 2.0)
    whole = np.array(displacement_on_axes_nm(crystal, ALUMINIUM, state, x, y))
    for rows, columns in [(slice(0, 1), slice(0, 1)), (slice(3, 20), slice(100, 120))]:
        part = displacement_on_axes_nm(crystal, ALUMINIUM, state, x[rows], y[columns])
        np.testing.assert_allclose(part, whole[:, rows, columns], rtol=0, atol=1e-9)


def test_uneven_axes_and_a_given_stress_are_taken_as_they_come():
    crystal, state = a_specimen(125.0, 20)
    rng = np.random.default_rng(3)
    x, y = np.sort(rng.uniform(-62, 62, 50)), np.sort(rng.uniform(0, 500, 90))
    fast, direct = both(crystal, state, x, y, axial_stress_mpa=-120.0)
    np.testing.assert_allclose(fast, direct, rtol=0, atol=1e-9)
    assert not np.allclose(fast, both(crystal, state, x, y)[0])


def test_a_point_on_a_dislocation_stays_finite():
    crystal = lay_crystal(125.0, [(UP, 0.0)])
    state = State(np.array([0]), np.array([125.0]), np.array([1]), np.array([0]), 0.0)
    (x0,), (y0,) = places(crystal, state)
    x, y = np.array([-10.0, x0, 10.0]), np.array([200.0, y0, 300.0])
    for u in both(crystal, state, x, y):
        assert np.isfinite(u).all()


def test_a_mesh_is_rendered_and_scattered_points_are_summed():
    crystal, state = a_specimen(62.5, 6)
    x, y = grid_of(crystal, 5.0)
    mesh = np.meshgrid(x, y, indexing="ij")
    np.testing.assert_array_equal(
        displacement_on_mesh_nm(crystal, ALUMINIUM, state, *mesh),
        displacement_on_axes_nm(crystal, ALUMINIUM, state, x, y),
    )
    shifted = (mesh[0] + 1e-3 * mesh[1], mesh[1])
    for points in (shifted, np.meshgrid(x, y), (mesh[0][:, 0], mesh[0][:, 0] + 100.0)):
        np.testing.assert_array_equal(
            displacement_on_mesh_nm(crystal, ALUMINIUM, state, *points),
            displacement_nm(crystal, ALUMINIUM, state, *points),
        )


@pytest.mark.parametrize("x", [[], [1.0, 1.0], [2.0, 1.0], [[1.0, 2.0]], [1.0, np.nan]])
def test_what_is_no_axis_is_refused(x):
    crystal, state = a_specimen(62.5, 2)
    with pytest.raises(BadInputError, match="x_nm"):
        displacement_on_axes_nm(crystal, ALUMINIUM, state, x, [1.0, 2.0])
    with pytest.raises(BadInputError, match="y_nm"):
        displacement_on_axes_nm(crystal, ALUMINIUM, state, [1.0, 2.0], x)


def test_the_room_for_a_series_suffices_for_its_end():
    assert rendering._NEAR**rendering._TERMS < rendering._TRUNCATION
