"""Correlations of a dataset: the lag grid, what is stored, and damage."""

import json

import numpy as np
import pytest
import zarr
from small_study import CLASSES, write_small_maps

from strainprint.baseline.correlate import correlate, read_correlations
from strainprint.baseline.two_point import half_plane, two_point_correlation
from strainprint.dataset.manifest import build_manifest
from strainprint.dataset.pictures import manifest_pictures
from strainprint.errors import BadInputError

DRAWING = {"scalar": "equivalent", "range_floor": 1e-6}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    manifest = root / "audited/dataset/manifest.csv"
    jsons = write_small_maps(root, specimens=3)
    table = build_manifest(jsons, root, manifest, classes=CLASSES, **DRAWING)
    return root, manifest, table


@pytest.fixture
def store(dataset, tmp_path):
    root, manifest, _ = dataset
    paths = tmp_path / "c.zarr", tmp_path / "c.json"
    correlate(manifest, root, *paths, study="audited", max_lag_nm=16.0, **DRAWING)
    return paths


def test_vectors_are_the_correlations_of_the_pictures(dataset, store):
    root, _, table = dataset
    vectors = read_correlations(*store, table)
    for row, (strain_map, picture) in enumerate(manifest_pictures(table, root, **DRAWING)):
        for name, field in (("raw", picture / 255), ("two_state", picture > 0)):
            expected = half_plane(two_point_correlation(field, strain_map.valid, (8, 8)))
            np.testing.assert_allclose(vectors[name][row], expected, rtol=1e-6, atol=1e-7)
    content = json.loads(store[1].read_text())
    assert (content["count"], content["features"]) == (36, 145)
    assert content["lags_without_pairs"] == {}


def test_missing_and_altered_vectors_name_their_maps(dataset, store):
    _, _, table = dataset
    array = zarr.open_group(store[0], mode="r+")["raw"]
    kept = array[7]
    array[7] = kept + 1
    with pytest.raises(BadInputError, match=f"1 of 36 .*: {table['map_id'].iloc[7]}"):
        read_correlations(*store, table)
    array[7] = kept
    read_correlations(*store, table)
    (store[0] / "two_state/c/0/0").unlink()
    with pytest.raises(BadInputError, match="36 of 36 maps"):
        read_correlations(*store, table)


def test_store_of_another_manifest_is_refused(dataset, store):
    with pytest.raises(BadInputError, match="not those of the manifest"):
        read_correlations(*store, dataset[2].iloc[:-1])
    with pytest.raises(BadInputError, match="not readable"):
        read_correlations(store[0].with_name("none.zarr"), store[1], dataset[2])
