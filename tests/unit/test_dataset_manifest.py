"""The manifest: rows, order, labels and what it refuses."""

import numpy as np
import pytest
from small_study import CLASSES, CURVE_STRAIN, PRIOR_STRAINS, banded_map, write_small_maps

from strainprint.dataset.manifest import (
    COLUMNS,
    build_manifest,
    checked_classes,
    classes_of,
    read_manifest,
)
from strainprint.dataset.pictures import manifest_pictures
from strainprint.errors import BadInputError
from strainprint.maps.picture import grey_picture
from strainprint.maps.store import MapShard, ShardHeader, write_map_shard

DRAWING = {"scalar": "equivalent", "range_floor": 1e-6}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    jsons = write_small_maps(root)
    out = root / "audited/dataset/manifest.csv"
    table = build_manifest(jsons[::-1], root, out, classes=CLASSES, **DRAWING)
    return root, jsons, out, table


def test_every_map_has_one_row_in_order(study):
    _, _, _, table = study
    assert len(table) == 2 * 6 * 3 * 2
    assert list(table.columns) == list(COLUMNS)
    assert table["map_id"].tolist()[:3] == [
        "w0030-s2-00000-p0.001-small",
        "w0030-s2-00000-p0.001-large",
        "w0030-s2-00000-p0.01-small",
    ]
    assert table["subset"].is_monotonic_increasing
    assert classes_of(table) == CLASSES
    np.testing.assert_array_equal(np.asarray(PRIOR_STRAINS)[table["label"]], table["prior_strain"])
    np.testing.assert_array_equal(np.asarray(CLASSES)[table["label"]], table["strain_path"])


def test_row_says_what_its_map_says(study):
    root, _, _, table = study
    row = table[table["map_id"] == "w0040-s2-00005-p0.1-large"].iloc[0]
    assert row["shard"] == "audited/maps/w0040-s2/0001.json"
    strain_map = MapShard.open(root / row["shard"]).map(row["shard_index"])
    assert strain_map.attributes["map_id"] == row["map_id"]
    assert (row["rows"], row["columns"]) == strain_map.shape == (20, 80)
    picture, _ = grey_picture(strain_map, **DRAWING)
    assert row["grey_mean"] == pytest.approx(picture.mean(), abs=1e-7)
    assert row["grey_zero_fraction"] == pytest.approx((picture == 0).mean(), abs=1e-9)
    assert (row["width_nm"], row["slip_systems"], row["pitch_nm"]) == (40.0, 2, 2.0)


def test_manifest_is_the_same_whatever_the_order_of_shards(study, tmp_path):
    root, jsons, out, _ = study
    again = tmp_path / "again.csv"
    build_manifest(jsons, root, again, classes=CLASSES, **DRAWING)
    assert again.read_bytes() == out.read_bytes()


def test_flat_map_is_flagged_as_range_floored(study, tmp_path):
    root, jsons, _, _ = study
    table = build_manifest(
        jsons,
        root,
        tmp_path / "m.csv",
        classes=CLASSES,
        scalar="equivalent",
        range_floor=1e3,
    )
    assert table["range_floored"].all()
    assert (table["grey_mean"] < 1).all()


def test_pictures_come_in_manifest_order_and_are_checked(study):
    root, _, _, table = study
    pictures = list(manifest_pictures(table, root, **DRAWING))
    assert [p.shape for _, p in pictures] == list(zip(table["rows"], table["columns"], strict=True))
    assert [m.attributes["map_id"] for m, _ in pictures] == table["map_id"].tolist()
    with pytest.raises(BadInputError, match=r"grey mean.*manifest says"):
        next(manifest_pictures(table, root, scalar="axial", range_floor=1e-6))
    moved = table.assign(shard_index=table["shard_index"].to_numpy()[::-1])
    with pytest.raises(BadInputError, match=r"position .* holds map .*, the manifest says"):
        list(manifest_pictures(moved, root, **DRAWING))


@pytest.mark.parametrize("names", [[], ["0.1"], ["0.1", "back", "0.1"]])
def test_names_that_make_no_classes_are_refused(names):
    with pytest.raises(BadInputError, match="two or more different"):
        checked_classes(names)


def test_labels_follow_the_order_given_and_not_the_alphabet(tmp_path):
    names = ("0.02", "0.1", "back-and-forth")
    jsons = write_small_maps(tmp_path, specimens=2, classes=names)
    table = build_manifest(jsons, tmp_path, tmp_path / "m.csv", classes=names[::-1], **DRAWING)
    assert classes_of(table) == ("back-and-forth", "0.1", "0.02")
    assert table["map_id"].tolist()[:2] == [
        "w0030-s2-00000-back-and-forth-small",
        "w0030-s2-00000-back-and-forth-large",
    ]


