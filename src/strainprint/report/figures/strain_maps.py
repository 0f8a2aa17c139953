"""Figure 9: an example strain map of every subset and class, to scale and with units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from strainprint.report.figures.style import COLUMN_IN, INK, Plate, say_empty
from strainprint.report.wording import class_label, counted, slip_label, width_label
from strainprint.specimens.naming import parse_subset

# A panel is about 1 inch long: more pixels than this would not show at 200 dpi.
_LONGEST_PX = 300
_NAMES = {"equivalent": "equivalent strain", "axial": "axial strain", "max_shear": "maximum shear"}


@dataclass(frozen=True)
class ExampleMap:
    """A scalar strain field to show: ``values`` (rows, columns), NaN where invalid."""

    map_id: str
    subset: str
    strain_path: str
    values: NDArray[np.float64]
    pitch_nm: float


def block_maximum(values: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """Return the largest value of every block x block points (NaN where all are NaN).

    A mean would thin out slip bands of one or two points; the maximum keeps them visible.
    """
    rows, columns = (-(-size // block) for size in values.shape)
    padded = np.full((rows * block, columns * block), -np.inf)
    padded[: values.shape[0], : values.shape[1]] = np.where(np.isnan(values), -np.inf, values)
    largest = padded.reshape(rows, block, columns, block).max(axis=(1, 3))
    result: NDArray[np.float64] = np.where(np.isinf(largest), np.nan, largest)
    return result


def round_length(limit_nm: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten (nm) that is at most ``limit_nm``."""
    power = 10.0 ** np.floor(np.log10(limit_nm))
    return float(max(m * power for m in (1, 2, 5) if m * power <= limit_nm * (1 + 1e-9)))


def draw_strain_maps(
    examples: Mapping[tuple[str, str], ExampleMap],
    subsets: Sequence[str],
    classes: Sequence[str],
    *,
    scalar: str,
    reload: str,
    frame: str,
    study: str,
    split: str,
) -> Plate:
    """Draw a row for each subset and a column for each class, loading axis horizontal.

    Parameters
    ----------
    examples
        Map by (subset, class); a missing one leaves its panel empty.
    subsets, classes
        Rows and columns.
    scalar
        Which scalar of the strain the values are (``equivalent``, ``axial`` or ``max_shear``).
    reload, frame, study, split
        For the caption.
    """
    shown = [e.values[np.isfinite(e.values)] for e in examples.values()]
    pooled = np.concatenate(shown) if shown else np.zeros(1)
    # Bands of a few points carry most of the strain: the square-root scale, cut at the 99.5th
    # percentile, shows the faint ones beside them.
    top = 100 * float(np.quantile(pooled, 0.995)) or 1e-6
    norm = PowerNorm(0.5, vmin=0.0, vmax=top)
    figure = Figure(figsize=(COLUMN_IN, 0.44 * len(subsets) + 0.85))
    grid = figure.subplots(len(subsets), len(classes), squeeze=False)
    image = None
    for (row, column), axes in np.ndenumerate(grid):
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        if row == 0:
            axes.set_title(f"after {class_label(classes[column])}", fontsize=7)
        example = examples.get((subsets[row], classes[column]))
        if example is None:
            say_empty(axes, "no map")
        else:
            block = max(1, -(-max(example.values.shape) // _LONGEST_PX))
            image = axes.imshow(
                100 * block_maximum(example.values, block),
                cmap="magma",
                norm=norm,
                interpolation="nearest",
                aspect="equal",
            )
            if column == 0:
                _scale_bar(axes, example, block)
        if column == 0:
            width, slip = parse_subset(subsets[row])
            axes.set_ylabel(
                f"{width_label(width)}\n{slip_label(slip)}",
                fontsize=6,
                rotation=0,
                ha="right",
                va="center",
            )
    if image is not None:
        bar = figure.colorbar(
            image, ax=grid, location="bottom", extend="max", aspect=40, shrink=0.8, pad=0.02
        )
        bar.set_label(f"{_NAMES.get(scalar, scalar)} (%)")
        bar.outline.set_visible(False)
    figure.suptitle("loading axis  ←  ▭  →  along each map", fontsize=7, color=INK)
    names = [e.map_id for e in examples.values()]
    return Plate(
        figure,
        "Strain maps",
        f"The {reload} reload's {_NAMES.get(scalar, scalar)} of the first specimen of each subset "
        f"(rows) after each prior strain (columns); loading axis horizontal, "
        f"{frame} frame. Each row has its own length scale (bar); colours are common, "
        f"on a square-root scale cut at the 99.5th percentile. "
        f"Study {study} (drawn for split {split}). Compare Figure 9 of the paper.",
        f"{counted(len(names), 'strain map')} with slip bands, {len(subsets)} subsets by "
        f"{len(classes)} prior strains.",
        counted(len(names), "map"),
    )


def _scale_bar(axes: Axes, example: ExampleMap, block: int) -> None:
    """Lay a bar of a round length over the lower left corner of a map."""
    point_nm = example.pitch_nm * block
    rows, columns = (-(-size // block) for size in example.values.shape)
    length_nm = round_length(0.4 * columns * point_nm)
    left, right = 0.03 * columns, 0.03 * columns + length_nm / point_nm
    dark_rim = [Stroke(linewidth=2.6, foreground="black", alpha=0.6), Normal()]
    axes.plot(
        [left, right],
        [0.86 * rows] * 2,
        color="white",
        lw=1.6,
        solid_capstyle="butt",
        path_effects=dark_rim,
    )
    axes.text(
        left,
        0.78 * rows,
        width_label(length_nm),
        color="white",
        fontsize=6,
        ha="left",
        va="bottom",
        path_effects=[Stroke(linewidth=1.2, foreground="black", alpha=0.6), Normal()],
    )
