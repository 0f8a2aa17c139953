import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from strainprint.cli import main
from strainprint.maps.map_file import write_map_h5, write_picture_png
from strainprint.maps.strain_map import StrainMap
from strainprint.networks.architectures import ResidualNetwork, architecture_of
from strainprint.networks.storage import load_network, save_network
from strainprint.specimens.record import read_shard

REFERENCE = Path(
    os.environ.get("STRAINPRINT_REFERENCE", Path(__file__).parents[3] / "shared" / "reference")
)
PUBLISHED = REFERENCE / "published-cnn" / "weights.hdf5"


def make_network(directory, *, seed=0, study="audited", classes=(0.001, 0.01, 0.1), **changes):
    torch.manual_seed(seed)
    network = ResidualNetwork(architecture_of("res4"), n_classes=len(classes))
    crops = {
        "study": study,
        "crops_per_map": 6,
        "crop_px": 32,
        "aspect": "keep",
        "scales": [256],
        "scalar": "equivalent",
        "range_floor": 1e-6,
        "frame": "reference",
        "pitch_nm": 2.0,
        "aspect_range": [4.0, 4.03],
    }
    crops = {key: value for key, value in (crops | changes).items() if value is not None}
    save_network(directory, network, {"classes": list(classes), "crops": crops})
    return directory


def make_map(shape=(16, 64), pitch_nm=2.0, frame="reference", study="audited"):
    x, y = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    slipped = (y - x > 20) * 0.5
    return StrainMap.from_displacement(
        slipped,
        -0.001 * y - slipped,
        np.ones(shape, dtype=bool),
        pitch_nm=pitch_nm,
        frame=frame,
        attributes={"study": study},
    )


@pytest.fixture
def folder(tmp_path):
    make_network(tmp_path / "net")
    write_map_h5(tmp_path / "map.h5", make_map())
    picture = np.zeros((16, 64), dtype=np.uint8)
    picture[3] = 255
    write_picture_png(tmp_path / "picture.png", picture)
    return tmp_path


def predict(folder, *files, networks=("net",)):
    options = [option for name in networks for option in ("--network", str(folder / name))]
    paths = [str(folder / file) for file in files]
    return main(["predict", *paths, *options, "--out", str(folder / "predictions.csv")])


def read_predictions(folder):
    table = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    return table.set_index(table["file"].map(lambda path: Path(path).name))


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from strainprint.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'numba', 'scipy', 'pandas', 'zarr'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("simulate", "draw", "measure", "predict", "import-keras"):
        assert command in done.stdout


def test_predictions_have_the_designed_columns(folder):
    assert predict(folder, "map.h5", "picture.png") == 0
    table = read_predictions(folder)
    assert list(table.columns) == [
        "file", "prior_strain_predicted", "p_prior_0.001", "p_prior_0.01", "p_prior_0.1",
        "in_domain", "reason",
    ]  # fmt: skip
    probabilities = table.filter(like="p_prior_")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-9)
    best = probabilities.to_numpy().argmax(axis=1)
    assert table["prior_strain_predicted"].tolist() == [(0.001, 0.01, 0.1)[i] for i in best]
    assert table.loc["map.h5", ["in_domain", "reason"]].tolist() == [1, ""]
    assert table.loc["picture.png", ["in_domain", "reason"]].tolist() == [
        0, "no pitch in a picture",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pitch_nm": 59.0}, "pitch 59 nm, trained on 2 nm"),
        ({"shape": (16, 32)}, "2 times as long as wide, trained on 4 to 4.03"),
        ({"shape": (16, 59)}, "3.69 times as long as wide"),
        ({"shape": (16, 70)}, "4.38 times as long as wide"),
        ({"frame": "deformed"}, "frame deformed, trained on reference"),
        ({"study": "published"}, "measured as study published"),
    ],
)
def test_maps_unlike_the_training_are_said_to_be_so(folder, change, reason):
    write_map_h5(folder / "odd.h5", make_map(**change))
    assert predict(folder, "odd.h5") == 0
    row = read_predictions(folder).loc["odd.h5"]
    assert row["in_domain"] == 0
    assert reason in row["reason"]


