"""The columns that experiments share: shares with intervals, paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from strainprint.report.statistics import (
    FEWEST_SPECIMENS,
    accuracy_interval,
    bootstrap_difference,
    mcnemar_exact,
    specimen_resamples,
)


def accuracy_columns(
    correct: ArrayLike, specimens: ArrayLike, *, seed: int, resamples: int
) -> dict[str, Any]:
    """Return accuracy, its 95 % interval and the interval's method, for maps of some specimens.

    Parameters
    ----------
    correct, specimens
        Whether each map was named rightly, and its specimen; shape (n_maps,).
    seed, resamples
        Of the bootstrap over whole specimens.
    """
    values, names = np.asarray(correct, dtype=bool), np.asarray(specimens)
    weights = specimen_resamples(names, seed=seed, resamples=resamples)
    interval, method = accuracy_interval(values, names, weights)
    return {
        "maps": values.size,
        "specimens": np.unique(names).size,
        "accuracy": float(values.mean()) if values.size else float("nan"),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_method": method,
    }


def coverage_columns(
    held: ArrayLike, specimens: ArrayLike, *, seed: int, resamples: int
) -> dict[str, float]:
    """Return the share of maps whose set or interval holds the truth, with its 95 % interval.

    The interval is over the specimens that test; what a few validation specimens leave open about
    the width of the sets is not in it.

    Parameters
    ----------
    held, specimens
        Whether each map's truth was held, and its specimen; shape (n_maps,).
    seed, resamples
        See :func:`accuracy_columns`.
    """
    share = accuracy_columns(held, specimens, seed=seed, resamples=resamples)
    return {
        "coverage": share["accuracy"],
        "coverage_low": share["ci_low"],
        "coverage_high": share["ci_high"],
    }


def coverage_of_calibration(
    judged: Mapping[str, Any] | None, *, seed: int, resamples: int
) -> dict[str, float]:
    """Return :func:`coverage_columns` and mean size of the sets of one part of a calibration.

    ``judged`` is the part as it stands in the JSON that
    :func:`strainprint.networks.calibration.write_calibration` wrote; None where nothing was judged,
    which gives NaN.
    """
    counts = judged["held_of_specimens"] if judged else []
    held = [one for right, maps in counts for one in [True] * right + [False] * (maps - right)]
    specimens = [specimen for specimen, (_, maps) in enumerate(counts) for _ in range(maps)]
    return {
        **coverage_columns(held, specimens, seed=seed, resamples=resamples),
        "classes_named": judged["classes_named"] if judged else float("nan"),
    }


def comparison_row(
    model: str,
    members: int,
    correct: ArrayLike,
    reference: ArrayLike,
    specimens: ArrayLike,
    *,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """Return the row of one of several models that are judged on the same maps.

    Parameters
    ----------
    model, members
        Its name, and how many networks are averaged.
    correct, reference
        Whether it, and the model that all are compared with, named each map rightly.
    specimens, seed, resamples
        See :func:`accuracy_columns`.
    """
    drawn = {"seed": seed, "resamples": resamples}
    return {
        "model": model,
        "members": members,
        **accuracy_columns(correct, specimens, **drawn),
        **difference_columns(correct, reference, specimens, **drawn),
    }


def difference_columns(
    correct_a: ArrayLike, correct_b: ArrayLike, specimens: ArrayLike, *, seed: int, resamples: int
) -> dict[str, float]:
    """Return accuracy(a) - accuracy(b) on the same maps, its 95 % interval and McNemar's p.

    The interval comes from the bootstrap over whole specimens and is NaN for fewer than three;
    without a map everything is NaN.
    """
    a, b = np.asarray(correct_a, dtype=float), np.asarray(correct_b, dtype=float)
    names = np.asarray(specimens)
    low = high = float("nan")
    if np.unique(names).size >= FEWEST_SPECIMENS:
        weights = specimen_resamples(names, seed=seed, resamples=resamples)
        low, high = bootstrap_difference(correct_a, correct_b, weights)
    return {
        "difference": float((a - b).mean()) if a.size else float("nan"),
        "difference_low": low,
        "difference_high": high,
        "mcnemar_p": mcnemar_exact(correct_a, correct_b) if a.size else float("nan"),
    }
