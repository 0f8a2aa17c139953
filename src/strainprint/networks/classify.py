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

from strainprint.errors import BadInputError
from strainprint.files import without_formulas, write_csv
from strainprint.maps.declaration import Declaration, beside, read_declaration
from strainprint.maps.external_maps import external_strain_map, read_external
from strainprint.maps.map_file import read_picture_png
from strainprint.maps.people import read_strain_map, turned_picture
from strainprint.maps.picture import grey_picture
from strainprint.maps.strain_map import StrainMap
from strainprint.networks.devices import prepare_device
from strainprint.networks.inference import predict_picture
from strainprint.networks.storage import TrainedNetwork, load_network

_RANGE_FLOOR = 1e-6
_PNG = b"\x89PNG\r\n\x1a\n"
# A map may have lost points; one that lost more is no map of the body.
_LEAST_VALID = 0.8
# Longest strain gauge, of the training's, that still shows the same slip bands.
_LONGEST_GAUGE = 1.5

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
    declaration: str | Path | None = None,
    device: str = "auto",
    threads: int = 1,
) -> list[Refused]:
    """Classify maps of any format and 8-bit grey PNGs; write one row for each.

    ``declaration`` says what the files of other tools do not, for every file that has no
    declaration of its own beside it.

    Columns: file, prior_strain_predicted, p_prior_<class> of each class, in_domain (1 where the
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
    networks = _load(directories, device, threads)
    common = None if declaration is None else read_declaration(declaration)
    rows: list[dict[str, object]] = []
    refused: list[Refused] = []
    for file in tqdm(files, "predict", disable=None):
        try:
            content = read_any(file, common)
            rows.append({"file": str(file), **_judged(content, networks)})
        except (BadInputError, OSError, MemoryError) as error:
            reason = str(error) or f"{file}: needs more memory than there is"
            refused.append(Refused(str(file), reason))
            _log.info("refused %s", file)
    if rows:
        write_csv(out_csv, without_formulas(pd.DataFrame(rows)))
    return refused


def classify_external(
    manifest_json: str | Path,
    folder: str | Path,
    directories: Sequence[str | Path],
    out_csv: str | Path,
    *,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Classify the maps that the workflow ingested; one row for each, in the order of their table.

    Columns: map_id, source, specimen, prior_strain (as the user gave it, empty where not known),
    trained_on (1 where the networks have seen the map and its class says nothing), and those of
    :func:`classify_files` from prior_strain_predicted on.

    Raises
    ------
    BadInputError
        A network directory or a map cannot be used, or the networks differ in classes or study.
    """
    networks = _load(directories, device, threads)
    rows = [
        {
            "map_id": one.map_id,
            "source": one.source,
            "specimen": one.specimen,
            "prior_strain": one.prior_strain,
            "trained_on": int(one.use == "train"),
            **_judged(external_strain_map(folder, one), networks),
        }
        for one in tqdm(read_external(manifest_json), "classify", disable=None)
    ]
    write_csv(out_csv, without_formulas(pd.DataFrame(rows)))


def _load(directories: Sequence[str | Path], device: str, threads: int) -> list[TrainedNetwork]:
    """Load networks that can count as an ensemble, onto the device."""
    if not directories:
        raise BadInputError("no network directory given", allowed="one or more")
    chosen_device = prepare_device(device, threads)
    networks = [load_network(directory) for directory in directories]
    for directory, trained in zip(directories[1:], networks[1:], strict=True):
        for what, one, other in (
            ("classes", trained.classes, networks[0].classes),
            ("study", trained.crops.get("study"), networks[0].crops.get("study")),
        ):
            if one != other:
                raise BadInputError(
                    f"{what}: {one}", where=directory, allowed=f"{other}, as {directories[0]}"
                )
    for trained in networks:
        trained.network.to(chosen_device)
    return networks


def _judged(
    content: StrainMap | NDArray[np.uint8], networks: Sequence[TrainedNetwork]
) -> dict[str, object]:
    """Return the class, its probabilities and whether the map is like the training data."""
    classes = networks[0].classes
    probabilities = np.mean([_probabilities(content, t) for t in networks], axis=0)
    # In the order of the networks; what holds for several is said once.
    reasons = list(dict.fromkeys(r for t in networks for r in outside_training(content, t)))
    return {
        "prior_strain_predicted": classes[int(probabilities.argmax())],
        **{f"p_prior_{name}": p for name, p in zip(classes, probabilities, strict=True)},
        "in_domain": int(not reasons),
        "reason": "; ".join(reasons),
    }


def read_any(path: str | Path, common: Declaration | None = None) -> StrainMap | NDArray[np.uint8]:
    """Read a map or a picture, told apart by its content.

    What the file does not say comes from the declaration beside it, else from ``common``. An 8-bit
    PNG needs none: the load then runs along its columns.

    Raises
    ------
    BadInputError
        Missing, of no known kind, or not usable.
    """
    path = Path(path)
    declared = beside(path)
    if not declared.values and common is not None:
        declared = common
    if not path.is_file():
        raise BadInputError("file is missing", where=path)
    with open(path, "rb") as handle:
        start = handle.read(8)
    if start == _PNG:
        picture = read_picture_png(path)
        axis = declared.get("loading_axis")
        return picture if axis is None else turned_picture(picture[::-1], axis)
    return read_strain_map(path, declared)


def outside_training(content: StrainMap | NDArray[np.uint8], trained: TrainedNetwork) -> list[str]:
    """Return why it is not known that the network was trained on such maps; nothing if it was.

    Compared are length over width, pitch, study and frame with those of the training data, as far
    as the network's ``training.json`` tells them; of a measured map also strain gauge, sense of the
    load and how much of the body was measured.
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
    if content.attributes.get("origin") == "measured":
        reasons += _unlike_in_measurement(content, trained)
    if _picture(content, trained)[1]:
        reasons.append("strain is uniform to rounding: the picture is black")
    return [reason for reason in reasons if reason]


def _unlike_in_measurement(content: StrainMap, trained: TrainedNetwork) -> list[str]:
    """Say how a map from a correlation tool differs from the simulated training data.

    ASSUME: simulated strain is a central difference over two pitches of pointwise displacements, a
    gauge of two pitches, where ``training.json`` names no ``gauge_nm``; the training specimens were
    compressed.
    """
    given = content.attributes
    reasons = []
    across, along = float(given["pitch_rows_nm"]), float(given["pitch_columns_nm"])
    if abs(across / along - 1) > 1e-3:
        reasons.append(f"pitch {across:.3g} nm across the load, {along:.3g} nm along it")
    pitch_nm = trained.crops.get("pitch_nm")
    trained_gauge = trained.crops.get("gauge_nm", None if pitch_nm is None else 2 * pitch_nm)
    gauge = given.get("gauge_nm")
    if gauge is None:
        reasons.append("strain gauge unknown (subset_px and the strain window are not declared)")
    elif trained_gauge is not None and gauge > _LONGEST_GAUGE * trained_gauge:
        reasons.append(f"strain gauge {gauge:.3g} nm, trained on {trained_gauge:.3g} nm")
    if given.get("loading_sense") != "compression":
        reasons.append(f"loaded in {given.get('loading_sense')}, trained on compression")
    if given["valid_fraction"] < _LEAST_VALID:
        reasons.append(f"only {100 * given['valid_fraction']:.0f} % of the points hold a strain")
    return reasons


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
    return predict_picture(trained, picture)
