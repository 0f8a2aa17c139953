"""Figure 2: confusion matrices, with the baselines that the paper leaves out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from strainprint.report.figures.style import COLUMN_IN, INK, Plate
from strainprint.report.wording import class_label, counted, listed, model_label


def draw_confusion(
    counts: Mapping[str, NDArray[np.int64]],
    classes: Sequence[str],
    *,
    study: str,
    split: str,
) -> Plate:
    """Draw one matrix per model, two side by side; colour is the share of the true class.

    Parameters
    ----------
    counts
        Confusion counts (n_classes, n_classes) by model, rows the true class.
    classes
        The names of the classes.
    study, split
        For the caption.
    """
    models = list(counts)
    names = [class_label(name) for name in classes]
    n_rows = math.ceil(len(models) / 2)
    figure = Figure(figsize=(COLUMN_IN, 1.62 * n_rows + 0.3))
    grid = figure.subplots(n_rows, 2, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(models) :]:
        axes.set_axis_off()
    n_test = 0
    for place, (axes, model) in enumerate(zip(grid.flat, models, strict=False)):
        matrix = counts[model]
        n_test = int(matrix.sum())
        of_true = matrix.sum(axis=1, keepdims=True)
        share = np.divide(matrix, of_true, out=np.zeros(matrix.shape), where=of_true > 0)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1.15)
        for true, named in np.ndindex(matrix.shape):
            axes.text(
                named,
                true,
                f"{matrix[true, named]}\n{100 * share[true, named]:.0f} %"
                if of_true[true]
                else "–",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if share[true, named] > 0.6 else INK,
            )
        axes.set_title(f"({chr(97 + place)}) {_short(model)}")
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    figure.supxlabel("prior strain named", fontsize=8)
    figure.supylabel("true prior strain", fontsize=8)
    right = {m: np.trace(counts[m]) / max(int(counts[m].sum()), 1) for m in models}
    return Plate(
        figure,
        "Confusion matrices",
        f"Maps of each true class (rows) by the class named (columns): count and share of the "
        f"row (– without a test map), for {listed([model_label(m) for m in models])}. "
        f"Study {study}, split {split}. Compare Figure 2 of the paper.",
        "Confusion matrices. Share on the diagonal: "
        + listed([f"{model_label(m)} {100 * right[m]:.0f} %" for m in models])
        + ".",
        counted(n_test, "test map"),
    )


def _short(model: str) -> str:
    return {"baseline": "Correlations", "ensemble": "Ensemble"}.get(model, model_label(model))
