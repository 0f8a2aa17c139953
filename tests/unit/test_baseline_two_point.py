"""Two-point correlation against hand-computed values, brute force and Parseval."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from strainprint.baseline.two_point import (
    TwoPointCorrelation,
    half_plane,
    half_plane_length,
    pair_counts,
    two_point_correlation,
)
from strainprint.errors import BadInputError


def brute_force(field, mask, max_lag):
    """Sum over explicit pairs, one by one."""
    rows, columns = field.shape
    out = np.zeros((2 * max_lag[0] + 1, 2 * max_lag[1] + 1))
    count = np.zeros(out.shape, dtype=int)
    for i in range(rows):
        for j in range(columns):
            for a in range(-max_lag[0], max_lag[0] + 1):
                for b in range(-max_lag[1], max_lag[1] + 1):
                    k, m = i + a, j + b
                    if 0 <= k < rows and 0 <= m < columns and mask[i, j] and mask[k, m]:
                        out[a + max_lag[0], b + max_lag[1]] += field[i, j] * field[k, m]
                        count[a + max_lag[0], b + max_lag[1]] += 1
    return np.where(count > 0, out / np.maximum(count, 1), 0.0), count


def test_one_two_three_by_hand():
    """1·1+2·2+3·3 over 3 pairs; 1·2+2·3 over 2; 1·3 over 1."""
    correlation = two_point_correlation([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(correlation, [[3, 4, 14 / 3, 4, 3]], rtol=1e-15)


def test_two_by_two_by_hand():
    correlation = two_point_correlation([[1.0, 2.0], [3.0, 4.0]])
    expected = [[4, 5.5, 6], [7, 7.5, 7], [6, 5.5, 4]]
    np.testing.assert_allclose(correlation, expected, rtol=1e-15)


def test_masked_point_takes_its_pairs_away():
    """1, masked, 3: lag 1 has no pair left and is 0, lag 2 keeps its one pair."""
    mask = np.array([[True, False, True]])
    correlation = two_point_correlation([[1.0, np.nan, 3.0]], mask)
    np.testing.assert_allclose(correlation, [[3, 0, 5, 0, 3]], rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(pair_counts(mask), [[1, 0, 2, 0, 1]])


def test_periodic_by_hand():
    """1,2,3 on a ring: lag 1 has 1·2+2·3+3·1 over 3 pairs."""
    correlation = two_point_correlation([[1.0, 2.0, 3.0]], max_lag=(0, 1), periodic=True)
    np.testing.assert_allclose(correlation, [[11 / 3, 14 / 3, 11 / 3]], rtol=1e-15)


def test_uniform_field_is_its_square_at_every_lag():
    mask = np.random.default_rng(1).random((9, 23)) > 0.2
    correlation = two_point_correlation(np.full((9, 23), 1.5), mask, (4, 11))
    np.testing.assert_allclose(correlation, 2.25, rtol=1e-13)


@pytest.mark.parametrize("max_lag", [(2, 3), (5, 7), (8, 12)])
def test_masked_correlation_equals_brute_force(max_lag):
    generator = np.random.default_rng(3)
    field, mask = generator.normal(size=(6, 8)), generator.random((6, 8)) > 0.3
    expected, count = brute_force(field, mask, max_lag)
    np.testing.assert_array_equal(pair_counts(mask, max_lag), count)
    np.testing.assert_allclose(
        two_point_correlation(field, mask, max_lag), expected, rtol=1e-12, atol=1e-14
    )


def test_unmasked_pair_counts_equal_those_of_an_all_true_fft():
    field = np.ones((5, 7))
    mask = np.ones((5, 7), dtype=bool)
    np.testing.assert_array_equal(pair_counts(mask, (6, 9)), brute_force(field, mask, (6, 9))[1])


def test_periodic_correlations_sum_to_the_squared_mean():
    """Parseval at zero frequency: the mean over all lags is the mean of the field squared."""
    field = np.random.default_rng(5).normal(size=(7, 9)) + 0.4
    correlation = two_point_correlation(field, periodic=True, max_lag=(3, 4))
    assert correlation.mean() == pytest.approx(field.mean() ** 2, rel=1e-12)
    assert correlation[3, 4] == pytest.approx((field**2).mean(), rel=1e-12)


def test_correlation_is_point_symmetric():
    field = np.random.default_rng(7).normal(size=(6, 11))
    correlation = two_point_correlation(field, max_lag=(4, 5))
    np.testing.assert_allclose(correlation, correlation[::-1, ::-1], rtol=1e-12, atol=1e-14)


def test_half_plane_leaves_distances_and_pca_of_the_full_plane():
    fields = np.random.default_rng(9).normal(size=(8, 6, 10))
    full = np.stack([two_point_correlation(f, max_lag=(3, 4)) for f in fields])
    half = np.stack([half_plane(c) for c in full])
    assert half.shape == (8, half_plane_length((3, 4)))
    distances = [
        np.linalg.norm(x[0] - x[1:].reshape(7, *x.shape[1:]), axis=None) for x in (full, half)
    ]
    assert distances[0] == pytest.approx(distances[1], rel=1e-12)
    scores = [np.abs(PCA(3).fit_transform(x.reshape(8, -1))) for x in (full, half)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-9)


def test_pictures_of_different_shape_give_vectors_of_one_length():
    generator = np.random.default_rng(11)
    pictures = [generator.integers(0, 256, s, dtype=np.uint8) for s in [(9, 30), (12, 48), (5, 20)]]
    for states in ("raw", "two_state"):
        transformer = TwoPointCorrelation(max_lag=(6, 6), states=states)
        vectors = clone(transformer).fit_transform(pictures)
        assert vectors.shape == (3, half_plane_length((6, 6)))
    assert make_pipeline(TwoPointCorrelation((6, 6)), PCA(2)).fit_transform(pictures).shape == (
        3,
        2,
    )


def test_two_state_zero_lag_is_the_strained_area_fraction():
    picture = np.ma.MaskedArray(np.array([[0, 7, 200, 9]], dtype=np.uint8), [[0, 0, 0, 1]])
    vector = TwoPointCorrelation((0, 1), states="two_state").transform([picture])[0]
    assert vector[0] == pytest.approx(2 / 3)
    raw = TwoPointCorrelation((0, 1)).transform([picture])[0]
    assert raw[0] == pytest.approx((7**2 + 200**2) / 255**2 / 3)
    assert raw[1] == pytest.approx(np.sqrt(2) * 7 * 200 / 255**2 / 2)


def test_coarser_lag_grid_takes_every_nth_lag():
    picture = np.random.default_rng(13).integers(0, 256, (20, 40), dtype=np.uint8)
    fine = two_point_correlation(picture / 255.0, max_lag=(4, 6))
    coarse = TwoPointCorrelation(max_lag=(2, 3), lag_step=2).transform([picture])[0]
    np.testing.assert_allclose(coarse, half_plane(fine[::2, ::2]), rtol=1e-12)


def test_bad_fields_masks_and_lags_are_refused():
    with pytest.raises(BadInputError, match="shape"):
        two_point_correlation(np.zeros(4))
    with pytest.raises(BadInputError, match="finite"):
        two_point_correlation([[1.0, np.nan]])
    with pytest.raises(BadInputError, match="mask"):
        two_point_correlation([[1.0, 2.0]], np.array([[1, 1]]))
    with pytest.raises(BadInputError, match="max_lag"):
        two_point_correlation([[1.0, 2.0]], max_lag=(-1, 0))
    with pytest.raises(BadInputError, match="periodic"):
        two_point_correlation([[1.0, 2.0]], max_lag=(0, 2), periodic=True)
    with pytest.raises(BadInputError, match="states"):
        TwoPointCorrelation(states="three").transform([np.zeros((3, 3), dtype=np.uint8)])
