"""Accuracy against noise: on the grey levels of crops, and on the displacements of maps."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.dataset.crops import crop_picture
from strainprint.dataset.manifest import read_manifest
from strainprint.dataset.pictures import manifest_pictures
from strainprint.dataset.splits import read_split
from strainprint.experiment_record import write_experiment
from strainprint.experiments.judging import accuracy_columns
from strainprint.maps.picture import grey_picture
from strainprint.maps.strain_map import StrainMap
from strainprint.networks.devices import prepare_device
from strainprint.networks.inference import predict_crops
from strainprint.networks.storage import TrainedNetwork, load_network
from strainprint.seeds import generator

_log = logging.getLogger(__name__)


def noisy_crops(
    crops: NDArray[np.uint8], grey_levels: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return crops with Gaussian noise on every pixel, rounded and kept within 0 to 255."""
    noise = rng.normal(0.0, grey_levels, crops.shape)
    return np.clip(np.rint(crops + noise), 0, 255).astype(np.uint8)


def noisy_map(strain_map: StrainMap, sigma_nm: float, rng: np.random.Generator) -> StrainMap:
    """Return a map whose strain comes from displacements with independent Gaussian noise.

    ``sigma_nm`` is the standard deviation of each component at each point, in nm.
    """
    shape = (2, *strain_map.shape)
    ux, uy = np.stack([strain_map.ux_nm, strain_map.uy_nm]) + rng.normal(0.0, sigma_nm, shape)
    measured = StrainMap.from_displacement(
        ux, uy, strain_map.valid, pitch_nm=strain_map.pitch_nm, frame=strain_map.frame
    )
    return replace(measured, attributes=strain_map.attributes)


def judge_noise(
    manifest_csv: str | Path,
    split_csv: str | Path,
    results_root: str | Path,
    networks: Mapping[str, str | Path],
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    grey_levels: Sequence[float],
    displacement_nm: Sequence[float],
    seed: int,
    resamples: int,
    device: str,
    threads: int,
    settings: Mapping[str, Any],
) -> None:
    """Write the accuracy of networks on noisy test maps.

    The same noise meets every network, and does not depend on the order of the maps.

    Parameters
    ----------
    manifest_csv, split_csv, results_root
        The dataset, who tests, and the folder that the manifest's shards are relative to.
    networks
        Directories of networks trained on one crop store and split, by how they were trained.
    table_csv, summary_json
        Outputs, see :func:`strainprint.experiment_record.write_experiment`.
    grey_levels, displacement_nm
        Standard deviations of the two kinds of noise; none at all is judged too.
    seed, resamples
        Of the noise and of the bootstrap.
    device, threads
        See :func:`strainprint.networks.devices.prepare_device`.
    settings
        For the record.

    Raises
    ------
    BadInputError
        A file cannot be used.
    """
    chosen_device = prepare_device(device, threads)
    loaded = {name: load_network(path) for name, path in networks.items()}
    for trained in loaded.values():
        trained.network.to(chosen_device)
    manifest = read_manifest(manifest_csv)
    test = manifest[read_split(split_csv, manifest) == "test"].reset_index(drop=True)
    cropped = next(iter(loaded.values())).crops
    conditions = [("none", 0.0)]
    conditions += [("grey levels", float(sigma)) for sigma in grey_levels]
    conditions += [("displacement", float(sigma)) for sigma in displacement_nm]
    named = {
        (name, condition): np.empty(len(test), dtype=np.int64)
        for name in loaded
        for condition in conditions
    }
    pictures = manifest_pictures(
        test, results_root, scalar=cropped["scalar"], range_floor=cropped["range_floor"]
    )
    for row, (strain_map, picture) in enumerate(tqdm(pictures, "noise", len(test), disable=None)):
        map_id = str(test["map_id"].iloc[row])
        crops = list(_under_noise(strain_map, picture, conditions, cropped, seed, map_id))
        for name, trained in loaded.items():
            probabilities = _probabilities(trained, np.stack(crops))
            for condition, of_condition in zip(conditions, probabilities, strict=True):
                named[name, condition][row] = int(of_condition.argmax())
    truth = test["label"].to_numpy()
    pitch_nm = float(test["pitch_nm"].iloc[0])
    rows = [
        {
            "trained": name,
            "noise": kind,
            "sigma": sigma,
            "sigma_pitches": sigma / pitch_nm if kind == "displacement" else float("nan"),
            **accuracy_columns(
                labels == truth, test["specimen_id"], seed=seed, resamples=resamples
            ),
        }
        for (name, (kind, sigma)), labels in named.items()
    ]
    chance = float(test["label"].value_counts(normalize=True).max())
    write_experiment(
        table_csv,
        summary_json,
        name="noise",
        table=pd.DataFrame(rows),
        n={"test_maps": len(test), "test_specimens": int(test["specimen_id"].nunique())},
        settings=settings,
        results={"chance": chance, "pitch_nm": pitch_nm},
    )
    _log.info("judged %d maps under %d conditions", len(test), len(conditions))


def _under_noise(
    strain_map: StrainMap,
    picture: NDArray[np.uint8],
    conditions: Sequence[tuple[str, float]],
    cropped: Mapping[str, Any],
    seed: int,
    map_id: str,
) -> Iterator[NDArray[np.uint8]]:
    """Yield each condition's crops (n_crops, px, px) of one map."""
    how = {key: cropped[key] for key in ("crop_px", "scales", "aspect")}
    clean = crop_picture(picture, **how)
    for kind, sigma in conditions:
        rng = generator(seed, "noise", kind, sigma, map_id)
        if kind == "none":
            yield clean
        elif kind == "grey levels":
            yield noisy_crops(clean, sigma, rng)
        else:
            noisy = noisy_map(strain_map, sigma, rng)
            drawn, _ = grey_picture(noisy, cropped["scalar"], cropped["range_floor"])
            yield crop_picture(drawn, **how)


def _probabilities(trained: TrainedNetwork, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    return predict_crops(trained.network, crops, trained.least_contrast)[0]
