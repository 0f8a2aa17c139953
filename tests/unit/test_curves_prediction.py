"""Predicted curves end to end on small studies whose answer is known."""

import json

import numpy as np
import pandas as pd
import pytest
from small_study import CLASSES, CURVE_STRAIN, write_small_maps

from strainprint.baseline.correlate import correlate
from strainprint.curves.prediction import predict_curves, reload_curves
from strainprint.dataset.manifest import build_manifest, read_manifest
from strainprint.dataset.splits import build_split, read_split
from strainprint.errors import BadInputError

DRAWING = {"scalar": "equivalent", "range_floor": 1e-6}
NAMES = ("neighbours.csv", "curves.csv", "bands.csv", "errors.csv", "metrics.json")
METHODS = [
    *("k1", "k3", "cv", "subset_mean", "correlation_k5", "correlation_cv"),
    *("paper_k1", "paper_k3"),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    manifest_csv = root / "manifest.csv"
    manifest = build_manifest(
        write_small_maps(root), root, manifest_csv, classes=CLASSES, **DRAWING
    )
    for split in ("specimen", "profile"):
        build_split(manifest_csv, root / f"{split}.csv", split=split, seed=0)
    correlate(
        manifest_csv,
        root,
        root / "c.zarr",
        root / "c.json",
        study="audited",
        max_lag_nm=10,
        **DRAWING,
    )
    # Features that know the curve: its last stress. The nearest map then has the nearest plateau.
    _, stress = reload_curves(manifest, root)
    features = np.repeat(stress[:, -1:], 24, axis=1).astype(np.float32)
    np.save(root / "features.npy", features)
    return root


def predict(root, out, split="specimen", **changes):
    settings = {"youngs_modulus_gpa": 70.0, "poissons_ratio": 0.33, "neighbours": (1, 3)}
    predict_curves(
        root / "manifest.csv",
        root / f"{split}.csv",
        root,
        root / "features.npy",
        root / "c.zarr",
        root / "c.json",
        *(out / name for name in NAMES),
        **settings | changes,
    )
    tables = [pd.read_csv(out / name) for name in NAMES[:4]]
    return (*tables, json.loads((out / "metrics.json").read_text()))


@pytest.fixture(scope="module")
def predicted(dataset, tmp_path_factory):
    return predict(dataset, tmp_path_factory.mktemp("curves"))


def test_every_small_reload_test_map_gets_a_curve_and_no_other(dataset, predicted):
    manifest = read_manifest(dataset / "manifest.csv")
    parts = read_split(dataset / "specimen.csv", manifest)
    expected = manifest[(parts == "test") & (manifest["reload"] == "small")]["map_id"].tolist()
    _, curves, _, errors, metrics = predicted
    assert curves["map_id"].drop_duplicates().tolist() == expected
    assert len(curves) == len(expected) * len(CURVE_STRAIN)
    assert list(curves.columns) == [
        "map_id",
        "strain",
        "true_mpa",
        *(f"{method}_mpa" for method in METHODS),
    ]
    assert errors["method"].tolist() == METHODS * len(expected)
    assert metrics["n"]["test"] == len(expected)


def test_neighbours_are_small_reload_training_maps_nearest_first(dataset, predicted):
    manifest = read_manifest(dataset / "manifest.csv")
    parts = read_split(dataset / "specimen.csv", manifest)
    fine = set(manifest[(parts == "train") & (manifest["reload"] == "small")]["map_id"])
    neighbours = predicted[0]
    assert set(neighbours["neighbour_map_id"]) <= fine
    for (_, siblings), rows in neighbours.groupby(["map_id", "siblings"]):
        assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
        assert len(rows) == 3 or siblings == "left out"
        assert rows["distance"].is_monotonic_increasing


def test_mean_of_neighbours_is_the_mean_of_their_measured_curves(dataset, predicted):
    manifest = read_manifest(dataset / "manifest.csv")
    strain, stress = reload_curves(manifest, dataset)
    row_of = dict(zip(manifest["map_id"], manifest.index, strict=True))
    neighbours, curves, *_ = predicted
    neighbours = neighbours[neighbours["siblings"] == "left out"]
    name = curves["map_id"].iloc[0]
    curve = curves[curves["map_id"] == name]
    rows = [row_of[n] for n in neighbours[neighbours["map_id"] == name]["neighbour_map_id"]]
    np.testing.assert_allclose(curve["strain"], strain)
    np.testing.assert_allclose(curve["true_mpa"], stress[row_of[name]], rtol=1e-9)
    np.testing.assert_allclose(curve["k1_mpa"], stress[rows[0]], rtol=1e-9)
    np.testing.assert_allclose(curve["k3_mpa"], stress[rows].mean(axis=0), rtol=1e-9)


def test_features_that_know_the_plateau_beat_the_mean_of_the_subset(predicted):
    summary = predicted[4]["all"]
    assert summary["k1"]["relative_rmse_mean"] < 0.5 * summary["subset_mean"]["relative_rmse_mean"]
    assert set(predicted[4]["by_width_nm"]) == {"30", "40"}
    assert predicted[4]["modulus_mpa"] == pytest.approx(78554.6, abs=0.1)


def test_yield_error_is_the_difference_of_the_plateaus(predicted):
    _, curves, _, errors, _ = predicted
    last = curves.groupby("map_id").last()
    for row in errors[errors["method"] == "k1"].itertuples():
        assert row.yield_stress_true_mpa == pytest.approx(last["true_mpa"][row.map_id], rel=1e-6)
        difference = last["k1_mpa"][row.map_id] - last["true_mpa"][row.map_id]
        assert row.yield_stress_error_mpa == pytest.approx(difference, abs=0.01)


def test_a_neighbour_is_of_the_same_specimen_only_where_the_papers_way_allows_it(
    dataset, predicted, tmp_path
):
    assert not predicted[0]["same_specimen"].any()
    neighbours, *_, metrics = predict(dataset, tmp_path, split="profile", neighbours=(1, 500))
    same = [
        a.rsplit("-p", 1)[0] == b.rsplit("-p", 1)[0]
        for a, b in zip(neighbours["map_id"], neighbours["neighbour_map_id"], strict=True)
    ]
    assert neighbours["same_specimen"].tolist() == [int(s) for s in same]
    allowed = neighbours["siblings"] == "allowed"
    assert neighbours[allowed]["same_specimen"].any()
    assert not neighbours[~allowed]["same_specimen"].any()
    first = neighbours[allowed & (neighbours["rank"] == 1)]["same_specimen"].mean()
    assert metrics["nearest_is_same_specimen"] == pytest.approx(first)


def test_fewer_training_maps_than_k_are_all_used_and_recorded(dataset, tmp_path):
    neighbours, curves, *_, metrics = predict(dataset, tmp_path, neighbours=(1, 500))
    n_train = metrics["n"]["train"]
    used = metrics["neighbours_used"]
    assert (used["k1"], used["k500"], used["correlation_k5"]) == (1, n_train, 5)
    assert neighbours["rank"].max() == n_train
    assert np.isfinite(curves["k500_mpa"]).all()


def test_a_map_without_another_training_specimen_has_empty_cells(dataset, tmp_path):
    # One specimen of 30 nm trains, and its own other map is the only one of that width to test.
    manifest = read_manifest(dataset / "manifest.csv")
    small = manifest["reload"] == "small"
    lone = small & (manifest["specimen_id"] == "w0030-s2-00000")
    parts = pd.Series("validation", index=manifest.index)
    parts[lone] = ["train", "train", "test"]
    table = manifest[["map_id", "specimen_id"]].assign(part=parts)
    table.to_csv(dataset / "lone.csv", index=False)
    _, curves, bands, errors, metrics = predict(dataset, tmp_path, split="lone")
    by_method = errors.set_index("method")
    assert by_method.loc[["k1", "cv", "subset_mean"], "relative_rmse"].isna().all()
    assert by_method.loc["k1", "neighbours"] == 0
    assert by_method.loc["paper_k1", "neighbours"] == 1
    assert np.isfinite(by_method.loc["paper_k1", "relative_rmse"])
    assert curves["k1_mpa"].isna().all()
    assert bands.drop(columns=["map_id", "strain"]).isna().all(axis=None)
    assert metrics["without_neighbour"] == 1
    assert metrics["all"]["k1"]["r2_at_strain"] == []


def test_features_that_know_the_plateau_want_few_neighbours(predicted):
    chosen = predicted[4]["cross_validation"]
    tried = chosen["cv"]["relative_rmse_mean"]
    assert chosen["cv"]["k"] == int(min(tried, key=lambda k: (tried[k], int(k))))
    assert chosen["cv"]["k"] <= 3


def test_tables_repeat_bit_for_bit(dataset, tmp_path):
    first, second = tmp_path / "one", tmp_path / "two"
    predict(dataset, first)
    predict(dataset, second)
    for name in NAMES:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_impossible_neighbours_are_refused(dataset, tmp_path):
    with pytest.raises(BadInputError, match="neighbours"):
        predict(dataset, tmp_path, neighbours=(0, 5))


def test_curves_of_moved_maps_are_refused(dataset):
    manifest = read_manifest(dataset / "manifest.csv")
    moved = manifest.assign(shard_index=manifest["shard_index"].to_numpy()[::-1])
    with pytest.raises(BadInputError, match="does not hold the maps"):
        reload_curves(moved, dataset)
