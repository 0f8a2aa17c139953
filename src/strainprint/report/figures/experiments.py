"""Figures of experiments, drawn from their records."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from strainprint.experiment_record import ExperimentRecord
from strainprint.report.figures.style import COLUMN_IN, MUTED, SERIES_COLOURS, Plate
from strainprint.report.statistics import wilson_interval
from strainprint.report.wording import sample_size, width_label


def draw_reliability(record: ExperimentRecord) -> Plate | None:
    """Draw accuracy against confidence of what tests, before and after the temperature.

    None where nothing was tested.
    """
    if not record.results["reliability"]:
        return None
    bins = pd.DataFrame(record.results["reliability"])
    of_ensembles = "study" in bins
    names = bins["study"] + ", " + bins["split"] if of_ensembles else bins["panel"]
    panels = list(bins.groupby(names, sort=False))
    rows = (len(panels) + 1) // 2
    columns = min(2, len(panels))
    figure = Figure(figsize=(COLUMN_IN * (0.6 + 0.4 * columns), 0.4 + 1.6 * rows))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for place, (name, of_panel) in zip(axes.flat, panels, strict=False):
        place.plot([0, 100], [0, 100], ":", color=MUTED, lw=0.8)
        for index, (when, some) in enumerate(of_panel.groupby("when", sort=False)):
            counts = zip((some["accuracy"] * some["maps"]).round(), some["maps"], strict=True)
            limits = np.array([wilson_interval(int(right), int(maps)) for right, maps in counts])
            _with_intervals(
                place,
                100 * some["confidence"],
                some.assign(ci_low=limits[:, 0], ci_high=limits[:, 1]),
                fmt="o-" if when == "after" else "s--",
                ms=3,
                lw=0.9,
                elinewidth=0.6,
                capsize=1.5,
                color=SERIES_COLOURS[index],
                label=f"{when} temperature",
            )
        place.set_title(str(name))
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
        f"Reliability of the {'ensembles’' if of_ensembles else 'networks’'} probabilities",
        f"Test {'maps' if of_ensembles else 'stacks'} in bins of the probability of the named "
        "class: share named rightly against the mean probability, with 95 % intervals (Wilson, "
        "each by itself). On the dotted line the probabilities can be "
        "taken at their word; below it they are too sure.",
        "Accuracy against confidence, one panel for each "
        f"{'study and split' if of_ensembles else 'network'}.",
        sample_size(record.n),
    )


def _with_intervals(axes: Axes, x: Iterable[float], rows: pd.DataFrame, **how: Any) -> None:
    """Draw the accuracies of a record's rows in percent, with their intervals."""
    accuracy = rows["accuracy"].to_numpy()
    errors = np.abs(rows[["ci_low", "ci_high"]].to_numpy().T - accuracy)
    axes.errorbar(list(x), 100 * accuracy, yerr=100 * errors, **how)


def draw_instruments(record: ExperimentRecord) -> Plate:
    """Draw accuracy against strain gauge over width without noise, and against noise."""
    rows = pd.DataFrame(record.rows)
    measured = rows[rows["instrument"] != "none"]
    noisy_gauges = sorted(measured.loc[measured["noise_px"] > 0, "gauge_nm"].unique())
    panels = 2 if noisy_gauges else 1
    figure = Figure(figsize=(COLUMN_IN, 0.4 + 1.7 * panels))
    by_gauge, *by_noise = figure.subplots(panels, 1, sharey=True, squeeze=False)[:, 0]
    loudest_px = measured["noise_px"].max()
    for index, width_nm in enumerate(sorted(rows["width_nm"].unique())):
        of_width = rows[rows["width_nm"] == width_nm]
        how = {
            "color": SERIES_COLOURS[index % len(SERIES_COLOURS)],
            "marker": "os^Dv"[index % 5],
            "ms": 3,
            "lw": 0.9,
            "elinewidth": 0.7,
            "capsize": 1.5,
        }
        quiet = of_width[of_width["noise_px"] == 0].sort_values("gauge_over_width")
        label = width_label(width_nm)
        _with_intervals(by_gauge, quiet["gauge_over_width"], quiet, label=label, **how)
        for place in by_noise:
            for dashes, gauge_nm in zip(cycle(["-", "--", ":", "-."]), noisy_gauges, strict=False):
                seen = measured[
                    (measured["width_nm"] == width_nm) & (measured["gauge_nm"] == gauge_nm)
                ].sort_values("noise_px")
                # Widths beside each other: those that agree would hide one another.
                beside_px = seen["noise_px"] + 0.012 * index * loudest_px
                _with_intervals(place, beside_px, seen, ls=dashes, **how)
    by_gauge.set_xlabel("strain gauge / width, without noise")
    drawn = ", ".join(
        f"{gauge_nm:g} nm {name}"
        for gauge_nm, name in zip(
            noisy_gauges, cycle(["solid", "dashed", "dotted", "dash-dotted"]), strict=False
        )
    )
    for place in by_noise:
        place.set_xlabel(f"noise of each displacement (px), gauge {drawn.removesuffix(' solid')}")
    for place in (by_gauge, *by_noise):
        place.axhline(100 * rows["chance"].max(), ls=":", lw=0.8, color=MUTED)
        place.set_ylabel("named rightly (%)")
        place.set_ylim(-2, 102)
    handles, labels = by_gauge.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return Plate(
        figure,
        "Accuracy as a correlation’s gauge and noise grow",
        "Test maps named rightly by networks trained and tested on what each instrument sees, with "
        "95 % intervals; the dotted line is the share of the commonest class. Above: instruments "
        "without noise, leftmost the strain as the simulator knows it, a gauge of two grid "
        "pitches. Below: gauges that were tried with noise; widths stand "
        "a little beside each other.",
        "Accuracy against strain gauge over width, one line for each width, and against noise.",
        sample_size(record.n),
    )


