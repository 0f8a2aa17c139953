"""A predictor: the networks of a study and split with all one needs to doubt what they say.

Beside the trained networks it keeps, from their validation maps, the temperature of the ensemble's
probabilities and how strange true classes, prior strains and curves looked; and from the training
maps the features of the lead network and the stress-strain curves. It names the networks by paths
relative to itself, so a results folder can be moved whole.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from strainprint.curves.bands import clustered_limits, relative_errors
from strainprint.curves.neighbours import (
    choose_count,
    mean_of_neighbours,
    nearest_neighbours,
    read_features,
)
from strainprint.curves.prediction import reload_curves
from strainprint.dataset.manifest import read_manifest
from strainprint.dataset.splits import read_split
from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_file, write_json
from strainprint.networks.calibration import (
    conformal_set,
    conformal_threshold,
    read_calibration,
    tempered,
)
from strainprint.networks.predictions import read_predictions
from strainprint.networks.storage import (
    DESCRIPTION,
    TrainedNetwork,
    load_network,
    read_tensors,
    write_tensors,
)

FORMAT = "strainprint-predictor"
VERSION = 1
REFERENCES = "references.safetensors"
PREDICTOR = "predictor.json"
LEVEL = 0.9
"""Share of maps for which sets and intervals are to hold."""
CURVE_COLUMNS = ("strain", "stress_mpa", "stress_low_mpa", "stress_high_mpa")
"""What :meth:`Predictor.curve` returns."""

_ARRAYS = {
    "features": np.float32,
    "class_scores": np.float64,
    "prior_errors": np.float64,
    "distances": np.float64,
    "specimens": np.int64,
    "curve_rows": np.int64,
    "curves_mpa": np.float64,
    "band_low": np.float64,
    "band_high": np.float64,
    "strain": np.float64,
}
_WAY_OUT = "delete it and re-run the rule `predictor`"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predictor:
    """What :func:`load_predictor` returns.

    Attributes
    ----------
    networks
        The ensemble; the lead network, whose features are compared, comes first.
    classes
        The names of the classes, in the order of the probabilities.
    temperature
        Of the ensemble's probabilities (:func:`strainprint.networks.calibration.tempered`).
    neighbours
        How many training curves a predicted curve averages.
    small_reload_strain
        Strain of the reloads whose maps curves are predicted from.
    references
        Arrays by name. Of training maps: ``features`` (n_train, n_features), ``curve_rows`` which
        of those have a curve, ``curves_mpa`` (n_curves, n_points) over ``strain`` (n_points,), and
        the limits ``band_low, band_high`` (n_points,) of their errors when predicted without their
        own specimen, in mean stresses of the predicted curve.
        Of validation maps: ``class_scores`` 1 - probability of the true class, ``prior_errors``
        in decades (empty where a class is no prior strain), ``distances`` to the nearest training
        map in features, all (n_validation,), with ``specimens``.
    level
        Share of maps for which sets and intervals are to hold.
    """

    networks: tuple[TrainedNetwork, ...]
    classes: tuple[str, ...]
    temperature: float
    neighbours: int
    small_reload_strain: float
    references: Mapping[str, NDArray[Any]]
    level: float = LEVEL

    def probabilities(self, averaged: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return calibrated class probabilities, (n_classes,), of the networks' averaged ones."""
        return tempered(averaged, self.temperature)

    # Every map is judged by these four, so each is worked out once.

    @cached_property
    def _class_threshold(self) -> float:
        return self._threshold("class_scores")

    @cached_property
    def _prior_threshold(self) -> float:
        return self._threshold("prior_errors")

    @cached_property
    def _training_points(self) -> NDArray[np.float64]:
        return np.asarray(self.references["features"], dtype=np.float64)

    @cached_property
    def _curve_points(self) -> NDArray[np.float64]:
        return np.take(self._training_points, self.references["curve_rows"], axis=0)

    def _threshold(self, scores: str) -> float:
        held = self.references
        return conformal_threshold(held[scores], self.level, clusters=held["specimens"])

    def possible_classes(self, probabilities: NDArray[np.float64]) -> list[str]:
        """Return the classes of the conformal set: the true one is in it with ``level`` or more.

        All classes where the validation specimens are too few for the level.
        """
        inside = conformal_set(probabilities, self._class_threshold)
        return [name for name, kept in zip(self.classes, inside, strict=True) if kept]

    def prior_strain(self, probabilities: NDArray[np.float64]) -> tuple[float, float, float] | None:
        """Return the expected prior strain and its interval, None where classes are no strains.

        The mean of log10 prior strain over the classes' probabilities, and a split-conformal
        interval of constant width in decades; it holds for specimens like the training's, whose
        prior strains are the classes. The interval is 0 to infinity where validation specimens
        are too few for the level.
        """
        decades = class_decades(self.classes)
        if decades is None:
            return None
        centre, half = float(probabilities @ decades), self._prior_threshold
        return 10**centre, 10 ** (centre - half), 10 ** (centre + half)

    def relative_distance(self, features: NDArray[np.floating]) -> float:
        """Return how far a map's features (n_features,) lie from the nearest training map's.

        In units of the farthest validation map: above 1 it is farther out than any of them, which
        for a map like theirs has the probability 1 / (1 + their number).
        """
        _, distance = nearest_neighbours(features[np.newaxis], self._training_points, count=1)
        farthest = float(self.references["distances"].max())
        return float(distance[0, 0]) / max(farthest, np.finfo(float).tiny)

    def curve(self, features: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        """Return the predicted reload curve of a small-reload map: strain, stress, band in MPa.

        The mean of the nearest training curves, between limits that each hold 90 % of curves like
        theirs at every strain (:func:`strainprint.curves.bands.clustered_limits`); infinite where
        training specimens are too few.
        """
        held = self.references
        nearest, _ = nearest_neighbours(features[np.newaxis], self._curve_points, self.neighbours)
        stress = mean_of_neighbours(held["curves_mpa"], nearest)[0]
        low, high = (stress + held[f"band_{end}"] * stress.mean() for end in ("low", "high"))
        return dict(zip(CURVE_COLUMNS, (held["strain"], stress, low, high), strict=True))


def class_decades(classes: Sequence[str]) -> NDArray[np.float64] | None:
    """Return log10 of the classes' prior strains, None where a class is a named strain path."""
    try:
        return np.log10([float(name) for name in classes])
    except ValueError:
        return None


def build_predictor(
    network_directories: Sequence[str | Path],
    lead_features_npy: str | Path,
    ensemble_predictions_csv: str | Path,
    calibration_json: str | Path,
    manifest_csv: str | Path,
    split_csv: str | Path,
    results_root: str | Path,
    directory: str | Path,
    *,
    neighbours: Sequence[int] = (1, 5, 10),
) -> None:
    """Gather a predictor from a finished study and split; write ``predictor.json`` and arrays.

    Parameters
    ----------
    network_directories
        The networks of the ensemble, the lead network first.
    lead_features_npy
        The lead network's features of every map, manifest order.
    ensemble_predictions_csv, calibration_json
        The ensemble's table, and its calibration on the validation maps.
    manifest_csv, split_csv, results_root
        The dataset and the folder its shard paths are relative to.
    directory
        Output.
    neighbours
        How many curves to average: that which predicts the training curves best without their own
        specimen.

    Raises
    ------
    BadInputError
        Files of different datasets, or no map trains or validates.
    """
    directory = Path(directory)
    manifest = read_manifest(manifest_csv)
    parts = read_split(split_csv, manifest)
    table = read_predictions(ensemble_predictions_csv)
    if table.frame["map_id"].tolist() != manifest["map_id"].tolist():
        raise BadInputError(
            "maps are not those of the manifest, in its order", where=ensemble_predictions_csv
        )
    features = read_features(lead_features_npy, len(manifest))
    train, validation = parts == "train", parts == "validation"
    if not (train.any() and validation.any()):
        raise BadInputError(
            f"{train.sum()} maps train and {validation.sum()} validate",
            where=split_csv,
            allowed="one or more of both",
        )
    truth = table.true_class[validation]
    fitted = read_calibration(calibration_json).temperature
    calibrated = tempered(table.probabilities[validation], fitted)
    decades = class_decades(table.classes)
    specimens = np.unique(manifest["specimen_id"], return_inverse=True)[1].astype(np.int64)
    small = (manifest["reload"] == "small").to_numpy()
    strain, stress_mpa = reload_curves(manifest[small], results_root)
    train_mpa, named = stress_mpa[train[small]], manifest["specimen_id"][small & train].to_numpy()
    chosen = choose_count(features[small & train], train_mpa, named.tolist(), neighbours)
    errors, known = relative_errors(train_mpa, chosen.left_out_mpa(chosen.count))
    low, high = (
        clustered_limits(errors[known], named[known].tolist())
        if known.any()
        else (np.full(len(strain), -np.inf), np.full(len(strain), np.inf))
    )
    arrays = {
        "features": features[train],
        "class_scores": 1 - calibrated[np.arange(len(truth)), truth],
        "prior_errors": (
            np.empty(0) if decades is None else np.abs(calibrated @ decades - decades[truth])
        ),
        "distances": nearest_neighbours(features[validation], features[train], 1)[1][:, 0],
        "specimens": specimens[validation],
        "curve_rows": np.flatnonzero(small[train]),
        "curves_mpa": train_mpa,
        "band_low": low,
        "band_high": high,
        "strain": strain,
    }
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(arrays[name], dtype=kind))
        for name, kind in _ARRAYS.items()
    }
    write_tensors(directory / REFERENCES, tensors)
    write_json(
        directory / PREDICTOR,
        {
            "format": FORMAT,
            "version": VERSION,
            "classes": list(table.classes),
            "temperature": fitted,
            "neighbours": chosen.count,
            "small_reload_strain": float(manifest.loc[small, "reload_strain"].iloc[0]),
            "networks": [
                {
                    "directory": Path(os.path.relpath(one, directory)).as_posix(),
                    "training_sha256": sha256_of_file(Path(one) / DESCRIPTION),
                }
                for one in network_directories
            ],
            "references_sha256": sha256_of_file(directory / REFERENCES),
            "n": {
                "train": int(train.sum()),
                "validation": int(validation.sum()),
                "validation_specimens": len(np.unique(specimens[validation])),
            },
        },
    )
    _log.info("%s: temperature %.3f, %d networks", directory, fitted, len(network_directories))


