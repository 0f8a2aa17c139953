import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.maps.picture import grey_picture
from strainprint.maps.strain_map import StrainMap


def map_of_eyy(eyy, valid=None):
    eyy = np.asarray(eyy, dtype=np.float32)
    zero = np.zeros_like(eyy)
    valid = np.ones(eyy.shape, dtype=bool) if valid is None else valid
    return StrainMap(zero, zero, zero, np.where(valid, eyy, np.nan), zero, valid, 2.0, "reference")


def test_minimum_is_black_and_maximum_white():
    picture, floored = grey_picture(map_of_eyy([[1, 2], [6, 2]]), "axial", 1e-6)
    np.testing.assert_array_equal(picture, [[0, 51], [255, 51]])
    assert picture.dtype == np.uint8
    assert not floored


def test_outside_is_black_and_does_not_set_the_scale():
    valid = np.array([[True, True, False], [True, True, False]])
    picture, _ = grey_picture(map_of_eyy([[1.0, 2, 9], [2, 2, 9]], valid), "axial", 1e-6)
    np.testing.assert_array_equal(picture, [[0, 255, 0], [255, 255, 0]])


def test_rounding_noise_stays_dark_and_is_reported():
    noise = 0.001 + 1e-9 * np.random.default_rng(0).random((8, 9))
    picture, floored = grey_picture(map_of_eyy(noise), "axial", 1e-6)
    assert floored
    assert picture.max() <= 1


def test_floor_is_the_range_of_the_picture():
    picture, floored = grey_picture(map_of_eyy([[0.0, 4e-7], [0, 0]]), "axial", 1e-6)
    assert floored
    assert picture[0, 1] == round(255 * 0.4)


def test_floor_must_be_positive():
    with pytest.raises(BadInputError, match="range_floor"):
        grey_picture(map_of_eyy([[0.0, 1], [0, 0]]), "axial", 0.0)


def test_a_map_drawn_part_by_part_looks_the_same(monkeypatch):
    generator = np.random.default_rng(0)
    strain_map = map_of_eyy(generator.normal(size=(17, 9)), generator.random((17, 9)) < 0.7)
    whole, _ = grey_picture(strain_map, "equivalent", 1e-6)
    monkeypatch.setattr("strainprint.maps.picture._POINTS_AT_ONCE", 2 * 9)
    parts, _ = grey_picture(strain_map, "equivalent", 1e-6)
    np.testing.assert_array_equal(parts, whole)
