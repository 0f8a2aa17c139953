"""How far the ensembles' probabilities can be believed, for every study and split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from strainprint.experiment_record import write_experiment
from strainprint.experiments.judging import coverage_of_calibration
from strainprint.files import read_json
from strainprint.networks.calibration import BINS, FORMAT, reliability_rows


def gather_calibrations(
    calibrations: Mapping[tuple[str, str], str | Path],
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    seed: int,
    resamples: int,
) -> None:
    """Write the calibration of every study and split as one experiment.

    Parameters
    ----------
    calibrations
        The ``calibration.json`` of each ensemble, by study and split.
    table_csv, summary_json
        Outputs, see :func:`strainprint.experiment_record.write_experiment`; the summary's results
        hold the reliability of the test maps before and after the temperature.
    seed, resamples
        Of the bootstrap over specimens.

    Raises
    ------
    BadInputError
        A file is missing or damaged.
    """
    rows: list[dict[str, Any]] = []
    diagrams: list[dict[str, Any]] = []
    level = 0.0
    for (study, split), path in calibrations.items():
        content = read_json(path, expected_format=FORMAT)
        level, test = content["level"], content["parts"]["test"]
        validation = content["parts"]["validation"]
        rows.append(
            {
                "study": study,
                "split": split,
                "validation_maps": validation["maps"],
                "validation_specimens": validation["specimens"],
                "maps": test["maps"],
                "specimens": test["specimens"],
                "temperature": content["temperature"],
                "ece_before": test["before"]["ece"],
                "ece_after": test["after"]["ece"],
                "log_loss_before": test["before"]["log_loss"],
                "log_loss_after": test["after"]["log_loss"],
                "threshold": content["threshold"],
                **coverage_of_calibration(test, seed=seed, resamples=resamples),
            }
        )
        diagrams += reliability_rows(test, study=study, split=split)
    write_experiment(
        table_csv,
        summary_json,
        name="calibration",
        table=pd.DataFrame(rows),
        n={"test_maps": sum(row["maps"] for row in rows)},
        settings={"level": level, "bins": BINS},
        results={"reliability": diagrams},
    )
