"""What tells priors apart: nothing for equal maps and states, everything for unlike ones."""

import numpy as np
import pandas as pd
import pytest

from strainprint.calibration.memory import (
    cross_validated_probabilities,
    map_difference,
    pair_auc,
    same_dislocations,
)
from strainprint.specimens.state import State


def state(plane=(0, 3), position=(10.0, 20.0), sign=(1, -1), slip=(0, 0, 0, 0)):
    return State(
        np.array(plane), np.array(position), np.array(sign, np.int64), np.array(slip), -1.0
    )


def test_equal_maps_differ_by_nothing_whatever_their_scale():
    field = np.random.default_rng(0).normal(size=(5, 7))
    field[0, 0] = np.nan
    assert map_difference(field, 3 * field + 1) == pytest.approx(0, abs=1e-12)
    assert map_difference(field, -field) == pytest.approx(2)


def test_unrelated_maps_differ_by_about_one():
    one, two = np.random.default_rng(0).normal(size=(2, 100, 100))
    assert map_difference(one, two) == pytest.approx(1, abs=0.05)


def test_maps_without_contrast_are_alike_and_unlike_any_other():
    flat = np.ones((3, 3))
    assert map_difference(flat, 2 * flat) == 0.0
    assert map_difference(flat, np.eye(3)) == 1.0


def test_states_are_the_same_in_any_order_and_whatever_whole_planes_slipped():
    assert same_dislocations(state(), state((3, 0), (20.3, 10.0), (-1, 1), (5, 0, 0, 0)))


@pytest.mark.parametrize(
    "other",
    [
        state((0,), (10.0,), (1,)),
        state(plane=(1, 3)),
        state(sign=(1, 1)),
        state(position=(10.0, 22.0)),
    ],
    ids=["fewer", "other plane", "other sign", "elsewhere"],
)
def test_states_with_other_dislocations_differ(other):
    assert not same_dislocations(state(), other)


def maps(separable, specimens=12):
    random = np.random.default_rng(3)
    label = np.tile([0, 1, 2], specimens)
    specimen = np.repeat([f"s{i}" for i in range(specimens)], 3).astype(object)
    values = random.normal(size=len(label)) + (10.0 * label if separable else 0.0)
    return pd.DataFrame({"feature": values}), label, specimen


def test_a_telling_feature_separates_unseen_specimens_and_noise_does_not():
    for separable in (True, False):
        features, label, specimen = maps(separable)
        probabilities = cross_validated_probabilities(features, label, specimen, seed=0)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        auc = pair_auc(probabilities, label, specimen, (0, 2), seed=0, resamples=200)
        assert auc.low <= auc.value <= auc.high
        if separable:
            assert auc.value == 1.0
        else:
            assert 0.2 < auc.value < 0.8


def test_equal_maps_of_two_priors_cannot_be_ordered():
    features, label, specimen = maps(separable=True)
    features["feature"] = np.repeat(features["feature"].to_numpy()[::3], 3)
    probabilities = cross_validated_probabilities(features, label, specimen, seed=0)
    assert pair_auc(probabilities, label, specimen, (0, 1), seed=0, resamples=50).value == 0.5


def test_area_under_the_curve_counted_by_hand():
    # scores of class 0: 0.1, 0.6; of class 1: 0.6, 0.9 -> wins 1, 1, 0.5, 1 of 4
    second = np.array([0.1, 0.6, 0.6, 0.9])
    auc = pair_auc(
        np.column_stack([1 - second, second]),
        np.array([0, 0, 1, 1]),
        np.array(list("abab"), object),
        (0, 1),
        seed=0,
        resamples=20,
    )
    assert auc.value == pytest.approx(3.5 / 4)


def test_too_few_specimens_are_not_judged():
    features, label, specimen = maps(separable=True, specimens=2)
    probabilities = cross_validated_probabilities(features, label, specimen, seed=0)
    assert np.isnan(probabilities).all()
    assert np.isnan(pair_auc(probabilities, label, specimen, (0, 1), seed=0).value)
