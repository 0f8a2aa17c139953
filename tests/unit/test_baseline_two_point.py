"""Two-point correlation against hand-computed values, brute force, Parseval and PyMKS."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from strainprint.baseline.two_point import (
    half_plane,
    half_plane_lags,
    half_plane_length,
    pair_counts,
    two_point_correlation,
)
from strainprint.errors import BadInputError


def plain_correlation(field, mask, max_lag, periodic):
    """Sum over explicit pairs, lag by lag: means and pair counts."""
    values = np.where(mask, field, 0.0).astype(float)
    out = np.zeros((2 * max_lag[0] + 1, 2 * max_lag[1] + 1))
    count = np.zeros(out.shape, dtype=int)
    for a in range(-max_lag[0], max_lag[0] + 1):
        for b in range(-max_lag[1], max_lag[1] + 1):
            if periodic:
                ahead, ahead_mask = (np.roll(x, (-a, -b), (0, 1)) for x in (values, mask))
                here, here_mask = values, mask
            else:
                rows, columns = (
                    slice(max(0, -lag), max(0, min(size, size - lag)))
                    for lag, size in ((a, field.shape[0]), (b, field.shape[1]))
                )
                rows_ahead, columns_ahead = (
                    slice(max(0, lag), max(0, min(size, size + lag)))
                    for lag, size in ((a, field.shape[0]), (b, field.shape[1]))
                )
                here, here_mask = (x[rows, columns] for x in (values, mask))
                ahead, ahead_mask = (x[rows_ahead, columns_ahead] for x in (values, mask))
            out[a + max_lag[0], b + max_lag[1]] = (here * ahead).sum()
            count[a + max_lag[0], b + max_lag[1]] = (here_mask & ahead_mask).sum()
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
    expected, count = plain_correlation(field, mask, max_lag, False)
    np.testing.assert_array_equal(pair_counts(mask, max_lag), count)
    np.testing.assert_allclose(
        two_point_correlation(field, mask, max_lag), expected, rtol=1e-12, atol=1e-14
    )


def test_unmasked_pair_counts_equal_those_of_an_all_true_fft():
    field = np.ones((5, 7))
    mask = np.ones((5, 7), dtype=bool)
    np.testing.assert_array_equal(
        pair_counts(mask, (6, 9)), plain_correlation(field, mask, (6, 9), False)[1]
    )


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


def test_lags_of_the_half_plane_stand_in_its_order():
    columns, rows = np.meshgrid(np.arange(-3, 4), np.arange(-2, 3))
    expected = np.stack([rows.ravel(), columns.ravel()], axis=1)[17:]
    lags = half_plane_lags((2, 3))
    np.testing.assert_array_equal(lags, expected)
    assert len(lags) == half_plane_length((2, 3))
    # a smaller window is a selection of the larger one
    field = np.random.default_rng(15).normal(size=(9, 9))
    within = (np.abs(lags) <= 1).all(axis=1)
    large, small = (half_plane(two_point_correlation(field, None, lag)) for lag in ((2, 3), (1, 1)))
    np.testing.assert_allclose(large[within], small, rtol=1e-12, atol=1e-14)


@pytest.fixture(scope="module")
def pymks():
    """Arrays by PyMKS 0.4.1, written by ``benchmarks/pymks_correlations.py golden``."""
    with np.load(Path(__file__).parent / "pymks_golden.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("backend", [np.asarray, torch.from_numpy])
def test_equals_pymks_within_its_window(pymks, backend):
    field, mask = backend(pymks["grey"] / 255.0), backend(pymks["mask"])
    short_side = min(pymks["grey"].shape)
    lag = ((short_side - 1) // 2,) * 2
    for found, name in (
        (two_point_correlation(field, None, lag, periodic=True), "periodic"),
        (two_point_correlation(field, None, lag), "nonperiodic"),
        (two_point_correlation(field, mask, lag), "masked"),
        (two_point_correlation(1.0 - field, None, lag), "state_0"),
        (two_point_correlation(field, None, lag), "state_1"),
    ):
        assert np.abs(np.asarray(found) - pymks[name]).max() <= 1e-12, name


def test_parseval():
    """The power spectrum's mean is the sum of squares, lag by lag through the padded transform."""
    field = np.random.default_rng(17).normal(size=(7, 10))
    sums = two_point_correlation(field) * pair_counts(np.ones_like(field, dtype=bool))
    power = np.abs(np.fft.fft2(field, (13, 19))) ** 2
    assert sums[6, 9] == pytest.approx(power.mean(), rel=1e-12)
    np.testing.assert_allclose(
        np.fft.fft2(np.fft.ifftshift(sums)).real, power, rtol=1e-9, atol=1e-9
    )


CASES = [
    *[((6, 8), (2, 3), p) for p in (True, False)],
    *[((7, 9), (6, 8), p) for p in (True, False)],
    *[((1, 5), (0, 4), p) for p in (True, False)],
    *[((5, 1), (4, 0), p) for p in (True, False)],
    ((4, 5), (9, 12), False),
    ((1, 1), (2, 2), False),
]


@pytest.mark.parametrize(("shape", "lag", "periodic"), CASES)
@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_numpy_and_torch_equal_plain_sums(shape, lag, periodic, kind):
    generator = np.random.default_rng(19)
    field = generator.normal(size=shape).astype(kind)
    mask = generator.random(shape) > 0.3
    mask[0, 0] = True
    expected, count = plain_correlation(field, mask, lag, periodic)
    tolerance = {"float64": 1e-13, "float32": 2e-6}[kind]
    for backend in (np.asarray, torch.from_numpy):
        found = two_point_correlation(backend(field), backend(mask), lag, periodic)
        assert type(found) is type(backend(field))
        assert str(found.dtype).endswith(kind)
        np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=tolerance)
        pairs = pair_counts(backend(mask), lag, periodic)
        np.testing.assert_array_equal(np.asarray(pairs), count)


def test_blocks_of_a_large_map_join_up():
    """Rows and frequencies of this map fill several blocks each."""
    field = np.random.default_rng(21).normal(size=(150, 900))
    mask = np.random.default_rng(22).random(field.shape) > 0.1
    found = two_point_correlation(field, mask, (3, 2))
    expected, _ = plain_correlation(field, mask, (3, 2), False)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_pair_counts_stay_exact_for_a_float32_field_of_many_pixels():
    mask = np.random.default_rng(23).random((500, 900)) > 0.01
    expected = plain_correlation(mask.astype(float), mask, (1, 1), False)[1]
    np.testing.assert_array_equal(pair_counts(mask, (1, 1)), expected)
    ones = two_point_correlation(np.ones(mask.shape, dtype=np.float32), mask, (1, 1))
    np.testing.assert_allclose(ones, 1.0, rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_equals_cpu():
    field = np.random.default_rng(25).normal(size=(60, 200))
    mask = np.random.default_rng(26).random(field.shape) > 0.1
    cuda = (torch.from_numpy(values).cuda() for values in (field, mask))
    found = two_point_correlation(*cuda, (29, 29)).cpu().numpy()
    np.testing.assert_allclose(found, two_point_correlation(field, mask, (29, 29)), atol=1e-12)


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
    with pytest.raises(BadInputError, match="mask"):
        two_point_correlation(torch.zeros(1, 2), torch.ones(1, 2))
