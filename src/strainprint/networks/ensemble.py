"""The ensemble of the paper: the average of several networks' class probabilities."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from strainprint.errors import BadInputError
from strainprint.files import write_json
from strainprint.networks.predictions import (
    prediction_metrics,
    read_predictions,
    write_predictions,
)

_log = logging.getLogger(__name__)


def average_predictions(
    member_csvs: Sequence[str | Path],
    predictions_csv: str | Path,
    metrics_json: str | Path,
) -> None:
    """Average the probabilities of several ``predictions.csv`` and write table and metrics.

    Raises
    ------
    BadInputError
        There is no member, or members differ in maps, their order, parts, true classes or the
        list of classes.
    """
    if not member_csvs:
        raise BadInputError("an ensemble needs members", allowed="one prediction table or more")
    members = [read_predictions(path) for path in member_csvs]
    first = members[0]
    for path, member in zip(member_csvs, members, strict=True):
        if member.classes != first.classes:
            raise BadInputError(
                f"classes {member.classes}",
                where=path,
                allowed=f"{first.classes}, as in {member_csvs[0]}",
            )
        for column in ("map_id", "part", "prior_strain"):
            if member.frame[column].tolist() != first.frame[column].tolist():
                raise BadInputError(
                    f"column {column} differs from that of {member_csvs[0]}",
                    where=path,
                    allowed="predictions for the same maps of the same split, in one order",
                )
    probabilities = np.mean([member.probabilities for member in members], axis=0)
    maps = first.frame.rename(columns={"prior_strain": "strain_path"})
    table = write_predictions(predictions_csv, maps, maps["part"], probabilities, first.classes)
    metrics = prediction_metrics(table) | {"members": len(members)}
    write_json(metrics_json, metrics)
    _log.info("ensemble of %d: accuracy %s", len(members), metrics["accuracy"])
