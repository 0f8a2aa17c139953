"""Figure 5: curves predicted from 1, 5 and 10 neighbours, from wide to narrow specimens."""

from __future__ import annotations

import re

import pandas as pd
from matplotlib.figure import Figure

from strainprint.dataset.manifest import classes_of
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


def paper_cases(manifest: pd.DataFrame) -> list[tuple[float, int]]:
    """Return three (width in nm, label): wide and high, middle and medium, narrow and low.

    The paper shows 2 µm with 10 %, 1 µm with 1 % and 0.125 µm with 0.1 %.
    """
    widths = sorted((float(w) for w in manifest["width_nm"].unique()), reverse=True)
    labels = sorted((int(label) for label in manifest["label"].unique()), reverse=True)
    cases = [
        (widths[w], labels[c]) for w, c in zip(_ends(len(widths)), _ends(len(labels)), strict=True)
    ]
    return list(dict.fromkeys(cases))


def _ends(count: int) -> tuple[int, int, int]:
    """Return the first, the middle and the last index of ``count`` values."""
    return 0, (count - 1) // 2, count - 1


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
    classes = classes_of(manifest)
    middle = counts[len(counts) // 2]
    of_map = manifest.set_index("map_id")
    figure = Figure(figsize=(COLUMN_IN, 1.05 * len(cases) + 0.55))
    grid = figure.subplots(len(cases), len(counts), squeeze=False, sharex=True, sharey="row")
    shown = []
    of_errors = of_map.loc[errors["map_id"]].set_index(errors.index)
    for row, (width, label) in enumerate(cases):
        cell = errors[(of_errors["width_nm"] == width) & (of_errors["label"] == label)]
        name = median_map(cell, f"k{middle}")
        case = f"{width_label(width)}, {class_label(classes[label])}"
        for column, k in enumerate(counts):
            axes = grid[row, column]
            if row == 0:
                axes.set_title(f"k = {k}")
            if name is None:
                say_empty(axes, f"no test map of\n{case}")
                continue
            curve = curves[curves["map_id"] == name].sort_values("strain", kind="stable")
            x = 100 * curve["strain"]
            axes.plot(x, curve["true_mpa"], color="0.35", lw=0.9, label="true")
            axes.plot(x, curve[f"k{k}_mpa"], color=class_colour(label), label="predicted")
            axes.set_xlim(0, None)
            y = f"{case}\nstress (MPa)"
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
