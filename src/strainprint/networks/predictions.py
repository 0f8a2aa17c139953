"""The table of class probabilities that networks, ensemble and baseline all write.

One row for each map in manifest order: ``map_id, part, prior_strain, prior_strain_predicted`` and
one column ``p_prior_<class>`` for each class. A class is a prior strain as a number, or the name of
a strain path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from strainprint.dataset.manifest import checked_classes
from strainprint.dataset.splits import PARTS
from strainprint.errors import BadInputError
from strainprint.files import write_csv

_PROBABILITY = "p_prior_"
_CLASS_COLUMNS = ("prior_strain", "prior_strain_predicted")
_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class PredictionTable:
    """Class probabilities of maps, with what is true.

    Attributes
    ----------
    frame
        The table as it stands in ``predictions.csv``.
    classes
        The names of the classes, in the order of the columns.
    probabilities
        Shape (n_maps, n_classes), rows sum to 1.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]

    @property
    def true_class(self) -> NDArray[np.int64]:
        """Index of each map's class, shape (n_maps,)."""
        return _class_index(self.frame["prior_strain"], self.classes)

    @property
    def predicted_class(self) -> NDArray[np.int64]:
        """Class index predicted for each map, shape (n_maps,)."""
        return _class_index(self.frame["prior_strain_predicted"], self.classes)


def write_predictions(
    path: str | Path,
    manifest_frame: pd.DataFrame,
    parts: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
) -> PredictionTable:
    """Write ``predictions.csv`` and return the table as a reader will find it.

    Parameters
    ----------
    path
        The file to write.
    manifest_frame
        Rows of the dataset's manifest; ``map_id`` and ``strain_path`` are used.
    parts
        ``train``, ``validation`` or ``test`` of each row, in the same order.
    probabilities
        Shape (n_maps, n_classes), in the order of ``classes``.
    classes
        The names of the classes.

    Raises
    ------
    BadInputError
        Lengths differ, or the probabilities are not finite or do not sum to 1.
    """
    names = checked_classes(classes)
    values = np.asarray(probabilities, dtype=np.float64)
    part_of_map = np.asarray(parts, dtype=object)
    if values.shape != (len(manifest_frame), len(names)) or len(part_of_map) != len(values):
        raise BadInputError(
            f"{len(manifest_frame)} maps, {len(part_of_map)} parts and probabilities of shape "
            f"{values.shape} do not fit together",
            where=path,
            allowed=f"shape (n_maps, {len(names)})",
        )
    frame = pd.DataFrame(
        {
            "map_id": manifest_frame["map_id"].to_numpy(),
            "part": part_of_map,
            "prior_strain": manifest_frame["strain_path"].to_numpy(dtype=object),
            "prior_strain_predicted": np.asarray(names, dtype=object)[values.argmax(axis=1)],
        }
    )
    for index, name in enumerate(names):
        frame[_PROBABILITY + name] = values[:, index]
    _validated(frame, path)
    write_csv(path, frame)
    return read_predictions(path)


def read_predictions(path: str | Path) -> PredictionTable:
    """Read a ``predictions.csv`` and check it.

    Raises
    ------
    BadInputError
        The file is missing or unreadable, columns are missing, a map comes twice, a part or class
        is unknown, or probabilities are not finite or do not sum to 1.
    """
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(["map_id", "part", *_CLASS_COLUMNS], str))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"not readable as a prediction table ({error})", where=path, way_out="re-run the rule"
        ) from error
    return _validated(frame, path)


def accuracy_by_part(table: PredictionTable) -> dict[str, float | None]:
    """Return the fraction of maps classified right in each part; None where a part is empty."""
    right = table.true_class == table.predicted_class
    chosen = {part: (table.frame["part"] == part).to_numpy() for part in PARTS}
    return {
        part: float(right[rows].mean()) if rows.any() else None for part, rows in chosen.items()
    }


def prediction_metrics(table: PredictionTable) -> dict[str, Any]:
    """Return what ``metrics.json`` holds: accuracy, counts, log loss and confusion by part.

    ``confusion[part][i][j]`` counts the maps of class i that were given class j.
    """
    n_classes = len(table.classes)
    counts: dict[str, int] = {}
    log_loss: dict[str, float | None] = {}
    confusion: dict[str, list[list[int]]] = {}
    for part in PARTS:
        rows = np.flatnonzero(table.frame["part"] == part)
        truth, predicted = table.true_class[rows], table.predicted_class[rows]
        matrix = np.zeros((n_classes, n_classes), dtype=np.int64)
        np.add.at(matrix, (truth, predicted), 1)
        # A probability printed as 0 is below 1e-16, not impossible.
        of_truth = np.maximum(table.probabilities[rows, truth], 1e-16)
        counts[part] = len(rows)
        log_loss[part] = float(-np.log(of_truth).mean()) if len(rows) else None
        confusion[part] = matrix.tolist()
    return {
        "accuracy": accuracy_by_part(table),
        "classes": list(table.classes),
        "confusion": confusion,
        "log_loss": log_loss,
        "n": counts,
    }


def _class_index(names: pd.Series[str], classes: Sequence[str]) -> NDArray[np.int64]:
    index = {name: position for position, name in enumerate(classes)}
    return np.array([index[name] for name in names], dtype=np.int64)


def _validated(frame: pd.DataFrame, where: str | Path) -> PredictionTable:
    columns = [name for name in frame.columns if name.startswith(_PROBABILITY)]
    expected = ["map_id", "part", *_CLASS_COLUMNS, *columns]
    if list(frame.columns) != expected:
        raise BadInputError(
            f"columns are {list(frame.columns)}",
            where=where,
            allowed="map_id, part, prior_strain, prior_strain_predicted, p_prior_<class>...",
        )
    try:
        probabilities = frame[columns].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise BadInputError(f"holds what is no number ({error})", where=where) from error
    names = checked_classes([name.removeprefix(_PROBABILITY) for name in columns])
    if frame["map_id"].duplicated().any():
        twice = frame["map_id"][frame["map_id"].duplicated()].iloc[0]
        raise BadInputError(f"map {twice} comes twice", where=where)
    unknown = set(frame["part"]) - set(PARTS)
    if unknown:
        raise BadInputError(f"parts {sorted(map(str, unknown))}", where=where, allowed=str(PARTS))
    for column in _CLASS_COLUMNS:
        strange = set(frame[column]) - set(names)
        if strange:
            raise BadInputError(
                f"{column} {sorted(map(str, strange))} is no class",
                where=where,
                allowed=", ".join(names),
            )
    sums = probabilities.sum(axis=1)
    bad = ~(np.abs(sums - 1) < _SUM_TOLERANCE) | (probabilities < 0).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise BadInputError(
            f"probabilities of map {frame['map_id'].iloc[row]} are {probabilities[row].tolist()}",
            where=where,
            allowed="finite, not negative, sum 1",
        )
    table = PredictionTable(frame, names, probabilities)
    chosen = probabilities[np.arange(len(frame)), table.predicted_class]
    wrong = np.flatnonzero(chosen < probabilities.max(axis=1) - _SUM_TOLERANCE)
    if len(wrong):
        raise BadInputError(
            f"prior_strain_predicted of map {frame['map_id'].iloc[wrong[0]]} is not the most "
            "probable class",
            where=where,
        )
    return table
