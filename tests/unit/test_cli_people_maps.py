"""People's own maps on the command line: read, predicted with due doubt, refused one by one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dialects import DIALECTS, LOAD, true_field
from PIL import Image
from test_cli import make_network

from strainprint.cli import main
from strainprint.files import without_formulas
from strainprint.maps.measured_map import read_measured_map


def declare(path, declaration):
    lines = [f"{key}: {value}" for key, value in declaration.items()]
    path.with_suffix(".yaml").write_text("\n".join(lines) + "\n")
    return path


def write(name, folder, field=None, **more):
    path, declaration = DIALECTS[name](field or true_field(), folder)
    return declare(path, {**declaration, **more})


def predict(folder, *files, options=()):
    make_network(folder / "net")
    out = folder / "predictions.csv"
    status = main(
        ["predict", *map(str, files), "--network", str(folder / "net"), "--out", str(out), *options]
    )
    if not out.exists():
        return status, None
    table = pd.read_csv(out, keep_default_na=False)
    return status, table.set_index(table["file"].map(lambda path: Path(path).name))


@pytest.mark.parametrize("name", DIALECTS)
def test_any_tools_file_becomes_a_map_of_the_project(tmp_path, capsys, name):
    path = write(name, tmp_path)
    out = tmp_path / "out" / "map.h5"
    assert main(["read", str(path), "--out", str(out)]) == 0
    measured = read_measured_map(out)
    assert measured.attributes["source_file"] == path.name
    assert f"9 x 13 points, {measured.valid.mean():.1%} with a value" in capsys.readouterr().out


def test_a_missing_declaration_is_a_message_that_helps(tmp_path, capsys):
    path = write("dice", tmp_path)
    path.with_suffix(".yaml").unlink()
    out = tmp_path / "map.h5"
    assert main(["read", str(path), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "    pixel_size_nm: 59.0  # size of a camera" in said
    assert "Traceback" not in said
    assert not out.exists()
    # What it shows can be written down and works.
    lines = [line for line in said.splitlines() if line.startswith("    ")]
    (tmp_path / "shown.yaml").write_text("\n".join(lines))
    assert (
        main(["read", str(path), "--declare", str(tmp_path / "shown.yaml"), "--out", str(out)]) == 0
    )


def test_reading_imports_neither_torch_nor_numba(tmp_path):
    path = write("vic3d", tmp_path)
    code = (
        "import sys; from strainprint.cli import main\n"
        f"assert main(['read', {str(path)!r}, '--out', {str(tmp_path / 'm.h5')!r}]) == 0\n"
        "assert not {'torch', 'numba', 'zarr'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_people_files_are_classified_beside_the_projects_own(tmp_path):
    files = [write(name, tmp_path) for name in ("vic2d", "gom", "ncorr")]
    assert main(["read", str(files[0]), "--out", str(tmp_path / "vic.h5")]) == 0
    status, table = predict(tmp_path, *files, tmp_path / "vic.h5")
    assert status == 0
    np.testing.assert_allclose(table.filter(like="p_prior_").sum(axis=1), 1, atol=1e-9)
    # The map and the HDF5 made of it are one.
    columns = [c for c in table.columns if c != "file"]
    assert table.loc["vic2d.csv", columns].tolist() == table.loc["vic.h5", columns].tolist()


def test_a_map_far_from_the_training_says_why(tmp_path):
    path = write("vic2d", tmp_path, subset_px=21, strain_window_points=1, loading_sense="tension")
    status, table = predict(tmp_path, path)
    row = table.loc["vic2d.csv"]
    assert (status, row["in_domain"]) == (0, 0)
    for reason in (
        "pitch 40000 nm, trained on 2 nm",
        "times as long as wide",
        "strain gauge 1.05e+05 nm, trained on 4 nm",
        "loaded in tension, trained on compression",
        "frame deformed, trained on reference",
    ):
        assert reason in row["reason"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"loading_axis": "x"}, "times as long as wide"),
        ({"loading_sense": "tension"}, "loaded in tension"),
        ({"pixel_size_nm": 1.0}, "pitch 8 nm, trained on 2 nm"),
        ({"subset_px": 21}, "strain gauge 9.25 nm, trained on 4 nm"),
        ({"subset_px": None}, "strain gauge unknown"),
        ({"field": {"step_x": 4}}, "pitch 1 nm across the load, 2 nm along it"),
    ],
)
def test_only_a_map_like_the_training_is_in_the_domain(tmp_path, change, reason):
    """A pixel of 0.25 nm, points 2 nm apart, a gauge of 4 nm: as if the simulator had drawn it."""
    shape = {"columns": 10, "rows": 40, "hole": None, **change.get("field", {})}
    keys = {"pixel_size_nm": 0.25, "subset_px": 1e-6} | {
        key: value for key, value in change.items() if key != "field"
    }
    field = true_field(**shape)
    path, declaration = DIALECTS["davis8"](field, tmp_path)
    declaration = {k: v for k, v in {**declaration, **keys}.items() if v is not None}
    make_network(tmp_path / "deformed", frame="deformed", study="published")
    out = tmp_path / "p.csv"
    assert main(
        ["predict", str(declare(path, declaration)), "--network", str(tmp_path / "deformed"),
         "--out", str(out)]
    ) == 0  # fmt: skip
    row = pd.read_csv(out, keep_default_na=False).iloc[0]
    assert (row["in_domain"] == 1) == (reason is None), row["reason"]
    assert (reason or "") in row["reason"]


def test_a_map_with_many_holes_says_so(tmp_path):
    field = true_field(columns=12, rows=40)
    field.valid[:, 6:] = False
    _, table = predict(tmp_path, write("matchid2023", tmp_path, field))
    assert "only" in table["reason"].iloc[0]
    assert "% of the points hold a strain" in table["reason"].iloc[0]


def test_one_declaration_serves_all_files_without_their_own(tmp_path):
    files = [tmp_path / f"{number}.csv" for number in range(3)]
    for file in files:
        path, declaration = DIALECTS["matchid2024"](true_field(), tmp_path)
        path.rename(file)
    common = declare(tmp_path / "common.yaml", declaration)
    status, table = predict(tmp_path, *files, options=["--declare", str(common)])
    assert status == 0
    assert len(table) == 3


def test_bad_files_are_listed_and_the_rest_is_done(tmp_path, capsys):
    good = write("aramis", tmp_path)
    undeclared, _ = DIALECTS["dice"](true_field(), tmp_path)
    (tmp_path / "map.pkl").write_bytes(b"\x80\x04K\x01.")
    (tmp_path / "notes.txt").write_text("not a map\n")
    bad = [undeclared, tmp_path / "map.pkl", tmp_path / "notes.txt", tmp_path / "none.csv"]
    status, table = predict(tmp_path, bad[0], good, *bad[1:])
    assert status == 1
    assert table.index.tolist() == ["aramis.txt"]
    said = capsys.readouterr().err
    for file in bad:
        assert str(file) in said
    assert "4 files refused" in said


def test_pictures_are_turned_so_that_the_load_runs_along_their_columns(tmp_path):
    generator = np.random.default_rng(0)
    upright = generator.integers(1, 256, (64, 16)).astype(np.uint8)
    lying = np.ascontiguousarray(upright[::-1].T)
    Image.fromarray(upright).save(declare(tmp_path / "upright.png", LOAD))
    Image.fromarray(lying).save(tmp_path / "lying.png")
    np.save(declare(tmp_path / "array.npy", LOAD), upright.astype(np.float32))
    status, table = predict(
        tmp_path, *(tmp_path / name for name in ("upright.png", "lying.png", "array.npy"))
    )
    assert status == 0
    assert set(table["reason"]) == {"no pitch in a picture"}
    values = table.filter(like="p_prior_").to_numpy(dtype=float)
    np.testing.assert_allclose(values[0], values[1], atol=1e-12)
    np.testing.assert_allclose(values[0], values[2], atol=0.02)


def test_a_file_name_is_no_formula_in_the_table_of_predictions(tmp_path, monkeypatch):
    Image.fromarray(np.arange(16 * 64, dtype=np.uint8).reshape(16, 64)).save(tmp_path / "=1+1.png")
    monkeypatch.chdir(tmp_path)
    predict(tmp_path, "=1+1.png")
    assert "\n'=1+1.png," in (tmp_path / "predictions.csv").read_text()


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1"]
)
def test_text_is_never_a_formula(text):
    table = without_formulas(pd.DataFrame({"a": [text, "plain"], "b": [-1.0, 2.0]}))
    assert table["a"].iloc[0][0] in "' "
    assert table["a"].iloc[0].lstrip(" ")[0] in "'+-@="
    assert not any(table["a"].iloc[0].startswith(sign) for sign in "=+-@\t\r\n\uff1d")
    assert table["a"].iloc[1] == "plain"
    assert table["b"].tolist() == [-1.0, 2.0]


@pytest.mark.parametrize("text", ["map;=1+1.csv", "map; @SUM(A1).csv", "a;-1;+1"])
def test_text_is_never_a_formula_where_semicolons_part_cells(text):
    safe = without_formulas(pd.DataFrame({"a": [text]}))["a"].iloc[0]
    assert not any(cell.strip()[:1] in ("=", "+", "-", "@") for cell in safe.split(";"))
    assert safe.replace("'", "") == text
    assert without_formulas(pd.DataFrame({"a": ["no pitch; frame"]}))["a"].iloc[0] == (
        "no pitch; frame"
    )