def load_predictor(directory: str | Path, *, level: float = LEVEL) -> Predictor:
    """Read what :func:`build_predictor` wrote, with its networks, to judge at a level.

    Raises
    ------
    BadInputError
        A file is missing, damaged or of another version, or a network was trained again since.
    """
    directory = Path(directory)
    where = directory / PREDICTOR
    content = read_json(where, expected_format=FORMAT)
    if content.get("version") != VERSION:
        raise BadInputError(
            f"version is {content.get('version')!r}", where=where, allowed=str(VERSION)
        )
    try:
        checksum = content["references_sha256"]
        named = [(str(one["directory"]), one["training_sha256"]) for one in content["networks"]]
        predictor = Predictor(
            (),
            tuple(content["classes"]),
            float(content["temperature"]),
            int(content["neighbours"]),
            float(content["small_reload_strain"]),
            {},
            level,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"lacks or garbles {error}", where=where, way_out=_WAY_OUT) from error
    tensors = read_tensors(directory / REFERENCES)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    if (
        sha256_of_file(directory / REFERENCES) != checksum
        or {name: array.dtype for name, array in arrays.items()} != _ARRAYS
    ):
        raise BadInputError(
            f"these are not the arrays that {PREDICTOR} describes",
            where=directory / REFERENCES,
            way_out=_WAY_OUT,
        )
    networks = []
    for name, description_sha256 in named:
        one = directory / name
        networks.append(load_network(one))
        if sha256_of_file(one / DESCRIPTION) != description_sha256:
            raise BadInputError(
                "this network was trained after the predictor was made", where=one, way_out=_WAY_OUT
            )
    if not networks or not math.isfinite(predictor.temperature):
        raise BadInputError("names no network", where=where, way_out=_WAY_OUT)
    return replace(predictor, networks=tuple(networks), references=arrays)
