"""Class probabilities and features of maps from a trained network.

Arithmetic is fp32 with batch normalisation folded into the convolutions; bf16 would move
probabilities by up to 0.17.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.dataset.crops import crop_picture
from strainprint.dataset.manifest import classes_of, read_manifest
from strainprint.dataset.splits import read_split
from strainprint.dataset.store import CropStore, read_crops
from strainprint.dataset.tensor_crops import crop_tensor
from strainprint.errors import BadInputError
from strainprint.files import write_json, write_whole
from strainprint.networks.architectures import N_FEATURES, ResidualNetwork, folded
from strainprint.networks.devices import prepare_device
from strainprint.networks.informative import informative_crops
from strainprint.networks.predictions import prediction_metrics, write_predictions
from strainprint.networks.storage import TrainedNetwork, load_network

# On a CPU one map at a time: caches like it, and no map's bits depend on its neighbours.
_MAPS_PER_BATCH = {"cpu": 1, "cuda": 32}

_log = logging.getLogger(__name__)


def infer_network(
    *,
    directory: str | Path,
    crops_zarr: str | Path,
    crops_json: str | Path,
    manifest_csv: str | Path,
    split_csv: str | Path,
    crops_memory_gb: float = 4.0,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Classify every map of a dataset with the network of a directory.

    Writes ``predictions.csv``, ``features.npy`` (float32, (n_maps, n_crops·64), manifest order)
    and ``metrics.json`` into ``directory``. Of the crops at most ``crops_memory_gb`` are in memory.

    Raises
    ------
    BadInputError
        A file cannot be used, or classes or crop size are not those of the network.
    """
    directory = Path(directory)
    chosen_device = prepare_device(device, threads)
    trained = load_network(directory)
    manifest = read_manifest(manifest_csv)
    parts = read_split(split_csv, manifest)
    store = read_crops(crops_zarr, crops_json, memory_bytes=crops_memory_gb * 1e9)
    if store.map_ids != tuple(manifest["map_id"]):
        raise BadInputError("maps are not those of the manifest, in its order", where=crops_json)
    if classes_of(manifest) != trained.classes:
        raise BadInputError(
            f"classes are {classes_of(manifest)}",
            where=manifest_csv,
            allowed=f"{trained.classes}, those of {directory}",
        )
    n_crops, crop_px = store.shape[1:3]
    expected = (trained.crops["crops_per_map"], trained.crops["crop_px"])
    if (n_crops, crop_px) != expected:
        raise BadInputError(
            f"{n_crops} crops of {crop_px} px for each map",
            where=crops_json,
            allowed=f"{expected[0]} of {expected[1]} px, as {directory} was trained on",
        )
    probabilities, features = predict_crops(
        trained.network.to(chosen_device), store, trained.least_contrast
    )
    table = write_predictions(
        directory / "predictions.csv", manifest, parts, probabilities, trained.classes
    )
    with (
        write_whole(directory / "features.npy") as partial,
        open(partial, "wb") as handle,
    ):
        np.save(handle, features, allow_pickle=False)
    metrics = prediction_metrics(table)
    write_json(directory / "metrics.json", metrics)
    _log.info("%s: accuracy %s", directory.name, metrics["accuracy"])


def predict_picture(
    trained: TrainedNetwork, picture: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return class probabilities (n_classes,) and features (n_crops·64,) of one grey picture.

    It is cropped where the network is: on a GPU by whole numbers, with the same bits.
    """
    device = trained.network.classifier.weight.device
    how = trained.cropping
    if device.type == "cuda":
        crops = crop_tensor(torch.from_numpy(picture).to(device), **how).cpu().numpy()
    else:
        crops = crop_picture(picture, **how)
    probabilities, features = predict_crops(
        trained.network, crops[np.newaxis], trained.least_contrast
    )
    return probabilities[0], features[0]


def predict_crops(
    network: ResidualNetwork, crops: CropStore | NDArray[np.uint8], least_contrast: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return the class probabilities and features of maps.

    Parameters
    ----------
    network
        As trained, on the device to use; it is not changed.
    crops
        Grey levels, shape (n_maps, n_crops, px, px), uint8.
    least_contrast
        Crops that do not have it do not count, as in training.

    Returns
    -------
    probabilities
        Softmax averaged over a map's crops, shape (n_maps, n_classes).
    features
        The 64 globally averaged channels of each crop side by side, shape (n_maps, n_crops·64).
    """
    if not isinstance(crops, CropStore):
        if crops.ndim != 4 or crops.dtype != np.uint8 or crops.shape[1] == 0:
            raise BadInputError(
                f"crops of shape {crops.shape} and type {crops.dtype}",
                allowed="(n_maps, n_crops, px, px), uint8",
            )
        crops = CropStore.of_array(crops)
    n_maps, n_crops = crops.shape[:2]
    device = network.classifier.weight.device
    ready = folded(network)
    probabilities = np.empty((n_maps, network.classifier.out_features))
    features = np.empty((n_maps, n_crops * N_FEATURES), dtype=np.float32)
    step, start = _MAPS_PER_BATCH[device.type], 0
    with (
        torch.inference_mode(),
        tqdm(desc="classify", total=n_maps, unit="map", disable=n_maps == 1 or None) as bar,
    ):
        while start < n_maps:
            rows = np.arange(start, min(start + step, n_maps))
            try:
                grey = crops.maps(rows)
                pixels = torch.from_numpy(grey).to(device).flatten(0, 1).unsqueeze(1)
                of_crop = ready.features(pixels.float())  # (n·n_crops, 64)
            except torch.cuda.OutOfMemoryError as error:
                if step == 1:
                    raise BadInputError(
                        f"the GPU has too little memory for the {n_crops} crops of one map",
                        way_out="set training.device to cpu",
                    ) from error
                step //= 2  # features are those of single crops, whatever the batch, up to rounding
                _log.warning("the GPU has too little memory: %d maps at once from here", step)
                continue
            per_crop = ready.classifier(of_crop).double().softmax(dim=1)
            features[rows] = of_crop.reshape(-1, n_crops * N_FEATURES).cpu().numpy()
            of_map = per_crop.unflatten(0, (-1, n_crops))
            if least_contrast > 0:
                kept = torch.from_numpy(informative_crops(grey, least_contrast)).to(device)
                of_map = of_map * (kept / kept.double().mean(dim=1, keepdim=True)).unsqueeze(2)
            probabilities[rows] = of_map.mean(dim=1).cpu().numpy()
            start += step
            bar.update(len(rows))
    return probabilities, features
