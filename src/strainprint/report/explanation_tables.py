"""Table of the checks of saliency: how far it follows the network, and how soon answers fade."""

from __future__ import annotations

import numpy as np
import pandas as pd

from strainprint.networks.saliency_checks import ORDERS
from strainprint.report.inputs import ReportInputs
from strainprint.report.statistics import NOT_KNOWN, bootstrap_median, specimen_resamples


def explanation_tables(inputs: ReportInputs) -> dict[str, pd.DataFrame]:
    """Return the checks of saliency, nothing where this split's network was not looked into."""
    explained = inputs.explanations
    if explained is None:
        return {}
    specimen = inputs.manifest.set_index("map_id")["specimen_id"]
    return {
        "saliency_randomization": _randomization_table(explained.randomization),
        "saliency_deletion": deletion_table(
            explained.deletion,
            specimen,
            seed=inputs.bootstrap_seed("deletion"),
            resamples=inputs.resamples,
        ),
    }


def _randomization_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rank correlation of saliency by kind and the part drawn anew."""
    grouped = rows.groupby(["kind", "randomized"], sort=False)["rank_correlation"]
    return pd.DataFrame(
        {
            "n": grouped.count(),
            "rank_correlation_median": grouped.median(),
            "rank_correlation_p10": grouped.quantile(0.1),
            "rank_correlation_p90": grouped.quantile(0.9),
        }
    ).reset_index()


def deletion_table(
    rows: pd.DataFrame, specimen: pd.Series[str], *, seed: int, resamples: int
) -> pd.DataFrame:
    """Return the mean probability under deletion (area under its curve) by order of blanking.

    ``minus_random`` is the median over maps of the area minus that of the random order: below 0
    the answer fades sooner. Intervals: bootstrap over specimens.

    Parameters
    ----------
    rows
        As :func:`strainprint.networks.saliency_checks.deletion_test` returns, by ``map_id``.
    specimen
        Specimen of each map, by map.
    """
    columns = [
        "order",
        "n",
        "median_area",
        *(f"minus_random{end}" for end in ("", "_low", "_high")),
    ]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    curves = rows.pivot(index=["order", "map_id"], columns="deleted_share", values="probability")
    area = pd.Series(
        np.trapezoid(curves.to_numpy(), curves.columns.to_numpy(dtype=float), axis=1), curves.index
    )
    made = []
    for order in ORDERS:
        of_order = area[order]
        less = of_order - area["random"]
        names = specimen.loc[less.index].to_numpy()
        interval = NOT_KNOWN
        if order != "random" and len(set(names)) > 1:
            weights = specimen_resamples(names, seed=seed, resamples=resamples)
            interval = bootstrap_median(less.to_numpy(), weights)
        middle = np.nan if order == "random" else float(less.median())
        made.append((order, len(less), float(of_order.median()), middle, *interval))
    return pd.DataFrame(made, columns=columns)
