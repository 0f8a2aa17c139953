"""Strength against width: yield, flow stress, their scatter, and the exponents fitted to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from strainprint.curves.strength import relative_scatter, scatter_exponent, size_exponent
from strainprint.errors import BadInputError
from strainprint.report import paper
from strainprint.report.inputs import ReportInputs
from strainprint.report.statistics import FEWEST_SPECIMENS
from strainprint.seeds import derive_seed

MEASURES = {"yield_mpa": "yield", "flow_mpa": "flow"}
"""Columns of ``strengths.csv`` and what the tables call them."""


def size_effect_tables(inputs: ReportInputs) -> dict[str, pd.DataFrame]:
    """Return the tables of this module by their file's stem."""
    drawn = {"seed": inputs.bootstrap_seed("size effect"), "resamples": inputs.resamples}
    return {
        "strengths": strength_table(inputs.strengths, **drawn),
        "strength_exponents": exponent_table(inputs.strengths, **drawn),
    }


def strength_table(strengths: pd.DataFrame, *, seed: int, resamples: int) -> pd.DataFrame:
    """Return yield and flow stress of the virgin specimens and their scatter, by width and slip.

    ``scatter`` is standard deviation over mean of the specimens, with a bootstrap interval; a cell
    without one says why.
    """
    rows = []
    for _, group in strengths.groupby(["slip_systems", "width_nm"], sort=True):
        slip, width = int(group["slip_systems"].iloc[0]), float(group["width_nm"].iloc[0])
        for column, measure in MEASURES.items():
            stress = group[column].to_numpy(dtype=float)
            known = stress[np.isfinite(stress)]
            scatter = relative_scatter(
                stress,
                seed=derive_seed(seed, slip, width, measure),
                resamples=resamples,
            )
            low, middle, high = np.quantile(known, [0.1, 0.5, 0.9]) if len(known) else [np.nan] * 3
            rows.append(
                {
                    "slip_systems": slip,
                    "width_nm": width,
                    "measure": measure,
                    "n": len(known),
                    "without": int((group["lost"] == 0).sum()) - len(known),
                    "lost": int(group["lost"].sum()),
                    "median_mpa": middle,
                    "p10_mpa": low,
                    "p90_mpa": high,
                    "scatter": scatter.value,
                    "scatter_low": scatter.low,
                    "scatter_high": scatter.high,
                    "note": _note(len(known), measure),
                }
            )
    return pd.DataFrame(rows)


def exponent_table(strengths: pd.DataFrame, *, seed: int, resamples: int) -> pd.DataFrame:
    """Return n of stress ~ width^n and of scatter ~ width^n, for each number of slip systems.

    Intervals are a percentile bootstrap that draws specimens anew within each width.
    """
    rows: list[dict[str, Any]] = []
    for _, group in strengths.groupby("slip_systems", sort=True):
        slip = int(group["slip_systems"].iloc[0])
        for column, measure in MEASURES.items():
            known = group.dropna(subset=column)
            by_width = {
                float(some["width_nm"].iloc[0]): some[column].to_numpy(dtype=float)
                for _, some in known.groupby("width_nm", sort=True)
            }
            for what, fit in (("stress", size_exponent), ("scatter", scatter_exponent)):
                own = derive_seed(seed, slip, measure, what)
                lead = {"slip_systems": slip, "measure": measure, "of": what}
                printed = paper.YIELD_EXPONENT if (measure, what) == ("yield", "stress") else np.nan
                note = ""
                try:
                    value, low, high = fit(by_width, seed=own, resamples=resamples)
                    if min(map(len, by_width.values())) < FEWEST_SPECIMENS and what == "stress":
                        # drawn again, one specimen is always the same: no scatter to go by
                        low = high = np.nan
                        note = "no interval: a width has fewer than three specimens"
                except BadInputError as error:
                    value = low = high = np.nan
                    note = str(error).splitlines()[0]
                rows.append(
                    {
                        **lead,
                        "widths": len(by_width),
                        "n": len(known),
                        "exponent": value,
                        "exponent_low": low,
                        "exponent_high": high,
                        "paper_exponent": printed,
                        "note": note,
                    }
                )
    return pd.DataFrame(rows)


def _note(count: int, measure: str) -> str:
    if count == 0:
        return {"yield": "no specimen yields", "flow": "no curve reaches 0.5 %"}[measure]
    if count < 3:
        return f"{'one specimen' if count == 1 else 'two specimens'}: no scatter"
    return ""
