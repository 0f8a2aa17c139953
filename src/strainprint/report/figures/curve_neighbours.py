"""Figure 5: curves from 1, 5 and 10 neighbours, and the same for every width and class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from strainprint.dataset.manifest import classes_of
from strainprint.report.figures.curve_example import (
    BAND_LABEL,
    band_words,
    conformal_band,
    median_map,
)
from strainprint.report.figures.style import (
    COLUMN_IN,
    Plate,
    class_colour,
    empty_plate,
    label_once,
    say_empty,
)
from strainprint.report.wording import class_label, counted, listed, method_label, width_label

_NEIGHBOURS = re.compile(r"k(\d+)_mpa")
_NOTHING = "No test map with a small reload: no curve to predict."


def neighbour_counts(curves: pd.DataFrame) -> list[int]:
    """Return the k of every column ``k<k>_mpa``, ascending."""
    found = (_NEIGHBOURS.fullmatch(str(column)) for column in curves.columns)
    return sorted(int(match[1]) for match in found if match)


def paper_cases(manifest: pd.DataFrame) -> list[tuple[float, int]]:
    """Return three (width in nm, label): wide and high, middle and medium, narrow and low.

    The paper shows 2 µm with 10 %, 1 µm with 1 % and 0.125 µm with 0.1 %: these where they are
    simulated, else the widest, a middle and the narrowest width.
    """
    simulated = {float(w) for w in manifest["width_nm"].unique()}
    widths = sorted(simulated, reverse=True)
    labels = sorted((int(label) for label in manifest["label"].unique()), reverse=True)
    chosen = [widths[i] for i in _ends(len(widths))]
    if set(_PAPER_WIDTHS_NM) <= simulated:
        chosen = list(_PAPER_WIDTHS_NM)
    cases = [(w, labels[c]) for w, c in zip(chosen, _ends(len(labels)), strict=True)]
    return list(dict.fromkeys(cases))


_PAPER_WIDTHS_NM = (2000.0, 1000.0, 125.0)


def _ends(count: int) -> tuple[int, int, int]:
    """Return the first, the middle and the last index of ``count`` values."""
    return 0, (count - 1) // 2, count - 1


def draw_curve_neighbours(
    curves: pd.DataFrame,
    bands: pd.DataFrame,
    errors: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    study: str,
    split: str,
    cases: Sequence[tuple[float, int]] = (),
) -> Plate:
    """Draw a row for each case and a column for each number of neighbours.

    In every row the map is the one whose relative RMSE (at the middle k) is the median of its
    width and class.

    Parameters
    ----------
    curves, bands, errors, manifest, study, split
        As in :func:`~strainprint.report.figures.curve_example.draw_curve_example`.
    cases
        (width in nm, label) of each row; those of :func:`paper_cases` where none is named.
    """
    counts = neighbour_counts(curves)
    title = f"Curves from {listed([str(k) for k in counts] or ['no'])} neighbours"
    if curves.empty or not counts:
        return empty_plate(title, _NOTHING)
    rows = list(cases) or paper_cases(manifest)
    classes = classes_of(manifest)
    middle = counts[len(counts) // 2]
    figure = Figure(figsize=(COLUMN_IN, 1.15 * len(rows) + 0.6))
    grid = figure.subplots(len(rows), len(counts), squeeze=False, sharex=True, sharey="row")
    shown, banded = [], False
    for row, (width, label) in enumerate(rows):
        name, n = _median_of_case(errors, manifest, width, label, f"k{middle}")
        case = f"{width_label(width)}, {class_label(classes[label])}"
        for column, k in enumerate(counts):
            axes = grid[row, column]
            if row == 0:
                axes.set_title(f"k = {k}")
            if name is None:
                say_empty(axes, f"no test map of\n{case}")
                continue
            banded |= _draw_curve(axes, curves, bands, name, f"k{k}", label)
            y = f"{case}\nstress (MPa)"
            label_once(axes, row, column, len(rows), x="strain (%)", y=y)
            axes.yaxis.label.set_fontsize(7)
        if name is not None:
            grid[row, 0].set_ylim(0, None)
            shown.append(f"{name} (median of {counted(n, 'map')})")
    _legend(figure, grid, "mean of k (colour: class)")
    return Plate(
        figure,
        title,
        f"True curve (grey) and the mean curve of the k nearest training maps in the network's "
        f"features, none of the same specimen, for test maps from wide to narrow: "
        f"{'; '.join(shown) or 'none'}. Colour is the class. {band_words(banded)} Each row "
        f"has its own stress axis. Study {study}, split {split}. Compare Figure 5 of the paper.",
        f"Stress against strain in {len(rows)} rows and {len(counts)} columns, true and predicted.",
        _of_all(len(shown), errors),
    )


def draw_curve_cases(
    curves: pd.DataFrame,
    bands: pd.DataFrame,
    errors: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    method: str,
    study: str,
    split: str,
) -> Plate:
    """Draw a row for each width and a column for each class, curves predicted by one method.

    Arguments as in :func:`draw_curve_neighbours`.
    """
    title = "Predicted curves of every width and class"
    if curves.empty or f"{method}_mpa" not in curves:
        return empty_plate(title, _NOTHING)
    widths = sorted((float(w) for w in manifest["width_nm"].unique()), reverse=True)
    classes = classes_of(manifest)
    figure = Figure(figsize=(COLUMN_IN, 1.0 * len(widths) + 0.7))
    grid = figure.subplots(len(widths), len(classes), squeeze=False, sharex=True, sharey="row")
    drawn, banded, smallest = 0, False, len(manifest)
    for (row, label), axes in np.ndenumerate(grid):
        width = widths[row]
        name, n = _median_of_case(errors, manifest, width, label, method)
        if row == 0:
            axes.set_title(class_label(classes[label]))
        if name is None:
            say_empty(axes, "no test map\nwith a curve")
            continue
        banded |= _draw_curve(axes, curves, bands, name, method, label)
        drawn, smallest = drawn + 1, min(smallest, n)
        y = f"{width_label(width)}\nstress (MPa)"
        label_once(axes, row, label, len(widths), x="strain (%)", y=y)
    for axes in grid[:, 0]:
        if axes.axison:
            axes.set_ylim(0, None)
    _legend(figure, grid, "predicted (colour: class)")
    return Plate(
        figure,
        title,
        f"True curve (grey) and prediction of {method_label(method)} (colour of the class) for the "
        f"test map whose relative RMSE is the median of its width (rows, each with its own stress "
        f"axis) and prior strain (columns); medians of {counted(smallest, 'map')} or more. "
        f"{band_words(banded)} Study {study}, split {split}.",
        f"Stress against strain for {len(widths)} widths and {len(classes)} prior strains.",
        _of_all(drawn, errors),
    )


def _of_all(shown: int, errors: pd.DataFrame) -> str:
    predicted = errors.loc[errors["relative_rmse"].notna(), "map_id"].nunique()
    return f"{counted(shown, 'map')} of {counted(int(predicted), 'test map')}"


def _median_of_case(
    errors: pd.DataFrame, manifest: pd.DataFrame, width: float, label: int, method: str
) -> tuple[str | None, int]:
    """Return the median test map of a width and class, and of how many it is the median."""
    of_case = manifest[(manifest["width_nm"] == width) & (manifest["label"] == label)]
    cell = errors[errors["map_id"].isin(of_case["map_id"]) & (errors["method"] == method)]
    return median_map(cell, method), int(cell["relative_rmse"].notna().sum())


def _draw_curve(
    axes: Axes, curves: pd.DataFrame, bands: pd.DataFrame, name: str, method: str, label: int
) -> bool:
    """Draw true curve, prediction and, where there is one, band; return whether there was."""
    curve = curves[curves["map_id"] == name].sort_values("strain", kind="stable")
    strain = 100 * curve["strain"].to_numpy()
    limits = conformal_band(bands, name, method)
    if limits is not None:
        axes.fill_between(
            strain, *limits, color=class_colour(label), alpha=0.18, lw=0, label=BAND_LABEL
        )
    axes.plot(strain, curve["true_mpa"], color="0.35", lw=0.9, label="true")
    axes.plot(strain, curve[f"{method}_mpa"], color=class_colour(label), label="predicted")
    axes.set_xlim(0, float(strain[-1]))
    axes.locator_params(axis="x", nbins=2)
    axes.locator_params(axis="y", nbins=4)
    return limits is not None


def _legend(figure: Figure, grid: NDArray[Any], predicted: str) -> None:
    """Put the fullest panel's legend above; panels without a map or a band have less."""
    found = [axes.get_legend_handles_labels() for axes in grid.flat]
    handles, names = max(found, key=lambda pair: len(pair[0]))
    figure.legend(
        handles,
        [predicted if name == "predicted" else name for name in names],
        loc="outside upper center",
        ncols=len(names) or 1,
        columnspacing=1.0,
        handlelength=1.5,
    )
