"""Figure 5: curves predicted from 1, 5 and 10 neighbours, from wide to narrow specimens."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from strainprint.report.figures.curve_example import median_map
from strainprint.report.figures.style import (
    COLUMN_IN,
    Plate,
    class_colour,
    empty_figure,
    label_once,
    say_empty,
)
from strainprint.report.wording import class_label, counted, width_label

_NEIGHBOURS = re.compile(r"k(\d+)_mpa")


def neighbour_counts(curves: pd.DataFrame) -> list[int]:
    """Return the k of every column ``k<k>_mpa``, ascending."""
    found = (_NEIGHBOURS.fullmatch(str(column)) for column in curves.columns)
    return sorted(int(match[1]) for match in found if match)


def paper_cases(manifest: pd.DataFrame) -> list[tuple[float, float]]:
    """Return three (width in nm, prior strain): wide and high, middle and medium, narrow and low.

    The paper shows 2 µm with 10 %, 1 µm with 1 % and 0.125 µm with 0.1 %.
    """
    widths = sorted((float(w) for w in manifest["width_nm"].unique()), reverse=True)
    strains = sorted((float(s) for s in manifest["prior_strain"].unique()), reverse=True)
    return list(dict.fromkeys(zip(_ends(widths), _ends(strains), strict=True)))


def _ends(values: Sequence[float]) -> list[float]:
    return [values[0], values[(len(values) - 1) // 2], values[-1]]


def draw_curve_neighbours(
    curves: pd.DataFrame,
    errors: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    study: str,
    split: str,
) -> Plate:
    """Draw a row for each of the paper's cases and a column for each number of neighbours.

    In every row the map is the one whose relative RMSE (at the middle k) is the median of its
    width and class. Arguments as in :func:`draw_curve_example`.
    """
    title = "Curves from 1, 5 and 10 neighbours"
    counts = neighbour_counts(curves)
    if curves.empty or not counts:
        message = "No test map with a small reload: no curve to predict."
        return Plate(empty_figure(message), title, message, message)
    cases = paper_cases(manifest)
    strains = sorted(float(s) for s in manifest["prior_strain"].unique())
    middle = counts[len(counts) // 2]
    of_map = manifest.set_index("map_id")
    figure = Figure(figsize=(COLUMN_IN, 1.05 * len(cases) + 0.55))
    grid = figure.subplots(len(cases), len(counts), squeeze=False, sharex=True, sharey="row")
    shown = []
    widths_of_errors = errors["map_id"].map(of_map["width_nm"])
    for row, (width, strain) in enumerate(cases):
        cell = errors[(widths_of_errors == width) & np.isclose(errors["prior_strain"], strain)]
        name = median_map(cell, f"k{middle}")
        for column, k in enumerate(counts):
            axes = grid[row, column]
            if row == 0:
                axes.set_title(f"k = {k}")
            if name is None:
                say_empty(axes, f"no test map of\n{width_label(width)}, {class_label(strain)}")
                continue
            curve = curves[curves["map_id"] == name].sort_values("strain", kind="stable")
            x = 100 * curve["strain"]
            axes.plot(x, curve["true_mpa"], color="0.35", lw=0.9, label="true")
            axes.plot(
                x, curve[f"k{k}_mpa"], color=class_colour(strains.index(strain)), label="predicted"
            )
            axes.set_xlim(0, None)
            y = f"{width_label(width)}, {class_label(strain)}\nstress (MPa)"
            label_once(axes, row, column, len(cases), x="strain (%)", y=y)
            axes.yaxis.label.set_fontsize(7)
        if name is not None:
            grid[row, 0].set_ylim(0, None)
            n = len(cell[cell["method"] == f"k{middle}"])
            shown.append(f"{name} (median of {counted(n, 'map')})")
    drawn = next((a for a in grid.flat if a.get_legend_handles_labels()[0]), None)
    if drawn is not None:
        handles, _ = drawn.get_legend_handles_labels()
        figure.legend(
            handles,
            ["true", "mean of k neighbours (colour of its class)"],
            loc="outside upper center",
            ncols=2,
        )
    return Plate(
        figure,
        title,
        f"True curve (grey) and the mean curve of the k nearest training maps in the network's "
        f"features, for {counted(len(shown), 'test map')} from wide to narrow: "
        f"{'; '.join(shown) or 'none'}. Colour is the class. Study {study}, split {split}. "
        f"Compare Figure 5 of the paper.",
        f"Stress against strain in {len(cases)} rows and {len(counts)} columns, true and "
        f"predicted.",
    )
