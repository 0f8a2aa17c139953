"""Names and numbers as text, the same in tables, figures and page."""

from __future__ import annotations

import math
from collections.abc import Mapping

# Numbers keep their unit on the same line.
_SPACE = "\u00a0"
_FIXED = {
    "chance": "Chance",
    "shape-only": "Shape only",
    "baseline": "Correlation baseline",
    "ensemble": "Ensemble",
}
_NETWORKS = {
    "proposed": "Proposed CNN",
    "res4-l2": "Res4 with L2",
    "res4": "Res4",
}
_METHODS = {
    "subset_mean": "mean curve of the subset",
    "cv": "cross-validated neighbours by network",
    "correlation_cv": "cross-validated neighbours by correlations",
}
_FAMILIES = {
    "": "by network",
    "correlation_": "by correlations",
    "paper_": "by network, own specimen allowed",
}


def model_label(model: str) -> str:
    """Return a model's name for people: ``res4-l2-seed0`` -> ``Res4 with L2, seed 0``."""
    if model in _FIXED:
        return _FIXED[model]
    network, separator, seed = model.rpartition("-seed")
    if not separator:
        return model
    return f"{_NETWORKS.get(network, network)}, seed {seed}"


def method_label(method: str) -> str:
    """Return a curve predictor's name: ``correlation_k5`` -> ``5 neighbours by correlations``."""
    family, _, count = method.rpartition("k")
    if method in _METHODS or not count.isdigit():
        return _METHODS.get(method, method.replace("_", " "))
    near = f"{count} neighbour{'s' if int(count) > 1 else ''}"
    return f"{near} {_FAMILIES.get(family, family)}"


def class_label(name: str | float) -> str:
    """Return a prior strain in percent, ``0.001`` -> ``0.1 %``; a strain path keeps its name."""
    try:
        return f"{100 * float(name):g}{_SPACE}%"
    except ValueError:
        return str(name)


def step_label(step: str) -> str:
    """Return a step of a strain path in percent: ``compress 0.01`` -> ``compress 1 %``."""
    verb, _, strain = step.partition(" ")
    return f"{verb} {class_label(strain)}" if strain else verb


def width_label(width_nm: float) -> str:
    """Return a width with the unit people use at that size: ``2000`` -> ``2 µm``."""
    return f"{width_nm / 1000:g}{_SPACE}µm" if width_nm >= 1000 else f"{width_nm:g}{_SPACE}nm"


def slip_label(slip_systems: int) -> str:
    """Return ``one slip`` or ``two slip``, the paper's words."""
    return {1: "one slip", 2: "two slip"}[int(slip_systems)]


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent, an en dash where it is not known."""
    return "–" if math.isnan(share) else f"{100 * share:.{digits}f}{_SPACE}%"


def percent_range(low: float, high: float) -> str:
    """Return an interval of shares in percent, e.g. ``61.0–82.4 %``."""
    if math.isnan(low) or math.isnan(high):
        return "–"
    return f"{100 * low:.1f}–{100 * high:.1f}{_SPACE}%"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points with its sign, ``+12.5``."""
    if math.isnan(difference):
        return "–"
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def p_value(value: float) -> str:
    """Return a p-value with its sign, ``= 0.012`` or ``< 0.001``."""
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"


def points_range(low: float, high: float) -> str:
    """Return an interval of differences in percentage points, ``−5.0 to +17.2``."""
    return "–" if math.isnan(low) or math.isnan(high) else f"{points(low)} to {points(high)}"


def number(value: float, digits: int = 2) -> str:
    """Return a plain number with fixed decimals and a true minus sign."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def listed(items: list[str]) -> str:
    """Return ``a, b and c``."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def counted(count: int, noun: str) -> str:
    """Return ``1 map``, ``2 maps``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}".replace(",", " ")


def sample_size(n: Mapping[str, int]) -> str:
    """Return what an experiment rests on: ``{"test_maps": 72}`` -> ``72 test maps``."""
    return ", ".join(
        counted(count, what.replace("_", " ").removesuffix("s")) for what, count in n.items()
    )


def lower(text: str) -> str:
    """Return the text with a small first letter."""
    return text[:1].lower() + text[1:]


def capital(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]
