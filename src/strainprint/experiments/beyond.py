"""What the paper lists as its limits: several channels, and correlations beside the picture."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from strainprint.baseline.correlate import read_correlations
from strainprint.dataset.manifest import classes_of, read_manifest
from strainprint.dataset.splits import read_split
from strainprint.dataset.store import CropStore, read_crops
from strainprint.errors import BadInputError
from strainprint.networks.architectures import BranchedNetwork, architecture_of
from strainprint.networks.checkpoints import remove_checkpoint
from strainprint.networks.examples import Examples, class_probabilities, crop_outputs
from strainprint.networks.predictions import write_predictions
from strainprint.networks.training import (
    TrainingSettings,
    crop_description,
    device_of_training,
    fit,
    initial_seed,
    untrained_network,
)

_log = logging.getLogger(__name__)


def fit_classifier(
    manifest_csv: str | Path,
    split_csv: str | Path,
    crops: Sequence[tuple[str | Path, str | Path]],
    predictions_csv: str | Path,
    *,
    correlations: tuple[str | Path, str | Path] | None = None,
    training: Mapping[str, Any],
    checkpoint_dir: str | Path,
    code: str = "",
    crops_memory_gb: float = 4.0,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Train a network on several channels, with or without correlations; write its predictions.

    Parameters
    ----------
    manifest_csv, split_csv
        The dataset, and who trains, validates and tests.
    crops
        Store and JSON of each channel.
    predictions_csv
        Output, see :mod:`strainprint.networks.predictions`.
    correlations
        Store and JSON of the two-point correlations to lay beside the crops; None for none.
    training
        Fields of :class:`strainprint.networks.training.TrainingSettings`.
    checkpoint_dir, code
        See :func:`strainprint.networks.training.train_network`.
    crops_memory_gb
        Memory for the crops of all channels; those beyond are read when needed.
    device, threads
        See :func:`strainprint.networks.devices.prepare_device`.

    Raises
    ------
    BadInputError
        A file cannot be used or belongs to another dataset, a part of the split is empty, a class
        is missing from training or validation, or the loss is not finite.
    """
    settings = TrainingSettings(**training)
    cropped = crop_description(crops[0][1])
    chosen_device = device_of_training(device, threads, settings.batch_size, cropped)
    manifest = read_manifest(manifest_csv)
    parts, classes = read_split(split_csv, manifest), classes_of(manifest)
    side = None
    if correlations is not None:
        vectors = read_correlations(*correlations, manifest)["raw"]
        side = standardized(vectors, parts == "train")
    examples = Examples(
        read_channels(crops, manifest["map_id"].tolist(), crops_memory_gb),
        torch.from_numpy(manifest["label"].to_numpy().astype(np.int64)),
        parts,
        side,
    )
    network = (
        untrained_network(settings, n_classes=len(classes), n_inputs=len(crops))
        if side is None
        else BranchedNetwork(
            architecture_of(settings.architecture),
            n_side=side.shape[1],
            n_inputs=len(crops),
            n_outputs=len(classes),
            seed=initial_seed(settings),
            batch_norm_momentum=settings.batch_norm_momentum,
        )
    )
    fitted = fit(
        network,
        examples,
        settings,
        cross_entropy,
        classes=classes,
        device=chosen_device,
        checkpoint_dir=Path(checkpoint_dir),
        code=code,
    )
    probabilities = class_probabilities(crop_outputs(network, examples, device=chosen_device))
    write_predictions(predictions_csv, manifest, parts, probabilities, classes)
    _log.info("%d epochs on %d channels", len(fitted.history), len(crops))
    remove_checkpoint(Path(checkpoint_dir))


def read_channels(
    crops: Sequence[tuple[str | Path, str | Path]], map_ids: Sequence[str], memory_gb: float
) -> list[CropStore]:
    """Read one crop store for each channel, with an equal share of the memory.

    Raises
    ------
    BadInputError
        A store cannot be used or holds other maps.
    """
    stores = []
    for zarr, json in crops:
        store = read_crops(zarr, json, memory_bytes=memory_gb * 1e9 / len(crops))
        if list(store.map_ids) != list(map_ids):
            raise BadInputError("maps are not those of the manifest, in its order", where=json)
        stores.append(store)
    return stores


def standardized(vectors: NDArray[np.floating], train: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return vectors with mean 0 and deviation 1 over the training maps, column by column.

    Columns that are the same for all training maps become 0.
    """
    values = np.asarray(vectors, dtype=np.float64)
    mean, deviation = values[train].mean(axis=0), values[train].std(axis=0)
    varies = deviation > 1e-12 * np.abs(values[train]).max(initial=0.0)
    scaled = (values - mean) / np.where(varies, deviation, 1.0)
    return np.where(varies, scaled, 0.0).astype(np.float32)
