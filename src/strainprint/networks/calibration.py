"""How far class probabilities can be believed: reliability, temperature, conformal thresholds.

Temperature and thresholds are fitted on validation maps and judged on test maps. Maps of one
specimen are not independent, so conformal thresholds can weigh whole specimens.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from strainprint.dataset.manifest import read_manifest
from strainprint.errors import BadInputError
from strainprint.files import read_json, write_json
from strainprint.networks.predictions import read_predictions

FORMAT = "strainprint-calibration"
VERSION = 1
COLDEST, HOTTEST = 0.05, 20.0
"""Bounds of the fitted temperature: a model that is always right would otherwise want 0."""
BINS = 10
_LEAST_PROBABILITY = 1e-12

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """What corrects an ensemble's probabilities, as ``calibration.json`` keeps it.

    Attributes
    ----------
    classes
        The names of the classes, in the order of the probabilities.
    temperature
        For :func:`tempered`; above 1 the networks are too sure.
    level
        Share of new specimens' maps whose true class :func:`conformal_set` is to hold.
    threshold
        For :func:`conformal_set`; infinite where the validation specimens are too few for the
        level, so that every class stays possible.
    """

    classes: tuple[str, ...]
    temperature: float
    level: float
    threshold: float


def temperature(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature that makes the probabilities of validation maps most likely.

    Guo et al., "On calibration of modern neural networks" (ICML 2017), on the logarithms of the
    probabilities, so that it serves ensembles too; within 0.05 to 20.

    Parameters
    ----------
    probabilities
        Shape (n_maps, n_classes), rows sum to 1.
    labels
        Index of the true class of each map, shape (n_maps,).

    Raises
    ------
    BadInputError
        There is no map, or shapes do not fit.
    """
    log_p, truth = _checked(probabilities, labels)

    def loss(log_temperature: float) -> float:
        return _log_loss(log_p / math.exp(log_temperature), truth)

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(math.exp(found.x))


