"""Temperature, reliability and conformal thresholds, against cases with known answers."""

import math

import numpy as np
import pytest
from synthetic_results import build_results

from strainprint.errors import BadInputError
from strainprint.experiment_record import read_experiment
from strainprint.experiments.calibration import gather_calibrations
from strainprint.files import read_json
from strainprint.networks.calibration import (
    COLDEST,
    calibrate_ensemble,
    conformal_set,
    conformal_threshold,
    expected_calibration_error,
    read_calibration,
    reliability,
    temperature,
    tempered,
)


def overconfident(rng, count, sharpness):
    """Probabilities that are right as often as they say, then sharpened by a known power."""
    honest = rng.dirichlet(np.ones(3), count)
    labels = (rng.random(count)[:, None] > honest.cumsum(axis=1)).sum(axis=1)
    return honest, tempered(honest, 1 / sharpness), labels


def test_the_temperature_undoes_a_known_sharpening():
    _, sharp, labels = overconfident(np.random.default_rng(0), 20_000, 3.0)
    assert temperature(sharp, labels) == pytest.approx(3.0, rel=0.05)


def test_two_classes_have_a_closed_form():
    # 8 of 10 right at odds of 99: the best temperature makes the odds 4.
    probabilities = np.tile([0.99, 0.01], (10, 1))
    fitted = temperature(probabilities, [0] * 8 + [1] * 2)
    assert fitted == pytest.approx(math.log(99) / math.log(4), rel=1e-4)
    np.testing.assert_allclose(tempered(probabilities, fitted)[0], [0.8, 0.2], rtol=1e-4)


def test_a_model_that_is_always_right_ends_at_the_coldest_temperature():
    assert temperature([[0.6, 0.4]], [0]) == pytest.approx(COLDEST, rel=1e-3)


def test_tempering_keeps_the_order_and_temperature_one_changes_nothing():
    values = np.random.default_rng(1).dirichlet(np.ones(4), 50)
    np.testing.assert_allclose(tempered(values, 1.0), values, atol=1e-12)
    for degrees in (0.3, 5.0):
        np.testing.assert_array_equal(
            tempered(values, degrees).argsort(axis=1), values.argsort(axis=1)
        )


def test_reliability_and_its_error_by_hand():
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.65, 0.35]]
    table = reliability(probabilities, [0, 1, 1, 0], bins=10)
    assert table["low"].tolist() == [0.6, 0.8]
    assert table["maps"].tolist() == [2, 2]
    assert table["confidence"].tolist() == pytest.approx([0.675, 0.9])
    assert table["accuracy"].tolist() == [1.0, 0.5]
    error = expected_calibration_error(probabilities, [0, 1, 1, 0])
    assert error == pytest.approx((0.325 + 0.4) / 2)


def test_honest_probabilities_have_a_small_error_and_sharpened_ones_a_large_one():
    honest, sharp, labels = overconfident(np.random.default_rng(2), 20_000, 3.0)
    assert expected_calibration_error(honest, labels) < 0.01
    assert expected_calibration_error(sharp, labels) > 0.1


def test_the_threshold_is_the_known_order_statistic():
    scores = np.random.default_rng(3).permutation(np.arange(1.0, 20.0))  # 19 scores
    assert conformal_threshold(scores, 0.9) == 18.0  # ceil(20 * 0.9)
    assert conformal_threshold(scores, 0.95) == 19.0
    assert conformal_threshold(scores, 0.96) == math.inf


def test_coverage_of_single_scores_is_the_level():
    rng = np.random.default_rng(4)
    draws = rng.random((4000, 20))
    held = [row[-1] <= conformal_threshold(row[:-1], 0.8) for row in draws]
    assert np.mean(held) == pytest.approx(0.8, abs=0.02)  # 16 of 20 places: exactly 0.8


def test_coverage_of_a_new_cluster_is_the_level_where_single_scores_would_miss_it():
    """Members of a cluster are equal: 60 scores are worth nine, and pooling them misleads."""
    rng = np.random.default_rng(5)
    # One cluster has most of the members, so that pooling takes its score for the level.
    clusters = np.repeat(np.arange(9), [52, 1, 1, 1, 1, 1, 1, 1, 1])
    weighed, pooled = [], []
    for _ in range(2000):
        of_cluster = rng.random(10)
        scores = of_cluster[clusters]
        weighed.append(of_cluster[9] <= conformal_threshold(scores, 0.8, clusters=clusters))
        pooled.append(of_cluster[9] <= conformal_threshold(scores, 0.8))
    assert np.mean(weighed) == pytest.approx(0.8, abs=0.03)
    assert np.mean(pooled) < 0.7


def test_too_few_specimens_leave_every_class_possible():
    threshold = conformal_threshold(np.zeros(30), 0.8, clusters=np.repeat([0, 1, 2], 10))
    assert threshold == math.inf  # 3 of 4 is below 0.8
    assert conformal_set([[1.0, 0.0, 0.0]], threshold).all()


def test_a_set_holds_the_classes_within_the_threshold():
    named = conformal_set([[0.7, 0.2, 0.1], [0.4, 0.3, 0.3]], 0.8)
    assert named.tolist() == [[True, True, False], [True, True, True]]
    assert not conformal_set([[0.4, 0.3, 0.3]], 0.5).any()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: conformal_threshold([0.1], 1.0),
        lambda: conformal_threshold([0.1, math.nan], 0.5),
        lambda: conformal_threshold([0.1], 0.5, clusters=["a", "b"]),
        lambda: temperature(np.empty((0, 3)), []),
        lambda: tempered([[0.5, 0.5]], 0.0),
    ],
)
def test_what_cannot_be_calibrated_is_refused(wrong):
    with pytest.raises(BadInputError):
        wrong()


def test_an_ensemble_is_calibrated_on_validation_and_judged_on_test(tmp_path):
    """Study by files: over-confident predictions of 40 made-up specimens."""
    results = build_results(
        tmp_path, widths_nm=(62.5,), slip_systems=(1,), per_subset=40, accuracy={"ensemble": 0.7}
    )
    folder = results / "audited" / "specimen" / "ensemble"
    manifest = results / "audited" / "dataset" / "manifest.csv"
    out = folder / "calibration.json"
    calibrate_ensemble(folder / "predictions.csv", manifest, out, level=0.8)
    found = read_calibration(out)
    parts = read_json(out)["parts"]
    assert found.classes == ("0.001", "0.01", "0.1")
    assert parts["test"]["maps"] == 6 * parts["test"]["specimens"] == 60
    assert parts["validation"]["after"]["log_loss"] <= parts["validation"]["before"]["log_loss"]
    assert 0.6 < parts["test"]["coverage"] <= 1
    summary = tmp_path / "experiment" / "summary.json"
    gather_calibrations(
        {("audited", "specimen"): out}, summary.parent / "table.csv", summary, seed=0, resamples=200
    )
    (row,) = read_experiment(summary).rows
    held = np.array(parts["test"]["held_of_specimens"])
    assert held[:, 1].tolist() == [6] * 10
    assert held[:, 0].sum() == pytest.approx(60 * parts["test"]["coverage"])
    assert 0 < row["coverage_low"] < row["coverage"] == parts["test"]["coverage"]
    assert row["temperature"] == pytest.approx(found.temperature)
    out.write_text("{}")
    with pytest.raises(BadInputError):
        read_calibration(out)
