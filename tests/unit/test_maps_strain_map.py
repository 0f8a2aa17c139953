import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.maps.scalars import axial_strain, equivalent_strain, max_shear_strain, scalar_field
from strainprint.maps.strain_map import StrainMap, strain_from_displacement, with_neighbours

PITCH = 2.0


def grid(rows=12, columns=30):
    return np.meshgrid(np.arange(rows) * PITCH, np.arange(columns) * PITCH, indexing="ij")


def linear_map(dux_dx=0.0, dux_dy=0.0, duy_dx=0.0, duy_dy=0.0):
    x, y = grid()
    return StrainMap.from_displacement(
        dux_dx * x + dux_dy * y,
        duy_dx * x + duy_dy * y,
        np.ones(x.shape, dtype=bool),
        pitch_nm=PITCH,
        frame="reference",
    )


def test_uniform_gradient_gives_its_own_strain_everywhere():
    strain_map = linear_map(dux_dx=0.003, dux_dy=0.002, duy_dx=0.004, duy_dy=-0.01).check("here")
    np.testing.assert_allclose(strain_map.exx, 0.003, rtol=1e-6)
    np.testing.assert_allclose(strain_map.eyy, -0.01, rtol=1e-6)
    np.testing.assert_allclose(strain_map.exy, 0.003, rtol=1e-6)  # tensor shear: half the sum
    assert strain_map.exx.dtype == np.float32


def test_infinitesimal_rotation_gives_no_strain():
    strain_map = linear_map(dux_dy=-1e-3, duy_dx=1e-3)
    for name in ("exx", "eyy", "exy"):
        np.testing.assert_allclose(getattr(strain_map, name), 0.0, atol=1e-12)


def test_differences_equal_numpy_gradient_on_a_full_grid():
    rng = np.random.default_rng(0)
    ux, uy = rng.normal(size=(2, 9, 17))
    exx, eyy, exy = strain_from_displacement(ux, uy, PITCH, np.ones(ux.shape, dtype=bool))
    np.testing.assert_allclose(exx, np.gradient(ux, PITCH, axis=0), rtol=1e-6)
    np.testing.assert_allclose(eyy, np.gradient(uy, PITCH, axis=1), rtol=1e-6)
    expected = (np.gradient(ux, PITCH, axis=1) + np.gradient(uy, PITCH, axis=0)) / 2
    np.testing.assert_allclose(exy, expected, rtol=1e-6)


def test_invalid_points_poison_no_neighbour():
    x, y = grid()
    ux, uy = 0.003 * x, -0.01 * y
    valid = np.ones(x.shape, dtype=bool)
    valid[4:7, 10:15] = False
    valid[0] = False
    ux[~valid] = uy[~valid] = 1e6
    exx, eyy, exy = strain_from_displacement(ux, uy, PITCH, valid)
    np.testing.assert_allclose(exx[valid], 0.003, rtol=1e-6)
    np.testing.assert_allclose(eyy[valid], -0.01, rtol=1e-6)
    assert np.isnan(exx[~valid]).all() and np.isnan(exy[~valid]).all()


def test_points_without_a_neighbour_both_ways_are_dropped():
    valid = np.zeros((6, 8), dtype=bool)
    valid[1:3, 1:4] = True
    valid[1, 4] = True  # has neighbours along y only
    valid[5, 7] = True  # has none
    expected = np.zeros_like(valid)
    expected[1:3, 1:4] = True
    np.testing.assert_array_equal(with_neighbours(valid), expected)


def test_unequal_shapes_are_refused():
    with pytest.raises(BadInputError, match="one common shape"):
        strain_from_displacement(np.ones((3, 4)), np.ones((3, 5)), 2.0, np.ones((3, 4), dtype=bool))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid": np.zeros((12, 30), dtype=bool)}, "no valid point"),
        ({"exx": np.full((12, 30), np.nan, dtype=np.float32)}, "exx is NaN or infinite at 360"),
        ({"eyy": np.ones((12, 29), dtype=np.float32)}, r"eyy has shape \(12, 29\)"),
        ({"pitch_nm": 0.0}, "pitch_nm is 0"),
        ({"frame": "moon"}, "moon"),
    ],
)
def test_check_names_the_map_and_the_fault(change, message):
    fields = {**vars(linear_map(duy_dy=-0.01)), **change}
    with pytest.raises(BadInputError, match=message) as caught:
        StrainMap(**fields).check("some map")
    assert str(caught.value).startswith("some map")


def test_a_map_of_zeros_is_refused():
    with pytest.raises(BadInputError, match="exactly zero everywhere"):
        linear_map().check("some map")


def test_scalars_of_simple_shear():
    shear = linear_map(dux_dy=0.02)  # exy = 0.01
    np.testing.assert_allclose(equivalent_strain(shear), 2 / np.sqrt(3) * 0.01, rtol=1e-6)
    np.testing.assert_allclose(max_shear_strain(shear), 0.01, rtol=1e-6)
    np.testing.assert_allclose(axial_strain(shear), 0.0, atol=1e-12)


def test_scalars_of_incompressible_plane_strain_compression():
    pressed = linear_map(dux_dx=0.01, duy_dy=-0.01)
    np.testing.assert_allclose(equivalent_strain(pressed), 2 / np.sqrt(3) * 0.01, rtol=1e-6)
    np.testing.assert_allclose(max_shear_strain(pressed), 0.01, rtol=1e-6)
    np.testing.assert_allclose(axial_strain(pressed), 0.01, rtol=1e-6)


def test_equivalent_strain_of_uniaxial_strain_is_two_thirds():
    # e = diag(0, e, 0): deviator (-1, 2, -1) e/3, sqrt(2/3 * 6/9) = 2/3
    np.testing.assert_allclose(equivalent_strain(linear_map(duy_dy=-0.03)), 0.02, rtol=1e-6)


def test_both_slip_senses_look_the_same():
    for scalar in ("equivalent", "axial", "max_shear"):
        left, right = (scalar_field(linear_map(dux_dy=s, duy_dy=s), scalar) for s in (0.02, -0.02))
        np.testing.assert_array_equal(left, right)


def test_unknown_scalar_is_refused():
    with pytest.raises(BadInputError, match="equivalent, axial, max_shear"):
        scalar_field(linear_map(duy_dy=1e-3), "mises")
