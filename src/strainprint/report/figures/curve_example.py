"""Figure 4: the true and the predicted stress-strain curve of one test map."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from strainprint.curves.bands import FEWEST_SPECIMENS
from strainprint.report.figures.style import COLUMN_IN, Plate, empty_plate
from strainprint.report.wording import (
    class_label,
    counted,
    method_label,
    slip_label,
    width_label,
)

_TRUE, _PREDICTED = "#d55e00", "#0072b2"
BAND_LABEL = "10–90 % band"


def median_map(errors: pd.DataFrame, method: str) -> str | None:
    """Return the test map whose relative RMSE is the (lower) median for a method, None if none.

    An example chosen by rule: neither the best nor the worst.
    """
    chosen = errors[(errors["method"] == method) & errors["relative_rmse"].notna()]
    if chosen.empty:
        return None
    ordered = chosen.sort_values(["relative_rmse", "map_id"], kind="stable")
    return str(ordered["map_id"].iloc[(len(ordered) - 1) // 2])


def conformal_band(
    bands: pd.DataFrame, map_id: str, method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the limits of a map's conformal band in MPa, None where there is none."""
    columns = [f"{method}_conformal_{end}_mpa" for end in ("low", "high")]
    if not set(columns) <= set(bands.columns):
        return None
    here = bands[bands["map_id"] == map_id].sort_values("strain", kind="stable")
    low, high = (here[column].to_numpy(dtype=np.float64) for column in columns)
    return (low, high) if np.isfinite(low).any() else None


def band_words(shown: bool) -> str:
    """Say in a caption what a band is, or why there is none."""
    if not shown:
        return (
            f"No band: that takes {FEWEST_SPECIMENS} training specimens with a neighbour of "
            "another specimen."
        )
    return (
        "The band runs from the 10 to the 90 % limit of the errors on training specimens left out "
        "one at a time (conformal): at each strain it should hold 80 % of new specimens."
    )


def draw_curve_example(
    curves: pd.DataFrame,
    bands: pd.DataFrame,
    errors: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    method: str,
    study: str,
    split: str,
) -> Plate:
    """Draw both curves up to the small reload strain (dashed) and up to the large one (solid).

    Parameters
    ----------
    curves
        ``curves.csv`` with a column ``{method}_mpa``.
    bands
        ``bands.csv``; its conformal band of the method is drawn where there is one.
    errors
        ``errors.csv``; its median map is the one drawn.
    manifest
        The dataset's manifest.
    method
        E.g. ``k5``.
    study, split
        For the caption.
    """
    title = "A predicted stress–strain curve"
    name = median_map(errors, method)
    if name is None:
        message = "No test map with a small reload: no curve to predict."
        return empty_plate(title, message)
    facts = manifest[manifest["map_id"] == name].iloc[0]
    curve = curves[curves["map_id"] == name].sort_values("strain", kind="stable")
    strain = 100 * curve["strain"].to_numpy()
    seen = 100 * float(facts["reload_strain"])
    limits = conformal_band(bands, name, method)
    early = strain <= seen * (1 + 1e-9)
    last = max(int(early.sum()) - 1, 0)
    figure = Figure(figsize=(COLUMN_IN, 2.4))
    axes = figure.add_subplot()
    for column, colour, label in (
        ("true_mpa", _TRUE, "true"),
        (f"{method}_mpa", _PREDICTED, method_label(method)),
    ):
        stress = curve[column].to_numpy()
        axes.plot(strain[last:], stress[last:], color=colour, lw=1.0)
        axes.plot(strain[early], stress[early], "--", color=colour, lw=1.6)
        axes.plot([], [], color=colour, label=label)
    if limits is not None:
        axes.fill_between(strain, *limits, color=_PREDICTED, alpha=0.16, lw=0, label=BAND_LABEL)
    axes.axvline(seen, color="0.75", lw=0.6, zorder=0)
    axes.annotate(
        "what the map saw",
        (seen, 0.03),
        xycoords=("data", "axes fraction"),
        xytext=(3, 0),
        textcoords="offset points",
        color="0.45",
        fontsize=6.5,
    )
    axes.set_xlabel("reload strain (%)")
    axes.set_ylabel("stress (MPa)")
    axes.set_xlim(0, float(strain[-1]))
    axes.set_ylim(0, None)
    # Above the axes: inside, one of the curves would run through it.
    figure.legend(loc="outside upper center", ncols=2)
    chosen = errors[errors["method"] == method]
    error = float(chosen.loc[chosen["map_id"] == name, "relative_rmse"].iloc[0])
    what = (
        f"{width_label(float(facts['width_nm']))}, {slip_label(int(facts['slip_systems']))}, "
        f"prior strain {class_label(facts['strain_path'])}"
    )
    return Plate(
        figure,
        title,
        f"Test map {name} ({what}): true curve and the prediction of {method_label(method)}; "
        f"dashed up to the small reload that the map recorded, solid beyond. Chosen by rule: its "
        f"relative RMSE ({100 * error:.1f} %) is the median of all test maps with a small reload. "
        f"{band_words(limits is not None)} Study {study}, split {split}. "
        f"Compare Figure 4 of the paper.",
        f"True and predicted stress against reload strain of one map; relative error "
        f"{100 * error:.1f} %.",
        f"1 map of {counted(int(chosen['relative_rmse'].notna().sum()), 'test map')}",
    )
