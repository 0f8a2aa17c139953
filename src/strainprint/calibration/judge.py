"""The paper's own network as an outside judge of simulated pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.dataset.crops import crop_picture
from strainprint.files import write_csv
from strainprint.maps.studies import STUDIES
from strainprint.networks.inference import predict_crops
from strainprint.networks.published_weights import import_keras
from strainprint.networks.storage import TrainedNetwork, load_network

JUDGED = {"width_nm": 125.0, "slip_systems": 2, "reload": "large"}
"""The maps that the judge is asked about: the kind whose profiles its authors published."""


def judge_sample(
    maps_csv: str | Path,
    pictures_h5: str | Path,
    weights: Sequence[str | Path],
    out_csv: str | Path,
) -> None:
    """Ask the published network about the pictures of :func:`sample.measure_sample`.

    It is asked twice about each map: about the picture as published, whose outline changes with
    the prior strain, and, as a control, about the audited one, whose outline does not.

    Columns of ``out_csv``: study, map_id, specimen_id, prior_strain, named_prior (the class it
    names) and p_prior_<strain> of each class.

    Parameters
    ----------
    weights
        The Keras file that the authors published; none where it is not at hand, and then the
        table has no row.
    """
    maps = pd.read_csv(maps_csv)
    for column, value in JUDGED.items():
        maps = maps[maps[column] == value]
    table = maps[["map_id", "specimen_id", "prior_strain"]].reset_index(drop=True)
    table = pd.concat([table.assign(study=study) for study in STUDIES], ignore_index=True)
    if not weights or table.empty:
        write_csv(out_csv, table.iloc[:0].assign(named_prior=[]))
        return
    with tempfile.TemporaryDirectory() as directory:
        import_keras(weights[0], directory)
        judge = load_network(directory)
    with h5py.File(pictures_h5) as file:
        probabilities = np.array(
            [
                picture_probabilities(judge, file[f"{row.study}/{row.map_id}"][()])
                for row in tqdm(table.itertuples(), "judge", total=len(table), disable=None)
            ]
        )
    table["named_prior"] = np.array([float(name) for name in judge.classes])[
        probabilities.argmax(axis=1)
    ]
    for i, name in enumerate(judge.classes):
        table[f"p_prior_{name}"] = probabilities[:, i]
    write_csv(out_csv, table)


def picture_probabilities(judge: TrainedNetwork, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the class probabilities of one picture, cropped as the paper crops."""
    crops = crop_picture(
        picture,
        crop_px=int(judge.crops["crop_px"]),
        scales=list(judge.crops["scales"]),
        aspect=str(judge.crops["aspect"]),
    )
    probabilities, _ = predict_crops(judge.network, crops[np.newaxis])
    return np.asarray(probabilities[0])
