"""The 24 crops: order, geometry, and equality with Pillow."""

import numpy as np
import pytest
from PIL import Image

from strainprint.dataset.crops import (
    crop_picture,
    crops_per_picture,
    proportional_scales,
    resized_shape,
)
from strainprint.errors import BadInputError


def random_picture(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, columns), dtype=np.uint8)


def index_of(scale: int, square: int, kind: int) -> int:
    return 6 * scale + 2 * square + kind


def test_paper_scales_give_24_crops_of_224_px():
    assert crops_per_picture() == 24
    crops = crop_picture(random_picture(62, 248))
    assert crops.shape == (24, 224, 224)
    assert crops.dtype == np.uint8


def test_scales_shrink_in_proportion_to_the_crop():
    assert proportional_scales(224) == (256, 288, 320, 352)
    assert proportional_scales(56) == (64, 72, 80, 88)
    assert proportional_scales(112) == (128, 144, 160, 176)


def test_resized_picture_is_one_to_three_or_keeps_its_aspect():
    assert resized_shape(62, 248, 256, "1:3") == (256, 768)
    assert resized_shape(62, 248, 256, "keep") == (256, 1024)
    assert resized_shape(62, 217, 64, "keep") == (64, 224)
    assert resized_shape(62, 31, 64, "keep") == (64, 64)


def test_left_middle_and_right_squares_come_in_this_order():
    """Three flat thirds at 1:3 are exactly the three squares."""
    picture = np.repeat(np.array([[10, 20, 30]], dtype=np.uint8), 256, axis=1)
    picture = np.repeat(picture, 256, axis=0)  # already 256 x 768: the first scale copies it
    crops = crop_picture(picture)
    for square, level in enumerate((10, 20, 30)):
        assert (crops[index_of(0, square, 0)] == level).all()
        assert (crops[index_of(0, square, 1)] == level).all()


def test_centre_crop_is_cut_and_resized_crop_is_the_whole_square():
    picture = random_picture(256, 768)
    crops = crop_picture(picture)
    np.testing.assert_array_equal(crops[index_of(0, 0, 0)], picture[16:240, 16:240])
    np.testing.assert_array_equal(crops[index_of(0, 1, 0)], picture[16:240, 272:496])
    np.testing.assert_array_equal(crops[index_of(0, 2, 0)], picture[16:240, 528:752])
    whole = Image.fromarray(picture[:, :256]).resize((224, 224), Image.BILINEAR)
    np.testing.assert_array_equal(crops[index_of(0, 0, 1)], np.asarray(whole))


@pytest.mark.parametrize("shape", [(62, 248), (62, 201), (31, 124), (500, 1999)])
@pytest.mark.parametrize("crop_px", [224, 56])
def test_crops_equal_pillow_bit_for_bit(shape, crop_px):
    """An independent transcription: Pillow images kept in lists, indexed by name."""
    picture = random_picture(*shape, seed=shape[1])
    crops = crop_picture(picture, crop_px=crop_px)
    for scale, paper_px in enumerate((256, 288, 320, 352)):
        d = paper_px * crop_px // 224
        stretched = np.asarray(Image.fromarray(picture, "L").resize((3 * d, d), Image.BILINEAR))
        for square in range(3):
            tile = stretched[:, square * d : (square + 1) * d]
            low = d // 2 - crop_px // 2
            np.testing.assert_array_equal(
                crops[index_of(scale, square, 0)],
                tile[low : low + crop_px, low : low + crop_px],
            )
            small = Image.fromarray(tile.copy(), "L").resize((crop_px, crop_px), Image.BILINEAR)
            np.testing.assert_array_equal(crops[index_of(scale, square, 1)], np.asarray(small))


def test_kept_aspect_spreads_the_squares_over_the_whole_length():
    picture = np.zeros((64, 256), dtype=np.uint8)
    picture[:, :64], picture[:, 96:160], picture[:, 192:] = 50, 150, 250
    crops = crop_picture(picture, crop_px=56, aspect="keep")
    assert [int(crops[index_of(0, square, 0)].min()) for square in range(3)] == [50, 150, 250]


def test_mirrored_picture_swaps_left_and_right():
    picture = random_picture(64, 192)
    crops, mirrored = (crop_picture(p, crop_px=56) for p in (picture, picture[:, ::-1].copy()))
    np.testing.assert_array_equal(mirrored[index_of(2, 0, 0)], crops[index_of(2, 2, 0)][:, ::-1])


@pytest.mark.parametrize(
    "picture",
    [
        np.full((62, 248), np.nan),
        np.zeros((62, 248), dtype=np.float32),
        np.zeros((0, 248), dtype=np.uint8),
        np.zeros((62, 248, 3), dtype=np.uint8),
        [[0, 1], [2, 3]],
    ],
)
def test_what_is_no_grey_picture_is_refused(picture):
    with pytest.raises(BadInputError, match="picture"):
        crop_picture(picture)


def test_unknown_aspect_and_impossible_sizes_are_refused():
    picture = random_picture(62, 248)
    with pytest.raises(BadInputError, match="aspect"):
        crop_picture(picture, aspect="3:1")
    with pytest.raises(BadInputError, match="crop_px"):
        crop_picture(picture, crop_px=0)
    with pytest.raises(BadInputError, match="scales"):
        crop_picture(picture, scales=(128,))