def draw_regression(record: ExperimentRecord) -> Plate:
    """Draw the prior strain that was named against the true one."""
    table = pd.DataFrame(record.rows)
    rows = table[~table["prior_strain"].astype(str).str.startswith("all")]
    true = np.log10(rows["prior_strain"].astype(float).to_numpy())
    rmse, bias = rows["rmse_decades"].to_numpy(), rows["bias_decades"].to_numpy()
    named = true + bias
    scatter = np.sqrt(np.maximum(rmse**2 - bias**2, 0.0))
    seen = rows["trained_on"].to_numpy(dtype=bool)
    figure = Figure(figsize=(COLUMN_IN, 2.9))
    axes = figure.add_subplot()
    limits = (float(100 * 10 ** (true.min() - 0.2)), float(100 * 10 ** (true.max() + 0.2)))
    axes.plot(limits, limits, ":", color=MUTED, lw=0.8, label="as it was")
    for chosen, fill, label in ((seen, True, "trained on"), (~seen, False, "never trained on")):
        middle = 100 * 10 ** named[chosen]
        ends = 100 * 10 ** (named + np.array([[-1], [1]]) * scatter)[:, chosen]
        axes.errorbar(
            100 * 10 ** true[chosen],
            middle,
            yerr=np.abs(ends - middle),
            fmt="o",
            ms=4,
            elinewidth=0.8,
            capsize=2,
            color=SERIES_COLOURS[0 if fill else 1],
            mfc=None if fill else "white",
            label=label,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(limits)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set_xlabel("prior strain (%)")
    axes.set_ylabel("prior strain named (%)")
    figure.legend(loc="outside upper center", ncols=3)
    return Plate(
        figure,
        "Prior strain named against prior strain",
        "Test maps of each prior strain: geometric mean of what the network names, and one "
        "standard deviation of the maps about it. Open points are strains that it was never "
        "trained on. A network that sees nothing names the same strain everywhere: a level row.",
        "Named against true prior strain on logarithmic axes, seen and unseen strains apart.",
        sample_size(record.n),
    )


def draw_noise(record: ExperimentRecord) -> Plate:
    """Draw accuracy against the two kinds of noise, one line for each training."""
    table = pd.DataFrame(record.rows)
    kinds = [kind for kind in ("grey levels", "displacement") if (table["noise"] == kind).any()]
    figure = Figure(figsize=(COLUMN_IN, 0.4 + 1.7 * len(kinds)))
    panels = figure.subplots(len(kinds), 1, squeeze=False)[:, 0]
    for place, kind in zip(panels, kinds, strict=True):
        place.axhline(100 * record.results["chance"], ls=":", color=MUTED, lw=0.8)
        for index, (trained, some) in enumerate(table.groupby("trained", sort=False)):
            clean, noisy = some[some["noise"] == "none"], some[some["noise"] == kind]
            # The clean maps stand left of the weakest noise on the logarithmic axis; trainings
            # stand a little beside each other.
            sigma = 1.05**index * np.array([noisy["sigma"].min() / 4, *noisy["sigma"]])
            rows = pd.concat([clean, noisy])
            _with_intervals(
                place,
                sigma,
                rows,
                fmt="os"[index % 2] + ("-", "--")[index % 2],
                ms=3,
                lw=0.9,
                elinewidth=0.6,
                capsize=1.5,
                color=SERIES_COLOURS[index],
                label=f"trained {trained}",
            )
        strengths = sorted(set(table.loc[table["noise"] == kind, "sigma"]))
        place.set_xscale("log")
        place.set_xticks(
            [strengths[0] / 4, *strengths], ["0", *(f"{sigma:g}" for sigma in strengths)]
        )
        place.minorticks_off()
        place.set_ylim(-2, 102)
        what = "grey levels (of 255)" if kind == "grey levels" else "displacement (nm)"
        place.set_xlabel(f"noise on the {what}")
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
        sample_size(record.n),
    )


def draw_twins(record: ExperimentRecord) -> Plate:
    """Draw r² between twins against reload strain, a line for each width."""
    strain = 100 * np.array(record.results["strain"])
    figure = Figure(figsize=(COLUMN_IN, 2.3))
    axes = figure.add_subplot()
    by_width = record.results["r2_by_width_nm"]
    for index, width in enumerate(sorted(set(by_width) - {"all"}, key=float)):
        values = by_width[width]
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
        sample_size(record.n),
    )