def test_a_body_that_ends_between_pixels_counts_as_inside(folder):
    write_map_h5(folder / "rounded.h5", make_map(shape=(16, 63)))
    assert predict(folder, "rounded.h5") == 0
    assert read_predictions(folder).loc["rounded.h5", "in_domain"] == 1


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("aspect_range", "length over width: training range unknown"),
        ("pitch_nm", "pitch: training range unknown"),
        ("frame", "frame: training frame unknown"),
    ],
)
def test_what_a_network_does_not_tell_of_its_training_is_said_alone(folder, key, reason):
    make_network(folder / "silent", **{key: None})
    assert predict(folder, "map.h5", networks=("silent",)) == 0
    row = read_predictions(folder).loc["map.h5"]
    assert (row["in_domain"], row["reason"]) == (0, reason)


def test_every_network_is_asked_whether_it_was_trained_on_such_a_map(folder):
    make_network(folder / "coarse", seed=1, pitch_nm=4.0)
    make_network(folder / "coarser", seed=2, pitch_nm=8.0, aspect_range=[2.0, 3.0])
    assert predict(folder, "map.h5", networks=("net", "coarse", "coarser")) == 0
    row = read_predictions(folder).loc["map.h5"]
    assert row["in_domain"] == 0
    for words in ("trained on 4 nm", "trained on 8 nm", "trained on 2 to 3 "):
        assert row["reason"].count(words) == 1


def test_a_uniform_map_is_said_to_show_nothing(folder):
    uniform = make_map()
    flat = np.zeros_like(uniform.exx)
    write_map_h5(folder / "flat.h5", replace(uniform, exx=flat, eyy=flat - 0.001, exy=flat))
    assert predict(folder, "flat.h5") == 0
    assert "uniform to rounding" in read_predictions(folder).loc["flat.h5", "reason"]


def test_several_networks_are_averaged(folder):
    make_network(folder / "other", seed=1)
    alone = []
    for name in ("net", "other"):
        predict(folder, "map.h5", networks=(name,))
        alone.append(read_predictions(folder).filter(like="p_prior_").to_numpy(dtype=float))
    predict(folder, "map.h5", networks=("net", "other"))
    both = read_predictions(folder).filter(like="p_prior_").to_numpy(dtype=float)
    np.testing.assert_allclose(both, (alone[0] + alone[1]) / 2, atol=1e-9)


def test_one_bad_file_does_not_stop_the_rest(folder, capsys):
    (folder / "bad.png").write_bytes((folder / "picture.png").read_bytes()[:40])
    (folder / "notes.txt").write_text("not a map")
    assert predict(folder, "bad.png", "map.h5", "notes.txt", "none.h5") == 1
    assert read_predictions(folder).index.tolist() == ["map.h5"]
    said = capsys.readouterr().err
    for name in ("bad.png", "notes.txt", "none.h5", "3 files refused"):
        assert name in said


def test_with_no_good_file_nothing_is_written(folder):
    assert predict(folder, "none.h5") == 2
    assert not (folder / "predictions.csv").exists()


