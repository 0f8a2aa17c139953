"""Figure 4: the true and the predicted stress-strain curve of one test map."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from strainprint.report.figures.style import COLUMN_IN, Plate, empty_figure
from strainprint.report.wording import (
    class_label,
    counted,
    method_label,
    slip_label,
    width_label,
)

_TRUE, _PREDICTED = "#d55e00", "#0072b2"


def median_map(errors: pd.DataFrame, method: str) -> str | None:
    """Return the test map whose relative RMSE is the (lower) median for a method, None if none.

    An example chosen by rule: neither the best nor the worst.
    """
    chosen = errors[(errors["method"] == method) & errors["relative_rmse"].notna()]
    if chosen.empty:
        return None
    ordered = chosen.sort_values(["relative_rmse", "map_id"], kind="stable")
    return str(ordered["map_id"].iloc[(len(ordered) - 1) // 2])


def draw_curve_example(
    curves: pd.DataFrame,
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
        return Plate(empty_figure(message), title, message, message)
    facts = manifest[manifest["map_id"] == name].iloc[0]
    curve = curves[curves["map_id"] == name].sort_values("strain", kind="stable")
    strain = 100 * curve["strain"].to_numpy()
    seen = 100 * float(facts["reload_strain"])
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
    axes.set_xlim(0, None)
    axes.set_ylim(0, None)
    axes.legend(loc="lower right")
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
        f"relative RMSE ({100 * error:.1f} %) is the median of "
        f"{counted(len(chosen), 'test map')} with a small reload. Study {study}, split {split}. "
        f"Compare Figure 4 of the paper.",
        f"True and predicted stress against reload strain of one map; relative error "
        f"{100 * error:.1f} %.",
    )
