"""Figure 7: crops of test maps, and where the network's answer hangs on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from strainprint.networks.explain import Explanations
from strainprint.networks.saliency import KINDS
from strainprint.report.figures.style import COLUMN_IN, Plate, empty_plate
from strainprint.report.wording import class_label, counted, model_label, slip_label, width_label

_SHOWN = 5
_HEADS = {"plain": "plain\nsaliency", "rectified": "rectified\nsaliency"}


def draw_saliency(
    explained: Explanations, manifest: pd.DataFrame, *, study: str, split: str
) -> Plate:
    """Draw a row for each map: crop, plain and rectified saliency.

    Of each class in turn the map whose crop has the most contrast, five in all: a crop of one grey
    has nothing that saliency could point to.
    """
    title = "Saliency"
    description = explained.description
    count = min(_SHOWN, len(explained.crops))
    if not count:
        message = "No test map: there is no saliency to show."
        return empty_plate(title, message)
    of_map, names = manifest.set_index("map_id"), description["map_ids"]
    figure = Figure(figsize=(COLUMN_IN, 1.03 * count + 0.2))
    grid = figure.subplots(count, 3, squeeze=False)
    said = []
    shown = _most_contrast(explained, [int(of_map.loc[m, "label"]) for m in names])[:count]
    for row, place in enumerate(shown):
        facts = of_map.loc[names[place]]
        true, named = class_label(facts["strain_path"]), description["classes_named"][place]
        for axes in grid[row]:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        grid[row, 0].imshow(explained.crops[place], cmap="gray", vmin=0, vmax=255)
        grid[row, 0].set_ylabel(
            f"{width_label(float(facts['width_nm']))}, {slip_label(int(facts['slip_systems']))}\n"
            f"true {true}\nnamed {class_label(named)}",
            fontsize=6,
            rotation=0,
            ha="right",
            va="center",
        )
        for axes, kind in zip(grid[row, 1:], KINDS, strict=True):
            found = explained.saliency[kind][place]
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
        f"percentile. Of each class in turn the map with the most contrast: "
        f"{', '.join(names[place] for place in shown)}. Study {study}, split {split}. Compare "
        f"Figure 7 of the paper.",
        f"Crops beside their saliency maps; true classes and classes named: {'; '.join(said)}.",
        f"{count} of {counted(len(names), 'test map')} that were looked into",
    )


def _most_contrast(explained: Explanations, labels: list[int]) -> list[int]:
    """Return the places of the maps, every class in turn, each from most to least contrast."""
    spread = explained.crops.reshape(len(labels), -1).std(axis=1)
    maps = pd.DataFrame({"label": labels, "spread": spread})
    maps = maps.sort_values("spread", ascending=False, kind="stable")
    maps["turn"] = maps.groupby("label").cumcount()
    return maps.sort_values(["turn", "label"], kind="stable").index.to_list()
