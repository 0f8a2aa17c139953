"""Leave one width, or one number of slip systems, out of the training and test on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strainprint.dataset.manifest import read_manifest
from strainprint.dataset.splits import part_of_specimen
from strainprint.errors import BadInputError
from strainprint.experiment_record import write_experiment
from strainprint.experiments.judging import accuracy_columns, difference_columns
from strainprint.files import write_csv
from strainprint.report.inputs import read_judged_model

KINDS = {"width": "width_nm", "slip": "slip_systems"}
"""Column of the manifest behind the first word of a left-out group's name, ``width-62.5``."""

_log = logging.getLogger(__name__)


def left_out(name: str) -> tuple[str, float]:
    """Return column and value of a left-out group, ``width-62.5`` -> ``("width_nm", 62.5)``.

    Raises
    ------
    BadInputError
        The name is of another form.
    """
    kind, _, value = name.partition("-")
    try:
        return KINDS[kind], float(value)
    except (KeyError, ValueError) as error:
        raise BadInputError(
            f"left-out group {name!r}", allowed="width-NUMBER or slip-NUMBER"
        ) from error


def split_leaving_out(
    manifest_csv: str | Path, out_csv: str | Path, *, name: str, seed: int, train_fraction: float
) -> pd.DataFrame:
    """Write a split table whose test part is one group of specimens; return it.

    The other specimens are dealt out to training and validation within their subset, as the split
    by specimen does.

    Parameters
    ----------
    manifest_csv, out_csv
        The dataset's manifest, and the table (map_id, specimen_id, part) to write.
    name
        The group, ``width-62.5`` or ``slip-2``.
    seed, train_fraction
        Of the dealing out.

    Raises
    ------
    BadInputError
        The group is empty, or nothing is left to train and validate.
    """
    manifest = read_manifest(manifest_csv)
    column, value = left_out(name)
    tests = manifest[column] == value
    if not tests.any() or tests.all():
        raise BadInputError(
            f"{int(tests.sum())} of {len(tests)} maps belong to the left-out group {name}",
            where=manifest_csv,
            allowed="some, but not all",
            way_out="list two or more widths or slip systems, or take leave_out off experiments",
        )
    table = manifest[["map_id", "specimen_id"]].copy()
    dealt = [
        _train_or_validate(number, subset, seed=seed, train_fraction=train_fraction)
        for number, subset in zip(manifest["specimen"], manifest["subset"], strict=True)
    ]
    table["part"] = np.where(tests, "test", dealt)
    write_csv(out_csv, table)
    return table


def _train_or_validate(number: int, subset: str, *, seed: int, train_fraction: float) -> str:
    dealt = part_of_specimen(
        number,
        stratum=(subset,),
        seed=seed,
        test_fraction=1 - train_fraction,
        train_fraction=train_fraction,
    )
    # Another group tests: who would have been dealt to test validates instead.
    return "validation" if dealt == "test" else "train"


def leave_out(
    manifest_csv: str | Path,
    groups: Mapping[str, str | Path],
    standard_csv: str | Path,
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    seed: int,
    resamples: int,
    settings: Mapping[str, Any],
) -> None:
    """Write how well networks name the prior strain of a group that they never saw.

    Each is compared, on the test maps that both share, with the network trained on every group.

    Parameters
    ----------
    manifest_csv
        The dataset's manifest.
    groups
        Predictions of the network trained without a group, by the group's name.
    standard_csv
        Predictions of the same network trained on all groups, split by specimen.
    table_csv, summary_json
        Outputs, see :func:`strainprint.experiment_record.write_experiment`.
    seed, resamples
        Of the bootstrap over specimens.
    settings
        Study, split and network, for the record.

    Raises
    ------
    BadInputError
        A table is damaged or belongs to another dataset.
    """
    manifest = read_manifest(manifest_csv)
    standard = read_judged_model("standard", standard_csv, manifest).test
    rows = []
    for name, path in groups.items():
        column, value = left_out(name)
        unseen = read_judged_model(name, path, manifest).test
        both = unseen.merge(standard[["map_id", "correct"]], on="map_id", suffixes=("", "_seen"))
        chance = unseen["label"].value_counts(normalize=True).max()
        drawn = {"seed": seed, "resamples": resamples}
        rows.append(
            {
                "left_out": column,
                "value": value,
                **accuracy_columns(unseen["correct"], unseen["specimen_id"], **drawn),
                "chance": float(chance),
                "shared_maps": len(both),
                "accuracy_unseen": float(both["correct"].mean()),
                "accuracy_seen": float(both["correct_seen"].mean()),
                **difference_columns(
                    both["correct"], both["correct_seen"], both["specimen_id"], **drawn
                ),
            }
        )
        _log.info("without %s: %s", name, rows[-1])
    write_experiment(
        table_csv,
        summary_json,
        name="leave_out",
        table=pd.DataFrame(rows),
        n={"maps": len(manifest), "specimens": int(manifest["specimen_id"].nunique())},
        settings=settings,
    )
