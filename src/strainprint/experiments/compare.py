"""Models compared on one test set, map by map; a model may be the average of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.dataset.manifest import read_manifest
from strainprint.errors import BadInputError
from strainprint.experiment_record import write_experiment
from strainprint.experiments.judging import comparison_row
from strainprint.networks.predictions import PredictionTable, read_predictions


def correct_of_average(
    members: Sequence[str | Path],
) -> tuple[PredictionTable, NDArray[np.bool_], NDArray[np.int64]]:
    """Return the first member's table, whether the average names each test map rightly, their rows.

    Raises
    ------
    BadInputError
        There is no member, or they differ in maps, parts or classes.
    """
    if not members:
        raise BadInputError("a model needs a prediction table", allowed="one or more")
    tables = [read_predictions(path) for path in members]
    first = tables[0]
    for path, one in zip(members, tables, strict=True):
        same = one.classes == first.classes and all(
            one.frame[column].tolist() == first.frame[column].tolist()
            for column in ("map_id", "part", "prior_strain")
        )
        if not same:
            raise BadInputError(
                f"maps, parts or classes differ from those of {members[0]}", where=path
            )
    rows = np.flatnonzero(first.frame["part"] == "test")
    averaged = np.mean([one.probabilities[rows] for one in tables], axis=0)
    return first, averaged.argmax(axis=1) == first.true_class[rows], rows


def compare_models(
    manifest_csv: str | Path,
    models: Mapping[str, Sequence[str | Path]],
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    name: str,
    seed: int,
    resamples: int,
    settings: Mapping[str, Any],
) -> None:
    """Write the accuracy of models on one test set, and how each differs from the first.

    Parameters
    ----------
    manifest_csv
        The dataset's manifest.
    models
        Prediction tables by the model's name; several tables are averaged, as an ensemble is.
    table_csv, summary_json
        Outputs, see :func:`strainprint.experiment_record.write_experiment`.
    name
        The experiment.
    seed, resamples
        Of the bootstrap over specimens.
    settings
        For the record.

    Raises
    ------
    BadInputError
        A table is damaged, or the models were not judged on the same maps.
    """
    specimen_of = read_manifest(manifest_csv).set_index("map_id")["specimen_id"]
    rows: list[dict[str, Any]] = []
    reference: NDArray[np.bool_] | None = None
    maps: list[str] = []
    for model, members in models.items():
        table, correct, test = correct_of_average(members)
        names = table.frame["map_id"].iloc[test].tolist()
        if reference is None:
            reference, maps = correct, names
        if names != maps or not set(names) <= set(specimen_of.index):
            raise BadInputError(
                "was judged on other maps", where=members[0], way_out="re-run the experiment"
            )
        specimens = specimen_of.loc[names].to_numpy()
        rows.append(
            comparison_row(
                model,
                len(members),
                correct,
                reference,
                specimens,
                seed=seed,
                resamples=resamples,
            )
        )
    write_experiment(
        table_csv,
        summary_json,
        name=name,
        table=pd.DataFrame(rows),
        n={"test_maps": rows[0]["maps"], "test_specimens": rows[0]["specimens"]},
        settings=settings,
    )
