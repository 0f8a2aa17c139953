"""Pictures of any shape to vectors of one length: lag grid, states, scikit-learn's own checks."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from strainprint.baseline.features import (
    Picture,
    TwoPointCorrelation,
    correlation_vectors,
    lag_grid,
)
from strainprint.baseline.two_point import half_plane, half_plane_length, two_point_correlation
from strainprint.errors import BadInputError


@parametrize_with_checks(
    [TwoPointCorrelation(), TwoPointCorrelation(states="two_state", device="cpu")]
)
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_lag_grid_is_physical_and_ends_at_the_narrowest_map():
    two = [31, 62], [124, 248]
    assert lag_grid(*two, [2.0, 2.0], max_lag_nm=60) == (2.0, (30, 30))
    assert lag_grid([20, 62], [80, 248], [2.0, 2.0], max_lag_nm=60) == (2.0, (19, 30))
    assert lag_grid([62, 31], [248, 124], [2.0, 4.0], max_lag_nm=60) == (4.0, (15, 15))
    assert lag_grid([62], [248], [2.0], max_lag_nm=60, lag_step_nm=6) == (6.0, (10, 10))


def test_lag_grid_that_does_not_fit_is_refused():
    with pytest.raises(BadInputError, match=r"(?s)does not fit the pitch 3 nm.*lag_step_nm"):
        lag_grid([31, 62], [124, 248], [2.0, 3.0], max_lag_nm=60, lag_step_nm=4)
    with pytest.raises(BadInputError, match="max_lag_nm"):
        lag_grid([31], [124], [2.0], max_lag_nm=1.0)


def pictures():
    generator = np.random.default_rng(11)
    return [generator.integers(0, 256, s, dtype=np.uint8) for s in [(9, 30), (12, 48), (5, 20)]]


@pytest.mark.parametrize("states", ["raw", "two_state"])
def test_pictures_of_different_shape_give_vectors_of_one_length(states):
    transformer = TwoPointCorrelation(12.0, states=states)
    vectors = clone(transformer).fit_transform(pictures())
    assert vectors.shape == (3, half_plane_length((4, 6)))
    assert make_pipeline(transformer, PCA(2)).fit_transform(pictures()).shape == (3, 2)


def test_a_map_narrower_than_those_fitted_has_no_pairs_at_the_longest_lags():
    transformer = TwoPointCorrelation(12.0).fit(pictures()[:2])
    assert transformer.max_lag_steps_ == (6, 6)
    vector = transformer.transform(pictures()[2:])[0].reshape(-1)
    assert (vector[-5 * 2 :] == 0).all()


def test_two_state_zero_lag_is_the_strained_area_fraction():
    picture = np.ma.MaskedArray(np.array([[0, 7, 200, 9]], dtype=np.uint8), [[0, 0, 0, 1]])
    vector = TwoPointCorrelation(2.0, states="two_state").fit_transform([picture])[0]
    assert vector[0] == pytest.approx(2 / 3)
    raw = TwoPointCorrelation(2.0).fit_transform([picture])[0]
    assert raw[0] == pytest.approx((7**2 + 200**2) / 255**2 / 3)
    assert raw[1] == pytest.approx(np.sqrt(2) * 7 * 200 / 255**2 / 2)


@pytest.mark.parametrize("shape", [(20, 40), (21, 43)])
def test_pitches_meet_on_one_grid_in_nanometres(shape):
    """A picture at half the pitch is read at every second pixel lag."""
    grey = np.random.default_rng(13).integers(0, 256, shape, dtype=np.uint8)
    coarse = Picture(grey, 4.0)
    fine = Picture(np.kron(grey, np.ones((2, 2), dtype=np.uint8)), 2.0)
    transformer = TwoPointCorrelation(20.0).fit([coarse, fine])
    assert (transformer.lag_step_nm_, transformer.max_lag_steps_) == (4.0, (5, 5))
    vectors = transformer.transform([coarse, fine])
    full = two_point_correlation(grey / 255.0, max_lag=(5, 5))
    np.testing.assert_allclose(vectors[0], half_plane(full), rtol=1e-12)
    # Whole pixels shifted by whole pixels: the fine picture has the same correlation.
    np.testing.assert_allclose(vectors[1], vectors[0], rtol=1e-12)


def test_rows_of_a_table_are_pictures_of_the_given_shape():
    stack = np.random.default_rng(15).random((4, 5, 7))
    flat = TwoPointCorrelation(6.0, picture_shape=(5, 7)).fit_transform(stack.reshape(4, 35))
    np.testing.assert_array_equal(flat, TwoPointCorrelation(6.0).fit_transform(stack))
    frame = pd.DataFrame(stack.reshape(4, 35)).rename(columns=str)
    transformer = TwoPointCorrelation(6.0, picture_shape=(5, 7)).set_output(transform="pandas")
    named = transformer.fit(frame).transform(frame)
    np.testing.assert_array_equal(named.to_numpy(), flat)
    assert named.columns[0] == "twopointcorrelation0"


def test_lags_without_pairs_are_counted():
    valid = np.array([[True, False, True]])
    picture = Picture(np.ones((1, 3)), 2.0, valid)
    vectors, without = correlation_vectors(picture, lag_step_nm=2.0, max_lag_steps=(0, 2))
    assert without == 1
    np.testing.assert_allclose(vectors[0], [1, 0, np.sqrt(2)], atol=1e-15)


def test_bad_pictures_and_parameters_are_refused():
    with pytest.raises(BadInputError, match="states"):
        TwoPointCorrelation(states="three").fit(pictures())
    with pytest.raises(BadInputError, match="rows of 6 pixels"):
        TwoPointCorrelation(picture_shape=(2, 2)).fit(np.ones((3, 6)))
    with pytest.raises(BadInputError, match="shape"):
        TwoPointCorrelation().fit([np.ones((3, 3)), np.ones(3)])
    with pytest.raises(BadInputError, match="finite"):
        TwoPointCorrelation().fit_transform([np.full((3, 3), np.nan)])
