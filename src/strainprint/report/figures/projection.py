"""Figure 3: the network's features of every subset on their first two principal components."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from strainprint.dataset.manifest import classes_of
from strainprint.errors import BadInputError
from strainprint.report.figures.style import (
    COLUMN_IN,
    Plate,
    class_colour,
    class_marker,
    label_once,
)
from strainprint.report.wording import class_label, counted, model_label, slip_label, width_label

_SIZES = (26, 15, 7, 4)


def mean_over_crops(features: NDArray[np.float32], channels: int) -> NDArray[np.float64]:
    """Return the mean feature vector of each map.

    Parameters
    ----------
    features
        Shape (n_maps, n_crops * channels), the crops one behind the other.
    channels
        Width of the global-average-pooling layer.

    Returns
    -------
    Shape (n_maps, channels).
    """
    if features.ndim != 2 or features.shape[1] == 0 or features.shape[1] % channels:
        raise BadInputError(
            f"features of shape {features.shape}", allowed=f"(n_maps, n_crops x {channels})"
        )
    by_crop = features.astype(np.float64).reshape(len(features), -1, channels)
    mean: NDArray[np.float64] = by_crop.mean(axis=1)
    return mean


def principal_axes(
    values: NDArray[np.float64], count: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return centre (d,), axes (count, d) and explained share (count,) of a cloud of points.

    The sign of each axis is fixed (its largest entry is positive), so that a repeat draws the
    same picture.
    """
    centre = values.mean(axis=0)
    _, spread, axes = np.linalg.svd(values - centre, full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    axes = axes * np.where(signs == 0, 1.0, signs)[:, None]
    share = spread**2 / max(float((spread**2).sum()), np.finfo(float).tiny)
    return centre, axes[:count], share[:count]


def draw_projection(
    features: NDArray[np.float32],
    manifest: pd.DataFrame,
    parts: ArrayLike,
    *,
    network: str,
    channels: int,
    study: str,
    split: str,
) -> Plate:
    """Draw a panel for each width (row) and reload and slip (column), test maps by class.

    The axes are fitted on the training maps of all subsets together and are the same in every
    panel, so that panels compare; the paper does not say on what its axes are fitted.

    Parameters
    ----------
    features
        Shape (n_maps, n_crops * channels), in manifest order.
    manifest
        The dataset's manifest.
    parts
        Part of every map, in manifest order.
    network
        Name of the network that made the features.
    channels
        Width of its global-average-pooling layer.
    study, split
        For the caption.
    """
    part = np.asarray(parts)
    means = mean_over_crops(features, channels)
    centre, axes_of_cloud, share = principal_axes(means[part == "train"])
    points = (means - centre) @ axes_of_cloud.T
    test = part == "test"
    widths = sorted(manifest["width_nm"].unique(), reverse=True)
    columns = sorted(set(zip(manifest["reload"], manifest["slip_systems"], strict=True)))
    classes = classes_of(manifest)
    figure = Figure(figsize=(COLUMN_IN, 0.85 * len(widths) + 0.75))
    grid = figure.subplots(len(widths), len(columns), squeeze=False, sharex=True, sharey=True)
    for (row, column), axes in np.ndenumerate(grid):
        width, (reload, slip) = widths[row], columns[column]
        here = (
            test
            & (manifest["width_nm"] == width).to_numpy()
            & (manifest["reload"] == reload).to_numpy()
            & (manifest["slip_systems"] == slip).to_numpy()
        )
        if row == 0:
            axes.set_title(f"{reload} reload\n{slip_label(slip)}", fontsize=7)
        if not here.any():
            axes.text(
                0.5,
                0.5,
                "no test\nmap",
                ha="center",
                va="center",
                fontsize=6,
                transform=axes.transAxes,
            )
        for label, name in enumerate(classes):
            chosen = here & (manifest["label"] == label).to_numpy()
            axes.scatter(
                points[chosen, 0],
                points[chosen, 1],
                s=_SIZES[min(label, len(_SIZES) - 1)],
                marker=class_marker(label),
                color=class_colour(label),
                edgecolor="white",
                linewidth=0.3,
                label=class_label(name),
            )
        # So that no marker is cut by the frame.
        axes.margins(0.1)
        axes.tick_params(labelbottom=False, labelleft=False, length=0)
        axes.spines[:].set_visible(True)
        label_once(axes, row, column, len(widths), x="", y=width_label(width))
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside upper center",
        ncols=len(names),
        title="prior strain",
        title_fontsize=7,
        markerscale=1.4,
        handletextpad=0.1,
        columnspacing=1.2,
    )
    figure.supxlabel(f"component 1 ({100 * share[0]:.0f} % of variance)", fontsize=8)
    figure.supylabel(f"component 2 ({100 * share[1]:.0f} %)", fontsize=8)
    return Plate(
        figure,
        "Features on two principal components",
        f"Mean output of the global-average-pooling layer of {model_label(network)} for each test "
        f"map, on the first two principal components of the training maps; all panels share their "
        f"axes. Rows: width; columns: reload and slip systems. Points of later classes are "
        f"smaller, so that maps of the same features all show. Study {study}, split {split}. "
        f"Compare Figure 3 of the paper.",
        f"Scatter plots of {int(test.sum())} test maps by prior strain, one panel per subset.",
        f"{counted(int(test.sum()), 'test map')}; axes from "
        f"{counted(int((part == 'train').sum()), 'training map')}",
    )
