"""How much of the memory a digital image correlation still sees, by its strain gauge and noise."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strainprint.dataset.manifest import read_manifest
from strainprint.errors import BadInputError
from strainprint.experiment_record import write_experiment
from strainprint.experiments.judging import accuracy_columns
from strainprint.files import read_json
from strainprint.report.inputs import read_judged_model

NO_INSTRUMENT = "none"
"""Name of the row in which strain is taken as the simulator knows it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeenBy:
    """The files of one study, measured by one instrument.

    ``noise_px`` is that of the instrument, 0 without one.
    """

    instrument: str
    noise_px: float
    manifest_csv: str | Path
    crops_json: str | Path
    predictions_csv: str | Path


def compare_instruments(
    seen: Sequence[SeenBy],
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    seed: int,
    resamples: int,
    settings: Mapping[str, Any],
) -> None:
    """Write how well networks trained and tested on each instrument's maps name the prior strain.

    One row for each instrument and width: gauge_nm, gauge_over_width, noise_px, accuracy on the
    test maps with its interval, and ``chance``, the share of the commonest class.

    Parameters
    ----------
    seen
        The studies. They share the specimens and their split.
    table_csv, summary_json
        Outputs, see :func:`strainprint.experiment_record.write_experiment`.
    seed, resamples
        Of the bootstrap over specimens.
    settings
        Study, split and network, for the record.

    Raises
    ------
    BadInputError
        A table is damaged, or studies test different maps.
    """
    rows: list[dict[str, Any]] = []
    tested: list[str] | None = None
    specimens = 0
    for one in seen:
        manifest = read_manifest(one.manifest_csv)
        test = read_judged_model(one.instrument, one.predictions_csv, manifest).test
        names = sorted(test["map_id"])
        if tested is None:
            tested, specimens = names, int(test["specimen_id"].nunique())
        elif names != tested:
            raise BadInputError("tests other maps than the first study", where=one.predictions_csv)
        gauge_nm = _gauge_nm(one.crops_json)
        for width_nm in np.unique(test["width_nm"].to_numpy(dtype=np.float64)).tolist():
            of_width = test[test["width_nm"] == width_nm]
            rows.append(
                {
                    "instrument": one.instrument,
                    "gauge_nm": gauge_nm,
                    "noise_px": one.noise_px,
                    "width_nm": width_nm,
                    "gauge_over_width": gauge_nm / width_nm,
                    **accuracy_columns(
                        of_width["correct"], of_width["specimen_id"], seed=seed, resamples=resamples
                    ),
                    "chance": float(of_width["label"].value_counts(normalize=True).max()),
                }
            )
            _log.info("%s, %g nm: accuracy %s", one.instrument, width_nm, rows[-1]["accuracy"])
    write_experiment(
        table_csv,
        summary_json,
        name="instrument",
        table=pd.DataFrame(rows),
        n={"test_maps": len(tested or []), "test_specimens": specimens},
        settings=settings,
    )


def _gauge_nm(crops_json: str | Path) -> float:
    try:
        return float(read_json(crops_json)["gauge_nm"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError("key 'gauge_nm' is missing or no number", where=crops_json) from error
