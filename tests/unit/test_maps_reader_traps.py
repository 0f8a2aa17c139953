"""What real files do to a careless reader, each on a small file in the tool's own dialect."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from dialects import DIALECTS, LOAD, TrueField, mat5, true_field

from strainprint.errors import BadInputError
from strainprint.maps.declaration import checked_declaration
from strainprint.maps.quality import (
    INTERPOLATED,
    LOW_CORRELATION,
    NOT_CORRELATED,
    OUTSIDE_ROI,
    WINDOW_INCOMPLETE,
)
from strainprint.maps.readers.recognise import READERS, read_map

REFERENCE = Path(
    os.environ.get("STRAINPRINT_REFERENCE", Path(__file__).parents[3] / "shared" / "reference")
)


def read(path, declaration):
    return read_map(path, checked_declaration(declaration, Path(path).with_suffix(".yaml")))


def written(name, folder, **how):
    field = true_field(**how)
    return field, *DIALECTS[name](field, folder)


def edit(path, old, new, count=1):
    raw = path.read_bytes()
    assert old.encode() in raw
    path.write_bytes(raw.replace(old.encode(), new.encode(), count))


def refusal(path, declaration):
    with pytest.raises(BadInputError) as caught:
        read(path, declaration)
    assert str(path) in str(caught.value)
    return str(caught.value)


# ---- what the file does not say ------------------------------------------------------------------


@pytest.mark.parametrize("name", DIALECTS)
def test_every_key_left_out_is_named_with_the_line_to_add(tmp_path, name):
    _, path, declaration = written(name, tmp_path)
    for key in declaration:
        rest = {k: v for k, v in declaration.items() if k != key}
        said = refusal(path, rest)
        # Without length_unit, VIC's pixel columns are taken, whose pixel size is then missing.
        wanted = "pixel_size_nm" if key == "length_unit" else key
        assert f"\n    {wanted}: " in said
        assert str(path.with_suffix(".yaml")) in said


def test_all_missing_keys_are_named_at_once(tmp_path):
    _, path, _ = written("vic2d", tmp_path)
    said = refusal(path, {})
    for key in ("loading_axis", "loading_sense", "pixel_size_nm", "strain_measure", "shear"):
        assert f"    {key}: " in said
    assert "VIC's default is green_lagrange" in said


def test_a_declaration_beside_the_file_is_found(tmp_path):
    _, path, declaration = written("vic3d", tmp_path)
    lines = [f"{key}: {value}" for key, value in declaration.items()]
    path.with_suffix(".yaml").write_text("\n".join(lines))
    measured = read_map(path)
    assert measured.attributes["declared_by_user"] == "loading_axis,loading_sense,shear"
    assert measured.attributes["strain_measure"] == "green_lagrange"
    assert measured.attributes["source_file"] == path.name
    assert len(measured.attributes["source_sha256"]) == 64


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("vic3d", "length_unit", "m"),
        ("vic3d", "strain_measure", "hencky"),
        ("davis8", "displacement_unit", "mm"),
        ("dice", "y_axis", "up"),
        ("ncorr", "pixel_size_nm", 10.0),
        ("deformation_gradient", "length_unit", "mm"),
    ],
)
def test_a_declaration_against_the_file_is_refused(tmp_path, name, key, value):
    _, path, declaration = written(name, tmp_path)
    assert f"{key} is declared as {value}, the file itself says" in refusal(
        path, {**declaration, key: value}
    )


def test_a_known_reader_can_be_asked_for_by_name(tmp_path):
    _, path, declaration = written("vic2d", tmp_path)
    path.write_text(path.read_text().replace('"', ""))
    assert "no reader knows this file" in refusal(path, declaration)
    assert read(path, {**declaration, "reader": "vic"}).attributes["reader"] == "vic"
    with pytest.raises(BadInputError, match="reader is 'excel'"):
        read(path, {**declaration, "reader": "excel"})


# ---- missing values ------------------------------------------------------------------------------


def test_one_zero_is_a_measurement_two_are_a_failure(tmp_path):
    """DaVis: a lone u == 0 or v == 0 is valid; both zero is missing."""
    field = true_field(hole=None)
    field.u[2, 3], field.v[4, 5] = 0.0, 0.0
    field.u[6, 7] = field.v[6, 7] = 0.0
    measured = read(*DIALECTS["davis8"](field, tmp_path))
    missing = np.zeros(field.valid.shape, dtype=bool)
    missing[6, 7] = True
    np.testing.assert_array_equal(measured.flags & NOT_CORRELATED != 0, missing)
    assert measured.fields["u"][2, 3] == 0


def test_stale_displacements_of_failed_points_enter_nothing(tmp_path):
    for name in ("vic2d", "dice"):
        field, path, declaration = written(name, tmp_path)
        measured = read(path, {**declaration, "recompute_window_points": 3})
        assert np.nanmax(np.abs(measured.fields["u"])) < 7 * field.pixel_mm * 1e-3
        assert np.nanmax(np.abs(measured.fields["exx"])) < 0.1


def test_strain_whose_window_held_a_failed_point_is_dropped_where_the_window_is_known(tmp_path):
    field, path, declaration = written("vic2d", tmp_path)
    measured = read(path, {**declaration, "strain_window_points": 3})
    padded = np.pad(~field.valid, 1)
    rows, columns = field.valid.shape
    near = np.logical_or.reduce(
        [padded[j : j + rows, i : i + columns] for j in range(3) for i in range(3)]
    )
    np.testing.assert_array_equal(measured.valid, ~near)
    np.testing.assert_array_equal(measured.flags & WINDOW_INCOMPLETE != 0, near & field.valid)
    np.testing.assert_array_equal(np.isfinite(measured.fields["u"]), field.valid)


def test_reasons_are_kept_apart(tmp_path):
    expected = {
        "opencorr": LOW_CORRELATION,
        "vic2d": NOT_CORRELATED,
        "gom": OUTSIDE_ROI,
        "ncorr": OUTSIDE_ROI,
        "aramis": NOT_CORRELATED,
        "deformation_gradient": NOT_CORRELATED,
    }
    for name, flag in expected.items():
        field, path, declaration = written(name, tmp_path)
        flags = read(path, declaration).flags
        assert (flags[~field.valid] == flag).all()
        assert (flags[field.valid] == 0).all()


def test_a_strain_of_zero_in_a_measured_point_was_not_computed(tmp_path):
    """Ncorr, DICe, OpenCorr: the strain's region is smaller than the displacement's."""
    for name in ("dice", "opencorr"):
        _, path, declaration = written(name, tmp_path, hole=None)
        lines = path.read_text().splitlines()
        lines[-1] = ",".join([*lines[-1].split(",")[:-3], "0", "0", "0"])
        path.write_text("\n".join(lines) + "\n")
        measured = read(path, declaration)
        assert np.count_nonzero(~measured.valid) == 1
        assert np.isfinite(measured.fields["u"]).all()
        assert measured.flags[~measured.valid] == WINDOW_INCOMPLETE


def test_converged_1_beside_nan_is_not_believed(tmp_path):
    field, path, declaration = written("pyvale", tmp_path)
    assert ",1,0.4" in path.read_text()
    measured = read(path, declaration)
    np.testing.assert_array_equal(np.isfinite(measured.fields["u"]), field.valid)


@pytest.mark.parametrize(
    "name", ["davis8", "vic2d", "dice", "opencorr", "ncorr", "aramis", "matchid2023", "vic_mat"]
)
def test_a_map_in_which_nothing_correlated_is_refused(tmp_path, name):
    field = true_field()
    field.valid[:] = False
    path, declaration = DIALECTS[name](field, tmp_path)
    assert "nothing correlated" in refusal(path, declaration)


def test_strain_that_is_zero_everywhere_is_refused(tmp_path):
    field = true_field(stretch=0.0, shear=0.0, wave=0.0)
    path, declaration = DIALECTS["vic3d"](field, tmp_path)
    assert "zero everywhere" in refusal(path, declaration)


# ---- units and axes ------------------------------------------------------------------------------


def test_flipping_y_flips_v_and_the_shear_and_nothing_else(tmp_path):
    _, path, declaration = written("vic2d_calibrated", tmp_path, hole=None)
    up = read(path, {**declaration, "recompute_window_points": 3})
    down = read(path, {**declaration, "y_axis": "down", "recompute_window_points": 3})
    for name, sign in (("u", 1), ("v", -1), ("exx", 1), ("eyy", 1), ("exy", -1)):
        np.testing.assert_allclose(
            down.fields[name][::-1], sign * up.fields[name], rtol=1e-5, atol=1e-9
        )


def test_percent_and_one_are_not_mixed_up(tmp_path):
    """ARAMIS writes normal strains in %, the shear in 1."""
    field, path, declaration = written("aramis", tmp_path)
    exx, _, exy = field.strain()
    measured = read(path, declaration)
    np.testing.assert_allclose(measured.fields["exx"][field.valid], exx[field.valid], rtol=1e-5)
    np.testing.assert_allclose(measured.fields["exy"][field.valid], exy[field.valid], rtol=1e-5)


def test_a_unit_that_is_none_of_strain_is_refused(tmp_path):
    _, path, declaration = written("aramis", tmp_path)
    edit(path, "epsy [%]", "epsy [MPa]")
    assert "no unit of strain" in refusal(path, declaration)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shear": "engineering"}, "half as large"),
        ({"strain_y_axis": "up"}, "opposite sign"),
        ({"strain_unit": "percent"}, "times as large: check strain_unit"),
        ({"displacement_unit": "mm"}, "times as large"),
    ],
)
def test_strain_that_contradicts_its_displacement_is_refused(tmp_path, change, said):
    _, path, declaration = written("vic2d", tmp_path)
    assert said in refusal(path, {**declaration, **change})


def test_a_window_that_no_part_of_the_map_can_fill_is_named(tmp_path):
    _, path, declaration = written("davis8", tmp_path)
    said = refusal(path, {**declaration, "recompute_window_points": 99})
    assert "no window of 99 x 99 points" in said
    assert "a smaller recompute_window_points" in said


def test_an_engineering_shear_is_halved_and_noticed(tmp_path):
    field = true_field()
    doubled = true_field()
    exx, eyy, exy = field.strain()
    doubled.strain = lambda measure="green_lagrange": (exx, eyy, 2 * exy)
    path, declaration = DIALECTS["vic3d"](doubled, tmp_path)
    assert "declare shear: engineering" in refusal(path, declaration)
    measured = read(path, {**declaration, "shear": "engineering"})
    np.testing.assert_allclose(measured.fields["exy"][field.valid], exy[field.valid], rtol=1e-5)


def test_an_absurd_strain_is_refused(tmp_path):
    """Strain alone, in % but declared as a plain number."""
    field = true_field(stretch=0.1)
    exx, eyy, exy = field.strain()
    field.strain = lambda measure="green_lagrange": (100 * exx, 100 * eyy, 100 * exy)
    path, declaration = DIALECTS["pyvale_strain"](field, tmp_path)
    assert "check strain_unit" in refusal(path, declaration)
    measured = read(path, {**declaration, "strain_unit": "percent"})
    np.testing.assert_allclose(measured.fields["exx"][field.valid], exx[field.valid], rtol=1e-5)


def test_deformed_coordinates_are_moved_back(tmp_path):
    field, path, declaration = written("gom", tmp_path, stretch=0.15, wave=0.0)
    measured = read(path, declaration)
    assert measured.attributes["configuration"] == "reference"
    assert measured.pitch_x_m == pytest.approx(8 * field.pixel_mm * 1e-3)


def test_the_length_of_the_virtual_gauge_follows_from_window_step_and_subset(tmp_path):
    field, path, declaration = written("davis8", tmp_path)
    measured = read(path, {**declaration, "subset_px": 21})
    assert measured.attributes["vsg_px"] == pytest.approx(2 * 8 + 21)
    assert measured.attributes["vsg_m"] == pytest.approx(37 * field.pixel_nm * 1e-9)
    assert "vsg_px" not in read(path, declaration).attributes


def test_aramis_tells_facet_size_and_distance_in_its_head(tmp_path):
    _, path, declaration = written("aramis", tmp_path)
    assert "subset_px" not in read(path, declaration).attributes
    lines = "# facet_size      : 19.0\r\n# facet_distance  : 8\r\n"
    edit(path, "# calibration_object", f"{lines}# calibration_object")
    measured = read(path, declaration)
    assert measured.attributes["subset_px"] == 19
    assert measured.attributes["step_px"] == 8
    said = refusal(path, {**declaration, "subset_px": 21})
    assert "subset_px" in said


# ---- tables --------------------------------------------------------------------------------------


def test_decimal_commas_are_understood(tmp_path):
    field, path, declaration = written("gom", tmp_path)
    head, rows = path.read_text().split("epsilon_xy\n")
    path.write_text(head + "epsilon_xy\n" + rows.replace(".", ","))
    measured = read(path, declaration)
    np.testing.assert_array_equal(measured.valid, field.valid)


@pytest.mark.parametrize("mark", [",", "."])
def test_decimals_are_understood_below_a_row_of_whole_numbers(tmp_path, mark):
    field, path, declaration = written("davis8", tmp_path)
    header, *rows = path.read_text().splitlines()
    # a vector that failed
    rows[0] = "\t".join([*(f"{float(cell):g}" for cell in rows[0].split("\t")[:2]), "0", "0"])
    assert not set(".,") & set(rows[0])
    path.write_text("\n".join([header, *(row.replace(".", mark) for row in rows)]) + "\n")
    measured = read(path, declaration)
    assert np.count_nonzero(np.isfinite(measured.fields["u"])) >= np.count_nonzero(field.valid) - 1


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path):
    field, path, declaration = written("matchid2024", tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    np.testing.assert_array_equal(read(path, declaration).valid, field.valid)


def test_a_delimiter_after_every_row_does_no_harm(tmp_path):
    field, path, declaration = written("pyvale", tmp_path)
    path.write_text(path.read_text().replace(",\n", "\n").replace("\n", ",\n"))
    measured = read(path, declaration)
    np.testing.assert_array_equal(np.isfinite(measured.fields["u"]), field.valid)


def test_columns_are_found_by_name_in_any_order(tmp_path):
    field, path, declaration = written("opencorr", tmp_path)
    rows = [line.split(",")[::-1] for line in path.read_text().splitlines()]
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    np.testing.assert_array_equal(read(path, declaration).valid, field.valid)


def test_rows_in_any_order_make_the_same_map(tmp_path):
    _, path, declaration = written("dice", tmp_path)
    before = read(path, declaration)
    lines = path.read_text().splitlines()
    rows = np.random.default_rng(0).permutation(lines[21:]).tolist()
    path.write_text("\n".join(lines[:21] + rows) + "\n")
    after = read(path, declaration)
    np.testing.assert_array_equal(after.flags, before.flags)
    for name in before.fields:
        np.testing.assert_array_equal(after.fields[name], before.fields[name])


def test_a_short_row_is_named_by_its_line(tmp_path):
    for name in ("vic2d", "dice", "davis10_csv", "pyvale", "opencorr"):
        _, path, declaration = written(name, tmp_path)
        lines = path.read_text().rstrip("\n").split("\n")
        cut = [*lines[:40], lines[40][: len(lines[40]) // 2]]
        path.write_text("\n".join(cut))
        assert "line 41 has" in refusal(path, declaration)


def test_a_file_cut_within_its_last_number_is_refused(tmp_path):
    _, path, declaration = written("dice", tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    assert "the last line does not end" in refusal(path, declaration)


def test_a_cut_file_that_tells_its_size_is_refused(tmp_path):
    for name in ("davis8", "deformation_gradient"):
        _, path, declaration = written(name, tmp_path)
        path.write_text("\n".join(path.read_text().splitlines()[:-3]) + "\n")
        assert "holds 1" in refusal(path, declaration)


def test_text_among_the_numbers_is_named_by_its_line(tmp_path):
    _, path, declaration = written("matchid2024", tmp_path)
    lines = path.read_text().splitlines()
    lines[30] = lines[30].replace(lines[30].split(",")[4], "#REF!")
    path.write_text("\n".join(lines) + "\n")
    assert "line 31 holds '#REF!'" in refusal(path, declaration)


def test_a_column_that_comes_twice_is_refused(tmp_path):
    _, path, declaration = written("vic3d", tmp_path)
    edit(path, '"W [mm]"', '"U [mm]"')
    assert "alike" in refusal(path, declaration)


def test_several_steps_in_one_table_are_refused(tmp_path):
    _, path, declaration = written("matchid2024", tmp_path)
    head, rows = path.read_text().split("\n", 1)
    path.write_text(head + "\n" + rows + rows)
    assert "two points lie at one place" in refusal(path, declaration)


def test_velocities_are_no_displacements(tmp_path):
    _, path, declaration = written("davis10", tmp_path)
    edit(path, "dx [mm]", "Vx [m/s]")
    assert "not velocities" in refusal(path, declaration)


# ---- grids ---------------------------------------------------------------------------------------


def test_scattered_points_are_interpolated_and_say_so(tmp_path):
    field = true_field(columns=40, rows=30, wave=0.0)
    generator = np.random.default_rng(0)
    lines = ["id;x;y;z;displacement_x;displacement_y;epsilon_x;epsilon_y;epsilon_xy"]
    exx, eyy, exy = field.strain("hencky")
    for number in range(1500):
        x, y = generator.uniform(20, 300), generator.uniform(20, 200)
        u, v = 0.002 * x + 0.003 * y, -0.001 * y
        row = (x + u, y + v, 0, u, v, exx[0, 0], eyy[0, 0], exy[0, 0])
        lines.append(f"{number};" + ";".join(f"{value:.7f}" for value in row))
    path = tmp_path / "gom.csv"
    path.write_text("\n".join(lines) + "\n")
    measured = read(path, {**LOAD, "shear": "tensor", "length_unit": "mm"})
    valid = measured.valid
    assert valid.mean() > 0.8
    assert (measured.flags[valid] == INTERPOLATED).all()
    x, y = np.meshgrid(measured.x_m, measured.y_m)
    np.testing.assert_allclose(
        measured.fields["u"][valid], (0.002 * x + 0.003 * y)[valid], atol=2e-7
    )


def test_failed_points_off_the_grid_do_not_make_the_rest_scattered(tmp_path):
    field, path, declaration = written("dice", tmp_path)
    before = read(path, declaration)
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines[21:], 21):
        cells = line.split(",")
        if cells[5] == "-1":
            cells[1:3] = str(3.0 + 0.37 * number), str(5.0 + 1.13 * number)
            lines[number] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    after = read(path, declaration)
    np.testing.assert_array_equal(after.valid, before.valid)
    assert (after.flags[~field.valid] == OUTSIDE_ROI).all()


def test_two_regions_with_a_gap_between_them_are_one_map(tmp_path):
    field = true_field(columns=24, hole=None)
    field.valid[:, 9:15] = False
    measured = read(*DIALECTS["matchid2024"](field, tmp_path))
    np.testing.assert_array_equal(measured.valid, field.valid)


def test_frames_are_chosen_by_number(tmp_path):
    for name, frames in (("exodus", 2), ("ncorr_frames", 3)):
        _, path, declaration = written(name, tmp_path)
        last = read(path, declaration)
        first = read(path, {**declaration, "frame": 1})
        np.testing.assert_allclose(
            np.nanmax(first.fields["u"]) * frames, np.nanmax(last.fields["u"]), rtol=1e-5
        )
        assert f"allowed: 1 to {frames}" in refusal(path, {**declaration, "frame": frames + 1})


def test_a_gradient_without_its_grid_is_no_map(tmp_path):
    _, path, declaration = written("deformation_gradient", tmp_path)
    path.with_suffix(".ctf").unlink()
    assert "no reader knows" in refusal(path, declaration)
    with pytest.raises(BadInputError, match="ctf is missing"):
        read(path, {**declaration, "reader": "deformation_gradient"})


def test_ncorr_images_and_regions_are_never_read(tmp_path):
    field, path, declaration = written("ncorr", tmp_path)
    with h5py.File(path, "a") as handle:
        handle["reference_save/gs"] = h5py.SoftLink("/nowhere")
        handle.create_dataset("data_dic_save/displacements/roi_dic", (3,), dtype=h5py.ref_dtype)
    np.testing.assert_array_equal(read(path, declaration).valid, field.valid)


def test_matlab_files_are_read_packed_and_plain(tmp_path):
    arrays = {"x": np.tile(np.arange(5.0), (4, 1)), "y": np.tile(np.arange(4.0)[:, None], 5)}
    arrays |= {"u": 0.1 * arrays["x"], "v": 0.2 * arrays["y"] + 0.1}
    keys = {**LOAD, "pixel_size_nm": 1.0, "strain_measure": "infinitesimal"}
    for compress in (True, False):
        path = tmp_path / "vic.mat"
        path.write_bytes(mat5(arrays, compress=compress))
        measured = read(path, {**keys, "recompute_window_points": 3})
        np.testing.assert_allclose(measured.fields["exx"], 0.1, rtol=1e-6)
        np.testing.assert_allclose(measured.fields["eyy"], 0.2, rtol=1e-6)


def test_every_reader_has_a_name_of_its_own():
    assert len({reader.NAME for reader in READERS}) == len(READERS)


# ---- real files ----------------------------------------------------------------------------------


DIC = REFERENCE / "dic"
needs_reference = pytest.mark.skipif(not DIC.exists(), reason="the reference files are not at hand")


@needs_reference
def test_a_real_dice_solution(tmp_path):
    path = DIC / "dice" / "DICe_solution_0.txt"
    keys = {**LOAD, "pixel_size_nm": 1000.0}
    assert "recompute_window_points" in refusal(path, keys)  # it has no VSG_XY column
    measured = read(path, {**keys, "recompute_window_points": 5})
    assert measured.shape in ((31, 36), (36, 31))
    assert np.count_nonzero(measured.flags & 7) == 144
    assert measured.pitch_x_m == pytest.approx(1e-5)
    assert measured.attributes["subset_px"] == 27
    assert measured.attributes["vsg_px"] == pytest.approx(4 * 10 + 27)
    # DICe's own virtual strains over 50 px are within [-9.74e-4, 1.319e-3].
    assert -1.5e-3 < np.nanmin(measured.fields["exx"]) < -5e-4
    table = np.genfromtxt(path, delimiter=",", skip_header=21)
    lines = path.read_text().splitlines()[20].split(",")
    at = {name: table[:, number] for number, name in enumerate(lines)}
    column = np.rint((at["COORDINATE_X"] - at["COORDINATE_X"].min()) / 10).astype(int)
    row = np.rint((at["COORDINATE_Y"].max() - at["COORDINATE_Y"]) / 10).astype(int)
    for name, tools in (("exx", "VSG_STRAIN_XX"), ("eyy", "VSG_STRAIN_YY")):
        own = measured.fields[name][row, column]
        inside = np.isfinite(own) & (measured.flags[row, column] == 0)
        assert np.corrcoef(own[inside], at[tools][inside])[0, 1] > 0.9


SYNTHETIC = {
    "vic2d.csv": {"pixel_size_nm": 5000.0, "strain_measure": "green_lagrange", "shear": "tensor",
                  "strain_y_axis": "up"},
    "vic3d_units.csv": {"shear": "tensor"},
    "matchid_2024_1.csv": {"strain_measure": "green_lagrange", "shear": "tensor"},
    "davis10.csv": {"y_axis": "up", "shear": "tensor"},
    "aramis_nodemap.txt": {"strain_measure": "green_lagrange", "shear": "tensor"},
    "ncorr_v73_1frame.mat": {},
    "ncorr_v73_3frames.mat": {"frame": 3},
    "davis8_2dvector.txt": {"pixel_size_nm": 5000.0, "strain_measure": "green_lagrange",
                            "recompute_window_points": 3},
    "gom_correlate.csv": {"strain_measure": "green_lagrange", "recompute_window_points": 3},
}  # fmt: skip


@needs_reference
@pytest.mark.parametrize("name", SYNTHETIC)
def test_the_reference_dialects_hold_one_truth(name):
    with np.load(DIC / "dialects" / "truth.npz") as truth:
        valid, exx, eyy, exy = (truth[key][::-1] for key in ("valid", "exx", "eyy", "exy"))
    measured = read(DIC / "dialects" / name, {**LOAD, **SYNTHETIC[name]})
    assert measured.shape == valid.shape
    # Four digits make one measured point of DaVis's 0 0.
    assert np.count_nonzero((measured.flags & 7 == 0) != valid) == (name == "davis8_2dvector.txt")
    assert measured.pitch_x_m == pytest.approx(8 * 5e-6, rel=1e-3)
    coarse = "recompute_window_points" in SYNTHETIC[name]
    where = valid & (measured.flags == 0)
    for key, true in (("exx", exx), ("eyy", eyy), ("exy", -exy)):
        np.testing.assert_allclose(
            measured.fields[key][where], true[where], atol=4e-3 if coarse else 1e-7, rtol=1e-5
        )


@needs_reference
def test_the_reference_vic2d_shear_lies_in_other_axes_than_its_pixels():
    keys = {k: v for k, v in SYNTHETIC["vic2d.csv"].items() if k != "strain_y_axis"}
    assert "declare strain_y_axis" in refusal(DIC / "dialects" / "vic2d.csv", {**LOAD, **keys})


def test_the_truth_is_its_own_gradient():
    """The dialects' truth itself: differences of the displacement are its gradient."""
    field: TrueField = true_field(columns=60, rows=60, step_x=1, step_y=1)
    ux, uy, vx, vy = field.gradient
    inner = (slice(1, -1), slice(1, -1))
    for values, along, axis in (
        (field.u, ux, 1),
        (field.u, uy, 0),
        (field.v, vx, 1),
        (field.v, vy, 0),
    ):
        np.testing.assert_allclose(np.gradient(values, axis=axis)[inner], along[inner], atol=0.02)
