"""Labelled maps of people beside the simulated ones: training alone, never validation or test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strainprint.dataset.crops import crop_picture
from strainprint.errors import BadInputError
from strainprint.maps.external_maps import external_strain_map, read_external, single_maps
from strainprint.maps.picture import grey_picture


def external_crops(
    manifest_json: str | Path,
    folder: str | Path,
    *,
    classes: Sequence[str],
    cropped: dict[str, Any],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
    """Return crops (n, n_crops, px, px), labels (n,) and names of the maps that are to train.

    Layers of stacks are not among them.

    Parameters
    ----------
    manifest_json, folder
        What the rule ``ingest`` wrote.
    classes
        Names of the classes in the order of their labels.
    cropped
        How the simulated maps were drawn and cropped: ``scalar``, ``range_floor``, ``crop_px``,
        ``scales``, ``aspect``, ``crops_per_map``.

    Raises
    ------
    BadInputError
        A map's prior strain is none of the classes, or a map cannot be used.
    """
    of_name = {name: label for label, name in enumerate(classes)}
    crops, labels, names = [], [], []
    for one in single_maps(read_external(manifest_json)):
        if one.use != "train":
            continue
        prior = f"{one.prior_strain:g}"
        if prior not in of_name:
            raise BadInputError(
                f"{one.source} has prior_strain {prior}",
                where=manifest_json,
                allowed=", ".join(classes),
                way_out="leave `use` empty: the map is then predicted and does not train",
            )
        picture, _ = grey_picture(
            external_strain_map(folder, one), cropped["scalar"], cropped["range_floor"]
        )
        crops.append(
            crop_picture(
                picture,
                crop_px=cropped["crop_px"],
                scales=cropped["scales"],
                aspect=cropped["aspect"],
            )
        )
        labels.append(of_name[prior])
        names.append(one.map_id)
    shape = (0, cropped["crops_per_map"], cropped["crop_px"], cropped["crop_px"])
    stacked = np.stack(crops) if crops else np.empty(shape, dtype=np.uint8)
    return stacked, np.array(labels, dtype=np.int64), names
