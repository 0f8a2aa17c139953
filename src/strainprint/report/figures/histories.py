"""Training histories: loss and accuracy by epoch, for every network and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from strainprint.report.figures.style import COLUMN_IN, INK, SERIES_COLOURS, Plate
from strainprint.report.paper import model_family
from strainprint.report.wording import counted, listed, model_label


def draw_histories(
    histories: Mapping[str, pd.DataFrame], *, maps: tuple[int, int], study: str, split: str
) -> Plate:
    """Draw loss (above) and accuracy (below) of training and validation crops.

    Trainings of one architecture from several seeds share its colour.

    Parameters
    ----------
    histories
        ``history.csv`` of each network, by its name.
    maps
        Number of training and of validation maps.
    study, split
        For the caption.
    """
    figure = Figure(figsize=(COLUMN_IN, 3.6))
    above, below = figure.subplots(2, 1, sharex=True)
    best = {}
    seeds: dict[str, list[str]] = {}
    for name in histories:
        seeds.setdefault(model_family(name), []).append(name)
    colours = dict(zip(seeds, cycle(SERIES_COLOURS), strict=False))
    for name, history in histories.items():
        colour = colours[model_family(name)]
        at = history.iloc[int(history["validation_loss"].argmin())]
        best[name] = int(at["epoch"])
        for axes, measure in ((above, "loss"), (below, "accuracy")):
            scale = 1 if measure == "loss" else 100
            epochs = history["epoch"]
            axes.plot(epochs, scale * history[f"train_{measure}"], "--", color=colour, lw=0.8)
            axes.plot(epochs, scale * history[f"validation_{measure}"], color=colour)
            axes.plot(
                at["epoch"],
                scale * at[f"validation_{measure}"],
                "o",
                color=colour,
                ms=4,
                markeredgecolor="white",
                markeredgewidth=0.5,
            )
    above.set_yscale("log")
    above.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    above.yaxis.set_major_formatter("{x:g}")
    above.yaxis.set_minor_locator(LogLocator(subs=range(1, 10)))
    above.yaxis.set_minor_formatter(NullFormatter())
    if len(_inside(above)) < 2:
        above.set_yscale("linear")
    above.set_ylabel("loss")
    below.set_ylabel("accuracy of crops (%)")
    below.set_xlabel("epoch")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.set_ylim(None, 102)
    lines = [
        Line2D([], [], color=colours[family], label=_label(names))
        for family, names in seeds.items()
    ]
    lines += [
        Line2D([], [], color=INK, ls="--", lw=0.8, label="training"),
        Line2D([], [], color=INK, label="validation"),
        Line2D([], [], color=INK, marker="o", ms=4, ls="", label="epoch kept"),
    ]
    figure.legend(handles=lines, loc="outside upper center", ncols=2)
    kept = "; ".join(
        f"{_label(names)}: epoch {listed([str(best[name]) for name in names])}"
        for names in seeds.values()
    )
    return Plate(
        figure,
        "Training histories",
        f"Loss and accuracy of {counted(len(histories), 'network')} on training and validation "
        f"crops by epoch; the dot is the epoch of lowest validation loss, whose weights are kept "
        f"({kept}). As in Keras, losses include the L2 penalty where there is one. "
        f"Study {study}, split {split}.",
        f"Lines of loss and accuracy against epoch. Weights kept: {kept}.",
        f"crops of {counted(maps[0], 'training map')} and {counted(maps[1], 'validation map')}",
    )


def _label(names: Sequence[str]) -> str:
    """Return what to call the trainings of one architecture."""
    label = model_label(names[0])
    return label if len(names) == 1 else f"{label.partition(',')[0]}, {len(names)} seeds"


def _inside(axes: Axes) -> list[float]:
    """Return the labelled values of the y axis that lie in view."""
    low, high = axes.get_ylim()
    return [value for value in axes.yaxis.get_majorticklocs() if low <= value <= high]
