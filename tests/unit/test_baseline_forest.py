"""The baseline's classifiers: cross-validation, leaks, and the three tables."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold
from small_study import CLASSES, write_small_maps

from strainprint.baseline.correlate import correlate
from strainprint.baseline.forest import (
    ForestChoice,
    best_choice,
    classify_correlations,
    correlation_pipeline,
    cross_validate,
)
from strainprint.baseline.shape_only import FEATURES, shape_features, shape_probabilities
from strainprint.dataset.manifest import build_manifest
from strainprint.dataset.splits import build_split
from strainprint.errors import BadInputError
from strainprint.networks.predictions import read_predictions

DRAWING = {"scalar": "equivalent", "range_floor": 1e-6}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    manifest = root / "manifest.csv"
    jsons = write_small_maps(root, specimens=6)
    table = build_manifest(jsons, root, manifest, classes=CLASSES, **DRAWING)
    build_split(manifest, root / "specimen.csv", split="specimen", seed=0)
    correlate(
        manifest, root, root / "c.zarr", root / "c.json", study="audited", max_lag_nm=16, **DRAWING
    )
    return root, table


def classify(root, out, **changes):
    settings = {"seed": 0, "components": (2, 4), "trees": (10, 20), "folds": 3} | changes
    names = ("predictions.csv", "shape_predictions.csv", "cross_validation.csv", "metrics.json")
    classify_correlations(
        root / "manifest.csv",
        root / "specimen.csv",
        root / "c.zarr",
        root / "c.json",
        *(out / name for name in names),
        **settings,
    )
    return [out / name for name in names]


@pytest.fixture(scope="module")
def classified(dataset, tmp_path_factory):
    return classify(dataset[0], tmp_path_factory.mktemp("baseline"))


def test_more_slip_bands_are_recognised(classified):
    """Classes of 0, 3 and 12 bands: far above a third."""
    metrics = json.loads(classified[3].read_text())
    assert metrics["accuracy"]["test"] > 0.8
    assert metrics["chance"]["accuracy"]["test"] == pytest.approx(1 / 3)


def test_tables_hold_every_map_and_repeat_bit_for_bit(dataset, classified, tmp_path):
    root, manifest = dataset
    for path in classified[:2]:
        assert read_predictions(path).frame["map_id"].tolist() == manifest["map_id"].tolist()
    for path, again in zip(classified, classify(root, tmp_path), strict=True):
        assert path.read_bytes() == again.read_bytes()
    metrics = json.loads(classified[3].read_text())
    assert set(metrics["accuracy"]) == {"train", "validation", "test"}
    assert metrics["chosen"]["components"] in (2, 4)
    assert metrics["shape_only"]["n"] == metrics["n"]


def random_features(n=60, n_features=30, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n)
    values = generator.normal(size=(n, n_features)) * np.linspace(3, 0.1, n_features)
    values[:, 0] += 2 * labels
    groups = np.array([f"s{i:02d}" for i in generator.integers(0, 12, n)], dtype=object)
    return values.astype(np.float32), labels, groups


def test_cross_validation_equals_fitting_the_pipeline_anew_for_every_point():
    values, labels, groups = random_features()
    scores = cross_validate(
        {"raw": values},
        labels,
        groups,
        components=(2, 5),
        trees=(15, 5),
        folds=4,
        random_state=3,
    )
    assert len(scores) == 4 * 2 * 2
    for fold, (fit, left_out) in enumerate(GroupKFold(4).split(values, labels, groups)):
        assert not set(groups[fit]) & set(groups[left_out])
        for k in (2, 5):
            for trees in (5, 15):
                pipeline = correlation_pipeline(ForestChoice("raw", k, trees), 3)
                pipeline.fit(values[fit].astype(np.float64), labels[fit])
                accuracy = pipeline.score(values[left_out].astype(np.float64), labels[left_out])
                row = scores[
                    (scores["fold"] == fold)
                    & (scores["components"] == k)
                    & (scores["trees"] == trees)
                ].iloc[0]
                assert row["accuracy"] == pytest.approx(accuracy)
                assert row["n"] == len(left_out)


def test_best_choice_counts_maps_and_prefers_the_simpler_of_equals():
    scores = pd.DataFrame(
        [
            ("raw", 8, 100, 0, 10, 1.0),
            ("raw", 8, 100, 1, 30, 0.5),
            ("raw", 4, 100, 0, 10, 0.4),
            ("raw", 4, 100, 1, 30, 0.7),
            ("two_state", 2, 100, 0, 10, 1.0),
            ("two_state", 2, 100, 1, 30, 0.1),
        ],
        columns=["states", "components", "trees", "fold", "n", "accuracy"],
    )
    choice, accuracy = best_choice(scores)
    assert choice == ForestChoice("raw", 4, 100)
    assert accuracy == pytest.approx(25 / 40)


def test_too_few_specimens_or_an_impossible_grid_are_refused():
    values, labels, groups = random_features()
    settings = {"components": (2,), "trees": (5,), "folds": 3, "random_state": 0}
    with pytest.raises(BadInputError, match="1 training specimens"):
        cross_validate({"raw": values}, labels, np.full(60, "s"), **settings)
    with pytest.raises(BadInputError, match="components"):
        cross_validate({"raw": values}, labels, groups, **settings | {"components": (500,)})
    with pytest.raises(BadInputError, match="trees"):
        cross_validate({"raw": values}, labels, groups, **settings | {"trees": (0,)})


def shape_table(columns):
    """Six maps of each class, 62 rows and the given columns for each class."""
    count = 3 * 6
    return pd.DataFrame(
        {
            "rows": np.full(count, 62),
            "columns": np.repeat(columns, 6),
            "grey_mean": np.full(count, 10.0),
            "grey_zero_fraction": np.full(count, 0.9),
            "label": np.repeat([0, 1, 2], 6),
        }
    )


@pytest.mark.parametrize(("columns", "right"), [((248, 246, 215), 1.0), ((248, 248, 248), 1 / 3)])
def test_shape_only_finds_the_aspect_leak_and_nothing_else(columns, right):
    table = shape_table(columns)
    assert shape_features(table).shape == (18, len(FEATURES))
    train = np.tile([True, True, True, True, False, False], 3)
    probabilities = shape_probabilities(table, train, n_classes=3, random_state=0, trees=50)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    found = probabilities.argmax(axis=1)[~train] == table["label"].to_numpy()[~train]
    assert found.mean() == pytest.approx(right)
