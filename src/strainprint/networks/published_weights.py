"""Import of the network that the authors published (Keras 2.1 HDF5) as one of our directories."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from strainprint.dataset.crops import PAPER_CROP_PX, PAPER_SCALES, crops_per_picture
from strainprint.errors import BadInputError
from strainprint.files import sha256_of_file
from strainprint.maps.studies import PITCH_NM
from strainprint.networks.architectures import (
    NormalizedConvolution,
    ResidualModule,
    ResidualNetwork,
    architecture_of,
)
from strainprint.networks.storage import save_network

# ASSUME: the output classes are in ascending order of prior strain; with that order the published
# weights classify all ten published profiles (learning.md 1).
_CLASSES = ("0.001", "0.01", "0.1")

_log = logging.getLogger(__name__)


def import_keras(hdf5_path: str | Path, directory: str | Path) -> None:
    """Write the published weights of ``proposed`` as a network directory.

    Parameters
    ----------
    hdf5_path
        Keras 2.1 file with ``model_weights/<layer>/<layer>/<name>:0``.
    directory
        Where ``weights.safetensors`` and ``training.json`` are written.

    Raises
    ------
    BadInputError
        The file is missing, not HDF5, or its layers are not those of the network.
    """
    network = ResidualNetwork(architecture_of("proposed"), n_classes=len(_CLASSES))
    try:
        with h5py.File(hdf5_path, "r") as file:
            if "model_weights" not in file:
                raise BadInputError("no group 'model_weights'", where=hdf5_path)
            network.load_state_dict(_state(file["model_weights"], network, hdf5_path))
    except OSError as error:
        raise BadInputError(f"not readable as HDF5 ({error})", where=hdf5_path) from error
    save_network(
        directory,
        network,
        {
            "classes": list(_CLASSES),
            "crops": {
                "study": "published",
                "crops_per_map": crops_per_picture(PAPER_SCALES),
                "crop_px": PAPER_CROP_PX,
                "aspect": "1:3",
                "scales": list(PAPER_SCALES),
                "scalar": "equivalent",
                "frame": "deformed",
                "pitch_nm": PITCH_NM,
            },
            "imported_from_sha256": sha256_of_file(hdf5_path),
        },
    )
    _log.info("%s: imported from %s", directory, hdf5_path)


def _convolutions(network: ResidualNetwork) -> Iterator[tuple[str, NormalizedConvolution]]:
    """Yield name and layer in Keras' numbering: in each module the shortcut comes first."""
    for name, child in network.layers.named_children():
        if isinstance(child, NormalizedConvolution):
            yield f"layers.{name}", child
        elif isinstance(child, ResidualModule):
            for branch in ("shortcut", "body"):
                for inner, module in getattr(child, branch).named_modules():
                    if isinstance(module, NormalizedConvolution):
                        yield f"layers.{name}.{branch}{'.' * bool(inner)}{inner}", module


def _state(weights: h5py.Group, network: ResidualNetwork, where: str | Path) -> dict[str, Tensor]:
    """Return the network's state from the file's arrays, every shape checked."""
    expected = network.state_dict()
    state = {name: tensor for name, tensor in expected.items() if "num_batches" in name}

    def put(name: str, layer: str, array: str, axes: tuple[int, ...] | None = None) -> None:
        path = f"{layer}/{layer}/{array}:0"
        if path not in weights:
            raise BadInputError(f"no array model_weights/{path}", where=where)
        values = np.asarray(weights[path], dtype=np.float32)
        if axes is not None and values.ndim == len(axes):
            values = values.transpose(axes)
        if values.shape != expected[name].shape or not np.isfinite(values).all():
            raise BadInputError(
                f"model_weights/{path} has shape {np.shape(weights[path])} or is not finite",
                where=where,
                allowed=f"finite, {tuple(expected[name].shape)} in torch's order",
            )
        state[name] = torch.from_numpy(np.ascontiguousarray(values))

    for number, (name, _) in enumerate(_convolutions(network), start=1):
        put(f"{name}.convolution.weight", f"conv2d_{number}", "kernel", (3, 2, 0, 1))
        put(f"{name}.convolution.bias", f"conv2d_{number}", "bias")
        norm = f"batch_normalization_{number}"
        put(f"{name}.normalization.weight", norm, "gamma")
        put(f"{name}.normalization.bias", norm, "beta")
        put(f"{name}.normalization.running_mean", norm, "moving_mean")
        put(f"{name}.normalization.running_var", norm, "moving_variance")
    put("classifier.weight", "dense_1", "kernel", (1, 0))
    put("classifier.bias", "dense_1", "bias")
    return state
