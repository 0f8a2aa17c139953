"""From a dataset to a trained network, its predictions and features, and back from disk."""

import json

import numpy as np
import pytest
import torch
from small_study import CLASSES, write_small_maps

from strainprint.dataset.crops import crop_picture
from strainprint.dataset.manifest import build_manifest
from strainprint.dataset.splits import build_split
from strainprint.dataset.store import read_crops, write_crops
from strainprint.errors import BadInputError
from strainprint.networks import inference
from strainprint.networks.architectures import ARCHITECTURES, ResidualNetwork
from strainprint.networks.inference import infer_network, predict_crops, predict_picture
from strainprint.networks.predictions import read_predictions
from strainprint.networks.storage import load_network, save_network
from strainprint.networks.training import train_network

TRAINED = ["history.csv", "training.json", "weights.safetensors"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    paths = write_small_maps(root, widths_nm=(30.0,), specimens=4)
    made = {
        "crops_zarr": root / "crops.zarr",
        "crops_json": root / "crops.json",
        "manifest_csv": root / "manifest.csv",
        "split_csv": root / "splits" / "specimen.csv",
    }
    drawn = {"scalar": "equivalent", "range_floor": 1e-6}
    build_manifest(paths, root, made["manifest_csv"], classes=CLASSES, **drawn)
    write_crops(
        made["manifest_csv"],
        root,
        made["crops_zarr"],
        made["crops_json"],
        study="audited",
        aspect="keep",
        crop_px=14,
        scales=(256,),
        **drawn,
    )
    build_split(
        made["manifest_csv"],
        made["split_csv"],
        split="specimen",
        seed=1,
        test_fraction=0.25,
        train_fraction=0.7,
    )
    return made


def trained(dataset, directory, **changes):
    settings = {
        "architecture": "res4",
        "config_seed": 1,
        "seed": 0,
        "max_epochs": 2,
        "crops_per_map_per_epoch": 4,
        "device": "cpu",
        "threads": 1,
    }
    checkpoint_dir = directory.with_name(f"{directory.name}-checkpoint")
    train_network(
        **dataset, directory=directory, checkpoint_dir=checkpoint_dir, **settings | changes
    )
    return directory


@pytest.fixture(scope="module")
def directory(dataset, tmp_path_factory):
    made = trained(dataset, tmp_path_factory.mktemp("networks") / "res4-seed0")
    infer_network(**dataset, directory=made, device="cpu", threads=1)
    return made


def test_a_network_directory_repeats_byte_for_byte(dataset, directory, tmp_path):
    again = trained(dataset, tmp_path / "again")
    infer_network(**dataset, directory=again, device="cpu", threads=1)
    names = sorted([*TRAINED, "predictions.csv", "features.npy", "metrics.json"])
    assert sorted(p.name for p in again.iterdir()) == names
    for name in names:
        assert (again / name).read_bytes() == (directory / name).read_bytes(), name
    assert not (tmp_path / "again-checkpoint").exists()


def test_streamed_crops_give_the_same_bytes(dataset, directory, tmp_path):
    """Half of the maps in memory, and none."""
    told = json.loads(dataset["crops_json"].read_text())
    map_bytes = told["crops_per_map"] * told["crop_px"] ** 2
    for kept in (told["count"] // 2, 0):
        memory = {"crops_memory_gb": (kept + 0.5) * map_bytes / 1e9}
        streamed = trained(dataset, tmp_path / str(kept), **memory)
        infer_network(**dataset, directory=streamed, device="cpu", threads=1, **memory)
        for path in directory.iterdir():
            assert (streamed / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_picture_is_judged_by_its_crops(dataset, directory):
    judge = load_network(directory)
    picture = np.random.default_rng(3).integers(0, 256, (30, 100), dtype=np.uint8)
    crops = crop_picture(picture, crop_px=14, scales=(256,), aspect="keep")
    np.testing.assert_array_equal(
        predict_picture(judge, picture)[0], predict_crops(judge.network, crops[None])[0][0]
    )


def test_training_json_tells_what_was_trained_on_what(dataset, directory):
    told = json.loads((directory / "training.json").read_text())
    assert told["architecture"] == "res4"
    assert told["parameters"] == 165_667
    assert told["classes"] == list(CLASSES)
    assert sum(told["maps"].values()) == 24
    made = json.loads(dataset["crops_json"].read_text())
    assert told["crops"].keys() & {"map_ids", "sha256", "count", "format", "version"} == set()
    for key in ("study", "frame", "pitch_nm", "aspect_range", "crop_px", "scalar", "range_floor"):
        assert told["crops"][key] == made[key]
    assert (told["epochs"], told["stopped_early"], told["threads"]) == (2, False, 1)


def test_predictions_features_and_metrics_agree_with_the_arrays(dataset, directory):
    store = read_crops(dataset["crops_zarr"], dataset["crops_json"])
    network = load_network(directory).network
    probabilities, features = predict_crops(network, store)
    table = read_predictions(directory / "predictions.csv")
    np.testing.assert_allclose(table.probabilities, probabilities, rtol=0, atol=1e-9)
    assert tuple(table.frame["map_id"]) == store.map_ids
    written = np.load(directory / "features.npy", allow_pickle=False)
    assert written.dtype == np.float32
    np.testing.assert_array_equal(written, features)
    metrics = json.loads((directory / "metrics.json").read_text())
    right = table.predicted_class == table.true_class
    in_test = (table.frame["part"] == "test").to_numpy()
    assert metrics["accuracy"]["test"] == right[in_test].mean()
    assert metrics["n"]["test"] == in_test.sum()


def test_probabilities_are_the_mean_softmax_and_features_side_by_side():
    network = ResidualNetwork(ARCHITECTURES["proposed"], seed=2).eval()
    crops = np.random.default_rng(0).integers(0, 256, (2, 3, 20, 20), dtype=np.uint8)
    probabilities, features = predict_crops(network, crops)
    assert (probabilities.shape, features.shape) == ((2, 3), (2, 192))
    with torch.inference_mode():
        single = torch.from_numpy(crops[1, 2]).float()[None, None]
        plain = torch.cat(
            [network(torch.from_numpy(crop).float()[None, None]).softmax(1) for crop in crops[1]]
        )
        expected = network.features(single)[0]
    np.testing.assert_allclose(probabilities[1], plain.mean(0), atol=1e-5)
    np.testing.assert_allclose(features[1, 128:], expected, rtol=1e-3, atol=1e-4)


def test_a_map_is_classified_alike_whoever_its_neighbours_are():
    network = ResidualNetwork(ARCHITECTURES["res4"], seed=2)
    crops = np.random.default_rng(0).integers(0, 256, (3, 2, 20, 20), dtype=np.uint8)
    together = predict_crops(network, crops)
    alone = predict_crops(network, crops[1:2])
    np.testing.assert_array_equal(together[0][1:2], alone[0])
    np.testing.assert_array_equal(together[1][1:2], alone[1])


def test_a_gpu_too_small_for_many_maps_takes_fewer(monkeypatch):
    network = ResidualNetwork(ARCHITECTURES["res4"], seed=2)
    crops = np.random.default_rng(0).integers(0, 256, (5, 2, 20, 20), dtype=np.uint8)
    expected = predict_crops(network, crops)
    monkeypatch.setitem(inference._MAPS_PER_BATCH, "cpu", 4)
    forward = ResidualNetwork.features
    most = 2 * 2

    def features(network, pixels):
        if len(pixels) > most:
            raise torch.cuda.OutOfMemoryError
        return forward(network, pixels)

    monkeypatch.setattr(ResidualNetwork, "features", features)
    for given, known in zip(predict_crops(network, crops), expected, strict=True):
        np.testing.assert_allclose(given, known, rtol=1e-4, atol=1e-5)
    most = 1
    with pytest.raises(BadInputError, match="2 crops of one map"):
        predict_crops(network, crops)


@pytest.mark.parametrize(
    "crops", [np.zeros((2, 3, 20, 20)), np.zeros((20, 20), np.uint8), np.zeros((2, 0, 9, 9), "u1")]
)
def test_what_is_no_crops_is_refused(crops):
    with pytest.raises(BadInputError, match="n_maps, n_crops, px, px"):
        predict_crops(ResidualNetwork(ARCHITECTURES["res4"]), crops)


def a_saved_network(directory):
    description = {"classes": [0.001, 0.01, 0.1], "crops": {"crop_px": 56, "crops_per_map": 24}}
    network = ResidualNetwork(ARCHITECTURES["res4"], seed=6)
    save_network(directory, network, description)
    return network


def test_what_is_saved_is_loaded(tmp_path):
    network = a_saved_network(tmp_path)
    loaded = load_network(tmp_path)
    assert loaded.classes == ("0.001", "0.01", "0.1")
    assert not loaded.network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("weights.safetensors", lambda b: b[:-8], "safetensors"),
        ("weights.safetensors", lambda b: b[:-1] + bytes([b[-1] ^ 1]), "not the weights"),
        ("weights.safetensors", None, "weights.safetensors: not readable"),
        ("training.json", None, "training.json: file is missing"),
        ("training.json", lambda b: b[:50], "not readable"),
        ("training.json", lambda b: b.replace(b'"res4"', b'"res9"'), "res9"),
        ("training.json", lambda b: b.replace(b'"res4"', b'"proposed"'), "do not fit"),
        ("training.json", lambda b: b.replace(b'"version": 1', b'"version": 2'), "version is 2"),
        ("training.json", lambda b: b.replace(b'"classes"', b'"klasses"'), "classes"),
    ],
)
def test_a_damaged_network_directory_is_named(tmp_path, file, change, message):
    a_saved_network(tmp_path)
    path = tmp_path / file
    content = path.read_bytes()
    path.unlink()
    if change is not None:
        path.write_bytes(change(content))
    with pytest.raises(BadInputError, match=message):
        load_network(tmp_path)


@pytest.mark.parametrize("change", [lambda ids: ids[::-1], lambda ids: ["other", *ids[1:]]])
def test_a_crop_store_of_another_manifest_is_refused(dataset, directory, tmp_path, change):
    content = json.loads(dataset["crops_json"].read_text())
    other = tmp_path / "crops.json"
    other.write_text(json.dumps({**content, "map_ids": change(content["map_ids"])}))
    mixed = {**dataset, "crops_json": other}
    with pytest.raises(BadInputError, match="maps are not those of the manifest"):
        trained(mixed, tmp_path / "out")
    with pytest.raises(BadInputError, match="maps are not those of the manifest"):
        infer_network(**mixed, directory=directory, device="cpu", threads=1)
    assert not (tmp_path / "out").exists()


def test_a_network_is_not_used_on_crops_of_another_size(dataset, tmp_path):
    a_saved_network(tmp_path)
    with pytest.raises(BadInputError, match="24 of 56 px"):
        infer_network(**dataset, directory=tmp_path, device="cpu", threads=1)