def test_networks_of_unlike_studies_or_classes_are_refused(folder, capsys):
    make_network(folder / "published", study="published")
    make_network(folder / "two", classes=(0.001, 0.1))
    for name in ("published", "two"):
        assert predict(folder, "map.h5", networks=("net", name)) == 2
        assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--width-nm", "-3"], "width_nm is -3"),
        (["--width-nm", "62.5", "--specimens", "0"], "1 specimen or more"),
        (["--width-nm", "62.5", "--seed", "-1"], "a seed of 0 or more"),
    ],
)
def test_impossible_specimens_are_refused(tmp_path, capsys, options, said):
    out = tmp_path / "s.h5"
    assert main(["simulate", *options, "--slip-systems", "1", "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


SIMULATE = ["simulate", "--width-nm", "62.5", "--slip-systems", "1"]


def parameters_of(path):
    shard = read_shard(path)
    return shard.parameters | {"reload_strains": shard.reload_strains}


def test_simulate_takes_any_strains_and_paths(tmp_path):
    out = tmp_path / "s.h5"
    strains = ["--prior-strains", "0.00123", "--sense", "tension"]
    paths = ["--path", "back=compress 0.002, unload, pull 0.001", "--path", "up = pull 0.0005"]
    assert main([*SIMULATE, *strains, *paths, "--out", str(out)]) == 0
    found = parameters_of(out)
    assert list(found["paths"].values()) == [
        "pull 0.00123, unload",
        "compress 0.002, unload, pull 0.001, unload",
        "pull 0.0005, unload",
    ]
    assert found["loading"]["sense"] == "tension"


def test_a_path_alone_leaves_the_default_strains_out(tmp_path):
    out = tmp_path / "s.h5"
    assert main([*SIMULATE, "--path", "up=pull 0.0005", "--out", str(out)]) == 0
    assert list(parameters_of(out)["paths"]) == ["up"]


def test_simulate_takes_the_specimens_of_a_config_and_options_come_first(tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text(
        "seed: 5\n"
        "specimens:\n"
        "  widths_nm: [125]\n"
        "  prior_strains: [0.001, 0.002]\n"
        "  reload_strains: {large: 0.002}\n"
        "  crystal: {aspect: 3.0}\n"
        "  loading: {strain_step: 0.0002}\n"
    )
    out = tmp_path / "s.h5"
    options = ["--config", str(config), "--prior-strains", "0.0015", "--sense", "tension"]
    assert main([*SIMULATE, *options, "--out", str(out)]) == 0
    found = parameters_of(out)
    assert list(found["paths"]) == ["0.0015"]
    assert found["loading"] == {"strain_step": 0.0002, "sense": "tension"}
    assert found["crystal"]["aspect"] == 3.0
    assert found["reload_strains"] == {"small": 0.001, "large": 0.002}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("specimens: {prior_strain: [0.1]}", "unknown key 'prior_strain'"),
        ("specimens: {prior_strains: 0.1}", "a list of strains"),
        ("specimens: {prior_strains: ['0.1']}", "prior_strains[0]"),
        ("specimens: {crystal: [1]}", "specimens.crystal"),
        ("specimens: {crystal: {aspct: 4}}", "unknown key 'aspct'"),
        ("specimens: {crystal: {aspect: -4}}", "specimens.crystal.aspect"),
        ("specimens: {reload_strains: {small: a}}", "reload_strains"),
        ("studies: {}", "no section specimens"),
        ("- 1", "no section specimens"),
        ("{", "not readable as YAML"),
        (None, "not readable as YAML"),
    ],
)
def test_a_config_that_no_specimen_can_have_is_refused(tmp_path, capsys, text, said):
    config = tmp_path / "mine.yaml"
    if text is not None:
        config.write_text(text)
    out = tmp_path / "out" / "s.h5"
    assert main([*SIMULATE, "--config", str(config), "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--path", "compress 0.01"], "--path 'compress 0.01'"),
        (["--path", "up=climb 0.01"], "'climb 0.01' is no step"),
        (["--prior-strains", "0.5"], "at most 0.2"),
        (["--prior-strains"], "neither a prior strain nor a path"),
    ],
)
def test_strains_and_paths_that_cannot_be_are_refused(tmp_path, capsys, option, said):
    assert main([*SIMULATE, *option, "--out", str(tmp_path / "s.h5")]) == 2
    assert said in capsys.readouterr().err


def test_lost_specimens_are_told_and_counted_in_the_exit_status(tmp_path, capsys, caplog):
    config = tmp_path / "mine.yaml"
    config.write_text(
        "specimens:\n"
        "  dynamics: {density_limit_per_um2: 10.0}\n"
        "  crystal: {obstacle_density_per_um2: 20000.0}\n"
    )
    out = tmp_path / "s.h5"
    options = ["--config", str(config), "--prior-strains", "0.02"]
    assert main([*SIMULATE[:-1], "2", *options, "--seed", "7", "--out", str(out)]) == 2
    assert "is lost at compress 0.02" in caplog.text
    assert "0 specimens in" in capsys.readouterr().out
    assert len(read_shard(out).lost) == 1


def test_bad_input_is_a_message_and_status_2(tmp_path, capsys):
    assert main(["predict", "a.png", "--network", str(tmp_path), "--out", "p.csv"]) == 2
    assert main(["import-keras", str(tmp_path / "none.hdf5"), str(tmp_path / "net")]) == 2
    said = capsys.readouterr().err
    assert said.count("strainprint: ") == 2
    assert "Traceback" not in said


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published weights are not at hand")
def test_the_published_network_predicts_from_pictures(folder):
    assert main(["import-keras", str(PUBLISHED), str(folder / "published")]) == 0
    assert load_network(folder / "published").crops["study"] == "published"
    write_map_h5(folder / "as-published.h5", make_map(frame="deformed", study="published"))
    assert predict(folder, "picture.png", "as-published.h5", networks=("published",)) == 0
    table = read_predictions(folder)
    assert set(table["prior_strain_predicted"]) <= {0.001, 0.01, 0.1}
    unknown = "length over width: training range unknown"
    assert table["reason"].tolist() == [f"no pitch in a picture; {unknown}", unknown]
