"""The crop store: what is written is read, and damage is named."""

import json
import tracemalloc

import numpy as np
import pytest
import zarr
from small_study import CLASSES, write_small_maps
from synthetic_crops import write_synthetic_crops

from strainprint.dataset.crops import crop_picture
from strainprint.dataset.manifest import build_manifest
from strainprint.dataset.pictures import manifest_pictures
from strainprint.dataset.store import MAPS_PER_SHARD, read_crops, write_crops
from strainprint.errors import BadInputError
from strainprint.files import write_csv

DRAWING = {"scalar": "equivalent", "range_floor": 1e-6}
CROPPING = {"aspect": "keep", "crop_px": 28}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    manifest = root / "audited/dataset/manifest.csv"
    table = build_manifest(write_small_maps(root), root, manifest, classes=CLASSES, **DRAWING)
    return root, manifest, table


@pytest.fixture
def store(dataset, tmp_path):
    root, manifest, _ = dataset
    paths = tmp_path / "crops.zarr", tmp_path / "crops.json"
    write_crops(manifest, root, *paths, study="audited", **DRAWING, **CROPPING)
    return paths


def shard_file(zarr_path, number):
    return zarr_path / "crops" / "c" / str(number) / "0" / "0" / "0"


def test_crops_read_back_are_those_of_every_map(dataset, store):
    root, _, table = dataset
    read = read_crops(*store)
    assert read.shape == (72, 24, 28, 28)
    assert list(read.map_ids) == table["map_id"].tolist()
    assert read.study == "audited"
    for row, (_, picture) in enumerate(manifest_pictures(table, root, **DRAWING)):
        np.testing.assert_array_equal(read.kept[row], crop_picture(picture, **CROPPING))


def test_maps_beyond_the_memory_are_read_when_asked_for(store):
    whole = read_crops(*store)
    added = np.full((2, 24, 28, 28), 7, dtype=np.uint8)
    wanted = np.arange(74) % 3 != 0
    part = read_crops(*store, wanted=wanted, added=added, memory_bytes=(10 + 2) * added[0].nbytes)
    assert len(part.kept) == 12
    assert part.shape == (74, 24, 28, 28)
    assert np.flatnonzero(part.kept_at >= 0).tolist() == [
        *np.flatnonzero(wanted)[:10], 72, 73
    ]  # fmt: skip
    everything = np.concatenate([whole.kept, added])
    rows = np.array([73, 5, 71, 0, 5, 1])
    np.testing.assert_array_equal(part.maps(rows), everything[rows])
    numbers = np.random.default_rng(0).integers(0, 74 * 24, 200)
    np.testing.assert_array_equal(part.take(numbers), everything.reshape(-1, 28, 28)[numbers])
    assert part.digest() == read_crops(*store, added=added).digest() != whole.digest()


def test_crops_altered_after_they_were_proved_are_named(store):
    part = read_crops(*store, memory_bytes=0)
    array = zarr.open_group(store[0], mode="r+")["crops"]
    crops = array[5]
    crops[3, 4, 5] ^= 1
    array[5] = crops
    part.take(np.arange(24))
    with pytest.raises(BadInputError, match="1 of 72 maps are missing or altered"):
        part.take(np.array([5 * 24]))
    shard_file(store[0], 2).unlink()
    with pytest.raises(BadInputError, match="1 of 72"):
        part.maps(np.array([70]))


def test_store_has_the_measured_layout(store):
    array = zarr.open_group(store[0], mode="r")["crops"]
    assert array.chunks == (1, 24, 28, 28)
    assert array.shards == (32, 24, 28, 28)
    assert array.dtype == np.uint8
    content = json.loads(store[1].read_text())
    assert (content["count"], content["crops_per_map"], content["crop_px"]) == (72, 24, 28)
    assert len(content["sha256"]) == 72


def test_json_tells_what_maps_networks_are_trained_on(store):
    content = json.loads(store[1].read_text())
    # 30 nm are 15 by 60 pixels, 40 nm are 20 by 80
    expected = {
        "frame": "reference",
        "pitch_nm": 2.0,
        "aspect_range": [4.0, 4.0],
        "width_range_nm": [30.0, 40.0],
        "reload_strain_range": [0.001, 0.01],
        "range_floor": 1e-6,
    }
    assert {key: content[key] for key in expected} == expected