def tempered(probabilities: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return probabilities raised to 1/temperature and scaled to sum to 1, same shape.

    The order of a map's classes stays as it was.
    """
    if not 0 < temperature < math.inf:
        raise BadInputError(f"temperature is {temperature}", allowed="above 0")
    scores = _log_probabilities(probabilities) / temperature
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float64)


def reliability(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = BINS) -> pd.DataFrame:
    """Return the reliability diagram of the named class's probability.

    Columns: low, high (of the bin of confidence), maps, confidence (mean), accuracy; bins without
    maps are left out. A confidence on a limit belongs to the bin below it.
    """
    values = np.exp(_checked(probabilities, labels)[0])
    truth = np.asarray(labels)
    confidence = values.max(axis=1)
    right = values.argmax(axis=1) == truth
    # Rounded before binning: 0.7 * 10 is 7.000000000000001 for a computer.
    index = np.clip(np.ceil(np.round(confidence * bins, 9)).astype(int) - 1, 0, bins - 1)
    rows = [
        {
            "low": one / bins,
            "high": (one + 1) / bins,
            "maps": int((index == one).sum()),
            "confidence": float(confidence[index == one].mean()),
            "accuracy": float(right[index == one].mean()),
        }
        for one in np.unique(index)
    ]
    return pd.DataFrame(rows)


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = BINS
) -> float:
    """Return the mean of |accuracy - confidence| over the bins, weighted by their maps.

    With few maps it is above 0 even for a perfectly calibrated model.
    """
    table = reliability(probabilities, labels, bins=bins)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float((gaps * table["maps"]).sum() / table["maps"].sum())


def conformal_threshold(
    scores: ArrayLike, level: float, *, clusters: ArrayLike | None = None
) -> float:
    """Return the threshold below or at which a new score falls with probability ``level`` or more.

    Split-conformal: the quantile of the calibration scores with a weight kept for the new one at
    infinity. With clusters, each of the K clusters weighs 1/(K+1), shared among its members, and
    the statement is about one member of a new cluster (hierarchical conformal prediction: Lee,
    Barber and Willett, arXiv 2306.06342). Without, each score is a cluster of its own, and the
    threshold is the ⌈(n+1)·level⌉-th smallest score.

    Parameters
    ----------
    scores
        How strange each validation map is, e.g. 1 - probability of its true class; shape (n,).
    level
        Between 0 and 1.
    clusters
        Specimen of each map, shape (n,).

    Returns
    -------
    Infinity where there are too few clusters: ``level`` needs K ≥ level / (1 - level).

    Raises
    ------
    BadInputError
        The level is out of range, a score is NaN, or shapes differ.
    """
    values = np.asarray(scores, dtype=np.float64)
    names = np.arange(values.size) if clusters is None else np.asarray(clusters)
    if not 0 < level < 1:
        raise BadInputError(f"level is {level}", allowed="between 0 and 1, both excluded")
    if values.ndim != 1 or names.shape != values.shape or np.isnan(values).any():
        raise BadInputError(
            f"scores of shape {values.shape}, clusters of shape {names.shape}",
            allowed="both (n,), no NaN",
        )
    return float(conformal_thresholds(values[:, np.newaxis], level, clusters=names)[0])


def conformal_thresholds(
    scores: NDArray[np.float64], level: float, *, clusters: ArrayLike
) -> NDArray[np.float64]:
    """Return :func:`conformal_threshold` of every column of scores (n, n_columns), (n_columns,)."""
    _, cluster, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    weights = 1.0 / ((len(sizes) + 1) * sizes[cluster])
    # One more row stands for the new score, at infinity.
    beyond = np.full((1, scores.shape[1]), np.inf)
    order = np.argsort(scores, axis=0, kind="stable")
    mass = np.cumsum(weights[order], axis=0)
    # Sums of weights carry rounding: (n+1) * level may be a whole number.
    reached = np.vstack([mass >= level - 1e-9, np.ones_like(beyond, dtype=bool)])
    ascending = np.vstack([np.take_along_axis(scores, order, axis=0), beyond])
    found = np.take_along_axis(ascending, reached.argmax(axis=0)[np.newaxis], axis=0)[0]
    return np.asarray(found, dtype=np.float64)


def conformal_set(probabilities: ArrayLike, threshold: float) -> NDArray[np.bool_]:
    """Return which classes stay possible: 1 - probability not above the threshold, same shape.

    The set may be empty for a map unlike the validation maps.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(1 - values <= threshold + 1e-12, dtype=np.bool_)


def calibrate_ensemble(
    predictions_csv: str | Path,
    manifest_csv: str | Path,
    calibration_json: str | Path,
    *,
    level: float,
) -> None:
    """Fit temperature and conformal threshold on the validation maps; write them and what they do.

    Beside what :func:`read_calibration` takes, the JSON holds for validation and test: maps,
    specimens, ECE, log loss and reliability before and after the temperature, and of the conformal
    sets the share that holds the truth (and how many of each specimen's maps) and the mean number
    of classes.

    Parameters
    ----------
    predictions_csv
        The ensemble's table.
    manifest_csv
        Which map is of which specimen.
    calibration_json
        Output.
    level
        See :class:`Calibration`.

    Raises
    ------
    BadInputError
        A table is damaged or of another dataset, or there is no validation map.
    """
    table = read_predictions(predictions_csv)
    specimen_of = read_manifest(manifest_csv).set_index("map_id")["specimen_id"]
    if not set(table.frame["map_id"]) <= set(specimen_of.index):
        raise BadInputError("holds maps that the manifest has not", where=predictions_csv)
    specimens = specimen_of.loc[table.frame["map_id"]].to_numpy()
    rows = {part: np.flatnonzero(table.frame["part"] == part) for part in ("validation", "test")}
    fitted_on = rows["validation"]
    write_calibration(
        calibration_json,
        table.classes,
        table.probabilities,
        table.true_class,
        specimens,
        rows,
        temperature=temperature(table.probabilities[fitted_on], table.true_class[fitted_on]),
        level=level,
    )


def write_calibration(
    calibration_json: str | Path,
    classes: Sequence[str],
    probabilities: NDArray[np.float64],
    truth: NDArray[np.integer],
    specimens: NDArray[Any],
    parts: Mapping[str, NDArray[np.intp]],
    *,
    temperature: float,
    level: float,
) -> Calibration:
    """Fit the conformal threshold at a temperature; write both and what they do, and return them.

    Parameters
    ----------
    calibration_json
        Output, see :func:`calibrate_ensemble`.
    classes
        Names, in the order of the probabilities.
    probabilities
        Shape (n_maps, n_classes).
    truth, specimens
        Index of the true class (anything for maps of no part), and specimen; shape (n_maps,).
    parts
        Rows of ``validation``, which the threshold is fitted on, and of what is judged.
    temperature, level
        See :class:`Calibration`.
    """
    after = tempered(probabilities, temperature)
    fitted_on = parts["validation"]
    threshold = conformal_threshold(
        1 - after[fitted_on, truth[fitted_on]], level, clusters=specimens[fitted_on]
    )
    write_json(
        calibration_json,
        {
            "format": FORMAT,
            "version": VERSION,
            "classes": list(classes),
            "temperature": temperature,
            "level": level,
            "threshold": threshold if math.isfinite(threshold) else None,
            "parts": {
                part: _judged(probabilities, after, truth, specimens, rows, threshold)
                for part, rows in parts.items()
            },
        },
    )
    _log.info("temperature %.3f, threshold %.3f at level %.2f", temperature, threshold, level)
    return Calibration(tuple(classes), temperature, level, threshold)


def read_calibration(calibration_json: str | Path) -> Calibration:
    """Read what :func:`calibrate_ensemble` wrote.

    Raises
    ------
    BadInputError
        The file is missing, damaged or of another version.
    """
    content = read_json(calibration_json, expected_format=FORMAT)
    if content.get("version") != VERSION:
        raise BadInputError(
            f"version is {content.get('version')!r}", where=calibration_json, allowed=str(VERSION)
        )
    try:
        threshold = content["threshold"]
        return Calibration(
            tuple(content["classes"]),
            float(content["temperature"]),
            float(content["level"]),
            math.inf if threshold is None else float(threshold),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"lacks or garbles {error}", where=calibration_json) from error


def reliability_rows(judged: Mapping[str, Any], **about: str) -> list[dict[str, Any]]:
    """Return the bins of one part's diagrams before and after the temperature, with ``about``.

    ``judged`` is the part as it stands in the JSON that :func:`write_calibration` wrote.
    """
    return [
        {**about, "when": when, **one}
        for when in ("before", "after")
        for one in judged[when]["reliability"]
    ]


def _judged(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    labels: NDArray[np.integer],
    specimens: NDArray[Any],
    rows: NDArray[np.intp],
    threshold: float,
) -> dict[str, Any]:
    truth = labels[rows]
    named = conformal_set(after[rows], threshold)
    held = named[np.arange(len(rows)), truth]
    _, cluster, sizes = np.unique(specimens[rows], return_inverse=True, return_counts=True)
    held_of_specimens = np.bincount(cluster, held, minlength=len(sizes)).astype(int)
    judged: dict[str, Any] = {
        "maps": len(rows),
        "specimens": len(sizes),
        "coverage": float(held.mean()),
        "held_of_specimens": np.column_stack([held_of_specimens, sizes]).tolist(),
        "classes_named": float(named.sum(axis=1).mean()),
    }
    for when, values in (("before", before[rows]), ("after", after[rows])):
        judged[when] = {
            "ece": expected_calibration_error(values, truth),
            "log_loss": _log_loss(_log_probabilities(values), truth),
            "reliability": reliability(values, truth).to_dict("records"),
        }
    return judged


def _log_probabilities(probabilities: ArrayLike) -> NDArray[np.float64]:
    # A probability printed as 0 is very small, not impossible.
    values = np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST_PROBABILITY)
    return np.asarray(np.log(values), dtype=np.float64)


def _log_loss(scores: NDArray[np.float64], truth: NDArray[np.integer]) -> float:
    """Return the mean of -log softmax at the true class."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    return float((log_sums - shifted[np.arange(len(truth)), truth]).mean())


def _checked(
    probabilities: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    log_p, truth = _log_probabilities(probabilities), np.asarray(labels, dtype=np.int64)
    if log_p.ndim != 2 or truth.shape != log_p.shape[:1] or truth.size == 0:
        raise BadInputError(
            f"probabilities of shape {log_p.shape}, labels of shape {truth.shape}",
            allowed="(n_maps, n_classes) and (n_maps,), one map or more",
        )
    return log_p, truth
