"""A trained network on disk: ``weights.safetensors`` and ``training.json``; no pickle anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from strainprint.dataset.crops import PAPER_CROP_PX, PAPER_SCALES
from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_file, write_json, write_whole
from strainprint.networks.architectures import ResidualNetwork, architecture_of, count_parameters

FORMAT = "strainprint-network"
VERSION = 1
WEIGHTS = "weights.safetensors"
DESCRIPTION = "training.json"


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with what one needs to use it.

    Attributes
    ----------
    network
        In evaluation mode, on the CPU.
    classes
        The names of the classes (a prior strain as a number, or a strain path), in the order of
        the network's scores.
    crops
        How its input was made: ``crop_px``, ``crops_per_map`` and, where known, ``study``,
        ``frame``, ``pitch_nm``, ``aspect_range`` (least and largest length over width),
        ``width_range_nm``, ``reload_strain_range``, ``scalar``, ``range_floor``, ``aspect``,
        ``scales``.
    description
        All of ``training.json``.
    """

    network: ResidualNetwork
    classes: tuple[str, ...]
    crops: dict[str, Any]
    description: dict[str, Any]

    @property
    def cropping(self) -> dict[str, Any]:
        """How :func:`strainprint.dataset.crops.crop_picture` makes its crops; the paper's way
        where it is not known."""
        return {
            "crop_px": int(self.crops.get("crop_px", PAPER_CROP_PX)),
            "scales": tuple(self.crops.get("scales", PAPER_SCALES)),
            "aspect": str(self.crops.get("aspect", "1:3")),
        }

    @property
    def least_contrast(self) -> float:
        """Contrast below which crops do not count, as in training."""
        return float(self.description.get("least_contrast", 0.0))


def save_network(
    directory: str | Path, network: ResidualNetwork, description: Mapping[str, Any]
) -> None:
    """Write the weights, and last the description with their checksum.

    ``description`` must hold ``classes`` and ``crops`` (see
    :class:`TrainedNetwork`).
    """
    directory = Path(directory)
    write_tensors(directory / WEIGHTS, network.state_dict())
    write_json(
        directory / DESCRIPTION,
        {
            "format": FORMAT,
            "version": VERSION,
            "architecture": network.architecture.name,
            "parameters": count_parameters(network),
            "weights_sha256": sha256_of_file(directory / WEIGHTS),
            **description,
        },
    )


def load_network(directory: str | Path) -> TrainedNetwork:
    """Read a network directory.

    Raises
    ------
    BadInputError
        A file is missing, damaged or of another format, the weights are not the described ones, or
        the network reads stacks.
    """
    directory = Path(directory)
    description = read_json(directory / DESCRIPTION, expected_format=FORMAT)
    if description.get("version") != VERSION:
        raise BadInputError(
            f"version is {description.get('version')!r}",
            where=directory / DESCRIPTION,
            allowed=str(VERSION),
        )
    try:
        architecture = architecture_of(description["architecture"])
        classes = tuple(
            name if isinstance(name, str) else f"{name:g}" for name in description["classes"]
        )
        crops = dict(description["crops"])
        expected = description["weights_sha256"]
    except KeyError as error:
        raise BadInputError(f"key {error} is missing", where=directory / DESCRIPTION) from error
    if (layers := len(description.get("layers", [1]))) > 1:
        raise BadInputError(
            f"reads stacks of {layers} maps",
            where=directory,
            allowed="networks of single maps",
            way_out="add the stack to the table under maps.external in the config",
        )
    tensors = read_tensors(directory / WEIGHTS)
    if sha256_of_file(directory / WEIGHTS) != expected:
        raise BadInputError(
            "these are not the weights that training.json describes",
            where=directory / WEIGHTS,
            way_out="delete both and train again",
        )
    network = ResidualNetwork(architecture, n_classes=len(classes))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise BadInputError(
            f"weights do not fit {architecture.name} ({error})", where=directory / WEIGHTS
        ) from error
    return TrainedNetwork(network.eval(), classes, crops, description)


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], *, metadata: str | None = None
) -> None:
    """Write named tensors and one text as a safetensors file, whole or not at all."""
    # One metadata key only: safetensors keeps no order among several, and bytes must repeat.
    header = None if metadata is None else {"strainprint": metadata}
    with write_whole(path) as partial:
        # written here and not by safetensors, whose error for a full disk is no OSError
        partial.write_bytes(
            safetensors.torch.save(
                {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, header
            )
        )


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file.

    Raises
    ------
    BadInputError
        The file is missing, truncated or not a safetensors file.
    """
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadInputError(
            f"not readable as safetensors ({error})", where=path, way_out="delete it and re-run"
        ) from error
    return tensors
