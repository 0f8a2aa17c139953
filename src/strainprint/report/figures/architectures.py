"""Figures 8 and 11: the residual module and the networks, drawn from the modules themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import nn

from strainprint.networks.architectures import (
    NormalizedConvolution,
    ResidualModule,
    ResidualNetwork,
    SamePool,
    architecture_of,
    count_parameters,
)
from strainprint.report.figures.style import COLUMN_IN, INK, MUTED, Plate
from strainprint.report.wording import counted, listed, model_label

_FILLS = {
    "convolution": "#dcebf6",
    "normalisation": "#e4f3ee",
    "ReLU": "#fdf1dc",
    "pool": "#eef0f3",
    "end": "#f6e8ef",
    "+": "white",
}
_STEP_IN, _HEIGHT_IN = 0.2, 0.145


@dataclass(frozen=True)
class Block:
    """One box of a drawn network.

    Attributes
    ----------
    text
        What stands in it.
    kind
        Its colour, a key of the fills.
    size
        Output beside it, e.g. ``32 × 28²``; empty for none.
    shortcut
        Where the block is the last of a residual module: how many blocks the shortcut passes.
    shortcut_text
        What is on the shortcut.
    """

    text: str
    kind: str
    size: str = ""
    shortcut: int = 0
    shortcut_text: str = ""


def blocks_of(network: ResidualNetwork, crop_px: int) -> list[Block]:
    """Return the blocks of a network as it is built, with the sizes of an actual pass."""
    sizes: list[str] = []
    x = torch.zeros(1, 1, crop_px, crop_px)
    with torch.inference_mode():
        for layer in network.layers:
            x = layer(x)
            sizes.append(f"{x.shape[1]} × {x.shape[2]}²")
    blocks = [Block(f"crop, {crop_px} px", "end", f"1 × {crop_px}²")]
    for layer, size in zip(network.layers, sizes, strict=True):
        if isinstance(layer, NormalizedConvolution):
            blocks.append(Block(_convolution_text(layer), "convolution", size))
        elif isinstance(layer, SamePool):
            blocks.append(Block("max-pool, /2", "pool", size))
        elif isinstance(layer, ResidualModule):
            inner = [one for one in layer.body if isinstance(one, NormalizedConvolution)]
            blocks += [Block(_convolution_text(one), "convolution") for one in inner[:-1]]
            blocks.append(
                Block(
                    _convolution_text(inner[-1]),
                    "convolution",
                    size,
                    len(inner),
                    "1×1" if isinstance(layer.shortcut, NormalizedConvolution) else "",
                )
            )
    features, classes = network.classifier.in_features, network.classifier.out_features
    blocks.append(Block("average pool", "pool", str(features)))
    blocks.append(Block(f"linear, {classes}", "end", str(classes)))
    return blocks


def draw_networks(names: Sequence[str], *, n_classes: int, crop_px: int) -> Plate:
    """Draw each network as a column of blocks (Figure 11).

    Parameters
    ----------
    names
        Architectures, as in the config.
    n_classes, crop_px
        Classes to tell apart, and side of a crop.
    """
    networks = {
        name: ResidualNetwork(architecture_of(name), n_classes=n_classes).eval() for name in names
    }
    columns = {name: blocks_of(network, crop_px) for name, network in networks.items()}
    tallest = max(len(blocks) for blocks in columns.values())
    figure = Figure(figsize=(COLUMN_IN, _STEP_IN * tallest + 0.5))
    grid = figure.subplots(1, len(columns), squeeze=False)[0]
    for axes, (name, blocks) in zip(grid, columns.items(), strict=True):
        axes.set_xlim(-0.6, 0.74)
        axes.set_ylim(_STEP_IN * tallest, -0.05)
        axes.set_axis_off()
        axes.set_title(_plain(name), fontsize=7)
        for row, block in enumerate(blocks):
            _draw_block(axes, row, block, last=row == len(blocks) - 1)
    counts = {name: count_parameters(network) for name, network in networks.items()}
    return Plate(
        figure,
        "The networks",
        "The networks as they are built and run, drawn from their modules: channels × side² of "
        "the output beside each block; pools are 3×3 with stride 2; every convolution is followed "
        "by batch normalisation and ReLU, the last of a residual module by ReLU after the sum. "
        "Arcs are shortcuts, with a 1×1 convolution where the number of channels changes. "
        "Trainable parameters: "
        + listed([f"{_plain(name)} {count:,}".replace(",", " ") for name, count in counts.items()])
        + ". Compare Figure 11 of the paper, whose text has a 1×1 convolution in every shortcut; "
        "its published weights do not.",
        "; ".join(
            f"{_plain(name)}: " + ", ".join(block.text for block in blocks)
            for name, blocks in columns.items()
        )
        + ".",
        counted(len(networks), "network"),
    )


def draw_residual_module(name: str, *, n_classes: int) -> Plate:
    """Draw the first two residual modules of different shortcuts, layer by layer (Figure 8)."""
    network = ResidualNetwork(architecture_of(name), n_classes=n_classes)
    modules = [layer for layer in network.layers if isinstance(layer, ResidualModule)]
    by_shortcut: dict[type[nn.Module], ResidualModule] = {}
    for module in modules:
        by_shortcut.setdefault(type(module.shortcut), module)
    columns = [_module_blocks(module) for module in by_shortcut.values()]
    tallest = max(len(blocks) for blocks in columns)
    figure = Figure(figsize=(COLUMN_IN, _STEP_IN * tallest + 0.35))
    grid = figure.subplots(1, len(columns), squeeze=False)[0]
    for index, (axes, blocks) in enumerate(zip(grid, columns, strict=True)):
        axes.set_xlim(-0.85, 0.6)
        axes.set_ylim(_STEP_IN * tallest, -0.05)
        axes.set_axis_off()
        axes.set_title(f"({chr(97 + index)})", loc="left", fontsize=7)
        for row, block in enumerate(blocks):
            _draw_block(axes, row, block, last=row == len(blocks) - 1)
    return Plate(
        figure,
        "The residual module",
        f"The kinds of residual modules of {_plain(name)}, layer by layer as they are built: the "
        "input x is added to what the convolutions make of it, "
        "through a 1×1 convolution where the number of channels changes and unchanged where it "
        "does not. Compare Figure 8 of the paper.",
        "; ".join(", ".join(block.text for block in blocks) for blocks in columns) + ".",
        f"{counted(len(columns), 'kind')} of module",
    )


def _module_blocks(module: ResidualModule) -> list[Block]:
    blocks = [Block("x", "end")]
    for layer in module.body:
        if isinstance(layer, NormalizedConvolution):
            blocks.append(Block(_convolution_text(layer), "convolution"))
            blocks.append(Block("normalisation", "normalisation"))
        elif isinstance(layer, nn.ReLU):
            blocks.append(Block("ReLU", "ReLU"))
    shortcut = module.shortcut
    text = (
        f"{_convolution_text(shortcut)}\nnormalisation"
        if isinstance(shortcut, NormalizedConvolution)
        else "unchanged"
    )
    blocks.append(Block("+", "+", "", len(blocks), text))
    return [*blocks, Block("ReLU", "ReLU")]


def _convolution_text(layer: NormalizedConvolution) -> str:
    convolution = layer.convolution
    return f"conv {convolution.kernel_size[0]}×{convolution.kernel_size[1]}, " + str(
        convolution.out_channels
    )


def _plain(name: str) -> str:
    return model_label(f"{name}-seed0").split(",")[0]


def _draw_block(axes: Axes, row: int, block: Block, *, last: bool) -> None:
    """Draw a box, the arrow to the next, the output size and the shortcut that ends here."""
    y = _STEP_IN * (row + 0.5)
    half = 0.38
    axes.add_patch(
        FancyBboxPatch(
            (-half, y - _HEIGHT_IN / 2),
            2 * half,
            _HEIGHT_IN,
            boxstyle="round,pad=0,rounding_size=0.03",
            facecolor=_FILLS[block.kind],
            edgecolor=INK,
            linewidth=0.5,
        )
    )
    axes.text(0, y, block.text, ha="center", va="center", fontsize=5.2)
    axes.text(half + 0.03, y, block.size, ha="left", va="center", fontsize=4.8, color=MUTED)
    if not last:
        axes.plot([0, 0], [y + _HEIGHT_IN / 2, y + _STEP_IN - _HEIGHT_IN / 2], color=MUTED, lw=0.6)
    if block.shortcut:
        # from box to box at a sum that is drawn, else from between boxes to between boxes
        outside = 0 if block.kind == "+" else _STEP_IN / 2 - 0.012
        start = y - _STEP_IN * (block.shortcut - (block.kind != "+")) - outside
        end = y + outside
        x = -half if block.kind == "+" else 0
        axes.plot(
            [x, -half - 0.09, -half - 0.09, x],
            [start, start, end, end],
            color=INK,
            lw=0.6,
            zorder=0,
        )
        axes.add_patch(
            FancyArrowPatch(
                (x - 0.08, end), (x, end), arrowstyle="-|>", mutation_scale=4, color=INK, lw=0.6
            )
        )
        axes.text(
            -half - 0.093,
            (start + end) / 2,
            block.shortcut_text,
            ha="center",
            va="center",
            rotation=90,
            fontsize=4.8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
