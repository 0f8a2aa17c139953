"""Nearest training maps: order, ties, and features that cannot be used."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from strainprint.curves.neighbours import (
    choose_count,
    component_scores,
    cross_validated_count,
    mean_of_neighbours,
    nearest_neighbours,
    read_features,
)
from strainprint.errors import BadInputError


def test_neighbours_on_a_line_by_hand():
    nearest, distances = nearest_neighbours(
        np.array([[0.0], [9.0]]), np.array([[10.0], [1.0], [4.0]]), 2
    )
    np.testing.assert_array_equal(nearest, [[1, 2], [0, 2]])
    np.testing.assert_allclose(distances, [[1, 4], [1, 5]])


def test_of_equally_near_maps_the_earlier_comes_first():
    nearest, _ = nearest_neighbours(np.array([[0.0]]), np.array([[1.0], [-1.0], [1.0]]), 3)
    np.testing.assert_array_equal(nearest, [[0, 1, 2]])


def test_rows_of_the_own_group_are_no_neighbours():
    nearest, distances = nearest_neighbours(
        np.array([[0.0], [9.0]]),
        np.array([[10.0], [1.0], [4.0]]),
        3,
        query_groups=["a", "b"],
        reference_groups=["b", "a", "a"],
    )
    np.testing.assert_array_equal(nearest, [[0, -1, -1], [2, 1, -1]])
    np.testing.assert_allclose(distances, [[10, np.inf, np.inf], [5, 8, np.inf]])


def test_the_mean_takes_the_neighbours_there_are():
    curves = np.array([[1.0, 10.0], [3.0, 30.0], [100.0, 100.0]])
    mean = mean_of_neighbours(curves, np.array([[0, 1], [1, -1], [-1, -1]]))
    np.testing.assert_array_equal(mean, [[2, 20], [3, 30], [np.nan, np.nan]])


def test_cross_validation_finds_how_many_neighbours_share_a_level():
    """Specimens in fours on one level, noise on top: three others average it out, more mislead."""
    generator = np.random.default_rng(2)
    level = np.repeat([100.0, 200.0, 300.0, 400.0, 500.0], 4)
    curves = (level + generator.normal(0, 10, 20))[:, np.newaxis] * np.ones(5)
    names = [f"s{i}" for i in range(20)]
    points = level[:, np.newaxis] + generator.normal(0, 1, (20, 1))
    nearest, _ = nearest_neighbours(points, points, 19, query_groups=names, reference_groups=names)
    best, errors = cross_validated_count(curves, nearest, [1, 2, 3, 4, 8, 16])
    assert best == 3
    assert errors[3] < errors[1] < errors[16]


def test_no_map_is_predicted_from_its_own_specimen():
    """Two maps of each specimen lie on one point; the own twin would predict without error."""
    points = np.array([[0.0], [0.0], [1.0], [1.0], [3.0], [3.0]])
    curves = np.array([[1.0], [1.0], [2.0], [2.0], [4.0], [4.0]])
    chosen = choose_count(points, curves, ["a", "a", "b", "b", "c", "c"], [1, 4])
    np.testing.assert_array_equal(chosen.nearest[:, 0], [2, 2, 0, 0, 2, 2])
    np.testing.assert_array_equal(chosen.left_out_mpa(1)[:, 0], [2, 2, 1, 1, 2, 2])
    np.testing.assert_array_equal(chosen.left_out_mpa(4)[:, 0], [3, 3, 2.5, 2.5, 1.5, 1.5])
    assert chosen.errors == pytest.approx({1: (1 + 0.5 + 0.5) / 3, 4: (2 + 0.25 + 0.625) / 3})
    assert chosen.count == 1


def test_one_specimen_leaves_no_number_of_neighbours_to_choose():
    nearest = np.full((2, 1), -1)
    best, errors = cross_validated_count(np.ones((2, 3)), nearest, [5, 1])
    assert best == 1
    assert np.isnan(list(errors.values())).all()


def test_neighbours_equal_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    query, reference = generator.normal(size=(7, 1536)), generator.normal(size=(30, 1536))
    nearest, distances = nearest_neighbours(query, reference, 10)
    oracle = NearestNeighbors(n_neighbors=10, algorithm="brute").fit(reference).kneighbors(query)
    np.testing.assert_array_equal(nearest, oracle[1])
    np.testing.assert_allclose(distances, oracle[0])


def test_fewer_training_maps_than_asked_for_are_all_used():
    nearest, _ = nearest_neighbours(np.zeros((2, 3)), np.ones((4, 3)), 10)
    assert nearest.shape == (2, 4)
    with pytest.raises(BadInputError, match="0 training maps"):
        nearest_neighbours(np.zeros((2, 3)), np.ones((0, 3)), 1)


def test_components_are_fitted_on_training_rows_only():
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(20, 6))
    train = np.arange(20) < 12
    scores = component_scores(vectors, train, 4)
    moved = vectors.copy()
    moved[~train] += 100.0
    np.testing.assert_allclose(component_scores(moved, train, 4)[train], scores[train])
    assert component_scores(vectors, train, 50).shape == (20, 6)


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros((4, 8), dtype=np.float64), "float64"),
        (np.zeros((3, 8), dtype=np.float32), r"\(3, 8\)"),
        (np.zeros((4, 0), dtype=np.float32), r"\(4, 0\)"),
        (np.full((4, 8), np.nan, dtype=np.float32), "not finite"),
        (np.array([{}] * 4, dtype=object), "not readable"),
    ],
)
def test_features_that_cannot_be_used_are_refused(tmp_path, array, complaint):
    path = tmp_path / "features.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(BadInputError, match=complaint) as caught:
        read_features(path, 4)
    assert str(path) in str(caught.value)


def test_missing_truncated_and_good_features(tmp_path):
    path = tmp_path / "features.npy"
    with pytest.raises(BadInputError, match="not readable"):
        read_features(path, 4)
    good = np.arange(32, dtype=np.float32).reshape(4, 8)
    np.save(path, good)
    np.testing.assert_array_equal(read_features(path, 4), good)
    path.write_bytes(path.read_bytes()[:140])
    with pytest.raises(BadInputError, match="not readable"):
        read_features(path, 4)
    with open(path, "wb") as handle:
        np.savez(handle, features=good)
    with pytest.raises(BadInputError, match="an archive"):
        read_features(path, 4)
