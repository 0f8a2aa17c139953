"""What a predictor says of a map, from references whose answers are known."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_study import CLASSES, write_small_maps

from strainprint.dataset.manifest import build_manifest
from strainprint.dataset.splits import build_split
from strainprint.dataset.store import write_crops
from strainprint.errors import BadInputError
from strainprint.maps.ingest import ingest_maps
from strainprint.maps.map_file import write_map_h5
from strainprint.maps.store import MapShard
from strainprint.networks.calibration import calibrate_ensemble
from strainprint.networks.ensemble import average_predictions
from strainprint.networks.inference import infer_network
from strainprint.networks.training import train_network
from strainprint.prediction import predictor as predictor_module
from strainprint.prediction.classify import Judge, classify_external, classify_files
from strainprint.prediction.predictor import Predictor, build_predictor, load_predictor

STRAIN = np.linspace(0, 0.01, 11)


def known(level=0.9, classes=("0.001", "0.01", "0.1"), **changes):
    """Nine validation specimens of one map each; four training maps on a line, two with curves."""
    references = {
        "features": np.array([[0.0], [1.0], [2.0], [3.0]]),
        "class_scores": np.arange(1, 10) / 10,
        "prior_errors": np.arange(1, 10) / 10,
        "distances": np.full(9, 0.5),
        "specimens": np.arange(9),
        "curve_rows": np.array([1, 3]),
        "curves_mpa": np.stack([100e3 * STRAIN, 200e3 * STRAIN]),
        "band_low": -0.1 * STRAIN,
        "band_high": 0.2 * STRAIN,
        "strain": STRAIN,
    }
    return Predictor((), tuple(classes), 1.0, 2, 0.001, {**references, **changes}, level)


def test_the_set_holds_the_classes_that_are_not_stranger_than_nine_in_ten():
    # Of nine scores and the new one, 0.8 is reached at the eighth: 1 - p up to 0.8.
    probabilities = np.array([0.15, 0.2, 0.65])
    assert known(0.8).possible_classes(probabilities) == ["0.01", "0.1"]
    assert known(0.5).possible_classes(probabilities) == ["0.1"]
    # Nine specimens cannot vouch for 95 %.
    assert known(0.95).possible_classes(probabilities) == ["0.001", "0.01", "0.1"]


def test_the_prior_strain_is_the_mean_decade_with_a_constant_interval():
    centre, low, high = known(0.8).prior_strain(np.array([0.0, 0.5, 0.5]))
    assert centre == pytest.approx(10**-1.5)
    assert (low, high) == pytest.approx((10 ** (-1.5 - 0.8), 10 ** (-1.5 + 0.8)))
    _, low, high = known(0.95).prior_strain(np.array([0.0, 0.5, 0.5]))
    assert (low, high) == (0, math.inf)
    assert known(classes=("0.01", "there-and-back")).prior_strain(np.array([0.5, 0.5])) is None


def test_the_distance_is_in_units_of_the_farthest_validation_map():
    assert known().relative_distance(np.array([3.25])) == pytest.approx(0.5)
    assert known().relative_distance(np.array([5.0])) == pytest.approx(4.0)


def test_what_all_maps_share_is_worked_out_once(monkeypatch):
    worked_out = []
    threshold = predictor_module.conformal_threshold

    def counted(*arguments, **named):
        worked_out.append(named["clusters"])
        return threshold(*arguments, **named)

    monkeypatch.setattr(predictor_module, "conformal_threshold", counted)
    predictor = known(0.8, features=np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32))
    for _ in range(3):
        predictor.possible_classes(np.array([0.15, 0.2, 0.65]))
        predictor.prior_strain(np.array([0.0, 0.5, 0.5]))
        predictor.relative_distance(np.array([3.25]))
        predictor.curve(np.array([3.0]))
    assert len(worked_out) == 2
    # another level asks anew
    other = replace(predictor, level=0.5)
    assert other.possible_classes(np.array([0.15, 0.2, 0.65])) == ["0.1"]


def test_a_curve_is_the_mean_of_its_neighbours_between_conformal_bounds():
    curve = known().curve(np.array([3.0]))
    np.testing.assert_allclose(curve["stress_mpa"], 150e3 * STRAIN)
    # in units of the predicted curve's mean stress, 750 MPa
    np.testing.assert_allclose(curve["stress_high_mpa"] - curve["stress_mpa"], 150 * STRAIN)
    np.testing.assert_allclose(curve["stress_mpa"] - curve["stress_low_mpa"], 75 * STRAIN)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished small study: maps, split, one network, its ensemble of one, its predictor."""
    root = tmp_path_factory.mktemp("results")
    shards = write_small_maps(root, widths_nm=(30.0,), specimens=6)
    dataset = root / "audited" / "dataset"
    made = {
        "crops_zarr": dataset / "crops.zarr",
        "crops_json": dataset / "crops.json",
        "manifest_csv": dataset / "manifest.csv",
        "split_csv": dataset / "specimen.csv",
    }
    drawn = {"scalar": "equivalent", "range_floor": 1e-6}
    build_manifest(shards, root, made["manifest_csv"], classes=CLASSES, **drawn)
    how = {"study": "audited", "aspect": "keep", "crop_px": 14, "scales": (256,)}
    write_crops(made["manifest_csv"], root, made["crops_zarr"], made["crops_json"], **how, **drawn)
    build_split(made["manifest_csv"], made["split_csv"], split="specimen", seed=1)
    network = root / "audited" / "specimen" / "networks" / "res4-seed0"
    train_network(
        **made,
        directory=network,
        checkpoint_dir=root / "checkpoint",
        architecture="res4",
        config_seed=1,
        seed=0,
        max_epochs=1,
        crops_per_map_per_epoch=2,
        device="cpu",
        threads=1,
    )
    infer_network(**made, directory=network, device="cpu", threads=1)
    ensemble = root / "audited" / "specimen" / "ensemble"
    average_predictions(
        [network / "predictions.csv"], ensemble / "predictions.csv", ensemble / "metrics.json"
    )
    calibrate_ensemble(
        ensemble / "predictions.csv",
        made["manifest_csv"],
        ensemble / "calibration.json",
        level=0.9,
    )
    build_predictor(
        [network],
        network / "features.npy",
        ensemble / "predictions.csv",
        ensemble / "calibration.json",
        made["manifest_csv"],
        made["split_csv"],
        root,
        root / "audited" / "specimen" / "predictor",
    )
    shard = MapShard.open(shards[0])
    for index in range(6):
        strain_map = shard.map(index)
        write_map_h5(root / f"{strain_map.attributes['map_id']}.h5", strain_map)
    return root


