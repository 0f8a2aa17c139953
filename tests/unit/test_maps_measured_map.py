from dataclasses import replace

import h5py
import numpy as np
import pytest
from dialects import DIALECTS, true_field

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration, checked_declaration
from strainprint.maps.measured_map import (
    MeasuredMap,
    as_strain_map,
    read_measured_map,
    write_measured_map,
)
from strainprint.maps.readers.recognise import read_map


def make(*, rows=5, columns=8, pitch_x=2e-9, pitch_y=2e-9, **attributes):
    """u = 1e-3 x + 2e-3 y, v = -4e-3 y: exx = 1e-3, eyy = -4e-3, exy = 1e-3; one point failed."""
    x, y = pitch_x * np.arange(columns), 1e-6 + pitch_y * np.arange(rows)
    xx, yy = np.meshgrid(x, y)
    fields = {"u": 1e-3 * xx + 2e-3 * (yy - y[0]), "v": -4e-3 * (yy - y[0])}
    fields |= {"exx": 0 * xx + 1e-3, "eyy": 0 * xx - 4e-3, "exy": 0 * xx + 1e-3}
    fields = {name: values.astype(np.float32) for name, values in fields.items()}
    flags = np.zeros(xx.shape, dtype=np.uint8)
    flags[1, 2] = 1
    for values in fields.values():
        values[1, 2] = np.nan
    given = {"loading_axis": "y", "loading_sense": "compression", "strain_measure": "hencky"}
    return MeasuredMap(fields, flags, x, y, given | attributes)


def assert_same(one, other):
    assert dict(one.attributes) == dict(other.attributes)
    np.testing.assert_array_equal(one.flags, other.flags)
    for name in one.fields:
        np.testing.assert_array_equal(one.fields[name], other.fields[name])
    np.testing.assert_array_equal(one.x_m, other.x_m)
    np.testing.assert_array_equal(one.y_m, other.y_m)


def test_a_written_map_reads_back_the_same_with_units_and_flags(tmp_path):
    measured = make(vsg_px=27.0, strain_window_points=5, declared_by_user="shear")
    write_measured_map(tmp_path / "map.h5", measured)
    assert_same(read_measured_map(tmp_path / "map.h5"), measured)
    with h5py.File(tmp_path / "map.h5") as handle:
        assert handle["u"].attrs["units"] == b"m"
        flag = handle["quality_flag"]
        names = flag.attrs["flag_meanings"].decode().split()
        assert dict(zip(names, flag.attrs["flag_masks"], strict=True))["not_correlated"] == 1
        assert handle["exx"].dims[1][0] == handle["x"]


def test_a_written_map_is_a_map_to_read_again(tmp_path):
    field = true_field()
    path, declaration = DIALECTS["dice"](field, tmp_path)
    measured = read_map(path, checked_declaration(declaration, path))
    write_measured_map(tmp_path / "map.h5", measured)
    assert_same(read_map(tmp_path / "map.h5", Declaration()), measured)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_declaration_that_a_map_was_read_with_says_nothing_new_of_it(tmp_path, dialect):
    path, declaration = DIALECTS[dialect](true_field(), tmp_path)
    declared = checked_declaration({**declaration, "test_strain": 0.01}, path)
    measured = read_map(path, declared)
    write_measured_map(tmp_path / "map.h5", measured)
    assert_same(read_map(tmp_path / "map.h5", declared), measured)


def test_what_is_said_of_a_written_map_is_added_to_what_it_holds(tmp_path):
    path, declaration = DIALECTS["vic2d"](true_field(), tmp_path)
    measured = read_map(path, checked_declaration(declaration, path))
    write_measured_map(tmp_path / "map.h5", measured)
    more = {"test_strain": 0.01, "specimen_id": "a"}
    again = read_map(tmp_path / "map.h5", checked_declaration({**declaration, **more}, path))
    told = {*measured.attributes["declared_by_user"].split(","), *more}
    added = {**more, "declared_by_user": ",".join(sorted(told))}
    assert dict(again.attributes) == {**measured.attributes, **added}
    with pytest.raises(BadInputError, match="loading_axis is declared as x"):
        read_map(tmp_path / "map.h5", checked_declaration({"loading_axis": "x"}, path))


def test_strain_of_a_written_map_is_taken_again_at_another_gauge(tmp_path):
    field = true_field()
    path, declaration = DIALECTS["dice"](field, tmp_path)
    direct = read_map(
        path, checked_declaration({**declaration, "recompute_window_points": 5}, path)
    )
    write_measured_map(tmp_path / "map.h5", read_map(path, checked_declaration(declaration, path)))
    again = checked_declaration({"recompute_window_points": 5}, path)
    recomputed = read_map(tmp_path / "map.h5", again)
    for name in ("exx", "eyy", "exy"):
        np.testing.assert_allclose(recomputed.fields[name], direct.fields[name], atol=2e-6)
    np.testing.assert_array_equal(recomputed.flags, direct.flags)
    assert recomputed.attributes["strain_window_points"] == 5
    assert recomputed.attributes["vsg_px"] == direct.attributes["vsg_px"] == 4 * 8 + 27


