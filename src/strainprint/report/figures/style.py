"""How every figure looks, and how it is written so that the same data give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from strainprint.files import sha256_of_file, write_whole

COLUMN_IN = 3.4  # one column of a two-column journal
PNG_DPI = 200
INK = "#1d2733"
MUTED = "#6b7785"

# Blue, orange, wine, green …: told apart by people with any colour vision and, the first three,
# by their lightness in grey print (Okabe and Ito's palette, wine for its vermilion).
_CLASS_COLOURS = ("#0072b2", "#e69f00", "#882255", "#009e73", "#56b4e9", "#d55e00")
_CLASS_MARKERS = ("o", "s", "^", "D", "v", "P")
SERIES_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "figure.titlesize": 8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "strainprint",
    "svg.fonttype": "path",
    "figure.constrained_layout.use": True,
    "axes.unicode_minus": True,
}


@dataclass(frozen=True)
class Plate:
    """A drawn figure with the words that go with it.

    Attributes
    ----------
    figure
        What was drawn.
    title
        A few words, for headings.
    caption
        What is shown, and the study and split it came from.
    alternative
        What the picture says, for people who do not see it.
    n
        How many of what it rests on, e.g. ``72 test maps``.
    """

    figure: Figure
    title: str
    caption: str
    alternative: str
    n: str

    def full_caption(self, config_digest: str) -> str:
        """Return the caption with n and the config it came from."""
        return f"{self.caption} n = {self.n}. Config {config_digest}."


@contextmanager
def house_style() -> Iterator[None]:
    """Draw everything inside the block in the house style, whatever the user's matplotlibrc."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        for key, value in _SETTINGS.items():
            matplotlib.rcParams[key] = value  # type: ignore[index]
        yield


def class_colour(label: int) -> str:
    """Return the colour of a class; it is the same in every figure."""
    return _CLASS_COLOURS[label % len(_CLASS_COLOURS)]


def class_marker(label: int) -> str:
    """Return the marker of a class; it is the same in every figure."""
    return _CLASS_MARKERS[label % len(_CLASS_MARKERS)]


def say_empty(axes: Axes, message: str) -> None:
    """Write into an empty panel why it is empty."""
    axes.set_axis_off()
    axes.text(
        *(0.5, 0.5),
        message,
        ha="center",
        va="center",
        color=MUTED,
        transform=axes.transAxes,
        fontsize=7,
        wrap=True,
    )


def empty_figure(message: str) -> Figure:
    """Return a figure of one sentence, where there is nothing to draw."""
    figure = Figure(figsize=(COLUMN_IN, 1.0))
    say_empty(figure.add_subplot(), message)
    return figure


def empty_plate(title: str, message: str) -> Plate:
    """Return a plate that says why no test map shows anything."""
    return Plate(empty_figure(message), title, message, message, "0 test maps")


def label_once(axes: Axes, row: int, column: int, rows: int, *, x: str, y: str) -> None:
    """Label the x axis in the last row and the y axis in the first column only."""
    if row == rows - 1:
        axes.set_xlabel(x)
    if column == 0:
        axes.set_ylabel(y)


def save_figure(figure: Figure, folder: str | Path, name: str) -> Sequence[Path]:
    """Write ``name.svg`` and ``name.png`` (200 dpi); the same figure gives the same bytes."""
    # Laying out takes longer than drawing: once for both files.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    paths = []
    for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        path = Path(folder) / f"{name}.{kind}"
        with write_whole(path) as partial:
            figure.savefig(partial, format=kind, dpi=PNG_DPI, metadata=metadata)
        paths.append(path)
    return paths


def figure_entry(
    plate: Plate, folder: str | Path, name: str, *, config_digest: str
) -> dict[str, Any]:
    """Write a plate's figure and return what a manifest says of it: words and checksums."""
    files = save_figure(plate.figure, folder, name)
    return {
        "name": name,
        "title": plate.title,
        "caption": plate.full_caption(config_digest),
        "alternative": plate.alternative,
        "sha256": {path.suffix[1:]: sha256_of_file(path) for path in files},
    }
