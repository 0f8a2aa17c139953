import json

import numpy as np
import pytest
from dialects import DIALECTS, true_field

from strainprint.errors import BadInputError
from strainprint.maps.external_maps import external_strain_map, read_external
from strainprint.maps.external_table import any_trains, external_files
from strainprint.maps.ingest import ingest_maps
from strainprint.maps.map_file import write_map_h5
from strainprint.maps.strain_map import StrainMap


def declare(path, declaration):
    lines = [f"{key}: {value}" for key, value in declaration.items()]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path):
    """Two tools' files, one declared beside it and one elsewhere, and a simulated map."""
    folder = tmp_path / "mine"
    (folder / "deep").mkdir(parents=True)
    path, declaration = DIALECTS["vic3d"](true_field(), folder)
    declare(path.with_suffix(".yaml"), declaration)
    path, declaration = DIALECTS["dice"](true_field(), folder / "deep")
    declare(folder / "dice_keys.yaml", declaration)
    y = np.tile(np.arange(8.0), (4, 1))
    simulated = StrainMap.from_displacement(
        0 * y, -0.01 * y, np.ones(y.shape, dtype=bool), pitch_nm=2.0, frame="reference"
    )
    write_map_h5(folder / "simulated.h5", simulated)
    (folder / "curve.csv").write_text("strain,stress_mpa\n0,0\n0.01,120\n")
    (folder / "mine.csv").write_text(
        "file,declaration,specimen,prior_strain,curve,use\n"
        "vic3d.csv,,pillar 1,0.01,curve.csv,train\n"
        "deep/dice.txt,dice_keys.yaml,,,,\n"
        "simulated.h5,,,,,predict\n"
    )
    return folder


def ingest(folder, text=None):
    if text is not None:
        (folder / "mine.csv").write_text(text)
    out = folder.parent / "out"
    ingest_maps(folder / "mine.csv", out / "maps", out / "maps.json")
    return out


def refusal(folder, text):
    with pytest.raises(BadInputError) as caught:
        ingest(folder, text)
    assert not (folder.parent / "out" / "maps").exists()
    assert not (folder.parent / "out" / "maps.json").exists()
    return str(caught.value)


def test_every_map_of_a_table_is_read_and_kept_with_what_is_known(folder):
    out = ingest(folder)
    first, second, third = read_external(out / "maps.json")
    assert (first.specimen, first.prior_strain, first.use) == ("pillar 1", 0.01, "train")
    assert (second.specimen, second.prior_strain, second.use) == ("", None, "predict")
    assert [one.kind for one in (first, second, third)] == ["measured", "measured", "simulated"]
    for one in (first, second):
        strain_map = external_strain_map(out / "maps", one)
        assert strain_map.shape == (13, 9)
        assert strain_map.pitch_nm == pytest.approx(40_000)
    assert external_strain_map(out / "maps", third).frame == "reference"
    assert "0.01,120" in (out / "maps" / first.curve).read_text()


def test_the_same_files_give_the_same_manifest(folder):
    one = (ingest(folder) / "maps.json").read_text()
    assert (ingest(folder) / "maps.json").read_text() == one


def test_the_workflow_is_told_every_file_that_counts(folder):
    names = ["mine.csv", "vic3d.csv", "vic3d.yaml", "curve.csv", "deep/dice.txt"]
    names += ["dice_keys.yaml", "simulated.h5"]
    assert external_files(folder / "mine.csv") == [str(folder / name) for name in names]
    assert any_trains(folder / "mine.csv")
    (folder / "mine.csv").write_text("file\nvic3d.csv\n")
    assert not any_trains(folder / "mine.csv")


def test_all_bad_maps_are_named_at_once(folder):
    (folder / "vic3d.yaml").unlink()
    (folder / "simulated.h5").write_bytes(b"nothing")
    said = refusal(folder, None)
    assert "2 of 3 maps cannot be used" in said
    assert "vic3d.csv" in said
    assert "simulated.h5" in said


@pytest.mark.parametrize(
    "name", ["../secret.csv", "deep/../../secret.csv", "/etc/passwd", "link.csv"]
)
def test_paths_that_climb_out_of_the_folder_are_refused(folder, name):
    (folder.parent / "secret.csv").write_text("x,y\n")
    (folder / "link.csv").symlink_to(folder.parent / "secret.csv")
    for text in (f"file\n{name}\n", f"file,curve\nvic3d.csv,{name}\n",
                 f"file,declaration\nvic3d.csv,{name}\n"):  # fmt: skip
        assert "leads out of the table's folder" in refusal(folder, text)
        with pytest.raises(BadInputError, match="leads out"):
            external_files(folder / "mine.csv")


def test_a_declaration_beside_a_map_is_no_link_that_leads_out(folder):
    declaration = (folder / "vic3d.yaml").rename(folder.parent / "secret.yaml")
    (folder / "vic3d.yaml").symlink_to(declaration)
    assert "leads out of the table's folder" in refusal(folder, "file\nvic3d.csv\n")
    with pytest.raises(BadInputError, match="leads out"):
        external_files(folder / "mine.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,mood\nvic3d.csv,good\n", "columns are"),
        ("specimen\na\n", "columns are"),
        ("file\n", "names no map"),
        ("file,use\nvic3d.csv\n", "not as many cells"),
        ("file,use\nvic3d.csv,test\n", "predict or train"),
        ("file,use\nvic3d.csv,train\n", "without prior_strain cannot train"),
        ("file,prior_strain\nvic3d.csv,10%\n", "between 0 and 1"),
        ("file,prior_strain\nvic3d.csv,nan\n", "between 0 and 1"),
        ("file\nnone.csv\n", "missing"),
        ("file,curve\nvic3d.csv,mine.csv\n", "not readable as a curve"),
        ('file\n"vic3d.csv\n', "not readable as a table"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(folder, text, said):
    assert said in refusal(folder, text)


def test_a_curve_that_runs_backwards_is_refused(folder):
    (folder / "curve.csv").write_text("strain,stress_mpa\n0,0\n-0.01,120\n")
    assert "runs backwards" in refusal(folder, None)


def test_an_altered_map_is_not_used(folder):
    out = ingest(folder)
    first = read_external(out / "maps.json")[0]
    with open(out / "maps" / "external-00000.h5", "ab") as handle:
        handle.write(b"x")
    with pytest.raises(BadInputError, match="altered"):
        external_strain_map(out / "maps", first)
    content = json.loads((out / "maps.json").read_text())
    (out / "maps.json").write_text(json.dumps({**content, "count": 7}))
    with pytest.raises(BadInputError, match="disagree"):
        read_external(out / "maps.json")
