"""The baseline's classifiers: cross-validation, leaks, and what is written."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold
from small_study import CLASSES, write_small_maps

from strainprint.baseline.classifiers import (
    CLASSIFIERS,
    class_probabilities,
    setting_name,
    settings,
    unfitted,
)
from strainprint.baseline.correlate import correlate
from strainprint.baseline.features import lag_grid
from strainprint.baseline.forest import (
    Variant,
    best_variants,
    classify_correlations,
    cross_validate,
    pymks_window_steps,
    windowed,
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
    settings = {"seed": 0, "components": (4,), "trees": (10, 20), "folds": 2} | changes
    names = (
        *("predictions.csv", "shape_predictions.csv", "cross_validation.csv"),
        *("variants.csv", "variant_predictions.csv", "metrics.json"),
    )
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
    metrics = json.loads(classified[5].read_text())
    assert metrics["accuracy"]["test"] > 0.8
    assert metrics["chance"]["accuracy"]["test"] == pytest.approx(1 / 3)


def test_tables_hold_every_map_and_repeat_bit_for_bit(dataset, classified, tmp_path):
    root, manifest = dataset
    for path in classified[:2]:
        assert read_predictions(path).frame["map_id"].tolist() == manifest["map_id"].tolist()
    for path, again in zip(classified, classify(root, tmp_path), strict=True):
        assert path.read_bytes() == again.read_bytes()
    metrics = json.loads(classified[5].read_text())
    assert set(metrics["accuracy"]) == {"train", "validation", "test"}
    assert metrics["chosen"]["components"] == 4
    assert metrics["shape_only"]["n"] == metrics["n"]


def random_features(n=60, n_features=30, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n)
    values = generator.normal(size=(n, n_features)) * np.linspace(3, 0.1, n_features)
    values[:, 0] += 2 * labels
    groups = np.array([f"s{i:02d}" for i in generator.integers(0, 12, n)], dtype=object)
    return values.astype(np.float32), labels, groups


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_cross_validation_equals_fitting_the_pipeline_anew_for_every_point(classifier):
    values, labels, groups = random_features()
    scores = cross_validate(
        {("raw", "whole"): values},
        labels,
        groups,
        classifiers=(classifier,),
        components=(2, 5),
        trees=(15, 5),
        folds=2,
        random_state=3,
    )
    grid = settings(classifier, (15, 5))
    assert len(scores) == 2 * 2 * len(grid)
    for fold, (fit, left_out) in enumerate(GroupKFold(2).split(values, labels, groups)):
        assert not set(groups[fit]) & set(groups[left_out])
        for k, setting in ((2, grid[-1]), (5, grid[0])):
            pipeline = Variant("raw", "whole", classifier, k, setting, 0.0).pipeline(3)
            pipeline.fit(values[fit].astype(np.float64), labels[fit])
            accuracy = pipeline.score(values[left_out].astype(np.float64), labels[left_out])
            row = scores[
                (scores["fold"] == fold)
                & (scores["components"] == k)
                & (scores["setting"] == setting_name(setting))
            ].iloc[0]
            assert row["accuracy"] == pytest.approx(accuracy)
            assert row["n"] == len(left_out)


def test_best_of_each_variant_counts_maps_and_prefers_the_simpler_of_equals():
    forest = ("raw", "whole", "forest")
    scores = pd.DataFrame(
        [
            (*forest, 8, "n_estimators=100", 0, 10, 1.0),
            (*forest, 8, "n_estimators=100", 1, 30, 0.5),
            (*forest, 4, "n_estimators=300", 0, 10, 0.4),
            (*forest, 4, "n_estimators=300", 1, 30, 0.7),
            (*forest, 4, "n_estimators=100", 0, 10, 0.4),
            (*forest, 4, "n_estimators=100", 1, 30, 0.7),
            ("two_state", "pymks", "svm", 2, "C=1 gamma=0.03", 0, 10, 1.0),
            ("two_state", "pymks", "svm", 2, "C=1 gamma=0.03", 1, 30, 0.1),
        ],
        columns=[
            *("input", "window", "classifier", "components", "setting", "fold", "n", "accuracy"),
        ],
    )
    best = best_variants(scores, (100, 300))
    assert best == [
        Variant(*forest, 4, {"n_estimators": 100}, pytest.approx(25 / 40)),
        Variant("two_state", "pymks", "svm", 2, {"C": 1.0, "gamma": 0.03}, pytest.approx(13 / 40)),
    ]


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_most_probable_class_is_the_predicted_one(classifier, n_classes):
    values, labels, _ = random_features(n=90)
    kept = labels < n_classes
    model = unfitted(classifier, settings(classifier, (20,))[0], 0).fit(values[kept], labels[kept])
    probabilities = class_probabilities(model, values, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities[:, n_classes:] == 0).all()
    np.testing.assert_array_equal(probabilities.argmax(axis=1), model.predict(values))


def test_a_fold_that_trains_on_one_class_names_it_always():
    """Two specimens of one class each: whatever is left out is of the other class."""
    labels = np.repeat([0, 1], 10)
    groups = np.repeat(np.array(["a", "b"], dtype=object), 10)
    scores = cross_validate(
        {("raw", "whole"): np.random.default_rng(0).random((20, 6)).astype(np.float32)},
        labels,
        groups,
        components=(2,),
        trees=(5,),
        folds=2,
        random_state=0,
    )
    assert set(scores["classifier"]) == set(CLASSIFIERS)
    assert (scores["accuracy"] == 0).all()


def test_pymks_window_is_half_the_short_side_of_the_narrowest_map():
    """60 x 200 keeps 59 x 59 lags: 29 pixels in each direction."""
    table = pd.DataFrame({"rows": [60, 256], "columns": [200, 768], "pitch_nm": [2.0, 2.0]})
    step, max_lag = lag_grid(*(table[name] for name in table), max_lag_nm=100.0)
    assert (step, max_lag) == (2.0, (50, 50))
    assert pymks_window_steps(table, step) == 29
    vectors = {"raw": np.zeros((2, (101 * 101 + 1) // 2), dtype=np.float32)}
    kept = windowed(vectors, max_lag, 29, inputs=["raw"], windows=["whole", "pymks"])
    assert kept["raw", "pymks"].shape[1] == (59 * 59 + 1) // 2
    assert kept["raw", "whole"].shape == vectors["raw"].shape
    with pytest.raises(BadInputError, match="none"):
        windowed(vectors, max_lag, 29, inputs=["raw"], windows=["none"])


def test_the_baseline_is_the_variant_that_cross_validation_prefers(dataset, classified):
    """Its predictions are those of the variant's own column, and no test map chose it."""
    predictions, scores, variants, named, metrics = (
        json.loads(path.read_text()) if path.suffix == ".json" else pd.read_csv(path, dtype=str)
        for path in (classified[i] for i in (0, 2, 3, 4, 5))
    )
    assert len(variants) == 2 * 2 * len(CLASSIFIERS)
    chosen = variants[variants["chosen"] == "1"]
    assert len(chosen) == 1
    best = variants["cross_validation_accuracy"].astype(float)
    assert float(chosen["cross_validation_accuracy"].iloc[0]) == best.max()
    said = named[chosen["variant"].iloc[0]]
    assert said.tolist() == predictions["prior_strain_predicted"].tolist()
    assert metrics["chosen"]["classifier"] == chosen["classifier"].iloc[0]
    # the number again, from the folds
    point = scores[
        (
            scores[["input", "window", "classifier"]]
            == chosen[["input", "window", "classifier"]].iloc[0]
        ).all(axis=1)
    ]
    point = point[
        (point["components"] == chosen["components"].iloc[0])
        & (point["setting"] == chosen["setting"].iloc[0])
    ]
    n = point["n"].astype(int)
    right = (point["accuracy"].astype(float) * n).sum() / n.sum()
    assert right == pytest.approx(best.max())
    assert n.sum() == (named["part"] == "train").sum()


