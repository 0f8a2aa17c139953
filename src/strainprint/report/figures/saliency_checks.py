"""The two checks of saliency: parameters drawn anew, and pixels blanked."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from strainprint.networks.explain import Explanations
from strainprint.networks.saliency import KINDS
from strainprint.networks.saliency_checks import ORDERS
from strainprint.report.figures.style import COLUMN_IN, SERIES_COLOURS, Plate, empty_plate
from strainprint.report.wording import counted, model_label

_MARKERS = ("o", "s", "^", "D")
_LINES = ("-", "-", "--", ":")


def draw_saliency_checks(explained: Explanations, *, study: str, split: str) -> Plate:
    """Draw rank correlations against the part drawn anew, and probabilities against blanking."""
    title = "Two checks of saliency"
    if explained.deletion.empty:
        message = "No test map: saliency was not checked."
        return empty_plate(title, message)
    count = len(explained.crops)
    figure = Figure(figsize=(COLUMN_IN, 4.3))
    above, below = figure.subplots(2, 1)
    parts = list(dict.fromkeys(explained.randomization["randomized"]))
    for index, kind in enumerate(KINDS):
        of_kind = explained.randomization[explained.randomization["kind"] == kind]
        by_part = of_kind.groupby("randomized")["rank_correlation"]
        low, middle, high = (by_part.quantile(q).reindex(parts) for q in (0.1, 0.5, 0.9))
        places = np.arange(len(parts)) + 0.12 * (index - 0.5)
        above.vlines(places, low, high, color=SERIES_COLOURS[index], lw=2, alpha=0.35)
        above.plot(
            places,
            middle,
            marker=_MARKERS[index],
            ms=4,
            color=SERIES_COLOURS[index],
            label=f"saliency, {kind}",
        )
    above.axhline(0, color="0.6", lw=0.6, zorder=0)
    above.set_xticks(range(len(parts)), parts, rotation=25, ha="right")
    above.set_xlabel("drawn anew, from the output down to")
    above.set_ylabel("rank correlation")
    above.set_ylim(None, 1.02)
    above.legend(loc="best")
    for index, order in enumerate(ORDERS):
        of_order = explained.deletion[explained.deletion["order"] == order]
        mean = of_order.groupby("deleted_share")["probability"].mean()
        below.plot(
            100 * mean.index.to_numpy(),
            100 * mean.to_numpy(),
            _LINES[index],
            marker=_MARKERS[index],
            ms=3,
            color=SERIES_COLOURS[index],
            label=order if order in ("brightness", "random") else f"saliency, {order}",
        )
    below.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [0, 1, 2, 5, 10, 20, 50, 100]
    below.set_xticks(ticks, [str(t) for t in ticks])
    below.minorticks_off()
    below.set_xlim(0, 100)
    below.set_ylim(0, 101)
    below.set_xlabel("pixels blanked (%)")
    below.set_ylabel("probability of the class (%)")
    # Above the axes: inside, curves would run through it.
    below.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=2,
        title="blanked first by",
        title_fontsize=7,
        borderaxespad=0.2,
    )
    for axes, letter in ((above, "a"), (below, "b")):
        axes.set_title(f"({letter})", loc="left")
    return Plate(
        figure,
        title,
        f"(a) Spearman’s rank correlation of saliency before and after parameters are drawn anew, "
        f"from the classifier on: median and middle 80 % of the crops. It must "
        f"fall, or saliency shows the picture and not the network. (b) Mean probability of the "
        f"class named at first as pixels are blanked; where saliency finds what matters, it falls "
        f"sooner than in a random order. Network {model_label(explained.description['network'])}; "
        f"study {study}, split {split}. Not in the paper.",
        "Above, rank correlation by randomised part; below, class probability against the share "
        "of pixels blanked, for four orders.",
        f"{counted(count, 'crop')}, one of each test map that was looked into",
    )
