"""Figure 6: pictures that the filters of one layer answer most to."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from strainprint.networks.explain import Explanations
from strainprint.report.figures.style import COLUMN_IN, Plate
from strainprint.report.wording import counted, model_label


def draw_filters(explained: Explanations, *, study: str, split: str) -> Plate:
    """Draw the filters' pictures in rows of three, each from its own darkest to brightest level."""
    description = explained.description
    count = len(explained.filters)
    rows = math.ceil(count / 3)
    figure = Figure(figsize=(COLUMN_IN, 1.17 * rows))
    grid = figure.subplots(rows, 3, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, picture, number in zip(
        grid.flat, explained.filters, description["filters"], strict=False
    ):
        # the middle 99 %: one hot pixel at an edge would grey out the rest
        low, high = np.quantile(picture, [0.005, 0.995])
        axes.imshow(picture, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(f"filter {number}", fontsize=6.5, pad=2)
    steps, side = description["filter_steps"], explained.filters.shape[-1]
    return Plate(
        figure,
        "What filters look for",
        f"Grey noise of {side} × {side} px after {steps} steps of gradient ascent on the mean "
        f"answer of a filter in the last convolution of the second residual module of "
        f"{model_label(description['network'])}: the {count} of {description['filters_of_layer']} "
        f"filters with the highest answers, highest first, grey levels from black to white within "
        f"each picture. Study {study}, split {split}. Compare Figure 6 of the paper.",
        f"{count} grey pictures of textures that the filters answer to.",
        f"{count} of {counted(description['filters_of_layer'], 'filter')}",
    )