def test_store_is_written_alike_twice(dataset, store, tmp_path):
    root, manifest, _ = dataset
    again = tmp_path / "again.zarr", tmp_path / "again.json"
    write_crops(manifest, root, *again, study="audited", **DRAWING, **CROPPING)
    assert again[1].read_bytes() == store[1].read_bytes()
    for number in range(3):
        assert (
            shard_file(again[0], number).read_bytes() == shard_file(store[0], number).read_bytes()
        )


def test_deleted_shard_file_names_its_maps(dataset, store):
    shard_file(store[0], 2).unlink()
    with pytest.raises(BadInputError, match="8 of 72 maps are missing or altered") as caught:
        read_crops(*store)
    assert dataset[2]["map_id"].iloc[64] in str(caught.value)
    assert dataset[2]["map_id"].iloc[63] not in str(caught.value)


def test_one_altered_map_is_named_alone(dataset, store):
    array = zarr.open_group(store[0], mode="r+")["crops"]
    crops = array[5]
    crops[3, 4, 5] ^= 1
    array[5] = crops
    with pytest.raises(BadInputError, match="1 of 72") as caught:
        read_crops(*store)
    assert dataset[2]["map_id"].iloc[5] in str(caught.value)


def test_garbled_or_truncated_bytes_are_named(store):
    path = shard_file(store[0], 0)
    garbled = bytearray(path.read_bytes())
    garbled[200:260] = bytes(60)
    path.write_bytes(garbled)
    with pytest.raises(BadInputError, match="1 of 72 maps"):
        read_crops(*store)
    path.write_bytes(garbled[:100])
    with pytest.raises(BadInputError, match="32 of 72 maps"):
        read_crops(*store)


def test_store_and_json_that_disagree_are_refused(store, tmp_path):
    content = json.loads(store[1].read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**content, "crop_px": 56}))
    with pytest.raises(BadInputError, match="shape"):
        read_crops(store[0], other)
    other.write_text(json.dumps({**content, "count": 71}))
    with pytest.raises(BadInputError, match="count"):
        read_crops(store[0], other)
    other.write_text(json.dumps({**content, "version": 1}))
    with pytest.raises(BadInputError, match="version"):
        read_crops(store[0], other)
    other.write_text(json.dumps({key: content[key] for key in content if key != "sha256"}))
    with pytest.raises(BadInputError, match="sha256"):
        read_crops(store[0], other)
    with pytest.raises(BadInputError, match="not readable as a crop store"):
        read_crops(tmp_path / "none.zarr", store[1])
    with pytest.raises(BadInputError, match="missing"):
        read_crops(store[0], tmp_path / "none.json")


def test_failed_writer_leaves_no_store(dataset, tmp_path):
    root, manifest, _ = dataset
    paths = tmp_path / "crops.zarr", tmp_path / "crops.json"
    with pytest.raises(BadInputError, match="grey mean"):
        write_crops(manifest, root, *paths, study="x", scalar="axial", range_floor=1e-6, **CROPPING)
    assert list(tmp_path.iterdir()) == []


def test_maps_of_two_pitches_make_no_data_set(dataset, tmp_path):
    root, _, table = dataset
    mixed = tmp_path / "manifest.csv"
    write_csv(mixed, table.assign(pitch_nm=[4.0, *table["pitch_nm"][1:]]))
    made = tmp_path / "crops.zarr", tmp_path / "crops.json"
    with pytest.raises(BadInputError, match=r"pitch_nm of the maps: 2\.0, 4\.0"):
        write_crops(mixed, root, *made, study="x", **DRAWING, **CROPPING)
    assert not any(path.exists() for path in made)


def test_writing_holds_less_than_the_store(dataset, tmp_path):
    root, manifest, table = dataset
    tracemalloc.start()
    write_crops(
        manifest,
        root,
        tmp_path / "c.zarr",
        tmp_path / "c.json",
        study="audited",
        aspect="keep",
        crop_px=112,
        **DRAWING,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(table) * 24 * 112 * 112


def test_opening_a_store_holds_its_budget_and_two_shards(tmp_path):
    """640 maps; what is streamed is never held."""
    paths = write_synthetic_crops(tmp_path, 640, n_crops=2, crop_px=64)
    map_bytes = 2 * 64 * 64
    for kept in (0, 100):
        tracemalloc.start()
        store = read_crops(*paths, memory_bytes=kept * map_bytes)
        for start in range(0, 1280, 320):
            store.take(np.arange(start, start + 40))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # beside crops: the checksums and names of the maps, and Zarr's own objects
        assert peak < (kept + 3 * MAPS_PER_SHARD) * map_bytes + 1e6 < 640 * map_bytes
