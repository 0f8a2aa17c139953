"""How much of the specimens' differences a method predicts: r² against reload strain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from strainprint.report.curve_tables import curve_r2_table
from strainprint.report.figures.style import (
    COLUMN_IN,
    MUTED,
    SERIES_COLOURS,
    Plate,
    empty_plate,
    label_once,
    say_empty,
)
from strainprint.report.statistics import FEWEST_SPECIMENS
from strainprint.report.wording import counted, method_label, width_label

SHOWN = ("cv", "correlation_cv", "subset_mean")
_LINES = ("-", "--", ":")


def draw_curve_predictability(
    curves: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    seed: int,
    resamples: int,
    study: str,
    split: str,
) -> Plate:
    """Draw a panel for each width: r² over its test maps, with the interval of the first method.

    Parameters
    ----------
    curves, manifest
        ``curves.csv`` and the dataset's manifest.
    seed, resamples
        Of the bootstrap over specimens.
    study, split
        For the caption.
    """
    title = "What can be predicted, and up to which strain"
    methods = [method for method in SHOWN if f"{method}_mpa" in curves.columns]
    if curves.empty or not methods:
        message = "No test map with a small reload: no curve to predict."
        return empty_plate(title, message)
    grid_strain = np.sort(curves["strain"].unique()).astype(np.float64)
    table = curve_r2_table(
        curves,
        manifest,
        strains=grid_strain[1:],
        seed=seed,
        resamples=resamples,
        methods=methods,
        by_class=False,
    )
    widths = sorted((float(w) for w in manifest["width_nm"].unique()), reverse=True)
    columns = min(2, len(widths))
    rows = -(-len(widths) // columns)
    figure = Figure(figsize=(COLUMN_IN, 1.35 * rows + 0.75))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for place in grid.flat[len(widths) :]:
        place.set_axis_off()
    for index, width in enumerate(widths):
        row, column = divmod(index, columns)
        axes = grid[row, column]
        here = table[table["width_nm"] == f"{width:g}"]
        n = here["n_specimens"].max()
        axes.set_title(f"{width_label(width)}, {counted(int(n), 'specimen')}")
        if n < FEWEST_SPECIMENS or here["r2"].isna().all():
            say_empty(axes, "too few specimens")
            continue
        axes.axhline(0, color=MUTED, lw=0.6, zorder=0)
        for place_of, method in enumerate(methods):
            line = here[here["method"] == method]
            x, colour = 100 * line["strain"], SERIES_COLOURS[place_of]
            if place_of == 0:
                axes.fill_between(
                    x, line["r2_low"], line["r2_high"], color=colour, alpha=0.15, lw=0
                )
            axes.plot(x, line["r2"], _LINES[place_of], color=colour, label=method_label(method))
        # Far below zero every value means the same: worse than the mean.
        axes.set_ylim(-1.05, 1.05)
        axes.set_xlim(0, 100 * float(grid_strain[-1]))
        label_once(axes, row, column, rows, x="reload strain (%)", y="r² over test maps")
    handles, names = next(
        (found for a in grid.flat if (found := a.get_legend_handles_labels())[0]), ([], [])
    )
    figure.legend(handles, names, loc="outside upper center", ncols=1)
    return Plate(
        figure,
        title,
        f"r² over the test maps of one width (both slip systems, all prior strains) at each reload "
        f"strain: 1 is perfect, 0 what their own mean stress would score; values below −1 are cut "
        f"off; nothing with fewer than three specimens. Band: 95 % interval of "
        f"{method_label(methods[0])}, bootstrap over specimens. While all specimens are "
        f"elastic there is nothing to predict. "
        f"Study {study}, split {split}.",
        f"r² against reload strain for {len(widths)} widths and {len(methods)} methods.",
        f"{counted(int(curves['map_id'].nunique()), 'test map')}; specimens above each panel",
    )
