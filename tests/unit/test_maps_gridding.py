import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.maps.gridding import even_axes, is_even, lay_points


def test_lines_of_a_grid_are_found_through_rounding_gaps_and_disorder():
    generator = np.random.default_rng(0)
    places = generator.integers(0, 40, 300)
    values = -3.0 + 0.7 * places + 0.02 * generator.uniform(-1, 1, 300)
    axis = next(even_axes(values))
    assert axis.step == pytest.approx(0.7, rel=1e-3)
    assert axis.start == pytest.approx(-3.0 + 0.7 * places.min(), abs=0.01)
    np.testing.assert_array_equal(axis.index, places - places.min())


def test_two_regions_far_from_each_other_share_one_grid():
    x = np.array([0, 2, 4, 6, 400, 402, 404.0])
    x, y = (part.ravel() for part in np.meshgrid(x, 3.0 * np.arange(5)))
    grid = lay_points(x, y, "here")
    np.testing.assert_allclose(grid.x, np.arange(0, 405, 2.0))
    assert not grid.interpolated


@pytest.mark.parametrize("digits", [0.0, 0.001, 0.02, 0.05, 0.1, 0.2])
def test_scattered_points_of_few_digits_are_no_grid_of_these_digits(digits):
    rng = np.random.default_rng(3)
    x, y = (part.ravel() for part in np.meshgrid(np.arange(50.0), np.arange(40.0)))
    x, y = (part + rng.uniform(-0.3, 0.3, part.size) for part in (x, y))
    if digits:
        x, y = (digits * np.rint(part / digits) for part in (x, y))
    grid = lay_points(x, y, "here")
    assert grid.interpolated
    assert grid.shape[0] * grid.shape[1] < 3 * len(x)


@pytest.mark.parametrize(
    "values",
    [np.zeros(5), np.random.default_rng(1).uniform(size=200), np.array([0, 1, 2.5, 3.2, 7.9])],
)
def test_values_on_no_grid_have_no_axis(values):
    assert list(even_axes(values)) == []
    assert not is_even(values)


def test_a_pitch_that_differs_in_x_and_y_is_kept():
    x, y = (part.ravel() for part in np.meshgrid(3.0 * np.arange(5), 7.0 * np.arange(4)))
    order = np.random.default_rng(2).permutation(20)
    grid = lay_points(x[order], y[order], "here")
    assert not grid.interpolated
    np.testing.assert_allclose(grid.x, 3.0 * np.arange(5))
    np.testing.assert_allclose(grid.y, 7.0 * np.arange(4))
    np.testing.assert_array_equal(grid.laid(x[order], np.float64), np.tile(grid.x, (4, 1)))


def test_a_ragged_region_leaves_the_rest_of_its_grid_empty():
    x, y = (part.ravel().astype(float) for part in np.meshgrid(np.arange(6), np.arange(6)))
    inside = x + y < 6
    laid = lay_points(x[inside], y[inside], "here").laid(x[inside], np.float64)
    assert np.isfinite(laid).sum() == inside.sum()
    assert np.isnan(laid[5, 5])


def test_scattered_points_are_interpolated_exactly_where_the_field_is_linear():
    generator = np.random.default_rng(3)
    x, y = generator.uniform(0, 10, (2, 2000))
    grid = lay_points(x, y, "here")
    assert grid.interpolated
    laid = grid.laid(2 * x - 3 * y, np.float64)
    truth = 2 * grid.x - 3 * grid.y[:, np.newaxis]
    inside = np.isfinite(laid)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(laid[inside], truth[inside], atol=1e-5)


def test_a_hole_among_scattered_points_stays_a_hole():
    generator = np.random.default_rng(4)
    x, y = generator.uniform(0, 10, (2, 4000))
    far = np.hypot(x - 5, y - 5) > 2
    grid = lay_points(x[far], y[far], "here")
    laid = grid.laid(x[far], np.float64)
    hole = np.hypot(grid.x - 5, grid.y[:, np.newaxis] - 5) < 1.5
    assert np.isnan(laid[hole]).all()


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([0, 1, 2], [0, 0, 1], "3 points"),
        ([0, 1, 2, np.nan], [0, 1, 0, 1], "not finite"),
        ([0, 1, 0, 1, 1], [0, 0, 1, 1, 1], "one place"),
        ([0, 1, 2.5, 3.1], [0, 0, 0, 0], "line"),
        ([0, 0, 0, 0], [0, 0, 0, 0], "one place"),
        (
            [0, 1e-9, 1e9, 1e-9, 5.0],
            [0, 1e-9, 1e9, 7e8, 2.0],
            "far from each other|line|area|place",
        ),
    ],
)
def test_points_that_are_no_map_are_refused(x, y, said):
    with pytest.raises(BadInputError, match=said):
        lay_points(np.array(x, dtype=float), np.array(y, dtype=float), "here")
