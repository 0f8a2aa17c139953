"""Figures of experiments, drawn from their records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from strainprint.experiment_record import ExperimentRecord
from strainprint.report.figures.style import COLUMN_IN, MUTED, SERIES_COLOURS, Plate
from strainprint.report.wording import width_label


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


def _with_intervals(axes: Axes, x: Iterable[float], rows: pd.DataFrame, **how: Any) -> None:
    """Draw the accuracies of a record's rows in percent, with their intervals."""
    accuracy = rows["accuracy"].to_numpy()
    errors = np.abs(rows[["ci_low", "ci_high"]].to_numpy().T - accuracy)
    axes.errorbar(list(x), 100 * accuracy, yerr=100 * errors, **how)


def draw_instruments(record: ExperimentRecord) -> Plate:
    """Draw accuracy against strain gauge over width without noise, and against noise."""
    rows = pd.DataFrame(record.rows)
    figure = Figure(figsize=(COLUMN_IN, 3.6))
    by_gauge, by_noise = figure.subplots(2, 1, sharey=True)
    for index, (width_nm, of_width) in enumerate(rows.groupby("width_nm")):
        how = {
            "color": SERIES_COLOURS[index % len(SERIES_COLOURS)],
            "marker": "os^Dv"[index % 5],
            "ms": 3,
            "lw": 0.9,
            "capsize": 1.5,
            "label": f"{width_nm:g} nm",
        }
        quiet = of_width[of_width["noise_px"] == 0].sort_values("gauge_over_width")
        noisy = of_width[of_width["instrument"] != "none"].sort_values("noise_px")
        for place, some, x in (
            (by_gauge, quiet, "gauge_over_width"),
            (by_noise, noisy, "noise_px"),
        ):
            # Several gauges share a noise: points there, no line.
            line = {"lw": 0} if x == "noise_px" else {}
            _with_intervals(place, some[x], some, elinewidth=0.7, **(how | line))
    for place in (by_gauge, by_noise):
        place.axhline(100 * rows["chance"].max(), ls=":", lw=0.8, color=MUTED)
        place.set_ylabel("named rightly (%)")
        place.set_ylim(-2, 102)
    by_gauge.set_xlabel("strain gauge / width, without noise")
    by_noise.set_xlabel("displacement noise (px), every gauge")
    by_gauge.legend(ncols=3)
    return Plate(
        figure,
        "Accuracy as a correlation’s gauge and noise grow",
        "Test maps named rightly by networks trained and tested on what each instrument sees, with "
        "95 % intervals; the dotted line is the share of the commonest class. Leftmost: strain as "
        "the simulator knows it, a gauge of two grid pitches.",
        "Accuracy against strain gauge over width, one line for each width, and against noise.",
    )


def draw_noise(record: ExperimentRecord) -> Plate:
    """Draw accuracy against the two kinds of noise, one line for each training."""
    table = pd.DataFrame(record.rows)
    kinds = [kind for kind in ("grey levels", "displacement") if (table["noise"] == kind).any()]
    figure = Figure(figsize=(COLUMN_IN * 1.6, 2.4))
    for place, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        place.axhline(100 * record.results["chance"], ls=":", color=MUTED, lw=0.8)
        for index, (trained, some) in enumerate(table.groupby("trained", sort=False)):
            clean, noisy = some[some["noise"] == "none"], some[some["noise"] == kind]
            # The clean maps stand half a step left of the weakest noise on the logarithmic axis.
            sigma = [noisy["sigma"].min() / 2, *noisy["sigma"]]
            rows = pd.concat([clean, noisy])
            _with_intervals(
                place,
                sigma,
                rows,
                fmt="o-",
                ms=3,
                lw=0.9,
                elinewidth=0.6,
                color=SERIES_COLOURS[index],
                label=f"trained {trained}",
            )
        place.set_xscale("log")
        place.set_ylim(-2, 102)
        unit = "grey levels" if kind == "grey levels" else "displacement, nm"
        place.set_xlabel(f"noise ({unit})")
        place.set_ylabel("named rightly (%)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return Plate(
        figure,
        "Accuracy against noise",
        "Test maps named rightly against the standard deviation of the noise, with 95 % intervals "
        "(bootstrap over specimens); the leftmost point is without noise. Dotted: the commonest "
        "class.",
        "Accuracy falls as noise grows; one line for each training.",
    )


def draw_twins(record: ExperimentRecord) -> Plate:
    """Draw r² between twins against reload strain, a line for each width."""
    strain = 100 * np.array(record.results["strain"])
    figure = Figure(figsize=(COLUMN_IN, 2.3))
    axes = figure.add_subplot()
    widths = {w: r for w, r in record.results["r2_by_width_nm"].items() if w != "all"}
    for index, (width, values) in enumerate(widths.items()):
        colour = SERIES_COLOURS[index % len(SERIES_COLOURS)]
        likeness = np.array([np.nan if value is None else value for value in values])
        axes.plot(strain, likeness, lw=1.0, color=colour, label=width_label(float(width)))
        row = next(row for row in record.rows if str(row["width_nm"]) == width)
        points = {
            float(key.removeprefix("predicted_r2_")): value
            for key, value in row.items()
            if key.startswith("predicted_r2_")
        }
        axes.plot(
            100 * np.array(list(points)), np.array(list(points.values())), "o", ms=3.5, color=colour
        )
    axes.axhline(0, color=MUTED, lw=0.6, zorder=0)
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlim(0, float(strain[-1]) * 1.02)
    axes.set_xlabel("reload strain (%)")
    axes.set_ylabel("r²")
    figure.legend(loc="outside upper center", ncols=3)
    return Plate(
        figure,
        "How far curves are settled by what twins share",
        "Lines: r² between the reload curves of specimens and their twins, the ceiling of every "
        "method that cannot resolve the shift. Dots: what the cross-validated neighbours reach on "
        "test maps. 0 is what the mean stress of the width would score; values below −1 are cut "
        "off.",
        "r² between twins against reload strain, one line for each width.",
    )
