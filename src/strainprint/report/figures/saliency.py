"""Figure 7: crops of test maps, and where the network's answer hangs on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from strainprint.networks.explain import Explanations
from strainprint.networks.saliency import KINDS
from strainprint.report.figures.style import COLUMN_IN, Plate, empty_figure
from strainprint.report.wording import class_label, counted, model_label, slip_label, width_label

_SHOWN = 5
_HEADS = {"plain": "saliency, plain", "rectified": "saliency, rectified"}


def draw_saliency(
    explained: Explanations, manifest: pd.DataFrame, *, study: str, split: str
) -> Plate:
    """Draw a row for each of the first five maps: crop, plain and rectified saliency."""
    title = "Saliency"
    description = explained.description
    count = min(_SHOWN, len(explained.crops))
    if not count:
        message = "No test map: there is no saliency to show."
        return Plate(empty_figure(message), title, message, message, "0 test maps")
    of_map = manifest.set_index("map_id")
    figure = Figure(figsize=(COLUMN_IN, 1.03 * count + 0.2))
    grid = figure.subplots(count, 3, squeeze=False)
    said = []
    for row in range(count):
        facts = of_map.loc[description["map_ids"][row]]
        true, named = class_label(facts["strain_path"]), description["classes_named"][row]
        for axes in grid[row]:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        grid[row, 0].imshow(explained.crops[row], cmap="gray", vmin=0, vmax=255)
        grid[row, 0].set_ylabel(
            f"{width_label(float(facts['width_nm']))}, {slip_label(int(facts['slip_systems']))}\n"
            f"true {true}\nnamed {class_label(named)}",
            fontsize=6,
            rotation=0,
            ha="right",
            va="center",
        )
        for axes, kind in zip(grid[row, 1:], KINDS, strict=True):
            found = explained.saliency[kind][row]
            axes.imshow(found, cmap="magma", vmin=0, vmax=float(np.quantile(found, 0.995)) or 1.0)
        said.append(f"{true} named {class_label(named)}")
    grid[0, 0].set_title("crop", fontsize=7)
    for axes, kind in zip(grid[0, 1:], KINDS, strict=True):
        axes.set_title(_HEADS[kind], fontsize=7)
    return Plate(
        figure,
        title,
        f"The middle square of each test map (left), and the size of the gradient "
        f"of the named class’s score in every pixel: plain (middle), and with only positive "
        f"gradients passed back through every ReLU (right). Network "
        f"{model_label(description['network'])}; each panel runs from 0 (dark) to its 99.5th "
        f"percentile. Maps: {', '.join(description['map_ids'][:count])}. Study {study}, split "
        f"{split}. Compare Figure 7 of the paper.",
        f"Crops beside their saliency maps; true classes and classes named: {'; '.join(said)}.",
        counted(count, "test map"),
    )
