import struct

import numpy as np
import pytest
from PIL import Image

from strainprint.errors import BadInputError
from strainprint.maps.declaration import checked_declaration
from strainprint.maps.measured_map import as_strain_map, read_measured_map, write_measured_map
from strainprint.maps.readers.recognise import read_map

KEYS = {"loading_axis": "x", "loading_sense": "compression"}


def picture():
    values = np.arange(12 * 20, dtype=np.float32).reshape(12, 20)
    values[3, 4] = 0
    return values


def read(path, **keys):
    return read_map(path, checked_declaration(KEYS | keys, path.with_suffix(".yaml")))


def save(path, values):
    if path.suffix == ".npy":
        np.save(path, values, allow_pickle=True)
    else:
        Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.png"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_relative_intensity_is_read_with_zero_as_nothing(tmp_path, name, dtype):
    if name == "a.png" and dtype == np.float32:
        pytest.skip("PNG holds no floating point")
    values = picture().astype(dtype)
    measured = read(save(tmp_path / name, values))
    # Row 0 of a picture is its top, and y grows up.
    found = measured.fields["intensity"][::-1]
    np.testing.assert_array_equal(np.isnan(found), values == 0)
    np.testing.assert_array_equal(found[values != 0], values[values != 0])
    assert not measured.scaled


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_packed_and_plain_tiffs_hold_the_same(tmp_path, compression):
    values = picture()
    Image.fromarray(values).save(tmp_path / "a.tif", compression=compression)
    found = read(tmp_path / "a.tif").fields["intensity"][::-1]
    np.testing.assert_array_equal(found[values != 0], values[values != 0])


def test_a_transposed_array_is_not_turned_silently(tmp_path):
    values = np.asfortranarray(picture())
    found = read(save(tmp_path / "a.npy", values)).fields["intensity"]
    assert found.shape == values.shape
    np.testing.assert_array_equal(found[-1, 1:], values[0, 1:])


def test_a_picture_can_be_written_and_is_no_strain(tmp_path):
    measured = read(save(tmp_path / "a.npy", picture()), pixel_size_nm=59.0)
    write_measured_map(tmp_path / "a.h5", measured)
    again = read_measured_map(tmp_path / "a.h5")
    np.testing.assert_array_equal(again.fields["intensity"], measured.fields["intensity"])
    assert again.pitch_x_m == pytest.approx(59e-9)
    with pytest.raises(BadInputError, match="relative intensity only"):
        as_strain_map(again, "a.h5")


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("a.npy", np.array([{"a": 1}], dtype=object), "never loaded"),
        ("a.npy", np.zeros((3, 4, 5)), "has shape"),
        ("a.npy", np.zeros((3, 4), dtype=complex), "holds complex128"),
        ("a.npy", np.zeros((3, 4), dtype=[("a", "f4")]), "holds"),
        ("a.npy", np.zeros((5, 5)), "no valid point"),
        ("a.png", np.zeros((3, 4, 3), dtype=np.uint8), "mode RGB"),
        ("a.png", np.ones((1, 4), dtype=np.uint8), "has shape"),
    ],
)
def test_what_is_no_grey_picture_is_refused(tmp_path, name, values, said):
    path = save(tmp_path / name, values)
    with pytest.raises(BadInputError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_picture_wants_its_loading_axis(tmp_path):
    path = save(tmp_path / "a.tif", picture())
    with pytest.raises(BadInputError, match="loading_axis: y"):
        read_map(path)


def test_several_pictures_in_one_file_are_refused(tmp_path):
    pages = [Image.fromarray(picture()) for _ in range(2)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(BadInputError, match="holds 2 pictures"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.7])
@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.png"])
def test_a_cut_picture_is_refused_with_the_way_out(tmp_path, name, kept):
    path = save(tmp_path / name, picture().astype(np.uint16))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(BadInputError, match="copy or save it again") as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "Error" not in str(caught.value)


def test_an_npy_of_an_unknown_version_is_refused_by_it(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY text that begins like an array")
    with pytest.raises(BadInputError, match=r"NPY of version 32\.116"):
        read(path)


def tiff_with_its_directory_at_the_end(values, shape=None):
    """One strip of float32, as most programs write it; the kind of number comes last."""
    rows, columns = shape or values.shape
    tags = [
        (256, columns), (257, rows), (258, 32), (259, 1), (262, 1), (273, 8), (277, 1),
        (278, rows), (279, values.nbytes), (339, 3),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + values.nbytes)
    return head + values.tobytes() + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("cut", range(25))
def test_a_tiff_without_the_end_of_its_directory_gives_no_other_numbers(tmp_path, cut):
    path = tmp_path / "a.tif"
    content = tiff_with_its_directory_at_the_end(picture() + 1)
    path.write_bytes(content[: len(content) - cut])
    try:
        found = read(path).fields["intensity"][::-1]
    except BadInputError as error:
        assert cut and str(path) in str(error)
        return
    np.testing.assert_array_equal(found, picture() + 1)


def test_a_tiff_that_claims_more_numbers_than_it_has_takes_no_memory_for_them(tmp_path):
    path = tmp_path / "a.tif"
    values = np.ones((2, 8), dtype=np.float32)
    path.write_bytes(tiff_with_its_directory_at_the_end(values, shape=(2_000_000, 8)))
    size = path.stat().st_size
    # Not what Pillow says once it has taken memory and come to the end.
    with pytest.raises(BadInputError, match=f"ends after {size} bytes; .* need 64000000"):
        read(path)
