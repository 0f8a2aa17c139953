"""The table of the correlation baseline's variants: which were tried, and what each reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from strainprint.errors import BadInputError
from strainprint.report import paper
from strainprint.report.inputs import ReportInputs, read_table
from strainprint.report.statistics import (
    FEWEST_SPECIMENS,
    NOT_KNOWN,
    accuracy_interval,
    bootstrap_difference,
    mcnemar_exact,
    specimen_resamples,
    wilson_interval,
)

_VARIANT_COLUMNS = (
    *("variant", "input", "window", "largest_row_lag_nm", "largest_column_lag_nm", "classifier"),
    *("components", "setting", "explained_variance", "cross_validation_accuracy", "chosen"),
    "untrained_classes",
)
_PREDICTION_COLUMNS = ("map_id", "part", "prior_strain")


def baseline_tables(inputs: ReportInputs) -> dict[str, pd.DataFrame]:
    """Return ``baseline_variants``: one row for each input, window and classifier.

    ``chosen`` marks the variant with the best cross-validation on training maps, the baseline of
    Table 1; the test maps had no say. ``minus_chosen`` is paired on the same test maps. The paper's
    accuracy stands beside random forests on PyMKS' window, which is what it describes.

    Raises
    ------
    BadInputError
        A table is missing or damaged, or tables do not fit together.
    """
    variants_csv = inputs.baseline / "variants.csv"
    variants = read_table(variants_csv, _VARIANT_COLUMNS)
    said = read_table(inputs.baseline / "variant_predictions.csv", _PREDICTION_COLUMNS)
    said = said.astype(str)
    missing = [name for name in variants["variant"] if name not in said.columns]
    if missing or int(variants["chosen"].sum()) != 1:
        raise BadInputError(
            f"variants without predictions: {missing}, chosen: {int(variants['chosen'].sum())}",
            where=variants_csv,
            allowed="predictions of every variant, one chosen",
            way_out="re-run the rule `forest`",
        )
    test = said[said["part"] == "test"].merge(
        inputs.manifest[["map_id", "specimen_id", "strain_path"]], on="map_id", how="left"
    )
    if test["specimen_id"].isna().any() or (test["prior_strain"] != test["strain_path"]).any():
        raise BadInputError(
            "predictions name other maps or classes than the manifest",
            where=inputs.baseline,
            way_out="re-run the rule `forest`",
        )
    specimens = test["specimen_id"].to_numpy()
    n_specimens = len(set(specimens))
    weights = specimen_resamples(
        specimens, seed=inputs.bootstrap_seed("baseline variants"), resamples=inputs.resamples
    )
    right_of = {
        name: (test[name] == test["prior_strain"]).to_numpy(dtype=bool)
        for name in variants["variant"]
    }
    chosen = right_of[str(variants.loc[variants["chosen"] == 1, "variant"].iloc[0])]
    rows = []
    for facts in variants.to_dict("records"):
        right = right_of[str(facts["variant"])]
        interval, method = accuracy_interval(right, specimens, weights)
        wilson = wilson_interval(int(right.sum()), len(right))
        same = facts["chosen"] == 1
        known = not same and n_specimens >= FEWEST_SPECIMENS
        difference = bootstrap_difference(right, chosen, weights) if known else NOT_KNOWN
        as_in_paper = facts["classifier"] == "forest" and facts["window"] == "pymks"
        row: dict[str, Any] = {
            **{str(name): value for name, value in facts.items()},
            "n_test": len(right),
            "n_specimens": n_specimens,
            "correct": int(right.sum()),
            "accuracy": float(right.mean()),
            "ci_low": interval.low,
            "ci_high": interval.high,
            "ci_method": method,
            "wilson_low": wilson.low,
            "wilson_high": wilson.high,
            "minus_chosen": np.nan if same else float(right.mean() - chosen.mean()),
            "minus_chosen_low": difference.low,
            "minus_chosen_high": difference.high,
            "mcnemar_p_chosen": np.nan if same else mcnemar_exact(right, chosen),
            "paper_accuracy": paper.accuracy("baseline") if as_in_paper else np.nan,
        }
        rows.append(row)
    return {"baseline_variants": pd.DataFrame(rows)}
