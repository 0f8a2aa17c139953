"""Reload curves of all specimens by width and slip: median and 10-90 % band of each class."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from strainprint.dataset.manifest import classes_of
from strainprint.report.figures.style import COLUMN_IN, Plate, class_colour, label_once, say_empty
from strainprint.report.wording import class_label, counted, slip_label, width_label


def draw_stress_strain(
    strain: NDArray[np.float64],
    stress_mpa: NDArray[np.float64],
    paths: pd.DataFrame,
    *,
    study: str,
    split: str,
) -> Plate:
    """Draw a panel for each width (row) and slip (column).

    Parameters
    ----------
    strain
        Common strain grid, shape (n_points,).
    stress_mpa
        Reload curves, shape (n_paths, n_points); one for each specimen and prior strain.
    paths
        ``width_nm``, ``slip_systems``, ``label`` and ``strain_path`` of each curve, shape
        (n_paths,).
    study, split
        For the caption; the curves are the same in every study and split.
    """
    widths = sorted(paths["width_nm"].unique(), reverse=True)
    slips = sorted(paths["slip_systems"].unique())
    classes = classes_of(paths)
    figure = Figure(figsize=(COLUMN_IN, 1.15 * len(widths) + 0.65))
    grid = figure.subplots(len(widths), len(slips), squeeze=False, sharex=True, sharey="row")
    smallest = len(paths)
    for (row, column), axes in np.ndenumerate(grid):
        here = (
            (paths["width_nm"] == widths[row]) & (paths["slip_systems"] == slips[column])
        ).to_numpy()
        if row == 0:
            axes.set_title(slip_label(slips[column]))
        if not here.any():
            say_empty(axes, "no specimen left")
            continue
        for label, name in enumerate(classes):
            chosen = stress_mpa[here & (paths["label"] == label).to_numpy()]
            if not len(chosen):
                continue
            smallest = min(smallest, len(chosen))
            low, middle, high = np.quantile(chosen, [0.1, 0.5, 0.9], axis=0)
            axes.fill_between(100 * strain, low, high, color=class_colour(label), alpha=0.18, lw=0)
            axes.plot(100 * strain, middle, color=class_colour(label), label=class_label(name))
        axes.set_xlim(0, 100 * float(strain[-1]))
        axes.locator_params(axis="x", nbins=2)
        y = f"{width_label(widths[row])}\nstress (MPa)"
        label_once(axes, row, column, len(widths), x="reload strain (%)", y=y)
    for axes in grid[:, 0]:  # once both panels of a row have set its upper end
        axes.set_ylim(0, None)
    handles, names = next(
        (found for a in grid.flat if (found := a.get_legend_handles_labels())[0]), ([], [])
    )
    figure.legend(
        handles,
        names,
        loc="outside upper center",
        ncols=max(len(names), 1),
        title="prior strain",
        title_fontsize=7,
    )
    return Plate(
        figure,
        "Reload curves",
        f"Median stress on reload and the band of the middle 80 % of specimens, by prior strain, "
        f"width (rows, each with its own stress axis) and slip systems (columns). "
        f"The curves are the same in every study and split (drawn for {study}, {split}).",
        f"Stress against reload strain for {len(widths)} widths, by prior strain.",
        f"{counted(len(paths), 'curve')}, at least {smallest} in each band",
    )
