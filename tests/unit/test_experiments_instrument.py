"""Comparing instruments: the same test maps, by width, against each one's own gauge."""

import json

import numpy as np
import pandas as pd
import pytest
from small_study import CLASSES, write_small_maps

from strainprint.dataset.manifest import build_manifest
from strainprint.errors import BadInputError
from strainprint.experiment_record import read_experiment
from strainprint.experiments.instrument import SeenBy, compare_instruments
from strainprint.networks.predictions import write_predictions

CHOICES = {"seed": 0, "resamples": 200, "settings": {"network": "res4"}}


def seen_by(root, name, *, gauge_nm, right, tests, noise_px=0.0):
    folder = root / name
    folder.mkdir()
    maps = write_small_maps(root / "results", study=name)
    manifest = build_manifest(
        maps, root / "results", folder / "manifest.csv", classes=CLASSES,
        scalar="equivalent", range_floor=1e-6,
    )  # fmt: skip
    labels = manifest["label"].to_numpy()
    named = labels if right else (labels + 1) % 3
    parts = np.where(manifest["specimen"].isin(tests), "test", "train")
    write_predictions(folder / "p.csv", manifest, parts, np.eye(3)[named], CLASSES)
    (folder / "crops.json").write_text(json.dumps({"gauge_nm": gauge_nm}))
    return SeenBy(name, noise_px, folder / "manifest.csv", folder / "crops.json", folder / "p.csv")


def test_accuracy_stands_beside_the_gauge_over_the_width(tmp_path):
    seen = [
        seen_by(tmp_path, "none", gauge_nm=4.0, right=True, tests=[0, 1, 2]),
        seen_by(tmp_path, "coarse", gauge_nm=15.0, right=False, tests=[0, 1, 2], noise_px=0.1),
    ]
    compare_instruments(seen, tmp_path / "table.csv", tmp_path / "summary.json", **CHOICES)
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["instrument"].tolist() == ["none"] * 2 + ["coarse"] * 2
    np.testing.assert_allclose(table["gauge_over_width"], [4 / 30, 4 / 40, 15 / 30, 15 / 40])
    assert table["accuracy"].tolist() == [1, 1, 0, 0]
    assert table["noise_px"].tolist() == [0, 0, 0.1, 0.1]
    np.testing.assert_allclose(table["chance"], 1 / 3)
    record = read_experiment(tmp_path / "summary.json")
    assert record.n == {"test_maps": 36, "test_specimens": 6}


def test_studies_that_test_other_maps_are_not_compared(tmp_path):
    seen = [
        seen_by(tmp_path, "none", gauge_nm=4.0, right=True, tests=[0]),
        seen_by(tmp_path, "coarse", gauge_nm=15.0, right=True, tests=[1]),
    ]
    with pytest.raises(BadInputError, match="tests other maps"):
        compare_instruments(seen, tmp_path / "table.csv", tmp_path / "summary.json", **CHOICES)


def test_a_store_without_a_gauge_is_named(tmp_path):
    seen = seen_by(tmp_path, "none", gauge_nm="long", right=True, tests=[0])
    with pytest.raises(BadInputError, match="gauge_nm"):
        compare_instruments([seen], tmp_path / "table.csv", tmp_path / "summary.json", **CHOICES)
