from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from strainprint.errors import BadInputError
from strainprint.maps.map_file import (
    read_map_h5,
    read_picture_png,
    table_row,
    write_map_h5,
    write_maps_csv,
    write_picture_png,
)
from strainprint.maps.strain_map import COMPONENTS, StrainMap


@pytest.fixture
def strain_map():
    rng = np.random.default_rng(1)
    valid = np.ones((6, 20), dtype=bool)
    valid[0, :5] = False
    return StrainMap.from_displacement(
        *rng.normal(size=(2, 6, 20)),
        valid,
        pitch_nm=2.0,
        frame="deformed",
        attributes={"specimen_id": "w0125-s2-00003", "prior_strain": 0.1, "relaxed": True, "n": 7},
    )


PICTURE = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


def test_hdf5_brings_the_map_back_with_units(tmp_path, strain_map):
    write_map_h5(tmp_path / "a.h5", strain_map)
    read = read_map_h5(tmp_path / "a.h5")
    for name in (*COMPONENTS, "valid"):
        np.testing.assert_array_equal(getattr(read, name), getattr(strain_map, name))
    assert (read.pitch_nm, read.frame) == (2.0, "deformed")
    assert read.attributes == strain_map.attributes
    with h5py.File(tmp_path / "a.h5") as handle:
        assert handle["ux_nm"].attrs["units"] == b"nm"
        assert handle["exy"].attrs["units"] == b"1"
        assert handle.attrs["shear_convention"] == b"tensor"


def test_the_same_map_gives_the_same_bytes(tmp_path, strain_map):
    for name in "ab":
        write_map_h5(tmp_path / name, strain_map)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_truncated_hdf5_is_refused_by_name(tmp_path, strain_map):
    path = tmp_path / "a.h5"
    write_map_h5(path, strain_map)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(BadInputError, match=r"a\.h5"):
        read_map_h5(path)


def test_missing_foreign_and_incomplete_hdf5_are_refused(tmp_path, strain_map):
    with pytest.raises(BadInputError, match="missing"):
        read_map_h5(tmp_path / "none.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as handle:
        handle["x"] = 1
    with pytest.raises(BadInputError, match="strainprint-map"):
        read_map_h5(tmp_path / "foreign.h5")
    write_map_h5(tmp_path / "a.h5", strain_map)
    with h5py.File(tmp_path / "a.h5", "a") as handle:
        del handle["eyy"]
    with pytest.raises(BadInputError, match=r"lacks.*eyy"):
        read_map_h5(tmp_path / "a.h5")


def test_other_units_are_refused(tmp_path, strain_map):
    write_map_h5(tmp_path / "a.h5", strain_map)
    with h5py.File(tmp_path / "a.h5", "a") as handle:
        handle["exx"].attrs["units"] = np.bytes_("%")
    with pytest.raises(BadInputError, match="units of exx are '%'"):
        read_map_h5(tmp_path / "a.h5")


def test_a_map_of_nan_is_refused_by_file_name(tmp_path, strain_map):
    write_map_h5(tmp_path / "a.h5", strain_map)
    with h5py.File(tmp_path / "a.h5", "a") as handle:
        handle["exx"][...] = np.nan
    with pytest.raises(BadInputError, match=r"a\.h5: exx is NaN"):
        read_map_h5(tmp_path / "a.h5")


def test_png_brings_the_picture_back(tmp_path):
    write_picture_png(tmp_path / "a.png", PICTURE)
    np.testing.assert_array_equal(read_picture_png(tmp_path / "a.png"), PICTURE)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_in_disguise_is_grey(tmp_path, mode):
    Image.fromarray(PICTURE).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture_png(tmp_path / "a.png"), PICTURE)


def test_colour_transparency_and_depth_are_refused_with_a_way_out(tmp_path):
    colour = np.stack([PICTURE, PICTURE, PICTURE + 1], axis=-1)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    Image.fromarray(np.dstack([colour[..., 0]] * 3 + [PICTURE])).save(tmp_path / "alpha.png")
    Image.fromarray(PICTURE.astype(np.uint16) * 256).save(tmp_path / "deep.png")
    for name, message in [("colour", "coloured"), ("alpha", "transparent"), ("deep", "mode I;16")]:
        with pytest.raises(BadInputError, match=f"(?s){name}.png.*{message}.*way out"):
            read_picture_png(tmp_path / f"{name}.png")


def test_blank_tiny_truncated_and_missing_pictures_are_refused(tmp_path):
    write_picture_png(tmp_path / "blank.png", np.zeros((5, 5), dtype=np.uint8))
    write_picture_png(tmp_path / "tiny.png", np.array([[0, 255]], dtype=np.uint8))
    write_picture_png(
        tmp_path / "cut.png", np.random.default_rng(0).integers(0, 255, (40, 40), dtype=np.uint8)
    )
    cut = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(cut[: len(cut) // 2])
    (tmp_path / "text.png").write_text("no picture")
    for name in ("blank", "tiny", "cut", "text", "none"):
        with pytest.raises(BadInputError, match=name):
            read_picture_png(tmp_path / f"{name}.png")


def test_a_name_in_maps_csv_is_no_formula(tmp_path, strain_map):
    named = replace(strain_map, attributes={"specimen_id": "=1+1", "strain_path": "@SUM(A1)"})
    write_maps_csv(tmp_path / "maps.csv", [table_row("-1.h5", named)])
    row = (tmp_path / "maps.csv").read_text().splitlines()[1]
    assert row.startswith("'-1.h5,'=1+1,'@SUM(A1),")


def test_maps_csv_has_the_designed_columns(tmp_path, strain_map):
    write_maps_csv(tmp_path / "maps.csv", [table_row("a.h5", strain_map)])
    table = pd.read_csv(tmp_path / "maps.csv")
    assert list(table.columns) == [
        "file", "specimen", "strain_path", "prior_strain", "reload_strain", "width_nm",
        "slip_systems", "rows", "columns", "pitch_nm",
    ]  # fmt: skip
    assert table.loc[0, ["file", "specimen", "rows", "pitch_nm"]].tolist() == [
        "a.h5", "w0125-s2-00003", 6, 2.0,
    ]  # fmt: skip