def test_support_vectors_as_the_baseline_have_calibrated_probabilities(dataset, tmp_path):
    paths = classify(dataset[0], tmp_path, classifiers=("svm",), windows=("whole",))
    table = read_predictions(paths[0])
    assert json.loads(paths[5].read_text())["chosen"]["classifier"] == "svm"
    named = pd.read_csv(paths[4], dtype=str)
    variant = json.loads(paths[5].read_text())["chosen"]["input"] + "-whole-svm"
    assert table.frame["prior_strain_predicted"].tolist() == named[variant].tolist()
    # plain softmax of a decision function of three classes never exceeds 0.71 by much
    train = (table.frame["part"] == "train").to_numpy()
    assert table.probabilities[train].max() > 0.9


def test_classes_without_training_maps_are_named_in_the_table(dataset, tmp_path):
    root, manifest = dataset
    split = pd.read_csv(root / "specimen.csv", dtype=str)
    moved = split.copy()
    rare = (manifest["strain_path"] == CLASSES[2]).to_numpy()
    moved.loc[rare & (moved["part"] == "train").to_numpy(), "part"] = "validation"
    folder = tmp_path / "lacking"
    folder.mkdir()
    for name in ("manifest.csv", "c.json"):
        (folder / name).write_bytes((root / name).read_bytes())
    (folder / "c.zarr").symlink_to(root / "c.zarr")
    moved.to_csv(folder / "specimen.csv", index=False)
    paths = classify(folder, tmp_path, classifiers=("forest", "svm"), windows=("whole",))
    variants = pd.read_csv(paths[3], dtype=str)
    assert (variants["untrained_classes"] == CLASSES[2]).all()
    assert (read_predictions(paths[0]).probabilities[:, 2] == 0).all()
    moved.loc[(manifest["strain_path"] != CLASSES[0]).to_numpy(), "part"] = "test"
    moved.to_csv(folder / "specimen.csv", index=False)
    with pytest.raises(BadInputError, match="training maps lack the classes"):
        classify(folder, tmp_path)


def test_too_few_specimens_or_an_impossible_grid_are_refused():
    values, labels, groups = random_features()
    features = {("raw", "whole"): values}
    grid = {"components": (2,), "trees": (5,), "folds": 3, "random_state": 0}
    with pytest.raises(BadInputError, match="1 training specimens"):
        cross_validate(features, labels, np.full(60, "s"), **grid)
    with pytest.raises(BadInputError, match="components"):
        cross_validate(features, labels, groups, **grid | {"components": (500,)})
    with pytest.raises(BadInputError, match="trees"):
        cross_validate(features, labels, groups, **grid | {"trees": (0,)})
    with pytest.raises(BadInputError, match="classifier 'best'"):
        cross_validate(features, labels, groups, **grid, classifiers=("best",))


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
