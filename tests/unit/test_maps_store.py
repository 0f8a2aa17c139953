import json
import shutil

import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.maps import store
from strainprint.maps.store import (
    MapEntry,
    MapRecord,
    MapShard,
    ShardHeader,
    read_manifest_json,
    write_map_shard,
)
from strainprint.maps.strain_map import COMPONENTS, StrainMap

HEADER = ShardHeader("audited", "w0062.5-s2", 62.5, 250.0, 2, 2.0, "reference", 4.0)
CURVE = np.linspace(0, 0.01, 5)


def entry(index, shape=(6, 9), pitch_nm=2.0):
    rng = np.random.default_rng(index)
    valid = np.ones(shape, dtype=bool)
    valid[0, :2] = False
    strain_map = StrainMap.from_displacement(
        rng.normal(size=shape), rng.normal(size=shape), valid, pitch_nm=pitch_nm, frame="reference"
    )
    record = MapRecord(
        map_id=f"w0062.5-s2-{index:05d}-p0.1-large",
        specimen_id=f"w0062.5-s2-{index:05d}",
        specimen=index,
        seed=2**62 + index,
        strain_path="0.1",
        prior_strain=0.1,
        reload="large",
        reload_strain=0.01,
        relaxed=True,
        dislocations=3,
    )
    return MapEntry(record, strain_map, rng.normal(size=5))


def write(folder, entries):
    write_map_shard(folder / "0000.zarr", folder / "0000.json", HEADER, CURVE, entries)
    return folder / "0000.json"


@pytest.fixture
def shard_json(tmp_path):
    return write(tmp_path, (entry(i, shape=(6 + i, 9 + 2 * i)) for i in range(4)))


def test_maps_of_different_size_come_back_bit_for_bit(shard_json):
    shard = MapShard.open(shard_json)
    assert len(shard) == 4
    assert shard.header == HEADER
    assert shard.rows.tolist() == [6, 7, 8, 9]
    for index, strain_map in enumerate(shard):
        wrote = entry(index, shape=(6 + index, 9 + 2 * index))
        for name in (*COMPONENTS, "valid"):
            written, read = getattr(wrote.strain_map, name), getattr(strain_map, name)
            np.testing.assert_array_equal(read, written)
            assert read.dtype == written.dtype
        np.testing.assert_array_equal(shard.curve_stress_mpa[index], wrote.curve_stress_mpa)
        assert shard.records[index] == wrote.record
        assert strain_map.attributes["prior_strain"] == 0.1
        assert strain_map.attributes["study"] == "audited"
        assert strain_map.attributes["seed"] == 2**62 + index
    np.testing.assert_array_equal(shard.curve_strain, CURVE)


def test_arrays_that_span_several_files_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "BYTES_PER_FILE", 256)
    monkeypatch.setattr(store, "_VALUES_PER_BLOCK", 32)
    shard = MapShard.open(write(tmp_path, (entry(i, shape=(7 + i, 50 + i)) for i in range(5))))
    for index in range(5):
        np.testing.assert_array_equal(
            shard.map(index).eyy, entry(index, shape=(7 + index, 50 + index)).strain_map.eyy
        )


def test_the_same_maps_give_the_same_bytes(tmp_path):
    first, second = (write(tmp_path / name, [entry(0), entry(1)]) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    for path in (tmp_path / "a" / "0000.zarr").rglob("*"):
        if path.is_file():
            twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == twin.read_bytes()


def test_manifest_says_what_a_row_needs(shard_json):
    content = read_manifest_json(shard_json)
    assert (content["format"], content["count"]) == ("strainprint-maps", 4)
    assert {"map_id", "rows", "columns", "relaxed", "dislocations"} <= set(content["maps"][0])


@pytest.mark.parametrize("array", ["exx", "valid", "curve_stress_mpa"])
def test_a_lost_chunk_is_noticed_and_named(shard_json, array):
    # Zarr reads missing chunks as zeros without a word
    shutil.rmtree(shard_json.with_suffix(".zarr") / array / "c")
    with pytest.raises(BadInputError, match=r"0000\.zarr"):
        MapShard.open(shard_json).map(2)


@pytest.mark.parametrize("array", ["exx", "valid", "curve_stress_mpa"])
def test_a_truncated_chunk_is_noticed_and_named(shard_json, array):
    for path in (shard_json.with_suffix(".zarr") / array / "c").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(BadInputError, match=r"0000\.zarr"):
        MapShard.open(shard_json).map(2)


@pytest.mark.parametrize("lost", ["zarr.json", "uy_nm/zarr.json", "offset"])
def test_lost_metadata_is_noticed_and_named(shard_json, lost):
    path = shard_json.with_suffix(".zarr") / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(BadInputError, match=r"0000\.zarr"):
        MapShard.open(shard_json).map(0)


def test_an_altered_manifest_is_noticed(shard_json):
    content = json.loads(shard_json.read_text())
    content["maps"][0]["sha256"] = "0" * 64
    shard_json.write_text(json.dumps(content))
    with pytest.raises(BadInputError, match="belong together"):
        MapShard.open(shard_json)


@pytest.mark.parametrize("key", ["study", "maps", "sha256", "version"])
def test_a_manifest_without_a_key_is_refused(shard_json, key):
    content = json.loads(shard_json.read_text())
    del content[key]
    shard_json.write_text(json.dumps(content))
    with pytest.raises(BadInputError, match=r"0000\.json"):
        MapShard.open(shard_json)


def test_a_half_written_manifest_is_refused(shard_json):
    shard_json.write_text(shard_json.read_text()[:100])
    with pytest.raises(BadInputError, match=r"0000\.json"):
        MapShard.open(shard_json)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "no map"),
        ([entry(0), entry(0)], "two maps of one name"),
        ([entry(0, pitch_nm=3.0)], "pitch 3.0 nm"),
    ],
)
def test_refused_maps_leave_nothing_behind(tmp_path, entries, message):
    with pytest.raises(BadInputError, match=message):
        write(tmp_path, entries)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_whose_specimens_were_all_lost_has_no_map_and_says_why(tmp_path):
    lost = {"w0062.5-s2-00000": "sources multiply without bound"}
    write_map_shard(tmp_path / "0.zarr", tmp_path / "0.json", HEADER, CURVE, [], lost)
    shard = MapShard.open(tmp_path / "0.json")
    assert (len(shard), list(shard), shard.header) == (0, [], HEADER)
    assert shard.lost == lost
    assert shard.curve_stress_mpa.shape == (0, len(CURVE))


def test_no_such_map_is_refused(shard_json):
    with pytest.raises(BadInputError, match="0 to 3"):
        MapShard.open(shard_json).map(4)
