"""Figure 1: the flow of the method, laid out from the rules of the workflow and their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from strainprint.report.figures.style import COLUMN_IN, INK, MUTED, Plate
from strainprint.report.wording import counted, listed

_LAYER_IN = 0.52
_BOX_IN = (0.74, 0.3)
_SWEEPS = 12
# Pale fills, one for each stage; the stage's name stands in the box, so colour is not needed.
_FILLS = ("#e8f1f8", "#fdf1dc", "#f6e8ef", "#e4f3ee", "#eef0f3", "#fbe9df", "#f4f4e2", "#eae8f6")


def layers_of(reads: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the layer of every rule: one more than the deepest rule that it reads from.

    Parameters
    ----------
    reads
        The rules whose files each rule reads.
    """
    layer: dict[str, int] = {}

    def depth(rule: str) -> int:
        if rule not in layer:
            layer[rule] = 1 + max((depth(other) for other in reads[rule]), default=-1)
        return layer[rule]

    for rule in reads:
        depth(rule)
    return layer


def direct_edges(reads: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return (from, to) of the edges that no longer way through other rules implies."""
    above: dict[str, set[str]] = {}

    def ancestors(rule: str) -> set[str]:
        if rule not in above:
            above[rule] = set(reads[rule]).union(*(ancestors(other) for other in reads[rule]))
        return above[rule]

    edges = []
    for rule in reads:
        for other in reads[rule]:
            if not any(other in ancestors(between) for between in reads[rule]):
                edges.append((other, rule))
    return sorted(edges)


def draw_flow(rules: Sequence[Mapping[str, object]]) -> Plate:
    """Draw a box for each rule and an arrow for each file that passes between two.

    Parameters
    ----------
    rules
        ``rule``, ``stage``, ``reads`` (names of rules) and ``writes`` (file patterns) of each, as
        :func:`strainprint.workflow.rule_flow` returns them.
    """
    reads = {str(one["rule"]): [str(name) for name in _list(one["reads"])] for one in rules}
    layer = layers_of(reads)
    edges = direct_edges(reads)
    place, waypoints = _places(layer, edges)
    depth = max(layer.values()) + 1
    figure = Figure(figsize=(COLUMN_IN, _LAYER_IN * depth + 0.1))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, COLUMN_IN)
    axes.set_ylim(_LAYER_IN * depth + 0.05, -0.05)
    axes.set_axis_off()
    for edge in edges:
        _draw_edge(axes, place, edge, waypoints[edge])
    stages = list(dict.fromkeys(str(one["stage"]) for one in rules))
    for one in rules:
        name, stage = str(one["rule"]), str(one["stage"])
        x, y = place[name]
        width, height = _BOX_IN
        axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - height / 2),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.04",
                facecolor=_FILLS[stages.index(stage) % len(_FILLS)],
                edgecolor=INK,
                linewidth=0.6,
                zorder=2,
            )
        )
        long = len(name) > 12
        axes.text(
            *(x, y - (0.055 if long else 0.045)),
            name.replace("_", "\n") if long else name,
            ha="center",
            va="center",
            fontsize=5.4 if long else 6.5,
            linespacing=0.95,
            zorder=3,
        )
        below = y + (0.1 if long else 0.075)
        axes.text(x, below, stage, ha="center", va="center", fontsize=5, color=MUTED, zorder=3)
    files = sum(len(_list(one["writes"])) for one in rules)
    return Plate(
        figure,
        "Flow of the method",
        "The rules of the workflow that this page rests on, with the stage of each below its name, "
        "and the way of the files between them; arrows that others imply are left out. Laid out "
        "from the workflow’s own rules and file names. Compare Figure 1 of the paper.",
        "Flow chart from "
        + listed([name for name in reads if layer[name] == 0])
        + " to "
        + listed([name for name in reads if layer[name] == depth - 1])
        + ": "
        + "; ".join(f"{first} to {second}" for first, second in edges)
        + ".",
        f"{counted(len(rules), 'rule')}, {counted(files, 'kind')} of files",
    )


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


Point = tuple[float, float]


def _places(
    layer: Mapping[str, int], edges: Sequence[tuple[str, str]]
) -> tuple[dict[str, Point], dict[tuple[str, str], list[Point]]]:
    """Return the place of each rule and the points an edge passes in the layers between.

    Layered layout (Sugiyama et al. 1981): an edge over several layers takes a place in each of
    them; layers are sorted again and again by the mean place of their neighbours.
    """
    rows: list[list[object]] = [[] for _ in range(max(layer.values()) + 1)]
    for name, depth in layer.items():
        rows[depth].append(name)
    near: dict[object, list[object]] = {name: [] for name in layer}
    chains: dict[tuple[str, str], list[object]] = {}
    for first, second in edges:
        chain: list[object] = [first]
        for depth in range(layer[first] + 1, layer[second]):
            point = (first, second, depth)
            rows[depth].append(point)
            near[point] = []
            chain.append(point)
        chain.append(second)
        chains[first, second] = chain
        for one, other in pairwise(chain):
            near[one].append(other)
            near[other].append(one)
    at: dict[object, float] = {}
    for row in rows:
        _spread(row, at)
    for _ in range(_SWEEPS):
        for row in (*rows, *rows[::-1]):
            wish = {one: float(np.mean([at[n] for n in near[one]] or [at[one]])) for one in row}
            row.sort(key=lambda one: (wish[one], str(one)))
            _spread(row, at)
    y = [_LAYER_IN * (depth + 0.5) for depth in range(len(rows))]
    place = {name: (at[name], y[depth]) for name, depth in layer.items()}
    waypoints = {
        edge: [(at[point], y[layer[edge[0]] + i]) for i, point in enumerate(chain[1:-1], start=1)]
        for edge, chain in chains.items()
    }
    return place, waypoints


def _spread(row: Sequence[object], at: dict[object, float]) -> None:
    """Place a layer's boxes and passing edges side by side, in the middle of the column."""
    gap, passing = 0.09, 0.14
    widths = [_BOX_IN[0] if isinstance(one, str) else passing for one in row]
    total = sum(widths) + gap * (len(row) - 1)
    # a layer too wide for the column is drawn closer together
    scale = min(1.0, (COLUMN_IN - 0.06) / total) if total else 1.0
    x = (COLUMN_IN - total * scale) / 2
    for one, width in zip(row, widths, strict=True):
        at[one] = x + width * scale / 2
        x += (width + gap) * scale


def _draw_edge(
    axes: Axes, place: Mapping[str, Point], edge: tuple[str, str], between: Sequence[Point]
) -> None:
    """Draw a smooth line from the lower edge of one box to an arrow head on the next."""
    half = _BOX_IN[1] / 2
    (x0, y0), (x1, y1) = place[edge[0]], place[edge[1]]
    points = [(x0, y0 + half), *between, (x1, y1 - half - 0.03)]
    vertices, codes = [points[0]], [Curve.MOVETO]
    for (xa, ya), (xb, yb) in pairwise(points):
        middle = (ya + yb) / 2
        vertices += [(xa, middle), (xb, middle), (xb, yb)]
        codes += [Curve.CURVE4] * 3
    axes.add_patch(
        PathPatch(Curve(vertices, codes), facecolor="none", edgecolor=MUTED, lw=0.7, zorder=1)
    )
    axes.fill(
        [x1 - 0.025, x1 + 0.025, x1],
        [y1 - half - 0.055, y1 - half - 0.055, y1 - half - 0.005],
        color=MUTED,
        lw=0,
        zorder=1.5,
    )
