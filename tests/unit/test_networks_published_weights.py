"""The published weights give in our network what their own layer graph gives in plain NumPy."""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.networks.architectures import count_parameters
from strainprint.networks.inference import predict_crops
from strainprint.networks.published_weights import import_keras
from strainprint.networks.storage import load_network

REFERENCE = Path(
    os.environ.get(
        "STRAINPRINT_REFERENCE", Path(__file__).resolve().parents[2] / "../shared/reference"
    )
)
WEIGHTS = REFERENCE / "published-cnn" / "weights.hdf5"

needs_reference = pytest.mark.skipif(
    not WEIGHTS.exists(), reason=f"published weights are not at {WEIGHTS}"
)


def same(x, size, stride):
    """Pad (h, w, c) as TensorFlow's 'same' does; return windows (h', w', c, size, size)."""
    pads = []
    for n in x.shape[:2]:
        total = max((-(-n // stride) - 1) * stride + size - n, 0)
        pads.append((total // 2, total - total // 2))
    fill = 0 if stride == 1 else -np.inf
    padded = np.pad(x, [*pads, (0, 0)], constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))
    return windows[::stride, ::stride]


def keras_forward(path, crop):
    """Walk the layer graph that Keras stored in the file, in float64."""
    with h5py.File(path) as file:
        graph = json.loads(file.attrs["model_config"])["config"]["layers"]

        def weight(layer, name):
            return file[f"model_weights/{layer}/{layer}/{name}:0"][...].astype(np.float64)

        out = {}
        for layer in graph:
            name, kind = layer["name"], layer["class_name"]
            given = [out[node[0]] for node in layer["inbound_nodes"][0]] if out else []
            if kind == "InputLayer":
                out[name] = crop[:, :, None].astype(np.float64)
            elif kind == "Conv2D":
                kernel = weight(name, "kernel")  # (kh, kw, c_in, c_out)
                windows = same(given[0], kernel.shape[0], 1)
                out[name] = np.tensordot(windows, kernel, ([3, 4, 2], [0, 1, 2]))
                out[name] += weight(name, "bias")
            elif kind == "BatchNormalization":
                scale = weight(name, "gamma") / np.sqrt(weight(name, "moving_variance") + 1e-3)
                out[name] = (given[0] - weight(name, "moving_mean")) * scale + weight(name, "beta")
            elif kind == "Activation":
                out[name] = np.maximum(given[0], 0)
            elif kind == "MaxPooling2D":
                out[name] = same(given[0], 3, 2).max(axis=(3, 4))
            elif kind == "Add":
                out[name] = given[0] + given[1]
            elif kind == "GlobalAveragePooling2D":
                features = out[name] = given[0].mean(axis=(0, 1))
            else:
                assert kind == "Dense"
                scores = given[0] @ weight(name, "kernel") + weight(name, "bias")
        exponentials = np.exp(scores - scores.max())
        return exponentials / exponentials.sum(), features


def synthetic_keras_file(path, seed=0):
    """Write `proposed` as Keras 2.1 stores it, layer by layer from the description of its graph."""
    rng = np.random.default_rng(seed)
    layers, counts = [], {}

    def layer(kind, *inbound, **arrays):
        prefix = {"BatchNormalization": "batch_normalization", "Conv2D": "conv2d"}.get(
            kind, kind.lower()
        )
        counts[prefix] = counts.get(prefix, 0) + 1
        name = f"{prefix}_{counts[prefix]}"
        nodes = [[[source, 0, 0, {}] for source in inbound]] if inbound else []
        layers.append({"name": name, "class_name": kind, "inbound_nodes": nodes})
        for array, values in arrays.items():
            file[f"model_weights/{name}/{name}/{array}:0"] = values.astype(np.float32)
        return name

    def normalized(source, size, c_in, c_out):
        spread = 0.01 if c_in == 1 else (2 / (size * size * c_in)) ** 0.5  # grey levels come in
        kernel = rng.normal(0, spread, (size, size, c_in, c_out))
        made = layer("Conv2D", source, kernel=kernel, bias=rng.normal(0, 0.1, c_out))
        return layer(
            "BatchNormalization",
            made,
            gamma=rng.uniform(0.5, 1.5, c_out),
            beta=rng.normal(0, 0.3, c_out),
            moving_mean=rng.normal(0, 0.3, c_out),
            moving_variance=rng.uniform(0.5, 2.0, c_out),
        )

    with h5py.File(path, "w") as file:
        out = layer("Activation", normalized(layer("InputLayer"), 3, 1, 16))
        c_in, out = 16, layer("MaxPooling2D", out)
        for c_out in (32, 64):
            for _ in range(2):
                shortcut = normalized(out, 1, c_in, c_out) if c_in != c_out else out
                for n in range(3):
                    out = normalized(out, 3, c_out if n else c_in, c_out)
                    out = layer("Activation", out) if n < 2 else out
                out, c_in = layer("Activation", layer("Add", out, shortcut)), c_out
            out = layer("MaxPooling2D", out)
        out = layer("GlobalAveragePooling2D", out)
        layer("Dense", out, kernel=rng.normal(0, 0.01, (64, 3)), bias=rng.normal(0, 0.2, 3))
        file.attrs["model_config"] = json.dumps({"config": {"layers": layers}})


def test_a_keras_file_gives_the_probabilities_of_plain_numpy(tmp_path):
    """Of weights that are ours, so that it runs where the published ones are not."""
    path = tmp_path / "weights.hdf5"
    synthetic_keras_file(path)
    import_keras(path, tmp_path / "out")
    network = load_network(tmp_path / "out").network
    for shape in ((40, 48), (31, 30)):
        crop = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        probabilities, features = predict_crops(network, crop[None, None])
        expected_probabilities, expected_features = keras_forward(path, crop)
        assert expected_probabilities.max() < 0.999  # or agreement would say nothing
        np.testing.assert_allclose(probabilities[0], expected_probabilities, rtol=0, atol=1e-5)
        np.testing.assert_allclose(features[0], expected_features, rtol=1e-3, atol=1e-3)


def test_a_keras_file_of_other_layers_is_named(tmp_path):
    path = tmp_path / "weights.hdf5"
    synthetic_keras_file(path)
    with h5py.File(path, "r+") as file:
        del file["model_weights/conv2d_2"]
    with pytest.raises(BadInputError, match="no array model_weights/conv2d_2/conv2d_2/kernel:0"):
        import_keras(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@needs_reference
def test_published_weights_give_the_probabilities_of_plain_numpy(tmp_path):
    import_keras(WEIGHTS, tmp_path)
    trained = load_network(tmp_path)
    assert count_parameters(trained.network) == 258_403
    assert trained.classes == ("0.001", "0.01", "0.1")
    assert trained.crops["crop_px"] == 224
    rng = np.random.default_rng(0)
    sparse = rng.integers(0, 256, (56, 64), dtype=np.uint8) * (rng.random((56, 64)) > 0.9)
    crops = np.stack([sparse, rng.integers(0, 256, (56, 64), dtype=np.uint8)]).astype(np.uint8)
    for crop in crops:
        probabilities, features = predict_crops(trained.network, crop[None, None])
        expected_probabilities, expected_features = keras_forward(WEIGHTS, crop)
        np.testing.assert_allclose(probabilities[0], expected_probabilities, rtol=0, atol=1e-5)
        np.testing.assert_allclose(features[0], expected_features, rtol=1e-3, atol=1e-3)


@needs_reference
def test_import_repeats_byte_for_byte(tmp_path):
    for name in ("one", "two"):
        import_keras(WEIGHTS, tmp_path / name)
    for file in ("weights.safetensors", "training.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@needs_reference
def test_layers_that_are_not_the_networks_are_named(tmp_path):
    damaged = tmp_path / "weights.hdf5"
    shutil.copy(WEIGHTS, damaged)
    damaged.chmod(0o644)
    with h5py.File(damaged, "r+") as file:
        kernel = file["model_weights/conv2d_9/conv2d_9/kernel:0"][...]
        del file["model_weights/conv2d_9/conv2d_9/kernel:0"]
        file["model_weights/conv2d_9/conv2d_9/kernel:0"] = kernel[..., :5]
    with pytest.raises(BadInputError, match=r"conv2d_9/conv2d_9/kernel:0 has shape"):
        import_keras(damaged, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_keras_file_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="not readable as HDF5"):
        import_keras(tmp_path / "nowhere.hdf5", tmp_path / "out")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["x"] = 1
    with pytest.raises(BadInputError, match="model_weights"):
        import_keras(tmp_path / "other.hdf5", tmp_path / "out")
