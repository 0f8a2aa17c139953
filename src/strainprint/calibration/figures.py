"""Figures of the sweep, drawn from its tables and pictures alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from strainprint.calibration.comparison import PUBLISHED_KIND
from strainprint.files import sha256_of_file, whole_directory, write_json
from strainprint.report.figures.style import (
    COLUMN_IN,
    MUTED,
    SERIES_COLOURS,
    class_colour,
    class_marker,
    empty_figure,
    house_style,
    save_figure,
)

FIGURES_FORMAT = "strainprint-calibration-figures"

_SHOWN_SPECIMENS = 4


def draw_comparison(
    tables: str | Path,
    pictures: Mapping[str, str | Path],
    figures: str | Path,
    figures_json: str | Path,
    *,
    exponent: float,
) -> None:
    """Draw every figure of the sweep as SVG and PNG.

    Parameters
    ----------
    tables
        Folder of :func:`comparison.write_comparison`.
    pictures
        HDF5 of :func:`sample.measure_sample` by parameter set.
    exponent
        Of yield strength against width, as the paper reports it.
    """
    table = {
        name: read_table(Path(tables) / f"{name}.csv")
        for name in ("sets", "strength", "size_effect", "pictures", "memory", "confusion")
    }
    names = [str(name) for name in table["sets"]["set"]]
    with whole_directory(figures) as folder, house_style():
        folder.mkdir()
        paths = [
            *save_figure(size_figure(table["strength"], names, exponent), folder, "size_effect"),
            *save_figure(picture_figure(table["pictures"], names), folder, "pictures"),
            *save_figure(memory_figure(table["memory"], names), folder, "memory"),
            *save_figure(confusion_figure(table["confusion"], names), folder, "confusion"),
        ]
        for name, file in pictures.items():
            paths += save_figure(example_figure(file), folder, f"examples-{name}")
        digests = {path.name: sha256_of_file(path) for path in paths}
    write_json(figures_json, {"format": FIGURES_FORMAT, "sha256": digests})


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table that may hold no row at all."""
    return pd.read_csv(path) if Path(path).read_text().strip() else pd.DataFrame()


def size_figure(strength: pd.DataFrame, names: Sequence[str], exponent: float) -> Figure:
    """Yield strength against width for every set with two or more widths, beside the paper's."""
    many = [name for name in names if strength[strength["set"] == name]["width_nm"].nunique() > 1]
    if not many:
        return empty_figure("no parameter set was simulated at two widths")
    figure = Figure(figsize=(COLUMN_IN, 2.6))
    axes = figure.add_subplot()
    for i, name in enumerate(many):
        rows = strength[(strength["set"] == name) & (strength["slip_systems"] == 2)]
        axes.errorbar(
            rows["width_nm"],
            rows["yield_mpa"],
            rows["yield_mpa"] * rows["yield_scatter"],
            marker=class_marker(i),
            ms=3,
            color=SERIES_COLOURS[i % len(SERIES_COLOURS)],
            label=name,
            capsize=2,
        )
    width = np.array(axes.get_xlim())
    middle = strength[strength["set"].isin(many)]
    scale = float(np.exp(np.log(middle["yield_mpa"] / middle["width_nm"] ** exponent).mean()))
    axes.plot(width, scale * width**exponent, "--", color=MUTED, label=f"w^{exponent:g} (paper)")
    axes.set(xscale="log", yscale="log", xlabel="width, nm", ylabel="yield stress, MPa")
    axes.legend()
    return figure