def test_the_load_runs_along_the_columns_of_a_strain_map():
    strain_map = as_strain_map(make(), "here")
    assert strain_map.shape == (8, 5)
    assert strain_map.pitch_nm == pytest.approx(2.0)
    assert not strain_map.valid[2, 1]
    np.testing.assert_allclose(strain_map.eyy[strain_map.valid], -4e-3, rtol=1e-6)
    np.testing.assert_allclose(strain_map.exx[strain_map.valid], 1e-3, rtol=1e-6)
    # x across the rows, y along the columns, in nm.
    np.testing.assert_allclose(np.diff(strain_map.ux_nm[4:, 0]), 2e-3, rtol=1e-4)
    np.testing.assert_allclose(np.diff(strain_map.uy_nm[4]), -8e-3, rtol=1e-4)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_the_measured_map_is_left_as_it_was(axis):
    measured = make(loading_axis=axis)
    fields = {name: np.asfortranarray(values) for name, values in measured.fields.items()}
    as_strain_map(replace(measured, fields=fields), "here")
    for name, values in fields.items():
        np.testing.assert_array_equal(values, measured.fields[name])


def test_a_load_along_x_turns_the_map_by_a_quarter():
    """The map seen with the head tilted: strains of the turned displacement are the turned ones."""
    measured = make(loading_axis="x")
    strain_map = as_strain_map(measured, "here")
    assert strain_map.shape == (5, 8)
    valid = strain_map.valid
    np.testing.assert_allclose(strain_map.eyy[valid], 1e-3, rtol=1e-6)
    np.testing.assert_allclose(strain_map.exx[valid], -4e-3, rtol=1e-6)
    np.testing.assert_allclose(strain_map.exy[valid], -1e-3, rtol=1e-6)
    # d(uy)/dx + d(ux)/dy = 2 exy in the turned axes too (pitch 2 nm).
    uy_x = np.diff(strain_map.uy_nm, axis=0)[:2, 4:] / 2
    ux_y = np.diff(strain_map.ux_nm, axis=1)[:2, 4:] / 2
    np.testing.assert_allclose(uy_x + ux_y.mean(), -2e-3, rtol=1e-3)


def test_a_pitch_that_differs_in_x_and_y_is_evened_out_without_interpolating():
    measured = make(pitch_x=2e-9, pitch_y=6e-9)
    strain_map = as_strain_map(measured, "here")
    assert strain_map.shape == (8, 15)
    assert strain_map.pitch_nm == pytest.approx(2.0)
    assert strain_map.attributes["pitch_columns_nm"] == pytest.approx(6.0)
    np.testing.assert_array_equal(np.flatnonzero(~strain_map.valid[2]), [3, 4, 5])
    assert set(np.unique(strain_map.uy_nm[0])) == set(
        np.unique(np.float32(1e9) * measured.fields["v"][:, 0])
    )
    with pytest.raises(BadInputError, match="no more than 16 to 1"):
        as_strain_map(make(pitch_y=40e-9), "here")


def test_strain_alone_makes_a_strain_map_without_displacement():
    measured = make()
    fields = {name: values for name, values in measured.fields.items() if name not in "uv"}
    strain_map = as_strain_map(replace(measured, fields=fields), "here")
    assert np.isnan(strain_map.ux_nm).all()
    assert strain_map.valid.sum() == 39


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: f.attrs.__setitem__("format", np.bytes_("other")), "format is 'other'"),
        (lambda f: f.__delitem__("exx"), "holds"),
        (lambda f: f.__delitem__("x"), "lacks coordinates"),
        (lambda f: f.__delitem__("quality_flag"), "lacks quality_flag"),
        (lambda f: f["exx"].__setitem__(..., np.nan), "no valid point"),
        (lambda f: [f[n].__setitem__(..., 0) for n in ("exx", "eyy", "exy")], "zero everywhere"),
        (lambda f: f["x"].__setitem__(0, -1.0), "even steps"),
        (lambda f: f["x"].__setitem__(0, np.nan), "even steps"),
        # Found by `make fuzz-guided`: a map whose flags were damaged was read all the same.
        (lambda f: f["quality_flag"].__setitem__((1, 2), 0), "contradicts the values at 1 p"),
        (lambda f: f["quality_flag"].__setitem__((2, 2), 1), "contradicts the values at 1 p"),
        (lambda f: f["quality_flag"].__setitem__((2, 2), 64), "contradicts the values at 1 p"),
    ],
)
def test_a_damaged_map_is_refused_by_name(tmp_path, damage, said):
    path = tmp_path / "map.h5"
    write_measured_map(path, make())
    with h5py.File(path, "a") as handle:
        damage(handle)
    with pytest.raises(BadInputError, match=said) as caught:
        read_measured_map(path)
    assert str(path) in str(caught.value)


def test_an_unknown_attribute_is_not_written(tmp_path):
    with pytest.raises(BadInputError, match="mood"):
        write_measured_map(tmp_path / "map.h5", make(mood="good"))
    assert list(tmp_path.iterdir()) == []


def test_a_map_without_loading_axis_cannot_be_turned():
    measured = make()
    attributes = {k: v for k, v in measured.attributes.items() if k != "loading_axis"}
    with pytest.raises(BadInputError, match="loading_axis"):
        as_strain_map(replace(measured, attributes=attributes), "here")
