"""Classify single maps and pictures from anywhere, and say which lie outside the training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.dataset.crops import PAPER_CROP_PX, PAPER_SCALES, crop_picture
from strainprint.dataset.manifest import class_names
from strainprint.errors import BadInputError
from strainprint.files import write_csv
from strainprint.maps.map_file import read_map_h5, read_picture_png
from strainprint.maps.picture import grey_picture
from strainprint.maps.strain_map import StrainMap
from strainprint.networks.devices import prepare_device
from strainprint.networks.inference import predict_crops
from strainprint.networks.storage import TrainedNetwork, load_network

_RANGE_FLOOR = 1e-6
_HDF5, _PNG = b"\x89HDF\r\n\x1a\n", b"\x89PNG\r\n\x1a\n"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refused:
    """A file that could not be classified, and why."""

    file: str
    reason: str


def classify_files(
    files: Sequence[str | Path],
    directories: Sequence[str | Path],
    out_csv: str | Path,
    *,
    device: str = "auto",
    threads: int = 1,
) -> list[Refused]:
    """Classify maps (HDF5 of ``strainprint measure``) and 8-bit grey PNGs; write one row for each.

    Columns: file, prior_strain_predicted, p_prior_<strain> of each class, in_domain (1 where the
    map is known to be like those that every network was trained on, else 0) and the reason where
    it is 0. Several networks count as an ensemble: probabilities are averaged.

    Returns
    -------
    The files that could not be read; the others are classified all the same. With none left
    nothing is written.

    Raises
    ------
    BadInputError
        A network directory cannot be used, or the networks differ in classes or study.
    """
    if not directories:
        raise BadInputError("no network directory given", allowed="one or more")
    chosen_device = prepare_device(device, threads)
    networks = [load_network(directory) for directory in directories]
    for directory, trained in zip(directories[1:], networks[1:], strict=True):
        for what, one, other in (
            ("classes", trained.prior_strains, networks[0].prior_strains),
            ("study", trained.crops.get("study"), networks[0].crops.get("study")),
        ):
            if one != other:
                raise BadInputError(
                    f"{what}: {one}", where=directory, allowed=f"{other}, as {directories[0]}"
                )
    for trained in networks:
        trained.network.to(chosen_device)
    classes = class_names(networks[0].prior_strains)
    rows: list[dict[str, object]] = []
    refused: list[Refused] = []
    for file in tqdm(files, "predict", disable=None):
        try:
            content = read_any(file)
            probabilities = np.mean([_probabilities(content, t) for t in networks], axis=0)
        except (BadInputError, OSError) as error:
            refused.append(Refused(str(file), str(error)))
            _log.info("refused %s", file)
            continue
        # In the order of the networks; what holds for several is said once.
        reasons = list(dict.fromkeys(r for t in networks for r in outside_training(content, t)))
        rows.append(
            {
                "file": str(file),
                "prior_strain_predicted": networks[0].prior_strains[int(probabilities.argmax())],
                **{f"p_prior_{name}": p for name, p in zip(classes, probabilities, strict=True)},
                "in_domain": int(not reasons),
                "reason": "; ".join(reasons),
            }
        )
    if rows:
        write_csv(out_csv, pd.DataFrame(rows))
    return refused


def read_any(path: str | Path) -> StrainMap | NDArray[np.uint8]:
    """Read a map or a picture, told apart by the file's first bytes.

    Raises
    ------
    BadInputError
        Missing, of another kind, or not usable.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInputError("file is missing", where=path)
    with open(path, "rb") as handle:
        start = handle.read(8)
    if start == _PNG:
        return read_picture_png(path)
    if start == _HDF5:
        return read_map_h5(path)
    raise BadInputError(
        "neither PNG nor HDF5",
        where=path,
        allowed="an 8-bit grey PNG, or a map written by `strainprint measure`",
    )


def outside_training(content: StrainMap | NDArray[np.uint8], trained: TrainedNetwork) -> list[str]:
    """Return why it is not known that the network was trained on such maps; nothing if it was.

    Compared are length over width, pitch, study and frame with those of the training data, as far
    as the network's ``training.json`` tells them.
    """
    reasons = [_unlike_in_length(content.shape, trained.crops.get("aspect_range"))]
    if not isinstance(content, StrainMap):
        return ["no pitch in a picture", *filter(None, reasons)]
    pitch_nm, study = trained.crops.get("pitch_nm"), trained.crops.get("study")
    if pitch_nm is None:
        reasons.append("pitch: training range unknown")
    elif not np.isclose(content.pitch_nm, pitch_nm, rtol=1e-3):
        reasons.append(f"pitch {content.pitch_nm:g} nm, trained on {pitch_nm:g} nm")
    if (measured_as := content.attributes.get("study")) not in (None, study):
        reasons.append(f"measured as study {measured_as}, trained on {study}")
    if (frame := trained.crops.get("frame")) is None:
        reasons.append("frame: training frame unknown")
    elif content.frame != frame:
        reasons.append(f"frame {content.frame}, trained on {frame}")
    if _picture(content, trained)[1]:
        reasons.append("strain is uniform to rounding: the picture is black")
    return [reason for reason in reasons if reason]


def _unlike_in_length(shape: tuple[int, ...], trained_on: Sequence[float] | None) -> str:
    """Say how length over width differs from the training data's, ``""`` where it does not."""
    if trained_on is None:
        return "length over width: training range unknown"
    rows, columns = shape
    least, largest = trained_on
    # Bodies end between pixels: a side is known to half a pixel.
    if least <= (columns + 0.5) / (rows - 0.5) and (columns - 0.5) / (rows + 0.5) <= largest:
        return ""
    return (
        f"{columns / rows:.3g} times as long as wide, trained on {least:.3g} to {largest:.3g} "
        "(rows run across the width, columns along the loading axis)"
    )


def _picture(content: StrainMap, trained: TrainedNetwork) -> tuple[NDArray[np.uint8], bool]:
    scalar = str(trained.crops.get("scalar", "equivalent"))
    return grey_picture(content, scalar, float(trained.crops.get("range_floor", _RANGE_FLOOR)))


def _probabilities(
    content: StrainMap | NDArray[np.uint8], trained: TrainedNetwork
) -> NDArray[np.float64]:
    """Return the class probabilities (n_classes,) of one map."""
    picture = _picture(content, trained)[0] if isinstance(content, StrainMap) else content
    crops = crop_picture(
        picture,
        crop_px=int(trained.crops.get("crop_px", PAPER_CROP_PX)),
        scales=list(trained.crops.get("scales", PAPER_SCALES)),
        aspect=str(trained.crops.get("aspect", "1:3")),
    )
    probabilities, _ = predict_crops(trained.network, crops[np.newaxis])
    return np.asarray(probabilities[0], dtype=np.float64)
