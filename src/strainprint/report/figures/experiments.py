"""Figures of experiments, drawn from their records."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from strainprint.experiment_record import ExperimentRecord
from strainprint.report.figures.style import COLUMN_IN, MUTED, SERIES_COLOURS, Plate


def draw_reliability(record: ExperimentRecord) -> Plate:
    """Draw accuracy against confidence of the test maps, before and after the temperature."""
    bins = pd.DataFrame(record.results["reliability"])
    panels = list(bins.groupby(["study", "split"], sort=False))
    rows = (len(panels) + 1) // 2
    columns = min(2, len(panels))
    figure = Figure(figsize=(COLUMN_IN * (0.6 + 0.4 * columns), 0.4 + 1.6 * rows))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for place, ((study, split), of_panel) in zip(axes.flat, panels, strict=False):
        place.plot([0, 100], [0, 100], ":", color=MUTED, lw=0.8)
        for index, (when, some) in enumerate(of_panel.groupby("when", sort=False)):
            place.plot(
                100 * some["confidence"],
                100 * some["accuracy"],
                "o-" if when == "after" else "s--",
                ms=3,
                lw=0.9,
                color=SERIES_COLOURS[index],
                label=f"{when} temperature",
            )
        place.set_title(f"{study}, {split}")
        place.set_xlim(0, 102)
        place.set_ylim(-2, 102)
    for unused in axes.flat[len(panels) :]:
        unused.set_axis_off()
    for place in axes[-1]:
        place.set_xlabel("confidence (%)")
    for place in axes[:, 0]:
        place.set_ylabel("named rightly (%)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return Plate(
        figure,
        "Reliability of the ensembles’ probabilities",
        "Test maps in bins of the probability of the named class: share named rightly against the "
        "mean probability. On the dotted line the probabilities can be taken at their word; below "
        "it the ensemble is too sure.",
        "Accuracy against confidence, one panel for each study and split.",
    )
