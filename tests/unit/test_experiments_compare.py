"""Models compared map by map, ensembles against seeds, splits drawn anew: known answers."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp
from synthetic_results import build_results

from strainprint.dataset.manifest import read_manifest
from strainprint.errors import BadInputError
from strainprint.experiment_record import read_experiment
from strainprint.experiments.compare import compare_models
from strainprint.experiments.draws import corrected_mean, draw_split, judge_draws
from strainprint.experiments.judging import (
    accuracy_columns,
    coverage_of_calibration,
    difference_columns,
)
from strainprint.networks.predictions import write_predictions


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    return build_results(folder, widths_nm=(62.5,), slip_systems=(1,), per_subset=8)


def say(path, manifest, wrong, parts="test", sure=1.0):
    """Predictions that are right but on the rows ``wrong``."""
    named = manifest["label"].to_numpy().copy()
    named[wrong] = (named[wrong] + 1) % 3
    probabilities = np.full((len(named), 3), (1 - sure) / 2)
    probabilities[np.arange(len(named)), named] = sure
    part_of = np.full(len(named), parts) if isinstance(parts, str) else parts
    write_predictions(path, manifest, part_of, probabilities, ["0.001", "0.01", "0.1"])
    return path


def test_an_average_outvotes_its_unsure_member_and_differences_are_paired(results, tmp_path):
    manifest_csv = results / "audited" / "dataset" / "manifest.csv"
    manifest = read_manifest(manifest_csv)
    half = np.arange(0, len(manifest), 2)
    sure = say(tmp_path / "sure.csv", manifest, [], sure=0.9)
    unsure = say(tmp_path / "unsure.csv", manifest, half, sure=0.6)
    compare_models(
        manifest_csv,
        {"both": [sure, unsure], "unsure": [unsure]},
        tmp_path / "out" / "table.csv",
        tmp_path / "out" / "summary.json",
        name="ensembles",
        seed=0,
        resamples=200,
        settings={},
    )
    both, alone = read_experiment(tmp_path / "out" / "summary.json").rows
    assert (both["accuracy"], both["members"], both["difference"]) == (1.0, 2, 0.0)
    assert (alone["accuracy"], alone["difference"]) == (0.5, -0.5)
    assert alone["mcnemar_p"] == pytest.approx(2 * 0.5**24)


def test_nothing_is_claimed_without_maps_and_no_interval_of_a_difference_for_two_specimens():
    drawn = {"seed": 0, "resamples": 50}
    assert np.isnan(list(difference_columns([], [], [], **drawn).values())).all()
    none = accuracy_columns([], [], **drawn)
    assert (none["maps"], none["ci_method"]) == (0, "no test maps")
    assert np.isnan(none["accuracy"])
    few = difference_columns([1, 1, 0, 0], [0, 0, 0, 0], ["a", "a", "b", "b"], **drawn)
    assert few["difference"] == 0.5
    assert np.isnan([few["difference_low"], few["difference_high"]]).all()


def test_a_share_held_has_an_interval_over_specimens():
    drawn = {"seed": 0, "resamples": 4000}
    of_specimens = {"held_of_specimens": [[4, 4], [0, 4]] * 8, "classes_named": 1.5}
    found = coverage_of_calibration(of_specimens, **drawn)
    assert found["coverage"] == 0.5
    # Whole specimens are held or not: 16 fair coins, whose middle 95 % are 4 to 12 heads.
    assert (found["coverage_low"], found["coverage_high"]) == (4 / 16, 12 / 16)
    assert found["classes_named"] == 1.5
    assert all(math.isnan(value) for value in coverage_of_calibration(None, **drawn).values())


def test_models_of_other_maps_are_refused(results, tmp_path):
    manifest_csv = results / "audited" / "dataset" / "manifest.csv"
    manifest = read_manifest(manifest_csv)
    some = np.where(np.arange(len(manifest)) < 6, "test", "train")
    models = {
        "a": [say(tmp_path / "a.csv", manifest, [])],
        "b": [say(tmp_path / "b.csv", manifest, [], some)],
    }
    for compared in (models, {"both": [*models["a"], *models["b"]]}, {"none": []}):
        with pytest.raises(BadInputError):
            compare_models(
                manifest_csv,
                compared,
                tmp_path / "table.csv",
                tmp_path / "summary.json",
                name="ensembles",
                seed=0,
                resamples=100,
                settings={},
            )


def test_the_corrected_interval_is_students_where_nothing_is_shared():
    values = [0.1, 0.3, 0.2, 0.4, 0.0]
    found = corrected_mean(values, 0.0)
    oracle = ttest_1samp(values, 0.0)
    assert found.p == pytest.approx(oracle.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)))


def test_the_correction_widens_by_the_known_factor():
    values = [0.1, 0.3, 0.2, 0.4, 0.0]
    plain, corrected = corrected_mean(values, 0.0), corrected_mean(values, 0.4)
    factor = (corrected.high - corrected.mean) / (plain.high - plain.mean)
    assert factor == pytest.approx(np.sqrt((1 / 5 + 0.4) / (1 / 5)))
    assert corrected.p > plain.p
    # Equal by chance, two splits do not prove a difference (p was 0 here once).
    same = corrected_mean([0.1 + 0.2, 0.3], 0.4)
    assert same.mean == pytest.approx(0.3)
    assert np.isnan([same.low, same.high, same.p]).all()
    assert corrected_mean([0.0, 0.0], 0.4) == (0.0, 0.0, 0.0, 1.0)
    with pytest.raises(BadInputError):
        corrected_mean([0.5], 0.4)


def test_draws_are_different_splits_by_specimen_that_repeat(results, tmp_path):
    manifest_csv = results / "audited" / "dataset" / "manifest.csv"
    of = {"seed": 0, "test_fraction": 0.25, "train_fraction": 0.8}
    tables = [draw_split(manifest_csv, tmp_path / "s.csv", draw=d, **of) for d in (0, 1, 2, 0)]
    assert len({tuple(table["part"]) for table in tables}) == 3
    assert tables[0].groupby("specimen_id")["part"].nunique().max() == 1


def test_draws_average_seeds_first_and_compare_within_a_split(results, tmp_path):
    manifest = read_manifest(results / "audited" / "dataset" / "manifest.csv")
    parts = np.where(manifest["specimen"] < 4, "train", "test")
    test = np.flatnonzero(parts == "test")  # 24 maps
    predictions = {}
    for draw in range(3):
        for network, seed, wrong in (("a", 0, 6), ("a", 1, 0), ("b", 0, 12), ("b", 1, 12)):
            path = tmp_path / f"{draw}-{network}-{seed}.csv"
            wrong_rows = test[: wrong + 2 * draw]
            predictions[draw, network, seed] = say(path, manifest, wrong_rows, parts, sure=0.8)
    judge_draws(
        predictions, tmp_path / "table.csv", tmp_path / "summary.json", lead="a", settings={}
    )
    record = read_experiment(tmp_path / "summary.json")
    rows = pd.DataFrame(record.rows).set_index("model")
    # a: 21/24, 19/24, 17/24 of its two seeds' mean; b is 9/24 lower on every split.
    assert rows.loc["a", "accuracy"] == pytest.approx(19 / 24)
    # Of three splits Student's interval would end at 1.21.
    assert 0 < rows.loc["a", "ci_low"] < 19 / 24 < rows.loc["a", "ci_high"] == 1.0
    assert rows.loc["a", "sd_between_draws"] == pytest.approx(2 / 24)
    assert rows.loc["a", "sd_between_seeds"] == pytest.approx(6 / 24 / np.sqrt(2))
    assert rows.loc["b", "difference"] == pytest.approx(-9 / 24)
    assert np.isnan(rows.loc["b", ["difference_low", "difference_high", "p"]].astype(float)).all()
    assert record.n == {"draws": 3, "seeds": 2, "trainings": 12}
    assert record.results["test_over_train"] == 1.0
    assert set(rows.index) == {"a", "b", "ensemble of networks", "ensemble of seeds"}
    assert record.results["networks_against_seeds"] is not None