PREDICTOR = "audited/specimen/predictor"


def test_a_predictor_judges_maps_of_its_own_study_and_a_moved_folder_still_works(study, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(study, moved)
    maps = sorted(moved.glob("*.h5"))
    judge = Judge.load([], moved / PREDICTOR, level=0.6, device="cpu")
    refused = classify_files(
        [*maps, maps[0]],
        judge,
        tmp_path / "p.csv",
        saliency_folder=tmp_path / "saliency",
        curves_folder=tmp_path / "curves",
    )
    assert refused == []
    table = pd.read_csv(tmp_path / "p.csv", keep_default_na=False)
    probabilities = table.filter(like="p_prior_")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (table["prior_strain_low"].astype(float) <= table["prior_strain_estimate"]).all()
    assert set(table["level"]) == {0.6}
    assert set("|".join(table["possible_classes"]).split("|")) <= {*CLASSES, ""}
    # maps of training specimens are as near as can be
    split = pd.read_csv(moved / "audited/dataset/specimen.csv").set_index("map_id")["part"]
    trained = [split[one.stem] == "train" for one in [*maps, maps[0]]]
    np.testing.assert_allclose(table["feature_distance"][trained], 0, atol=1e-3)
    # a picture for each, the one that came twice too; a curve for those of the small reload
    assert len(list((tmp_path / "saliency").glob("*.png"))) == len(maps) + 1
    small = {one.stem for one in maps if one.stem.endswith("-small")}
    drawn = {one.stem for one in (tmp_path / "curves").glob("*.csv")}
    assert {name.removesuffix("-2") for name in drawn} == small
    curve = pd.read_csv(next(iter((tmp_path / "curves").glob("*.csv"))))
    assert list(curve) == ["strain", "stress_mpa", "stress_low_mpa", "stress_high_mpa"]
    assert (curve["stress_low_mpa"] <= curve["stress_mpa"]).all()


def test_a_predicted_curve_stands_beside_the_one_that_was_measured(study, tmp_path):
    small = sorted(study.glob("*-small.h5"))[0]
    shutil.copy(small, tmp_path / "map.h5")
    pd.DataFrame({"strain": [0.002, 0.005], "stress_mpa": [200.0, 500.0]}).to_csv(
        tmp_path / "curve.csv", index=False
    )
    (tmp_path / "mine.csv").write_text("file,curve,specimen\nmap.h5,curve.csv,=1+1\n")
    ingest_maps(tmp_path / "mine.csv", tmp_path / "maps", tmp_path / "maps.json")
    judge = Judge.load([], study / PREDICTOR, device="cpu")
    classify_external(
        tmp_path / "maps.json", tmp_path / "maps", judge, tmp_path / "p.csv", tmp_path / "c.csv"
    )
    curve = pd.read_csv(tmp_path / "c.csv")
    reached = curve["strain"].between(0.002, 0.005)
    np.testing.assert_allclose(curve["measured_mpa"][reached], 1e5 * curve["strain"][reached])
    assert curve["measured_mpa"][~reached].isna().all()
    table = pd.read_csv(tmp_path / "p.csv")
    assert table["specimen"].tolist() == ["'=1+1"]


def test_maps_of_a_specimen_that_trains_are_marked(study, tmp_path):
    maps = sorted(study.glob("*.h5"))[:4]
    rows = ["file,specimen,prior_strain,use"]
    for one, rest in zip(maps, ("a,0.01,train", "a,0.01,", "b,0.01,", ",0.01,train"), strict=True):
        shutil.copy(one, tmp_path / one.name)
        rows.append(f"{one.name},{rest}")
    (tmp_path / "mine.csv").write_text("\n".join(rows) + "\n")
    ingest_maps(tmp_path / "mine.csv", tmp_path / "maps", tmp_path / "maps.json")
    judge = Judge.load([], study / PREDICTOR, device="cpu")
    classify_external(
        tmp_path / "maps.json", tmp_path / "maps", judge, tmp_path / "p.csv", tmp_path / "c.csv"
    )
    assert pd.read_csv(tmp_path / "p.csv")["trained_on"].tolist() == [1, 1, 0, 1]


def test_networks_alone_say_the_same_class_but_no_set(study, tmp_path):
    maps = sorted(study.glob("*.h5"))
    tables = []
    for name, judge in (
        ("with", Judge.load([], study / PREDICTOR, device="cpu")),
        ("without", Judge.load([study / "audited/specimen/networks/res4-seed0"], None)),
    ):
        classify_files(maps, judge, tmp_path / f"{name}.csv")
        tables.append(pd.read_csv(tmp_path / f"{name}.csv", dtype=str))
    assert tables[0]["prior_strain_predicted"].tolist() == (
        tables[1]["prior_strain_predicted"].tolist()
    )
    assert "possible_classes" not in tables[1]


def test_who_judges_must_be_one(study):
    network = study / "audited/specimen/networks/res4-seed0"
    with pytest.raises(BadInputError, match="both named"):
        Judge.load([network], study / PREDICTOR)
    with pytest.raises(BadInputError, match="neither"):
        Judge.load([], None)
    with pytest.raises(BadInputError, match="level is"):
        Judge.load([], study / PREDICTOR, level=1.5)


def test_curves_asked_for_in_vain_are_told_why(study, tmp_path, caplog):
    judge = Judge.load([], study / PREDICTOR, device="cpu")
    for reload, says in (("large", "declare test_strain: 0.001"), ("small", "")):
        caplog.clear()
        maps = sorted(study.glob(f"*-{reload}.h5"))
        classify_files(maps, judge, tmp_path / "p.csv", curves_folder=tmp_path / reload)
        assert says in caplog.text
        assert bool(says) == ("no curve" in caplog.text)


def test_curves_need_a_predictor(study, tmp_path):
    judge = Judge.load([study / "audited/specimen/networks/res4-seed0"], None)
    with pytest.raises(BadInputError, match="predict no curves"):
        classify_files([], judge, tmp_path / "p.csv", curves_folder=tmp_path)


def test_a_damaged_predictor_is_named(study, tmp_path):
    shutil.copytree(study / "audited/specimen", tmp_path / "specimen")
    folder = tmp_path / "specimen/predictor"
    content = json.loads((folder / "predictor.json").read_text())

    def damaged(change):
        (folder / "predictor.json").write_text(json.dumps({**content, **change}))

    damaged({"version": 99})
    with pytest.raises(BadInputError, match="version is 99"):
        load_predictor(folder)
    damaged({"references_sha256": "0"})
    with pytest.raises(BadInputError, match=r"references\.safetensors.*not the arrays"):
        load_predictor(folder)
    damaged({"networks": [{**content["networks"][0], "training_sha256": "0"}]})
    with pytest.raises(BadInputError, match="trained after the predictor"):
        load_predictor(folder)
    damaged({"networks": [{"directory": "../networks/gone", "training_sha256": "0"}]})
    with pytest.raises(BadInputError, match="gone"):
        load_predictor(folder)
    (folder / "predictor.json").write_text("{")
    with pytest.raises(BadInputError, match="not readable as JSON"):
        load_predictor(folder)