def picture_figure(pictures: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Statistics of the large reload's pictures by set and class, the authors' range shaded."""
    if pictures.empty:
        return empty_figure("no maps of the published kind")
    statistics = {
        "zero_fraction": "share of\nzeros",
        "mean_grey": "mean\ngrey",
        "top_1_share": "share of\ntop 1 %",
        "top_5_share": "share of\ntop 5 %",
        "traces": "traces",
        "faint_traces_from_side": "faint from\na side",
    }
    figure = Figure(figsize=(2 * COLUMN_IN, 0.9 + 0.16 * len(names)))
    panels = figure.subplots(1, len(statistics), sharey=True)
    for axes, (statistic, label) in zip(panels, statistics.items(), strict=True):
        rows = pictures[pictures["statistic"] == statistic]
        _dots(axes, rows, names, "mean", "prior_strain")
        low, high = rows["authors_low"].iloc[0], rows["authors_high"].iloc[0]
        if np.isfinite(low):
            axes.axvspan(low, high, color=MUTED, alpha=0.25, lw=0)
        axes.set_xlabel(label)
    _name_rows(panels[0], names)
    panels[-1].legend(title="prior strain", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def memory_figure(memory: pd.DataFrame, names: Sequence[str]) -> Figure:
    """What tells two prior strains apart in the audited maps of the large reload."""
    if memory.empty:
        return empty_figure("no set has two prior strains")
    rows = memory[memory["reload"] == "large"].copy()
    for column, value in PUBLISHED_KIND.items():
        rows = rows[rows[column] == value]
    if rows.empty:
        return empty_figure("no maps of the published kind")
    rows["pair"] = [
        f"{100 * a:g} and {100 * b:g} %"
        for a, b in zip(rows["first_prior"], rows["second_prior"], strict=True)
    ]
    columns = {
        "references_differ": "share of references\nthat differ",
        "map_difference": "1 − correlation\nof maps",
        "auc_map": "AUC,\nmap statistics",
    }
    figure = Figure(figsize=(2 * COLUMN_IN, 0.9 + 0.16 * len(names)))
    panels = figure.subplots(1, len(columns), sharey=True)
    for axes, (column, label) in zip(panels, columns.items(), strict=True):
        _dots(axes, rows, names, column, "pair")
        axes.set_xlabel(label)
    panels[-1].axvline(0.5, color=MUTED, lw=0.6)
    _name_rows(panels[0], names)
    panels[-1].legend(title="prior strains", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _dots(axes: Axes, rows: pd.DataFrame, names: Sequence[str], column: str, series: str) -> None:
    place = {name: i for i, name in enumerate(names)}
    for i, (value, group) in enumerate(rows.groupby(series)):
        y = np.array([place[name] for name in group["set"]]) + 0.2 * (i - 1)
        if f"{column}_low" in rows:
            axes.hlines(
                y, group[f"{column}_low"], group[f"{column}_high"], color=class_colour(i), lw=0.6
            )
        label = f"{100 * value:g} %" if isinstance(value, float) else str(value)
        axes.plot(group[column], y, class_marker(i), ms=3, color=class_colour(i), label=label)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.5, -0.5)


def confusion_figure(confusion: pd.DataFrame, names: Sequence[str]) -> Figure:
    """What the published network names the maps of every set, as shares of each class."""
    if confusion.empty:
        return empty_figure("the published network was not at hand")
    judged = [name for name in names if name in set(confusion["set"])]
    cells = [(name, study) for name in judged for study in ("published", "audited")]
    across = 6
    down = -(-len(cells) // across)
    figure = Figure(figsize=(2 * COLUMN_IN, 1.4 * down))
    panels = figure.subplots(down, across, squeeze=False)
    for axes in panels.flat[len(cells) :]:
        axes.set_axis_off()
    for axes, (name, study) in zip(panels.flat, cells, strict=False):
        counts = confusion[(confusion["set"] == name) & (confusion["study"] == study)].pivot(
            index="prior_strain", columns="named_prior", values="maps"
        )
        shares = counts.div(counts.sum(axis=1), axis=0)
        axes.imshow(shares.to_numpy(), cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(counts.to_numpy()):
            light = shares.to_numpy()[row, column] > 0.5
            axes.text(
                column, row, str(value), ha="center", va="center", color="white" if light else "k"
            )
        axes.set_xticks(
            range(counts.shape[1]), [f"{100 * named:g}" for named in counts.columns.to_list()]
        )
        axes.set_yticks(
            range(len(counts)), [f"{100 * prior:g}" for prior in counts.index.to_list()]
        )
        axes.set_title(f"{name},\n{study}", fontsize=6)
    panels[-1, 0].set(xlabel="named, %", ylabel="true prior, %")
    return figure


def example_figure(pictures_h5: str | Path) -> Figure:
    """Pictures of the large reload of the first specimens of 125 nm, a column for each prior."""
    with h5py.File(pictures_h5) as file:
        drawn = file.get("published", {})
        chosen = sorted(name for name in drawn if name.startswith("w0125-s2-"))
        specimens = sorted({name.rsplit("-p", 1)[0] for name in chosen})[:_SHOWN_SPECIMENS]
        images = {name: drawn[name][()] for name in chosen if name.rsplit("-p", 1)[0] in specimens}
    if not images:
        return empty_figure("no map of 125 nm and two slip systems")
    priors = sorted({name.rsplit("-p", 1)[1].split("-")[0] for name in images}, key=float)
    figure = Figure(figsize=(2 * COLUMN_IN, 0.6 * len(specimens) + 0.3))
    panels = figure.subplots(len(specimens), len(priors), squeeze=False)
    for row, specimen in enumerate(specimens):
        for column, prior in enumerate(priors):
            axes = panels[row, column]
            # square root, or the faint traces would not show in print
            axes.imshow(np.sqrt(images[f"{specimen}-p{prior}-large"]), cmap="gray", vmin=0, vmax=16)
            axes.set_axis_off()
            if row == 0:
                axes.set_title(f"after {100 * float(prior):g} %")
    return figure
