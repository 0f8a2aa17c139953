"""Yield and flow stress of a loading curve, how they depend on width, and how they scatter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError

OFFSET_STRAIN = 0.002
"""Plastic strain at which a curve has yielded, by the engineer's convention."""

FLOW_STRAINS = (0.005, 0.01)
"""Strains between which the flow stress is averaged: every arm of the sweep loads that far."""

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A value with the limits of its 95 % percentile bootstrap interval."""

    value: float
    low: float
    high: float


def offset_yield_mpa(
    strain: Array, stress_mpa: Array, modulus_mpa: float, offset: float = OFFSET_STRAIN
) -> float:
    """Return the stress at which a curve first meets the elastic line shifted by ``offset``.

    Linear between recorded points; NaN where the curve never yields.
    """
    beyond = stress_mpa - modulus_mpa * (strain - offset)
    below = np.flatnonzero(beyond <= 0.0)
    if len(below) == 0 or below[0] == 0:
        return float("nan")
    i = int(below[0])
    share = beyond[i - 1] / (beyond[i - 1] - beyond[i])
    return float(stress_mpa[i - 1] + share * (stress_mpa[i] - stress_mpa[i - 1]))


def flow_stress_mpa(
    strain: Array, stress_mpa: Array, between: tuple[float, float] = FLOW_STRAINS
) -> float:
    """Return the mean stress of the recorded points between two strains; NaN where there is none"""
    chosen = (strain >= between[0] - 1e-9) & (strain <= between[1] + 1e-9)
    return float(stress_mpa[chosen].mean()) if chosen.any() else float("nan")


def size_exponent(
    stress_mpa: Mapping[float, Array], *, seed: int, resamples: int = 2000
) -> Estimate:
    """Return the exponent n of stress ~ width^n: least squares through the logarithms.

    Every specimen is one point. The interval is a percentile bootstrap that draws specimens anew
    within each width.

    Parameters
    ----------
    stress_mpa
        Stresses of the specimens by width; specimens that never yielded (NaN) are left out.

    Raises
    ------
    BadInputError
        Fewer than two widths with a specimen.
    """
    groups = {w: np.log(s[np.isfinite(s)]) for w, s in stress_mpa.items()}
    groups = {w: s for w, s in groups.items() if len(s)}
    if len(groups) < 2:
        raise BadInputError(f"{len(groups)} width(s) with a stress", allowed="2 or more")
    widths = sorted(groups)
    where = np.log(np.concatenate([np.full(len(groups[w]), w) for w in widths]))
    random = np.random.Generator(np.random.PCG64(seed))
    slopes = np.empty(resamples)
    for i in range(resamples):
        drawn = [random.choice(groups[w], len(groups[w])) for w in widths]
        slopes[i] = np.polyfit(where, np.concatenate(drawn), 1)[0]
    value = float(np.polyfit(where, np.concatenate([groups[w] for w in widths]), 1)[0])
    low, high = np.quantile(slopes, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def scatter_exponent(
    stress_mpa: Mapping[float, Array], *, seed: int, resamples: int = 2000
) -> Estimate:
    """Return the exponent n of relative scatter ~ width^n: least squares through the logarithms.

    Every width with three specimens or more is one point. The interval is a percentile bootstrap
    that draws specimens anew within each width.

    Parameters
    ----------
    stress_mpa
        Stresses of the specimens by width; NaN are left out.

    Raises
    ------
    BadInputError
        Fewer than two widths with three specimens, or specimens of one width that are all alike.
    """
    groups = {w: s[np.isfinite(s)] for w, s in stress_mpa.items()}
    groups = {w: s for w, s in groups.items() if len(s) >= 3}
    if len(groups) < 2:
        raise BadInputError(f"{len(groups)} width(s) with three specimens", allowed="2 or more")
    if any(np.ptp(s) == 0 for s in groups.values()):
        raise BadInputError("the specimens of a width are all alike", allowed="some scatter")
    widths = sorted(groups)
    where = np.log(widths)
    random = np.random.Generator(np.random.PCG64(seed))
    scatter = np.empty((resamples, len(widths)))
    for column, width in enumerate(widths):
        drawn = random.choice(groups[width], (resamples, len(groups[width])))
        scatter[:, column] = drawn.std(axis=1, ddof=1) / drawn.mean(axis=1)
    # A draw of one specimen over and over has no logarithm of its scatter.
    scatter = scatter[(scatter > 0).all(axis=1)]
    centred = where - where.mean()
    slopes = np.log(scatter) @ centred / (centred @ centred)
    true = np.log([groups[w].std(ddof=1) / groups[w].mean() for w in widths])
    low, high = np.quantile(slopes, [0.025, 0.975])
    return Estimate(float(true @ centred / (centred @ centred)), float(low), float(high))


def relative_scatter(stress_mpa: Array, *, seed: int, resamples: int = 2000) -> Estimate:
    """Return standard deviation over mean of specimens' stresses, with a bootstrap interval.

    NaN throughout with fewer than three specimens.
    """
    values = stress_mpa[np.isfinite(stress_mpa)]
    if len(values) < 3:
        return Estimate(float("nan"), float("nan"), float("nan"))
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = random.choice(values, (resamples, len(values)))
    low, high = np.quantile(drawn.std(axis=1, ddof=1) / drawn.mean(axis=1), [0.025, 0.975])
    return Estimate(float(values.std(ddof=1) / values.mean()), float(low), float(high))
