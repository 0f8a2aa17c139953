import json
import re
from dataclasses import replace

import numpy as np
import pytest
from dialects import DIALECTS, true_field

from strainprint.errors import BadInputError
from strainprint.maps.external_maps import (
    external_strain_map,
    read_external,
    single_maps,
    stacks_of,
)
from strainprint.maps.external_table import TableUses, external_files, table_uses
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
    assert table_uses(folder / "mine.csv") == TableUses(True, True, 0, False)
    (folder / "mine.csv").write_text("file\nvic3d.csv\n")
    assert table_uses(folder / "mine.csv") == TableUses(True, False, 0, False)
    (folder / "vic3d.ctf").write_text("XCells 2\n")
    names = ["mine.csv", "vic3d.csv", "vic3d.yaml", "vic3d.ctf"]
    assert external_files(folder / "mine.csv") == [str(folder / name) for name in names]


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


@pytest.mark.parametrize("name", ["vic3d.yaml", "vic3d.ctf"])
def test_what_lies_beside_a_map_is_no_link_that_leads_out(folder, name):
    (folder.parent / "secret").write_text((folder / "vic3d.yaml").read_text())
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(folder.parent / "secret")
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


HEAD = "file,specimen,prior_strain,curve,use,stack,layer\n"
TRAINS = "simulated.h5,p,0.01,,train,s,1\nsimulated.h5,p,0.01,,train,s,2\n"


def test_layers_of_a_stack_are_kept_together_and_are_no_maps_of_their_own(folder):
    out = ingest(folder, HEAD + "simulated.h5,p,0.01,,train,s,2\nvic3d.csv,,,,,,\n"
                 "simulated.h5,p,0.01,,train,s,1\n")  # fmt: skip
    found = read_external(out / "maps.json")
    assert [(one.stack, one.layer) for one in found] == [("s", 2), ("", 0), ("s", 1)]
    (stack,) = stacks_of(found)
    assert [one.map_id for one in stack] == ["external-00002", "external-00000"]
    assert [one.source for one in single_maps(found)] == ["vic3d.csv"]


@pytest.mark.parametrize(
    ("more", "uses"),
    [
        ("", (False, False, 2, False)),
        ("vic3d.csv,,,,,,\n", (True, False, 2, False)),
        ("vic3d.csv,,0.1,,train,,\n", (True, True, 2, False)),
        # Only stacks of known prior strain, of a specimen that does not train, test anything.
        ("simulated.h5,q,,,,t,1\nsimulated.h5,q,,,,t,2\n", (False, False, 2, False)),
        ("simulated.h5,p,0.1,,,t,1\nsimulated.h5,p,0.1,,,t,2\n", (False, False, 2, False)),
        ("simulated.h5,q,0.1,,,t,1\nsimulated.h5,q,0.1,,,t,2\n", (False, False, 2, True)),
    ],
)
def test_a_table_says_what_it_asks_for(folder, more, uses):
    (folder / "mine.csv").write_text(HEAD + TRAINS + more)
    assert table_uses(folder / "mine.csv") == TableUses(*uses)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("simulated.h5,,,,,t,\n", "stack is 't' and layer ''"),
        ("simulated.h5,,,,,,1\n", "stack is '' and layer '1'"),
        ("simulated.h5,,,,,t,0\n", "layer is '0'"),
        ("simulated.h5,,,,,t,1.5\n", "whole number from 1"),
        ("simulated.h5,,,,,t,²\n", "whole number from 1"),
        ("simulated.h5,,,,,t,99999999\n", "whole number from 1"),
        ("simulated.h5,,,curve.csv,,t,1\n", "a layer of a stack has a curve"),
        ("simulated.h5,,,,,t,2\n", "stack 't': layer 1 is missing"),
        ("simulated.h5,,,,,t,1\nsimulated.h5,,,,,t,1\n", "stack 't': layer 1 comes twice"),
        ("simulated.h5,,,,,t,1\n", "stack 's' has 2 layers, stack 't' 1"),
        ("simulated.h5,a,,,,t,1\nsimulated.h5,b,,,,t,2\n", "specimen is 'a' and 'b'"),
        ("simulated.h5,,0.1,,,t,1\nsimulated.h5,,,,,t,2\n", "prior_strain is '0.1' and ''"),
        ("simulated.h5,,0.1,,train,t,1\nsimulated.h5,,0.1,,,t,2\n", "use is 'train' and ''"),
    ],
)
def test_layers_that_make_no_stack_are_refused_before_any_map_is_read(folder, rows, said):
    (folder / "mine.csv").write_text(HEAD + TRAINS + rows)
    with pytest.raises(BadInputError, match=re.escape(said)):
        external_files(folder / "mine.csv")


def test_stacks_of_which_none_trains_are_refused(folder):
    said = refusal(folder, HEAD + "simulated.h5,p,0.01,,,s,1\n")
    assert "no stack is to train" in said
    assert "prior_strain is known" in said


@pytest.mark.parametrize(
    ("columns", "pitch_nm", "frame", "said"),
    [
        (9, 2.0, "reference", "4 x 9 points at 2 nm, reference frame"),
        (8, 3.0, "reference", "4 x 8 points at 3 nm, reference frame"),
        (8, 2.0, "deformed", "4 x 8 points at 2 nm, deformed frame"),
    ],
)
def test_layers_on_other_grids_are_named(folder, columns, pitch_nm, frame, said):
    y = np.tile(np.arange(float(columns)), (4, 1))
    other = StrainMap.from_displacement(
        0 * y, -0.01 * y, np.ones(y.shape, dtype=bool), pitch_nm=pitch_nm, frame=frame
    )
    write_map_h5(folder / "other.h5", other)
    told = refusal(folder, HEAD + TRAINS.replace("simulated.h5,p,0.01,,train,s,2",
                                                 "other.h5,p,0.01,,train,s,2"))  # fmt: skip
    assert f"stack 's': layer 2 (other.h5) has {said}" in told
    assert "layer 1 (simulated.h5) has 4 x 8 points at 2 nm, reference frame" in told


@pytest.mark.parametrize(("by_points", "refused"), [(0.05, False), (3.0, True)])
def test_layers_of_another_place_are_named(folder, by_points, refused):
    truth = true_field()
    by = by_points * (truth.x[1] - truth.x[0])
    (folder / "beside").mkdir()
    path, declaration = DIALECTS["vic3d"](replace(truth, x=truth.x + by), folder / "beside")
    declare(path.with_suffix(".yaml"), declaration)
    table = HEAD + "vic3d.csv,p,0.01,,train,s,1\nbeside/vic3d.csv,p,0.01,,train,s,2\n"
    if not refused:
        assert len(read_external(ingest(folder, table) / "maps.json")) == 2
        return
    said = refusal(folder, table)
    assert "stack 's': layer 2 (beside/vic3d.csv) has 13 x 9 points" in said
    x_nm, y_nm = truth.x[0] * truth.pixel_nm, truth.y[0] * truth.pixel_nm
    assert f"from x = {x_nm + by * truth.pixel_nm:.6g} nm, y = {y_nm:.6g} nm; layer 1" in said
    assert said.count(f"from x = {x_nm:.6g} nm") == 1


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
