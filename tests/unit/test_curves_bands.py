"""Bands against quantiles by hand, and their coverage on populations that are known."""

import numpy as np
import pytest

from strainprint.curves.bands import (
    FEWEST_SPECIMENS,
    clustered_limits,
    conformal_bands,
    neighbour_spread,
)
from strainprint.curves.neighbours import mean_of_neighbours
from strainprint.errors import BadInputError


def test_spread_is_the_quantile_of_the_neighbours_curves():
    curves = np.arange(11.0)[:, np.newaxis] * np.array([1.0, 10.0])
    nearest = np.array([np.arange(11), [0, 1, 2, 3] + [-1] * 7])
    low, high = neighbour_spread(curves, nearest)
    np.testing.assert_allclose(low[0], [1, 10])
    np.testing.assert_allclose(high[0], [9, 90])
    assert np.isnan(low[1]).all()
    assert np.isnan(high[1]).all()


def test_limits_of_nine_specimens_are_their_extremes_and_of_nineteen_the_second():
    """With n specimens and one to come, the k-th largest is passed with chance k / (n + 1)."""
    for count, place in ((9, 1), (19, 2), (29, 3)):
        scores = np.random.default_rng(count).permutation(count)[:, np.newaxis].astype(float)
        low, high = clustered_limits(scores, [f"s{i}" for i in range(count)])
        assert high[0] == count - place
        assert low[0] == place - 1


def test_eight_specimens_give_no_limit():
    low, high = clustered_limits(np.zeros((8, 3)), list("abcdefgh"))
    assert len(low) < FEWEST_SPECIMENS
    assert np.isinf(low).all()
    assert np.isinf(high).all()


def test_a_specimen_weighs_the_same_however_many_maps_it_has():
    names = [f"s{i}" for i in range(19)]
    scores = np.arange(19.0)[:, np.newaxis]
    once = clustered_limits(scores, names)
    # The strongest specimen ten times over is still one specimen.
    often = clustered_limits(np.vstack([scores, np.full((9, 1), 18.0)]), names + ["s18"] * 9)
    np.testing.assert_allclose(once, often)


def test_no_scores_are_refused():
    with pytest.raises(BadInputError, match="0 scores"):
        clustered_limits(np.zeros((0, 3)), [])


def test_the_conformal_band_covers_what_it_promises_on_a_synthetic_population():
    """Specimens of one subset with strengths that scatter by 20 %, three maps each, 400 trials."""
    generator = np.random.default_rng(5)
    shape = np.minimum(np.linspace(0, 4, 21), 1.0)
    held = []
    for _ in range(400):
        strength = 300 * np.exp(0.2 * generator.normal(size=20))
        names = np.repeat([f"s{i}" for i in range(20)], 3)
        curves = np.repeat(strength, 3)[:, np.newaxis] * shape
        curves *= np.exp(0.02 * generator.normal(size=(60, 1)))
        train = names != "s19"
        left_out = np.stack([curves[train & (names != name)].mean(axis=0) for name in names])
        low, high = conformal_bands(
            curves[train],
            left_out[train],
            ["a"] * 57,
            names[train].tolist(),
            left_out[~train],
            ["a"] * 3,
        )
        inside = (low <= curves[~train] + 1e-9) & (curves[~train] <= high + 1e-9)
        held.append(inside[:, -1].mean())
    assert 0.78 < np.mean(held) < 0.87


def test_a_subset_with_few_specimens_borrows_the_limits_of_all():
    generator = np.random.default_rng(6)
    subsets = ["many"] * 12 + ["few"] * 3
    names = [f"s{i}" for i in range(15)]
    true = np.r_[np.full(12, 100.0), np.full(3, 10.0)][:, np.newaxis] * np.ones(4)
    left_out = true * (1 + 0.1 * generator.normal(size=(15, 1)))
    low, high = conformal_bands(
        true, left_out, subsets, names, np.array([[10.0] * 4, [100.0] * 4]), ["few", "many"]
    )
    error = (true - left_out)[:, 0] / left_out[:, 0]
    assert high[0, 0] == pytest.approx(10 * (1 + np.sort(error)[-1]))
    assert high[1, 0] == pytest.approx(100 * (1 + np.sort(error[:12])[-1]))
    assert low[1, 0] == pytest.approx(100 * (1 + np.sort(error[:12])[0]))


def test_a_map_without_neighbours_has_no_band():
    names = [f"s{i}" for i in range(10)]
    curves = np.ones((10, 3))
    nothing = mean_of_neighbours(curves, np.array([[-1]]))
    low, high = conformal_bands(curves, curves, ["a"] * 10, names, nothing, ["a"])
    assert np.isnan(low).all()
    assert np.isnan(high).all()
