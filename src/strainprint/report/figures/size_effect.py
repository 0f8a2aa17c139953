"""Yield stress of every specimen against its width, and the scatter of the flow stress."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from strainprint.report.figures.style import COLUMN_IN, SERIES_COLOURS, Plate, say_empty
from strainprint.report.size_effect_tables import exponent_table, strength_table
from strainprint.report.wording import counted, number, slip_label

_MARKERS = ("o", "s")


def draw_size_effect(
    strengths: pd.DataFrame, *, seed: int, resamples: int, study: str, split: str
) -> Plate:
    """Draw both on double-logarithmic axes with the fitted powers of the width.

    Parameters
    ----------
    strengths
        ``strengths.csv``: one row per specimen.
    seed, resamples
        Of the bootstrap.
    study, split
        For the caption; the strengths are the same in every study and split.
    """
    table = strength_table(strengths, seed=seed, resamples=resamples)
    fits = exponent_table(strengths, seed=seed, resamples=resamples)
    figure = Figure(figsize=(COLUMN_IN, 2.3))
    left, right = figure.subplots(1, 2)
    slips = sorted(strengths["slip_systems"].unique().tolist())
    said = []
    for index, slip in enumerate(slips):
        look = {"color": SERIES_COLOURS[index], "marker": _MARKERS[index]}
        aside = 0.96 if index == 0 and len(slips) > 1 else 1.04 if len(slips) > 1 else 1.0
        some = strengths[strengths["slip_systems"] == slip].dropna(subset="yield_mpa")
        left.plot(aside * some["width_nm"], some["yield_mpa"], ls="", ms=2.2, alpha=0.45, **look)
        by_width = {w: g.to_numpy() for w, g in some.groupby("width_nm")["yield_mpa"]}
        fit = _fit(fits, slip, "yield", "stress")
        if np.isfinite(fit["exponent"]):
            widths = np.array(sorted(by_width))
            centre = np.mean(np.log(some["yield_mpa"])) - fit["exponent"] * np.mean(
                np.log(some["width_nm"])
            )
            level = np.exp(centre + fit["exponent"] * np.log(widths))
            left.plot(widths, level, color=look["color"], lw=1.0)
        flow = table[(table["slip_systems"] == slip) & (table["measure"] == "flow")]
        flow = flow.dropna(subset="scatter")
        limits = flow[["scatter_low", "scatter_high"]].to_numpy().T
        reach = 100 * np.abs(limits - flow["scatter"].to_numpy())
        right.errorbar(
            aside * flow["width_nm"],
            100 * flow["scatter"],
            yerr=reach,
            ls="-",
            lw=0.8,
            ms=3.5,
            elinewidth=0.7,
            label=slip_label(slip),
            **look,
        )
        said.append(
            f"{slip_label(slip)}: yield {_with_range(fit)}, scatter "
            f"{_with_range(_fit(fits, slip, 'flow', 'scatter'))}"
        )
    for axes, what in ((left, "yield stress (MPa)"), (right, "scatter of flow stress (%)")):
        if not axes.lines or not any(len(line.get_xdata()) for line in axes.lines):
            say_empty(axes, "too few specimens")
            continue
        axes.set_xscale("log")
        simulated = strengths["width_nm"]
        axes.set_xlim(0.86 * simulated.min(), simulated.max() / 0.86)
        axes.set_ylabel(what)
        axes.set_xlabel("width (nm)")
        _tick_widths(axes, strengths["width_nm"].unique())
    if left.axison:
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        left.yaxis.set_minor_locator(NullLocator())
    handles, names = right.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2)
    return Plate(
        figure,
        "Size effect",
        f"Left: yield stress (0.2 % offset) of the first load of "
        f"each specimen and the fitted power of the width. Right: standard "
        f"deviation over mean of the flow stress between 0.5 and 1 % strain, 95 % bootstrap "
        f"intervals. Exponents with 95 % intervals: {'; '.join(said)}. The paper states −0.55 for "
        f"its yield stress. The specimens are the same in every study and split (drawn for "
        f"{study}, {split}).",
        "Yield stress and scatter of the flow stress against width, for each number of slip "
        "systems.",
        counted(len(strengths), "specimen"),
    )


def _fit(fits: pd.DataFrame, slip: int, measure: str, of: str) -> pd.Series[float]:
    chosen = (fits["slip_systems"] == slip) & (fits["measure"] == measure) & (fits["of"] == of)
    return fits[chosen].iloc[0]


def _with_range(fit: pd.Series[float]) -> str:
    if not np.isfinite(fit["exponent"]):
        return f"– ({fit['note']})"
    if not np.isfinite(fit["exponent_low"]):
        return f"{number(fit['exponent'])} ({fit['note']})"
    return (
        f"{number(fit['exponent'])} ({number(fit['exponent_low'])} to "
        f"{number(fit['exponent_high'])})"
    )


def _tick_widths(axes: Axes, widths: np.ndarray) -> None:
    axes.set_xticks(sorted(widths), [f"{width:g}" for width in sorted(widths)], rotation=45)
    axes.xaxis.set_minor_locator(NullLocator())