def write_lost(root, shard, count):
    """A shard of the small study of which every specimen was lost."""
    header = ShardHeader("audited", "w0030-s2", 30.0, 120.0, 2, 2.0, "reference", 4.0)
    path = root / "audited/maps/w0030-s2" / f"{shard:04d}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    lost = {f"w0030-s2-{index:05d}": "sources multiply" for index in range(900, 900 + count)}
    write_map_shard(path.with_suffix(".zarr"), path, header, CURVE_STRAIN, [], lost)
    return path


def test_lost_specimens_are_counted_and_do_not_stop_the_others(tmp_path, caplog):
    jsons = write_small_maps(tmp_path, widths_nm=(30.0,))
    whole = build_manifest(jsons, tmp_path, tmp_path / "whole.csv", classes=CLASSES, **DRAWING)
    lost = write_lost(tmp_path, 9, 2)
    assert len(MapShard.open(lost)) == 0
    table = build_manifest([*jsons, lost], tmp_path, tmp_path / "m.csv", classes=CLASSES, **DRAWING)
    assert table.equals(whole)
    assert f"2 specimens were lost, {len(whole)} maps are left" in caplog.text


def test_with_every_specimen_lost_the_error_says_why(tmp_path):
    lost = write_lost(tmp_path, 0, 3)
    with pytest.raises(BadInputError, match=r"all 3 specimens were lost.*sources multiply"):
        build_manifest([lost], tmp_path, tmp_path / "m.csv", classes=CLASSES, **DRAWING)


def test_unlisted_strain_path_and_missing_class_are_refused(study, tmp_path):
    root, jsons, _, _ = study
    with pytest.raises(BadInputError, match=r"strain path 0\.1"):
        build_manifest(jsons, root, tmp_path / "m.csv", classes=("0.001", "0.01"), **DRAWING)
    with pytest.raises(BadInputError, match="some class has no map"):
        build_manifest(
            jsons, root, tmp_path / "m.csv", classes=("0.001", "0.005", "0.01", "0.1"), **DRAWING
        )
    with pytest.raises(BadInputError, match="do not make classes"):
        build_manifest(jsons, root, tmp_path / "m.csv", classes=("0.1", "0.1"), **DRAWING)
    assert not (tmp_path / "m.csv").exists()


def test_shards_elsewhere_of_two_studies_or_none_are_refused(study, tmp_path):
    root, jsons, _, _ = study
    wanted = {"classes": CLASSES, **DRAWING}
    with pytest.raises(BadInputError, match="outside the results folder"):
        build_manifest(jsons, root / "audited/dataset", tmp_path / "m.csv", **wanted)
    with pytest.raises(BadInputError, match="no map"):
        build_manifest([], root, tmp_path / "m.csv", **wanted)
    other = write_small_maps(tmp_path, study="published", specimens=1)
    here = write_small_maps(tmp_path, study="audited", specimens=1)
    with pytest.raises(BadInputError, match="several studies"):
        build_manifest([*other, *here], tmp_path, tmp_path / "m.csv", **wanted)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("map_id,", "map,", "columns are"),
        ("p0.001-small,", "p0.001-large,", "map_id"),
        (",small,", ",medium,", "reload"),
        (",30,2,", ",nan,2,", "width_nm"),
        (",30,2,", ",wide,2,", "width_nm"),
        (",30,2,", ",30,3,", "slip_systems"),
        ("audited/maps", "../maps", "shard"),
        ("audited/maps", "/audited/maps", "shard"),
        ("0.001,0.001,0,small", "0.001,0.001,1,small", "labels|out of order"),
        ("w0030-s2,", "w0050-s2,", "out of order"),
    ],
)
def test_garbled_manifest_is_refused(study, tmp_path, old, new, complaint):
    text = study[2].read_text()
    assert old in text
    garbled = tmp_path / "manifest.csv"
    garbled.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInputError, match=complaint) as caught:
        read_manifest(garbled)
    assert str(garbled) in str(caught.value)


def test_missing_or_empty_manifest_is_refused(study, tmp_path):
    with pytest.raises(BadInputError, match="not readable"):
        read_manifest(tmp_path / "none.csv")
    empty = tmp_path / "empty.csv"
    empty.write_text(study[2].read_text().splitlines()[0] + "\n")
    with pytest.raises(BadInputError, match="holds no map"):
        read_manifest(empty)


def test_small_study_draws_more_bands_brighter():
    """The fixture itself: a class can be seen in its pictures."""
    generator = np.random.default_rng(0)
    means = [
        np.mean([grey_picture(banded_map(generator, n, 20, 80), **DRAWING)[0] > 60])
        for n in (3, 12)
    ]
    assert means[0] < means[1]
